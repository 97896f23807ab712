import type { Plan } from '../plan.js'
import type { Panel, Report, Spread } from '../report.js'
import { spread } from '../report.js'
import { type Figures, interleave, type Target, timed } from '../rounds.js'
import { TokenPool } from '../token-pool.js'
import { createKey, type SigningKey, signToken } from '../tokens.js'
import {
  createAws,
  createFast,
  createFloor,
  createJose,
  createJsonwebtoken,
  createOurs,
  FLOOR,
  OURS,
  parseSigned,
  prove,
  type Verify,
} from '../verifiers.js'

const JOSE = 'jose'
const AWS = 'aws-jwt-verify'
const FAST_JWT = 'fast-jwt'
const NAMES = [OURS, JOSE, AWS, FAST_JWT, 'jsonwebtoken', FLOOR]

/** Tokens that are not cached, one at a time. */
export async function measureFirstCheck(plan: Plan): Promise<Report> {
  const rows: string[][] = []
  const reached: Record<string, Spread> = {}
  const panels: Panel[] = []
  for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const) {
    const key = createKey(algorithm)
    const tokens = Array.from({ length: plan.quick ? 200 : 1000 }, () => signToken(key))
    const verifiers = await createVerifiers(key)
    for (const [name, verify] of verifiers) await prove(name, verify, tokens[0] ?? '')
    const figures = await interleave(targetsOf(key, tokens, verifiers), plan)
    const ofFloor = figures.ratio(OURS, FLOOR)
    const cells = NAMES.map((name) => {
      const measured = name === FLOOR || verifiers.has(name)
      return measured ? spread(figures.spread(name), 1000) : `has no ${algorithm}`
    })
    rows.push([`${algorithm}, ${tokens[0]?.length} bytes`, ...cells, spread(ofFloor)])
    reached[`first-check/${algorithm}/floor`] = ofFloor
    if (algorithm !== 'RS256') continue
    for (const peer of [AWS, FAST_JWT]) reached[`first-check/${peer}`] = figures.ratio(OURS, peer)
    panels.push(panelOf(figures))
  }
  return {
    title: 'A first check',
    notes: [
      `Ours with \`cache: false\`, \`jose.jwtVerify\` with an imported key, aws-jwt-verify with its cached JWK Set (\`verifySync\`), fast-jwt without cache, and \`crypto.verify\` alone with everything in memory. Each token is awaited before the next one is presented.`,
    ],
    tables: [
      {
        title: 'Microseconds for a token, one at a time',
        columns: ['token', ...NAMES, `${OURS} / ${FLOOR}`],
        rows,
      },
    ],
    reached,
    panels,
  }
}

function panelOf(figures: Figures): Panel {
  const bars = NAMES.map((label) => {
    return { label, value: figures.spread(label).median / 1000, ours: label === OURS }
  })
  return { title: 'A first check, one at a time (RS256)', unit: 'µs', bars }
}

async function createVerifiers(key: SigningKey): Promise<Map<string, Verify>> {
  const verifiers = new Map([
    [OURS, createOurs(key, { cache: false })],
    [JOSE, await createJose(key)],
    [AWS, createAws(key)],
    [FAST_JWT, createFast(key, false)],
  ])
  const jsonwebtoken = createJsonwebtoken(key)
  if (jsonwebtoken) verifiers.set('jsonwebtoken', jsonwebtoken)
  return verifiers
}

function targetsOf(key: SigningKey, tokens: string[], verifiers: Map<string, Verify>): Target[] {
  const targets = [...verifiers].map(([name, verify]) => {
    const pool = new TokenPool(tokens)
    return timed(name, () => pool.next(), verify)
  })
  return [...targets, timed(FLOOR, inTurn(tokens.map(parseSigned)), createFloor(key))]
}

function inTurn<T>(items: readonly T[]): () => T {
  const cycle = (function* () {
    for (;;) yield* items
  })()
  return () => cycle.next().value
}
