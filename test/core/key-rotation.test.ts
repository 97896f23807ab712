import { describe, expect, it } from 'vitest'
import { noConnection, status } from '../support/answers.js'
import { settle } from '../support/event-loop.js'
import { JWKS_URL, METADATA_URL } from '../support/forge.js'
import { createSignal } from '../support/http.js'
import {
  DAY,
  HOUR,
  key,
  late,
  newToken,
  next,
  Service,
  setOf,
  token,
  tokenOf,
  unknownToken,
  useSimulatedTime,
} from '../support/key-life.js'
import { scale } from '../support/scale.js'

/** The life of keys: first use, rotation and withdrawal. The default options, and a clock that the test moves. */

useSimulatedTime()

const many = scale(2000, 10_000)

describe('many simultaneous first verifications', () => {
  it(`${many}: 1 metadata request, 1 JWKS request, 0 failures`, async () => {
    const service = new Service()
    const outcomes = await Promise.all(Array.from({ length: many }, () => service.verifyAtOnce(token)))
    expect(outcomes.filter((outcome) => outcome !== 'accepted')).toEqual([])
    expect(service.asked.map(({ url }) => url)).toEqual([METADATA_URL, JWKS_URL])
  })

  it(`${many} while the issuer fails: all 503 after 1 request and 1 retry`, async () => {
    const service = new Service()
    service.fail('both', status(500))
    const outcomes = await Promise.all(Array.from({ length: many }, () => service.verifyAtOnce(token)))
    expect(new Set(outcomes)).toEqual(new Set(['ERR_DISCOVERY_FAILED']))
    expect(service.asked.map(({ url }) => url)).toEqual([METADATA_URL, METADATA_URL])
  })

  it(`${many} with keys past their lifetime: 1 JWKS request, 0 failures`, async () => {
    const service = await Service.withKeys(400)
    const outcomes = await Promise.all(Array.from({ length: many }, () => service.verifyAtOnce(token)))
    expect(outcomes.filter((outcome) => outcome !== 'accepted')).toEqual([])
    expect(service.asked.map(({ url }) => url)).toEqual([JWKS_URL])
  })
})

describe('rotation in quiet times', () => {
  it.each([0, 10, 239, 240, 299, 300, HOUR, 3 * DAY])(
    'with keys %d s old, the first new token is accepted after 1 request, 0 rejected',
    async (age) => {
      const service = await Service.withKeys(age)
      service.issuer.jwks = setOf(key, next)
      expect(await service.verifyAtOnce(newToken)).toBe('accepted')
      expect(service.count(JWKS_URL)).toBe(1)
      const others = [newToken, token, newToken].map((each) => service.verifyAtOnce(each))
      expect(await Promise.all(others)).toEqual(['accepted', 'accepted', 'accepted'])
      expect(service.count(JWKS_URL)).toBe(1)
    },
  )

  it('1,000 new tokens at once: 1 request, 0 rejected', async () => {
    const service = await Service.withKeys(10)
    service.issuer.jwks = setOf(next)
    const outcomes = await Promise.all(Array.from({ length: 1000 }, () => service.verifyAtOnce(newToken)))
    expect(outcomes.filter((outcome) => outcome !== 'accepted')).toEqual([])
    expect(service.asked.map(({ url }) => url)).toEqual([JWKS_URL])
  })

  it('a rotation every 30 s for an hour: 1 request each, 0 rejected', async () => {
    const service = await Service.withKeys(10)
    for (let n = 0; n < 120; n++) {
      await service.pass(30)
      const newest = n % 2 === 0 ? next : key
      service.issuer.jwks = setOf(newest)
      service.asked.length = 0
      expect(await service.verifyAtOnce(tokenOf(newest))).toBe('accepted')
      expect(service.count(JWKS_URL)).toBe(1)
    }
  })

  it.each(['the first load', 'a refresh in the background', 'a refetch'])(
    'a new token that joins %s, begun before the rotation, is accepted',
    async (kind) => {
      const service =
        kind === 'the first load' ? new Service() : await Service.withKeys(kind === 'a refetch' ? 10 : 250)
      const held = createSignal()
      service.issuer.jwks = async () => {
        // What it answers, it knew when it was asked.
        const answer = await setOf(key)('', new AbortController().signal)
        await held.promise
        return answer
      }
      const before = service.verifyAtOnce(kind === 'a refetch' ? unknownToken('another') : token)
      await settle()
      expect(service.count(JWKS_URL)).toBe(1)
      service.issuer.jwks = setOf(key, next)
      const joining = Promise.all(Array.from({ length: 100 }, () => service.verifyAtOnce(newToken)))
      await settle()
      expect(service.count(JWKS_URL)).toBe(1)
      held.resolve()
      expect(new Set(await joining)).toEqual(new Set(['accepted']))
      expect(await before).toBe(kind === 'a refetch' ? 'ERR_KEY_NOT_FOUND' : 'accepted')
      expect(service.count(JWKS_URL)).toBe(2)
    },
  )
})

describe('a key is withdrawn, the issuer up', () => {
  it.each([1, 10, 59, 60, 119, 200, 299])(
    'busy, a request each %d s: its tokens are refused at most 5 minutes later',
    async (gap) => {
      for (const offset of [0, 100, 239]) {
        const service = await Service.withKeys(offset)
        service.issuer.jwks = setOf(next)
        const from = service.now
        let lastAccepted = 0
        while ((await service.verifyAtOnce(token)) === 'accepted') {
          lastAccepted = service.now - from
          await service.pass(gap)
        }
        expect(lastAccepted).toBeLessThan(300)
        expect(await service.verifyAtOnce(token)).toBe('ERR_KEY_NOT_FOUND')
      }
    },
  )

  it.each([300, HOUR, DAY, 7 * DAY])('idle for %d s: the first of its tokens is refused', async (idle) => {
    const service = await Service.withKeys(0)
    service.issuer.jwks = setOf(next)
    await service.pass(idle)
    expect(await service.verifyAtOnce(token)).toBe('ERR_KEY_NOT_FOUND')
  })

  it('idle for an hour, and the issuer takes 0.9 s to answer: refused', async () => {
    const service = await Service.withKeys(0)
    service.issuer.jwks = late(0.9, setOf(next))
    await service.pass(HOUR)
    expect(await service.timed(token)).toEqual({ outcome: 'ERR_KEY_NOT_FOUND', seconds: 0.9 })
  })

  it('after an outage: refused within about a minute of its end', async () => {
    const service = await Service.withKeys(0)
    service.fail('both', noConnection)
    for (let n = 0; n < 360; n++) {
      await service.accept(token)
      await service.pass(10)
    }
    service.recover()
    service.issuer.jwks = setOf(next)
    const from = service.now
    while ((await service.verifyAtOnce(token)) === 'accepted') await service.pass(10)
    expect(service.now - from).toBeLessThanOrEqual(80)
  })
})
