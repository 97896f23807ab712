import { debug } from '../debug-log.js'
import type { UnavailableCode } from '../error-codes.js'
import { UnavailableError } from '../errors.js'
import { watched } from '../events.js'
import type { Reason } from '../reasons.js'
import { IssuerFailure, type IssuerFailureReason } from './issuer-failure.js'

/** One failure answers many requests, each with an error of its own and the time that is left now. */
export function unavailable(
  code: UnavailableCode,
  error: unknown,
  retryAfterMs: number,
  reason?: Reason,
): UnavailableError {
  const known = error instanceof UnavailableError ? error : undefined
  return new UnavailableError(known?.code ?? code, {
    retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)),
    cause: known ? known.cause : error,
    reason: reason ?? known?.reason ?? reasonOf(error),
  })
}

/** The reason of an error that is due to a failed request. */
export function reasonOf(error: unknown): Reason {
  const { reason } = describeFailure(error)
  return reason === 'too-large' ? 'response-too-large' : reason
}

/** What operators are told of a failure. */
export interface FailureDescription {
  readonly reason: IssuerFailureReason | 'error'
  readonly host?: string
  readonly status?: number
  readonly durationMs?: number
}

export function describeFailure(error: unknown): FailureDescription {
  const cause = error instanceof UnavailableError ? error.cause : error
  if (!(cause instanceof IssuerFailure)) return { reason: 'error' }
  const { reason, host, durationMs } = cause
  return { reason, host, durationMs, ...(cause.status !== undefined && { status: cause.status }) }
}

/** Tells operators that a document of the issuer could not be loaded. */
export function publishFailedRefresh(
  issuer: string,
  document: 'metadata' | 'keys',
  code: 'ERR_DISCOVERY_FAILED' | 'ERR_KEYS_UNAVAILABLE',
  error: unknown,
  pauseMs: number,
): void {
  const failure = describeFailure(error)
  watched('refreshFailed')?.publish({ issuer, document, code, ...failure, pauseMs })
  debug('refreshFailed', { issuer, document, code, ...failure, pauseMs })
}
