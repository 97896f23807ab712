import type { FetchFunction, FetchInit, FetchResponse } from '@telnyx-auth/core'

/** One request, and what its response says without its body. */
export interface Exchange {
  readonly url: string
  /** Milliseconds since the epoch, by the clock of this machine. */
  readonly startedAt: number
  /** Until the headers of the response arrived. */
  readonly durationMs: number
  readonly status: number
  readonly headers: FetchResponse['headers']
}

/** A response of the user's own API, or why there is none. */
export type Answer =
  | { readonly exchange: Exchange; readonly body: unknown }
  | { readonly exchange: undefined; readonly failure: string }

const TIMEOUT_MS = 5_000
const MAX_BODY_BYTES = 262_144

/** Sends the requests, and remembers what was seen. The verifier sends its own requests through it. */
export class Probe {
  readonly exchanges: Exchange[] = []
  readonly #fetch: FetchFunction

  /** @param fetch default: the global one */
  constructor(fetch: FetchFunction = (url, init) => globalThis.fetch(url, init)) {
    this.#fetch = fetch
  }

  readonly fetch: FetchFunction = async (url, init) => (await this.#send(url, init)).response

  /** The last response to a request for one of these URLs. */
  last(isWanted: (url: string) => boolean): Exchange | undefined {
    return this.exchanges.findLast(({ url }) => isWanted(url))
  }

  /** Requests a document of the user's own API. Follows no redirect, as the clients of an API follow none with a token. */
  async get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    try {
      const init = { method: 'GET', headers: { accept: 'application/json', ...headers }, signal }
      const { response, exchange } = await this.#send(url, { ...init, redirect: 'manual' })
      return { exchange, body: await readJson(response) }
    } catch (error) {
      const failure = signal.aborted
        ? `no answer within ${TIMEOUT_MS} ms`
        : (codeOf(error) ?? 'no connection')
      return { exchange: undefined, failure }
    }
  }

  async #send(url: string, init: FetchInit): Promise<{ response: FetchResponse; exchange: Exchange }> {
    const startedAt = Date.now()
    const started = performance.now()
    const response = await this.#fetch(url, init)
    const { status, headers } = response
    const exchange = { url, startedAt, durationMs: performance.now() - started, status, headers }
    this.exchanges.push(exchange)
    return { response, exchange }
  }
}

/** The body as JSON; `undefined` for a body that is none, or is too large. */
async function readJson({ body }: FetchResponse): Promise<unknown> {
  const reader = body?.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true }
    if (done || !(value instanceof Uint8Array)) break
    chunks.push(value)
    size += value.length
    if (size <= MAX_BODY_BYTES) continue
    await reader?.cancel()
    return undefined
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    return undefined
  }
}

/** The code of the system, which `fetch` has in the cause of its error. */
function codeOf(error: unknown): string | undefined {
  const { cause }: { cause?: unknown } = Object(error)
  const { code }: { code?: unknown } = Object(cause)
  return typeof code === 'string' && /^[A-Z][A-Z\d_]+$/.test(code) ? code : undefined
}
