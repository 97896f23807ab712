import { describe, expect, it } from 'vitest'
import { ALGORITHMS } from '../../packages/core/src/testing.js'
import {
  boundToken,
  expectReason,
  makeDpopVerifier,
  proofClaims,
  proofFor,
  proofHeader,
  publicJwk,
  requestWith,
  sha256,
  thumbprint,
  thumbprintOfJwk,
  URL_OF_API,
} from '../support/dpop.js'
import {
  encode,
  ForgedIssuer,
  forge,
  goodToken,
  makeKey,
  NOW,
  privateJwk,
  segmentsOf,
  TestClock,
  withMembers,
} from '../support/forge.js'
import { whilePolluted } from '../support/pollution.js'

/** RFC 9449 §4.3: each check of a proof, by its number, with the exact code and reason. */

const issuerKey = makeKey('ES256', 'issuer')
const issuer = new ForgedIssuer(issuerKey)
const client = makeKey('ES256', 'client')
const other = makeKey('ES256', 'other')
const token = boundToken(issuerKey, client)
const clock = new TestClock()
const verifier = makeDpopVerifier(issuer, {}, clock)
const INVALID = 'ERR_DPOP_PROOF_INVALID'

const send = (proof?: string | readonly string[], parts: object = {}) =>
  verifier.authenticate(requestWith(token, proof, parts))
const refused = (proof: string | readonly string[], reason: string, code: string = INVALID) =>
  expectReason(send(proof), code, reason, [token, [proof].flat().join('.')])

describe('O1: check 1, exactly one header', () => {
  it('A: one proof is accepted, under any case of the name, with white space around it', async () => {
    for (const name of ['dpop', 'DPoP', 'DPOP']) {
      const headers = { [name]: ` ${proofFor(client, token)}\t` }
      expect((await send(undefined, { headers })).confirmation).toEqual({ jkt: thumbprint(client) })
    }
  })

  it('none', () => expectReason(send(), 'ERR_DPOP_PROOF_MISSING', 'proof-missing', [token]))

  const two = () => [proofFor(client, token), proofFor(client, token)]
  it('two, as Node joins them', () => refused(two().join(', '), 'proof-repeated'))
  it('one good proof and an empty one, joined', () =>
    refused(`${proofFor(client, token)}, `, 'proof-repeated'))
  it('two, as an array', () => refused(two(), 'proof-repeated'))
  it('the same proof twice, as an array', () => {
    const proof = proofFor(client, token)
    return refused([proof, proof], 'proof-repeated')
  })
  it('two under names of different case', () => {
    const [dpop, DPoP] = two()
    return expectReason(send(undefined, { headers: { dpop, DPoP } }), INVALID, 'proof-repeated')
  })
  it('two in the headers of a web request', async () => {
    const makeRequest = (...proofs: string[]) => {
      const headers = new Headers({ authorization: `DPoP ${token}` })
      for (const proof of proofs) headers.append('DPoP', proof)
      return new Request(URL_OF_API, { headers })
    }
    expect((await verifier.authenticate(makeRequest(proofFor(client, token)))).subject).toBe('user-1')
    await expectReason(verifier.authenticate(makeRequest(...two())), INVALID, 'proof-repeated')
  })
  it('A: one, which Node has joined to a value of a polluted Object.prototype', async () => {
    const proof = proofFor(client, token)
    const rawHeaders = ['Authorization', `DPoP ${token}`, 'DPoP', proof]
    const request = { ...requestWith(token, `evil, ${proof}`), rawHeaders }
    const { subject } = await whilePolluted('dpop', 'evil', () => verifier.authenticate(request))
    expect(subject).toBe('user-1')
  })
  it('two, of which the platform keeps one in "headers": the raw headers and the distinct ones tell', async () => {
    const proof = proofFor(client, token)
    const request = { ...requestWith(token, proof), headers: { authorization: `DPoP ${token}`, dpop: proof } }
    const rawHeaders = ['Authorization', `DPoP ${token}`, 'DPoP', 'x', 'dpop', proof]
    await expectReason(verifier.authenticate({ ...request, rawHeaders }), INVALID, 'proof-repeated')
    const headersDistinct = { dpop: ['x', proof] }
    await expectReason(verifier.authenticate({ ...request, headersDistinct }), INVALID, 'proof-repeated')
    expect(
      (await verifier.authenticate({ ...request, rawHeaders: rawHeaders.toSpliced(2, 2) })).subject,
    ).toBe('user-1')
  })
})

describe('O1: checks 2 and 3, a well-formed JWS with all claims', () => {
  const good = () => proofFor(client, token)
  const [header, payload, signature] = segmentsOf(good())
  it.each<[string, string]>([
    ['empty', ''],
    ['a word', 'proof'],
    ['two parts', `${header}.${payload}`],
    ['four parts', `${good()}.x`],
    ['five parts', `${header}.x.y.z.${signature}`],
    ['without signature', `${header}.${payload}.`],
    ['padded', `${header}.${payload}.${signature}==`],
    ['a space inside', `${header}. ${payload}.${signature}`],
    ['JSON serialization', JSON.stringify({ payload, protected: header, signature }).replaceAll(',', ' ')],
    ['longer than 8192', proofFor(client, token, { claims: { x: 'x'.repeat(8000) } })],
    ['the header no JSON', proofFor(client, token, { rawHeader: '{' })],
    ['the header an array', proofFor(client, token, { rawHeader: [] })],
    ['the payload no JSON', proofFor(client, token, { rawPayload: 'x' })],
    ['the payload null', proofFor(client, token, { rawPayload: 'null' })],
    ['the payload not UTF-8', proofFor(client, token, { rawPayload: Buffer.from([0x7b, 0xff, 0x7d]) })],
    ['jti twice', proofFor(client, token, { rawPayload: withMembers(proofClaims(token), '"jti":"x"') })],
    ['alg twice', proofFor(client, token, { rawHeader: withMembers(proofHeader(client), '"alg":"ES256"') })],
    ['jwk twice', proofFor(client, token, { rawHeader: withMembers(proofHeader(client), '"jwk":{}') })],
  ])('%s', (name, proof) =>
    name === 'without signature' ? refused(proof, 'proof-signature') : refused(proof, 'proof-malformed'),
  )

  it.each([undefined, '', 5, null, true, [], {}, ['jti'], 'x'.repeat(257)])('jti %j', (jti) =>
    refused(proofFor(client, token, { claims: { jti } }), 'proof-jti'),
  )
  it('A: a jti of one character, of 256, and of any characters', async () => {
    for (const jti of ['x', 'x'.repeat(256), 'ä\u0000\ud83d\ude00"\\'])
      expect((await send(proofFor(client, token, { claims: { jti } }))).subject).toBe('user-1')
  })
})

describe('O1: check 4, typ', () => {
  it.each([
    undefined,
    'JWT',
    'at+jwt',
    'DPoP+JWT',
    'application/dpop+jwt',
    'dpop+jwt ',
    '',
    null,
    1,
    ['dpop+jwt'],
  ])('%j', (typ) => refused(proofFor(client, token, { header: { typ } }), 'proof-typ'))
})

describe('O1: check 5, the algorithm', () => {
  it.each(ALGORITHMS)('A: %s is accepted', async (algorithm) => {
    const key = makeKey(algorithm, `client-${algorithm}`)
    const bound = boundToken(issuerKey, key)
    const send = () => verifier.authenticate(requestWith(bound, proofFor(key, bound)))
    expect((await send()).confirmation).toEqual({ jkt: thumbprint(key) })
    // With a known header and key, too.
    expect((await send()).confirmation).toEqual({ jkt: thumbprint(key) })
  })

  it.each(['none', 'None', 'HS256', 'HS512', 'ES256K', 'RS1', 'es256', '', null, 1, undefined, 'toString'])(
    'alg %j',
    (alg) => refused(proofFor(client, token, { header: { alg } }), 'proof-algorithm'),
  )
  it('none, without a signature', () =>
    refused(
      `${encode(proofHeader(client, { alg: 'none' }))}.${encode(proofClaims(token))}.`,
      'proof-algorithm',
    ))
  it.each(['ES384', 'RS256', 'PS256', 'EdDSA'])('%s, with a key of ES256', (alg) =>
    refused(proofFor(client, token, { header: { alg } }), 'proof-key'),
  )
  it('the "alg" of the key is another one', () =>
    refused(
      proofFor(client, token, { header: { jwk: { ...publicJwk(client), alg: 'ES384' } } }),
      'proof-key',
    ))
  it('not in the list of the option', async () => {
    const strict = makeDpopVerifier(issuer, { dpop: { mode: 'required', algorithms: ['EdDSA'] } })
    const sent = strict.authenticate(requestWith(token, proofFor(client, token)))
    await expectReason(sent, INVALID, 'proof-algorithm')
    const key = makeKey('EdDSA')
    const bound = boundToken(issuerKey, key)
    expect((await strict.authenticate(requestWith(bound, proofFor(key, bound)))).subject).toBe('user-1')
  })
  it.each([[['b64']], [[]], ['x'], [null], [0]])('critical parameters: %j', (crit) =>
    refused(proofFor(client, token, { header: { crit } }), 'proof-critical'),
  )
  it.each([true, false, null])('b64 %j, which no JWT may have (RFC 7797 §7)', (b64) =>
    refused(proofFor(client, token, { header: { b64 } }), 'proof-critical'),
  )
})

describe('O1: check 6, the signature', () => {
  it('of another key', () => refused(proofFor(client, token, { signer: other }), 'proof-signature'))
  it('changed, cut short, made longer, empty, zero', async () => {
    const [header, payload, signature] = segmentsOf(proofFor(client, token))
    const bytes = Buffer.from(signature, 'base64url')
    const changed = Buffer.from(bytes)
    changed.writeUInt8(changed.readUInt8(40) ^ 1, 40)
    const bad = [
      changed,
      bytes.subarray(1),
      Buffer.concat([bytes, Buffer.alloc(1)]),
      Buffer.alloc(0),
      Buffer.alloc(64),
    ]
    for (const each of bad)
      await refused(`${header}.${payload}.${each.toString('base64url')}`, 'proof-signature')
    expect((await send(`${header}.${payload}.${signature}`)).subject).toBe('user-1')
  })
  it('of another proof of the same key', async () => {
    const [header, payload] = segmentsOf(proofFor(client, token))
    const [, , signature] = segmentsOf(proofFor(client, token))
    await refused(`${header}.${payload}.${signature}`, 'proof-signature')
  })
})

describe('O1: check 7, the key', () => {
  it.each([undefined, null, 'x', 5, [], [publicJwk(client)]])('jwk %j', (jwk) =>
    refused(proofFor(client, token, { header: { jwk } }), 'proof-key'),
  )
  it('a private one, by any of its members', async () => {
    await refused(proofFor(client, token, { header: { jwk: privateJwk(client) } }), 'proof-key-secret')
    for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'])
      for (const value of ['AA', '', null])
        await refused(
          proofFor(client, token, { header: { jwk: { ...publicJwk(client), [name]: value } } }),
          'proof-key-secret',
        )
  })
  it('a symmetric one', async () => {
    await refused(proofFor(client, token, { header: { jwk: { kty: 'oct', k: 'AAAA' } } }), 'proof-key-secret')
    await refused(
      proofFor(client, token, { header: { jwk: { kty: 'oct' } } }),
      'proof-key-other',
      'ERR_BINDING_MISMATCH',
    )
  })

  /** What becomes of a token that is bound to just this key. */
  const withJwk = (jwk: Readonly<Record<string, unknown>>, alg: string, signature: Uint8Array) => {
    const bound = goodToken(issuerKey, { cnf: { jkt: thumbprintOfJwk(jwk) } })
    const parts = [proofHeader(client, { alg, jwk }), proofClaims(bound)].map(encode)
    return verifier.authenticate(requestWith(bound, `${parts.join('.')}.${encode(signature)}`))
  }
  it('weak RSA: 1024 bits, well signed', async () => {
    const weak = makeKey('RS256', 'weak', { modulusLength: 1024 })
    const bound = boundToken(issuerKey, weak)
    await expectReason(verifier.authenticate(requestWith(bound, proofFor(weak, bound))), INVALID, 'proof-key')
  })
  it('RSA with the exponent 1, and with the structure of CVE-2017-15361', async () => {
    const rsa = publicJwk(makeKey('RS256'))
    await expectReason(withJwk({ ...rsa, e: 'AQ' }, 'RS256', Buffer.alloc(256)), INVALID, 'proof-key')
    const primes: bigint[] = []
    for (let n = 2n; primes.length < 126; n++) if (primes.every((prime) => n % prime !== 0n)) primes.push(n)
    const m = primes.reduce((a, b) => a * b, 1n)
    const modulus = ((1n << 2047n) / m + 1n) * m + 65_537n
    const n = Buffer.from(modulus.toString(16), 'hex').toString('base64url')
    await expectReason(withJwk({ ...rsa, n }, 'RS256', Buffer.alloc(256)), INVALID, 'proof-key')
  })
  it.each(['00', '01'])('Ed25519 of small order: %s, with a signature that fits everything', (first) => {
    const point = Buffer.concat([Buffer.from(first, 'hex'), Buffer.alloc(31)])
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') }
    return expectReason(withJwk(jwk, 'EdDSA', Buffer.concat([point, Buffer.alloc(32)])), INVALID, 'proof-key')
  })
  it('another curve than that of the algorithm, and a point beside the curve', async () => {
    const jwk = publicJwk(client)
    await expectReason(withJwk({ ...jwk, crv: 'P-384' }, 'ES256', Buffer.alloc(64)), INVALID, 'proof-key')
    await expectReason(withJwk({ ...jwk, crv: 'secp256k1' }, 'ES256', Buffer.alloc(64)), INVALID, 'proof-key')
    await expectReason(withJwk({ ...jwk, y: jwk.x }, 'ES256', Buffer.alloc(64)), INVALID, 'proof-key')
    await expectReason(withJwk({ ...jwk, x: 'AA' }, 'ES256', Buffer.alloc(64)), INVALID, 'proof-key')
  })
  it('garbage in it makes another thumbprint, or none', async () => {
    const jwk = publicJwk(client)
    for (const changes of [
      { x: `${jwk.x}","a":"` },
      { x: 5 },
      { y: '' },
      { kty: 'ec' },
      { crv: ['P-256'] },
      { kty: 'toString' },
    ])
      await refused(
        proofFor(client, token, { header: { jwk: { ...jwk, ...changes } } }),
        'proof-key-other',
        'ERR_BINDING_MISMATCH',
      )
  })
  it('A: members beside those of the key are ignored', async () => {
    const jwk = { ...publicJwk(client), kid: {}, x5c: [1], use: 'sig', ext: true }
    expect(
      (await send(proofFor(client, token, { header: { jwk, jku: 'https://evil.example' } }))).subject,
    ).toBe('user-1')
  })
})

describe('O3: check 11, iat', () => {
  it.each([
    undefined,
    null,
    `${NOW}`,
    [NOW],
    NOW - 60.001,
    NOW - 61,
    NOW + 60.001,
    NOW + 61,
    0,
    -1,
    NOW * 1000,
  ])('%j', (iat) => refused(proofFor(client, token, { claims: { iat } }), 'proof-age'))
  it.each([NOW, NOW - 60, NOW + 60, NOW - 0.5])('A: %j', async (iat) => {
    expect((await send(proofFor(client, token, { claims: { iat } }))).subject).toBe('user-1')
  })
  it('the window is an option', async () => {
    const strict = makeDpopVerifier(issuer, { dpop: { mode: 'optional', proofAgeSeconds: 5 } })
    const sendAt = (iat: number) =>
      strict.authenticate(requestWith(token, proofFor(client, token, { claims: { iat } })))
    await expectReason(sendAt(NOW - 6), INVALID, 'proof-age')
    await expectReason(sendAt(NOW + 6), INVALID, 'proof-age')
    expect((await sendAt(NOW - 5)).subject).toBe('user-1')
  })
})

describe('O4: check 12, ath and the key of the token', () => {
  it.each([undefined, null, '', 5, sha256(`${token}x`), `${sha256(token)}=`, [sha256(token)]])(
    '12a: %j',
    (ath) => refused(proofFor(client, token, { claims: { ath } }), 'proof-token'),
  )
  it('12a: the proof of another token of the same client', () =>
    refused(proofFor(client, boundToken(issuerKey, client, { jti: 'x' })), 'proof-token'))
  it('12b: a good proof of another key', () =>
    refused(proofFor(other, token), 'proof-key-other', 'ERR_BINDING_MISMATCH'))
  it('12b: not by a header that is known, of another client', async () => {
    const ofOther = boundToken(issuerKey, other)
    await verifier.authenticate(requestWith(ofOther, proofFor(other, ofOther)))
    await refused(proofFor(other, token), 'proof-key-other', 'ERR_BINDING_MISMATCH')
  })
  it('A: one client with two tokens, two clients with one algorithm', async () => {
    for (const [key, jti] of [
      [client, 'a'],
      [client, 'b'],
      [other, 'c'],
    ] as const) {
      const bound = boundToken(issuerKey, key, { jti })
      const { confirmation } = await verifier.authenticate(requestWith(bound, proofFor(key, bound)))
      expect(confirmation).toEqual({ jkt: thumbprint(key) })
    }
  })
  it('a signature over the header alone, forged with a token of the issuer, is none', () =>
    refused(forge(proofHeader(client), proofClaims(token), issuerKey), 'proof-signature'))
})

it('a broken clock accepts no proof', async () => {
  const broken = new TestClock()
  const strict = makeDpopVerifier(issuer, {}, broken)
  await strict.authenticate(requestWith(token, proofFor(client, token)))
  broken.now = () => Number.NaN
  const { code } = await strict
    .authenticate(requestWith(token, proofFor(client, token)))
    .catch((error: unknown) => Object(error))
  expect(['ERR_DPOP_PROOF_INVALID', 'ERR_TOKEN_EXPIRED']).toContain(code)
})
