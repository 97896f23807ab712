import { randomUUID } from 'node:crypto'
import { createIntrospectionCache, createReplayStore, type RedisClient } from '@telnyx-auth/redis'
import { Cluster, Redis } from 'ioredis'
import { Cluster as ValkeyCluster } from 'iovalkey'
import { createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { freePort, RedisServer, redisPath } from '../support/redis.js'

/** A cluster of one server: it refuses commands with keys of several slots, and clients have to find it first. */

describe.skipIf(redisPath === undefined)('a cluster', () => {
  let server: RedisServer
  const clients = new Map<string, RedisClient>()
  const closers: (() => unknown)[] = []
  beforeAll(async () => {
    const bus = [
      '--cluster-enabled',
      'yes',
      '--cluster-announce-ip',
      '127.0.0.1',
      '--cluster-port',
      String(await freePort()),
    ]
    server = await RedisServer.start(bus)
    const admin = new Redis(server.port, '127.0.0.1')
    closers.push(() => admin.disconnect())
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    // A server of a cluster waits for two seconds before it takes writes.
    await vi.waitFor(async () => expect(await admin.cluster('INFO')).toContain('cluster_state:ok'), {
      timeout: 20_000,
    })
    const nodes = [{ host: '127.0.0.1', port: server.port }]
    const nodeRedis = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${server.port}` }] })
    await nodeRedis.connect()
    const [ioRedis, ioValkey] = [new Cluster(nodes), new ValkeyCluster(nodes)]
    closers.push(
      () => nodeRedis.destroy(),
      () => ioRedis.disconnect(),
      () => ioValkey.disconnect(),
    )
    clients.set('redis', nodeRedis).set('ioredis', ioRedis).set('iovalkey', ioValkey)
  })
  afterAll(async () => {
    for (const close of closers) await close()
    await server.remove()
  })

  it.each(['redis', 'ioredis', 'iovalkey'])('O7: with %s, each command has one key', async (name) => {
    const client = clients.get(name) ?? expect.fail('There is a client')
    const store = createReplayStore({ client, timeoutMs: 10_000 })
    const cache = createIntrospectionCache({ client, timeoutMs: 10_000 })
    const keys = Array.from({ length: 50 }, () => randomUUID())
    const add = () => Promise.all(keys.map((key) => store.add(key, 60)))
    expect(await add()).toEqual(keys.map(() => true))
    expect(await add()).toEqual(keys.map(() => false))
    await Promise.all(keys.map((key) => cache.set(key, `value of ${key}`, 60)))
    expect(await Promise.all(keys.map((key) => cache.get(key)))).toEqual(keys.map((key) => `value of ${key}`))
  })
})
