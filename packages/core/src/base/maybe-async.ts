/** A value, or a promise of it. Most requests wait for nothing, and promises would then cost more than all their checks. */
export type Awaitable<T> = T | Promise<T>

/**
 * Whether this is a promise. Decided by `then`, because programs replace the global `Promise` (zone.js does): a promise that is
 * mistaken for a value would count as a decision.
 */
export function isPending<T>(value: Awaitable<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/**
 * Calls `next` with the value: at once, or when the promise is fulfilled.
 *
 * @example
 * return after(policy.enforce(auth), () => auth)
 */
export function after<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return isPending(value) ? value.then(next) : next(value)
}

/** Like `try`, for work that may be synchronous: calls `next` with the result, or `failed` with the error. */
export function attempt<T, U>(
  work: () => Awaitable<T>,
  next: (value: T) => Awaitable<U>,
  failed: (error: unknown) => Awaitable<U>,
): Awaitable<U> {
  let outcome: Awaitable<T>
  try {
    outcome = work()
  } catch (error) {
    return failed(error)
  }
  return isPending(outcome) ? outcome.then(next, failed) : next(outcome)
}
