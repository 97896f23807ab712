import type { Reason } from '../errors/reasons.js'
import { type AuthenticatableRequest, authorizationHeader, hasHeader } from './request-headers.js'

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
