import { OAuthError } from '../protocol/refusals.js'

/** The parameters of a request to the token or introspection endpoint. */
export interface Parameters {
  get(name: string): string | undefined
  has(name: string): boolean
  /** The one parameter that may be repeated (RFC 8707 §2). */
  readonly resources: readonly string[]
}

/** What the endpoints read. RFC 6749 §3.2: all else is ignored, so in JSON it may be anything. */
const PARAMETERS: ReadonlySet<string> = new Set([
  'client_id',
  'client_secret',
  'code',
  'code_verifier',
  'grant_type',
  'redirect_uri',
  'refresh_token',
  'resource',
  'scope',
  'token',
])

/** All that is read from a form or a query: also by the authorization endpoint and by the form of the consent page. */
const FORM_PARAMETERS: ReadonlySet<string> = new Set([
  ...PARAMETERS,
  'code_challenge',
  'code_challenge_method',
  'consent_token',
  'decision',
  'response_type',
  'state',
])

const MAX_BODY_BYTES = 64 * 1024

/**
 * Reads the parameters of a form or of a JSON object.
 *
 * @throws {OAuthError} `invalid_request`
 */
export async function readParameters(request: Request): Promise<Parameters> {
  const type = mediaType(request)
  const body = await readText(request)
  if (type === 'application/x-www-form-urlencoded') return makeParameters([...new URLSearchParams(body)])
  if (type === 'application/json') return makeParameters(toStrings(parseObject(body)))
  throw new OAuthError('invalid_request', 'The body must be a form or JSON')
}

/**
 * Reads a JSON object. No body at all counts as an empty one: the official SDK sends none where every member is
 * optional.
 *
 * @param status what the operation answers to a document that is no good
 * @throws {OAuthError} `error`
 */
export async function readJsonObject(
  request: Request,
  status: 400 | 422,
  error = 'invalid_request',
): Promise<object> {
  const body = await readText(request)
  if (body === '') return {}
  if (mediaType(request) !== 'application/json') throw new OAuthError(error, 'The body must be JSON', status)
  return parseObject(body, status, error)
}

/**
 * RFC 6749 §3.1 and §3.2: a parameter that is not recognized is ignored, one without a value counts as left out, and
 * none may be repeated.
 *
 * @throws {OAuthError} `invalid_request`
 */
export function makeParameters(entries: readonly (readonly [string, string])[]): Parameters {
  const parameters = new Map<string, string>()
  const resources: string[] = []
  for (const [name, value] of entries) {
    if (name === 'resource') {
      if (value !== '') resources.push(value)
      continue
    }
    if (!FORM_PARAMETERS.has(name)) continue
    if (parameters.has(name)) throw new OAuthError('invalid_request', 'A parameter is repeated')
    parameters.set(name, value)
  }
  for (const [name, value] of parameters) if (value === '') parameters.delete(name)
  return {
    get: (name) => parameters.get(name),
    has: (name) => parameters.has(name),
    resources: [...new Set(resources)],
  }
}

function mediaType(request: Request): string | undefined {
  return request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
}

/** `request.text()` with a limit: what is beyond it is not read. */
async function readText(request: Request): Promise<string> {
  const tooLong = () => new OAuthError('invalid_request', 'The body is too long', 413)
  if (Number(request.headers.get('content-length')) > MAX_BODY_BYTES) throw tooLong()
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of request.body ?? []) {
    // As `fetch` has it; the size of anything else would not be counted.
    if (!(piece instanceof Uint8Array)) throw new TypeError('A body is made of bytes')
    size += piece.byteLength
    if (size > MAX_BODY_BYTES) throw tooLong()
    pieces.push(piece)
  }
  return new TextDecoder().decode(Buffer.concat(pieces))
}

function parseObject(body: string, status: 400 | 422 = 400, error = 'invalid_request'): object {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new OAuthError(error, 'The body is not JSON', status)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new OAuthError(error, 'The body is not a JSON object', status)
  return value
}

/** What would be repeated in a form is an array in JSON. */
function toStrings(object: object): [string, string][] {
  const known = Object.entries(object).filter(([name]) => PARAMETERS.has(name))
  return known.flatMap(([name, member]) => {
    const values: unknown[] = name === 'resource' && Array.isArray(member) ? member : [member]
    return values.map((value): [string, string] => {
      if (typeof value !== 'string')
        throw new OAuthError('invalid_request', 'A member of the body is not a string')
      return [name, value]
    })
  })
}
