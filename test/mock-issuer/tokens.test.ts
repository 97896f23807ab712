import { createPublicKey, verify } from 'node:crypto'
import { createMockIssuer, type MockIssuer, type SigningAlgorithm } from '@telnyx-auth/mock-issuer'
import {
  compactVerify,
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  decodeProtectedHeader,
  importJWK,
  jwtVerify,
} from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { readKeys, textOf } from '../support/oauth-requests.js'

const JWKS = 'https://api.telnyx.com/v2/oauth/jwks'
const NOW = 1_700_000_000

let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({
    algorithm: 'ES256',
    clients: [{ clientId: 'app' }, { clientId: 'second' }],
    now: () => NOW * 1000,
  })
})

/** The current JWK Set, for a verifier without a cache. */
function currentKeys(of: MockIssuer): ReturnType<typeof createRemoteJWKSet> {
  return createRemoteJWKSet(new URL(JWKS), { [customFetch]: of.fetch })
}

describe('issueToken without options', () => {
  it('makes an access token of RFC 9068, as from client credentials', async () => {
    const token = await issuer.issueToken()
    const [key] = await readKeys(issuer.fetch, JWKS)
    expect(decodeProtectedHeader(token)).toEqual({ typ: 'at+jwt', alg: 'ES256', kid: key?.kid })
    expect(decodeJwt(token)).toEqual({
      iss: 'https://api.telnyx.com',
      sub: 'app',
      aud: 'https://api.example.com',
      client_id: 'app',
      iat: NOW,
      exp: NOW + 3600,
      jti: expect.stringMatching(/^client:.+(:[0-9a-f-]{36}){2}$/),
    })
  })

  it('makes a new token each time', async () => {
    expect(await issuer.issueToken()).not.toBe(await issuer.issueToken())
  })

  it('needs no request', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    await issuer.issueToken()
    for (const log of Object.values(issuer.requests)) expect(log.count).toBe(0)
  })
})

describe('issueToken with options', () => {
  it.each([
    ['scopes', { scopes: ['b', 'a'] }, { scope: 'b a' }],
    ['an audience', { audience: 'urn:mine' }, { aud: 'urn:mine' }],
    ['audiences', { audience: ['urn:one', 'urn:two'] }, { aud: ['urn:one', 'urn:two'] }],
    ['a subject', { subject: 'user-1' }, { sub: 'user-1', client_id: 'app' }],
    ['another client', { clientId: 'second' }, { sub: 'second', client_id: 'second' }],
    ['an unknown client', { clientId: 'unknown' }, { sub: 'unknown', client_id: 'unknown' }],
    ['both', { clientId: 'second', subject: 'user-1' }, { sub: 'user-1', client_id: 'second' }],
    ['a lifetime', { expiresInSeconds: 60 }, { exp: NOW + 60 }],
    ['no lifetime', { expiresInSeconds: 0 }, { exp: NOW }],
    ['a lifetime that has passed', { expiresInSeconds: -60 }, { iat: NOW, exp: NOW - 60 }],
  ])('%s', async (_, options, claims) => {
    expect(decodeJwt(await issuer.issueToken(options))).toMatchObject(claims)
  })

  it('has no scope claim without scopes', async () => {
    // RFC 6749 §3.3: scope cannot be empty.
    expect(decodeJwt(await issuer.issueToken({ scopes: [] }))).not.toHaveProperty('scope')
    expect(decodeJwt(await issuer.issueToken({ scopes: undefined }))).not.toHaveProperty('scope')
  })

  it('treats undefined as the default', async () => {
    const token = await issuer.issueToken({
      audience: undefined,
      subject: undefined,
      clientId: undefined,
      expiresInSeconds: undefined,
      claims: undefined,
      header: undefined,
    })
    expect(decodeJwt(token)).toMatchObject({ aud: 'https://api.example.com', sub: 'app', exp: NOW + 3600 })
  })
})

describe('claims', () => {
  const NAMES = ['iss', 'sub', 'aud', 'client_id', 'iat', 'exp', 'jti', 'scope'] as const

  it.each(NAMES)('%s can be replaced by a value of any type', async (name) => {
    for (const value of ['other', 7, null, ['x'], { y: true }, '']) {
      const claims = decodeJwt(await issuer.issueToken({ scopes: ['a'], claims: { [name]: value } }))
      expect(claims[name]).toEqual(value)
      expect(Object.keys(claims).sort()).toEqual([...NAMES].sort())
    }
  })

  it.each(NAMES)('%s can be removed, without changing others', async (name) => {
    const claims = decodeJwt(await issuer.issueToken({ scopes: ['a'], claims: { [name]: undefined } }))
    expect(Object.keys(claims).sort()).toEqual(NAMES.filter((each) => each !== name).sort())
  })

  it('are added, and override the other options', async () => {
    const token = await issuer.issueToken({
      scopes: ['a'],
      audience: 'urn:mine',
      claims: { scope: 'b', aud: 'urn:other', acr: 'high', nested: { list: [1, 'ü', null] } },
    })
    expect(decodeJwt(token)).toMatchObject({
      scope: 'b',
      aud: 'urn:other',
      acr: 'high',
      nested: { list: [1, 'ü', null] },
    })
  })

  it('may all be removed, and the token is still signed', async () => {
    const claims = Object.fromEntries(NAMES.map((name) => [name, undefined]))
    const { payload } = await jwtVerify(await issuer.issueToken({ claims }), currentKeys(issuer))
    expect(payload).toEqual({})
  })
})

describe('header', () => {
  it.each(['typ', 'alg', 'kid'])('%s can be replaced by a value of any type', async (name) => {
    for (const value of ['other', 7, null, ['x'], { y: true }, '']) {
      const [encoded = ''] = (await issuer.issueToken({ header: { [name]: value } })).split('.')
      const header: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString())
      expect(header).toHaveProperty(name, value)
    }
  })

  it.each(['typ', 'alg', 'kid'])('%s can be removed, without changing others', async (name) => {
    const [encoded = ''] = (await issuer.issueToken({ header: { [name]: undefined } })).split('.')
    const header: object = JSON.parse(Buffer.from(encoded, 'base64url').toString())
    expect(Object.keys(header).sort()).toEqual(['alg', 'kid', 'typ'].filter((each) => each !== name))
  })

  it('parameters can be added, and are signed', async () => {
    const token = await issuer.issueToken({ header: { jku: 'https://evil.example.com', cty: 'x' } })
    const { protectedHeader } = await jwtVerify(token, currentKeys(issuer), {
      currentDate: new Date(NOW * 1000),
    })
    expect(protectedHeader).toMatchObject({ jku: 'https://evil.example.com', cty: 'x', alg: 'ES256' })
  })

  it('overrides the typ of the issuer, to remove it or to set another', async () => {
    const untyped = await createMockIssuer({ algorithm: 'ES256', typ: null })
    expect(decodeProtectedHeader(await untyped.issueToken({ header: { typ: 'JWT' } })).typ).toBe('JWT')
  })
})

describe('a header with another algorithm', () => {
  // One key per pair, except for RSA, where one key can use several algorithms.
  it.each([
    ['RS256', ['RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
    ['PS512', ['RS256', 'PS256']],
    ['EdDSA', ['Ed25519']],
    ['Ed25519', ['EdDSA']],
  ] satisfies [SigningAlgorithm, SigningAlgorithm[]][])(
    'of the same family as %s is signed with that algorithm',
    async (algorithm, others) => {
      const issuer = await createMockIssuer({ algorithm })
      const [jwk] = await readKeys(issuer.fetch, JWKS)
      for (const alg of others) {
        const token = await issuer.issueToken({ header: { alg } })
        expect(decodeProtectedHeader(token).alg).toBe(alg)
        const key = await importJWK({ ...jwk, kty: textOf(jwk ?? {}, 'kty'), alg })
        await expect(compactVerify(token, key, { algorithms: [alg] })).resolves.toMatchObject({
          protectedHeader: { alg },
        })
      }
    },
  )

  it.each([
    ['ES256', 'none'],
    ['ES256', 'HS256'],
    // The same type of key, but another curve.
    ['ES256', 'ES384'],
    ['ES256', 'RS256'],
    ['ES256', 'ES256K'],
    ['EdDSA', 'RS256'],
    ['EdDSA', 'Ed448'],
  ] satisfies [SigningAlgorithm, string][])(
    'that a key of %s does not support, like %s, is signed with the algorithm of the key',
    async (algorithm, alg) => {
      const issuer = await createMockIssuer({ algorithm })
      const token = await issuer.issueToken({ header: { alg } })
      expect(decodeProtectedHeader(token).alg).toBe(alg)
      expect(await isSignedByKeysOwnAlgorithm(issuer, token)).toBe(true)
      await expect(jwtVerify(token, currentKeys(issuer))).rejects.toThrow()
    },
  )

  it('or without one is signed with the algorithm of the key', async () => {
    const token = await issuer.issueToken({ header: { alg: undefined } })
    expect(await isSignedByKeysOwnAlgorithm(issuer, token)).toBe(true)
  })

  /** With Node's crypto, as a JOSE library uses the algorithm of the header. */
  async function isSignedByKeysOwnAlgorithm(of: MockIssuer, token: string): Promise<boolean> {
    const [jwk] = await readKeys(of.fetch, JWKS)
    const key = createPublicKey({ key: { ...jwk }, format: 'jwk' })
    const end = token.lastIndexOf('.')
    return verify(
      jwk?.alg === 'ES256' ? 'sha256' : null,
      Buffer.from(token.slice(0, end)),
      { key, dsaEncoding: 'ieee-p1363' },
      Buffer.from(token.slice(end + 1), 'base64url'),
    )
  }
})

describe('rotateKeys', () => {
  const options = { algorithm: 'ES256', now: () => NOW * 1000 } as const
  const at = { currentDate: new Date(NOW * 1000) }

  it('signs with a new key and publishes the old ones', async () => {
    const issuer = await createMockIssuer(options)
    const before = await issuer.issueToken()
    const first = decodeProtectedHeader(before).kid
    const second = await issuer.rotateKeys()
    const third = await issuer.rotateKeys({ keepOld: true })
    expect(new Set([first, second, third]).size).toBe(3)

    const kids = (await readKeys(issuer.fetch, JWKS)).map(({ kid }) => kid)
    expect(kids.sort()).toEqual([first, second, third].sort())
    const after = await issuer.issueToken()
    expect(decodeProtectedHeader(after).kid).toBe(third)
    await expect(jwtVerify(before, currentKeys(issuer), at)).resolves.toBeTruthy()
    await expect(jwtVerify(after, currentKeys(issuer), at)).resolves.toBeTruthy()
  })

  it('withdraws all old keys with keepOld: false', async () => {
    const issuer = await createMockIssuer(options)
    const before = await issuer.issueToken()
    await issuer.rotateKeys()
    const kid = await issuer.rotateKeys({ keepOld: false })
    expect((await readKeys(issuer.fetch, JWKS)).map((key) => key.kid)).toEqual([kid])
    await expect(jwtVerify(before, currentKeys(issuer), at)).rejects.toMatchObject({
      code: 'ERR_JWKS_NO_MATCHING_KEY',
    })
    await expect(jwtVerify(await issuer.issueToken(), currentKeys(issuer), at)).resolves.toBeTruthy()
  })

  it('loses no key if it is called several times at once', async () => {
    const issuer = await createMockIssuer(options)
    const kids = await Promise.all([issuer.rotateKeys(), issuer.rotateKeys(), issuer.rotateKeys()])
    const published = (await readKeys(issuer.fetch, JWKS)).map(({ kid }) => kid)
    expect(published).toHaveLength(4)
    expect(published).toEqual(expect.arrayContaining(kids))
  })

  it('keeps the algorithm', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES384' })
    await issuer.rotateKeys()
    for (const key of await readKeys(issuer.fetch, JWKS)) expect(key.alg).toBe('ES384')
  })
})

describe('revoke', () => {
  it('is not seen by a verifier that checks only the signature', async () => {
    const token = await issuer.issueToken()
    issuer.revoke(token)
    issuer.revoke(token)
    await expect(
      jwtVerify(token, currentKeys(issuer), { currentDate: new Date(NOW * 1000) }),
    ).resolves.toBeTruthy()
  })

  it('ignores an unknown token', () => {
    expect(() => issuer.revoke('garbage')).not.toThrow()
  })
})
