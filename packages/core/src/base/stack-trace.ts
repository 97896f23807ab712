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

let isWritable = true

/** Programs may freeze `Error`. Then errors have stack traces. An assignment that throws takes 10 µs, so it is tried once. */
function setLimit(limit: number): void {
  if (!isWritable) return
  try {
    // Not with `Reflect.set`, which takes 0.1 µs longer.
    Error.stackTraceLimit = limit
  } catch {
    isWritable = false
  }
}
