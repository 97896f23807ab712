import type { CryptoKey } from 'jose'
import { InvalidTokenError, UnavailableError } from '../../errors/errors.js'
import { IssuerFailure, invalidDocument, mayHaveMoved } from '../../errors/issuer-failure.js'
import { watched } from '../../telemetry/events.js'
import type { KeyLeftOut } from '../../telemetry/keys-left-out.js'
import type { Algorithm } from '../../token/algorithms.js'
import type { IssuerAccess, IssuerMetadata } from '../discovery/issuer-metadata.js'
import { lifetimeOf } from '../http/cache-control.js'
import { CachedDocument, type Loaded } from '../http/cached-document.js'
import { conditionalHeaders, etagOf } from '../http/conditional-request.js'
import { Deadline } from '../http/deadline.js'
import { SpreadBudget } from '../http/pacing.js'
import { publishFailedRefresh, unavailable } from '../http/unavailable.js'
import { describeLeftOut, keysOf } from './json-web-key.js'
import { VerificationKeys } from './verification-keys.js'

/** How the keys of an issuer are kept; durations in milliseconds. */
export interface KeyOptions {
  /** How long a JWK Set is fresh when its response does not say. */
  readonly lifetimeMs: number
  /** How long keys are used past their lifetime while the issuer cannot be asked. */
  readonly maxStaleMs: number
  /** In which time tokens with unknown keys may have the keys fetched twice; in a lasting flood, once in each half. */
  readonly cooldownMs: number
  /** The JWK Set, where it is given: then none is fetched. */
  readonly jwks?: unknown
}

/** How long whoever has keys past their lifetime waits for newer ones. */
const PATIENCE_MS = 1_000
/** How many key ids are remembered that were not in the newest keys. */
const MAX_ABSENT_KIDS = 1000
/** How many members of a set that are not used are told to operators. */
const MAX_LEFT_OUT = 20
/**
 * What a key id must look like to be worth a refetch. Wide enough for thumbprints, UUIDs, base64 and URLs;
 * an id that no issuer would choose is only compared with the keys at hand.
 */
const PLAUSIBLE_KID = /^(?!.*\.\.)[\w.~:/+=@#-]{1,256}$/
/** Whether an issuer may have chosen this key id. */
export function isPlausibleKid(kid: string): boolean {
  return PLAUSIBLE_KID.test(kid)
}

/** An issuer's JWK Set (RFC 7517): loaded, cached and refreshed, and the selection of a token's key from it. */
export class KeySet {
  readonly document: CachedDocument<VerificationKeys>
  /** Whether the set was given, and never changes. */
  readonly fixed: boolean
  readonly #server: IssuerMetadata
  readonly #access: IssuerAccess
  readonly #options: KeyOptions
  /** For refetches: two within the cooldown, for any number of tokens. */
  readonly #refetches: SpreadBudget
  /** Key ids that were looked up in keys fetched for their token, and were not there; the oldest first. */
  readonly #absentKids = new Set<string>()
  /** What the set at hand was fetched from, and its entity tag. */
  #source: { readonly uri: string; readonly etag: string | undefined } | undefined
  /** The last load whose keys were seen to be used past their lifetime. */
  #staleLoad = 0

  constructor(server: IssuerMetadata, access: IssuerAccess, options: KeyOptions) {
    const { client, limits, clock } = access
    const { jwks } = options
    this.#server = server
    this.#access = access
    this.#options = options
    this.#refetches = new SpreadBudget(options.cooldownMs, clock)
    this.fixed = jwks !== undefined
    this.document = new CachedDocument<VerificationKeys>({
      clock,
      timeoutMs: limits.timeoutMs,
      maxStaleMs: options.maxStaleMs,
      patienceMs: PATIENCE_MS,
      waitMs: () => Math.max(client.waitMs, server.keysWaitMs),
      load: async (deadline) =>
        this.fixed
          ? { value: await this.#import(jwks, this.#server.issuer), lifetimeMs: Number.POSITIVE_INFINITY }
          : this.#load(deadline),
      loaded: (keys, before) => this.#noteLoaded(keys, before),
      failed: (error) => this.#noteFailed(error),
    })
  }

  /** The ids of the keys at hand. */
  get keyIds(): readonly string[] {
    return this.document.value?.ids ?? []
  }

  /** The members of the set that are not used, where there are some: the first ones. */
  get keysLeftOut(): readonly KeyLeftOut[] | undefined {
    const leftOut = this.document.value?.leftOut ?? []
    if (leftOut.length === 0) return undefined
    return leftOut.slice(0, MAX_LEFT_OUT).map(({ kid, reason }) => ({
      ...(typeof kid === 'string' && isPlausibleKid(kid) && { kid }),
      reason,
    }))
  }

  /** The keys, if there is no reason to ask for newer ones. */
  get fresh(): VerificationKeys | undefined {
    return this.document.fresh
  }

  /**
   * The keys, fresh if that is possible.
   *
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`, `ERR_KEYS_UNAVAILABLE`
   */
  async load(): Promise<VerificationKeys> {
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
   * The key that made a signature: one of those with this key id, or without one, of all that serve the algorithm. When
   * none of those at hand did, newer ones are fetched where a token may have them fetched.
   *
   * @param made whether a key made the signature
   * @param loads how many loads had begun when the token came: a set that was asked for before may be from before its key
   * @throws {InvalidTokenError} `ERR_SIGNATURE_INVALID`, `ERR_KEY_NOT_FOUND`, `ERR_ALGORITHM_NOT_ALLOWED`
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`, `ERR_KEYS_UNAVAILABLE`
   */
  async find(
    kid: string | undefined,
    algorithm: Algorithm,
    made: (key: CryptoKey) => Promise<boolean>,
    loads: number = this.document.loads,
  ): Promise<CryptoKey> {
    let keys = this.fresh ?? (await this.load())
    let found = keys.select(kid, algorithm)
    for (const key of found.usable) if (await made(key)) return key

    const mayBeNew = !this.fixed && (kid === undefined || (!found.isKnown && isPlausibleKid(kid)))
    // All that came at the same moment have come before the keys are fetched for the first of them.
    if (mayBeNew) await undefined
    let isDecided = true
    while (mayBeNew && (this.document.value !== keys || this.document.load <= loads)) {
      const newer = await this.#refetch(keys)
      isDecided = newer !== undefined
      if (!newer) break
      if (newer === keys) continue
      keys = newer
      found = keys.select(kid, algorithm)
      for (const key of found.usable) if (await made(key)) return key
      if (found.isKnown && kid !== undefined) break
    }
    if (mayBeNew && (kid === undefined || !found.isKnown) && (await this.#haveMoved())) {
      // One that is under way may have begun at the old place.
      const joins = this.document.loading
      keys = await this.#refresh()
      if (joins && (await this.#haveMoved())) keys = await this.#refresh()
      isDecided = true
      found = keys.select(kid, algorithm)
      for (const key of found.usable) if (await made(key)) return key
    }
    if (mayBeNew && kid !== undefined && !found.isKnown) this.#noteAbsent(kid, isDecided)
    // Some keys were not tried, so the signature is not known to be wrong.
    if (found.isCut) throw new InvalidTokenError('ERR_KEY_NOT_FOUND', { reason: 'too-many-candidates' })
    if (found.usable.length > 0)
      throw new InvalidTokenError('ERR_SIGNATURE_INVALID', { reason: 'signature-wrong' })
    // RFC 8725 §3.1: each key is used with its own algorithm only.
    if (kid !== undefined && found.isKnown)
      throw new InvalidTokenError('ERR_ALGORITHM_NOT_ALLOWED', { reason: 'key-of-other-algorithm' })
    throw new InvalidTokenError('ERR_KEY_NOT_FOUND', { reason: 'key-unknown' })
  }

  /**
   * Remembers a key id that is not in the newest keys, or refuses to decide about one that was never looked up in them.
   *
   * @param isLookedUp whether the keys were fetched after its token came
   * @throws {UnavailableError} `ERR_KEYS_UNAVAILABLE`: it may be that of a new key, and the budget for fetching is used up
   */
  #noteAbsent(kid: string, isLookedUp: boolean): void {
    if (isLookedUp) this.#rememberAbsent(kid)
    else if (!this.#absentKids.has(kid)) {
      const waitMs = Math.min(this.#refetchWaitMs, this.document.refreshesInMs)
      throw new UnavailableError('ERR_KEYS_UNAVAILABLE', {
        retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
        reason: 'key-lookup-limited',
      })
    }
  }

  #rememberAbsent(kid: string): void {
    // Moved to the end, so that the oldest is forgotten first.
    this.#absentKids.delete(kid)
    this.#absentKids.add(kid)
    const [oldest] = this.#absentKids
    if (this.#absentKids.size > MAX_ABSENT_KIDS && oldest !== undefined) this.#absentKids.delete(oldest)
  }

  /**
   * Fetches the keys again because a token may be signed with a newer one: as often as the budget allows, whatever
   * the number of tokens.
   *
   * @param keys the set that was tried
   * @returns `undefined` when the budget is used up, and `keys` are the last that the issuer had to say
   */
  async #refetch(keys: VerificationKeys): Promise<VerificationKeys | undefined> {
    const { document } = this
    // Another token may have had them fetched while this one was tried.
    if (document.value !== undefined && document.value !== keys) return document.value
    // A load under way is joined, and a pause repeats its failure: neither asks the issuer.
    if (!document.loading && document.pauseMs === 0 && this.#refetchWaitMs > 0) {
      // Whether the token is good cannot be told while the issuer fails: that is not the caller's fault.
      if (document.failure) throw this.#unavailable(document.failure.error, this.#refetchWaitMs)
      return undefined
    }
    return this.#refresh()
  }

  /** Milliseconds until a token may have the keys fetched again. While the issuer fails, its pauses spread the requests. */
  get #refetchWaitMs(): number {
    return this.document.failure ? this.#refetches.unspreadWaitMs : this.#refetches.waitMs
  }

  async #refresh(): Promise<VerificationKeys> {
    try {
      return await this.document.refresh()
    } catch (error) {
      throw this.#unavailable(error, Math.max(this.document.pauseMs, this.#refetchWaitMs))
    }
  }

  /** Whether the keys are somewhere else than where the newest set is from, although there is still one there. */
  async #haveMoved(): Promise<boolean> {
    const uri = this.#source?.uri
    if (uri === undefined) return false
    // Nearly always, and then a timer for each token would be too much.
    const uriAtHand = this.#server.cachedJwksUri(uri)
    if (uriAtHand !== undefined) return uriAtHand !== uri
    // No longer than for anything else that is probably as it was: there may be a flood of tokens that wait.
    const uriNow = await Deadline.within(PATIENCE_MS, ({ over }) =>
      Promise.race([this.#server.rediscoverJwksUri(uri), over.then(() => uri)]),
    )
    return uriNow !== uri
  }

  async #load(deadline: Deadline): Promise<Loaded<VerificationKeys>> {
    const uri = await this.#server.jwksUri(deadline)
    try {
      return await this.#fetch(uri, deadline)
    } catch (failure) {
      if (!(failure instanceof IssuerFailure) || !mayHaveMoved(failure)) throw failure
      const uriNow = await this.#server.rediscoverJwksUri(uri, deadline)
      if (uriNow === uri) throw failure
      return this.#fetch(uriNow, deadline)
    }
  }

  async #fetch(uri: string, deadline: Deadline): Promise<Loaded<VerificationKeys>> {
    const { client } = this.#access
    const before = this.document.value
    const etag = before && this.#source?.uri === uri ? this.#source.etag : undefined
    const headers = conditionalHeaders('application/jwk-set+json, application/json', etag)
    const answer = await client.get({ url: uri, headers }, deadline)
    const lifetimeMs = lifetimeOf(answer, this.#options.lifetimeMs)
    if (answer.value === undefined && before) return { value: before, lifetimeMs }
    const keys = await this.#import(answer.value, uri, before, answer.durationMs).catch(
      (failure: unknown) => {
        throw failure instanceof IssuerFailure ? client.reject(failure, answer) : failure
      },
    )
    this.#source = { uri, etag: etagOf(answer) }
    this.#spend(answer.attempts - 1)
    return { value: keys, lifetimeMs }
  }

  /** @throws {IssuerFailure} for a set without a key that can be used */
  async #import(
    jwks: unknown,
    uri: string,
    before?: VerificationKeys,
    durationMs?: number,
  ): Promise<VerificationKeys> {
    const keys = await VerificationKeys.import(jwks, before)
    if (keys.size > 0) return keys
    if (!keysOf(jwks)) throw invalidDocument('The document is not a JWK Set', uri, durationMs)
    const { leftOut } = keys
    const why =
      leftOut.length === 0 ? 'is empty' : `holds no key that can be used: ${describeLeftOut(leftOut)}`
    throw invalidDocument(`The JWK Set ${why}`, uri, durationMs, 'no-usable-key')
  }

  #noteLoaded(keys: VerificationKeys, before: VerificationKeys | undefined): void {
    // The first load is on nobody's account; whatever comes later is as good as a refetch.
    if (before) this.#spend(1)
    const { issuer } = this.#server
    const { keysLeftOut } = this
    watched('keysRefreshed')?.publish({
      issuer,
      keyIds: keys.ids,
      ...(keysLeftOut && { keysLeftOut }),
      durationMs: this.document.ageMs ?? 0,
    })
    if (!before || before === keys) return
    const [now, then] = [new Set(keys.ids), new Set(before.ids)]
    const added = [...now].filter((kid) => !then.has(kid))
    const removed = [...then].filter((kid) => !now.has(kid))
    // A key that was withdrawn is no new one: its tokens need no look-up to be refused.
    for (const kid of removed) this.#rememberAbsent(kid)
    if (added.length > 0 || removed.length > 0) watched('keysRotated')?.publish({ issuer, added, removed })
  }

  #noteFailed(error: unknown): void {
    if (this.document.value) this.#spend(error instanceof IssuerFailure ? error.attempts : 1)
    const code = error instanceof UnavailableError ? 'ERR_DISCOVERY_FAILED' : 'ERR_KEYS_UNAVAILABLE'
    publishFailedRefresh(this.#server.issuer, 'keys', code, error, this.document.pauseMs)
  }

  #spend(requests: number): void {
    for (let spent = 0; spent < requests; spent++) this.#refetches.spend()
  }

  #unavailable(error: unknown, retryAfterMs: number): Error {
    return unavailable('ERR_KEYS_UNAVAILABLE', error, retryAfterMs)
  }
}
