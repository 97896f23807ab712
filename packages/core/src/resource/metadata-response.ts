import { isPreflight } from '../request/missing-token.js'
import type { AuthenticatableRequest } from '../request/request-headers.js'

/** Clients also run in browsers. Any origin is safe, because neither token nor cookie is involved. */
export const ANY_ORIGIN: Readonly<Record<string, string>> = { 'Access-Control-Allow-Origin': '*' }

/**
 * Short, so that clients soon see a change. Public, because the document is the same for every caller and origin.
 */
const CACHE_CONTROL = 'public, max-age=300'

/** A response without its document. */
interface ResponseHead {
  readonly status: number
  readonly headers: Record<string, string>
}

/**
 * The response to a request for a metadata document.
 *
 * @returns `undefined` unless it is `GET`, `HEAD` or a preflight request. The document belongs to the status 200
 */
export function metadataResponse(request: AuthenticatableRequest): ResponseHead | undefined {
  if (request.method === 'GET' || request.method === 'HEAD')
    return {
      status: 200,
      headers: { ...ANY_ORIGIN, 'Content-Type': 'application/json', 'Cache-Control': CACHE_CONTROL },
    }
  if (isPreflight(request))
    return {
      status: 204,
      headers: {
        ...ANY_ORIGIN,
        'Access-Control-Allow-Methods': 'GET, HEAD',
        // Fetch standard: the wildcard does not cover `Authorization`, which some clients send with every request.
        'Access-Control-Allow-Headers': '*, Authorization',
        'Access-Control-Max-Age': '86400',
      },
    }
  return undefined
}
