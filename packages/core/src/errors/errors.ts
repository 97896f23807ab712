import { ownMember, ownMembers } from '../base/own-members.js'
import { NQCHARS } from '../base/syntax.js'
import type { ChallengeParameters } from './challenge.js'
import {
  type InvalidProofCode,
  type InvalidRequestCode,
  type InvalidTokenCode,
  responseParts,
  type UnavailableCode,
} from './error-codes.js'
import { toResponse } from './error-response.js'
import type { Reason } from './reasons.js'
import {
  listOfStrings,
  NOT_STORED,
  nameErrors,
  presentedAsDpop,
  TelnyxAuthError,
} from './telnyx-auth-error.js'

/**
 * Gives a class of refusals the name that its errors have. Frameworks of web standards answer an error that the application does not handle with
 * what its method `getResponse()` returns: Hono does. A `ConfigurationError` has none, so it is logged and answered with 500.
 */
function nameRefusals(refusal: { readonly prototype: TelnyxAuthError }, name: string): void {
  nameErrors(refusal, name)
  Object.defineProperty(refusal.prototype, 'getResponse', {
    value(this: TelnyxAuthError) {
      const { body, ...init } = toResponse(this)
      return new Response(JSON.stringify(body), init)
    },
    writable: true,
    configurable: true,
  })
}

/** The request carries no access token: no `Authorization` header, or one of another scheme (RFC 6750 §3.1). */
export class MissingTokenError extends TelnyxAuthError {
  static {
    nameRefusals(MissingTokenError, 'MissingTokenError')
  }

  declare readonly code: 'ERR_TOKEN_MISSING'

  /**
   * @param requiredScopes the scopes that the challenge names
   * @param reason why there is no token, for operators
   */
  constructor(requiredScopes: readonly string[] = [], reason?: Reason) {
    super('ERR_TOKEN_MISSING', { scopes: requiredScopes, reason })
  }
}

/** The request is malformed: its credentials cannot be read, or there is more than one (RFC 6750 §3.1). */
export class InvalidRequestError extends TelnyxAuthError {
  static {
    nameRefusals(InvalidRequestError, 'InvalidRequestError')
  }

  declare readonly code: InvalidRequestCode

  /**
   * @param code what is wrong with the request
   * @param reason the exact check that failed, for operators
   */
  constructor(code: InvalidRequestCode, reason?: Reason) {
    super(code, { reason })
  }

  /** Nothing that another token would change. */
  protected override get challenge(): ChallengeParameters {
    const { error, errorDescription } = super.challenge
    return { error, errorDescription }
  }
}

/** The access token is not acceptable here, for the reason that `code` gives (RFC 6750 §3.1). */
export class InvalidTokenError extends TelnyxAuthError {
  static {
    nameRefusals(InvalidTokenError, 'InvalidTokenError')
  }

  declare readonly code: InvalidTokenCode
  /** The name of the claim that is at fault, where it is one. */
  declare readonly claim?: string

  /**
   * @param code what is wrong with the token
   * @param detail what more is known
   * @param detail.claim the name of the claim at fault
   * @param detail.message for operators; default: the sentence of the code
   * @param detail.reason the exact check that failed, for operators
   */
  constructor(code: InvalidTokenCode, detail: { claim?: string; message?: string; reason?: Reason } = {}) {
    const claim = ownMember(detail, 'claim')
    const message = ownMember(detail, 'message') ?? responseParts[code].description
    super(code, {
      message: claim === undefined ? message : `${message}: "${claim}"`,
      reason: ownMember(detail, 'reason'),
    })
    if (claim !== undefined) this.claim = claim
  }
}

/** The token is bound to a key, and the request does not prove that the caller has it (RFC 9449 §7.1). */
export class InvalidProofError extends TelnyxAuthError {
  static {
    nameRefusals(InvalidProofError, 'InvalidProofError')
  }

  declare readonly code: InvalidProofCode
  /** The nonce that the next proof must have, where one is demanded (RFC 9449 §9). */
  declare readonly nonce?: string

  /**
   * @param code what is wrong with the proof
   * @param detail what more is known
   * @param detail.reason the exact check that failed, for operators
   * @param detail.nonce the nonce that the next proof must have (RFC 9449 §9)
   */
  constructor(code: InvalidProofCode, detail: { reason?: Reason; nonce?: string } = {}) {
    super(code, { reason: ownMember(detail, 'reason') })
    const nonce = ownMember(detail, 'nonce')
    if (nonce !== undefined) this.nonce = nonce
    presentedAsDpop(this)
  }

  protected override createHeaders(): Record<string, string> {
    const nonce = ownMember<InvalidProofError, 'nonce'>(this, 'nonce')
    return {
      ...super.createHeaders(),
      // RFC 9449 §8.1 says which characters it may have. JavaScript lets programs write anything to it.
      ...(nonce !== undefined && NQCHARS.test(nonce) && { 'DPoP-Nonce': nonce }),
    }
  }
}

/** The access token is good but does not carry the scopes that the operation needs (RFC 6750 §3.1). */
export class InsufficientScopeError extends TelnyxAuthError {
  static {
    nameRefusals(InsufficientScopeError, 'InsufficientScopeError')
  }

  declare readonly code: 'ERR_SCOPE_INSUFFICIENT'

  /** @param requiredScopes the scopes that the challenge names */
  constructor(requiredScopes: readonly string[]) {
    super('ERR_SCOPE_INSUFFICIENT', { scopes: requiredScopes, reason: 'scope-missing' })
  }
}

/** The operation needs a stronger or more recent authentication of the user (RFC 9470 §3). */
export class InsufficientAuthenticationError extends TelnyxAuthError {
  static {
    nameRefusals(InsufficientAuthenticationError, 'InsufficientAuthenticationError')
  }

  declare readonly code: 'ERR_AUTHENTICATION_INSUFFICIENT'
  /** The authentication context classes (`acr`) of which the operation needs one; empty when any will do. */
  readonly acrValues: readonly string[]
  /** How long ago the user may have authenticated, in seconds; `undefined` when it does not matter. */
  readonly maxAgeSeconds: number | undefined

  /**
   * @param needed the authentication that the challenge demands
   * @param needed.acrValues the authentication context classes of which one is needed
   * @param needed.maxAgeSeconds how long ago the user may have authenticated, in seconds
   * @param needed.reason the exact check that failed, for operators
   */
  constructor(
    needed: {
      acrValues?: readonly string[]
      maxAgeSeconds?: number | undefined
      reason?: Reason
    } = {},
  ) {
    const { acrValues, maxAgeSeconds, reason } = ownMembers(needed)
    super('ERR_AUTHENTICATION_INSUFFICIENT', { reason })
    this.acrValues = listOfStrings(acrValues)
    this.maxAgeSeconds =
      Number.isSafeInteger(maxAgeSeconds) && Number(maxAgeSeconds) >= 0 ? maxAgeSeconds : undefined
  }

  protected override get challenge(): ChallengeParameters {
    return { ...super.challenge, acrValues: this.acrValues, maxAgeSeconds: this.maxAgeSeconds }
  }
}

/**
 * Whether the token is good cannot be decided, because the authorization server cannot be asked. `cause`
 * says why.
 */
export class UnavailableError extends TelnyxAuthError {
  static {
    nameRefusals(UnavailableError, 'UnavailableError')
  }

  declare readonly code: UnavailableCode
  /** After how many seconds it is worth asking again (RFC 9110 §10.2.3). */
  readonly retryAfterSeconds: number

  /**
   * @param code what cannot be decided
   * @param detail what more is known
   * @param detail.retryAfterSeconds after how many seconds it is worth asking again
   * @param detail.cause the error of the request to the issuer
   * @param detail.reason the exact check that failed, for operators
   */
  constructor(
    code: UnavailableCode,
    detail: { retryAfterSeconds: number; cause?: unknown; reason?: Reason },
  ) {
    const { cause, reason, retryAfterSeconds } = ownMembers(detail)
    super(code, { cause, reason })
    // Always a whole number, because it becomes a header.
    const seconds = Math.ceil(Number(retryAfterSeconds))
    this.retryAfterSeconds = seconds >= 0 && Number.isSafeInteger(seconds) ? seconds : 1
  }

  protected override createHeaders(): Record<string, string> {
    return { 'Retry-After': String(this.retryAfterSeconds), ...NOT_STORED }
  }
}

/** A mistake in the program or its configuration, never the fault of a request. Thrown when a verifier is made. */
export class ConfigurationError extends TelnyxAuthError {
  static {
    nameErrors(ConfigurationError, 'ConfigurationError')
  }

  declare readonly code: 'ERR_CONFIGURATION'

  /** @param message what is wrong, and how to repair it */
  constructor(message?: string) {
    super('ERR_CONFIGURATION', { message })
  }
}
