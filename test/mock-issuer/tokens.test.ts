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

/** The JWK Set as it is now, read by a verifier that has no cache. */
function currentKeys(of: MockIssuer): ReturnType<typeof createRemoteJWKSet> {
  return createRemoteJWKSet(new URL(JWKS), { [customFetch]: of.fetch })
}

describe('issueToken without options', () => {
  it('makes the access token of RFC 9068 that a client gets for itself', async () => {
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

  it('makes another token each time', async () => {
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
    ['a subject', { subject: 'somebody' }, { sub: 'somebody', client_id: 'app' }],
    ['another client', { clientId: 'second' }, { sub: 'second', client_id: 'second' }],
    ['a client that does not exist', { clientId: 'nobody' }, { sub: 'nobody', client_id: 'nobody' }],
    ['both', { clientId: 'second', subject: 'somebody' }, { sub: 'somebody', client_id: 'second' }],
    ['a lifetime', { expiresInSeconds: 60 }, { exp: NOW + 60 }],
    ['no lifetime', { expiresInSeconds: 0 }, { exp: NOW }],
    ['a lifetime that has passed', { expiresInSeconds: -60 }, { iat: NOW, exp: NOW - 60 }],
  ])('%s', async (_, options, claims) => {
    expect(decodeJwt(await issuer.issueToken(options))).toMatchObject(claims)
  })

  it('has no scope where there are none', async () => {
    // RFC 6749 §3.3: the value of scope cannot be empty.
    expect(decodeJwt(await issuer.issueToken({ scopes: [] }))).not.toHaveProperty('scope')
    expect(decodeJwt(await issuer.issueToken({ scopes: undefined }))).not.toHaveProperty('scope')
  })

  it('takes undefined as the default', async () => {
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

  it.each(NAMES)('%s is replaced, by a value of any type', async (name) => {
    for (const value of ['other', 7, null, ['x'], { y: true }, '']) {
      const claims = decodeJwt(await issuer.issueToken({ scopes: ['a'], claims: { [name]: value } }))
      expect(claims[name]).toEqual(value)
      expect(Object.keys(claims).sort()).toEqual([...NAMES].sort())
    }
  })

  it.each(NAMES)('%s is removed, and nothing else', async (name) => {
    const claims = decodeJwt(await issuer.issueToken({ scopes: ['a'], claims: { [name]: undefined } }))
    expect(Object.keys(claims).sort()).toEqual(NAMES.filter((each) => each !== name).sort())
  })

  it('are added, and win over the other options', async () => {
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
  it.each(['typ', 'alg', 'kid'])('%s is replaced, by a value of any type', async (name) => {
    for (const value of ['other', 7, null, ['x'], { y: true }, '']) {
      const [encoded = ''] = (await issuer.issueToken({ header: { [name]: value } })).split('.')
      const header: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString())
      expect(header).toHaveProperty(name, value)
    }
  })

  it.each(['typ', 'alg', 'kid'])('%s is removed, and nothing else', async (name) => {
    const [encoded = ''] = (await issuer.issueToken({ header: { [name]: undefined } })).split('.')
    const header: object = JSON.parse(Buffer.from(encoded, 'base64url').toString())
    expect(Object.keys(header).sort()).toEqual(['alg', 'kid', 'typ'].filter((each) => each !== name))
  })

  it('parameters are added, and signed like the rest', async () => {
    const token = await issuer.issueToken({ header: { jku: 'https://evil.example.com', cty: 'x' } })
    const { protectedHeader } = await jwtVerify(token, currentKeys(issuer), {
      currentDate: new Date(NOW * 1000),
    })
    expect(protectedHeader).toMatchObject({ jku: 'https://evil.example.com', cty: 'x', alg: 'ES256' })
  })

  it('that removes typ wins over the option of the issuer, and one that sets it too', async () => {
    const untyped = await createMockIssuer({ algorithm: 'ES256', typ: null })
    expect(decodeProtectedHeader(await untyped.issueToken({ header: { typ: 'JWT' } })).typ).toBe('JWT')
  })
})

describe('a header that names another algorithm', () => {
  // One key per pair, though the ways of one RSA key are all tried on it.
  it.each([
    ['RS256', ['RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
    ['PS512', ['RS256', 'PS256']],
    ['EdDSA', ['Ed25519']],
    ['Ed25519', ['EdDSA']],
  ] satisfies [SigningAlgorithm, SigningAlgorithm[]][])(
    'of the family of %s is signed with that',
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
    // Of the same type of key, but of another curve.
    ['ES256', 'ES384'],
    ['ES256', 'RS256'],
    ['ES256', 'ES256K'],
    ['EdDSA', 'RS256'],
    ['EdDSA', 'Ed448'],
  ] satisfies [SigningAlgorithm, string][])(
    'than a key of %s can do, like %s, is signed as the key can',
    async (algorithm, alg) => {
      const issuer = await createMockIssuer({ algorithm })
      const token = await issuer.issueToken({ header: { alg } })
      expect(decodeProtectedHeader(token).alg).toBe(alg)
      expect(await isSignedByKeysOwnAlgorithm(issuer, token)).toBe(true)
      await expect(jwtVerify(token, currentKeys(issuer))).rejects.toThrow()
    },
  )

  it('or none at all is signed as the key can', async () => {
    const token = await issuer.issueToken({ header: { alg: undefined } })
    expect(await isSignedByKeysOwnAlgorithm(issuer, token)).toBe(true)
  })

  /** By Node's crypto: a JOSE library takes the algorithm from the header. */
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

  it('signs with a new key and keeps the old ones', async () => {
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

  it('withdraws all the old ones with keepOld: false', async () => {
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

  it('several times at once loses no key', async () => {
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
  it('is not seen by who checks the signature alone', async () => {
    const token = await issuer.issueToken()
    issuer.revoke(token)
    issuer.revoke(token)
    await expect(
      jwtVerify(token, currentKeys(issuer), { currentDate: new Date(NOW * 1000) }),
    ).resolves.toBeTruthy()
  })

  it('does not mind a token that it does not know', () => {
    expect(() => issuer.revoke('garbage')).not.toThrow()
  })
})
