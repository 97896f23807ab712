import type { UnavailableCode } from '../../errors/error-codes.js'
import { UnavailableError } from '../../errors/errors.js'
import { IssuerFailure, type IssuerFailureReason, quote } from '../../errors/issuer-failure.js'
import { hints, type Reason } from '../../errors/reasons.js'
import { debug } from '../../telemetry/debug-log.js'
import { watched } from '../../telemetry/events.js'
import { warnOnce } from '../../telemetry/warnings.js'

/**
 * Creates the error for one request. Many requests may fail for the same failure, each with its own error and the time that
 * is left of the pause at that moment.
 *
 * @param code used unless `error` has a code of its own
 * @param reason used instead of the reason of `error`
 */
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
    reason: reason ?? reasonOf(code, error),
  })
}

/** The reason of an error, for the operator. */
export function reasonOf(code: UnavailableCode, error: unknown): Reason {
  if (error instanceof UnavailableError && error.reason !== undefined) return error.reason
  const { reason, status } = summarizeFailure(error)
  if (code === 'ERR_DISCOVERY_FAILED' && reason === 'status' && status === 404) return 'no-metadata'
  return reason === 'too-large' ? 'response-too-large' : reason
}

/** Reasons that waiting does not repair: an operator must act. */
const NEEDS_OPERATOR: ReadonlySet<Reason> = new Set<Reason>([
  'no-metadata',
  'issuer-mismatch',
  'issuer-trailing-slash',
  'jwks-uri-missing',
  'jwks-uri-insecure',
  'no-usable-key',
])

/** The part of a failure that events and logs show. */
export interface FailureSummary {
  readonly reason: IssuerFailureReason | 'error'
  readonly host?: string
  readonly status?: number
  readonly durationMs?: number
}

export function summarizeFailure(error: unknown): FailureSummary {
  const cause = error instanceof UnavailableError ? error.cause : error
  if (!(cause instanceof IssuerFailure)) return { reason: 'error' }
  const { reason, host, durationMs } = cause
  return { reason, host, durationMs, ...(cause.status !== undefined && { status: cause.status }) }
}

/** What the log says of a failure beside its summary. */
function wordsOf(error: unknown): { message?: string; systemCode?: string | undefined } {
  return error instanceof IssuerFailure
    ? { systemCode: error.code, message: IssuerFailure.explain(error) }
    : {}
}

/** Publishes the event `refreshFailed`. Warns once where an operator must act. */
export function publishFailedRefresh(
  issuer: string,
  document: 'metadata' | 'keys',
  code: 'ERR_DISCOVERY_FAILED' | 'ERR_KEYS_UNAVAILABLE',
  error: unknown,
  pauseMs: number,
): void {
  const failure = summarizeFailure(error)
  watched('refreshFailed')?.publish({ issuer, document, code, ...failure, pauseMs })
  // Where the metadata could not be loaded, the keys were not asked for: one line is enough.
  if (!(error instanceof UnavailableError))
    debug('refreshFailed', { issuer, document, code, ...failure, pauseMs, ...wordsOf(error) })
  const reason = reasonOf(code, error)
  // A failed discovery is published for the metadata and again for the keys: only the first one, an IssuerFailure, warns.
  if (error instanceof IssuerFailure && NEEDS_OPERATOR.has(reason))
    warnOnce(code, issuer, reason, `${quote(issuer)}: ${IssuerFailure.explain(error)}. ${hints[reason]}`)
}
