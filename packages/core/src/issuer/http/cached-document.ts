import type { Clock } from '../../base/clock.js'
import { withoutInheritance } from '../../base/own-members.js'
import { retryAfterSecondsOf } from '../../errors/issuer-failure.js'
import { Deadline } from './deadline.js'
import { Backoff } from './pacing.js'

/** A freshly loaded value and how long it may be used without asking again. */
export interface Loaded<T> {
  readonly value: T
  readonly lifetimeMs: number
}

/** What is kept of a document, and of how it came. */
interface Kept<T> extends Loaded<T> {
  /** When it was asked for: what the issuer changed afterwards is not in it. */
  readonly askedAt: number
  /** Which load it was, counted from 1. */
  readonly load: number
}

/** How a document is loaded and kept. */
export interface DocumentPlan<T> {
  readonly clock: Clock
  readonly timeoutMs: number
  /** How long it may be used past its lifetime while the issuer cannot be asked. */
  readonly maxStaleMs: number
  /** How long a load is waited for while there is something to go on with. */
  readonly patienceMs: number
  /** @throws what {@link CachedDocument.refresh} rejects with */
  load(deadline: Deadline): Promise<Loaded<T>>
  /** Milliseconds for which nobody may be asked, whatever the document's own pauses. */
  waitMs?(): number
  /** Called after each load. */
  loaded?(value: T, before: T | undefined): void
  failed?(error: unknown): void
}

/** The part of its lifetime after which a document that is used is refreshed in the background. */
const REFRESH_AFTER = 0.8
/**
 * For this long, a failure says that the issuer is in trouble; an older one says nothing. A minute longer than the longest
 * pause, so that of a busy service nobody ever waits for an issuer that fails.
 */
const RECENT_FAILURE_MS = 6 * 60_000

/**
 * One document of the issuer, kept for its lifetime: loaded once for any number of callers, refreshed in the
 * background by use (there is no timer), and used beyond its lifetime while the issuer cannot be asked.
 */
export class CachedDocument<T> {
  readonly #plan: DocumentPlan<T>
  readonly #clock: Clock
  readonly #backoff: Backoff
  #current: Kept<T> | undefined
  #loading: { readonly promise: Promise<T>; readonly startedAt: number } | undefined
  #failure: { readonly error: unknown; readonly at: number } | undefined
  #loads = 0

  constructor(plan: DocumentPlan<T>) {
    // Some members may be left out, and must not be found on `Object.prototype`.
    this.#plan = withoutInheritance(plan)
    this.#clock = plan.clock
    this.#backoff = new Backoff(plan.clock)
  }

  /** The value at hand, whatever its age. */
  get value(): T | undefined {
    return this.#current?.value
  }

  /** The value, while it is too young to be asked for again. */
  get fresh(): T | undefined {
    return this.#isYoungerThan(REFRESH_AFTER) ? this.#current?.value : undefined
  }

  /** How many loads have begun. */
  get loads(): number {
    return this.#loads
  }

  /** Which of them the value at hand is from; 0 when there is none. */
  get load(): number {
    return this.#current?.load ?? 0
  }

  /** Whether a load is under way. */
  get loading(): boolean {
    return this.#loading !== undefined
  }

  /** Milliseconds since the value was asked for. */
  get ageMs(): number | undefined {
    return this.#current && this.#clock.monotonic() - this.#current.askedAt
  }

  /** Whether there is a value that may be used, be it because the issuer cannot be asked. */
  get usable(): boolean {
    return this.#isYoungerThan(1, this.#plan.maxStaleMs)
  }

  /** Whether the value is older than its lifetime. */
  get stale(): boolean {
    return this.#current !== undefined && !this.#isYoungerThan(1)
  }

  /** What the last load failed with; `undefined` once one has succeeded since. */
  get failure(): { readonly error: unknown; readonly agoMs: number } | undefined {
    return this.#failure && { error: this.#failure.error, agoMs: this.#clock.monotonic() - this.#failure.at }
  }

  /** Milliseconds until use refreshes the document in the background; 0 when it does now. */
  get refreshesInMs(): number {
    const lifetimeMs = this.#current?.lifetimeMs ?? 0
    return Math.max(0, lifetimeMs * REFRESH_AFTER - (this.ageMs ?? 0))
  }

  /** Milliseconds until the document may be asked for again; 0 when it may be now. */
  get pauseMs(): number {
    return this.#failure ? Math.max(this.#backoff.waitMs, this.#plan.waitMs?.() ?? 0) : 0
  }

  /**
   * The value, fresh if that is possible. Rejects with what the load failed with, only when there is no value
   * that may still be used.
   *
   * @param deadline of whoever cannot go on without it
   */
  async get(deadline?: Deadline): Promise<T> {
    const current = this.#current
    if (!current || !this.usable) return this.refresh(deadline)
    if (this.#isYoungerThan(REFRESH_AFTER)) return current.value
    const refreshed = this.refresh()
    refreshed.catch(() => undefined)
    // Nobody waits who need not: not before the lifetime is over, and not for an issuer that is in trouble.
    if (!this.stale || (this.failure?.agoMs ?? Number.POSITIVE_INFINITY) < RECENT_FAILURE_MS)
      return current.value
    return this.#waitAWhile(refreshed, current.value)
  }

  /**
   * Loads the document anew, joining a load under way. A failure leaves the value at hand as it is and is
   * repeated, without asking, to all who come before the pause after it is over.
   */
  refresh(deadline?: Deadline): Promise<T> {
    if (this.#loading) return this.#loading.promise
    if (this.#failure && this.pauseMs > 0) return Promise.reject(this.#failure.error)
    const startedAt = this.#clock.monotonic()
    // What was loaded at no time would have no age, and every request would load it again.
    if (Number.isNaN(startedAt))
      return Promise.reject(new Error('The monotonic clock of this process does not return a finite number'))
    const load = ++this.#loads
    const loading = deadline
      ? this.#plan.load(deadline)
      : Deadline.within(this.#plan.timeoutMs, (own) => this.#plan.load(own))
    const promise = loading
      .then(
        (loaded) => {
          const before = this.#current?.value
          this.#current = { ...loaded, askedAt: startedAt, load }
          this.#failure = undefined
          this.#backoff.succeeded()
          this.#plan.loaded?.(loaded.value, before)
          return loaded.value
        },
        (error: unknown) => {
          this.#failure = { error, at: this.#clock.monotonic() }
          this.#backoff.failed((retryAfterSecondsOf(error) ?? 0) * 1000)
          this.#plan.failed?.(error)
          throw error
        },
      )
      .finally(() => {
        this.#loading = undefined
      })
    this.#loading = { promise, startedAt }
    return promise
  }

  #isYoungerThan(partOfLifetime: number, andMs = 0): boolean {
    return (
      this.#current !== undefined && (this.ageMs ?? 0) < this.#current.lifetimeMs * partOfLifetime + andMs
    )
  }

  /** Those who come while a load takes long do not wait for it as the first ones have. */
  async #waitAWhile(refreshed: Promise<T>, otherwise: T): Promise<T> {
    const startedAt = this.#loading?.startedAt
    const { patienceMs } = this.#plan
    const leftMs = startedAt === undefined ? patienceMs : startedAt + patienceMs - this.#clock.monotonic()
    if (leftMs <= 0) return otherwise
    return Deadline.within(leftMs, ({ over }) =>
      Promise.race([refreshed, over.then(() => otherwise)]).catch(() => otherwise),
    )
  }
}
