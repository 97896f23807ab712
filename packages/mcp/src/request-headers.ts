import type { AuthenticatableRequest, WebRequest } from '@telnyx-auth/core'

export function isWebRequest(request: AuthenticatableRequest): request is WebRequest {
  return request.headers instanceof Headers
}

export function headerOf(request: AuthenticatableRequest, name: string): string | undefined {
  if (isWebRequest(request)) return request.headers.get(name) ?? undefined
  const value = Object.hasOwn(request.headers, name) ? request.headers[name] : undefined
  return typeof value === 'string' ? value : undefined
}

/** Whether a header line says JSON. Of each line: Node keeps the first one only, and some transports see all of them. */
export function saysJson(request: AuthenticatableRequest): boolean {
  const types = [headerOf(request, 'content-type') ?? '']
  const { rawHeaders = [] }: { rawHeaders?: readonly string[] | undefined } = isWebRequest(request)
    ? {}
    : request
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.toLowerCase() === 'content-type') types.push(rawHeaders[index + 1] ?? '')
  return types.some((type) => /json/i.test(type))
}
