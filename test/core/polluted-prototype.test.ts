import { type Auth, type FetchFunction, toResponse, type VerifierOptions } from '@telnyx-auth/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ownMembers } from '../../packages/core/src/testing.js'
import {
  AUDIENCE,
  ForgedIssuer,
  forge,
  goodClaims,
  goodHeader,
  goodToken,
  ISSUER,
  JWKS_URL,
  METADATA_URL,
  makeKey,
  makeVerifier,
  NOW,
} from '../support/forge.js'
import {
  CLAIMS,
  HEADER_PARAMETERS,
  OPTIONS,
  OTHERS,
  VALUES,
  VARIABLES,
  whilePolluted,
} from '../support/pollution.js'
import { scale } from '../support/scale.js'

/** Attacks 9 and 46: what is put on `Object.prototype`, before or after the start, changes no decision. */

const key = makeKey('ES256', 'a')
const rsa = makeKey('RS256', 'b')
const stranger = makeKey('ES256', 'a')
const secret = { clientId: 'api', clientSecret: 'a-secret-of-the-api' }

/** A token without some of its claims, or of its header. */
function without(claims: readonly string[], header: readonly string[] = []): string {
  const [claimsLeft, headerLeft] = [goodClaims(), goodHeader(key)].map((object, index) =>
    Object.fromEntries(Object.entries(object).filter(([name]) => ![claims, header][index]?.includes(name))),
  )
  return forge(headerLeft ?? {}, claimsLeft ?? {}, key)
}

const TOKENS: Readonly<Record<string, string>> = {
  good: goodToken(key),
  'good, RSA': goodToken(rsa),
  'good, with the least': without(['sub', 'client_id', 'jti', 'iat'], ['typ', 'kid']),
  'without scope': without(['scope']),
  'good, nested': goodToken(key, { act: { sub: 'x' }, list: [{ a: 1 }] }),
  'without exp': without(['exp']),
  'without aud': without(['aud']),
  'without iss': without(['iss']),
  'without anything': without(['iss', 'aud', 'exp', 'sub', 'scope', 'client_id']),
  'without alg': without([], ['alg']),
  'another audience': goodToken(key, { aud: 'urn:other' }),
  expired: goodToken(key, { exp: NOW - 60 }),
  'not yet valid': goodToken(key, { nbf: NOW + 60 }),
  bound: goodToken(key, { cnf: { jkt: 'x' } }),
  'of a stranger': goodToken(stranger),
  'an ID token': goodToken(key, {}, { typ: 'id+jwt' }),
  critical: goodToken(key, {}, { crit: ['b64'], b64: true }),
  opaque: 'opaque-token',
}

/** An issuer whose answers inherit nothing themselves, so that only what is read from them is tested. */
const fetch: FetchFunction = async (url, { body = '' }) => {
  const documents: Record<string, unknown> = {
    [METADATA_URL]: { issuer: ISSUER, jwks_uri: JWKS_URL, introspection_endpoint: `${ISSUER}/introspect` },
    [JWKS_URL]: { keys: [key.jwk, rsa.jwk] },
    [`${ISSUER}/introspect`]: body.includes('opaque') ? {} : { active: true, scope: 'messaging.read' },
  }
  const chunks = [Buffer.from(JSON.stringify(documents[url]))]
  const reader = {
    read: async () => ({ done: chunks.length === 0, value: chunks.pop() }),
    cancel: async () => undefined,
  }
  return { status: 200, redirected: false, headers: { get: () => null }, body: { getReader: () => reader } }
}

const SETUPS: Readonly<Record<string, VerifierOptions>> = {
  'keys given': { jwks: { keys: [key.jwk, rsa.jwk] } },
  discovered: {},
  'introspection always': { introspection: { ...secret, when: 'always' } },
  'with a policy': { scopes: ['messaging.read'], jwks: { keys: [key.jwk, rsa.jwk] } },
}

/** What is said of an accepted token, own members only. */
function describeAuth({ claims, ...auth }: Auth): string {
  return JSON.stringify([auth, Object.entries(claims)])
}

/** What becomes of every token, and what a caller would be told. */
async function outcomes(verify: (token: string) => Promise<Auth>): Promise<string> {
  const said: unknown[] = []
  for (const [name, token] of Object.entries(TOKENS))
    said.push([
      name,
      await verify(token).then(describeAuth, (error: unknown) => {
        try {
          const { status, headers, body } = toResponse(error)
          const { claim, reason } = ownMembers(Object(error))
          const { message } = Object(error)
          return JSON.stringify({ status, headers, body, claim, reason, message })
        } catch {
          return `not ours: ${error}`
        }
      }),
    ])
  return JSON.stringify(said, null, 1)
}

const make = (options: VerifierOptions) => makeVerifier({ fetch }, options)
/**
 * The values for a name: all in a soak run. In the suite it is one, another in each setup, so that each setup sees
 * every name, and every name is combined with several values.
 */
function valuesFor(name: string, round: number): readonly unknown[] {
  const first = (names.indexOf(name) + round) % VALUES.length
  return [...VALUES.slice(first), ...VALUES.slice(0, first)].slice(0, scale(1, VALUES.length))
}

const names = [...CLAIMS, ...HEADER_PARAMETERS, ...OPTIONS, ...VARIABLES, ...OTHERS]

/** The names for a setup at one of the two moments: all in a soak run. In the suite, each setup sees half of them at each moment. */
function namesFor(round: number): readonly string[] {
  return names.filter((_, index) => (index + round) % 2 < scale(1, 2))
}

afterEach(() => {
  vi.unstubAllEnvs()
})

describe.each(Object.entries(SETUPS))('attack 46, %s', (setup, options) => {
  const round = Object.keys(SETUPS).indexOf(setup)
  const baseline = outcomes((token) => make(options).verify(token))

  it('the positive control: good tokens are accepted, and bad ones refused', async () => {
    const fates: [string, string][] = JSON.parse(await baseline)
    for (const [name, fate] of fates) {
      const lacksScope = name === 'without scope'
      const isGood = name.startsWith('good') || (lacksScope && options.scopes === undefined)
      expect(fate.startsWith('['), `${name}: ${fate}`).toBe(isGood)
    }
  })

  it.each(namesFor(round))('%s, before the start', async (name) => {
    for (const value of valuesFor(name, round)) {
      const seen = await whilePolluted(name, value, async () => {
        const verifier = make(options)
        return outcomes((token) => verifier.verify(token))
      }).catch((error: unknown) => `thrown: ${error}`)
      expect(seen, JSON.stringify(value)).toBe(await baseline)
    }
  })

  it.each(namesFor(round + 1))('%s, after the start, with and without a cached result', async (name) => {
    const verifier = make(options)
    await outcomes((token) => verifier.verify(token))
    for (const value of valuesFor(name, round + 2)) {
      const seen = await whilePolluted(name, value, () => outcomes((token) => verifier.verify(token, {})))
      expect(seen, JSON.stringify(value)).toBe(await baseline)
    }
    const uncached = make({ ...options, cache: false })
    await uncached.verify(goodToken(key))
    for (const value of valuesFor(name, round + 4)) {
      const seen = await whilePolluted(name, value, () => outcomes((token) => uncached.verify(token)))
      expect(seen, JSON.stringify(value)).toBe(await baseline)
    }
  })
})

describe('attack 46, what a handler reads', () => {
  it('claims inherit nothing, at no depth', async () => {
    const { claims } = await make({}).verify(goodToken(key, { act: { sub: 'x' }, list: [{ a: 1 }] }))
    await whilePolluted('admin', true, async () => {
      const { act, list } = claims
      const found = [claims, act, ...(Array.isArray(list) ? list : [])].map((object) => Object(object).admin)
      expect(found).toEqual([undefined, undefined, undefined])
    })
    expect(claims.toString).toBeUndefined()
    expect(claims.constructor).toBeUndefined()
  })

  it.each([0, 5, 8, 9, 10, 30, 200])('nor do those of a token with %d members more', async (more) => {
    const others = Object.fromEntries(
      Array.from({ length: more }, (_, index) => [`claim_${index}`, { index }]),
    )
    const { claims } = await make({}).verify(goodToken(key, others))
    for (const object of [claims, ...Object.values(claims)])
      if (typeof object === 'object') expect(Object.getPrototypeOf(object)).toBeNull()
    expect(Object.entries(claims)).toEqual(Object.entries({ ...goodClaims(others) }))
    expect(Object.isFrozen(claims)).toBe(true)
  })

  it('a claim with the name __proto__ is a claim, and nothing more', async () => {
    const payload = `${JSON.stringify(goodClaims()).slice(0, -1)},"__proto__":{"admin":true}}`
    const { claims } = await make({}).verify(forge(goodHeader(key), payload, key))
    expect(claims.admin).toBeUndefined()
    expect(Object.hasOwn(claims, '__proto__')).toBe(true)
    expect(JSON.parse(JSON.stringify(claims)).sub).toBe('user-1')
  })
})

describe('attack 46, the environment', () => {
  it('variables are not inherited: without an audience, nothing starts', async () => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', undefined)
    const { createVerifier } = await import('@telnyx-auth/core')
    const thrown = await whilePolluted('TELNYX_AUTH_AUDIENCE', AUDIENCE, async () => {
      try {
        createVerifier()
        return 'it started'
      } catch (error) {
        return Object(error).code
      }
    })
    expect(thrown).toBe('ERR_CONFIGURATION')
  })

  it('credentials are not inherited', async () => {
    vi.stubEnv('TELNYX_CLIENT_SECRET', undefined)
    const thrown = await whilePolluted('TELNYX_CLIENT_SECRET', 'x', async () => {
      try {
        make({ introspection: { clientId: 'api' } })
        return 'it started'
      } catch (error) {
        return Object(error).code
      }
    })
    expect(thrown).toBe('ERR_CONFIGURATION')
  })
})

describe('attack 46: a request that leaves members out does not get them by inheritance', () => {
  const request = { headers: { authorization: `Bearer ${goodToken(key)}` } }

  it.each<[name: string, value: unknown]>([
    ['rawHeaders', ['authorization', 'Bearer a', 'authorization', 'Bearer b']],
    ['headersDistinct', { authorization: ['Bearer a', 'Bearer b'] }],
    ['get', () => 'Bearer a'],
  ])('A: %s', async (name, value) => {
    const issuer = new ForgedIssuer(key)
    const verifier = makeVerifier(issuer)
    await verifier.preload()
    const outcome = await whilePolluted(name, value, () =>
      verifier.authenticate(request).then(
        ({ subject }) => subject,
        (error: unknown) => error,
      ),
    )
    expect(outcome).toBe('user-1')
  })
})
