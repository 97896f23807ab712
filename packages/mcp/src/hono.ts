import type { JwtClaims, WebRequest } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'
import type { Context, MiddlewareHandler } from 'hono'
import type { AuthInfo } from './auth-info.js'
import { type BodyResult, bodyOf, readWebBody } from './body.js'
import { McpEndpoint, type Purpose } from './endpoint.js'
import type { McpAuthOptions } from './options.js'

export type { AuthInfo } from './auth-info.js'
export type { McpAuthOptions } from './options.js'

declare module 'hono' {
  interface ContextVariableMap {
    authInfo: AuthInfo | undefined
  }
}

/**
 * Guards the MCP endpoint, and serves the metadata of its resource. Sets `c.var.authInfo`, and `c.var.parsedBody` where it has
 * read the body: pass both to the transport. Every other request passes.
 *
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * app.use(mcpAuth({ audience: 'https://api.example.com/mcp' }))
 * app.all('/mcp', (c) => handler.fetch(c.req.raw, { authInfo: c.var.authInfo, parsedBody: c.get('parsedBody') }))
 */
export function mcpAuth<Claims extends object = JwtClaims>(
  options?: McpAuthOptions<Claims, WebRequest>,
): MiddlewareHandler {
  const endpoint = new McpEndpoint(options)
  const self: MiddlewareHandler = async (c, next) => {
    const request = c.req?.raw ?? core.throwWrongFramework()
    const purpose = purposeOf(endpoint, c, self)
    if (!purpose) return next()
    const allowScripts = () =>
      endpoint.allowScripts(request, {
        get: (name) => c.res.headers.get(name) ?? undefined,
        set: (name, value) => c.header(name, value),
      })
    // Before: for the answer to an error. Afterwards: the transport returns a response of its own.
    if (purpose === 'endpoint') allowScripts()
    const outcome = await core.respondOrContinue<WebRequest, void>(
      (handle, asked) => endpoint.decide(purpose, handle, asked, () => readBody(c, endpoint.maxBodyBytes)),
      request,
      {
        requestKey: c,
        setAuth: (auth) => c.set('authInfo', endpoint.authInfoOf(auth)),
        routePolicies: () => [],
        challengeScopes: (error) => endpoint.challengeScopes(error),
        responseHeaders: () => [{ hasHeader: () => true, removeHeader: c.header }, c.env?.outgoing],
        write(answer) {
          core.cancelStream(c.res) // reading c.res also keeps the headers of earlier middleware
          c.res = new Response(answer.body, answer)
        },
        next,
      },
    )
    if (purpose === 'endpoint') allowScripts()
    return outcome
  }
  return self
}

/** Of a mounted application, also the path within it. In a route, it guards what comes after it, whatever the path is. */
function purposeOf(endpoint: McpEndpoint, c: Context, self: MiddlewareHandler): Purpose | undefined {
  const routed = c.req.matchedRoutes.find(({ handler }) => handler === self)?.path ?? '*'
  const [, base = '', wildcard] = /^(.*?)\/?(\*)?$/.exec(routed) ?? []
  const { path } = c.req
  return (
    endpoint.purposeOf(c.req.raw, path.startsWith(base) ? path.slice(base.length) : path) ??
    (wildcard ? undefined : 'endpoint')
  )
}

/** Reads the body, and puts it back in all places where a transport looks for it. */
async function readBody(c: Context, maxBytes: number): Promise<BodyResult> {
  const { raw } = c.req
  // Where other middleware has read it, Hono has kept it.
  const body = raw.bodyUsed ? bodyOf(await c.req.text()) : await readWebBody(raw, maxBytes)
  if (typeof body === 'string') return body
  const { method, headers, signal } = raw
  c.req.raw = new Request(raw.url, { method, headers, signal, body: body.text() })
  c.req.bodyCache = {}
  c.set('parsedBody', body.value)
  return body
}
