/**
 * What is there already, or will be. Most requests wait for nothing, and then promises would cost more than all that is
 * decided about them.
 */
export type Awaitable<T> = T | Promise<T>

/** Goes on with a value as soon as it is there: at once, if it is. */
export function after<T, U>(value: Awaitable<T>, goOn: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(goOn) : goOn(value)
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
  return outcome instanceof Promise ? outcome.then(goOn, failed) : goOn(outcome)
}
