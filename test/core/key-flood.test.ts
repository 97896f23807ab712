import { describe, expect, it } from 'vitest'
import { SpreadBudget } from '../../packages/core/src/testing.js'
import { settle } from '../support/event-loop.js'
import {
  expectRefusal,
  ForgedIssuer,
  goodToken,
  JWKS_URL,
  makeKey,
  makeVerifier,
  rejectionOf,
  TestClock,
} from '../support/forge.js'

/** Attack 39: a rotation during a flood of unknown kids. */

const key = makeKey('ES256', 'good')
const next = makeKey('ES256', 'next')
const stranger = makeKey('ES256', 'stranger')
const LONG = { exp: 1_900_000_000 }
const token = goodToken(key, LONG)
const newToken = goodToken(next, LONG)
const unknownToken = (kid: string) => goodToken(stranger, LONG, { kid })

interface Rotation {
  /** Seconds from the rotation until a token of the new key was accepted. */
  readonly seconds: number
  readonly codes: ReadonlySet<string>
  readonly retryAfter: number
  readonly busiestMinute: number
}

/** A flood with unknown kids, a rotation `at` seconds after it began, and good tokens of both keys. */
async function rotateDuringFlood(at: number, cooldownSeconds?: number): Promise<Rotation> {
  const clock = new TestClock()
  const issuer = new ForgedIssuer(key)
  const asked: number[] = []
  const fetch: ForgedIssuer['fetch'] = (url, init) => {
    if (url === JWKS_URL) asked.push(clock.monotonic() / 1000)
    return issuer.fetch(url, init)
  }
  const keys = cooldownSeconds === undefined ? {} : { cooldownSeconds }
  const verifier = makeVerifier({ fetch }, { keys, cache: false }, clock)
  await verifier.preload()
  asked.length = 0
  const codes = new Set<string>()
  let retryAfter = 0
  for (let second = 0; second < at + 4000; second++) {
    if (second === at) issuer.publish(key.jwk, next.jwk)
    for (let n = 0; n < 3; n++) await rejectionOf(verifier.verify(unknownToken(`u-${second}-${n}`)))
    await expect(verifier.verify(token)).resolves.toBeDefined()
    if (second >= at) {
      const error = await verifier.verify(newToken).then(
        () => undefined,
        (reason: unknown) => rejectionOf(Promise.reject(reason)),
      )
      if (!error) {
        const busiest = asked.map((from) => asked.filter((t) => t >= from && t < from + 60).length)
        return { seconds: second - at, codes, retryAfter, busiestMinute: Math.max(...busiest) }
      }
      codes.add(error.code)
      retryAfter = Math.max(retryAfter, Number(error.headers['Retry-After']))
    }
    await settle()
    clock.advance(1)
  }
  return expect.fail('The new key was not found')
}

describe('attack 39: a rotation during a flood of unknown kids', { timeout: 60_000 }, () => {
  it('in a lasting flood, the new key is found within 15 s, and until then its tokens get 503', async () => {
    const rotations: Rotation[] = []
    for (let at = 31; at < 76; at += 4) rotations.push(await rotateDuringFlood(at))
    const slowest = Math.max(...rotations.map(({ seconds }) => seconds))
    const average = rotations.reduce((sum, { seconds }) => sum + seconds, 0) / rotations.length
    console.log(
      `Lasting flood: found after ${average.toFixed(1)} s, ${slowest} s at the most; before that, 503`,
    )
    expect(slowest).toBeLessThanOrEqual(15)
    expect(new Set(rotations.flatMap(({ codes }) => [...codes]))).toEqual(new Set(['ERR_KEYS_UNAVAILABLE']))
    expect(Math.max(...rotations.map(({ retryAfter }) => retryAfter))).toBeLessThanOrEqual(15)
    expect(Math.max(...rotations.map(({ busiestMinute }) => busiestMinute))).toBe(4)
  })

  it('just after the flood began and used both refetches, the new key is found within 30 s', async () => {
    for (const at of [1, 2, 15]) {
      const { seconds, codes, busiestMinute } = await rotateDuringFlood(at)
      expect(seconds).toBe(30 - at)
      expect([...codes]).toEqual(['ERR_KEYS_UNAVAILABLE'])
      expect(busiestMinute).toBeLessThanOrEqual(4)
    }
  })

  it('with a cooldown of an hour, the new key is found at the next refresh, and Retry-After is no longer than that', async () => {
    const { seconds, codes, retryAfter } = await rotateDuringFlood(31, 3600)
    console.log(`With a cooldown of 3600 s: found after ${seconds} s, at the refresh in the background`)
    expect(seconds).toBeLessThanOrEqual(240)
    expect([...codes]).toEqual(['ERR_KEYS_UNAVAILABLE'])
    expect(retryAfter).toBeLessThanOrEqual(240)
  })
})

describe('attack 39: the decision about an unknown kid', () => {
  const create = async (cooldownSeconds = 30) => {
    const clock = new TestClock()
    const issuer = new ForgedIssuer(key)
    const verifier = makeVerifier(issuer, { keys: { cooldownSeconds } }, clock)
    await verifier.preload()
    return { clock, issuer, verifier }
  }

  it('R: it was looked up; also when it comes again while the refetch limit is reached', async () => {
    const { clock, verifier } = await create()
    for (const kid of ['a', 'b'])
      await expectRefusal(verifier.verify(unknownToken(kid)), 'R', 'ERR_KEY_NOT_FOUND')
    for (let second = 0; second < 29; second++) {
      await expectRefusal(verifier.verify(unknownToken('a')), 'R', 'ERR_KEY_NOT_FOUND')
      clock.advance(1)
    }
  })

  it('U: it was not looked up yet; R once it was', async () => {
    const { clock, verifier } = await create()
    for (const kid of ['a', 'b'])
      await expectRefusal(verifier.verify(unknownToken(kid)), 'R', 'ERR_KEY_NOT_FOUND')
    const error = await rejectionOf(verifier.verify(unknownToken('c')))
    expect(error).toMatchObject({
      code: 'ERR_KEYS_UNAVAILABLE',
      reason: 'key-lookup-limited',
      headers: { 'Retry-After': '30' },
    })
    clock.advance(30)
    await expectRefusal(verifier.verify(unknownToken('c')), 'R', 'ERR_KEY_NOT_FOUND')
  })

  it('R: it was removed from the set', async () => {
    const { issuer, verifier } = await create()
    issuer.publish(next.jwk)
    await verifier.verify(newToken)
    await expectRefusal(verifier.verify(unknownToken('a')), 'R', 'ERR_KEY_NOT_FOUND')
    await expectRefusal(verifier.verify(token), 'R', 'ERR_KEY_NOT_FOUND')
  })

  it('A: it was refused, and the issuer has published it since', async () => {
    const { clock, issuer, verifier } = await create()
    await expectRefusal(verifier.verify(newToken), 'R', 'ERR_KEY_NOT_FOUND')
    issuer.publish(key.jwk, next.jwk)
    clock.advance(30)
    await expect(verifier.verify(newToken)).resolves.toBeDefined()
  })

  it('R: it is implausible', async () => {
    const { issuer, verifier } = await create()
    for (let n = 0; n < 10; n++)
      await expectRefusal(verifier.verify(unknownToken(`a b ${n}`)), 'R', 'ERR_KEY_NOT_FOUND')
    expect(issuer.keyRequests).toBe(1)
  })

  it('all kids of a simultaneous flood are looked up in one refetched set', async () => {
    const { issuer, verifier } = await create()
    const errors = await Promise.all(
      Array.from({ length: 300 }, (_, n) => rejectionOf(verifier.verify(unknownToken(`u-${n}`)))),
    )
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_KEY_NOT_FOUND']))
    expect(issuer.keyRequests).toBe(2)
  })

  it('the memory of absent kids is bounded: the oldest are evicted, and looked up again', async () => {
    const { verifier } = await create(3600)
    await expectRefusal(verifier.verify(unknownToken('first')), 'R', 'ERR_KEY_NOT_FOUND')
    await Promise.all(
      Array.from({ length: 1000 }, (_, n) => rejectionOf(verifier.verify(unknownToken(`u-${n}`)))),
    )
    await expectRefusal(verifier.verify(unknownToken('u-0')), 'R', 'ERR_KEY_NOT_FOUND')
    await expectRefusal(verifier.verify(unknownToken('first')), 'U', 'ERR_KEYS_UNAVAILABLE')
  })

  it('introspection decides where the lookup was limited', async () => {
    const documents = new ForgedIssuer(key)
    const fetch: ForgedIssuer['fetch'] = async (url, init) =>
      url.endsWith('/introspect') ? Response.json({ active: true }) : documents.fetch(url, init)
    const introspection = { clientId: 'api', clientSecret: 's' }
    const introspectionEndpoint = 'https://issuer.example/introspect'
    const verifier = makeVerifier({ fetch }, { introspectionEndpoint, introspection })
    await verifier.preload()
    for (let n = 0; n < 5; n++)
      await expect(verifier.verify(unknownToken(`u-${n}`))).resolves.toMatchObject({
        verifiedBy: 'introspection',
      })
  })
})

describe('SpreadBudget', () => {
  /** When events are allowed, in seconds, for a caller that tries once a second. */
  function eventsOf(wanted: (second: number) => boolean, seconds = 600): number[] {
    const clock = new TestClock()
    const budget = new SpreadBudget(30_000, clock)
    const times: number[] = []
    for (let second = 0; second < seconds; second++) {
      while (wanted(second) && budget.waitMs <= 0) {
        budget.spend()
        times.push(second)
      }
      clock.advance(1)
    }
    return times
  }

  it('allows two at once, then spreads them evenly', () => {
    expect(eventsOf(() => true, 100)).toEqual([0, 0, 30, 45, 60, 75, 90])
  })

  it('allows two at once again after a quiet time', () => {
    expect(eventsOf((second) => second < 50 || second >= 95, 130)).toEqual([0, 0, 30, 45, 95, 95, 125])
  })

  it('never allows more than two in the span or four in twice the span, and waitMs is exact', () => {
    let seed = 1
    const random = () => {
      seed = (seed * 16_807) % 2_147_483_647
      return seed / 2_147_483_647
    }
    for (let run = 0; run < 50; run++) {
      const density = random()
      const clock = new TestClock()
      const budget = new SpreadBudget(30_000, clock)
      const times: number[] = []
      let promised = 0
      for (let step = 0; step < 500; step++) {
        const now = clock.monotonic()
        if (budget.waitMs > 0) promised = Math.max(promised, now + budget.waitMs)
        else {
          if (now < promised) throw new Error('waitMs was too long')
          if (random() < density) {
            budget.spend()
            times.push(now)
          }
        }
        clock.advance(random() * 10)
      }
      for (const [spanMs, most] of [
        [30_000, 2],
        [60_000, 4],
      ] as const)
        expect(
          Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + spanMs).length)),
        ).toBeLessThanOrEqual(most)
    }
  })
})
