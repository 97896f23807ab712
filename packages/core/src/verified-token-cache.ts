import { hash } from 'node:crypto'
import { BoundedCache } from './base/bounded-cache.js'
import { MemorySizes } from './base/memory-sizes.js'
import type { TrustedIssuer } from './issuer/trusted-issuer.js'
import type { Auth } from './token/auth.js'
import type { TokenTimes } from './token/claims.js'
import type { VerificationKey } from './token/signature.js'

/**
 * A token whose signature and claims were found to be good. The times are here as well: among many tokens, each look into
 * another object is a look into slow memory.
 */
export interface VerifiedToken extends TokenTimes {
  readonly auth: Auth
  readonly issuer: TrustedIssuer
  /** The key that made the signature: when it is no longer the issuer's, nothing of this is true any more. */
  readonly key: VerificationKey
  /** The key id in the token. */
  readonly kid: string | undefined
}

/** How many tokens are kept, and for how long. */
export interface CacheLimits {
  readonly maxEntries: number
  readonly maxAgeMs: number
}

/** What an entry takes beside the token and what it says: the result, its place in the map, the digest. */
const ENTRY_BYTES = 600
/** For so many bytes there is room, per entry: few tokens need half of it, and many large ones are not to take it all. */
const ROOM_PER_ENTRY = 4096
/** The largest tokens fit, also where few are kept. */
const LEAST_ROOM = 1024 * 1024

/**
 * What was found out about tokens that are presented again: by the digest of a token, never by the token. An entry ends
 * with the token, and at the age limit; whether its key is still good is for the reader to say, who has the keys.
 */
export class VerifiedTokenCache {
  readonly #maxAgeMs: number
  readonly #entries: BoundedCache<VerifiedToken>
  readonly #sizes: MemorySizes

  constructor({ maxEntries, maxAgeMs }: CacheLimits) {
    const maxBytes = Math.max(maxEntries * ROOM_PER_ENTRY, LEAST_ROOM)
    this.#maxAgeMs = maxAgeMs
    // An eighth is for what tokens share.
    this.#sizes = new MemorySizes(maxBytes / 8)
    this.#entries = new BoundedCache(maxEntries, (maxBytes * 7) / 8)
  }

  /** Under what a token is kept: one of another spelling is another token, and nobody can make two with the same. */
  static digestOf(token: string): string {
    return hash('sha256', token, 'binary')
  }

  /** @param now seconds since the epoch */
  get(digest: string, now: number): VerifiedToken | undefined {
    return this.#entries.get(digest, now * 1000)
  }

  /** @param now seconds since the epoch */
  set(digest: string, verified: VerifiedToken, now: number): void {
    const { auth, exp = Number.POSITIVE_INFINITY } = verified
    const { token, claims, scopes, audience } = auth
    const until = Math.min(exp * 1000, now * 1000 + this.#maxAgeMs)
    if (!(until > now * 1000)) return
    const bytes =
      this.#sizes.of(token) + this.#sizes.of(claims) + this.#sizes.of(scopes) + this.#sizes.of(audience)
    this.#entries.set(digest, verified, ENTRY_BYTES + bytes, until)
  }

  delete(digest: string): void {
    this.#entries.delete(digest)
  }
}
