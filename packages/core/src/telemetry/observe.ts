import type { Clock } from '../base/clock.js'
import { type Awaitable, attempt } from '../base/maybe-async.js'
import { ownMembers } from '../base/own-members.js'
import { InvalidTokenError, isTelnyxAuthError, MissingTokenError } from '../errors/errors.js'
import { hints, type Reason } from '../errors/reasons.js'
import type { Auth } from '../token/auth.js'
import { debug, isDebugging } from './debug-log.js'
import { watched } from './events.js'

/** What the name of a claim looks like, a URL among them (RFC 7519 §4.2). A token is longer. */
const CLAIM_NAME = /^[A-Za-z_][\w.:/#-]{0,63}$/

/** What becomes known of a token on its way. */
export interface Trace {
  /** The issuer, one of ours. */
  issuer: string | undefined
  /** The id of the issuer's key that made the signature. */
  kid: string | undefined
  /** Whether the signature was checked before, and not now. */
  cached: boolean
}

/** Whether an operator listens to what becomes of tokens. */
export function isObserved(): boolean {
  return isDebugging || watched('tokenAccepted') !== undefined || watched('tokenRejected') !== undefined
}

/** Does the work, and tells operators what became of the token where one listens. */
export function observed<T extends Auth | undefined>(
  clock: Clock,
  work: (trace?: Trace) => Awaitable<T>,
): Awaitable<T> {
  if (!isObserved()) return work()
  const started = clock.monotonic()
  const trace: Trace = { issuer: undefined, kid: undefined, cached: false }
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
      publishRefusal(error, trace.issuer, clock.monotonic() - started)
      throw error
    },
  )
}

/** The same for a token that was accepted already, and is asked to do more. */
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

/** For a request without a token; operators are told of it. */
export function missingToken(reason: Reason = 'no-credentials'): MissingTokenError {
  const error = new MissingTokenError([], reason)
  publishRefusal(error, undefined, 0)
  return error
}

/**
 * Tells operators of a refusal. What a `validate` of the user's throws has none of our codes, and a mistake in the program is
 * not about a request: neither is told.
 */
function publishRefusal(error: unknown, issuer: string | undefined, durationMs: number): void {
  if (!isTelnyxAuthError(error) || error.code === 'ERR_CONFIGURATION') return
  const { code, reason: given } = ownMembers(error)
  const { claim: named } = error instanceof InvalidTokenError ? ownMembers(error) : {}
  // A `validate` may have put words of its own into both.
  const claim = typeof named === 'string' && CLAIM_NAME.test(named) ? named : undefined
  const reason = given !== undefined && Object.hasOwn(hints, given) ? given : undefined
  const hint = reason && hints[reason]
  watched('tokenRejected')?.publish({ code, claim, reason, hint, issuer, durationMs })
  debug('tokenRejected', { code, claim, reason, issuer, hint })
}
