import { ConfigurationError } from '../errors/errors.js'
import type { CompiledPolicy } from '../policy/policy.js'

/**
 * An array of the functions that are going to handle a request, as far as the framework tells: guards among them say
 * in advance what the operation needs. Only asked when a request is refused.
 */
export type Handlers = () => unknown

/** What each `requireAuth()` and `requireScopes()` demands. */
const guards = new WeakMap<object, CompiledPolicy>()

/** Makes known what a function demands that applies `Gate.authorize`. */
export function declareGuard<Guard extends object>(policy: CompiledPolicy, guard: Guard): Guard {
  guards.set(guard, policy)
  return guard
}

/** What the guards among these functions demand. */
export function demandsOf(handlers: Handlers | undefined): CompiledPolicy[] {
  try {
    const known = handlers?.()
    return Array.isArray(known) ? known.flatMap((handler) => guards.get(handler) ?? []) : []
  } catch {
    // Others may have put something else where a framework has its routes. The challenge then says less.
    return []
  }
}

/**
 * Makes sure that no guard stands where it would protect nothing and give no sign of it.
 *
 * @param route functions, or arrays of them, by the names of the hooks in which the framework calls them
 * @param hooks the names of those that do not suit a guard
 * @throws {ConfigurationError}
 */
export function refuseGuardsIn(route: object, hooks: readonly string[]): void {
  const unfit = hooks.find((name) => demandsOf(() => [Reflect.get(route, name)].flat()).length > 0)
  if (unfit !== undefined)
    throw new ConfigurationError(
      `A guard in the hook "${unfit}" protects nothing: requireAuth() and requireScopes() are for onRequest, preValidation or preHandler`,
    )
}
