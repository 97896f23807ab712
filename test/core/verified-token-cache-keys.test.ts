import { describe, expect, it } from 'vitest'
import { expectNothingUnhandled, settle } from '../support/event-loop.js'
import { expectRefusal, goodToken, JWKS_URL, makeKey, NOW } from '../support/forge.js'
import { createSignal } from '../support/http.js'
import { replaceVerify } from '../support/signature-checks.js'
import { createService } from '../support/token-cache.js'

/** Attacks 29 and 39, "Keys": what is kept of a token is worth no more than the key that signed it. */

const key = makeKey('ES256', 'good')
const next = makeKey('ES256', 'next')
const DAY = 86_400
const token = goodToken(key, { exp: NOW + 30 * DAY })
const nameless = goodToken(key, { exp: NOW + 30 * DAY }, { kid: undefined })

expectNothingUnhandled()

describe('attack 29, 39: an entry ends with its key', () => {
  it('that leaves the set: hits have the keys refreshed, in the background, and are served until then', async () => {
    const { clock, fate, issuer } = createService(key)
    await fate(token)
    issuer.publish(next.jwk)
    clock.advance(239.999)
    expect(await fate(token)).toBe('known')
    expect(issuer.keyRequests).toBe(1)
    clock.advance(0.001)
    expect(await fate(token)).toBe('known')
    await settle()
    expect(issuer.keyRequests).toBe(2)
    expect([await fate(token), await fate(token)]).toEqual(['ERR_KEY_NOT_FOUND', 'ERR_KEY_NOT_FOUND'])
    expect(await fate(goodToken(next))).toBe('checked')
  })

  it('at once, when another token has the keys refreshed', async () => {
    const { fate, issuer } = createService(key)
    for (const each of [token, nameless])
      expect([await fate(each), await fate(each)]).toEqual(['checked', 'known'])
    issuer.publish(next.jwk)
    expect(await fate(goodToken(next))).toBe('checked')
    expect(await fate(token)).toBe('ERR_KEY_NOT_FOUND')
    expect(await fate(nameless)).toBe('ERR_SIGNATURE_INVALID')
  })

  it.each([
    ['new material', { ...makeKey('ES256', 'good').jwk }, 'ERR_SIGNATURE_INVALID'],
    ['another x alone', { ...key.jwk, x: next.jwk.x }, 'ERR_KEY_NOT_FOUND'],
    ['another y alone', { ...key.jwk, y: next.jwk.y }, 'ERR_KEY_NOT_FOUND'],
    ['another kid', { ...key.jwk, kid: 'renamed' }, 'ERR_KEY_NOT_FOUND'],
    ['another algorithm', { ...makeKey('ES384', 'good').jwk }, 'ERR_ALGORITHM_NOT_ALLOWED'],
    ['another use', { ...key.jwk, use: 'enc' }, 'ERR_KEY_NOT_FOUND'],
    ['no key_ops for it', { ...key.jwk, key_ops: ['encrypt'] }, 'ERR_KEY_NOT_FOUND'],
    ['its private part', { ...key.jwk, d: 'AAAA' }, 'ERR_KEY_NOT_FOUND'],
  ])('that gets %s under its kid', async (_, jwk, code) => {
    const { fate, issuer, refresh } = createService(key)
    expect([await fate(token), await fate(token)]).toEqual(['checked', 'known'])
    issuer.publish(jwk, next.jwk)
    await refresh(token)
    expect([await fate(token), await fate(token)]).toEqual([code, code])
  })

  it('an RSA key that gets another modulus, or another exponent', async () => {
    const rsa = makeKey('RS256', 'rsa')
    for (const changes of [{ n: makeKey('RS256').jwk.n }, { e: 'Aw' }]) {
      const { fate, issuer, refresh } = createService(rsa)
      expect([await fate(goodToken(rsa)), await fate(goodToken(rsa))]).toEqual(['checked', 'known'])
      issuer.publish({ ...rsa.jwk, ...changes })
      await refresh(goodToken(rsa))
      expect(await fate(goodToken(rsa))).toBe('ERR_SIGNATURE_INVALID')
    }
  })

  it('an RSA key whose algorithm changes, or is named', async () => {
    const rsa = makeKey('RS256', 'rsa')
    const { fate, issuer, refresh } = createService(rsa)
    const signed = goodToken(rsa)
    expect([await fate(signed), await fate(signed)]).toEqual(['checked', 'known'])
    issuer.publish({ ...rsa.jwk, alg: undefined })
    await refresh(signed)
    expect([await fate(signed), await fate(signed)]).toEqual(['checked', 'known'])
    issuer.publish({ ...rsa.jwk, alg: 'PS256' })
    await refresh(signed)
    expect(await fate(signed)).toBe('ERR_ALGORITHM_NOT_ALLOWED')
  })

  it.each([true, false])('that came back does not revive it (asked for meanwhile: %s)', async (asked) => {
    const { fate, issuer, refresh } = createService(key)
    const mark = goodToken(next, { exp: NOW + DAY })
    issuer.publish(key.jwk, next.jwk)
    await fate(token)
    await fate(mark)
    issuer.publish(next.jwk)
    await refresh(mark)
    if (asked) expect(await fate(token)).toBe('ERR_KEY_NOT_FOUND')
    issuer.publish(key.jwk, next.jwk)
    await refresh(mark)
    expect([await fate(token), await fate(token)]).toEqual(['checked', 'known'])
    expect(await fate(mark)).toBe('known')
  })

  it.each([
    ['that is the same', [key.jwk]],
    ['in another order, beside others', [next.jwk, { kty: 'oct', k: 'AAAA' }, null, key.jwk]],
    ['written in another way', [Object.fromEntries(Object.entries(key.jwk).reverse())]],
    ['with members that say nothing of the key', [{ ...key.jwk, x5c: ['MII'], x5t: 'x', ext: true, nbf: 1 }]],
    ['with the key twice', [key.jwk, key.jwk]],
  ])('survives a set %s', async (_, members) => {
    const { fate, issuer, refresh } = createService(key)
    await fate(token)
    issuer.publish(...members)
    for (let n = 0; n < 2; n++) {
      await refresh(token)
      expect(await fate(token)).toBe('known')
    }
  })

  it('survives an answer that says that nothing has changed (304)', async () => {
    const { fate, issuer, refresh } = createService(key)
    issuer.jwks = () => Response.json({ keys: [key.jwk] }, { headers: { etag: '"1"' } })
    await fate(token)
    issuer.jwks = () => new Response(null, { status: 304 })
    await refresh(token)
    expect(await fate(token)).toBe('known')
  })

  it('survives a set that is not one: the good one stays', async () => {
    const { fate, issuer, refresh } = createService(key)
    await fate(token)
    issuer.publish()
    await refresh(token)
    expect(await fate(token)).toBe('known')
  })

  it.each([{}, { cache: false } as const])(
    'that left costs one request, and no later token its own: %o',
    async (options) => {
      const third = makeKey('ES256', 'third')
      const { clock, fate, issuer } = createService(key, options)
      await fate(token)
      clock.advance(301)
      issuer.publish(next.jwk)
      expect(await fate(token)).toBe('ERR_KEY_NOT_FOUND')
      expect(issuer.keyRequests).toBe(2)
      issuer.publish(third.jwk)
      expect(await fate(goodToken(third))).toBe('checked')
    },
  )

  it.each([{}, { cache: false } as const])(
    'is not asked for where the time alone refuses: %o',
    async (options) => {
      const { clock, fate, issuer } = createService(key, options)
      await fate(token)
      clock.advance(301)
      clock.advanceWall(-1000)
      expect(await fate(token)).toBe('ERR_TOKEN_NOT_YET_VALID')
      await settle()
      expect(issuer.keyRequests).toBe(1)
    },
  )

  it('that left between the check of its signature and the end of it', async () => {
    // ES384 is verified in the thread pool.
    const slowKey = makeKey('ES384', 'slow')
    const slowToken = goodToken(slowKey)
    const { fate, issuer, verifier } = createService(slowKey)
    await verifier.preload()
    const held = createSignal()
    replaceVerify((original) => (...given) => {
      const isAsync = given.length === 5
      return isAsync ? void held.promise.then(() => original(...given)) : original(...given)
    })
    const slow = verifier.verify(slowToken)
    await settle()
    issuer.publish(next.jwk)
    expect(await fate(goodToken(next))).toBe('checked')
    held.resolve()
    // It was good when it came.
    expect((await slow).token).toBe(slowToken)
    expect([await fate(slowToken), await fate(slowToken)]).toEqual(['ERR_KEY_NOT_FOUND', 'ERR_KEY_NOT_FOUND'])
  })
})

describe('an issuer that cannot be asked', () => {
  it('is nothing to a token that is known, until its keys are past their tolerance: then 503', async () => {
    const { clock, fate, issuer, verifier } = createService(key, {
      keys: { maxStaleSeconds: 3600 },
      cache: { maxAgeSeconds: DAY },
    })
    await fate(token)
    const { jwks } = issuer
    issuer.jwks = () => new Response(null, { status: 500 })
    for (let passed = 0; passed < 3880; passed += 20) {
      clock.advance(20)
      expect(await fate(token)).toBe('known')
      await settle()
    }
    clock.advance(20)
    await expectRefusal(verifier.verify(token), 'U', 'ERR_KEYS_UNAVAILABLE', [token])
    expect(await fate(token)).toBe('ERR_KEYS_UNAVAILABLE')
    issuer.jwks = jwks
    clock.advance(75)
    // The key is the same: nothing has to be checked again.
    expect([await fate(token), await fate(token)]).toEqual(['known', 'known'])
  })

  it('a key that left during an outage', async () => {
    const { clock, fate, issuer } = createService(key, { keys: { maxStaleSeconds: 0 } })
    await fate(token)
    issuer.jwks = () => new Response(null, { status: 500 })
    clock.advance(301)
    expect(await fate(token)).toBe('ERR_KEYS_UNAVAILABLE')
    issuer.publish(next.jwk)
    clock.advance(75)
    expect(await fate(token)).toBe('ERR_KEY_NOT_FOUND')
    expect(issuer.urls.filter((url) => url === JWKS_URL).length).toBeLessThanOrEqual(5)
  })
})
