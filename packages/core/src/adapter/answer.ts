import type { ServerResponse } from 'node:http'
import { clearForAnswer } from './response-headers.js'

/**
 * An answer, ready to be written.
 *
 * @example
 * ```ts
 * import type { Answer } from '@telnyx-auth/core/adapter'
 *
 * const responseOf = (answer: Answer) => new Response(answer.body, answer)
 * ```
 */
export interface Answer {
  /** The HTTP status. */
  readonly status: number
  /** The headers to write. */
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

/** The part of a Fastify reply that {@link writeReply} uses. */
export interface Reply {
  readonly sent: boolean
  headers(headers: Record<string, string>): unknown
  code(status: number): unknown
  send(body: Uint8Array | undefined): unknown
}

/**
 * Writes an answer to a Fastify reply. Does nothing when something has been sent already.
 *
 * @param reply Fastify's reply
 * @param answer the answer to write
 * @example
 * ```ts
 * import { type Answer, writeReply } from '@telnyx-auth/core/adapter'
 *
 * const write = (answer: Answer) => writeReply(reply, answer)
 * ```
 */
export function writeReply(reply: Reply, { status, headers, body }: Answer): void {
  if (reply.sent) return
  // The status comes last: an error while headers are set must not get it.
  reply.headers(headers)
  reply.code(status)
  // Bytes, because Fastify adds a charset to the type of a string.
  reply.send(body === undefined ? undefined : Buffer.from(body))
}

/** The part of a Koa context that {@link writeContext} uses. */
export interface ResponseContext {
  readonly res: { readonly headersSent?: boolean | undefined }
  status: number
  body: unknown
  set(headers: Record<string, string>): void
}

/**
 * Writes an answer to a Koa context, in place of what earlier middleware has set. Koa sends it later.
 *
 * @param ctx Koa's context
 * @param answer the answer to write
 * @example
 * ```ts
 * import { type Answer, writeContext } from '@telnyx-auth/core/adapter'
 *
 * const write = (answer: Answer) => writeContext(ctx, answer)
 * ```
 */
export function writeContext(ctx: ResponseContext, { status, headers, body }: Answer): void {
  ctx.set(headers)
  cancelStream(ctx.body)
  Object.assign(ctx, { status, body })
  // Where earlier middleware has set `respond` to false, Koa would not send it.
  if (!ctx.res.headersSent) Reflect.set(ctx, 'respond', true)
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
