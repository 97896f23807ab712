import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import {
  channels,
  createVerifier,
  type Events,
  type FetchFunction,
  type VerifierOptions,
  watch,
} from '@telnyx-auth/core'
import { createAuthenticator, createGuards } from '@telnyx-auth/core/adapter'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { settle } from '../support/event-loop.js'
import {
  AUDIENCE,
  expectRefusal,
  forge,
  goodClaims,
  goodHeader,
  goodToken,
  ISSUER,
  JWKS_URL,
  METADATA_URL,
  makeKey,
  makeVerifier,
  rejectionOf,
  segmentsOf,
  TestClock,
} from '../support/forge.js'
import { untilTimeout } from '../support/outcome.js'
import { handleFor } from '../support/request-handle.js'

/** What operators can watch, and what they cannot: nothing of a token but its issuer, one that was configured. */

type Name = keyof Events

const NAMES: readonly Name[] = [
  'tokenAccepted',
  'tokenRejected',
  'keysRefreshed',
  'refreshFailed',
  'keysRotated',
  'keysStale',
  'introspectionAsked',
  'introspectionCircuitOpened',
  'introspectionResting',
  'introspectionLimited',
]

/** Every field that an event may have. */
const FIELDS: Readonly<Record<Name, readonly string[]>> = {
  tokenAccepted: ['issuer', 'kid', 'verifiedBy', 'cached', 'durationMs'],
  tokenRejected: ['code', 'claim', 'reason', 'hint', 'issuer', 'expectedIssuer', 'durationMs'],
  keysRefreshed: ['issuer', 'keyIds', 'durationMs'],
  refreshFailed: ['issuer', 'document', 'code', 'reason', 'host', 'status', 'durationMs', 'pauseMs'],
  keysRotated: ['issuer', 'added', 'removed'],
  keysStale: ['issuer', 'keysAgeMs'],
  introspectionAsked: ['issuer', 'outcome', 'reason', 'status', 'durationMs'],
  introspectionCircuitOpened: ['issuer', 'lane', 'pauseMs'],
  introspectionResting: ['issuer', 'lane', 'pauseMs'],
  introspectionLimited: ['issuer', 'lane', 'inFlight'],
}

type Recorded = readonly [Name, unknown]

/** Listens to everything, or to some, until the test is over. */
function record(names: readonly Name[] = NAMES) {
  const events: Recorded[] = []
  for (const name of names) {
    const listener = (message: unknown) => {
      const { claim, reason, hint, ...rest }: Record<string, unknown> = Object(message)
      // Which reason it is stands in reasons.test.ts; here, that there is one wherever a token was refused.
      if (name === 'tokenRejected') expect(typeof reason).toBe(typeof hint)
      events.push([name, name === 'tokenRejected' ? rest : message])
      for (const field of Object.keys(Object(message))) expect(FIELDS[name]).toContain(field)
    }
    subscribe(channels[name], listener)
    onTestFinished(() => {
      unsubscribe(channels[name], listener)
    })
  }
  return {
    events,
    /** The events of one kind. */
    of: (name: Name) => events.flatMap(([each, event]) => (each === name ? [event] : [])),
    /** All since the last time. */
    take: () => events.splice(0),
  }
}

const key = makeKey('ES256', 'good')
const next = makeKey('ES256', 'next')
const stranger = makeKey('ES256', 'stranger')
const HOST = new URL(ISSUER).host
const INTROSPECTION_URL = `${ISSUER}/introspect`
const introspection = {
  when: 'always',
  clientId: 'client-of-the-api',
  clientSecret: 'secret-of-the-api',
} as const
const anyNumber: unknown = expect.any(Number)

type Answer = () => Response | Promise<Response>

/** An issuer that takes its time, by a clock that it moves itself, and a verifier of its tokens. */
function createWorld(options: VerifierOptions = {}) {
  const clock = new TestClock()
  const world = {
    clock,
    metadata: (() =>
      Response.json({
        issuer: ISSUER,
        jwks_uri: JWKS_URL,
        introspection_endpoint: INTROSPECTION_URL,
      })) as Answer,
    keys: (() => Response.json({ keys: [key.jwk] })) as Answer,
    introspection: (() => Response.json({ active: true })) as Answer,
    /** How long each request takes. */
    seconds: 0,
    requests: 0,
  }
  const fetch: FetchFunction = async (url) => {
    world.requests++
    clock.advance(world.seconds)
    if (url === METADATA_URL || url.endsWith('/openid-configuration')) return world.metadata()
    return url === JWKS_URL ? world.keys() : world.introspection()
  }
  return Object.assign(world, { fetch, verifier: makeVerifier({ fetch }, options, clock) })
}

const failing =
  (status: number, headers: Record<string, string> = {}): Answer =>
  () =>
    new Response(null, { status, headers })
const noNetwork: Answer = () => Promise.reject(new TypeError('fetch failed'))

/** A good token whose every claim says who it is of. */
const MARKER = 'MARKER-of-a-person'
const markedToken = (claims: object = {}, header: object = {}) =>
  goodToken(
    key,
    {
      sub: MARKER,
      client_id: MARKER,
      jti: MARKER,
      scope: `${MARKER} messaging.read`,
      email: MARKER,
      ...claims,
    },
    header,
  )

function expectNothingOf(events: readonly Recorded[], secrets: readonly string[]): void {
  const shown = inspect(events, { depth: Infinity, showHidden: true, getters: true, maxStringLength: null })
  for (const secret of secrets) expect(shown.includes(secret), 'a secret is shown').toBe(false)
}

describe('the channels', () => {
  it('are these, each with a name of its own that begins with "telnyx-auth:"', () => {
    expect(Object.keys(channels).sort()).toEqual([...NAMES].sort())
    for (const name of Object.values(channels)) expect(name).toMatch(/^telnyx-auth:[a-z]+:[a-z]+$/)
    expect(new Set(Object.values(channels)).size).toBe(NAMES.length)
    expect(Object.isFrozen(channels)).toBe(true)
  })

  it('can be watched with types, and no longer', async () => {
    const { verifier } = createWorld()
    const codes: string[] = []
    const end = watch('tokenRejected', ({ code }) => codes.push(code))
    onTestFinished(end)
    await rejectionOf(verifier.verify('x'))
    end()
    await rejectionOf(verifier.verify('x'))
    expect(codes).toEqual(['ERR_TOKEN_MALFORMED'])
  })
})

describe('tokenAccepted', () => {
  it('says by what, with which key, and how long it took', async () => {
    const world = createWorld()
    world.seconds = 0.25
    const { of, take } = record()
    const token = markedToken()
    await world.verifier.verify(token)
    expect(of('tokenAccepted')).toEqual([
      { issuer: ISSUER, kid: 'good', verifiedBy: 'signature', cached: false, durationMs: 500 },
    ])
    take()
    await world.verifier.verify(markedToken())
    expect(take()).toEqual([
      [
        'tokenAccepted',
        { issuer: ISSUER, kid: 'good', verifiedBy: 'signature', cached: false, durationMs: 0 },
      ],
    ])
    await world.verifier.verify(token)
    expect(of('tokenAccepted')).toEqual([
      { issuer: ISSUER, kid: 'good', verifiedBy: 'signature', cached: true, durationMs: 0 },
    ])
  })

  it('names no key where the token names none', async () => {
    const { verifier } = createWorld()
    const { of } = record()
    await verifier.verify(markedToken({}, { kid: undefined }))
    expect(of('tokenAccepted')).toEqual([
      { issuer: ISSUER, verifiedBy: 'signature', cached: false, durationMs: 0 },
    ])
  })

  it('once for a request with a good token; a request without a token is tokenRejected', async () => {
    const { verifier } = createWorld()
    await verifier.preload()
    const { take } = record()
    await verifier.authenticate({ headers: { authorization: `Bearer ${markedToken()}` } })
    expect(take()).toEqual([
      [
        'tokenAccepted',
        { issuer: ISSUER, kid: 'good', verifiedBy: 'signature', cached: false, durationMs: 0 },
      ],
    ])
    await rejectionOf(verifier.authenticate({ headers: {} }))
    expect(take()).toEqual([['tokenRejected', { code: 'ERR_TOKEN_MISSING', durationMs: 0 }]])
  })

  it('by both, and by introspection alone', async () => {
    const world = createWorld({ introspection })
    const { of, take } = record()
    await world.verifier.verify(markedToken())
    expect(of('tokenAccepted')).toEqual([
      { issuer: ISSUER, kid: 'good', verifiedBy: 'both', cached: false, durationMs: 0 },
    ])
    take()
    await world.verifier.verify('opaque-token-of-a-user')
    expect(of('tokenAccepted')).toEqual([
      { issuer: ISSUER, verifiedBy: 'introspection', cached: false, durationMs: 0 },
    ])
    take()
    // No known key has signed it, so its key id proves nothing.
    await world.verifier.verify(goodToken(stranger, {}, { kid: MARKER }))
    expect(of('tokenAccepted')).toEqual([
      { issuer: ISSUER, verifiedBy: 'introspection', cached: false, durationMs: 0 },
    ])
    expectNothingOf(take(), [MARKER])
  })
})

describe('tokenRejected', () => {
  it.each([
    ['not a token', 'ERR_TOKEN_MALFORMED', undefined],
    ['', 'ERR_TOKEN_MALFORMED', undefined],
    ['a'.repeat(20_000), 'ERR_TOKEN_TOO_LARGE', undefined],
    [goodToken(key, { exp: 1 }), 'ERR_TOKEN_EXPIRED', ISSUER],
    [goodToken(key, { aud: 'x' }), 'ERR_AUDIENCE_NOT_ALLOWED', ISSUER],
    [goodToken(key, { cnf: {} }), 'ERR_TOKEN_BOUND', ISSUER],
    [goodToken(key, {}, { alg: 'none' }), 'ERR_ALGORITHM_NOT_ALLOWED', ISSUER],
    [goodToken(key, {}, { typ: 'dpop+jwt' }), 'ERR_TYP_INVALID', ISSUER],
    [goodToken(stranger), 'ERR_KEY_NOT_FOUND', ISSUER],
    [goodToken(stranger, {}, { kid: 'good' }), 'ERR_SIGNATURE_INVALID', ISSUER],
    [goodToken(key, { iss: 'https://evil.example' }), 'ERR_ISSUER_NOT_ALLOWED', undefined],
    [goodToken(key, { iss: undefined }), 'ERR_CLAIM_MISSING', undefined],
    [goodToken(key, { iss: [ISSUER] }), 'ERR_CLAIM_INVALID', undefined],
    [goodToken(key, { iss: { toString: 1 } }), 'ERR_CLAIM_INVALID', undefined],
  ])('%s: %s', async (token, code, issuer) => {
    const { verifier } = createWorld()
    await verifier.preload()
    const { of } = record()
    expect((await rejectionOf(verifier.verify(token))).code).toBe(code)
    const expectedIssuer = code === 'ERR_ISSUER_NOT_ALLOWED' ? ISSUER : undefined
    expect(of('tokenRejected')).toEqual([{ code, issuer, expectedIssuer, durationMs: 0 }])
    expect(of('tokenAccepted')).toEqual([])
  })

  it('says 503 codes, and how long it took', async () => {
    const world = createWorld()
    world.seconds = 0.5
    world.keys = failing(404)
    const { of } = record()
    await expectRefusal(world.verifier.verify(markedToken()), 'U', 'ERR_KEYS_UNAVAILABLE')
    expect(of('tokenRejected')).toEqual([{ code: 'ERR_KEYS_UNAVAILABLE', issuer: ISSUER, durationMs: 1000 }])
  })

  it('says what a policy refused', async () => {
    const { verifier } = createWorld()
    await verifier.preload()
    const { take } = record()
    await rejectionOf(verifier.verify(markedToken(), { scopes: ['admin'] }))
    await rejectionOf(verifier.verify(markedToken(), { acrValues: ['urn:gold'] }))
    await rejectionOf(verifier.verify(markedToken(), { validate: () => false }))
    expect(take()).toEqual(
      ['ERR_SCOPE_INSUFFICIENT', 'ERR_AUTHENTICATION_INSUFFICIENT', 'ERR_TOKEN_REJECTED'].map((code) => [
        'tokenRejected',
        { code, issuer: ISSUER, durationMs: 0 },
      ]),
    )
  })

  it('is not for what a validate throws of its own', async () => {
    const { verifier } = createWorld()
    await verifier.preload()
    const { events } = record()
    const failed = verifier.verify(markedToken(), { validate: () => Promise.reject(new Error(MARKER)) })
    await expect(failed).rejects.toThrow(MARKER)
    expect(events).toEqual([])
  })

  it.each([
    ['Bearer', 'ERR_REQUEST_MALFORMED'],
    ['Bearer a b', 'ERR_REQUEST_MALFORMED'],
    ['Bearer é', 'ERR_REQUEST_MALFORMED'],
    ['Bearer a, Bearer b', 'ERR_TOKEN_REPEATED'],
  ] as const)('says that a request is malformed: %s', async (authorization, code) => {
    const { verifier } = createWorld()
    const { events } = record()
    await expectRefusal(verifier.authenticate({ headers: { authorization } }), 'Q', code)
    expect(events).toEqual([['tokenRejected', { code, durationMs: 0 }]])
  })

  it('a missing token is one event, however it is missing; an anonymous caller is none', async () => {
    const { verifier, fetch } = createWorld()
    const { take } = record()
    const missing = [['tokenRejected', { code: 'ERR_TOKEN_MISSING', durationMs: 0 }]]
    await expectRefusal(verifier.authenticate({ headers: {} }), 'N', 'ERR_TOKEN_MISSING')
    expect(take()).toEqual(missing)
    const basic = { headers: { authorization: 'Basic dXNlcjpwYXNz' } }
    await expectRefusal(verifier.authenticate(basic), 'N', 'ERR_TOKEN_MISSING')
    expect(take()).toEqual(missing)
    await expectRefusal(Reflect.apply(verifier.verify, verifier, [undefined]), 'N', 'ERR_TOKEN_MISSING')
    expect(take()).toEqual(missing)
    const options = { issuer: ISSUER, audience: AUDIENCE, fetch }
    expect(await createAuthenticator(options).authenticate(handleFor(), { headers: {} })).toMatchObject({
      status: 401,
    })
    expect(take()).toEqual(missing)
    const anonymous = {}
    const optional = createAuthenticator({ ...options, optional: true })
    expect(await optional.authenticate(handleFor(anonymous), { headers: {} })).toBeUndefined()
    expect(take()).toEqual([])
    const { requireAuth } = createGuards(
      (authorize) => (requestKey: object) => authorize(handleFor(requestKey)),
    )
    expect(await requireAuth()(anonymous)).toMatchObject({ status: 401 })
    expect(take()).toEqual(missing)
  })

  it('a policy or a program that is wrong is no event', async () => {
    const { verifier } = createWorld()
    const { events } = record()
    const wrong = verifier.verify(markedToken(), { introspection: 'always' })
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
    expect(events).toEqual([])
  })
})

describe('an adapter', () => {
  const { requireAuth, requireScopes } = createGuards(
    (authorize) => (requestKey: object) => authorize(handleFor(requestKey)),
  )
  const request = () => ({ headers: { authorization: `Bearer ${markedToken()}` } })
  const accepted = [
    'tokenAccepted',
    { issuer: ISSUER, kid: 'good', verifiedBy: 'signature', cached: false, durationMs: 0 },
  ]

  it('a guard’s 403 is tokenRejected, and its consent is nothing more', async () => {
    const { verifier } = createWorld()
    await verifier.preload()
    const { take } = record()
    const requestKey = {}
    expect(
      await createAuthenticator({ verifier }).authenticate(handleFor(requestKey), request()),
    ).toBeUndefined()
    expect(take()).toEqual([accepted])
    expect(await requireScopes('messaging.read')(requestKey)).toBeUndefined()
    expect(take()).toEqual([])
    expect(await requireScopes('admin')(requestKey)).toMatchObject({ status: 403 })
    expect(take()).toEqual([
      ['tokenRejected', { code: 'ERR_SCOPE_INSUFFICIENT', issuer: ISSUER, durationMs: 0 }],
    ])
  })

  it('a guard behind a refusal says nothing again', async () => {
    const { verifier } = createWorld()
    await verifier.preload()
    const { take } = record()
    const requestKey = {}
    const authenticator = createAuthenticator({ verifier, scopes: ['admin'] })
    expect(await authenticator.authenticate(handleFor(requestKey), request())).toMatchObject({ status: 403 })
    expect(await requireAuth()(requestKey)).toMatchObject({ status: 403 })
    expect(take()).toEqual([
      ['tokenRejected', { code: 'ERR_SCOPE_INSUFFICIENT', issuer: ISSUER, durationMs: 0 }],
    ])
  })

  it('a authenticator that defers: when a guard asks, once', async () => {
    const { verifier } = createWorld()
    await verifier.preload()
    const { take } = record()
    const requestKey = {}
    createAuthenticator({ verifier }).defer(handleFor(requestKey), request())
    expect(take()).toEqual([])
    await requireAuth()(requestKey)
    await requireAuth()(requestKey)
    expect(take()).toEqual([accepted])
  })

  it('a guard that has the issuer asked: what that says', async () => {
    const world = createWorld({ introspection: { ...introspection, when: 'opaque' } })
    await world.verifier.preload()
    const { take } = record()
    const requestKey = {}
    await createAuthenticator({ verifier: world.verifier }).authenticate(handleFor(requestKey), request())
    take()
    world.introspection = () => Response.json({ active: false })
    expect(await requireAuth({ introspection: 'always' })(requestKey)).toMatchObject({ status: 401 })
    expect(take()).toEqual([
      ['introspectionAsked', { issuer: ISSUER, outcome: 'inactive', durationMs: 0 }],
      ['tokenRejected', { code: 'ERR_TOKEN_INACTIVE', issuer: ISSUER, durationMs: 0 }],
    ])
  })
})

describe('keysRefreshed and keysRotated', () => {
  it('the first load is a refresh and no rotation', async () => {
    const world = createWorld()
    world.seconds = 0.25
    const { events } = record()
    await world.verifier.preload()
    // Discovery is part of it.
    expect(events).toEqual([['keysRefreshed', { issuer: ISSUER, keyIds: ['good'], durationMs: 500 }]])
  })

  it('says which keys came, and which are gone', async () => {
    const world = createWorld()
    await world.verifier.preload()
    const { take } = record()
    world.keys = () => Response.json({ keys: [next.jwk, key.jwk] })
    await world.verifier.verify(goodToken(next))
    expect(take()).toEqual([
      ['keysRefreshed', { issuer: ISSUER, keyIds: ['next', 'good'], durationMs: 0 }],
      ['keysRotated', { issuer: ISSUER, added: ['next'], removed: [] }],
      [
        'tokenAccepted',
        { issuer: ISSUER, kid: 'next', verifiedBy: 'signature', cached: false, durationMs: 0 },
      ],
    ])
    world.keys = () => Response.json({ keys: [stranger.jwk, next.jwk] })
    world.clock.advance(400)
    await world.verifier.verify(goodToken(next))
    expect(take()).toEqual([
      ['keysRefreshed', { issuer: ISSUER, keyIds: ['stranger', 'next'], durationMs: 0 }],
      ['keysRotated', { issuer: ISSUER, added: ['stranger'], removed: ['good'] }],
      [
        'tokenAccepted',
        { issuer: ISSUER, kid: 'next', verifiedBy: 'signature', cached: false, durationMs: 0 },
      ],
    ])
  })

  it.each(['the same again', 'the same in another order', 'not modified'])(
    'a refresh that finds %s is no rotation',
    async (what) => {
      const world = createWorld()
      const headers = { etag: '"1"' }
      world.keys = () => Response.json({ keys: [key.jwk, next.jwk] }, { headers })
      await world.verifier.preload()
      if (what === 'not modified') world.keys = failing(304)
      if (what.endsWith('order')) world.keys = () => Response.json({ keys: [next.jwk, key.jwk] })
      const { of } = record()
      world.clock.advance(400)
      await world.verifier.verify(goodToken(key))
      expect(of('keysRefreshed')).toHaveLength(1)
      expect(of('keysRotated')).toEqual([])
    },
  )

  it('keys without an id are not named', async () => {
    const world = createWorld()
    world.keys = () => Response.json({ keys: [{ ...key.jwk, kid: undefined }] })
    const { of } = record()
    await world.verifier.preload()
    expect(of('keysRefreshed')).toEqual([{ issuer: ISSUER, keyIds: [], durationMs: 0 }])
  })
})

describe('refreshFailed', () => {
  /** Which reason each fault has, and what else is said of it. */
  const faults: Record<string, [Answer, object]> = {
    'no connection': [noNetwork, { reason: 'network' }],
    'status 404': [failing(404), { reason: 'status', status: 404 }],
    'status 503': [failing(503, { 'retry-after': '60' }), { reason: 'status', status: 503 }],
    'a redirect': [failing(302, { location: 'https://evil.example' }), { reason: 'redirect', status: 302 }],
    HTML: [() => new Response('<html>'), { reason: 'invalid-document', status: 200 }],
    'a wrong document': [() => Response.json({}), { reason: 'invalid-document', status: 200 }],
    'too much': [() => new Response(' '.repeat(300_000)), { reason: 'too-large', status: 200 }],
    silence: [() => new Promise(() => undefined), { reason: 'timeout' }],
  }

  it.each(Object.entries(faults))('of the keys: %s', async (what, [answer, said]) => {
    const world = createWorld()
    world.keys = answer
    const { of } = record()
    await expectRefusal(
      untilTimeout(() => world.verifier.verify(markedToken())),
      'U',
      'ERR_KEYS_UNAVAILABLE',
    )
    expect(of('refreshFailed')).toEqual([
      {
        issuer: ISSUER,
        document: 'keys',
        code: 'ERR_KEYS_UNAVAILABLE',
        host: HOST,
        durationMs: anyNumber,
        pauseMs: what === 'status 503' ? 60_000 : 5000,
        ...said,
      },
    ])
  })

  it.each(Object.entries(faults))('of the metadata, and so of the keys: %s', async (what, [answer, said]) => {
    const world = createWorld()
    world.metadata = answer
    const { of } = record()
    await expectRefusal(
      untilTimeout(() => world.verifier.verify(markedToken())),
      'U',
      'ERR_DISCOVERY_FAILED',
    )
    const failed = {
      issuer: ISSUER,
      code: 'ERR_DISCOVERY_FAILED',
      host: HOST,
      durationMs: anyNumber,
      pauseMs: what === 'status 503' ? 60_000 : 5000,
      ...said,
    }
    expect(of('refreshFailed')).toEqual([
      { ...failed, document: 'metadata' },
      { ...failed, document: 'keys' },
    ])
  })

  it('once per request to the issuer, not per token; the pauses grow', async () => {
    const world = createWorld()
    world.keys = failing(404)
    const { of } = record(['refreshFailed'])
    const pauses = []
    for (let turn = 0; turn < 4; turn++) {
      for (let n = 0; n < 10; n++) await rejectionOf(world.verifier.verify(markedToken()))
      expect(of('refreshFailed')).toHaveLength(turn + 1)
      const { nextRefreshInSeconds } = world.verifier.health()
      pauses.push(nextRefreshInSeconds)
      expect(of('refreshFailed').at(-1)).toMatchObject({ pauseMs: nextRefreshInSeconds * 1000 })
      world.clock.advance(nextRefreshInSeconds)
    }
    for (const [index, pause] of pauses.entries()) expect(pause).toBeGreaterThan(pauses[index - 1] ?? 0)
  })

  it('of a refresh in the background, while tokens are accepted', async () => {
    const world = createWorld()
    await world.verifier.preload()
    world.keys = failing(404)
    world.clock.advance(290)
    const { of } = record()
    await world.verifier.verify(markedToken())
    await settle()
    expect(of('refreshFailed')).toMatchObject([{ document: 'keys', reason: 'status', status: 404 }])
    expect(of('tokenAccepted')).toHaveLength(1)
    expect(of('tokenRejected')).toEqual([])
    expect(of('keysStale')).toEqual([])
  })

  it('says nothing of what the answer held', async () => {
    const world = createWorld()
    world.metadata = () => Response.json({ issuer: MARKER, [MARKER]: MARKER })
    const { events } = record()
    await rejectionOf(world.verifier.verify(goodToken(key)))
    world.clock.advance(60)
    world.metadata = () => Promise.reject(new Error(MARKER, { cause: new Error(MARKER) }))
    await rejectionOf(world.verifier.verify(goodToken(key)))
    expect(events.length).toBeGreaterThan(3)
    expectNothingOf(events, [MARKER])
  })
})

describe('keysStale', () => {
  it('once for each set that is used past its lifetime', async () => {
    const world = createWorld()
    await world.verifier.preload()
    const { of } = record(['keysStale'])
    const verify = () => world.verifier.verify(goodToken(key, { exp: world.clock.now() + 60 }))
    world.keys = failing(404)
    world.clock.advance(299)
    await verify()
    await settle()
    expect(of('keysStale')).toEqual([])
    world.clock.advance(2)
    for (let n = 0; n < 10; n++) {
      await verify()
      await settle()
      world.clock.advance(60)
    }
    expect(of('keysStale')).toEqual([{ issuer: ISSUER, keysAgeMs: 301_000 }])

    // The issuer is well again, and then it is not.
    world.keys = () => Response.json({ keys: [key.jwk] })
    world.clock.advance(60)
    await verify()
    await settle()
    world.keys = failing(404)
    world.clock.advance(1000)
    await verify()
    await verify()
    expect(of('keysStale')).toEqual([
      { issuer: ISSUER, keysAgeMs: 301_000 },
      { issuer: ISSUER, keysAgeMs: 1_000_000 },
    ])
  })

  it('not after quiet times, when the issuer is well', async () => {
    const world = createWorld()
    await world.verifier.preload()
    const { of } = record()
    world.clock.advance(3000)
    await world.verifier.verify(goodToken(key))
    expect(of('keysStale')).toEqual([])
    expect(of('keysRefreshed')).toHaveLength(1)
  })
})

describe('introspectionAsked and introspectionResting', () => {
  const OPAQUE = 'opaque-token-of-a-user'

  it('says what came of it, once however many wait, and nothing when it is known already', async () => {
    const world = createWorld({ introspection })
    await world.verifier.preload()
    world.seconds = 0.125
    const { of, take } = record()
    await Promise.all(Array.from({ length: 50 }, () => world.verifier.verify(OPAQUE)))
    await world.verifier.verify(OPAQUE)
    expect(of('introspectionAsked')).toEqual([{ issuer: ISSUER, outcome: 'active', durationMs: 125 }])
    expect(of('tokenAccepted')).toHaveLength(51)
    take()
    world.introspection = () => Response.json({ active: 'true' })
    await rejectionOf(world.verifier.verify(`${OPAQUE}-2`))
    expect(take()).toEqual([
      ['introspectionAsked', { issuer: ISSUER, outcome: 'inactive', durationMs: 125 }],
      ['tokenRejected', { code: 'ERR_TOKEN_INACTIVE', issuer: ISSUER, durationMs: 125 }],
    ])
  })

  const failures: Record<string, [Answer, object]> = {
    'no connection': [noNetwork, { reason: 'network' }],
    'status 400': [failing(400), { reason: 'status', status: 400 }],
    'its own credentials': [failing(401), { reason: 'credentials', status: 401 }],
    HTML: [() => new Response('<html>'), { reason: 'invalid-document', status: 200 }],
    silence: [() => new Promise(() => undefined), { reason: 'timeout' }],
  }

  it.each(Object.entries(failures))('says why it failed: %s', async (_, [answer, said]) => {
    const world = createWorld({ introspection })
    await world.verifier.preload()
    world.introspection = answer
    const { take } = record()
    const code = 'ERR_INTROSPECTION_UNAVAILABLE'
    await expectRefusal(
      untilTimeout(() => world.verifier.verify(OPAQUE)),
      'U',
      code,
    )
    expect(take()).toEqual([
      ['introspectionAsked', { issuer: ISSUER, outcome: 'failed', durationMs: 0, ...said }],
      ['tokenRejected', { code, issuer: ISSUER, durationMs: 0 }],
    ])
  })

  it('a function of the user’s that fails is the credentials’ fault, and what it threw is not told', async () => {
    const authMethod = () => Promise.reject(new Error(MARKER))
    const world = createWorld({ introspection: { when: 'always', authMethod } })
    const { events, of } = record()
    await expectRefusal(world.verifier.verify(OPAQUE), 'U', 'ERR_INTROSPECTION_UNAVAILABLE')
    expect(of('introspectionAsked')).toEqual([
      { issuer: ISSUER, outcome: 'failed', reason: 'credentials', durationMs: 0 },
    ])
    expectNothingOf(events, [MARKER])
  })

  it('after failures it rests: said once for each rest, and nothing is asked meanwhile', async () => {
    const world = createWorld({ introspection })
    await world.verifier.preload()
    world.introspection = failing(404)
    const { of } = record()
    for (let n = 0; n < 10; n++) await rejectionOf(world.verifier.verify(`${OPAQUE}-${n}`))
    expect(of('introspectionAsked')).toHaveLength(3)
    expect(of('introspectionResting')).toEqual([{ issuer: ISSUER, lane: 'decide', pauseMs: 5000 }])
    expect(of('tokenRejected')).toHaveLength(10)
    world.clock.advance(5)
    for (let n = 0; n < 10; n++) await rejectionOf(world.verifier.verify(`${OPAQUE}-${n}`))
    expect(of('introspectionAsked')).toHaveLength(4)
    expect(of('introspectionResting')).toEqual([
      { issuer: ISSUER, lane: 'decide', pauseMs: 5000 },
      { issuer: ISSUER, lane: 'decide', pauseMs: 10_000 },
    ])
    expect(of('introspectionCircuitOpened')).toEqual(of('introspectionResting'))
    world.introspection = () => Response.json({ active: true })
    world.clock.advance(10)
    await world.verifier.verify(OPAQUE)
    expect(of('introspectionAsked').at(-1)).toEqual({ issuer: ISSUER, outcome: 'active', durationMs: 0 })
    expect(of('introspectionResting')).toHaveLength(2)
  })
})

describe('what no event says', () => {
  const secrets = [MARKER, 'secret-of-the-api', 'client-of-the-api']

  it('nothing of good tokens, but their issuer and key', async () => {
    const world = createWorld({ introspection })
    world.introspection = () => Response.json({ active: true, sub: MARKER, username: MARKER, scope: MARKER })
    const { events } = record()
    const token = markedToken()
    await world.verifier.verify(token)
    await world.verifier.verify(`opaque-${MARKER}`)
    expect(events.map(([name]) => name)).toContain('tokenAccepted')
    expectNothingOf(events, [...secrets, token, ...segmentsOf(token)])
  })

  it('nothing of bad ones: no claim and no header, with any content', async () => {
    const { verifier } = createWorld()
    await verifier.preload()
    const { events } = record()
    const evil = `https://${MARKER}.example`
    const tokens = [
      goodToken(stranger, {}, { kid: MARKER }),
      goodToken(stranger, { iss: evil }, { kid: MARKER }),
      markedToken({ iss: evil }),
      markedToken({ iss: MARKER }),
      markedToken({ iss: [evil] }),
      markedToken({ iss: { [MARKER]: MARKER } }),
      markedToken({ aud: MARKER }),
      markedToken({ exp: MARKER }),
      markedToken({ exp: 1 }),
      markedToken({}, { alg: MARKER }),
      markedToken({}, { typ: MARKER }),
      markedToken({}, { crit: [MARKER] }),
      markedToken({ sub: [MARKER] }),
      markedToken({ cnf: { [MARKER]: MARKER } }),
      `${markedToken().slice(0, -8)}AAAAAAAA`,
      forge(goodHeader(key), `{"${MARKER}":`, key),
      forge(goodHeader(key), `{"${MARKER}":1,"${MARKER}":2}`, key),
      forge(`{"${MARKER}"`, goodClaims(), key),
      MARKER,
      `${MARKER}.${MARKER}.${MARKER}`,
    ]
    for (const token of tokens) await rejectionOf(verifier.verify(token))
    for (const token of tokens)
      await rejectionOf(verifier.authenticate({ headers: { authorization: `Bearer ${token} ${MARKER}` } }))
    expect(events.filter(([name]) => name === 'tokenRejected')).toHaveLength(2 * tokens.length)
    expectNothingOf(events, [...secrets, evil])
    for (const [, event] of events) expect(Object.keys(Object(event))).not.toContain('kid')
  })

  it('no scope that a policy demands, nor what a validate refuses with', async () => {
    const { verifier } = createWorld()
    const { events } = record()
    await rejectionOf(verifier.verify(markedToken({ scope: 'a' }), { scopes: [MARKER] }))
    await rejectionOf(verifier.verify(markedToken(), { acrValues: [MARKER] }))
    await rejectionOf(verifier.verify(markedToken(), { validate: () => false }))
    expect(events.length).toBeGreaterThan(2)
    expectNothingOf(events, secrets)
  })

  it('no credentials when these are refused', async () => {
    const world = createWorld({ introspection })
    world.introspection = () => Response.json({ error: MARKER }, { status: 401 })
    const { events } = record()
    for (let n = 0; n < 4; n++) await rejectionOf(world.verifier.verify(`opaque-${MARKER}-${n}`))
    expect(events.map(([name]) => name)).toContain('introspectionResting')
    const sent = Buffer.from('client-of-the-api:secret-of-the-api').toString('base64')
    expectNothingOf(events, [...secrets, sent])
  })
})

describe('without subscribers', () => {
  it('nothing is timed for events, and nothing published', async () => {
    const clock = new TestClock()
    const timed = makeVerifier({ fetch: createWorld().fetch }, {}, clock)
    await timed.preload()
    const readings = async () => {
      const spy = vi.spyOn(clock, 'monotonic')
      await timed.verify(goodToken(key))
      await rejectionOf(timed.verify('x'))
      const { length } = spy.mock.calls
      spy.mockRestore()
      return length
    }
    const before = await readings()
    const { take } = record(['tokenAccepted', 'tokenRejected'])
    expect(await readings()).toBe(before + 4)
    expect(take()).toHaveLength(2)
  })

  it('to one event, the others are not built', async () => {
    const world = createWorld({ introspection })
    const { events } = record(['keysRotated'])
    await world.verifier.preload()
    await world.verifier.verify(goodToken(key))
    await rejectionOf(world.verifier.verify('x.y.z'))
    expect(events).toEqual([])
    world.keys = () => Response.json({ keys: [next.jwk] })
    await world.verifier.verify(goodToken(next))
    expect(events.map(([name]) => name)).toEqual(['keysRotated'])
  })

  it('a token costs as little as before, once all have left', async () => {
    const world = createWorld()
    await world.verifier.preload()
    const spy = vi.spyOn(world.clock, 'monotonic')
    const readings = async () => {
      spy.mockClear()
      await world.verifier.verify(goodToken(key))
      return spy.mock.calls.length
    }
    const before = await readings()
    const end = watch('tokenAccepted', () => undefined)
    expect(await readings()).toBe(before + 2)
    end()
    expect(await readings()).toBe(before)
  })
})

describe('a listener', () => {
  it('that throws changes nothing about the token; the process hears of it', async () => {
    const world = createWorld()
    await world.verifier.preload()
    const uncaught: unknown[] = []
    process.setUncaughtExceptionCaptureCallback((error) => {
      uncaught.push(error)
    })
    const ends = (['tokenAccepted', 'tokenRejected', 'keysRefreshed', 'keysRotated'] as const).map((name) =>
      watch(name, () => {
        throw new Error(`of the listener to ${name}`)
      }),
    )
    try {
      await expect(world.verifier.verify(goodToken(key))).resolves.toMatchObject({ issuer: ISSUER })
      await expectRefusal(world.verifier.verify('x'), 'R', 'ERR_TOKEN_MALFORMED')
      world.keys = () => Response.json({ keys: [next.jwk] })
      await expect(world.verifier.verify(goodToken(next))).resolves.toMatchObject({ issuer: ISSUER })
      await settle()
    } finally {
      for (const end of ends) end()
      process.setUncaughtExceptionCaptureCallback(null)
    }
    expect(uncaught.map((error) => (error instanceof Error ? error.message : error))).toEqual([
      'of the listener to tokenAccepted',
      'of the listener to tokenRejected',
      'of the listener to keysRefreshed',
      'of the listener to keysRotated',
      'of the listener to tokenAccepted',
    ])
  })

  it('that changes what it is told changes nothing else', async () => {
    const world = createWorld()
    const end = watch('keysRefreshed', ({ keyIds }) => {
      Reflect.set(keyIds, 'length', 0)
    })
    onTestFinished(end)
    await world.verifier.preload()
    expect(world.verifier.health().keyIds).toEqual(['good'])
    await expect(world.verifier.verify(goodToken(key))).resolves.toBeDefined()
  })

  it('hears of every verifier, also of one at the clock of the system', async () => {
    const { fetch } = createWorld()
    const { of } = record(['keysRefreshed'])
    await createVerifier({ issuer: ISSUER, audience: AUDIENCE, fetch }).preload()
    const other = 'https://other.example'
    await createVerifier({ issuer: other, audience: AUDIENCE, fetch, jwksUri: JWKS_URL }).preload()
    expect(of('keysRefreshed')).toEqual(
      [ISSUER, other].map((issuer) => ({ issuer, keyIds: ['good'], durationMs: anyNumber })),
    )
  })
})
