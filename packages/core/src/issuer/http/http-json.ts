import { parseJson } from '../../base/json.js'
/** The one place that fetches: scheme, redirects, time, size and repetition are decided here. */

import type { Clock } from '../../base/clock.js'
import { withoutInheritance } from '../../base/own-members.js'
import {
  IssuerFailure,
  type IssuerFailureDetail,
  type IssuerFailureReason,
  parseRetryAfter,
  systemCodeOf,
} from '../../errors/issuer-failure.js'
import type { Deadline } from './deadline.js'

/** What this library asks of a `fetch`. The global one, undici's, and those of test kits all fit. */
export type FetchFunction = (url: string, init: FetchInit) => Promise<FetchResponse>

/** The options that are passed to a {@link FetchFunction}. */
export interface FetchInit {
  method: string
  headers: Record<string, string>
  body?: string
  redirect: 'manual'
  signal: AbortSignal
}

/** The part of a web `Response` that is read. */
export interface FetchResponse {
  readonly status: number
  readonly redirected?: boolean
  readonly headers: { get(name: string): string | null }
  readonly body: {
    getReader(): {
      read(): Promise<{ done: boolean; value?: unknown }>
      cancel(): Promise<void>
    }
  } | null
}

/** What is allowed to requests. */
export interface HttpLimits {
  readonly fetch: FetchFunction
  /** For all the requests that one question needs, bodies included. */
  readonly timeoutMs: number
  readonly maxResponseBytes: number
  /** How often a request that failed for a passing reason is repeated at once. */
  readonly retries: number
}

/** A request for a JSON document. */
export interface JsonRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** The parameters of a POST; without them, it is a GET. Repeating either must have no effect. */
  readonly form?: URLSearchParams
}

/** A JSON document and what says how long it may be kept. */
export interface JsonResponse {
  /** `undefined` where the document is still the one that `If-None-Match` named (RFC 9110 §15.4.5). */
  readonly value: unknown
  readonly cacheControl: string | null
  /** How long ago the origin made the answer, where a cache in between says so (RFC 9111 §5.1). */
  readonly age: string | null
  readonly etag: string | null
  /** The body that `value` was parsed from. */
  readonly body: Uint8Array
  readonly durationMs: number
  /** How many requests were made for it. */
  attempts: number
}

/**
 * Asks for a JSON document, once more where that may help.
 *
 * @param prepare makes the request, anew for each time
 * @param retries how often at the most
 * @throws {IssuerFailure} when there is no complete answer with status 200 and JSON in its body within the limits.
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
      const document = await attempt(withoutInheritance(await prepare()), limits, deadline, clock)
      document.attempts = attempts
      return document
    } catch (failure) {
      if (!(failure instanceof IssuerFailure)) throw failure
      failure.attempts = attempts
      if (attempts > retries || !isPassing(failure) || deadline.isOver) throw failure
    }
  }
}

/** A connection that broke, or a server in the middle of a restart; not one that asked to be left alone. */
function isPassing({ reason, status, retryAfterSeconds }: IssuerFailure): boolean {
  if (retryAfterSeconds !== undefined) return false
  return reason === 'network' || (reason === 'status' && [500, 502, 503, 504].includes(status ?? 0))
}

async function attempt(
  { url, headers, form }: JsonRequest,
  { fetch, timeoutMs, maxResponseBytes }: HttpLimits,
  deadline: Deadline,
  clock: Clock,
): Promise<JsonResponse> {
  const started = performance.now()
  const { host } = new URL(url)
  const failure = (
    reason: IssuerFailureReason,
    message: string,
    detail: Omit<IssuerFailureDetail, 'host' | 'durationMs'> = {},
  ) => new IssuerFailure(reason, message, { host, durationMs: performance.now() - started, ...detail })
  /** What was thrown is kept where nothing secret was sent: it may quote the request. */
  const broken = (message: string, cause: unknown, status?: number) =>
    failure('network', message, { status, code: systemCodeOf(cause), ...(!form && { cause }) })

  if (deadline.isOver) throw failure('timeout', `No time was left of ${timeoutMs} ms`)
  const abort = new AbortController()
  const init = createInit(headers, abort.signal)
  if (form) {
    init.method = 'POST'
    init.headers['content-type'] = 'application/x-www-form-urlencoded'
    init.body = form.toString()
  }

  let reader: BodyReader | undefined
  // An async function, so that what a `fetch` of the user's throws at once is a rejection too.
  const send = async () => fetch(url, init)
  const work = async (): Promise<JsonResponse> => {
    const response = await send().catch((cause: unknown) => {
      throw broken('The request failed', cause)
    })
    reader = response.body?.getReader()
    // Nobody waits any more for what comes after the deadline.
    if (abort.signal.aborted) release(reader)
    const { status } = response
    if (!Number.isInteger(status)) throw new TypeError('The response has no status')
    const cacheControl = response.headers.get('cache-control')
    const age = response.headers.get('age')
    const etag = response.headers.get('etag')
    const answer = (value: unknown, body: Uint8Array) => ({
      value,
      cacheControl,
      age,
      etag,
      body,
      durationMs: performance.now() - started,
      attempts: 1,
    })
    if (status === 304 && Object.hasOwn(headers, 'if-none-match')) return answer(undefined, new Uint8Array())
    if (response.redirected || (status >= 300 && status < 400))
      throw failure('redirect', 'The answer is a redirect', { status })
    if (status !== 200) {
      const retryAfterSeconds = parseRetryAfter(response.headers.get('retry-after'), clock.now())
      // RFC 7662 §2.3, RFC 6749 §5.2
      if (form && (status === 401 || status === 403))
        throw failure('credentials', 'The credentials of this API are not accepted', {
          status,
          retryAfterSeconds,
        })
      throw failure('status', `The answer has the status ${status}`, { status, retryAfterSeconds })
    }

    const tooLarge = () =>
      failure('too-large', `The body is larger than ${maxResponseBytes} bytes`, { status })
    if (Number(response.headers.get('content-length')) > maxResponseBytes) throw tooLarge()
    const bytes = await readBody(reader, maxResponseBytes, deadline).catch((cause: unknown) => {
      if (deadline.isOver) throw failure('timeout', `No complete answer within ${timeoutMs} ms`, { status })
      throw broken('The connection broke', cause, status)
    })
    if (!bytes) throw tooLarge()

    const value = parseJson(bytes)
    // The parser's own error is not kept as the cause: it quotes the body.
    if (value === undefined) throw failure('invalid-document', 'The body is not JSON', { status })
    return answer(value, bytes)
  }
  // Raced with the work and not only signalled to it: a `fetch` that ignores its signal must not hang a request.
  const timeout = deadline.over.then(() => {
    throw failure('timeout', `No complete answer within ${timeoutMs} ms`)
  })

  try {
    return await Promise.race([work(), timeout])
  } catch (error) {
    throw error instanceof IssuerFailure
      ? error
      : broken('The fetch gave no response that can be read', error)
  } finally {
    timeout.catch(() => undefined)
    // Whatever was not read, or not even answered, does not hold the connection.
    abort.abort()
    release(reader)
  }
}

/** Without inheritance: the global `fetch` would read what is left out, such as a body, from a polluted `Object.prototype`. */
function createInit(headers: Readonly<Record<string, string>>, signal: AbortSignal): FetchInit {
  const init: FetchInit = { method: 'GET', headers: { ...headers }, redirect: 'manual', signal }
  return Object.setPrototypeOf(init, null)
}

/** Not awaited: a stream that does not end its cancellation, or fails at it, must not hold the request. */
function release(reader: BodyReader | undefined): void {
  Promise.resolve(reader)
    .then((open) => open?.cancel())
    .catch(() => undefined)
}

type BodyReader = ReturnType<NonNullable<FetchResponse['body']>['getReader']>

/** Reads a body up to `maxBytes` and no further; `undefined` when there is more. */
async function readBody(
  reader: BodyReader | undefined,
  maxBytes: number,
  deadline: Deadline,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true }
    if (done) return Buffer.concat(chunks, size)
    // Not `instanceof`: the bytes of Node's `fetch` are of another realm in a `vm` context, such as that of a test runner.
    if (!ArrayBuffer.isView(value)) throw new TypeError('The body is not made of bytes')
    size += value.byteLength
    if (size > maxBytes) return undefined
    if (value.byteLength > 0) chunks.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
    // Pieces that are at hand, empty ones without end above all, leave no room for a timer to fire.
    if (deadline.isOver) throw new Error('The time is over')
  }
}
