import type { KeyLeftOut } from '../../telemetry/keys-left-out.js'
import type { Algorithm } from '../../token/algorithms.js'
import type { VerificationKey } from '../../token/signature.js'
import {
  type ImportedSet,
  type IssuerKeys,
  importKeySet,
  type LeftOut,
  MAX_CANDIDATES,
} from './json-web-key.js'
import { isPlausibleKid } from './key-id.js'

/** What a key set holds for one token. */
export interface Selection {
  /** Whether the set has a key with the token's key id, for any algorithm. */
  readonly kidMatched: boolean
  /** The keys that the token may be signed with, at most {@link MAX_CANDIDATES}. */
  readonly candidates: readonly VerificationKey[]
  /** Whether there are more candidates, which are not tried. */
  readonly isTruncated: boolean
}

const NO_MATCHING_KID: Selection = { kidMatched: false, candidates: [], isTruncated: false }
const NO_MATCHING_ALGORITHM: Selection = { kidMatched: true, candidates: [], isTruncated: false }

/** How many members of a set that are not used are reported to operators. */
const MAX_REPORTED = 20

/** The keys of one JWK Set that can verify signatures. */
export class VerificationKeys {
  /** The members of the set that are not used. */
  readonly leftOut: readonly LeftOut[]
  readonly #keys: IssuerKeys
  /** By key id (`undefined` for tokens without one), then by algorithm. Built once, because every token is looked up in it. */
  readonly #selections = new Map<string | undefined, Map<Algorithm, Selection>>()
  readonly #all = new Set<VerificationKey>()

  private constructor({ keys, leftOut }: ImportedSet) {
    this.#keys = keys
    this.leftOut = leftOut
    const all = [...keys.values()]
    // A token without a key id may have too many candidates. Keys without one come first: no other token can name them.
    const unnamed = all.filter(({ kid }) => kid === undefined)
    const named = all.filter(({ kid }) => kid !== undefined)
    for (const { kid, verificationKeys } of [...unnamed, ...named])
      for (const [algorithm, key] of verificationKeys) {
        this.#all.add(key)
        this.#add(undefined, algorithm, key)
        if (kid !== undefined) this.#add(kid, algorithm, key)
      }
  }

  /** @param previous the set that this one replaces: a key that is in both sets is the same object in both */
  static async import(value: unknown, previous?: VerificationKeys): Promise<VerificationKeys> {
    return new VerificationKeys(
      await importKeySet(value, previous === undefined ? undefined : previous.#keys),
    )
  }

  /** How many keys there are. */
  get size(): number {
    return this.#keys.size
  }

  /** The key ids. */
  get ids(): readonly string[] {
    return [...this.#keys.values()].flatMap(({ kid }) => kid ?? [])
  }

  /** What operators are told of the members that are not used: the first twenty; `undefined` when all members are used. */
  get reportedLeftOut(): readonly KeyLeftOut[] | undefined {
    if (this.leftOut.length === 0) return undefined
    return this.leftOut.slice(0, MAX_REPORTED).map(({ kid, reason }) => ({
      ...(typeof kid === 'string' && isPlausibleKid(kid) && { kid }),
      reason,
    }))
  }

  /** Whether this set has the key. A key that was removed and published again is another key. */
  has(key: VerificationKey): boolean {
    return this.#all.has(key)
  }

  /** The keys with this key id, or without a key id all keys, that fit the algorithm (RFC 7515 §4.1.4, RFC 7517 §4.5). */
  select(kid: string | undefined, algorithm: Algorithm): Selection {
    const selections = this.#selections.get(kid)
    return selections ? (selections.get(algorithm) ?? NO_MATCHING_ALGORITHM) : NO_MATCHING_KID
  }

  #add(kid: string | undefined, algorithm: Algorithm, key: VerificationKey): void {
    const selections = this.#selections.get(kid) ?? new Map<Algorithm, Selection>()
    this.#selections.set(kid, selections)
    const candidates = selections.get(algorithm)?.candidates ?? []
    const isTruncated = candidates.length >= MAX_CANDIDATES
    selections.set(algorithm, {
      kidMatched: true,
      candidates: isTruncated ? candidates : [...candidates, key],
      isTruncated,
    })
  }
}
