import { setImmediate } from 'node:timers/promises'
import { createVerifier } from '@telnyx-auth/core'
import type { Plan } from '../plan.js'
import { digits, spread } from '../report.js'
import { type Figures, interleave, spreadOf, timed } from '../rounds.js'
import { TokenPool } from '../token-pool.js'
import { AUDIENCE, createKey, ISSUER, type SigningKey, signPadded } from '../tokens.js'
import type { Verify } from '../verifiers.js'
import type { Part } from './growth.js'
import { endOf } from './repeated.js'

const BYTES = 614
const AT_A_TIME = 64

/** A verifier that has seen many tokens. */
interface Full {
  readonly name: string
  readonly verify: Verify
  readonly pool: TokenPool
  /** The least that any such cache does: finds something by the end of the token, compares the whole, and looks at it. */
  readonly floor: Verify
  /** What every token took of the heap, what the cache keeps of it included. */
  readonly bytesPerToken: number
}

/** How a repeated token fares among many others, and what they take. */
export async function measureCachedTokens(plan: Plan): Promise<Part> {
  const key = createKey('EdDSA')
  const counts = plan.quick ? [1, 1000, 5000] : [1, 1000, 10_000, 100_000]
  // The pages and the code that the first verifications need are not counted.
  await fill(key, 2000)
  const full: Full[] = []
  for (const count of counts) full.push(await fill(key, count))
  const targets = full.flatMap(({ name, verify, floor, pool }) => [
    timed(name, () => pool.next(), verify),
    timed(floorOf(name), () => pool.next(), floor),
  ])
  const uncached = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: { keys: [key.jwk] },
    cache: false,
  })
  const last = full.at(-1)
  if (!last) throw new Error('Nothing was measured')
  const first = timed(
    'first check',
    () => last.pool.next(),
    (token) => uncached.verify(token),
  )
  const figures = await interleave([...targets, first], plan)
  const names = [full[0]?.name ?? '', last.name] as const
  const reached = isKept(figures, last.name)
    ? {
        'growth/tokens': figures.ratio(names[1], names[0]),
        'growth/tokens-floor': figures.ratio(floorOf(names[1]), floorOf(names[0])),
        'growth/memory': spreadOf([last.bytesPerToken / 1024]),
      }
    : {}
  return {
    table: {
      title: 'Tokens in the cache: a repeated token, in random order (EdDSA, 0.6 KiB)',
      columns: [
        'tokens',
        'repeated token, ns',
        'a `Map` by the end of the token, ns',
        'heap for a token, bytes',
      ],
      rows: full.map(({ name, bytesPerToken }, index) => [
        name,
        spread(figures.spread(name)),
        spread(figures.spread(floorOf(name))),
        // Of few tokens, what else happens on the heap is more.
        (counts[index] ?? 0) < 1000 ? '' : digits(bytesPerToken),
      ]),
    },
    reached,
  }
}

/** The heap says nothing of a cache that keeps nothing: a repeated token must be much faster than a new one. */
function isKept(figures: Figures, name: string): boolean {
  const kept = figures.ratio(name, 'first check').median < 0.5
  if (!kept) console.error('  The cache did not keep the tokens: what they take is not measured.')
  return kept
}

/** Measures what is kept of tokens after everything else of them is gone. */
async function fill(key: SigningKey, count: number): Promise<Full> {
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: { keys: [key.jwk] },
    cache: { maxEntries: 110_000 },
  })
  await verifier.preload()
  const pool = createPool(key, count)
  const before = await usedMemory()
  // The pool hands out copies: what the cache keeps of them is its own.
  for (let seen = 0; seen < count; seen += AT_A_TIME) {
    const tokens = pool.many(Math.min(AT_A_TIME, count - seen))
    await Promise.all(tokens.map((token) => verifier.verify(token)))
  }
  const bytesPerToken = ((await usedMemory()) - before) / count
  const floor = createFloor(pool, count)
  return { name: digits(count), verify: (token) => verifier.verify(token), pool, floor, bytesPerToken }
}

function floorOf(name: string): string {
  return `${name}, floor`
}

function createFloor(pool: TokenPool, count: number): Verify {
  const known = new Map<string, { readonly token: string; readonly claims: { exp: number } }>()
  for (let seen = 0; seen < count; seen++) {
    const token = pool.next()
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    known.set(endOf(token), { token, claims })
  }
  return async (token) => {
    const found = known.get(endOf(token))
    if (found?.token !== token || found.claims.exp * 1000 < Date.now()) throw new Error('It is not there')
    return found
  }
}

/** In a function of its own, so that nothing but the pool is left of the tokens. */
function createPool(key: SigningKey, count: number): TokenPool {
  return new TokenPool(shuffled(Array.from({ length: count }, () => signPadded(key, BYTES))))
}

async function usedMemory(): Promise<number> {
  if (!globalThis.gc) throw new Error('Run with --expose-gc')
  // What was just used may still be on the stack.
  await setImmediate()
  globalThis.gc()
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function shuffled<T>(items: T[]): T[] {
  const keyed = items.map((item) => ({ item, order: Math.random() }))
  return keyed.sort((a, b) => a.order - b.order).map(({ item }) => item)
}
