import { setTimeout as delay } from 'node:timers/promises'
import type { Endpoint } from '../protocol/endpoints.js'

/** A body: text, bytes, a value to be sent as JSON, or a function that produces it piece by piece. */
export type FaultBody = string | Uint8Array | object | null | (() => AsyncIterable<string | Uint8Array>)

/**
 * What an endpoint does instead of its work. With `status` or `body`, that is the answer; with `headers` alone,
 * the usual answer has these too; with `delayMs` alone, it comes late.
 */
export interface Fault {
  /** Default: 200, where there is a `body`. */
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: FaultBody | undefined
  /** Wait for so many milliseconds first. */
  readonly delayMs?: number | undefined
  /** Never answer. */
  readonly silence?: boolean | undefined
  /** Break the connection. */
  readonly drop?: boolean | undefined
  /** For the next so many requests only. Default: until the faults are cleared. */
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

/** What a fault makes of a request: a whole answer, additions to the usual one, or no answer. */
export type FaultOutcome =
  | { readonly kind: 'answer'; readonly response: Response }
  | { readonly kind: 'proceed'; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'drop' }

/** The faults that are in force. */
export class Faults {
  readonly #faults = new Map<Endpoint, { fault: Fault; left: number }>()

  /** @throws {TypeError | RangeError} for what does not exist, or could not be sent or waited for */
  set(endpoint: Endpoint, fault: Fault): void {
    for (const name of Object.keys(fault))
      if (!FAULT_NAMES.includes(name)) throw new TypeError(`A fault has no member "${name}"`)
    const { status = 200, headers = {}, body, delayMs = 0, times = 0 } = fault
    if (typeof delayMs !== 'number' || !(delayMs >= 0 && delayMs < 2 ** 31))
      throw new RangeError('"delayMs" must be a number from 0 to 2147483647')
    if (!Number.isSafeInteger(times) || times < 0) throw new RangeError('"times" must be a whole number')
    // It is judged by what would have to send it.
    makeResponse(status, headers, typeof body === 'function' ? '' : body, undefined)
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
  const end = async () => {
    await iterator.return?.()
  }
  let forget = () => {}
  return new ReadableStream({
    start(controller) {
      const abort = () => {
        controller.error(signal?.reason)
        end().catch(() => undefined)
      }
      signal?.addEventListener('abort', abort)
      // A signal keeps its listeners, and they all that they know.
      forget = () => signal?.removeEventListener('abort', abort)
    },
    async pull(controller) {
      const next = iterator.next()
      next.then(({ done }) => done && forget(), forget)
      const { done, value } = await next
      if (done) controller.close()
      else controller.enqueue(typeof value === 'string' ? Buffer.from(value) : value)
    },
    cancel() {
      forget()
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
