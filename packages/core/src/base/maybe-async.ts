/**
 * What is there already, or will be. Most requests wait for nothing, and then promises would cost more than all that is
 * decided about them.
 */
export type Awaitable<T> = T | Promise<T>

/**
 * Whether a value is still to come. By its form: programs replace the global `Promise` (zone.js does), and what is taken for a
 * value by mistake would be taken for a decision.
 */
export function isPending<T>(value: Awaitable<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Goes on with a value as soon as it is there: at once, if it is. */
export function after<T, U>(value: Awaitable<T>, goOn: (value: T) => Awaitable<U>): Awaitable<U> {
  return isPending(value) ? value.then(goOn) : goOn(value)
}

/** Does something, and goes on with what comes of it, or with what it fails with. */
export function attempt<T, U>(
  work: () => Awaitable<T>,
  goOn: (value: T) => Awaitable<U>,
  failed: (error: unknown) => Awaitable<U>,
): Awaitable<U> {
  let outcome: Awaitable<T>
  try {
    outcome = work()
  } catch (error) {
    return failed(error)
  }
  return isPending(outcome) ? outcome.then(goOn, failed) : goOn(outcome)
}
