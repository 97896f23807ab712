import { createVerifier } from '@telnyx-auth/core'
import { createAuthenticator, createGuards, getAuth, respondOrNext } from '@telnyx-auth/core/adapter'
import { telnyxAuth as expressAuth, requireAuth as expressGuard } from '@telnyx-auth/express'
import { telnyxAuth as koaAuth } from '@telnyx-auth/koa'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { expectNothingUnhandled, settle, until } from '../support/event-loop.js'
import { AUDIENCE, goodToken, ISSUER, makeKey, NOW, rejectionOf } from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'
import { handleFor } from '../support/request-handle.js'
import { createService } from '../support/token-cache.js'

/** Attacks 29 and 34 where nothing has to be waited for: what adapters rely on is the same at once and later. */

const key = makeKey('ES256', 'good')
const token = goodToken(key, { exp: NOW + 86_400 })

expectNothingUnhandled()
afterEach(() => vi.unstubAllGlobals())

describe('an authenticator', () => {
  const { requireAuth, requireScopes } = createGuards(
    (authorize) => (requestKey: object) => authorize(handleFor(requestKey)),
  )
  const request = (authorization?: string) => ({ headers: { authorization } })

  it('decides at once about a token that is known; a bad one and none are refused as ever', async () => {
    const authenticator = createAuthenticator({ verifier: createService(key).verifier, optional: true })
    const good = request(`Bearer ${token}`)
    expect(await authenticator.authenticate(handleFor(), good)).toBeUndefined()
    const requestKey = {}
    expect(authenticator.authenticate(handleFor(requestKey), good)).toBeUndefined()
    expect(requireScopes('messaging.read')(requestKey)).toBeUndefined()
    expect(requireScopes('admin')(requestKey)).toMatchObject({ status: 403 })
    expect(getAuth(requestKey).subject).toBe('user-1')
    const refused = await authenticator.authenticate(handleFor(requestKey), request(`Bearer ${token}x`))
    expect(refused).toMatchObject({ status: 401 })
    expect(requireAuth()(requestKey)).toMatchObject({ status: 401 })
    const anonymous = {}
    expect(authenticator.authenticate(handleFor(anonymous), request())).toBeUndefined()
    expect(requireAuth()(anonymous)).toMatchObject({ status: 401 })
    expect(thrownBy(() => getAuth(anonymous))).toMatchObject({ code: 'ERR_TOKEN_MISSING' })
  })

  it('with a policy of its own shares what is known, and nothing more', async () => {
    const { verifier } = createService(key)
    const good = request(`Bearer ${token}`)
    await verifier.verify(token)
    expect(
      createAuthenticator({ verifier, scopes: ['admin'] }).authenticate(handleFor(), good),
    ).toMatchObject({ status: 403 })
    expect(
      createAuthenticator({ verifier, scopes: ['messaging.read'] }).authenticate(handleFor(), good),
    ).toBeUndefined()
    const validate = vi.fn(() => false)
    for (let n = 1; n < 4; n++) {
      const decision = createAuthenticator({ verifier, validate }).authenticate(handleFor(), good)
      expect(await decision).toMatchObject({ status: 401 })
      expect(validate).toHaveBeenCalledTimes(n)
    }
  })
})

describe('attack 34: at once or later, a request goes on once, and nothing escapes', () => {
  const jwks = { keys: [key.jwk] }
  const options = { issuer: ISSUER, audience: AUDIENCE, jwks }
  const lasting = goodToken(key, { iat: 0, exp: 253_402_300_799 })
  const bad = `${lasting.slice(0, -8)}AAAAAAAA`
  const request = (each: string) => ({
    headers: { authorization: `Bearer ${each}` },
    rawHeaders: [],
    method: 'GET',
    url: '/',
  })
  const thrown = [undefined, null, 0, '', 'route', 'router', new Error('mine')]
  const boom = new Error('boom')

  it.each(thrown.map((each) => [each]))(
    'a validate that throws %o, also behind a authenticator that decides at once',
    async (each) => {
      const verifier = createVerifier(options)
      await verifier.verify(lasting)
      const throwing = {
        validate: () => {
          throw each
        },
      }
      const response: object = { setHeader() {}, end() {} }
      const first = expressAuth({ verifier })
      const second = expressGuard(throwing)
      const next = vi.fn()
      const incoming: object = request(lasting)
      const call = (middleware: object, ...input: unknown[]) =>
        Reflect.apply(Object(middleware), undefined, input)
      call(first, incoming, response, (error: unknown) =>
        error ? next(error) : call(second, incoming, response, next),
      )
      await settle()
      expect(next).toHaveBeenCalledTimes(1)
      expect(next.mock.calls[0]?.[0]).toBeInstanceOf(Error)
      // By hand: a promise in any case.
      const context: object = { req: request(lasting), method: 'GET', originalUrl: '/', state: {}, set() {} }
      const koa: unknown = call(koaAuth({ verifier, ...throwing }), context, next)
      await expect(koa).rejects.toBeInstanceOf(Error)
      expect(next).toHaveBeenCalledTimes(1)
    },
  )

  it.each([false, true])('a request that throws when it is read (known: %s)', async (known) => {
    const verifier = createVerifier(options)
    if (known) await verifier.verify(lasting)
    const authenticator = createAuthenticator({ verifier })
    const throwing = (each: unknown) => () => {
      throw each
    }
    for (const each of thrown)
      for (const hostile of [
        new Proxy({ headers: {} }, { get: throwing(each) }),
        { headers: new Proxy({}, { ownKeys: throwing(each), get: throwing(each) }) },
        { headers: { get: throwing(each) } },
        { headers: Object.defineProperty({}, 'authorization', { enumerable: true, get: throwing(each) }) },
      ]) {
        const outcome = verifier.authenticate(hostile).catch((error: unknown) => ({ error }))
        expect(await outcome).toEqual({ error: each })
        const next = vi.fn()
        const write = vi.fn()
        respondOrNext(authenticator.authenticate, hostile, { ...handleFor(), write, next })
        await settle()
        expect(next).toHaveBeenCalledTimes(1)
        expect(next.mock.calls[0]?.[0]).toBeInstanceOf(Error)
        expect(write).not.toHaveBeenCalled()
      }
  })

  it('a next that throws is told so to who called it, and is not called again', async () => {
    const authenticator = createAuthenticator(options)
    await authenticator.authenticate(handleFor(), request(lasting))
    const next = vi.fn(() => {
      throw boom
    })
    expect(() =>
      respondOrNext(authenticator.authenticate, request(lasting), { ...handleFor(), write() {}, next }),
    ).toThrow(boom)
    await settle()
    expect(next).toHaveBeenCalledTimes(1)
  })

  it('a write that throws is told to next, at once or later', async () => {
    const authenticator = createAuthenticator({ ...options, scopes: ['admin'] })
    for (let n = 0; n < 2; n++) {
      const next = vi.fn()
      const write = () => {
        throw boom
      }
      respondOrNext(authenticator.authenticate, request(lasting), { ...handleFor(), write, next })
      await until(() => next.mock.calls.length > 0)
      expect(next.mock.calls).toEqual([[boom]])
    }
  })

  // As zone.js and bluebird do: async functions go on making promises of the language's own.
  it('B6: with a replaced global Promise, no bad token gets in', async () => {
    const { requireScopes } = createGuards(
      (authorize) => (requestKey: object) => authorize(handleFor(requestKey)),
    )
    const authenticator = createAuthenticator(options)
    const requestKey = {}
    await authenticator.authenticate(handleFor(requestKey), request(lasting))
    vi.stubGlobal('Promise', class Replaced<T> extends Promise<T> {})
    const decisions = [bad, 'x.y.z', lasting].map((each) =>
      authenticator.authenticate(handleFor(), request(each)),
    )
    const validating = createAuthenticator({ ...options, validate: () => false }).authenticate(
      handleFor(),
      request(lasting),
    )
    const scoped = requireScopes('admin')(requestKey)
    const verifying = rejectionOf(createVerifier(options).verify(bad))
    vi.unstubAllGlobals()
    const [forged, malformed, good] = await Promise.all(decisions)
    expect([forged?.status, malformed?.status, good]).toEqual([401, 401, undefined])
    expect(await validating).toMatchObject({ status: 401 })
    expect(await scoped).toMatchObject({ status: 403 })
    expect((await verifying).headers['WWW-Authenticate']).toContain('resource_metadata')
  })
})
