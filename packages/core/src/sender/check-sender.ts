import type { Clock } from '../base/clock.js'
import { type Awaitable, after } from '../base/maybe-async.js'
import type { DpopChallenge } from '../errors/challenge.js'
import { ConfigurationError, InvalidTokenError } from '../errors/errors.js'
import type { Scheme } from '../request/authorization-header.js'
import type { AuthenticatableRequest } from '../request/request-headers.js'
import type { Trace } from '../telemetry/observe.js'
import type { Auth } from '../token/auth.js'
import { confirmationIn, UNCONFIRMED } from '../token/confirmation.js'
import { type CertificateSource, checkCertificate } from './certificate.js'
import type { ReadPublicKey } from './dpop-proof.js'
import { ProofOfPossession } from './proof-of-possession.js'
import type { ReplayStoreHealth } from './replay-store.js'
import type { CheckedDpop } from './sender-options.js'

/** How a token was presented: a binding is checked against the whole request. */
interface Presented {
  /** `undefined` where the token was not in the header `Authorization`. */
  readonly scheme: Scheme | undefined
  readonly request: AuthenticatableRequest
  readonly attempt: Attempt | undefined
}

/** What an adapter knows about the proof of a request, and what it learns. */
export interface Attempt {
  /**
   * A bound token that another authenticator has accepted for the same request. Its proof is used by now, and must not be taken
   * for a replay.
   */
  readonly provenToken: string | undefined
  /** Set to the nonce that the response should hand out (RFC 9449 §8.2). */
  nextNonce: string | undefined
}

/** What comes with a token. */
export interface TokenContext {
  /** Collects what events tell about it. */
  readonly trace: Trace | undefined
  /** How it was presented; `undefined` where there is no request. */
  readonly presented: Presented | undefined
}

/** Whether the sender of a token is the one that it was issued to (`cnf`, RFC 7800). */
export interface SenderCheck {
  /** Whether some bound tokens are accepted. */
  readonly acceptsBound: boolean
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
   * @throws {InvalidTokenError} `ERR_TOKEN_BOUND`, `ERR_TOKEN_NOT_BOUND`, `ERR_BINDING_MISMATCH`, `ERR_CERTIFICATE_MISSING`
   * @throws {InvalidProofError}
   * @throws {UnavailableError} `ERR_REPLAY_STORE_UNAVAILABLE`
   */
  check(auth: Auth, presented: Presented | undefined): Awaitable<void>
}

/**
 * Without a check of bindings, every token that is bound to a key or a certificate is refused: without that key it proves
 * nothing (RFC 9449 §7.2, RFC 8705 §3). Unknown confirmation methods bind a token no less (RFC 7800 §3.1).
 */
export const NO_BOUND_TOKENS: SenderCheck = {
  acceptsBound: false,
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
  { dpop, mtls }: { readonly dpop: CheckedDpop | undefined; readonly mtls: CertificateSource | undefined },
  baseUrl: string | undefined,
  clock: Clock,
  readPublicKey: ReadPublicKey,
): SenderCheck {
  if (!dpop) return mtls ? new BoundTokens(undefined, mtls) : NO_BOUND_TOKENS
  if (baseUrl !== undefined)
    return new BoundTokens(new ProofOfPossession(dpop, baseUrl, clock, readPublicKey), mtls)
  throw new ConfigurationError(
    'Option "dpop" needs the option "baseUrl" (TELNYX_AUTH_BASE_URL), the https URL under which callers reach this API, because the audience is not one',
  )
}

/** Tokens may be bound, to what this API can check. */
class BoundTokens implements SenderCheck {
  readonly acceptsBound = true
  readonly #dpop: ProofOfPossession | undefined
  readonly #certificates: CertificateSource | undefined

  constructor(dpop: ProofOfPossession | undefined, certificates: CertificateSource | undefined) {
    this.#dpop = dpop
    this.#certificates = certificates
  }

  get challenge(): DpopChallenge | undefined {
    return this.#dpop?.challenge
  }

  get replayStore(): ReplayStoreHealth | undefined {
    return this.#dpop?.replayStore
  }

  checkConfirmation({ cnf }: Readonly<Record<string, unknown>>): void {
    if (cnf === undefined) return
    const { jkt, x5t } = confirmationIn(cnf) ?? UNCONFIRMED
    const isChecked =
      (jkt !== undefined || x5t !== undefined) &&
      (jkt === undefined || this.#dpop !== undefined) &&
      (x5t === undefined || this.#certificates !== undefined)
    if (!isChecked)
      throw new InvalidTokenError('ERR_TOKEN_BOUND', { claim: 'cnf', reason: 'bound-otherwise' })
  }

  check(auth: Auth, presented: Presented | undefined): Awaitable<void> {
    this.checkConfirmation(auth.claims)
    const { jkt, x5t } = auth.confirmation ?? UNCONFIRMED
    if (x5t !== undefined && this.#certificates) checkCertificate(this.#certificates, presented?.request, x5t)
    return this.#dpop ? this.#checkProof(this.#dpop, auth, jkt, x5t, presented) : undefined
  }

  #checkProof(
    dpop: ProofOfPossession,
    auth: Auth,
    jkt: string | undefined,
    x5t: string | undefined,
    presented: Presented | undefined,
  ): Awaitable<void> {
    if (jkt === undefined) {
      // RFC 9449 §7.1: a token that is not bound to a key would look protected under `DPoP`, and is not.
      const isBearer = presented?.scheme !== 'dpop' && (x5t !== undefined || dpop.mode === 'optional')
      if (isBearer) return undefined
      throw new InvalidTokenError('ERR_TOKEN_NOT_BOUND', { reason: 'not-bound' })
    }
    // RFC 9449 §7.2: a stolen token must not work as a Bearer token.
    if (presented?.scheme !== 'dpop')
      throw new InvalidTokenError('ERR_TOKEN_BOUND', { claim: 'cnf', reason: 'bound-as-bearer' })
    const { request, attempt } = presented
    return after(dpop.check(request, auth.token, jkt, attempt?.provenToken === auth.token), (nextNonce) => {
      if (attempt) attempt.nextNonce = nextNonce
    })
  }
}
