import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createIntrospectionCache, createReplayStore } from '@telnyx-auth/redis'
import { createClient, createClientPool, RESP_TYPES } from 'redis'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CLIENT_NAMES, redisPath } from '../support/redis.js'
import { useRedis } from './shared-server.js'

describe.skipIf(redisPath === undefined)('createReplayStore', () => {
  const shared = useRedis()

  describe.each(CLIENT_NAMES)('with %s', (name) => {
    it('O7: a key is new once, in this store and in any other with the same server', async () => {
      const [first, second] = [await shared().open(name), await shared().open(name)]
      const stores = [first, second].map(({ client }) => createReplayStore({ client }))
      const key = randomUUID()
      expect(await stores[0]?.add(key, 60)).toBe(true)
      for (const store of stores) expect(await store.add(key, 60)).toBe(false)
      expect(await stores[1]?.add(randomUUID(), 60)).toBe(true)
    })

    it('O7: of 100 simultaneous calls with one key, one is told that it is new', async () => {
      const clients = await Promise.all([shared().open(name), shared().open(name)])
      const stores = clients.map(({ client }) => createReplayStore({ client, timeoutMs: 10_000 }))
      const key = randomUUID()
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => stores.map((store) => store.add(key, 60))).flat(),
      )
      expect(answers.filter((isNew) => isNew)).toHaveLength(1)
    })

    it('O7: a key is kept until it has expired, rounded up to milliseconds', async () => {
      const { client } = await shared().open(name)
      const store = createReplayStore({ client })
      const key = randomUUID()
      await store.add(key, 100.0001)
      const left = await shared().admin.pttl(`telnyx-auth:dpop:${key}`)
      expect(left).toBeGreaterThan(90_000)
      expect(left).toBeLessThanOrEqual(100_001)
      const at = await shared().admin.call('PEXPIRETIME', `telnyx-auth:dpop:${key}`)
      // A second call changes nothing.
      await store.add(key, 500)
      expect(await shared().admin.call('PEXPIRETIME', `telnyx-auth:dpop:${key}`)).toBe(at)
    })

    it('a key that has expired is new again', async () => {
      const { client } = await shared().open(name)
      const store = createReplayStore({ client })
      const key = randomUUID()
      await store.add(key, 60)
      await shared().admin.pexpireat(`telnyx-auth:dpop:${key}`, 1)
      expect(await store.add(key, 60)).toBe(true)
    })

    it('one that expires at once is not an error', async () => {
      const { client } = await shared().open(name)
      expect(await createReplayStore({ client }).add(randomUUID(), 0)).toBe(true)
    })

    it('the prefix is the option', async () => {
      const { client } = await shared().open(name)
      const prefix = `${randomUUID()}:`
      const [plain, prefixed] = [createReplayStore({ client }), createReplayStore({ client, prefix })]
      const key = randomUUID()
      expect([await plain.add(key, 60), await prefixed.add(key, 60)]).toEqual([true, true])
      expect(await shared().admin.get(`${prefix}${key}`)).toBe('')
    })

    it('sends one command for each proof, with one key', async () => {
      const { client } = await shared().open(name)
      const store = createReplayStore({ client })
      const { admin } = shared()
      await admin.config('RESETSTAT')
      for (let count = 0; count < 10; count++) await store.add(randomUUID(), 60)
      const stats = await admin.info('commandstats')
      const calls = Array.from(stats.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm), ([, command, times]) => [
        command,
        Number(times),
      ])
      expect(calls.filter(([command]) => !String(command).startsWith('config'))).toEqual([['set', 10]])
    })

    it('with a user that may do no more than the README says', async () => {
      const readme = await readFile(new URL('../../packages/redis/README.md', import.meta.url), 'utf8')
      const [, rules = ''] = /`user api on >… ([^`]+)`/.exec(readme) ?? expect.fail('There is no ACL')
      await shared().admin.call('ACL', 'SETUSER', 'api', 'reset', 'on', '>secret', ...rules.split(' '))
      const { client } = await shared().open(name, 'api')
      const store = createReplayStore({ client })
      const key = randomUUID()
      expect([await store.add(key, 60), await store.add(key, 60)]).toEqual([true, false])
      expect(await createIntrospectionCache({ client }).get(key)).toBeUndefined()
      await expect(createReplayStore({ client, prefix: 'other:' }).add(key, 60)).rejects.toThrow(
        /^The command to Redis failed \(NOPERM\)$/,
      )
      await expect(client.get('other')).rejects.toThrow('NOPERM')
    })

    it('O7: a server without memory, and noeviction, refuses the proof and forgets none', async () => {
      const { client } = await shared().open(name)
      const { admin } = shared()
      const store = createReplayStore({ client })
      const key = randomUUID()
      await store.add(key, 60)
      await admin.config('SET', 'maxmemory', '1')
      onTestFinished(async () => {
        await admin.config('SET', 'maxmemory', '0')
      })
      await expect(store.add(randomUUID(), 60)).rejects.toThrow('The command to Redis failed (OOM)')
      await admin.config('SET', 'maxmemory', '0')
      expect(await store.add(key, 60)).toBe(false)
    })

    it('expects a number of seconds', async () => {
      const { client } = await shared().open(name)
      for (const seconds of [Number.NaN, Number.POSITIVE_INFINITY])
        for (const onUnavailable of ['reject', 'memory'] as const)
          await expect(createReplayStore({ client, onUnavailable }).add('key-1', seconds)).rejects.toThrow(
            RangeError,
          )
    })
  })

  it('with a pool of redis', async () => {
    const pool = createClientPool({ socket: { host: '127.0.0.1', port: shared().server.port } })
    await pool.connect()
    onTestFinished(() => pool.destroy())
    const store = createReplayStore({ client: pool })
    const key = randomUUID()
    expect([await store.add(key, 60), await store.add(key, 60)]).toEqual([true, false])
  })

  it('with a client of redis that makes buffers of strings', async () => {
    const client = createClient({ socket: { host: '127.0.0.1', port: shared().server.port } })
    await client.connect()
    onTestFinished(() => client.destroy())
    const mapped = client.withTypeMapping({
      [RESP_TYPES.SIMPLE_STRING]: Buffer,
      [RESP_TYPES.BLOB_STRING]: Buffer,
    })
    const store = createReplayStore({ client: mapped })
    const key = randomUUID()
    expect([await store.add(key, 60), await store.add(key, 60)]).toEqual([true, false])
  })
})
