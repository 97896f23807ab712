import { setTimeout as delay } from 'node:timers/promises'
import type { Endpoint } from '../protocol/endpoints.js'

/** A response body: text, bytes, a value that is sent as JSON, or a function that returns the body in pieces. */
export type FaultBody = string | Uint8Array | object | null | (() => AsyncIterable<string | Uint8Array>)

/**
 * How an endpoint fails. `status` or `body` replace its response. `headers` alone are added to its usual response,
 * `delayMs` alone delays it.
 *
 * @example issuer.fault('jwks', { status: 503, headers: { 'Retry-After': '1' }, times: 2 })
 */
export interface Fault {
  /** The status code. @default 200 with a `body`, or else that of the usual response */
  readonly status?: number | undefined
  /** Response headers. @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The response body. @default empty with a `status`, or else that of the usual response */
  readonly body?: FaultBody | undefined
  /** Milliseconds to wait first, by the real clock: 0 to 2,147,483,647. @default 0 */
  readonly delayMs?: number | undefined
  /** Never respond. @default false */
  readonly silence?: boolean | undefined
  /** Close the connection without a response. @default false */
  readonly drop?: boolean | undefined
  /** The number of requests that fail. @default all, until `clearFaults()` */
  readonly times?: number | undefined
}

const FAULT_NAMES: readonly string[] = [
  'status',
  'headers',
  'body',
  'delayMs',
  'silence',
  'drop',
  'times',
] satisfies (keyof Fault)[]

/** The effect of a fault: its own response, headers for the usual response, or a dropped connection. */
export type FaultOutcome =
  | { readonly kind: 'answer'; readonly response: Response }
  | { readonly kind: 'proceed'; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'drop' }

/** The active faults, at most one per endpoint. */
export class Faults {
  readonly #faults = new Map<Endpoint, { fault: Fault; left: number }>()

  /** @throws {TypeError | RangeError} for an unknown member, or a value that cannot be sent or waited for */
  set(endpoint: Endpoint, fault: Fault): void {
    for (const name of Object.keys(fault))
      if (!FAULT_NAMES.includes(name)) throw new TypeError(`A fault has no member "${name}"`)
    const { status = 200, headers = {}, body, delayMs = 0, times = 0 } = fault
    if (typeof delayMs !== 'number' || !(delayMs >= 0 && delayMs < 2 ** 31))
      throw new RangeError('"delayMs" must be a number from 0 to 2147483647')
    if (!Number.isSafeInteger(times) || times < 0) throw new RangeError('"times" must be a whole number')
    // `Response` checks the status, the headers and the body.
    makeResponse(status, headers, typeof body === 'function' ? '' : body, undefined)
    this.#faults.set(endpoint, { fault, left: fault.times ?? Number.POSITIVE_INFINITY })
  }

  /** Removes the fault of an endpoint, or all of them. */
  clear(endpoint?: Endpoint): void {
    if (endpoint === undefined) this.#faults.clear()
    else this.#faults.delete(endpoint)
  }

  /** The faults that requests still meet. `left`: the number of requests, or `Infinity`. */
  active(): readonly { readonly endpoint: Endpoint; readonly fault: Fault; readonly left: number }[] {
    const all = Array.from(this.#faults, ([endpoint, { fault, left }]) => ({ endpoint, fault, left }))
    return all.filter(({ left }) => left > 0)
  }

  /**
   * Applies the fault of the endpoint, if it has one.
   *
   * @param signal aborts when the caller gives up
   * @param bodySignal aborts a body that is being sent; over HTTP, the server does so itself
   * @throws the reason of `signal` if it is aborted first
   */
  async apply(endpoint: Endpoint, signal: AbortSignal, bodySignal?: AbortSignal): Promise<FaultOutcome> {
    const active = this.#faults.get(endpoint)
    if (!active || active.left <= 0) return { kind: 'proceed', headers: {} }
    active.left--

    const { status, headers = {}, body, delayMs, silence, drop } = active.fault
    if (silence) await untilAborted(signal)
    // `delay` rejects with an error of its own; the next line throws the reason of the signal.
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
  const end = async () => {
    await iterator.return?.()
  }
  let stopListening = () => {}
  return new ReadableStream({
    start(controller) {
      const abort = () => {
        controller.error(signal?.reason)
        end().catch(() => undefined)
      }
      signal?.addEventListener('abort', abort)
      // A signal that lives long would keep its listeners, and with them this stream.
      stopListening = () => signal?.removeEventListener('abort', abort)
    },
    async pull(controller) {
      const next = iterator.next()
      next.then(({ done }) => done && stopListening(), stopListening)
      const { done, value } = await next
      if (done) controller.close()
      else controller.enqueue(typeof value === 'string' ? Buffer.from(value) : value)
    },
    cancel() {
      stopListening()
      return end()
    },
  })
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
