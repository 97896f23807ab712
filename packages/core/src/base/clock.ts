/** What cannot be computed, time and chance: passed in, so that nothing has to wait for either. */
export interface Clock {
  /** Seconds since the epoch: what `exp`, `nbf` and `iat` are compared with. */
  now(): number
  /** Milliseconds from an arbitrary start, never moved by a change of the wall clock: what ages are measured with. */
  monotonic(): number
  /** A number from 0 up to, and without, 1: what keeps many processes from asking in step. */
  random(): number
}

/**
 * A clock that answers with finite numbers, or with `NaN` where the given one returns anything else or throws. Test kits and
 * other programs replace `Date.now`. Every comparison with `NaN` is false, and all decisions are written so that false refuses.
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

  /** Without a number, no pause is spread. */
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

export const systemClock: Clock = {
  // Divided only if it is a number: `null / 1000` is 0, and long ago no token had expired.
  now: () => finite(Date.now()) / 1000,
  monotonic: () => performance.now(),
  random: () => Math.random(),
}
