import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'
import { ALGORITHMS, algorithmsOf, isAlgorithm } from '../../packages/core/src/testing.js'
import { codeOf, createPair } from '../support/outcome.js'

describe('the eleven algorithms', () => {
  it('are RS, PS and ES with 256, 384 and 512, EdDSA and Ed25519', () => {
    expect(ALGORITHMS).toEqual([
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
    ])
  })

  it.each(ALGORITHMS)(
    'J1: a good token signed with %s is accepted, a tampered one is not',
    async (algorithm) => {
      const { issuer, verifier } = await createPair({ issuer: { algorithm } })
      const token = await issuer.issueToken({ subject: 'user-1' })
      expect((await verifier.verify(token)).subject).toBe('user-1')

      const [header, , signature] = token.split('.')
      const [, payload] = (await issuer.issueToken({ subject: 'user-2' })).split('.')
      expect(await codeOf(verifier.verify([header, payload, signature].join('.')))).toBe(
        'ERR_SIGNATURE_INVALID',
      )
    },
  )

  it.each(ALGORITHMS)('J1: %s is refused where the allow-list lacks it', async (algorithm) => {
    const others = ALGORITHMS.filter((name) => name !== algorithm)
    const { issuer, verifier } = await createPair({ issuer: { algorithm }, verifier: { algorithms: others } })
    expect(await codeOf(verifier.verify(await issuer.issueToken()))).toBe('ERR_ALGORITHM_NOT_ALLOWED')
    expect(issuer.requests.metadata.count).toBe(0)
  })

  it.each([
    ['EdDSA', 'Ed25519'],
    ['Ed25519', 'EdDSA'],
  ] as const)('attack 16: a key published for %s serves %s as well', async (published, named) => {
    const { issuer, verifier } = await createPair({ issuer: { algorithm: published } })
    await verifier.verify(await issuer.issueToken({ header: { alg: named } }))
  })

  it('J1: a key without "alg" serves each algorithm of its type, with and without a key id', async () => {
    for (const algorithm of ['RS256', 'ES384', 'Ed25519'] as const) {
      const issuer = await createMockIssuer({ algorithm })
      const jwks = await issuer.fetch(`${issuer.issuer}/v2/oauth/jwks`)
      const { keys }: { keys: { alg?: string }[] } = JSON.parse(await jwks.text())
      for (const key of keys) delete key.alg
      issuer.fault('jwks', { body: { keys } })
      const { verifier } = await createPair({ verifier: { fetch: issuer.fetch } })
      const claims = { iat: undefined, exp: 4_000_000_000 }
      for (const header of [{}, { kid: undefined }])
        for (const alg of algorithmsOf({ ...keys[0] }))
          await verifier.verify(await issuer.issueToken({ claims, header: { ...header, alg } }))
    }
  })
})

describe('the algorithms that a key may be used with', () => {
  it.each([
    [{ kty: 'RSA', alg: 'RS256' }, ['RS256']],
    [{ kty: 'RSA', alg: 'PS512' }, ['PS512']],
    [{ kty: 'RSA' }, ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
    [{ kty: 'EC', crv: 'P-256' }, ['ES256']],
    [{ kty: 'EC', crv: 'P-256', alg: 'ES384' }, []],
    [{ kty: 'EC', crv: 'secp256k1' }, []],
    [{ kty: 'OKP', crv: 'Ed25519' }, ['EdDSA', 'Ed25519']],
    [{ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA' }, ['EdDSA', 'Ed25519']],
    [{ kty: 'OKP', crv: 'X25519' }, []],
    [{ kty: 'RSA', alg: 'RSA-OAEP' }, []],
    [{ kty: 'RSA', alg: 7 }, []],
    [{ kty: 'oct', alg: 'HS256' }, []],
    [{ kty: 'constructor' }, []],
    [{}, []],
  ])('%j: %j', (key, algorithms) => {
    expect(algorithmsOf(key)).toEqual(algorithms)
  })

  it('do not include inherited names of objects', () => {
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty'])
      expect(isAlgorithm(name)).toBe(false)
  })
})
