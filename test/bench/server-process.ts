import type { Server } from 'node:http'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { answerQuestions } from './helper-process.js'
import { portOf } from './issuer.js'

/** What a server did since it was asked before. */
export interface Usage {
  /** How long its event loop ran, within a time that the caller knows. */
  readonly activeMs: number
  /** Of all its threads, in microseconds. */
  readonly cpuUs: number
  /** In milliseconds, with the millisecond between two looks at it; zero where it is not watched. */
  readonly delayP50Ms: number
  readonly delayP99Ms: number
}

/** Loaded one by one: a server of one framework has nothing of the others in it. */
const FRAMEWORKS: Readonly<
  Record<string, () => Promise<(guard: string, issuer: string) => Promise<Server>>>
> = {
  express: async () => (await import('./servers/express.js')).createExpress,
  koa: async () => (await import('./servers/koa.js')).createKoa,
  mcp: async () => (await import('./servers/mcp.js')).createMcp,
  fastify: async () => (await import('./servers/fastify.js')).createFastify,
}

const [framework = '', guard = '', issuer = '', watched] = process.argv.slice(2)
const create = await FRAMEWORKS[framework]?.()
if (!create) throw new Error(`There is no ${framework}`)
const server = await create(guard, issuer)
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

// It has a timer, so it runs only where its figures are wanted.
const delay = monitorEventLoopDelay({ resolution: 1 })
if (watched === 'watched') delay.enable()
let utilization = performance.eventLoopUtilization()
let cpu = process.cpuUsage()

answerQuestions((question) => {
  const { wanted }: { wanted: string } = JSON.parse(question)
  if (wanted === 'port') return { port: portOf(server.address()) }
  const { user, system } = process.cpuUsage(cpu)
  const usage: Usage = {
    activeMs: performance.eventLoopUtilization(utilization).active,
    cpuUs: user + system,
    delayP50Ms: delay.percentile(50) / 1e6,
    delayP99Ms: delay.percentile(99) / 1e6,
  }
  utilization = performance.eventLoopUtilization()
  cpu = process.cpuUsage()
  delay.reset()
  return usage
})
