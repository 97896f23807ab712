import type { Client } from './clients.js'

/** The parameters of a request to the token or introspection endpoint. */
export type Parameters = ReadonlyMap<string, string>

/** An error of RFC 6749 §5.2. */
export class OAuthError extends Error {
  readonly error: string
  readonly status: number

  constructor(error: string, description: string, status: number = error === 'invalid_client' ? 401 : 400) {
    super(description)
    this.error = error
    this.status = status
  }
}

const MAX_BODY_BYTES = 64 * 1024

/**
 * Reads the parameters of a form or of a JSON object.
 *
 * @throws {OAuthError} `invalid_request`
 */
export async function readParameters(request: Request): Promise<Parameters> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  const body = await readText(request)
  if (type === 'application/x-www-form-urlencoded') return unique([...new URLSearchParams(body)])
  if (type === 'application/json') return unique(parseObject(body))
  throw new OAuthError('invalid_request', 'The body must be a form or JSON')
}

/** `request.text()` with a limit: what is beyond it is not read. */
async function readText(request: Request): Promise<string> {
  const tooLong = () => new OAuthError('invalid_request', 'The body is too long', 413)
  if (Number(request.headers.get('content-length')) > MAX_BODY_BYTES) throw tooLong()
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of request.body ?? []) {
    size += piece.byteLength
    if (size > MAX_BODY_BYTES) throw tooLong()
    pieces.push(piece)
  }
  return new TextDecoder().decode(Buffer.concat(pieces))
}

/** RFC 6749 §3.2: a parameter without a value counts as left out, and none may be repeated. */
function unique(entries: readonly (readonly [string, string])[]): Parameters {
  const parameters = new Map<string, string>()
  for (const [name, value] of entries) {
    if (parameters.has(name)) throw new OAuthError('invalid_request', `The parameter ${name} is repeated`)
    parameters.set(name, value)
  }
  for (const [name, value] of parameters) if (value === '') parameters.delete(name)
  return parameters
}

function parseObject(body: string): [string, string][] {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new OAuthError('invalid_request', 'The body is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new OAuthError('invalid_request', 'The body is not a JSON object')
  return Object.entries(value).map(([name, member]) => {
    if (typeof member !== 'string')
      throw new OAuthError('invalid_request', `The member ${name} is not a string`)
    return [name, member]
  })
}

/**
 * Finds out which client is asking: HTTP Basic or `client_id` and `client_secret` in the body (RFC 6749 §2.3.1).
 *
 * @throws {OAuthError} `invalid_client`, or `invalid_request` when both are used
 */
export function authenticateClient(
  authorization: string | null,
  parameters: Parameters,
  clients: ReadonlyMap<string, Client>,
): Client {
  const basic = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization ?? '')?.[1]
  if (basic !== undefined && parameters.has('client_secret'))
    throw new OAuthError('invalid_request', 'The client authenticates in more than one way')
  const [id, secret] =
    basic === undefined ? [parameters.get('client_id'), parameters.get('client_secret')] : decodeBasic(basic)
  const client = clients.get(id ?? '')
  if (!client || client.clientSecret !== secret)
    throw new OAuthError('invalid_client', 'The client is unknown or its secret is wrong')
  return client
}

/** RFC 6749 §2.3.1: both halves are form-encoded before they are joined. */
function decodeBasic(credentials: string): (string | undefined)[] {
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? []
  try {
    return [id, secret].map((half) => half && decodeURIComponent(half.replaceAll('+', ' ')))
  } catch {
    return []
  }
}
