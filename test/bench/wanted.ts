import { digits, type Spread, spread, type Table } from './report.js'

interface Wanted {
  /** The name under which a section reports it. */
  readonly name: string
  readonly what: string
  readonly atMost?: number
  readonly atLeast?: number
  readonly aim?: number
}

const WANTED: readonly Wanted[] = [
  { name: 'repeated/one token', what: 'a repeated token / fast-jwt with cache', atMost: 0.5 },
  {
    name: 'repeated/one token/floor',
    what: 'for comparison: SHA-256 and a look-up, awaited / fast-jwt with cache',
  },
  { name: 'repeated/1,000 tokens in turn', what: 'the same, 1,000 tokens in turn', atMost: 0.5 },
  { name: 'first-check/RS256', what: 'a first check, 64 in flight / jose.jwtVerify: RS256', atMost: 1.15 },
  { name: 'first-check/ES256', what: 'the same, ES256', atMost: 1.15 },
  { name: 'first-check/EdDSA', what: 'the same, EdDSA', atMost: 1.15 },
  { name: 'servers/koa/bare', what: 'Koa with ours / bare, 1,000 repeated tokens', atLeast: 0.75, aim: 0.85 },
  { name: 'servers/koa/floor', what: 'for comparison: Koa with an empty middleware / bare' },
  { name: 'servers/fastify/bare', what: 'Fastify with ours / bare', atLeast: 0.75, aim: 0.85 },
  { name: 'servers/fastify/floor', what: 'for comparison: Fastify with an empty middleware / bare' },
  { name: 'servers/express/bare', what: 'Express with ours / bare', atLeast: 0.9 },
  { name: 'servers/express/floor', what: 'for comparison: Express with an empty middleware / bare' },
  { name: 'servers/express/peer', what: 'Express with ours / express-oauth2-jwt-bearer', atLeast: 1.6 },
  { name: 'servers/koa/peer', what: 'Koa with ours / koa-jwt', atLeast: 8 },
  { name: 'servers/fastify/peer', what: 'Fastify with ours / fastify-jwt-jwks', atLeast: 2.8 },
  { name: 'growth/issuers/first', what: '1,000 issuers / one, a first check', atMost: 1.3 },
  { name: 'growth/issuers/repeated', what: '1,000 issuers / one, a repeated token', atMost: 1.3 },
  { name: 'growth/keys', what: '100 keys / one', atMost: 1.3 },
  { name: 'growth/tokens', what: '100,000 cached tokens / one', atMost: 1.3 },
  { name: 'growth/tokens-floor', what: 'for comparison: a `Map` of 100,000 by digest / of one' },
  { name: 'growth/memory', what: 'memory for a cached token of 0.6 KiB, in KiB', atMost: 2 },
  { name: 'flood', what: "good requests' p99 during a flood / without", atMost: 2 },
  { name: 'flood/floor', what: 'for comparison: as many more good requests / without' },
]

/** What was wanted, and what was reached. `missing` are those that were not measured. */
export function judge(reached: Readonly<Record<string, Spread>>): { table: Table; missing: string[] } {
  const measured = WANTED.filter(({ name }) => name in reached)
  const rows = measured.map((wanted) => {
    const figure = reached[wanted.name]
    return figure ? [wanted.what, demand(wanted), spread(figure), verdict(wanted, figure.median)] : []
  })
  return {
    table: { title: 'What was wanted', columns: ['what', 'wanted', 'reached', ''], rows },
    missing: WANTED.filter((wanted) => !measured.includes(wanted)).map(({ what }) => what),
  }
}

function demand({ atMost, atLeast, aim }: Wanted): string {
  if (atMost === undefined && atLeast === undefined) return ''
  if (atMost !== undefined) return `≤ ${digits(atMost)}`
  return `≥ ${digits(atLeast ?? 0)}${aim === undefined ? '' : `, better ${digits(aim)}`}`
}

function verdict({ atMost, atLeast, aim = 0 }: Wanted, reached: number): string {
  if (atMost === undefined && atLeast === undefined) return ''
  if (reached > (atMost ?? reached) || reached < (atLeast ?? reached)) return '**not met**'
  return reached < aim ? 'met, short of better' : 'met'
}
