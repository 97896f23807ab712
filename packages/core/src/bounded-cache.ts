interface Entry<V> {
  readonly value: V
  readonly bytes: number
  readonly until: number
}

/** Keeps what was used last, within limits of number, size and time. */
export class BoundedCache<V> {
  readonly #maxEntries: number
  readonly #maxBytes: number
  /** In the order of their last use: what was not used for longest is first. */
  readonly #entries = new Map<string, Entry<V>>()
  #bytes = 0

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  /** @param now milliseconds, by the clock that `until` is measured with */
  get(key: string, now: number): V | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    this.#delete(key, entry)
    if (entry.until <= now) return undefined
    this.#add(key, entry)
    return entry.value
  }

  /**
   * @param bytes about how much memory the value takes; one that takes more than all may is not kept
   * @param until when it is to be forgotten, in milliseconds
   */
  set(key: string, value: V, bytes: number, until: number): void {
    const before = this.#entries.get(key)
    if (before) this.#delete(key, before)
    if (bytes > this.#maxBytes) return
    this.#add(key, { value, bytes, until })
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) return
      this.#delete(oldest, entry)
    }
  }

  #add(key: string, entry: Entry<V>): void {
    this.#entries.set(key, entry)
    this.#bytes += entry.bytes
  }

  #delete(key: string, entry: Entry<V>): void {
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }
}
