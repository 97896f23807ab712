import type { UnavailableCode } from '../../errors/error-codes.js'
import { UnavailableError } from '../../errors/errors.js'
import { IssuerFailure, type IssuerFailureReason, quote } from '../../errors/issuer-failure.js'
import { hints, type Reason } from '../../errors/reasons.js'
import { debug } from '../../telemetry/debug-log.js'
import { watched } from '../../telemetry/events.js'
import { warnOnce } from '../../telemetry/warnings.js'

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
    reason: reason ?? reasonOf(code, error),
  })
}

/** The reason of an error that is due to a failed request. */
export function reasonOf(code: UnavailableCode, error: unknown): Reason {
  if (error instanceof UnavailableError && error.reason !== undefined) return error.reason
  const { reason, status } = summarizeFailure(error)
  if (code === 'ERR_DISCOVERY_FAILED' && reason === 'status' && status === 404) return 'no-metadata'
  return reason === 'too-large' ? 'response-too-large' : reason
}

/** What only a person can repair. */
const LASTING: ReadonlySet<Reason> = new Set<Reason>([
  'no-metadata',
  'issuer-mismatch',
  'issuer-trailing-slash',
  'jwks-uri-missing',
  'jwks-uri-insecure',
  'no-usable-key',
])

/** What operators are told of a failure. */
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

/** Tells operators that a document of the issuer could not be loaded. */
export function publishFailedRefresh(
  issuer: string,
  document: 'metadata' | 'keys',
  code: 'ERR_DISCOVERY_FAILED' | 'ERR_KEYS_UNAVAILABLE',
  error: unknown,
  pauseMs: number,
): void {
  const failure = summarizeFailure(error)
  watched('refreshFailed')?.publish({ issuer, document, code, ...failure, pauseMs })
  debug('refreshFailed', { issuer, document, code, ...failure, pauseMs })
  const reason = reasonOf(code, error)
  // A failed discovery is told for the metadata, and then again for the keys: the second one has nothing to add.
  if (error instanceof IssuerFailure && LASTING.has(reason))
    warnOnce(code, issuer, reason, `${quote(issuer)}: ${IssuerFailure.explain(error)}. ${hints[reason]}`)
}
