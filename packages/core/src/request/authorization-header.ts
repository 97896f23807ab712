import { isPollution } from '../base/own-members.js'
import { InvalidRequestError, InvalidTokenError } from '../errors/errors.js'
import type { Reason } from '../errors/reasons.js'
import { presentedAsDpop } from '../errors/telnyx-auth-error.js'

/** A web `Request`, or an object like it. This library never reads the body. */
export interface WebRequest {
  readonly headers: { get(name: string): string | null }
  readonly method?: string | undefined
  readonly url?: string | undefined
}

/** A request of Node's `http` or `http2`, of a framework on top of them, or of a serverless platform. */
export interface NodeRequest {
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined }
  /** Names and values in turn, as sent. In `headers`, Node keeps only the first of two `Authorization` headers. */
  readonly rawHeaders?: readonly string[] | undefined
  /** All values by name, for requests without `rawHeaders`. */
  readonly headersDistinct?: { readonly [name: string]: readonly string[] | undefined } | undefined
  readonly method?: string | undefined
  readonly url?: string | undefined
  /** The whole path, where a framework removes the mount path from `url`. */
  readonly originalUrl?: string | undefined
  /** The mount path that a framework removed from `url`. */
  readonly baseUrl?: string | undefined
  /** The connection, whose client certificate and address the option `mtls` reads. */
  readonly socket?: object | undefined
}

/** A request that may carry an access token. */
export type AuthenticatableRequest = WebRequest | NodeRequest

/** RFC 9110 §11.2 (`token68`), RFC 6750 §2.1 */
const TOKEN68 = /^[A-Za-z0-9\-._~+/]+=*$/
const SPACE = 0x20
const TAB = 0x09
/** The scheme in any case, not as the beginning of a longer word (RFC 9110 §5.6.2, §11.1). */
const BEARER_SCHEME = /^bearer(?![\w!#$%&'*+.^`|~-])/i
const DPOP_SCHEME = /^dpop(?![\w!#$%&'*+.^`|~-])/i
/** Several headers that were joined into one (RFC 9110 §5.3), with a credential of ours that is not the first. */
const JOINED_BEARER = /,[ \t]*bearer(?![\w!#$%&'*+.^`|~-])/i
const JOINED_BEARER_OR_DPOP = /,[ \t]*(?:bearer|dpop)(?![\w!#$%&'*+.^`|~-])/i
/** An unclosed string reaches to the end. So every quote matches at once, and the match takes linear time. */
const QUOTED_STRING = /"(?:[^"\\]|\\.?)*(?:"|$)/gs

/**
 * The access token in the `Authorization` header of a request (RFC 6750 §2.1). Query, form body and cookies are not read
 * (OAuth 2.1 §5.1). The caller runs {@link checkCharacters} on a token that is not cached; a cached token has passed it.
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
  if (BEARER_SCHEME.test(authorization)) return cutToken(authorization, 'bearer'.length, maxTokenBytes)
  refuseJoined(authorization, JOINED_BEARER)
  return undefined
}

/** The scheme of a credential: `Bearer` (RFC 6750) or `DPoP` (RFC 9449 §7.1), in lower case. */
export type Scheme = 'bearer' | 'dpop'

/** A token, and how it was presented. Both are `undefined` when there are no credentials, or those of another scheme. */
export interface Credentials {
  readonly token: string | undefined
  readonly scheme: Scheme | undefined
}

const NO_CREDENTIALS: Credentials = { token: undefined, scheme: undefined }

/**
 * The access token in the `Authorization` header, with its scheme. Otherwise as {@link extractBearerToken}.
 *
 * @param acceptsDpop whether the scheme `DPoP` is one of ours
 * @throws {InvalidRequestError} `ERR_REQUEST_MALFORMED`, `ERR_TOKEN_REPEATED`
 * @throws {InvalidTokenError} `ERR_TOKEN_TOO_LARGE`
 */
export function extractCredentials(
  request: AuthenticatableRequest,
  maxTokenBytes: number,
  acceptsDpop: boolean,
): Credentials {
  const authorization = authorizationHeader(request)
  if (authorization === undefined) return NO_CREDENTIALS
  const scheme = schemeIn(authorization)
  if (scheme && (acceptsDpop || scheme === 'bearer')) {
    try {
      return { token: cutToken(authorization, scheme.length, maxTokenBytes), scheme }
    } catch (error) {
      if (scheme === 'dpop') presentedAsDpop(error)
      throw error
    }
  }
  refuseJoined(authorization, acceptsDpop ? JOINED_BEARER_OR_DPOP : JOINED_BEARER)
  return NO_CREDENTIALS
}

/** The scheme under which a request has a token, which something else than this library has found. */
export function schemeOf(request: AuthenticatableRequest): Scheme | undefined {
  return schemeIn(authorizationHeader(request) ?? '')
}

function schemeIn(authorization: string): Scheme | undefined {
  return BEARER_SCHEME.test(authorization) ? 'bearer' : DPOP_SCHEME.test(authorization) ? 'dpop' : undefined
}

function refuseJoined(authorization: string, joined: RegExp): void {
  if (authorization.includes(',') && joined.test(authorization.replace(QUOTED_STRING, '')))
    throw new InvalidRequestError('ERR_TOKEN_REPEATED', 'token-repeated')
}

function cutToken(authorization: string, schemeLength: number, maxTokenBytes: number): string {
  let start = schemeLength
  while (authorization.charCodeAt(start) === SPACE) start++
  const token = authorization.slice(start)
  // Checked first, so that no later step reads a token of any length.
  if (token.length > maxTokenBytes)
    throw new InvalidTokenError('ERR_TOKEN_TOO_LARGE', { reason: 'too-large' })
  // token68 has no comma: several headers were joined.
  if (token.includes(',')) throw new InvalidRequestError('ERR_TOKEN_REPEATED', 'token-repeated')
  if (start === schemeLength) throw new InvalidRequestError('ERR_REQUEST_MALFORMED', 'header-malformed')
  return token
}

/**
 * Checks that a token has only characters of a Bearer credential (RFC 6750 §2.1).
 *
 * @throws {InvalidRequestError} `ERR_REQUEST_MALFORMED`
 */
export function checkCharacters(token: string): void {
  if (!TOKEN68.test(token)) throw new InvalidRequestError('ERR_REQUEST_MALFORMED', 'header-malformed')
}

/**
 * The access token of a request as this library finds it by default: the Bearer credential of its `Authorization` header
 * (RFC 6750 §2.1). For your own `getToken` that also reads another place, or ignores some credentials.
 *
 * @returns the token; `undefined` when there are no credentials, or credentials of another scheme
 * @throws {InvalidRequestError} when the header is malformed, or there is more than one
 * @example
 * createVerifier({ getToken: (request) => getBearerToken(request) ?? tokenOfSession(request) })
 */
export function getBearerToken(request: AuthenticatableRequest): string | undefined {
  const token = extractBearerToken(request, Number.POSITIVE_INFINITY)
  if (token !== undefined) checkCharacters(token)
  return token
}

/**
 * The access token of a request with the option `dpop`: the Bearer or DPoP credential of its `Authorization` header (RFC 6750
 * §2.1, RFC 9449 §7.1). Otherwise as {@link getBearerToken}.
 *
 * @returns the token; `undefined` when there are no credentials, or credentials of another scheme
 * @throws {InvalidRequestError} when the header is malformed, or there is more than one
 * @example
 * createVerifier({ dpop: 'optional', getToken: (request) => getAccessToken(request) ?? tokenOfSession(request) })
 */
export function getAccessToken(request: AuthenticatableRequest): string | undefined {
  const { token } = extractCredentials(request, Number.POSITIVE_INFINITY, true)
  if (token !== undefined) checkCharacters(token)
  return token
}

/** The beginning of a signed JWT (RFC 7519 §3.1): the base64url of `{"`, and a dot. */
const LOOKS_LIKE_JWT = /^eyJ[\w-]+\./
/** The beginning of a Telnyx API key. */
const LOOKS_LIKE_API_KEY = /^KEY[0-9A-Za-z_]/
/** Headers that proxies add (RFC 7239, RFC 9110 §7.6.3). */
const PROXY_HEADERS = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-real-ip',
]

/** Whether a credential is probably a Telnyx API key. For hints only; no decision depends on it. */
export function looksLikeApiKey(credential: string): boolean {
  return LOOKS_LIKE_API_KEY.test(credential)
}

/** Why a request probably carries no access token. For hints only; no decision depends on it. */
export function whyTokenIsMissing(request: AuthenticatableRequest): Reason {
  const authorization = authorizationHeader(request)
  if (authorization) {
    if (looksLikeApiKey(authorization)) return 'api-key'
    return LOOKS_LIKE_JWT.test(authorization) ? 'scheme-missing' : 'other-scheme'
  }
  if (isPreflight(request)) return 'preflight'
  // A proxy forwarded the request, and may have removed the header.
  return hasHeader(request, ...PROXY_HEADERS) ? 'authorization-stripped' : 'no-credentials'
}

/** A CORS preflight request (Fetch standard). Browsers send it without credentials. */
export function isPreflight(request: AuthenticatableRequest): boolean {
  return request.method === 'OPTIONS' && hasHeader(request, 'access-control-request-method')
}

/** Whether a request has one of these headers with a value. One pass: a caller may send thousands of headers. */
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
  // Node takes an inherited value for a header that it has already read, and leaves the real one out of `headers`.
  if (count === 0 && 'authorization' in Object.prototype) return rawAuthorization(request)
  return authorization
}

/**
 * The values of a header, as far as the request tells how often it was sent. Several that were joined are one.
 *
 * @param name in lower case
 * @throws {InvalidRequestError} when a value is not a string
 */
export function headerValues(request: AuthenticatableRequest, name: string): string[] {
  if (isWebRequest(request)) return valuesOf(request.headers.get(name) ?? undefined)
  const values = Object.entries(request.headers ?? {}).flatMap(([each, value]) =>
    each.toLowerCase() === name ? valuesOf(value) : [],
  )
  // Node joins a header to an inherited value, and some platforms keep one of several in `headers`.
  const sent = valuesSent(request, name)
  return sent && (name in Object.prototype || sent.length > 1) ? sent : values
}

/** The values as the caller sent them; `undefined` where the request does not tell. */
function valuesSent(request: NodeRequest, name: string): string[] | undefined {
  const rawHeaders = isPollution(request, 'rawHeaders') ? undefined : request.rawHeaders
  if (rawHeaders) {
    const values: string[] = []
    for (let index = 0; index + 1 < rawHeaders.length; index += 2)
      if (isNamed(rawHeaders[index], name)) values.push(...valuesOf(rawHeaders[index + 1]))
    return values
  }
  const distinct = isPollution(request, 'headersDistinct') ? undefined : request.headersDistinct
  return distinct && (Object.hasOwn(distinct, name) ? valuesOf(distinct[name]) : [])
}

function valuesOf(value: string | readonly string[] | undefined): string[] {
  return [value].flat().flatMap((each) => trimmed(each) ?? [])
}

function rawAuthorization(request: NodeRequest): string | undefined {
  const { rawHeaders } = request
  if (!rawHeaders || isPollution(request, 'rawHeaders')) return undefined
  const index = rawHeaders.findIndex((name, at) => at % 2 === 0 && isAuthorization(name))
  return index < 0 ? undefined : trimmed(rawHeaders[index + 1])
}

/** How often the caller sent the header, if the request tells: in `headers`, Node keeps only the first of several. */
function timesSent(request: NodeRequest): number {
  const rawHeaders = isPollution(request, 'rawHeaders') ? undefined : request.rawHeaders
  if (!rawHeaders) {
    // Node creates this object at the first access, so it is read only without `rawHeaders`.
    const distinct = isPollution(request, 'headersDistinct') ? undefined : request.headersDistinct
    return distinct && Object.hasOwn(distinct, 'authorization') ? (distinct.authorization?.length ?? 0) : 0
  }
  let sent = 0
  for (let index = 0; index < rawHeaders.length; index += 2) if (isAuthorization(rawHeaders[index])) sent++
  return sent
}

/**
 * A header value without surrounding white space, which is not part of it (RFC 9110 §5.5). Node removes it; other platforms do
 * not.
 *
 * @throws {InvalidRequestError} when the value is not a string: a program set it, and it holds no credential
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

/** Compares the length first, because few other headers have the same. */
function isAuthorization(name: unknown): boolean {
  return isNamed(name, 'authorization')
}

/** @param wanted in lower case */
function isNamed(name: unknown, wanted: string): boolean {
  return typeof name === 'string' && name.length === wanted.length && name.toLowerCase() === wanted
}

/** Whether this is a web request: its headers have a method `get`. A header of that name would be a string. */
function isWebRequest(request: AuthenticatableRequest): request is WebRequest {
  const { headers } = request
  return typeof headers?.get === 'function' && !isPollution(headers, 'get')
}
