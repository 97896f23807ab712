import { ConfigurationError, isTelnyxAuthError, type JwtClaims, type WebRequest } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'
import type { Context, MiddlewareHandler } from 'hono'
import type { AuthInfo } from './auth-info.js'
import { type Body, type BodyResult, bodyOf, readWebBody } from './body.js'
import { McpEndpoint, type Place } from './endpoint.js'
import type { McpAuthOptions } from './options.js'

export type { AuthInfo } from './auth-info.js'
export type { McpAuthOptions } from './options.js'

declare module 'hono' {
  interface ContextVariableMap {
    authInfo: AuthInfo | undefined
    parsedBody: unknown
  }
}

/**
 * Guards the MCP endpoint, and serves the metadata of its resource. Sets `c.var.authInfo`, and `c.var.parsedBody` where it has
 * read the body: pass both to the transport. Every other request passes.
 *
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * import { Hono } from 'hono'
 *
 * const app = new Hono()
 * app.use(mcpAuth({ audience: 'https://api.example.com/mcp' }))
 * app.all('/mcp', (c) => handler.fetch(c.req.raw, { authInfo: c.var.authInfo, parsedBody: c.var.parsedBody }))
 */
export function mcpAuth<Claims extends object = JwtClaims>(
  options?: McpAuthOptions<Claims, WebRequest>,
): MiddlewareHandler {
  const endpoint = new McpEndpoint(options)
  return async (c, next) => {
    const request = c.req?.raw ?? core.throwWrongFramework()
    const purpose = endpoint.purposeOf(request, placeOf(c))
    if (!purpose) return next()
    const outcome = core.respondOrContinue<WebRequest, void>(
      (handle, asked) => endpoint.decide(purpose, handle, asked, () => readBody(c, endpoint.maxBodyBytes)),
      request,
      {
        requestKey: c,
        setAuth: (auth) => c.set('authInfo', endpoint.authInfoOf(auth)),
        routePolicies: () => [],
        challengeScopes: (error) => endpoint.challengeScopes(error),
        setHeader: (name, value) => c.res.headers.set(name, value),
        responseHeaders: () => [{ hasHeader: () => true, removeHeader: c.header }, c.env?.outgoing],
        write(answer) {
          core.cancelStream(c.res) // reading c.res also keeps the headers of earlier middleware
          c.res = new Response(answer.body, answer)
        },
        next,
      },
    )
    try {
      await outcome
    } catch (error) {
      if (isTelnyxAuthError(error) && purpose === 'endpoint')
        error.headers = { ...error.headers, ...endpoint.scriptHeaders(request) }
      throw error
    }
    // Afterwards: the transport returns a response of its own.
    if (purpose === 'endpoint')
      endpoint.allowScripts(request, {
        get: (name) => c.res.headers.get(name) ?? undefined,
        set: (name, value) => c.header(name, value),
      })
  }
}

/** By the layer that runs now. Its path has a wildcard at the end, unless it is a route. */
function placeOf(c: Context): Place {
  const layer = c.req.matchedRoutes[c.req.routeIndex]?.path ?? '/unknown/*'
  return {
    requestKey: c,
    url: c.req.path,
    isMounted: !/^\/?\*?$/.test(layer),
    isInRoute: !layer.endsWith('*'),
  }
}

/** Reads the body, and puts it back in all places where a transport looks for it. */
async function readBody(c: Context, maxBytes: number): Promise<BodyResult> {
  const { raw } = c.req
  // Where other middleware has read it, Hono has kept it.
  const body = raw.bodyUsed ? await keptBody(c) : await readWebBody(raw, maxBytes)
  if (typeof body === 'string') return body
  const { method, headers, signal } = raw
  c.req.raw = new Request(raw.url, { method, headers, signal, body: body.text() })
  c.req.bodyCache = {}
  c.set('parsedBody', body.value)
  return body
}

async function keptBody(c: Context): Promise<Body> {
  const text = await c.req.text().catch(() => {
    throw new ConfigurationError('The body was read before mcpAuth(), and not with c.req')
  })
  return bodyOf(text)
}
