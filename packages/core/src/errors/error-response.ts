import { ownMembers } from '../base/own-members.js'
import { type ErrorCode, type ResponseParts, responseParts } from './error-codes.js'
import {
  BRAND,
  isOfThisCopy,
  isStatusOfError,
  isTelnyxAuthError,
  stateOf,
  TelnyxAuthError,
} from './telnyx-auth-error.js'
import { onlyWritable } from './writable-headers.js'

/** An answer as plain data, for any framework to write. */
export interface ErrorResponse {
  /** The HTTP status. */
  readonly status: number
  /** The headers, with the challenge where the status has one (RFC 6750 §3). */
  readonly headers: Record<string, string>
  /** To be sent as JSON. */
  readonly body: {
    /** The RFC 6750 error code; absent when the request carried no credentials. */
    readonly error?: string
    /** What is wrong, in one fixed sentence (RFC 6750 §3). */
    readonly error_description?: string
    /** The code of the error. */
    readonly code: ErrorCode
  }
}

/**
 * The answer to a request that failed with `error` (RFC 6750 §3): status, headers and a JSON body, plain data. Errors of
 * another copy of this package are answered as that one would.
 *
 * @throws `error` itself when it is anything but a {@link TelnyxAuthError}, and when it is a
 *   {@link ConfigurationError}: a programming error is not to be answered as if the caller had made it.
 */
export function toResponse(error: unknown): ErrorResponse {
  if (!isTelnyxAuthError(error) || error.code === 'ERR_CONFIGURATION') throw error
  const { status, error: name, description } = answerOf(error)
  const headers = isOfThisCopy(error) ? TelnyxAuthError.headersToAnswer(error) : error.headers
  return {
    status,
    headers: { ...onlyWritable(headers), 'Content-Type': 'application/json' },
    body: name ? { error: name, error_description: description, code: error.code } : { code: error.code },
  }
}

export function answerOf(error: TelnyxAuthError): ResponseParts {
  if (isOfThisCopy(error)) return stateOf(error).answer
  if (Object.hasOwn(responseParts, error.code)) return responseParts[error.code]
  // A newer copy has codes that are unknown here; it answers for them.
  const ask: unknown = Reflect.get(error, BRAND)
  const said: Record<string, unknown> = ownMembers(
    typeof ask === 'function' ? Reflect.apply(ask, error, []) : {},
  )
  const { status } = error
  return {
    // Asked once more, an accessor may say something else.
    status: isStatusOfError(status) ? status : 500,
    error: typeof said.error === 'string' ? said.error : undefined,
    description: String(said.description),
  }
}
