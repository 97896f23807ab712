import type { CryptoKey } from 'jose'
import type { Algorithm } from '../../token/algorithms.js'
import {
  type ImportedKeys,
  type ImportedSet,
  importKeySet,
  type LeftOut,
  MAX_CANDIDATES,
} from './json-web-key.js'

/** What a token finds in a set that it is looked up in. */
export interface Selection {
  /** Whether there is any key with the token's key id. */
  readonly isKnown: boolean
  /** Those that the token may be signed with, as many as are tried. */
  readonly usable: readonly CryptoKey[]
  /** Whether there are more, which are not tried. */
  readonly isCut: boolean
}

const UNKNOWN: Selection = { isKnown: false, usable: [], isCut: false }
const OF_NO_USE: Selection = { isKnown: true, usable: [], isCut: false }

/** The keys of one JWK Set that can be used to verify signatures. */
export class VerificationKeys {
  readonly imported: ImportedKeys
  /** The members of the set that cannot be used. */
  readonly leftOut: readonly LeftOut[]
  /** By key id, and for tokens without one; then by algorithm. Made once: it is looked up for every token. */
  readonly #selections = new Map<string | undefined, Map<Algorithm, Selection>>()
  readonly #held: ReadonlySet<CryptoKey>

  private constructor({ keys, leftOut }: ImportedSet) {
    this.imported = keys
    this.leftOut = leftOut
    const all = [...keys.values()]
    // Keys without an id come first: they are for tokens without one only, which may find more keys than are tried.
    const [named, nameless] = [
      all.filter(({ kid }) => kid !== undefined),
      all.filter(({ kid }) => kid === undefined),
    ]
    for (const key of [...nameless, ...named])
      for (const [algorithm, cryptoKey] of key.algorithms) {
        this.#add(undefined, algorithm, cryptoKey)
        if (key.kid !== undefined) this.#add(key.kid, algorithm, cryptoKey)
      }
    this.#held = new Set(all.flatMap(({ algorithms }) => [...algorithms.values()]))
  }

  /** @param before the set that this one replaces: a key that is in both is the same in both */
  static async import(value: unknown, before?: VerificationKeys): Promise<VerificationKeys> {
    return new VerificationKeys(await importKeySet(value, before?.imported))
  }

  /** How many there are. */
  get size(): number {
    return this.imported.size
  }

  /** Their key ids. */
  get ids(): readonly string[] {
    return [...this.imported.values()].flatMap(({ kid }) => kid ?? [])
  }

  /** Whether a key is in this set: one that has left, and come back, is another. */
  holds(key: CryptoKey): boolean {
    return this.#held.has(key)
  }

  /** The keys with this key id, or without one all, as far as they serve the algorithm (RFC 7515 §4.1.4, RFC 7517 §4.5). */
  select(kid: string | undefined, algorithm: Algorithm): Selection {
    const selections = this.#selections.get(kid)
    return selections ? (selections.get(algorithm) ?? OF_NO_USE) : UNKNOWN
  }

  #add(kid: string | undefined, algorithm: Algorithm, key: CryptoKey): void {
    const selections = this.#selections.get(kid) ?? new Map<Algorithm, Selection>()
    this.#selections.set(kid, selections)
    const usable = selections.get(algorithm)?.usable ?? []
    const isCut = usable.length >= MAX_CANDIDATES
    selections.set(algorithm, { isKnown: true, usable: isCut ? usable : [...usable, key], isCut })
  }
}
