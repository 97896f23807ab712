import { ConfigurationError } from '@telnyx-auth/core'
import { type Commands, type RedisClient, resolveCommands } from './client.js'

/** What each store of this package needs. */
export interface StoreOptions {
  /**
   * The client that the application has already: of `redis`, `ioredis` or `iovalkey`. It may still be connecting. Its owner connects
   * and closes it.
   */
  readonly client: RedisClient
  /**
   * How long a command may take, in milliseconds, 1 to 10,000.
   *
   * @default 100
   */
  readonly timeoutMs?: number | undefined
}

/** The options that all stores have, checked. */
export interface ResolvedStoreOptions {
  readonly commands: Commands
  readonly prefix: string
  readonly timeoutMs: number
}

/**
 * Checks that options are an object with known members only.
 *
 * @returns a copy that inherits nothing: a member that is left out must not come from a polluted `Object.prototype`
 * @throws {ConfigurationError}
 */
export function checkNames(options: unknown, known: readonly string[]): Record<string, unknown> {
  if (!isPlainObject(options)) throw new ConfigurationError('The options must be a plain object')
  const own: Record<string, unknown> = Object.assign(Object.create(null), options)
  for (const name of Object.keys(own))
    if (!known.includes(name))
      throw new ConfigurationError(
        `There is no option "${name}"; there are ${known.map((each) => `"${each}"`).join(', ')}`,
      )
  return own
}

/** As in core: members of a class would be ignored. */
function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // Only `Object.prototype` has this method itself, also that of another realm.
  return prototype === null || Object.hasOwn(prototype ?? {}, 'isPrototypeOf')
}

/**
 * Checks the options that all stores have.
 *
 * @throws {ConfigurationError} with the name of an option, and never its value
 */
export function resolveStoreOptions(
  { client, prefix, timeoutMs = 100 }: Readonly<Record<string, unknown>>,
  defaultPrefix: string,
): ResolvedStoreOptions {
  if (!(typeof timeoutMs === 'number' && timeoutMs >= 1 && timeoutMs <= 10_000))
    throw new ConfigurationError('Option "timeoutMs" must be a number from 1 to 10000')
  return { commands: resolveCommands(client), prefix: checkPrefix(prefix, defaultPrefix), timeoutMs }
}

function checkPrefix(prefix: unknown, defaultPrefix: string): string {
  if (prefix === undefined) return defaultPrefix
  if (typeof prefix === 'string' && /^[\x21-\x7e]{1,100}$/.test(prefix)) return prefix
  throw new ConfigurationError(
    'Option "prefix" must be a string of 1 to 100 printable ASCII characters without spaces',
  )
}
