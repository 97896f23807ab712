import type { Clock } from '../clock.js'

/** A freshly loaded value and how long it may be used without asking again. */
export interface Loaded<T> {
  readonly value: T
  readonly lifetimeMs: number
}

/** The shortest and the longest time that a document is taken to be fresh, whatever its headers say. */
const MIN_LIFETIME_MS = 60_000
const MAX_LIFETIME_MS = 24 * 60 * 60_000
/** The part of its lifetime after which a document that is used is refreshed in the background. */
const REFRESH_AFTER = 0.8
/** How long a document is used past its lifetime while the issuer cannot be asked. */
const MAX_STALE_MS = 24 * 60 * 60_000
/** For this long, a failure says that the issuer is in trouble; an older one says nothing. */
const RECENT_FAILURE_MS = 60_000
/** After a failure, nobody asks again for this long. */
const PAUSE_AFTER_FAILURE_MS = 5_000

/**
 * The lifetime that a response's `Cache-Control` asks for (RFC 9111 §5.2.2), within one minute and one day.
 *
 * @param defaultMs used when there is no `max-age`
 */
export function lifetimeOf(cacheControl: string | null, defaultMs: number): number {
  const maxAge = /(?:^|[\s,])max-age\s*=\s*"?(\d{1,10})\b/i.exec(cacheControl ?? '')?.[1]
  const lifetimeMs = maxAge === undefined ? defaultMs : Number(maxAge) * 1000
  return Math.min(Math.max(lifetimeMs, MIN_LIFETIME_MS), MAX_LIFETIME_MS)
}

/**
 * One document of the issuer, kept for its lifetime: loaded once for any number of callers, refreshed in the
 * background by use (there is no timer), and used beyond its lifetime while the issuer cannot be asked.
 */
export class CachedDocument<T> {
  readonly #load: () => Promise<Loaded<T>>
  readonly #clock: Clock
  #current: { readonly value: T; readonly lifetimeMs: number; readonly loadedAt: number } | undefined
  #loading: Promise<T> | undefined
  #failure: { readonly error: unknown; readonly at: number } | undefined

  constructor(load: () => Promise<Loaded<T>>, clock: Clock) {
    this.#load = load
    this.#clock = clock
  }

  /** The value at hand, whatever its age. */
  get value(): T | undefined {
    return this.#current?.value
  }

  /** Whether a load is under way. */
  get loading(): boolean {
    return this.#loading !== undefined
  }

  /** Milliseconds since the value was loaded. */
  get ageMs(): number | undefined {
    return this.#current && this.#clock.monotonic() - this.#current.loadedAt
  }

  /** Whether there is a value that may be used, be it because the issuer cannot be asked. */
  get usable(): boolean {
    return this.#current !== undefined && (this.ageMs ?? 0) < this.#current.lifetimeMs + MAX_STALE_MS
  }

  /** Whether the value is older than its lifetime. */
  get stale(): boolean {
    return this.#current !== undefined && (this.ageMs ?? 0) >= this.#current.lifetimeMs
  }

  /** What the last load failed with; `undefined` once one has succeeded since. */
  get failure(): { readonly error: unknown; readonly agoMs: number } | undefined {
    return this.#failure && { error: this.#failure.error, agoMs: this.#clock.monotonic() - this.#failure.at }
  }

  /** Milliseconds until the document may be asked for again; 0 when it may be now. */
  get pauseMs(): number {
    return this.#failure
      ? Math.max(0, this.#failure.at + PAUSE_AFTER_FAILURE_MS - this.#clock.monotonic())
      : 0
  }

  /**
   * The value, fresh if that is possible. Rejects with what the load failed with, only when there is no value
   * that may still be used.
   */
  async get(): Promise<T> {
    const current = this.#current
    if (!current) return this.refresh()
    const ageMs = this.#clock.monotonic() - current.loadedAt
    if (ageMs < current.lifetimeMs * REFRESH_AFTER) return current.value
    const { usable } = this
    const refreshed = this.refresh()
    // Nobody waits who need not: not before the lifetime is over, and not for an issuer that is in trouble.
    const inTrouble = (this.failure?.agoMs ?? Number.POSITIVE_INFINITY) < RECENT_FAILURE_MS
    if (ageMs < current.lifetimeMs || (inTrouble && usable)) {
      refreshed.catch(() => undefined)
      return current.value
    }
    return refreshed.catch((error: unknown) => {
      if (usable) return current.value
      throw error
    })
  }

  /**
   * Loads the document anew, joining a load under way. A failure leaves the value at hand as it is and is
   * repeated, without asking, to all who come before the pause after it is over.
   */
  refresh(): Promise<T> {
    if (this.#loading) return this.#loading
    if (this.#failure && this.pauseMs > 0) return Promise.reject(this.#failure.error)
    this.#loading = this.#load()
      .then(
        ({ value, lifetimeMs }) => {
          this.#current = { value, lifetimeMs, loadedAt: this.#clock.monotonic() }
          this.#failure = undefined
          return value
        },
        (error: unknown) => {
          this.#failure = { error, at: this.#clock.monotonic() }
          throw error
        },
      )
      .finally(() => {
        this.#loading = undefined
      })
    return this.#loading
  }
}
