import { isPollution } from '../base/own-members.js'
import { InvalidRequestError, InvalidTokenError } from '../errors/errors.js'
import type { Reason } from '../errors/reasons.js'

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
  /** What a framework has cut off from `url`. */
  readonly baseUrl?: string | undefined
}

/** What carries an access token. */
export type AuthenticatableRequest = WebRequest | NodeRequest

/** RFC 9110 §11.2 (`token68`), RFC 6750 §2.1 */
const TOKEN68 = /^[A-Za-z0-9\-._~+/]+=*$/
const SCHEME_LENGTH = 'bearer'.length
const SPACE = 0x20
const TAB = 0x09
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
      throw new InvalidRequestError('ERR_TOKEN_REPEATED', 'token-repeated')
    return undefined
  }
  let start = SCHEME_LENGTH
  while (authorization.charCodeAt(start) === SPACE) start++
  const token = authorization.slice(start)
  // Before anything looks at it.
  if (token.length > maxTokenBytes)
    throw new InvalidTokenError('ERR_TOKEN_TOO_LARGE', { reason: 'too-large' })
  // A comma is not in token68: it comes from joining several headers.
  if (token.includes(',')) throw new InvalidRequestError('ERR_TOKEN_REPEATED', 'token-repeated')
  if (start === SCHEME_LENGTH) throw new InvalidRequestError('ERR_REQUEST_MALFORMED', 'header-malformed')
  return token
}

/**
 * Makes sure that a token is made of what a Bearer credential may hold (RFC 6750 §2.1).
 *
 * @throws {InvalidRequestError} `ERR_REQUEST_MALFORMED`
 */
export function checkCharacters(token: string): void {
  if (!TOKEN68.test(token)) throw new InvalidRequestError('ERR_REQUEST_MALFORMED', 'header-malformed')
}

/**
 * The access token of a request as this library takes it by default: the Bearer credential of its `Authorization` header
 * (RFC 6750 §2.1). For a `getToken` of your own that looks elsewhere too, or lets some credentials pass by.
 *
 * @returns `undefined` when there are no credentials, or those of another scheme
 * @throws {InvalidRequestError} when the header is malformed, or there is more than one
 */
export function getBearerToken(request: AuthenticatableRequest): string | undefined {
  const token = extractBearerToken(request, Number.POSITIVE_INFINITY)
  if (token !== undefined) checkCharacters(token)
  return token
}

/** One that begins like a signed JWT (RFC 7519 §3.1): the base64url of `{"`, and a dot. */
const LOOKS_LIKE_JWT = /^eyJ[\w-]+\./
/** How a Telnyx API key begins. */
const LOOKS_LIKE_API_KEY = /^KEY[0-9A-Za-z_]/
/** What proxies add (RFC 7239, RFC 9110 §7.6.3). */
const PROXY_HEADERS = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-real-ip',
]

/** Whether a credential is probably an API key of Telnyx. It tells operators more, and decides nothing. */
export function looksLikeApiKey(credential: string): boolean {
  return LOOKS_LIKE_API_KEY.test(credential)
}

/** Why a request probably carries no access token. It tells operators more, and decides nothing. */
export function whyTokenIsMissing(request: AuthenticatableRequest): Reason {
  const authorization = authorizationHeader(request)
  if (authorization) {
    if (looksLikeApiKey(authorization)) return 'api-key'
    return LOOKS_LIKE_JWT.test(authorization) ? 'scheme-missing' : 'other-scheme'
  }
  if (isPreflight(request)) return 'preflight'
  // A proxy passed the request on, and may have kept the header for itself.
  return hasHeader(request, ...PROXY_HEADERS) ? 'authorization-stripped' : 'no-credentials'
}

/** Fetch standard, "CORS-preflight request". Browsers send them without credentials. */
export function isPreflight(request: AuthenticatableRequest): boolean {
  return request.method === 'OPTIONS' && hasHeader(request, 'access-control-request-method')
}

/** Whether a request has one of these headers, with a value. In one pass: strangers send thousands of them. */
function hasHeader(request: AuthenticatableRequest, ...names: string[]): boolean {
  if (isWebRequest(request)) return names.some((name) => Boolean(request.headers.get(name)))
  const { headers } = request
  return Object.keys(headers ?? {}).some(
    (each) => names.includes(each.toLowerCase()) && Boolean(headers[each]),
  )
}

function authorizationHeader(request: AuthenticatableRequest): string | undefined {
  if (isWebRequest(request)) return trimmed(request.headers.get('authorization') ?? undefined)

  const { headers } = request
  let authorization: string | undefined
  let count = 0
  for (const name of Object.keys(headers ?? {})) {
    if (!isAuthorization(name)) continue
    const values = headers[name]
    if (values === undefined) continue
    for (const value of Array.isArray(values) ? values : [values]) {
      authorization = trimmed(value)
      count++
    }
  }
  if (count > 1 || timesSent(request) > 1)
    throw new InvalidRequestError('ERR_TOKEN_REPEATED', 'token-repeated')
  // Node takes an inherited value for one that came already, and leaves the header out.
  if (count === 0 && 'authorization' in Object.prototype) return rawAuthorization(request)
  return authorization
}

function rawAuthorization(request: NodeRequest): string | undefined {
  const { rawHeaders } = request
  if (!rawHeaders || isPollution(request, 'rawHeaders')) return undefined
  const index = rawHeaders.findIndex((name, at) => at % 2 === 0 && isAuthorization(name))
  return index < 0 ? undefined : trimmed(rawHeaders[index + 1])
}

/** How often the request came with the header, as far as it tells: Node keeps only the first of several in `headers`. */
function timesSent(request: NodeRequest): number {
  const rawHeaders = isPollution(request, 'rawHeaders') ? undefined : request.rawHeaders
  if (!rawHeaders) {
    // Node makes these when they are asked for, so they are not without need.
    const distinct = isPollution(request, 'headersDistinct') ? undefined : request.headersDistinct
    return distinct && Object.hasOwn(distinct, 'authorization') ? (distinct.authorization?.length ?? 0) : 0
  }
  let sent = 0
  for (let index = 0; index < rawHeaders.length; index += 2) if (isAuthorization(rawHeaders[index])) sent++
  return sent
}

/**
 * The value without the white space around it, which is no part of it (RFC 9110 §5.5). Node takes it away; other
 * platforms do not.
 *
 * @throws {InvalidRequestError} for what is not a text: a program put it there, and there is no credential in it
 */
function trimmed(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw new InvalidRequestError('ERR_REQUEST_MALFORMED', 'header-not-a-string')
  let start = 0
  let end = value.length
  while (start < end && isBlank(value.charCodeAt(start))) start++
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--
  return start === 0 && end === value.length ? value : value.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

/** The length first: of a request's headers, hardly any other has this one. */
function isAuthorization(name: unknown): boolean {
  return typeof name === 'string' && name.length === 13 && name.toLowerCase() === 'authorization'
}

/** Whether the headers are those of the web. A header that is called `get` is a text. */
function isWebRequest(request: AuthenticatableRequest): request is WebRequest {
  const { headers } = request
  return typeof headers?.get === 'function' && !isPollution(headers, 'get')
}
