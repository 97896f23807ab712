import { describe, expect, it } from 'vitest'
import { drip, noConnection, silence, status } from '../support/answers.js'
import { JWKS_URL, METADATA_URL } from '../support/forge.js'
import {
  type Answer,
  firstly,
  HOUR,
  key,
  late,
  metadataOf,
  newToken,
  next,
  places,
  Service,
  setOf,
  token,
  useSimulatedTime,
} from '../support/key-life.js'

/** The life of keys: an issuer that is silent or slow. */

useSimulatedTime()

describe('silence, and a body of one byte a second', () => {
  const slow: readonly (readonly [string, Answer])[] = [
    ['silence', silence],
    ['a body of one byte a second', drip],
  ]
  const cases = slow.flatMap(([name, fault]) => places.map((place) => ({ name, fault, place })))

  it.each(cases)(
    '$name from $place: busy for 2 hours with cached keys, no request ever waits',
    async ({ fault, place }) => {
      const service = await Service.withKeys(0)
      service.fail(place, fault)
      for (let n = 0; n < 720; n++) {
        // No timer moves meanwhile: a request that waits would never end.
        await service.accept(token)
        await service.pass(10)
      }
      expect(service.asked.filter(({ failing }) => failing).length).toBeGreaterThan(10)
      expect(service.busiestMinute(({ failing }) => failing)).toBeLessThanOrEqual(4)
    },
  )

  it.each(cases)(
    '$name from $place: idle for an hour with cached keys, waits 1 s at most',
    async ({ fault, place }) => {
      const service = await Service.withKeys(HOUR)
      service.fail(place, fault)
      const { outcome, seconds } = await service.timed(token)
      expect(outcome).toBe('accepted')
      expect(seconds).toBeLessThanOrEqual(1.05)
      expect(await service.verifyAtOnce(token)).toBe('accepted')
    },
  )

  it.each(cases)('$name from $place: without keys, cut at the timeout of 5 s', async ({ fault, place }) => {
    const service = new Service()
    service.fail(place, fault)
    const { outcome, seconds } = await service.timed(token)
    expect(outcome).toBe(place === 'jwks' ? 'ERR_KEYS_UNAVAILABLE' : 'ERR_DISCOVERY_FAILED')
    expect(seconds).toBeGreaterThanOrEqual(4.9)
    expect(seconds).toBeLessThanOrEqual(5.05)
    // Not retried, and the next one is answered at once.
    expect(service.asked.filter(({ failing }) => failing)).toHaveLength(1)
    expect(await service.verifyAtOnce(token)).toBe(outcome)
  })

  it.each<[string, Answer, Answer]>([
    ['3 s for the metadata, 3 s for the keys', late(3, metadataOf(JWKS_URL)), late(3, setOf(key))],
    [
      'a failure after 3 s, the metadata after 3 more',
      firstly(1, late(3, status(500)), late(3, metadataOf(JWKS_URL))),
      setOf(key),
    ],
    [
      'failures of both after 2 s each',
      firstly(1, late(2, status(502)), late(1, metadataOf(JWKS_URL))),
      firstly(1, late(2, status(502)), late(2, setOf(key))),
    ],
    ['the metadata after 4.9 s, then silence', late(4.9, metadataOf(JWKS_URL)), silence],
    ['the metadata after 4.9 s, then drops', late(4.9, metadataOf(JWKS_URL)), late(1, noConnection)],
  ])('without keys, %s: cut at 5 s in all', async (_, metadata, jwks) => {
    const service = new Service()
    Object.assign(service.issuer, { metadata, jwks })
    const { outcome, seconds } = await service.timed(token)
    expect(['ERR_KEYS_UNAVAILABLE', 'ERR_DISCOVERY_FAILED']).toContain(outcome)
    expect(seconds).toBeLessThanOrEqual(5.05)
  })

  it('without keys, 2 s for the metadata and 2 s for the keys: accepted after 4 s', async () => {
    const service = new Service()
    Object.assign(service.issuer, { metadata: late(2, metadataOf(JWKS_URL)), jwks: late(2, setOf(key)) })
    expect(await service.timed(token)).toEqual({ outcome: 'accepted', seconds: 4 })
  })

  it('timeoutMs: 1500 is the longest wait', async () => {
    const service = new Service({ timeoutMs: 1500 })
    service.fail('jwks', drip)
    const { seconds } = await service.timed(token)
    expect(seconds).toBeGreaterThanOrEqual(1.45)
    expect(seconds).toBeLessThanOrEqual(1.55)
  })

  it('silent metadata do not starve the keys: those stay fresh, a rotation is seen, a withdrawal too', async () => {
    const service = await Service.withKeys(0)
    service.fail('metadata', silence)
    let oldest = 0
    for (let n = 0; n < 4320; n++) {
      await service.accept(token)
      oldest = Math.max(oldest, service.keysAge)
      await service.pass(10)
    }
    expect(service.asked.filter(({ failing }) => failing).length).toBeGreaterThan(100)
    expect(oldest).toBeLessThanOrEqual(330)

    service.issuer.jwks = setOf(next)
    const { outcome, seconds } = await service.timed(newToken, 90)
    expect({ outcome, seconds }).toMatchObject({ outcome: 'accepted' })
    expect(seconds).toBeLessThanOrEqual(5)
    // It waits a moment for what the metadata say of another place.
    const withdrawn = await service.timed(token)
    expect(withdrawn.outcome).toBe('ERR_KEY_NOT_FOUND')
    expect(withdrawn.seconds).toBeLessThanOrEqual(1.05)
  })

  it('silent keys do not starve the metadata: those stay fresh', async () => {
    const service = await Service.withKeys(0)
    service.fail('jwks', silence)
    let oldest = 0
    for (let n = 0; n < 2160; n++) {
      await service.accept(token)
      oldest = Math.max(oldest, service.verifier.health().metadataAgeSeconds ?? 0)
      await service.pass(10)
    }
    expect(oldest).toBeLessThanOrEqual(HOUR)
    expect(service.count(METADATA_URL)).toBeGreaterThanOrEqual(5)
  })
})
