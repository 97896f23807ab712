import type { ReplayStore } from '@telnyx-auth/core'
import { ConfigurationError } from '@telnyx-auth/core'
import { createIntrospectionCache, createReplayStore, type RedisClient } from '@telnyx-auth/redis'
import { Cluster, Redis } from 'ioredis'
import { Redis as IoValkey, Cluster as ValkeyCluster } from 'iovalkey'
import { createClient, createClientPool, createCluster, createSentinel } from 'redis'
import { afterAll, describe, expect, it } from 'vitest'

/** None of them is connected: a client is looked at, and not used, when a store is created. */
const nodeRedis = createClient()
const lazy = { lazyConnect: true }
const nodes = [{ host: '127.0.0.1', port: 1 }]
const ioRedis = new Redis(lazy)
const ioValkey = new IoValkey(lazy)
const ioRedisCluster = new Cluster(nodes, lazy)
const ioValkeyCluster = new ValkeyCluster(nodes, lazy)

afterAll(() => {
  for (const client of [ioRedis, ioValkey, ioRedisCluster, ioValkeyCluster]) client.disconnect()
})

// Each is of the declared type, too.
const CLIENTS: readonly (readonly [string, RedisClient])[] = [
  ['redis', nodeRedis],
  ['redis, with RESP 2', createClient({ RESP: 2 })],
  ['redis, with options for commands', nodeRedis.withCommandOptions({ asap: true })],
  ['redis, a pool', createClientPool()],
  ['redis, a cluster', createCluster({ rootNodes: [{ url: 'redis://127.0.0.1:1' }] })],
  ['redis, Sentinel', createSentinel({ name: 'main', sentinelRootNodes: nodes })],
  ['ioredis', ioRedis],
  ['ioredis, a cluster', ioRedisCluster],
  ['iovalkey', ioValkey],
  ['iovalkey, a cluster', ioValkeyCluster],
]

const ignored = () => undefined

/** Members of clients of redis 4, which ignores `condition`: a proof would always be new. */
const version4 = {
  set: ignored,
  get: ignored,
  SET: ignored,
  GET: ignored,
  sendCommand: ignored,
  isOpen: true,
}

const OTHERS: readonly (readonly [string, unknown])[] = [
  ['undefined', undefined],
  ['null', null],
  ['a URL', 'redis://127.0.0.1'],
  ['an object', {}],
  ['a map', new Map()],
  ['a promise of a client', Promise.resolve(nodeRedis)],
  ['a class', Redis],
  ['a client of redis 4', version4],
  ['a transaction of redis', nodeRedis.multi()],
  ['a client of redis with callbacks', nodeRedis.legacy()],
  ['a pipeline of ioredis', ioRedis.pipeline()],
  ['a transaction of ioredis', ioRedis.multi()],
  ['a pipeline of iovalkey', ioValkey.pipeline()],
  ['a client of another package', { set: ignored, get: ignored }],
]

/** As plain JavaScript calls it. */
function create(factory: (options: never) => unknown, options: unknown): unknown {
  return Reflect.apply(factory, undefined, [options])
}

const FACTORIES: readonly (readonly [string, (options: never) => unknown])[] = [
  ['createReplayStore', createReplayStore],
  ['createIntrospectionCache', createIntrospectionCache],
]

describe.each(FACTORIES)('%s', (_, factory) => {
  it.each(CLIENTS)('takes a client: %s', (_name, client) => {
    expect(create(factory, { client })).toBeTypeOf('object')
  })

  it.each(OTHERS)('refuses %s', (_name, client) => {
    expect(() => create(factory, { client })).toThrow(
      /^Option "client" must be a client of "redis" \(version 6\), "ioredis" \(version 6\) or "iovalkey"/,
    )
  })

  it.each([
    ['no options', undefined, 'The options must be a plain object'],
    ['a client instead of options', nodeRedis, 'The options must be a plain object'],
    ['an array', [], 'The options must be a plain object'],
    [
      'an unknown option',
      { client: nodeRedis, prefx: 'x' },
      /^There is no option "prefx"; there are "client", /,
    ],
    ['no time', { client: nodeRedis, timeoutMs: 0 }, 'Option "timeoutMs" must be a number from 1 to 10000'],
    ['too long', { client: nodeRedis, timeoutMs: 10_001 }, /timeoutMs/],
    ['NaN', { client: nodeRedis, timeoutMs: Number.NaN }, /timeoutMs/],
    ['a time as a string', { client: nodeRedis, timeoutMs: '100' }, /timeoutMs/],
    ['an empty prefix', { client: nodeRedis, prefix: '' }, /^Option "prefix" must be a string of 1 to 100/],
    ['a prefix with a space', { client: nodeRedis, prefix: 'a b' }, /prefix/],
    ['a prefix with a line break', { client: nodeRedis, prefix: 'a\n' }, /prefix/],
    ['a long prefix', { client: nodeRedis, prefix: 'a'.repeat(101) }, /prefix/],
    ['another kind of prefix', { client: nodeRedis, prefix: Buffer.from('a') }, /prefix/],
  ])('refuses %s', (_name, options, message) => {
    expect(() => create(factory, options)).toThrow(ConfigurationError)
    expect(() => create(factory, options)).toThrow(message)
  })

  it('takes the ends of the range, and undefined for a default', () => {
    for (const timeoutMs of [1, 10_000, undefined])
      expect(create(factory, { client: nodeRedis, timeoutMs, prefix: undefined })).toBeTypeOf('object')
  })
})

it('onUnavailable is "reject" or "memory"', () => {
  const stores: ReplayStore[] = (['reject', 'memory', undefined] as const).map((onUnavailable) =>
    createReplayStore({ client: nodeRedis, onUnavailable }),
  )
  expect(stores).toHaveLength(3)
  for (const onUnavailable of ['accept', null, true])
    expect(() => create(createReplayStore, { client: nodeRedis, onUnavailable })).toThrow(
      'Option "onUnavailable" must be "reject" or "memory"',
    )
})
