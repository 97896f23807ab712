/** The one place that fetches: scheme, redirects, time and size are decided here. */

/** What this library asks of a `fetch`. The global one, undici's, and those of test kits all fit. */
export type FetchFunction = (url: string, init: FetchInit) => Promise<FetchResponse>

/** The options that are passed to a {@link FetchFunction}. */
export interface FetchInit {
  method: string
  headers: Record<string, string>
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

/** What went wrong in a request to the issuer. */
export type IssuerFailureReason =
  /** No complete answer within the time limit. */
  | 'timeout'
  /** No connection, or a broken one; `cause` is what `fetch` threw. */
  | 'network'
  /** A redirect, which is never followed (RFC 8414 §3, RFC 9700 §4.11). */
  | 'redirect'
  /** A status other than 200. */
  | 'status'
  /** A body beyond the size limit. */
  | 'too-large'
  /** A body that is not what was asked for. */
  | 'invalid-document'

/** Why a document of the issuer could not be had: the `cause` of an `UnavailableError`. Holds nothing of the body. */
export class IssuerFailure extends Error {
  override readonly name = 'IssuerFailure'
  readonly reason: IssuerFailureReason
  /** Host and port that were asked. */
  readonly host: string
  /** How long it took, in milliseconds. */
  readonly durationMs: number
  /** The status of the answer, where there was one. */
  declare readonly status?: number

  constructor(
    reason: IssuerFailureReason,
    message: string,
    detail: { host: string; durationMs: number; status?: number; cause?: unknown },
  ) {
    super(message, detail.cause === undefined ? {} : { cause: detail.cause })
    this.reason = reason
    this.host = detail.host
    this.durationMs = detail.durationMs
    if (detail.status !== undefined) this.status = detail.status
  }
}

/** What is allowed to a request. */
export interface HttpLimits {
  readonly fetch: FetchFunction
  readonly timeoutMs: number
  readonly maxResponseBytes: number
}

/** A JSON document and the one header that says how long it may be kept. */
export interface JsonDocument {
  readonly value: unknown
  readonly cacheControl: string | null
}

const LOOPBACK_HOST = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/

/**
 * Whether tokens may depend on what this URL answers: `https`, or `http` on a loopback host, where nobody
 * can stand in between (RFC 8414 §2 and §6.1). Without credentials, and without
 * what `URL` would drop or repair silently: white space, control characters, backslashes, missing slashes.
 */
export function isSecureUrl(value: string): boolean {
  if (!/^https?:\/\/[^\s/?#@\\\p{Cc}]+([/?#][^\s\\\p{Cc}]*)?$/u.test(value) || !URL.canParse(value))
    return false
  const url = new URL(value)
  return url.protocol === 'https:' || LOOPBACK_HOST.test(url.hostname)
}

/**
 * Gets a JSON document.
 *
 * @throws {IssuerFailure} when there is no complete answer with status 200 and JSON in its body within the limits.
 */
export async function fetchJson(url: string, accept: string, limits: HttpLimits): Promise<JsonDocument> {
  const started = performance.now()
  const { host } = new URL(url)
  const failure = (
    reason: IssuerFailureReason,
    message: string,
    detail?: { status?: number; cause?: unknown },
  ) => new IssuerFailure(reason, message, { host, durationMs: performance.now() - started, ...detail })

  const abort = new AbortController()
  let timer: NodeJS.Timeout | undefined
  // Raced with the work and not only signalled to it: a `fetch` that ignores its signal must not hang a request.
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(failure('timeout', `No complete answer within ${limits.timeoutMs} ms`))
    }, limits.timeoutMs)
  })

  let reader: BodyReader | undefined
  // An async function, so that what a `fetch` of the user's throws at once is a rejection too.
  const request = async () =>
    limits.fetch(url, { method: 'GET', headers: { accept }, redirect: 'manual', signal: abort.signal })
  const work = async (): Promise<JsonDocument> => {
    const response = await request().catch((cause: unknown) => {
      throw failure('network', 'The request failed', { cause })
    })
    reader = response.body?.getReader()
    // Nobody waits any more for what comes after the deadline.
    if (abort.signal.aborted) release(reader)
    const { status } = response
    if (response.redirected || (status >= 300 && status < 400))
      throw failure('redirect', 'The answer is a redirect', { status })
    if (status !== 200) throw failure('status', `The answer has the status ${status}`, { status })

    const tooLarge = () =>
      failure('too-large', `The body is larger than ${limits.maxResponseBytes} bytes`, { status })
    if (Number(response.headers.get('content-length')) > limits.maxResponseBytes) throw tooLarge()
    const bytes = await readBody(reader, limits.maxResponseBytes, started + limits.timeoutMs).catch(
      (cause: unknown) => {
        throw failure('network', 'The connection broke', { status, cause })
      },
    )
    if (!bytes) throw tooLarge()

    const value = parseJson(bytes)
    // The parser's own error is not kept as the cause: it quotes the body.
    if (value === undefined) throw failure('invalid-document', 'The body is not JSON', { status })
    return { value, cacheControl: response.headers.get('cache-control') }
  }

  try {
    return await Promise.race([work(), deadline])
  } finally {
    clearTimeout(timer)
    // Whatever was not read, or not even answered, does not hold the connection.
    abort.abort()
    release(reader)
  }
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
  deadline: number,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true }
    if (done) return Buffer.concat(chunks, size)
    if (!(value instanceof Uint8Array)) throw new TypeError('The body is not made of bytes')
    size += value.byteLength
    if (size > maxBytes) return undefined
    if (value.byteLength > 0) chunks.push(value)
    // Pieces that are at hand, empty ones without end above all, leave no room for a timer to fire.
    if (performance.now() > deadline) throw new Error('The time is over')
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}
