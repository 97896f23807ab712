import type { ServerResponse } from 'node:http'
import type { JwtClaims } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'
import { type NodeBodyRequest, readBody } from './body.js'
import { McpEndpoint } from './endpoint.js'
import { headersOf } from './node-headers.js'
import type { McpAuthOptions } from './options.js'

export type { AuthInfo } from './auth-info.js'
export type { McpAuthOptions } from './options.js'

/** The part of a request that Express adds. */
interface Request extends NodeBodyRequest {
  readonly baseUrl?: string
  readonly route?: { readonly stack?: readonly { readonly handle?: unknown }[] }
}

/** An Express middleware, in a form that suits every version of Express's types. */
export type Middleware = (request: Request, response: ServerResponse, next: (error?: unknown) => void) => void

/**
 * Guards the MCP endpoint, and serves the metadata of its resource. Sets `req.auth` to what the transports of the MCP SDK read.
 * Every other request passes.
 *
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * import express from 'express'
 *
 * const app = express()
 * app.use(mcpAuth({ audience: 'https://api.example.com/mcp' }))
 */
export function mcpAuth<Claims extends object = JwtClaims>(options?: McpAuthOptions<Claims>): Middleware {
  const endpoint = new McpEndpoint(options)
  const self: Middleware = (request, response, next) => {
    const { baseUrl = '', url = '', route } = request
    const purpose = endpoint.purposeOf(request, {
      requestKey: request,
      url: `${baseUrl}${url}`,
      isMounted: baseUrl !== '',
      // Express leaves the route on a request that has left it.
      isInRoute: route?.stack?.some(({ handle }) => handle === self) ?? false,
    })
    if (!purpose) {
      next()
      return
    }
    if (purpose === 'endpoint') endpoint.allowScripts(request, headersOf(response))
    core.respondOrNext(
      (handle, asked) =>
        endpoint.decide(purpose, handle, asked, () => readBody(request, request, endpoint.maxBodyBytes)),
      request,
      {
        requestKey: request,
        setAuth: (auth) => core.setProperty(request, 'auth', endpoint.authInfoOf(auth)),
        routePolicies: () => [],
        challengeScopes: (error) => endpoint.challengeScopes(error),
        setHeader: (name, value) => response.setHeader(name, value),
        responseHeaders: () => [response],
        write: (answer) => core.writeAnswer(response, answer),
        next,
      },
    )
  }
  return self
}
