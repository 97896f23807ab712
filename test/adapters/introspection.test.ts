import {
  ConfigurationError,
  createVerifier,
  type IntrospectionOptions,
  type IntrospectionWhen,
  type VerifierOptions,
} from '@telnyx-auth/core'
import * as express from '@telnyx-auth/express'
import * as fastify from '@telnyx-auth/fastify'
import * as koa from '@telnyx-auth/koa'
import { createMockIssuer, type Fault, type MockIssuer } from '@telnyx-auth/mock-issuer'
import createFastify from 'fastify'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { settle } from '../support/event-loop.js'
import { parseChallenge } from '../support/forge.js'
import { createSignal, serve } from '../support/http.js'
import { singleHeaders } from '../support/http-client.js'
import { AUDIENCE, thrownBy } from '../support/outcome.js'
import { scale } from '../support/scale.js'
import { harnesses } from './contract/all.js'
import type { Demand, Harness, Route, Setup } from './contract/harness.js'

/** Introspection per route, on every framework: a payments route can ask always while the others do not. */

const ALWAYS: Demand = { introspection: 'always' }
const OPAQUE = 'opaque-token-0123456789'

let issuer: MockIssuer
/** The tokens of many callers, of which every second one is revoked. */
let crowd: readonly string[]
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  crowd = await Promise.all(
    Array.from({ length: scale(40, 100) }, (_, n) => issuer.issueToken({ subject: `user-${n}` })),
  )
  for (const [n, token] of crowd.entries()) if (n % 2 === 1) issuer.revoke(token)
})
beforeEach(() => () => issuer.clearFaults())

interface Api {
  /** How often the issuer was asked about a token. */
  asked(): number
  ask(path: string, token: string | undefined): Promise<Reply>
}

interface Reply {
  readonly status: number
  readonly code: string | undefined
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

const whoCalls: Route['handle'] = ({ getAuth, property }) => {
  const { verifiedBy, scopes, subject } = getAuth()
  return { verifiedBy, scopes, subject, property: property?.verifiedBy }
}

/** One route without introspection, one that always introspects, and what a test adds. */
const ROUTES: readonly Route[] = [
  { path: '/read', handle: whoCalls },
  { path: '/pay', demands: [ALWAYS], handle: whoCalls },
]

async function buildApi(
  harness: Harness,
  introspection: IntrospectionOptions | false,
  setup: Partial<Setup> = {},
): Promise<Api> {
  const [{ clientId, clientSecret } = {}] = issuer.clients
  const options: VerifierOptions = {
    audience: AUDIENCE,
    fetch: issuer.fetch,
    // What is remembered is not the subject here.
    ...(introspection && {
      introspection: { clientId, clientSecret, ...introspection, cacheSeconds: 0, inactiveCacheSeconds: 0 },
    }),
    ...setup.options,
  }
  const { client } = await serve(await harness.build({ routes: ROUTES, ...setup, options }))
  const askedBefore = issuer.requests.introspection.count
  return {
    asked: () => issuer.requests.introspection.count - askedBefore,
    async ask(path, token) {
      const lines = token === undefined ? [] : [`Authorization: Bearer ${token}`]
      const response = await client.request('GET', path, lines)
      const headers = singleHeaders(response)
      const isJson = headers['content-type']?.includes('json') === true
      const body: unknown = isJson ? JSON.parse(response.body) : undefined
      const { code }: { code?: unknown } = Object(body)
      return {
        status: response.status,
        code: typeof code === 'string' ? code : undefined,
        body,
        headers,
        text: response.body,
      }
    },
  }
}

describe.each(harnesses)('%s', (_, harness) => {
  const createApi = (introspection: IntrospectionOptions | false, setup?: Partial<Setup>) =>
    buildApi(harness, introspection, setup)

  describe.each(['global', 'route'] as const)('%s', (placement) => {
    it('a route that always asks: active passes, and other routes do not ask', async () => {
      const { ask, asked } = await createApi({ when: 'opaque' }, { placement })
      const token = await issuer.issueToken({ scopes: ['a'], subject: 'user' })
      expect(await ask('/read', token)).toMatchObject({
        status: 200,
        body: { verifiedBy: 'signature', property: 'signature', subject: 'user' },
      })
      expect(asked()).toBe(0)
      expect(await ask('/pay', token)).toMatchObject({
        status: 200,
        body: { verifiedBy: 'both', property: 'both', scopes: ['a'], subject: 'user' },
      })
      expect(asked()).toBe(1)
    })

    it('revoked is a 401 ERR_TOKEN_INACTIVE there, and not noticed elsewhere', async () => {
      const { ask, asked } = await createApi({ when: 'opaque' }, { placement })
      const token = await issuer.issueToken()
      expect((await ask('/pay', token)).status).toBe(200)
      issuer.revoke(token)
      const { status, body, headers } = await ask('/pay', token)
      expect({ status, body }).toEqual({
        status: 401,
        body: {
          error: 'invalid_token',
          error_description: 'The access token is no longer active',
          code: 'ERR_TOKEN_INACTIVE',
        },
      })
      expect(parseChallenge(headers['www-authenticate'] ?? '')).toMatchObject({
        error: 'invalid_token',
        error_description: 'The access token is no longer active',
      })
      expect(asked()).toBe(2)
      expect(await ask('/read', token)).toMatchObject({ status: 200, body: { verifiedBy: 'signature' } })
      expect(asked()).toBe(2)
    })

    it('the handler is not called for who is not active, and once for who is', async () => {
      const handle = vi.fn(() => 'here')
      const { ask } = await createApi(
        {},
        { placement, routes: [{ path: '/pay', demands: [ALWAYS], handle }] },
      )
      const token = await issuer.issueToken()
      expect((await ask('/pay', token)).status).toBe(200)
      issuer.revoke(token)
      expect((await ask('/pay', token)).status).toBe(401)
      await settle()
      expect(handle).toHaveBeenCalledTimes(1)
    })

    it('attack 42: a token that is refused already is not asked about', async () => {
      const { ask, asked } = await createApi({ when: 'always' }, { placement })
      for (const token of [
        await issuer.issueToken({ expiresInSeconds: -60 }),
        await issuer.issueToken({ audience: 'https://other.example.com' }),
        'a.b.c',
        '...',
      ]) {
        const { status, code } = await ask('/pay', token)
        expect(status).toBe(401)
        expect(code).not.toBe('ERR_TOKEN_INACTIVE')
      }
      expect(asked()).toBe(0)
    })

    it('without a token: 401 and no introspection; also where it is optional', async () => {
      for (const optional of [false, true]) {
        const { ask, asked } = await createApi({}, { placement, optional })
        expect(await ask('/pay', undefined)).toMatchObject({ status: 401, code: 'ERR_TOKEN_MISSING' })
        expect(asked()).toBe(0)
      }
    })

    it('one request asks once, however many guards demand it', async () => {
      for (const when of ['fallback', 'always'] as const) {
        const routes: readonly Route[] = [
          { path: '/pay', demands: [ALWAYS, ALWAYS, ALWAYS], handle: whoCalls },
        ]
        const { ask, asked } = await createApi({ when }, { placement, routes })
        expect(await ask('/pay', await issuer.issueToken())).toMatchObject({ body: { verifiedBy: 'both' } })
        expect(asked()).toBe(1)
      }
    })

    it('an opaque token: its issuer is asked once, also where a guard demands it', async () => {
      const { ask, asked } = await createApi({ when: 'opaque' }, { placement })
      issuer.fault('introspection', { body: { active: true, sub: 'user', scope: 'a' } })
      const found = {
        status: 200,
        body: { verifiedBy: 'introspection', property: 'introspection', scopes: ['a'] },
      }
      expect(await ask('/read', OPAQUE)).toMatchObject(found)
      expect(asked()).toBe(1)
      expect(await ask('/pay', OPAQUE)).toMatchObject(found)
      expect(asked()).toBe(2)
      issuer.clearFaults()
      expect(await ask('/read', OPAQUE)).toMatchObject({ status: 401, code: 'ERR_TOKEN_INACTIVE' })
    })

    it('I3: what the issuer says of it is checked, and the scopes that it left are those that count', async () => {
      const routes: readonly Route[] = [
        { path: '/pay', demands: [ALWAYS], handle: whoCalls },
        { path: '/a', demands: [{ introspection: 'always', scopes: ['a'] }], handle: whoCalls },
        { path: '/b', demands: [{ introspection: 'always', scopes: ['b'] }], handle: whoCalls },
        { path: '/then-b', demands: [ALWAYS, ['b']], handle: whoCalls },
      ]
      const { ask } = await createApi({}, { placement, routes })
      const token = await issuer.issueToken({ scopes: ['a', 'b'] })
      for (const path of ['/pay', '/a', '/b', '/then-b']) expect((await ask(path, token)).status).toBe(200)
      issuer.fault('introspection', { body: { active: true, scope: 'a' } })
      expect(await ask('/pay', token)).toMatchObject({ status: 200, body: { scopes: ['a'] } })
      expect(await ask('/a', token)).toMatchObject({ status: 200, body: { scopes: ['a'] } })
      expect(await ask('/b', token)).toMatchObject({ status: 403, code: 'ERR_SCOPE_INSUFFICIENT' })
      expect(await ask('/then-b', token)).toMatchObject({ status: 403, code: 'ERR_SCOPE_INSUFFICIENT' })
      issuer.fault('introspection', { body: { active: true, aud: 'https://other.example.com' } })
      expect(await ask('/pay', token)).toMatchObject({ status: 401, code: 'ERR_AUDIENCE_NOT_ALLOWED' })
    })

    const faults: [string, Fault][] = [
      ['5xx', { status: 503 }],
      ['I5: our credentials', { status: 401, body: { error: 'invalid_client' } }],
      ['I5: our rights', { status: 403 }],
      ['429', { status: 429, headers: { 'retry-after': '7' } }],
      ['HTML', { body: '<html>' }],
      ['a drop', { drop: true }],
    ]
    it.each(faults)(
      'attack 41: %s is a 503 with Retry-After where it matters, and only there',
      async (_, fault) => {
        const { ask } = await createApi({}, { placement })
        issuer.fault('introspection', fault)
        const token = await issuer.issueToken()
        const { status, code, headers, text } = await ask('/pay', token)
        expect({ status, code }).toEqual({ status: 503, code: 'ERR_INTROSPECTION_UNAVAILABLE' })
        expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(fault.status === 429 ? 7 : 1)
        expect(headers['www-authenticate']).toBeUndefined()
        for (const { clientSecret } of issuer.clients)
          expect(text + JSON.stringify(headers)).not.toContain(clientSecret)
        expect(text + JSON.stringify(headers)).not.toContain(token)
        expect(await ask('/read', token)).toMatchObject({ status: 200, body: { verifiedBy: 'signature' } })
      },
    )

    it("onUnavailable 'accept': what was found to be good here passes, and nothing else", async () => {
      const { ask } = await createApi({ onUnavailable: 'accept' }, { placement })
      issuer.fault('introspection', { status: 500 })
      const good = await issuer.issueToken()
      expect(await ask('/pay', good)).toMatchObject({ status: 200, body: { verifiedBy: 'signature' } })
      const bad = await issuer.issueToken({ expiresInSeconds: -60 })
      expect(await ask('/pay', bad)).toMatchObject({ status: 401, code: 'ERR_TOKEN_EXPIRED' })
      expect(await ask('/pay', OPAQUE)).toMatchObject({ status: 503 })
      const unknown = await issuer.issueToken({ header: { kid: 'unknown' } })
      expect(await ask('/pay', unknown)).toMatchObject({ status: 503 })
      issuer.clearFaults()
      const revoked = await issuer.issueToken()
      issuer.revoke(revoked)
      // The circuit breaker may be open: then it cannot be known.
      expect([200, 401]).toContain((await ask('/pay', revoked)).status)
    })

    it('errors that the application handles itself', async () => {
      const { ask } = await createApi({}, { placement, errors: 'handled' })
      const token = await issuer.issueToken()
      issuer.revoke(token)
      expect(await ask('/pay', token)).toMatchObject({
        status: 401,
        body: { mine: 'ERR_TOKEN_INACTIVE', status: 401, expose: true },
      })
      issuer.fault('introspection', { status: 500 })
      const { status, body, headers } = await ask('/pay', await issuer.issueToken())
      expect({ status, body }).toMatchObject({
        status: 503,
        body: { mine: 'ERR_INTROSPECTION_UNAVAILABLE', status: 503, expose: false },
      })
      expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1)
    })

    it("a guard that says 'always' behind a verifier that was not told how: 500, and no handler", async () => {
      for (const errors of ['respond', 'handled', 'unhandled'] as const) {
        const handle = vi.fn(() => 'never')
        const { ask, asked } = await createApi(false, {
          placement,
          errors,
          routes: [
            { path: '/pay', demands: [ALWAYS], handle },
            { path: '/read', handle: whoCalls },
          ],
        })
        const token = await issuer.issueToken()
        const { status, headers, text } = await ask('/pay', token)
        expect(text).not.toContain('invalid_token')
        expect([status, headers['www-authenticate']]).toEqual([500, undefined])
        await settle()
        expect(handle).not.toHaveBeenCalled()
        expect(asked()).toBe(0)
        expect((await ask('/read', token)).status).toBe(200)
      }
    })
  })

  it.each(['fallback', 'always', 'opaque'] as const)(
    'a verifier that says %s, for all routes',
    async (when) => {
      const { ask, asked } = await createApi({ when })
      const token = await issuer.issueToken()
      const isAsked = when === 'always'
      expect(await ask('/read', token)).toMatchObject({
        body: { verifiedBy: isAsked ? 'both' : 'signature' },
      })
      expect(asked()).toBe(isAsked ? 1 : 0)
      issuer.revoke(token)
      expect((await ask('/read', token)).status).toBe(isAsked ? 401 : 200)
      issuer.fault('jwks', { status: 500 })
    },
  )

  it('keys that cannot be had: who holds a good token is not turned away, who does not is', async () => {
    const { ask } = await createApi({ when: 'fallback' })
    issuer.fault('jwks', { status: 500 })
    const token = await issuer.issueToken({ scopes: ['messaging.read'] })
    expect(await ask('/read', token)).toMatchObject({
      status: 200,
      body: { verifiedBy: 'introspection', scopes: ['messaging.read'] },
    })
    issuer.revoke(token)
    expect(await ask('/read', token)).toMatchObject({ status: 401, code: 'ERR_TOKEN_INACTIVE' })
  })

  it('attack 44, I7: made-up tokens that the endpoint fails at take nothing from tokens verified here', async () => {
    for (const fault of [{ status: 500 }, { status: 404 }, { status: 429 }, { body: '<html>' }]) {
      const { ask } = await createApi({ when: 'opaque' })
      issuer.fault('introspection', fault)
      for (let n = 0; n < 5; n++)
        expect(await ask('/read', `made-up-${n}`)).toMatchObject({
          status: 503,
          code: 'ERR_INTROSPECTION_UNAVAILABLE',
        })
      issuer.clearFaults()
      expect(await ask('/pay', await issuer.issueToken())).toMatchObject({
        status: 200,
        body: { verifiedBy: 'both' },
      })
    }
  })

  it('attack 44: more than maxInFlight at once is a 503 with Retry-After at once', async () => {
    const held = createSignal()
    const { ask } = await createApi({
      when: 'opaque',
      maxInFlight: 1,
      clientId: undefined,
      clientSecret: undefined,
      authMethod: async () => {
        await held.promise
        const [{ clientId = '', clientSecret = '' } = {}] = issuer.clients
        return { parameters: { client_id: clientId, client_secret: clientSecret } }
      },
    })
    let refused = 0
    const asked = ['made-up-1', 'made-up-2', 'made-up-3'].map(async (token) => {
      const reply = await ask('/read', token)
      if (reply.status === 503 && ++refused === 2) held.resolve()
      return reply
    })
    const replies = await Promise.all(asked)
    expect(replies.map(({ status }) => status).sort()).toEqual([401, 503, 503])
    for (const { status, code, headers } of replies)
      if (status === 503) {
        expect(code).toBe('ERR_INTROSPECTION_UNAVAILABLE')
        expect(headers['retry-after']).toBe('1')
        expect(headers['www-authenticate']).toBeUndefined()
      }
    expect((await ask('/pay', await issuer.issueToken())).status).toBe(200)
  })

  it.each([
    [400, 503, 'ERR_KEY_NOT_FOUND'],
    [422, 503, 'ERR_KEY_NOT_FOUND'],
    [401, 503, 'ERR_INTROSPECTION_UNAVAILABLE'],
    [403, 503, 'ERR_INTROSPECTION_UNAVAILABLE'],
    [404, 503, 'ERR_INTROSPECTION_UNAVAILABLE'],
    [429, 200, 'ERR_INTROSPECTION_UNAVAILABLE'],
    [500, 200, 'ERR_INTROSPECTION_UNAVAILABLE'],
  ])(
    'I5, I7: the endpoint answers %d; "accept" is for outages, the local verdict for what it does not judge',
    async (status, paid, code) => {
      const { ask } = await createApi({ onUnavailable: 'accept' })
      issuer.fault('introspection', { status })
      expect((await ask('/pay', await issuer.issueToken())).status).toBe(paid)
      const unknown = await ask('/read', await issuer.issueToken({ header: { kid: 'unknown' } }))
      expect(unknown).toMatchObject({ status: code === 'ERR_KEY_NOT_FOUND' ? 401 : 503, code })
      expect(await ask('/read', OPAQUE)).toMatchObject({
        status: 503,
        code: 'ERR_INTROSPECTION_UNAVAILABLE',
      })
    },
  )

  it.each([
    [{ active: true, token_type: 'mac' }, 'ERR_TYP_INVALID'],
    [{ active: true, token_type: ['DPoP'] }, 'ERR_TYP_INVALID'],
    [{ active: true, typ: 'rt+jwt' }, 'ERR_TYP_INVALID'],
    [{ active: true, sub: 'another' }, 'ERR_CLAIM_INVALID'],
    ['{"active":false,"active":true}', 'ERR_CLAIM_INVALID'],
  ])('attack 45, I6: R, an answer of %j', async (body, code) => {
    const { ask } = await createApi({})
    issuer.fault('introspection', { body })
    const { headers, ...reply } = await ask('/pay', await issuer.issueToken({ subject: 'user' }))
    expect(reply).toMatchObject({ status: 401, code, body: { error: 'invalid_token' } })
    expect(parseChallenge(headers['www-authenticate'] ?? '')).toMatchObject({ error: 'invalid_token' })
  })

  it('many requests at once each get their own answer', async () => {
    const { ask, asked } = await createApi({})
    const replies = await Promise.all(crowd.map((token) => ask('/pay', token)))
    for (const [n, reply] of replies.entries())
      expect(reply).toMatchObject(
        n % 2 === 1
          ? { status: 401, code: 'ERR_TOKEN_INACTIVE' }
          : { status: 200, body: { verifiedBy: 'both', subject: `user-${n}` } },
      )
    expect(asked()).toBe(crowd.length)
  })
})

/** Where all that is demanded is one policy of one call, as in core alone, none of this can come apart. */
const adapters = harnesses.filter(([name]) => name !== 'core')

describe.each(adapters)('guards one after the other: %s', (_, harness) => {
  describe.each(['global', 'route'] as const)('%s', (placement) => {
    const narrowed: [string, Partial<Setup>][] = [
      ['of an earlier guard', { routes: [{ path: '/b', demands: [['b'], ALWAYS], handle: whoCalls }] }],
      [
        'of an earlier guard with a policy',
        { routes: [{ path: '/b', demands: [{ anyScope: ['b'] }, ALWAYS], handle: whoCalls }] },
      ],
      [
        'of telnyxAuth() itself',
        { options: { scopes: ['b'] }, routes: [{ path: '/b', demands: [ALWAYS], handle: whoCalls }] },
      ],
    ]
    it.each(narrowed)('I3: a scope %s that the issuer has taken away: 403', async (_, setup) => {
      const { ask } = await buildApi(harness, {}, { placement, ...setup })
      const token = await issuer.issueToken({ scopes: ['a', 'b'] })
      expect((await ask('/b', token)).status).toBe(200)
      issuer.fault('introspection', { body: { active: true, scope: 'a' } })
      expect(await ask('/b', token)).toMatchObject({ status: 403, code: 'ERR_SCOPE_INSUFFICIENT' })
    })

    it.each(['fallback', 'opaque'] satisfies IntrospectionWhen[])(
      "a guard that says '%s' behind a verifier that was not told how: 500, and no handler",
      async (introspection) => {
        const handle = vi.fn(() => 'never')
        const { ask } = await buildApi(harness, false, {
          placement,
          routes: [{ path: '/', demands: [{ introspection }], handle }],
        })
        expect((await ask('/', await issuer.issueToken())).status).toBe(500)
        expect(handle).not.toHaveBeenCalled()
      },
    )
  })
})

describe('a policy beside a shared verifier', () => {
  const shared = { verifier: createVerifier({ audience: AUDIENCE }), introspection: 'always' } as const
  const able = {
    verifier: createVerifier({ audience: AUDIENCE, introspection: { clientId: 'x', clientSecret: 'y' } }),
    introspection: 'always',
  } as const
  const register = async (options: fastify.TelnyxAuthOptions) => {
    const app = createFastify()
    try {
      await app.register(fastify.telnyxAuth, options)
      await app.ready()
    } finally {
      await app.close()
    }
  }

  it('that was not told how to ask is a ConfigurationError at once, and one that was is not', async () => {
    for (const { telnyxAuth } of [express, koa]) {
      expect(thrownBy(() => telnyxAuth(shared))).toBeInstanceOf(ConfigurationError)
      expect(() => telnyxAuth(able)).not.toThrow()
    }
    await expect(register(shared)).rejects.toBeInstanceOf(ConfigurationError)
    await expect(register(able)).resolves.toBeUndefined()
  })

  it('a guard with a policy that is not one is a ConfigurationError at once', () => {
    for (const { requireAuth } of [express, koa, fastify])
      for (const introspection of [null, 'never', true, {}]) {
        const policy: object = { introspection }
        expect(thrownBy(() => requireAuth(policy))).toBeInstanceOf(ConfigurationError)
      }
  })
})
