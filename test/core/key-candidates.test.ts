import { describe, expect, it } from 'vitest'
import {
  expectRefusal,
  ForgedIssuer,
  goodToken,
  makeKey,
  makeVerifier,
  rejectionOf,
} from '../support/forge.js'
import { countSignatureChecks } from '../support/signature-checks.js'

/** Attack 20: how many keys are tried for one token. */

const keys = Array.from({ length: 21 }, (_, n) => makeKey('ES256', `k${n}`))
const nameless = makeKey('ES256', 'nameless')
const stranger = makeKey('ES256', 'stranger')
const withoutKid = (key = stranger) => goodToken(key, {}, { kid: undefined })

describe('attack 20: a token without a kid', () => {
  it.each([1, 2, 5, 8])('A: is tried with all of %d keys', async (count) => {
    const verifier = makeVerifier(new ForgedIssuer(...keys.slice(0, count)))
    for (const key of keys.slice(0, count))
      await expect(verifier.verify(withoutKid(key))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(withoutKid()), 'R', 'ERR_SIGNATURE_INVALID')
  })

  it('of 21 keys, eight are tried; the reason says so, instead of calling the signature wrong', async () => {
    const verifier = makeVerifier(new ForgedIssuer(...keys))
    await verifier.preload()
    // After the refetches that it may have.
    for (let n = 0; n < 3; n++) await rejectionOf(verifier.verify(withoutKid()))
    const checks = countSignatureChecks()
    const error = await rejectionOf(verifier.verify(withoutKid()))
    expect(error).toMatchObject({ code: 'ERR_KEY_NOT_FOUND', reason: 'too-many-candidates', status: 401 })
    expect(checks).toHaveBeenCalledTimes(8)
    await expect(verifier.verify(withoutKid(keys[7]))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(withoutKid(keys[8])), 'R', 'ERR_KEY_NOT_FOUND')
    // With its kid, every key works.
    for (const key of keys) await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
  })

  it('keys without a kid are tried first: no other token can name them', async () => {
    const issuer = new ForgedIssuer()
    issuer.publish(...keys.map(({ jwk }) => jwk), { ...nameless.jwk, kid: undefined })
    await expect(makeVerifier(issuer).verify(withoutKid(nameless))).resolves.toBeDefined()
  })

  it('keys of other algorithms are not counted', async () => {
    const rsa = makeKey('RS256', 'rsa')
    const issuer = new ForgedIssuer(...keys, rsa)
    await expect(makeVerifier(issuer).verify(withoutKid(rsa))).resolves.toBeDefined()
  })

  it('introspection decides where not all keys were tried', async () => {
    const documents = new ForgedIssuer(...keys)
    const fetch: ForgedIssuer['fetch'] = async (url, init) =>
      url.endsWith('/introspect') ? Response.json({ active: true }) : documents.fetch(url, init)
    const verifier = makeVerifier(
      { fetch },
      {
        introspectionEndpoint: 'https://issuer.example/introspect',
        introspection: { clientId: 'api', clientSecret: 's' },
      },
    )
    await expect(verifier.verify(withoutKid(keys[20]))).resolves.toMatchObject({
      verifiedBy: 'introspection',
    })
  })
})

describe('attack 39: a repeated kid', () => {
  const twins = keys.map((key) => ({ ...key, kid: 'twin', jwk: { ...key.jwk, kid: 'twin' } }))

  it('of 21 keys with one kid, eight are tried; the others are reported as left out', async () => {
    const verifier = makeVerifier(new ForgedIssuer(...twins))
    await verifier.preload()
    for (const twin of twins.slice(0, 8))
      await expect(verifier.verify(goodToken(twin))).resolves.toBeDefined()
    const checks = countSignatureChecks()
    await rejectionOf(verifier.verify(goodToken({ ...stranger, kid: 'twin' })))
    expect(checks).toHaveBeenCalledTimes(8)
    await expectRefusal(
      verifier.verify(goodToken({ ...stranger, kid: 'twin' })),
      'R',
      'ERR_SIGNATURE_INVALID',
    )
    expect(verifier.health().keysLeftOut).toEqual(
      Array.from({ length: 13 }, () => ({ kid: 'twin', reason: 'too-many' })),
    )
  })

  it('A: a key that is published fifty times counts once', async () => {
    const issuer = new ForgedIssuer()
    issuer.publish(...Array.from({ length: 50 }, () => keys[0]?.jwk), keys[1]?.jwk)
    const verifier = makeVerifier(issuer)
    for (const key of keys.slice(0, 2)) await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
    expect(verifier.health()).not.toHaveProperty('keysLeftOut')
  })
})
