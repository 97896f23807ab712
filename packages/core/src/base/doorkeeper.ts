/** How many keys share a place in the table. With one, two keys that come in turn would replace each other for ever. */
const WAYS = 4

/**
 * Remembers keys that it saw lately, in a table of fixed size: the doorkeeper of TinyLFU (ACM Transactions on Storage, 2017). A
 * full cache that admits a key only when it comes the second time evicts nothing for keys that come once.
 *
 * Newer keys take the places of older ones, so some keys are forgotten. Two keys are mistaken for each other with a probability of
 * 2⁻³⁰; the cache then admits one of them too early.
 *
 * @example
 * const doorkeeper = new Doorkeeper(10_000)
 * doorkeeper.sawBefore(key) // false
 * doorkeeper.sawBefore(key) // true
 */
export class Doorkeeper {
  /** In groups of `WAYS`; 0 for none. */
  readonly #fingerprints: Uint32Array
  #replaced = 0

  /** @param keys about how many keys it remembers, each in 8 to 16 bytes */
  constructor(keys: number) {
    this.#fingerprints = new Uint32Array(WAYS * 2 ** Math.max(0, Math.ceil(Math.log2(keys / 2))))
  }

  /** @param key random text, of about 64 bits at least */
  sawBefore(key: string): boolean {
    const fingerprints = this.#fingerprints
    const middle = key.length >> 1
    const start = Math.imul(hashOf(key, 0, middle), WAYS) & (fingerprints.length - 1)
    const fingerprint = hashOf(key, middle, key.length) || 1
    let free: number | undefined
    for (let place = start; place < start + WAYS; place++) {
      if (fingerprints[place] === fingerprint) return true
      if (fingerprints[place] === 0) free ??= place
    }
    // Not always the oldest: of more keys than places that come in turn, each would be replaced just before it comes again.
    fingerprints[free ?? start + (this.#replaced++ % WAYS)] = fingerprint
    return false
  }
}

/** 32 bits of a part of a text. */
function hashOf(text: string, start: number, end: number): number {
  let hash = 0
  for (let index = start; index < end; index++) hash = Math.imul(hash, 31) + text.charCodeAt(index)
  return hash >>> 0
}
