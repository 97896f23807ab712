import { createVerifier, type SharedIntrospectionCache } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createVerifierAt } from '../../packages/core/src/testing.js'
import { TestClock } from '../support/forge.js'
import { AUDIENCE, codeOf } from '../support/outcome.js'

/** Introspection responses that several machines share. */

let issuer: MockIssuer
let token: string
beforeEach(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  token = await issuer.issueToken({ subject: 'user-1234567', clientId: 'client-7654321' })
})

class Store implements SharedIntrospectionCache {
  readonly values = new Map<string, string>()
  readonly lifetimes: number[] = []
  async get(key: string) {
    return this.values.get(key)
  }
  async set(key: string, value: string, expiresInSeconds: number) {
    this.values.set(key, value)
    this.lifetimes.push(expiresInSeconds)
  }
}

const SECRET = { clientId: 'my-api', clientSecret: 'a secret of the API' }

/** A machine of the fleet. */
function machine(cache: SharedIntrospectionCache, more: object = {}, clock?: TestClock) {
  const [{ clientId, clientSecret } = {}] = issuer.clients
  const options = {
    audience: AUDIENCE,
    fetch: issuer.fetch,
    introspection: { when: 'always', clientId, clientSecret, cache, ...more },
  } as const
  return clock ? createVerifierAt(clock, options) : createVerifier(options)
}

const asked = () => issuer.requests.introspection.count
/** What is shared is written after the answer. */
const written = (store: Store, count = 1) => vi.waitFor(() => expect(store.lifetimes).toHaveLength(count))

describe('I4: introspection responses of a fleet', () => {
  it('one machine asks, the others know', async () => {
    const store = new Store()
    await expect(machine(store).verify(token)).resolves.toMatchObject({ verifiedBy: 'both' })
    await written(store)
    for (let n = 0; n < 50; n++)
      await expect(machine(store).verify(token)).resolves.toMatchObject({
        verifiedBy: 'both',
        subject: 'user-1234567',
      })
    expect(asked()).toBe(1)
    expect(store.lifetimes).toEqual([30])
  })

  it('a revoked token is refused by all', async () => {
    const store = new Store()
    issuer.revoke(token)
    expect(await codeOf(machine(store).verify(token))).toBe('ERR_TOKEN_INACTIVE')
    await written(store)
    expect(await codeOf(machine(store).verify(token))).toBe('ERR_TOKEN_INACTIVE')
    expect(asked()).toBe(1)
    expect(store.lifetimes).toEqual([10])
  })

  it('the store holds neither tokens nor claims', async () => {
    const store = new Store()
    await machine(store).verify(token)
    await written(store)
    const [[key = '', value = ''] = []] = store.values
    const text = [key, value, Buffer.from(key, 'base64url'), Buffer.from(value, 'base64url')].join(' ')
    for (const secret of ['user-1234567', 'client-7654321', 'active', ...token.split('.')])
      expect(text).not.toContain(secret)
    expect(key).toMatch(/^[\w-]{43}$/)
  })

  it.each<[string, (value: string) => string]>([
    ['another byte', (value) => `${value.slice(0, -2)}${value.endsWith('A') ? 'B' : 'A'}${value.slice(-1)}`],
    ['the first byte', (value) => `${value.startsWith('A') ? 'B' : 'A'}${value.slice(1)}`],
    ['nothing', () => ''],
    ['a few bytes', (value) => value.slice(0, 20)],
    ['JSON', () => '{"active":true,"sub":"admin"}'],
    ['a megabyte', () => 'A'.repeat(1_048_576)],
    ['more bytes', (value) => `${value}AAAA`],
  ])('a value that was replaced by %s counts for nothing: the issuer is asked', async (_, change) => {
    const store = new Store()
    await machine(store).verify(token)
    await written(store)
    for (const [key, value] of store.values) store.values.set(key, change(value))
    await machine(store).verify(token)
    expect(asked()).toBe(2)
  })

  it('a writer to the store cannot make a token active with the value of another one', async () => {
    const store = new Store()
    const revoked = await issuer.issueToken({ subject: 'user-2' })
    await machine(store).verify(token)
    await written(store)
    const [active = ''] = store.values.values()
    issuer.revoke(revoked)
    expect(await codeOf(machine(store).verify(revoked))).toBe('ERR_TOKEN_INACTIVE')
    await written(store, 2)
    for (const key of store.values.keys()) store.values.set(key, active)
    expect(await codeOf(machine(store).verify(revoked))).toBe('ERR_TOKEN_INACTIVE')
  })

  it('another secret opens nothing, and has other keys', async () => {
    const store = new Store()
    const answers = async () => Response.json({ active: true })
    const options = { metadata: undefined, introspectionEndpoint: 'https://issuer.example/introspect' }
    for (const clientSecret of ['one', 'two']) {
      const { fetch } = issuer
      await createVerifier({
        audience: AUDIENCE,
        ...options,
        fetch: async (url, init) => (url.endsWith('/introspect') ? answers() : fetch(url, init)),
        introspection: { when: 'always', ...SECRET, clientSecret, cache: store },
      }).verify(token)
    }
    await written(store, 2)
    expect(store.values.size).toBe(2)
  })

  it('an answer lasts no longer than on the machine that asked, and never past exp', async () => {
    const clock = new TestClock()
    issuer = await createMockIssuer({ algorithm: 'ES256', now: () => clock.now() * 1000 })
    const short = await issuer.issueToken({ expiresInSeconds: 20 })
    const long = await issuer.issueToken()
    const store = new Store()
    await machine(store, {}, clock).verify(short)
    await machine(store, {}, clock).verify(long)
    await written(store, 2)
    expect(store.lifetimes).toEqual([20, 30])
    clock.advance(25)
    const late = machine(store, {}, clock)
    await late.verify(long)
    expect(asked()).toBe(2)
    clock.advance(6)
    await late.verify(long)
    expect(asked()).toBe(3)
  })

  it.each<[string, Partial<SharedIntrospectionCache>]>([
    [
      'rejects',
      { get: () => Promise.reject(new Error('down')), set: () => Promise.reject(new Error('down')) },
    ],
    [
      'throws',
      {
        get: () => {
          throw new Error('down')
        },
        set: () => {
          throw new Error('down')
        },
      },
    ],
  ])('where the store %s, the issuer is asked', async (_, faults) => {
    const store = Object.assign(new Store(), faults)
    await expect(machine(store).verify(token)).resolves.toBeDefined()
    expect(asked()).toBe(1)
  })

  it('during an outage of the issuer, the others know still', async () => {
    const store = new Store()
    await machine(store).verify(token)
    await written(store)
    issuer.fault('introspection', { status: 503 })
    await expect(machine(store).verify(token)).resolves.toMatchObject({ verifiedBy: 'both' })
  })
})

describe('C: introspection.cache', () => {
  it('A: an issuer with a long identifier', () => {
    const options = { issuer: `https://issuer.example/${'x'.repeat(2000)}`, audience: AUDIENCE }
    expect(() =>
      createVerifier({ ...options, introspection: { ...SECRET, cache: new Store() } }),
    ).not.toThrow()
  })

  it.each<[string, object]>([
    ['no object', { ...SECRET, cache: 'redis' }],
    ['no methods', { ...SECRET, cache: {} }],
    ['no secret', { authMethod: () => ({}), cache: new Store() }],
  ])('%s', (_, introspection) => {
    expect(() => createVerifier({ audience: AUDIENCE, introspection })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION' }),
    )
  })
})
