/** What cannot be computed, time and chance: passed in, so that nothing has to wait for either. */
export interface Clock {
  /** Seconds since the epoch: what `exp`, `nbf` and `iat` are compared with. */
  now(): number
  /** Milliseconds from an arbitrary start, never moved by a change of the wall clock: what ages are measured with. */
  monotonic(): number
  /** A number from 0 up to, and without, 1: what keeps many processes from asking in step. */
  random(): number
}

export const systemClock: Clock = {
  now: () => Date.now() / 1000,
  monotonic: () => performance.now(),
  random: () => Math.random(),
}
