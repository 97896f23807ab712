import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  type Clock,
  createVerifierAt,
  type TokenVerifier,
  type VerifierOptions,
} from '../../packages/core/src/testing.js'
import { AUDIENCE } from '../support/forge.js'
import { codeOf } from '../support/outcome.js'

/**
 * Attack 47: a clock that returns anything but a finite number, or throws, refuses (401 or 503) and never accepts.
 * J5: `exp` must be proved to lie in the future.
 */

const START = Date.UTC(2026, 10, 23, 12)

/** What the broken clock does in place of returning a number. */
const FAULTS: Readonly<Record<string, (right: number) => unknown>> = {
  NaN: () => Number.NaN,
  undefined: () => undefined,
  null: () => null,
  'a string': (right) => String(right),
  'an empty string': () => '',
  'a bigint': (right) => BigInt(Math.floor(right)),
  'an object': (right) => ({ valueOf: () => right }),
  'a Date': (right) => new Date(right),
  'an array': (right) => [right],
  true: () => true,
  Infinity: () => Number.POSITIVE_INFINITY,
  '-Infinity': () => Number.NEGATIVE_INFINITY,
  'an exception': () => {
    throw new RangeError('The clock is broken')
  },
}

type Part = 'now' | 'monotonic'

/** A clock that can be broken at any time, and repaired. */
class BreakableClock implements Clock {
  ms = START
  fault: ((right: number) => unknown) | undefined
  parts: readonly Part[] = []

  now(): number {
    return this.#read('now', this.ms / 1000)
  }

  monotonic(): number {
    return this.#read('monotonic', this.ms - START + 1_000_000)
  }

  random(): number {
    return 0
  }

  #read(part: Part, right: number): number {
    // A clock of another program need not keep to the types.
    return this.fault && this.parts.includes(part) ? (this.fault(right) as number) : right
  }
}

const MODES: Readonly<
  Record<string, (secret: { clientId: string; clientSecret: string }) => VerifierOptions>
> = {
  'with the cache': () => ({}),
  'without the cache': () => ({ cache: false }),
  'introspection always': (secret) => ({ introspection: { ...secret, when: 'always' } }),
  'introspection always, accept': (secret) => ({
    introspection: { ...secret, when: 'always', onUnavailable: 'accept' },
  }),
  'introspection fallback': (secret) => ({ introspection: { ...secret, when: 'fallback' } }),
  'a maximum age of the authentication': () => ({ maxAgeSeconds: 3600 }),
}

async function createService(mode: string) {
  const clock = new BreakableClock()
  const client = { clientId: 'api', clientSecret: 'a-secret-of-the-api' }
  const issuer = await createMockIssuer({
    algorithm: 'ES256',
    now: () => clock.ms,
    clients: [{ ...client, scopes: ['a'] }],
  })
  const verifier = createVerifierAt(clock, {
    issuer: issuer.issuer,
    audience: AUDIENCE,
    fetch: issuer.fetch,
    ...MODES[mode]?.(client),
  })
  return { clock, issuer, verifier }
}

const times = { claims: { auth_time: START / 1000 } }

async function fateOf(verifier: TokenVerifier, token: string): Promise<string> {
  return verifier.verify(token).then(
    () => 'accepted',
    (error: unknown) => codeOf(Promise.reject(error)),
  )
}

const REFUSED =
  /^ERR_(TOKEN_EXPIRED|TOKEN_NOT_YET_VALID|KEYS_UNAVAILABLE|DISCOVERY_FAILED|INTROSPECTION_UNAVAILABLE)$/

describe.each(Object.keys(MODES))('attack 47, %s', (mode) => {
  it('the positive control: a clock that works accepts, and refuses what has expired', async () => {
    const { clock, issuer, verifier } = await createService(mode)
    const token = await issuer.issueToken(times)
    expect(await fateOf(verifier, token)).toBe('accepted')
    expect(await fateOf(verifier, token)).toBe('accepted')
    clock.ms += 3_700_000
    expect(await fateOf(verifier, token)).toBe('ERR_TOKEN_EXPIRED')
  })

  it.each(
    Object.keys(FAULTS).flatMap((fault) =>
      (['now', 'monotonic', 'both'] as const).map((part) => ({ fault, part })),
    ),
  )('$part returns $fault: refused, new or known, good or expired', async ({ fault, part }) => {
    const { clock, issuer, verifier } = await createService(mode)
    const good = await issuer.issueToken(times)
    const expired = await issuer.issueToken({ ...times, expiresInSeconds: -60 })
    const another = await issuer.issueToken(times)
    const broken = () => {
      clock.fault = FAULTS[fault]
      clock.parts = part === 'both' ? ['now', 'monotonic'] : [part]
    }
    broken()
    // Before anything was loaded.
    for (const token of [good, expired]) expect(await fateOf(verifier, token)).toMatch(REFUSED)
    clock.fault = undefined
    clock.ms += 600_000
    // The clock was repaired: nothing of the time before is left.
    expect(await fateOf(verifier, good)).toBe('accepted')
    expect(await fateOf(verifier, good)).toBe('accepted')
    broken()
    // With keys, a verified token and answers in the caches.
    for (const token of [good, another, expired]) expect(await fateOf(verifier, token)).toMatch(REFUSED)
    clock.fault = undefined
    clock.ms += 600_000
    expect(await fateOf(verifier, another)).toBe('accepted')
    expect(await fateOf(verifier, expired)).toBe('ERR_TOKEN_EXPIRED')
  })
})

describe('attack 47, keys and budgets', () => {
  it('no number of requests leads to a request to the issuer while the monotonic clock is broken', async () => {
    const { clock, issuer, verifier } = await createService('with the cache')
    const token = await issuer.issueToken(times)
    await verifier.verify(token)
    const asked = () => issuer.requests.jwks.count
    const before = asked()
    clock.fault = FAULTS.NaN
    clock.parts = ['monotonic']
    const unknown = await issuer.issueToken({ header: { kid: 'unknown' } })
    for (let turn = 0; turn < 20; turn++)
      for (const each of [token, unknown]) expect(await fateOf(verifier, each)).toMatch(REFUSED)
    expect(asked()).toBe(before)
  })

  it('a random number that is none makes no pause endless', async () => {
    const { clock, issuer, verifier } = await createService('with the cache')
    clock.random = () => Number.NaN
    issuer.fault('jwks', { status: 500 })
    const token = await issuer.issueToken({ expiresInSeconds: 7200 })
    expect(await fateOf(verifier, token)).toBe('ERR_KEYS_UNAVAILABLE')
    issuer.clearFaults()
    clock.ms += 600_000
    expect(await fateOf(verifier, token)).toBe('accepted')
  })
})

describe('attack 47, an opaque token', () => {
  it.each(Object.keys(FAULTS))(
    'without any time of its own, and %s: refused, known or not',
    async (fault) => {
      const clock = new BreakableClock()
      const issuer = 'https://issuer.example'
      const verifier = createVerifierAt(clock, {
        issuer,
        audience: AUDIENCE,
        metadata: { issuer, introspection_endpoint: `${issuer}/introspect`, jwks_uri: `${issuer}/jwks` },
        introspection: { when: 'opaque', clientId: 'api', clientSecret: 'a-secret-of-the-api' },
        fetch: async () => Response.json({ active: true, aud: AUDIENCE }),
      })
      clock.parts = ['now']
      clock.fault = FAULTS[fault]
      expect(await fateOf(verifier, 'opaque-token')).toMatch(REFUSED)
      clock.fault = undefined
      expect(await fateOf(verifier, 'opaque-token')).toBe('accepted')
      clock.fault = FAULTS[fault]
      expect(await fateOf(verifier, 'opaque-token')).toMatch(REFUSED)
    },
  )
})

describe('attack 47, the clocks of the process', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it.each(Object.keys(FAULTS))('Date.now returns %s: refused', async (fault) => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    const { createVerifier } = await import('@telnyx-auth/core')
    const verifier = createVerifier({ issuer: issuer.issuer, audience: AUDIENCE, fetch: issuer.fetch })
    const good = await issuer.issueToken()
    await verifier.verify(good)
    const expired = await issuer.issueToken({ expiresInSeconds: -60 })
    const right = Date.now()
    for (const token of [good, expired]) {
      const spy = vi.spyOn(Date, 'now').mockImplementation(() => FAULTS[fault]?.(right) as number)
      const fate = await verifier.verify(token).then(
        () => 'accepted',
        (error: unknown) => Object(error).code,
      )
      spy.mockRestore()
      expect(fate).toMatch(REFUSED)
    }
  })

  it('fake timers that show another year decide by that year', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    const { createVerifier } = await import('@telnyx-auth/core')
    const verifier = createVerifier({ issuer: issuer.issuer, audience: AUDIENCE, fetch: issuer.fetch })
    const token = await issuer.issueToken()
    await verifier.verify(token)
    vi.useFakeTimers({ now: Date.now() + 7_200_000, toFake: ['Date'] })
    expect(await codeOf(verifier.verify(token))).toBe('ERR_TOKEN_EXPIRED')
    vi.setSystemTime(Number.NaN)
    expect(await codeOf(verifier.verify(token))).toMatch(REFUSED)
  })
})
