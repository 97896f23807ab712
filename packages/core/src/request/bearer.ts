import { InvalidRequestError } from '../errors.js'

/** A web `Request`, or anything like one: only the headers are read. */
export interface WebRequest {
  readonly headers: { get(name: string): string | null }
}

/** A request of Node's `http` and `http2`, of a framework on top of them, or of a serverless platform. */
export interface NodeRequest {
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined }
  /** Names and values in turn, as they came. Node keeps only the first of two `Authorization` headers in `headers`. */
  readonly rawHeaders?: readonly string[] | undefined
  readonly method?: string | undefined
  readonly url?: string | undefined
}

/** What carries an access token. */
export type AuthenticatableRequest = WebRequest | NodeRequest

/** RFC 9110 §11.2 (`token68`), RFC 6750 §2.1 */
const TOKEN68 = /^[A-Za-z0-9\-._~+/]+=*$/
/** The scheme in any case, not as the beginning of a longer word (RFC 9110 §5.6.2, §11.1). */
const BEARER_SCHEME = /^bearer(?![\w!#$%&'*+.^`|~-])/i
/** Where several headers were joined into one, with a Bearer credential that is not the first. */
const JOINED_BEARER = /, *bearer(?![\w!#$%&'*+.^`|~-])/i

/**
 * The access token that a request carries in its `Authorization` header (RFC 6750 §2.1). The query, form
 * bodies and cookies are not looked at (OAuth 2.1 §5.1).
 *
 * @returns `undefined` when there are no credentials, or those of another scheme
 * @throws {InvalidRequestError} `ERR_REQUEST_MALFORMED`, `ERR_TOKEN_REPEATED`
 */
export function extractBearerToken(request: AuthenticatableRequest): string | undefined {
  const authorization = authorizationHeader(request)
  if (authorization === undefined) return undefined
  // A comma is not in token68: it comes from joining several headers (RFC 9110 §5.3).
  const isBearer = BEARER_SCHEME.test(authorization)
  if (JOINED_BEARER.test(authorization) || (isBearer && authorization.includes(',')))
    throw new InvalidRequestError('ERR_TOKEN_REPEATED')
  if (!isBearer) return undefined
  const credentials = authorization.slice('bearer'.length)
  const token = credentials.replace(/^ +/, '')
  if (token === credentials || !TOKEN68.test(token)) throw new InvalidRequestError('ERR_REQUEST_MALFORMED')
  return token
}

function authorizationHeader(request: AuthenticatableRequest): string | undefined {
  if (isWebRequest(request)) return request.headers.get('authorization') ?? undefined

  const values = Object.entries(request.headers).flatMap(([name, value]) =>
    name.toLowerCase() === 'authorization' ? (value ?? []) : [],
  )
  const sent = request.rawHeaders?.filter(
    (name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization',
  ).length
  if (values.length > 1 || (sent ?? 0) > 1) throw new InvalidRequestError('ERR_TOKEN_REPEATED')
  return values[0]
}

function isWebRequest(request: AuthenticatableRequest): request is WebRequest {
  return typeof request.headers.get === 'function'
}
