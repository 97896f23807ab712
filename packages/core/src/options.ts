import { ALGORITHMS, type Algorithm, isAlgorithm } from './algorithms.js'
import type { ScopeImplies } from './auth.js'
import { ConfigurationError } from './errors.js'
import { type FetchFunction, type HttpLimits, isSecureUrl } from './issuer/http.js'
import { CompiledPolicy, type Policy } from './request/policy.js'
import {
  type CheckedProtectedResource,
  checkProtectedResource,
  type ProtectedResourceOptions,
} from './request/protected-resource-option.js'
import type { JwtClaims, Profile, TokenRules } from './token/claims.js'
import { checkNames, closest, describe } from './validation.js'

/** The options of a verifier. Every policy member is the default of every call. */
export interface VerifierOptions<Claims extends object = JwtClaims> extends Policy<Claims> {
  /**
   * The identifier of the issuer (RFC 8414 §2), compared code point by code point: an `https` URL without
   * query and fragment; `http` on loopback hosts only.
   *
   * @default the environment variable `TELNYX_AUTH_ISSUER`, else `https://api.telnyx.com`
   */
  readonly issuer?: string | undefined
  /**
   * The identifier of this API; a token must name it, or one of them, in `aud` (RFC 9068 §4). `null` turns
   * the check off: then a token for any API of this issuer is accepted here.
   *
   * @default the environment variable `TELNYX_AUTH_AUDIENCE`, comma-separated; without it, required
   */
  readonly audience?: string | readonly string[] | null | undefined
  /**
   * What a token must look like. `'telnyx'`: `typ` absent, `JWT` or `at+jwt`, and the claims `iss`, `aud` and
   * `exp`. `'rfc9068'`: `typ` `at+jwt` and every claim that RFC 9068 §2.2 requires.
   *
   * @default 'telnyx'
   */
  readonly profile?: Profile | undefined
  /**
   * The signature algorithms that are accepted (RFC 8725 §3.1). Each key still serves its own only.
   *
   * @default all eleven that are supported: RS, PS and ES with 256, 384 and 512; EdDSA, Ed25519
   */
  readonly algorithms?: readonly Algorithm[] | undefined
  /**
   * How far this machine's clock and the issuer's may be apart, in seconds, 0 to 600 (RFC 7519 §4.1.4).
   *
   * @default 5
   */
  readonly clockToleranceSeconds?: number | undefined
  /**
   * The largest token that is looked at, in bytes.
   *
   * @default 16384
   */
  readonly maxTokenBytes?: number | undefined
  /**
   * Whether a granted scope includes a required one of another name, for scopes that form a hierarchy.
   *
   * @default only the same name does
   */
  readonly scopeImplies?: ScopeImplies | undefined
  /**
   * How this API describes itself to clients (RFC 9728), or `false` for not at all. Challenges name the URL of
   * the description; adapters serve it.
   *
   * @default on, where the audience is one `https` URL
   */
  readonly protectedResource?: ProtectedResourceOptions | false | undefined
  /**
   * What requests to the issuer are made with: for proxies, agents and test kits.
   *
   * @default the global `fetch`
   */
  readonly fetch?: FetchFunction | undefined
  /**
   * How long a request to the issuer may take, body included, in milliseconds.
   *
   * @default 5000
   */
  readonly timeoutMs?: number | undefined
  /**
   * The largest answer of the issuer that is read, in bytes, after it was unpacked.
   *
   * @default 262144
   */
  readonly maxResponseBytes?: number | undefined
}

/** The variables of the process. Not Node's own type for them, which users need not have installed. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Options that were checked and copied, with defaults filled in. */
export interface ResolvedOptions {
  readonly rules: TokenRules
  readonly limits: HttpLimits
  readonly maxTokenBytes: number
  readonly scopeImplies: ScopeImplies | undefined
  readonly policy: CompiledPolicy
  readonly protectedResource: CheckedProtectedResource | false | undefined
}

const TELNYX_ISSUER = 'https://api.telnyx.com'

const OWN_NAMES: readonly string[] = [
  'issuer',
  'audience',
  'profile',
  'algorithms',
  'clockToleranceSeconds',
  'maxTokenBytes',
  'scopeImplies',
  'protectedResource',
  'fetch',
  'timeoutMs',
  'maxResponseBytes',
] satisfies Exclude<keyof VerifierOptions, keyof Policy>[]

/** The names of all options of a verifier. */
export const VERIFIER_OPTIONS: readonly string[] = [...OWN_NAMES, ...CompiledPolicy.MEMBERS]

/**
 * Checks and copies options, and fills in what they leave out.
 *
 * @param environment where the variables are read, at this moment
 * @throws {ConfigurationError} for anything missing, contradictory, unknown or of the wrong type
 */
export function resolveOptions(options: unknown, environment: Environment): ResolvedOptions {
  const given = checkNames(options === undefined ? {} : options, VERIFIER_OPTIONS, 'option')
  const { scopeImplies, fetch } = given
  if (scopeImplies !== undefined && !isScopeImplies(scopeImplies))
    throw new ConfigurationError(`Option "scopeImplies" must be a function, not ${describe(scopeImplies)}`)
  if (fetch !== undefined && !isFetch(fetch))
    throw new ConfigurationError(`Option "fetch" must be a function, not ${describe(fetch)}`)
  return {
    rules: {
      issuer: resolveIssuer(given.issuer, environment),
      audience: resolveAudience(given.audience, environment),
      profile: resolveProfile(given.profile),
      algorithms: resolveAlgorithms(given.algorithms),
      clockToleranceSeconds: resolveNumber(given, 'clockToleranceSeconds', { default: 5, min: 0, max: 600 }),
    },
    limits: {
      // Looked up at every request, so that what replaces the global one later is used too.
      fetch: fetch ?? ((url, init) => globalThis.fetch(url, init)),
      timeoutMs: resolveNumber(given, 'timeoutMs', { default: 5000, min: 1, max: 600_000 }),
      maxResponseBytes: resolveNumber(given, 'maxResponseBytes', {
        default: 262_144,
        min: 1,
        max: 16_777_216,
      }),
    },
    maxTokenBytes: resolveNumber(given, 'maxTokenBytes', { default: 16_384, min: 1, max: 1_048_576 }),
    scopeImplies,
    policy: CompiledPolicy.fromMembers(given, CompiledPolicy.NONE),
    protectedResource: checkProtectedResource(given.protectedResource),
  }
}

function resolveIssuer(option: unknown, environment: Environment): string {
  const variable = environment.TELNYX_AUTH_ISSUER
  if (option === undefined && !variable) return TELNYX_ISSUER
  const source = option === undefined ? 'Environment variable TELNYX_AUTH_ISSUER' : 'Option "issuer"'
  const issuer = option === undefined ? variable : option
  const accepted = 'an https URL without query, fragment and credentials (http for loopback hosts only)'
  if (typeof issuer !== 'string')
    throw new ConfigurationError(`${source} must be ${accepted}, not ${describe(issuer)}`)
  // RFC 8414 §2
  if (/[?#]/.test(issuer) || !isSecureUrl(issuer))
    throw new ConfigurationError(`${source} must be ${accepted}; the one that is set is not`)
  return issuer
}

function resolveAudience(option: unknown, environment: Environment): ReadonlySet<string> | null {
  if (option === null) return null
  if (option === undefined) {
    const variable = environment.TELNYX_AUTH_AUDIENCE?.split(',').flatMap((each) => each.trim() || [])
    if (!variable || variable.length === 0)
      throw new ConfigurationError(
        'No audience is configured: set the option "audience" or the environment variable TELNYX_AUTH_AUDIENCE to the identifier of this API, such as "https://api.example.com", or set "audience" to null to accept tokens that were issued for other APIs',
      )
    return new Set(variable)
  }
  const audience: readonly unknown[] = Array.isArray(option) ? option : [option]
  const identifiers = audience.filter(isIdentifier)
  if (identifiers.length === 0 || identifiers.length < audience.length)
    throw new ConfigurationError(
      `Option "audience" must be a non-empty string, an array of at least one of them, or null, not ${describe(option)}${audience.length > 0 && Array.isArray(option) ? ' with something else in it' : ''}`,
    )
  return new Set(identifiers)
}

function resolveProfile(option: unknown): Profile {
  if (option === undefined) return 'telnyx'
  if (option === 'telnyx' || option === 'rfc9068') return option
  throw new ConfigurationError(`Option "profile" must be "telnyx" or "rfc9068", not ${describe(option)}`)
}

function resolveAlgorithms(option: unknown): ReadonlySet<Algorithm> {
  if (option === undefined) return new Set(ALGORITHMS)
  if (!Array.isArray(option) || option.length === 0)
    throw new ConfigurationError(
      `Option "algorithms" must be an array of at least one of ${ALGORITHMS.join(', ')}, not ${describe(option)}`,
    )
  return new Set(
    Array.from(option, (name: unknown) => {
      if (isAlgorithm(name)) return name
      if (typeof name !== 'string')
        throw new ConfigurationError(
          `Option "algorithms" must hold names of algorithms, not ${describe(name)}`,
        )
      if (/^(none|hs\d*)$/i.test(name.trim()))
        throw new ConfigurationError(
          `Option "algorithms" must not hold "none" or an HMAC algorithm: with those, whoever knows the issuer's public keys can make tokens; accepted are ${ALGORITHMS.join(', ')}`,
        )
      const meant = closest(name, ALGORITHMS)
      throw new ConfigurationError(
        `Option "algorithms" holds a name that is not supported${meant ? ` (did you mean "${meant}"?)` : ''}; accepted are ${ALGORITHMS.join(', ')}`,
      )
    }),
  )
}

function resolveNumber(
  options: Record<string, unknown>,
  name: string,
  range: { default: number; min: number; max: number },
): number {
  const value = options[name]
  if (value === undefined) return range.default
  if (typeof value === 'number' && value >= range.min && value <= range.max) return value
  throw new ConfigurationError(
    `Option "${name}" must be a number from ${range.min} to ${range.max}, not ${describe(value)}`,
  )
}

function isIdentifier(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isScopeImplies(value: unknown): value is ScopeImplies {
  return typeof value === 'function'
}

function isFetch(value: unknown): value is FetchFunction {
  return typeof value === 'function'
}
