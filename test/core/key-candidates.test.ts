import { describe, expect, it } from 'vitest'
import {
  expectRefusal,
  ForgedIssuer,
  goodToken,
  makeKey,
  makeVerifier,
  rejectionOf,
} from '../support/forge.js'

/** Attack 20: how many keys are tried for one token. */

const keys = Array.from({ length: 21 }, (_, n) => makeKey('ES256', `k${n}`))
const nameless = makeKey('ES256', 'nameless')
const stranger = makeKey('ES256', 'stranger')
const withoutKid = (key = stranger) => goodToken(key, {}, { kid: undefined })

/** Counts the signature checks of a piece of work. */
async function countChecks(work: () => Promise<unknown>): Promise<number> {
  const { verify } = crypto.subtle
  let checks = 0
  crypto.subtle.verify = (...given) => {
    checks++
    return Reflect.apply(verify, crypto.subtle, given)
  }
  try {
    await work()
  } finally {
    crypto.subtle.verify = verify
  }
  return checks
}

describe('attack 20: a token without a kid', () => {
  it.each([1, 2, 5, 8])('A: is tried with all of %d keys', async (count) => {
    const verifier = makeVerifier(new ForgedIssuer(...keys.slice(0, count)))
    for (const key of keys.slice(0, count))
      await expect(verifier.verify(withoutKid(key))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(withoutKid()), 'R', 'ERR_SIGNATURE_INVALID')
  })

  it('of 21 keys, eight are tried; that the others are not is said, and no wrong signature', async () => {
    const verifier = makeVerifier(new ForgedIssuer(...keys))
    await verifier.preload()
    // After the refetches that it may have.
    for (let n = 0; n < 3; n++) await rejectionOf(verifier.verify(withoutKid()))
    const checks = await countChecks(async () => {
      const error = await rejectionOf(verifier.verify(withoutKid()))
      expect(error).toMatchObject({ code: 'ERR_KEY_NOT_FOUND', reason: 'too-many-candidates', status: 401 })
    })
    expect(checks).toBe(8)
    await expect(verifier.verify(withoutKid(keys[7]))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(withoutKid(keys[8])), 'R', 'ERR_KEY_NOT_FOUND')
    // With its kid, every key works.
    for (const key of keys) await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
  })

  it('keys without a kid, which no other token can find, are tried first', async () => {
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

  it('of 21 keys with one kid, eight are tried; the others are told as left out', async () => {
    const verifier = makeVerifier(new ForgedIssuer(...twins))
    await verifier.preload()
    for (const twin of twins.slice(0, 8))
      await expect(verifier.verify(goodToken(twin))).resolves.toBeDefined()
    const checks = await countChecks(() =>
      rejectionOf(verifier.verify(goodToken({ ...stranger, kid: 'twin' }))),
    )
    expect(checks).toBe(8)
    await expectRefusal(
      verifier.verify(goodToken({ ...stranger, kid: 'twin' })),
      'R',
      'ERR_SIGNATURE_INVALID',
    )
    expect(verifier.health().keysLeftOut).toEqual(
      Array.from({ length: 13 }, () => ({ kid: 'twin', reason: 'too-many' })),
    )
  })

  it('A: the same key again and again is one', async () => {
    const issuer = new ForgedIssuer()
    issuer.publish(...Array.from({ length: 50 }, () => keys[0]?.jwk), keys[1]?.jwk)
    const verifier = makeVerifier(issuer)
    for (const key of keys.slice(0, 2)) await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
    expect(verifier.health()).not.toHaveProperty('keysLeftOut')
  })
})
