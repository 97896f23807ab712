import { type ErrorCode, InvalidTokenError } from '@telnyx-auth/core'
import { createMockIssuer, type TokenOptions } from '@telnyx-auth/mock-issuer'
import { beforeAll, describe, expect, it } from 'vitest'
import { createVerifierAt } from '../../packages/core/src/testing.js'
import { AUDIENCE, rejectionOf, TestClock } from '../support/forge.js'
import { codeOf, createPair, type Pair } from '../support/outcome.js'

/**
 * The rules J1 to J11 of the conformance list, each with tokens that break it in one place, and beside them a
 * token that keeps it. Tokens are signed by the issuer's real key unless the rule is about that.
 */

let pair: Pair
let strict: Pair
/** Now, in seconds, for both; the clock stands still. */
let now: number

beforeAll(async () => {
  pair = await createPair({ issuer: { algorithm: 'RS256' } })
  strict = await createPair({ verifier: { profile: 'rfc9068' } })
  now = pair.clock.now()
})

/** The code that a token is refused with, or `'accepted'`. */
async function outcome({ issuer, verifier }: Pair, options: TokenOptions): Promise<ErrorCode | 'accepted'> {
  const token = await issuer.issueToken(options)
  return verifier.verify(token).then(
    () => 'accepted' as const,
    (error: unknown) => {
      if (error instanceof InvalidTokenError) return error.code
      throw error
    },
  )
}

const header = (members: Record<string, unknown>): TokenOptions => ({ header: members })
const claims = (members: Record<string, unknown>): TokenOptions => ({ claims: members })

describe('J1: algorithms', () => {
  it.each([
    'none',
    'None',
    'NONE',
    'nOnE',
    'HS256',
    'HS384',
    'HS512',
    'rs256',
    'RS257',
    '',
    null,
    5,
    ['RS256'],
  ])('J1: alg %j is never accepted', async (alg) => {
    expect(await outcome(pair, header({ alg }))).toBe('ERR_ALGORITHM_NOT_ALLOWED')
  })

  it('J1: nor is none without a signature, nor a token without alg', async () => {
    const token = await pair.issuer.issueToken({ header: { alg: 'none' } })
    expect(await codeOf(pair.verifier.verify(token.replace(/[^.]*$/, '')))).toBe('ERR_ALGORITHM_NOT_ALLOWED')
    expect(await outcome(pair, header({ alg: undefined }))).toBe('ERR_ALGORITHM_NOT_ALLOWED')
  })

  it.each(['RS384', 'RS512', 'PS256'])(
    'J1: a key for RS256 does not serve %s, though the signature is right',
    async (alg) => {
      expect(await outcome(pair, header({ alg }))).toBe('ERR_ALGORITHM_NOT_ALLOWED')
      expect(await outcome(pair, header({ alg, kid: undefined }))).toBe('ERR_KEY_NOT_FOUND')
      expect(await outcome(pair, header({ alg: 'RS256' }))).toBe('accepted')
    },
  )
})

describe('J2: typ', () => {
  it.each([
    undefined,
    'JWT',
    'jwt',
    'at+jwt',
    'AT+JWT',
    'application/at+jwt',
    'Application/At+Jwt',
    'application/jwt',
  ])('J2: the telnyx profile takes typ %j', async (typ) => {
    expect(await outcome(pair, header({ typ }))).toBe('accepted')
  })

  it.each(['at+jwt', 'AT+JWT', 'application/at+jwt'])('J2: the strict profile takes typ %j', async (typ) => {
    expect(await outcome(strict, header({ typ }))).toBe('accepted')
  })

  it.each([undefined, 'JWT', 'application/jwt'])(
    'J2: the strict profile does not take typ %j',
    async (typ) => {
      expect(await outcome(strict, header({ typ }))).toBe('ERR_TYP_INVALID')
    },
  )

  it.each([
    'dpop+jwt',
    'token-introspection+jwt',
    'logout+jwt',
    'secevent+jwt',
    'application/logout+jwt',
    'id_token',
    '',
    ' at+jwt',
    'at+jwt ',
    'application/application/jwt',
    'text/at+jwt',
    null,
    5,
    ['JWT'],
    { a: 'JWT' },
  ])('J2: no profile takes typ %j', async (typ) => {
    expect(await outcome(pair, header({ typ }))).toBe('ERR_TYP_INVALID')
    expect(await outcome(strict, header({ typ }))).toBe('ERR_TYP_INVALID')
  })
})

describe('J3: iss', () => {
  it.each([
    ['with a slash more', 'https://api.telnyx.com/'],
    ['in another case', 'https://API.telnyx.com'],
    ['with the default port', 'https://api.telnyx.com:443'],
    ['a prefix', 'https://api.telnyx.co'],
    ['a suffix', 'api.telnyx.com'],
    ['with a dot segment', 'https://api.telnyx.com/.'],
    ['percent-encoded', 'https://api%2Etelnyx.com'],
    ['with a look-alike letter', 'https://аpi.telnyx.com'],
    ['of another issuer', 'https://issuer.example.com'],
    ['empty', ''],
  ])('J3: an issuer %s is not the issuer', async (_, iss) => {
    expect(await outcome(pair, claims({ iss }))).toBe('ERR_ISSUER_NOT_ALLOWED')
  })

  it.each([null, 5, ['https://api.telnyx.com'], { a: 1 }])('J3: iss %j is not a string', async (iss) => {
    expect(await outcome(pair, claims({ iss }))).toBe('ERR_CLAIM_INVALID')
  })

  it('J3: iss is demanded', async () => {
    const error = await rejectionOf(
      pair.verifier.verify(await pair.issuer.issueToken(claims({ iss: undefined }))),
    )
    expect(error).toMatchObject({ code: 'ERR_CLAIM_MISSING', claim: 'iss' })
  })
})

describe('J4: aud', () => {
  it.each([
    ['the identifier', AUDIENCE],
    ['an array with it', ['https://other.example.com', AUDIENCE]],
  ])('J4: %s is accepted', async (_, aud) => {
    expect(await outcome(pair, claims({ aud }))).toBe('accepted')
  })

  it.each([
    ['another', 'https://other.example.com'],
    ['a longer one', `${AUDIENCE}/`],
    ['a shorter one', AUDIENCE.slice(0, -1)],
    ['one in another case', AUDIENCE.toUpperCase()],
    ['an empty array', []],
    ['an array of others', ['a', 'b']],
    ['an empty string', ''],
    ['a list in a string', `${AUDIENCE} https://other.example.com`],
  ])('J4: %s is not', async (_, aud) => {
    expect(await outcome(pair, claims({ aud }))).toBe('ERR_AUDIENCE_NOT_ALLOWED')
  })

  it.each([[[[AUDIENCE]]], [[AUDIENCE, 5]], [null], [5], [{ [AUDIENCE]: true }]])(
    'J4: aud %j is neither a string nor an array of strings',
    async (aud) => {
      expect(await outcome(pair, claims({ aud }))).toBe('ERR_CLAIM_INVALID')
    },
  )

  it('J4: aud is demanded', async () => {
    expect(await outcome(pair, claims({ aud: undefined }))).toBe('ERR_CLAIM_MISSING')
  })

  it('J4: of several configured identifiers, any may match', async () => {
    const several = await createPair({ verifier: { audience: ['urn:a', 'urn:b'] } })
    expect(await outcome(several, { audience: 'urn:b' })).toBe('accepted')
    expect(await outcome(several, { audience: 'urn:c' })).toBe('ERR_AUDIENCE_NOT_ALLOWED')
  })

  it('J4: null turns the check off, and the demand with it; the strict profile still demands the claim', async () => {
    const open = await createPair({ verifier: { audience: null } })
    expect(await outcome(open, { audience: 'https://other.example.com' })).toBe('accepted')
    expect(await outcome(open, claims({ aud: undefined }))).toBe('accepted')
    expect(await outcome(open, claims({ aud: 5 }))).toBe('ERR_CLAIM_INVALID')
    const strictAndOpen = await createPair({ verifier: { audience: null, profile: 'rfc9068' } })
    expect(await outcome(strictAndOpen, claims({ aud: undefined }))).toBe('ERR_CLAIM_MISSING')
  })
})

describe('J5: times', () => {
  it.each([
    ['a second ahead', 1, 'accepted'],
    ['now, within the tolerance', 0, 'accepted'],
    ['the tolerance ago, less a second', -4, 'accepted'],
    ['the tolerance ago', -5, 'ERR_TOKEN_EXPIRED'],
    ['longer ago', -6, 'ERR_TOKEN_EXPIRED'],
    ['a fraction within the tolerance', -4.5, 'accepted'],
  ])('J5: exp %s', async (_, offset, expected) => {
    expect(await outcome(pair, claims({ exp: now + offset }))).toBe(expected)
  })

  it('J5: without tolerance, a token is good until exp and not at it', async () => {
    const exact = await createPair({ verifier: { clockToleranceSeconds: 0 } })
    expect(await outcome(exact, claims({ exp: now + 1 }))).toBe('accepted')
    expect(await outcome(exact, claims({ exp: now }))).toBe('ERR_TOKEN_EXPIRED')
    expect(await outcome(exact, claims({ nbf: now, iat: now }))).toBe('accepted')
    expect(await outcome(exact, claims({ nbf: now + 1 }))).toBe('ERR_TOKEN_NOT_YET_VALID')
  })

  it.each(['nbf', 'iat'])('J5: %s in the future', async (claim) => {
    expect(await outcome(pair, claims({ [claim]: now + 5 }))).toBe('accepted')
    expect(await outcome(pair, claims({ [claim]: now + 6 }))).toBe('ERR_TOKEN_NOT_YET_VALID')
  })

  it.each(['exp', 'nbf', 'iat'])('J5: %s must be a number that is a date', async (claim) => {
    for (const value of ['4000000000', '', null, true, [4_000_000_000], {}, 1e308, 2 ** 53])
      expect(await outcome(pair, claims({ [claim]: value }))).toBe('ERR_CLAIM_INVALID')
  })

  it('J5: exp is demanded, and does not lie before time', async () => {
    expect(await outcome(pair, claims({ exp: undefined }))).toBe('ERR_CLAIM_MISSING')
    for (const exp of [0, -1, -1e308]) expect(await outcome(pair, claims({ exp }))).toBe('ERR_TOKEN_EXPIRED')
  })

  it('J5: a token that expires while its key is fetched is refused', async () => {
    const clock = new TestClock()
    const issuer = await createMockIssuer({ now: () => clock.now() * 1000 })
    const verifier = createVerifierAt(clock, {
      audience: AUDIENCE,
      fetch: (url, init) => {
        clock.advance(10)
        return issuer.fetch(url, init)
      },
    })
    expect(await codeOf(verifier.verify(await issuer.issueToken({ expiresInSeconds: 12 })))).toBe(
      'ERR_TOKEN_EXPIRED',
    )
  })
})

describe('J6: the strict profile', () => {
  it.each(['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'])('J6: demands %s', async (claim) => {
    const token = await strict.issuer.issueToken(claims({ [claim]: undefined }))
    expect(await rejectionOf(strict.verifier.verify(token))).toMatchObject({
      code: 'ERR_CLAIM_MISSING',
      claim,
    })
  })

  it('J6: takes a token that has them', async () => {
    expect(await outcome(strict, {})).toBe('accepted')
  })

  it.each(['sub', 'client_id', 'iat', 'jti'])('J6: the telnyx profile does not demand %s', async (claim) => {
    expect(await outcome(pair, claims({ [claim]: undefined }))).toBe('accepted')
  })

  it.each(['sub', 'client_id', 'jti'])(
    'J6: %s is a string in both, and not an empty one in the strict profile',
    async (claim) => {
      for (const value of [5, null, true, ['a'], {}])
        for (const each of [pair, strict])
          expect(await outcome(each, claims({ [claim]: value }))).toBe('ERR_CLAIM_INVALID')
      expect(await outcome(strict, claims({ [claim]: '' }))).toBe('ERR_CLAIM_INVALID')
    },
  )
})

describe('J7: critical extensions and encryption', () => {
  it.each([
    [{ crit: ['exp'], exp: 1 }],
    [{ crit: [] }],
    [{ crit: 'b64' }],
    [{ crit: null }],
    [{ crit: ['b64'], b64: true }],
    [{ crit: ['b64'], b64: false }],
    [{ b64: false }],
    [{ b64: null }],
  ])('J7: %j', async (members) => {
    expect(await outcome(pair, header(members))).toBe('ERR_TOKEN_MALFORMED')
  })

  it('J7: an encrypted token is refused with a clear message', async () => {
    const [head, payload, signature] = (await pair.issuer.issueToken()).split('.')
    const error = await rejectionOf(pair.verifier.verify([head, payload, signature, 'a', 'a'].join('.')))
    expect(error).toMatchObject({
      code: 'ERR_TOKEN_MALFORMED',
      message: expect.stringContaining('encrypted'),
    })
  })
})

describe('J8: keys that the token brings along', () => {
  it.each(['jku', 'x5u', 'jwk', 'x5c'])('J8: %s is not used, and nothing is fetched for it', async (name) => {
    const own = await createPair()
    await own.verifier.preload()
    const before = [own.issuer.requests.metadata.count, own.issuer.requests.jwks.count]

    // An attacker's own issuer: what it signs is right by the key that the header offers.
    const attacker = await createMockIssuer({ algorithm: 'ES256', now: () => own.clock.now() * 1000 })
    const jwks: { keys: unknown[] } = JSON.parse(
      await (await attacker.fetch('https://api.telnyx.com/v2/oauth/jwks')).text(),
    )
    const offered = {
      jku: 'https://attacker.example/jwks',
      x5u: 'https://attacker.example/x5u',
      jwk: jwks.keys[0],
      x5c: ['MIIB'],
    }
    const [ownKid] = own.verifier.health().keyIds
    const token = await attacker.issueToken({
      header: { kid: ownKid, [name]: offered[name as keyof typeof offered] },
    })

    expect(await codeOf(own.verifier.verify(token))).toBe('ERR_SIGNATURE_INVALID')
    expect([own.issuer.requests.metadata.count, own.issuer.requests.jwks.count]).toEqual(before)
    // A token that is good in itself does not become bad by what is ignored.
    expect(await outcome(own, header({ [name]: offered[name as keyof typeof offered] }))).toBe('accepted')
  })

  it.each([null, 5, true, ['a'], { a: 1 }])('J8: kid %j is not a string', async (kid) => {
    expect(await outcome(pair, header({ kid }))).toBe('ERR_TOKEN_MALFORMED')
  })

  it('J8: the key id never becomes part of a URL', async () => {
    const own = await createPair()
    const asked: string[] = []
    const verifier = createVerifierAt(own.clock, {
      audience: AUDIENCE,
      fetch: (url, init) => {
        asked.push(url)
        return own.issuer.fetch(url, init)
      },
    })
    for (const kid of [
      '../../../etc/passwd',
      'https://attacker.example/jwks',
      '?x=1',
      '/v2/oauth/token',
      '#',
    ]) {
      expect(await codeOf(verifier.verify(await own.issuer.issueToken({ header: { kid } })))).toBe(
        'ERR_KEY_NOT_FOUND',
      )
      // No more than two unknown kids are looked up in 30 seconds.
      own.clock.advance(15)
    }
    expect(new Set(asked)).toEqual(
      new Set([
        'https://api.telnyx.com/.well-known/oauth-authorization-server',
        'https://api.telnyx.com/v2/oauth/jwks',
      ]),
    )
  })
})

describe('J9: the form', () => {
  it('J9: only strict base64url', async () => {
    const token = await pair.issuer.issueToken()
    const [head = '', payload = '', signature = ''] = token.split('.')
    const spoilt = (segment: string) => [
      `${segment}=`,
      `${segment} `,
      `\n${segment}`,
      `${segment}+`,
      `${segment}%`,
      `${segment}é`,
    ]
    const tokens = [
      ...spoilt(head).map((each) => [each, payload, signature]),
      ...spoilt(payload).map((each) => [head, each, signature]),
      ...spoilt(signature).map((each) => [head, payload, each]),
    ].map((parts) => parts.join('.'))
    for (const each of tokens) expect(await codeOf(pair.verifier.verify(each))).toBe('ERR_TOKEN_MALFORMED')
    await pair.verifier.verify(token)
  })

  it('J9: header and payload are objects in UTF-8, without a name twice', async () => {
    const [head, payload, signature] = (await pair.issuer.issueToken()).split('.')
    const encode = (text: string | Buffer) => Buffer.from(text).toString('base64url')
    const malformed = [
      '[]',
      'null',
      '"text"',
      '5',
      '{',
      '',
      '{"a":1,"a":1}',
      '{"a":1,"\\u0061":1}',
      '{"x":{"b":1,"b":2}}',
      '{"x":[{"b":1,"b":2}]}',
      '\ufeff{}',
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      Buffer.from('{}', 'utf16le'),
      `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`,
    ]
    for (const each of malformed) {
      expect(await codeOf(pair.verifier.verify([encode(each), payload, signature].join('.')))).toBe(
        'ERR_TOKEN_MALFORMED',
      )
      expect(await codeOf(pair.verifier.verify([head, encode(each), signature].join('.')))).toBe(
        'ERR_TOKEN_MALFORMED',
      )
    }
  })

  it('J9: nesting has a limit, far beyond what tokens need', async () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])
    // The claims themselves are one level.
    expect(await outcome(pair, claims({ x: nested(63) }))).toBe('accepted')
    expect(await outcome(pair, claims({ x: nested(64) }))).toBe('ERR_TOKEN_MALFORMED')
  })

  it('what is not a string is no token, and what is not there is a missing one', async () => {
    const verify = (token: unknown): Promise<unknown> =>
      Reflect.apply(pair.verifier.verify, pair.verifier, [token])
    for (const token of [undefined, null]) expect(await codeOf(verify(token))).toBe('ERR_TOKEN_MISSING')
    for (const token of ['', 5, {}, [], true, Buffer.from('a.b.c')])
      expect(await codeOf(verify(token))).toBe('ERR_TOKEN_MALFORMED')
  })

  it('J9: what only looks like a repetition is accepted', async () => {
    const looksOdd = {
      a: { a: { a: ':":{"a":1,"a":2}' } },
      ':': '\\":',
      'ü"\\': [{ b: 1 }, { b: 1 }],
      '': {},
      e: [],
    }
    expect(await outcome(pair, claims(looksOdd))).toBe('accepted')
  })
})

describe('J10: bound tokens', () => {
  it.each([[{ jkt: 'x' }], [{ 'x5t#S256': 'x' }], [{ unknown: 1 }], [{}], [null], ['x'], [false]])(
    'J10: cnf %j',
    async (cnf) => {
      expect(await outcome(pair, claims({ cnf }))).toBe('ERR_TOKEN_BOUND')
    },
  )
})

describe('J11: whose keys', () => {
  it('J11: a key of another issuer does not count, also with the same id', async () => {
    const own = await createPair({ issuer: { algorithm: 'RS256' } })
    const other = await createPair({ issuer: { algorithm: 'RS256' } })
    await own.verifier.preload()
    const [kid] = own.verifier.health().keyIds
    expect(await codeOf(own.verifier.verify(await other.issuer.issueToken()))).toBe('ERR_KEY_NOT_FOUND')
    expect(await codeOf(own.verifier.verify(await other.issuer.issueToken({ header: { kid } })))).toBe(
      'ERR_SIGNATURE_INVALID',
    )
  })

  it('J11: an issuer that is not configured is never asked', async () => {
    const own = await createPair()
    expect(await outcome(own, claims({ iss: 'https://attacker.example' }))).toBe('ERR_ISSUER_NOT_ALLOWED')
    expect(own.issuer.requests.metadata.count + own.issuer.requests.jwks.count).toBe(0)
  })
})
