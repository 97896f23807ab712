import { inspect } from 'node:util'
import {
  type Auth,
  type AuthenticateClient,
  ConfigurationError,
  type ErrorCode,
  type FetchFunction,
  type FetchResponse,
  type IntrospectionOptions,
  type IntrospectionWhen,
  IssuerFailure,
  type JwtClaims,
  UnavailableError,
  type VerifierOptions,
} from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { describe, expect, it, vi } from 'vitest'
import { createVerifierAt, type TokenVerifier } from '../../packages/core/src/testing.js'
import { settle } from '../support/event-loop.js'
import { encode, expectRefusal, makeUncheckedVerifier } from '../support/forge.js'
import { createSignal } from '../support/http.js'
import { AUDIENCE, codeOf, errorOf, ManualClock, thrownBy, untilTimeout } from '../support/outcome.js'

/** What leaves for the introspection endpoint. */
interface Asked {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly form: URLSearchParams
}

type Answer = (asked: Asked, signal: AbortSignal) => FetchResponse | Promise<FetchResponse>

interface World {
  readonly clock: ManualClock
  readonly issuer: MockIssuer
  readonly verifier: TokenVerifier
  readonly clientId: string
  readonly clientSecret: string
  readonly asked: Asked[]
  /** What the endpoint answers instead of what the mock issuer would. */
  answer: Answer | undefined
  /** Another verifier of the same issuer. */
  another(options?: VerifierOptions): TokenVerifier
}

const OPAQUE = 'opaque-token-0123456789'

const json =
  (value: unknown, init?: ResponseInit): Answer =>
  () =>
    Response.json(value, init)
const text =
  (body: string, init?: ResponseInit): Answer =>
  () =>
    new Response(body, init)
const active = (members: object = {}): Answer => json({ active: true, ...members })
const inactive = json({ active: false })
const down: Answer = () => new Response('down', { status: 500 })

/** An issuer, and a verifier that may ask it about tokens. */
async function createWorld({
  introspection = {},
  verifier = {},
  clients,
  answer,
}: {
  introspection?: IntrospectionOptions
  verifier?: VerifierOptions
  clients?: { clientId: string; clientSecret: string }[]
  answer?: Answer
} = {}): Promise<World> {
  const clock = new ManualClock()
  const issuer = await createMockIssuer({
    algorithm: 'ES256',
    now: () => clock.now() * 1000,
    ...(clients && { clients }),
  })
  const [client] = issuer.clients
  if (!client?.clientSecret) throw new Error('There is no client with a secret')
  const { clientId, clientSecret } = client
  const asked: Asked[] = []
  const fetch: FetchFunction = async (url, init) => {
    if (init.method !== 'POST') return issuer.fetch(url, init)
    const body = init.body ?? ''
    const request = { url, method: init.method, headers: init.headers, body, form: new URLSearchParams(body) }
    asked.push(request)
    return world.answer ? world.answer(request, init.signal) : issuer.fetch(url, init)
  }
  const another = (options: VerifierOptions = {}) =>
    createVerifierAt(clock, {
      issuer: issuer.issuer,
      audience: AUDIENCE,
      fetch,
      introspection: { clientId, clientSecret, ...introspection },
      ...options,
    })
  const world: World = {
    clock,
    issuer,
    verifier: another(verifier),
    clientId,
    clientSecret,
    asked,
    answer,
    another,
  }
  return world
}

/** For a function that authenticates in its own way: no client id and no secret. */
const own = (authMethod: AuthenticateClient): IntrospectionOptions => ({
  authMethod,
  clientId: undefined,
  clientSecret: undefined,
})

/** The first request that left. */
function first({ asked }: World): Asked {
  const [request] = asked
  return request ?? expect.fail('Nobody was asked')
}

/** What became of a token: by what it was found to be good, or the code that it was refused with. */
async function outcomeOf(verification: Promise<Auth>): Promise<Auth['verifiedBy'] | ErrorCode> {
  try {
    return (await verification).verifiedBy
  } catch {
    return codeOf(verification)
  }
}

/** Why the issuer could not be asked. */
async function failureOf(promise: Promise<unknown>): Promise<IssuerFailure> {
  const { cause } = await errorOf(promise)
  return cause instanceof IssuerFailure ? cause : expect.fail(`No IssuerFailure: ${inspect(cause)}`)
}

/** What must not be shown by any error. */
const secretsOf = ({ clientId, clientSecret }: World, token: string): readonly string[] => [
  token,
  clientSecret,
  Buffer.from(`${clientId}:${clientSecret}`).toString('base64'),
]

const expectUnavailable = (world: World, promise: Promise<unknown>, token: string) =>
  expectRefusal(promise, 'U', 'ERR_INTROSPECTION_UNAVAILABLE', secretsOf(world, token))

/** Uses up what an endpoint may fail before it rests; the first of these is tried twice. */
async function exhaust({ verifier }: World): Promise<void> {
  for (let n = 0; n < 3; n++)
    expect(await codeOf(verifier.verify(`exhausting-${n}`))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
}

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

  it('and the endpoint that refuses wrong credentials is not fooled: positive control', async () => {
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

  it('cannot make it a question about another token, of another kind or in another form', async () => {
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

  it('is asked anew for each request', async () => {
    let keys = 0
    const authMethod: AuthenticateClient = () => ({ headers: { authorization: `Bearer ${++keys}` } })
    const world = await createWorld({ introspection: own(authMethod), answer: active() })
    await world.verifier.verify('one')
    await world.verifier.verify('two')
    expect(world.asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer 1', 'Bearer 2'])
  })

  it('RFC 7523 §3: also for a request that is repeated, because an assertion may be of use once', async () => {
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
    const error = await untilTimeout(() => errorOf(world.verifier.verify(OPAQUE)))
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
    const error = await errorOf(verifier.verify(OPAQUE))
    expect(error).toMatchObject({ code: 'ERR_INTROSPECTION_UNAVAILABLE', status: 503 })
    expect(world.asked).toEqual([])
  })
})

/** The kinds of tokens, what is to happen before one comes, and what becomes of it. */
interface Kind {
  readonly what: string
  readonly token: (world: World) => string | Promise<string>
  readonly prepare?: (issuer: MockIssuer) => void
  readonly options?: VerifierOptions
  /** Without introspection. */
  readonly off: Auth['verifiedBy'] | ErrorCode
  /** With it: what differs. An issuer that is asked says that the token is active. */
  readonly asks: readonly IntrospectionWhen[]
}

const WHEN = ['fallback', 'always', 'opaque'] as const
const ENDPOINT = 'https://api.telnyx.com/v2/oauth/introspect'
const refused = (
  what: string,
  off: ErrorCode,
  token: Kind['token'],
  options: VerifierOptions = {},
): Kind => ({ what, token, off, asks: [], options })
const opaque = (what: string, token: string): Kind => ({
  what,
  token: () => token,
  off: 'ERR_TOKEN_MALFORMED',
  asks: WHEN,
})
const undecided = (what: string, off: ErrorCode, rest: Omit<Kind, 'what' | 'off' | 'asks'>): Kind => ({
  what,
  off,
  asks: ['fallback', 'always'],
  ...rest,
})
const issue: (options: Parameters<MockIssuer['issueToken']>[0]) => Kind['token'] =
  (options) =>
  ({ issuer }) =>
    issuer.issueToken(options)
const stranger = createMockIssuer({ algorithm: 'ES256' })
const claims = ({ issuer, clock }: World) => ({
  iss: issuer.issuer,
  aud: AUDIENCE,
  iat: clock.now(),
  exp: clock.now() + 60,
})
const kidOf = async ({ issuer }: World): Promise<string> => {
  const [header = ''] = (await issuer.issueToken()).split('.')
  const { kid }: { kid: string } = JSON.parse(Buffer.from(header, 'base64url').toString())
  return kid
}

const kinds: readonly Kind[] = [
  { what: 'a good JWT', token: issue({}), off: 'signature', asks: ['always'] },
  opaque('an opaque token', OPAQUE),
  opaque('an opaque token of one character', 'a'),
  opaque('an opaque token with every character', 'Az09-._~+/=='.replace('.', '')),
  opaque('two parts', 'eyJhbGciOiJFUzI1NiJ9.e30'),
  opaque('four parts', 'a.b.c.d'),
  opaque('five parts, as a JWE has (J7)', 'eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn'),
  undecided('a key that is not found', 'ERR_KEY_NOT_FOUND', { token: issue({ header: { kid: 'unknown' } }) }),
  undecided('no key for the algorithm, and no kid', 'ERR_KEY_NOT_FOUND', {
    token: (world) => `${encode({ alg: 'RS256' })}.${encode(claims(world))}.${encode('signature')}`,
  }),
  undecided('keys that cannot be had', 'ERR_KEYS_UNAVAILABLE', {
    token: issue({}),
    prepare: (issuer) => issuer.fault('jwks', { status: 500 }),
  }),
  undecided('discovery that fails, with the endpoint given', 'ERR_DISCOVERY_FAILED', {
    token: issue({}),
    prepare: (issuer) => issuer.fault('metadata', { drop: true }),
    options: { introspectionEndpoint: ENDPOINT },
  }),
  // Attack 42.
  refused('an empty token', 'ERR_TOKEN_MALFORMED', () => ''),
  refused('one dot', 'ERR_TOKEN_MALFORMED', () => '.'),
  refused('two dots', 'ERR_TOKEN_MALFORMED', () => '..'),
  refused('four dots', 'ERR_TOKEN_MALFORMED', () => '....'),
  refused('signs only', 'ERR_TOKEN_MALFORMED', () => '-._~+/='),
  refused('a thousand dots', 'ERR_TOKEN_MALFORMED', () => '.'.repeat(1000)),
  refused('a blank inside', 'ERR_TOKEN_MALFORMED', () => 'opaque token'),
  refused('a newline behind', 'ERR_TOKEN_MALFORMED', () => `${OPAQUE}\n`),
  refused('a letter that no credential has', 'ERR_TOKEN_MALFORMED', () => 'tökén'),
  refused('a NUL', 'ERR_TOKEN_MALFORMED', () => 'opaque\0token'),
  refused('a sign of equality inside', 'ERR_TOKEN_MALFORMED', () => 'a=b'),
  refused('three parts that are no JWT', 'ERR_TOKEN_MALFORMED', () => 'a.b.c'),
  refused('three parts that are not JSON', 'ERR_TOKEN_MALFORMED', () => 'YWJj.YWJj.YWJj'),
  refused('padding', 'ERR_TOKEN_MALFORMED', async ({ issuer }) => `${await issuer.issueToken()}=`),
  refused('an opaque token that is too large', 'ERR_TOKEN_TOO_LARGE', () => 'a'.repeat(16_385)),
  refused('one too large for here', 'ERR_TOKEN_TOO_LARGE', () => OPAQUE, { maxTokenBytes: 10 }),
  refused('an implausible kid', 'ERR_KEY_NOT_FOUND', issue({ header: { kid: '../../etc/passwd' } })),
  refused('a kid of 10 KB', 'ERR_KEY_NOT_FOUND', issue({ header: { kid: 'k'.repeat(10_000) } })),
  refused('a kid that is a number', 'ERR_TOKEN_MALFORMED', issue({ header: { kid: 5 } })),
  refused('an expired one', 'ERR_TOKEN_EXPIRED', issue({ expiresInSeconds: -60 })),
  refused(
    'an expired one of a key not found',
    'ERR_TOKEN_EXPIRED',
    issue({ expiresInSeconds: -60, header: { kid: 'x' } }),
  ),
  refused('another audience', 'ERR_AUDIENCE_NOT_ALLOWED', issue({ audience: 'https://other.example.com' })),
  refused(
    'another issuer',
    'ERR_ISSUER_NOT_ALLOWED',
    issue({ claims: { iss: 'https://other.example.com' } }),
  ),
  refused('no issuer', 'ERR_CLAIM_MISSING', issue({ claims: { iss: undefined } })),
  refused('not yet valid', 'ERR_TOKEN_NOT_YET_VALID', issue({ claims: { nbf: 4_000_000_000 } })),
  refused('bound to a key (J10)', 'ERR_TOKEN_BOUND', issue({ claims: { cnf: { jkt: 'x' } } })),
  refused('another typ', 'ERR_TYP_INVALID', issue({ header: { typ: 'dpop+jwt' } })),
  refused('crit', 'ERR_TOKEN_MALFORMED', issue({ header: { crit: ['x'] } })),
  refused('a signature of another key with this kid', 'ERR_SIGNATURE_INVALID', async (world) =>
    (await stranger).issueToken({ claims: claims(world), header: { kid: await kidOf(world) } }),
  ),
  refused('a signature of another key without kid', 'ERR_SIGNATURE_INVALID', async (world) =>
    (await stranger).issueToken({ claims: claims(world), header: { kid: undefined } }),
  ),
  ...['none', 'None', 'HS256', 'RSA1_5', ''].map((alg) =>
    refused(
      `alg ${JSON.stringify(alg)}`,
      'ERR_ALGORITHM_NOT_ALLOWED',
      (world) => `${encode({ alg })}.${encode(claims(world))}.`,
    ),
  ),
]

describe('attack 42: who is asked about, and what becomes of it', () => {
  describe.each(kinds)('$what', ({ token: make, prepare, options, off, asks }) => {
    it(`without introspection: ${off}`, async () => {
      const world = await createWorld({ answer: active() })
      prepare?.(world.issuer)
      const verifier = world.another({
        ...options,
        introspection: undefined,
        introspectionEndpoint: undefined,
      })
      expect(await outcomeOf(verifier.verify(await make(world)))).toBe(off)
      expect(world.asked).toEqual([])
    })

    it.each(WHEN)('%s', async (when) => {
      const world = await createWorld({
        introspection: { when },
        answer: active(),
        ...(options && { verifier: options }),
      })
      prepare?.(world.issuer)
      const token = await make(world)
      const isAsked = asks.includes(when)
      const found = off === 'signature' ? 'both' : 'introspection'
      expect(await outcomeOf(world.verifier.verify(token))).toBe(isAsked ? found : off)
      expect(world.asked.map(({ form }) => form.get('token'))).toEqual(isAsked ? [token] : [])
    })

    // What the issuer says decides where it is asked, and only there.
    it.each(WHEN)('%s, and the issuer says no', async (when) => {
      const world = await createWorld({
        introspection: { when },
        answer: inactive,
        ...(options && { verifier: options }),
      })
      prepare?.(world.issuer)
      const code = asks.includes(when) ? 'ERR_TOKEN_INACTIVE' : off
      expect(await outcomeOf(world.verifier.verify(await make(world)))).toBe(code)
    })
  })

  it('a key that comes with a permitted refresh is found: nobody is asked', async () => {
    const world = await createWorld()
    await world.verifier.preload()
    await world.issuer.rotateKeys()
    expect(await outcomeOf(world.verifier.verify(await world.issuer.issueToken()))).toBe('signature')
    expect(world.asked).toEqual([])
  })

  it('discovery that fails, and no endpoint given: a 503 of discovery, and no request', async () => {
    for (const when of WHEN) {
      const world = await createWorld({ introspection: { when }, answer: active() })
      world.issuer.fault('metadata', { status: 500 })
      await expectRefusal(
        world.verifier.verify(OPAQUE),
        'U',
        'ERR_DISCOVERY_FAILED',
        secretsOf(world, OPAQUE),
      )
      expect(await codeOf(world.verifier.verify(await world.issuer.issueToken()))).toBe(
        'ERR_DISCOVERY_FAILED',
      )
      expect(world.asked).toEqual([])
    }
  })

  it.each([
    ['no introspection_endpoint', undefined],
    ['one over http', 'http://api.telnyx.com/introspect'],
    ['one that is not a text', 5],
  ])('metadata with %s: a 503, and no request', async (_, endpoint) => {
    const world = await createWorld({ introspection: { when: 'always' }, answer: active() })
    const { issuer } = world.issuer
    const body = { issuer, jwks_uri: `${issuer}/v2/oauth/jwks`, introspection_endpoint: endpoint }
    world.issuer.fault('metadata', { body })
    await expectUnavailable(world, world.verifier.verify(OPAQUE), OPAQUE)
    expect(await codeOf(world.verifier.verify(await world.issuer.issueToken()))).toBe(
      'ERR_INTROSPECTION_UNAVAILABLE',
    )
    expect(world.asked).toEqual([])
  })

  it('attack 35: a redirect of the endpoint is not followed: a 503', async () => {
    const world = await createWorld({
      answer: () => new Response(null, { status: 307, headers: { location: 'https://evil.example/' } }),
    })
    const failure = await failureOf(world.verifier.verify(OPAQUE))
    expect(failure.reason).toBe('redirect')
    expect(world.asked.every(({ url }) => url === ENDPOINT)).toBe(true)
  })
})

describe('a policy of a call', () => {
  it("a verifier that asks about opaque tokens, and one call that says 'always'", async () => {
    const world = await createWorld({ introspection: { when: 'opaque' } })
    const token = await world.issuer.issueToken()
    expect(await outcomeOf(world.verifier.verify(token))).toBe('signature')
    expect(world.asked).toHaveLength(0)
    expect(await outcomeOf(world.verifier.verify(token, { introspection: 'always' }))).toBe('both')
    expect(world.asked).toHaveLength(1)
    const revoked = await world.issuer.issueToken()
    world.issuer.revoke(revoked)
    expect(await outcomeOf(world.verifier.verify(revoked))).toBe('signature')
    expect(await codeOf(world.verifier.verify(revoked, { introspection: 'always' }))).toBe(
      'ERR_TOKEN_INACTIVE',
    )
    expect(world.asked).toHaveLength(2)
  })

  it.each(['fallback', 'opaque'] as const)(
    "a verifier that always asks, and one call that says '%s'",
    async (introspection) => {
      const world = await createWorld({ introspection: { when: 'always' } })
      expect(await outcomeOf(world.verifier.verify(await world.issuer.issueToken(), { introspection }))).toBe(
        'signature',
      )
      expect(world.asked).toHaveLength(0)
    },
  )

  it("'fallback' of a call on a verifier that says 'opaque' asks about a key that is not found", async () => {
    const world = await createWorld({ introspection: { when: 'opaque' }, answer: active() })
    const token = await world.issuer.issueToken({ header: { kid: 'unknown' } })
    expect(await outcomeOf(world.verifier.verify(token))).toBe('ERR_KEY_NOT_FOUND')
    expect(await outcomeOf(world.verifier.verify(token, { introspection: 'fallback' }))).toBe('introspection')
  })

  it("a token that is refused here is not asked about, also by a call that says 'always'", async () => {
    const world = await createWorld({ answer: active() })
    const token = await world.issuer.issueToken({ expiresInSeconds: -60 })
    expect(await codeOf(world.verifier.verify(token, { introspection: 'always' }))).toBe('ERR_TOKEN_EXPIRED')
    expect(world.asked).toHaveLength(0)
  })

  it.each(WHEN)(
    "'%s' with a verifier that was not told how is a ConfigurationError",
    async (introspection) => {
      const world = await createWorld()
      const verifier = world.another({ introspection: undefined })
      const token = await world.issuer.issueToken()
      for (const promise of [
        verifier.verify(token, { introspection }),
        verifier.authenticate({ headers: { authorization: `Bearer ${token}` } }, { introspection }),
      ])
        expect(await codeOf(promise)).toBe('ERR_CONFIGURATION')
      await expect(verifier.verify(token)).resolves.toBeDefined()
    },
  )

  it('what the policy demands otherwise is measured by what the issuer says', async () => {
    const world = await createWorld({ answer: active({ scope: 'read', acr: 'gold' }) })
    await expect(
      world.verifier.verify(OPAQUE, { scopes: ['read'], acrValues: ['gold'] }),
    ).resolves.toBeDefined()
    expect(await codeOf(world.verifier.verify(OPAQUE, { scopes: ['write'] }))).toBe('ERR_SCOPE_INSUFFICIENT')
    expect(await codeOf(world.verifier.verify(OPAQUE, { acrValues: ['iron'] }))).toBe(
      'ERR_AUTHENTICATION_INSUFFICIENT',
    )
    expect(await codeOf(world.verifier.verify(OPAQUE, { validate: () => false }))).toBe('ERR_TOKEN_REJECTED')
    expect(world.asked).toHaveLength(1)
  })
})

describe('attack 40, I2: active', () => {
  const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`
  const notActive: [string, Answer][] = [
    ...[false, 'true', 'True', 1, 0, null, [], [true], {}, 'yes', ''].map((value): [string, Answer] => [
      JSON.stringify(value),
      json({ active: value }),
    ]),
    ['nothing', json({})],
    ['another spelling', json({ Active: true, ACTIVE: true, 'active ': true })],
    ['active inherited', text('{"__proto__":{"active":true}}')],
    ['active nested', json({ data: { active: true } })],
    ['all claims but it', json({ iss: 'https://api.telnyx.com', aud: AUDIENCE, exp: 4_000_000_000 })],
  ]
  it.each(notActive)('%s is not active: 401', async (_, answer) => {
    const world = await createWorld({ answer })
    await expectRefusal(world.verifier.verify(OPAQUE), 'R', 'ERR_TOKEN_INACTIVE', secretsOf(world, OPAQUE))
    const jwt = await world.issuer.issueToken()
    await expectRefusal(world.verifier.verify(jwt, { introspection: 'always' }), 'R', 'ERR_TOKEN_INACTIVE', [
      jwt,
    ])
  })

  const noAnswer: [string, Answer][] = [
    ['an array', json([{ active: true }])],
    ['true', json(true)],
    ['null', json(null)],
    ['a text', json('active')],
    ['a number', json(1)],
    ['nothing with 200', text('')],
    ['status 204', () => new Response(null, { status: 204 })],
    ['status 201', json({ active: true }, { status: 201 })],
    ['status 206', json({ active: true }, { status: 206 })],
    ['status 304', () => new Response(null, { status: 304 })],
    ['status 404', json({ active: true }, { status: 404 })],
    ['HTML with 200', text('<html>active: true</html>', { headers: { 'content-type': 'text/html' } })],
    ['truncated JSON', text('{"active":true')],
    ['two documents', text('{"active":true}{"active":true}')],
    ['invalid UTF-8', () => new Response(Buffer.from([0x7b, 0xff, 0x7d]))],
    ['a body nested 10,000 deep', text(`{"active":true,"x":${deep}}`)],
    ['a body nested 100 deep', text(`{"active":true,"x":${'['.repeat(100)}${']'.repeat(100)}}`)],
    ['a body beyond the limit', text(`{"active":true,"x":"${'x'.repeat(300_000)}"}`)],
    [
      'a body that breaks',
      () =>
        new Response(
          new ReadableStream({
            pull: (controller) => controller.error(new Error('ECONNRESET')),
          }),
        ),
    ],
  ]
  it.each(noAnswer)('attack 41: %s is no answer: 503, for all kinds of tokens', async (_, answer) => {
    const world = await createWorld({ answer })
    await expectUnavailable(world, world.verifier.verify(OPAQUE), OPAQUE)
    const jwt = await world.issuer.issueToken()
    await expectUnavailable(world, world.verifier.verify(jwt, { introspection: 'always' }), jwt)
  })

  it('A: true, with members that nobody knows, and a body nested as deep as may be', async () => {
    const nested = (depth: number) => `{"active":true,"x":${'['.repeat(depth)}${']'.repeat(depth)}}`
    const world = await createWorld({
      answer: text(nested(60), { headers: { 'content-type': 'application/token-introspection+json' } }),
    })
    const auth = await world.verifier.verify(OPAQUE)
    expect(auth.verifiedBy).toBe('introspection')
  })
})

describe('I3: what the issuer says is checked as if a JWT said it', () => {
  const now = new ManualClock().now()
  const members: [string, readonly unknown[]][] = [
    [
      'iss',
      [
        'https://api.telnyx.com',
        'https://other.example.com',
        'https://api.telnyx.com/',
        'HTTPS://api.telnyx.com',
        '',
        ['https://api.telnyx.com'],
        null,
        5,
        {},
        true,
      ],
    ],
    [
      'aud',
      [
        AUDIENCE,
        [AUDIENCE],
        ['https://other.example.com', AUDIENCE],
        'https://other.example.com',
        ['https://other.example.com'],
        [],
        '',
        [''],
        [[AUDIENCE]],
        [AUDIENCE, 5],
        [AUDIENCE, null],
        { 0: AUDIENCE },
        null,
        5,
        `${AUDIENCE}/`,
        AUDIENCE.slice(0, -1),
      ],
    ],
    [
      'exp',
      [
        now + 1,
        now - 4,
        now - 5,
        now - 6,
        0,
        -1,
        1e308,
        2 ** 53,
        253_402_300_800,
        String(now + 60),
        null,
        true,
        [now + 60],
        {},
      ],
    ],
    ['nbf', [now, now + 5, now + 6, now + 3600, 0, -1, 1e308, String(now), null, true, [now]]],
    ['iat', [now, now + 5, now + 6, now + 3600, 0, -1, 1e308, String(now), null, false, {}]],
    ['scope', ['', 'a b', ['a'], null, 5, {}, true]],
    ['sub', ['user', '', null, 5, [], {}]],
    ['client_id', ['client', null, 5, []]],
    ['jti', ['x', null, 5]],
    ['cnf', [{ jkt: 'x' }, { 'x5t#S256': 'x' }, { unknown: 1 }, {}, null, 'x', [], false, 0, '']],
  ]
  it.each(members)('%s', async (member, values) => {
    const world = await createWorld()
    const { verifier, issuer } = world
    const outcomes = new Set<string>()
    for (const [index, value] of values.entries()) {
      const said = { [member]: value }
      // The judgement of the same value in a JWT.
      const local = await outcomeOf(
        world.another({ introspection: undefined }).verify(await issuer.issueToken({ claims: said })),
      )
      outcomes.add(local)
      world.answer = active(said)
      const byOpaque = await outcomeOf(verifier.verify(`${OPAQUE}-${index}`))
      expect(byOpaque, inspect(value)).toBe(local === 'signature' ? 'introspection' : local)
      // I6: a token and the answer about it agree on whose token it is.
      const isIdentifier = ['sub', 'client_id', 'jti'].includes(member) && local === 'signature'
      const good = await issuer.issueToken(isIdentifier ? { claims: said } : {})
      const byJwt = await outcomeOf(verifier.verify(good, { introspection: 'always' }))
      expect(byJwt, inspect(value)).toBe(local === 'signature' ? 'both' : local)
    }
    // Some values are good and some are not, or nothing was compared; a `cnf` never is.
    expect(outcomes.has('signature')).toBe(member !== 'cnf')
    expect(outcomes.size).toBeGreaterThanOrEqual(member === 'cnf' ? 1 : 2)
  })

  it.each(['exp', 'nbf', 'iat'])('%s of 1e999 is invalid', async (member) => {
    const world = await createWorld({ answer: text(`{"active":true,"${member}":1e999}`) })
    expect(await codeOf(world.verifier.verify(OPAQUE))).toBe('ERR_CLAIM_INVALID')
  })

  it.each(['DPoP', 'dpop', 'DPOP'])('RFC 9449 §6.2: token_type %s is bound to a key', async (token_type) => {
    const world = await createWorld({ answer: active({ token_type }) })
    expect(await codeOf(world.verifier.verify(OPAQUE))).toBe('ERR_TOKEN_BOUND')
    const jwt = await world.issuer.issueToken()
    expect(await codeOf(world.verifier.verify(jwt, { introspection: 'always' }))).toBe('ERR_TOKEN_BOUND')
  })

  it.each(['Bearer', 'bearer', 'access_token'])('token_type %s is good', async (token_type) => {
    const world = await createWorld({ answer: active({ token_type }) })
    await expect(world.verifier.verify(OPAQUE)).resolves.toBeDefined()
  })

  it('what is not said need not be, but for the audience in the strict profile; the issuer is the one that was asked', async () => {
    for (const [profile, said] of [
      ['telnyx', {}],
      ['rfc9068', { aud: AUDIENCE }],
    ] as const) {
      const world = await createWorld({ answer: active(said), verifier: { profile } })
      const auth = await world.verifier.verify(OPAQUE)
      expect(auth).toMatchObject({
        issuer: world.issuer.issuer,
        audience: Object.values(said),
        scopes: [],
        verifiedBy: 'introspection',
      })
      expect([auth.subject, auth.clientId, auth.issuedAt, auth.expiresAt]).toEqual([
        undefined,
        undefined,
        undefined,
        undefined,
      ])
      expect(auth.claims).toEqual({ ...said, iss: world.issuer.issuer })
    }
  })

  it('RFC 9068 §2.2: in the strict profile, an answer that is all there is names the audience', async () => {
    // As oidc-provider answers for a refresh token.
    const refreshToken = { sub: 'user', client_id: 'client', scope: 'a', iat: now - 1, exp: now + 60 }
    for (const audience of [AUDIENCE, null]) {
      const world = await createWorld({
        answer: active(refreshToken),
        verifier: { profile: 'rfc9068', audience },
      })
      expect(await codeOf(world.verifier.verify(OPAQUE))).toBe('ERR_CLAIM_MISSING')
      // What was signed names it.
      const jwt = await world.issuer.issueToken({ subject: 'user', clientId: 'client' })
      const auth = await world.verifier.verify(jwt, { introspection: 'always' })
      expect(auth.verifiedBy).toBe('both')
    }
  })

  it('audience null: for whom the token is does not matter', async () => {
    const world = await createWorld({
      answer: active({ aud: 'https://other.example.com' }),
      verifier: { audience: null },
    })
    expect((await world.verifier.verify(OPAQUE)).audience).toEqual(['https://other.example.com'])
  })

  it('the claims that are said are those of the result', async () => {
    const said = {
      sub: 'user',
      client_id: 'client',
      scope: 'a b',
      aud: [AUDIENCE, 'x'],
      iat: now - 1,
      exp: now + 60,
      own: { deep: [1] },
    }
    const world = await createWorld({ answer: active(said) })
    const auth = await world.verifier.verify(OPAQUE)
    expect(auth).toMatchObject({
      subject: 'user',
      clientId: 'client',
      scopes: ['a', 'b'],
      audience: [AUDIENCE, 'x'],
      issuedAt: now - 1,
      expiresAt: now + 60,
      token: OPAQUE,
    })
    expect(auth.claims).toEqual({ ...said, iss: world.issuer.issuer })
  })

  it('of a JWT whose key is not known, nothing that it says itself is in the result', async () => {
    const world = await createWorld({ answer: active({ sub: 'said' }) })
    const token = await world.issuer.issueToken({
      header: { kid: 'unknown' },
      scopes: ['admin'],
      subject: 'forged',
      claims: { role: 'root' },
    })
    const auth = await world.verifier.verify(token)
    expect(auth).toMatchObject({
      subject: 'said',
      scopes: [],
      clientId: undefined,
      verifiedBy: 'introspection',
    })
    expect(auth.claims).toEqual({ sub: 'said', iss: world.issuer.issuer })
  })
})

describe("'always': the issuer's word and the token's", () => {
  const now = new ManualClock().now()
  const confirm = async (said: object, options: Parameters<MockIssuer['issueToken']>[0] = {}) => {
    const world = await createWorld({ introspection: { when: 'always' }, answer: active(said) })
    return world.verifier.verify(await world.issuer.issueToken(options))
  }

  it.each([
    ['narrowed', { scope: 'a' }, ['a']],
    ['taken away', { scope: '' }, []],
    ['not said', {}, ['a', 'b']],
  ])('scopes that are %s', async (_, said, scopes) => {
    const auth = await confirm(said, { scopes: ['a', 'b'] })
    expect(auth.scopes).toEqual(scopes)
    expect(auth.hasScopes('b')).toBe(scopes.some((scope) => scope === 'b'))
    expect(auth.claims.scope ?? '').toBe(scopes.join(' '))
  })

  it('the narrowed scopes are those that a policy is measured by', async () => {
    const world = await createWorld({ introspection: { when: 'always' }, answer: active({ scope: 'a' }) })
    const token = await world.issuer.issueToken({ scopes: ['a', 'b'] })
    expect(await codeOf(world.verifier.verify(token, { scopes: ['b'] }))).toBe('ERR_SCOPE_INSUFFICIENT')
    await expect(world.verifier.verify(token, { scopes: ['a'] })).resolves.toBeDefined()
  })

  it.each([
    ['the earlier one of the issuer', { exp: now + 60 }, now + 60],
    ['the earlier one of the token', { exp: now + 7200 }, now + 3600],
    ['the only one', {}, now + 3600],
  ])('exp: %s', async (_, said, exp) => {
    const auth = await confirm(said)
    expect([auth.expiresAt, auth.claims.exp]).toEqual([exp, exp])
  })

  it('a token that expires while the issuer is asked has expired', async () => {
    for (const onUnavailable of ['reject', 'accept'] as const)
      for (const status of onUnavailable === 'accept' ? [200, 400] : [200]) {
        const world = await createWorld({ introspection: { when: 'always', onUnavailable } })
        const token = await world.issuer.issueToken({ expiresInSeconds: 10 })
        world.answer = () => {
          world.clock.advance(15)
          return Response.json({ active: true }, { status })
        }
        expect(await outcomeOf(world.verifier.verify(token)), `${onUnavailable} ${status}`).toBe(
          'ERR_TOKEN_EXPIRED',
        )
      }
  })

  it('what only one of them says is there, and what was signed is not overwritten', async () => {
    const auth = await confirm(
      { aud: [AUDIENCE, 'another'], extra: 'said', username: 'u' },
      { subject: 'user', claims: { own: 1 } },
    )
    expect(auth).toMatchObject({
      subject: 'user',
      audience: [AUDIENCE],
      verifiedBy: 'both',
      claims: { own: 1, extra: 'said', username: 'u' },
    })
    expect('active' in auth.claims).toBe(false)
  })
})

describe('the result', () => {
  it.each([
    ['introspection', () => OPAQUE],
    ['both', ({ issuer }: World) => issuer.issueToken()],
  ] as const)('by %s is frozen, and does not show the token', async (verifiedBy, make) => {
    const world = await createWorld({
      introspection: { when: 'always' },
      answer: active({ own: { deep: [{}] }, aud: [AUDIENCE] }),
    })
    const token = await make(world)
    const auth = await world.verifier.verify(token)
    expect(auth.verifiedBy).toBe(verifiedBy)
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(frozen))
    expect(frozen(auth)).toBe(true)
    expect(frozen({ not: 'frozen' })).toBe(false)
    expect(auth.token).toBe(token)
    expect(Object.keys(auth)).not.toContain('token')
    expect(JSON.stringify(auth)).not.toContain(token)
    expect(inspect(auth, { depth: Infinity, showHidden: true })).not.toContain(token)
    // Who comes next gets the same from the cache.
    expect(() => Reflect.apply(Array.prototype.push, auth.scopes, ['admin'])).toThrow(TypeError)
    expect((await world.verifier.verify(token)).scopes).toEqual([])
  })

  it('attack 9: __proto__ and its like in an answer pollute nothing and give nothing', async () => {
    const body = `{"active":true,"__proto__":{"scope":"admin","sub":"root","exp":1,"cnf":{}},"constructor":{"prototype":{"polluted":true}},"toString":"x","hasOwnProperty":1}`
    const world = await createWorld({ introspection: { when: 'always' }, answer: text(body) })
    for (const token of [OPAQUE, await world.issuer.issueToken({ subject: 'user' })]) {
      const auth = await world.verifier.verify(token)
      expect(auth.scopes).toEqual([])
      expect(auth.hasScopes('admin')).toBe(false)
      expect(auth.subject).toBe(token === OPAQUE ? undefined : 'user')
      expect(Object.getPrototypeOf(auth.claims)).toBeNull()
    }
    const plain: Record<string, unknown> = {}
    expect([plain.scope, plain.polluted, plain.active, typeof plain.toString]).toEqual([
      undefined,
      undefined,
      undefined,
      'function',
    ])
  })
})

describe('I4: what is remembered', () => {
  it.each([
    ['30 seconds', undefined, 30],
    ['5 seconds', 5, 5],
    ['an hour', 3600, 3600],
  ])('that a token is active, for %s', async (_, cacheSeconds, seconds) => {
    const world = await createWorld({ answer: active(), introspection: { cacheSeconds } })
    const ask = async () => {
      await world.verifier.verify(OPAQUE)
      return world.asked.length
    }
    expect(await ask()).toBe(1)
    world.clock.advance(seconds - 0.001)
    expect(await ask()).toBe(1)
    world.clock.advance(0.001)
    expect(await ask()).toBe(2)
  })

  it.each([
    ['10 seconds', undefined, 10],
    ['3 seconds', 3, 3],
  ])('that a token is not active, for %s', async (_, inactiveCacheSeconds, seconds) => {
    const world = await createWorld({ answer: inactive, introspection: { inactiveCacheSeconds } })
    const ask = async () => {
      expect(await codeOf(world.verifier.verify(OPAQUE))).toBe('ERR_TOKEN_INACTIVE')
      return world.asked.length
    }
    expect(await ask()).toBe(1)
    world.clock.advance(seconds - 0.001)
    expect(await ask()).toBe(1)
    world.clock.advance(0.001)
    expect(await ask()).toBe(2)
  })

  it('0 asks every time, of either kind alone', async () => {
    for (const [answer, introspection, count] of [
      [active(), { cacheSeconds: 0 }, 3],
      [inactive, { inactiveCacheSeconds: 0 }, 3],
      [active(), { inactiveCacheSeconds: 0 }, 1],
      [inactive, { cacheSeconds: 0 }, 1],
    ] as const) {
      const world = await createWorld({ answer, introspection })
      for (let n = 0; n < 3; n++) await outcomeOf(world.verifier.verify(OPAQUE))
      expect(world.asked).toHaveLength(count)
    }
  })

  it('a token that was revoked is noticed when what is remembered is old, and one that is well again too', async () => {
    const world = await createWorld({ introspection: { when: 'always' } })
    const token = await world.issuer.issueToken()
    expect(await outcomeOf(world.verifier.verify(token))).toBe('both')
    world.issuer.revoke(token)
    expect(await outcomeOf(world.verifier.verify(token))).toBe('both')
    world.clock.advance(30)
    expect(await outcomeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
    world.clock.advance(10)
    expect(await outcomeOf(world.verifier.verify(token))).toBe('both')
  })

  it('I4: never past exp, whichever clock says so', async () => {
    const world = await createWorld({ introspection: { cacheSeconds: 3600 } })
    const { clock, verifier } = world
    const exp = clock.now() + 20
    world.answer = active({ exp })
    await verifier.verify(OPAQUE)
    clock.advance(19)
    await verifier.verify(OPAQUE)
    expect(world.asked).toHaveLength(1)
    clock.advance(1)
    // Within the tolerance it is still good, if the issuer says so: who is asked each time.
    await verifier.verify(OPAQUE)
    await verifier.verify(OPAQUE)
    expect(world.asked).toHaveLength(3)
    clock.advance(5)
    expect(await codeOf(verifier.verify(OPAQUE))).toBe('ERR_TOKEN_EXPIRED')
  })

  it('a hit is measured again: time in both directions', async () => {
    const world = await createWorld({ introspection: { cacheSeconds: 3600 } })
    const { clock, verifier } = world
    world.answer = active({ iat: clock.now(), exp: clock.now() + 3000 })
    await verifier.verify(OPAQUE)
    // Only the wall clock jumps: by the other one, the answer is fresh.
    clock.advanceWall(3006)
    expect(await codeOf(verifier.verify(OPAQUE))).toBe('ERR_TOKEN_EXPIRED')
    clock.advanceWall(-6006)
    expect(await codeOf(verifier.verify(OPAQUE))).toBe('ERR_TOKEN_NOT_YET_VALID')
    clock.advanceWall(3000)
    await expect(verifier.verify(OPAQUE)).resolves.toBeDefined()
    expect(world.asked).toHaveLength(1)
    clock.advanceWall(-86_400)
    clock.advance(3600)
    await outcomeOf(verifier.verify(OPAQUE))
    expect(world.asked).toHaveLength(2)
  })

  it.each([
    ['aud', 'https://other.example.com', 'ERR_AUDIENCE_NOT_ALLOWED'],
    ['iss', 'https://other.example.com', 'ERR_ISSUER_NOT_ALLOWED'],
    ['cnf', { jkt: 'x' }, 'ERR_TOKEN_BOUND'],
    ['scope', 5, 'ERR_CLAIM_INVALID'],
    ['token_type', 'DPoP', 'ERR_TOKEN_BOUND'],
  ])('a hit is measured again: %s', async (member, value, code) => {
    const world = await createWorld({ answer: active({ [member]: value }) })
    for (let n = 0; n < 3; n++) expect(await codeOf(world.verifier.verify(OPAQUE))).toBe(code)
    expect(world.asked).toHaveLength(1)
  })

  it('a hit is measured again: the JWT itself', async () => {
    const world = await createWorld({
      introspection: { when: 'always', cacheSeconds: 3600 },
      answer: active(),
    })
    const token = await world.issuer.issueToken({ expiresInSeconds: 60 })
    expect(await outcomeOf(world.verifier.verify(token))).toBe('both')
    world.clock.advance(65)
    expect(await outcomeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_EXPIRED')
    const [header, payload] = token.split('.')
    expect(await outcomeOf(world.verifier.verify(`${header}.${payload}.AAAA`))).toBe('ERR_TOKEN_EXPIRED')
    expect(world.asked).toHaveLength(1)
  })

  it('one token is not another: each is asked about', async () => {
    const world = await createWorld({
      answer: ({ form }) => Response.json({ active: form.get('token') === 'good' }),
    })
    expect(await outcomeOf(world.verifier.verify('good'))).toBe('introspection')
    for (const token of ['Good', 'good=', 'goo', 'goodd', 'good.'])
      expect(await outcomeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
    expect(world.asked).toHaveLength(6)
  })

  it('20,000 made-up tokens do not push out an active one', async () => {
    const world = await createWorld({
      introspection: { inactiveCacheSeconds: 3600, cacheSeconds: 3600, maxInFlight: 1000 },
      answer: ({ form }) => Response.json({ active: form.get('token') === OPAQUE }),
    })
    const { verifier } = world
    await verifier.verify(OPAQUE)
    for (let batch = 0; batch < 20; batch++)
      await Promise.all(
        Array.from({ length: 1000 }, (_, n) => outcomeOf(verifier.verify(`made-up-${batch}-${n}`))),
      )
    expect(world.asked).toHaveLength(20_001)
    await expect(verifier.verify(OPAQUE)).resolves.toBeDefined()
    expect(world.asked).toHaveLength(20_001)
    // What is not active has a bound too: the newest are remembered, the oldest are not.
    await outcomeOf(verifier.verify('made-up-19-999'))
    expect(world.asked).toHaveLength(20_001)
    await outcomeOf(verifier.verify('made-up-0-0'))
    expect(world.asked).toHaveLength(20_002)
  }, 30_000)

  it('two verifiers share nothing', async () => {
    const world = await createWorld({ answer: active({ aud: AUDIENCE }) })
    const other = world.another({ audience: 'https://other.example.com' })
    await expect(world.verifier.verify(OPAQUE)).resolves.toBeDefined()
    expect(await codeOf(other.verify(OPAQUE))).toBe('ERR_AUDIENCE_NOT_ALLOWED')
    expect(world.asked).toHaveLength(2)
    world.answer = inactive
    expect(await outcomeOf(world.another().verify(OPAQUE))).toBe('ERR_TOKEN_INACTIVE')
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
  })

  it('a failure is not remembered as an answer', async () => {
    const world = await createWorld({ answer: json([]) })
    expect(await codeOf(world.verifier.verify(OPAQUE))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
  })
})

describe('attack 43: many at once', () => {
  it('10,000 simultaneous questions about one opaque token: 1 request', async () => {
    const world = await createWorld({ answer: active() })
    const outcomes = await Promise.all(
      Array.from({ length: 10_000 }, () => outcomeOf(world.verifier.verify(OPAQUE))),
    )
    expect(new Set(outcomes)).toEqual(new Set(['introspection']))
    expect(world.asked).toHaveLength(1)
  })

  it('10,000 simultaneous questions about one JWT: 1 request', async () => {
    const world = await createWorld({ introspection: { when: 'always' } })
    const token = await world.issuer.issueToken()
    const verifications = Array.from({ length: 10_000 }, () => outcomeOf(world.verifier.verify(token)))
    expect(new Set(await Promise.all(verifications))).toEqual(new Set(['both']))
    expect(world.asked).toHaveLength(1)
  }, 30_000)

  it('without memory too, whoever comes while the issuer is asked shares the answer, and nobody after it', async () => {
    const held = createSignal()
    const world = await createWorld({
      introspection: { cacheSeconds: 0, inactiveCacheSeconds: 0 },
      answer: async () => {
        await held.promise
        return Response.json({ active: true })
      },
    })
    const verifications = Array.from({ length: 10_000 }, () => outcomeOf(world.verifier.verify(OPAQUE)))
    await settle()
    expect(world.asked).toHaveLength(1)
    held.resolve()
    expect(new Set(await Promise.all(verifications))).toEqual(new Set(['introspection']))
    expect(world.asked).toHaveLength(1)
    await world.verifier.verify(OPAQUE)
    expect(world.asked).toHaveLength(2)
  })

  it.each([
    ['not active', inactive, 'ERR_TOKEN_INACTIVE', 1],
    ['no answer', text('<html>'), 'ERR_INTROSPECTION_UNAVAILABLE', 1],
    ['a failure that is tried again', down, 'ERR_INTROSPECTION_UNAVAILABLE', 2],
  ] as const)('1,000 at once, and the answer is: %s', async (_, answer, code, requests) => {
    const world = await createWorld({ answer })
    const errors = await Promise.all(
      Array.from({ length: 1000 }, () => errorOf(world.verifier.verify(OPAQUE))),
    )
    expect(new Set(errors.map((error) => error.code))).toEqual(new Set([code]))
    expect(world.asked).toHaveLength(requests)
    // Each has its own: adapters write to errors.
    expect(new Set(errors).size).toBe(1000)
  })

  it.each(WHEN)(
    'a flood of 10,000 locally bad tokens, %s: 0 requests',
    async (when) => {
      const world = await createWorld({ introspection: { when }, answer: active() })
      const { issuer } = world
      await world.verifier.preload()
      const good = await issuer.issueToken()
      const [header, payload, signature] = good.split('.')
      const expired = await issuer.issueToken({ expiresInSeconds: -60 })
      const forOthers = await issuer.issueToken({ audience: 'https://other.example.com' })
      const forged = await (await stranger).issueToken({
        claims: claims(world),
        header: { kid: await kidOf(world) },
      })
      const none = encode({ alg: 'none' })
      const bad = [
        () => `${expired}`,
        () => `${forOthers}`,
        () => forged,
        (n: number) => `${none}.${encode({ ...claims(world), n })}.`,
        (n: number) => `${header}.${payload}.${n}`,
        (n: number) => `${header}.${encode({ ...claims(world), iss: `https://${n}.example` })}.${signature}`,
        () => '.'.repeat(100),
        (n: number) => `${'a'.repeat(16_385)}${n}`,
        (n: number) => `${encode({ alg: 'ES256', kid: `../${n}` })}.${encode(claims(world))}.${signature}`,
        (n: number) => `a b ${n}`,
      ]
      const codes = await Promise.all(
        Array.from({ length: 10_000 }, (_, n) =>
          outcomeOf(world.verifier.verify(bad[n % bad.length]?.(n) ?? '')),
        ),
      )
      expect(codes.filter((code) => !code.startsWith('ERR_'))).toEqual([])
      expect(new Set(codes).size).toBeGreaterThanOrEqual(7)
      expect(world.asked).toHaveLength(0)
      // Positive control.
      expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
      expect(world.asked).toHaveLength(1)
    },
    30_000,
  )
})

describe('attack 41, I5: the endpoint fails', () => {
  const failures: [string, Answer, Partial<IssuerFailure>, number][] = [
    ...[500, 502, 503, 504].map((status): [string, Answer, Partial<IssuerFailure>, number] => [
      `status ${status}`,
      text('{"active":true}', { status }),
      { reason: 'status', status },
      2,
    ]),
    ...[400, 404, 405, 408, 415, 429, 501].map((status): [string, Answer, Partial<IssuerFailure>, number] => [
      `status ${status}`,
      text('{"active":true}', { status }),
      { reason: 'status', status },
      1,
    ]),
    ...[401, 403].map((status): [string, Answer, Partial<IssuerFailure>, number] => [
      `I5: status ${status} for our credentials`,
      json({ error: 'invalid_client' }, { status, headers: { 'www-authenticate': 'Basic realm="x"' } }),
      { reason: 'credentials', status },
      1,
    ]),
    ['HTML', text('<html>'), { reason: 'invalid-document', status: 200 }, 1],
    [
      'a dropped connection',
      () =>
        Promise.reject(
          new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ECONNRESET' }) }),
        ),
      { reason: 'network', code: 'ECONNRESET' },
      2,
    ],
    ['silence', () => new Promise(() => undefined), { reason: 'timeout' }, 1],
    ['a body that never ends', () => new Response(new ReadableStream()), { reason: 'timeout' }, 1],
    ['a body beyond the limit', text('x'.repeat(300_000)), { reason: 'too-large' }, 1],
  ]
  it.each(failures)('U: %s, for opaque tokens and JWTs', async (_, answer, failure, requests) => {
    for (const make of [() => OPAQUE, ({ issuer }: World) => issuer.issueToken()]) {
      const world = await createWorld({ introspection: { when: 'always' }, answer })
      await world.verifier.preload()
      const token = await make(world)
      const verification = untilTimeout(() => world.verifier.verify(token))
      await expectUnavailable(world, verification, token)
      expect(await failureOf(verification)).toMatchObject({ host: 'api.telnyx.com', ...failure })
      expect(world.asked).toHaveLength(requests)
    }
  })

  it('I5: the mock issuer refuses our credentials: 503, and nothing of them is shown', async () => {
    const world = await createWorld({ introspection: { clientSecret: 'this-secret-is-wrong' } })
    const response = await expectRefusal(
      world.verifier.verify(OPAQUE),
      'U',
      'ERR_INTROSPECTION_UNAVAILABLE',
      [OPAQUE, 'this-secret-is-wrong', Buffer.from('this-secret-is-wrong').toString('base64').slice(0, 20)],
    )
    expect(response.headers['WWW-Authenticate']).toBeUndefined()
  })

  it('the check for secrets finds one: positive control', async () => {
    const world = await createWorld()
    for (const secret of secretsOf(world, OPAQUE)) {
      const leaking = new UnavailableError('ERR_INTROSPECTION_UNAVAILABLE', {
        retryAfterSeconds: 1,
        cause: new Error('outer', { cause: new Error(`it was ${secret}`) }),
      })
      await expect(expectUnavailable(world, Promise.reject(leaking), OPAQUE)).rejects.toThrow(
        'a secret is shown',
      )
    }
  })

  const talkative: [string, Answer][] = [
    [
      'a fetch that quotes the request',
      ({ body, headers }) =>
        Promise.reject(
          Object.assign(new TypeError(`${headers.authorization} is bad`, { cause: new Error(body) }), {
            body,
            headers,
          }),
        ),
    ],
    ['an answer that quotes it', ({ body, headers }) => new Response(`${body} ${headers.authorization}`)],
    [
      'a refusal that quotes it',
      ({ body, headers }) => new Response(`${body} ${headers.authorization}`, { status: 401 }),
    ],
    [
      'headers that quote it',
      ({ body, headers }) =>
        new Response(null, {
          status: 503,
          headers: {
            'retry-after': body,
            location: body,
            etag: body,
            'www-authenticate': headers.authorization ?? '',
          },
        }),
    ],
    [
      'a body that breaks with it',
      ({ body }) =>
        new Response(new ReadableStream({ pull: (controller) => controller.error(new Error(body)) })),
    ],
  ]
  it.each(talkative)('nothing secret is in the error: %s', async (_, answer) => {
    for (const authMethod of ['client_secret_basic', 'client_secret_post'] as const) {
      const world = await createWorld({ introspection: { when: 'always', authMethod }, answer })
      for (const token of [OPAQUE, await world.issuer.issueToken()])
        await expectUnavailable(world, world.verifier.verify(token), token)
    }
  })

  it.each([
    ['seconds', () => '17', 17],
    ['a date', (clock: ManualClock) => new Date((clock.now() + 40) * 1000).toUTCString(), 40],
    ['an absurd number', () => '99999999999999', 240],
  ])(
    '429 with Retry-After as %s: passed on, and until then nobody is asked',
    async (_, retryAfter, seconds) => {
      const world = await createWorld()
      const { clock, verifier } = world
      world.answer = text('slow down', { status: 429, headers: { 'retry-after': retryAfter(clock) } })
      const response = await expectUnavailable(world, verifier.verify(OPAQUE), OPAQUE)
      expect(response.headers['Retry-After']).toBe(String(seconds))
      expect(world.asked).toHaveLength(1)
      world.answer = active()
      clock.advance(seconds - 1)
      const waiting = await expectUnavailable(world, verifier.verify('another'), 'another')
      expect(waiting.headers['Retry-After']).toBe('1')
      expect(world.asked).toHaveLength(1)
      clock.advance(1)
      expect(await outcomeOf(verifier.verify(OPAQUE))).toBe('introspection')
    },
  )

  it('one hiccup is not noticed; without retries it is', async () => {
    for (const [retries, outcome, requests] of [
      [undefined, 'introspection', 2],
      [0, 'ERR_INTROSPECTION_UNAVAILABLE', 1],
    ] as const) {
      const world = await createWorld({ verifier: { retries } })
      world.answer = (asked, signal) => (world.asked.length === 1 ? down : active())(asked, signal)
      expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe(outcome)
      expect(world.asked).toHaveLength(requests)
    }
  })

  it('an answer that came late is not waited for: the failure of one request is the same for all who asked', async () => {
    const world = await createWorld({
      answer: (_, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    })
    await world.verifier.preload()
    const errors = await untilTimeout(() =>
      Promise.all(Array.from({ length: 100 }, () => errorOf(world.verifier.verify(OPAQUE)))),
    )
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_INTROSPECTION_UNAVAILABLE']))
    expect(world.asked).toHaveLength(1)
  })
})

describe('the endpoint rests', () => {
  it('after three failures: answered at once, no request leaves, and the answer says how long', async () => {
    const world = await createWorld({ answer: down })
    await exhaust(world)
    expect(world.asked).toHaveLength(4)
    const errors = await Promise.all(
      Array.from({ length: 1000 }, (_, n) => errorOf(world.verifier.verify(`t${n}`))),
    )
    for (const error of errors)
      expect(error).toMatchObject({
        code: 'ERR_INTROSPECTION_UNAVAILABLE',
        retryAfterSeconds: 5,
        status: 503,
      })
    expect(errors[0]?.cause).toMatchObject({ reason: 'status', status: 500 })
    expect(world.asked).toHaveLength(4)
    world.clock.advance(3)
    expect(await errorOf(world.verifier.verify(OPAQUE))).toMatchObject({ retryAfterSeconds: 2 })
    expect(world.asked).toHaveLength(4)
  })

  it('one failure, and two, are no reason yet', async () => {
    const world = await createWorld({ answer: down })
    for (let n = 0; n < 2; n++) await codeOf(world.verifier.verify(OPAQUE))
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
    world.answer = down
    // Only failures in a row count.
    for (let n = 0; n < 2; n++) await codeOf(world.verifier.verify('other'))
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify('other'))).toBe('introspection')
  })

  it('pauses grow, up to a minute, and each is ended by one request', async () => {
    const world = await createWorld({ answer: down })
    await exhaust(world)
    const pauses: number[] = []
    for (let n = 0; n < 7; n++) {
      const { length } = world.asked
      let seconds = 0
      while (world.asked.length === length && seconds < 1000) {
        world.clock.advance(1)
        seconds++
        await codeOf(world.verifier.verify(`${n}-${seconds}`))
      }
      expect(world.asked).toHaveLength(length + 1)
      pauses.push(seconds)
    }
    expect(pauses).toEqual([5, 10, 20, 40, 60, 60, 60])
  })

  it('an hour of it, with a question each second: no more than about one request a minute', async () => {
    const world = await createWorld({ answer: down })
    for (let second = 0; second < 3600; second++) {
      await codeOf(world.verifier.verify(`token-${second}`))
      world.clock.advance(1)
    }
    expect(world.asked.length).toBeLessThanOrEqual(4 + 4 + 60)
    expect(world.asked.length).toBeGreaterThan(30)
  })

  it('after the rest one request finds out; the others are answered at once meanwhile', async () => {
    const world = await createWorld({ answer: down })
    await exhaust(world)
    const { length } = world.asked
    world.clock.advance(5)
    const held = createSignal()
    world.answer = async () => {
      await held.promise
      return Response.json({ active: true })
    }
    const probe = world.verifier.verify('probe')
    await settle()
    expect(world.asked).toHaveLength(length + 1)
    const others = await Promise.all(
      Array.from({ length: 100 }, (_, n) => errorOf(world.verifier.verify(`t${n}`))),
    )
    for (const error of others)
      expect(error).toMatchObject({ code: 'ERR_INTROSPECTION_UNAVAILABLE', retryAfterSeconds: 1 })
    // Who asks about the same token waits for its answer.
    const same = world.verifier.verify('probe')
    held.resolve()
    expect((await Promise.all([probe, same])).map(({ verifiedBy }) => verifiedBy)).toEqual([
      'introspection',
      'introspection',
    ])
    expect(world.asked).toHaveLength(length + 1)
    // It is well again: everybody is heard.
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, n) => outcomeOf(world.verifier.verify(`t${n}`))),
    )
    expect(new Set(outcomes)).toEqual(new Set(['introspection']))
    expect(world.asked).toHaveLength(length + 101)
  })

  it('a probe that fails makes the rest longer, and the next one is made', async () => {
    const world = await createWorld({ answer: down })
    await exhaust(world)
    world.clock.advance(5)
    await codeOf(world.verifier.verify('probe-1'))
    expect(await errorOf(world.verifier.verify(OPAQUE))).toMatchObject({ retryAfterSeconds: 10 })
    world.clock.advance(10)
    world.answer = () => new Promise(() => undefined)
    const error = await untilTimeout(() => errorOf(world.verifier.verify('probe-2')))
    expect(error).toMatchObject({ code: 'ERR_INTROSPECTION_UNAVAILABLE', retryAfterSeconds: 20 })
    world.clock.advance(20)
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
  })

  it('an issuer that says no is well: inactive tokens, and a probe that is told so', async () => {
    const world = await createWorld({ answer: inactive })
    for (let n = 0; n < 10; n++)
      expect(await codeOf(world.verifier.verify(`t${n}`))).toBe('ERR_TOKEN_INACTIVE')
    expect(world.asked).toHaveLength(10)
    world.answer = down
    await exhaust(world)
    world.clock.advance(5)
    world.answer = inactive
    for (const token of ['x', 'y', 'z'])
      expect(await codeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
  })

  it('100 simultaneous failures do not make the rest the longest one', async () => {
    const world = await createWorld({ answer: down })
    await Promise.all(Array.from({ length: 100 }, (_, n) => codeOf(world.verifier.verify(`t${n}`))))
    const { length } = world.asked
    expect(await errorOf(world.verifier.verify(OPAQUE))).toMatchObject({ retryAfterSeconds: 5 })
    expect(world.asked).toHaveLength(length)
    world.clock.advance(5)
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
    expect(world.asked).toHaveLength(length + 1)
  })

  it('those who asked before the rest and fail after it do not make it longer', async () => {
    const world = await createWorld({ answer: down })
    const held = createSignal()
    world.answer = async () => {
      await held.promise
      return new Response(null, { status: 400 })
    }
    const late = Array.from({ length: 20 }, (_, n) => codeOf(world.verifier.verify(`late-${n}`)))
    await settle()
    world.answer = down
    await exhaust(world)
    world.clock.advance(5)
    held.resolve()
    await Promise.all(late)
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
  })

  it('a rest that 429 asked for is ended by one request too', async () => {
    const world = await createWorld({ answer: text('', { status: 429, headers: { 'retry-after': '30' } }) })
    await codeOf(world.verifier.verify(OPAQUE))
    world.clock.advance(30)
    const { length } = world.asked
    await Promise.all(Array.from({ length: 100 }, (_, n) => outcomeOf(world.verifier.verify(`t${n}`))))
    expect(world.asked).toHaveLength(length + 1)
  })

  it('what is remembered is served during the rest, and JWTs that need no answer are not held up', async () => {
    const world = await createWorld({ answer: active(), introspection: { cacheSeconds: 3600 } })
    await world.verifier.verify(OPAQUE)
    world.answer = down
    await exhaust(world)
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
    expect(await outcomeOf(world.verifier.verify(await world.issuer.issueToken()))).toBe('signature')
    const bad = await world.issuer.issueToken({ expiresInSeconds: -60 })
    expect(await outcomeOf(world.verifier.verify(bad, { introspection: 'always' }))).toBe('ERR_TOKEN_EXPIRED')
  })

  it('the rest of one verifier is not that of another', async () => {
    const world = await createWorld({ answer: down })
    await exhaust(world)
    const { length } = world.asked
    await codeOf(world.another().verify(OPAQUE))
    expect(world.asked.length).toBeGreaterThan(length)
  })
})

describe("onUnavailable: 'accept'", () => {
  const world = (answer: Answer, when: IntrospectionWhen = 'always') =>
    createWorld({ introspection: { when, onUnavailable: 'accept' }, answer })

  it.each([
    ['5xx', down],
    ['429', text('', { status: 429 })],
    ['HTML', text('<html>')],
    ['silence', () => new Promise<Response>(() => undefined)],
    ['a drop', () => Promise.reject(new TypeError('fetch failed'))],
  ] satisfies [string, Answer][])('a JWT that was found to be good here passes: %s', async (_, answer) => {
    const { verifier, issuer, asked } = await world(answer)
    await verifier.preload()
    const token = await issuer.issueToken({ scopes: ['a'] })
    const auth = await untilTimeout(() => verifier.verify(token, { scopes: ['a'] }))
    expect(auth.verifiedBy).toBe('signature')
    expect(asked.length).toBeGreaterThan(0)
    expect(await outcomeOf(untilTimeout(() => verifier.verify(token, { scopes: ['b'] })))).toBe(
      'ERR_SCOPE_INSUFFICIENT',
    )
  })

  it('also while the endpoint rests, without a request, and when the endpoint cannot be discovered', async () => {
    const { verifier, issuer, asked } = await world(down)
    for (let n = 0; n < 10; n++)
      expect(await outcomeOf(verifier.verify(await issuer.issueToken()))).toBe('signature')
    expect(asked).toHaveLength(4)
    const undiscovered = await world(active())
    const jwksUri = `${undiscovered.issuer.issuer}/v2/oauth/jwks`
    const introspection = { ...own(() => ({})), when: 'always', onUnavailable: 'accept' } as const
    undiscovered.issuer.fault('metadata', { status: 500 })
    const there = undiscovered.another({ jwksUri, introspection })
    expect(await outcomeOf(there.verify(await undiscovered.issuer.issueToken()))).toBe('signature')
  })

  it("also for one call that says 'always'", async () => {
    const { verifier, issuer } = await world(down, 'opaque')
    expect(await outcomeOf(verifier.verify(await issuer.issueToken(), { introspection: 'always' }))).toBe(
      'signature',
    )
  })

  it.each(WHEN)(
    '%s: never an opaque token, nor one whose key is not known or cannot be had',
    async (when) => {
      const code = when === 'opaque' ? 'ERR_KEY_NOT_FOUND' : 'ERR_INTROSPECTION_UNAVAILABLE'
      const { verifier, issuer } = await world(down, when)
      expect(await outcomeOf(verifier.verify(OPAQUE))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
      expect(await outcomeOf(verifier.verify('a.b.c.d.e'))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
      expect(await outcomeOf(verifier.verify(await issuer.issueToken({ header: { kid: 'unknown' } })))).toBe(
        code,
      )
      const keyless = await world(down, when)
      keyless.issuer.fault('jwks', { status: 500 })
      const unavailable = when === 'opaque' ? 'ERR_KEYS_UNAVAILABLE' : 'ERR_INTROSPECTION_UNAVAILABLE'
      expect(await outcomeOf(keyless.verifier.verify(await keyless.issuer.issueToken()))).toBe(unavailable)
    },
  )

  it('a token that is bad here stays a 401, and one that is not active too', async () => {
    const { verifier, issuer } = await world(down)
    expect(await outcomeOf(verifier.verify(await issuer.issueToken({ expiresInSeconds: -60 })))).toBe(
      'ERR_TOKEN_EXPIRED',
    )
    expect(await outcomeOf(verifier.verify('a.b.c'))).toBe('ERR_TOKEN_MALFORMED')
    const revoked = await world(inactive)
    expect(await outcomeOf(revoked.verifier.verify(await revoked.issuer.issueToken()))).toBe(
      'ERR_TOKEN_INACTIVE',
    )
    const foreign = await world(active({ aud: 'https://other.example.com' }))
    expect(await outcomeOf(foreign.verifier.verify(await foreign.issuer.issueToken()))).toBe(
      'ERR_AUDIENCE_NOT_ALLOWED',
    )
  })

  it('what is remembered as not active stays refused during an outage', async () => {
    const revoked = await world(inactive)
    const token = await revoked.issuer.issueToken()
    expect(await outcomeOf(revoked.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
    revoked.answer = down
    expect(await outcomeOf(revoked.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
  })

  it("'reject' is the default", async () => {
    const { verifier, issuer } = await createWorld({ introspection: { when: 'always' }, answer: down })
    expect(await outcomeOf(verifier.verify(await issuer.issueToken()))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
  })
})

describe('options', () => {
  const SECRET = 'this-is-the-client-secret'
  const good = { clientId: 'this-is-the-client-id', clientSecret: SECRET }
  const base = { audience: AUDIENCE, fetch: () => Promise.reject(new Error('Nobody is asked')) }
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
      const error = await errorOf(verifier.verify(OPAQUE, policy))
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

  it('keys that cannot be had: who holds a good token is not turned away', async () => {
    const world = await createWorld()
    world.issuer.fault('jwks', { status: 500 })
    const auth = await world.verifier.verify(await world.issuer.issueToken({ scopes: ['messaging.read'] }))
    expect(auth).toMatchObject({ verifiedBy: 'introspection', scopes: ['messaging.read'] })
    expect(await codeOf(world.verifier.verify(OPAQUE))).toBe('ERR_TOKEN_INACTIVE')
  })
})

describe('attack: what a caller can do to the endpoint', () => {
  /** An authorization server that answers so to whatever it does not like. */
  async function createPickyWorld(status: number) {
    const world = await createWorld({ introspection: { when: 'always', onUnavailable: 'accept' } })
    const revoked = await world.issuer.issueToken()
    world.answer = ({ form }) =>
      form.get('token') === revoked ? Response.json({ active: false }) : new Response('', { status })
    return { ...world, revoked }
  }

  it.each([400, 403, 413, 414, 422, 431])(
    'tokens that are answered with %d do not have it left alone, so nobody revoked gets in',
    async (status) => {
      const world = await createPickyWorld(status)
      for (let n = 0; n < 10; n++)
        expect(await codeOf(world.verifier.verify(`garbage${n}`))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
      expect(world.asked).toHaveLength(10)
      expect(await outcomeOf(world.verifier.verify(world.revoked))).toBe('ERR_TOKEN_INACTIVE')
    },
  )

  it('positive control: an endpoint that fails for all is left alone', async () => {
    const world = await createPickyWorld(404)
    for (let n = 0; n < 10; n++) await codeOf(world.verifier.verify(`garbage${n}`))
    expect(world.asked).toHaveLength(3)
  })
})

describe('what is no access token', () => {
  it.each([
    { token_type: 'refresh_token' },
    { token_use: 'refresh_token' },
    { token_use: 'id' },
    { typ: 'Refresh' },
    { typ: 'Offline' },
    { typ: 'ID' },
  ])('RFC 7662 §2.1: active, and %o', async (members) => {
    const world = await createWorld({ answer: active(members) })
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('ERR_TYP_INVALID')
  })

  it.each([
    { token_type: 'Bearer' },
    { token_type: 'access_token' },
    { typ: 'Bearer' },
    { token_use: 'access' },
  ])('A: active, and %o', async (members) => {
    const world = await createWorld({ answer: active(members) })
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
  })
})

it('J5: a token whose key is not known, and that expires while the issuer is asked', async () => {
  const world = await createWorld()
  world.answer = () => {
    world.clock.advance(100)
    return Response.json({ active: true })
  }
  const token = await world.issuer.issueToken({ header: { kid: 'unknown' }, expiresInSeconds: 50 })
  expect(await outcomeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_EXPIRED')
  const lasting = await world.issuer.issueToken({ header: { kid: 'unknown' }, expiresInSeconds: 500 })
  expect(await outcomeOf(world.verifier.verify(lasting))).toBe('introspection')
})

describe('attack: probes', () => {
  it('of a caller whose tokens are answered with 400 do not keep the endpoint in trouble', async () => {
    const world = await createWorld({
      introspection: { when: 'always', onUnavailable: 'accept' },
      answer: down,
    })
    const revoked = await world.issuer.issueToken()
    for (let n = 0; n < 3; n++) await codeOf(world.verifier.verify(`opaque-${n}`))
    world.clock.advance(5)
    world.answer = ({ form }) =>
      form.get('token') === revoked ? Response.json({ active: false }) : new Response('', { status: 400 })
    await codeOf(world.verifier.verify('opaque-probe'))
    const held = createSignal()
    world.answer = async ({ form }) => {
      if (form.get('token') === revoked) return Response.json({ active: false })
      await held.promise
      return new Response('', { status: 400 })
    }
    const slow = codeOf(world.verifier.verify('opaque-slow-probe'))
    await settle()
    expect(await outcomeOf(world.verifier.verify(revoked))).toBe('ERR_TOKEN_INACTIVE')
    held.resolve()
    expect(await slow).toBe('ERR_INTROSPECTION_UNAVAILABLE')
  })

  it('a 403 with Retry-After is heeded all the same', async () => {
    const world = await createWorld({ answer: text('', { status: 403, headers: { 'retry-after': '60' } }) })
    for (let n = 0; n < 5; n++) await codeOf(world.verifier.verify(`opaque-${n}`))
    expect(world.asked).toHaveLength(1)
  })
})

describe('an endpoint that moved', () => {
  const MOVED = 'https://api.telnyx.com/v3/introspect'
  /** The old one answers so; the metadata name the new one. */
  async function createMoved(answer: Answer) {
    const world = await createWorld({ answer: active() })
    await world.verifier.verify(OPAQUE)
    world.issuer.fault('metadata', {
      body: {
        issuer: world.issuer.issuer,
        jwks_uri: `${world.issuer.issuer}/v2/oauth/jwks`,
        introspection_endpoint: MOVED,
      },
    })
    world.clock.advance(61)
    world.answer = (asked, signal) =>
      asked.url === MOVED ? Response.json({ active: true }) : answer(asked, signal)
    return world
  }

  it.each([
    ['404', text('', { status: 404 })],
    ['410', text('', { status: 410 })],
    ['a redirect', text('', { status: 301, headers: { location: MOVED } })],
    ['HTML', text('<html>')],
  ])('is followed when the old one answers with %s', async (_, answer) => {
    const world = await createMoved(answer)
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
    expect(world.asked.at(-1)?.url).toBe(MOVED)
  })

  it.each([400, 403, 429, 500])('is not looked for when it answers with %d', async (status) => {
    const world = await createMoved(text('', { status }))
    const { count } = world.issuer.requests.metadata
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
    expect(world.issuer.requests.metadata.count).toBe(count)
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
