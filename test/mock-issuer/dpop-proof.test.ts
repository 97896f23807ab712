import { createHash, generateKeyPairSync, generateKeySync, type KeyObject, webcrypto } from 'node:crypto'
import { createVerifier, type TelnyxAuthError } from '@telnyx-auth/core'
import {
  createDpopProof,
  createMockIssuer,
  type DpopProofOptions,
  type ProofKey,
} from '@telnyx-auth/mock-issuer'
import {
  calculateJwkThumbprint,
  decodeJwt,
  decodeProtectedHeader,
  EmbeddedJWK,
  exportJWK,
  jwtVerify,
} from 'jose'
import { describe, expect, it, vi } from 'vitest'

/** Bound tokens and proofs, for tests: `issueToken({ dpopKey | jkt | x5t })` and `createDpopProof`. */

const API = 'https://api.example.com'
const URL_OF_REQUEST = `${API}/messages`
const DIGEST = createHash('sha256').update('anything').digest('base64url')

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ed = generateKeyPairSync('ed25519')
const jwkOf = (key: KeyObject) => key.export({ format: 'jwk' })
const thumbprintOf = async (key: KeyObject) => calculateJwkThumbprint(await exportJWK(key))

const joseJwk = await exportJWK(ec.publicKey)
const pss = await webcrypto.subtle.generateKey(
  { name: 'RSA-PSS', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-384' },
  false,
  ['sign', 'verify'],
)

const issuer = await createMockIssuer({ algorithm: 'ES256' })
const REQUEST = { key: ec.privateKey, method: 'GET', url: URL_OF_REQUEST }

/** What a verifier of bound tokens says about a request. */
async function verdict(token: string, proof: string | undefined, scheme = 'DPoP'): Promise<unknown> {
  const verifier = createVerifier({
    issuer: issuer.issuer,
    audience: API,
    fetch: issuer.fetch,
    dpop: 'required',
  })
  const headers = { authorization: `${scheme} ${token}`, ...(proof !== undefined && { dpop: proof }) }
  return verifier.authenticate(new Request(URL_OF_REQUEST, { headers })).then(
    () => 'accepted',
    (error: TelnyxAuthError) => error.code,
  )
}

/** Callers in JavaScript can pass any value. */
const unchecked = (value: unknown) => JSON.parse(JSON.stringify(value))

describe('issueToken', () => {
  it.each([
    ['a public KeyObject', ec.publicKey],
    ['a private KeyObject', ec.privateKey],
    ['a public JWK', jwkOf(ec.publicKey)],
    ['a private JWK', jwkOf(ec.privateKey)],
    ['a JWK with more members', { ...jwkOf(ec.publicKey), kid: 'k', alg: 'ES256', use: 'sig' }],
    ['a JWK of jose', joseJwk],
  ])('RFC 9449 §6.1: binds to %s', async (_, dpopKey) => {
    const { cnf } = decodeJwt(await issuer.issueToken({ dpopKey }))
    expect(cnf).toEqual({ jkt: await thumbprintOf(ec.publicKey) })
  })

  it.each([
    ['RSA', rsa],
    ['Ed25519', ed],
    ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' })],
  ])('RFC 7638: has the thumbprint of a key of type %s', async (_, { privateKey, publicKey }) => {
    const { cnf } = decodeJwt(await issuer.issueToken({ dpopKey: privateKey }))
    expect(cnf).toEqual({ jkt: await thumbprintOf(publicKey) })
  })

  it('binds to a CryptoKey, also to one that cannot be exported', async () => {
    const pair = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
      'sign',
      'verify',
    ])
    const jkt = await calculateJwkThumbprint(await exportJWK(pair.publicKey))
    for (const dpopKey of [pair.publicKey, pair.privateKey])
      expect(decodeJwt(await issuer.issueToken({ dpopKey })).cnf).toEqual({ jkt })
  })

  it('the example of RFC 7638 §3.1', async () => {
    const n =
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'
    const token = await issuer.issueToken({ dpopKey: { kty: 'RSA', n, e: 'AQAB' } })
    expect(decodeJwt(token).cnf).toEqual({ jkt: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' })
  })

  it('binds to a thumbprint', async () => {
    expect(decodeJwt(await issuer.issueToken({ jkt: DIGEST })).cnf).toEqual({ jkt: DIGEST })
  })

  it('RFC 8705 §3.1: binds to a certificate', async () => {
    expect(decodeJwt(await issuer.issueToken({ x5t: DIGEST })).cnf).toEqual({ 'x5t#S256': DIGEST })
  })

  it('binds to nothing by default, and to any other thing by claims', async () => {
    expect(decodeJwt(await issuer.issueToken())).not.toHaveProperty('cnf')
    expect(decodeJwt(await issuer.issueToken({ jkt: undefined }))).not.toHaveProperty('cnf')
    expect(decodeJwt(await issuer.issueToken({ claims: { cnf: { kid: 'x' } } })).cnf).toEqual({ kid: 'x' })
  })

  it.each([
    ['two bindings', { jkt: DIGEST, x5t: DIGEST }, 'jkt, x5t'],
    ['a key and a thumbprint', { dpopKey: ec.publicKey, jkt: DIGEST }, 'dpopKey, jkt'],
    ['a binding and the claim', { jkt: DIGEST, claims: { cnf: {} } }, 'jkt, claims.cnf'],
    ['a binding and no claim', { x5t: DIGEST, claims: { cnf: undefined } }, 'x5t, claims.cnf'],
    ['a thumbprint that is none', { jkt: 'abc' }, '"jkt" must be'],
    ['a thumbprint with padding', { x5t: `${DIGEST}=` }, '"x5t" must be'],
    ['a thumbprint that is no string', unchecked({ jkt: 7 }), '"jkt" must be'],
    ['a secret', { dpopKey: generateKeySync('hmac', { length: 256 }) }, 'no secret'],
    ['a symmetric JWK', { dpopKey: { kty: 'oct', k: 'AAAA' } }, 'must be a KeyObject'],
    ['a key that is text', unchecked({ dpopKey: '-----BEGIN PUBLIC KEY-----' }), 'must be a KeyObject'],
    ['a key that is null', unchecked({ dpopKey: null }), 'must be a KeyObject'],
    ['a key of another type', { dpopKey: generateKeyPairSync('x25519').publicKey }, 'not x25519'],
  ])('refuses %s', async (_, options, message) => {
    const error: unknown = await issuer.issueToken(options).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).toContain(message)
  })

  it('introspection responses have the binding (RFC 9449 §6.2, RFC 8705 §3.2)', async () => {
    const ask = async (token: string): Promise<object> => {
      const response = await issuer.fetch(`${issuer.issuer}/v2/oauth/introspect`, {
        method: 'POST',
        headers: { authorization: `Bearer ${issuer.apiKey}` },
        body: new URLSearchParams({ token }),
      })
      return JSON.parse(await response.text())
    }
    expect(await ask(await issuer.issueToken({ jkt: DIGEST }))).toMatchObject({
      active: true,
      cnf: { jkt: DIGEST },
      token_type: 'DPoP',
    })
    const certificate = await ask(await issuer.issueToken({ x5t: DIGEST }))
    expect(certificate).toMatchObject({ active: true, cnf: { 'x5t#S256': DIGEST } })
    expect(certificate).not.toHaveProperty('token_type')
    const unbound = await ask(await issuer.issueToken())
    expect(unbound).toMatchObject({ active: true })
    expect(Object.keys(unbound)).not.toEqual(expect.arrayContaining(['cnf']))
    expect(Object.keys(unbound)).not.toEqual(expect.arrayContaining(['token_type']))
  })
})

describe('createDpopProof', () => {
  it('RFC 9449 §4.2: makes a proof with all members', async () => {
    vi.spyOn(Date, 'now').mockReturnValue(1_800_000_000_999)
    const url = `${URL_OF_REQUEST}/a%20b?page=1#top`
    const proof = await createDpopProof({ ...REQUEST, method: 'DELETE', url, token: 'abc', nonce: 'n-1' })
    const { kty, crv, x, y } = jwkOf(ec.publicKey)
    expect(decodeProtectedHeader(proof)).toEqual({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } })
    expect(decodeJwt(proof)).toEqual({
      jti: expect.stringMatching(/^[\da-f-]{36}$/),
      htm: 'DELETE',
      htu: `${URL_OF_REQUEST}/a%20b`,
      iat: 1_800_000_000,
      ath: createHash('sha256').update('abc').digest('base64url'),
      nonce: 'n-1',
    })
    vi.restoreAllMocks()
  })

  it('takes a URL object, and has neither ath nor nonce without a token and a nonce', async () => {
    const proof = await createDpopProof({ ...REQUEST, url: new URL(`${API}?a`) })
    expect(Object.keys(decodeJwt(proof))).toEqual(['jti', 'htm', 'htu', 'iat'])
    expect(decodeJwt(proof).htu).toBe(`${API}/`)
  })

  it('has another jti each time', async () => {
    const [one, two] = [await createDpopProof(REQUEST), await createDpopProof(REQUEST)]
    expect(decodeJwt(one).jti).not.toBe(decodeJwt(two).jti)
  })

  it('replaces and removes members', async () => {
    const claims = { iat: 1, jti: undefined, more: true }
    const proof = await createDpopProof({
      ...REQUEST,
      claims,
      header: { typ: 'JWT', kid: 'k', jwk: undefined },
    })
    expect(decodeJwt(proof)).toEqual({ htm: 'GET', htu: URL_OF_REQUEST, iat: 1, more: true })
    expect(decodeProtectedHeader(proof)).toEqual({ typ: 'JWT', alg: 'ES256', kid: 'k' })
  })

  const keys: [string, string, ProofKey, DpopProofOptions['header']][] = [
    ['EC', 'ES256', ec.privateKey, {}],
    ['a private JWK', 'ES256', jwkOf(ec.privateKey), {}],
    ['P-384', 'ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, {}],
    ['P-521', 'ES512', generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey, {}],
    ['Ed25519', 'EdDSA', ed.privateKey, {}],
    ['a JWK whose alg is Ed25519', 'Ed25519', { ...jwkOf(ed.privateKey), alg: 'Ed25519' }, {}],
    ['RSA', 'RS256', rsa.privateKey, {}],
    ['RSA, with another algorithm', 'PS256', rsa.privateKey, { alg: 'PS256' }],
    ['a JWK with an algorithm', 'PS512', { ...jwkOf(rsa.privateKey), alg: 'PS512' }, {}],
    ['a CryptoKey that cannot be exported', 'PS384', pss.privateKey, {}],
  ]
  it.each(keys)('signs with %s: %s', async (_, algorithm, key, header) => {
    const token = await issuer.issueToken({ dpopKey: key })
    const proof = await createDpopProof({ ...REQUEST, key, token, header })
    const { protectedHeader } = await jwtVerify(proof, EmbeddedJWK, { typ: 'dpop+jwt' })
    expect(protectedHeader.alg).toBe(algorithm)
    expect(JSON.stringify(protectedHeader.jwk)).not.toContain('"d"')
    expect(await verdict(token, proof)).toBe('accepted')
  })

  it('breaks what the options break', async () => {
    const token = await issuer.issueToken({ dpopKey: ec.publicKey })
    const check = async (options: Partial<DpopProofOptions>) =>
      verdict(token, await createDpopProof({ ...REQUEST, token, ...options }))
    expect(await check({})).toBe('accepted')
    const jwk = jwkOf(other.publicKey)
    const INVALID = 'ERR_DPOP_PROOF_INVALID'
    expect(await check({ method: 'POST' })).toBe(INVALID)
    expect(await check({ url: API })).toBe(INVALID)
    expect(await check({ token: undefined })).toBe(INVALID)
    expect(await check({ claims: { iat: Math.floor(Date.now() / 1000) - 3600 } })).toBe(INVALID)
    expect(await check({ header: { alg: 'none' } })).toBe(INVALID)
    expect(await check({ header: { typ: undefined } })).toBe(INVALID)
    expect(await check({ key: other.privateKey })).toBe('ERR_BINDING_MISMATCH')
    // The key of the token in the header, the signature of another.
    expect(await check({ key: other.privateKey, header: { jwk: jwkOf(ec.publicKey) } })).toBe(INVALID)
    expect(await check({ header: { jwk } })).toBe('ERR_BINDING_MISMATCH')
  })

  it.each([
    ['a public key', { key: ec.publicKey }],
    ['a public JWK', { key: jwkOf(ec.publicKey) }],
    ['a secret', { key: generateKeySync('hmac', { length: 256 }) }],
    [
      'a curve without an algorithm',
      { key: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey },
    ],
    ['a relative URL', { url: '/messages' }],
  ])('refuses %s', async (_, options) => {
    await expect(createDpopProof({ ...REQUEST, ...options })).rejects.toBeInstanceOf(TypeError)
  })
})
