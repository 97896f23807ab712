import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CompiledCore, compileCore } from '../support/compiled-core.js'

/**
 * The last figures of attack 37 and 41, with Node's own `fetch` over loopback. The issuer and each verifier are processes
 * of their own, so that nothing else is measured, and so that a process that does not end is seen.
 */

const MEBIBYTE = 1024 * 1024
const ISSUER = new URL('../support/large-bodies.mjs', import.meta.url)
const PROBE = new URL('../support/issuer-probe.mjs', import.meta.url)

let core: CompiledCore
let origin: string
let server: ReturnType<typeof fork>
/** Those that do not end by themselves. */
const children = new Set<ReturnType<typeof fork>>()

beforeAll(async () => {
  core = await compileCore()
  server = fork(ISSUER, { execArgv: [] })
  const [message]: unknown[] = await once(server, 'message')
  origin = `http://127.0.0.1:${numberOf(message, 'port')}`
}, 60_000)
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  server.disconnect()
  await once(server, 'exit')
  await core.remove()
})

interface Plan {
  readonly place: 'metadata' | 'jwks' | 'introspection' | 'nowhere'
  readonly fault: string
  readonly timeoutMs?: number
  readonly maxResponseBytes?: number
  /** An issuer where nobody listens. */
  readonly unreachable?: string
  /** How old the keys are that were loaded before. */
  readonly ageSeconds?: number
  readonly watchMemory?: boolean
}

/** What a process of its own made of a bad issuer, once it has ended by itself. */
async function probe(plan: Plan): Promise<Record<string, unknown>> {
  const argv = [core.url, origin, JSON.stringify(plan)]
  const child = fork(PROBE, argv, {
    execArgv: ['--expose-gc', '--unhandled-rejections=strict'],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  children.add(child)
  child.on('exit', () => children.delete(child))
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => output.push(String(chunk)))
  let result: unknown
  child.on('message', (message) => {
    result = message
  })
  // No socket and no timer keeps it alive; what it does not handle would be its end.
  expect(await once(child, 'exit'), output.join('')).toEqual([0, null])
  expect(output.join('')).toBe('')
  if (typeof result !== 'object' || result === null) return expect.fail('It has told nothing')
  return { ...result }
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
    const result = await probe({ timeoutMs: 60_000, ...plan, watchMemory: true })
    const growth = {
      peakMb: numberOf(result, 'growth', 'peak') / MEBIBYTE,
      leftMb: numberOf(result, 'growth', 'left') / MEBIBYTE,
      sentMb: numberOf(result, 'sent') / MEBIBYTE,
    }
    const { peakMb, leftMb, sentMb } = growth
    console.log(
      `${plan.place}, 300 MB ${plan.fault}: memory grows by ${peakMb.toFixed(1)} MB at its worst (rss), ` +
        `${leftMb.toFixed(2)} MB are left (heap and buffers); ${sentMb.toFixed(1)} MB were sent`,
    )
    expect(numberOf(result, 'growth', 'samples')).toBeGreaterThan(1)
    return { result, growth }
  }

  it.each(cases)(
    '$place, $fault: less than 10 MB of memory',
    async ({ place, fault }) => {
      const { result, growth } = await grow({ place, fault })
      expect(result).toMatchObject({ code: CODES[place], status: 503, reason: 'too-large', requests: 1 })
      expect(growth.peakMb).toBeLessThan(10)
      expect(growth.leftMb).toBeLessThan(2)
      expect(growth.sentMb).toBeLessThan(30)
    },
    30_000,
  )

  it('the measurement sees what is read: with a limit of 16 MB, it is more', async () => {
    const { result, growth } = await grow({
      place: 'jwks',
      fault: 'plain',
      maxResponseBytes: 16 * MEBIBYTE,
    })
    expect(result).toMatchObject({ reason: 'too-large' })
    expect(growth.peakMb).toBeGreaterThan(10)
  }, 60_000)
})

describe.concurrent('attack 37: silence, and one byte a second', () => {
  const cases = (['metadata', 'jwks', 'introspection'] as const).flatMap((place) =>
    (['silent', 'drip'] as const).map((fault) => ({ place, fault })),
  )

  it.each(cases)(
    '$place, $fault: cut at the timeout, the connection closed',
    async ({ place, fault }) => {
      const timeoutMs = 600
      // It has heard from the issuer that the connection is closed before it ends.
      const result = await probe({ place, fault, timeoutMs })
      expect(result).toMatchObject({ code: CODES[place], status: 503, reason: 'timeout', requests: 1 })
      const tookMs = numberOf(result, 'tookMs')
      expect(tookMs).toBeGreaterThan(timeoutMs - 20)
      expect(tookMs).toBeLessThan(timeoutMs + 5_000)
    },
    20_000,
  )

  it.each([
    // Old enough to be refreshed in the background.
    ['silent', 290],
    ['drip', 290],
    // Past their lifetime: waited for a second at the most.
    ['silent', 400],
    ['drip', 400],
  ] as const)(
    'keys at hand, %s, keys of %d s: not waited for',
    async (fault, ageSeconds) => {
      const result = await probe({ place: 'jwks', fault: `later-${fault}`, timeoutMs: 2_000, ageSeconds })
      // The request for newer keys has not come to its end yet.
      expect(result).toMatchObject({ verifiedBy: 'signature', hasWaited: false })
    },
    20_000,
  )

  it('the positive control: without keys at hand, it is', async () => {
    const result = await probe({ place: 'jwks', fault: 'later-silent', timeoutMs: 600, ageSeconds: 90_000 })
    expect(result).toMatchObject({ code: 'ERR_KEYS_UNAVAILABLE', reason: 'timeout', hasWaited: true })
  }, 60_000)
})

describe('attack 37: nobody there', () => {
  it('a refused connection', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const port = numberOf(closed.address(), 'port')
    closed.close()
    await once(closed, 'close')
    const result = await probe({ place: 'nowhere', fault: 'none', unreachable: `http://127.0.0.1:${port}` })
    expect(result).toMatchObject({ status: 503, reason: 'network', systemCode: 'ECONNREFUSED' })
  }, 60_000)

  it('a name that does not exist', async () => {
    const result = await probe({ place: 'nowhere', fault: 'none' })
    expect(result).toMatchObject({ status: 503, reason: 'network', systemCode: 'ENOTFOUND' })
  }, 60_000)

  it.each([
    ['jwks', 'signature'],
    ['introspection', 'both'],
  ] as const)(
    'the positive control: an issuer that is well, %s',
    async (place, verifiedBy) => {
      expect(await probe({ place, fault: 'none' })).toMatchObject({ verifiedBy, requests: 1 })
    },
    60_000,
  )
})
