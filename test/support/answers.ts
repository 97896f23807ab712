import type { FetchResponse } from '@telnyx-auth/core'

/** The answer of an issuer to a request. Tests give these to the issuers of this folder. */
export type Answer = (asked: unknown, signal: AbortSignal) => FetchResponse | Promise<FetchResponse>

interface QuickInit {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** A response whose body is read in microtasks: with web streams, simulated days and floods take several times as long. */
export function quickResponse(body: string, { status = 200, headers = {} }: QuickInit = {}): FetchResponse {
  const chunks = [{ done: false, value: Buffer.from(body) }]
  const reader = {
    read: async () => chunks.pop() ?? { done: true },
    cancel: async () => undefined,
  }
  return { status, headers: new Headers(headers), body: { getReader: () => reader } }
}

export function jsonResponse(value: unknown, init?: QuickInit): FetchResponse {
  return quickResponse(JSON.stringify(value), init)
}

/** The same response with one more header. */
export function withHeader(
  { status, headers, body }: FetchResponse,
  name: string,
  value: string,
): FetchResponse {
  return { status, headers: { get: (each) => (each === name ? value : headers.get(each)) }, body }
}

export const json =
  (value: unknown, init?: QuickInit): Answer =>
  () =>
    jsonResponse(value, init)

export const text =
  (body: string | Uint8Array<ArrayBuffer>, init?: ResponseInit): Answer =>
  () =>
    new Response(body, init)

/** The body would be a good answer of an introspection endpoint, so only the status decides. */
export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Answer =>
  () =>
    new Response(code === 204 || code === 304 ? null : '{"active":true}', { status: code, headers })

/** RFC 7662 §2.2 */
export const active = (members: object = {}): Answer => json({ active: true, ...members })
export const inactive: Answer = json({ active: false })

/** Never answers; ends when the request is aborted. */
export const silence: Answer = (_, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

export const noConnection: Answer = () =>
  Promise.reject(
    new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }) }),
  )

/** One byte a second until the request is aborted. */
export const drip: Answer = (_, signal) => {
  let timer: NodeJS.Timeout | undefined
  return new Response(
    new ReadableStream({
      start(controller) {
        const send = () => {
          controller.enqueue(Buffer.from(' '))
          timer = setTimeout(send, 1000)
        }
        send()
        signal.addEventListener('abort', () => clearTimeout(timer))
      },
      cancel: () => clearTimeout(timer),
    }),
  )
}
