import { type Parameters, parametersFromForm, parametersFromJson } from '../protocol/parameters.js'
import { OAuthError } from '../protocol/refusals.js'

const MAX_BODY_BYTES = 64 * 1024

/**
 * Reads the parameters of a form or of a JSON object.
 *
 * @throws {OAuthError} `invalid_request`
 */
export async function readParameters(request: Request): Promise<Parameters> {
  const type = mediaType(request)
  const body = await readText(request)
  if (type === 'application/x-www-form-urlencoded') return parametersFromForm([...new URLSearchParams(body)])
  if (type === 'application/json') return parametersFromJson(parseObject(body))
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
