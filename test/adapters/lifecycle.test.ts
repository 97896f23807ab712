import { connect } from 'node:net'
import { InsufficientAuthenticationError, InsufficientScopeError, InvalidTokenError } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { settle } from '../support/event-loop.js'
import { createSignal, serve } from '../support/http.js'
import { AUDIENCE } from '../support/outcome.js'
import { harnesses } from './contract/all.js'
import type { Setup } from './contract/harness.js'

/** Attack 34, on every framework: in every case a request ends once, and nothing is left over. */

let issuer: MockIssuer
let token: string
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
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
  const build = async (setup: Partial<Setup>) => {
    const options = { audience: AUDIENCE, fetch: issuer.fetch, ...setup.options }
    return serve(await harness.build({ routes: [], ...setup, options }))
  }
  const ask = (url: string, authorization = `Bearer ${token}`) => fetch(url, { headers: { authorization } })

  it.each(['respond', 'unhandled'] as const)(
    'a refusal with headers of others that cannot be written is a refusal: %s',
    async (errors) => {
      const { url } = await build({
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
        const response = await ask(url)
        expect([response.status, response.headers.get('vary')]).toEqual([401, 'Origin'])
        await response.text()
      }
    },
  )

  describe.each(['global', 'route'] as const)('%s', (placement) => {
    it('the handler is called once, and never for who is refused', async () => {
      const handle = vi.fn(() => 'here')
      const { url } = await build({
        placement,
        routes: [{ path: '/read', demands: [['read'], {}, { scopes: ['read'] }], handle }],
      })
      expect(await (await ask(`${url}/read`)).json()).toBe('here')
      await settle()
      expect(handle).toHaveBeenCalledTimes(1)
      for (const authorization of ['', 'Bearer', 'Bearer x', `Bearer ${await issuer.issueToken()}`])
        expect((await ask(`${url}/read`, authorization)).status).toBeGreaterThanOrEqual(400)
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
      const { url } = await build({ placement, routes: [{ path: '/', handle }] })
      const response = await ask(url)
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([500, null])
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
      const handle = vi.fn(() => 'never')
      const validate = vi.fn(() => Promise.reject(thrown))
      for (const errors of ['respond', 'unhandled'] as const)
        for (const setup of [
          { options: { audience: AUDIENCE, fetch: issuer.fetch, validate }, routes: [{ path: '/', handle }] },
          { routes: [{ path: '/', demands: [{ validate }], handle }] },
        ]) {
          validate.mockClear()
          const { url } = await build({ placement, errors, ...setup })
          const response = await ask(url)
          expect([response.status, response.headers.get('www-authenticate')]).toEqual([500, null])
          expect(validate).toHaveBeenCalledTimes(1)
        }
      await settle()
      expect(handle).not.toHaveBeenCalled()
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
      const challenge = async (url: string, scope: string) => {
        const audience = `https://${scope}.example.com`
        const response = await ask(url, `Bearer ${await issuer.issueToken({ audience, scopes: [scope] })}`)
        return response.headers.get('www-authenticate')
      }
      const [a, b] = [await build(setup('a')), await build(setup('b'))]
      for (const [{ url }, scope] of [
        [a, 'a'],
        [b, 'b'],
        [a, 'a'],
      ] as const)
        expect(await challenge(url, scope)).toMatch(
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
      const handle = vi.fn(() => 'never')
      const validate = () => Promise.reject(make())
      for (const errors of ['respond', 'handled', 'unhandled'] as const) {
        const { url } = await build({
          placement,
          errors,
          routes: [{ path: '/', demands: [{ validate }], handle }],
        })
        expect((await ask(url)).status).toBe(status)
      }
      await settle()
      expect(handle).not.toHaveBeenCalled()
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
      for (const shared of [new Suspended(), Object.freeze(new Suspended())]) {
        const validate = () => Promise.reject(shared)
        // Koa's own handler writes to errors, which a frozen one does not let it.
        for (const errors of Object.isFrozen(shared)
          ? (['respond', 'handled'] as const)
          : (['respond', 'handled', 'unhandled'] as const)) {
          const { url } = await build({
            placement,
            errors,
            routes: [{ path: '/', demands: [{ validate }], handle: () => 'never' }],
          })
          for (let turn = 0; turn < 3; turn++) {
            const response = await ask(url)
            expect([response.status, response.headers.get('x-account')]).toEqual([401, 'account-1'])
          }
        }
      }
    })

    it('an error with a code of their own is answered as what it is otherwise', async () => {
      const validate = () =>
        Promise.reject(
          Object.assign(new InvalidTokenError('ERR_TOKEN_REJECTED'), { code: 'ACCOUNT_SUSPENDED' }),
        )
      for (const errors of ['respond', 'handled', 'unhandled'] as const) {
        const { url } = await build({
          placement,
          errors,
          routes: [{ path: '/', demands: [{ validate }], handle: () => 'never' }],
        })
        const response = await ask(url)
        expect(response.status).toBe(401)
        expect(response.headers.get('www-authenticate')).toMatch(/error="invalid_token"/)
        if (errors === 'respond') expect(await response.json()).toMatchObject({ code: 'ACCOUNT_SUSPENDED' })
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
      const { url } = await build(setup)
      for (let turn = 0; turn < 3; turn++) expect((await ask(url)).status).toBe(401)
    })

    it('validate is asked once a request', async () => {
      const validate = vi.fn()
      const { url } = await build({
        placement,
        options: { audience: AUDIENCE, fetch: issuer.fetch, validate },
        routes: [{ path: '/', demands: [['read'], {}], handle: () => 'here' }],
      })
      expect((await ask(url)).status).toBe(200)
      expect(validate).toHaveBeenCalledTimes(1)
    })

    it('the client is gone while the keys are fetched', async () => {
      const asked = createSignal()
      const held = createSignal()
      const handle = vi.fn(() => 'here')
      const { port, url } = await build({
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

      expect(await (await ask(url)).json()).toBe('here')
    })
  })

  it('a hundred requests at once each get their own answer', async () => {
    const { url } = await build({
      routes: [{ path: '/', handle: ({ getAuth }) => getAuth().subject }],
    })
    const answers = Array.from({ length: 100 }, async (_, index) => {
      const response = await ask(url, `Bearer ${await issuer.issueToken({ subject: `user-${index}` })}`)
      return response.json()
    })
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 100 }, (_, index) => `user-${index}`))
  })
})
