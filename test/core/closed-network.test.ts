import { generateKeyPairSync } from 'node:crypto'
import { type FetchFunction, UnavailableError, type VerifierOptions, watch } from '@telnyx-auth/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ALGORITHMS } from '../../packages/core/src/testing.js'
import { settle } from '../support/event-loop.js'
import {
  AUDIENCE,
  expectRefusal,
  ForgedIssuer,
  type ForgeKey,
  goodClaims,
  goodToken,
  ISSUER,
  JWKS_URL,
  METADATA_URL,
  makeKey,
  makeUncheckedVerifier,
  makeVerifier,
  privateJwk,
  TestClock,
} from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'

/** Closed networks: what is known is not asked for, and with the keys given no request leaves at all. */

const key = makeKey('ES256', 'good')
const other = makeKey('ES256', 'other')
const rsa = makeKey('RS256', 'rsa')
const INTROSPECTION_URL = `${ISSUER}/introspect`
const DAY = 86_400

/** A `fetch` that nothing may reach. */
function createNoNetwork() {
  const urls: string[] = []
  const fetch: FetchFunction = async (url) => {
    urls.push(url)
    throw new TypeError('There is no network')
  }
  return { urls, fetch }
}

/** A verifier with given keys, and what was fetched in spite of that. */
function createClosed(keys: readonly object[], options: VerifierOptions = {}) {
  const { urls, fetch } = createNoNetwork()
  const clock = new TestClock()
  const globalFetch = vi.fn(() => Promise.reject(new TypeError('There is no network')))
  vi.stubGlobal('fetch', globalFetch)
  const verifier = makeVerifier({ fetch }, { jwks: { keys }, ...options }, clock)
  const expectSilence = async () => {
    await settle()
    expect(urls).toEqual([])
    expect(globalFetch).not.toHaveBeenCalled()
  }
  return { verifier, clock, expectSilence }
}

function keyFor(algorithm: string): ForgeKey {
  if (!/^[RP]S/.test(algorithm)) return makeKey(algorithm)
  // One RSA key for all: they take time to make.
  return { ...rsa, kid: algorithm, algorithm, jwk: { ...rsa.jwk, kid: algorithm, alg: algorithm } }
}

describe('the option "jwks": no request leaves', () => {
  it.each(ALGORITHMS)('A: %s', async (algorithm) => {
    const made = keyFor(algorithm)
    const { verifier, expectSilence } = createClosed([made.jwk])
    await expect(verifier.verify(goodToken(made))).resolves.toMatchObject({ verifiedBy: 'signature' })
    const tampered = `${goodToken(made).slice(0, -8)}AAAAAAAA`
    await expectRefusal(verifier.verify(tampered), 'R', ['ERR_SIGNATURE_INVALID', 'ERR_TOKEN_MALFORMED'])
    await expectRefusal(verifier.verify(goodToken(made, { aud: 'x' })), 'R', 'ERR_AUDIENCE_NOT_ALLOWED')
    await expectSilence()
  })

  it('A: several keys, each for its own tokens', async () => {
    const made = ALGORITHMS.map(keyFor)
    const { verifier, expectSilence } = createClosed(made.map(({ jwk }) => jwk))
    for (const each of made) await expect(verifier.verify(goodToken(each))).resolves.toBeDefined()
    const wrongKey = goodToken(other, {}, { kid: 'key-ES256' })
    await expectRefusal(verifier.verify(wrongKey), 'R', 'ERR_SIGNATURE_INVALID')
    expect(verifier.health().keyIds).toEqual(made.map(({ kid }) => kid))
    await expectSilence()
  })

  it('A: without a kid, in the key, the token, or both', async () => {
    const { kid: _, ...nameless } = key.jwk
    const { verifier, expectSilence } = createClosed([other.jwk, nameless])
    await expect(verifier.verify(goodToken(key, {}, { kid: undefined }))).resolves.toBeDefined()
    await expect(verifier.verify(goodToken(other, {}, { kid: undefined }))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(goodToken(key)), 'R', 'ERR_KEY_NOT_FOUND')
    const foreign = goodToken(makeKey('ES256'), {}, { kid: undefined })
    await expectRefusal(verifier.verify(foreign), 'R', 'ERR_SIGNATURE_INVALID')
    await expectSilence()
  })

  it('A: the good ones beside members that cannot be used (attack 38)', async () => {
    const members: unknown[] = [null, 5, 'key', [], {}, { kty: 'oct', k: 'AAAA' }, privateJwk(other), key.jwk]
    const { urls, fetch } = createNoNetwork()
    const jwks = { keys: members }
    const verifier = makeUncheckedVerifier({ issuer: ISSUER, audience: AUDIENCE, fetch, jwks })
    await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(goodToken(other)), 'R', 'ERR_KEY_NOT_FOUND')
    expect(urls).toEqual([])
  })

  it('R, and never U: unknown keys, however many', async () => {
    const { verifier, clock, expectSilence } = createClosed([key.jwk])
    for (let n = 0; n < 100; n++) {
      const unknown = goodToken(other, {}, { kid: `unknown-${n}` })
      await expectRefusal(verifier.verify(unknown), 'R', 'ERR_KEY_NOT_FOUND')
      await expectRefusal(
        verifier.verify(goodToken(other, {}, { kid: 'good' })),
        'R',
        'ERR_SIGNATURE_INVALID',
      )
      clock.advance(10)
    }
    await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
    await expectSilence()
  })

  it('nor are the keys loaded again, for any token', async () => {
    const { verifier, clock, expectSilence } = createClosed([key.jwk])
    let loads = 0
    onTestFinished(watch('keysRefreshed', () => loads++))
    for (let n = 0; n < 10; n++) {
      await expectRefusal(verifier.verify(goodToken(other, {}, { kid: `u-${n}` })), 'R', 'ERR_KEY_NOT_FOUND')
      const nameless = goodToken(other, {}, { kid: undefined })
      await expectRefusal(verifier.verify(nameless), 'R', 'ERR_SIGNATURE_INVALID')
      await verifier.verify(goodToken(key))
      clock.advance(60)
    }
    expect(loads).toBe(1)
    await expectSilence()
  })

  it('not after 30 days, nor in between', async () => {
    const { verifier, clock, expectSilence } = createClosed([key.jwk], { keys: { maxStaleSeconds: 0 } })
    for (let day = 0; day <= 30; day++) {
      const times = { iat: clock.now(), exp: clock.now() + 60 }
      await expect(verifier.verify(goodToken(key, times))).resolves.toBeDefined()
      await expectRefusal(verifier.verify(goodToken(other, times)), 'R', 'ERR_KEY_NOT_FOUND')
      expect(verifier.health()).toMatchObject({ ready: true, stale: false, nextRefreshInSeconds: 0 })
      expect(verifier.health()).not.toHaveProperty('lastFailure')
      clock.advance(DAY)
    }
    await expectSilence()
  })

  it('not at preload(), and health() is ready before and after', async () => {
    const { verifier, clock, expectSilence } = createClosed([key.jwk, other.jwk])
    expect(verifier.health()).toMatchObject({ issuer: ISSUER, ready: true, stale: false })
    await verifier.preload()
    clock.advance(30 * DAY)
    await verifier.preload()
    expect(verifier.health()).toMatchObject({ ready: true, stale: false, keyIds: ['good', 'other'] })
    expect(verifier.health()).not.toHaveProperty('keysAgeSeconds')
    expect(verifier.health()).not.toHaveProperty('metadataAgeSeconds')
    await expectSilence()
  })

  it('not for headers that name other keys (J8, attack 17)', async () => {
    const { verifier, expectSilence } = createClosed([key.jwk])
    const header = { jku: JWKS_URL, x5u: JWKS_URL, jwk: other.jwk }
    await expectRefusal(verifier.verify(goodToken(other, {}, header)), 'R', 'ERR_KEY_NOT_FOUND')
    const named = goodToken(other, {}, { ...header, kid: 'good' })
    await expectRefusal(verifier.verify(named), 'R', 'ERR_SIGNATURE_INVALID')
    await expect(verifier.verify(goodToken(key, {}, header))).resolves.toBeDefined()
    await expectSilence()
  })

  it('not with metadata beside it, which then need not say where the keys are', async () => {
    const { verifier, expectSilence } = createClosed([key.jwk], { metadata: { issuer: ISSUER } })
    await verifier.preload()
    await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(goodToken(other)), 'R', 'ERR_KEY_NOT_FOUND')
    await expectSilence()
  })

  it('is not the place of the metadata that wins: given keys are the keys', async () => {
    const metadata = { issuer: ISSUER, jwks_uri: JWKS_URL, introspection_endpoint: INTROSPECTION_URL }
    const { verifier, expectSilence } = createClosed([key.jwk], { metadata })
    await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(goodToken(other)), 'R', 'ERR_KEY_NOT_FOUND')
    await expectSilence()
  })

  it('works for many simultaneous first tokens', async () => {
    const { verifier, expectSilence } = createClosed([key.jwk])
    const tokens = Array.from({ length: 200 }, (_, n) => goodToken(key, { jti: `${n}` }))
    await Promise.all(tokens.map((token) => verifier.verify(token)))
    await expectSilence()
  })

  it('is copied: what becomes of it later changes nothing', async () => {
    const mutable: Record<string, unknown> = { ...key.jwk }
    const keys = [mutable]
    const { verifier, expectSilence } = createClosed(keys)
    Object.assign(mutable, other.jwk)
    keys.push({ ...other.jwk })
    await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(goodToken(other)), 'R', 'ERR_KEY_NOT_FOUND')
    keys.length = 0
    await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
    expect(Object.isFrozen(keys) || Object.isFrozen(mutable)).toBe(false)
    await expectSilence()
  })

  it('still asks about tokens where it is told to, and only there', async () => {
    const urls: string[] = []
    const fetch: FetchFunction = async (url) => {
      urls.push(url)
      return url === METADATA_URL
        ? Response.json({ issuer: ISSUER, introspection_endpoint: INTROSPECTION_URL })
        : Response.json({ active: true, ...goodClaims() })
    }
    const introspection = { when: 'fallback', clientId: 'api', clientSecret: 's' } as const
    const jwks = { keys: [key.jwk] }
    const discovered = makeVerifier({ fetch }, { jwks, introspection })
    await discovered.preload()
    await expect(discovered.verify(goodToken(key))).resolves.toMatchObject({ verifiedBy: 'signature' })
    expect(urls).toEqual([])
    await expect(discovered.verify(goodToken(other))).resolves.toMatchObject({ verifiedBy: 'introspection' })
    // The metadata need no "jwks_uri" for that.
    expect(urls).toEqual([METADATA_URL, INTROSPECTION_URL])
    urls.length = 0
    const told = makeVerifier(
      { fetch },
      { jwks, introspection, introspectionEndpoint: 'https://closed.example/ask' },
    )
    await expect(told.verify('opaque-token-of-a-user')).resolves.toBeDefined()
    expect(urls).toEqual(['https://closed.example/ask'])
  })
})

describe('C: a "jwks" that cannot be used is refused at once', () => {
  const weak = makeKey('RS256', 'weak', { modulusLength: 1024 })
  const exponent = Buffer.from([1]).toString('base64url')
  const x25519 = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })
  const circular: { keys: unknown[] } = { keys: [] }
  circular.keys.push(circular)

  const unusable: Record<string, unknown> = {
    null: null,
    text: 'keys',
    'JSON text': JSON.stringify({ keys: [key.jwk] }),
    number: 5,
    true: true,
    function: () => ({ keys: [key.jwk] }),
    array: [key.jwk],
    'single key': key.jwk,
    '{}': {},
    'no keys': { keys: [] },
    'keys: null': { keys: null },
    'keys: text': { keys: JSON.stringify([key.jwk]) },
    'keys: object': { keys: { 0: key.jwk, length: 1 } },
    'other name': { Keys: [key.jwk] },
    'nested keys': { keys: [[key.jwk]] },
    'nothing in keys': { keys: [null, 5, 'key', [], {}] },
    circular,
    bigint: { keys: [{ ...key.jwk, n: 5n }] },
    'throws when read': {
      get keys() {
        throw new Error('no')
      },
    },
    'a private key': { keys: [{ ...privateJwk(key), kid: 'good' }] },
    'a private RSA key': { keys: [privateJwk(rsa)] },
    'a symmetric key': { keys: [{ kty: 'oct', k: 'c2VjcmV0LXNlY3JldA', alg: 'HS256' }] },
    'a symmetric part': { keys: [{ ...key.jwk, k: 'c2VjcmV0' }] },
    'a key for encryption': { keys: [{ ...key.jwk, use: 'enc' }] },
    'a key that only signs': { keys: [{ ...key.jwk, key_ops: ['sign'] }] },
    'RSA below 2048 bits': { keys: [weak.jwk] },
    'RSA with exponent 1': { keys: [{ ...rsa.jwk, e: exponent }] },
    'a point that is not on its curve': { keys: [{ ...key.jwk, x: other.jwk.x }] },
    'a point without y': { keys: [{ ...key.jwk, y: undefined }] },
    'the wrong curve': { keys: [{ ...key.jwk, crv: 'P-384', alg: 'ES384' }] },
    'an unknown curve': { keys: [{ ...key.jwk, crv: 'secp256k1', alg: undefined }] },
    'an algorithm that does not fit': { keys: [{ ...key.jwk, alg: 'RS256' }] },
    'an HMAC algorithm': { keys: [{ ...key.jwk, alg: 'HS256' }] },
    none: { keys: [{ ...key.jwk, alg: 'none' }] },
    'a key for key agreement': { keys: [x25519] },
    'a kid that is no text': { keys: [{ ...key.jwk, kid: 5 }] },
  }

  it.each(Object.keys(unusable))('%s', (what) => {
    const { urls, fetch } = createNoNetwork()
    const options = { issuer: ISSUER, audience: AUDIENCE, fetch, jwks: unusable[what] }
    const error = thrownBy(() => makeUncheckedVerifier(options))
    expect(error).toMatchObject({ code: 'ERR_CONFIGURATION' })
    expect(error.message).not.toMatch(/c2VjcmV0/)
    expect(error.message).not.toContain(String(privateJwk(key).d))
    expect(urls).toEqual([])
    // And the same in an array of issuers.
    const several = { audience: AUDIENCE, issuer: [{ issuer: ISSUER, jwks: unusable[what] }] }
    expect(thrownBy(() => makeUncheckedVerifier(several))).toMatchObject({ code: 'ERR_CONFIGURATION' })
  })

  it('while undefined is none, and a good one is good', async () => {
    const issuer = new ForgedIssuer(key)
    const options = { issuer: ISSUER, audience: AUDIENCE, fetch: issuer.fetch }
    await expect(
      makeUncheckedVerifier({ ...options, jwks: undefined }).verify(goodToken(key)),
    ).resolves.toBeDefined()
    expect(issuer.urls).toHaveLength(2)
    await expect(
      makeUncheckedVerifier({ ...options, jwks: { keys: [key.jwk] } }).verify(goodToken(key)),
    ).resolves.toBeDefined()
    expect(issuer.urls).toHaveLength(2)
  })
})

describe('the option "metadata": only the keys are fetched', () => {
  it('from where it says, and the metadata never', async () => {
    const issuer = new ForgedIssuer(key)
    const clock = new TestClock()
    const metadata = { issuer: ISSUER, jwks_uri: JWKS_URL, token_endpoint: 5, unknown: [1] }
    const verifier = makeVerifier(issuer, { metadata }, clock)
    expect(verifier.health().ready).toBe(false)
    await verifier.preload()
    expect(issuer.urls).toEqual([JWKS_URL])
    expect(verifier.health()).toMatchObject({ ready: true, keyIds: ['good'], keysAgeSeconds: 0 })
    expect(verifier.health()).not.toHaveProperty('metadataAgeSeconds')
    for (let hour = 0; hour < 48; hour++) {
      clock.advance(3600)
      await expect(verifier.verify(goodToken(key, { exp: clock.now() + 60 }))).resolves.toBeDefined()
    }
    expect(new Set(issuer.urls)).toEqual(new Set([JWKS_URL]))
    // Rotations are noticed all the same.
    issuer.publish(other.jwk)
    await expect(verifier.verify(goodToken(other, { exp: clock.now() + 60 }))).resolves.toBeDefined()
    expect(new Set(issuer.urls)).toEqual(new Set([JWKS_URL]))
  })

  it('U when these are not available; nothing else is tried', async () => {
    const issuer = new ForgedIssuer(key)
    issuer.jwks = () => new Response(null, { status: 404 })
    const metadata = { issuer: ISSUER, jwks_uri: JWKS_URL }
    const clock = new TestClock()
    const verifier = makeVerifier(issuer, { metadata }, clock)
    for (let n = 0; n < 3; n++) {
      await expectRefusal(verifier.verify(goodToken(key)), 'U', 'ERR_KEYS_UNAVAILABLE')
      clock.advance(120)
    }
    await expect(verifier.preload()).rejects.toBeInstanceOf(UnavailableError)
    expect(new Set(issuer.urls)).toEqual(new Set([JWKS_URL]))
  })

  it('is copied', async () => {
    const issuer = new ForgedIssuer(key)
    const metadata = { issuer: ISSUER, jwks_uri: JWKS_URL }
    const verifier = makeVerifier(issuer, { metadata })
    metadata.jwks_uri = 'https://evil.example/jwks'
    await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
    expect(issuer.urls).toEqual([JWKS_URL])
    expect(Object.isFrozen(metadata)).toBe(false)
  })

  it('says where tokens are introspected', async () => {
    const { urls, fetch } = createAnswering()
    const metadata = { issuer: ISSUER, jwks_uri: JWKS_URL, introspection_endpoint: INTROSPECTION_URL }
    const introspection = { when: 'always', clientId: 'api', clientSecret: 's' } as const
    const verifier = makeVerifier({ fetch }, { metadata, introspection })
    await expect(verifier.verify(goodToken(key))).resolves.toMatchObject({ verifiedBy: 'both' })
    expect(urls).toEqual([JWKS_URL, INTROSPECTION_URL])
  })

  it('yields to the more precise options', async () => {
    const { urls, fetch } = createAnswering()
    const verifier = makeVerifier(
      { fetch },
      {
        metadata: { issuer: ISSUER, jwks_uri: JWKS_URL, introspection_endpoint: INTROSPECTION_URL },
        jwksUri: 'https://keys.example/jwks',
        introspectionEndpoint: 'https://ask.example/introspect',
        introspection: { when: 'always', clientId: 'api', clientSecret: 's' },
      },
    )
    await expect(verifier.verify(goodToken(key))).resolves.toMatchObject({ verifiedBy: 'both' })
    expect(urls).toEqual(['https://keys.example/jwks', 'https://ask.example/introspect'])
  })
})

/** Answers as keys, metadata or introspection, by the end of the URL. */
function createAnswering() {
  const urls: string[] = []
  const fetch: FetchFunction = async (url) => {
    urls.push(url)
    if (url.endsWith('/jwks')) return Response.json({ keys: [key.jwk] })
    if (url.endsWith('/introspect')) return Response.json({ active: true })
    return Response.json({ issuer: ISSUER, jwks_uri: JWKS_URL, introspection_endpoint: INTROSPECTION_URL })
  }
  return { urls, fetch }
}

describe('the options "jwksUri" and "introspectionEndpoint": discovery is not needed', () => {
  it('keys come from there, and from nowhere else', async () => {
    const { urls, fetch } = createAnswering()
    const clock = new TestClock()
    const jwksUri = 'https://keys.example/jwks'
    const verifier = makeVerifier({ fetch }, { jwksUri }, clock)
    await verifier.preload()
    for (let hour = 0; hour < 24; hour++) {
      clock.advance(3600)
      await expect(verifier.verify(goodToken(key, { exp: clock.now() + 60 }))).resolves.toBeDefined()
    }
    expect(new Set(urls)).toEqual(new Set([jwksUri]))
    expect(urls).toHaveLength(25)
  })

  it('also when they are not there any more', async () => {
    const { urls, fetch } = createNoNetwork()
    const clock = new TestClock()
    const verifier = makeVerifier({ fetch }, { jwksUri: JWKS_URL }, clock)
    for (let n = 0; n < 5; n++) {
      await expectRefusal(verifier.verify(goodToken(key)), 'U', 'ERR_KEYS_UNAVAILABLE')
      clock.advance(120)
    }
    expect(new Set(urls)).toEqual(new Set([JWKS_URL]))
  })

  it('with both, not for introspection either', async () => {
    const { urls, fetch } = createAnswering()
    const verifier = makeVerifier(
      { fetch },
      {
        jwksUri: JWKS_URL,
        introspectionEndpoint: INTROSPECTION_URL,
        introspection: { when: 'always', clientId: 'api', clientSecret: 's' },
      },
    )
    await expect(verifier.verify(goodToken(key))).resolves.toMatchObject({ verifiedBy: 'both' })
    expect(urls).toEqual([JWKS_URL, INTROSPECTION_URL])
  })

  it('with the one, discovery serves the other', async () => {
    const { urls, fetch } = createAnswering()
    const introspection = { when: 'always', clientId: 'api', clientSecret: 's' } as const
    const keysKnown = makeVerifier({ fetch }, { jwksUri: 'https://keys.example/jwks', introspection })
    await keysKnown.verify(goodToken(key))
    expect(urls).toEqual(['https://keys.example/jwks', METADATA_URL, INTROSPECTION_URL])
    urls.length = 0
    const introspectionEndpoint = 'https://ask.example/introspect'
    const endpointKnown = makeVerifier({ fetch }, { introspectionEndpoint, introspection })
    await endpointKnown.verify(goodToken(key))
    expect(urls).toEqual([METADATA_URL, JWKS_URL, introspectionEndpoint])
  })

  it.each(['http://127.0.0.1:4010', 'http://localhost:4010', 'http://[::1]:4010', 'http://127.9.9.9'])(
    'D3: http on a loopback host is enough: %s',
    async (base) => {
      const { urls, fetch } = createAnswering()
      const introspection = { when: 'always', clientId: 'api', clientSecret: 's' } as const
      const endpoints = { jwksUri: `${base}/jwks`, introspectionEndpoint: `${base}/introspect` }
      await makeVerifier({ fetch }, { ...endpoints, introspection }).verify(goodToken(key))
      expect(urls).toEqual([endpoints.jwksUri, endpoints.introspectionEndpoint])
      urls.length = 0
      const metadata = {
        issuer: base,
        jwks_uri: endpoints.jwksUri,
        introspection_endpoint: endpoints.introspectionEndpoint,
      }
      await makeVerifier({ fetch }, { issuer: base, metadata, introspection }).verify(
        goodToken(key, { iss: base }),
      )
      expect(urls).toEqual([endpoints.jwksUri, endpoints.introspectionEndpoint])
    },
  )
})

describe('C: contradictions', () => {
  const jwks = { keys: [key.jwk] }
  const introspection = { clientId: 'api', clientSecret: 's' }
  const metadata = { issuer: ISSUER, jwks_uri: JWKS_URL, introspection_endpoint: INTROSPECTION_URL }
  const badUrls = [
    'http://issuer.example/jwks',
    'http://10.0.0.1/jwks',
    'http://127.0.0.1.example/jwks',
    'https://user:password@issuer.example/jwks',
    'ftp://issuer.example/jwks',
    'file:///etc/passwd',
    '/jwks',
    'issuer.example/jwks',
    ' https://issuer.example/jwks',
    '',
    5,
    null,
    {},
    ['https://issuer.example/jwks'],
    new URL('https://issuer.example/jwks'),
  ]
  const cases: Record<string, object> = {
    'jwks and jwksUri': { jwks, jwksUri: JWKS_URL },
    'jwks that no allowed algorithm can use': {
      jwks,
      algorithms: [key.algorithm === 'RS256' ? 'ES256' : 'RS256'],
    },
    'jwks and jwksUri, with metadata': { jwks, jwksUri: JWKS_URL, metadata },
    'metadata of another issuer': { metadata: { ...metadata, issuer: 'https://other.example' } },
    'metadata of almost this issuer': { metadata: { ...metadata, issuer: `${ISSUER}/` } },
    'metadata without an issuer': { metadata: { ...metadata, issuer: undefined } },
    'metadata of another issuer, with jwks': { jwks, metadata: { issuer: 'https://other.example' } },
    'metadata without jwks_uri': { metadata: { issuer: ISSUER } },
    'metadata with a jwks_uri that is no text': { metadata: { ...metadata, jwks_uri: 5 } },
    'metadata with jwks_uri over http': { metadata: { ...metadata, jwks_uri: 'http://issuer.example/jwks' } },
    'metadata: null': { metadata: null },
    'metadata: text': { metadata: JSON.stringify(metadata) },
    'metadata: array': { metadata: [metadata] },
    'introspectionEndpoint without introspection': { introspectionEndpoint: INTROSPECTION_URL },
    'introspectionEndpoint without introspection, with metadata': {
      metadata,
      introspectionEndpoint: INTROSPECTION_URL,
    },
    'introspectionEndpoint without introspection, with jwks': {
      jwks,
      introspectionEndpoint: INTROSPECTION_URL,
    },
    'introspection and metadata without introspection_endpoint': {
      introspection,
      metadata: { issuer: ISSUER, jwks_uri: JWKS_URL },
    },
    'introspection and metadata with introspection_endpoint over http': {
      introspection,
      metadata: { ...metadata, introspection_endpoint: 'http://issuer.example/introspect' },
    },
    'introspection, jwks, and metadata without introspection_endpoint': {
      jwks,
      introspection,
      metadata: { issuer: ISSUER },
    },
  }

  it.each(Object.keys(cases))('%s', (what) => {
    const { urls, fetch } = createNoNetwork()
    const options = { issuer: ISSUER, audience: AUDIENCE, fetch, ...cases[what] }
    expect(thrownBy(() => makeUncheckedVerifier(options))).toMatchObject({ code: 'ERR_CONFIGURATION' })
    const several = { audience: AUDIENCE, fetch, issuer: [{ issuer: ISSUER, ...cases[what] }] }
    expect(thrownBy(() => makeUncheckedVerifier(several))).toMatchObject({ code: 'ERR_CONFIGURATION' })
    expect(urls).toEqual([])
  })

  it.each(badUrls.map((url) => ({ url })))('a URL that is not secure: $url', ({ url }) => {
    for (const options of [{ jwksUri: url }, { introspection, introspectionEndpoint: url }]) {
      const error = thrownBy(() => makeUncheckedVerifier({ issuer: ISSUER, audience: AUDIENCE, ...options }))
      expect(error).toMatchObject({ code: 'ERR_CONFIGURATION' })
      expect(error.message).not.toContain('password')
    }
  })

  it('and what is none', () => {
    const { fetch } = createNoNetwork()
    for (const options of [
      { jwks, metadata },
      { jwks, metadata, introspection },
      { jwksUri: JWKS_URL, metadata: { issuer: ISSUER } },
      { introspection, metadata },
      { introspection, introspectionEndpoint: INTROSPECTION_URL },
      {
        introspection,
        metadata: { issuer: ISSUER, jwks_uri: JWKS_URL },
        introspectionEndpoint: INTROSPECTION_URL,
      },
      { jwks: undefined, jwksUri: JWKS_URL, metadata: undefined, introspectionEndpoint: undefined },
    ])
      expect(() => makeVerifier({ fetch }, options)).not.toThrow()
  })
})
