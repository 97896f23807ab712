/** Rate limits and backoff for requests to an issuer. Time and randomness come from the clock. */

import type { Clock } from '../../base/clock.js'

/** A rate limit: at most `limit` events in any `perMs`. It allows none while the clock returns `NaN`. */
export class Budget {
  readonly #limit: number
  readonly #perMs: number
  readonly #clock: Clock
  #spent: number[] = []

  constructor(limit: number, perMs: number, clock: Clock) {
    this.#limit = limit
    this.#perMs = perMs
    this.#clock = clock
  }

  /** How many more events are allowed now. */
  get left(): number {
    if (Number.isNaN(this.#clock.monotonic())) return 0
    return Math.max(0, this.#limit - this.#recent().length)
  }

  /** Milliseconds until the next event is allowed; 0 when it is allowed now. */
  get waitMs(): number {
    const now = this.#clock.monotonic()
    if (Number.isNaN(now)) return this.#perMs
    const oldestCounted = this.#recent().at(-this.#limit)
    return oldestCounted === undefined ? 0 : oldestCounted + this.#perMs - now
  }

  /** Counts one event. */
  spend(): void {
    this.#spent = [...this.#recent(), this.#clock.monotonic()]
  }

  #recent(): readonly number[] {
    const now = this.#clock.monotonic()
    // Events that were counted at `NaN` are dropped when the clock works again. Until then, none is.
    if (!Number.isNaN(now)) this.#spent = this.#spent.filter((at) => now - at < this.#perMs)
    return this.#spent
  }
}

/**
 * A rate limit of two events in any `perMs`: two at once after a quiet time, but evenly spread during a lasting flood. Then
 * the next event is allowed after at most half of `perMs`.
 */
export class SpreadBudget {
  readonly #perMs: number
  readonly #clock: Clock
  readonly #inSpan: Budget
  /** Events are spread while two fall within this longer span. */
  readonly #inLongerSpan: Budget
  #last = Number.NEGATIVE_INFINITY

  constructor(perMs: number, clock: Clock) {
    this.#perMs = perMs
    this.#clock = clock
    this.#inSpan = new Budget(2, perMs, clock)
    this.#inLongerSpan = new Budget(2, 1.5 * perMs, clock)
  }

  /** Milliseconds until the next event is allowed without spreading; 0 when it is allowed now. */
  get unspreadWaitMs(): number {
    return this.#inSpan.waitMs
  }

  /** Milliseconds until the next event is allowed; 0 when it is allowed now. */
  get waitMs(): number {
    const distanceMs = this.#last + this.#perMs / 2 - this.#clock.monotonic()
    const spreadMs = Math.min(this.#inLongerSpan.waitMs, Math.max(0, distanceMs))
    return Math.max(this.unspreadWaitMs, spreadMs)
  }

  /** Counts one event. */
  spend(): void {
    this.#last = this.#clock.monotonic()
    this.#inSpan.spend()
    this.#inLongerSpan.spend()
  }
}

const FIRST_PAUSE_MS = 5_000
/** Bounds the time until the end of an outage is noticed. */
const LONGEST_PAUSE_MS = 60_000
/** The largest part by which chance lengthens a pause, so that many processes do not ask at the same time. */
const JITTER = 0.25

/** Exponential backoff with jitter. */
export class Backoff {
  readonly #clock: Clock
  #failures = 0
  #until = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds that are left of the pause; 0 when there is none. */
  get waitMs(): number {
    const leftMs = this.#until - this.#clock.monotonic()
    // While the clock returns `NaN`, a pause does not end.
    return Number.isNaN(leftMs) ? FIRST_PAUSE_MS : Math.max(0, leftMs)
  }

  /**
   * Counts a failure and begins a pause.
   *
   * @param atLeastMs the pause that the issuer asked for (`Retry-After`)
   * @param tolerated how many failures in a row do not begin a pause
   */
  failed(atLeastMs = 0, tolerated = 0): void {
    this.#failures++
    const step = this.#failures - tolerated - 1
    const pauseMs = step < 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** step, LONGEST_PAUSE_MS)
    const spread = 1 + JITTER * this.#clock.random()
    const until = this.#clock.monotonic() + Math.max(pauseMs, atLeastMs) * spread
    // A pause that began at `NaN` would never end.
    this.#until = Number.isNaN(until) ? Number.NEGATIVE_INFINITY : until
  }

  /** Ends the pause and forgets the failures. */
  succeeded(): void {
    this.#failures = 0
    this.#until = Number.NEGATIVE_INFINITY
  }
}
