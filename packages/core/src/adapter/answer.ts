import type { ServerResponse } from 'node:http'
import { clearForAnswer } from './response-headers.js'

/**
 * An answer, ready to be written.
 *
 * @example
 * ```ts
 * const response = new Response(answer.body, answer)
 * ```
 */
export interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  /** JSON; `undefined` for an answer without a body. */
  readonly body: string | undefined
}

/**
 * Writes an answer to Node's response. Does nothing when the response has ended already.
 *
 * @throws the error that kept it from being written; status and headers are then as if nothing was written
 * @example
 * ```ts
 * const answer = await authenticator.authenticate(handle, request)
 * if (answer) writeAnswer(response, answer)
 * ```
 */
export function writeAnswer(response: ServerResponse, answer: Answer): void {
  if (response.writableEnded) return
  if (response.headersSent) throw new Error('The refusal came after the response had begun')
  const { status, body } = answer
  const headers = Object.entries(answer.headers)
  if (body !== undefined) headers.push(['Content-Length', String(Buffer.byteLength(body))])
  try {
    clearForAnswer([response], answer.headers)
    response.statusCode = status
    for (const [name, value] of headers) response.setHeader(name, value)
    response.end(body)
  } catch (error) {
    // The framework would answer the error with the status and the headers that are set already.
    response.statusCode = 500
    if (!response.headersSent) for (const [name] of headers) response.removeHeader(name)
    throw error
  }
}

/**
 * Ends a stream that earlier middleware has left as the body of the response.
 *
 * @param body a stream of the web, or a web `Response` with one; every other value is ignored
 * @example
 * ```ts
 * cancelStream(ctx.body)
 * ```
 */
export function cancelStream(body: unknown): void {
  const stream = body instanceof Response ? body.body : body
  // A reader that has locked the stream ends it by itself.
  if (stream instanceof ReadableStream) stream.cancel().catch(() => undefined)
}
