import { describe, expect, it } from 'vitest'
import { noConnection, status, withHeader } from '../support/answers.js'
import { settle } from '../support/event-loop.js'
import { JWKS_URL, METADATA_URL } from '../support/forge.js'
import {
  type Answer,
  DAY,
  firstly,
  html,
  MOVED_URL,
  Service,
  token,
  unknownToken,
  useSimulatedTime,
} from '../support/key-life.js'

/** The life of keys: failed requests that are made again, and the options. */

useSimulatedTime()

describe('retries', () => {
  const hiccups: readonly (readonly [string, Answer])[] = [
    ...[500, 502, 503, 504].map((code) => [`status ${code}`, status(code)] as const),
    ['a dropped connection', noConnection],
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
    service.issuer.jwks = firstly(1, noConnection, service.issuer.jwks)
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

describe('the option "keys"', () => {
  it('lifetimeSeconds: 600 is how long keys are fresh without a max-age; a max-age goes before it', async () => {
    const service = await Service.withKeys(479, { keys: { lifetimeSeconds: 600 } })
    await service.verifyAtOnce(token)
    expect(service.count(JWKS_URL)).toBe(0)
    await service.pass(1)
    const { jwks } = service.issuer
    service.issuer.jwks = async (url, signal) =>
      withHeader(await jwks(url, signal), 'cache-control', 'max-age=100')
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
      service.fail('both', noConnection)
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
    service.fail('both', noConnection)
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
