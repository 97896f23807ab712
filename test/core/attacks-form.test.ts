import { describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  encode,
  expectRefusal,
  ForgedIssuer,
  forge,
  goodClaims,
  goodHeader,
  goodToken,
  ISSUER,
  makeKey,
  makeVerifier,
  NOW,
  segmentsOf,
  signSegments,
  withMembers,
} from '../support/forge.js'

/** Attacks 1–9: what a token looks like, before anything that it says. */

const key = makeKey('RS256')
const edKey = makeKey('EdDSA')
const issuer = new ForgedIssuer(key, edKey)
const verifier = makeVerifier(issuer)
const large = makeVerifier(issuer, { maxTokenBytes: 1_048_576 })

const good = goodToken(key)
const [header, payload, signature] = segmentsOf(good)

/** Signed as it stands, so that the form alone is at fault. */
const signed = (headerSegment: string, payloadSegment: string) =>
  signSegments(headerSegment, payloadSegment, key)

describe('positive controls', () => {
  it('accepts the token that all the others are built from', async () => {
    expect((await verifier.verify(good)).subject).toBe('user-1')
  })

  it.each([
    [
      'white space around and inside the JSON',
      forge(goodHeader(key), `\r\n\t ${JSON.stringify(goodClaims(), null, 4)} \n`, key),
    ],
    [
      'escapes in names and values',
      forge(
        goodHeader(key),
        `{"\\u0069ss":${JSON.stringify(ISSUER).replaceAll('/', '\\/')},"aud":"${AUDIENCE}","exp":${NOW + 60},"x":"\\ud83d\\ude00 \\" \\\\ : { } [ ]"}`,
        key,
      ),
    ],
    ['claims outside ASCII', goodToken(key, { sub: 'Zoë 💥 שלום', имя: 'значение' })],
    [
      'half of a surrogate pair, which JSON allows',
      forge(goodHeader(key), withMembers(goodClaims(), '"x":"\\ud800"'), key),
    ],
    [
      'the same name in different objects',
      goodToken(key, { exp2: { exp: 1, iss: 'x' }, list: [{ exp: 1 }, { exp: 2 }] }),
    ],
    [
      'quotes, colons and braces inside strings',
      goodToken(key, { x: '":"{[}]":\\', 'a":"b': ':', '\\': '\\"' }),
    ],
    ['empty names and empty objects', goodToken(key, { '': '', a: {}, b: [], c: [[], {}] })],
    ['names that differ in case or normal form only', goodToken(key, { Exp: 1, EXP: 2, é: 1, 'e\u0301': 2 })],
    [
      'nesting of 60 levels',
      forge(goodHeader(key), withMembers(goodClaims(), `"x":${'['.repeat(60)}${']'.repeat(60)}`), key),
    ],
    [
      'numbers in every notation',
      forge(
        goodHeader(key),
        withMembers({ iss: ISSUER, aud: AUDIENCE }, `"exp":${NOW / 1e6 + 1}e6,"nbf":-0,"x":1E-7`),
        key,
      ),
    ],
    ['15 KB', goodToken(key, { x: 'x'.repeat(10_500) })],
    [
      'a header with members that mean nothing here',
      goodToken(key, {}, { foo: { bar: [1, null] }, iss: 'https://other.example' }),
    ],
  ])('accepts %s', async (_, token) => {
    await expect(verifier.verify(token)).resolves.toMatchObject({ issuer: ISSUER })
  })
})

describe('attack 1, J7, J9: segments', () => {
  it.each([
    ['an empty token', ''],
    ['one segment', header],
    ['two segments', `${header}.${payload}`],
    ['two segments and a dot less signature', `${header}${payload}.${signature}`],
    ['four segments', `${good}.${signature}`],
    ['four segments, the last one empty', `${good}.`],
    ['an empty segment in front', `.${good}`],
    ['five segments, as a JWE has', `${good}.${payload}.${signature}`],
    ['a JWE', `${encode({ alg: 'RSA-OAEP', enc: 'A256GCM', kid: key.kid })}.AAAA.AAAA.AAAA.AAAA`],
    ['an empty header', `.${payload}.${signature}`],
    ['an empty payload', signed(header, '')],
    ['one dot', '.'],
    ['two dots', '..'],
    ['four dots', '....'],
    ['fifteen thousand dots', '.'.repeat(15_000)],
    ['the scheme inside the token', `Bearer ${good}`],
    ['two tokens', `${good},${good}`],
  ])('refuses %s', async (_, token) => {
    await expectRefusal(verifier.verify(token), 'R', 'ERR_TOKEN_MALFORMED', [token])
  })

  it('refuses an empty signature', async () => {
    await expectRefusal(verifier.verify(`${header}.${payload}.`), 'R', 'ERR_SIGNATURE_INVALID', [good])
  })

  // The type says string, but JavaScript passes what it likes.
  it.each([
    ['a number', 5],
    ['a boolean', true],
    ['an object', { token: good }],
    ['an array', [good]],
    ['a String object', Object(good)],
    ['bytes', Buffer.from(good)],
    ['an object that pretends', { length: 3, indexOf: () => 1, toString: () => good }],
  ])('refuses %s in the place of a token', async (_, token: unknown) => {
    await expectRefusal(Reflect.apply(verifier.verify, verifier, [token]), 'R', 'ERR_TOKEN_MALFORMED', [good])
  })
})

describe('attack 2, J9: characters that do not belong', () => {
  const places = ['header', 'payload', 'signature'] as const
  const additions = [
    ['= at the end', (segment: string) => `${segment}=`],
    ['== at the end', (segment: string) => `${segment}==`],
    ['= in front', (segment: string) => `=${segment}`],
    ['= inside', (segment: string) => `${segment.slice(0, 8)}=${segment.slice(8)}`],
    ['a blank at the end', (segment: string) => `${segment} `],
    ['a blank inside', (segment: string) => `${segment.slice(0, 8)} ${segment.slice(8)}`],
    ['a newline inside', (segment: string) => `${segment.slice(0, 8)}\n${segment.slice(8)}`],
    ['CR LF at the end', (segment: string) => `${segment}\r\n`],
    ['a tab', (segment: string) => `${segment.slice(0, 4)}\t${segment.slice(4)}`],
    ['a NUL', (segment: string) => `${segment}\0`],
    ['a no-break space', (segment: string) => `${segment}\u00a0`],
    ['an invisible character', (segment: string) => `${segment.slice(0, 4)}\u200b${segment.slice(4)}`],
    ['a letter outside ASCII that ends in the same byte', (segment: string) => `\u0165${segment.slice(1)}`],
    ['half of a surrogate pair', (segment: string) => `${segment}\ud800`],
    ['a % escape', (segment: string) => `%${segment.charCodeAt(0).toString(16)}${segment.slice(1)}`],
  ] as const
  const cases = places.flatMap((place) => additions.map(([what, change]) => ({ place, what, change })))

  it.each(cases)('refuses $what in the $place', async ({ place, change }) => {
    const parts = { header, payload, signature, [place]: change({ header, payload, signature }[place]) }
    // Header and payload are signed with the change in them: only the form can be the reason.
    const token =
      place === 'signature'
        ? `${parts.header}.${parts.payload}.${parts.signature}`
        : signed(parts.header, parts.payload)
    await expectRefusal(verifier.verify(token), 'R', 'ERR_TOKEN_MALFORMED', [good])
  })

  it('refuses the ordinary base64 alphabet', async () => {
    // Bytes that need the last two characters of the alphabet.
    const segment = encode(goodClaims({ x: '\u00fb\u00ff~?~?>>>???\u00be\u00ff' }))
    const ordinary = segment.replaceAll('-', '+').replaceAll('_', '/')
    expect(ordinary).not.toBe(segment)
    await expect(verifier.verify(signed(header, segment))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(signed(header, ordinary)), 'R', 'ERR_TOKEN_MALFORMED')
  })

  it.each(['\n', ' ', '\t', '\r\n', '\ufeff'])('refuses %j around the token', async (blank) => {
    await expectRefusal(verifier.verify(`${good}${blank}`), 'R', 'ERR_TOKEN_MALFORMED')
    await expectRefusal(verifier.verify(`${blank}${good}`), 'R', 'ERR_TOKEN_MALFORMED')
  })
})

describe('attack 3, J9: other spellings of the same bytes', () => {
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

  /** All segments that a forgiving decoder reads as the same bytes. */
  function otherSpellings(segment: string): string[] {
    const bytes = Buffer.from(segment, 'base64url')
    return [...ALPHABET]
      .map((last) => segment.slice(0, -1) + last)
      .filter((spelling) => spelling !== segment && Buffer.from(spelling, 'base64url').equals(bytes))
  }

  // A segment has unused bits only where its length is not a multiple of three.
  const claimsWithBits = encode(goodClaims({ x: 'y' })).length % 4 === 0 ? { x: 'yy' } : { x: 'y' }
  const headerWithBits = encode(goodHeader(key)).length % 4 === 0 ? { x: 'y' } : {}

  it('of the signature', async () => {
    const spellings = otherSpellings(signature)
    expect(spellings.length).toBeGreaterThanOrEqual(3)
    for (const spelling of spellings)
      await expectRefusal(verifier.verify(`${header}.${payload}.${spelling}`), 'R', 'ERR_TOKEN_MALFORMED', [
        good,
      ])
  })

  it('of an Ed25519 signature, which has four spare bits', async () => {
    const [edHeader, edPayload, edSignature] = segmentsOf(goodToken(edKey))
    await expect(verifier.verify(`${edHeader}.${edPayload}.${edSignature}`)).resolves.toBeDefined()
    const spellings = otherSpellings(edSignature)
    expect(spellings).toHaveLength(15)
    for (const spelling of spellings)
      await expectRefusal(verifier.verify(`${edHeader}.${edPayload}.${spelling}`), 'R', 'ERR_TOKEN_MALFORMED')
  })

  it('of header and payload, signed as they are spelled', async () => {
    const goodParts = {
      header: encode(goodHeader(key, headerWithBits)),
      payload: encode(goodClaims(claimsWithBits)),
    }
    await expect(verifier.verify(signed(goodParts.header, goodParts.payload))).resolves.toBeDefined()
    const tokens = [
      ...otherSpellings(goodParts.header).map((spelling) => signed(spelling, goodParts.payload)),
      ...otherSpellings(goodParts.payload).map((spelling) => signed(goodParts.header, spelling)),
    ]
    expect(tokens.length).toBeGreaterThanOrEqual(6)
    for (const token of tokens)
      await expectRefusal(verifier.verify(token), 'R', 'ERR_TOKEN_MALFORMED', [token])
  })

  it('a single character left over', async () => {
    for (const segment of [header, payload]) {
      const longer = segment + 'A'.repeat((5 - (segment.length % 4)) % 4 || 4)
      const token = segment === header ? signed(longer, payload) : signed(header, longer)
      await expectRefusal(verifier.verify(token), 'R', 'ERR_TOKEN_MALFORMED')
    }
  })
})

describe('attack 4, J9: JSON serialization', () => {
  const flattened = { protected: header, payload, signature }
  it.each([
    ['flattened', JSON.stringify(flattened)],
    ['general', JSON.stringify({ payload, signatures: [{ protected: header, signature }] })],
    ['an unprotected header', JSON.stringify({ ...flattened, header: { alg: 'none' } })],
    ['encoded as a segment', `${encode(flattened)}.${payload}.${signature}`],
    ['encoded whole', encode(flattened)],
    ['a string', JSON.stringify(good)],
  ])('refuses %s', async (_, token) => {
    await expectRefusal(
      verifier.verify(token),
      'R',
      ['ERR_TOKEN_MALFORMED', 'ERR_ALGORITHM_NOT_ALLOWED'],
      [good],
    )
  })
})

describe('attack 5: size', () => {
  const MAX = 16_384
  /** A token of exactly so many characters, made longer by its signature. */
  const ofLength = (length: number) => `${header}.${payload}.`.padEnd(length, 'A')

  it.each([MAX + 1, MAX * 2, 1 << 20])('refuses %d bytes unread', async (length) => {
    await expectRefusal(verifier.verify(ofLength(length)), 'R', 'ERR_TOKEN_TOO_LARGE', [header, payload])
    await expectRefusal(verifier.verify('.'.repeat(length)), 'R', 'ERR_TOKEN_TOO_LARGE')
    await expectRefusal(verifier.verify('\ufffd'.repeat(length)), 'R', 'ERR_TOKEN_TOO_LARGE')
  })

  it('looks at exactly as many bytes as are allowed', async () => {
    const exact = good.length
    await expect(makeVerifier(issuer, { maxTokenBytes: exact }).verify(good)).resolves.toBeDefined()
    await expectRefusal(
      makeVerifier(issuer, { maxTokenBytes: exact - 1 }).verify(good),
      'R',
      'ERR_TOKEN_TOO_LARGE',
    )
  })

  it('refuses 64 MB of dots in no time', async () => {
    // Flattened first: the engine would else build the string only when it is read.
    const dots = Buffer.alloc(64 << 20, '.').toString('latin1')
    // If it were looked at, this would take minutes: the runner's own limit is the bound.
    for (let round = 0; round < 100; round++)
      await expectRefusal(verifier.verify(dots), 'R', 'ERR_TOKEN_TOO_LARGE')
  })

  it('measures before it looks, in a header too', async () => {
    const authorization = `Bearer ${Buffer.alloc(16 << 20, '.').toString('latin1')}`
    await expectRefusal(verifier.authenticate({ headers: { authorization } }), 'R', 'ERR_TOKEN_TOO_LARGE')
  })

  it('uses linear time for a megabyte, where that is allowed', async () => {
    const big = (claims: string) => forge(goodHeader(key), withMembers(goodClaims(), claims), key)
    const tokens = [
      big(`"x":"${'\\"'.repeat(300_000)}"`),
      big(`"x":[${'{},'.repeat(200_000)}{}]`),
      big(Array.from({ length: 40_000 }, (_, index) => `"m${index}":0`).join(',')),
      big(`"x":[${'0,'.repeat(300_000)}0]`),
    ]
    // With quadratic time, hours.
    for (const token of tokens) await expect(large.verify(token)).resolves.toBeDefined()
  })

  it('accepts large tokens where they are allowed, and many scopes', async () => {
    const scope = Array.from({ length: 20_000 }, (_, index) => `scope.${index}`).join(' ')
    const auth = await large.verify(goodToken(key, { scope }), { scopes: ['scope.19999', 'scope.0'] })
    expect(auth.scopes).toHaveLength(20_000)
  })
})

describe('attack 6, J9: text that is not UTF-8', () => {
  const json = JSON.stringify(goodClaims({ x: 'HERE' }))
  const withBytes = (...bytes: number[]) => {
    const [before = '', after = ''] = json.split('HERE')
    return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)])
  }

  it('accepts the same with a two-byte character', async () => {
    await expect(verifier.verify(forge(goodHeader(key), withBytes(0xc3, 0xa9), key))).resolves.toBeDefined()
  })

  it.each([
    ['a byte alone', withBytes(0xff)],
    ['Latin-1', withBytes(0xe9)],
    ['a sequence cut short', withBytes(0xe2, 0x82)],
    ['a continuation alone', withBytes(0x80)],
    ['an overlong slash', withBytes(0xc0, 0xaf)],
    ['an overlong NUL', withBytes(0xc0, 0x80)],
    ['a surrogate in UTF-8', withBytes(0xed, 0xa0, 0x80)],
    ['a pair of surrogates (CESU-8)', withBytes(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80)],
    ['beyond Unicode', withBytes(0xf4, 0x90, 0x80, 0x80)],
    ['UTF-16 LE', Buffer.from(json, 'utf16le')],
    ['UTF-16 BE', Buffer.from(json, 'utf16le').swap16()],
    ['UTF-16 LE with its mark', Buffer.from(`\ufeff${json}`, 'utf16le')],
    ['a byte order mark', Buffer.from(`\ufeff${json}`)],
    ['two byte order marks', Buffer.from(`\ufeff\ufeff${json}`)],
    ['a byte order mark behind', Buffer.from(`${json}\ufeff`)],
    ['a NUL behind', Buffer.from(`${json}\0`)],
    ['a raw control character in a string', Buffer.from(json.replace('HERE', '\u0001'))],
  ])('refuses a payload with %s', async (_, bytes) => {
    const token = forge(goodHeader(key), bytes, key)
    await expectRefusal(verifier.verify(token), 'R', 'ERR_TOKEN_MALFORMED', [token])
  })

  it.each([
    ['a byte order mark', Buffer.from(`\ufeff${JSON.stringify(goodHeader(key))}`)],
    ['UTF-16', Buffer.from(JSON.stringify(goodHeader(key)), 'utf16le')],
    [
      'a byte alone',
      Buffer.concat([Buffer.from('{"alg":"RS256","x":"'), Buffer.from([0xff]), Buffer.from('"}')]),
    ],
  ])('refuses a header with %s', async (_, bytes) => {
    await expectRefusal(verifier.verify(forge(bytes, goodClaims(), key)), 'R', 'ERR_TOKEN_MALFORMED')
  })
})

describe('attack 7, J9: JSON that is not an object, or not JSON', () => {
  const texts = [
    '[]',
    '[{}]',
    '""',
    '"text"',
    'null',
    'true',
    '0',
    '1e999',
    '',
    ' ',
    '{',
    '}',
    '{}}',
    '{}{}',
    '[1',
    '{"a"}',
    "{'a':1}",
    '{"a":1,}',
    '{a:1}',
    '{"a":01}',
    '{"a":+1}',
    '{"a":.5}',
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":0x1}',
    '{/**/"a":1}',
    '{"a":"\n"}',
    '{"a":"\\x41"}',
    '{"a":"\\u00"}',
    'undefined',
    '{"a":1}//',
    '{"a"::1}',
    ']{"a":1}[',
  ]

  it.each(texts)('refuses %j as header and as payload', async (text) => {
    await expectRefusal(verifier.verify(forge(text, goodClaims(), key)), 'R', 'ERR_TOKEN_MALFORMED')
    await expectRefusal(verifier.verify(forge(goodHeader(key), text, key)), 'R', 'ERR_TOKEN_MALFORMED')
  })

  it('refuses an array with the members of good claims', async () => {
    const claims = JSON.stringify(Object.entries(goodClaims()))
    await expectRefusal(verifier.verify(forge(goodHeader(key), claims, key)), 'R', 'ERR_TOKEN_MALFORMED')
  })

  it.each([
    ['arrays', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['objects', `${'{"a":'.repeat(100_000)}0${'}'.repeat(100_000)}`],
    ['arrays never closed', '['.repeat(100_000)],
    ['arrays never opened', ']'.repeat(100_000)],
    ['closed before opened', ']'.repeat(50_000) + '['.repeat(50_000)],
  ])('refuses 100 000 levels of %s at once', async (_, text) => {
    const inside = withMembers(goodClaims(), `"x":${text}`)
    for (const token of [
      forge(goodHeader(key), text, key),
      forge(goodHeader(key), inside, key),
      forge(text, goodClaims(), key),
    ])
      await expectRefusal(large.verify(token), 'R', 'ERR_TOKEN_MALFORMED')
  })
})

describe('attack 8, J9: a repeated member name', () => {
  const claims = goodClaims()
  it.each([
    ['exp, the same', `"exp":${NOW + 3600}`],
    ['exp, another', '"exp":1'],
    ['iss', '"iss":"https://evil.example"'],
    ['aud', `"aud":"${AUDIENCE}"`],
    ['scope', '"scope":"admin"'],
    ['a name in escapes', '"e\\u0078p":1'],
    ['a name in escapes, upper case', '"\\u0069SS":1,"i\\u0053S":2'],
    ['__proto__', '"__proto__":{},"__proto__":{}'],
    ['a number as a name', '"1":1,"1":2'],
    ['the empty name', '"":1,"":2'],
    ['in an object inside', '"x":{"a":1,"a":1}'],
    ['in an object in an array', '"x":[{"a":1},{"b":1,"b":2}]'],
    ['objects that hide each other', '"x":{"a":1,"b":2},"x":{"a":1,"b":2}'],
    ['an object hidden by a null', '"x":{"a":1},"x":null'],
    ['three times', '"jti":"a","jti":"b"'],
  ])('refuses %s in the claims', async (_, members) => {
    const token = forge(goodHeader(key), withMembers(claims, members), key)
    await expectRefusal(verifier.verify(token), 'R', 'ERR_TOKEN_MALFORMED', [token])
  })

  it.each([
    ['alg', '"alg":"RS256"'],
    ['alg none', '"alg":"none"'],
    ['kid', `"kid":"${key.kid}"`],
    ['typ in escapes', '"\\u0074yp":"JWT"'],
    ['crit', '"crit":["a"],"crit":["b"]'],
    ['something unknown', '"x":1,"x":1'],
    ['inside', '"x":{"a":1,"a":2}'],
  ])('refuses %s in the header', async (_, members) => {
    const token = forge(withMembers(goodHeader(key), members), goodClaims(), key)
    await expectRefusal(verifier.verify(token), 'R', 'ERR_TOKEN_MALFORMED', [token])
    // The bad one first, for parsers that keep the first.
    const text = JSON.stringify(goodHeader(key))
    await expectRefusal(
      verifier.verify(forge(`{${members},${text.slice(1)}`, goodClaims(), key)),
      'R',
      'ERR_TOKEN_MALFORMED',
    )
  })
})

describe('attack 9: names that every object has', () => {
  const names = [
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'valueOf',
    'hasOwnProperty',
    '__defineGetter__',
  ]

  it.each(names)('%s as a claim pollutes nothing and stays a claim', async (name) => {
    const token = forge(
      goodHeader(key),
      withMembers(goodClaims(), `"${name}":{"polluted":"yes","scope":"admin","aud":"x"}`),
      key,
    )
    const auth = await verifier.verify(token)
    expect(Object.hasOwn(auth.claims, name)).toBe(true)
    expect(Object.getPrototypeOf(auth.claims)).toBeNull()
    expect('polluted' in {}).toBe(false)
    expect(auth.scopes).toEqual(['messaging.read'])
    expect(auth.claims.polluted).toBeUndefined()
  })

  it.each(['iss', 'aud', 'exp'])('finds no %s in a __proto__ of the payload', async (name) => {
    const { [name]: value, ...rest }: Record<string, unknown> = { ...goodClaims() }
    const token = forge(
      goodHeader(key),
      withMembers(rest, `"__proto__":{"${name}":${JSON.stringify(value)}}`),
      key,
    )
    await expectRefusal(verifier.verify(token), 'R', 'ERR_CLAIM_MISSING')
  })

  it('finds no alg and no kid in a __proto__ of the header', async () => {
    const token = forge(`{"typ":"JWT","__proto__":{"alg":"RS256","kid":"${key.kid}"}}`, goodClaims(), key)
    await expectRefusal(verifier.verify(token), 'R', 'ERR_ALGORITHM_NOT_ALLOWED')
  })

  it.each(names)('%s as kid or alg is nothing', async (name) => {
    // With a budget of its own for unknown kids.
    const fresh = makeVerifier(new ForgedIssuer(key))
    await expectRefusal(fresh.verify(goodToken(key, {}, { kid: name })), 'R', 'ERR_KEY_NOT_FOUND')
    await expectRefusal(verifier.verify(goodToken(key, {}, { alg: name })), 'R', 'ERR_ALGORITHM_NOT_ALLOWED')
    await expectRefusal(verifier.verify(goodToken(key, {}, { typ: name })), 'R', 'ERR_TYP_INVALID')
    await expectRefusal(verifier.verify(goodToken(key, { aud: name })), 'R', 'ERR_AUDIENCE_NOT_ALLOWED')
    await expectRefusal(verifier.verify(good, { scopes: [name] }), 'F', 'ERR_SCOPE_INSUFFICIENT')
  })
})
