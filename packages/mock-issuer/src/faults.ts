import { setTimeout as delay } from 'node:timers/promises'
import type { Endpoint } from './endpoints.js'

/** A body: text, bytes, a value to be sent as JSON, or a function that produces it piece by piece. */
export type FaultBody = string | Uint8Array | object | null | (() => AsyncIterable<string | Uint8Array>)

/**
 * What an endpoint does instead of its work. With `status` or `body`, that is the answer; with `headers` alone,
 * the usual answer has these too; with `delayMs` alone, it comes late.
 */
export interface Fault {
  /** Default: 200, where there is a `body`. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: FaultBody
  /** Wait for so many milliseconds first. */
  readonly delayMs?: number
  /** Never answer. */
  readonly silence?: boolean
  /** Break the connection. */
  readonly drop?: boolean
  /** For the next so many requests only. Default: until the faults are cleared. */
  readonly times?: number
}

/** What a fault makes of a request: a whole answer, additions to the usual one, or no answer. */
export type FaultOutcome =
  | { readonly kind: 'answer'; readonly response: Response }
  | { readonly kind: 'proceed'; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'drop' }

/** The faults that are in force. */
export class Faults {
  readonly #faults = new Map<Endpoint, { fault: Fault; left: number }>()

  /** @throws {TypeError | RangeError} for a status or header that cannot be sent, or a status that has no body */
  set(endpoint: Endpoint, fault: Fault): void {
    const { status = 200, headers = {}, body } = fault
    // It is judged by what would have to send it.
    new Response(body === undefined ? null : '', { status, headers })
    this.#faults.set(endpoint, { fault, left: fault.times ?? Number.POSITIVE_INFINITY })
  }

  clear(): void {
    this.#faults.clear()
  }

  /**
   * Applies the endpoint's fault, if there is one.
   *
   * @param bodySignal ends a body that is being sent; over HTTP, the server does that by itself
   * @throws the reason of `signal` when the caller gives up first
   */
  async apply(endpoint: Endpoint, signal: AbortSignal, bodySignal?: AbortSignal): Promise<FaultOutcome> {
    const active = this.#faults.get(endpoint)
    if (!active || active.left <= 0) return { kind: 'proceed', headers: {} }
    active.left--

    const { status, headers = {}, body, delayMs, silence, drop } = active.fault
    if (silence) await untilAborted(signal)
    // It rejects with an error of its own; the reason is thrown next.
    if (delayMs !== undefined) await delay(delayMs, undefined, { signal }).catch(() => undefined)
    signal.throwIfAborted()
    if (drop) return { kind: 'drop' }
    if (status === undefined && body === undefined) return { kind: 'proceed', headers }
    return { kind: 'answer', response: makeResponse(status ?? 200, headers, body, bodySignal) }
  }
}

function makeResponse(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: FaultBody | undefined,
  signal: AbortSignal | undefined,
): Response {
  if (body === undefined) return new Response(null, { status, headers })
  if (typeof body === 'function') return new Response(toStream(body(), signal), { status, headers })
  if (typeof body === 'string' || body instanceof Uint8Array) return new Response(body, { status, headers })
  return Response.json(body, { status, headers })
}

function toStream(
  pieces: AsyncIterable<string | Uint8Array>,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]()
  return new ReadableStream({
    start(controller) {
      signal?.addEventListener('abort', () => {
        controller.error(signal.reason)
        iterator.return?.().catch(() => undefined)
      })
    },
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done) controller.close()
      else controller.enqueue(typeof value === 'string' ? Buffer.from(value) : value)
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
