import { UnavailableError } from '../../errors/errors.js'
import { IssuerFailure } from '../../errors/issuer-failure.js'
import { watched } from '../../telemetry/events.js'
import type { IssuerAccess, IssuerMetadata } from '../discovery/issuer-metadata.js'
import { CachedDocument } from '../http/cached-document.js'
import { SpreadBudget } from '../http/pacing.js'
import { publishFailedRefresh, unavailable } from '../http/unavailable.js'
import { JwksSource } from './jwks-source.js'
import { isPlausibleKid } from './key-id.js'
import type { ResolvedKeys } from './keys-options.js'
import type { VerificationKeys } from './verification-keys.js'

/** How long a request waits for a refresh before stale keys are used. */
const STALE_WAIT_MS = 1_000
/** How many absent key ids are remembered. */
const MAX_ABSENT_KIDS = 1000

/** The search for the key of one token. */
export interface KeySearch {
  /** The key id of the token. */
  readonly kid: string | undefined
  /** The newest generation when the token arrived: sets up to it were fetched earlier, and may predate the token's key. */
  readonly generation: number
  /** Which source of newer keys comes next. */
  next: 'refetch' | 'refetch-again' | 'none'
  /** Whether the newest keys were fetched after the token arrived. */
  isLookedUp: boolean
}

/** Keeps the keys of an issuer current: the refetch limit, a moved `jwks_uri`, and the memory of absent key ids. */
export class KeyRefresh {
  readonly document: CachedDocument<VerificationKeys>
  readonly #issuer: string
  readonly #source: JwksSource
  /** The refetch limit: two within the cooldown, for any number of tokens. */
  readonly #refetches: SpreadBudget
  /** Key ids that were looked up in keys fetched for their token and were not there, the oldest first. */
  readonly #absentKids = new Set<string>()

  constructor(server: IssuerMetadata, access: IssuerAccess, options: ResolvedKeys) {
    const { client, limits, clock } = access
    this.#issuer = server.issuer
    this.#source = new JwksSource(server, access, options)
    this.#refetches = new SpreadBudget(options.cooldownMs, clock)
    this.document = new CachedDocument<VerificationKeys>({
      clock,
      timeoutMs: limits.timeoutMs,
      maxStaleMs: options.maxStaleMs,
      staleWaitMs: STALE_WAIT_MS,
      waitMs: () => Math.max(client.waitMs, server.keysWaitMs),
      fetch: async (deadline) => {
        const fetched = await this.#source.fetch(deadline, this.document.value)
        this.#spend(fetched.retries)
        return fetched
      },
      refreshed: (keys, previous) => this.#noteRefreshed(keys, previous),
      failed: (error) => this.#noteFailed(error),
    })
  }

  /** Whether the key set is configured, and never changes. */
  get fixed(): boolean {
    return this.#source.fixed
  }

  /** Whether newer keys may have the key of a token, of which the tried ones did not. */
  mayBeNewer({ kid }: KeySearch, kidMatched: boolean): boolean {
    return !this.fixed && (kid === undefined || (!kidMatched && isPlausibleKid(kid)))
  }

  /**
   * The next key set in which the key of a token may be: refetched keys first, then the keys at a moved address.
   *
   * @param tried the set that was tried last
   * @returns `undefined` when there is none
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`, `ERR_KEYS_UNAVAILABLE`: that the key is unknown cannot be told now
   */
  async newerKeys(search: KeySearch, tried: VerificationKeys): Promise<VerificationKeys | undefined> {
    // Tokens that arrive at the same moment must all have their generation before the first of them refetches.
    if (search.next === 'refetch') await undefined
    if (search.next !== 'none') {
      search.next = 'refetch-again'
      const newer = await this.#refetchedFor(search, tried)
      if (newer) return newer
      search.next = 'none'
      if (await this.#source.hasMoved(STALE_WAIT_MS)) {
        const moved = await this.#fetchMoved()
        search.isLookedUp = true
        return moved
      }
    }
    if (search.kid !== undefined) this.#noteAbsent(search.kid, search.isLookedUp)
    return undefined
  }

  /** The error for a request that cannot be decided without keys. One failure answers many requests. */
  unavailable(error: unknown, retryAfterMs: number = this.document.pauseMs): Error {
    return unavailable('ERR_KEYS_UNAVAILABLE', error, retryAfterMs)
  }

  /** Keys other than the tried ones; `undefined` when none were fetched after the token arrived, and none can be now. */
  async #refetchedFor(search: KeySearch, tried: VerificationKeys): Promise<VerificationKeys | undefined> {
    const { document } = this
    while (document.value !== tried || document.generation <= search.generation) {
      const keys = await this.#refetch(tried)
      search.isLookedUp = keys !== undefined
      if (keys !== tried) return keys
    }
    return undefined
  }

  /**
   * Fetches the keys again, as often as the refetch limit allows.
   *
   * @returns `undefined` when the limit is reached, and the issuer does not fail
   */
  async #refetch(tried: VerificationKeys): Promise<VerificationKeys | undefined> {
    const { document } = this
    // Another token may have caused a refetch while this one was tried.
    if (document.value !== undefined && document.value !== tried) return document.value
    // A refresh in progress is joined, and a pause repeats its failure: neither sends a request.
    if (!document.isRefreshing && document.pauseMs === 0 && this.#refetchWaitMs > 0) {
      // The token may be good: while the issuer fails, that cannot be decided, and is not the caller's fault.
      if (document.failure) throw this.unavailable(document.failure.error, this.#refetchWaitMs)
      return undefined
    }
    return this.#refresh()
  }

  /** Fetches the keys at the address to which they moved. */
  async #fetchMoved(): Promise<VerificationKeys> {
    // A refresh in progress may have begun at the old address.
    const wasRefreshing = this.document.isRefreshing
    const keys = await this.#refresh()
    return wasRefreshing && (await this.#source.hasMoved(STALE_WAIT_MS)) ? this.#refresh() : keys
  }

  async #refresh(): Promise<VerificationKeys> {
    try {
      return await this.document.refresh()
    } catch (error) {
      throw this.unavailable(error, Math.max(this.document.pauseMs, this.#refetchWaitMs))
    }
  }

  /** Milliseconds until the refetch limit allows a refetch. While the issuer fails, its pauses spread the requests. */
  get #refetchWaitMs(): number {
    return this.document.failure ? this.#refetches.unspreadWaitMs : this.#refetches.waitMs
  }

  #spend(requests: number): void {
    for (let spent = 0; spent < requests; spent++) this.#refetches.spend()
  }

  /**
   * Remembers a key id that is not in the newest keys, or refuses to decide about one that was never looked up in them.
   *
   * @param isLookedUp whether the keys were fetched after its token arrived
   * @throws {UnavailableError} `ERR_KEYS_UNAVAILABLE`: the key may be new, and the refetch limit is reached
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
    // Moved to the end: the oldest is evicted first.
    this.#absentKids.delete(kid)
    this.#absentKids.add(kid)
    const [oldest] = this.#absentKids
    if (this.#absentKids.size > MAX_ABSENT_KIDS && oldest !== undefined) this.#absentKids.delete(oldest)
  }

  #noteRefreshed(keys: VerificationKeys, previous: VerificationKeys | undefined): void {
    // The initial load does not count against the refetch limit; each later refresh does.
    if (previous) this.#spend(1)
    const issuer = this.#issuer
    const keysLeftOut = keys.reportedLeftOut
    watched('keysRefreshed')?.publish({
      issuer,
      keyIds: keys.ids,
      ...(keysLeftOut && { keysLeftOut }),
      durationMs: this.document.ageMs ?? 0,
    })
    if (!previous || previous === keys) return
    const [now, then] = [new Set(keys.ids), new Set(previous.ids)]
    const added = [...now].filter((kid) => !then.has(kid))
    const removed = [...then].filter((kid) => !now.has(kid))
    // A withdrawn key is not a new one: its tokens are refused without a lookup.
    for (const kid of removed) this.#rememberAbsent(kid)
    if (added.length > 0 || removed.length > 0) watched('keysRotated')?.publish({ issuer, added, removed })
  }

  #noteFailed(error: unknown): void {
    if (this.document.value) this.#spend(error instanceof IssuerFailure ? error.attempts : 1)
    const code = error instanceof UnavailableError ? 'ERR_DISCOVERY_FAILED' : 'ERR_KEYS_UNAVAILABLE'
    publishFailedRefresh(this.#issuer, 'keys', code, error, this.document.pauseMs)
  }
}
