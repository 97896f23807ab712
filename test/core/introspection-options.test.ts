import { inspect } from 'node:util'
import { type AuthenticateClient, ConfigurationError, type IntrospectionWhen } from '@telnyx-auth/core'
import { describe, expect, it, vi } from 'vitest'
import { active } from '../support/answers.js'
import { settle } from '../support/event-loop.js'
import { AUDIENCE, makeUncheckedVerifier, rejectionOf } from '../support/forge.js'
import { createWorld, ENDPOINT, first, OPAQUE, outcomeOf, own, WHEN } from '../support/mock-introspection.js'
import { thrownBy } from '../support/outcome.js'

describe('options', () => {
  const SECRET = 'this-is-the-client-secret'
  const good = { clientId: 'this-is-the-client-id', clientSecret: SECRET }
  const base = { audience: AUDIENCE, fetch: () => Promise.reject(new Error('No request is expected')) }
  const metadata = { issuer: 'https://api.telnyx.com', jwks_uri: 'https://api.telnyx.com/jwks' }
  const endpoint = 'https://api.telnyx.com/introspect'

  const wrong: [string, object][] = [
    ...[null, true, 5, 'always', SECRET, [], [good], () => good, new Map(), new Date()].map(
      (introspection): [string, object] => [
        `introspection: ${inspect(introspection, { breakLength: Infinity })}`,
        { introspection },
      ],
    ),
    ...[null, '', 'never', 'Always', SECRET, true, 5, ['always']].map((when): [string, object] => [
      `when: ${inspect(when, { breakLength: Infinity })}`,
      { introspection: { ...good, when } },
    ]),
    ...[null, '', 5, true, ['id'], {}].flatMap((value): [string, object][] => [
      [
        `clientId: ${inspect(value, { breakLength: Infinity })}`,
        { introspection: { ...good, clientId: value } },
      ],
      [
        `clientSecret: ${inspect(value, { breakLength: Infinity })}`,
        { introspection: { ...good, clientSecret: value } },
      ],
    ]),
    ['no clientId', { introspection: { clientSecret: SECRET } }],
    ['no clientSecret', { introspection: { clientId: 'this-is-the-client-id' } }],
    ['neither', { introspection: {} }],
    ...[null, '', 'none', 'private_key_jwt', 'client_secret_jwt', SECRET, {}, 5].map(
      (authMethod): [string, object] => [
        `authMethod: ${inspect(authMethod, { breakLength: Infinity })}`,
        { introspection: { ...good, authMethod } },
      ],
    ),
    ['a function and a secret', { introspection: { authMethod: () => ({}), clientSecret: SECRET } }],
    [
      'a function and an id',
      { introspection: { authMethod: () => ({}), clientId: 'this-is-the-client-id' } },
    ],
    ...['cacheSeconds', 'inactiveCacheSeconds'].flatMap((name) =>
      [null, '30', -1, 3601, NaN, Infinity, true, SECRET].map((value): [string, object] => [
        `${name}: ${inspect(value, { breakLength: Infinity })}`,
        { introspection: { ...good, [name]: value } },
      ]),
    ),
    ...[null, '100', 0, -1, 100_001, NaN, Infinity, true, SECRET].map((maxInFlight): [string, object] => [
      `maxInFlight: ${inspect(maxInFlight, { breakLength: Infinity })}`,
      { introspection: { ...good, maxInFlight } },
    ]),
    ...[null, '', 'allow', true, SECRET].map((onUnavailable): [string, object] => [
      `onUnavailable: ${inspect(onUnavailable, { breakLength: Infinity })}`,
      { introspection: { ...good, onUnavailable } },
    ]),
    ['a name that there is not', { introspection: { ...good, secret: SECRET } }],
    ['a misspelt name', { introspection: { ...good, cacheSecond: 5 } }],
    [
      'a hidden secret',
      { introspection: Object.defineProperty({ clientId: 'x' }, 'clientSecret', { value: SECRET }) },
    ],
    ['an inherited one', { introspection: Object.create(good) }],
    ['an endpoint and nothing that asks', { introspectionEndpoint: endpoint }],
    ...[
      null,
      '',
      5,
      'introspect',
      'http://api.telnyx.com/introspect',
      `https://user:${SECRET}@api.telnyx.com/`,
    ].map((introspectionEndpoint): [string, object] => [
      `introspectionEndpoint: ${inspect(introspectionEndpoint, { breakLength: Infinity })}`,
      { introspection: good, introspectionEndpoint },
    ]),
    ['metadata without an endpoint', { introspection: good, metadata }],
    [
      'metadata with one over http',
      { introspection: good, metadata: { ...metadata, introspection_endpoint: 'http://api.telnyx.com/' } },
    ],
    [
      'several issuers, and one way to ask',
      { issuer: ['https://a.example', 'https://b.example'], introspection: good },
    ],
    [
      'two issuers that know opaque tokens',
      {
        issuer: ['https://a.example', 'https://b.example'].map((issuer) => ({
          issuer,
          introspection: { ...good, when: 'opaque' },
        })),
      },
    ],
  ]
  it.each(wrong)('C: %s', (_, options) => {
    const error = thrownBy(() => makeUncheckedVerifier({ ...base, ...options }))
    expect(error).toBeInstanceOf(ConfigurationError)
    const shown = inspect(error, { depth: Infinity, showHidden: true })
    expect(shown).not.toContain(SECRET)
    expect(shown).not.toContain('this-is-the-client-id')
  })

  const right: [string, object][] = [
    ['credentials', { introspection: good }],
    ...WHEN.map((when): [string, object] => [when, { introspection: { ...good, when } }]),
    ['client_secret_basic', { introspection: { ...good, authMethod: 'client_secret_basic' } }],
    ['client_secret_post', { introspection: { ...good, authMethod: 'client_secret_post' } }],
    ['a function', { introspection: { authMethod: () => ({}) } }],
    ['0 and an hour', { introspection: { ...good, cacheSeconds: 0, inactiveCacheSeconds: 3600 } }],
    ['accept', { introspection: { ...good, onUnavailable: 'accept' } }],
    ...[1, 100, 100_000].map((maxInFlight): [string, object] => [
      `maxInFlight: ${maxInFlight}`,
      { introspection: { ...good, maxInFlight } },
    ]),
    [
      'everything undefined',
      {
        introspection: {
          ...good,
          when: undefined,
          authMethod: undefined,
          cacheSeconds: undefined,
          inactiveCacheSeconds: undefined,
          onUnavailable: undefined,
          maxInFlight: undefined,
        },
      },
    ],
    ['an endpoint', { introspection: good, introspectionEndpoint: endpoint }],
    [
      'an endpoint on loopback',
      { introspection: good, introspectionEndpoint: 'http://127.0.0.1:1/introspect' },
    ],
    [
      'metadata with an endpoint',
      { introspection: good, metadata: { ...metadata, introspection_endpoint: endpoint } },
    ],
    [
      'metadata, and an endpoint beside them',
      { introspection: good, metadata, introspectionEndpoint: endpoint },
    ],
    ['frozen', { introspection: Object.freeze({ ...good }) }],
  ]
  it.each(right)('A: %s', (_, options) => {
    expect(() => makeUncheckedVerifier({ ...base, ...options })).not.toThrow()
  })

  it('a policy that is not one', async () => {
    const { verifier } = await createWorld({ answer: active() })
    for (const introspection of [null, '', 'never', true, {}, 5, SECRET]) {
      const policy: object = { introspection }
      const error = await rejectionOf(verifier.verify(OPAQUE, policy))
      expect(error).toBeInstanceOf(ConfigurationError)
      expect(error.message).not.toContain(SECRET)
    }
  })

  it('are copied: what is changed afterwards changes nothing', async () => {
    const introspection: { when: IntrospectionWhen; clientId: string; clientSecret: string } = {
      when: 'always',
      clientId: 'before',
      clientSecret: 'before',
    }
    const world = await createWorld({ answer: active() })
    const verifier = world.another({ introspection })
    Object.assign(introspection, { when: 'opaque', clientId: 'after', clientSecret: 'after' })
    expect(await outcomeOf(verifier.verify(await world.issuer.issueToken()))).toBe('both')
    expect(first(world).headers.authorization).toBe(
      `Basic ${Buffer.from('before:before').toString('base64')}`,
    )
  })

  it('a verifier shows no secret to who looks at it', async () => {
    const world = await createWorld()
    expect(inspect(world.verifier, { depth: Infinity, showHidden: true })).not.toContain(world.clientSecret)
    expect(JSON.stringify(world.verifier)).not.toContain(world.clientSecret)
    expect(inspect(world.verifier.health(), { depth: Infinity })).not.toContain(world.clientSecret)
  })

  it('nothing is fetched, and no function is asked, at creation', async () => {
    const authMethod = vi.fn<AuthenticateClient>(() => ({}))
    const world = await createWorld({ introspection: own(authMethod) })
    await settle()
    expect(authMethod).not.toHaveBeenCalled()
    expect(world.asked).toHaveLength(0)
    expect(world.issuer.requests.metadata.count).toBe(0)
  })

  it('static keys and a given endpoint: only the endpoint is asked', async () => {
    const world = await createWorld({ answer: active() })
    const answer = await world.issuer.fetch(`${world.issuer.issuer}/v2/oauth/jwks`)
    const jwks: { keys: object[] } = JSON.parse(await answer.text())
    const before = world.issuer.requests.jwks.count
    const verifier = world.another({ jwks, introspectionEndpoint: ENDPOINT })
    expect(
      await outcomeOf(verifier.verify(await world.issuer.issueToken(), { introspection: 'always' })),
    ).toBe('both')
    expect(await outcomeOf(verifier.verify(OPAQUE))).toBe('introspection')
    expect(world.issuer.requests).toMatchObject({ metadata: { count: 0 }, jwks: { count: before } })
  })
})
