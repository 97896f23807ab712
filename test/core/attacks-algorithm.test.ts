import { createHmac, sign } from 'node:crypto'
import { ConfigurationError } from '@telnyx-auth/core'
import { createMockIssuer, type SigningAlgorithm } from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  encode,
  expectRefusal,
  ForgedIssuer,
  type ForgeKey,
  forge,
  goodClaims,
  goodHeader,
  goodToken,
  ISSUER,
  JWKS_URL,
  makeKey,
  makeUncheckedVerifier,
  makeVerifier,
  NOW,
  segmentsOf,
  signBytes,
  TestClock,
} from '../support/forge.js'

/** Attacks 10–16: who decides how a signature is checked. */

const rsa = makeKey('RS256', 'rsa')
const ec = makeKey('ES256', 'ec')
const ec384 = makeKey('ES384', 'ec384')
const ec521 = makeKey('ES512', 'ec521')
const ed = makeKey('EdDSA', 'ed')
const { alg: _rsaAlg, ...rsaWithoutAlg } = { ...makeKey('RS256', 'any').jwk }
const issuer = new ForgedIssuer(rsa, ec, ec384, ec521, ed)
const verifier = makeVerifier(issuer)

describe('positive controls', () => {
  it.each([rsa, ec, ec384, ec521, ed])('accepts $algorithm', async (key) => {
    await expect(verifier.verify(goodToken(key))).resolves.toMatchObject({ subject: 'user-1' })
  })

  const all = [
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519',
  ]
  it.each(all satisfies readonly string[])('J1: accepts %s of the mock issuer', async (algorithm) => {
    const clock = new TestClock()
    const mock = await createMockIssuer({
      algorithm: asSigningAlgorithm(algorithm),
      now: () => clock.now() * 1000,
    })
    const verify = makeVerifier(mock, { issuer: mock.issuer }, clock)
    await expect(verify.verify(await mock.issueToken())).resolves.toMatchObject({ issuer: mock.issuer })
  })

  function asSigningAlgorithm(name: string): SigningAlgorithm {
    const known: readonly SigningAlgorithm[] = [
      'RS256',
      'RS384',
      'RS512',
      'PS256',
      'PS384',
      'PS512',
      'ES256',
      'ES384',
      'ES512',
      'EdDSA',
      'Ed25519',
    ]
    return known.find((each) => each === name) ?? expect.fail(name)
  }
})

describe('attack 10, J1: none', () => {
  const spellings = [
    'none',
    'None',
    'NONE',
    'nOnE',
    ' none',
    'none ',
    'none\0',
    'n\u006fne',
    'ｎｏｎｅ',
    'no\u0000ne',
    'null',
    'NULL',
  ]
  it.each(spellings)('refuses %j with and without a signature', async (alg) => {
    const unsigned = `${encode(goodHeader(rsa, { alg }))}.${encode(goodClaims())}`
    const signature = signBytes(Buffer.from(unsigned), rsa.privateKey, 'RS256').toString('base64url')
    for (const token of [`${unsigned}.`, `${unsigned}.${signature}`, `${unsigned}.AAAA`])
      await expectRefusal(verifier.verify(token), 'R', 'ERR_ALGORITHM_NOT_ALLOWED', [unsigned])
    await expectRefusal(verifier.verify(unsigned), 'R', 'ERR_TOKEN_MALFORMED', [unsigned])
  })
})

describe('attack 11, J1: an alg that is not one', () => {
  const values: unknown[] = [
    undefined,
    null,
    '',
    ' ',
    0,
    256,
    true,
    [],
    ['RS256'],
    {},
    { alg: 'RS256' },
    'rs256',
    'Rs256',
    'RS256 ',
    ' RS256',
    'RS256\0',
    'RS1',
    'RS257',
    'RSA-OAEP',
    'RSA1_5',
    'dir',
    'ES256K',
    'ES256k',
    'Ed448',
    'ed25519',
    'eddsa',
    'EDDSA',
    'HS256',
    'HS384',
    'HS512',
    'ML-DSA-44',
    'A256GCM',
    'SHA256',
    '*',
    'RS256,none',
    'ＲＳ256',
  ]
  it.each(values.map((alg) => ({ alg })))('refuses $alg', async ({ alg }) => {
    await expectRefusal(verifier.verify(goodToken(rsa, {}, { alg })), 'R', 'ERR_ALGORITHM_NOT_ALLOWED')
  })
})

describe('attack 12, J1: the public key as an HMAC secret', () => {
  const openIssuer = new ForgedIssuer()
  openIssuer.publish(rsa.jwk, { ...rsaWithoutAlg }, ec.jwk)
  const open = makeVerifier(openIssuer)
  const pem = String(rsa.publicKey.export({ format: 'pem', type: 'spki' }))
  const secrets: readonly (readonly [string, string | Buffer])[] = [
    ['PEM', pem],
    ['PEM without the newline at its end', pem.trim()],
    ['PEM on one line', pem.replaceAll('\n', '')],
    ['PEM in PKCS 1', String(rsa.publicKey.export({ format: 'pem', type: 'pkcs1' }))],
    ['DER', rsa.publicKey.export({ format: 'der', type: 'spki' })],
    ['DER in PKCS 1', rsa.publicKey.export({ format: 'der', type: 'pkcs1' })],
    ['JWK text', JSON.stringify(rsa.jwk)],
    ['the modulus', Buffer.from(String(rsa.jwk.n), 'base64url')],
    ['nothing', ''],
  ]
  const cases = secrets.flatMap(([what, secret]) =>
    ['HS256', 'HS384', 'HS512'].map((alg) => ({ what, secret, alg })),
  )

  it('accepts what the keys signed', async () => {
    await expect(open.verify(goodToken(rsa))).resolves.toBeDefined()
  })

  it.each(cases)('refuses $alg with $what', async ({ secret, alg }) => {
    for (const kid of ['rsa', 'any', undefined]) {
      const input = `${encode({ typ: 'at+jwt', alg, kid })}.${encode(goodClaims())}`
      const token = `${input}.${createHmac(`sha${alg.slice(2)}`, secret)
        .update(input)
        .digest('base64url')}`
      await expectRefusal(open.verify(token), 'R', 'ERR_ALGORITHM_NOT_ALLOWED', [token])
      // The MAC under a name that is allowed.
      const renamed = `${encode({ typ: 'at+jwt', alg: 'RS256', kid })}.${encode(goodClaims())}`
      const mac = createHmac('sha256', secret).update(renamed).digest('base64url')
      await expectRefusal(open.verify(`${renamed}.${mac}`), 'R', 'ERR_SIGNATURE_INVALID', [renamed])
    }
  })
})

describe('attack 13, J1: an algorithm that is not the one of the key', () => {
  it.each(['RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'EdDSA'])(
    'refuses %s for a key of RS256',
    async (alg) => {
      const signAs = alg.startsWith('RS') || alg.startsWith('PS') ? alg : 'RS256'
      const token = forge(goodHeader(rsa, { alg }), goodClaims(), rsa, signAs)
      await expectRefusal(verifier.verify(token), 'R', 'ERR_ALGORITHM_NOT_ALLOWED', [token])
    },
  )

  it.each([
    [ec, 'ES384'],
    [ec, 'ES512'],
    [ec, 'Ed25519'],
    [ec384, 'ES256'],
    [ec521, 'ES256'],
    [ed, 'ES256'],
    [ed, 'RS256'],
  ] as const)('refuses another curve: %o as %s', async (key, alg) => {
    const token = forge(goodHeader(key, { alg }), goodClaims(), key)
    await expectRefusal(verifier.verify(token), 'R', 'ERR_ALGORITHM_NOT_ALLOWED', [token])
  })

  it('refuses PS256 under the name of RS256, and the other way round', async () => {
    const token = forge(goodHeader(rsa), goodClaims(), rsa, 'PS256')
    await expectRefusal(verifier.verify(token), 'R', 'ERR_SIGNATURE_INVALID', [token])
    const ps = makeKey('PS256', 'ps')
    const psVerifier = makeVerifier(new ForgedIssuer(ps))
    await expect(psVerifier.verify(goodToken(ps))).resolves.toBeDefined()
    await expectRefusal(
      psVerifier.verify(forge(goodHeader(ps), goodClaims(), ps, 'RS256')),
      'R',
      'ERR_SIGNATURE_INVALID',
    )
  })

  it('refuses a kid of one key with the signature of another', async () => {
    await expectRefusal(
      verifier.verify(forge(goodHeader(rsa), goodClaims(), makeKey('RS256', 'rsa'))),
      'R',
      'ERR_SIGNATURE_INVALID',
    )
  })

  it('refuses what is good but not in the allow-list, and accepts what is', async () => {
    const narrow = makeVerifier(issuer, { algorithms: ['ES256'] })
    await expect(narrow.verify(goodToken(ec))).resolves.toBeDefined()
    for (const key of [rsa, ec384, ed])
      await expectRefusal(narrow.verify(goodToken(key)), 'R', 'ERR_ALGORITHM_NOT_ALLOWED')
  })

  it('attack 36: metadata that lists more never widens the list', async () => {
    const wide = new ForgedIssuer(rsa, ec)
    wide.metadata = () =>
      Response.json({
        issuer: ISSUER,
        jwks_uri: JWKS_URL,
        id_token_signing_alg_values_supported: ['none', 'HS256', 'RS256', 'ES256'],
        introspection_signing_alg_values_supported: ['none', 'RS256'],
      })
    const narrow = makeVerifier(wide, { algorithms: ['ES256'] })
    await expect(narrow.verify(goodToken(ec))).resolves.toBeDefined()
    await expectRefusal(narrow.verify(goodToken(rsa)), 'R', 'ERR_ALGORITHM_NOT_ALLOWED')
  })

  it('a key without alg serves all algorithms of its type, and no other type', async () => {
    const key = makeKey('RS256', 'free')
    const { alg: _, ...jwk } = { ...key.jwk }
    const free = new ForgedIssuer()
    free.publish(jwk)
    const open = makeVerifier(free)
    for (const alg of ['RS256', 'RS512', 'PS256', 'PS384'])
      await expect(
        open.verify(forge(goodHeader(key, { alg }), goodClaims(), key, alg)),
      ).resolves.toBeDefined()
    await expectRefusal(
      open.verify(forge(goodHeader(key, { alg: 'ES256' }), goodClaims(), key, 'RS256')),
      'R',
      'ERR_ALGORITHM_NOT_ALLOWED',
    )
  })
})

describe('attack 14, J1: the configured list', () => {
  const lists: unknown[] = [
    [],
    ['none'],
    ['NONE'],
    ['None '],
    ['HS256'],
    ['hs256'],
    ['RS256', 'HS512'],
    ['RS256', 'none'],
    ['HS1'],
    ['RS257'],
    ['rs256'],
    [''],
    [null],
    [undefined],
    [['RS256']],
    'RS256',
    'none',
    {},
    new Set(['RS256']),
    5,
    null,
    true,
    ['__proto__'],
    ['constructor'],
    ['ES256K'],
  ]
  it.each(lists.map((algorithms) => ({ algorithms })))('C for $algorithms', ({ algorithms }) => {
    expect(() => makeUncheckedVerifier({ audience: AUDIENCE, algorithms })).toThrow(ConfigurationError)
  })

  it('C for a list of holes', () => {
    expect(() => makeUncheckedVerifier({ audience: AUDIENCE, algorithms: new Array(3) })).toThrow(
      ConfigurationError,
    )
  })

  it('takes a copy: a list that is changed later changes nothing', async () => {
    const algorithms: string[] = ['ES256']
    const unchecked = makeUncheckedVerifier({
      issuer: 'https://issuer.example',
      audience: AUDIENCE,
      fetch: issuer.fetch,
      algorithms,
    })
    algorithms.push('RS256')
    await expect(unchecked.verify(goodToken(ec))).resolves.toBeDefined()
    await expectRefusal(unchecked.verify(goodToken(rsa)), 'R', 'ERR_ALGORITHM_NOT_ALLOWED')
  })
})

describe('attack 15: signatures', () => {
  const P256_ORDER = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
  const [header, payload, signature] = segmentsOf(goodToken(ec))
  const bytes = Buffer.from(signature, 'base64url')
  const r = bytes.subarray(0, 32)
  const s = bytes.subarray(32)
  const zero = Buffer.alloc(32)
  const order = Buffer.from(P256_ORDER, 'hex')
  const one = Buffer.from(zero).fill(1, 31)

  /** The same two numbers as ASN.1. */
  function toDer(...numbers: Buffer[]): Buffer {
    const integers = numbers.map((number) => {
      const positive = Buffer.concat([Buffer.from([0]), number])
      return Buffer.concat([Buffer.from([2, positive.length]), positive])
    })
    const content = Buffer.concat(integers)
    return Buffer.concat([Buffer.from([0x30, content.length]), content])
  }

  it('accepts the good one', async () => {
    await expect(verifier.verify(`${header}.${payload}.${signature}`)).resolves.toBeDefined()
  })

  it.each([
    ['r and s 0', Buffer.concat([zero, zero])],
    ['r 0', Buffer.concat([zero, s])],
    ['s 0', Buffer.concat([r, zero])],
    ['r and s the order', Buffer.concat([order, order])],
    ['r the order', Buffer.concat([order, s])],
    ['s the order', Buffer.concat([r, order])],
    ['r and s 1', Buffer.concat([one, one])],
    ['r and s all ones', Buffer.alloc(64, 0xff)],
    ['DER', toDer(r, s)],
    ['DER from the signer', signDer()],
    ['a byte less', bytes.subarray(0, 63)],
    ['a byte more', Buffer.concat([bytes, Buffer.from([0])])],
    ['a byte in front', Buffer.concat([Buffer.from([0]), bytes])],
    ['half', r],
    ['twice', Buffer.concat([bytes, bytes])],
    ['the halves exchanged', Buffer.concat([s, r])],
    ['nothing', Buffer.alloc(0)],
    ['the length of P-384', Buffer.concat([Buffer.alloc(16), r, Buffer.alloc(16), s])],
  ])('refuses ECDSA with %s', async (_, forged) => {
    const token = `${header}.${payload}.${forged.toString('base64url')}`
    await expectRefusal(verifier.verify(token), 'R', 'ERR_SIGNATURE_INVALID', [token])
  })

  function signDer(): Buffer {
    return sign('sha256', Buffer.from(`${header}.${payload}`), ec.privateKey)
  }

  it.each([rsa, ec384, ec521, ed].map((key) => ({ key, name: key.algorithm })))(
    'refuses bent signatures of $name',
    async ({ key }: { key: ForgeKey }) => {
      const [head, body, good] = segmentsOf(goodToken(key))
      const right = Buffer.from(good, 'base64url')
      const flipped = Buffer.from(right)
      flipped[0] = (flipped[0] ?? 0) ^ 1
      const bent = [
        flipped,
        right.subarray(1),
        right.subarray(0, -1),
        Buffer.concat([right, Buffer.from([0])]),
        Buffer.concat([Buffer.from([0]), right]),
        Buffer.alloc(right.length),
        Buffer.alloc(right.length, 0xff),
        Buffer.alloc(0),
        Buffer.alloc(4000, 1),
      ]
      for (const each of bent)
        await expectRefusal(
          verifier.verify(`${head}.${body}.${each.toString('base64url')}`),
          'R',
          'ERR_SIGNATURE_INVALID',
        )
    },
  )

  it.each([
    ['header', `${encode(goodHeader(ec, { x: 1 }))}.${payload}.${signature}`],
    ['payload', `${header}.${encode(goodClaims({ sub: 'root', exp: NOW + 9999 }))}.${signature}`],
  ])('refuses a changed %s under the old signature', async (_, token) => {
    await expectRefusal(verifier.verify(token), 'R', 'ERR_SIGNATURE_INVALID', [token])
  })
})

describe('attack 16: EdDSA and Ed25519', () => {
  const names = ['EdDSA', 'Ed25519', undefined]
  const cases = names.flatMap((keyAlg) => ['EdDSA', 'Ed25519'].map((tokenAlg) => ({ keyAlg, tokenAlg })))
  it.each(cases)('A: a key of $keyAlg, a token of $tokenAlg', async ({ keyAlg, tokenAlg }) => {
    const edIssuer = new ForgedIssuer()
    const { alg: _, ...jwk } = { ...ed.jwk }
    edIssuer.publish(keyAlg === undefined ? jwk : { ...jwk, alg: keyAlg })
    const token = forge(goodHeader(ed, { alg: tokenAlg }), goodClaims(), ed)
    await expect(makeVerifier(edIssuer).verify(token)).resolves.toBeDefined()
  })

  it('only where allowed', async () => {
    const narrow = makeVerifier(issuer, { algorithms: ['Ed25519'] })
    await expect(
      narrow.verify(forge(goodHeader(ed, { alg: 'Ed25519' }), goodClaims(), ed)),
    ).resolves.toBeDefined()
    await expectRefusal(narrow.verify(goodToken(ed)), 'R', 'ERR_ALGORITHM_NOT_ALLOWED')
  })
})
