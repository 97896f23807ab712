import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { jsonResponse, quickResponse } from '../support/answers.js'
import { compileCore } from '../support/compiled-core.js'
import { settle } from '../support/event-loop.js'
import { NOW } from '../support/forge.js'
import {
  createIntrospectionWorld,
  type EndpointAnswer,
  type IntrospectionWorld,
  signedToken,
} from '../support/introspection-world.js'
import { scale } from '../support/scale.js'

/** Attack 44, I7 in figures: floods of made-up tokens in simulated time, and thousands of them at once. */

const HOUR = 3600
const GOOD_PER_SECOND = 3

const evilAnswers: [string, EndpointAnswer][] = [
  ['500', () => quickResponse('', { status: 500 })],
  ['404', () => quickResponse('', { status: 404 })],
  ['429', () => quickResponse('', { status: 429 })],
  ['HTML', () => quickResponse('<html>')],
  ['silence', () => new Promise(() => undefined)],
]

const isEvil = (token: string) => token.startsWith('evil')

const figures: string[] = []
afterAll(() => {
  process.stdout.write(`\n${figures.join('\n')}\n`)
})

afterEach(() => {
  vi.useRealTimers()
})

/** Simulated time: timers, `performance.now()` and the clock of the verifier move together. */
function simulateTime(world: IntrospectionWorld): (ms: number) => Promise<void> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  return async (ms) => {
    await settle()
    world.clock.advance(ms / 1000)
    vi.advanceTimersByTime(ms)
    await settle()
  }
}

/** Tokens that are used again and again, as clients do; no answer about them is kept. */
const tokens = Array.from({ length: 30 }, () => signedToken({ exp: NOW + 2 * HOUR }))

/** One after the other, so that an hour has them all. */
let turnOf = 0
const anyOfThem: EndpointAnswer = (token, signal) =>
  (evilAnswers[turnOf++ % evilAnswers.length] ?? expect.fail('There are evil answers'))[1](token, signal)

describe('made-up tokens beside 3 good requests a second', () => {
  const cells = [1, 5].flatMap((rate) => [
    ...evilAnswers.map(([what, answer]) => ({ rate, what, answer, seconds: scale(80, 600) })),
    { rate, what: 'each of these in turn', answer: anyOfThem, seconds: scale(300, HOUR) },
  ])

  it.each(cells)(
    'attack 44: JWTs that verify here, "always"; $rate made-up a second, answered with $what',
    async ({ rate, what, answer, seconds }) => {
      const world = await createIntrospectionWorld()
      world.answer = (token, signal) =>
        isEvil(token) ? answer(token, signal) : jsonResponse({ active: true })
      for (const token of tokens) expect(await world.outcome(token)).toBe('both')
      const advance = simulateTime(world)
      const outcomes = new Map<string, number>()
      const note = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      for (let second = 0; second < seconds; second++) {
        for (let n = 0; n < rate; n++) void world.outcome(`evil-${second}-${n}`)
        for (let n = 0; n < GOOD_PER_SECOND; n++)
          void world.outcome(tokens[(second * GOOD_PER_SECOND + n) % tokens.length] ?? '').then(note)
        await advance(1000)
      }
      const all = seconds * GOOD_PER_SECOND
      figures.push(`${rate}/s for ${seconds} s, ${what}: ${outcomes.get('both')} of ${all} good requests`)
      expect([...outcomes]).toEqual([['both', all]])
    },
  )

  it.each(cells.filter(({ answer }) => answer !== anyOfThem))(
    'opaque tokens: $rate made-up a second, answered with $what, cost good ones seconds at most',
    async ({ rate, what, answer, seconds }) => {
      const world = await createIntrospectionWorld()
      world.answer = (token, signal) =>
        isEvil(token) ? answer(token, signal) : jsonResponse({ active: true })
      const advance = simulateTime(world)
      let served = 0
      for (let second = 0; second < seconds; second++) {
        for (let n = 0; n < rate; n++) void world.outcome(`evil-${second}-${n}`)
        for (let n = 0; n < GOOD_PER_SECOND; n++)
          void world.outcome(`good-${second}-${n}`).then((outcome) => {
            if (outcome === 'introspection') served++
          })
        await advance(1000)
      }
      const all = seconds * GOOD_PER_SECOND
      figures.push(`${rate}/s, ${what}: ${served} of ${all} good opaque tokens`)
      expect(served).toBeGreaterThan(all - 60)
    },
  )
})

describe('an endpoint of 200 answers a second', () => {
  it('attack 44: 400 made-up tokens a second; good requests are all served, and soon', async () => {
    const world = await createIntrospectionWorld()
    for (const token of tokens) await world.outcome(token)
    const advance = simulateTime(world)
    // One answer after the other, 5 ms each, in the order of the questions.
    let nextAt = 0
    world.answer = (token) =>
      new Promise((resolve) => {
        const now = performance.now()
        nextAt = Math.max(nextAt, now) + 5
        setTimeout(() => resolve(jsonResponse({ active: !isEvil(token) })), nextAt - now)
      })
    const latencies: number[] = []
    const seconds = scale(10, 30)
    for (let tick = 0; tick < seconds * 200; tick++) {
      for (let n = 0; n < 2; n++) void world.outcome(`evil-${tick}-${n}`)
      if (tick % 66 === 0) {
        const startedAt = performance.now()
        void world.outcome(tokens[(tick / 66) % tokens.length] ?? '').then((outcome) => {
          if (outcome === 'both') latencies.push(performance.now() - startedAt)
        })
      }
      await advance(5)
    }
    for (let tick = 0; tick < 200; tick++) await advance(5)
    latencies.sort((a, b) => a - b)
    const [median, worst] = [latencies[Math.floor(latencies.length / 2)] ?? 0, latencies.at(-1) ?? 0]
    const all = Math.ceil((seconds * 200) / 66)
    figures.push(
      `400/s against 200 answers/s: ${latencies.length} of ${all} good requests, median ${median} ms, worst ${worst} ms; at most ${world.load.most} in flight`,
    )
    expect(latencies).toHaveLength(all)
    expect(worst).toBeLessThan(600)
    // 100 made-up ones, and the few good ones that wait beside them.
    expect(world.load.most).toBeLessThan(105)
  })
})

const AT_ONCE = scale(2000, 20_000)

describe(`${AT_ONCE} opaque tokens at once`, () => {
  let core: string
  beforeAll(async () => {
    core = await compileCore()
  })

  it('attack 44: at most 100 are in flight, memory stays flat, the surplus is refused at once', async () => {
    const probe = new URL('../support/introspection-flood.mjs', import.meta.url)
    const child = fork(probe, [core, String(AT_ONCE)], {
      execArgv: ['--expose-gc', '--unhandled-rejections=strict'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [message]: unknown[] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => expect.fail(`The program ended with exit code ${code}`)),
    ])
    const { mostInFlight, baseline, atOnce, arriving } = Object(message)
    figures.push(
      `${AT_ONCE} at once: ${mostInFlight} in flight, ${atOnce.refused} refused in ${atOnce.tookMs} ms`,
      `memory in MiB, held while ${mostInFlight} are in flight: ${atOnce.heldMiB}; at the peak, as ${AT_ONCE} requests arrive: ${arriving.peakHeapMiB}`,
      `presented in one turn of the event loop: ${atOnce.peakHeapMiB}, where ${AT_ONCE} malformed tokens take ${baseline.peakHeapMiB}`,
    )
    expect({ mostInFlight, refused: atOnce.refused }).toEqual({ mostInFlight: 100, refused: AT_ONCE - 100 })
    expect(arriving.refused).toBe(AT_ONCE)
    // 1.5 KiB for each token.
    const mostMiB = (AT_ONCE * 1.5) / 1024
    expect(atOnce.heldMiB).toBeLessThan(mostMiB)
    expect(arriving.heldMiB).toBeLessThan(mostMiB)
    expect(arriving.peakHeapMiB).toBeLessThan(30)
    expect(atOnce.peakHeapMiB - baseline.peakHeapMiB).toBeLessThan(30)
  })
})
