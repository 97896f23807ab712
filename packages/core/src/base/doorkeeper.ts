/**
 * Remembers which keys it saw lately, in a table of fixed size: the doorkeeper of TinyLFU (ACM Transactions on Storage, 2017). A
 * full cache that admits a key only when it comes the second time evicts nothing for keys that come once.
 *
 * A newer key can take the place of an older one in the table, so some keys are forgotten. Two keys are mistaken for each other
 * with a probability of 2⁻³²; the cache then admits one of them too early.
 *
 * @example
 * const doorkeeper = new Doorkeeper(10_000)
 * doorkeeper.sawBefore(digest) // false
 * doorkeeper.sawBefore(digest) // true
 */
export class Doorkeeper {
  readonly #fingerprints: Uint32Array

  /** @param keys about how many keys it remembers, each in 4 to 8 bytes */
  constructor(keys: number) {
    this.#fingerprints = new Uint32Array(2 ** Math.ceil(Math.log2(keys)))
  }

  /** @param digest the digest of a key, at least 8 characters of one random byte each */
  sawBefore(digest: string): boolean {
    const slot = fourBytes(digest, 0) & (this.#fingerprints.length - 1)
    const fingerprint = fourBytes(digest, 4)
    const isKnown = this.#fingerprints[slot] === fingerprint
    this.#fingerprints[slot] = fingerprint
    return isKnown
  }
}

function fourBytes(digest: string, offset: number): number {
  const byte = (index: number) => digest.charCodeAt(offset + index)
  return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0
}
