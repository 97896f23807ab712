import type { CryptoKey } from 'jose'
import type { Algorithm } from '../algorithms.js'
import { InvalidTokenError, UnavailableError } from '../errors.js'
import { watched } from '../events.js'
import { type AuthorizationServer, conditional, etagOf, type IssuerAccess } from './authorization-server.js'
import { CachedDocument, type Loaded, lifetimeOf } from './cached-document.js'
import { Deadline } from './deadline.js'
import { IssuerFailure, invalidDocument, mayHaveMoved } from './issuer-failure.js'
import { importKeySet, type VerificationKey } from './json-web-key.js'
import { Budget } from './pacing.js'
import { describeFailure, unavailable } from './unavailable.js'

/** How the keys of an issuer are kept; durations in milliseconds. */
export interface KeyOptions {
  /** How long a JWK Set is fresh when its response does not say. */
  readonly lifetimeMs: number
  /** How long keys are used past their lifetime while the issuer cannot be asked. */
  readonly maxStaleMs: number
  /** In which time tokens with unknown keys may have the keys fetched twice. */
  readonly cooldownMs: number
  /** The JWK Set, where it is given: then none is fetched. */
  readonly jwks?: unknown
}

/** How long whoever has keys past their lifetime waits for newer ones. */
const PATIENCE_MS = 1_000
/** How many times tokens with an unknown key may have the keys fetched again within the cooldown. */
const REFETCHES = 2
/**
 * What a key id must look like to be worth a refetch. Wide enough for thumbprints, UUIDs, base64 and URLs;
 * an id that no issuer would choose is only compared with the keys at hand.
 */
const PLAUSIBLE_KID = /^(?!.*\.\.)[\w.~:/+=@#-]{1,256}$/
/** Whether an issuer may have chosen this key id. */
export function isPlausibleKid(kid: string): boolean {
  return PLAUSIBLE_KID.test(kid)
}

type Keys = readonly VerificationKey[]

/** An issuer's JWK Set (RFC 7517): loaded, cached and refreshed, and the selection of a token's key from it. */
export class KeySet {
  readonly document: CachedDocument<Keys>
  /** Whether the set was given, and never changes. */
  readonly fixed: boolean
  readonly #server: AuthorizationServer
  readonly #access: IssuerAccess
  readonly #options: KeyOptions
  readonly #refetches: Budget
  /** What the set at hand was fetched from, and its entity tag. */
  #source: { readonly uri: string; readonly etag: string | undefined } | undefined
  /** The last load whose keys were seen to be used past their lifetime. */
  #staleLoad = 0

  constructor(server: AuthorizationServer, access: IssuerAccess, options: KeyOptions) {
    const { client, limits, clock } = access
    const { jwks } = options
    this.#server = server
    this.#access = access
    this.#options = options
    this.#refetches = new Budget(REFETCHES, options.cooldownMs, clock)
    this.fixed = jwks !== undefined
    this.document = new CachedDocument<Keys>({
      clock,
      timeoutMs: limits.timeoutMs,
      maxStaleMs: options.maxStaleMs,
      patienceMs: PATIENCE_MS,
      waitMs: () => Math.max(client.waitMs, server.keysWaitMs),
      load: async (deadline) =>
        this.fixed
          ? { value: await importKeySet(jwks), lifetimeMs: Number.POSITIVE_INFINITY }
          : this.#load(deadline),
      loaded: (keys, before) => this.#noteLoaded(keys, before),
      failed: (error) => this.#noteFailed(error),
    })
  }

  /** The ids of the keys at hand. */
  get keyIds(): readonly string[] {
    return idsOf(this.document.value ?? [])
  }

  /**
   * The keys, fresh if that is possible.
   *
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`, `ERR_KEYS_UNAVAILABLE`
   */
  async load(): Promise<Keys> {
    const keys = await this.document.get().catch((error: unknown) => {
      throw this.#unavailable(error, this.document.pauseMs)
    })
    const { stale, load, ageMs = 0 } = this.document
    if (stale && load !== this.#staleLoad) {
      this.#staleLoad = load
      watched('keysStale')?.publish({ issuer: this.#server.issuer, keysAgeMs: ageMs })
    }
    return keys
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
    // What was asked for before this token came may be from before its key.
    const { loads } = this.document
    let keys = await this.load()
    let found = select(keys, kid, algorithm)
    yield* found.usable

    const mayBeNew = !this.fixed && (kid === undefined || (!found.isKnown && isPlausibleKid(kid)))
    while (mayBeNew && (this.document.value !== keys || this.document.load <= loads)) {
      const newer = await this.#refetch(keys)
      if (!newer) break
      if (newer === keys) continue
      keys = newer
      found = select(keys, kid, algorithm)
      yield* found.usable
      if (found.isKnown && kid !== undefined) break
    }
    if (mayBeNew && (kid === undefined || !found.isKnown) && (await this.#haveMoved())) {
      // One that is under way may have begun at the old place.
      const joins = this.document.loading
      keys = await this.#refresh()
      if (joins && (await this.#haveMoved())) keys = await this.#refresh()
      found = select(keys, kid, algorithm)
      yield* found.usable
    }
    if (found.usable.length > 0) return
    // RFC 8725 §3.1: each key is used with its own algorithm only.
    if (kid !== undefined && found.isKnown) throw new InvalidTokenError('ERR_ALGORITHM_NOT_ALLOWED')
    throw new InvalidTokenError('ERR_KEY_NOT_FOUND')
  }

  /**
   * Fetches the keys again because a token may be signed with a newer one: as often as the budget allows, whatever
   * the number of tokens.
   *
   * @param keys the set that was tried
   * @returns `undefined` when the budget is used up, and `keys` are the last that the issuer had to say
   */
  async #refetch(keys: Keys): Promise<Keys | undefined> {
    const { document } = this
    // Another token may have had them fetched while this one was tried.
    if (document.value !== undefined && document.value !== keys) return document.value
    // A load under way is joined, and a pause repeats its failure: neither asks the issuer.
    if (!document.loading && document.pauseMs === 0 && this.#refetches.waitMs > 0) {
      // Whether the token is good cannot be told while the issuer fails: that is not the caller's fault.
      if (document.failure) throw this.#unavailable(document.failure.error, this.#refetches.waitMs)
      return undefined
    }
    return this.#refresh()
  }

  async #refresh(): Promise<Keys> {
    try {
      return await this.document.refresh()
    } catch (error) {
      throw this.#unavailable(error, Math.max(this.document.pauseMs, this.#refetches.waitMs))
    }
  }

  /** Whether the keys are somewhere else than where the newest set is from, although there is still one there. */
  async #haveMoved(): Promise<boolean> {
    const uri = this.#source?.uri
    if (uri === undefined) return false
    // No longer than for anything else that is probably as it was: there may be a flood of tokens that wait.
    const uriNow = await Deadline.within(PATIENCE_MS, ({ over }) =>
      Promise.race([this.#server.jwksUriAfter(uri), over.then(() => uri)]),
    )
    return uriNow !== uri
  }

  async #load(deadline: Deadline): Promise<Loaded<Keys>> {
    const uri = await this.#server.jwksUri(deadline)
    try {
      return await this.#fetch(uri, deadline)
    } catch (failure) {
      if (!(failure instanceof IssuerFailure) || !mayHaveMoved(failure)) throw failure
      const uriNow = await this.#server.jwksUriAfter(uri, deadline)
      if (uriNow === uri) throw failure
      return this.#fetch(uriNow, deadline)
    }
  }

  async #fetch(uri: string, deadline: Deadline): Promise<Loaded<Keys>> {
    const { client } = this.#access
    const before = this.document.value
    const etag = before && this.#source?.uri === uri ? this.#source.etag : undefined
    const headers = conditional('application/jwk-set+json, application/json', etag)
    const answer = await client.get({ url: uri, headers }, deadline)
    const lifetimeMs = lifetimeOf(answer.cacheControl, this.#options.lifetimeMs)
    if (answer.value === undefined && before) return { value: before, lifetimeMs }
    const keys = await importKeySet(answer.value)
    if (keys.length === 0)
      throw client.reject(
        invalidDocument('The JWK Set holds no key that can be used', uri, answer.durationMs),
      )
    this.#source = { uri, etag: etagOf(answer) }
    this.#spend(answer.attempts - 1)
    return { value: keys, lifetimeMs }
  }

  #noteLoaded(keys: Keys, before: Keys | undefined): void {
    // The first load is on nobody's account; whatever comes later is as good as a refetch.
    if (before) this.#spend(1)
    const { issuer } = this.#server
    watched('keysRefreshed')?.publish({ issuer, keyIds: idsOf(keys), durationMs: this.document.ageMs ?? 0 })
    if (!before || before === keys) return
    const rotated = watched('keysRotated')
    if (!rotated) return
    const [now, then] = [new Set(idsOf(keys)), new Set(idsOf(before))]
    const added = [...now].filter((kid) => !then.has(kid))
    const removed = [...then].filter((kid) => !now.has(kid))
    if (added.length > 0 || removed.length > 0) rotated.publish({ issuer, added, removed })
  }

  #noteFailed(error: unknown): void {
    if (this.document.value) this.#spend(error instanceof IssuerFailure ? error.attempts : 1)
    watched('refreshFailed')?.publish({
      issuer: this.#server.issuer,
      document: 'keys',
      code: error instanceof UnavailableError ? 'ERR_DISCOVERY_FAILED' : 'ERR_KEYS_UNAVAILABLE',
      ...describeFailure(error),
      pauseMs: this.document.pauseMs,
    })
  }

  #spend(requests: number): void {
    for (let spent = 0; spent < requests; spent++) this.#refetches.spend()
  }

  #unavailable(error: unknown, retryAfterMs: number): Error {
    return unavailable('ERR_KEYS_UNAVAILABLE', error, retryAfterMs)
  }
}

function idsOf(keys: Keys): string[] {
  return keys.flatMap(({ kid }) => kid ?? [])
}

/** The keys of a set that a token may be signed with, and whether there is any with its key id. */
function select(
  keys: Keys,
  kid: string | undefined,
  algorithm: Algorithm,
): { readonly isKnown: boolean; readonly usable: readonly CryptoKey[] } {
  const matching = kid === undefined ? keys : keys.filter((key) => key.kid === kid)
  return {
    isKnown: matching.length > 0,
    usable: matching.flatMap((key) => key.algorithms.get(algorithm) ?? []),
  }
}
