import { describe, expect, it } from 'vitest'
import { type IssuerKey, importJwk as importOrReason } from '../../packages/core/src/testing.js'
import { createPair } from '../support/outcome.js'

async function importJwk(member: unknown): Promise<IssuerKey | undefined> {
  const imported = await importOrReason(member)
  return typeof imported === 'string' ? undefined : imported
}

/** The public key of an issuer, as it publishes it. */
async function publicKey(algorithm: 'RS256' | 'ES256' | 'Ed25519'): Promise<Record<string, unknown>> {
  const { issuer } = await createPair({ issuer: { algorithm } })
  const response = await issuer.fetch(`${issuer.issuer}/v2/oauth/jwks`)
  const { keys }: { keys: [Record<string, unknown>] } = JSON.parse(await response.text())
  return keys[0]
}

function base64url(number: bigint): string {
  const hex = number.toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url')
}

describe('a member of a JWK Set', () => {
  it('is bound once to each algorithm that it may be used with', async () => {
    const { alg, ...key } = await publicKey('RS256')
    expect((await importJwk({ ...key, alg }))?.verificationKeys.size).toBe(1)
    expect((await importJwk(key))?.verificationKeys.size).toBe(6)
    expect((await importJwk(await publicKey('Ed25519')))?.verificationKeys.size).toBe(2)
  })

  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'])(
    'is left out when it has the secret member %s',
    async (name) => {
      for (const algorithm of ['RS256', 'ES256', 'Ed25519'] as const)
        expect(await importJwk({ ...(await publicKey(algorithm)), [name]: 'AQAB' })).toBeUndefined()
    },
  )

  it.each([[['verify']], [['verify', 'sign']], [['encrypt', 'verify']]])(
    'is imported when key_ops %j contain "verify"',
    async (keyOps) => {
      expect(await importJwk({ ...(await publicKey('ES256')), key_ops: keyOps })).toBeDefined()
    },
  )

  it.each([[['sign']], [[]], ['verify'], [{}], [null]])('is left out when key_ops are %j', async (keyOps) => {
    expect(await importJwk({ ...(await publicKey('ES256')), key_ops: keyOps })).toBeUndefined()
  })

  it('is left out when it is not an object', async () => {
    const key = await publicKey('ES256')
    for (const member of [null, undefined, 5, 'key', [], [key], Object.assign([], key)])
      expect(await importJwk(member)).toBeUndefined()
  })

  it.each([
    [2048, 3n, true],
    [2048, 65_537n, true],
    [2047, 65_537n, false],
    [1024, 65_537n, false],
    [2048, 1n, false],
    [2048, 0n, false],
    [2048, 2n, false],
    [2048, 65_536n, false],
  ])('an RSA key of %i bits with the exponent %i is imported: %s', async (bits, exponent, strong) => {
    const n = base64url((1n << BigInt(bits - 1)) + 1n)
    const key = await importJwk({ kty: 'RSA', alg: 'RS256', n, e: base64url(exponent) })
    expect(key !== undefined).toBe(strong)
  })

  it.each([{ n: 5 }, { e: 5 }, { n: undefined }, { e: undefined }, { n: '' }, { e: '' }, { e: '!' }])(
    'an RSA key with %j is left out',
    async (members) => {
      expect(await importJwk({ ...(await publicKey('RS256')), ...members })).toBeUndefined()
    },
  )

  it.each([
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ])('an Ed25519 key of small order is left out: %s, with either sign', async (hex) => {
    for (const sign of [0x00, 0x80]) {
      const bytes = Buffer.from(hex, 'hex')
      bytes.writeUInt8(bytes.readUInt8(31) | sign, 31)
      const x = bytes.toString('base64url')
      expect(await importJwk({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', x })).toBeUndefined()
    }
  })

  it.each([{ x: 5 }, { x: undefined }, { x: '' }, { x: 'AA' }])(
    'an Ed25519 key with %j is left out',
    async (members) => {
      expect(await importJwk({ ...(await publicKey('Ed25519')), ...members })).toBeUndefined()
    },
  )
})
