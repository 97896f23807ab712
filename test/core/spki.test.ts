import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { encodeSpki } from '../../packages/core/src/testing.js'
import { takeRsaKeyPair } from '../support/rsa-keys.js'
import { scale } from '../support/scale.js'

/** The SubjectPublicKeyInfo of a JWK is byte by byte the one that Node encodes. */

const pairs = {
  'RSA 2048': () => takeRsaKeyPair(),
  'RSA 2056, exponent 3': () => takeRsaKeyPair({ modulusLength: 2056, publicExponent: 3 }),
  'P-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'P-521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  Ed25519: () => generateKeyPairSync('ed25519'),
}

function jwkOf(make: () => { publicKey: ReturnType<typeof createPublicKey> }) {
  const { publicKey } = make()
  return { jwk: publicKey.export({ format: 'jwk' }), spki: publicKey.export({ type: 'spki', format: 'der' }) }
}

describe('a public key as a SubjectPublicKeyInfo', () => {
  it.each(Object.entries(pairs))('is the one that Node encodes: %s', (name, make) => {
    // Of coordinates, one in 256 begins with a zero.
    for (let n = 0; n < (name.startsWith('RSA') ? 1 : scale(100, 300)); n++) {
      const { jwk, spki } = jwkOf(make)
      expect(encodeSpki({ ...jwk })?.equals(spki)).toBe(true)
    }
  })

  it('accepts extra leading zeros, and missing ones', () => {
    for (const make of [pairs['P-256'], pairs['RSA 2048']]) {
      const { jwk, spki } = jwkOf(make)
      const padded = Object.entries(jwk).map(([name, value]) => [
        name,
        /^[nexy]$/.test(name)
          ? Buffer.from(`0000${Buffer.from(String(value), 'base64url').toString('hex')}`, 'hex').toString(
              'base64url',
            )
          : value,
      ])
      expect(encodeSpki(Object.fromEntries(padded))?.equals(spki)).toBe(true)
    }
    for (;;) {
      const { jwk, spki } = jwkOf(pairs['P-256'])
      const x = Buffer.from(jwk.x ?? '', 'base64url')
      if (x.readUInt8(0) !== 0) continue
      expect(encodeSpki({ ...jwk, x: x.subarray(1).toString('base64url') })?.equals(spki)).toBe(true)
      break
    }
  })

  it.each([
    [{ kty: 'RSA', n: 'AQ' }],
    [{ kty: 'RSA', n: 5, e: 'AQAB' }],
    [{ kty: 'EC', crv: 'P-256', x: 'AQ' }],
    [{ kty: 'EC', crv: 'secp256k1', x: 'AQ', y: 'AQ' }],
    [{ kty: 'EC', crv: '__proto__', x: 'AQ', y: 'AQ' }],
    [{ kty: 'EC', crv: ['P-256'], x: 'AQ', y: 'AQ' }],
    [{ kty: 'EC', crv: 'P-256', x: Buffer.alloc(33, 1).toString('base64url'), y: 'AQ' }],
    [{ kty: 'OKP', crv: 'Ed25519' }],
    [{}],
  ])('is not encoded for %j', (jwk) => {
    expect(encodeSpki(jwk)).toBeUndefined()
  })

  it('integers of all lengths are encoded as Node reads them', () => {
    // 0x7f is the largest first byte without a sign byte, 0x80 the smallest with one.
    for (const first of [0x7f, 0x80, 0xf1])
      for (const bytes of [16, 126, 127, 128, 255, 256, 257, 2048]) {
        const n = Buffer.alloc(bytes, 0xf1)
        n.writeUInt8(first)
        const spki = encodeSpki({ kty: 'RSA', n: n.toString('base64url'), e: 'AQAB' })
        const key = createPublicKey({ key: spki ?? '', format: 'der', type: 'spki' })
        expect(key.export({ format: 'jwk' })).toMatchObject({ n: n.toString('base64url'), e: 'AQAB' })
        expect(key.export({ format: 'der', type: 'spki' }).equals(spki ?? Buffer.alloc(0))).toBe(true)
      }
  })
})
