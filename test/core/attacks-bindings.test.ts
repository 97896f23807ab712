import { randomUUID } from 'node:crypto'
import { createVerifier, InvalidTokenError, type SharedIntrospectionCache } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { createReplayStore } from '@telnyx-auth/redis'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createVerifierAt } from '../../packages/core/src/testing.js'
import { createCertificate } from '../support/certificates.js'
import { TestClock } from '../support/forge.js'
import { AUDIENCE, codeOf } from '../support/outcome.js'

/** Faults that an attack on certificates, the shared cache and the replay store of a fleet has found. */

let issuer: MockIssuer
beforeEach(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
})

describe('a sealed response of a machine whose clock is ahead', () => {
  it.each([60, 3600])('by %i seconds does not last longer', async (ahead) => {
    const right = new TestClock()
    const fast = new TestClock()
    fast.advance(ahead)
    issuer = await createMockIssuer({ algorithm: 'ES256', now: () => right.now() * 1000 })
    const token = await issuer.issueToken({ expiresInSeconds: 7200 })
    const values = new Map<string, string>()
    const cache: SharedIntrospectionCache = {
      get: async (key) => values.get(key),
      set: async (key, value) => values.set(key, value),
    }
    const [{ clientId, clientSecret } = {}] = issuer.clients
    const machine = (clock: TestClock) =>
      createVerifierAt(clock, {
        audience: AUDIENCE,
        fetch: issuer.fetch,
        introspection: { when: 'always', clientId, clientSecret, cache },
      })
    await machine(fast).verify(token)
    await vi.waitFor(() => expect(values.size).toBe(1))
    issuer.revoke(token)
    right.advance(35)
    expect(await codeOf(machine(right).verify(token))).toBe('ERR_TOKEN_INACTIVE')
  })
})

describe('a shared cache that hangs', () => {
  it('is not asked for any number of made-up tokens at once', async () => {
    let waiting = 0
    const cache: SharedIntrospectionCache = {
      get: () => {
        waiting++
        return new Promise(() => undefined)
      },
      set: async () => undefined,
    }
    const [{ clientId, clientSecret } = {}] = issuer.clients
    const verifier = createVerifier({
      audience: AUDIENCE,
      fetch: issuer.fetch,
      timeoutMs: 200,
      introspection: { clientId, clientSecret, cache, maxInFlight: 10 },
    })
    const codes = await Promise.all(
      Array.from({ length: 500 }, (_, n) => codeOf(verifier.verify(`made-up-${n}`))),
    )
    expect(waiting).toBe(10)
    expect(new Set(codes)).toEqual(new Set(['ERR_TOKEN_INACTIVE', 'ERR_INTROSPECTION_UNAVAILABLE']))
    await codeOf(verifier.verify('made-up'))
    expect(waiting).toBe(11)
  })
})

describe('with dpop and mtls', () => {
  const client = createCertificate('client')
  it('a response that calls the token one of DPoP, and names no key, does not make a certificate enough', async () => {
    const [{ clientId, clientSecret } = {}] = issuer.clients
    const issued = await issuer.issueToken({ claims: { cnf: { 'x5t#S256': client.x5t } } })
    const verifier = createVerifier({
      audience: AUDIENCE,
      fetch: async (url, init) => {
        const response = await issuer.fetch(url, init)
        if (!String(url).includes('introspect')) return response
        return Response.json({ ...Object(await response.json()), token_type: 'DPoP' })
      },
      dpop: 'required',
      mtls: () => client.der,
      introspection: { when: 'always', clientId, clientSecret },
    })
    const request = { headers: { authorization: `Bearer ${issued}` } }
    expect(await codeOf(verifier.authenticate(request))).toBe('ERR_TOKEN_BOUND')
  })
})

describe('mtls with a function', () => {
  const client = createCertificate('client')
  it.each<[string, () => unknown]>([
    ['a rejected promise', () => Promise.reject(new Error('later'))],
    ['a promise', () => Promise.resolve(client.der)],
    ['an object', () => ({ raw: client.der })],
  ])('that returns %s is a mistake in the program, and no unhandled rejection', async (_, source) => {
    const token = await issuer.issueToken({ claims: { cnf: { 'x5t#S256': client.x5t } } })
    const verifier = createVerifier({ audience: AUDIENCE, fetch: issuer.fetch, mtls: source as () => string })
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const code = await codeOf(verifier.authenticate({ headers: { authorization: `Bearer ${token}` } }))
    await new Promise((resolve) => setTimeout(resolve, 20))
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
    expect(code).toBe('ERR_CONFIGURATION')
  })
})

it('mtls with a function that throws the same error again: each request gets its own', async () => {
  const token = await issuer.issueToken({ claims: { cnf: { 'x5t#S256': 'A'.repeat(43) } } })
  const same = new InvalidTokenError('ERR_CERTIFICATE_MISSING')
  const mtls = () => {
    throw same
  }
  const verifier = createVerifier({ audience: AUDIENCE, fetch: issuer.fetch, mtls })
  const ask = (scope: string) =>
    verifier
      .authenticate({ headers: { authorization: `Bearer ${token}` } }, { scopes: [scope] })
      .catch((error: unknown) => error)
  const [one, two] = await Promise.all([ask('one'), ask('two')])
  expect(one).not.toBe(same)
  expect(one).not.toBe(two)
  expect(one).toBeInstanceOf(InvalidTokenError)
})

describe('mtls with a header', () => {
  it.each(['::1/64', '::/1', '::ffff:0:0/96', '::ffff:10.0.0.1/90'])(
    'from %s would trust every IPv4 address',
    (range) => {
      expect(() =>
        createVerifier({ audience: AUDIENCE, mtls: { header: 'client-cert', from: [range] } }),
      ).toThrow(/"from"/)
    },
  )

  it.each(['::1', '::ffff:10.0.0.0/104', 'fd00::/8', '::1/100', '::/96'])('from %s is a range', (range) => {
    createVerifier({ audience: AUDIENCE, mtls: { header: 'client-cert', from: [range] } })
  })
})

describe("a replay store with onUnavailable: 'memory'", () => {
  it('does not accept a proof again that Redis alone remembers, because the memory was full', async () => {
    let isUp = true
    const keys = new Set<string>()
    const client = {
      status: 'ready',
      call: () => undefined,
      defineCommand: () => undefined,
      get: async () => null,
      set: async (key: string) => {
        if (!isUp) throw new Error('down')
        if (keys.has(key)) return null
        keys.add(key)
        return 'OK'
      },
    }
    let now = performance.now()
    const spy = vi.spyOn(performance, 'now').mockImplementation(() => now)
    try {
      const store = createReplayStore({ client, onUnavailable: 'memory', timeoutMs: 10_000 })
      for (let n = 0; n < 500_000; n++) await store.add(`${n}`, 1)
      expect(await store.add('proof', 130)).toBe(true)
      isUp = false
      now += 60_000
      await expect(store.add('proof', 70)).rejects.toThrow()
      now += 71_000
      expect(await store.add(randomUUID(), 70)).toBe(true)
    } finally {
      spy.mockRestore()
    }
  }, 60_000)
})
