import type { Auth, ErrorCode, IntrospectionWhen, VerifierOptions } from '@telnyx-auth/core'
import type { MockIssuer } from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'
import { active, inactive } from '../support/answers.js'
import { encode, expectRefusal } from '../support/forge.js'
import {
  claims,
  createWorld,
  ENDPOINT,
  expectUnavailable,
  failureOf,
  kidOf,
  OPAQUE,
  outcomeOf,
  secretsOf,
  stranger,
  WHEN,
  type World,
} from '../support/mock-introspection.js'
import { codeOf } from '../support/outcome.js'

/** A kind of token, how the world is prepared for it, and its outcome. */
interface Kind {
  readonly what: string
  readonly token: (world: World) => string | Promise<string>
  readonly prepare?: (issuer: MockIssuer) => void
  readonly options?: VerifierOptions
  /** Without introspection. */
  readonly off: Auth['verifiedBy'] | ErrorCode
  /** The modes that introspect it. The issuer says that the token is active. */
  readonly asks: readonly IntrospectionWhen[]
}

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
  undecided('keys that are not available', 'ERR_KEYS_UNAVAILABLE', {
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

describe('attack 42: which tokens are introspected, and their outcome', () => {
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

    // The issuer decides where it is asked, and only there.
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

  it('a key that a permitted refresh finds: no introspection', async () => {
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
    "'%s' with a verifier without introspection is a ConfigurationError",
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

  it('the rest of the policy applies to the claims that the issuer returns', async () => {
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
