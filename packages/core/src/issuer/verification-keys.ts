import type { CryptoKey } from 'jose'
import type { Algorithm } from '../algorithms.js'
import { type ImportedKeys, importKeySet, type VerificationKey } from './json-web-key.js'

/** What a token finds in a set that it is looked up in. */
export interface Selection {
  /** Whether there is any key with the token's key id. */
  readonly isKnown: boolean
  /** Those that the token may be signed with. */
  readonly usable: readonly CryptoKey[]
}

/** The keys of one JWK Set that can be used to verify signatures. */
export class VerificationKeys {
  readonly imported: ImportedKeys
  readonly #all: readonly VerificationKey[]
  readonly #byKid = new Map<string | undefined, VerificationKey[]>()
  readonly #held: ReadonlySet<CryptoKey>

  private constructor(imported: ImportedKeys) {
    this.imported = imported
    this.#all = [...imported.values()]
    for (const key of this.#all) this.#byKid.set(key.kid, [...(this.#byKid.get(key.kid) ?? []), key])
    this.#held = new Set(this.#all.flatMap(({ algorithms }) => [...algorithms.values()]))
  }

  /** @param before the set that this one replaces: a key that is in both is the same in both */
  static async import(value: unknown, before?: VerificationKeys): Promise<VerificationKeys> {
    return new VerificationKeys(await importKeySet(value, before?.imported))
  }

  /** How many there are. */
  get size(): number {
    return this.#all.length
  }

  /** Their key ids. */
  get ids(): readonly string[] {
    return this.#all.flatMap(({ kid }) => kid ?? [])
  }

  /** Whether a key is in this set: one that has left, and come back, is another. */
  holds(key: CryptoKey): boolean {
    return this.#held.has(key)
  }

  /** The keys with this key id, or without one all, as far as they serve the algorithm (RFC 7515 §4.1.4, RFC 7517 §4.5). */
  select(kid: string | undefined, algorithm: Algorithm): Selection {
    const matching = kid === undefined ? this.#all : (this.#byKid.get(kid) ?? [])
    return {
      isKnown: matching.length > 0,
      usable: matching.flatMap((key) => key.algorithms.get(algorithm) ?? []),
    }
  }
}
