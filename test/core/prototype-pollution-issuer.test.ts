import type { FetchFunction, VerifierOptions } from '@telnyx-auth/core'
import { afterEach, describe, expect, it } from 'vitest'
import {
  expectRefusal,
  ForgedIssuer,
  goodToken,
  ISSUER,
  JWKS_URL,
  makeKey,
  makeVerifier,
  rejectionOf,
  TestClock,
} from '../support/forge.js'

/** Attack 46, for what comes from the issuer: what is put on `Object.prototype` is no member of a document or of a key. */

const key = makeKey('ES256', 'good')
const rsa = makeKey('RS256', 'rsa')
const evil = makeKey('ES256', 'evil')
const token = goodToken(key)

/** Members of documents and of keys, with values that would change a decision. */
const members: Readonly<Record<string, unknown>> = {
  issuer: 'https://evil.example',
  jwks_uri: 'https://evil.example/jwks',
  introspection_endpoint: 'https://evil.example/introspect',
  kid: 'evil',
  use: 'enc',
  key_ops: ['sign'],
  alg: 'HS256',
  kty: 'oct',
  crv: 'P-384',
  d: 'AQ',
  p: 'AQ',
  oth: [],
  k: 'c2VjcmV0',
  priv: 'AQ',
  n: 'AQ',
  e: 'AQ',
  x: 'AQ',
  y: 'AQ',
  ext: false,
  body: 'x',
  age: '999999',
  etag: '"x"',
  'cache-control': 'no-store',
  'if-none-match': '"x"',
  form: 'x',
  loaded: 'x',
}

const polluted: string[] = []
function pollute(name: string): void {
  Object.defineProperty(Object.prototype, name, {
    value: members[name],
    configurable: true,
    writable: true,
    enumerable: true,
  })
  polluted.push(name)
}
afterEach(() => {
  for (const name of polluted.splice(0)) Reflect.deleteProperty(Object.prototype, name)
})

const MOMENTS = ['before the start', 'after the start'] as const
const cases = Object.keys(members).flatMap((name) => MOMENTS.map((moment) => ({ name, moment })))

/** A verifier, polluted at that moment, and what was asked. */
function start(
  { name, moment }: { name: string; moment: string },
  issuer: ForgedIssuer,
  options: VerifierOptions = {},
) {
  if (moment === 'before the start') pollute(name)
  // Documents are asked for with GET.
  const fetch: FetchFunction = async (url, init) =>
    init.method === 'GET' ? issuer.fetch(url, init) : new Response(null, { status: 405 })
  const verifier = makeVerifier({ fetch }, options)
  if (moment === 'after the start') pollute(name)
  return verifier
}

describe('attack 46: documents of the issuer', () => {
  it.each(cases)('A: nothing changes with "$name" polluted $moment', async (each) => {
    const issuer = new ForgedIssuer(key, rsa)
    issuer.publish({ ...key.jwk, use: undefined, alg: undefined }, rsa.jwk, {
      ...rsa.jwk,
      kid: 'bad',
      use: 'enc',
    })
    const verifier = start(each, issuer)
    const claims = await verifier.verify(token)
    expect(claims.subject).toBe('user-1')
    await expect(verifier.verify(goodToken(rsa))).resolves.toBeDefined()
    expect(verifier.health()).toMatchObject({
      keyIds: ['good', 'rsa'],
      keysLeftOut: [{ kid: 'bad', reason: 'use' }],
    })
    expect(issuer.urls.filter((url) => !url.startsWith(ISSUER))).toEqual([])
  })

  it.each(cases)('A: nor with the option "jwks", with "$name" polluted $moment', async (each) => {
    const jwks = { keys: [{ ...key.jwk, use: undefined, alg: undefined }] }
    const verifier = start(each, new ForgedIssuer(), { jwks })
    await expect(verifier.verify(token)).resolves.toBeDefined()
    await expectRefusal(verifier.verify(goodToken(evil)), 'R', 'ERR_KEY_NOT_FOUND')
  })

  it.each(MOMENTS)('U: metadata without "issuer" or "jwks_uri" have none, polluted %s', async (moment) => {
    for (const [name, value] of [
      ['issuer', ISSUER],
      ['jwks_uri', JWKS_URL],
    ] as const) {
      const issuer = new ForgedIssuer(key)
      const all = { issuer: ISSUER, jwks_uri: JWKS_URL }
      issuer.metadata = () =>
        new Response(
          JSON.stringify(
            all,
            Object.keys(all).filter((each) => each !== name),
          ),
        )
      const create = () => makeVerifier(issuer)
      const early = moment === 'after the start' ? create() : undefined
      Object.defineProperty(Object.prototype, name, {
        value,
        configurable: true,
        enumerable: true,
        writable: true,
      })
      polluted.push(name)
      const error = await rejectionOf((early ?? create()).verify(token))
      expect(error.code).toBe('ERR_DISCOVERY_FAILED')
      Reflect.deleteProperty(Object.prototype, name)
    }
  })

  it.each(MOMENTS)('U: a JWK Set without "keys" has none, polluted %s', async (moment) => {
    const issuer = new ForgedIssuer()
    issuer.jwks = () => new Response('{}')
    // Before the start, "keys" is an option as well: an inherited one is refused.
    if (moment === 'before the start') return
    const verifier = makeVerifier(issuer)
    Object.defineProperty(Object.prototype, 'keys', { value: [evil.jwk], configurable: true, writable: true })
    polluted.push('keys')
    await expectRefusal(verifier.verify(goodToken(evil)), 'U', 'ERR_KEYS_UNAVAILABLE')
  })

  it.each(MOMENTS)('C, U: the option "metadata" does not inherit, polluted %s', async (moment) => {
    const issuer = new ForgedIssuer(key)
    const metadata = { issuer: ISSUER, jwks_uri: JWKS_URL }
    const verifier = start({ name: 'introspection_endpoint', moment }, issuer, { metadata })
    await expect(verifier.verify(token)).resolves.toBeDefined()
  })

  it('A: keys that are refreshed while it is polluted stay', async () => {
    for (const name of Object.keys(members)) {
      const issuer = new ForgedIssuer(key)
      const clock = new TestClock()
      const verifier = makeVerifier(issuer, {}, clock)
      await verifier.verify(token)
      pollute(name)
      clock.advance(301)
      await verifier.verify(token)
      expect(verifier.health()).toMatchObject({ stale: false, keyIds: ['good'] })
      Reflect.deleteProperty(Object.prototype, name)
    }
  })
})
