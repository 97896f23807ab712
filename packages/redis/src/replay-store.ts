import { ConfigurationError, createMemoryReplayStore, type ReplayStore } from '@telnyx-auth/core'
import type { Commands } from './client.js'
import { Guard } from './guard.js'
import { checkNames, type ResolvedStoreOptions, resolveStoreOptions, type StoreOptions } from './options.js'
import { StoreUnavailableError } from './store-unavailable-error.js'

/** The options of `createReplayStore`. */
export interface ReplayStoreOptions extends StoreOptions {
  /**
   * What the keys in Redis begin with. APIs that share a server, and not their callers, each need a prefix of their own.
   *
   * @default 'telnyx-auth:dpop:'
   */
  readonly prefix?: string | undefined
  /**
   * What becomes of a proof while Redis does not answer. `'reject'`: 503. `'memory'`: this process alone decides. It then accepts a
   * proof once, but so does each other process of the fleet: a stolen proof can be used once on each of them.
   *
   * With `'memory'`, each process always remembers its own proofs as well, up to 500,000 (some 60 MB). So it never accepts a proof
   * twice, also not when Redis comes or goes in between.
   *
   * @default 'reject'
   */
  readonly onUnavailable?: 'reject' | 'memory' | undefined
}

/**
 * Creates a store of used proofs (RFC 9449 §11.1) for a fleet, on Redis or Valkey: a proof is accepted once, on all machines together.
 * One round trip for each proof: `SET key '' NX PX milliseconds`.
 *
 * @throws {ConfigurationError} at once, for a client of another kind, an unknown option or one that is out of range
 *
 * @example
 * import { telnyxAuth } from '@telnyx-auth/express'
 * import { createClient } from 'redis'
 *
 * const client = await createClient({ url: 'redis://redis.internal' }).on('error', console.error).connect()
 * const replayStore = createReplayStore({ client })
 * app.use(telnyxAuth({ audience: 'https://api.example.com', dpop: { mode: 'required', replayStore } }))
 */
export function createReplayStore(options: ReplayStoreOptions): ReplayStore {
  const given = checkNames(options, ['client', 'prefix', 'timeoutMs', 'onUnavailable'])
  const { onUnavailable = 'reject' } = given
  if (onUnavailable !== 'reject' && onUnavailable !== 'memory')
    throw new ConfigurationError('Option "onUnavailable" must be "reject" or "memory"')
  const store = new RedisReplayStore(resolveStoreOptions(given, 'telnyx-auth:dpop:'))
  return onUnavailable === 'reject' ? store : new FallbackReplayStore(store, createMemoryReplayStore())
}

class RedisReplayStore implements ReplayStore {
  readonly #commands: Commands
  readonly #prefix: string
  readonly #guard: Guard

  constructor({ commands, prefix, timeoutMs }: ResolvedStoreOptions) {
    this.#commands = commands
    this.#prefix = prefix
    this.#guard = new Guard(timeoutMs)
  }

  async add(key: string, expiresInSeconds: number): Promise<boolean> {
    // A key may be forgotten later, never before. The server refuses 0.
    const milliseconds = Math.max(1, Math.ceil(expiresInSeconds * 1000))
    if (!Number.isSafeInteger(milliseconds))
      throw new RangeError('A key must expire after a number of seconds')
    return this.#guard.run(() => this.#commands.add(this.#prefix + key, milliseconds))
  }
}

/** Decides in memory while the shared store does not answer. */
class FallbackReplayStore implements ReplayStore {
  readonly #shared: ReplayStore
  readonly #memory: ReplayStore
  readonly #warned = new Set<string>()
  /** Until when some proofs may be good that the shared store alone remembers, because the memory was full. */
  #incompleteUntil = 0

  constructor(shared: ReplayStore, memory: ReplayStore) {
    this.#shared = shared
    this.#memory = memory
  }

  async add(key: string, expiresInSeconds: number): Promise<boolean> {
    // Always, not only in an outage: a proof that was accepted before it must not be accepted again in it, nor after it.
    const isNewHere = await this.#memory.add(key, expiresInSeconds).catch(() => undefined)
    if (isNewHere === false) return false
    if (isNewHere === undefined)
      this.#incompleteUntil = Math.max(this.#incompleteUntil, performance.now() + expiresInSeconds * 1000)
    try {
      return await this.#shared.add(key, expiresInSeconds)
    } catch (error) {
      // The memory is full, or was.
      const isIncomplete = !(performance.now() >= this.#incompleteUntil)
      if (isIncomplete || !(error instanceof StoreUnavailableError)) throw error
      this.#warn(error.message)
      return true
    }
  }

  /** Once for each cause. Nothing else tells that the fleet has no store together. */
  #warn(cause: string): void {
    if (this.#warned.has(cause)) return
    this.#warned.add(cause)
    process.emitWarning(`Each process decides alone which proofs are new: ${cause}`, {
      type: 'TelnyxAuthWarning',
      code: 'ERR_REPLAY_STORE_UNAVAILABLE',
    })
  }
}
