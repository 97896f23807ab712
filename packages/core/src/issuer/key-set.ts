import type { CryptoKey } from 'jose'
import type { Algorithm } from '../algorithms.js'
import type { Clock } from '../clock.js'
import { InvalidTokenError, UnavailableError } from '../errors.js'
import type { AuthorizationServer } from './authorization-server.js'
import { CachedDocument, lifetimeOf } from './cached-document.js'
import { fetchJson, type HttpLimits, IssuerFailure } from './http.js'
import { importVerificationKey, type VerificationKey } from './json-web-key.js'

/** How long a JWK Set is fresh when its response does not say. */
const DEFAULT_LIFETIME_MS = 5 * 60_000
/** How many refetches tokens with an unknown key may cause, and in which time. */
const REFETCHES = { limit: 2, perMs: 30_000 }
/**
 * What a key id must look like to be worth a refetch. Wide enough for thumbprints, UUIDs, base64 and URLs;
 * an id that no issuer would choose is only compared with the keys at hand.
 */
const PLAUSIBLE_KID = /^(?!.*\.\.)[\w.~:/+=@#-]{1,256}$/

/** An issuer's JWK Set (RFC 7517): loaded, cached and refreshed, and the selection of a token's key from it. */
export class KeySet {
  readonly document: CachedDocument<readonly VerificationKey[]>
  readonly #clock: Clock
  /** When the last refetches for unknown keys were made. */
  #refetches: number[] = []

  constructor(server: AuthorizationServer, limits: HttpLimits, clock: Clock) {
    this.#clock = clock
    this.document = new CachedDocument(async () => {
      const { jwksUri } = await server.metadata()
      const started = clock.monotonic()
      const { value, cacheControl } = await fetchJson(
        jwksUri,
        'application/jwk-set+json, application/json',
        limits,
      )
      const keys = await importKeys(value)
      if (keys.length === 0)
        throw new IssuerFailure('invalid-document', 'The JWK Set holds no key that can be used', {
          host: new URL(jwksUri).host,
          durationMs: clock.monotonic() - started,
          status: 200,
        })
      return { value: keys, lifetimeMs: lifetimeOf(cacheControl, DEFAULT_LIFETIME_MS) }
    }, clock)
  }

  /**
   * Loads the keys, unless they are at hand.
   *
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`, `ERR_KEYS_UNAVAILABLE`
   */
  async load(): Promise<readonly VerificationKey[]> {
    return this.#orUnavailable(this.document.get())
  }

  /**
   * The keys that may have made a signature: those with this key id, or without one all that serve the
   * algorithm (RFC 7515 §4.1.4, RFC 7517 §4.5). At least one.
   *
   * @throws {InvalidTokenError} `ERR_KEY_NOT_FOUND`, `ERR_ALGORITHM_NOT_ALLOWED`
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`, `ERR_KEYS_UNAVAILABLE`
   */
  async select(kid: string | undefined, algorithm: Algorithm): Promise<readonly CryptoKey[]> {
    const atHand = this.document.value
    let keys = await this.load()
    let matching = match(keys, kid)
    let usable = serving(matching, algorithm)
    if (usable.length > 0) return usable

    // A key that is not known may be newer than the set at hand, unless that has just been loaded.
    const unknown = kid === undefined || (matching.length === 0 && PLAUSIBLE_KID.test(kid))
    if (unknown && keys === atHand && this.#mayRefetch()) {
      keys = await this.#orUnavailable(this.document.refresh())
      matching = match(keys, kid)
      usable = serving(matching, algorithm)
      if (usable.length > 0) return usable
    }
    // RFC 8725 §3.1: each key is used with its own algorithm only.
    if (kid !== undefined && matching.length > 0) throw new InvalidTokenError('ERR_ALGORITHM_NOT_ALLOWED')
    throw new InvalidTokenError('ERR_KEY_NOT_FOUND')
  }

  /** Whether a token may have the keys fetched again: the number of those fetches does not depend on that of tokens. */
  #mayRefetch(): boolean {
    // Nothing is asked in these cases: the load under way is joined, the failure repeated.
    if (this.document.loading || this.document.pauseMs > 0) return true
    const now = this.#clock.monotonic()
    this.#refetches = this.#refetches.filter((at) => now - at < REFETCHES.perMs)
    if (this.#refetches.length >= REFETCHES.limit) return false
    this.#refetches.push(now)
    return true
  }

  async #orUnavailable<T>(loading: Promise<T>): Promise<T> {
    try {
      return await loading
    } catch (error) {
      // One failure answers many requests, each with an error of its own and the pause that is left now.
      const discovery = error instanceof UnavailableError
      throw new UnavailableError(discovery ? error.code : 'ERR_KEYS_UNAVAILABLE', {
        retryAfterSeconds: Math.max(1, Math.ceil(this.document.pauseMs / 1000)),
        cause: discovery ? error.cause : error,
      })
    }
  }
}

async function importKeys(value: unknown): Promise<readonly VerificationKey[]> {
  if (typeof value !== 'object' || value === null) return []
  const { keys }: { keys?: unknown } = value
  if (!Array.isArray(keys)) return []
  const imported = await Promise.all(keys.map(importVerificationKey))
  return imported.filter((key) => key !== undefined)
}

function match(keys: readonly VerificationKey[], kid: string | undefined): readonly VerificationKey[] {
  return kid === undefined ? keys : keys.filter((key) => key.kid === kid)
}

function serving(keys: readonly VerificationKey[], algorithm: Algorithm): readonly CryptoKey[] {
  return keys.flatMap((key) => key.algorithms.get(algorithm) ?? [])
}
