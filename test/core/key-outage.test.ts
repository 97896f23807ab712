import type { ErrorCode } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import { noConnection, status } from '../support/answers.js'
import { settle } from '../support/event-loop.js'
import { expectRefusal, JWKS_URL } from '../support/forge.js'
import {
  DAY,
  faults,
  HOUR,
  key,
  kinds,
  newToken,
  next,
  places,
  Service,
  setOf,
  token,
  unknownToken,
  useSimulatedTime,
} from '../support/key-life.js'
import { scale } from '../support/scale.js'

/** The life of keys: the issuer is down. */

useSimulatedTime()

describe('the issuer is down, with cached keys', () => {
  /** Traffic over an outage; every token with a cached key is accepted at once. */
  async function outlast(
    service: Service,
    gaps: Iterable<number>,
    unknownKids: boolean,
  ): Promise<Set<ErrorCode | 'accepted'>> {
    const outcomes = new Set<ErrorCode | 'accepted'>()
    let n = 0
    for (const gap of gaps) {
      if (unknownKids) {
        const unknown = service.verifyAtOnce(unknownToken(`unknown-${n++}`))
        unknown.then((outcome) => outcomes.add(outcome))
      }
      await service.accept(token)
      await service.pass(gap)
    }
    return outcomes
  }

  /** Every few seconds at the start and in the middle; otherwise about once a minute (in the suite, every few minutes). */
  function* day(): Generator<number> {
    const busySeconds = scale(300, 600)
    const quietGap = scale(181, 41)
    for (let second = 0; second < DAY; ) {
      const gap = second % (12 * HOUR) < busySeconds ? 2 + (second % 7) : quietGap + (second % 59)
      yield gap
      second += gap
    }
  }

  const hours = scale(2, 24)
  it(`${hours} hours, a token every 5 s: 0 failures; at most 4 requests a minute; pauses growing to a minute`, async () => {
    const service = await Service.withKeys(0)
    service.fail('both', status(500))
    await outlast(
      service,
      Array.from({ length: (hours * HOUR) / 5 }, () => 5),
      false,
    )
    expect(service.busiestMinute()).toBeLessThanOrEqual(4)
    const times = [...new Set(service.asked.filter(({ url }) => url === JWKS_URL).map(({ at }) => at))]
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0))
    // The keys were due after four minutes.
    expect(times[0]).toBe(240)
    expect(pauses[0]).toBe(5)
    expect(Math.max(...pauses.slice(0, 2))).toBeLessThan(Math.min(...pauses.slice(5)))
    expect(Math.min(...pauses.slice(5))).toBeGreaterThanOrEqual(60)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(65)
    expect(service.asked.length).toBeGreaterThan(83 * hours)
    expect(service.verifier.health()).toMatchObject({ ready: true, stale: true })
  })

  // In the suite, each kind of fault meets two of the three places.
  const cases = kinds.flatMap(([name, fault], kind) =>
    places
      .map((place) => ({ name, fault, place, withUnknown: place === 'both' }))
      .filter((_, index) => (kind + index) % places.length < scale(2, places.length)),
  )
  it.each(cases)(
    '24 hours of $name from $place: 0 failures, at most 4 failing requests in any minute',
    async ({ fault, place, withUnknown }) => {
      const service = await Service.withKeys(HOUR)
      service.clock.nextRandom = place === 'jwks' ? 0.999 : 0
      // Keys of an hour ago are refreshed before the outage, so that they last.
      await service.verifyAtOnce(token)
      await settle()
      service.asked.length = 0
      service.fail(place, fault)
      const outcomes = await outlast(service, day(), withUnknown)
      expect(service.busiestMinute(({ failing }) => failing)).toBeLessThanOrEqual(4)
      // A working document is requested as usual: the metadata once a minute at most, the keys within their budget.
      expect(service.busiestMinute()).toBeLessThanOrEqual(place === 'both' ? 4 : 5)
      if (withUnknown) expect([...outcomes]).not.toContain('ERR_KEY_NOT_FOUND')
    },
  )

  const gaps = [0.5, 1, 3, 5, 7, 11, 17].filter((gap) => gap > scale(2, 0))
  // Requests under way may fail: simultaneous ones count before they do.
  it.each(faults.flatMap(([name, fault]) => [0, 0.999].map((chance) => ({ name, fault, chance }))))(
    'down after a quiet hour, metadata and keys due together ($name, chance $chance): at most 4 requests in any minute',
    async ({ name, fault, chance }) => {
      for (const unknownKids of [false, true])
        for (const gap of gaps) {
          const service = await Service.withKeys(HOUR + 5)
          service.clock.nextRandom = chance
          service.fail('both', fault)
          const first = service.verifyAtOnce(token)
          await settle()
          // After a quiet time, the first request waits this long for a silent issuer.
          if (name === 'silence') await service.pass(1)
          expect(await first).toBe('accepted')
          await outlast(
            service,
            Array.from({ length: Math.ceil(200 / gap) }, () => gap),
            unknownKids,
          )
          const times = service.asked.map(
            ({ url, at }) => `${url === JWKS_URL ? 'keys' : 'metadata'} ${at - HOUR}`,
          )
          expect(service.busiestMinute(), `every ${gap} s: ${times.join(', ')}`).toBeLessThanOrEqual(4)
        }
    },
  )

  it('metadata down and a flood of unknown kids: at most 4 requests fail, and 4 for keys succeed, in any minute', async () => {
    const service = await Service.withKeys(HOUR)
    service.fail('metadata', noConnection)
    const outcomes = await outlast(
      service,
      Array.from({ length: 1200 }, () => 0.5),
      true,
    )
    expect(service.busiestMinute(({ failing }) => failing)).toBeLessThanOrEqual(4)
    expect(service.busiestMinute(({ url }) => url === JWKS_URL)).toBeLessThanOrEqual(4)
    expect(outcomes).toContain('ERR_KEY_NOT_FOUND')
  })

  it.each([0, 0.999])(
    'an issuer that is back is noticed within about a minute (chance %d)',
    async (chance) => {
      const service = await Service.withKeys(230)
      service.clock.nextRandom = chance
      service.fail('both', status(500))
      await outlast(
        service,
        Array.from({ length: 720 }, () => 5),
        false,
      )
      service.recover()
      service.issuer.jwks = setOf(key, next)
      const from = service.now
      while ((await service.verifyAtOnce(newToken)) !== 'accepted') await service.pass(1)
      expect(service.now - from).toBeLessThanOrEqual(75)
      expect(service.verifier.health()).toMatchObject({ stale: false, nextRefreshInSeconds: 0 })
    },
  )

  it('past the tolerance of 24 hours: 503; and back when the issuer is', async () => {
    const service = await Service.withKeys(0)
    service.fail('both', noConnection)
    await service.pass(DAY + 299)
    expect(await service.verifyAtOnce(token)).toBe('accepted')
    await service.pass(1)
    await expectRefusal(service.verifier.verify(token), 'U', ['ERR_KEYS_UNAVAILABLE', 'ERR_DISCOVERY_FAILED'])
    service.recover()
    const from = service.now
    while ((await service.verifyAtOnce(token)) !== 'accepted') await service.pass(1)
    expect(service.now - from).toBeLessThanOrEqual(75)
    expect(service.verifier.health()).toMatchObject({ ready: true, stale: false })
  })
})

describe('the issuer is down, no keys', () => {
  const step = scale(2, 1)
  // In the suite, a fault meets the shortest pauses in one place and the longest in the next one.
  const cases = kinds
    .flatMap(([name, fault]) =>
      places.flatMap((place) => [0, 0.999].map((chance) => ({ name, fault, place, chance }))),
    )
    .filter(({ chance }, index) => (chance > 0 ? 1 : 0) === Math.floor(index / 2) % 2 || scale(0, 1) === 1)
  it.each(cases)(
    '$name from $place (chance $chance): 503 with Retry-After, at most 4 requests a minute, at once between them',
    async ({ name, fault, place, chance }) => {
      const service = new Service()
      service.clock.nextRandom = chance
      service.fail(place, fault)
      const code = place === 'jwks' ? 'ERR_KEYS_UNAVAILABLE' : 'ERR_DISCOVERY_FAILED'
      for (let second = 0; second < 300; second += step) {
        const { length } = service.asked
        const refusals = [token, newToken, token].map((each) =>
          expectRefusal(service.verifier.verify(each), 'U', code),
        )
        // Only the caller that causes a request waits for it, and only where the issuer is silent.
        if (name === 'silence') await settle()
        if (name === 'silence' && service.asked.length > length) await service.passBySteps(6)
        const [refusal] = await Promise.all(refusals)
        expect(Number(refusal?.headers['Retry-After'])).toBeLessThanOrEqual(76)
        await service.pass(step)
      }
      expect(service.busiestMinute(({ failing }) => failing)).toBeLessThanOrEqual(4)
      expect(service.asked.length).toBeGreaterThan(5)

      service.recover()
      const from = service.now
      while ((await service.verifyAtOnce(token)) !== 'accepted') await service.pass(1)
      expect(service.now - from).toBeLessThanOrEqual(75)
    },
  )

  it('a caller who comes again after Retry-After, and not before, causes a request', async () => {
    const service = new Service()
    service.clock.nextRandom = 0.5
    service.fail('both', status(503))
    await service.verifyAtOnce(token)
    for (let n = 0; n < 20; n++) {
      const { headers } = await expectRefusal(service.verifier.verify(token), 'U', 'ERR_DISCOVERY_FAILED')
      const { length } = service.asked
      const wait = Number(headers['Retry-After'])
      await service.pass(wait - 1.001)
      await service.verifyAtOnce(token)
      expect(service.asked.length).toBe(length)
      await service.pass(1.001)
      await service.verifyAtOnce(token)
      expect(service.asked.length).toBeGreaterThan(length)
    }
  })

  it('the issuer says Retry-After: 90, and gets no request for 90 s', async () => {
    const service = new Service()
    service.fail('jwks', status(503, { 'retry-after': '90' }))
    const { headers } = await expectRefusal(service.verifier.verify(token), 'U', 'ERR_KEYS_UNAVAILABLE')
    expect(headers['Retry-After']).toBe('90')
    service.recover()
    await service.pass(89.9)
    expect(await service.verifyAtOnce(token)).toBe('ERR_KEYS_UNAVAILABLE')
    expect(service.count(JWKS_URL)).toBe(1)
    await service.pass(0.1)
    expect(await service.verifyAtOnce(token)).toBe('accepted')
  })
})
