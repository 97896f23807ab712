import type { ErrorCode } from '@telnyx-auth/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { noConnection, silence, status, withHeader } from '../support/answers.js'
import { settle } from '../support/event-loop.js'
import { JWKS_URL, METADATA_URL } from '../support/forge.js'
import { createSignal } from '../support/http.js'
import {
  HOUR,
  html,
  key,
  newToken,
  next,
  Service,
  setOf,
  token,
  unknownToken,
  useSimulatedTime,
} from '../support/key-life.js'
import { scale } from '../support/scale.js'

/** The life of keys: tokens with kids that the issuer does not publish. */

useSimulatedTime()

describe('a flood of tokens with unknown kids', () => {
  // Most of the time of a flood would be spent on the stack traces of its errors.
  const { stackTraceLimit } = Error
  beforeEach(() => {
    Error.stackTraceLimit = 0
  })
  afterEach(() => {
    Error.stackTraceLimit = stackTraceLimit
  })

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
      await service.accept(token)
      service.clock.advance(step)
    }
    return outcomes
  }

  const many = scale(50_000, 1_000_000)
  it(`${many} within a minute, good traffic beside them: at most 4 JWKS requests, 0 good tokens failed`, async () => {
    const service = await Service.withKeys(240)
    const outcomes = await flood(service, many)
    // Those that were looked up in keys fetched for them; about the others nothing is decided.
    expect(outcomes.get('ERR_KEY_NOT_FOUND')).toBe(4)
    expect(outcomes.get('ERR_KEYS_UNAVAILABLE')).toBeGreaterThanOrEqual(many - 4)
    expect(outcomes.size).toBe(2)
    expect(service.count(JWKS_URL)).toBe(4)
    // Whether the keys are somewhere else by now.
    expect(service.count(METADATA_URL)).toBe(1)
  })

  it.each([0, 10, 200, 225, 239.9, 240, 299, 300, HOUR])(
    'with keys %d s old at the start, and just at the edges of 30 s: at most 4 JWKS requests in any minute',
    async (age) => {
      const service = await Service.withKeys(age)
      const edges = [0.001, 29.898, 0.1, 0.001, 0.001, 29.898, 0.1, 0.001]
      const outcomes = await flood(service, scale(320, 2000), [...edges, ...edges, ...edges, ...edges])
      expect([...outcomes.keys()].sort()).toEqual(['ERR_KEYS_UNAVAILABLE', 'ERR_KEY_NOT_FOUND'])
      expect(service.busiestMinute(({ url }) => url === JWKS_URL)).toBe(4)
    },
  )

  it.each([60, 70, 90])(
    'with a lifetime of %d s, refreshes and refetches together: at most 4 JWKS requests in any minute',
    async (maxAge) => {
      const service = new Service()
      const { jwks } = service.issuer
      service.issuer.jwks = async (url, signal) =>
        withHeader(await jwks(url, signal), 'cache-control', `max-age=${maxAge}`)
      await service.verifier.preload()
      service.asked.length = 0
      // Unknown kids come in bursts, so that refreshes in the background find their time as well.
      for (let step = 0; step < 1200; step++) {
        if (step % 50 < 12) await service.verifyAtOnce(unknownToken(`unknown-${step}`))
        if (step % 50 === 7) await service.verifyAtOnce(unknownToken(`another-${step}`))
        await service.accept(token)
        service.clock.advance(1)
        await settle()
      }
      const most = service.busiestMinute(({ url }) => url === JWKS_URL)
      expect(most).toBeGreaterThan(1)
      expect(most).toBeLessThanOrEqual(4)
    },
  )

  const some = scale(4000, 20_000)
  it(`${some} beside a JWKS response that is held back: 0 good tokens wait for it, at most 4 JWKS requests`, async () => {
    const service = await Service.withKeys(240)
    const { jwks } = service.issuer
    const held = createSignal()
    service.issuer.jwks = async (url, signal) => {
      await held.promise
      return jwks(url, signal)
    }
    const flooding: Promise<ErrorCode | 'accepted'>[] = []
    for (let n = 0; n < some; n++) {
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
    ['a dropped connection', noConnection],
    ['status 404', status(404)],
    ['HTML', html],
    ['silence', silence],
  ])(`${some} within a minute while the keys answer with %s: at most 4 JWKS requests`, async (_, fault) => {
    const service = await Service.withKeys(240)
    service.fail('jwks', fault)
    const flooding: Promise<ErrorCode | 'accepted'>[] = []
    for (let step = 0; step < 120; step++) {
      for (let n = 0; n < some / 120; n++)
        flooding.push(service.verifyAtOnce(unknownToken(`unknown-${step}-${n}`)))
      await service.accept(token)
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
