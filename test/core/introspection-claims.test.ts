import { inspect } from 'node:util'
import type { MockIssuer } from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'
import { active, json, text } from '../support/answers.js'
import { AUDIENCE, expectRefusal, TestClock } from '../support/forge.js'
import {
  type Answer,
  createWorld,
  expectUnavailable,
  OPAQUE,
  outcomeOf,
  secretsOf,
  type World,
} from '../support/mock-introspection.js'
import { codeOf } from '../support/outcome.js'

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

  it('A: true, with unknown members, and a body of the greatest depth that is allowed', async () => {
    const nested = (depth: number) => `{"active":true,"x":${'['.repeat(depth)}${']'.repeat(depth)}}`
    const world = await createWorld({
      answer: text(nested(60), { headers: { 'content-type': 'application/token-introspection+json' } }),
    })
    const auth = await world.verifier.verify(OPAQUE)
    expect(auth.verifiedBy).toBe('introspection')
  })
})

describe('I3: what the issuer says is checked as if a JWT said it', () => {
  const now = new TestClock().now()
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
  const now = new TestClock().now()
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
