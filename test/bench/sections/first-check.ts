import type { Plan } from '../plan.js'
import type { Panel, Report, Spread, Table } from '../report.js'
import { spread } from '../report.js'
import { type Figures, interleave, type Target, timed } from '../rounds.js'
import { TokenPool } from '../token-pool.js'
import { type Algorithm, createKey, type SigningKey, signToken } from '../tokens.js'
import {
  createAws,
  createFast,
  createFloor,
  createJose,
  createJsonwebtoken,
  createOurs,
  parseSigned,
  prove,
  type Verify,
} from '../verifiers.js'

const IN_FLIGHT = 64
/** So many times in a row: else the threads that compute are asleep when each time begins. */
const TIMES = 8
const OURS = 'ours'
const JOSE = 'jose'
const FLOOR = 'crypto.verify'
const NAMES = [OURS, JOSE, 'aws-jwt-verify', 'fast-jwt', 'jsonwebtoken', FLOOR]

/** Tokens that are not cached. */
export async function measureFirstCheck(plan: Plan): Promise<Report> {
  const alone: string[][] = []
  const together: string[][] = []
  const reached: Record<string, Spread> = {}
  const panels: Panel[] = []
  for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const) {
    const key = createKey(algorithm)
    const tokens = Array.from({ length: plan.quick ? 200 : 1000 }, () => signToken(key))
    const verifiers = await createVerifiers(key)
    for (const [name, verify] of verifiers) await prove(name, verify, tokens[0] ?? '')
    const one = await interleave(targetsAlone(key, tokens, verifiers), plan)
    alone.push(row(algorithm, tokens, one, verifiers))
    const many = await interleave(targetsTogether(key, tokens, verifiers), plan)
    together.push(row(algorithm, tokens, many, verifiers))
    reached[`first-check/${algorithm}`] = many.ratio(OURS, JOSE)
    if (algorithm === 'RS256') panels.push(panelOf(many))
  }
  return {
    title: 'A first check',
    notes: [
      `Ours with \`cache: false\`, \`jose.jwtVerify\` with an imported key, aws-jwt-verify with its cached JWK Set (\`verifySync\`), fast-jwt without cache, and \`crypto.verify\` alone with everything in memory. ${FLOOR}, aws-jwt-verify, fast-jwt and jsonwebtoken block the process while they compute: ${IN_FLIGHT} in flight are then one after another.`,
    ],
    tables: [table('one at a time', alone), table(`${IN_FLIGHT} in flight`, together)],
    reached,
    panels,
  }
}

function panelOf(figures: Figures): Panel {
  const bars = NAMES.map((label) => {
    return { label, value: figures.spread(label).median / 1000, ours: label === OURS }
  })
  return { title: `A first check, ${IN_FLIGHT} in flight (RS256)`, unit: 'µs', bars }
}

async function createVerifiers(key: SigningKey): Promise<Map<string, Verify>> {
  const verifiers = new Map([
    [OURS, createOurs(key, { cache: false })],
    [JOSE, await createJose(key)],
    ['aws-jwt-verify', createAws(key)],
    ['fast-jwt', createFast(key, false)],
  ])
  const jsonwebtoken = createJsonwebtoken(key)
  if (jsonwebtoken) verifiers.set('jsonwebtoken', jsonwebtoken)
  return verifiers
}

function targetsAlone(key: SigningKey, tokens: string[], verifiers: Map<string, Verify>): Target[] {
  const floor = createFloor(key)
  const nextSigned = inTurn(tokens.map(parseSigned))
  const targets = [...verifiers].map(([name, verify]) => {
    const pool = new TokenPool(tokens)
    return timed(name, () => pool.next(), verify)
  })
  return [...targets, timed(FLOOR, nextSigned, floor)]
}

function targetsTogether(key: SigningKey, tokens: string[], verifiers: Map<string, Verify>): Target[] {
  const floor = createFloor(key)
  const nextSigned = inTurn(tokens.map(parseSigned))
  const targets = [...verifiers].map(([name, verify]) => {
    const pool = new TokenPool(tokens)
    return timed(
      name,
      () => Array.from({ length: TIMES }, () => pool.many(IN_FLIGHT)),
      async (groups) => {
        for (const presented of groups) await Promise.all(presented.map(verify))
      },
      TIMES * IN_FLIGHT,
    )
  })
  const signed = () => Array.from({ length: TIMES * IN_FLIGHT }, nextSigned)
  return [...targets, timed(FLOOR, signed, (presented) => presented.map(floor), TIMES * IN_FLIGHT)]
}

function inTurn<T>(items: readonly T[]): () => T {
  const cycle = (function* () {
    for (;;) yield* items
  })()
  return () => cycle.next().value
}

function row(
  algorithm: Algorithm,
  tokens: string[],
  figures: Figures,
  verifiers: Map<string, Verify>,
): string[] {
  const cells = NAMES.map((name) => {
    const measured = name === FLOOR || verifiers.has(name)
    if (!measured) return `has no ${algorithm}`
    return spread(figures.spread(name), 1000)
  })
  return [`${algorithm}, ${tokens[0]?.length} bytes`, ...cells, spread(figures.ratio(OURS, JOSE))]
}

function table(title: string, rows: string[][]): Table {
  return {
    title: `Microseconds for a token, ${title}`,
    columns: ['token', ...NAMES, `${OURS} / ${JOSE}`],
    rows,
  }
}
