import type { SharedIntrospectionCache } from '@telnyx-auth/core'
import type { Commands } from './client.js'
import { Guard } from './guard.js'
import { checkNames, type ResolvedStoreOptions, resolveStoreOptions, type StoreOptions } from './options.js'

/** The options of `createIntrospectionCache`. */
export interface IntrospectionCacheOptions extends StoreOptions {
  /**
   * What the keys in Redis begin with.
   *
   * @default 'telnyx-auth:introspection:'
   */
  readonly prefix?: string | undefined
}

/**
 * Creates a cache of introspection answers (RFC 7662 §4) for a fleet, on Redis or Valkey: the issuer is asked once, not once by each
 * process. Core derives the keys and seals the values, so a reader of the server learns no token and no claim, and a writer cannot
 * make a token active. While Redis does not answer, the issuer is asked as if there were no cache.
 *
 * @throws {ConfigurationError} at once, for a client of another kind, an unknown option or one that is out of range
 *
 * @example
 * import { telnyxAuth } from '@telnyx-auth/express'
 * import { Redis } from 'ioredis'
 *
 * const cache = createIntrospectionCache({ client: new Redis('rediss://redis.internal') })
 * app.use(telnyxAuth({ audience: 'https://api.example.com', introspection: { when: 'always', cache } }))
 */
export function createIntrospectionCache(options: IntrospectionCacheOptions): SharedIntrospectionCache {
  const given = checkNames(options, ['client', 'prefix', 'timeoutMs'])
  return new RedisIntrospectionCache(resolveStoreOptions(given, 'telnyx-auth:introspection:'))
}

class RedisIntrospectionCache implements SharedIntrospectionCache {
  readonly #commands: Commands
  readonly #prefix: string
  readonly #guard: Guard

  constructor({ commands, prefix, timeoutMs }: ResolvedStoreOptions) {
    this.#commands = commands
    this.#prefix = prefix
    this.#guard = new Guard(timeoutMs)
  }

  async get(key: string): Promise<string | undefined> {
    return this.#guard.run(() => this.#commands.get(this.#prefix + key))
  }

  async set(key: string, value: string, expiresInSeconds: number): Promise<void> {
    // Never kept past the end of the answer: rounded down.
    const milliseconds = Math.floor(expiresInSeconds * 1000)
    if (!(milliseconds >= 1)) return
    if (!Number.isSafeInteger(milliseconds))
      throw new RangeError('An answer must expire after a number of seconds')
    return this.#guard.run(() => this.#commands.set(this.#prefix + key, value, milliseconds))
  }
}
