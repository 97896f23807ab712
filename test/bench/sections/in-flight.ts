import { availableParallelism } from 'node:os'
import { HelperProcess } from '../helper-process.js'
import type { InFlight, InFlightOrder, InFlightSetup } from '../in-flight-process.js'
import type { Plan } from '../plan.js'
import { digits, type Panel, type Report, type Spread, spread, type Table } from '../report.js'
import { Figures, rotated } from '../rounds.js'
import { createKey, signToken } from '../tokens.js'
import { FLOOR, OURS } from '../verifiers.js'

const IN_FLIGHT = 64
const JOSE = 'jose'
const NAMES = [OURS, JOSE, FLOOR]
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA', 'ES512'] as const
/** ES512 takes twenty times as long as ES256. */
const GROUPS = { RS256: 160, ES256: 80, EdDSA: 80, ES512: 8 }

/** Many new tokens at once, in one process and in one for each core. */
export async function measureInFlight(plan: Plan): Promise<Report> {
  const figures = new Figures()
  for (const algorithm of ALGORITHMS)
    for (const processes of processCounts()) await measureRounds(algorithm, processes, figures, plan)
  const reached: Record<string, Spread> = {}
  for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const)
    reached[`in-flight/${algorithm}`] = figures.ratio(
      nameOf(algorithm, 1, OURS, 'wall'),
      nameOf(algorithm, 1, JOSE, 'wall'),
    )
  reached['in-flight/RS256/cpu'] = figures.ratio(
    nameOf('RS256', 1, OURS, 'cpu'),
    nameOf('RS256', 1, JOSE, 'cpu'),
  )
  reached['in-flight/ES512/delay'] = figures.spread(nameOf('ES512', 1, OURS, 'delay'))
  return {
    title: 'Many first checks at once',
    notes: [
      `${IN_FLIGHT} tokens are presented together, the next ${IN_FLIGHT} as soon as they are decided; after eight such groups, the event loop gets a turn. Ours with \`cache: false\`, \`jose.jwtVerify\` with an imported key, and \`crypto.verify\` alone, which decodes the token and checks the signature and nothing else, synchronously. Time is for one token: elapsed time, divided by the tokens of all processes, and the CPU time of one process. The delay of the event loop includes the millisecond between two looks at it.`,
    ],
    tables: ALGORITHMS.map((algorithm) => table(algorithm, figures)),
    reached,
    panels: [panelOf(figures)],
  }
}

function processCounts(): number[] {
  return [1, availableParallelism()].filter((count, index) => index === 0 || count > 1)
}

async function measureRounds(
  algorithm: (typeof ALGORITHMS)[number],
  processes: number,
  figures: Figures,
  plan: Plan,
): Promise<void> {
  const key = createKey(algorithm)
  const tokens = Array.from({ length: plan.quick ? 100 : 1000 }, () => signToken(key))
  const teams = new Map<string, HelperProcess[]>()
  const groups = Math.max(1, Math.round(GROUPS[algorithm] / (plan.quick ? 20 : 1)))
  try {
    for (const name of NAMES) {
      const team = Array.from({ length: processes }, () => HelperProcess.start('in-flight-process.js'))
      teams.set(name, team)
      const setup: InFlightSetup = { verifier: name, jwk: key.jwk, algorithm, tokens }
      for (const member of team) await member.ask(setup)
    }
    // Until everything is compiled.
    for (const team of teams.values()) await run(team, groups)
    for (let round = 0; round < plan.rounds; round++)
      for (const [name, team] of rotated([...teams], round)) {
        const { wallUs, cpuUs, delayP99Ms } = await run(team, groups)
        figures.add(nameOf(algorithm, processes, name, 'wall'), wallUs / processes / groups / IN_FLIGHT)
        figures.add(nameOf(algorithm, processes, name, 'cpu'), cpuUs / groups / IN_FLIGHT)
        figures.add(nameOf(algorithm, processes, name, 'delay'), delayP99Ms)
      }
  } finally {
    await Promise.all([...teams.values()].flat().map((member) => member.stop()))
  }
}

/** All processes at the same time: the elapsed time of the slowest, the average CPU time, the longest delay. */
async function run(team: readonly HelperProcess[], groups: number): Promise<InFlight> {
  const order: InFlightOrder = { groups, inFlight: IN_FLIGHT }
  const answers = await Promise.all(
    team.map(async (member): Promise<InFlight> => JSON.parse(await member.ask(order))),
  )
  return {
    wallUs: Math.max(...answers.map(({ wallUs }) => wallUs)),
    cpuUs: answers.reduce((sum, { cpuUs }) => sum + cpuUs, 0) / answers.length,
    delayP99Ms: Math.max(...answers.map(({ delayP99Ms }) => delayP99Ms)),
  }
}

function nameOf(algorithm: string, processes: number, name: string, what: 'wall' | 'cpu' | 'delay'): string {
  return `${algorithm}/${processes}/${name}/${what}`
}

function table(algorithm: string, figures: Figures): Table {
  const rows = processCounts().flatMap((processes) =>
    NAMES.map((name) => {
      const [wall, cpu, delay] = (['wall', 'cpu', 'delay'] as const).map((what) =>
        figures.spread(nameOf(algorithm, processes, name, what)),
      )
      const ratio = figures.ratio(
        nameOf(algorithm, processes, name, 'wall'),
        nameOf(algorithm, processes, JOSE, 'wall'),
      )
      return [
        digits(processes),
        name,
        ...[wall, cpu, delay].map((each) => (each ? spread(each) : '')),
        spread(ratio),
      ]
    }),
  )
  return {
    title: `${algorithm}, ${IN_FLIGHT} in flight in each process`,
    columns: ['processes', 'verifier', 'elapsed µs', 'CPU µs', 'event loop p99 ms', `elapsed / ${JOSE}`],
    rows,
  }
}

function panelOf(figures: Figures): Panel {
  const bars = NAMES.map((label) => {
    return { label, value: figures.spread(nameOf('RS256', 1, label, 'wall')).median, ours: label === OURS }
  })
  return { title: `A first check, ${IN_FLIGHT} in flight (RS256)`, unit: 'µs', bars }
}
