/**
 * Lets V8 make errors without stack traces, until {@link resumeStackTraces}. To capture one takes longer than most checks of
 * a token.
 *
 * @returns the limit that the program has set
 */
export function suspendStackTraces(): number {
  const limit = Error.stackTraceLimit
  setLimit(0)
  return limit
}

export function resumeStackTraces(limit: number): void {
  setLimit(limit)
}

function setLimit(limit: number): void {
  try {
    Error.stackTraceLimit = limit
  } catch {
    // Programs may freeze `Error`. Then errors have stack traces. (`Reflect.set` would not throw, and takes 0.1 µs.)
  }
}
