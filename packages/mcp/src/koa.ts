import type { ServerResponse } from 'node:http'
import { isTelnyxAuthError, type JwtClaims } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'
import { type NodeBodyRequest, readBody } from './body.js'
import { McpEndpoint } from './endpoint.js'
import { headersOf } from './node-headers.js'
import type { McpAuthOptions } from './options.js'

export type { AuthInfo } from './auth-info.js'
export type { McpAuthOptions } from './options.js'

/** The part of a Koa context that is used. */
interface Context {
  readonly req: NodeBodyRequest
  readonly res: ServerResponse
  readonly request: { body?: unknown }
  readonly method: string
  readonly originalUrl: string
  readonly url: string
  /** The layers of a router whose paths match. */
  readonly matched?: readonly { readonly methods?: readonly string[]; readonly stack?: readonly unknown[] }[]
  status: number
  body: unknown
  set(headers: Record<string, string>): void
}

/** A Koa middleware, in a form that suits every version of Koa's types. */
export type Middleware = (ctx: Context, next: () => Promise<unknown>) => Promise<unknown>

/**
 * Guards the MCP endpoint, and serves the metadata of its resource. Sets `ctx.req.auth` to what the transports of the MCP SDK
 * read. Every other request passes.
 *
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * import Koa from 'koa'
 *
 * const app = new Koa()
 * app.use(mcpAuth({ audience: 'https://api.example.com/mcp' }))
 */
export function mcpAuth<Claims extends object = JwtClaims>(options?: McpAuthOptions<Claims>): Middleware {
  const endpoint = new McpEndpoint(options)
  const self: Middleware = async (ctx, next) => {
    if (!ctx.req) core.throwWrongFramework()
    const { req, method, originalUrl: url } = ctx
    const { headers, rawHeaders, httpVersionMajor, socket } = req
    const request = { headers, rawHeaders, httpVersionMajor, method, url, socket }
    const purpose = endpoint.purposeOf(request, {
      requestKey: req,
      url: ctx.url,
      isMounted: ctx.matched !== undefined || ctx.url !== url,
      isInRoute: isInRoute(self, ctx),
    })
    if (!purpose) return next()
    if (purpose === 'endpoint') endpoint.allowScripts(request, headersOf(ctx.res))
    const outcome = core.respondOrContinue(
      (handle, asked) =>
        endpoint.decide(purpose, handle, asked, () => readBody(req, ctx.request, endpoint.maxBodyBytes)),
      request,
      {
        requestKey: req,
        context: ctx,
        setAuth: (auth) => core.setProperty(req, 'auth', endpoint.authInfoOf(auth)),
        routePolicies: () => [],
        challengeScopes: (error) => endpoint.challengeScopes(error),
        setHeader: (name, value) => ctx.set({ [name]: value }),
        responseHeaders: () => [ctx.res],
        write: (answer) => core.writeContext(ctx, answer),
        next,
      },
    )
    return outcome.catch((error: unknown) => {
      // Koa removes the headers of the response before it answers an error.
      if (isTelnyxAuthError(error) && purpose === 'endpoint')
        error.headers = { ...error.headers, ...endpoint.scriptHeaders(request) }
      throw error
    })
  }
  return self
}

/** A layer without methods is one that `router.use()` made: it is for a part of the paths, not for a route. */
function isInRoute(self: Middleware, { matched = [], method }: Context): boolean {
  return matched.some(({ methods = [], stack = [] }) => methods.includes(method) && stack.includes(self))
}
