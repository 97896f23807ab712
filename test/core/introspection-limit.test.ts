import { describe, expect, it } from 'vitest'
import { until } from '../support/event-loop.js'
import { expectRefusal, rejectionOf } from '../support/forge.js'
import { createSignal } from '../support/http.js'
import { createIntrospectionWorld, recordEvents, signedToken } from '../support/introspection-world.js'
import { stopTimers } from '../support/outcome.js'

/** Attack 44: the limit on introspection requests in flight. */

const UNAVAILABLE = 'ERR_INTROSPECTION_UNAVAILABLE'

describe('maxInFlight', () => {
  /** An endpoint that answers when the test says so. */
  async function createHeldWorld(maxInFlight: number) {
    const world = await createIntrospectionWorld({ maxInFlight, cacheSeconds: 60 })
    const held = createSignal()
    world.answer = async () => {
      await held.promise
      return Response.json({ active: true })
    }
    return { world, held }
  }

  it.each([
    ['decide', (n: number) => `opaque-${n}`, 'introspection'],
    ['confirm', () => signedToken(), 'both'],
  ] as const)('attack 44: the surplus of %s is a 503 at once, and no failure', async (lane, make, found) => {
    const { world, held } = await createHeldWorld(3)
    const limited = recordEvents('introspectionLimited')
    const opened = recordEvents('introspectionCircuitOpened')
    const admitted = Array.from({ length: 3 }, (_, n) => world.outcome(make(n)))
    await until(() => world.load.inFlight === 3)
    for (let n = 3; n < 10; n++) {
      const token = make(n)
      const { headers } = await expectRefusal(world.verifier.verify(token), 'U', UNAVAILABLE, [token])
      expect(headers['Retry-After']).toBe('1')
      expect(await rejectionOf(world.verifier.verify(make(n)))).toMatchObject({
        reason: 'introspection-limit',
      })
    }
    expect(world.load.most).toBe(3)
    expect(limited).toHaveLength(14)
    expect(limited[0]).toEqual({ issuer: 'https://issuer.example', lane, inFlight: 3 })
    held.resolve()
    expect(new Set(await Promise.all(admitted))).toEqual(new Set([found]))
    expect(opened).toEqual([])
    expect(await world.outcome(make(20))).toBe(found)
  })

  it('does not count joined requests, nor responses from the cache', async () => {
    stopTimers()
    const { world, held } = await createHeldWorld(1)
    const same = Array.from({ length: 100 }, () => world.outcome('same'))
    await until(() => world.load.inFlight > 0)
    expect(world.load.most).toBe(1)
    held.resolve()
    expect(new Set(await Promise.all(same))).toEqual(new Set(['introspection']))
    world.answer = () => new Promise(() => undefined)
    void world.outcome('hangs')
    await until(() => world.load.inFlight > 0)
    expect(await world.outcome('same')).toBe('introspection')
  })

  it('a limit of confirm is a 503 with "accept" too: the endpoint is not down', async () => {
    stopTimers()
    const world = await createIntrospectionWorld({ maxInFlight: 1, onUnavailable: 'accept' })
    world.answer = () => new Promise(() => undefined)
    void world.outcome(signedToken())
    await until(() => world.load.inFlight > 0)
    expect(await world.outcome(signedToken())).toBe(UNAVAILABLE)
  })
})
