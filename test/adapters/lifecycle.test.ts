import { connect } from 'node:net'
import {
  type Auth,
  InsufficientAuthenticationError,
  InsufficientScopeError,
  InvalidTokenError,
  type Policy,
} from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { settle } from '../support/event-loop.js'
import { createSignal, serve, shareServers } from '../support/http.js'
import { type HttpClient, singleHeaders } from '../support/http-client.js'
import { AUDIENCE } from '../support/outcome.js'
import { harnesses } from './contract/all.js'
import type { Setup } from './contract/harness.js'

/** Attack 34, on every framework: in every case a request ends once, and nothing is left over. */

let issuer: MockIssuer
/** The tokens of 100 callers. */
let crowd: readonly string[]
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  crowd = await Promise.all(
    Array.from({ length: 100 }, (_, index) => issuer.issueToken({ subject: `user-${index}` })),
  )
})

/** One for each test: no verifier has it in its cache, so that the first request of a test has to wait for its decision. */
let token: string
beforeEach(async () => {
  token = await issuer.issueToken({ scopes: ['read'] })
})

const unhandled: unknown[] = []
beforeEach(() => {
  unhandled.length = 0
  const listen = (reason: unknown) => void unhandled.push(reason)
  process.on('unhandledRejection', listen)
  process.on('uncaughtExceptionMonitor', listen)
  return () => {
    process.off('unhandledRejection', listen)
    process.off('uncaughtExceptionMonitor', listen)
    expect(unhandled).toEqual([])
  }
})

describe.each(harnesses)('%s', (_, harness) => {
  const listenerOf = (setup: Partial<Setup>) => {
    const options = { audience: AUDIENCE, fetch: issuer.fetch, ...setup.options }
    return harness.build({ routes: [], ...setup, options })
  }
  const build = async (setup: Partial<Setup>) => serve(await listenerOf(setup))
  const ask = async (client: HttpClient, authorization = `Bearer ${token}`, path = '/') => {
    const response = await client.request('GET', path, [`Authorization: ${authorization}`])
    return { ...response, headers: singleHeaders(response) }
  }

  it.each(['respond', 'unhandled'] as const)(
    'a refusal with headers of others that cannot be written is a refusal: %s',
    async (errors) => {
      const { client } = await build({
        errors,
        options: {
          validate() {
            const error = new InvalidTokenError('ERR_TOKEN_REJECTED')
            error.headers = {
              'X-Dash': 'blocked \u2013 sorry',
              'X-Lines': 'a\r\nb: c',
              'Content-Length': '1',
              Vary: 'Origin',
            }
            throw error
          },
        },
        routes: [{ path: '/', handle: () => 'never' }],
      })
      for (let turn = 0; turn < 2; turn++) {
        const response = await ask(client)
        expect([response.status, response.headers.vary]).toEqual([401, 'Origin'])
      }
    },
  )

  describe.each(['global', 'route'] as const)('%s', (placement) => {
    /** What the test gives to the APIs that tests share. */
    let validate: (auth: Auth) => undefined | Promise<undefined> = () => undefined
    let handle: () => unknown = () => undefined
    const serverOf = shareServers()

    /** An API where `validate` belongs to `telnyxAuth` or to a guard. Tests share it. */
    async function sharedApi(
      errors: NonNullable<Setup['errors']>,
      owner: 'telnyxAuth' | 'guard',
    ): Promise<HttpClient> {
      const policy: Pick<Policy, 'validate'> = { validate: (auth) => validate(auth) }
      const route = { path: '/', handle: () => handle() }
      const setup: Partial<Setup> =
        owner === 'guard'
          ? { routes: [{ ...route, demands: [policy] }] }
          : { routes: [route], options: { audience: AUDIENCE, fetch: issuer.fetch, ...policy } }
      const { client } = await serverOf(`${errors} ${owner}`, () =>
        listenerOf({ placement, errors, ...setup }),
      )
      return client
    }

    it('the handler is called once, and never for who is refused', async () => {
      const handle = vi.fn(() => 'here')
      const { client } = await build({
        placement,
        routes: [{ path: '/read', demands: [['read'], {}, { scopes: ['read'] }], handle }],
      })
      expect((await ask(client, undefined, '/read')).body).toBe('"here"')
      await settle()
      expect(handle).toHaveBeenCalledTimes(1)
      for (const authorization of ['', 'Bearer', 'Bearer x', `Bearer ${await issuer.issueToken()}`])
        expect((await ask(client, authorization, '/read')).status).toBeGreaterThanOrEqual(400)
      await settle()
      expect(handle).toHaveBeenCalledTimes(1)
    })

    it.each([
      [
        'throws at once',
        () => {
          throw new Error('mine')
        },
      ],
      ['rejects', () => Promise.reject(new Error('mine'))],
    ])('a handler that %s is a 500, and called once', async (_, fail) => {
      const handle = vi.fn(fail)
      const { client } = await build({ placement, routes: [{ path: '/', handle }] })
      const response = await ask(client)
      expect([response.status, response.headers['www-authenticate']]).toEqual([500, undefined])
      await settle()
      expect(handle).toHaveBeenCalledTimes(1)
    })

    it.each([
      [undefined],
      [null],
      [0],
      [''],
      [false],
      ['route'],
      ['router'],
      [{ status: 200 }],
      [new Error('my own')],
    ])('a caller that is refused by throwing %j does not get in: a 500, not a 401', async (thrown) => {
      const handler = vi.fn(() => 'never')
      const refuse = vi.fn(() => Promise.reject(thrown))
      handle = handler
      validate = refuse
      for (const errors of ['respond', 'unhandled'] as const)
        for (const owner of ['telnyxAuth', 'guard'] as const) {
          refuse.mockClear()
          const response = await ask(await sharedApi(errors, owner))
          expect([response.status, response.headers['www-authenticate']]).toEqual([500, undefined])
          expect(refuse).toHaveBeenCalledTimes(1)
        }
      await settle()
      expect(handler).not.toHaveBeenCalled()
    })

    it('one error that every request is refused with says to each what it needs', async () => {
      const shared = new InsufficientScopeError(['z'])
      const validate = () => Promise.reject(shared)
      const setup = (scope: string): Partial<Setup> => ({
        placement,
        errors: 'handled',
        options: { audience: `https://${scope}.example.com`, fetch: issuer.fetch, scopes: [scope], validate },
        routes: [{ path: '/', handle: () => 'never' }],
      })
      const challenge = async (client: HttpClient, scope: string) => {
        const audience = `https://${scope}.example.com`
        const response = await ask(client, `Bearer ${await issuer.issueToken({ audience, scopes: [scope] })}`)
        return response.headers['www-authenticate']
      }
      const [a, b] = [await build(setup('a')), await build(setup('b'))]
      for (const [{ client }, scope] of [
        [a, 'a'],
        [b, 'b'],
        [a, 'a'],
      ] as const)
        expect(await challenge(client, scope)).toMatch(
          new RegExp(`, scope="${scope} z", resource_metadata="https://${scope}.example.com/`),
        )
    })

    it.each([
      ['a frozen error', () => Object.freeze(new InsufficientScopeError(['z'])), 403],
      ['one made of nothing', () => Reflect.construct(InsufficientScopeError, []), 403],
      ['one made of what is no scope', () => Reflect.construct(InsufficientScopeError, [[Symbol('x')]]), 403],
      [
        'one made of a text',
        () => Reflect.construct(InsufficientAuthenticationError, [{ acrValues: 'a' }]),
        401,
      ],
      [
        'one that hides what it is',
        () =>
          new Proxy(new Error('mine'), {
            getPrototypeOf() {
              throw undefined
            },
          }),
        500,
      ],
    ])('a caller that is refused with %s is answered, once', async (_, make, status) => {
      const handler = vi.fn(() => 'never')
      handle = handler
      validate = () => Promise.reject(make())
      for (const errors of ['respond', 'handled', 'unhandled'] as const)
        expect((await ask(await sharedApi(errors, 'guard'))).status).toBe(status)
      await settle()
      expect(handler).not.toHaveBeenCalled()
    })

    it('an error of a class of their own is answered each time, shared or frozen', async () => {
      class Suspended extends InvalidTokenError {
        readonly #account = 'account-1'

        constructor() {
          super('ERR_TOKEN_REJECTED')
        }

        override get headers(): Record<string, string> {
          return { ...super.headers, 'X-Account': this.#account }
        }
      }
      for (const error of [new Suspended(), Object.freeze(new Suspended())]) {
        const authorization = `Bearer ${await issuer.issueToken()}`
        validate = () => Promise.reject(error)
        // Koa's own handler writes to errors, which a frozen one does not let it.
        for (const errors of Object.isFrozen(error)
          ? (['respond', 'handled'] as const)
          : (['respond', 'handled', 'unhandled'] as const)) {
          const client = await sharedApi(errors, 'guard')
          for (let turn = 0; turn < 3; turn++) {
            const response = await ask(client, authorization)
            expect([response.status, response.headers['x-account']]).toEqual([401, 'account-1'])
          }
        }
      }
    })

    it('an error with a code of their own is answered as what it is otherwise', async () => {
      validate = () =>
        Promise.reject(
          Object.assign(new InvalidTokenError('ERR_TOKEN_REJECTED'), { code: 'ACCOUNT_SUSPENDED' }),
        )
      for (const errors of ['respond', 'handled', 'unhandled'] as const) {
        const response = await ask(await sharedApi(errors, 'guard'))
        expect(response.status).toBe(401)
        expect(response.headers['www-authenticate']).toMatch(/error="invalid_token"/)
        if (errors === 'respond')
          expect(JSON.parse(response.body)).toMatchObject({ code: 'ACCOUNT_SUSPENDED' })
      }
    })

    it('a policy cannot be changed through the error that it is refused with', async () => {
      const setup: Partial<Setup> = {
        placement,
        options: {
          audience: AUDIENCE,
          fetch: issuer.fetch,
          acrValues: ['gold'],
        },
        routes: [{ path: '/', demands: [{ acrValues: ['gold'] }], handle: () => 'never' }],
        spoil: (error) => {
          for (const name of ['acrValues', 'requiredScopes'])
            Reflect.apply(Array.prototype.splice, Reflect.get(error, name), [0])
        },
        errors: 'handled',
      }
      const { client } = await build(setup)
      for (let turn = 0; turn < 3; turn++) expect((await ask(client)).status).toBe(401)
    })

    it('validate is asked once a request', async () => {
      const validate = vi.fn()
      const { client } = await build({
        placement,
        options: { audience: AUDIENCE, fetch: issuer.fetch, validate },
        routes: [{ path: '/', demands: [['read'], {}], handle: () => 'here' }],
      })
      expect((await ask(client)).status).toBe(200)
      expect(validate).toHaveBeenCalledTimes(1)
    })

    it('the client is gone while the keys are fetched', async () => {
      const asked = createSignal()
      const held = createSignal()
      const handle = vi.fn(() => 'here')
      const { port, client } = await build({
        placement,
        options: {
          audience: AUDIENCE,
          async fetch(input, init) {
            asked.resolve()
            await held.promise
            return issuer.fetch(input, init)
          },
        },
        routes: [
          { path: '/', handle },
          { path: '/read', demands: [['write']], handle },
        ],
      })
      // One who would be let in, one who would not, and one whose token is bad.
      const expired = await issuer.issueToken({ claims: { exp: undefined } })
      const leave = ['/', '/read', '/'].map((path, index) => {
        const socket = connect(port, '127.0.0.1')
        onTestFinished(() => void socket.destroy())
        const sent = index === 2 ? expired : token
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${sent}\r\n\r\n`)
        return socket
      })
      await asked.promise
      await settle()
      for (const socket of leave) socket.resetAndDestroy()
      await settle()
      held.resolve()
      await settle()

      expect((await ask(client)).body).toBe('"here"')
    })
  })

  it('a hundred requests at once each get their own answer', async () => {
    const { client } = await build({
      routes: [{ path: '/', handle: ({ getAuth }) => getAuth().subject }],
    })
    const answers = crowd.map(async (each) => JSON.parse((await ask(client, `Bearer ${each}`)).body))
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 100 }, (_, index) => `user-${index}`))
  })
})
