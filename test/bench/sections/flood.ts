import { createBadTokens } from '../bad-tokens.js'
import { HelperProcess } from '../helper-process.js'
import { startIssuer } from '../issuer.js'
import type { PacedLoad, PacedOrder } from '../paced-load-process.js'
import type { Plan } from '../plan.js'
import { digits, type Report, spread } from '../report.js'
import { Figures, rotated } from '../rounds.js'
import { BenchServer } from '../server.js'
import { createClaims, createKey, signToken } from '../tokens.js'

const GOOD = {
  tokens: 'good',
  perSecond: 250,
  connections: 8,
  timeoutSeconds: 0.5,
  statuses: [200],
} as const
/** 503 for a key id that was not looked up yet: how often the issuer is asked is limited. */
const FLOOD = {
  tokens: 'bad',
  perSecond: 1000,
  connections: 64,
  timeoutSeconds: 0.5,
  statuses: [401, 503],
} as const
/** Node takes 16 KiB of headers in all. */
const LONGEST = 15 * 1024

/** What is sent at the same time. As many more good requests show what the number of requests alone does. */
const CASES = {
  'nothing else': [GOOD],
  'a flood of bad tokens': [GOOD, FLOOD],
  'as many more good ones': [GOOD, { ...FLOOD, tokens: 'good', statuses: [200] }],
} as const satisfies Record<string, readonly Omit<PacedOrder, 'seconds'>[]>

/** What becomes of good requests while a flood of bad tokens is refused. */
export async function measureFlood(plan: Plan): Promise<Report> {
  const key = createKey('RS256')
  const issuer = await startIssuer([key.jwk])
  const good = Array.from({ length: 100 }, () => signToken(key, createClaims(issuer.url)))
  const kinds = createBadTokens(key, 200, { issuer: issuer.url, longest: LONGEST })
  const bad = Array.from({ length: 200 }, (_, index) =>
    [...kinds.values()].map((tokens) => tokens[index] ?? ''),
  )
  // One process sends both: three processes on two cores would wait for each other, and that would be measured.
  const callers = HelperProcess.start('paced-load-process.js')
  const figures = new Figures()
  try {
    await callers.ask({ good, bad: bad.flat() })
    const server = await BenchServer.start(['fastify', 'ours', issuer.url, 'watched'], good[0] ?? '')
    try {
      await measureRounds(server, callers, figures, plan)
    } finally {
      await server.stop()
    }
  } finally {
    await callers.stop()
    issuer.close()
  }
  return {
    title: 'A flood of bad tokens',
    notes: [
      `Fastify with ours, RS256: ${digits(GOOD.perSecond)} good requests a second with 100 tokens again and again, alone, with ${digits(FLOOD.perSecond)} bad ones a second beside them (in equal parts: ${[...kinds.keys()].join(', ')}), and with as many more good ones in their place. Every bad one is answered with 401, or with 503 where its key id was not looked up because the limit of such requests was reached; every good one with 200. The delay of the event loop includes the millisecond between two looks at it.`,
    ],
    tables: [
      {
        title: 'Milliseconds',
        columns: ['beside them', 'good p50', 'good p99', 'event loop p50', 'event loop p99', 'server busy'],
        rows: Object.keys(CASES).map((name) => [
          name,
          ...['p50', 'p99', 'delay50', 'delay99', 'busy'].map((what) =>
            spread(figures.spread(`${name}/${what}`)),
          ),
        ]),
      },
    ],
    reached: {
      flood: figures.ratio('a flood of bad tokens/p99', 'as many more good ones/p99'),
      'flood/quiet': figures.ratio('as many more good ones/p99', 'nothing else/p99'),
    },
    panels: [],
  }
}

async function measureRounds(
  server: BenchServer,
  callers: HelperProcess,
  figures: Figures,
  plan: Plan,
): Promise<void> {
  const seconds = plan.quick ? 0.5 : 3
  const ask = async (loads: readonly PacedOrder[]): Promise<PacedLoad[]> =>
    JSON.parse(await callers.ask({ url: server.url, loads }))
  // Until everything is compiled, in both processes.
  const warmUp = { seconds: plan.quick ? 0.5 : 2, timeoutSeconds: 10 }
  await ask([GOOD, FLOOD].map((load) => ({ ...load, ...warmUp })))
  for (let round = 0; round < plan.rounds; round++)
    for (const [name, loads] of rotated(Object.entries(CASES), round)) {
      await server.usage()
      const [load] = await ask(loads.map((each) => ({ ...each, seconds })))
      if (!load) throw new Error('Nothing was sent')
      const { activeMs, delayP50Ms, delayP99Ms } = await server.usage()
      figures.add(`${name}/p50`, load.p50Ms)
      figures.add(`${name}/p99`, load.p99Ms)
      figures.add(`${name}/delay50`, delayP50Ms)
      figures.add(`${name}/delay99`, delayP99Ms)
      figures.add(`${name}/busy`, activeMs / (seconds * 1000))
    }
}
