import { randomUUID } from 'node:crypto'
import { createVerifier } from '@telnyx-auth/core'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { createIntrospectionCache } from '@telnyx-auth/redis'
import { createClient, RESP_TYPES } from 'redis'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { CLIENT_NAMES, redisPath } from '../support/redis.js'
import { useRedis } from './shared-server.js'

describe.skipIf(redisPath === undefined)('createIntrospectionCache', () => {
  const shared = useRedis()

  describe.each(CLIENT_NAMES)('with %s', (name) => {
    const open = async () => createIntrospectionCache({ client: (await shared().open(name)).client })

    it('what one process stores, another one finds', async () => {
      const [first, second] = [await open(), await open()]
      const key = randomUUID()
      expect(await second.get(key)).toBeUndefined()
      await first.set(key, 'sealed', 60)
      expect(await second.get(key)).toBe('sealed')
    })

    it('a value replaces the one before', async () => {
      const cache = await open()
      const key = randomUUID()
      await cache.set(key, 'first', 500)
      await cache.set(key, 'second', 60)
      expect(await cache.get(key)).toBe('second')
      expect(await shared().admin.pttl(`telnyx-auth:introspection:${key}`)).toBeLessThanOrEqual(60_000)
    })

    it('a value of 16 KiB comes back as it was', async () => {
      const cache = await open()
      const [key, value] = [randomUUID(), 'x'.repeat(16 * 1024)]
      await cache.set(key, value, 60)
      expect(await cache.get(key)).toBe(value)
    })

    it('I4: a value is not kept longer than it was said, rounded down to milliseconds', async () => {
      const cache = await open()
      const key = randomUUID()
      await cache.set(key, 'sealed', 60.0009)
      const left = await shared().admin.pttl(`telnyx-auth:introspection:${key}`)
      expect(left).toBeGreaterThan(50_000)
      expect(left).toBeLessThanOrEqual(60_000)
    })

    it('I4: a value that ends at once, or has ended, is not stored', async () => {
      const cache = await open()
      for (const seconds of [0.0009, 0, -1, Number.NaN]) {
        const key = randomUUID()
        await cache.set(key, 'sealed', seconds)
        expect(await cache.get(key)).toBeUndefined()
      }
    })

    it('a value without an end is refused', async () => {
      await expect((await open()).set('key-1', 'sealed', Number.POSITIVE_INFINITY)).rejects.toThrow(
        RangeError,
      )
    })

    it('the prefix is the option', async () => {
      const { client } = await shared().open(name)
      const [prefix, key] = [`${randomUUID()}:`, randomUUID()]
      await createIntrospectionCache({ client, prefix }).set(key, 'sealed', 60)
      expect(await createIntrospectionCache({ client }).get(key)).toBeUndefined()
      expect(await shared().admin.get(`${prefix}${key}`)).toBe('sealed')
    })

    it('a key that holds something else is an error', async () => {
      const cache = await open()
      const key = randomUUID()
      await shared().admin.lpush(`telnyx-auth:introspection:${key}`, 'x')
      await expect(cache.get(key)).rejects.toThrow('The command to Redis failed (WRONGTYPE)')
    })
  })

  it.each(CLIENT_NAMES)(
    'I4: with %s, three verifiers ask the issuer once, and what is stored tells nothing',
    async (name) => {
      const issuer = await createMockIssuer({ algorithm: 'ES256' })
      onTestFinished(() => issuer.close())
      const [{ clientId, clientSecret } = expect.fail('There is a client')] = issuer.clients
      const token = await issuer.issueToken({ scopes: ['messaging.read'] })
      const prefix = `${randomUUID()}:`
      const createMember = async () =>
        createVerifier({
          audience: issuer.audience,
          issuer: issuer.issuer,
          fetch: issuer.fetch,
          introspection: {
            when: 'always',
            clientId,
            clientSecret: clientSecret ?? expect.fail('The client has a secret'),
            cache: createIntrospectionCache({
              client: (await shared().open(name)).client,
              prefix,
              timeoutMs: 10_000,
            }),
          },
        })
      const { admin } = shared()
      for (let count = 0; count < 3; count++) {
        expect(await (await createMember()).verify(token)).toMatchObject({ verifiedBy: 'both' })
        await vi.waitFor(async () => expect(await admin.keys(`${prefix}*`)).toHaveLength(1), 10_000)
      }
      expect(issuer.requests.introspection.count).toBe(1)
      const [key = ''] = await admin.keys(`${prefix}*`)
      const stored = Buffer.from((await admin.get(key)) ?? '', 'base64url')
      expect(stored.length).toBeGreaterThan(100)
      for (const secret of [token, clientId, 'messaging.read', 'active'])
        expect(key + stored.toString('latin1')).not.toContain(secret)
      // A writer to the server cannot make the issuer's answer another one.
      stored.writeUInt8(stored.readUInt8(40) ^ 1, 40)
      await admin.set(key, stored.toString('base64url'), 'PX', 60_000)
      expect(await (await createMember()).verify(token)).toMatchObject({ verifiedBy: 'both' })
      expect(issuer.requests.introspection.count).toBe(2)
    },
  )

  it('with a client of redis that makes buffers of strings', async () => {
    const client = createClient({ socket: { host: '127.0.0.1', port: shared().server.port } })
    await client.connect()
    onTestFinished(() => client.destroy())
    const mapped = client.withTypeMapping({
      [RESP_TYPES.SIMPLE_STRING]: Buffer,
      [RESP_TYPES.BLOB_STRING]: Buffer,
    })
    const cache = createIntrospectionCache({ client: mapped })
    const key = randomUUID()
    await cache.set(key, 'sealed', 60)
    expect(await cache.get(key)).toBe('sealed')
  })
})
