import { BoundedCache } from '../../base/bounded-cache.js'
import type { Clock } from '../../base/clock.js'
import type { ResolvedIntrospection } from './introspection-options.js'
import type { IntrospectionResponse } from './introspection-response.js'

/** The bounds of each cache. Inactive tokens have their own, so that made-up tokens do not evict active ones. */
const MAX_ENTRIES = 10_000
const MAX_BYTES = 32 * 1024 * 1024
/** The approximate size of an entry without the response, and of each byte of the response as objects. */
const ENTRY_BYTES = 512
const MEMORY_PER_BYTE = 12
/** A larger response is not cached: few tokens have one. */
const MAX_RESPONSE_BYTES = 8 * 1024
/** How long it is remembered that the issuer called a token active. */
const WAS_ACTIVE_MS = 60 * 60_000

/** Introspection responses for a short time, by the digest of the token. */
export class IntrospectionCache {
  readonly #options: ResolvedIntrospection
  readonly #clock: Clock
  readonly #active = new BoundedCache<IntrospectionResponse>(MAX_ENTRIES, MAX_BYTES)
  readonly #inactive = new BoundedCache<IntrospectionResponse>(MAX_ENTRIES, MAX_BYTES)
  /** Tokens without a verified signature that the issuer called active: made-up tokens are never among them. */
  readonly #wasActive = new BoundedCache<true>(MAX_ENTRIES, MAX_BYTES)

  constructor(options: ResolvedIntrospection, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  get(digest: string): IntrospectionResponse | undefined {
    const now = this.#clock.monotonic()
    return this.#inactive.get(digest, now) ?? this.#active.get(digest, now)
  }

  /** Whether the issuer called a token active within the last hour. Only for tokens of the lane `decide`. */
  wasActive(digest: string): boolean {
    return this.#wasActive.get(digest, this.#clock.monotonic()) === true
  }

  /** How long a response may be cached, in milliseconds, from when it came. */
  lifetimeMs(response: IntrospectionResponse): number {
    const { cacheMs, inactiveCacheMs } = this.#options
    if (response.state !== 'active') return inactiveCacheMs
    const { exp } = response.claims
    // RFC 7662 §4: never past `exp`.
    return Math.min(cacheMs, typeof exp === 'number' ? (exp - this.#clock.now()) * 1000 : cacheMs)
  }

  /**
   * @param bytes the length of the response
   * @param isVerified whether the signature of the token was verified here
   * @param lifetimeMs how long it may be cached from now on
   */
  set(
    digest: string,
    response: IntrospectionResponse,
    bytes: number,
    isVerified: boolean,
    lifetimeMs: number,
  ): void {
    const now = this.#clock.monotonic()
    for (const cache of [this.#inactive, this.#active, this.#wasActive]) cache.removeExpired(now)
    if (response.state !== 'active') {
      // The other lane may have cached that the token is active.
      this.#active.delete(digest)
      this.#wasActive.delete(digest)
      if (lifetimeMs > 0) this.#inactive.set(digest, response, ENTRY_BYTES, now + lifetimeMs)
      return
    }
    if (!isVerified) this.#wasActive.set(digest, true, ENTRY_BYTES, now + WAS_ACTIVE_MS)
    if (bytes > MAX_RESPONSE_BYTES) return
    if (lifetimeMs > 0)
      this.#active.set(digest, response, ENTRY_BYTES + MEMORY_PER_BYTE * bytes, now + lifetimeMs)
  }
}
