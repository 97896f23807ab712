import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Auth, JwtClaims } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'

export * from '@telnyx-auth/core'

/**
 * What TypeScript knows of `req.auth`. The MCP SDK declares the same property with a type of its own, which has fewer members:
 * a program that uses both only compiles if the others may be absent here. {@link getAuth} returns all of them.
 */
export type RequestAuth = Pick<Auth, 'token' | 'scopes'> & Partial<Auth>

declare global {
  namespace Express {
    interface Request {
      /** The caller; set by `telnyxAuth()`, `undefined` for anonymous callers. */
      auth?: RequestAuth | undefined
    }
  }
}

/** The options of {@link telnyxAuth}. */
export type TelnyxAuthOptions<Claims extends object = JwtClaims> = core.AdapterOptions<Claims>

/** The part of a request that is used. Its route, once Express has found one, holds the middlewares. */
type Request = IncomingMessage & {
  auth?: unknown
  readonly route?: { stack?: readonly { handle?: unknown; method?: string | undefined }[] } | undefined
}

/** An Express middleware, in a form that suits every version of Express's types. */
export type Middleware = (request: Request, response: ServerResponse, next: (error?: unknown) => void) => void

/**
 * Protects everything that comes after it: only requests with a good access token go on, as `req.auth`. Serves
 * the metadata of the protected resource (RFC 9728) where it sees requests for them.
 *
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 */
export function telnyxAuth<Claims extends object = JwtClaims>(
  options?: TelnyxAuthOptions<Claims>,
): Middleware {
  return middleware(core.createAuthenticator(options).authenticate)
}

const guards: core.Guards<Middleware> = core.createGuards(middleware)

/** Lets only those pass that {@link telnyxAuth} authenticated and whose token satisfies the policy. */
export const requireAuth: core.Guards<Middleware>['requireAuth'] = guards.requireAuth

/** Lets only those pass whose token has all of these scopes. */
export const requireScopes: core.Guards<Middleware>['requireScopes'] = guards.requireScopes

/**
 * The caller. Right even if other code declares or writes `req.auth`.
 *
 * @throws {MissingTokenError} when the caller is anonymous
 * @throws {ConfigurationError} when `telnyxAuth()` does not come before this route
 */
export function getAuth<Claims extends object = JwtClaims>(request: object): Auth<Claims> {
  return core.getAuth(request)
}

function middleware(decide: core.Authenticator['authenticate']): Middleware {
  const self: Middleware = (request, response, next) =>
    core.respondOrNext(decide, request, {
      requestKey: request,
      setAuth: (auth) => core.setProperty(request, 'auth', auth),
      routePolicies: () => core.policiesOf(handlersOf(self, request)),
      setHeader: (name, value) => response.setHeader(name, value),
      responseHeaders: () => [response],
      write: (answer) => core.writeAnswer(response, answer),
      next,
    })
  return self
}

/** The middlewares in the same route as `self` that are for this method. */
function handlersOf(self: Middleware, { route, method }: Request): readonly unknown[] {
  const layers = route?.stack ?? []
  const isGet = method === 'HEAD' && !layers.some((layer) => layer.method === 'head')
  const methods = [undefined, isGet ? 'get' : method?.toLowerCase()]
  const handlers = layers.filter((layer) => methods.includes(layer.method)).map((layer) => layer.handle)
  return handlers.includes(self) ? handlers : []
}
