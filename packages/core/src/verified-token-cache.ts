import { BoundedCache } from './base/bounded-cache.js'
import { Doorkeeper } from './base/doorkeeper.js'
import { MemorySizes } from './base/memory-sizes.js'
import { isPlainObject, numberIn, objectWith, wholeNumberIn, wrongKind } from './errors/check-options.js'
import type { TrustedIssuer } from './issuer/trusted-issuer.js'
import type { Auth } from './token/auth.js'
import type { TokenTimes } from './token/claims.js'
import type { VerificationKey } from './token/signature.js'

/**
 * A token whose signature and claims are good. The times are copied from the claims: with many tokens, each further object
 * that is read is a miss of the processor's cache.
 */
export interface VerifiedToken extends TokenTimes {
  readonly auth: Auth
  readonly issuer: TrustedIssuer
  /** The key that made the signature. Once it leaves the issuer's set, the entry is no longer valid. */
  readonly key: VerificationKey
  /** The key id in the token. */
  readonly kid: string | undefined
}

/** The limits of the cache of verified tokens. */
export interface CacheOptions {
  /**
   * The number of tokens, 1 to 1000000. Each takes about 1 KiB beside its own length; all together take at most 4 KiB for each
   * permitted entry, or 1 MiB if that is more.
   *
   * @default 10000
   */
  readonly maxEntries?: number | undefined
  /**
   * How long a token is cached, in seconds, 1 to 86400; never past its `exp`.
   *
   * @default 600
   */
  readonly maxAgeSeconds?: number | undefined
}

/** The limits of the cache, with the defaults. */
export interface CacheLimits {
  readonly maxEntries: number
  readonly maxAgeMs: number
}

const checkLimits = objectWith<Record<keyof CacheOptions, number>>({
  maxEntries: wholeNumberIn({ default: 10_000, min: 1, max: 1_000_000 }),
  maxAgeSeconds: numberIn({ default: 600, min: 1, max: 86_400 }),
})

/**
 * Checks the option `cache`, and fills in defaults.
 *
 * @returns `undefined` where the cache is off
 * @throws {ConfigurationError}
 */
export function resolveCacheOptions(option: unknown): CacheLimits | undefined {
  if (option === false) return undefined
  if (option !== undefined && !isPlainObject(option))
    throw wrongKind('cache', 'an object with "maxEntries" and "maxAgeSeconds", or false', option)
  const { maxEntries, maxAgeSeconds } = checkLimits(option, 'cache')
  return { maxEntries, maxAgeMs: 1000 * maxAgeSeconds }
}

/** The memory of an entry without token and claims: the result, the entry of the map, its key. */
const ENTRY_BYTES = 600
/** Memory limit per permitted entry. Few tokens need half of it; many large tokens must not exceed it together. */
const MAX_BYTES_PER_ENTRY = 4096
/** The largest tokens fit even where few entries are permitted. */
const MIN_TOTAL_BYTES = 1024 * 1024
/** The smallest cache with a doorkeeper. In a smaller one, most entries end before the garbage collector has moved them. */
const MIN_ENTRIES_FOR_DOORKEEPER = 1000

/**
 * How many of a token's last characters are its key: about 190 bits of the signature. So many bits are not guessed, and no two
 * tokens share them by chance.
 */
const KEY_LENGTH = 32

/**
 * Results of verification for tokens that callers present again. An entry expires with its token, and at the age limit. The reader
 * checks that the key is still in the issuer's set.
 *
 * An entry is found by the end of the signature, and used only for exactly its own token. Only verified tokens have entries, so a
 * caller who changes a token finds the entry, and does not get it.
 *
 * A full cache admits a token when it is presented the second time. To cache a token costs about half a signature check, most of
 * it in the garbage collector, and where every token is new, no entry is ever read.
 */
export class VerifiedTokenCache {
  readonly #maxAgeMs: number
  readonly #entries: BoundedCache<VerifiedToken>
  readonly #sizes: MemorySizes
  readonly #maxEntries: number
  #doorkeeper: Doorkeeper | undefined

  constructor({ maxEntries, maxAgeMs }: CacheLimits) {
    const maxBytes = Math.max(maxEntries * MAX_BYTES_PER_ENTRY, MIN_TOTAL_BYTES)
    this.#maxAgeMs = maxAgeMs
    this.#maxEntries = maxEntries
    // An eighth of the memory is for object shapes that tokens share.
    this.#sizes = new MemorySizes(maxBytes / 8)
    this.#entries = new BoundedCache(maxEntries, (maxBytes * 7) / 8)
  }

  /** @param now seconds since the epoch */
  get(token: string, now: number): VerifiedToken | undefined {
    const verified = this.#entries.get(keyOf(token), now * 1000)
    return verified?.auth.token === token ? verified : undefined
  }

  /** @param now seconds since the epoch */
  set(verified: VerifiedToken, now: number): void {
    const { auth, exp = Number.POSITIVE_INFINITY } = verified
    const { token, claims, scopes, audience } = auth
    const until = Math.min(exp * 1000, now * 1000 + this.#maxAgeMs)
    // Not of the token that the caller presented: this part would keep its whole header in memory.
    const key = keyOf(token)
    if (!(until > now * 1000)) return
    this.#entries.removeExpired(now * 1000)
    if (!this.#admits(key)) return
    const bytes =
      this.#sizes.of(token) + this.#sizes.of(claims) + this.#sizes.of(scopes) + this.#sizes.of(audience)
    this.#entries.set(key, verified, ENTRY_BYTES + bytes, until)
  }

  delete(token: string): void {
    this.#entries.delete(keyOf(token))
  }

  #admits(key: string): boolean {
    if (!this.#entries.isFull || this.#maxEntries < MIN_ENTRIES_FOR_DOORKEEPER) return true
    this.#doorkeeper ??= new Doorkeeper(this.#maxEntries)
    return this.#doorkeeper.sawBefore(key)
  }
}

function keyOf(token: string): string {
  return token.slice(-KEY_LENGTH)
}
