import type { ErrorCode, FetchFunction, VerifierOptions } from '@telnyx-auth/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { TokenVerifier } from '../../packages/core/src/testing.js'
import { settle } from '../support/event-loop.js'
import {
  encode,
  expectRefusal,
  ForgedIssuer,
  type ForgeKey,
  goodHeader,
  goodToken,
  ISSUER,
  JWKS_URL,
  METADATA_URL,
  makeKey,
  makeVerifier,
  NOW,
  rejectionOf,
  segmentsOf,
  TestClock,
} from '../support/forge.js'
import { createSignal } from '../support/http.js'

/** The table "What it must show" of the keys' life: the figures, with the default options and a moved clock. */

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const key = makeKey('ES256', 'good')
const next = makeKey('ES256', 'next')
/** Good for weeks: only their keys are in question. */
const tokenOf = (signer: ForgeKey): string => goodToken(signer, { exp: NOW + 60 * DAY })
const token = tokenOf(key)
const newToken = tokenOf(next)
const MOVED_URL = `${ISSUER}/moved`

const [, PAYLOAD, SIGNATURE] = segmentsOf(token)
/** A token that is good but for its key, which nobody knows. */
function unknownToken(kid: string): string {
  return `${encode(goodHeader(key, { kid }))}.${PAYLOAD}.${SIGNATURE}`
}

type Answer = ForgedIssuer['jwks']

const setOf =
  (...keys: readonly ForgeKey[]): Answer =>
  () =>
    Response.json({ keys: keys.map(({ jwk }) => jwk) })
const metadataOf =
  (uri: string, headers: Readonly<Record<string, string>> = {}): Answer =>
  () =>
    Response.json({ issuer: ISSUER, jwks_uri: uri }, { headers })
const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Answer =>
  () =>
    new Response(null, { status: code, headers })
const drop: Answer = () => Promise.reject(new TypeError('fetch failed'))
const silence: Answer = (_, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
const html: Answer = () => new Response('<!doctype html>')
/** One byte a second, for as long as anybody listens. */
const drip: Answer = (_, signal) => {
  let timer: NodeJS.Timeout | undefined
  return new Response(
    new ReadableStream({
      start(controller) {
        const send = () => {
          controller.enqueue(Buffer.from(' '))
          timer = setTimeout(send, 1000)
        }
        send()
        signal.addEventListener('abort', () => clearTimeout(timer))
      },
      cancel: () => clearTimeout(timer),
    }),
  )
}
/** The usual answer, so many seconds later. */
const late =
  (seconds: number, answer: Answer): Answer =>
  async (url, signal) => {
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    return answer(url, signal)
  }
/** This for so many requests, and the usual answer afterwards. */
function firstly(count: number, fault: Answer, usual: Answer): Answer {
  let left = count
  return (url, signal) => (left-- > 0 ? fault(url, signal) : usual(url, signal))
}

class ChanceClock extends TestClock {
  chance = 0

  override random(): number {
    return this.chance
  }
}

interface Asked {
  readonly url: string
  /** In seconds. */
  readonly at: number
  readonly headers: Readonly<Record<string, string>>
  /** Whether a fault answered. */
  readonly failing: boolean
}

/** A verifier, its issuer, and the time of both. */
class Service {
  readonly clock = new ChanceClock()
  readonly issuer = new ForgedIssuer(key)
  readonly asked: Asked[] = []
  readonly verifier: TokenVerifier
  /** What answers at a place that is neither that of the metadata nor that of the keys. */
  moved: Answer = status(404)
  readonly #healthy: readonly [Answer, Answer]

  constructor(options: VerifierOptions = {}) {
    this.#healthy = [this.issuer.metadata, this.issuer.jwks]
    const fetch: FetchFunction = async (url, init) => {
      const healthy: readonly unknown[] = this.#healthy
      const answer = url === METADATA_URL ? this.issuer.metadata : this.issuer.jwks
      this.asked.push({ url, at: this.now, headers: init.headers, failing: !healthy.includes(answer) })
      return url === MOVED_URL ? this.moved(url, init.signal) : this.issuer.fetch(url, init)
    }
    this.verifier = makeVerifier({ fetch }, options, this.clock)
  }

  /** With keys, so many seconds old; what was asked for them is not counted. */
  static async withKeys(ageSeconds = 0, options: VerifierOptions = {}): Promise<Service> {
    const service = new Service(options)
    await service.verifier.verify(token)
    await service.pass(ageSeconds)
    service.asked.length = 0
    return service
  }

  get now(): number {
    return this.clock.monotonic() / 1000
  }

  get keysAge(): number {
    return this.verifier.health().keysAgeSeconds ?? expect.fail('There are no keys')
  }

  /** Lets time pass, for timers too, and everything happen that is due. */
  async pass(seconds: number): Promise<void> {
    // What was begun just now does not have to wait: a token that is known is verified before anything else can happen.
    await settle()
    this.clock.advance(seconds)
    vi.advanceTimersByTime(seconds * 1000)
    await settle()
  }

  /** The same for every so many seconds: what is due at a timer happens at its time. */
  async passBySteps(seconds: number, step = 1): Promise<void> {
    for (let passed = 0; passed < seconds; passed += step) await this.pass(step)
  }

  fail(place: Place, fault: Answer): void {
    if (place !== 'jwks') this.issuer.metadata = fault
    if (place !== 'metadata') this.issuer.jwks = fault
  }

  recover(): void {
    ;[this.issuer.metadata, this.issuer.jwks] = this.#healthy
  }

  count(url: string): number {
    return this.asked.filter((request) => request.url === url).length
  }

  /** The most requests within any 60 seconds. */
  busiestMinute(which: (request: Asked) => boolean = () => true): number {
    const times = this.asked.filter(which).map(({ at }) => at)
    return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + 60).length))
  }

  /** Verifies without letting any time pass: whoever waits for the issuer never comes back, and the test fails. */
  async verifyAtOnce(each: string): Promise<ErrorCode | 'accepted'> {
    return this.verifier.verify(each).then(
      () => 'accepted' as const,
      async (error: unknown) => (await rejectionOf(Promise.reject(error))).code,
    )
  }

  /** Verifies while time passes in steps of 50 ms: what came of it, and after how many seconds. */
  async timed(
    each: string,
    limitSeconds = 60,
  ): Promise<{ outcome: ErrorCode | 'accepted'; seconds: number }> {
    const from = this.now
    let outcome: ErrorCode | 'accepted' | undefined
    const work = this.verifyAtOnce(each).then((result) => {
      outcome = result
    })
    await settle()
    while (outcome === undefined) {
      if (this.now - from > limitSeconds) expect.fail(`Nothing within ${limitSeconds} s`)
      await this.pass(0.05)
    }
    await work
    return { outcome, seconds: Math.round((this.now - from) * 1000) / 1000 }
  }
}

type Place = 'metadata' | 'jwks' | 'both'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('10,000 simultaneous first verifications', { timeout: 60_000 }, () => {
  it('10,000: 1 metadata request, 1 JWKS request, 0 failures', async () => {
    const service = new Service()
    const outcomes = await Promise.all(Array.from({ length: 10_000 }, () => service.verifyAtOnce(token)))
    expect(outcomes.filter((outcome) => outcome !== 'accepted')).toEqual([])
    expect(service.asked.map(({ url }) => url)).toEqual([METADATA_URL, JWKS_URL])
  })

  it('10,000 while the issuer fails: all 503 after 1 request and 1 more to be sure', async () => {
    const service = new Service()
    service.fail('both', status(500))
    const outcomes = await Promise.all(Array.from({ length: 10_000 }, () => service.verifyAtOnce(token)))
    expect(new Set(outcomes)).toEqual(new Set(['ERR_DISCOVERY_FAILED']))
    expect(service.asked.map(({ url }) => url)).toEqual([METADATA_URL, METADATA_URL])
  })

  it('10,000 with keys past their lifetime: 1 JWKS request, 0 failures', async () => {
    const service = await Service.withKeys(400)
    const outcomes = await Promise.all(Array.from({ length: 10_000 }, () => service.verifyAtOnce(token)))
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

describe('a flood of tokens with unknown kids', () => {
  /** Floods for a minute; good tokens come between them, and are answered at once. */
  async function flood(
    service: Service,
    tokens: number,
    steps: readonly number[] = Array.from({ length: 600 }, () => 0.1),
  ): Promise<Map<ErrorCode | 'accepted', number>> {
    const outcomes = new Map<ErrorCode | 'accepted', number>()
    const perStep = Math.ceil(tokens / steps.length)
    let sent = 0
    for (const step of steps) {
      for (let n = 0; n < perStep; n++) {
        const outcome = await service.verifyAtOnce(unknownToken(`unknown-${sent++}`))
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      }
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      service.clock.advance(step)
    }
    return outcomes
  }

  it('1,000,000 within a minute, good traffic beside them: at most 4 JWKS requests, 0 good tokens failed', async () => {
    const service = await Service.withKeys(240)
    const outcomes = await flood(service, 1_000_000)
    // Those that were looked up in keys fetched for them; about the others nothing is decided.
    expect(outcomes.get('ERR_KEY_NOT_FOUND')).toBe(4)
    expect(outcomes.get('ERR_KEYS_UNAVAILABLE')).toBeGreaterThanOrEqual(999_996)
    expect(outcomes.size).toBe(2)
    expect(service.count(JWKS_URL)).toBe(4)
    // Whether the keys are somewhere else by now.
    expect(service.count(METADATA_URL)).toBe(1)
  }, 300_000)

  it.each([0, 10, 200, 225, 239.9, 240, 299, 300, HOUR])(
    'with keys %d s old at the start, and just at the edges of 30 s: at most 4 JWKS requests in any minute',
    async (age) => {
      const service = await Service.withKeys(age)
      const edges = [0.001, 29.898, 0.1, 0.001, 0.001, 29.898, 0.1, 0.001]
      const outcomes = await flood(service, 2000, [...edges, ...edges, ...edges, ...edges])
      expect([...outcomes.keys()].sort()).toEqual(['ERR_KEYS_UNAVAILABLE', 'ERR_KEY_NOT_FOUND'])
      expect(service.busiestMinute(({ url }) => url === JWKS_URL)).toBe(4)
    },
  )

  it.each([60, 70, 90])(
    'with a lifetime of %d s, refreshes and refetches together: at most 4 JWKS requests in any minute',
    async (maxAge) => {
      const service = new Service()
      const { jwks } = service.issuer
      service.issuer.jwks = async (url, signal) => {
        const answer = await jwks(url, signal)
        answer.headers.set('cache-control', `max-age=${maxAge}`)
        return answer
      }
      await service.verifier.preload()
      service.asked.length = 0
      // Unknown kids come in bursts, so that refreshes in the background find their time as well.
      for (let step = 0; step < 1200; step++) {
        if (step % 50 < 12) await service.verifyAtOnce(unknownToken(`unknown-${step}`))
        if (step % 50 === 7) await service.verifyAtOnce(unknownToken(`another-${step}`))
        expect(await service.verifyAtOnce(token)).toBe('accepted')
        service.clock.advance(1)
        await settle()
      }
      const most = service.busiestMinute(({ url }) => url === JWKS_URL)
      expect(most).toBeGreaterThan(1)
      expect(most).toBeLessThanOrEqual(4)
    },
  )

  it('20,000 beside a JWKS response that is held back: 0 good tokens wait for it, at most 4 JWKS requests', async () => {
    const service = await Service.withKeys(240)
    const { jwks } = service.issuer
    const held = createSignal()
    service.issuer.jwks = async (url, signal) => {
      await held.promise
      return jwks(url, signal)
    }
    const flooding: Promise<ErrorCode | 'accepted'>[] = []
    for (let n = 0; n < 20_000; n++) {
      flooding.push(service.verifyAtOnce(unknownToken(`unknown-${n}`)))
      // Nothing but this test could release the response.
      if (n % 100 === 0) expect(await service.verifyAtOnce(token)).toBe('accepted')
    }
    expect(service.count(JWKS_URL)).toBe(1)
    held.resolve()
    expect(new Set(await Promise.all(flooding))).toEqual(new Set(['ERR_KEY_NOT_FOUND']))
    expect(service.count(JWKS_URL)).toBe(2)
  })

  it.each([
    ['status 500', status(500)],
    ['a dropped connection', drop],
    ['status 404', status(404)],
    ['HTML', html],
    ['silence', silence],
  ])('20,000 within a minute while the keys answer with %s: at most 4 JWKS requests', async (_, fault) => {
    const service = await Service.withKeys(240)
    service.fail('jwks', fault)
    const flooding: Promise<ErrorCode | 'accepted'>[] = []
    for (let step = 0; step < 120; step++) {
      for (let n = 0; n < 170; n++) flooding.push(service.verifyAtOnce(unknownToken(`unknown-${step}-${n}`)))
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      await service.pass(0.5)
    }
    // Whether there is such a key cannot be told.
    expect(new Set(await Promise.all(flooding))).toEqual(new Set(['ERR_KEYS_UNAVAILABLE']))
    expect(service.busiestMinute(({ url }) => url === JWKS_URL)).toBeLessThanOrEqual(4)
  })

  it('a rotation during the flood is noticed within 30 s', async () => {
    const service = await Service.withKeys(10)
    await flood(service, 100, [0.1])
    service.issuer.jwks = setOf(key, next)
    let seconds = 0
    while ((await service.verifyAtOnce(newToken)) !== 'accepted') {
      seconds++
      if (seconds > 30) expect.fail('It was not noticed')
      await flood(service, 100, [1])
    }
    expect(service.busiestMinute(({ url }) => url === JWKS_URL)).toBeLessThanOrEqual(4)
  })
})

const faults: readonly (readonly [string, Answer])[] = [
  ['status 500', status(500)],
  ['status 503 with Retry-After', status(503, { 'retry-after': '20' })],
  ['a dropped connection', drop],
  ['status 404', status(404)],
  ['status 429', status(429)],
  ['HTML', html],
  ['an empty object', () => Response.json({})],
  ['silence', silence],
]
/** Those that differ in how they are met. */
const kinds = faults.filter(([name]) => !/404|429|empty/.test(name))
const places: readonly Place[] = ['metadata', 'jwks', 'both']

describe('the issuer is down, keys at hand', () => {
  /** Traffic over an outage; every token with a key at hand is accepted at once. */
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
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      await settle()
      await service.pass(gap)
    }
    return outcomes
  }

  /** Every few seconds for the first ten minutes and for another ten in the middle; else about once a minute. */
  function* day(): Generator<number> {
    for (let second = 0; second < DAY; ) {
      const gap = second % (12 * HOUR) < 600 ? 2 + (second % 7) : 41 + (second % 59)
      yield gap
      second += gap
    }
  }

  it('24 hours, a token every 5 s: 0 failures; at most 4 requests a minute; pauses growing to a minute', async () => {
    const service = await Service.withKeys(0)
    service.fail('both', status(500))
    await outlast(
      service,
      Array.from({ length: DAY / 5 }, () => 5),
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
    expect(service.asked.length).toBeGreaterThan(2000)
    expect(service.verifier.health()).toMatchObject({ ready: true, stale: true })
  }, 60_000)

  const cases = kinds.flatMap(([name, fault]) =>
    places.map((place) => ({ name, fault, place, withUnknown: place === 'both' })),
  )
  it.each(cases)(
    '24 hours of $name from $place: 0 failures, at most 4 failing requests in any minute',
    async ({ fault, place, withUnknown }) => {
      const service = await Service.withKeys(HOUR)
      service.clock.chance = place === 'jwks' ? 0.999 : 0
      // The keys must last: those of an hour ago are refreshed before the outage.
      await service.verifyAtOnce(token)
      await settle()
      service.asked.length = 0
      service.fail(place, fault)
      const outcomes = await outlast(service, day(), withUnknown)
      expect(service.busiestMinute(({ failing }) => failing)).toBeLessThanOrEqual(4)
      // What is well is asked as if nothing were: the metadata once a minute at the most, the keys by their budget.
      expect(service.busiestMinute()).toBeLessThanOrEqual(place === 'both' ? 4 : 5)
      if (withUnknown) expect([...outcomes]).not.toContain('ERR_KEY_NOT_FOUND')
    },
    60_000,
  )

  // What is under way may fail: requests that are made at the same time count before they do.
  it.each(faults.flatMap(([name, fault]) => [0, 0.999].map((chance) => ({ name, fault, chance }))))(
    'down after a quiet hour, metadata and keys due together ($name, chance $chance): at most 4 requests in any minute',
    async ({ name, fault, chance }) => {
      for (const unknownKids of [false, true])
        for (const gap of [0.5, 1, 3, 5, 7, 11, 17]) {
          const service = await Service.withKeys(HOUR + 5)
          service.clock.chance = chance
          service.fail('both', fault)
          const first = service.verifyAtOnce(token)
          await settle()
          // Where it is silent, that is how long the first one waits after a quiet time.
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
    60_000,
  )

  it('metadata down and a flood of unknown kids: at most 4 requests fail, and 4 for keys succeed, in any minute', async () => {
    const service = await Service.withKeys(HOUR)
    service.fail('metadata', drop)
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
      service.clock.chance = chance
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
    service.fail('both', drop)
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
  const cases = kinds.flatMap(([name, fault]) =>
    places.flatMap((place) => [0, 0.999].map((chance) => ({ name, fault, place, chance }))),
  )
  it.each(cases)(
    '$name from $place (chance $chance): 503 with Retry-After, at most 4 requests a minute, at once between them',
    async ({ name, fault, place, chance }) => {
      const service = new Service()
      service.clock.chance = chance
      service.fail(place, fault)
      const code = place === 'jwks' ? 'ERR_KEYS_UNAVAILABLE' : 'ERR_DISCOVERY_FAILED'
      for (let second = 0; second < 300; second++) {
        const { length } = service.asked
        const refusals = [token, newToken, token].map((each) =>
          expectRefusal(service.verifier.verify(each), 'U', code),
        )
        // Only who has the issuer asked waits for it, and only where it is silent.
        if (name === 'silence') await settle()
        if (name === 'silence' && service.asked.length > length) await service.passBySteps(6)
        const [refusal] = await Promise.all(refusals)
        expect(Number(refusal?.headers['Retry-After'])).toBeLessThanOrEqual(76)
        await service.pass(1)
      }
      expect(service.busiestMinute(({ failing }) => failing)).toBeLessThanOrEqual(4)
      expect(service.asked.length).toBeGreaterThan(5)

      service.recover()
      const from = service.now
      while ((await service.verifyAtOnce(token)) !== 'accepted') await service.pass(1)
      expect(service.now - from).toBeLessThanOrEqual(75)
    },
    30_000,
  )

  it('whoever comes again after Retry-After, and not before, has the issuer asked', async () => {
    const service = new Service()
    service.clock.chance = 0.5
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

  it('the issuer says Retry-After: 90, and is left alone for 90 s', async () => {
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
    service.fail('both', drop)
    for (let n = 0; n < 360; n++) {
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      await service.pass(10)
    }
    service.recover()
    service.issuer.jwks = setOf(next)
    const from = service.now
    while ((await service.verifyAtOnce(token)) === 'accepted') await service.pass(10)
    expect(service.now - from).toBeLessThanOrEqual(80)
  })
})

describe('silence, and a body of one byte a second', () => {
  const slow: readonly (readonly [string, Answer])[] = [
    ['silence', silence],
    ['a body of one byte a second', drip],
  ]
  const cases = slow.flatMap(([name, fault]) => places.map((place) => ({ name, fault, place })))

  it.each(cases)(
    '$name from $place: busy for 2 hours with keys at hand, nobody ever waits',
    async ({ fault, place }) => {
      const service = await Service.withKeys(0)
      service.fail(place, fault)
      for (let n = 0; n < 720; n++) {
        // No timer moves meanwhile: whoever waited would wait for ever.
        expect(await service.verifyAtOnce(token)).toBe('accepted')
        await service.pass(10)
      }
      expect(service.asked.filter(({ failing }) => failing).length).toBeGreaterThan(10)
      expect(service.busiestMinute(({ failing }) => failing)).toBeLessThanOrEqual(4)
    },
  )

  it.each(cases)(
    '$name from $place: idle for an hour with keys at hand, waits 1 s at the most',
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
    ['the metadata after 4.9 s, then drops', late(4.9, metadataOf(JWKS_URL)), late(1, drop)],
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

  it('timeoutMs: 1500 is all that anybody waits', async () => {
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
      expect(await service.verifyAtOnce(token)).toBe('accepted')
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
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      oldest = Math.max(oldest, service.verifier.health().metadataAgeSeconds ?? 0)
      await service.pass(10)
    }
    expect(oldest).toBeLessThanOrEqual(HOUR)
    expect(service.count(METADATA_URL)).toBeGreaterThanOrEqual(5)
  })
})

describe('retries', () => {
  const hiccups: readonly (readonly [string, Answer])[] = [
    ...[500, 502, 503, 504].map((code) => [`status ${code}`, status(code)] as const),
    ['a dropped connection', drop],
  ]
  const finals: readonly (readonly [string, Answer])[] = [
    ...[400, 401, 403, 404, 410, 429, 501, 201].map((code) => [`status ${code}`, status(code)] as const),
    ['status 503 with Retry-After', status(503, { 'retry-after': '1' })],
    ['status 500 with Retry-After: 0', status(500, { 'retry-after': '0' })],
    ['a redirect', status(302, { location: MOVED_URL })],
    ['HTML', html],
    ['an empty object', () => Response.json({})],
    ['an unasked 304', status(304)],
  ]
  const documents = ['metadata', 'jwks'] as const
  const at = { metadata: METADATA_URL, jwks: JWKS_URL }

  it.each(documents.flatMap((place) => hiccups.map(([name, fault]) => ({ place, name, fault }))))(
    'one hiccup ($name from $place) is not noticed by the first caller',
    async ({ place, fault }) => {
      const service = new Service()
      service.issuer[place] = firstly(1, fault, service.issuer[place])
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      expect(service.count(at[place])).toBe(2)
      expect(service.asked).toHaveLength(3)
      expect(service.verifier.health()).not.toHaveProperty('lastFailure')
    },
  )

  it.each(documents.flatMap((place) => hiccups.map(([name, fault]) => ({ place, name, fault }))))(
    'two ($name from $place) are: retries is 1 by default, and 2 when it is set to 2',
    async ({ place, fault }) => {
      for (const [retries, outcome] of [
        [undefined, 'refused'],
        [1, 'refused'],
        [2, 'accepted'],
      ] as const) {
        const service = new Service({ retries })
        service.issuer[place] = firstly(2, fault, service.issuer[place])
        const result = await service.verifyAtOnce(token)
        expect(result === 'accepted' ? 'accepted' : 'refused').toBe(outcome)
        expect(service.count(at[place])).toBe(outcome === 'accepted' ? 3 : 2)
      }
    },
  )

  it.each(documents.flatMap((place) => hiccups.map(([name, fault]) => ({ place, name, fault }))))(
    'with retries: 0, not even one ($name from $place)',
    async ({ place, fault }) => {
      const service = new Service({ retries: 0 })
      service.issuer[place] = firstly(1, fault, service.issuer[place])
      expect(await service.verifyAtOnce(token)).not.toBe('accepted')
      expect(service.count(at[place])).toBe(1)
    },
  )

  it.each(documents.flatMap((place) => finals.map(([name, fault]) => ({ place, name, fault }))))(
    'not retried: $name from $place',
    async ({ place, fault }) => {
      const service = new Service({ retries: 3 })
      service.issuer[place] = firstly(1, fault, service.issuer[place])
      expect(await service.verifyAtOnce(token)).not.toBe('accepted')
      expect(service.count(at[place])).toBe(1)
      expect(service.count(MOVED_URL)).toBe(0)
    },
  )

  it('one hiccup of each document in the same load is not noticed', async () => {
    const service = new Service()
    service.issuer.metadata = firstly(1, status(502), service.issuer.metadata)
    service.issuer.jwks = firstly(1, drop, service.issuer.jwks)
    expect(await service.verifyAtOnce(token)).toBe('accepted')
  })

  it('with 3 retries: at most 4 requests in a minute', async () => {
    const service = new Service({ retries: 3 })
    service.fail('both', status(500))
    for (let second = 0; second < 600; second++) {
      await service.verifyAtOnce(token)
      await service.pass(1)
    }
    expect(service.busiestMinute()).toBe(4)
  })
})

describe('ETag (RFC 9110 §13.1.2)', () => {
  /** Answers with 304 to who names the entity tag. */
  const tagged =
    (service: Service, tag: string, usual: Answer, headers: Readonly<Record<string, string>> = {}): Answer =>
    async (url, signal) => {
      if (service.asked.at(-1)?.headers['if-none-match'] === tag)
        return new Response(null, { status: 304, headers })
      const answer = await usual(url, signal)
      answer.headers.set('etag', tag)
      return answer
    }

  async function taggedService(tag: string, headers?: Readonly<Record<string, string>>): Promise<Service> {
    const service = new Service()
    service.issuer.jwks = tagged(service, tag, setOf(key), headers)
    await service.verifier.preload()
    expect(service.asked.at(-1)?.headers).not.toHaveProperty('if-none-match')
    service.asked.length = 0
    return service
  }

  it.each(['"v1"', 'W/"v1"', '""', '"a b"'.replace(' ', '-'), `"${'x'.repeat(256)}"`])(
    'is sent back as it came (%s), with cache-control: max-age=0',
    async (tag) => {
      const service = await taggedService(tag)
      await service.pass(300)
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      expect(service.asked.map(({ url }) => url)).toEqual([JWKS_URL])
      expect(service.asked[0]?.headers).toMatchObject({ 'if-none-match': tag, 'cache-control': 'max-age=0' })
      expect(service.verifier.health()).toMatchObject({ stale: false, keysAgeSeconds: 0, keyIds: ['good'] })
    },
  )

  it('304 renews the lifetime, for 5 minutes or for the max-age that it brings', async () => {
    const service = await taggedService('"v1"', { 'cache-control': 'max-age=1000' })
    await service.pass(300)
    await service.verifyAtOnce(token)
    expect(service.keysAge).toBe(0)
    // 80 % of the new lifetime.
    await service.pass(799)
    await service.verifyAtOnce(token)
    expect(service.asked).toHaveLength(1)
    await service.pass(1)
    await service.verifyAtOnce(token)
    await settle()
    expect(service.count(JWKS_URL)).toBe(2)
    expect(service.keysAge).toBe(0)

    const brief = await taggedService('"v1"')
    for (let n = 1; n <= 5; n++) {
      await brief.pass(300)
      await brief.verifyAtOnce(token)
      expect(brief.count(JWKS_URL)).toBe(n)
    }
  })

  it('304 decides about an unknown key: 401, and 2 requests in 30 s', async () => {
    const service = await taggedService('"v1"')
    for (let n = 0; n < 100; n++)
      expect(await service.verifyAtOnce(unknownToken(`unknown-${n}`))).toBe(
        n < 2 ? 'ERR_KEY_NOT_FOUND' : 'ERR_KEYS_UNAVAILABLE',
      )
    expect(service.asked.map(({ headers }) => headers['if-none-match'])).toEqual(['"v1"', '"v1"'])
  })

  it('a changed set comes with 200, and its tag takes the place of the old one', async () => {
    const service = await taggedService('"v1"')
    service.issuer.jwks = tagged(service, '"v2"', setOf(next))
    expect(await service.verifyAtOnce(newToken)).toBe('accepted')
    await service.pass(300)
    expect(await service.verifyAtOnce(newToken)).toBe('accepted')
    expect(service.asked.map(({ headers }) => headers['if-none-match'])).toEqual(['"v1"', '"v2"'])
    expect(service.verifier.health()).toMatchObject({ keyIds: ['next'] })
  })

  it('a set that comes without a tag takes the old one away', async () => {
    const service = await taggedService('"v1"')
    service.issuer.jwks = setOf(key, next)
    await service.verifyAtOnce(newToken)
    await service.pass(300)
    await service.verifyAtOnce(newToken)
    expect(service.asked.map(({ headers }) => headers['if-none-match'])).toEqual(['"v1"', undefined])
  })

  it.each(['metadata', 'jwks'] as const)(
    'a 304 from %s that nobody asked for is a failure',
    async (place) => {
      const service = new Service()
      service.issuer[place] = status(304)
      expect(await service.verifyAtOnce(token)).toBe(
        place === 'jwks' ? 'ERR_KEYS_UNAVAILABLE' : 'ERR_DISCOVERY_FAILED',
      )
      const held = await Service.withKeys(place === 'jwks' ? 300 : HOUR)
      held.issuer[place] = status(304)
      expect(await held.verifyAtOnce(token)).toBe('accepted')
      expect(held.verifier.health()).toMatchObject({ lastFailure: { reason: 'redirect' } })
    },
  )

  it.each([
    'v1',
    '"v1',
    'v1"',
    '"v"1"',
    'w/"v1"',
    'W/v1',
    '*',
    '"a", "b"',
    '"a b"',
    '"é"',
    '"a\r\nx-injected: 1"',
    '"a\u0000"',
    `"${'x'.repeat(257)}"`,
    '',
  ])('a strange one is not sent back: %j', async (tag) => {
    const sent: Readonly<Record<string, string>>[] = []
    const issuer = new ForgedIssuer(key)
    const clock = new TestClock()
    const fetch: FetchFunction = async (url, init) => {
      sent.push(init.headers)
      const { body } = await issuer.fetch(url, init)
      const headers = { get: (name: string) => (name === 'etag' ? tag : null) }
      return { status: 200, headers, body }
    }
    const verifier = makeVerifier({ fetch }, {}, clock)
    await verifier.verify(token)
    clock.advance(2 * HOUR)
    await verifier.verify(token)
    expect(sent).toHaveLength(4)
    for (const headers of sent) expect(headers).not.toHaveProperty('if-none-match')
  })

  it('is not sent to another URI', async () => {
    const service = await taggedService('"v1"')
    await service.pass(300)
    service.issuer.metadata = metadataOf(MOVED_URL)
    service.issuer.jwks = status(404)
    service.moved = setOf(key, next)
    expect(await service.verifyAtOnce(newToken)).toBe('accepted')
    expect(service.asked.map(({ url, headers }) => [url, headers['if-none-match']])).toEqual([
      [JWKS_URL, '"v1"'],
      [METADATA_URL, undefined],
      [MOVED_URL, undefined],
    ])
  })

  it('the metadata too: asked for conditionally, renewed by 304', async () => {
    const service = new Service()
    service.issuer.metadata = tagged(service, '"m1"', metadataOf(JWKS_URL))
    await service.verifier.preload()
    service.asked.length = 0
    for (let n = 1; n <= 3; n++) {
      await service.pass(HOUR)
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      const asked = service.asked.filter(({ url }) => url === METADATA_URL)
      expect(asked.map(({ headers }) => headers['if-none-match'])).toEqual(
        Array.from({ length: n }, () => '"m1"'),
      )
      expect(service.verifier.health()).toMatchObject({ metadataAgeSeconds: 0 })
    }
  })
})

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
    ['a refused connection', drop],
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
      expect(await service.verifyAtOnce(token)).toBe('accepted')
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

  it.each(kinds)(
    'an outage of a day (%s) is tolerated: keys are refreshed, 0 failures',
    async (_, fault) => {
      const service = await Service.withKeys(0)
      service.fail('metadata', fault)
      let oldest = 0
      for (let n = 0; n < 1440; n++) {
        expect(await service.verifyAtOnce(token)).toBe('accepted')
        await service.pass(MINUTE)
        oldest = Math.max(oldest, service.keysAge)
      }
      expect(service.count(METADATA_URL)).toBeGreaterThan(200)
      // 240 s, and no more than two minutes because the issuer is spared as a whole.
      expect(oldest).toBeLessThanOrEqual(240 + 120)
      expect(service.verifier.health().metadataAgeSeconds).toBe(DAY)
    },
    20_000,
  )

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
    service.fail('metadata', drop)
    await service.pass(DAY + HOUR)
    expect(await service.verifyAtOnce(token)).toBe('ERR_DISCOVERY_FAILED')
    expect(service.count(JWKS_URL)).toBe(0)
    service.recover()
    await service.pass(5)
    expect(await service.verifyAtOnce(token)).toBe('accepted')
  })
})

describe('the option "keys"', () => {
  it('lifetimeSeconds: 600 is how long keys are fresh without a max-age; a max-age goes before it', async () => {
    const service = await Service.withKeys(479, { keys: { lifetimeSeconds: 600 } })
    await service.verifyAtOnce(token)
    expect(service.count(JWKS_URL)).toBe(0)
    await service.pass(1)
    const { jwks } = service.issuer
    service.issuer.jwks = async (url, signal) => {
      const answer = await jwks(url, signal)
      answer.headers.set('cache-control', 'max-age=100')
      return answer
    }
    await service.verifyAtOnce(token)
    await settle()
    expect(service.count(JWKS_URL)).toBe(1)
    await service.pass(80)
    await service.verifyAtOnce(token)
    expect(service.count(JWKS_URL)).toBe(2)
  })

  it.each([0, 600])(
    'maxStaleSeconds: %d is how long keys are used past their lifetime',
    async (maxStaleSeconds) => {
      const service = await Service.withKeys(299, { keys: { maxStaleSeconds } })
      service.fail('both', drop)
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      await service.pass(maxStaleSeconds + 0.999)
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      await service.pass(0.001)
      expect(await service.verifyAtOnce(token)).toBe('ERR_KEYS_UNAVAILABLE')
      expect(service.verifier.health()).toMatchObject({ ready: false })
      service.recover()
      await service.pass(75)
      expect(await service.verifyAtOnce(token)).toBe('accepted')
    },
  )

  it('maxStaleSeconds: 604800 outlasts an outage of a week', async () => {
    const service = await Service.withKeys(0, { keys: { maxStaleSeconds: 7 * DAY } })
    service.fail('both', drop)
    await service.pass(7 * DAY + 299)
    expect(await service.verifyAtOnce(token)).toBe('accepted')
    await service.pass(1)
    expect(await service.verifyAtOnce(token)).not.toBe('accepted')
  })

  it.each([5, 120])('cooldownSeconds: %d is the time for two refetches', async (cooldownSeconds) => {
    const service = await Service.withKeys(0, { keys: { cooldownSeconds } })
    for (const [elapse, requests] of [
      [0, 2],
      [cooldownSeconds - 0.001, 2],
      // In a lasting flood, they are spread.
      [0.001, 3],
      [cooldownSeconds / 2 - 0.001, 3],
      [0.002, 4],
    ] as const) {
      await service.pass(elapse)
      for (let n = 0; n < 10; n++)
        expect(await service.verifyAtOnce(unknownToken(`unknown-${elapse}-${n}`))).not.toBe('accepted')
      expect(service.count(JWKS_URL)).toBe(requests)
    }
  })
})
