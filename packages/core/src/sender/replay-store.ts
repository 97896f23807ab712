import { type Clock, GuardedClock, systemClock } from '../base/clock.js'
import { applyChecks, checkNames, wholeNumberIn } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'

/**
 * Remembers which proofs were used, until they are too old to be used again (RFC 9449 §11.1). Several machines that accept the
 * same tokens need one store together, such as `createReplayStore` of `@telnyx-auth/redis`; by default, each verifier has one in
 * memory.
 *
 * @example
 * import type { ReplayStore } from '@telnyx-auth/core'
 *
 * const store: ReplayStore = {
 *   add: (key, expiresInSeconds) => database.insertIfAbsent(key, { expiresAt: Date.now() + expiresInSeconds * 1000 }),
 * }
 */
export interface ReplayStore {
  /**
   * Adds the key of a proof. It has to be one step: of two simultaneous calls with the same key, one is told `true`.
   *
   * @param key a digest of 43 characters, never what a caller wrote
   * @param expiresInSeconds after how many seconds the key may be forgotten: not before
   * @returns `true` when the key is new, `false` when it was there
   * @throws anything when that cannot be told; the request is then answered with 503
   */
  add(key: string, expiresInSeconds: number): Promise<boolean>
}

/** How full a store in memory is. */
export interface ReplayStoreHealth {
  /** The proofs that it remembers. */
  readonly entries: number
  /** When it has as many, new proofs are answered with 503. */
  readonly maxEntries: number
}

/** About 5,000 proofs a second, for a window of a minute, in some 60 MB. */
const MAX_ENTRIES = 500_000
/** An entry is kept for so much longer at most. */
const SLOT_MS = 30_000

/** Thrown by a store that has no room. */
export class ReplayStoreFullError extends Error {
  constructor() {
    super('The replay store is full')
  }
}

/**
 * A replay store of one process. When it is full, it refuses new proofs: a proof that was forgotten could be used again.
 *
 * Entries are removed soon after they have expired. The clock is monotonic: a change of the wall clock forgets nothing.
 */
export class MemoryReplayStore implements ReplayStore {
  readonly #clock: Clock
  readonly #maxEntries: number
  /** The keys by the slot of time in which they expire. A whole slot is dropped at once, so that no entry has to be looked for. */
  readonly #slots = new Map<number, Set<string>>()
  #entries = 0

  constructor(clock: Clock, maxEntries: number = MAX_ENTRIES) {
    this.#clock = clock
    this.#maxEntries = maxEntries
  }

  get health(): ReplayStoreHealth {
    return { entries: this.#entries, maxEntries: this.#maxEntries }
  }

  /** @throws {ReplayStoreFullError} */
  async add(key: string, expiresInSeconds: number): Promise<boolean> {
    const now = this.#clock.monotonic()
    this.#removeExpired(now)
    for (const keys of this.#slots.values()) if (keys.has(key)) return false
    const slot = Math.ceil((now + expiresInSeconds * 1000) / SLOT_MS)
    // Such an entry would stay for ever.
    if (!Number.isFinite(slot)) throw new RangeError('The clock of the replay store returns no number')
    if (this.#entries >= this.#maxEntries) throw new ReplayStoreFullError()
    const keys = this.#slots.get(slot) ?? new Set()
    this.#slots.set(slot, keys.add(key))
    this.#entries++
    return true
  }

  /** With a broken clock, nothing is forgotten. */
  #removeExpired(now: number): void {
    for (const [slot, keys] of this.#slots) {
      if (!(slot * SLOT_MS <= now)) continue
      this.#slots.delete(slot)
      this.#entries -= keys.size
    }
  }
}

/** The options of `createMemoryReplayStore`. */
export interface MemoryReplayStoreOptions {
  /**
   * How many proofs are remembered at most, 1 to 10,000,000, at some 120 bytes each. When it has as many, `add` rejects.
   *
   * @default 500_000
   */
  readonly maxEntries?: number | undefined
}

const MEMORY_CHECKS = {
  maxEntries: wholeNumberIn({ default: MAX_ENTRIES, min: 1, max: 10_000_000 }),
}

/**
 * Creates the replay store that a verifier has by default, in the memory of this process: for several verifiers together, for another
 * size, or as a part of a store of your own.
 *
 * @throws {ConfigurationError} at once, for an unknown option or one that is out of range
 *
 * @example
 * const replayStore = createMemoryReplayStore({ maxEntries: 50_000 })
 * createVerifier({ audience: 'https://api.example.com', dpop: { mode: 'required', replayStore } })
 */
export function createMemoryReplayStore(options: MemoryReplayStoreOptions = {}): ReplayStore {
  const given = checkNames(options, Object.keys(MEMORY_CHECKS), 'option')
  const { maxEntries } = applyChecks(MEMORY_CHECKS, given)
  return new MemoryReplayStore(new GuardedClock(systemClock), maxEntries)
}

/**
 * Checks the option `replayStore`.
 *
 * @throws {ConfigurationError}
 */
export function checkReplayStore(value: unknown): ReplayStore | undefined {
  if (value === undefined) return undefined
  if (isReplayStore(value)) return value
  throw new ConfigurationError('Option "replayStore" must be an object with a method "add"')
}

function isReplayStore(value: unknown): value is ReplayStore {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'add') === 'function'
}
