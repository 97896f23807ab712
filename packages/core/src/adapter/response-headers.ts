import type { ServerResponse } from 'node:http'
import { isPollution } from '../base/own-members.js'
import { FRAMING_HEADERS } from '../errors/writable-headers.js'

/** What to answer, ready to be written. */
export interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  /** JSON. */
  readonly body: string | undefined
}

/** Where a framework keeps the headers of a response. Node's response is such a place too. */
export interface HeaderStore {
  readonly headersSent?: boolean | undefined
  hasHeader(name: string): boolean
  removeHeader(name: string): unknown
  /** Where trailers are kept apart from headers, as in Fastify. */
  removeTrailer?(name: string): unknown
}

/**
 * All that earlier middleware may have said about the body of a response, or about keeping it. It is not true of the
 * answers of this library. The vendors' fields count for more than `Cache-Control` (RFC 9213 §2.2, nginx).
 */
const ABOUT_A_BODY: readonly string[] = [
  ...FRAMING_HEADERS,
  // RFC 9110 §8, RFC 9530, RFC 6266
  'Content-Type',
  'Content-Language',
  'Content-Location',
  'Content-Disposition',
  'Content-MD5',
  'Content-Digest',
  'Repr-Digest',
  'Digest',
  'ETag',
  'Last-Modified',
  'Accept-Ranges',
  // RFC 9111
  'Cache-Control',
  'Age',
  'Expires',
  'Pragma',
  'CDN-Cache-Control',
  'Cloudflare-CDN-Cache-Control',
  'Netlify-CDN-Cache-Control',
  'Vercel-CDN-Cache-Control',
  'Surrogate-Control',
  'Edge-Control',
  'X-Accel-Expires',
  // A body that a proxy is to send instead.
  'X-Accel-Redirect',
  'X-Sendfile',
]

/** Removes what earlier middleware said about the body, before an answer of this library is written. */
export function clearForAnswer(...stores: HeaderStore[]): void {
  clear(ABOUT_A_BODY, stores)
  // The reason phrase of another status. HTTP/2 has none: there, this is an accessor of the class that warns.
  for (const store of stores)
    if (Object.hasOwn(store, 'statusMessage')) Reflect.deleteProperty(store, 'statusMessage')
}

/**
 * Removes what frames or encodes a body, before the framework's error handling writes one. All else stays: it may go
 * on instead, and the error's own headers replace `Cache-Control`.
 */
export function clearForError(...stores: HeaderStore[]): void {
  clear(FRAMING_HEADERS, stores)
}

function clear(names: readonly string[], given: readonly HeaderStore[]): void {
  // In another framework's hands, an adapter is given something else.
  const stores = given.filter((store) => typeof store?.hasHeader === 'function')
  if (stores.some((store) => store.headersSent && !isPollution(store, 'headersSent'))) return
  for (const store of stores)
    for (const name of names) {
      // Only what is there: Node does not add a length by itself once one was removed.
      if (store.hasHeader(name)) store.removeHeader(name)
      if (typeof store.removeTrailer === 'function') store.removeTrailer(name)
    }
}

/** Ends a stream that earlier middleware has left as the body. Koa destroys those of Node, but not those of the web. */
export function cancelStream(body: unknown): void {
  const stream = body instanceof Response ? body.body : body
  // A reader may have locked it: then its end is the reader's affair.
  if (stream instanceof ReadableStream) stream.cancel().catch(() => undefined)
}

/**
 * Writes an answer to Node's response.
 *
 * @throws what kept it from being written; the response is then as good as untouched
 */
export function writeAnswer(response: ServerResponse, answer: Answer): void {
  // Something else may have answered meanwhile, or begun to.
  if (response.writableEnded) return
  if (response.headersSent) throw new Error('The refusal came after the response had begun')
  const { status, body } = answer
  const headers = Object.entries(answer.headers)
  if (body !== undefined) headers.push(['Content-Length', String(Buffer.byteLength(body))])
  try {
    clearForAnswer(response)
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
