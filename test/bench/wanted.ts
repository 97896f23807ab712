import { digits, type Spread, spread, type Table } from './report.js'

interface Wanted {
  /** The name under which a section reports it. */
  readonly name: string
  readonly what: string
  readonly atMost?: number
  /** Better than wanted. */
  readonly aim?: number
}

const WANTED: readonly Wanted[] = [
  { name: 'first-check/RS256/floor', what: 'first check alone / `crypto.verify`: RS256', atMost: 1.6 },
  { name: 'first-check/ES256/floor', what: 'the same, ES256', atMost: 1.25 },
  { name: 'first-check/EdDSA/floor', what: 'the same, EdDSA', atMost: 1.25 },
  {
    name: 'first-check/fast-jwt',
    what: 'first check alone / fast-jwt without cache, RS256',
    atMost: 1.2,
    aim: 1,
  },
  {
    name: 'first-check/aws-jwt-verify',
    what: 'first check alone / aws-jwt-verify, RS256',
    atMost: 1.2,
    aim: 1,
  },
  {
    name: 'in-flight/RS256',
    what: 'first check, 64 in flight / `jose.jwtVerify`: RS256',
    atMost: 1,
    aim: 0.9,
  },
  { name: 'in-flight/ES256', what: 'the same, ES256', atMost: 1, aim: 0.9 },
  { name: 'in-flight/EdDSA', what: 'the same, EdDSA', atMost: 1, aim: 0.9 },
  { name: 'in-flight/RS256/cpu', what: 'the same, RS256, CPU of the process', atMost: 0.95 },
  { name: 'in-flight/ES512/delay', what: 'event loop delay p99 with 64 in flight of ES512, ms', atMost: 5 },
  { name: 'repeated/one token', what: 'repeated token / fast-jwt with cache', atMost: 0.45 },
  {
    name: 'repeated/one token/floor',
    what: 'for comparison: a look-up by the end of the token, awaited / fast-jwt with cache',
  },
  { name: 'repeated/1,000 tokens in turn', what: 'the same, 1,000 tokens in turn', atMost: 0.5 },
  { name: 'proofs', what: 'a request with a DPoP proof, token cached / `crypto.verify`, ES256', atMost: 1.6 },
  { name: 'refusals/expired', what: 'refusal / `crypto.verify`, RS256: expired', atMost: 0.36 },
  { name: 'refusals/malformed', what: 'the same, malformed', atMost: 0.27 },
  { name: 'refusals/bad signature', what: 'the same, bad signature', atMost: 1.6 },
  {
    name: 'servers/express/new',
    what: 'new tokens only, CPU per request: ours / express-oauth2-jwt-bearer',
    atMost: 0.9,
  },
  { name: 'servers/koa/new', what: 'the same, ours / koa-jwt', atMost: 0.9 },
  { name: 'servers/fastify/new', what: 'the same, ours / fastify-jwt-jwks', atMost: 0.9 },
  {
    name: 'servers/express/bare',
    what: '1,000 repeated tokens, CPU per request: Express with ours / bare',
    atMost: 1.1,
  },
  { name: 'servers/express/floor', what: 'for comparison: Express with an empty middleware / bare' },
  { name: 'servers/koa/bare', what: 'Koa with ours / bare', atMost: 1.25 },
  { name: 'servers/koa/floor', what: 'for comparison: Koa with an empty middleware / bare' },
  { name: 'servers/fastify/bare', what: 'Fastify with ours / bare', atMost: 1.25 },
  { name: 'servers/fastify/floor', what: 'for comparison: Fastify with an empty hook / bare' },
  {
    name: 'mcp/ours',
    what: "a tool call, CPU: `mcpAuth` / the SDK's `requireBearerAuth` without a check",
    atMost: 1.1,
  },
  { name: 'mcp/toolScopes', what: 'the same, with `toolScopes`', atMost: 1.1 },
  { name: 'growth/issuers/first', what: '1,000 issuers / one, first check', atMost: 1.3 },
  { name: 'growth/issuers/repeated', what: '1,000 issuers / one, repeated token', atMost: 1.3 },
  { name: 'growth/keys', what: '100 keys / one', atMost: 1.3 },
  { name: 'growth/tokens', what: '100,000 cached tokens / one', atMost: 1.3 },
  { name: 'growth/tokens-floor', what: 'for comparison: a `Map` of 100,000 / of one' },
  { name: 'growth/memory', what: 'memory for a cached token of 0.6 KiB, in KiB', atMost: 2 },
  {
    name: 'flood',
    what: "good requests' p99 in a flood of bad ones / with as many more good ones",
    atMost: 1.3,
  },
  { name: 'flood/quiet', what: 'for comparison: with as many more good ones / alone' },
  { name: 'start/import', what: 'import of core / of jose', atMost: 1 },
]

/** Figures that differ by more between two runs are not comparable between runs. */
const COMPARABLE = 0.05

/** What was wanted, and what was reached. `missing` are those that were not measured. */
export function judge(reached: Readonly<Record<string, Spread>>): { table: Table; missing: string[] } {
  const measured = WANTED.filter(({ name }) => name in reached)
  const rows = measured.map((wanted) => {
    const figure = reached[wanted.name]
    return figure
      ? [
          wanted.what,
          demand(wanted),
          spread(figure),
          describeUncertainty(figure),
          verdict(wanted, figure.median),
        ]
      : []
  })
  return {
    table: { title: 'What was wanted', columns: ['what', 'wanted', 'reached', 'in another run', ''], rows },
    missing: WANTED.filter((wanted) => !measured.includes(wanted)).map(({ what }) => what),
  }
}

function describeUncertainty({ uncertainty }: Spread): string {
  if (!Number.isFinite(uncertainty)) return 'unknown'
  const percent = `± ${Math.ceil(uncertainty * 100)} %`
  return uncertainty > COMPARABLE ? `${percent}, not comparable` : percent
}

function demand({ atMost, aim }: Wanted): string {
  if (atMost === undefined) return ''
  return `≤ ${digits(atMost)}${aim === undefined ? '' : `, better ${digits(aim)}`}`
}

function verdict({ atMost, aim = Number.POSITIVE_INFINITY }: Wanted, reached: number): string {
  if (atMost === undefined) return ''
  if (reached > atMost) return '**not met**'
  return reached > aim ? 'met, short of better' : 'met'
}
