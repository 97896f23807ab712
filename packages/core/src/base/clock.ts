/** Time and randomness, passed in so that tests control both. */
export interface Clock {
  /** Wall-clock time in seconds since the epoch, for `exp`, `nbf` and `iat`. */
  now(): number
  /** Milliseconds from an arbitrary start, for ages and durations. A change of the wall clock does not move it. */
  monotonic(): number
  /** A number in [0, 1), for jitter: many processes must not send their requests at the same moment. */
  random(): number
}

/**
 * A clock that returns `NaN` where the given clock throws or returns no finite number: test kits and other programs replace
 * `Date.now`. Every comparison with `NaN` is false, and every decision refuses where its comparison is false.
 */
export class GuardedClock implements Clock {
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    try {
      return finite(this.#clock.now())
    } catch {
      return Number.NaN
    }
  }

  monotonic(): number {
    try {
      return finite(this.#clock.monotonic())
    } catch {
      return Number.NaN
    }
  }

  /** Without a usable number, pauses have no jitter. */
  random(): number {
    try {
      const random = finite(this.#clock.random())
      return random >= 0 && random < 1 ? random : 0
    } catch {
      return 0
    }
  }
}

function finite(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : Number.NaN
}

/** The clock of the machine. */
export const systemClock: Clock = {
  // Checked before the division: `null / 1000` is 0, and in 1970 no token had expired.
  now: () => finite(Date.now()) / 1000,
  monotonic: () => performance.now(),
  random: () => Math.random(),
}
