import { generateKeyPairSync } from 'node:crypto'
import { watch } from '@telnyx-auth/core'
import { afterEach, describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  expectRefusal,
  ForgedIssuer,
  goodToken,
  ISSUER,
  JWKS_URL,
  makeKey,
  makeUncheckedVerifier,
  makeVerifier,
  privateJwk,
  rejectionOf,
  TestClock,
} from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'
import { replaceVerify } from '../support/signature-checks.js'

/** Operators are told which members of a JWK Set are not used, and why. */

const key = makeKey('ES256', 'good')
const rsa = makeKey('RS256', 'rsa')
const ed = makeKey('EdDSA', 'ed')
const x25519 = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })
const { alg: _, ...withoutAlg } = { ...key.jwk }

/** A member, and the reason why it is left out. */
const members: Readonly<Record<string, readonly [unknown, string]>> = {
  null: [null, 'not-an-object'],
  'a string': ['key', 'not-an-object'],
  'an array': [[key.jwk], 'not-an-object'],
  'a private key': [privateJwk(key), 'private'],
  'an empty "oth"': [{ ...rsa.jwk, oth: [] }, 'private'],
  'a private member of null': [{ ...rsa.jwk, d: null }, 'private'],
  'a symmetric key': [{ kty: 'oct', k: 'c2VjcmV0', alg: 'HS256' }, 'symmetric'],
  'a symmetric member': [{ ...key.jwk, k: 'c2VjcmV0' }, 'symmetric'],
  'a kid that is a number': [{ ...key.jwk, kid: 5 }, 'kid'],
  'use "enc"': [{ ...key.jwk, use: 'enc' }, 'use'],
  'use null': [{ ...key.jwk, use: null }, 'use'],
  'an empty "key_ops"': [{ ...key.jwk, key_ops: [] }, 'key-ops'],
  'key_ops to sign': [{ ...key.jwk, key_ops: ['sign'] }, 'key-ops'],
  'no kty': [{ ...key.jwk, kty: undefined }, 'unknown-type'],
  'an unknown kty': [{ ...key.jwk, kty: 'ML-DSA' }, 'unknown-type'],
  'an unknown curve': [{ ...withoutAlg, crv: 'secp256k1' }, 'unknown-type'],
  'a key for key agreement': [x25519, 'unknown-type'],
  'the alg of another type': [{ ...key.jwk, alg: 'RS256' }, 'alg-mismatch'],
  'the alg of another curve': [{ ...key.jwk, alg: 'ES384' }, 'alg-mismatch'],
  'alg "none"': [{ ...rsa.jwk, alg: 'none' }, 'alg-mismatch'],
  'RSA of 1024 bits': [makeKey('RS256', 'weak', { modulusLength: 1024 }).jwk, 'weak-rsa'],
  'an even modulus': [{ ...rsa.jwk, n: Buffer.alloc(256, 0xf0).toString('base64url') }, 'weak-rsa'],
  'a modulus that no library takes': [
    { ...rsa.jwk, n: Buffer.alloc(2049, 0xf1).toString('base64url') },
    'rsa-too-large',
  ],
  'an exponent of 1': [{ ...rsa.jwk, e: 'AQ' }, 'rsa-exponent'],
  'an even exponent': [{ ...rsa.jwk, e: 'AQAA' }, 'rsa-exponent'],
  'an exponent of 72 bits': [{ ...rsa.jwk, e: Buffer.alloc(9, 3).toString('base64url') }, 'rsa-exponent'],
  'no modulus': [{ ...rsa.jwk, n: undefined }, 'malformed'],
  'a point off its curve': [{ ...key.jwk, x: key.jwk.y }, 'malformed'],
  'an Ed25519 key cut short': [{ ...ed.jwk, x: 'AQ' }, 'malformed'],
  'a point of small order': [{ ...ed.jwk, x: `AQ${'A'.repeat(41)}` }, 'small-order'],
}
const cases = Object.entries(members).map(([what, [member, reason]]) => ({ what, member, reason }))

function record() {
  const events: object[] = []
  const stop = watch('keysRefreshed', (event) => events.push(event))
  stops.push(stop)
  return events
}
const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

describe('attack 38: keys that are left out are reported with the reason', () => {
  it.each(cases)('in a set: $what ($reason)', async ({ member, reason }) => {
    const issuer = new ForgedIssuer()
    issuer.publish(member, key.jwk)
    const events = record()
    const verifier = makeVerifier(issuer)
    await verifier.verify(goodToken(key))
    const kid = Object(member).kid
    const leftOut = [{ ...(typeof kid === 'string' && { kid }), reason }]
    expect(events).toMatchObject([{ keyIds: ['good'], keysLeftOut: leftOut }])
    expect(verifier.health()).toMatchObject({ keyIds: ['good'], keysLeftOut: leftOut })
  })

  it.each(cases)('U: as the only key of a set: $what ($reason)', async ({ member, reason }) => {
    const issuer = new ForgedIssuer()
    issuer.publish(member)
    const verifier = makeVerifier(issuer)
    const error = await rejectionOf(verifier.verify(goodToken(key)))
    expect(error).toMatchObject({ code: 'ERR_KEYS_UNAVAILABLE', reason: 'no-usable-key' })
    expect(verifier.health().lastFailure).toMatchObject({
      reason: 'no-usable-key',
      message: expect.stringContaining(`#1 ${reason} (`),
    })
  })

  it.each(cases)('C: as the only key of the option "jwks": $what ($reason)', ({ member, reason }) => {
    const options = { issuer: ISSUER, audience: AUDIENCE, jwks: { keys: [member] } }
    const error = thrownBy(() => makeUncheckedVerifier(options))
    expect(error).toMatchObject({ code: 'ERR_CONFIGURATION' })
    expect(error.message).toContain(`#1 ${reason} (`)
    expect(error.message).not.toContain('c2VjcmV0')
  })

  it('A: nothing is reported when no key is left out', async () => {
    const events = record()
    const verifier = makeVerifier(new ForgedIssuer(key, rsa))
    await verifier.verify(goodToken(key))
    expect(events[0]).not.toHaveProperty('keysLeftOut')
    expect(verifier.health()).not.toHaveProperty('keysLeftOut')
  })

  it('an empty set and a value that is not a set are described as such', async () => {
    const issuer = new ForgedIssuer()
    const verifier = makeVerifier(issuer)
    await rejectionOf(verifier.preload())
    expect(verifier.health().lastFailure).toMatchObject({
      reason: 'no-usable-key',
      message: 'The JWK Set is empty',
    })
    issuer.jwks = () => Response.json({ Keys: [key.jwk] })
    const other = makeVerifier(issuer)
    await rejectionOf(other.preload())
    expect(other.health().lastFailure).toMatchObject({
      reason: 'invalid-document',
      message: 'The document is not a JWK Set',
    })
  })

  it('a kid is reported only when it is plausible', async () => {
    const issuer = new ForgedIssuer()
    const kids = ['a b', '"', '\u001b[31m', 'x'.repeat(257), '', 'https://k.example/1', 'a']
    issuer.publish(...kids.map((kid) => ({ ...key.jwk, kid, use: 'enc' })), key.jwk)
    const verifier = makeVerifier(issuer)
    await verifier.verify(goodToken(key))
    expect(verifier.health().keysLeftOut?.map(({ kid }) => kid)).toEqual([
      ...Array.from({ length: 5 }, () => undefined),
      'https://k.example/1',
      'a',
    ])
  })

  it('of a thousand, twenty are reported; five are described in words', async () => {
    const issuer = new ForgedIssuer()
    const many = Array.from({ length: 1000 }, (_, n) => ({ ...key.jwk, kid: `k${n}`, use: 'enc' }))
    issuer.publish(...many, key.jwk)
    const verifier = makeVerifier(issuer)
    await verifier.verify(goodToken(key))
    expect(verifier.health().keysLeftOut).toHaveLength(20)
    issuer.publish(...many)
    const other = makeVerifier(issuer)
    await rejectionOf(other.preload())
    expect(other.health().lastFailure?.message).toMatch(/#5 use .* and 995 more$/)
  })

  it('a refresh with the same set reports the same; one with a better set reports nothing', async () => {
    const issuer = new ForgedIssuer()
    issuer.publish({ ...key.jwk, kid: 'bad', use: 'enc' }, key.jwk)
    const clock = new TestClock()
    const verifier = makeVerifier(issuer, {}, clock)
    await verifier.verify(goodToken(key))
    clock.advance(301)
    await verifier.verify(goodToken(key))
    expect(verifier.health()).toMatchObject({ keysLeftOut: [{ kid: 'bad', reason: 'use' }] })
    issuer.publish(key.jwk)
    clock.advance(301)
    await verifier.verify(goodToken(key))
    expect(verifier.health()).not.toHaveProperty('keysLeftOut')
  })
})

describe('a key that the engine cannot use', () => {
  /** As with an OpenSSL that lacks the algorithm, or forbids it in FIPS mode. */
  function breakVerify(isBroken: (digest: unknown) => boolean = () => true): void {
    replaceVerify((original) => (...given) => {
      if (isBroken(given[0])) throw new Error('no such algorithm')
      return original(...given)
    })
  }

  it('U: as the only key of the option "jwks", it is reported, and the verifier is not ready', async () => {
    breakVerify()
    const fetch = () => Promise.reject(new TypeError('There is no network'))
    const verifier = makeVerifier({ fetch }, { jwks: { keys: [key.jwk] } })
    await expectRefusal(verifier.verify(goodToken(key)), 'U', 'ERR_KEYS_UNAVAILABLE')
    expect(verifier.health()).toMatchObject({
      ready: false,
      keyIds: [],
      lastFailure: {
        reason: 'no-usable-key',
        message:
          'The JWK Set holds no key that can be used: #1 import-failed (this runtime cannot import it)',
      },
    })
  })

  it('A: the other keys of the option "jwks" work, and it is reported', async () => {
    breakVerify((digest) => digest === null)
    const fetch = () => Promise.reject(new TypeError('There is no network'))
    const verifier = makeVerifier({ fetch }, { jwks: { keys: [ed.jwk, key.jwk] } })
    await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(goodToken(ed)), 'R', 'ERR_KEY_NOT_FOUND')
    expect(verifier.health()).toMatchObject({
      ready: true,
      keysLeftOut: [{ kid: 'ed', reason: 'import-failed' }],
    })
  })

  it('U: as the only key of a fetched set', async () => {
    breakVerify()
    const verifier = makeVerifier(new ForgedIssuer(key))
    await expectRefusal(verifier.verify(goodToken(key)), 'U', 'ERR_KEYS_UNAVAILABLE')
    expect(verifier.health().lastFailure).toMatchObject({ reason: 'no-usable-key' })
  })

  it('A: unknown members beside the key material do not matter', async () => {
    const jwk = {
      ...key.jwk,
      ext: 'x',
      x5c: 5,
      x5t: null,
      key_ops: ['verify', 'verify', 'x'],
      alg: undefined,
    }
    const verifier = makeVerifier(new ForgedIssuer(), { jwks: { keys: [jwk] } })
    await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
  })
})

describe('C: the option "jwks" needs a key with an allowed algorithm', () => {
  it('the error says that no key has an allowed algorithm', () => {
    const options = {
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: { keys: [key.jwk, null] },
      algorithms: ['RS256'],
    }
    const { message } = thrownBy(() => makeUncheckedVerifier(options))
    expect(message).toContain('#1 algorithm-not-allowed')
    expect(message).toContain('#2 not-an-object')
  })

  it('A: one of two keys has one', async () => {
    const verifier = makeVerifier(new ForgedIssuer(), {
      jwks: { keys: [key.jwk, rsa.jwk] },
      algorithms: ['RS256'],
    })
    await expect(verifier.verify(goodToken(rsa))).resolves.toBeDefined()
    expect(verifier.health().ready).toBe(true)
  })
})

it('keys from the option "jwksUri" are judged like discovered ones', async () => {
  const issuer = new ForgedIssuer(key)
  const verifier = makeVerifier(issuer, { jwksUri: JWKS_URL })
  await expect(verifier.verify(goodToken(key))).resolves.toBeDefined()
})
