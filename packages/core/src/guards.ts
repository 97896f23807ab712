import type { CompiledPolicy } from './request/policy.js'

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
