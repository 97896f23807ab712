import { hash } from 'node:crypto'
import type { Plan } from '../plan.js'
import { type Report, spread } from '../report.js'
import { interleave, timed } from '../rounds.js'
import { TokenPool } from '../token-pool.js'
import { createKey, signToken } from '../tokens.js'
import { createFast, createOurs, OURS, prove } from '../verifiers.js'

const FAST_JWT = 'fast-jwt, cache'
const FLOOR = 'SHA-256 of the token'
const FLOOR_TO_AWAIT = 'a look-up by its end, awaited'

/** Tokens that were verified before. */
export async function measureRepeated(plan: Plan): Promise<Report> {
  const key = createKey('RS256')
  const tokens = Array.from({ length: 1000 }, () => signToken(key))
  const rows: string[][] = []
  const reached: Report['reached'][] = []
  const panels: Report['panels'][number][] = []
  for (const [title, presented] of [
    ['one token', tokens.slice(0, 1)],
    ['1,000 tokens in turn', tokens],
  ] as const) {
    const ours = createOurs(key)
    // More than there are tokens, so that every token is a hit.
    const fast = createFast(key, 10_000)
    for (const token of presented) {
      await prove(OURS, ours, token)
      await prove(FAST_JWT, fast, token)
    }
    const known = new Map(presented.map((token) => [endOf(token), { token }]))
    const next = (pool: TokenPool) => () => pool.next()
    const figures = await interleave(
      [
        timed(OURS, next(new TokenPool(presented)), ours),
        timed(FAST_JWT, next(new TokenPool(presented)), fast),
        timed(FLOOR, next(new TokenPool(presented)), (token) => hash('sha256', token, 'binary')),
        timed(FLOOR_TO_AWAIT, next(new TokenPool(presented)), async (token) => {
          const found = known.get(endOf(token))
          return found?.token === token ? found : undefined
        }),
      ],
      plan,
    )
    const ratio = figures.ratio(OURS, FAST_JWT)
    const cells = [OURS, FAST_JWT, FLOOR, FLOOR_TO_AWAIT].map((name) => spread(figures.spread(name)))
    rows.push([title, ...cells, spread(ratio)])
    const floor = figures.ratio(FLOOR_TO_AWAIT, FAST_JWT)
    reached.push({ [`repeated/${title}`]: ratio, [`repeated/${title}/floor`]: floor })
    const bars = [OURS, FAST_JWT, FLOOR].map((name) => {
      return { label: name, value: figures.spread(name).median, ours: name === OURS }
    })
    panels.push({ title: `A repeated token: ${title}`, unit: 'ns', bars })
  }
  return {
    title: 'A repeated token',
    notes: [
      '`await verifier.verify(token)` for tokens that were verified before; RS256, every one a new string.',
    ],
    tables: [
      {
        title: 'Nanoseconds for a token',
        columns: ['presented', OURS, FAST_JWT, FLOOR, FLOOR_TO_AWAIT, `${OURS} / ${FAST_JWT}`],
        rows,
      },
    ],
    reached: Object.assign({}, ...reached),
    panels: panels.slice(0, 1),
  }
}

/** The least that a cache of tokens does: finds one by a part that is not guessed, and compares the whole. */
export function endOf(token: string): string {
  return token.slice(-32)
}
