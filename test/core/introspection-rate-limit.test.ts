import { describe, expect, it } from 'vitest'
import { jsonResponse, status } from '../support/answers.js'
import { rejectionOf } from '../support/forge.js'
import {
  createIntrospectionWorld,
  type IntrospectionWorld,
  recordEvents,
  signedToken,
  unknownKeyToken,
} from '../support/introspection-world.js'
import { scale } from '../support/scale.js'

/** I7, attack 44: a rate limit of the endpoint counts the requests of all lanes, so made-up tokens must not use it up. */

const UNAVAILABLE = 'ERR_INTROSPECTION_UNAVAILABLE'
/** Tenths of a second. */
const TICKS = scale(130, 300)
const LIMIT = 10
const EVIL = 30

/** Limits the rate of the endpoint. The caller sets `left` for each tenth of a second. */
function limit(world: IntrospectionWorld, isActive: (token: string) => boolean, headers = {}) {
  const allowance = { left: LIMIT }
  const tooMany = status(429, headers)
  world.answer = (token, signal) =>
    allowance.left-- > 0 ? jsonResponse({ active: isActive(token) }) : tooMany(token, signal)
  return allowance
}

/** How many of the good requests among made-up ones were served. */
async function served(
  world: IntrospectionWorld,
  allowance: { left: number },
  evil: () => string,
  good: string[],
) {
  let count = 0
  for (let tick = 0; tick < TICKS; tick++) {
    allowance.left = LIMIT
    const pending: Promise<string>[] = []
    const outcomes: Promise<string>[] = []
    for (let n = 0; n < EVIL; n++) {
      outcomes.push(world.outcome(evil()))
      if (n === EVIL / 2) pending.push(world.outcome(good[tick % good.length] ?? ''))
    }
    for (const outcome of await Promise.all(pending)) if (outcome !== UNAVAILABLE) count++
    await Promise.all(outcomes)
    world.clock.advance(0.1)
  }
  return count
}

describe('I7: an endpoint with a rate limit', () => {
  const good = Array.from({ length: 20 }, () => signedToken())
  let made = 0
  const floods = {
    'opaque tokens': () => `evil-${++made}`,
    'JWTs with unknown keys': () => unknownKeyToken(),
  }
  const limits = { 'without Retry-After': {}, 'with Retry-After': { 'retry-after': '1' } }

  for (const [flood, evil] of Object.entries(floods))
    it.each(Object.entries(limits))(
      `attack 44: serves verified tokens in a flood of ${flood}, %s`,
      async (_, headers) => {
        const world = await createIntrospectionWorld()
        const allowance = limit(world, (token) => good.includes(token), headers)
        expect(await served(world, allowance, evil, good)).toBeGreaterThan(0.8 * TICKS)
      },
    )
})

describe('a rate limit pause', () => {
  /** Begins a pause: the endpoint refuses one verified token, and then answers again. */
  async function beginPause(headers = {}) {
    const world = await createIntrospectionWorld()
    const allowance = limit(world, () => true, headers)
    expect(await world.outcome('good')).toBe('introspection')
    allowance.left = 0
    expect(await world.outcome(signedToken())).toBe(UNAVAILABLE)
    allowance.left = 1000
    return { world, allowance }
  }

  it('applies to tokens that may be made up, also while others are answered', async () => {
    const { world } = await beginPause()
    const { length } = world.asked
    expect(await world.outcome(signedToken())).toBe('both')
    expect(await world.outcome('good')).toBe('introspection')
    const refused = await rejectionOf(world.verifier.verify('stranger'))
    expect(refused).toMatchObject({ code: UNAVAILABLE, retryAfterSeconds: 5 })
    expect(world.asked).toHaveLength(length + 2)
    world.clock.advance(5)
    expect(await world.outcome('stranger')).toBe('introspection')
  })

  it('does not begin with a token that may be made up', async () => {
    const world = await createIntrospectionWorld()
    const allowance = limit(world, () => true, { 'retry-after': '200' })
    expect(await world.outcome('good')).toBe('introspection')
    allowance.left = 0
    expect(await world.outcome('evil')).toBe(UNAVAILABLE)
    allowance.left = 1000
    expect(await world.outcome('stranger')).toBe('introspection')
  })

  it('lasts longer than the pause of verified tokens, and longer each time', async () => {
    const { world, allowance } = await beginPause({ 'retry-after': '7' })
    const opened = recordEvents('introspectionCircuitOpened')
    for (const pause of [12, 12, 20, 40, 60]) {
      world.clock.advance(pause)
      expect(await world.outcome(signedToken())).toBe('both')
      allowance.left = 0
      expect(await world.outcome(signedToken())).toBe(UNAVAILABLE)
      allowance.left = 1000
    }
    world.clock.advance(130)
    expect(await world.outcome(signedToken())).toBe('both')
    allowance.left = 0
    expect(await world.outcome(signedToken())).toBe(UNAVAILABLE)
    // After a quiet time, the next pause is a first one again.
    expect(opened.filter(({ lane }) => lane === 'decide').map(({ pauseMs }) => pauseMs / 1000)).toEqual([
      12, 20, 40, 60, 60, 12,
    ])
  })
})
