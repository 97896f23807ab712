/** How often an issuer is asked: pure, with time and chance passed in. */

import type { Clock } from '../../base/clock.js'

/** At most so many events in any span of time; none at all while the clock does not tell the time (`NaN`). */
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

  /** How many more are allowed now. */
  get left(): number {
    if (Number.isNaN(this.#clock.monotonic())) return 0
    return Math.max(0, this.#limit - this.#recent().length)
  }

  /** Milliseconds until one more is allowed; 0 when one is now. */
  get waitMs(): number {
    const now = this.#clock.monotonic()
    if (Number.isNaN(now)) return this.#perMs
    const decisive = this.#recent().at(-this.#limit)
    return decisive === undefined ? 0 : decisive + this.#perMs - now
  }

  spend(): void {
    this.#spent = [...this.#recent(), this.#clock.monotonic()]
  }

  #recent(): readonly number[] {
    const now = this.#clock.monotonic()
    // What has no time is forgotten as soon as the time is known again, and nothing is before.
    if (!Number.isNaN(now)) this.#spent = this.#spent.filter((at) => now - at < this.#perMs)
    return this.#spent
  }
}

/**
 * At most two events in any span of time: both at once after a quiet time, and in a lasting flood evenly spread, so that none
 * waits longer than half the span.
 */
export class SpreadBudget {
  readonly #perMs: number
  readonly #clock: Clock
  readonly #inSpan: Budget
  /** Whether more than one event is recent: then the next one keeps its distance. */
  readonly #inLongerSpan: Budget
  #last = Number.NEGATIVE_INFINITY

  constructor(perMs: number, clock: Clock) {
    this.#perMs = perMs
    this.#clock = clock
    this.#inSpan = new Budget(2, perMs, clock)
    this.#inLongerSpan = new Budget(2, 1.5 * perMs, clock)
  }

  /** Milliseconds until one more is allowed, if they need not be spread; 0 when one is now. */
  get unspreadWaitMs(): number {
    return this.#inSpan.waitMs
  }

  /** Milliseconds until one more is allowed; 0 when one is now. */
  get waitMs(): number {
    const distanceMs = this.#last + this.#perMs / 2 - this.#clock.monotonic()
    const spreadMs = Math.min(this.#inLongerSpan.waitMs, Math.max(0, distanceMs))
    return Math.max(this.unspreadWaitMs, spreadMs)
  }

  spend(): void {
    this.#last = this.#clock.monotonic()
    this.#inSpan.spend()
    this.#inLongerSpan.spend()
  }
}

const FIRST_PAUSE_MS = 5_000
/** Not longer: an issuer that is well again is to be found so soon. */
const LONGEST_PAUSE_MS = 60_000
/** By so much a pause is longer, at the most, than it has to be. */
const JITTER = 0.25

/** Pauses after failures: each one longer than the last, and spread by chance. */
export class Backoff {
  readonly #clock: Clock
  #failures = 0
  #until = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds that are left of the pause. */
  get waitMs(): number {
    const leftMs = this.#until - this.#clock.monotonic()
    // While the clock does not tell the time, every pause lasts.
    return Number.isNaN(leftMs) ? FIRST_PAUSE_MS : Math.max(0, leftMs)
  }

  /**
   * @param atLeastMs how long the other side asked to be left alone
   * @param tolerated how many failures in a row are no reason for a pause yet
   */
  failed(atLeastMs = 0, tolerated = 0): void {
    this.#failures++
    const step = this.#failures - tolerated - 1
    const pauseMs = step < 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** step, LONGEST_PAUSE_MS)
    const spread = 1 + JITTER * this.#clock.random()
    const until = this.#clock.monotonic() + Math.max(pauseMs, atLeastMs) * spread
    // A pause that began at no time would never end.
    this.#until = Number.isNaN(until) ? Number.NEGATIVE_INFINITY : until
  }

  succeeded(): void {
    this.#failures = 0
    this.#until = Number.NEGATIVE_INFINITY
  }
}
