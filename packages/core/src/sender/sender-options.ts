import { isSecureUrl } from '../base/url.js'
import { applyChecks, checkNames, isPlainObject, numberIn, wrongKind } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'
import { ALGORITHMS, type Algorithm, isAlgorithm } from '../token/algorithms.js'
import type { CertificateSource, MtlsOption } from './certificate.js'
import { checkReplayStore, type ReplayStore } from './replay-store.js'

/**
 * Whether tokens that are bound to a key of the client are accepted (RFC 9449): `'off'`, such tokens are refused; `'optional'`,
 * they need a proof, other tokens are Bearer tokens; `'required'`, only such tokens.
 */
export type DpopMode = 'off' | 'optional' | 'required'

/**
 * How proofs of possession are checked (RFC 9449 §4.3).
 *
 * @example
 * createVerifier({ audience: 'https://api.example.com', dpop: { mode: 'required', proofAgeSeconds: 30 } })
 */
export interface DpopOptions {
  /** Which tokens are accepted. */
  readonly mode: DpopMode
  /**
   * How old a proof may be, and how far in the future it may have been made, in seconds, 1 to 600 (RFC 9449 §11.1).
   *
   * @default 60
   */
  readonly proofAgeSeconds?: number | undefined
  /**
   * The algorithms that proofs may be signed with (RFC 9449 §4.3, check 5).
   *
   * @default every asymmetric signature algorithm of RFC 7518, RFC 8037 and RFC 9864
   */
  readonly algorithms?: readonly Algorithm[] | undefined
  /**
   * Demands a nonce of this API in each proof (RFC 9449 §9), which no client can know in advance. The secrets are the
   * same on all machines of the API. The first one makes nonces, all are accepted.
   *
   * @default none is demanded
   */
  readonly nonce?:
    | {
        /** At least one, of 32 characters or more. */
        readonly secrets: readonly [string, ...string[]]
      }
    | undefined
  /**
   * Where used proofs are remembered (RFC 9449 §11.1). Several machines need one together.
   *
   * @default the memory of this verifier
   */
  readonly replayStore?: ReplayStore | undefined
}

/** The options about the sender of a token. */
export interface SenderOptions {
  /**
   * Proof of possession (RFC 9449), by a mode or by {@link DpopOptions}.
   *
   * @default 'off'
   */
  readonly dpop?: DpopMode | DpopOptions | undefined
  /**
   * Under which URL callers reach this API: an origin, with the path that a proxy removes, if it does. Proofs are compared with
   * it, never with the header `Host`, which any caller can write.
   *
   * @default the environment variable `TELNYX_AUTH_BASE_URL`, else the origin of the protected resource
   */
  readonly baseUrl?: string | undefined
  /**
   * Where the certificate of a client is, for tokens that are bound to one (RFC 8705).
   *
   * @default 'off'
   */
  readonly mtls?: MtlsOption | undefined
}

/** The option `dpop`, checked and copied, with defaults. */
export interface CheckedDpop {
  readonly mode: 'optional' | 'required'
  readonly proofAgeSeconds: number
  readonly algorithms: readonly Algorithm[]
  readonly secrets: readonly [string, ...string[]] | undefined
  readonly replayStore: ReplayStore | undefined
}

/** The options about the sender, checked and copied. */
export interface ResolvedSenderOptions {
  /** `undefined` when it is off. */
  readonly dpop: CheckedDpop | undefined
  /** `undefined` when it is off. */
  readonly mtls: CertificateSource | undefined
  /** Without a slash at the end. */
  readonly baseUrl: string | undefined
}

const MODES: readonly unknown[] = ['off', 'optional', 'required'] satisfies DpopMode[]

const MIN_SECRET_LENGTH = 32

/**
 * Checks and copies the option `dpop`.
 *
 * @returns `undefined` when it is off
 * @throws {ConfigurationError}
 */
export function checkDpop(option: unknown): CheckedDpop | undefined {
  const given: unknown = isPlainObject(option) ? option : { mode: option === undefined ? 'off' : option }
  const members = checkNames(given, ['mode', ...Object.keys(CHECKS)], 'member of "dpop"')
  const { mode } = members
  if (!MODES.includes(mode))
    throw wrongKind('dpop', '"off", "optional" or "required", or an object with such a "mode"', option)
  const { nonce, ...checked } = applyChecks(CHECKS, members)
  return mode === 'optional' || mode === 'required' ? { mode, ...checked, secrets: nonce } : undefined
}

const CHECKS = {
  proofAgeSeconds: numberIn({ default: 60, min: 1, max: 600 }),
  algorithms: checkAlgorithms,
  nonce: checkSecrets,
  replayStore: checkReplayStore,
}

function checkAlgorithms(value: unknown): readonly Algorithm[] {
  if (value === undefined) return ALGORITHMS
  const list: readonly unknown[] = Array.isArray(value) ? value : []
  const known = list.filter(isAlgorithm)
  if (known.length === 0 || known.length < list.length)
    throw wrongKind('dpop.algorithms', `an array of some of ${ALGORITHMS.join(', ')}`, value)
  return known
}

/** @throws {ConfigurationError} whose message has no part of a secret */
function checkSecrets(value: unknown): readonly [string, ...string[]] | undefined {
  if (value === undefined) return undefined
  const { secrets } = checkNames(value, ['secrets'], 'member of "dpop.nonce"')
  const list: readonly unknown[] = Array.isArray(secrets) ? secrets : []
  const [first, ...others] = list.filter(
    (secret) => typeof secret === 'string' && secret.length >= MIN_SECRET_LENGTH,
  )
  if (typeof first !== 'string' || others.length + 1 < list.length)
    throw new ConfigurationError(
      `Option "dpop.nonce" needs "secrets", an array of strings of at least ${MIN_SECRET_LENGTH} characters`,
    )
  return [first, ...others.filter((secret) => typeof secret === 'string')]
}

/**
 * Checks the option `baseUrl`.
 *
 * @param source what the URL is from, for the message
 * @returns the URL without a slash at the end
 * @throws {ConfigurationError}
 */
export function checkBaseUrl(value: unknown, source: string): string | undefined {
  if (value === undefined) return undefined
  if (!isSecureUrl(value) || /[?#]/.test(value))
    throw new ConfigurationError(
      `${source} must be the https URL under which callers reach this API, without query and fragment (http for loopback hosts only)`,
    )
  return value.replace(/\/+$/, '')
}
