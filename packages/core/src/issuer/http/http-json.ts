/** The only file that fetches. It decides about redirects, time, size and repetition. */

import type { Clock } from '../../base/clock.js'
import type { Deadline } from '../../base/deadline.js'
import { parseJson } from '../../base/json.js'
import { ownMembers } from '../../base/own-members.js'
import {
  IssuerFailure,
  type IssuerFailureDetail,
  type IssuerFailureReason,
  parseRetryAfter,
  quote,
  systemCodeOf,
} from '../../errors/issuer-failure.js'
import type { FetchFunction, FetchInit, FetchResponse } from './fetch.js'
import { type BodyReader, cancelBody, readBody } from './response-body.js'

/** The limits of requests to the issuer. */
export interface HttpLimits {
  readonly fetch: FetchFunction
  /** For all the requests that one document or one introspection needs, bodies included. */
  readonly timeoutMs: number
  readonly maxResponseBytes: number
  /** How often a request that failed for a transient reason is repeated at once. */
  readonly retries: number
}

/** A request for a JSON document. */
export interface JsonRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** The parameters of a POST; without them, it is a GET. Repeating either must have no effect. */
  readonly form?: URLSearchParams
}

/** A JSON document and the headers that say how long it may be kept. */
export interface JsonResponse {
  /** `undefined` where the document is still the one that `If-None-Match` named (RFC 9110 §15.4.5). */
  readonly value: unknown
  readonly cacheControl: string | null
  /** How long ago the origin sent the response, where a cache in between says so (RFC 9111 §5.1). */
  readonly age: string | null
  readonly etag: string | null
  /** The body that `value` was parsed from. */
  readonly body: Uint8Array
  readonly durationMs: number
  /** How many requests were made for it. */
  attempts: number
}

/**
 * Requests a JSON document. A request that failed for a transient reason is repeated.
 *
 * @param prepare creates the request; called again for each repetition
 * @param retries the maximum number of repetitions
 * @throws {IssuerFailure} when there is no complete response with status 200 and a JSON body within the limits
 */
export async function requestJson(
  prepare: () => JsonRequest | Promise<JsonRequest>,
  limits: HttpLimits,
  deadline: Deadline,
  clock: Clock,
  retries: number = limits.retries,
): Promise<JsonResponse> {
  for (let attempts = 1; ; attempts++) {
    try {
      const response = await sendOnce(ownMembers(await prepare()), limits, deadline, clock)
      response.attempts = attempts
      return response
    } catch (failure) {
      if (!(failure instanceof IssuerFailure)) throw failure
      failure.attempts = attempts
      if (attempts > retries || !isTransient(failure) || deadline.isOver) throw failure
    }
  }
}

/** A broken connection, or a server error without `Retry-After`: an issuer that asks for a pause gets one. */
function isTransient({ reason, status, retryAfterSeconds }: IssuerFailure): boolean {
  if (retryAfterSeconds !== undefined) return false
  return reason === 'network' || (reason === 'status' && [500, 502, 503, 504].includes(status ?? 0))
}

/** The same error for each request: to create one, with its stack trace, takes longer than the rest of an abort. */
const NOT_NEEDED = new DOMException('The response is not needed any more', 'AbortError')

/** Sends one request and reads its response, within the limits. */
async function sendOnce(
  request: JsonRequest,
  { fetch, timeoutMs, maxResponseBytes }: HttpLimits,
  deadline: Deadline,
  clock: Clock,
): Promise<JsonResponse> {
  const failures = new Failures(request)
  if (deadline.isOver)
    throw failures.of('timeout', `The time limit of ${timeoutMs} ms was over before the request`)
  const abort = new AbortController()
  const init = createInit(request, abort.signal)
  let reader: BodyReader | undefined
  // An async function, so that an error that `fetch` throws synchronously is a rejection too.
  const send = async () => fetch(request.url, init)
  const work = async (): Promise<JsonResponse> => {
    const response = await send().catch((cause: unknown) => {
      throw failures.ofNetwork('The request failed', cause)
    })
    reader = response.body?.getReader()
    // After the deadline, no caller waits for the response.
    if (abort.signal.aborted) cancelBody(reader)
    const { status, headers } = response
    if (!Number.isInteger(status)) throw new TypeError('The response has no status')
    const cacheControl = headers.get('cache-control')
    const age = headers.get('age')
    const etag = headers.get('etag')
    const result = (value: unknown, body: Uint8Array): JsonResponse => {
      return { value, cacheControl, age, etag, body, durationMs: failures.durationMs, attempts: 1 }
    }
    if (status === 304 && Object.hasOwn(request.headers, 'if-none-match'))
      return result(undefined, new Uint8Array())
    checkStatus(response, request, failures, clock)

    const tooLarge = () =>
      failures.of('too-large', `The body is larger than ${maxResponseBytes} bytes`, { status })
    if (Number(headers.get('content-length')) > maxResponseBytes) throw tooLarge()
    const body = await readBody(reader, maxResponseBytes, deadline).catch((cause: unknown) => {
      if (deadline.isOver)
        throw failures.of('timeout', `No complete response within ${timeoutMs} ms`, { status })
      throw failures.ofNetwork('The connection broke', cause, status)
    })
    if (!body) throw tooLarge()
    const value = parseJson(body)
    // The parser's own error is not kept as the cause: it quotes the body.
    if (value === undefined) {
      const explanation = `The body is not JSON, at ${quote(request.url)}`
      throw failures.of('invalid-document', 'The body is not JSON', { status, explanation })
    }
    return result(value, body)
  }
  // A race, and not only the signal: a `fetch` that ignores its signal must not block a request.
  const timeout = deadline.over.then(() => {
    throw failures.of('timeout', `No complete response within ${timeoutMs} ms`)
  })

  try {
    return await Promise.race([work(), timeout])
  } catch (error) {
    throw error instanceof IssuerFailure
      ? error
      : failures.ofNetwork('The response of the fetch function cannot be read', error)
  } finally {
    timeout.catch(() => undefined)
    // A response that was not read to its end, or has not arrived, does not hold its connection.
    abort.abort(NOT_NEEDED)
    cancelBody(reader)
  }
}

/** @throws {IssuerFailure} unless the status is 200 and no redirect was followed */
function checkStatus(
  { status, redirected, headers }: FetchResponse,
  { form }: JsonRequest,
  failures: Failures,
  clock: Clock,
): void {
  if (redirected || (status >= 300 && status < 400))
    throw failures.of('redirect', 'The response is a redirect', { status })
  if (status === 200) return
  const retryAfterSeconds = parseRetryAfter(headers.get('retry-after'), clock.now())
  // RFC 7662 §2.3, RFC 6749 §5.2
  if (form && (status === 401 || status === 403))
    throw failures.of('credentials', 'The credentials of this API are not accepted', {
      status,
      retryAfterSeconds,
    })
  throw failures.of('status', `The response has the status ${status}`, { status, retryAfterSeconds })
}

/** Creates the failures of one request. */
class Failures {
  readonly #host: string
  /** Whether the request carries secrets, which an error that `fetch` throws may quote. */
  readonly #hasSecrets: boolean
  readonly #startedAt = performance.now()

  constructor({ url, form }: JsonRequest) {
    this.#host = new URL(url).host
    this.#hasSecrets = form !== undefined
  }

  get durationMs(): number {
    return performance.now() - this.#startedAt
  }

  of(
    reason: IssuerFailureReason,
    message: string,
    detail: Omit<IssuerFailureDetail, 'host' | 'durationMs'> = {},
  ): IssuerFailure {
    return new IssuerFailure(reason, message, { host: this.#host, durationMs: this.durationMs, ...detail })
  }

  ofNetwork(message: string, cause: unknown, status?: number): IssuerFailure {
    const code = systemCodeOf(cause)
    return this.of('network', message, { status, code, ...(!this.#hasSecrets && { cause }) })
  }
}

/** Without inheritance: the global `fetch` would read absent members, such as a body, from a polluted `Object.prototype`. */
function createInit({ headers, form }: JsonRequest, signal: AbortSignal): FetchInit {
  const init: FetchInit = { method: 'GET', headers: { ...headers }, redirect: 'manual', signal }
  Object.setPrototypeOf(init, null)
  if (form) {
    init.method = 'POST'
    init.headers['content-type'] = 'application/x-www-form-urlencoded'
    init.body = form.toString()
  }
  return init
}
