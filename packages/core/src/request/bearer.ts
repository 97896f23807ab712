import { InvalidRequestError, InvalidTokenError } from '../errors.js'

/** A web `Request`, or anything like one: the body is never read. */
export interface WebRequest {
  readonly headers: { get(name: string): string | null }
  readonly method?: string | undefined
  readonly url?: string | undefined
}

/** A request of Node's `http` and `http2`, of a framework on top of them, or of a serverless platform. */
export interface NodeRequest {
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined }
  /** Names and values in turn, as they came. Node keeps only the first of two `Authorization` headers in `headers`. */
  readonly rawHeaders?: readonly string[] | undefined
  /** The same by name, where a request has this and no `rawHeaders`. */
  readonly headersDistinct?: { readonly [name: string]: readonly string[] | undefined } | undefined
  readonly method?: string | undefined
  readonly url?: string | undefined
  /** What was asked for, where a framework cuts `url` down to what its mounted parts are to see. */
  readonly originalUrl?: string | undefined
}

/** What carries an access token. */
export type AuthenticatableRequest = WebRequest | NodeRequest

/** RFC 9110 §11.2 (`token68`), RFC 6750 §2.1 */
const TOKEN68 = /^[A-Za-z0-9\-._~+/]+=*$/
const SCHEME_LENGTH = 'bearer'.length
const SPACE = 0x20
/** The scheme in any case, not as the beginning of a longer word (RFC 9110 §5.6.2, §11.1). */
const BEARER_SCHEME = /^bearer(?![\w!#$%&'*+.^`|~-])/i
/** Where several headers were joined into one (RFC 9110 §5.3), with a Bearer credential that is not the first. */
const JOINED_BEARER = /,[ \t]*bearer(?![\w!#$%&'*+.^`|~-])/i
/** One that is not closed goes to the end: so every quote matches at once, and the whole takes linear time. */
const QUOTED_STRING = /"(?:[^"\\]|\\.?)*(?:"|$)/gs

/**
 * The access token that a request carries in its `Authorization` header (RFC 6750 §2.1). The query, form
 * bodies and cookies are not looked at (OAuth 2.1 §5.1). Its characters are not looked at either: of a token that is known,
 * they need not be, and {@link checkCharacters} does for all others.
 *
 * @returns `undefined` when there are no credentials, or those of another scheme
 * @throws {InvalidRequestError} `ERR_REQUEST_MALFORMED`, `ERR_TOKEN_REPEATED`
 * @throws {InvalidTokenError} `ERR_TOKEN_TOO_LARGE`
 */
export function extractBearerToken(
  request: AuthenticatableRequest,
  maxTokenBytes: number,
): string | undefined {
  const authorization = authorizationHeader(request)
  if (authorization === undefined) return undefined
  if (!BEARER_SCHEME.test(authorization)) {
    if (authorization.includes(',') && JOINED_BEARER.test(authorization.replace(QUOTED_STRING, '')))
      throw new InvalidRequestError('ERR_TOKEN_REPEATED')
    return undefined
  }
  let start = SCHEME_LENGTH
  while (authorization.charCodeAt(start) === SPACE) start++
  const token = authorization.slice(start)
  // Before anything looks at it.
  if (token.length > maxTokenBytes)
    throw new InvalidTokenError('ERR_TOKEN_TOO_LARGE', { reason: 'too-large' })
  // A comma is not in token68: it comes from joining several headers.
  if (token.includes(',')) throw new InvalidRequestError('ERR_TOKEN_REPEATED')
  if (start === SCHEME_LENGTH) throw new InvalidRequestError('ERR_REQUEST_MALFORMED')
  return token
}

/**
 * Makes sure that a token is made of what a Bearer credential may hold (RFC 6750 §2.1).
 *
 * @throws {InvalidRequestError} `ERR_REQUEST_MALFORMED`
 */
export function checkCharacters(token: string): void {
  if (!TOKEN68.test(token)) throw new InvalidRequestError('ERR_REQUEST_MALFORMED')
}

function authorizationHeader(request: AuthenticatableRequest): string | undefined {
  if (isWebRequest(request)) return request.headers.get('authorization') ?? undefined

  const { headers, rawHeaders } = request
  const values: string[] = []
  for (const name of Object.keys(headers ?? {})) {
    const value = isAuthorization(name) ? headers[name] : undefined
    if (typeof value === 'string') values.push(value)
    else if (value) values.push(...value)
  }
  let sent = 0
  if (rawHeaders) {
    for (let index = 0; index < rawHeaders.length; index += 2) if (isAuthorization(rawHeaders[index])) sent++
    // Node makes these when they are asked for, so they are not without need.
  } else sent = request.headersDistinct?.authorization?.length ?? 0
  if (values.length > 1 || sent > 1) throw new InvalidRequestError('ERR_TOKEN_REPEATED')
  return values[0]
}

/** The length first: of a request's headers, hardly any other has this one. */
function isAuthorization(name: string | undefined): boolean {
  return name?.length === 13 && name.toLowerCase() === 'authorization'
}

/** Whether the headers are those of the web. A header that is called `get` is a text. */
export function isWebRequest(request: AuthenticatableRequest): request is WebRequest {
  return typeof request.headers?.get === 'function'
}
