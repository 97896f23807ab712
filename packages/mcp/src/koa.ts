import type { ServerResponse } from 'node:http'
import type { JwtClaims } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'
import { type Body, handOn, type NodeBodyRequest, readNodeBody } from './body.js'
import { McpEndpoint } from './endpoint.js'
import { headersOf } from './express.js'
import type { McpAuthOptions } from './options.js'

export type { AuthInfo } from './auth-info.js'
export type { McpAuthOptions } from './options.js'

/** The part of a Koa context that is used. */
interface Context {
  readonly req: NodeBodyRequest
  readonly res: ServerResponse
  readonly request: { body?: unknown; rawBody?: unknown }
  readonly method: string
  readonly originalUrl: string
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
 * app.use(mcpAuth({ audience: 'https://api.example.com/mcp' }))
 */
export function mcpAuth<Claims extends object = JwtClaims>(options?: McpAuthOptions<Claims>): Middleware {
  const endpoint = new McpEndpoint(options)
  return async (ctx, next) => {
    if (!ctx.req) core.throwWrongFramework()
    const { req, method, originalUrl: url } = ctx
    const request = { headers: req.headers, rawHeaders: req.rawHeaders, method, url }
    const purpose = endpoint.purposeOf(request)
    if (!purpose) return next()
    if (purpose === 'endpoint') endpoint.allowScripts(request, headersOf(ctx.res))
    return core.respondOrContinue(
      (handle, asked) => endpoint.decide(purpose, handle, asked, () => readBody(ctx, endpoint.maxBodyBytes)),
      request,
      {
        requestKey: req,
        context: ctx,
        setAuth: (auth) => core.setProperty(req, 'auth', endpoint.authInfoOf(auth)),
        routePolicies: () => [],
        challengeScopes: (error) => endpoint.challengeScopes(error),
        responseHeaders: () => [ctx.res],
        write({ headers, status, body }) {
          ctx.set(headers)
          core.cancelStream(ctx.body)
          Object.assign(ctx, { status, body })
          // As with errors: where `respond` is false, nothing is sent.
          if (!ctx.res.headersSent) Reflect.set(ctx, 'respond', true)
        },
        next,
      },
    )
  }
}

async function readBody(ctx: Context, maxBytes: number): Promise<Body | undefined> {
  const body = await readNodeBody(ctx.req, ctx.request.body, maxBytes)
  if (!body) return undefined
  handOn(ctx.req, body)
  if (body.isNew && body.value !== undefined) ctx.request.body = body.value
  return body
}
