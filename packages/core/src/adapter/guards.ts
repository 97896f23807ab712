import type { Awaitable } from '../base/maybe-async.js'
import { ownMembers } from '../base/own-members.js'
import { ConfigurationError } from '../errors/errors.js'
import { CompiledPolicy, type Policy } from '../policy/policy.js'
import type { JwtClaims } from '../token/claims.js'
import { isRequest } from './authenticator-options.js'
import { authorize } from './authorize.js'
import type { Decision, RequestHandle, RoutePolicy } from './request-handle.js'

/** The functions for single routes, as an adapter exports them. */
export interface Guards<Guard> {
  /**
   * Lets only callers pass whom `telnyxAuth` authenticated and whose token satisfies the policy.
   *
   * @throws {ConfigurationError} at once, for a policy with an unknown member or a wrong type
   */
  requireAuth<Claims extends object = JwtClaims>(policy?: Policy<Claims>): Guard
  /**
   * Lets only callers pass whose token has all of these scopes.
   *
   * @throws {ConfigurationError} at once, for no scope or an invalid one
   */
  requireScopes(...scopes: [string, ...string[]]): Guard
}

/**
 * Applies the policy of one guard to a request.
 *
 * @returns the answer of a refusal, or `undefined` to continue
 * @throws {ConfigurationError} when `telnyxAuth()` did not see this request
 * @throws with `errors: 'throw'`, the error for the error handling of the framework
 */
export type Authorize = (handle: RequestHandle) => Awaitable<Decision>

/** The policies that guards enforce. */
const policies = new WeakMap<object, RoutePolicy>()

/**
 * Creates the guards of an adapter.
 *
 * @param make creates what the framework takes, from the function that applies the policy
 * @example
 * ```ts
 * // The function `middleware` is the example of respondOrNext().
 * const { requireAuth, requireScopes } = createGuards(middleware)
 * ```
 */
export function createGuards<Guard extends object>(make: (authorize: Authorize) => Guard): Guards<Guard> {
  const createGuard = (policy: unknown) => {
    const compiled = CompiledPolicy.from(policy)
    const guard = make((handle) => authorize(handle, compiled))
    recordPolicy(guard, policy)
    return guard
  }
  return {
    requireAuth(policy?: unknown) {
      if (isRequest(policy))
        throw new ConfigurationError(
          'requireAuth was given a request in place of a policy: call it, requireAuth()',
        )
      return createGuard(policy)
    },
    requireScopes(...scopes) {
      for (const scope of scopes) checkScope(scope)
      if (scopes.length === 0)
        throw new ConfigurationError('requireScopes() must be given at least one scope')
      return createGuard({ scopes })
    },
  }
}

/** Records the policy that a guard enforces. */
function recordPolicy(guard: object, policy: unknown): void {
  const { scopes, anyScope } = ownMembers(policy)
  policies.set(guard, Object.freeze({ scopes: stringsIn(scopes), anyScope: stringsIn(anyScope) }))
}

/** A copy: the application may change the array that it gave. */
function stringsIn(list: unknown): readonly string[] | undefined {
  return Array.isArray(list) ? Object.freeze(list.filter((each) => typeof each === 'string')) : undefined
}

/**
 * The policies of the guards of a route, for `routePolicies()` in frameworks that list the functions of a route. A framework
 * that keeps policies elsewhere, as NestJS does in metadata, returns these directly.
 *
 * @param handlers functions in any order; a value that is no array has no policies
 * @param handlerOf finds the function in an element that is none, and `undefined` where it is of another route
 * @example
 * ```ts
 * import { requireScopes } from '@telnyx-auth/express'
 *
 * policiesOf([requireScopes('messaging.read'), handler]) // [{ scopes: ['messaging.read'] }]
 * ```
 */
export function policiesOf<Element>(
  handlers: readonly Element[] | undefined,
  handlerOf: (element: Element) => unknown = (element) => element,
): readonly RoutePolicy[] {
  if (!Array.isArray(handlers)) return []
  return handlers.flatMap((element) => policies.get(Object(handlerOf(element))) ?? [])
}

/**
 * Makes sure that no guard is in a hook in which it would protect nothing, without any sign of it.
 *
 * @param route functions, or arrays of them, by the names of the hooks in which the framework calls them
 * @param hooks the names of the hooks that do not suit a guard
 * @throws {ConfigurationError}
 * @example
 * ```ts
 * fastify.addHook('onRoute', (route) => refuseGuardsIn(route, ['onSend', 'onResponse']))
 * ```
 */
export function refuseGuardsIn(route: object, hooks: readonly string[]): void {
  const unfit = hooks.find((name) => policiesOf([Reflect.get(route, name)].flat()).length > 0)
  if (unfit !== undefined)
    throw new ConfigurationError(
      `A guard in the hook "${unfit}" protects nothing: requireAuth() and requireScopes() are for onRequest, preValidation or preHandler`,
    )
}

/** The likeliest mistakes, each with the repair; all others are found where the policy is compiled. */
function checkScope(scope: unknown): void {
  if (isRequest(scope))
    throw new ConfigurationError(
      "requireScopes was given a request: call it, requireScopes('messaging.read')",
    )
  if (Array.isArray(scope))
    throw new ConfigurationError(
      "requireScopes() takes each scope by itself, not an array: requireScopes('a', 'b')",
    )
  // A scope may contain a comma (RFC 6749 §3.3), but hardly any does.
  if (typeof scope === 'string' && /[\s,]/.test(scope))
    throw new ConfigurationError(
      "requireScopes() takes each scope by itself, not a list in one string: requireScopes('a', 'b'). For a scope with a comma in its name, use requireAuth({ scopes: ['a,b'] })",
    )
}
