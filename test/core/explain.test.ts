import {
  ConfigurationError,
  createVerifier,
  type Policy,
  type TokenCheck,
  type Validate,
  watch,
} from '@telnyx-auth/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { boundToken, makeDpopVerifier } from '../support/dpop.js'
import { expectSameVerdict, firstFailure } from '../support/explained.js'
import {
  encode,
  ForgedIssuer,
  type ForgeKey,
  forge,
  goodClaims,
  goodHeader,
  goodToken,
  makeKey,
  makeVerifier,
  NOW,
  segmentsOf,
  withMembers,
} from '../support/forge.js'
import { countSignatureChecks } from '../support/signature-checks.js'
import { fateOf } from '../support/token-cache.js'

/** `explain` makes every check, and leaves the verifier as it was. */

const key = makeKey('Ed25519', 'good')
/** Another key under the same id. */
const impostor: ForgeKey = makeKey('Ed25519', 'good')
const issuer = new ForgedIssuer(key)
const verifier = makeVerifier(issuer)

const idsOf = (checks: readonly TokenCheck[], outcome: TokenCheck['outcome']) =>
  checks.filter((check) => check.outcome === outcome).map(({ id }) => id)

/** All checks of a JWT that need no option. */
const OF_EVERY_JWT = [
  'size',
  'form',
  'algorithm',
  'critical-header',
  'type',
  'key-id',
  'issuer',
  'audience',
  'required-claims',
  'claim-types',
  'confirmation',
  'expiry',
  'not-before',
  'issued-at',
  'key',
  'signature',
]

describe('a good token', () => {
  it('passes every check, in the order of the verifier', async () => {
    const { outcome, checks, code, reason, hint } = await verifier.explain(goodToken(key))
    expect(outcome).toBe('accepted')
    expect(checks.map(({ id }) => id)).toEqual(OF_EVERY_JWT)
    expect(idsOf(checks, 'passed')).toEqual(OF_EVERY_JWT)
    expect([code, reason, hint]).toEqual([undefined, undefined, undefined])
  })

  it('with a policy and dpop, all of theirs too', async () => {
    const strict = makeDpopVerifier(issuer, { mtls: 'tls' })
    const policy: Policy = { scopes: ['messaging.read'], maxAgeSeconds: 60, validate: () => true }
    const { checks } = await strict.explain(goodToken(key, { auth_time: NOW }), policy)
    const more = ['sender', 'authentication', 'scopes', 'validate']
    expect(idsOf(checks, 'passed')).toEqual([...OF_EVERY_JWT, ...more])
    expect(checks).toHaveLength(20)
  })

  it('has its header and claims in the explanation, and neither the token nor its signature', async () => {
    const token = forge(goodHeader(key), withMembers(goodClaims(), '"__proto__":{"x":1}'), key)
    const explanation = await verifier.explain(token)
    expect({ ...explanation.header }).toEqual(goodHeader(key))
    expect(explanation.claims).toMatchObject(goodClaims())
    expect(Object.keys(explanation.claims ?? {})).toContain('__proto__')
    expect(Object.isFrozen(explanation.header) && Object.isFrozen(explanation.claims)).toBe(true)
    const shown = JSON.stringify(explanation)
    for (const segment of segmentsOf(token)) expect(shown).not.toContain(segment)
  })
})

/** A token and a policy, changed in one place so that one check fails. */
interface Fault {
  readonly header?: object
  readonly claims?: object
  readonly signer?: ForgeKey
  readonly policy?: Policy
  /** The checks that cannot be made then. */
  readonly blocks?: readonly string[]
}

const KEY = ['key', 'signature']
const POLICY = ['authentication', 'scopes']
const FAULTS: Readonly<Record<string, Fault>> = {
  algorithm: { header: { alg: 'HS256' }, blocks: KEY },
  'critical-header': { header: { crit: ['x'] }, blocks: KEY },
  type: { header: { typ: 'logout+jwt' } },
  'key-id': { header: { kid: 5 }, blocks: KEY },
  issuer: { claims: { iss: 'https://other.example' }, blocks: KEY },
  audience: { claims: { aud: 'https://other.example' } },
  'required-claims': { claims: { jti: undefined }, blocks: POLICY },
  'claim-types': { claims: { client_id: 5 }, blocks: POLICY },
  confirmation: { claims: { cnf: { jkt: 'x' } } },
  expiry: { claims: { exp: NOW - 4000 } },
  'not-before': { claims: { nbf: NOW + 4000 } },
  'issued-at': { claims: { iat: NOW + 4000 } },
  signature: { signer: impostor },
  authentication: { policy: { acrValues: ['gold'] } },
  scopes: { policy: { scopes: ['admin'] } },
}
const ALL_FAULTS = Object.keys(FAULTS)

describe('a token with several faults', () => {
  const strict = makeVerifier(issuer, { profile: 'rfc9068' })
  const pairs = ALL_FAULTS.flatMap((a, n) => ALL_FAULTS.slice(n + 1).map((b) => [a, b]))
  // Every 150th of all sets.
  const sets = Array.from({ length: 218 }, (_, n) =>
    ALL_FAULTS.filter((__, bit) => ((n * 150 + 1) >> bit) & 1),
  )

  it.each([
    ['each alone', ALL_FAULTS.map((name) => [name])],
    ['two at a time', pairs],
    ['any number', sets],
  ])('%s: each is found, and the first is what the verifier says', async (_, cases) => {
    for (const names of cases) {
      const faults = names.map((name): Fault => FAULTS[name] ?? {})
      const token = forge(
        goodHeader(key, Object.assign({}, ...faults.map(({ header }) => header))),
        goodClaims(Object.assign({}, ...faults.map(({ claims }) => claims))),
        faults.find(({ signer }) => signer)?.signer ?? key,
      )
      const policy: Policy = Object.assign({}, ...faults.map((fault) => fault.policy))
      expect(await expectSameVerdict(strict, token, policy)).toBe('refused')
      const blocked = new Set(faults.flatMap(({ blocks = [] }) => blocks))
      const { checks } = await strict.explain(token, policy)
      expect(idsOf(checks, 'failed')).toEqual(names.filter((name) => !blocked.has(name)))
      const listed = checks.map(({ id }) => id)
      expect(idsOf(checks, 'skipped')).toEqual(listed.filter((id) => blocked.has(id)))
      expect(checks.filter(({ rule }) => !/^[A-Z]\d+$/.test(rule))).toEqual([])
    }
  })

  it('what is not there is not called wrong', async () => {
    const bare = { aud: undefined, exp: undefined }
    const { checks } = await verifier.explain(goodToken(key, bare))
    expect(idsOf(checks, 'failed')).toEqual(['required-claims'])
    expect(idsOf(checks, 'skipped')).toEqual(['audience', 'expiry'])
    const odd = await verifier.explain(goodToken(key, { exp: 'x', nbf: 'x', iat: NOW + 4000 }))
    expect(idsOf(odd.checks, 'failed')).toEqual(['claim-types', 'issued-at'])
    expect(idsOf(odd.checks, 'skipped')).toEqual(['expiry', 'not-before'])
  })

  it('a check that failed names claim, code, reason and hint', async () => {
    const { checks } = await verifier.explain(goodToken(key, { exp: undefined }))
    expect(firstFailure(checks)).toEqual({
      id: 'required-claims',
      rule: 'J6',
      outcome: 'failed',
      code: 'ERR_CLAIM_MISSING',
      claim: 'exp',
      reason: 'claim-missing',
      hint: expect.stringContaining('"profile"'),
    })
  })

  it.each([
    ['two parts', `${encode(goodHeader(key))}.${encode(goodClaims())}`, 'form'],
    ['padding', `${goodToken(key)}=`, 'form'],
    ['20 KB', 'x'.repeat(20_000), 'size'],
  ])('%s: nothing can be read', async (_, token, id) => {
    const { checks, header, claims } = await verifier.explain(token)
    expect(idsOf(checks, 'failed')).toEqual([id])
    expect(idsOf(checks, 'skipped')).toEqual(OF_EVERY_JWT.slice(OF_EVERY_JWT.indexOf(id) + 1))
    expect([header, claims]).toEqual([undefined, undefined])
  })

  const others: unknown[] = [undefined, null, 5, {}, [goodToken(key)], { length: 99_999 }]
  it.each(others.map((token) => ({ token, kind: typeof token })))(
    'a value that is not a string ($kind)',
    async ({ token }) => {
      const outcome = await Reflect.apply(expectSameVerdict, undefined, [verifier, token])
      expect(outcome).toBe('refused')
    },
  )

  it('J11: of an issuer that is not configured, no key is looked for', async () => {
    const fresh = new ForgedIssuer(key)
    const { checks } = await makeVerifier(fresh).explain(goodToken(key, { iss: 'https://other.example' }))
    expect(idsOf(checks, 'skipped')).toEqual(KEY)
    expect(fresh.urls).toEqual([])
  })
})

describe('requests to the issuer', () => {
  it('an issuer that does not answer leaves the token undecided, and is asked once', async () => {
    const down = new ForgedIssuer(key)
    const calls = vi.fn<typeof down.fetch>(() => Promise.reject(new TypeError('fetch failed')))
    const cut = makeVerifier({ fetch: calls }, { retries: 0 })
    const explanation = await cut.explain(goodToken(key), { scopes: ['admin'] })
    expect(explanation).toMatchObject({
      outcome: 'undecided',
      code: 'ERR_DISCOVERY_FAILED',
      reason: 'network',
    })
    expect(idsOf(explanation.checks, 'undecided')).toEqual(['key'])
    expect(idsOf(explanation.checks, 'skipped')).toEqual(['signature'])
    expect(idsOf(explanation.checks, 'failed')).toEqual(['scopes'])
    expect(calls).toHaveBeenCalledOnce()
    expect(await expectSameVerdict(cut, goodToken(key))).toBe('undecided')
    const expired = await cut.explain(goodToken(key, { exp: NOW - 4000 }))
    expect(expired).toMatchObject({ outcome: 'refused', code: 'ERR_TOKEN_EXPIRED' })
    expect(idsOf(expired.checks, 'undecided')).toEqual(['key'])
  })

  it('an unknown key is looked for once, though verifier and check both look for it', async () => {
    const world = new ForgedIssuer(makeKey('Ed25519', 'new'))
    const both = makeVerifier(world)
    await both.preload()
    expect(await both.explain(goodToken(key))).toMatchObject({
      outcome: 'refused',
      code: 'ERR_KEY_NOT_FOUND',
    })
    expect(world.keyRequests).toBe(2)
    expect(await expectSameVerdict(both, goodToken(key))).toBe('refused')
  })
})

describe('it leaves the verifier as it was', () => {
  it('attack 29: the cache of verified tokens neither spares a check nor is filled', async () => {
    const own = makeVerifier(issuer)
    const token = goodToken(key)
    await own.explain(token)
    expect(await fateOf(own, token)).toBe('checked')
    expect(await fateOf(own, token)).toBe('known')
    const checked = countSignatureChecks()
    expect(await own.explain(token)).toMatchObject({ outcome: 'accepted' })
    expect(checked).toHaveBeenCalled()
  })

  it('publishes neither an acceptance nor a refusal', async () => {
    const events = vi.fn<(event: object) => void>()
    for (const name of ['tokenAccepted', 'tokenRejected'] as const) onTestFinished(watch(name, events))
    await verifier.explain(goodToken(key))
    await verifier.explain('x')
    await Reflect.apply(verifier.explain, verifier, [undefined])
    expect(events).not.toHaveBeenCalled()
  })

  it('attack 50: no proof is used', async () => {
    const add = vi.fn<() => Promise<boolean>>(async () => true)
    const client = makeKey('ES256', 'client')
    const bound = boundToken(key, client)
    const dpop = makeDpopVerifier(issuer, { dpop: { mode: 'required', replayStore: { add } } })
    const { checks } = await dpop.explain(bound)
    expect(firstFailure(checks)).toMatchObject({
      id: 'sender',
      code: 'ERR_TOKEN_BOUND',
      reason: 'bound-as-bearer',
    })
    expect(await expectSameVerdict(dpop, bound)).toBe('refused')
    expect(await expectSameVerdict(dpop, goodToken(key))).toBe('refused')
    expect(add).not.toHaveBeenCalled()
  })

  it('senderConstrained: a token that is not bound fails at the binding', async () => {
    const dpop = makeDpopVerifier(issuer)
    const { checks } = await dpop.explain(goodToken(key), { senderConstrained: true })
    expect(firstFailure(checks)).toMatchObject({ id: 'binding', code: 'ERR_TOKEN_NOT_BOUND' })
  })
})

describe("the application's validate", () => {
  it('runs once, and only for a token that passed everything else', async () => {
    const validate = vi.fn<() => boolean>(() => false)
    const refused = await verifier.explain(goodToken(key), { validate })
    expect(firstFailure(refused.checks)).toMatchObject({ id: 'validate', code: 'ERR_TOKEN_REJECTED' })
    expect(validate).toHaveBeenCalledOnce()
    for (const [token, policy] of [
      [goodToken(key, { exp: NOW - 4000 }), {}],
      [goodToken(impostor), {}],
      [goodToken(key), { scopes: ['admin'] }],
    ] as const) {
      const { checks } = await verifier.explain(token, { ...policy, validate })
      expect(idsOf(checks, 'skipped')).toEqual(['validate'])
    }
    expect(validate).toHaveBeenCalledOnce()
  })

  it('what it throws is handed on, unless it is a refusal', async () => {
    const error = new RangeError('of the application')
    const validate = () => {
      throw error
    }
    await expect(verifier.explain(goodToken(key), { validate })).rejects.toBe(error)
    expect(await verifier.explain(goodToken(impostor), { validate })).toMatchObject({ outcome: 'refused' })
  })
})

describe('C: mistakes in the program', () => {
  const explain = (...given: unknown[]) =>
    Reflect.apply(verifier.explain, verifier, [goodToken(key), ...given])
  it.each([
    ['an unknown member of the policy', [{ scope: 'a' }]],
    ['introspection that is not configured', [{ introspection: 'always' }]],
    ['an unknown option', [undefined, { introspected: true }]],
    ['an option of another type', [undefined, { introspect: 'yes' }]],
    ['options that are none', [undefined, true]],
  ])('%s', async (_, given) => {
    await expect(explain(...given)).rejects.toThrow(ConfigurationError)
  })

  it('attack 46: a member of Object.prototype is no option, no claim and no hint', async () => {
    const members = { introspect: 'yes', exp: 1, nbf: 1e15, hint: 'x', cause: new Error(), error: 'x' }
    for (const [name, value] of Object.entries(members))
      Object.defineProperty(Object.prototype, name, { value, configurable: true })
    onTestFinished(() => {
      for (const name of Object.keys(members)) Reflect.deleteProperty(Object.prototype, name)
    })
    const token = goodToken(key, { jti: undefined })
    const explanation = await verifier.explain(token, undefined, {})
    expect(explanation.outcome).toBe('accepted')
    expect(idsOf(explanation.checks, 'passed')).toEqual(OF_EVERY_JWT)
    expect(explanation.checks.filter((check) => Object.hasOwn(check, 'hint'))).toEqual([])
  })

  it('validate gets the claims with the type of the verifier', async () => {
    const typed = createVerifier<{ org: string }>({ audience: 'a', jwks: { keys: [key.jwk] } })
    const validate = vi.fn<Validate<{ org: string }>>(({ claims }) => claims.org.startsWith('a'))
    expect(await typed.explain('x', { validate })).toMatchObject({ outcome: 'refused' })
  })
})
