import { inspect } from 'node:util'
import { ConfigurationError, InvalidTokenError } from '@telnyx-auth/core'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  expectRefusal,
  ForgedIssuer,
  forge,
  goodClaims,
  goodHeader,
  goodToken,
  ISSUER,
  makeKey,
  makeUncheckedVerifier,
  makeVerifier,
  NOW,
  parseChallenge,
  rejectionOf,
  TestClock,
  withMembers,
} from '../support/forge.js'

/** Attacks 22–28: what a token says. All of these are signed by the right key. */

const key = makeKey('RS256')
const issuer = new ForgedIssuer(key)
const verifier = makeVerifier(issuer)
const strict = makeVerifier(issuer, { profile: 'rfc9068' })

/** A token whose claims are good but for members that JSON.stringify would not write. */
function tokenWith(members: string, ...without: string[]): string {
  const rest = Object.fromEntries(Object.entries(goodClaims()).filter(([name]) => !without.includes(name)))
  return forge(goodHeader(key), withMembers(rest, members), key)
}

describe('positive controls', () => {
  it('accepts the good token in both profiles', async () => {
    for (const each of [verifier, strict])
      await expect(each.verify(goodToken(key))).resolves.toMatchObject({
        subject: 'user-1',
        clientId: 'client-1',
        issuer: ISSUER,
        audience: [AUDIENCE],
        scopes: ['messaging.read'],
        expiresAt: NOW + 3600,
      })
  })

  it('accepts a token of the mock issuer, and refuses what it was told to spoil', async () => {
    const clock = new TestClock()
    const mock = await createMockIssuer({ now: () => clock.now() * 1000 })
    const ofMock = makeVerifier(mock, { issuer: mock.issuer }, clock)
    await expect(ofMock.verify(await mock.issueToken())).resolves.toBeDefined()
    for (const claim of ['iss', 'aud', 'exp']) {
      const token = await mock.issueToken({ claims: { [claim]: undefined } })
      await expectRefusal(ofMock.verify(token), 'R', 'ERR_CLAIM_MISSING', [token])
    }
  })
})

describe('attack 22, J3: iss', () => {
  const bad: readonly (readonly [unknown, string])[] = [
    [undefined, 'ERR_CLAIM_MISSING'],
    [null, 'ERR_CLAIM_INVALID'],
    [5, 'ERR_CLAIM_INVALID'],
    [[ISSUER], 'ERR_CLAIM_INVALID'],
    [[ISSUER, 'https://evil.example'], 'ERR_CLAIM_INVALID'],
    [{ iss: ISSUER }, 'ERR_CLAIM_INVALID'],
    ...[
      '',
      ISSUER.slice(0, -1),
      ISSUER.slice(1),
      `${ISSUER}/`,
      `${ISSUER}//`,
      `${ISSUER}.evil.example`,
      `${ISSUER}:443`,
      `${ISSUER}/.`,
      `${ISSUER}?`,
      `${ISSUER}#`,
      `${ISSUER}\0`,
      `${ISSUER} `,
      ` ${ISSUER}`,
      `${ISSUER}\n`,
      ISSUER.toUpperCase(),
      ISSUER.replace('https', 'HTTPS'),
      ISSUER.replace('https', 'http'),
      ISSUER.replace('issuer', 'Issuer'),
      ISSUER.replace('issuer', '%69ssuer'),
      ISSUER.replace('issuer', '\u0456ssuer'),
      ISSUER.replace('https://', 'https://user@'),
      ISSUER.replace('https://', ''),
      ISSUER.replace('.example', '\u3002example'),
      `https://evil.example/${ISSUER}`,
      `https://evil.example#${ISSUER}`,
      'https://evil.example',
    ].map((iss) => [iss, 'ERR_ISSUER_NOT_ALLOWED'] as const),
  ]

  it.each(bad.map(([iss, code]) => ({ iss, code })))('R: $iss', async ({ iss, code }) => {
    const token = goodToken(key, { iss })
    const asked = issuer.urls.length
    const response = await expectRefusal(
      verifier.verify(token),
      'R',
      ['ERR_CLAIM_MISSING', 'ERR_CLAIM_INVALID', 'ERR_ISSUER_NOT_ALLOWED'],
      [token],
    )
    expect(response.body.code).toBe(code)
    // J11: and no request is made.
    expect(issuer.urls).toHaveLength(asked)
  })

  it('an identifier with a slash at its end is another one', async () => {
    const slash = `${ISSUER}/`
    const slashIssuer = new ForgedIssuer(key)
    slashIssuer.metadata = () => Response.json({ issuer: slash, jwks_uri: `${ISSUER}/jwks` })
    const slashVerifier = makeVerifier(slashIssuer, { issuer: slash })
    await expect(slashVerifier.verify(goodToken(key, { iss: slash }))).resolves.toBeDefined()
    await expectRefusal(slashVerifier.verify(goodToken(key)), 'R', 'ERR_ISSUER_NOT_ALLOWED')
  })
})

describe('attack 24, J4: aud', () => {
  it.each([
    ['a string', AUDIENCE],
    ['an array', [AUDIENCE]],
    ['one of several', ['https://other.example', AUDIENCE, 'x']],
    ['twice', [AUDIENCE, AUDIENCE]],
  ])('A: %s', async (_, aud) => {
    for (const each of [verifier, strict])
      await expect(each.verify(goodToken(key, { aud }))).resolves.toBeDefined()
  })

  const bad: readonly (readonly [unknown, string])[] = [
    [undefined, 'ERR_CLAIM_MISSING'],
    [null, 'ERR_CLAIM_INVALID'],
    [5, 'ERR_CLAIM_INVALID'],
    [true, 'ERR_CLAIM_INVALID'],
    [{}, 'ERR_CLAIM_INVALID'],
    [{ 0: AUDIENCE, length: 1 }, 'ERR_CLAIM_INVALID'],
    [[[AUDIENCE]], 'ERR_CLAIM_INVALID'],
    [[AUDIENCE, ['x']], 'ERR_CLAIM_INVALID'],
    [[AUDIENCE, null], 'ERR_CLAIM_INVALID'],
    [[AUDIENCE, 5], 'ERR_CLAIM_INVALID'],
    ...[
      '',
      [],
      [''],
      ['', 'x'],
      'https://other.example',
      AUDIENCE.slice(0, -1),
      AUDIENCE.slice(0, 10),
      `${AUDIENCE}/`,
      `${AUDIENCE}.evil.example`,
      AUDIENCE.toUpperCase(),
      `${AUDIENCE} https://other.example`,
      `${AUDIENCE},https://other.example`,
      ` ${AUDIENCE}`,
      `["${AUDIENCE}"]`,
      '*',
      'has',
      'undefined',
    ].map((aud) => [aud, 'ERR_AUDIENCE_NOT_ALLOWED'] as const),
  ]
  it.each(bad.map(([aud, code]) => ({ aud, code })))('R: $aud', async ({ aud, code }) => {
    const token = goodToken(key, { aud })
    for (const each of [verifier, strict]) {
      const response = await expectRefusal(
        each.verify(token),
        'R',
        ['ERR_CLAIM_MISSING', 'ERR_CLAIM_INVALID', 'ERR_AUDIENCE_NOT_ALLOWED'],
        [token],
      )
      expect(response.body.code).toBe(code)
    }
  })

  it('any of several configured audiences, and no other', async () => {
    const several = makeVerifier(issuer, { audience: ['a', 'b'] })
    await expect(several.verify(goodToken(key, { aud: 'a' }))).resolves.toBeDefined()
    await expect(several.verify(goodToken(key, { aud: ['x', 'b'] }))).resolves.toBeDefined()
    for (const aud of ['ab', 'a,b', 'c', [], ['A']])
      await expectRefusal(several.verify(goodToken(key, { aud })), 'R', 'ERR_AUDIENCE_NOT_ALLOWED')
  })

  it('switched off, it still must be well-formed where present', async () => {
    const off = makeVerifier(issuer, { audience: null })
    for (const aud of [undefined, 'anything', [], ['x']])
      await expect(off.verify(goodToken(key, { aud }))).resolves.toBeDefined()
    for (const aud of [null, 5, {}, [[AUDIENCE]]])
      await expectRefusal(off.verify(goodToken(key, { aud })), 'R', 'ERR_CLAIM_INVALID')
  })

  const missing: unknown[] = [
    undefined,
    '',
    [],
    [''],
    [AUDIENCE, ''],
    [null],
    [undefined],
    new Array(2),
    {},
    5,
    true,
    new Set([AUDIENCE]),
  ]
  it.each(missing.map((audience) => ({ audience })))('C: $audience configured', ({ audience }) => {
    expect(() => makeUncheckedVerifier({ audience })).toThrow(ConfigurationError)
  })
})

describe('attack 25, J5: exp that is not a time', () => {
  it.each([
    ['missing', tokenWith('"x":1', 'exp'), 'ERR_CLAIM_MISSING'],
    ['null', tokenWith('"exp":null', 'exp'), 'ERR_CLAIM_INVALID'],
    ['a string', tokenWith(`"exp":"${NOW + 60}"`, 'exp'), 'ERR_CLAIM_INVALID'],
    ['an ISO date', tokenWith('"exp":"2099-01-01T00:00:00Z"', 'exp'), 'ERR_CLAIM_INVALID'],
    ['true', tokenWith('"exp":true', 'exp'), 'ERR_CLAIM_INVALID'],
    ['an array', tokenWith(`"exp":[${NOW + 60}]`, 'exp'), 'ERR_CLAIM_INVALID'],
    ['an object', tokenWith('"exp":{}', 'exp'), 'ERR_CLAIM_INVALID'],
    ['1e999', tokenWith('"exp":1e999', 'exp'), 'ERR_CLAIM_INVALID'],
    ['1e308', tokenWith('"exp":1e308', 'exp'), 'ERR_CLAIM_INVALID'],
    ['2^53', tokenWith('"exp":9007199254740992', 'exp'), 'ERR_CLAIM_INVALID'],
    ['negative', tokenWith('"exp":-1', 'exp'), 'ERR_TOKEN_EXPIRED'],
    ['0', tokenWith('"exp":0', 'exp'), 'ERR_TOKEN_EXPIRED'],
    ['-0', tokenWith('"exp":-0', 'exp'), 'ERR_TOKEN_EXPIRED'],
    ['hardly more than nothing', tokenWith('"exp":1e-300', 'exp'), 'ERR_TOKEN_EXPIRED'],
  ] as const)('R: %s', async (_, token, code) => {
    await expectRefusal(verifier.verify(token), 'R', code, [token])
    await expectRefusal(strict.verify(token), 'R', code, [token])
  })

  it('R: a negative number beyond all bounds, which is not finite', async () => {
    await expectRefusal(verifier.verify(tokenWith('"exp":-1e999', 'exp')), 'R', [
      'ERR_CLAIM_INVALID',
      'ERR_TOKEN_EXPIRED',
    ])
  })

  it.each(['nbf', 'iat'])('R: %s that is not a finite number', async (claim) => {
    for (const value of ['1e999', '1e308', '"1"', 'null', '[]', 'true'])
      await expectRefusal(verifier.verify(tokenWith(`"${claim}":${value}`, claim)), 'R', 'ERR_CLAIM_INVALID')
  })

  it.each(['nbf', 'iat'])('R: %s of minus infinity', async (claim) => {
    await expectRefusal(verifier.verify(tokenWith(`"${claim}":-1e999`, claim)), 'R', 'ERR_CLAIM_INVALID')
  })

  it('A: fractions, exponents and the year 9999', async () => {
    for (const exp of [`${NOW + 0.5}`, `${NOW / 1e9 + 1}e9`, '253402300799'])
      await expect(verifier.verify(tokenWith(`"exp":${exp}`, 'exp'))).resolves.toBeDefined()
  })
})

describe('attack 26, J5: at the edge', () => {
  const edges = [
    { tolerance: 0, claims: { exp: NOW }, code: 'ERR_TOKEN_EXPIRED' },
    { tolerance: 0, claims: { exp: NOW - 1 }, code: 'ERR_TOKEN_EXPIRED' },
    { tolerance: 0, claims: { exp: NOW + 1 }, code: undefined },
    { tolerance: 0, claims: { exp: NOW + 0.001 }, code: undefined },
    { tolerance: 5, claims: { exp: NOW - 6 }, code: 'ERR_TOKEN_EXPIRED' },
    { tolerance: 5, claims: { exp: NOW - 5 }, code: 'ERR_TOKEN_EXPIRED' },
    { tolerance: 5, claims: { exp: NOW - 4 }, code: undefined },
    { tolerance: 5, claims: { exp: NOW - 4.999 }, code: undefined },
    { tolerance: 0, claims: { nbf: NOW }, code: undefined },
    { tolerance: 0, claims: { nbf: NOW + 1 }, code: 'ERR_TOKEN_NOT_YET_VALID' },
    { tolerance: 5, claims: { nbf: NOW + 4 }, code: undefined },
    { tolerance: 5, claims: { nbf: NOW + 5 }, code: undefined },
    { tolerance: 5, claims: { nbf: NOW + 6 }, code: 'ERR_TOKEN_NOT_YET_VALID' },
    { tolerance: 0, claims: { iat: NOW }, code: undefined },
    { tolerance: 0, claims: { iat: NOW + 1 }, code: 'ERR_TOKEN_NOT_YET_VALID' },
    { tolerance: 5, claims: { iat: NOW + 5 }, code: undefined },
    { tolerance: 5, claims: { iat: NOW + 6 }, code: 'ERR_TOKEN_NOT_YET_VALID' },
    { tolerance: 600, claims: { exp: NOW - 599 }, code: undefined },
    { tolerance: 5, claims: { nbf: NOW + 100, exp: NOW + 50 }, code: 'ERR_TOKEN_NOT_YET_VALID' },
  ] as const
  it.each(edges)('$claims with a tolerance of $tolerance: $code', async ({ tolerance, claims, code }) => {
    const edge = makeVerifier(issuer, { clockToleranceSeconds: tolerance })
    const token = goodToken(key, claims)
    if (code === undefined) await expect(edge.verify(token)).resolves.toBeDefined()
    else await expectRefusal(edge.verify(token), 'R', code, [token])
  })

  it('a token that was good expires', async () => {
    const clock = new TestClock()
    const aging = makeVerifier(issuer, { clockToleranceSeconds: 0 }, clock)
    const token = goodToken(key, { exp: NOW + 10 })
    await expect(aging.verify(token)).resolves.toBeDefined()
    clock.advance(9.999)
    await expect(aging.verify(token)).resolves.toBeDefined()
    clock.advance(0.001)
    await expectRefusal(aging.verify(token), 'R', 'ERR_TOKEN_EXPIRED', [token])
  })

  it('a token that expires while the issuer is asked for its keys is refused', async () => {
    const clock = new TestClock()
    const slow = new ForgedIssuer(key)
    const { jwks } = slow
    slow.jwks = (url, signal) => {
      clock.advance(20)
      return jwks(url, signal)
    }
    const token = goodToken(key, { exp: NOW + 10 })
    await expectRefusal(makeVerifier(slow, {}, clock).verify(token), 'R', 'ERR_TOKEN_EXPIRED', [token])
  })
})

describe('J6: the strict profile', () => {
  it.each(['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'])('demands %s', async (claim) => {
    const token = goodToken(key, { [claim]: undefined })
    const error = await rejectionOf(strict.verify(token))
    expect(error).toBeInstanceOf(InvalidTokenError)
    expect(error).toMatchObject({ code: 'ERR_CLAIM_MISSING', claim })
  })

  it.each(['sub', 'client_id', 'jti'])('refuses a %s that is empty or not a string', async (claim) => {
    for (const value of ['', 5, null, ['x'], {}, true])
      await expectRefusal(strict.verify(goodToken(key, { [claim]: value })), 'R', 'ERR_CLAIM_INVALID')
  })
})

describe('attack 27, B6: scope', () => {
  it.each([
    ['an array with something else in it', ['messaging.read', 5]],
    ['two scopes in a member of an array', ['messaging.read messaging.write']],
    ['a number', 5],
    ['an object', { 'messaging.read': true }],
    ['null', null],
    ['true', true],
  ])('R: %s', async (_, scope) => {
    await expectRefusal(verifier.verify(goodToken(key, { scope })), 'R', 'ERR_CLAIM_INVALID')
  })

  it.each([
    ['twice', 'a b a', ['a', 'b']],
    ['two blanks', 'a  b', ['a', 'b']],
    ['blanks around', '  a b ', ['a', 'b']],
    ['empty', '', []],
    ['a blank', ' ', []],
    ['missing', undefined, []],
    ['names of members', '__proto__ constructor', ['__proto__', 'constructor']],
  ])('A: %s', async (_, scope, scopes) => {
    await expect(verifier.verify(goodToken(key, { scope }))).resolves.toMatchObject({ scopes })
  })

  const cases = [
    { granted: 'read', required: 'read:all' },
    { granted: 'read:all', required: 'read' },
    { granted: 'readonly', required: 'read' },
    { granted: 'READ', required: 'read' },
    { granted: 'read*', required: 'read' },
    { granted: '*', required: 'read' },
    { granted: '', required: 'read' },
    { granted: 'a,read', required: 'read' },
    { granted: 'a\tread', required: 'read' },
    { granted: 'a\nread', required: 'read' },
    { granted: 'a\u00a0read', required: 'read' },
    { granted: 'read\0', required: 'read' },
    { granted: 'rea d', required: 'read' },
    { granted: '"read"', required: 'read' },
    { granted: 'constructor', required: 'toString' },
  ]
  it.each(cases)('F: $granted for $required', async ({ granted, required }) => {
    const token = goodToken(key, { scope: granted })
    for (const policy of [{ scopes: [required] }, { anyScope: [required] }]) {
      const { headers, body } = await expectRefusal(
        verifier.verify(token, policy),
        'F',
        'ERR_SCOPE_INSUFFICIENT',
        [token],
      )
      expect(parseChallenge(headers['WWW-Authenticate'] ?? '').scope).toBe(required)
      expect(body.error).toBe('insufficient_scope')
    }
    await expect(
      verifier.verify(goodToken(key, { scope: `x ${required} y` }), { scopes: [required] }),
    ).resolves.toBeDefined()
  })

  it('F names all that are needed, those granted included', async () => {
    const token = goodToken(key, { scope: 'a' })
    const { headers } = await expectRefusal(
      verifier.verify(token, { scopes: ['a', 'b'] }),
      'F',
      'ERR_SCOPE_INSUFFICIENT',
    )
    expect(parseChallenge(headers['WWW-Authenticate'] ?? '').scope).toBe('a b')
  })

  it('hasScopes is as exact', async () => {
    const auth = await verifier.verify(goodToken(key, { scope: 'read write' }))
    expect(auth.hasScopes('read', 'write')).toBe(true)
    for (const scope of ['read write', 'rea', '', ' ', 'includes', 'length', '0'])
      expect(auth.hasScopes(scope)).toBe(false)
  })

  // Fail-open is what a promise would be: an object, and so always "true".
  it.each([
    ['a promise of false', async () => false],
    ['an object', () => ({})],
    ['the word', () => 'false'],
    ['a number', () => 1],
  ])('F: a scopeImplies that answers with %s and not with true', async (_, scopeImplies) => {
    const unchecked = makeUncheckedVerifier({
      issuer: ISSUER,
      audience: AUDIENCE,
      fetch: issuer.fetch,
      scopeImplies,
    })
    await expectRefusal(
      unchecked.verify(goodToken(key), { scopes: ['admin'] }),
      'F',
      'ERR_SCOPE_INSUFFICIENT',
    )
  })

  it('A: a scopeImplies that answers with true', async () => {
    const implied = makeVerifier(issuer, {
      scopeImplies: (granted, required) => required.startsWith(`${granted}.`),
    })
    await expect(implied.verify(goodToken(key, { scope: 'a' }), { scopes: ['a.b'] })).resolves.toBeDefined()
    await expectRefusal(
      implied.verify(goodToken(key, { scope: 'b' }), { scopes: ['a.b'] }),
      'F',
      'ERR_SCOPE_INSUFFICIENT',
    )
  })
})

describe('attack 28, J10: cnf', () => {
  const values: unknown[] = [
    { jkt: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' },
    { 'x5t#S256': 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0' },
    { jwk: { kty: 'RSA' } },
    { kid: 'x' },
    { unknown: 1 },
    {},
    [],
    '',
    'x',
    null,
    0,
    false,
  ]
  it.each(values.map((cnf) => ({ cnf })))('R: $cnf', async ({ cnf }) => {
    const token = goodToken(key, { cnf })
    await expectRefusal(verifier.verify(token), 'R', 'ERR_TOKEN_BOUND', [token])
    await expectRefusal(strict.verify(token), 'R', 'ERR_TOKEN_BOUND', [token])
    await expectRefusal(
      verifier.authenticate({ headers: { authorization: `Bearer ${token}` } }),
      'R',
      'ERR_TOKEN_BOUND',
      [token],
    )
  })

  it('A: an empty cnf under another name', async () => {
    await expect(
      verifier.verify(goodToken(key, { Cnf: {}, act: { cnf: { jkt: 'x' } } })),
    ).resolves.toBeDefined()
  })
})

describe('what errors say of claims: nothing but names', () => {
  const secret = 'S3CRET-VALUE-OF-A-CLAIM'
  it.each([
    ['iss', { iss: `https://${secret}.example` }, {}],
    ['aud', { aud: secret }, {}],
    ['sub', { sub: [secret] }, {}],
    ['exp', { exp: secret }, {}],
    ['scope', { scope: { [secret]: secret } }, {}],
    ['scope, an array', { scope: [`${secret} x`] }, {}],
    ['cnf', { cnf: { jkt: secret } }, {}],
    ['expired', { exp: NOW - 100, sub: secret }, {}],
    ['typ', {}, { typ: secret }],
    ['alg', {}, { alg: secret }],
    ['kid', {}, { kid: secret }],
    ['crit', {}, { crit: [secret] }],
    [secret, { [secret]: secret, exp: 1 }, {}],
  ])('%s', async (_, claims, header) => {
    const token = goodToken(key, claims, header)
    const error = await rejectionOf(verifier.verify(token))
    expect(error.status).toBe(401)
    const shown = `${inspect(error, { depth: Infinity, showHidden: true, getters: true })}${error.message}${JSON.stringify(error)}`
    expect(shown).not.toContain(secret)
    for (const part of token.split('.')) expect(shown).not.toContain(part)
    expect(JSON.stringify(error.headers)).not.toContain(secret)
  })

  it('a good token does not show in its Auth', async () => {
    const token = goodToken(key)
    const auth = await verifier.verify(token)
    const shown = `${inspect(auth, { depth: Infinity, showHidden: true, getters: true })}${JSON.stringify(auth)}${JSON.stringify({ ...auth })}`
    expect(shown).not.toContain(token.split('.')[2])
    expect(auth.token).toBe(token)
  })
})

describe('attack 29: what a handler does to what it got', () => {
  it('changes nothing', async () => {
    const auth = await verifier.verify(goodToken(key, { list: [{ deep: [1] }] }))
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(frozen))
    expect(frozen(auth)).toBe(true)
    expect(() => Object.assign(auth, { subject: 'root' })).toThrow(TypeError)
    expect(() => Object.assign(auth.scopes, { 0: 'admin' })).toThrow(TypeError)
    expect(() => Object.assign(auth.claims, { sub: 'root' })).toThrow(TypeError)
    expect(() => Object.defineProperty(auth, 'token', { value: 'x' })).toThrow(TypeError)
    expect(() => Object.setPrototypeOf(auth, {})).toThrow(TypeError)
  })
})
