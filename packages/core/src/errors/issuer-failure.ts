/** What went wrong in a request to the issuer. */
export type IssuerFailureReason =
  /** No complete answer within the time limit. */
  | 'timeout'
  /** No connection, or a broken one; `code` says more, where the system does. */
  | 'network'
  /** A redirect, which is never followed (RFC 8414 §3, RFC 9700 §4.11). */
  | 'redirect'
  /** A status other than 200. */
  | 'status'
  /** Status 401 or 403: the credentials of this API are not accepted for introspection (RFC 7662 §2.3). */
  | 'credentials'
  /** A body beyond the size limit. */
  | 'too-large'
  /** A body that is not what was asked for. */
  | 'invalid-document'
  /** Metadata of another issuer than the one that was asked (RFC 8414 §3.3). */
  | 'issuer-mismatch'
  /** The same, and the two names differ only by a slash at the end. */
  | 'issuer-trailing-slash'
  /** Metadata that do not say where the keys are. */
  | 'jwks-uri-missing'
  /** Metadata whose `jwks_uri` is not an `https` URL. */
  | 'jwks-uri-insecure'
  /** A JWK Set whose keys are all left out, or that has none. */
  | 'no-usable-key'

/** The fields of an {@link IssuerFailure}. */
export interface IssuerFailureDetail {
  readonly host: string
  readonly durationMs: number
  readonly status?: number | undefined
  readonly code?: string | undefined
  readonly retryAfterSeconds?: number | undefined
  readonly cause?: unknown
  /** The message with what the issuer said of itself: see {@link IssuerFailure.explain}. */
  readonly explanation?: string | undefined
}

/**
 * Why the issuer could not be asked: the `cause` of an `UnavailableError`. Holds nothing of the body, nor of what was
 * sent.
 */
export class IssuerFailure extends Error {
  override readonly name = 'IssuerFailure'
  readonly reason: IssuerFailureReason
  /** Host and port that were asked. */
  readonly host: string
  /** How long it took, in milliseconds. */
  readonly durationMs: number
  /** The status of the answer, where there was one. */
  declare readonly status?: number
  /** The system error code of the connection, such as `ECONNREFUSED`, where there is one. */
  declare readonly code?: string
  /** How long the issuer asked to be left alone (`Retry-After`, RFC 9110 §10.2.3), in seconds, 240 at the most. */
  declare readonly retryAfterSeconds?: number
  /** How many requests were made until this was the outcome. */
  attempts = 1
  readonly #explanation: string | undefined

  constructor(reason: IssuerFailureReason, message: string, detail: IssuerFailureDetail) {
    super(message, detail.cause === undefined ? {} : { cause: detail.cause })
    const { status, code, retryAfterSeconds } = detail
    this.reason = reason
    this.host = detail.host
    this.durationMs = detail.durationMs
    this.#explanation = detail.explanation
    if (status !== undefined) this.status = status
    if (code !== undefined) this.code = code
    if (retryAfterSeconds !== undefined) this.retryAfterSeconds = retryAfterSeconds
  }

  /**
   * What failed, in words for operators: they may quote what the issuer calls itself, shortened and printable. Not a member of
   * the failure, which is printed where errors are.
   */
  static explain(failure: IssuerFailure): string {
    return failure.#explanation ?? failure.message
  }
}

/**
 * However long an issuer asks to be left alone, it is asked again after this, and a quarter more by chance: while the
 * failure still counts as a recent one.
 */
const MAX_RETRY_AFTER_SECONDS = 240

/**
 * What `Retry-After` asks for, in seconds or as a date (RFC 9110 §10.2.3), within bounds.
 *
 * @param now seconds since the epoch
 */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  const value = header?.trim() ?? ''
  // The one form of a date that is to be sent (RFC 9110 §5.6.7); `Date.parse` alone takes anything for one.
  const date = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} [\d:]{8} GMT$/.test(value) ? Date.parse(value) : NaN
  const seconds = /^\d+$/.test(value) ? Number(value) : date / 1000 - now
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), MAX_RETRY_AFTER_SECONDS)
}

/** The system error code of the connection. Nothing else of the error is read: it may quote the request. */
export function systemCodeOf(error: unknown): string | undefined {
  try {
    for (let each = error, depth = 0; typeof each === 'object' && each !== null && depth < 5; depth++) {
      const { code, cause }: { code?: unknown; cause?: unknown } = each
      if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code)) return code
      each = cause
    }
  } catch {
    // Some errors throw when they are looked at.
  }
  return undefined
}

/** For a document that arrived and cannot be used. */
export function invalidDocument(
  message: string,
  url: string,
  durationMs = 0,
  reason: IssuerFailureReason = 'invalid-document',
  explanation?: string,
): IssuerFailure {
  const { host } = new URL(url)
  return new IssuerFailure(reason, message, { host, durationMs, status: 200, explanation })
}

/** A text of a remote document as operators may see it: printable ASCII, and not too long. */
export function quote(text: string): string {
  const shown = text.slice(0, 200).replace(/[^\x20-\x7e]/g, '?')
  return `"${shown}"${text.length > 200 ? '...' : ''}`
}

/** Whether what was asked may be somewhere else now; an overloaded or broken server says nothing about that. */
export function mayHaveMoved({ reason, status = 0 }: IssuerFailure): boolean {
  if (reason === 'status') return status < 500 && status !== 429
  return reason !== 'too-large' && reason !== 'credentials'
}

/** How long the issuer asked to be left alone, in seconds; `undefined` where it did not. */
export function retryAfterSecondsOf(error: unknown): number | undefined {
  return error instanceof IssuerFailure ? error.retryAfterSeconds : undefined
}

/** The last failure, repeated for a caller without a request. */
export function suppressedFailure(last: IssuerFailure): IssuerFailure {
  const { reason, message, host, durationMs, status, code, cause } = last
  const explanation = IssuerFailure.explain(last)
  const failure = new IssuerFailure(reason, message, { host, durationMs, status, code, cause, explanation })
  failure.attempts = 0
  return failure
}
