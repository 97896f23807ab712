import type { AuthenticatableRequest } from '@telnyx-auth/core'
import { warnOnce } from '@telnyx-auth/core/adapter'
import { headerOf, saysJson } from './request-headers.js'

/** Requests that a guard has found to be for its endpoint. */
const guarded = new WeakSet<object>()

export function rememberGuarded(requestKey: object): void {
  guarded.add(requestKey)
}

/**
 * Warns about a request that looks like MCP and passes: with a wrong path, the endpoint is open, and nothing else tells. The message
 * has nothing of the request, because any caller can cause it.
 *
 * @param path the path of the guard that lets it pass
 */
export function warnIfMcp(request: AuthenticatableRequest, requestKey: object, path: string): void {
  if (request.method !== 'POST' || !headerOf(request, 'accept')?.includes('text/event-stream')) return
  if (!saysJson(request)) return
  // Later: the guard of another endpoint may come next.
  setTimeout(() => {
    if (guarded.has(requestKey)) return
    warnOnce(
      'ERR_CONFIGURATION',
      '',
      `mcp-unguarded ${path}`,
      `A request that looks like MCP has passed mcpAuth(), which guards "${path}" and what is below it. If your endpoint is at another path of this application, it is open to everyone: set the option "path" to that path`,
    )
  }, 0)
}
