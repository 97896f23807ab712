interface Entry<V> {
  readonly value: V
  readonly bytes: number
  readonly until: number
  /** Whether it was looked up since the hand last passed. */
  used: boolean
}

/** How many that were used are passed over at the most to find one to forget: no caller pays for all of them. */
const LONGEST_SEARCH = 100

/**
 * Keeps values within limits of number, size and time. What is looked up now and then stays: a hand goes round from old to
 * new, forgives what was used since its last visit, and takes the next (SIEVE, NSDI 2024). So a hit moves nothing.
 */
export class BoundedCache<V> {
  readonly #maxEntries: number
  readonly #maxBytes: number
  /** In the order in which they came. */
  readonly #entries = new Map<string, Entry<V>>()
  #hand: Iterator<string> | undefined
  /** How many entries went since the hand last moved. */
  #gone = 0
  #bytes = 0

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  /** @param now milliseconds, by the clock that `until` is measured with */
  get(key: string, now: number): V | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    // Written so that an entry is over when the time is `NaN`.
    if (!(entry.until > now)) {
      this.delete(key)
      return undefined
    }
    entry.used = true
    return entry.value
  }

  /**
   * @param bytes about how much memory the value takes; one that takes more than all may is not kept
   * @param until when it is to be forgotten, in milliseconds
   */
  set(key: string, value: V, bytes: number, until: number): void {
    const replaces = this.delete(key)
    if (bytes > this.#maxBytes || this.#maxEntries < 1) return
    while (this.#entries.size > 0 && !this.#hasRoomFor(bytes)) this.#forgetOne()
    this.#entries.set(key, { value, bytes, until, used: replaces })
    this.#bytes += bytes
  }

  /** @returns whether there was one */
  delete(key: string): boolean {
    const entry = this.#entries.get(key)
    if (!entry) return false
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
    // An iterator that stands still keeps all that its map has outgrown, and what was in it.
    if (++this.#gone > this.#entries.size) this.#hand = undefined
    return true
  }

  #hasRoomFor(bytes: number): boolean {
    return this.#entries.size < this.#maxEntries && this.#bytes + bytes <= this.#maxBytes
  }

  #forgetOne(): void {
    for (let looked = 0; ; looked++) {
      this.#hand ??= this.#entries.keys()
      this.#gone = 0
      const { value: key, done } = this.#hand.next()
      const entry = done ? undefined : this.#entries.get(key)
      if (!entry) this.#hand = undefined
      else if (entry.used && looked < LONGEST_SEARCH) entry.used = false
      else {
        this.delete(key)
        return
      }
    }
  }
}
