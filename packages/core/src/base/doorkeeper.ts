/**
 * Remembers which keys it saw lately, in a table of fixed size: the doorkeeper of TinyLFU (ACM Transactions on Storage, 2017). A
 * full cache that admits a key only when it comes the second time evicts nothing for keys that come once.
 *
 * A newer key can take the place of an older one in the table, so some keys are forgotten. Two keys are mistaken for each other
 * with a probability of 2⁻³²; the cache then admits one of them too early.
 *
 * @example
 * const doorkeeper = new Doorkeeper(10_000)
 * doorkeeper.sawBefore(key) // false
 * doorkeeper.sawBefore(key) // true
 */
export class Doorkeeper {
  readonly #fingerprints: Uint32Array

  /** @param keys about how many keys it remembers, each in 4 to 8 bytes */
  constructor(keys: number) {
    this.#fingerprints = new Uint32Array(2 ** Math.ceil(Math.log2(keys)))
  }

  /** @param key random text, of about 64 bits at least */
  sawBefore(key: string): boolean {
    const middle = key.length >> 1
    const slot = hashOf(key, 0, middle) & (this.#fingerprints.length - 1)
    const fingerprint = hashOf(key, middle, key.length)
    const isKnown = this.#fingerprints[slot] === fingerprint
    this.#fingerprints[slot] = fingerprint
    return isKnown
  }
}

/** 32 bits of a part of a text. */
function hashOf(text: string, start: number, end: number): number {
  let hash = 0
  for (let index = start; index < end; index++) hash = Math.imul(hash, 31) + text.charCodeAt(index)
  return hash >>> 0
}
