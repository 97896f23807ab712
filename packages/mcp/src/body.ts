import type { IncomingMessage } from 'node:http'
import { ConfigurationError } from '@telnyx-auth/core'
import type { Answer } from '@telnyx-auth/core/adapter'
import { isRecord, type ScopesOf } from './tool-scopes.js'

/** A body, read as the transports of the MCP SDK read it; or why there is none. */
export type BodyResult = Body | 'too-large' | 'gone'

export interface Body {
  /** The JSON value; `undefined` where the text is not JSON. */
  readonly value: unknown
  /** The text. It is made when it is first needed, from the value where other middleware has parsed it. */
  readonly text: () => string
  /** Whether it was read here, so that nothing else has its value yet. */
  readonly isNew: boolean
}

/** The most messages in a batch, as in the MCP SDK. */
const MAX_BATCH_SIZE = 100

/**
 * Decodes a body as the transports do: UTF-8 without a byte order mark. The charset and the encoding that the request names make no difference. Of repeated
 * members, the last one counts.
 */
function decodeBody(bytes: Uint8Array, isNew: boolean): Body {
  const text = new TextDecoder().decode(bytes)
  return { value: parse(text), text: () => text, isNew }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A body that other middleware has read: its bytes, its text, or the value that it parsed. */
export function bodyOf(read: unknown): Body {
  if (read instanceof Uint8Array) return decodeBody(read, false)
  if (typeof read === 'string') return { value: parse(read), text: () => read, isNew: false }
  return { value: read, text: () => JSON.stringify(read) ?? '', isNew: false }
}

/** All scopes that the messages in a body need, without repetition. Of a batch, all of its messages. */
export async function scopesNeeded(value: unknown, scopesOf: ScopesOf): Promise<readonly string[]> {
  const all = new Set<string>()
  for (const message of Array.isArray(value) ? value : [value]) {
    if (!isRecord(message)) continue
    const scopes = scopesOf(message)
    for (const scope of (scopes instanceof Promise ? await scopes : scopes) ?? []) all.add(scope)
  }
  return [...all]
}

/** The answer to a body whose messages are not looked at; `undefined` for every other one. */
export function refuseBody(body: BodyResult, maxBytes: number, isHttp1: boolean): Answer | undefined {
  // The caller closed the connection, and does not read the answer.
  if (body === 'gone') return jsonRpcError(400, -32700, 'Parse error: the request body is not complete')
  if (body === 'too-large') {
    const message = `Payload Too Large: Request body must not exceed ${maxBytes} bytes`
    const answer = jsonRpcError(413, -32000, message)
    // The rest of the body is not read.
    return isHttp1 ? { ...answer, headers: { ...answer.headers, Connection: 'close' } } : answer
  }
  if (!Array.isArray(body.value) || body.value.length <= MAX_BATCH_SIZE) return undefined
  return jsonRpcError(400, -32600, `Invalid Request: Batch must not exceed ${MAX_BATCH_SIZE} messages`)
}

/** As the MCP SDK answers, which knows no id where it has not read the message. */
function jsonRpcError(status: number, code: number, message: string): Answer {
  return {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
    body: JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }),
  }
}

/** Node's request, with the members in which body parsers and the MCP SDK look for a body. */
export interface NodeBodyRequest extends IncomingMessage {
  body?: unknown
  _body?: boolean
  rawBody?: unknown
}

/**
 * Reads the body of Node's request, unless other middleware has read it.
 *
 * @param parsed what other middleware made of the body
 * @throws {ConfigurationError} when it was read, and is not where this function looks for it
 */
export async function readNodeBody(
  request: NodeBodyRequest,
  parsed: unknown,
  maxBytes: number,
): Promise<BodyResult> {
  const declared = Number(request.headers['content-length'])
  if (declared > maxBytes) return 'too-large'
  const isStream = isRecord(parsed) && typeof parsed.pipe === 'function'
  const known = isStream ? undefined : parsed
  // Not by `known`: a parser that does not know the media type leaves the body unread, and may still set an empty object.
  if (!request.readableEnded) {
    if (request.destroyed) return 'gone'
    const bytes = await collect(request, maxBytes)
    if (typeof bytes === 'string') return bytes
    if (bytes.length > 0 || known === undefined) return decodeBody(bytes, true)
  }
  const read = known === undefined ? request.rawBody : known
  if (read !== undefined) return bodyOf(read)
  if (declared > 0 || request.headers['transfer-encoding'] !== undefined)
    throw new ConfigurationError(
      'The body was read before mcpAuth(), and is not in "body" or "rawBody" of the request: mcpAuth() must come before what reads it, or createMcpGate() be given the parsed body',
    )
  return decodeBody(new Uint8Array(), true)
}

/**
 * Reads the body, and puts it back.
 *
 * @param holder the object in whose `body` the framework keeps a parsed body
 */
export async function readBody(
  request: NodeBodyRequest,
  holder: { body?: unknown },
  maxBytes: number,
): Promise<BodyResult> {
  const body = await readNodeBody(request, holder.body, maxBytes)
  if (typeof body === 'string') return body
  handOn(request, body)
  // Where it is not JSON, nothing is set: the transport reads it, and refuses it.
  if (body.isNew && body.value !== undefined) holder.body = body.value
  return body
}

/**
 * Puts a body back wherever a transport or a body parser looks for it, so that all of them see what was checked. `rawBody` is read
 * by the transports of the SDK, the iterator by its handler for Node.
 */
export function handOn(request: NodeBodyRequest, body: Body): void {
  let bytes: Buffer | undefined
  const read = () => {
    bytes ??= Buffer.from(body.text())
    return bytes
  }
  // Tells the parser of Express 4 that there is nothing left to read.
  request._body = true
  Object.defineProperties(request, {
    // A parser that comes later must not replace what was checked.
    rawBody: { configurable: true, enumerable: true, get: read, set: () => undefined },
    [Symbol.asyncIterator]: {
      configurable: true,
      writable: true,
      async *value() {
        yield read()
      },
    },
  })
}

function collect(request: IncomingMessage, maxBytes: number): Promise<Buffer | 'too-large' | 'gone'> {
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = []
    let size = 0
    const onData = (chunk: Buffer | string) => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      chunks.push(bytes)
      size += bytes.length
      if (size > maxBytes) settle('too-large')
    }
    const onEnd = () => settle(Buffer.concat(chunks))
    const onGone = () => settle('gone')
    const settle = (outcome: Buffer | 'too-large' | 'gone') => {
      request.off('data', onData).off('end', onEnd).off('close', onGone)
      // In HTTP/2, the rest is thrown away: the connection serves other requests too.
      if (request.httpVersionMajor >= 2) request.resume()
      else request.pause()
      resolve(outcome)
    }
    // Stays: an error of the connection is not an error of the application.
    request.on('error', onGone)
    request.on('data', onData).on('end', onEnd).on('close', onGone)
    // Other middleware may have paused it.
    request.resume()
  })
}

/** Reads the body of a web request from a copy, so that the request can still be read. */
export async function readWebBody(request: Request, maxBytes: number): Promise<BodyResult> {
  if (Number(request.headers.get('content-length')) > maxBytes) return 'too-large'
  const reader = request.body && request.clone().body?.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const part = await reader?.read().catch(() => 'gone' as const)
    if (part === 'gone') return part
    const { done, value } = part ?? { done: true }
    if (done || !value) return decodeBody(Buffer.concat(chunks), true)
    chunks.push(value)
    size += value.byteLength
    if (size <= maxBytes) continue
    // Not awaited: it waits until the request itself is cancelled too.
    reader?.cancel().catch(() => undefined)
    return 'too-large'
  }
}
