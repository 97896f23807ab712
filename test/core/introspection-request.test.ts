import { type Auth, type AuthenticateClient, ConfigurationError, type JwtClaims } from '@telnyx-auth/core'
import { describe, expect, it, vi } from 'vitest'

import { active } from '../support/answers.js'
import { AUDIENCE, makeUncheckedVerifier, rejectionOf } from '../support/forge.js'
import { createWorld, down, failureOf, first, OPAQUE, own } from '../support/mock-introspection.js'
import { codeOf, thrownBy, untilTimeout } from '../support/outcome.js'

describe('I1: the request', () => {
  it('is a POST of a form with token and token_type_hint, the credentials as Basic', async () => {
    const world = await createWorld({ answer: active() })
    await world.verifier.verify(OPAQUE)
    const { url, method, headers, form } = first(world)
    expect({ url, method }).toEqual({ url: `${world.issuer.issuer}/v2/oauth/introspect`, method: 'POST' })
    expect([...form]).toEqual([
      ['token', OPAQUE],
      ['token_type_hint', 'access_token'],
    ])
    expect(headers).toEqual({
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${Buffer.from(`${world.clientId}:${world.clientSecret}`).toString('base64')}`,
    })
  })

  it('carries every character of a token as it is, and none of it in the URL', async () => {
    const token = 'a+b/c~d._-%2B=='.replace('%', '')
    const world = await createWorld({ answer: active() })
    await world.verifier.verify(token)
    const { url, body, form } = first(world)
    expect(form.getAll('token')).toEqual([token])
    expect(body).toContain('token=a%2Bb%2Fc')
    expect(url).not.toContain('?')
  })

  const odd: [string, string][] = [
    ['id', 'secret'],
    ['a:b', 'c:d:e'],
    ['with space', ' both ends '],
    ['100%', '%41%2B'],
    ['a+b', '+/=&?#'],
    ['ünï', '\u{1F511}\u00A0ключ'],
    ['"\\', "'\r\n\t"],
    ['*-._~', '!()'],
  ]
  it.each(odd)(
    'I1, RFC 6749 §2.3.1: form-encodes id %j and secret %j first',
    async (clientId, clientSecret) => {
      const clients = [{ clientId, clientSecret }]
      for (const authMethod of ['client_secret_basic', 'client_secret_post'] as const) {
        const world = await createWorld({ clients, introspection: { authMethod, when: 'always' } })
        const { verifiedBy } = await world.verifier.verify(await world.issuer.issueToken())
        // The issuer's own endpoint has accepted the credentials.
        expect(verifiedBy).toBe('both')
        const { headers, form } = first(world)
        if (authMethod === 'client_secret_post') {
          expect(headers.authorization).toBeUndefined()
          expect([form.get('client_id'), form.get('client_secret')]).toEqual([clientId, clientSecret])
          continue
        }
        expect([form.has('client_id'), form.has('client_secret')]).toEqual([false, false])
        const [, base64 = ''] = /^Basic ([A-Za-z0-9+/]+=*)$/.exec(headers.authorization ?? '') ?? []
        const halves = Buffer.from(base64, 'base64').toString().split(':')
        expect(halves).toHaveLength(2)
        expect(halves.map((half) => new URLSearchParams(`x=${half}`).get('x'))).toEqual([
          clientId,
          clientSecret,
        ])
      }
    },
  )

  it('positive control: the endpoint refuses wrong credentials', async () => {
    for (const authMethod of ['client_secret_basic', 'client_secret_post'] as const) {
      const world = await createWorld({ introspection: { authMethod, clientSecret: 'wrong' } })
      expect(await codeOf(world.verifier.verify(OPAQUE))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
    }
  })

  it('the credentials are those of the environment, an option before its variable', async () => {
    const world = await createWorld()
    vi.stubEnv('TELNYX_CLIENT_ID', 'id-of-environment')
    vi.stubEnv('TELNYX_CLIENT_SECRET', 'secret-of-environment')
    world.answer = active()
    await world.another({ introspection: {} }).verify(OPAQUE)
    await world.another({ introspection: { clientId: 'mine' } }).verify(OPAQUE)
    await world
      .another({ introspection: own(() => ({ headers: { authorization: 'Bearer KEY' } })) })
      .verify(OPAQUE)
    const basic = (value: string) => `Basic ${Buffer.from(value).toString('base64')}`
    expect(world.asked.map(({ headers }) => headers.authorization)).toEqual([
      basic('id-of-environment:secret-of-environment'),
      basic('mine:secret-of-environment'),
      'Bearer KEY',
    ])
  })

  it('an empty variable is none', async () => {
    const world = await createWorld()
    vi.stubEnv('TELNYX_CLIENT_ID', '')
    vi.stubEnv('TELNYX_CLIENT_SECRET', '')
    expect(thrownBy(() => world.another({ introspection: {} }))).toBeInstanceOf(ConfigurationError)
  })
})

describe('a function as "authMethod"', () => {
  it.each([
    ['at once', (given: ReturnType<AuthenticateClient>) => given],
    ['later', async (given: ReturnType<AuthenticateClient>) => given],
  ])('answers %s: a bearer API key, told for whom', async (_, when) => {
    const authMethod = vi.fn<AuthenticateClient>(() => when({ headers: { Authorization: 'Bearer API-KEY' } }))
    const world = await createWorld({ introspection: own(authMethod), answer: active() })
    await world.verifier.verify(OPAQUE)
    const { issuer } = world.issuer
    expect(authMethod).toHaveBeenCalledExactlyOnceWith({ issuer, endpoint: `${issuer}/v2/oauth/introspect` })
    expect(first(world).headers).toEqual({
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      authorization: 'Bearer API-KEY',
    })
  })

  it('a private key JWT: its parameters go with the token (RFC 7523 §2.2)', async () => {
    const parameters = {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: 'x.y.z',
    }
    const world = await createWorld({ introspection: own(() => ({ parameters })), answer: active() })
    await world.verifier.verify(OPAQUE)
    expect(Object.fromEntries(first(world).form)).toEqual({
      ...parameters,
      token: OPAQUE,
      token_type_hint: 'access_token',
    })
  })

  it('cannot change the token, its kind or the form of the request', async () => {
    const authMethod: AuthenticateClient = () => ({
      headers: { 'Content-Type': 'application/json' },
      parameters: { token: 'another', token_type_hint: 'refresh_token' },
    })
    const world = await createWorld({ introspection: own(authMethod), answer: active() })
    await world.verifier.verify(OPAQUE)
    const { headers, form } = first(world)
    expect(headers['content-type']).toBe('application/x-www-form-urlencoded')
    expect([form.getAll('token'), form.getAll('token_type_hint')]).toEqual([[OPAQUE], ['access_token']])
  })

  it('is called for each request', async () => {
    let keys = 0
    const authMethod: AuthenticateClient = () => ({ headers: { authorization: `Bearer ${++keys}` } })
    const world = await createWorld({ introspection: own(authMethod), answer: active() })
    await world.verifier.verify('one')
    await world.verifier.verify('two')
    expect(world.asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer 1', 'Bearer 2'])
  })

  it('RFC 7523 §3: also for a retry, because an assertion may be valid for one use only', async () => {
    let assertions = 0
    const authMethod: AuthenticateClient = () => ({ parameters: { client_assertion: `${++assertions}` } })
    const world = await createWorld({ introspection: own(authMethod), answer: down })
    await codeOf(world.verifier.verify(OPAQUE))
    expect(world.asked.map(({ form }) => form.get('client_assertion'))).toEqual(['1', '2'])
  })

  const fails: [string, AuthenticateClient][] = [
    [
      'throws',
      () => {
        throw new Error('no key today')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no key today'))],
    ['rejects with nothing', () => Promise.reject(undefined)],
    ['never settles', () => new Promise(() => undefined)],
  ]
  it.each(fails)('I5: that %s is a 503, and no request', async (_, authMethod) => {
    const world = await createWorld({ introspection: own(authMethod), answer: active() })
    const error = await untilTimeout(() => rejectionOf(world.verifier.verify(OPAQUE)))
    expect(error).toMatchObject({ code: 'ERR_INTROSPECTION_UNAVAILABLE', status: 503 })
    expect(error.cause).toMatchObject({ reason: 'credentials' })
    expect(world.asked).toEqual([])
  })

  const nonsense: [string, unknown][] = [
    ['undefined', undefined],
    ['null', null],
    ['a number', 5],
    ['a text', 'Bearer KEY'],
    ['an array', []],
    ['null as headers', { headers: null }],
    ['a text as headers', { headers: 'Bearer KEY' }],
    ['an instance of Headers', { headers: new Headers({ authorization: 'Bearer KEY' }) }],
    ['a Map as headers', { headers: new Map([['authorization', 'Bearer KEY']]) }],
    ['a header that is undefined', { headers: { authorization: undefined } }],
    ['a header that is a number', { headers: { authorization: 5 } }],
    ['a text as parameters', { parameters: 'client_assertion=x' }],
    ['URLSearchParams as parameters', { parameters: new URLSearchParams({ client_assertion: 'x' }) }],
    ['a parameter that is undefined', { parameters: { client_assertion: undefined } }],
    ['a parameter that is an object', { parameters: { client_assertion: {} } }],
    ['a misspelt member', { header: { authorization: 'Bearer KEY' } }],
  ]
  it.each(nonsense)('that returns %s is a 503, and no request', async (_, given) => {
    const world = await createWorld({ answer: active() })
    const verifier = makeUncheckedVerifier({
      issuer: world.issuer.issuer,
      audience: AUDIENCE,
      introspectionEndpoint: 'https://issuer.example/introspect',
      introspection: { authMethod: () => given },
      fetch: (url: string) => {
        world.asked.push({ url, method: 'POST', headers: {}, body: '', form: new URLSearchParams() })
        return Response.json({ active: true })
      },
    })
    const error = await rejectionOf(verifier.verify(OPAQUE))
    expect(error).toMatchObject({ code: 'ERR_INTROSPECTION_UNAVAILABLE', status: 503 })
    expect(world.asked).toEqual([])
  })
})

describe('the mock issuer', () => {
  it.each(['client_secret_basic', 'client_secret_post'] as const)(
    'accepts what is sent (%s), and says what it knows',
    async (authMethod) => {
      const world = await createWorld({ introspection: { when: 'always', authMethod } })
      const token = await world.issuer.issueToken({ scopes: ['messaging.read'], subject: 'user' })
      const auth: Auth<JwtClaims> = await world.verifier.verify(token)
      expect(auth).toMatchObject({
        verifiedBy: 'both',
        subject: 'user',
        scopes: ['messaging.read'],
        audience: [AUDIENCE],
      })
      world.issuer.revoke(token)
      world.clock.advance(30)
      expect(await codeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
      expect(world.issuer.requests.introspection.count).toBe(2)
    },
  )

  it('without keys, a good token is accepted by introspection', async () => {
    const world = await createWorld()
    world.issuer.fault('jwks', { status: 500 })
    const auth = await world.verifier.verify(await world.issuer.issueToken({ scopes: ['messaging.read'] }))
    expect(auth).toMatchObject({ verifiedBy: 'introspection', scopes: ['messaging.read'] })
    expect(await codeOf(world.verifier.verify(OPAQUE))).toBe('ERR_TOKEN_INACTIVE')
  })
})

it('what "authMethod" gives may throw when it is looked at: a 503 that says so', async () => {
  const hostile = new Proxy(
    {},
    {
      ownKeys() {
        throw new Error('hostile')
      },
    },
  )
  const world = await createWorld({ introspection: own(() => hostile), answer: active() })
  expect((await failureOf(world.verifier.verify(OPAQUE))).reason).toBe('credentials')
  expect(world.asked).toEqual([])
})
