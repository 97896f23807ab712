import { describe, expect, it } from 'vitest'
import { active, inactive, noConnection, silence, status, text } from '../support/answers.js'
import { until } from '../support/event-loop.js'
import { rejectionOf } from '../support/forge.js'
import { createSignal } from '../support/http.js'
import {
  createIntrospectionWorld,
  type EndpointAnswer,
  type IntrospectionWorld,
  recordEvents,
  signedToken,
  unknownKeyToken,
} from '../support/introspection-world.js'
import { stopTimers, untilTimeout } from '../support/outcome.js'

/** I7, attack 44: what anonymous callers send does not affect callers whose tokens were verified here. */

const UNAVAILABLE = 'ERR_INTROSPECTION_UNAVAILABLE'
const down = status(500)

const isEvil = (token: string) => token.startsWith('evil')
/** Answers `answer` to made-up tokens only. */
const evilGets =
  (answer: EndpointAnswer, otherwise: EndpointAnswer = active()): EndpointAnswer =>
  (token, signal) =>
    (isEvil(token) ? answer : otherwise)(token, signal)

/** Opens the breaker of `decide`. */
async function openDecide(world: IntrospectionWorld): Promise<void> {
  for (let n = 0; n < 3; n++) expect(await world.outcome(`evil-opening-${n}`)).toBe(UNAVAILABLE)
  const { length } = world.asked
  expect(await world.outcome('evil-suppressed')).toBe(UNAVAILABLE)
  expect(world.asked).toHaveLength(length)
}

const evilAnswers: [string, EndpointAnswer][] = [
  ...[400, 401, 403, 404, 405, 413, 429, 500, 503].map((code): [string, EndpointAnswer] => [
    `status ${code}`,
    status(code),
  ]),
  ['429 with Retry-After', status(429, { 'retry-after': '200' })],
  ['a redirect', status(302, { location: 'https://other.example/' })],
  ['HTML', text('<html>')],
  ['an array', text('[]')],
  ['no connection', noConnection],
  ['silence', silence],
]

describe('I7: made-up tokens do not affect verified ones', () => {
  it.each(evilAnswers)('attack 44: opaque tokens, answered with: %s', async (_, answer) => {
    const world = await createIntrospectionWorld()
    world.answer = evilGets(answer)
    await untilTimeout(() => Promise.all(Array.from({ length: 10 }, (_, n) => world.outcome(`evil-${n}`))))
    for (let n = 0; n < 3; n++) expect(await world.outcome(signedToken())).toBe('both')
  })

  it.each(evilAnswers)('attack 44: JWTs with unknown keys, answered with: %s', async (_, answer) => {
    const world = await createIntrospectionWorld()
    const evil = Array.from({ length: 10 }, () => unknownKeyToken())
    world.answer = (token, signal) => (evil.includes(token) ? answer : active())(token, signal)
    await untilTimeout(() => Promise.all(evil.map((token) => world.outcome(token))))
    expect(world.asked.length).toBeGreaterThan(0)
    expect(await world.outcome(signedToken())).toBe('both')
  })

  it('attack 44: an endpoint that is silent about made-up tokens delays no other token', async () => {
    const world = await createIntrospectionWorld({ maxInFlight: 2 })
    const held = createSignal()
    world.answer = evilGets(async () => {
      await held.promise
      return new Response(null, { status: 500 })
    })
    const evil = Array.from({ length: 10 }, (_, n) => world.outcome(`evil-${n}`))
    await until(() => world.load.inFlight === 2)
    for (let n = 0; n < 5; n++) expect(await world.outcome(signedToken())).toBe('both')
    held.resolve()
    expect(new Set(await Promise.all(evil))).toEqual(new Set([UNAVAILABLE]))
  })

  it('a failure in confirm does not open decide either', async () => {
    const world = await createIntrospectionWorld()
    world.answer = (token, signal) => (token.startsWith('good') ? active() : down)(token, signal)
    for (let n = 0; n < 4; n++) expect(await world.outcome(signedToken())).toBe(UNAVAILABLE)
    expect(await world.outcome('good-opaque')).toBe('introspection')
  })

  it('a success in confirm closes decide, a success in decide does not close confirm', async () => {
    const world = await createIntrospectionWorld()
    world.answer = down
    await openDecide(world)
    world.answer = active()
    expect(await world.outcome('good')).toBe(UNAVAILABLE)
    expect(await world.outcome(signedToken())).toBe('both')
    expect(await world.outcome('good')).toBe('introspection')

    world.answer = down
    for (let n = 0; n < 3; n++) expect(await world.outcome(signedToken())).toBe(UNAVAILABLE)
    world.answer = active()
    expect(await world.outcome('good')).toBe('introspection')
    const { length } = world.asked
    expect(await world.outcome(signedToken())).toBe(UNAVAILABLE)
    expect(world.asked).toHaveLength(length)
    world.clock.advance(5)
    expect(await world.outcome(signedToken())).toBe('both')
  })

  it('each lane has its own half-open probe', async () => {
    const world = await createIntrospectionWorld()
    world.answer = down
    for (let n = 0; n < 3; n++) await world.outcome(signedToken())
    await openDecide(world)
    world.clock.advance(5)
    const held = createSignal()
    world.answer = evilGets(async () => {
      await held.promise
      return new Response(null, { status: 500 })
    })
    const probe = world.outcome('evil-probe')
    await until(() => world.asked.includes('evil-probe'))
    expect(await world.outcome('good')).toBe(UNAVAILABLE)
    expect(await world.outcome(signedToken())).toBe('both')
    held.resolve()
    expect(await probe).toBe(UNAVAILABLE)
  })

  it('the events name the lane, under the plain name and the earlier one', async () => {
    const world = await createIntrospectionWorld()
    const opened = recordEvents('introspectionCircuitOpened')
    const resting = recordEvents('introspectionResting')
    world.answer = down
    await openDecide(world)
    for (let n = 0; n < 3; n++) await world.outcome(signedToken())
    const issuer = 'https://issuer.example'
    expect(opened).toEqual([
      { issuer, lane: 'decide', pauseMs: 5000 },
      { issuer, lane: 'confirm', pauseMs: 5000 },
    ])
    expect(resting).toEqual(opened)
  })
})

describe('I7: in decide, a failure counts against the endpoint only if no other token gets a response', () => {
  it.each(evilAnswers)('made-up tokens do not take it from good opaque ones: %s', async (_, answer) => {
    const world = await createIntrospectionWorld()
    world.answer = evilGets(answer)
    for (let round = 0; round < 5; round++) {
      expect(await world.outcome('good')).toBe('introspection')
      for (let n = 0; n < 5; n++)
        expect(await untilTimeout(() => world.outcome(`evil-${round}-${n}`))).toBe(UNAVAILABLE)
      world.clock.advance(4)
    }
    expect(await world.outcome('good')).toBe('introspection')
  })

  it('a response that is older than a few seconds does not count, nor one about the same token', async () => {
    const world = await createIntrospectionWorld()
    expect(await world.outcome('good')).toBe('introspection')
    world.clock.advance(6)
    world.answer = down
    await openDecide(world)

    const single = await createIntrospectionWorld()
    expect(await single.outcome('one')).toBe('introspection')
    single.answer = down
    for (let n = 0; n < 5; n++) expect(await single.outcome('one')).toBe(UNAVAILABLE)
    // The first failure was tried twice, the last two were suppressed.
    expect(single.asked).toHaveLength(1 + 4)
  })

  it('"not active" is a proper response', async () => {
    const world = await createIntrospectionWorld()
    world.answer = evilGets(down, inactive)
    for (let n = 0; n < 4; n++) {
      expect(await world.outcome('unknown')).toBe('ERR_TOKEN_INACTIVE')
      for (let evil = 0; evil < 4; evil++) await world.outcome(`evil-${n}-${evil}`)
    }
    expect(await world.outcome('unknown')).toBe('ERR_TOKEN_INACTIVE')
  })
})

describe('I7: the half-open probe of decide', () => {
  it('is not the token whose probe has failed', async () => {
    const world = await createIntrospectionWorld()
    world.answer = evilGets(down)
    await openDecide(world)
    world.clock.advance(5)
    expect(await world.outcome('evil-again')).toBe(UNAVAILABLE)
    world.clock.advance(10)
    const { length } = world.asked
    for (let n = 0; n < 10; n++) expect(await world.outcome('evil-again')).toBe(UNAVAILABLE)
    expect(world.asked).toHaveLength(length)
    expect(await world.outcome('good')).toBe('introspection')
  })

  it('is the same token later if no other comes: a single client is served again', async () => {
    const world = await createIntrospectionWorld()
    world.answer = down
    await openDecide(world)
    world.clock.advance(5)
    expect(await world.outcome('lonely')).toBe(UNAVAILABLE)
    world.answer = active()
    world.clock.advance(10)
    const waiting = await rejectionOf(world.verifier.verify('lonely'))
    expect(waiting).toMatchObject({ code: UNAVAILABLE, retryAfterSeconds: 60 })
    world.clock.advance(60)
    expect(await world.outcome('lonely')).toBe('introspection')
  })

  it('has a second one for tokens that were active before, beside that for any token', async () => {
    stopTimers()
    const world = await createIntrospectionWorld()
    world.answer = active()
    expect(await world.outcome('familiar')).toBe('introspection')
    world.clock.advance(60)
    world.answer = down
    await openDecide(world)
    world.clock.advance(5)
    world.answer = evilGets(() => new Promise(() => undefined))
    void world.outcome('evil-that-hangs')
    await until(() => world.asked.includes('evil-that-hangs'))
    expect(await world.outcome('stranger')).toBe(UNAVAILABLE)
    expect(await world.outcome('familiar')).toBe('introspection')
    expect(await world.outcome('stranger')).toBe('introspection')
  })

  it('tokens that were active before wait only for their own failures, and after those like all others', async () => {
    const world = await createIntrospectionWorld()
    expect(await world.outcome('familiar')).toBe('introspection')
    world.clock.advance(60)
    world.answer = evilGets(down)
    await openDecide(world)
    // A failed probe makes the pause of made-up tokens longer.
    for (let n = 0; n < 4; n++) {
      world.clock.advance(5)
      expect(await world.outcome(`evil-probe-${n}`)).toBe(UNAVAILABLE)
    }
    expect(await world.outcome('familiar')).toBe('introspection')

    world.answer = down
    world.clock.advance(60)
    for (let n = 0; n < 3; n++) expect(await world.outcome('familiar')).toBe(UNAVAILABLE)
    const { length } = world.asked
    for (let n = 0; n < 5; n++) expect(await world.outcome('familiar')).toBe(UNAVAILABLE)
    expect(world.asked).toHaveLength(length)
    expect(await rejectionOf(world.verifier.verify('familiar'))).toMatchObject({ retryAfterSeconds: 5 })
  })

  it('a token that is no longer active has no probe of its own', async () => {
    const world = await createIntrospectionWorld()
    expect(await world.outcome('revoked')).toBe('introspection')
    world.answer = inactive
    expect(await world.outcome('revoked')).toBe('ERR_TOKEN_INACTIVE')
    world.clock.advance(60)
    world.answer = down
    await openDecide(world)
    world.answer = active()
    expect(await world.outcome('revoked')).toBe(UNAVAILABLE)
  })

  it('a probe that is answered with 400 shows that the endpoint is reachable', async () => {
    const world = await createIntrospectionWorld()
    world.answer = down
    await openDecide(world)
    world.clock.advance(5)
    world.answer = evilGets(status(400))
    expect(await world.outcome('evil-400')).toBe(UNAVAILABLE)
    expect(await world.outcome('good')).toBe('introspection')
  })
})

it('I7: in confirm, a token whose probe has failed may be the next probe: it cannot be made up', async () => {
  const world = await createIntrospectionWorld()
  world.answer = down
  for (let n = 0; n < 3; n++) expect(await world.outcome(signedToken())).toBe(UNAVAILABLE)
  const token = signedToken()
  world.clock.advance(5)
  expect(await world.outcome(token)).toBe(UNAVAILABLE)
  expect(world.asked.at(-1)).toBe(token)
  world.answer = active()
  world.clock.advance(10)
  expect(await world.outcome(token)).toBe('both')
})

describe('I7: requests that began before the breaker opened', () => {
  it('do not close it when they are answered with 400', async () => {
    const world = await createIntrospectionWorld()
    const held = createSignal()
    world.answer = (token, signal) =>
      token === 'evil-early'
        ? held.promise.then(() => new Response(null, { status: 400 }))
        : down(token, signal)
    const early = world.outcome('evil-early')
    await until(() => world.asked.includes('evil-early'))
    await openDecide(world)
    held.resolve()
    expect(await early).toBe(UNAVAILABLE)
    const { length } = world.asked
    expect(await world.outcome('good')).toBe(UNAVAILABLE)
    expect(world.asked).toHaveLength(length)
  })
})

describe('one token in both lanes', () => {
  it('confirm does not join a request of decide, and does not inherit its failure', async () => {
    const world = await createIntrospectionWorld()
    const { jwks } = world.documents
    world.documents.publish()
    world.clock.advance(25 * 3600)
    // The keys are too old to be used: only the issuer can judge the token.
    const late = signedToken({ iat: world.clock.now(), exp: world.clock.now() + 600 })
    const held = createSignal()
    world.answer = async () => {
      await held.promise
      return new Response(null, { status: 429 })
    }
    const undecided = world.outcome(late)
    await until(() => world.asked.length > 0)
    expect(world.asked).toEqual([late])
    world.documents.jwks = jwks
    world.clock.advance(60)
    world.answer = active()
    expect(await world.outcome(late)).toBe('both')
    expect(world.asked).toEqual([late, late])
    held.resolve()
    expect(await undecided).toBe(UNAVAILABLE)
  })
})
