import { createVerifier } from '@telnyx-auth/core'
import type { Plan } from '../plan.js'
import { digits, type Report, type Spread, spread, type Table } from '../report.js'
import { type Figures, interleave, type Target, timed } from '../rounds.js'
import { TokenPool } from '../token-pool.js'
import {
  AUDIENCE,
  createClaims,
  createDecoys,
  createKey,
  type SigningKey,
  signPadded,
  signToken,
} from '../tokens.js'
import { createOurs, prove, type Verify } from '../verifiers.js'
import { measureCachedTokens } from './cached-tokens.js'

const IN_FLIGHT = 64

/** What there is more of, and what that costs. */
export async function measureGrowth(plan: Plan): Promise<Report> {
  const parts = [
    await measureKeys(plan),
    await measureIssuers(plan),
    await measureLengths(plan),
    await measureCachedTokens(plan),
  ]
  return {
    title: 'Growth',
    notes: [`Ours alone. First checks are without a cache, ${IN_FLIGHT} in flight.`],
    tables: parts.map(({ table }) => table),
    reached: Object.assign({}, ...parts.map(({ reached }) => reached)),
    panels: [],
  }
}

/** A table of its own, and what of it was wanted. */
export interface Part {
  readonly table: Table
  readonly reached: Readonly<Record<string, Spread>>
}

async function measureKeys(plan: Plan): Promise<Part> {
  const key = createKey('RS256')
  const pool = new TokenPool(Array.from({ length: 100 }, () => signToken(key)))
  const counts = [1, 10, 100]
  const targets: Target[] = []
  for (const count of counts) {
    const jwks = { keys: [...createDecoys(count - 1), key.jwk] }
    const verify = createOurs(key, { jwks, cache: false })
    targets.push(await firstCheck(digits(count), verify, pool))
  }
  const figures = await interleave(targets, plan)
  const [one = '', , last = ''] = targets.map(({ name }) => name)
  return {
    table: {
      title: 'Keys of the issuer: microseconds for a first check (RS256, signed by the last key)',
      columns: ['keys', 'first check'],
      rows: targets.map(({ name }) => [name, spread(figures.spread(name), 1000)]),
    },
    reached: { 'growth/keys': figures.ratio(last, one) },
  }
}

async function measureIssuers(plan: Plan): Promise<Part> {
  const key = createKey('RS256')
  const counts = [1, 100, 1000]
  const first: Target[] = []
  const repeated: Target[] = []
  for (const count of counts) {
    const issuers = Array.from({ length: count }, (_, index) => `https://issuer-${index}.example`)
    const tokens = Array.from({ length: 100 }, () => signToken(key, createClaims(issuers.at(-1))))
    const pool = new TokenPool(tokens)
    const once = createWithIssuers(issuers, key, false)
    first.push(await firstCheck(digits(count), once, pool))
    const again = createWithIssuers(issuers, key, undefined)
    for (const token of tokens) await again(token)
    repeated.push(timed(digits(count), () => pool.next(), again))
  }
  const [firstFigures, repeatedFigures] = [await interleave(first, plan), await interleave(repeated, plan)]
  const [one = '', , last = ''] = first.map(({ name }) => name)
  const cells = (figures: Figures, name: string, unit: number) => spread(figures.spread(name), unit)
  return {
    table: {
      title: 'Issuers, each with a key of its own (RS256, a token of the last one)',
      columns: ['issuers', 'first check, µs', 'repeated token, ns'],
      rows: first.map(({ name }) => [name, cells(firstFigures, name, 1000), cells(repeatedFigures, name, 1)]),
    },
    reached: {
      'growth/issuers/first': firstFigures.ratio(last, one),
      'growth/issuers/repeated': repeatedFigures.ratio(last, one),
    },
  }
}

function createWithIssuers(issuers: readonly string[], key: SigningKey, cache: false | undefined): Verify {
  const decoys = createDecoys(issuers.length - 1)
  const issuer = issuers.map((name, index) => ({ issuer: name, jwks: { keys: [decoys[index] ?? key.jwk] } }))
  const verifier = createVerifier({ issuer, audience: AUDIENCE, ...(cache === false ? { cache } : {}) })
  return (token) => verifier.verify(token)
}

async function measureLengths(plan: Plan): Promise<Part> {
  const key = createKey('EdDSA')
  const first: Target[] = []
  const repeated: Target[] = []
  for (const bytes of [512, 2048, 8192]) {
    const tokens = Array.from({ length: 100 }, () => signPadded(key, bytes))
    const pool = new TokenPool(tokens)
    const name = `${bytes / 1024} KiB`
    first.push(await firstCheck(name, createOurs(key, { cache: false }), pool))
    const again = createOurs(key)
    for (const token of tokens) await again(token)
    repeated.push(timed(name, () => pool.next(), again))
  }
  const [firstFigures, repeatedFigures] = [await interleave(first, plan), await interleave(repeated, plan)]
  return {
    table: {
      title: 'Length of the token (EdDSA)',
      columns: ['token', 'first check, µs', 'repeated token, ns'],
      rows: first.map(({ name }) => [
        name,
        spread(firstFigures.spread(name), 1000),
        spread(repeatedFigures.spread(name)),
      ]),
    },
    reached: {},
  }
}

async function firstCheck(name: string, verify: Verify, pool: TokenPool): Promise<Target> {
  await prove(name, verify, pool.next())
  const next = () => pool.many(IN_FLIGHT)
  return timed(name, next, (tokens) => Promise.all(tokens.map(verify)), IN_FLIGHT)
}
