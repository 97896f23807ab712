import { type Auth, TelnyxAuthError, toResponse } from '@telnyx-auth/core'
import { type Authenticator, createAuthenticator } from '@telnyx-auth/core/adapter'
import { describe, expect, it } from 'vitest'
import type { AuthenticatableRequest, Policy, TokenVerifier } from '../../packages/core/src/testing.js'
import { expectNothingUnhandled, settle } from '../support/event-loop.js'
import {
  ForgedIssuer,
  goodToken,
  ISSUER,
  JWKS_URL,
  makeKey,
  makeVerifier,
  NOW,
  segmentsOf,
  TestClock,
} from '../support/forge.js'
import { handleFor } from '../support/request-handle.js'
import { scale } from '../support/scale.js'

/**
 * Attacks 3, 29, 30, 31 and 39: with the cache, every outcome is what it is without. Two verifiers live through the same
 * sequence of tokens, requests, policies, moves of the clock and changes of the issuer, made by chance from a seed.
 */

const SEEDS = 40
const STEPS = scale(75, 150)

expectNothingUnhandled()

const a = makeKey('Ed25519', 'a')
const b = makeKey('ES256', 'b')
const c = makeKey('Ed25519', 'c')
/** The id of `a`, and another key. */
const a2 = makeKey('Ed25519', 'a')

const day = { exp: NOW + 86_400 }
const good = [
  goodToken(a, day),
  goodToken(a, { exp: NOW + 40 }),
  goodToken(a, { exp: NOW + 700, scope: 'a b', acr: 'gold', auth_time: NOW }),
  goodToken(a, { ...day, nbf: NOW + 20, jti: 'later' }),
  goodToken(b, { ...day, scope: 'a' }),
  goodToken(b, { ...day, jti: 'nameless' }, { kid: undefined }),
  goodToken(a, { ...day, jti: 'nameless' }, { kid: undefined }),
  goodToken(c, day),
  goodToken(a2, day),
]
const bad = [
  goodToken(c, day, { kid: 'a' }),
  goodToken(a, { ...day, aud: 'urn:other' }),
  goodToken(makeKey('Ed25519', 'x'), day),
  '',
  'opaque-token',
  'x'.repeat(20_000),
]
const sets = [[a], [a, b], [b, a], [b], [a2], [a2, b], [c, a], [b, c], [a, b, c, a2], []]
const policies: (Policy | undefined)[] = [
  undefined,
  undefined,
  { scopes: ['a'] },
  { anyScope: ['b', 'z'] },
  { acrValues: ['gold'] },
  { maxAgeSeconds: 100 },
  { validate: () => false },
  { validate: ({ subject }) => subject === 'user-1' },
  { introspection: 'always' },
]

/** Other spellings of the same bytes, and what is not a token any more. */
function respell(token: string, chance: (below: number) => number): string {
  if (!token.includes('.')) return token
  const [header, payload, signature] = segmentsOf(token)
  const last = ALPHABET[(ALPHABET.indexOf(signature.slice(-1)) ^ 1) % 64] ?? ''
  const spellings = [
    `${token}=`,
    `${header}.${payload}.${signature.slice(0, -1)}${last}`,
    `${token}.`,
    `${header}.${payload}.`,
    `${header}=.${payload}.${signature}`,
    token.replace('-', '+').replace('_', '/'),
    `${token}\n`,
    `\u0100${token}`,
    `${token.toUpperCase()}`,
    `${token},${token}`,
    ` ${token}`,
  ]
  return spellings[chance(spellings.length)] ?? token
}
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Ways to present a token, right and wrong. */
const forms: ((token: string) => AuthenticatableRequest)[] = [
  (token) => ({ headers: { authorization: `Bearer ${token}` } }),
  (token) => ({ headers: { AUTHORIZATION: `bEaReR    ${token}`, other: 'x' } }),
  (token) => ({ headers: { authorization: [`Bearer ${token}`] } }),
  (token) => ({ headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] } }),
  (token) => ({ headers: { authorization: `Bearer ${token}`, Authorization: 'Basic eA==' } }),
  (token) => ({
    headers: { authorization: `Bearer ${token}` },
    rawHeaders: ['Authorization', `Bearer ${token}`, 'authorization', 'Bearer x'],
  }),
  (token) => ({
    headers: { authorization: `Bearer ${token}` },
    headersDistinct: { authorization: ['1', '2'] },
  }),
  (token) => ({ headers: { authorization: `Bearer ${token}, Bearer ${token}` } }),
  (token) => ({ headers: { authorization: `Bearer\t${token}` } }),
  (token) => ({ headers: { authorization: `Bearer${token}` } }),
  (token) => ({ headers: { authorization: `Bearer ${token} ` } }),
  (token) => ({ headers: { authorization: `Bearer "${token}"` } }),
  (token) => ({ headers: { authorization: token } }),
  (token) => ({ headers: { get: (name) => (name === 'authorization' ? `Bearer ${token}` : null) } }),
]

/** One of the two: what is done to it is done to the other too. */
class World {
  readonly clock = new TestClock()
  readonly issuer = new ForgedIssuer(a, b)
  readonly verifier: TokenVerifier
  readonly authenticator: Authenticator
  readonly revoked = new Set<string>()
  /** Whether the issuer is asked about tokens. */
  readonly asks: boolean
  down = false

  constructor(options: NonNullable<Parameters<typeof makeVerifier>[1]>) {
    this.asks = options.introspection !== undefined
    this.issuer.metadata = () =>
      Response.json({ issuer: ISSUER, jwks_uri: JWKS_URL, introspection_endpoint: `${ISSUER}/introspect` })
    this.verifier = makeVerifier(
      {
        fetch: async (url, init) => {
          if (this.down) return new Response(null, { status: 503 })
          if (!url.endsWith('/introspect')) return this.issuer.fetch(url, init)
          const token = new URLSearchParams(init.body).get('token') ?? ''
          return Response.json({ active: !this.revoked.has(token), sub: 'user-1' })
        },
      },
      options,
      this.clock,
    )
    this.authenticator = createAuthenticator({ verifier: this.verifier, optional: true, scopes: ['a'] })
  }
}

async function outcomeOf(work: () => unknown): Promise<unknown> {
  try {
    const result = await work()
    if (!isAuth(result)) return result
    return { ...result, token: result.token, claims: JSON.stringify(result.claims) }
  } catch (error) {
    if (!(error instanceof TelnyxAuthError) || error.code === 'ERR_CONFIGURATION') return String(error)
    return { code: error.code, ...toResponse(error) }
  }
}

function isAuth(value: unknown): value is Auth {
  return typeof value === 'object' && value !== null && 'verifiedBy' in value
}

/** Mulberry32: chance that can be repeated. */
function createChance(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

function createStep(chance: (below: number) => number): { name: string; run(world: World): unknown } {
  const one = <T>(values: readonly T[]): T => values[chance(values.length)] as T
  const kind = chance(100)
  if (kind < 8) {
    const seconds = one([0.5, 5, 20, 31, 61, 240, 250, 301, 601, 4000])
    return { name: `advance ${seconds}`, run: ({ clock }) => clock.advance(seconds) }
  }
  if (kind < 11) {
    const seconds = one([-700, -30, -10, 5, 30, 700])
    return { name: `jump ${seconds}`, run: ({ clock }) => clock.advanceWall(seconds) }
  }
  if (kind < 18) {
    const set = one(sets)
    const x5c = chance(2)
    const run = ({ issuer }: World) =>
      issuer.publish(...set.map(({ jwk }) => (x5c ? { ...jwk, x5c: ['x'] } : jwk)))
    return { name: `publish ${set.map(({ kid }) => kid)}`, run }
  }
  if (kind < 20) {
    const down = chance(3) === 0
    return {
      name: `down ${down}`,
      run(world) {
        world.down = down
      },
    }
  }
  const token = chance(6) === 0 ? one(bad) : one(good)
  if (kind < 22) return { name: 'revoke', run: ({ revoked }) => revoked.add(token) }
  const spelled = chance(6) === 0 ? respell(token, chance) : token
  const policy = one(policies)
  const named = `${good.indexOf(token)} ${spelled === token} ${JSON.stringify(policy)}`
  if (kind < 60)
    return {
      name: `verify ${named}`,
      run: ({ verifier }) => outcomeOf(() => verifier.verify(spelled, policy)),
    }
  const form = chance(3) === 0 ? chance(forms.length) : 0
  const request = () => forms[form]?.(spelled) ?? expect.fail('There is no such form')
  if (kind < 75)
    return {
      name: `authenticator ${form} ${named}`,
      run: ({ authenticator }) => outcomeOf(() => authenticator.authenticate(handleFor(), request())),
    }
  const run = ({ verifier }: World) => outcomeOf(() => verifier.authenticate(request(), policy))
  if (kind < 95) return { name: `authenticate ${form} ${named}`, run }
  return {
    name: `at once ${form} ${named}`,
    async run(world) {
      if (!world.asks) return Promise.all([run(world), run(world), run(world)])
      // Of several that fail, it depends on their order which one is met by the pause after the third.
      const outcomes: unknown[] = []
      for (let n = 0; n < 3; n++) {
        outcomes.push(await run(world))
        // The next call finds what this one began in the background; a faster one would not.
        await settle()
      }
      return outcomes
    },
  }
}

describe('with the cache and without', () => {
  const clientOf = { clientId: 'x', clientSecret: 'y' }

  it.each(Array.from({ length: SEEDS }, (_, seed) => [seed]))(
    'every outcome is the same (seed %d)',
    async (seed) => {
      const chance = createChance(seed)
      const cache = [{}, { maxEntries: 1 }, { maxEntries: 3 }, { maxAgeSeconds: 20 }][chance(4)]
      const when = [undefined, 'fallback', 'always', 'opaque'] as const
      const introspection = when[chance(4)]
      const options = {
        keys: { maxStaleSeconds: [0, 600][chance(2)] },
        ...(introspection && { introspection: { ...clientOf, when: introspection, cacheSeconds: 0 } }),
      }
      const cached = new World({ ...options, cache })
      const plain = new World({ ...options, cache: false })
      const history: string[] = []
      const seen = new Set<string>()
      for (let step = 0; step < STEPS; step++) {
        const { name, run } = createStep(chance)
        history.push(name)
        const [got, wanted] = [await run(cached), await run(plain)]
        if (name.includes(' ')) expect(got, `${seed}: ${history.slice(-12).join(' > ')}`).toEqual(wanted)
        seen.add(JSON.stringify(wanted) ?? '')
        await settle()
      }
      // Not the same because nothing happens.
      expect(seen.size).toBeGreaterThan(8)
    },
  )
})
