import type { RequestHandle } from '@telnyx-auth/core/adapter'

/**
 * A request as an adapter hands it to core, without a framework.
 *
 * @param requestKey identifies the request; a new object is a new request
 */
export function handleFor(requestKey: object = {}, parts: Partial<RequestHandle> = {}): RequestHandle {
  return {
    requestKey,
    setAuth: () => undefined,
    routePolicies: () => [],
    responseHeaders: () => [],
    ...parts,
  }
}
