import { type Parameters, parametersFromForm, parametersFromJson } from '../protocol/parameters.js'
import { OAuthError } from '../protocol/refusals.js'
import { readLimited } from './limited-body.js'

const MAX_BODY_BYTES = 64 * 1024

/**
 * Reads the parameters of a request whose body is a form or a JSON object.
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
 * Reads a JSON object. A missing body counts as `{}`: the official SDK sends none when all members are optional.
 *
 * @param status the status code for a body that is not valid
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

/** `request.text()` with a limit. Reading stops at the limit. */
async function readText(request: Request): Promise<string> {
  const tooLong = () => new OAuthError('invalid_request', 'The body is too long', 413)
  if (Number(request.headers.get('content-length')) > MAX_BODY_BYTES) throw tooLong()
  const body = await readLimited(request.body, MAX_BODY_BYTES)
  if (!body) throw tooLong()
  return new TextDecoder().decode(body)
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
