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
/** How many times tokens with an unknown key may have the keys fetched again, and in which time. */
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
  /** When the keys were last fetched again for such tokens. */
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
   * The keys that may have made a signature, one after the other: those with this key id, or without one all
   * that serve the algorithm (RFC 7515 §4.1.4, RFC 7517 §4.5). Whoever asks on, because none of them did, gets
   * those of a newer set where a token may have it fetched.
   *
   * @throws {InvalidTokenError} `ERR_KEY_NOT_FOUND`, `ERR_ALGORITHM_NOT_ALLOWED`
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`, `ERR_KEYS_UNAVAILABLE`
   */
  async *candidates(
    kid: string | undefined,
    algorithm: Algorithm,
  ): AsyncGenerator<CryptoKey, void, undefined> {
    const atHand = this.document.value
    let keys = await this.load()
    let matching = match(keys, kid)
    let usable = serving(matching, algorithm)
    yield* usable

    const unknown = kid === undefined || (matching.length === 0 && PLAUSIBLE_KID.test(kid))
    // A set that has just been loaded has nothing newer behind it.
    if (unknown && keys === atHand) {
      keys = await this.#refetch(keys)
      if (keys !== atHand) {
        matching = match(keys, kid)
        usable = serving(matching, algorithm)
        yield* usable
      }
    }
    if (usable.length > 0) return
    // RFC 8725 §3.1: each key is used with its own algorithm only.
    if (kid !== undefined && matching.length > 0) throw new InvalidTokenError('ERR_ALGORITHM_NOT_ALLOWED')
    throw new InvalidTokenError('ERR_KEY_NOT_FOUND')
  }

  /**
   * Fetches the keys again because a token may be signed with a newer one: as often as the budget allows, whatever
   * the number of tokens, and of failures.
   *
   * @param keys the set that was tried
   * @returns `keys` when the budget is used up and they are the last that the issuer had to say
   */
  async #refetch(keys: readonly VerificationKey[]): Promise<readonly VerificationKey[]> {
    // Another token may have had them fetched while this one was tried.
    const atHand = this.document.value
    if (atHand !== undefined && atHand !== keys) return atHand
    // A load under way is joined and a pause repeats its failure: neither asks the issuer.
    if (!this.document.loading && this.document.pauseMs === 0) {
      const now = this.#clock.monotonic()
      this.#refetches = this.#refetches.filter((at) => now - at < REFETCHES.perMs)
      const [oldest] = this.#refetches
      if (oldest !== undefined && this.#refetches.length >= REFETCHES.limit) {
        // Whether the token is good cannot be told while the issuer fails: that is not the caller's fault.
        if (this.document.failure)
          throw this.#unavailable(this.document.failure.error, oldest + REFETCHES.perMs - now)
        return keys
      }
      this.#refetches.push(now)
    }
    return this.#orUnavailable(this.document.refresh())
  }

  async #orUnavailable<T>(loading: Promise<T>): Promise<T> {
    try {
      return await loading
    } catch (error) {
      throw this.#unavailable(error, this.document.pauseMs)
    }
  }

  /** One failure answers many requests, each with an error of its own and the time that is left now. */
  #unavailable(error: unknown, retryAfterMs: number): UnavailableError {
    const discovery = error instanceof UnavailableError
    return new UnavailableError(discovery ? error.code : 'ERR_KEYS_UNAVAILABLE', {
      retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)),
      cause: discovery ? error.cause : error,
    })
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
