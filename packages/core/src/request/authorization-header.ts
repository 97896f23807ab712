import { InvalidRequestError, InvalidTokenError } from '../errors/errors.js'
import { presentedAsDpop } from '../errors/telnyx-auth-error.js'
import { type AuthenticatableRequest, authorizationHeader } from './request-headers.js'

/** RFC 9110 §11.2 (`token68`), RFC 6750 §2.1 */
const TOKEN68 = /^[A-Za-z0-9\-._~+/]+=*$/
const SPACE = 0x20
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
