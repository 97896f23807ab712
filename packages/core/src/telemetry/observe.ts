import type { Clock } from '../base/clock.js'
import { type Awaitable, attempt } from '../base/maybe-async.js'
import { ownMembers } from '../base/own-members.js'
import type { ErrorCode } from '../errors/error-codes.js'
import { InvalidTokenError, MissingTokenError } from '../errors/errors.js'
import { hints, type Reason } from '../errors/reasons.js'
import { isTelnyxAuthError, type TelnyxAuthError } from '../errors/telnyx-auth-error.js'
import type { Auth } from '../token/auth.js'
import { debug, isDebugging } from './debug-log.js'
import { watched } from './events.js'

/** The form of a claim's name, which may be a URL (RFC 7519 §4.2). A token is longer. */
const CLAIM_NAME = /^[A-Za-z_][\w.:/#-]{0,63}$/

/** What the steps of a verification record for its event. */
export interface Trace {
  /** The configured issuer that the token names. */
  issuer: string | undefined
  /** A configured issuer, where the token names none. */
  expectedIssuer: string | undefined
  /** The id of the key that made the signature. */
  kid: string | undefined
  /** Whether the result of an earlier signature check was used. */
  cached: boolean
}

/** Whether an operator watches the outcome of verifications. */
export function isObserved(): boolean {
  return isDebugging || watched('tokenAccepted') !== undefined || watched('tokenRejected') !== undefined
}

/** Runs a verification and publishes its outcome. Callers ask {@link isObserved} first, so the fast path allocates nothing. */
export function observed<T extends Auth | undefined>(
  clock: Clock,
  work: (trace: Trace) => Awaitable<T>,
): Awaitable<T> {
  const started = clock.monotonic()
  const trace: Trace = { issuer: undefined, expectedIssuer: undefined, kid: undefined, cached: false }
  return attempt(
    () => work(trace),
    (auth) => {
      const { kid, cached } = trace
      if (auth)
        watched('tokenAccepted')?.publish({
          issuer: auth.issuer,
          kid,
          verifiedBy: auth.verifiedBy,
          cached,
          durationMs: clock.monotonic() - started,
        })
      return auth
    },
    (error) => {
      publishRefusal(error, trace.issuer, clock.monotonic() - started, trace.expectedIssuer)
      throw error
    },
  )
}

/** Runs a further check of an accepted token, and publishes a refusal only. */
export function observedRefusal<T>(clock: Clock, issuer: string, work: () => Awaitable<T>): Awaitable<T> {
  const started = clock.monotonic()
  return attempt(
    work,
    (value) => value,
    (error) => {
      publishRefusal(error, issuer, clock.monotonic() - started)
      throw error
    },
  )
}

/** Creates the error for a request without a token, and publishes it. */
export function missingToken(reason: Reason = 'no-credentials'): MissingTokenError {
  const error = new MissingTokenError([], reason)
  publishRefusal(error, undefined, 0)
  return error
}

/**
 * Publishes a refusal. Not published: an error of another class that the application's `validate` threw, and a configuration
 * error, which is about the program and not about the request.
 */
function publishRefusal(
  error: unknown,
  issuer: string | undefined,
  durationMs: number,
  expected?: string | undefined,
): void {
  if (!isTelnyxAuthError(error) || error.code === 'ERR_CONFIGURATION') return
  const { code, claim, reason, hint } = refusalDetails(error)
  const expectedIssuer = code === 'ERR_ISSUER_NOT_ALLOWED' ? expected : undefined
  const told = { code, claim, reason, issuer, expectedIssuer, hint }
  watched('tokenRejected')?.publish({ ...told, durationMs })
  debug('tokenRejected', told)
}

/** What operators are told of a refusal. */
export interface RefusalDetails {
  readonly code: ErrorCode
  readonly claim: string | undefined
  readonly reason: Reason | undefined
  readonly hint: string | undefined
}

/** The parts of an error that are safe to show. The application's `validate` can throw an error with any text in it. */
export function refusalDetails(error: TelnyxAuthError): RefusalDetails {
  const { code, reason: given } = ownMembers(error)
  const { claim: named } = error instanceof InvalidTokenError ? ownMembers(error) : ownMembers()
  const claim = typeof named === 'string' && CLAIM_NAME.test(named) ? named : undefined
  const reason = given !== undefined && Object.hasOwn(hints, given) ? given : undefined
  const hint = reason && hints[reason]
  return { code, claim, reason, hint }
}
