interface Entry<V> {
  readonly value: V
  readonly bytes: number
  readonly until: number
  /** Counted from 1, in the order of insertion. */
  readonly number: number
  /** Whether the entry was read since the sweep pointer last passed it. */
  visited: boolean
}

/** The most visited entries that one eviction passes. No single caller pays for a sweep over the whole cache. */
const MAX_SWEEP = 100
/** How many entries each insertion looks at, and removes if they are expired: they must not take the place of others. */
const EXPIRY_STEPS = 2

/**
 * A cache with limits of number, size and time. Eviction is SIEVE (NSDI 2024): a pointer sweeps from old to new, clears
 * `visited`, and evicts the first unvisited entry. A hit only sets a flag, and moves nothing.
 *
 * @example
 * const cache = new BoundedCache<string>(1000, 1024 * 1024)
 * cache.set('key', 'value', 64, clock.monotonic() + 60_000)
 * cache.get('key', clock.monotonic()) // 'value'
 */
export class BoundedCache<V> {
  readonly #maxEntries: number
  readonly #maxBytes: number
  /** In the order of insertion. */
  readonly #entries = new Map<string, Entry<V>>()
  #inserted = 0
  #pointer: Iterator<string> | undefined
  /** The newest entry when the sweep began. It ends there: it would never get back to the old entries if it followed new ones. */
  #sweepEnd = 0
  /** Looks for expired entries, from old to new. */
  #expiry: Iterator<string> | undefined
  /** The number of entries that were deleted since the pointers last moved. */
  #deletedSinceMove = 0
  #bytes = 0

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  /** Whether a further entry of average size would take the place of another one. */
  get isFull(): boolean {
    return !this.#hasRoomFor(this.#bytes / (this.#entries.size || 1))
  }

  /** @param now milliseconds, by the clock of `until` */
  get(key: string, now: number): V | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    // Negated, so that an entry is expired when the time is `NaN`.
    if (!(entry.until > now)) {
      this.delete(key)
      return undefined
    }
    entry.visited = true
    return entry.value
  }

  /**
   * @param bytes the approximate memory of the value; a value that is larger than the whole cache is not stored
   * @param until when the entry expires, in milliseconds
   */
  set(key: string, value: V, bytes: number, until: number): void {
    const replaces = this.delete(key)
    if (bytes > this.#maxBytes || this.#maxEntries < 1) return
    while (this.#entries.size > 0 && !this.#hasRoomFor(bytes)) this.#evictOne()
    this.#entries.set(key, { value, bytes, until, number: ++this.#inserted, visited: replaces })
    this.#bytes += bytes
  }

  /** @returns whether there was an entry */
  delete(key: string): boolean {
    const entry = this.#entries.get(key)
    if (!entry) return false
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
    // An iterator that does not move keeps every earlier table of its map in memory, with the deleted entries.
    if (++this.#deletedSinceMove > this.#entries.size) this.#pointer = this.#expiry = undefined
    return true
  }

  /**
   * Removes a few expired entries, if it finds some. All are found in time if it is called with every insertion.
   *
   * @param now milliseconds, by the clock of `until`
   */
  removeExpired(now: number): void {
    for (let step = 0; step < EXPIRY_STEPS; step++) {
      this.#expiry ??= this.#entries.keys()
      const { value: key, done } = this.#expiry.next()
      const entry = done ? undefined : this.#entries.get(key)
      if (!entry) this.#expiry = undefined
      else if (!(entry.until > now)) this.delete(key)
    }
  }

  #hasRoomFor(bytes: number): boolean {
    return this.#entries.size < this.#maxEntries && this.#bytes + bytes <= this.#maxBytes
  }

  #evictOne(): void {
    for (let passed = 0; ; passed++) {
      if (!this.#pointer) {
        this.#pointer = this.#entries.keys()
        this.#sweepEnd = this.#inserted
      }
      this.#deletedSinceMove = 0
      const { value: key, done } = this.#pointer.next()
      const entry = done ? undefined : this.#entries.get(key)
      if (!entry || entry.number > this.#sweepEnd) this.#pointer = undefined
      else if (entry.visited && passed < MAX_SWEEP) entry.visited = false
      else {
        this.delete(key)
        return
      }
    }
  }
}
