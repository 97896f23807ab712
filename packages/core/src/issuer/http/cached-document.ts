import type { Clock } from '../../base/clock.js'
import { Deadline } from '../../base/deadline.js'
import { ownMembers } from '../../base/own-members.js'
import { retryAfterSecondsOf } from '../../errors/issuer-failure.js'
import { Backoff } from './pacing.js'

/** A fetched value, and how long it is fresh. */
export interface Fetched<T> {
  readonly value: T
  readonly lifetimeMs: number
}

interface CachedValue<T> extends Fetched<T> {
  /** When the request was made: the value knows nothing of later changes at the issuer. */
  readonly requestedAt: number
  /** Which refresh it is from, counted from 1. */
  readonly generation: number
}

/** How a document is fetched and cached. */
export interface DocumentPlan<T> {
  readonly clock: Clock
  readonly timeoutMs: number
  /** Stale-if-error (RFC 5861 §4): how long a stale value is used while the issuer cannot be reached. */
  readonly maxStaleMs: number
  /** How long a caller waits for a refresh before the stale value is used. */
  readonly staleWaitMs: number
  /** @throws what {@link CachedDocument.refresh} rejects with */
  fetch(deadline: Deadline): Promise<Fetched<T>>
  /** Milliseconds for which no request may be made, in addition to the backoff of this document. */
  waitMs?(): number
  /** Called after each refresh that succeeded. */
  refreshed?(value: T, previous: T | undefined): void
  /** Called after each refresh that failed. */
  failed?(error: unknown): void
}

/** The part of its lifetime after which a document in use is refreshed in the background. */
const REFRESH_AFTER = 0.8
/**
 * For this long, a failure means that the issuer is failing now, so no caller waits for a refresh. One minute longer than the
 * longest pause between refreshes: callers of a busy service never wait for an issuer that fails.
 */
const RECENT_FAILURE_MS = 6 * 60_000

/**
 * Cache of one document of the issuer: stale-while-revalidate and stale-if-error (RFC 5861). Refreshes are single flight, start
 * when the document is used (there is no timer), and back off after failures.
 */
export class CachedDocument<T> {
  readonly #plan: DocumentPlan<T>
  readonly #clock: Clock
  readonly #backoff: Backoff
  #current: CachedValue<T> | undefined
  #refreshing: { readonly promise: Promise<T>; readonly startedAt: number } | undefined
  #failure: { readonly error: unknown; readonly at: number } | undefined
  #latestGeneration = 0

  constructor(plan: DocumentPlan<T>) {
    // Optional members must not be found on a polluted `Object.prototype`.
    this.#plan = ownMembers(plan)
    this.#clock = plan.clock
    this.#backoff = new Backoff(plan.clock)
  }

  /** The cached value, fresh or stale. */
  get value(): T | undefined {
    return this.#current?.value
  }

  /** The cached value, until it is old enough for a refresh in the background. */
  get fresh(): T | undefined {
    return this.#isYoungerThan(REFRESH_AFTER) ? this.#current?.value : undefined
  }

  /** Which refresh the cached value is from, counted from 1; 0 without a value. */
  get generation(): number {
    return this.#current?.generation ?? 0
  }

  /** The generation of the refresh that began last, which may still be in progress. */
  get latestGeneration(): number {
    return this.#latestGeneration
  }

  /** Whether a refresh is in progress. */
  get isRefreshing(): boolean {
    return this.#refreshing !== undefined
  }

  /** Milliseconds since the value was requested. */
  get ageMs(): number | undefined {
    return this.#current && this.#clock.monotonic() - this.#current.requestedAt
  }

  /** How long the value is fresh, from its request on. */
  get lifetimeMs(): number | undefined {
    return this.#current?.lifetimeMs
  }

  /** Whether there is a value that may be used: fresh, or stale within `maxStaleMs`. */
  get usable(): boolean {
    return this.#isYoungerThan(1, this.#plan.maxStaleMs)
  }

  /** Whether the value is older than its lifetime. */
  get stale(): boolean {
    return this.#current !== undefined && !this.#isYoungerThan(1)
  }

  /** What the last refresh failed with; `undefined` when it succeeded. */
  get failure(): { readonly error: unknown; readonly agoMs: number } | undefined {
    return this.#failure && { error: this.#failure.error, agoMs: this.#clock.monotonic() - this.#failure.at }
  }

  /** Milliseconds until use refreshes the document in the background; 0 when the next use does. */
  get refreshesInMs(): number {
    const lifetimeMs = this.#current?.lifetimeMs ?? 0
    return Math.max(0, lifetimeMs * REFRESH_AFTER - (this.ageMs ?? 0))
  }

  /** Milliseconds of the pause after a failure that are left; 0 when a request may be made. */
  get pauseMs(): number {
    return this.#failure ? Math.max(this.#backoff.waitMs, this.#plan.waitMs?.() ?? 0) : 0
  }

  /**
   * The value: fresh where possible, stale while the issuer cannot be reached. Rejects with what the refresh failed with, only
   * without a usable value.
   *
   * @param deadline the deadline of a caller that cannot continue without the value
   */
  async get(deadline?: Deadline): Promise<T> {
    const current = this.#current
    if (!current || !this.usable) return this.refresh(deadline)
    if (this.#isYoungerThan(REFRESH_AFTER)) return current.value
    const refreshed = this.refresh()
    refreshed.catch(() => undefined)
    // Stale-while-revalidate: no wait within the lifetime, and none for an issuer that fails.
    if (!this.stale || (this.failure?.agoMs ?? Number.POSITIVE_INFINITY) < RECENT_FAILURE_MS)
      return current.value
    return this.#waitBriefly(refreshed, current.value)
  }

  /**
   * Fetches the document, or joins a refresh in progress. A failure does not change the cached value. During the pause after
   * it, every call is rejected with the same failure, without a request.
   */
  refresh(deadline?: Deadline): Promise<T> {
    if (this.#refreshing) return this.#refreshing.promise
    if (this.#failure && this.pauseMs > 0) return Promise.reject(this.#failure.error)
    const startedAt = this.#clock.monotonic()
    // Without a time, the value would have no age, and every request would refresh it.
    if (Number.isNaN(startedAt))
      return Promise.reject(new Error('The monotonic clock of this process does not return a finite number'))
    const generation = ++this.#latestGeneration
    const fetching = deadline
      ? this.#plan.fetch(deadline)
      : Deadline.within(this.#plan.timeoutMs, (own) => this.#plan.fetch(own))
    const promise = fetching
      .then(
        ({ value, lifetimeMs }) => {
          const previous = this.#current?.value
          this.#current = { value, lifetimeMs, requestedAt: startedAt, generation }
          this.#failure = undefined
          this.#backoff.succeeded()
          this.#plan.refreshed?.(value, previous)
          return value
        },
        (error: unknown) => {
          this.#failure = { error, at: this.#clock.monotonic() }
          this.#backoff.failed((retryAfterSecondsOf(error) ?? 0) * 1000)
          this.#plan.failed?.(error)
          throw error
        },
      )
      .finally(() => {
        this.#refreshing = undefined
      })
    this.#refreshing = { promise, startedAt }
    return promise
  }

  #isYoungerThan(partOfLifetime: number, andMs = 0): boolean {
    return (
      this.#current !== undefined && (this.ageMs ?? 0) < this.#current.lifetimeMs * partOfLifetime + andMs
    )
  }

  /** Later callers wait only for the rest of the first caller's wait. */
  async #waitBriefly(refreshed: Promise<T>, stale: T): Promise<T> {
    const startedAt = this.#refreshing?.startedAt
    const { staleWaitMs } = this.#plan
    const leftMs = startedAt === undefined ? staleWaitMs : startedAt + staleWaitMs - this.#clock.monotonic()
    if (leftMs <= 0) return stale
    return Deadline.within(leftMs, ({ over }) =>
      Promise.race([refreshed, over.then(() => stale)]).catch(() => stale),
    )
  }
}
