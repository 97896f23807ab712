import { ConfigurationError } from '@telnyx-auth/core'

/**
 * What is used of a client of `redis` (node-redis): one connection, a pool, a cluster, or through Sentinel.
 *
 * Only its shape is declared: this package imports no client.
 */
export interface NodeRedisClient {
  /** `SET key value PX milliseconds`, with the condition `NX` for a key that must be new. */
  set(
    key: string,
    value: string,
    options: {
      readonly condition?: 'NX'
      readonly expiration: { readonly type: 'PX'; readonly value: number }
    },
  ): Promise<unknown>
  /** `GET key`. */
  get(key: string): Promise<unknown>
  /** Older versions, which would ignore `condition`, do not have this method. */
  withTypeMapping(mapping: object): unknown
}

/** What is used of a client of `ioredis` or `iovalkey`: one connection, a cluster, or through Sentinel. */
export interface IoRedisClient {
  /** What the connection is doing. Only a client has it, and no pipeline or transaction. */
  readonly status: string
  /** `SET key value PX milliseconds`. */
  set(key: string, value: string, px: 'PX', milliseconds: number): Promise<unknown>
  /** `SET key value PX milliseconds NX`, for a key that must be new. */
  set(key: string, value: string, px: 'PX', milliseconds: number, nx: 'NX'): Promise<unknown>
  /** `GET key`. */
  get(key: string): Promise<unknown>
}

/** A client that is connected, or connects: of `redis`, `ioredis` or `iovalkey`. Its owner closes it. */
export type RedisClient = NodeRedisClient | IoRedisClient

/** The commands that this package sends. Each names one key, so that it works in a cluster, and takes one round trip. */
export interface Commands {
  /** `SET key '' NX PX milliseconds`: true where the key is new. */
  add(key: string, milliseconds: number): Promise<boolean>
  /** `SET key value PX milliseconds`. */
  set(key: string, value: string, milliseconds: number): Promise<void>
  /** `GET key`. */
  get(key: string): Promise<string | undefined>
}

/**
 * Checks the option `client`, and finds out of which kind it is.
 *
 * @throws {ConfigurationError}
 */
export function resolveCommands(client: unknown): Commands {
  if (isNodeRedis(client)) return nodeRedisCommands(client)
  if (isIoRedis(client)) return ioRedisCommands(client)
  throw new ConfigurationError(
    'Option "client" must be a client of "redis" (version 6), "ioredis" (version 6) or "iovalkey", not a pipeline, a transaction, a promise or anything else',
  )
}

function nodeRedisCommands(client: NodeRedisClient): Commands {
  const expiration = (milliseconds: number) => ({ type: 'PX', value: milliseconds }) as const
  return {
    add: async (key, milliseconds) =>
      isNew(await client.set(key, '', { condition: 'NX', expiration: expiration(milliseconds) })),
    set: async (key, value, milliseconds) =>
      checkOk(await client.set(key, value, { expiration: expiration(milliseconds) })),
    get: async (key) => textOf(await client.get(key)),
  }
}

function ioRedisCommands(client: IoRedisClient): Commands {
  return {
    add: async (key, milliseconds) => isNew(await client.set(key, '', 'PX', milliseconds, 'NX')),
    set: async (key, value, milliseconds) => checkOk(await client.set(key, value, 'PX', milliseconds)),
    get: async (key) => textOf(await client.get(key)),
  }
}

/** Not a transaction (`multi()`), not `legacy()`, and no older version: none of them has `withTypeMapping`. */
function isNodeRedis(client: unknown): client is NodeRedisClient {
  return hasMethods(client, ['set', 'get', 'SET', 'GET', 'withTypeMapping'])
}

/** Not a pipeline or transaction, whose commands wait for `exec`. Only a client has a status. */
function isIoRedis(client: unknown): client is IoRedisClient {
  return (
    hasMethods(client, ['set', 'get', 'call', 'defineCommand']) &&
    'status' in client &&
    typeof client.status === 'string'
  )
}

function hasMethods(value: unknown, names: readonly string[]): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => typeof Reflect.get(value, name) === 'function')
  )
}

/** When in doubt, the store is not available: a proof must not count as new. */
function isNew(reply: unknown): boolean {
  if (reply === null) return false
  checkOk(reply)
  return true
}

function checkOk(reply: unknown): void {
  if (textOf(reply) !== 'OK') throw new UnexpectedReplyError()
}

/** A type mapping of node-redis makes buffers of strings. */
function textOf(reply: unknown): string | undefined {
  if (reply === null) return undefined
  if (typeof reply === 'string') return reply
  if (reply instanceof Uint8Array) return Buffer.from(reply).toString('utf8')
  throw new UnexpectedReplyError()
}

class UnexpectedReplyError extends Error {
  override readonly name = 'UnexpectedReplyError'
}
