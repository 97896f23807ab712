import type { ServerResponse } from 'node:http'
import { toResponse } from '../errors/errors.js'
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
    clearForAnswer([response])
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

/**
 * Gives an error the method `getResponse()`, with which frameworks for web standards answer errors that the application does not
 * handle: Hono does. Errors of others, frozen ones and a `ConfigurationError` stay as they are: the framework answers them with
 * 500.
 *
 * @returns the same error
 * @example
 * ```ts
 * throw withGetResponse(error)
 * ```
 */
export function withGetResponse(error: Error): Error {
  const getResponse = () => {
    const { body, ...init } = toResponse(error)
    return new Response(JSON.stringify(body), init)
  }
  try {
    toResponse(error)
  } catch {
    return error
  }
  Reflect.defineProperty(error, 'getResponse', { value: getResponse, configurable: true })
  return error
}
