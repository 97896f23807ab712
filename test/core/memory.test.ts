import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileCore } from '../support/compiled-core.js'

/**
 * Attacks 37 and 41, with Node's own `fetch` over loopback. The issuer and the verifiers are processes of their own, so
 * that nothing else is measured, and so that a process that does not end is noticed.
 */

const MEBIBYTE = 1024 * 1024
const ISSUER = new URL('../support/large-bodies.mjs', import.meta.url)
const PROBE = new URL('../support/issuer-probe.mjs', import.meta.url)

let core: string
let origin: string
let server: ReturnType<typeof fork>
/** Probes that have not ended by themselves. */
const children = new Set<ReturnType<typeof fork>>()

beforeAll(async () => {
  core = await compileCore()
  server = fork(ISSUER, { execArgv: [] })
  const [message]: unknown[] = await once(server, 'message')
  origin = `http://127.0.0.1:${numberOf(message, 'port')}`
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  server.disconnect()
  await once(server, 'exit')
})

interface Plan {
  readonly place: 'metadata' | 'jwks' | 'introspection' | 'nowhere'
  readonly fault: string
  readonly timeoutMs?: number
  readonly maxResponseBytes?: number
  /** An issuer where no server listens. */
  readonly unreachable?: string
  /** The age of the cached keys. */
  readonly ageSeconds?: number
  /** Whether the outcome depends on a timer, which then fires. */
  readonly waits?: boolean
  readonly watchMemory?: boolean
}

type Result = Readonly<Record<string, unknown>>

/** The outcome of each plan in a process of its own, which has to end by itself. */
async function probe(plans: readonly Plan[]): Promise<readonly Result[]> {
  const argv = [core, origin, JSON.stringify(plans)]
  const child = fork(PROBE, argv, {
    execArgv: ['--expose-gc', '--unhandled-rejections=strict'],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  children.add(child)
  child.on('exit', () => children.delete(child))
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => output.push(String(chunk)))
  let results: unknown
  child.on('message', (message) => {
    results = message
  })
  // No socket keeps it alive; an unhandled rejection would end it.
  expect(await once(child, 'exit'), output.join('')).toEqual([0, null])
  expect(output.join('')).toBe('')
  return Array.isArray(results) ? results : expect.fail('The probe sent no results')
}

async function probeOne(plan: Plan): Promise<Result> {
  const [result] = await probe([plan])
  return result ?? expect.fail('The probe sent no result')
}

function numberOf(value: unknown, ...names: readonly string[]): number {
  let each = value
  for (const name of names) each = Object.entries(Object(each)).find(([key]) => key === name)?.[1]
  return typeof each === 'number' ? each : expect.fail(`There is no number ${names.join('.')}`)
}

const CODES = {
  metadata: 'ERR_DISCOVERY_FAILED',
  jwks: 'ERR_KEYS_UNAVAILABLE',
  introspection: 'ERR_INTROSPECTION_UNAVAILABLE',
} as const

describe('attack 37: a body of 300 MB', () => {
  const cases = (['jwks', 'introspection'] as const).flatMap((place) =>
    (['plain', 'gzip'] as const).map((fault) => ({ place, fault })),
  )

  async function grow(plan: Plan) {
    const result = await probeOne({ timeoutMs: 60_000, ...plan, watchMemory: true })
    const growth = {
      peakMb: numberOf(result, 'growth', 'peak') / MEBIBYTE,
      peakUsedMb: numberOf(result, 'growth', 'peakUsed') / MEBIBYTE,
      leftMb: numberOf(result, 'growth', 'left') / MEBIBYTE,
      sentMb: numberOf(result, 'sent') / MEBIBYTE,
    }
    const { peakMb, leftMb, sentMb } = growth
    console.log(
      `${plan.place}, 300 MB ${plan.fault}: memory grows by ${peakMb.toFixed(1)} MB at the peak (rss), ` +
        `${leftMb.toFixed(2)} MB remain (heap and buffers); ${sentMb.toFixed(1)} MB were sent`,
    )
    expect(numberOf(result, 'growth', 'samples')).toBeGreaterThan(1)
    return { result, growth }
  }

  it.each(cases)('$place, $fault: less than 10 MB of memory', async ({ place, fault }) => {
    // V8 and the allocator take pages when they like, which only ever adds. A body that is kept shows in every process.
    let { result, growth } = await grow({ place, fault })
    for (let again = 0; again < 3 && growth.peakMb >= 10; again++)
      ({ result, growth } = await grow({ place, fault }))
    expect(result).toMatchObject({ code: CODES[place], status: 503, reason: 'too-large', requests: 1 })
    expect(growth.peakMb).toBeLessThan(10)
    expect(growth.leftMb).toBeLessThan(2)
    expect(growth.sentMb).toBeLessThan(30)
  })

  it('positive control: with a limit of 16 MB, the growth is larger', async () => {
    const { result, growth } = await grow({
      place: 'jwks',
      fault: 'plain',
      maxResponseBytes: 16 * MEBIBYTE,
    })
    expect(result).toMatchObject({ reason: 'too-large' })
    // The process itself need not grow where it has pages to spare.
    expect(Math.max(growth.peakMb, growth.peakUsedMb)).toBeGreaterThan(10)
  })
})

describe('attack 37: silence, slow bodies, and no server', () => {
  const bad = (['metadata', 'jwks', 'introspection'] as const).flatMap((place) =>
    (['silent', 'drip'] as const).map((fault) => ({ place, fault, timeoutMs: 600, waits: true })),
  )
  const cached = [
    // Old enough for a refresh in the background.
    { fault: 'silent', ageSeconds: 290, waits: false },
    { fault: 'drip', ageSeconds: 290, waits: false },
    // Past their lifetime: a request waits for the refresh, for one second at most.
    { fault: 'silent', ageSeconds: 400, waits: true },
    { fault: 'drip', ageSeconds: 400, waits: true },
  ]
  const good = [
    ['jwks', 'signature'],
    ['introspection', 'both'],
  ] as const

  // One process for all of these, one after the other.
  let results: Promise<{
    bad: Result[]
    cached: Result[]
    uncached: Result
    refused: Result
    unknown: Result
    good: Result[]
  }>
  async function probeAll() {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const port = numberOf(closed.address(), 'port')
    closed.close()
    await once(closed, 'close')
    const plans: Plan[] = [
      ...bad,
      ...cached.map(({ fault, ...plan }) => ({
        ...plan,
        place: 'jwks' as const,
        fault: `later-${fault}`,
        timeoutMs: 2_000,
      })),
      { place: 'jwks', fault: 'later-silent', timeoutMs: 600, ageSeconds: 90_000, waits: true },
      { place: 'nowhere', fault: 'none', unreachable: `http://127.0.0.1:${port}` },
      { place: 'nowhere', fault: 'none' },
      ...good.map(([place]) => ({ place, fault: 'none' })),
    ]
    const rest = [...(await probe(plans))]
    expect(rest).toHaveLength(plans.length)
    const take = (count: number) => rest.splice(0, count)
    const one = () => take(1)[0] ?? expect.fail('A result is missing')
    return {
      bad: take(bad.length),
      cached: take(cached.length),
      uncached: one(),
      refused: one(),
      unknown: one(),
      good: take(good.length),
    }
  }
  beforeAll(() => {
    results = probeAll()
    results.catch(() => undefined)
  })

  it.each(bad.map((plan, index) => ({ ...plan, index })))(
    '$place, $fault: cut at the timeout, the connection closed',
    async ({ place, timeoutMs, index }) => {
      // Before it ends, the issuer has told it that the connection is closed.
      expect((await results).bad[index]).toMatchObject({
        code: CODES[place],
        status: 503,
        reason: 'timeout',
        requests: 1,
        tookMs: timeoutMs,
        timersLeft: 0,
      })
    },
  )

  it.each(cached.map((plan, index) => ({ ...plan, index })))(
    'cached keys of $ageSeconds s, $fault: the request does not wait for newer ones',
    async ({ index, waits }) => {
      // The request for newer keys has not ended yet.
      expect((await results).cached[index]).toMatchObject({
        verifiedBy: 'signature',
        hasFailed: false,
        tookMs: waits ? 1000 : 0,
        timersLeft: 0,
      })
    },
  )

  it('positive control: without usable keys, it does wait', async () => {
    expect((await results).uncached).toMatchObject({
      code: 'ERR_KEYS_UNAVAILABLE',
      reason: 'timeout',
      hasFailed: true,
      tookMs: 600,
    })
  })

  it('a refused connection', async () => {
    expect((await results).refused).toMatchObject({
      status: 503,
      reason: 'network',
      systemCode: 'ECONNREFUSED',
    })
  })

  it('a host name that does not exist', async () => {
    expect((await results).unknown).toMatchObject({ status: 503, reason: 'network', systemCode: 'ENOTFOUND' })
  })

  it.each(good.map(([place, verifiedBy], index) => ({ place, verifiedBy, index })))(
    'positive control: a working issuer, $place',
    async ({ verifiedBy, index }) => {
      expect((await results).good[index]).toMatchObject({ verifiedBy, requests: 1, timersLeft: 0 })
    },
  )
})
