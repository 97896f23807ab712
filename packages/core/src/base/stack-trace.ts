/**
 * Lets V8 make errors without stack traces, until {@link resumeStackTraces}. To capture one takes longer than most checks of
 * a token.
 *
 * @returns the limit that the program has set
 */
export function suspendStackTraces(): unknown {
  const limit: unknown = Error.stackTraceLimit
  // Set, not assigned: programs may freeze `Error`, and then errors have stack traces.
  Reflect.set(Error, 'stackTraceLimit', 0)
  return limit
}

export function resumeStackTraces(limit: unknown): void {
  Reflect.set(Error, 'stackTraceLimit', limit)
}
