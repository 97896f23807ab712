import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Auth, JwtClaims, Policy } from '@telnyx-auth/core'
import {
  type AdapterOptions,
  authOf,
  type CompiledPolicy,
  compilePolicy,
  compileScopes,
  type Decision,
  findAuth,
  Gate,
} from '@telnyx-auth/core/adapter'

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
export type TelnyxAuthOptions<Claims extends object = JwtClaims> = AdapterOptions<Claims>

type Next = (error?: unknown) => void

/** An Express middleware, in a form that suits every version of Express's types. */
export type Middleware = (
  request: IncomingMessage & { auth?: unknown },
  response: ServerResponse,
  next: Next,
) => void

/**
 * Protects everything that comes after it: only requests with a good access token go on, as `req.auth`.
 *
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 */
export function telnyxAuth<Claims extends object = JwtClaims>(
  options?: TelnyxAuthOptions<Claims>,
): Middleware {
  const gate = new Gate(options)
  return (request, response, next) => {
    const decision = gate.authenticate(request, request).then((refusal) => {
      request.auth = findAuth(request)
      return refusal
    })
    proceed(decision, response, next)
  }
}

/**
 * Lets only those pass that {@link telnyxAuth} authenticated and whose token satisfies the policy.
 *
 * @throws {ConfigurationError} at once, for a policy that is not one
 */
export function requireAuth<Claims extends object = JwtClaims>(policy?: Policy<Claims>): Middleware {
  return guard(compilePolicy(policy))
}

/**
 * Lets only those pass whose token has all of these scopes.
 *
 * @throws {ConfigurationError} at once, without a scope or with something that is not one
 */
export function requireScopes(...scopes: [string, ...string[]]): Middleware {
  return guard(compileScopes(scopes))
}

/**
 * Who calls. Right whatever else declares or writes `req.auth`.
 *
 * @throws {MissingTokenError} when the caller is anonymous
 * @throws {ConfigurationError} when `telnyxAuth()` does not come before this route
 */
export function getAuth<Claims extends object = JwtClaims>(request: object): Auth<Claims>
export function getAuth(request: object): Auth {
  return authOf(request)
}

function guard(policy: CompiledPolicy): Middleware {
  return (request, response, next) => proceed(Gate.authorize(request, policy), response, next)
}

function proceed(decision: Promise<Decision>, response: ServerResponse, next: Next): void {
  decision.then((refusal) => {
    if (!refusal) return next()
    // The caller may be gone, and something else may have answered it meanwhile.
    if (response.headersSent) return
    response.statusCode = refusal.status
    for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value)
    response.end(JSON.stringify(refusal.body))
  }, next)
}
