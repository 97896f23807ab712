import type { AuthenticatableRequest } from './request-headers.js'

/**
 * The URL that the caller asked for, with the mount path that a framework removed from `url`.
 *
 * @example
 * requestedUrl(request) // '/api/mcp', where Express has '/mcp' in `url`
 */
export function requestedUrl(request: AuthenticatableRequest): string | undefined {
  if (!('originalUrl' in request)) return request.url
  // Express copies a polluted one from `Object.prototype` onto each request, as an own member.
  if (!('originalUrl' in Object.prototype)) return request.originalUrl ?? request.url
  const base = 'baseUrl' in Object.prototype ? undefined : request.baseUrl
  return `${base ?? ''}${request.url ?? ''}`
}
