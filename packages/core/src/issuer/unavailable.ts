import type { UnavailableCode } from '../error-codes.js'
import { UnavailableError } from '../errors.js'
import { IssuerFailure, type IssuerFailureReason } from './issuer-failure.js'

/** One failure answers many requests, each with an error of its own and the time that is left now. */
export function unavailable(code: UnavailableCode, error: unknown, retryAfterMs: number): UnavailableError {
  const known = error instanceof UnavailableError ? error : undefined
  return new UnavailableError(known?.code ?? code, {
    retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)),
    cause: known ? known.cause : error,
  })
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
