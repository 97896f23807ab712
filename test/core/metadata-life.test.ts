import { describe, expect, it } from 'vitest'
import { drip, noConnection, silence, status } from '../support/answers.js'
import { ISSUER, JWKS_URL, METADATA_URL } from '../support/forge.js'
import {
  type Answer,
  DAY,
  HOUR,
  html,
  key,
  kinds,
  MINUTE,
  MOVED_URL,
  metadataOf,
  newToken,
  next,
  Service,
  setOf,
  token,
  useSimulatedTime,
} from '../support/key-life.js'

/** The life of the metadata, and of keys that move. */

useSimulatedTime()

describe('the metadata', () => {
  it('a changed jwks_uri is noticed after their lifetime of an hour, though the old place still answers', async () => {
    const service = await Service.withKeys(0)
    service.issuer.metadata = metadataOf(MOVED_URL)
    service.moved = setOf(next)
    let last = 0
    while ((await service.verifyAtOnce(token)) === 'accepted') {
      last = service.now
      await service.pass(10)
    }
    // 80 % of an hour, then in the background; the next refresh of the keys uses what it found.
    expect(last).toBeGreaterThan(2800)
    expect(last).toBeLessThan(HOUR)
    expect(await service.verifyAtOnce(newToken)).toBe('accepted')
  })

  it('after their max-age, where they have one', async () => {
    const service = new Service()
    service.issuer.metadata = metadataOf(JWKS_URL, { 'cache-control': 'max-age=60' })
    await service.verifier.preload()
    service.issuer.metadata = metadataOf(MOVED_URL)
    service.moved = setOf(next)
    await service.pass(300)
    expect(await service.verifyAtOnce(token)).toBe('ERR_KEY_NOT_FOUND')
    expect(service.count(JWKS_URL)).toBe(1)
  })

  const gone: readonly (readonly [string, Answer])[] = [
    ['404', status(404)],
    ['410', status(410)],
    ['403', status(403)],
    ['a redirect', status(301, { location: MOVED_URL })],
    ['a refused connection', noConnection],
    ['HTML', html],
  ]
  it.each(gone)(
    'a changed jwks_uri is followed at once when the old place answers with %s',
    async (_, fault) => {
      const service = await Service.withKeys(120)
      service.issuer.metadata = metadataOf(MOVED_URL)
      service.issuer.jwks = fault
      service.moved = setOf(key, next)
      expect(await service.verifyAtOnce(newToken)).toBe('accepted')
      expect(service.count(MOVED_URL)).toBe(1)
      expect(service.verifier.health()).toMatchObject({ keysAgeSeconds: 0, nextRefreshInSeconds: 0 })
      // And stays there.
      await service.pass(300)
      service.asked.length = 0
      expect(await service.verifyAtOnce(newToken)).toBe('accepted')
      expect(service.asked.map(({ url }) => url)).toEqual([MOVED_URL])
    },
  )

  it.each([
    ['silence', silence],
    ['a body of one byte a second', drip],
  ])('within the next refresh when it answers with %s', async (_, fault) => {
    const service = await Service.withKeys(240)
    service.issuer.metadata = metadataOf(MOVED_URL)
    service.issuer.jwks = fault
    service.moved = setOf(key, next)
    const from = service.now
    while (service.keysAge >= 240) {
      await service.accept(token)
      await service.pass(1)
    }
    // The timeout, the pause after it, and the refresh.
    expect(service.now - from).toBeLessThanOrEqual(12)
    expect(await service.verifyAtOnce(newToken)).toBe('accepted')
    expect(service.count(MOVED_URL)).toBe(1)
  })

  it.each(gone)(
    'those of the last minute are believed: %s from the keys asks for no metadata',
    async (_, fault) => {
      const service = await Service.withKeys(30)
      service.issuer.jwks = fault
      expect(await service.verifyAtOnce(newToken)).toBe('ERR_KEYS_UNAVAILABLE')
      expect(service.count(METADATA_URL)).toBe(0)
    },
  )

  it.each([
    ['status 500', status(500)],
    ['status 429', status(429)],
    ['a large body', () => new Response(' '.repeat(300_000))] as const,
  ])('keys that answer with %s did not move', async (_, fault) => {
    const service = await Service.withKeys(250)
    service.issuer.jwks = fault
    expect(await service.verifyAtOnce(newToken)).toBe('ERR_KEYS_UNAVAILABLE')
    expect(service.count(METADATA_URL)).toBe(0)
  })

  it.each(kinds)('an outage of a day (%s) is tolerated: keys are refreshed, 0 failures', async (_, fault) => {
    const service = await Service.withKeys(0)
    service.fail('metadata', fault)
    let oldest = 0
    for (let n = 0; n < 1440; n++) {
      await service.accept(token)
      await service.pass(MINUTE)
      oldest = Math.max(oldest, service.keysAge)
    }
    expect(service.count(METADATA_URL)).toBeGreaterThan(200)
    // 240 s, and no more than two minutes because the issuer is spared as a whole.
    expect(oldest).toBeLessThanOrEqual(240 + 120)
    expect(service.verifier.health().metadataAgeSeconds).toBe(DAY)
  })

  const invalid: readonly (readonly [string, Answer, string])[] = [
    ['an empty object', () => Response.json({}), 'invalid-document'],
    ['null', () => Response.json(null), 'invalid-document'],
    [
      'another issuer',
      () => Response.json({ issuer: 'https://evil.example', jwks_uri: MOVED_URL }),
      'issuer-mismatch',
    ],
    ['no jwks_uri', () => Response.json({ issuer: ISSUER }), 'jwks-uri-missing'],
    ['a jwks_uri over http', metadataOf('http://issuer.example/jwks'), 'jwks-uri-insecure'],
    ['HTML', html, 'invalid-document'],
  ]
  it.each(invalid)(
    'a document that becomes invalid (%s) does not replace a good one',
    async (_, document, reason) => {
      const service = await Service.withKeys(HOUR)
      service.issuer.metadata = document
      service.issuer.jwks = setOf(key, next)
      service.moved = setOf(next)
      expect(await service.verifyAtOnce(newToken)).toBe('accepted')
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      expect(service.count(METADATA_URL)).toBe(1)
      expect(service.count(MOVED_URL)).toBe(0)
      expect(service.verifier.health()).toMatchObject({ lastFailure: { reason } })
      // And a good one replaces it again.
      service.recover()
      await service.pass(HOUR)
      await service.verifyAtOnce(token)
      expect(service.verifier.health()).toMatchObject({ metadataAgeSeconds: 0 })
      expect(service.verifier.health()).not.toHaveProperty('lastFailure')
    },
  )

  it('past the tolerance of a day and an hour, they are not used: 503, and back when the issuer is', async () => {
    const service = await Service.withKeys(0)
    service.fail('metadata', noConnection)
    await service.pass(DAY + HOUR)
    expect(await service.verifyAtOnce(token)).toBe('ERR_DISCOVERY_FAILED')
    expect(service.count(JWKS_URL)).toBe(0)
    service.recover()
    await service.pass(5)
    expect(await service.verifyAtOnce(token)).toBe('accepted')
  })
})
