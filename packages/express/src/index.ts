import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Auth, JwtClaims } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'

export * from '@telnyx-auth/core'

declare global {
  namespace Express {
    interface Request {
      /** Who calls; set by `telnyxAuth()`, `undefined` for anonymous callers. */
      auth?: Auth | undefined
    }
  }
}

/** The options of {@link telnyxAuth}. */
export type TelnyxAuthOptions<Claims extends object = JwtClaims> = core.AdapterOptions<Claims>

/** What is used of a request; its route, once one was found, holds the middlewares. */
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
  const gate = new core.Gate(options)
  return middleware((request, handlers) => gate.authenticate(request, request, handlers))
}

const guards: core.Guards<Middleware> = core.createGuards(middleware)

/** Lets only those pass that {@link telnyxAuth} authenticated and whose token satisfies the policy. */
export const requireAuth: core.Guards<Middleware>['requireAuth'] = guards.requireAuth

/** Lets only those pass whose token has all of these scopes. */
export const requireScopes: core.Guards<Middleware>['requireScopes'] = guards.requireScopes

/**
 * Who calls. Right whatever else declares or writes `req.auth`.
 *
 * @throws {MissingTokenError} when the caller is anonymous
 * @throws {ConfigurationError} when `telnyxAuth()` does not come before this route
 */
export function getAuth<Claims extends object = JwtClaims>(request: object): Auth<Claims>
export function getAuth(request: object): Auth {
  return core.Gate.identify(request)
}

function middleware(
  decide: (request: Request, handlers: core.Handlers) => core.Awaitable<core.Decision>,
): Middleware {
  const self: Middleware = (request, response, next) => {
    const write = (answer: core.Answer) => core.writeAnswer(response, answer)
    const decideHere = () => decide(request, handlersOf(self, request))
    core.decideThen(() => core.attachAuth(request, request, decideHere, response), write, next)
  }
  return self
}

/** The middlewares in the same route as `self`, as far as they are for this method. */
function handlersOf(self: Middleware, { route, method }: Request): core.Handlers {
  return () => {
    const layers = route?.stack ?? []
    const isGet = method === 'HEAD' && !layers.some((layer) => layer.method === 'head')
    const methods = [undefined, isGet ? 'get' : method?.toLowerCase()]
    const handlers = layers.filter((layer) => methods.includes(layer.method)).map((layer) => layer.handle)
    return handlers.includes(self) ? handlers : []
  }
}
