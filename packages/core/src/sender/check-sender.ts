import type { Clock } from '../base/clock.js'
import { type Awaitable, after, attempt } from '../base/maybe-async.js'
import type { DpopChallenge } from '../errors/challenge.js'
import {
  ConfigurationError,
  InvalidProofError,
  InvalidTokenError,
  UnavailableError,
} from '../errors/errors.js'
import type { AuthenticatableRequest, Scheme } from '../request/authorization-header.js'
import type { Trace } from '../telemetry/observe.js'
import type { Auth } from '../token/auth.js'
import { DpopNonces } from './dpop-nonces.js'
import { type GoodProof, ProofChecker, type ReadPublicKey } from './dpop-proof.js'
import {
  MemoryReplayStore,
  type ReplayStore,
  ReplayStoreFullError,
  type ReplayStoreHealth,
} from './replay-store.js'
import type { CheckedDpop } from './sender-options.js'

/** How a token was presented: proof of possession needs the whole request. */
export interface Presented {
  /** `undefined` where the token was not in the header `Authorization`. */
  readonly scheme: Scheme | undefined
  readonly request: AuthenticatableRequest
  /**
   * A bound token that another authenticator has accepted for the same request. Its proof is used by now, and must not be taken
   * for a replay.
   */
  readonly provenToken: string | undefined
}

/** What comes with a token. */
export interface TokenContext {
  /** Collects what events tell about it. */
  readonly trace: Trace | undefined
  /** How it was presented; `undefined` where there is no request. */
  readonly presented: Presented | undefined
}

/** After how many seconds a client may try again when the replay store cannot answer. */
const RETRY_AFTER_SECONDS = 5

/** Whether the sender of a token is the one that it was issued to (`cnf`, RFC 7800). */
export interface SenderCheck {
  /** What challenges say about DPoP; `undefined` where it is not accepted. */
  readonly challenge: DpopChallenge | undefined
  /** How full the replay store of this verifier is; `undefined` where it has none in memory. */
  readonly replayStore: ReplayStoreHealth | undefined
  /**
   * Refuses a token that no sender can use here. Cheap: runs before its signature is checked.
   *
   * @param claims claims of a token or of an introspection response
   * @throws {InvalidTokenError} `ERR_TOKEN_BOUND`
   */
  checkConfirmation(claims: Readonly<Record<string, unknown>>): void
  /**
   * Checks the sender of a verified token, for each request.
   *
   * @param presented `undefined` where there is no request, but a token only
   * @throws {InvalidTokenError} `ERR_TOKEN_BOUND`, `ERR_TOKEN_NOT_BOUND`, `ERR_BINDING_MISMATCH`
   * @throws {InvalidProofError}
   * @throws {UnavailableError} `ERR_REPLAY_STORE_UNAVAILABLE`
   */
  check(auth: Auth, presented: Presented | undefined): Awaitable<void>
}

/**
 * Without proof of possession, every token that is bound to a key or a certificate is refused: without that key it proves
 * nothing (RFC 9449 §7.2, RFC 8705 §3). Unknown confirmation methods bind a token no less (RFC 7800 §3.1).
 */
export const NO_BOUND_TOKENS: SenderCheck = {
  challenge: undefined,
  replayStore: undefined,
  checkConfirmation({ cnf }) {
    if (cnf !== undefined) throw new InvalidTokenError('ERR_TOKEN_BOUND', { claim: 'cnf', reason: 'bound' })
  },
  check: () => undefined,
}

/**
 * Creates the check of senders for the options of a verifier.
 *
 * @param baseUrl the URL of this API, without a slash at the end
 * @throws {ConfigurationError} where proofs are checked, and the URL is not known
 */
export function createSenderCheck(
  dpop: CheckedDpop | undefined,
  baseUrl: string | undefined,
  clock: Clock,
  readPublicKey: ReadPublicKey,
): SenderCheck {
  if (!dpop) return NO_BOUND_TOKENS
  if (baseUrl !== undefined) return new DpopCheck(dpop, baseUrl, clock, readPublicKey)
  throw new ConfigurationError(
    'Option "dpop" needs the option "baseUrl" (TELNYX_AUTH_BASE_URL), the https URL under which callers reach this API, because the audience is not one',
  )
}

/** Proof of possession at the application layer (RFC 9449). */
class DpopCheck implements SenderCheck {
  readonly challenge: DpopChallenge
  readonly #mode: CheckedDpop['mode']
  readonly #clock: Clock
  readonly #proofs: ProofChecker
  readonly #store: ReplayStore
  readonly #memory: MemoryReplayStore | undefined

  /** @param baseUrl the URL of this API, without a slash at the end */
  constructor(
    { mode, proofAgeSeconds, algorithms, secrets, replayStore }: CheckedDpop,
    baseUrl: string,
    clock: Clock,
    readPublicKey: ReadPublicKey,
  ) {
    const nonces = secrets && new DpopNonces(secrets, baseUrl)
    this.challenge = { algorithms: algorithms.join(' '), acceptsBearer: mode === 'optional' }
    this.#mode = mode
    this.#clock = clock
    this.#proofs = new ProofChecker({ algorithms, proofAgeSeconds, baseUrl, nonces }, readPublicKey)
    this.#memory = replayStore ? undefined : new MemoryReplayStore(clock)
    this.#store = replayStore ?? this.#memory ?? new MemoryReplayStore(clock)
  }

  get replayStore(): ReplayStoreHealth | undefined {
    return this.#memory?.health
  }

  checkConfirmation({ cnf }: Readonly<Record<string, unknown>>): void {
    if (cnf !== undefined && thumbprintIn(cnf) === undefined)
      throw new InvalidTokenError('ERR_TOKEN_BOUND', { claim: 'cnf', reason: 'bound-otherwise' })
  }

  check(auth: Auth, presented: Presented | undefined): Awaitable<void> {
    this.checkConfirmation(auth.claims)
    const jkt = thumbprintIn(auth.claims.cnf)
    if (jkt === undefined) {
      // RFC 9449 §7.1: an unbound token under `DPoP` would look protected, and is not.
      if (this.#mode === 'optional' && presented?.scheme !== 'dpop') return undefined
      throw new InvalidTokenError('ERR_TOKEN_NOT_BOUND', { reason: 'not-bound' })
    }
    // RFC 9449 §7.2: a stolen token must not work as a Bearer token.
    if (presented?.scheme !== 'dpop')
      throw new InvalidTokenError('ERR_TOKEN_BOUND', { claim: 'cnf', reason: 'bound-as-bearer' })
    if (presented.provenToken === auth.token) return undefined
    const proof = this.#proofs.check(presented.request, auth.token, jkt, this.#clock.now())
    return after(proof, (good) => this.#useOnce(good))
  }

  /** Asked last: only the owner of the key gets here, so no stranger can fill the store. */
  async #useOnce({ replayKey, expiresInSeconds }: GoodProof): Promise<void> {
    const isNew = await attempt<unknown, unknown>(
      () => this.#store.add(replayKey, expiresInSeconds),
      (answer) => answer,
      (cause) => {
        const reason = cause instanceof ReplayStoreFullError ? 'replay-store-full' : 'replay-store-failed'
        throw unavailable(reason, cause)
      },
    )
    if (isNew === false) throw new InvalidProofError('ERR_DPOP_PROOF_REPLAYED', { reason: 'proof-replayed' })
    if (isNew !== true)
      throw unavailable(
        'replay-store-failed',
        new TypeError('The replay store answered neither true nor false'),
      )
  }
}

function unavailable(reason: 'replay-store-full' | 'replay-store-failed', cause: unknown): UnavailableError {
  return new UnavailableError('ERR_REPLAY_STORE_UNAVAILABLE', {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    cause,
    reason,
  })
}

/**
 * The thumbprint of the key that a token is bound to (RFC 9449 §6.1).
 *
 * @param cnf the claim
 * @returns `undefined` for every other confirmation, and for one beside others: all of them would have to be checked
 */
export function thumbprintIn(cnf: unknown): string | undefined {
  if (typeof cnf !== 'object' || cnf === null) return undefined
  const [[name, value] = [], ...others] = Object.entries(cnf)
  return name === 'jkt' && others.length === 0 && typeof value === 'string' && /^[\w-]{43}$/.test(value)
    ? value
    : undefined
}
