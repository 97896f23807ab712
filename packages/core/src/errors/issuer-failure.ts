/** Why a request to the issuer failed. */
export type IssuerFailureReason =
  /** No complete answer within the time limit. */
  | 'timeout'
  /** No connection, or a broken one. `code` has the system's error code, if there is one. */
  | 'network'
  /** A redirect, which is never followed (RFC 8414 §3, RFC 9700 §4.11). */
  | 'redirect'
  /** A status other than 200. */
  | 'status'
  /** Status 401 or 403: the credentials of this API are not accepted for introspection (RFC 7662 §2.3). */
  | 'credentials'
  /** A body beyond the size limit. */
  | 'too-large'
  /** A body that is not the requested document. */
  | 'invalid-document'
  /** Metadata of another issuer than the configured one (RFC 8414 §3.3). */
  | 'issuer-mismatch'
  /** The same, where the two names differ only by a slash at the end. */
  | 'issuer-trailing-slash'
  /** Metadata without `jwks_uri`. */
  | 'jwks-uri-missing'
  /** Metadata whose `jwks_uri` is not an `https` URL. */
  | 'jwks-uri-insecure'
  /** A JWK Set without a key that this library can use. */
  | 'no-usable-key'

/** The fields of an {@link IssuerFailure}. */
export interface IssuerFailureDetail {
  readonly host: string
  readonly durationMs: number
  readonly status?: number | undefined
  readonly code?: string | undefined
  readonly retryAfterSeconds?: number | undefined
  readonly cause?: unknown
  /** A longer message for {@link IssuerFailure.explain}. */
  readonly explanation?: string | undefined
}

/**
 * A failed request to the issuer: the `cause` of an `UnavailableError`. Holds no part of the request or of the response body.
 *
 * @example
 * try {
 *   await verifier.verify(token)
 * } catch (error) {
 *   if (error instanceof UnavailableError && error.cause instanceof IssuerFailure)
 *     console.warn(error.cause.reason, error.cause.host)
 * }
 */
export class IssuerFailure extends Error {
  /** The name of the class. */
  override readonly name = 'IssuerFailure'
  /** Why the request failed. */
  readonly reason: IssuerFailureReason
  /** Host and port of the request. */
  readonly host: string
  /** The duration of the request, in milliseconds. */
  readonly durationMs: number
  /** The status of the response, if there was one. */
  declare readonly status?: number
  /** The system error code of the connection, such as `ECONNREFUSED`, if there is one. */
  declare readonly code?: string
  /** The issuer's `Retry-After` (RFC 9110 §10.2.3), in seconds, at most 240. */
  declare readonly retryAfterSeconds?: number
  /** The number of requests that were sent, retries included. */
  attempts = 1
  readonly #explanation: string | undefined

  /**
   * @param reason why the request failed
   * @param message the failure in words, without anything that the issuer wrote
   * @param detail the fields of the failure
   */
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
   * The failure in words for operators. They may quote the issuer's name for itself, shortened and printable. Not a member of
   * the failure, because programs print errors with all members.
   */
  static explain(failure: IssuerFailure): string {
    return failure.#explanation ?? failure.message
  }
}

/**
 * The longest `Retry-After` that is respected, before up to a quarter of jitter. The next request is then sent while the failure
 * still counts as recent.
 */
const MAX_RETRY_AFTER_SECONDS = 240

/**
 * Parses `Retry-After`, which is a number of seconds or a date (RFC 9110 §10.2.3).
 *
 * @param now seconds since the epoch
 * @returns seconds, 0 to 240; `undefined` for any other value
 * @example
 * parseRetryAfter('120', now) // 120
 */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  const value = header?.trim() ?? ''
  // The form of a date that senders must use (RFC 9110 §5.6.7). `Date.parse` alone accepts many other texts.
  const date = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} [\d:]{8} GMT$/.test(value) ? Date.parse(value) : NaN
  const seconds = /^\d+$/.test(value) ? Number(value) : date / 1000 - now
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), MAX_RETRY_AFTER_SECONDS)
}

/** The system error code of a network failure. Nothing else of the error is used: its message may quote a request. */
export function systemCodeOf(error: unknown): string | undefined {
  try {
    for (let each = error, depth = 0; typeof each === 'object' && each !== null && depth < 5; depth++) {
      const { code, cause }: { code?: unknown; cause?: unknown } = each
      if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code)) return code
      each = cause
    }
  } catch {
    // Reading a member of some errors throws.
  }
  return undefined
}

/** Creates the failure for a response whose document cannot be used. */
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

/** Quotes a text of a remote document for operators: printable ASCII, at most 200 characters. */
export function quote(text: string): string {
  const shown = text.slice(0, 200).replace(/[^\x20-\x7e]/g, '?')
  return `"${shown}"${text.length > 200 ? '...' : ''}`
}

/** Whether the document may have another URL now. An overloaded or broken server is no sign of that. */
export function mayHaveMoved({ reason, status = 0 }: IssuerFailure): boolean {
  if (reason === 'status') return status < 500 && status !== 429
  return reason !== 'too-large' && reason !== 'credentials'
}

/** The issuer's `Retry-After` in seconds; `undefined` without one. */
export function retryAfterSecondsOf(error: unknown): number | undefined {
  return error instanceof IssuerFailure ? error.retryAfterSeconds : undefined
}

/** A copy of the last failure, for a request that was not sent. */
export function suppressedFailure(last: IssuerFailure): IssuerFailure {
  const { reason, message, host, durationMs, status, code, cause } = last
  const explanation = IssuerFailure.explain(last)
  const failure = new IssuerFailure(reason, message, { host, durationMs, status, code, cause, explanation })
  failure.attempts = 0
  return failure
}
