import { HelperProcess } from '../helper-process.js'
import { startIssuer } from '../issuer.js'
import type { Load, Order } from '../load-process.js'
import type { Plan } from '../plan.js'
import { digits, type Panel, type Report, type Spread, spread, type Table } from '../report.js'
import { Figures, rotated } from '../rounds.js'
import { BenchServer } from '../server.js'
import { signMany } from '../signing.js'
import { createKey } from '../tokens.js'

/** Middleware that checks nothing: the least that any guard of a route can cost. */
const FLOOR = 'empty middleware'

const FRAMEWORKS: Readonly<Record<string, readonly string[]>> = {
  express: ['bare', 'ours', 'express-oauth2-jwt-bearer', 'express-jwt', FLOOR],
  koa: ['bare', 'ours', 'koa-jwt', FLOOR],
  fastify: ['bare', 'ours', 'fastify-jwt-jwks', 'fastify-jwt-jwks, cache', FLOOR],
}

const KINDS = ['one', 'thousand', 'new'] as const
const LOADS = { one: 'one token', thousand: '1,000 tokens in turn', new: 'new tokens only' }

/** How long, in seconds, and how many. */
const FULL_LOAD = { warmUp: 2, turns: 4, repeated: 0.25, new: 3000 }
const QUICK_LOAD = { warmUp: 0.2, turns: 1, repeated: 0.1, new: 300 }

interface Running {
  readonly name: string
  readonly server: BenchServer
}

/** The three frameworks, without a guard, with ours, and with the usual ones. */
export async function measureServers(plan: Plan): Promise<Report> {
  const amounts = plan.quick ? QUICK_LOAD : FULL_LOAD
  const key = createKey('RS256')
  const issuer = await startIssuer([key.jwk])
  const tokens = await signMany(key, issuer.url, 1000 + amounts.new * plan.serverRounds)
  const loader = HelperProcess.start('load-process.js')
  const figures = new Figures()
  try {
    for (const [framework, guards] of Object.entries(FRAMEWORKS)) {
      console.error(`  ${framework}`)
      const running: Running[] = []
      try {
        for (const guard of guards) {
          const server = await BenchServer.start([framework, guard, issuer.url], tokens[0] ?? '')
          running.push({ name: `${framework}/${guard}`, server })
        }
        await measureRounds(running, tokens, { loader, figures, plan })
      } finally {
        await Promise.all(running.map(({ server }) => server.stop()))
      }
    }
  } finally {
    await loader.stop()
    issuer.close()
  }
  return {
    title: 'Servers',
    notes: [
      `A route that answers with \`{"messages":[]}\`, 50 connections that each wait for an answer before they ask again. Every server is a process of its own, warmed up before the rounds. "New tokens only" are ${digits(amounts.new)} in each round that the process has not seen. Peers are set up as their READMEs say: express-jwt and koa-jwt with jwks-rsa and its cache, fastify-jwt-jwks also with the cache of tokens that is an option of it. The bare server gets the same header, and does not look at it; an empty middleware, in Fastify an \`onRequest\` hook, does not either, and goes on.`,
      'Busy is the share of the time in which the event loop of the server ran: below 0.95 or so, what asks was the limit, and the server could have done more. CPU is what one request took of all threads of the server, in microseconds: where the asking is the limit, it is the fairer comparison.',
    ],
    tables: Object.entries(FRAMEWORKS).map(([framework, guards]) => table(framework, guards, figures)),
    reached: reach(figures),
    panels: Object.entries(FRAMEWORKS).map(([framework, guards]) => panel(framework, guards, figures)),
  }
}

interface Bench {
  readonly loader: HelperProcess
  readonly figures: Figures
  readonly plan: Plan
}

async function measureRounds(
  running: readonly Running[],
  tokens: readonly string[],
  { loader, figures, plan }: Bench,
): Promise<void> {
  const amounts = plan.quick ? QUICK_LOAD : FULL_LOAD
  const repeated = { one: tokens.slice(0, 1), thousand: tokens.slice(0, 1000) }
  await loader.ask({ supply: { ...repeated, new: [] } })
  for (const { server } of running)
    await loader.ask({ url: server.url, tokens: 'thousand', seconds: amounts.warmUp })
  for (let round = 0; round < plan.serverRounds; round++) {
    const from = 1000 + round * amounts.new
    await loader.ask({ supply: { ...repeated, new: tokens.slice(from, from + amounts.new) } })
    // Those of the round before may have pushed the others out of a cache.
    if (round > 0) for (const { server } of running) await loader.ask({ url: server.url, tokens: 'thousand' })
    // Short turns, because machines are slower now and then for some seconds: who is compared must meet the same.
    for (let turn = 0; turn < amounts.turns; turn++)
      for (const kind of turn % 2 === 0 ? (['one', 'thousand'] as const) : (['thousand'] as const))
        for (const each of rotated(running, turn))
          await measureLoad(each, { tokens: kind, seconds: amounts.repeated }, loader, figures)
    for (const each of rotated(running, round)) await measureLoad(each, { tokens: 'new' }, loader, figures)
  }
}

async function measureLoad(
  { name, server }: Running,
  order: Omit<Order, 'url'>,
  loader: HelperProcess,
  figures: Figures,
): Promise<void> {
  await server.usage()
  const load: Load = JSON.parse(await loader.ask({ url: server.url, ...order }))
  const { activeMs, cpuUs } = await server.usage()
  const add = (what: string, figure: number) => figures.add(`${name}/${order.tokens}/${what}`, figure)
  add('rate', load.requestsPerSecond)
  add('p50', load.p50Ms)
  add('p99', load.p99Ms)
  add('cpu', cpuUs / load.requests)
  add('busy', Math.min(1, activeMs / load.tookMs))
}

function reach(figures: Figures): Record<string, Spread> {
  return Object.fromEntries(
    Object.entries(FRAMEWORKS).flatMap(([framework, [bare = '', ours = '', peer = '']]) => [
      [`servers/${framework}/bare`, figures.ratio(rateOf(framework, ours), rateOf(framework, bare))],
      [`servers/${framework}/floor`, figures.ratio(rateOf(framework, FLOOR), rateOf(framework, bare))],
      [`servers/${framework}/peer`, figures.ratio(rateOf(framework, ours), rateOf(framework, peer))],
    ]),
  )
}

function rateOf(framework: string, guard: string, kind = 'thousand'): string {
  return `${framework}/${guard}/${kind}/rate`
}

function table(framework: string, guards: readonly string[], figures: Figures): Table {
  const rows = KINDS.flatMap((kind) =>
    guards.map((guard) => {
      const name = `${framework}/${guard}/${kind}`
      const ofBare = figures.ratio(rateOf(framework, guard, kind), rateOf(framework, 'bare', kind))
      const others = ['p50', 'p99', 'cpu', 'busy'].map((what) =>
        digits(figures.spread(`${name}/${what}`).median),
      )
      return [LOADS[kind], guard, spread(figures.spread(`${name}/rate`)), spread(ofBare), ...others]
    }),
  )
  return {
    title: titleOf(framework),
    columns: ['tokens', 'server', 'requests/s', '/ bare', 'p50 ms', 'p99 ms', 'CPU µs', 'busy'],
    rows,
  }
}

function panel(framework: string, guards: readonly string[], figures: Figures): Panel {
  const bars = guards.map((label) => {
    return { label, value: figures.spread(rateOf(framework, label)).median, ours: label === 'ours' }
  })
  return { title: `${titleOf(framework)}, 1,000 tokens in turn`, unit: 'requests a second', bars }
}

function titleOf(framework: string): string {
  return framework.charAt(0).toUpperCase() + framework.slice(1)
}
