import { describe, expect, it } from 'vitest'
import { lifetimeOf } from '../../packages/core/src/testing.js'
import { ForgedIssuer, goodToken, makeKey, makeVerifier, NOW, TestClock } from '../support/forge.js'

/** The lifetime of a document (RFC 9111 §4.2, §5.1, §5.2). */

const MIN = 60
const DEFAULT = 300
const MAX = 86_400

describe('the lifetime of a document', () => {
  it.each([
    // `no-store` and `no-cache` give the shortest lifetime.
    ['no-store', null, MIN],
    ['no-cache', null, MIN],
    ['NO-STORE', null, MIN],
    ['max-age=3600, no-store', null, MIN],
    ['no-cache, max-age=3600', null, MIN],
    ['no-cache="set-cookie", max-age=3600', null, MIN],
    // `Age` shortens the lifetime.
    ['max-age=3600', '600', 3000],
    ['max-age=3600', ' 600 ', 3000],
    ['max-age=3600', '0', 3600],
    ['max-age=3600', '3599', MIN],
    ['max-age=3600', '99999999999999999999', MIN],
    ['max-age=99999999999999999999', '86400', MAX],
    ['max-age=3600', '-600', 3600],
    ['max-age=3600', '600.5', 3600],
    ['max-age=3600', '1e3', 3600],
    ['max-age=3600', 'soon', 3600],
    ['max-age=3600', '', 3600],
    ['max-age=3600', '600, 60', 3000],
    [null, '600', DEFAULT],
    // `s-maxage` is for shared caches; this one is private.
    ['s-maxage=3600', null, DEFAULT],
    ['max-age=600, s-maxage=3600', null, 600],
    ['public, max-age=600, stale-while-revalidate=30', null, 600],
    // Of repeated directives, the first one counts.
    ['max-age=600, max-age=3600', null, 600],
    ['max-age=3600, max-age=600', null, 3600],
    ['max-age=soon, max-age=600', null, DEFAULT],
    // Quoted strings: as a value, and with another directive inside.
    ['max-age="600"', null, 600],
    ['extension="max-age=3600"', null, DEFAULT],
    ['extension="a, max-age=3600, b", max-age=600', null, 600],
    ['extension="a\\", no-store, \\"b", max-age=600', null, 600],
    ['extension="no-store', null, DEFAULT],
    // A malformed header is ignored.
    ['max-age', null, DEFAULT],
    ['max-age=', null, DEFAULT],
    ['max-age=6 0 0', null, DEFAULT],
    ['max-age=+600', null, DEFAULT],
    ['=600', null, DEFAULT],
    [',,, ,', null, DEFAULT],
    [';max-age=600', null, DEFAULT],
    ['no-store\u00e9', null, DEFAULT],
    ['max-age = 600', null, 600],
    [',max-age=600,', null, 600],
  ])('Cache-Control: %j, Age: %j → %d s', (cacheControl, age, seconds) => {
    expect(lifetimeOf({ cacheControl, age }, DEFAULT * 1000)).toBe(seconds * 1000)
  })

  it.each(['"', 'a="', ',"', '"\\', 'a,', '\\"'])(
    'attack 37: a header of %o many times is read without trying it in many ways',
    (part) => {
      const header = part.repeat(4096 / part.length)
      expect(lifetimeOf({ cacheControl: header, age: null }, DEFAULT * 1000)).toBe(DEFAULT * 1000)
    },
  )

  it('attack 37: a header that is longer than any real one is ignored', () => {
    const header = `max-age=600, ${'a'.repeat(4096)}`
    expect(lifetimeOf({ cacheControl: header, age: null }, DEFAULT * 1000)).toBe(DEFAULT * 1000)
  })

  it.each([
    ['no-store', 48],
    ['max-age=600', 480],
  ])(
    'keys with %s are refreshed when most of their lifetime is used: %d s',
    async (cacheControl, seconds) => {
      const key = makeKey('ES256', 'good')
      const issuer = new ForgedIssuer()
      const clock = new TestClock()
      issuer.jwks = () => Response.json({ keys: [key.jwk] }, { headers: { 'cache-control': cacheControl } })
      const verifier = makeVerifier(issuer, {}, clock)
      const token = goodToken(key, { exp: NOW + 3600 })
      await verifier.verify(token)
      clock.advance(seconds - 1)
      await verifier.verify(token)
      expect(issuer.keyRequests).toBe(1)
      clock.advance(1)
      await verifier.verify(token)
      expect(issuer.keyRequests).toBe(2)
    },
  )

  it('keys that an intermediate cache has held are refreshed sooner', async () => {
    const key = makeKey('ES256', 'good')
    const issuer = new ForgedIssuer()
    const clock = new TestClock()
    const headers = { 'cache-control': 'max-age=3600', age: '3000' }
    issuer.jwks = () => Response.json({ keys: [key.jwk] }, { headers })
    const verifier = makeVerifier(issuer, {}, clock)
    await verifier.preload()
    clock.advance(480)
    await verifier.verify(goodToken(key, { exp: NOW + 3600 }))
    expect(issuer.keyRequests).toBe(2)
  })
})
