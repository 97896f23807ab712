import { randomUUID } from 'node:crypto'
import { createIntrospectionCache, createReplayStore, type RedisClient } from '@telnyx-auth/redis'
import { Cluster, Redis } from 'ioredis'
import { Cluster as ValkeyCluster } from 'iovalkey'
import { createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { freePort, RedisServer, redisPath } from '../support/redis.js'

/** A cluster of two servers: each refuses commands with keys of several slots, and redirects those for the slots of the other. */

const SLOTS = [
  ['0', '8191'],
  ['8192', '16383'],
] as const

describe.skipIf(redisPath === undefined)('a cluster', () => {
  const servers: RedisServer[] = []
  const admins: Redis[] = []
  const clients = new Map<string, RedisClient>()
  const closers: (() => unknown)[] = []
  beforeAll(async () => {
    const buses = [await freePort(), await freePort()]
    for (const [index, bus] of buses.entries()) {
      const announced = ['--cluster-announce-ip', '127.0.0.1', '--cluster-port', String(bus)]
      const server = await RedisServer.start(['--cluster-enabled', 'yes', ...announced])
      servers.push(server)
      const admin = new Redis(server.port, '127.0.0.1')
      closers.push(() => admin.disconnect())
      admins.push(admin)
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', ...(SLOTS[index] ?? expect.fail('There are two servers')))
    }
    const [first, second] = admins
    await first?.call('CLUSTER', 'MEET', '127.0.0.1', String(servers[1]?.port), String(buses[1]))
    // A server of a cluster waits for two seconds before it takes writes.
    for (const admin of [first, second])
      await vi.waitFor(async () => expect(await admin?.cluster('INFO')).toContain('cluster_state:ok'), {
        timeout: 20_000,
      })
    const port = servers[0]?.port ?? 0
    const nodes = [{ host: '127.0.0.1', port }]
    const nodeRedis = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] })
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
    for (const server of servers) await server.remove()
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
    // Both servers have some of the keys.
    for (const admin of admins) expect(await admin.dbsize()).toBeGreaterThan(20)
  })
})
