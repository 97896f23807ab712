import { describe, expect, it } from 'vitest'
import {
  isPending,
  lifetimeOf,
  NO_BOUND_TOKENS,
  resolveOptions,
  type Signed,
  TrustedIssuer,
} from '../../packages/core/src/testing.js'
import { settle } from '../support/event-loop.js'
import { codeOf, createPair, errorOf, stopTimers, thrownBy } from '../support/outcome.js'
import { replaceVerify } from '../support/signature-checks.js'

const MINUTE = 60
const DAY = 24 * 60 * 60

function signedPartsOf(token: string): Signed {
  const end = token.lastIndexOf('.')
  const signature = Buffer.from(token.slice(end + 1), 'base64url')
  return { signingInput: Buffer.from(token.slice(0, end)), signature }
}

describe('the first fetch', () => {
  it('fetches nothing at creation', async () => {
    const { issuer, verifier } = await createPair()
    expect(verifier.health()).toMatchObject({ ready: false, keyIds: [] })
    expect(issuer.requests).toMatchObject({ metadata: { count: 0 }, jwks: { count: 0 } })
  })

  it('makes one metadata and one JWKS request for 1,000 simultaneous first verifications', async () => {
    const { issuer, verifier } = await createPair()
    const tokens = await Promise.all(Array.from({ length: 1000 }, () => issuer.issueToken()))
    const results = await Promise.all(tokens.map((token) => verifier.verify(token)))
    expect(new Set(results.map(({ token }) => token)).size).toBe(1000)
    expect(issuer.requests).toMatchObject({ metadata: { count: 1 }, jwks: { count: 1 } })
  })

  it('preload() makes them before the first token', async () => {
    const { issuer, verifier } = await createPair()
    await verifier.preload()
    expect(verifier.health()).toMatchObject({ ready: true, keysAgeSeconds: 0, metadataAgeSeconds: 0 })
    await verifier.verify(await issuer.issueToken())
    expect(issuer.requests).toMatchObject({ metadata: { count: 1 }, jwks: { count: 1 } })
  })

  it('does not ask twice for a first token with an unknown key', async () => {
    const { issuer, verifier } = await createPair()
    expect(await codeOf(verifier.verify(await issuer.issueToken({ header: { kid: 'unknown' } })))).toBe(
      'ERR_KEY_NOT_FOUND',
    )
    expect(issuer.requests.jwks.count).toBe(1)
  })
})

describe('lifetime', () => {
  it.each([
    [null, 300_000],
    ['no-store', 60_000],
    ['max-age=600', 600_000],
    ['public, max-age=600, must-revalidate', 600_000],
    ['Max-Age="600"', 600_000],
    ['max-age=1', 60_000],
    ['max-age=0', 60_000],
    ['max-age=999999999', 86_400_000],
    ['s-maxage=600', 300_000],
    ['x-max-age=600', 300_000],
    ['max-age=-5', 300_000],
    ['max-age=soon', 300_000],
  ])('Cache-Control %j: %i ms', (header, lifetimeMs) => {
    expect(lifetimeOf({ cacheControl: header, age: null }, 300_000)).toBe(lifetimeMs)
  })

  it('keeps keys for their lifetime, and asks again after it', async () => {
    const { clock, issuer, verifier } = await createPair()
    await verifier.preload()
    clock.advance(3 * MINUTE)
    await verifier.verify(await issuer.issueToken())
    expect(issuer.requests.jwks.count).toBe(1)
    clock.advance(3 * MINUTE)
    await verifier.verify(await issuer.issueToken())
    expect(issuer.requests).toMatchObject({ metadata: { count: 1 }, jwks: { count: 2 } })
  })

  it('refreshes in the background when most of the lifetime is used', async () => {
    stopTimers()
    const { clock, issuer, verifier } = await createPair()
    await verifier.preload()
    issuer.fault('jwks', { silence: true, times: 1 })
    clock.advance(3.9 * MINUTE)
    await verifier.verify(await issuer.issueToken())
    expect(issuer.requests.jwks.count).toBe(1)
    clock.advance(0.1 * MINUTE)
    // It does not wait for the refresh that it starts.
    await verifier.verify(await issuer.issueToken())
    expect(issuer.requests.jwks.count).toBe(2)
  })

  it('asks for the metadata again after an hour, when keys are fetched', async () => {
    const { clock, issuer, verifier } = await createPair()
    await verifier.preload()
    // A busy service: four minutes into their lifetime of five, use refreshes the keys.
    for (let minutes = 4; minutes < 60; minutes += 4) {
      clock.advance(4 * MINUTE)
      await verifier.verify(await issuer.issueToken())
      await settle()
    }
    expect(issuer.requests.metadata.count).toBeGreaterThan(1)
    clock.advance(60 * MINUTE)
    const { count } = issuer.requests.metadata
    await verifier.verify(await issuer.issueToken())
    expect(issuer.requests.metadata.count).toBe(count + 1)
  })

  it('a key that was withdrawn is refused once the keys were fetched again', async () => {
    const { clock, issuer, verifier } = await createPair()
    const token = await issuer.issueToken()
    await verifier.verify(token)
    await issuer.rotateKeys({ keepOld: false })
    clock.advance(5 * MINUTE)
    expect(await codeOf(verifier.verify(token))).toBe('ERR_KEY_NOT_FOUND')
  })

  it('a key withdrawn in quiet times is refused, even when the last refresh failed, long ago', async () => {
    const { clock, issuer, verifier } = await createPair()
    await verifier.preload()
    const old = await issuer.issueToken({ expiresInSeconds: DAY })
    await issuer.rotateKeys({ keepOld: false })
    issuer.fault('jwks', { status: 500, times: 2 })
    expect(await codeOf(verifier.verify(await issuer.issueToken()))).toBe('ERR_KEYS_UNAVAILABLE')
    clock.advance(600 * MINUTE)
    expect(await codeOf(verifier.verify(old))).toBe('ERR_KEY_NOT_FOUND')
  })

  it('a jump of the wall clock does not change the age of the keys', async () => {
    const { clock, issuer, verifier } = await createPair()
    await verifier.preload()
    clock.advanceWall(DAY)
    await verifier.verify(await issuer.issueToken())
    clock.advanceWall(-2 * DAY)
    await verifier.verify(await issuer.issueToken())
    expect(issuer.requests.jwks.count).toBe(1)
  })
})

describe('unknown keys', () => {
  it.each([true, false])(
    'accepts the first token of a new key after one request (keepOld: %s)',
    async (keepOld) => {
      const { issuer, verifier } = await createPair()
      await verifier.preload()
      const kid = await issuer.rotateKeys({ keepOld })
      const tokens = await Promise.all(Array.from({ length: 50 }, () => issuer.issueToken()))
      await Promise.all(tokens.map((token) => verifier.verify(token)))
      expect(issuer.requests).toMatchObject({ metadata: { count: 1 }, jwks: { count: 2 } })
      expect(verifier.health().keyIds).toContain(kid)
    },
  )

  it('fetches at most twice in 30 seconds for any number of them, and serves good tokens meanwhile', async () => {
    // The third and later ones were not looked up in keys fetched for them, so nothing is decided about them.
    const { clock, issuer, verifier } = await createPair()
    await verifier.preload()
    const good = await issuer.issueToken()
    for (let n = 0; n < 100; n++) {
      const unknown = await issuer.issueToken({ header: { kid: `unknown-${n}` } })
      expect(await codeOf(verifier.verify(unknown))).toBe(
        n < 2 ? 'ERR_KEY_NOT_FOUND' : 'ERR_KEYS_UNAVAILABLE',
      )
      await verifier.verify(good)
    }
    expect(issuer.requests.jwks.count).toBe(3)
    const another = await issuer.issueToken({ header: { kid: 'another' } })
    clock.advance(29.9)
    await codeOf(verifier.verify(another))
    expect(issuer.requests.jwks.count).toBe(3)
    clock.advance(0.1)
    await codeOf(verifier.verify(another))
    expect(issuer.requests.jwks.count).toBe(4)
  })

  it.each(['a'.repeat(10_240), "' OR 1=1 --", '$(reboot)', '../../../etc/passwd', 'a b', '', 'é', '\u0000'])(
    'attack 19: refetches nothing for an implausible kid: %j',
    async (kid) => {
      const { issuer, verifier } = await createPair()
      await verifier.preload()
      expect(await codeOf(verifier.verify(await issuer.issueToken({ header: { kid } })))).toBe(
        'ERR_KEY_NOT_FOUND',
      )
      expect(issuer.requests.jwks.count).toBe(1)
    },
  )

  it('answers 503 for an unknown key while the issuer fails', async () => {
    const { issuer, verifier } = await createPair()
    await verifier.preload()
    await issuer.rotateKeys()
    issuer.fault('jwks', { status: 500 })
    expect(await codeOf(verifier.verify(await issuer.issueToken()))).toBe('ERR_KEYS_UNAVAILABLE')
  })
})

describe('outage', () => {
  it('asks for a new key after growing pauses, and sends Retry-After', async () => {
    const { clock, issuer, verifier } = await createPair()
    await verifier.preload()
    await issuer.rotateKeys()
    const newer = await issuer.issueToken()
    issuer.fault('jwks', { status: 500 })
    // The second request is a retry. There are no more than two in 30 seconds.
    for (const [requests, pause] of [
      [2, 30],
      [3, 10],
      [4, 20],
    ] as const) {
      for (let n = 0; n < 10; n++)
        expect(await errorOf(verifier.verify(newer))).toMatchObject({
          code: 'ERR_KEYS_UNAVAILABLE',
          headers: { 'Retry-After': String(pause) },
        })
      expect(issuer.requests.jwks.count).toBe(1 + requests)
      clock.advance(pause)
    }
    issuer.clearFaults()
    await verifier.verify(newer)
  })

  it('uses stale keys for a day past their lifetime', async () => {
    const { clock, issuer, verifier } = await createPair()
    await verifier.preload()
    issuer.fault('jwks', { drop: true })
    for (let hour = 0; hour < 24; hour++) {
      clock.advance(60 * MINUTE)
      await verifier.verify(await issuer.issueToken())
    }
    expect(verifier.health()).toMatchObject({ ready: true, stale: true, lastFailure: { reason: 'network' } })
    clock.advance(60 * MINUTE)
    const error = await errorOf(verifier.verify(await issuer.issueToken()))
    expect(error).toMatchObject({ code: 'ERR_KEYS_UNAVAILABLE', status: 503 })
    expect(verifier.health()).toMatchObject({ ready: false, stale: true })

    issuer.clearFaults()
    clock.advance(MINUTE)
    await verifier.verify(await issuer.issueToken())
    expect(verifier.health()).toMatchObject({ ready: true, stale: false, nextRefreshInSeconds: 0 })
    expect(verifier.health()).not.toHaveProperty('lastFailure')
  })

  it('without keys, answers 503 and asks again only after a pause', async () => {
    const { clock, issuer, verifier } = await createPair()
    issuer.fault('jwks', { status: 503 })
    const token = await issuer.issueToken()
    for (let n = 0; n < 20; n++) {
      const error = await errorOf(verifier.verify(token))
      expect(error.code).toBe('ERR_KEYS_UNAVAILABLE')
      expect(error.headers).toMatchObject({ 'Retry-After': '5' })
    }
    // One request and its retry.
    expect(issuer.requests.jwks.count).toBe(2)
    clock.advance(2)
    expect((await errorOf(verifier.verify(token))).headers).toMatchObject({ 'Retry-After': '3' })

    issuer.clearFaults()
    clock.advance(3)
    await verifier.verify(token)
    expect(issuer.requests.jwks.count).toBe(3)
  })

  it.each([
    [{ keys: [] }, 'no-usable-key'],
    [{}, 'invalid-document'],
    [{ keys: 'none' }, 'invalid-document'],
    [{ keys: [null, 5, 'key', []] }, 'no-usable-key'],
  ])('attack 38: a set without a usable key (%j) does not replace a good one', async (body, reason) => {
    const { clock, issuer, verifier } = await createPair()
    await verifier.preload()
    issuer.fault('jwks', { body })
    clock.advance(10 * MINUTE)
    await verifier.verify(await issuer.issueToken())
    expect(verifier.health()).toMatchObject({ stale: true, lastFailure: { reason } })
  })
})

describe('selection', () => {
  it("J1: a cached key with the token's kid but another algorithm causes no refetch", async () => {
    const { issuer, verifier } = await createPair({ issuer: { algorithm: 'RS256' } })
    await verifier.preload()
    const token = await issuer.issueToken({ header: { alg: 'RS384' } })
    expect(await codeOf(verifier.verify(token))).toBe('ERR_ALGORITHM_NOT_ALLOWED')
    expect(issuer.requests.jwks.count).toBe(1)
  })

  it('a set that was refetched for another token meanwhile is used, without one more request', async () => {
    // ES384 is verified in the thread pool, so the set can be replaced meanwhile.
    const { clock, issuer } = await createPair({ issuer: { algorithm: 'ES384' } })
    const options = resolveOptions({ audience: null, fetch: issuer.fetch }, {})
    const { keySet } = new TrustedIssuer(options.issuers[0], { ...options, clock, sender: NO_BOUND_TOKENS })
    const old = await keySet.getKeys()
    await issuer.rotateKeys({ keepOld: false })
    const signed = signedPartsOf(await issuer.issueToken())
    replaceVerify((original) => (...given) => {
      if (given.length < 5 || keySet.document.isRefreshing || keySet.document.value !== old)
        return original(...given)
      return keySet.document.refresh().then(() => original(...given))
    })
    const signer = await keySet.findSigner(signed, 'ES384', undefined)
    expect(old.has(signer)).toBe(false)
    expect(keySet.fresh?.has(signer)).toBe(true)
    expect(issuer.requests.jwks.count).toBe(2)
  })

  it('with fresh cached keys, RS256, ES256 and EdDSA are decided without a promise', async () => {
    for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const) {
      const { clock, issuer } = await createPair({ issuer: { algorithm } })
      const options = resolveOptions({ audience: null, fetch: issuer.fetch }, {})
      const { keySet } = new TrustedIssuer(options.issuers[0], { ...options, clock, sender: NO_BOUND_TOKENS })
      const keys = await keySet.getKeys()
      const token = await issuer.issueToken()
      const [kid] = keys.ids
      const signer = keySet.findSigner(signedPartsOf(token), algorithm, kid)
      if (isPending(signer)) return expect.fail(`${algorithm} was waited for`)
      expect(keys.has(signer)).toBe(true)
      // A wrong signature too, where no newer key can have made it.
      const wrong = signedPartsOf(`x${token}`)
      expect(thrownBy(() => keySet.findSigner(wrong, algorithm, kid))).toMatchObject({
        code: 'ERR_SIGNATURE_INVALID',
      })
    }
  })

  it('attack 20: a token without a key id is tried with every key that fits', async () => {
    const { issuer, verifier } = await createPair()
    const old = await issuer.issueToken({ header: { kid: undefined } })
    await issuer.rotateKeys()
    await issuer.rotateKeys()
    await verifier.verify(old)
    await verifier.verify(await issuer.issueToken({ header: { kid: undefined } }))
    const { issuer: foreign } = await createPair()
    expect(await codeOf(verifier.verify(await foreign.issueToken({ header: { kid: undefined } })))).toBe(
      'ERR_SIGNATURE_INVALID',
    )
  })
})
