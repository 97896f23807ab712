import { HelperProcess } from '../helper-process.js'
import { startIssuer } from '../issuer.js'
import type { Load, Order } from '../load-process.js'
import type { Plan } from '../plan.js'
import { digits, type Panel, type Report, type Spread, spread, type Table } from '../report.js'
import { Figures, rotated } from '../rounds.js'
import { BenchServer } from '../server.js'
import { signMany } from '../signing.js'
import { createKey } from '../tokens.js'

/** Middleware that checks nothing: the least that a guard of a route can cost. */
const FLOOR = 'empty middleware'

const FRAMEWORKS: Readonly<Record<string, readonly string[]>> = {
  express: ['bare', 'ours', 'express-oauth2-jwt-bearer', 'express-jwt', FLOOR],
  koa: ['bare', 'ours', 'koa-jwt', FLOOR],
  fastify: ['bare', 'ours', 'fastify-jwt-jwks', 'fastify-jwt-jwks, cache', FLOOR],
}

const KINDS = ['one', 'thousand', 'new'] as const
const LOADS = { one: 'one token', thousand: '1,000 tokens in turn', new: 'new tokens only' }

/** Tokens that are presented again and again. */
const REPEATED = 1000
/** Presented once before the first round: as many as our cache holds, so that it is full, as it is on a server that runs for long. */
const FILLING = 10_000
/** How often all of them are presented before the first round, until everything is compiled. */
const WARM_UP = 5

interface Running {
  readonly name: string
  readonly server: BenchServer
}

/** The three frameworks, without a guard, with ours, and with the usual ones. */
export async function measureServers(plan: Plan): Promise<Report> {
  const key = createKey('RS256')
  const issuer = await startIssuer([key.jwk])
  const tokens = await signMany(key, issuer.url, REPEATED + FILLING + plan.requests * plan.serverRounds)
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
      `A route that answers with \`{"messages":[]}\`, and 50 connections, each of which waits for an answer before it sends the next request. Every server is a process of its own, warmed up before the rounds; in each round, each server gets ${digits(plan.requests)} requests of each kind. "New tokens only" are tokens that the process has not seen; before the rounds, it has seen ${digits(FILLING)} others, so that our cache is full. Peers are set up as their READMEs say: express-jwt and koa-jwt with jwks-rsa and its cache, fastify-jwt-jwks also with its optional cache of tokens. The bare server gets the same header, and does not read it; nor does an empty middleware (in Fastify, an \`onRequest\` hook).`,
      'CPU is the user and system time of all threads of the server, for one request, in microseconds. It is what to compare: requests per second also depend on the process that sends them, which runs on the same cores. Busy is the share of the time in which the event loop of the server ran.',
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
  const { requests, serverRounds } = plan
  const repeated = { one: tokens.slice(0, 1), thousand: tokens.slice(0, REPEATED) }
  const presentAll = async (kind: Order['tokens'], requests: number) => {
    for (const { server } of running) await loader.ask({ url: server.url, tokens: kind, requests })
  }
  await loader.ask({ supply: { ...repeated, new: tokens.slice(REPEATED, REPEATED + FILLING) } })
  await presentAll('thousand', WARM_UP * REPEATED)
  await presentAll('new', FILLING)
  for (let round = 0; round < serverRounds; round++) {
    const from = REPEATED + FILLING + round * requests
    await loader.ask({ supply: { ...repeated, new: tokens.slice(from, from + requests) } })
    // The new tokens of the round before may have pushed these out of a cache.
    await presentAll('thousand', REPEATED)
    for (const kind of KINDS)
      for (const each of rotated(running, round))
        await measureLoad(each, { tokens: kind, requests }, loader, figures)
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
  add('cpu', cpuUs / order.requests)
  add('busy', Math.min(1, activeMs / load.tookMs))
}

function reach(figures: Figures): Record<string, Spread> {
  return Object.fromEntries(
    Object.entries(FRAMEWORKS).flatMap(([framework, [bare = '', ours = '', peer = '']]) => [
      [`servers/${framework}/bare`, figures.ratio(cpuOf(framework, ours), cpuOf(framework, bare))],
      [`servers/${framework}/floor`, figures.ratio(cpuOf(framework, FLOOR), cpuOf(framework, bare))],
      [
        `servers/${framework}/new`,
        figures.ratio(cpuOf(framework, ours, 'new'), cpuOf(framework, peer, 'new')),
      ],
    ]),
  )
}

function cpuOf(framework: string, guard: string, kind: Order['tokens'] = 'thousand'): string {
  return `${framework}/${guard}/${kind}/cpu`
}

function table(framework: string, guards: readonly string[], figures: Figures): Table {
  const rows = KINDS.flatMap((kind) =>
    guards.map((guard) => {
      const name = `${framework}/${guard}/${kind}`
      const ofBare = figures.ratio(cpuOf(framework, guard, kind), cpuOf(framework, 'bare', kind))
      const others = ['rate', 'p50', 'p99', 'busy'].map((what) =>
        digits(figures.spread(`${name}/${what}`).median),
      )
      return [LOADS[kind], guard, spread(figures.spread(`${name}/cpu`)), spread(ofBare), ...others]
    }),
  )
  return {
    title: titleOf(framework),
    columns: ['tokens', 'server', 'CPU µs', 'CPU / bare', 'requests/s', 'p50 ms', 'p99 ms', 'busy'],
    rows,
  }
}

function panel(framework: string, guards: readonly string[], figures: Figures): Panel {
  const bars = guards.map((label) => {
    return { label, value: figures.spread(cpuOf(framework, label)).median, ours: label === 'ours' }
  })
  return { title: `${titleOf(framework)}, 1,000 tokens in turn`, unit: 'CPU µs for a request', bars }
}

function titleOf(framework: string): string {
  return framework.charAt(0).toUpperCase() + framework.slice(1)
}
