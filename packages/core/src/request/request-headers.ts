import { isPollution } from '../base/own-members.js'
import { InvalidRequestError } from '../errors/errors.js'

/** A web `Request`, or an object like it. This library never reads the body. */
export interface WebRequest {
  /** The headers, as those of the web. */
  readonly headers: { get(name: string): string | null }
  /** The HTTP method. */
  readonly method?: string | undefined
  /** The absolute URL. */
  readonly url?: string | undefined
}

/** A request of Node's `http` or `http2`, of a framework on top of them, or of a serverless platform. */
export interface NodeRequest {
  /** The headers, by name in any case. */
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined }
  /** Names and values in turn, as sent. In `headers`, Node keeps only the first of two `Authorization` headers. */
  readonly rawHeaders?: readonly string[] | undefined
  /** All values by name, for requests without `rawHeaders`. */
  readonly headersDistinct?: { readonly [name: string]: readonly string[] | undefined } | undefined
  /** The HTTP method. */
  readonly method?: string | undefined
  /** The target of the request: path and query. */
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

const SPACE = 0x20
const TAB = 0x09

/**
 * The value of the `Authorization` header, without surrounding white space.
 *
 * @throws {InvalidRequestError} `ERR_TOKEN_REPEATED` for several, `ERR_REQUEST_MALFORMED` for a value that is not a string
 */
export function authorizationHeader(request: AuthenticatableRequest): string | undefined {
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

/** Whether a request has one of these headers with a value. One pass: a caller may send thousands of headers. */
export function hasHeader(request: AuthenticatableRequest, ...names: string[]): boolean {
  if (isWebRequest(request)) return names.some((name) => Boolean(request.headers.get(name)))
  const { headers } = request
  return Object.keys(headers ?? {}).some(
    (each) => names.includes(each.toLowerCase()) && Boolean(headers[each]),
  )
}
