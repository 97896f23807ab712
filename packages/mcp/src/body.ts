import type { IncomingMessage } from 'node:http'
import type { Answer } from '@telnyx-auth/core/adapter'
import { isRecord, type ScopesOf } from './tool-scopes.js'

/** A body, decoded as the transports of the MCP SDK do it. */
export interface Body {
  readonly text: string
  /** The JSON value; `undefined` where the text is not JSON. */
  readonly value: unknown
  /** Whether it was read here, so that nothing else has its value yet. */
  readonly isNew: boolean
}

/** The most messages in a batch, as in the MCP SDK. */
const MAX_BATCH_SIZE = 100

/**
 * Decodes a body: UTF-8 without a byte order mark, whatever charset or encoding the request names; of repeated members, the
 * last one counts. What the transport would read otherwise could be a way around the check.
 */
export function decodeBody(bytes: Uint8Array, isNew: boolean): Body {
  const text = new TextDecoder().decode(bytes)
  try {
    return { text, value: JSON.parse(text), isNew }
  } catch {
    return { text, value: undefined, isNew }
  }
}

/**
 * A body that other middleware has read: its bytes, its text, or the value that it parsed.
 *
 * @returns `undefined` for one that is too large
 */
export function parsedBody(value: unknown, maxBytes: number): Body | undefined {
  if (value instanceof Uint8Array) return value.length > maxBytes ? undefined : decodeBody(value, false)
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  const bytes = Buffer.from(text)
  if (bytes.length > maxBytes) return undefined
  return typeof value === 'string' ? decodeBody(bytes, false) : { text, value, isNew: false }
}

/** All scopes that the messages in a body need, without repetition. Of a batch, all of its messages. */
export async function scopesNeeded(value: unknown, scopesOf: ScopesOf): Promise<readonly string[]> {
  const scopes = new Set<string>()
  for (const message of Array.isArray(value) ? value : [value])
    if (isRecord(message)) for (const scope of (await scopesOf(message)) ?? []) scopes.add(scope)
  return [...scopes]
}

/** The answer to a body that is not looked at; `undefined` for every other one. */
export function refuseBatch(value: unknown): Answer | undefined {
  if (!Array.isArray(value) || value.length <= MAX_BATCH_SIZE) return undefined
  return jsonRpcError(400, -32600, `Invalid Request: Batch must not exceed ${MAX_BATCH_SIZE} messages`)
}

export function tooLarge(maxBytes: number): Answer {
  const answer = jsonRpcError(
    413,
    -32000,
    `Payload Too Large: Request body must not exceed ${maxBytes} bytes`,
  )
  // The rest of the body is not read.
  return { ...answer, headers: { ...answer.headers, Connection: 'close' } }
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
 * @returns `undefined` for a body that is too large
 */
export async function readNodeBody(
  request: NodeBodyRequest,
  parsed: unknown,
  maxBytes: number,
): Promise<Body | undefined> {
  // Not by `parsed`: a parser that passes a body by leaves it unread, and still sets an empty object.
  const isUnread = !request.readableDidRead && !request.readableEnded && !request.destroyed
  if (isUnread) {
    const bytes = await collect(request, maxBytes)
    if (!bytes) return undefined
    if (bytes.length > 0 || parsed === undefined) return decodeBody(bytes, true)
  }
  return parsedBody(parsed ?? request.rawBody, maxBytes)
}

/**
 * Puts a body back in all places where a transport or a body parser looks for it, so that all of them see what was checked.
 * `rawBody` is read by the transports of the SDK, the iterator by its handler for Node.
 */
export function handOn(request: NodeBodyRequest, { text }: Body): void {
  const bytes = Buffer.from(text)
  Object.assign(request, {
    // Tells the parser of Express 4 that there is nothing left to read.
    _body: true,
    rawBody: bytes,
    async *[Symbol.asyncIterator]() {
      yield bytes
    },
  })
}

function collect(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length']) > maxBytes) return Promise.resolve(undefined)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const onData = (chunk: Buffer | string) => {
      chunks.push(Buffer.from(chunk))
      size += Buffer.byteLength(chunk)
      if (size > maxBytes) finish(() => resolve(undefined))
    }
    const onEnd = () => finish(() => resolve(Buffer.concat(chunks)))
    const onError = (error: unknown) => finish(() => reject(error))
    const onClose = () => onError(new Error('The caller closed the connection before the body was complete'))
    const finish = (settle: () => void) => {
      request.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
      request.pause()
      settle()
    }
    request.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
  })
}

/**
 * Reads the body of a web request from a copy, so that the request can still be read.
 *
 * @returns `undefined` for a body that is too large
 */
export async function readWebBody(request: Request, maxBytes: number): Promise<Body | undefined> {
  if (Number(request.headers.get('content-length')) > maxBytes) return undefined
  if (!request.body) return decodeBody(new Uint8Array(), true)
  const reader = request.clone().body?.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true }
    if (done || !value) return decodeBody(Buffer.concat(chunks), true)
    chunks.push(value)
    size += value.byteLength
    if (size <= maxBytes) continue
    // Not awaited: it waits until the request itself is cancelled too.
    reader?.cancel().catch(() => undefined)
    return undefined
  }
}
