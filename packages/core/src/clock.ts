/** Where time comes from; passed in, so that nothing has to wait for it. */
export interface Clock {
  /** Seconds since the epoch: what `exp`, `nbf` and `iat` are compared with. */
  now(): number
  /** Milliseconds from an arbitrary start, never moved by a change of the wall clock: what ages are measured with. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now() / 1000,
  monotonic: () => performance.now(),
}
