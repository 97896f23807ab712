/** The answer of an issuer to a request. Tests give these to the issuers of this folder. */
export type Answer = (asked: unknown, signal: AbortSignal) => Response | Promise<Response>

export const json =
  (value: unknown, init?: ResponseInit): Answer =>
  () =>
    Response.json(value, init)

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
