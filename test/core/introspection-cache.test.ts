import { describe, expect, it } from 'vitest'
import { tokenDigest } from '../../packages/core/src/testing.js'
import { active, inactive, json, jsonResponse, text } from '../support/answers.js'
import { settle } from '../support/event-loop.js'
import { AUDIENCE, encode, rejectionOf } from '../support/forge.js'
import { createSignal } from '../support/http.js'
import {
  claims,
  createWorld,
  down,
  kidOf,
  OPAQUE,
  outcomeOf,
  stranger,
  WHEN,
} from '../support/mock-introspection.js'
import { codeOf } from '../support/outcome.js'
import { scale } from '../support/scale.js'

/** Thousands of tokens at once take long on a busy machine, and the time limit of a request is real. */
const PATIENT = { timeoutMs: 60_000 }

describe('I4: the cache', () => {
  it('finds answers by the whole SHA-256 of a token (RFC 6234), which says nothing of it', () => {
    const hex = Buffer.from(tokenDigest('abc'), 'latin1').toString('hex')
    expect(hex).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(new Set(Array.from({ length: 200 }, (_, n) => tokenDigest(`${OPAQUE}${n}`))).size).toBe(200)
    expect(tokenDigest(OPAQUE)).toHaveLength(32)
  })

  it.each([
    ['30 seconds', undefined, 30],
    ['5 seconds', 5, 5],
    ['an hour', 3600, 3600],
  ])('that a token is active, for %s', async (_, cacheSeconds, seconds) => {
    const world = await createWorld({ answer: active(), introspection: { cacheSeconds } })
    const ask = async () => {
      await world.verifier.verify(OPAQUE)
      return world.asked.length
    }
    expect(await ask()).toBe(1)
    world.clock.advance(seconds - 0.001)
    expect(await ask()).toBe(1)
    world.clock.advance(0.001)
    expect(await ask()).toBe(2)
  })

  it.each([
    ['10 seconds', undefined, 10],
    ['3 seconds', 3, 3],
  ])('that a token is not active, for %s', async (_, inactiveCacheSeconds, seconds) => {
    const world = await createWorld({ answer: inactive, introspection: { inactiveCacheSeconds } })
    const ask = async () => {
      expect(await codeOf(world.verifier.verify(OPAQUE))).toBe('ERR_TOKEN_INACTIVE')
      return world.asked.length
    }
    expect(await ask()).toBe(1)
    world.clock.advance(seconds - 0.001)
    expect(await ask()).toBe(1)
    world.clock.advance(0.001)
    expect(await ask()).toBe(2)
  })

  it('0 asks every time, of either kind alone', async () => {
    for (const [answer, introspection, count] of [
      [active(), { cacheSeconds: 0 }, 3],
      [inactive, { inactiveCacheSeconds: 0 }, 3],
      [active(), { inactiveCacheSeconds: 0 }, 1],
      [inactive, { cacheSeconds: 0 }, 1],
    ] as const) {
      const world = await createWorld({ answer, introspection })
      for (let n = 0; n < 3; n++) await outcomeOf(world.verifier.verify(OPAQUE))
      expect(world.asked).toHaveLength(count)
    }
  })

  it('a token that was revoked is noticed when what is remembered is old, and one that is well again too', async () => {
    const world = await createWorld({ introspection: { when: 'always' } })
    const token = await world.issuer.issueToken()
    expect(await outcomeOf(world.verifier.verify(token))).toBe('both')
    world.issuer.revoke(token)
    expect(await outcomeOf(world.verifier.verify(token))).toBe('both')
    world.clock.advance(30)
    expect(await outcomeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
    world.clock.advance(10)
    expect(await outcomeOf(world.verifier.verify(token))).toBe('both')
  })

  it('I4: never past exp, by either clock', async () => {
    const world = await createWorld({ introspection: { cacheSeconds: 3600 } })
    const { clock, verifier } = world
    const exp = clock.now() + 20
    world.answer = active({ exp })
    await verifier.verify(OPAQUE)
    clock.advance(19)
    await verifier.verify(OPAQUE)
    expect(world.asked).toHaveLength(1)
    clock.advance(1)
    // Within the tolerance it is still good, if the issuer says so: who is asked each time.
    await verifier.verify(OPAQUE)
    await verifier.verify(OPAQUE)
    expect(world.asked).toHaveLength(3)
    clock.advance(5)
    expect(await codeOf(verifier.verify(OPAQUE))).toBe('ERR_TOKEN_EXPIRED')
  })

  it('a hit is measured again: time in both directions', async () => {
    const world = await createWorld({ introspection: { cacheSeconds: 3600 } })
    const { clock, verifier } = world
    world.answer = active({ iat: clock.now(), exp: clock.now() + 3000 })
    await verifier.verify(OPAQUE)
    // Only the wall clock jumps: by the other one, the answer is fresh.
    clock.advanceWall(3006)
    expect(await codeOf(verifier.verify(OPAQUE))).toBe('ERR_TOKEN_EXPIRED')
    clock.advanceWall(-6006)
    expect(await codeOf(verifier.verify(OPAQUE))).toBe('ERR_TOKEN_NOT_YET_VALID')
    clock.advanceWall(3000)
    await expect(verifier.verify(OPAQUE)).resolves.toBeDefined()
    expect(world.asked).toHaveLength(1)
    clock.advanceWall(-86_400)
    clock.advance(3600)
    await outcomeOf(verifier.verify(OPAQUE))
    expect(world.asked).toHaveLength(2)
  })

  it.each([
    ['aud', 'https://other.example.com', 'ERR_AUDIENCE_NOT_ALLOWED'],
    ['iss', 'https://other.example.com', 'ERR_ISSUER_NOT_ALLOWED'],
    ['cnf', { jkt: 'x' }, 'ERR_TOKEN_BOUND'],
    ['scope', 5, 'ERR_CLAIM_INVALID'],
    ['token_type', 'DPoP', 'ERR_TOKEN_BOUND'],
  ])('a hit is measured again: %s', async (member, value, code) => {
    const world = await createWorld({ answer: active({ [member]: value }) })
    for (let n = 0; n < 3; n++) expect(await codeOf(world.verifier.verify(OPAQUE))).toBe(code)
    expect(world.asked).toHaveLength(1)
  })

  it('a hit is measured again: the JWT itself', async () => {
    const world = await createWorld({
      introspection: { when: 'always', cacheSeconds: 3600 },
      answer: active(),
    })
    const token = await world.issuer.issueToken({ expiresInSeconds: 60 })
    expect(await outcomeOf(world.verifier.verify(token))).toBe('both')
    world.clock.advance(65)
    expect(await outcomeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_EXPIRED')
    const [header, payload] = token.split('.')
    expect(await outcomeOf(world.verifier.verify(`${header}.${payload}.AAAA`))).toBe('ERR_TOKEN_EXPIRED')
    expect(world.asked).toHaveLength(1)
  })

  it('one token is not another: each is asked about', async () => {
    const world = await createWorld({
      answer: ({ form }) => jsonResponse({ active: form.get('token') === 'good' }),
    })
    expect(await outcomeOf(world.verifier.verify('good'))).toBe('introspection')
    for (const token of ['Good', 'good=', 'goo', 'goodd', 'good.'])
      expect(await outcomeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
    expect(world.asked).toHaveLength(6)
  })

  // More than the 10,000 inactive tokens that are kept.
  const batches = scale(11, 20)
  it(`${batches},000 made-up tokens do not push out an active one`, async () => {
    const world = await createWorld({
      verifier: PATIENT,
      introspection: { inactiveCacheSeconds: 3600, cacheSeconds: 3600, maxInFlight: 1000 },
      answer: ({ form }) => jsonResponse({ active: form.get('token') === OPAQUE }),
    })
    const { verifier } = world
    await verifier.verify(OPAQUE)
    for (let batch = 0; batch < batches; batch++)
      await Promise.all(
        Array.from({ length: 1000 }, (_, n) => outcomeOf(verifier.verify(`made-up-${batch}-${n}`))),
      )
    expect(world.asked).toHaveLength(batches * 1000 + 1)
    await expect(verifier.verify(OPAQUE)).resolves.toBeDefined()
    expect(world.asked).toHaveLength(batches * 1000 + 1)
    // What is not active has a bound too: the newest are remembered, the oldest are not.
    await outcomeOf(verifier.verify(`made-up-${batches - 1}-999`))
    expect(world.asked).toHaveLength(batches * 1000 + 1)
    await outcomeOf(verifier.verify('made-up-0-0'))
    expect(world.asked).toHaveLength(batches * 1000 + 2)
  })

  it('two verifiers share nothing', async () => {
    const world = await createWorld({ answer: active({ aud: AUDIENCE }) })
    const other = world.another({ audience: 'https://other.example.com' })
    await expect(world.verifier.verify(OPAQUE)).resolves.toBeDefined()
    expect(await codeOf(other.verify(OPAQUE))).toBe('ERR_AUDIENCE_NOT_ALLOWED')
    expect(world.asked).toHaveLength(2)
    world.answer = inactive
    expect(await outcomeOf(world.another().verify(OPAQUE))).toBe('ERR_TOKEN_INACTIVE')
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
  })

  it('a failure is not remembered as an answer', async () => {
    const world = await createWorld({ answer: json([]) })
    expect(await codeOf(world.verifier.verify(OPAQUE))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
  })
})

describe('attack 43: many at once', () => {
  const many = scale(2000, 10_000)

  it(`${many} simultaneous questions about one opaque token: 1 request`, async () => {
    const world = await createWorld({ verifier: PATIENT, answer: active() })
    const outcomes = await Promise.all(
      Array.from({ length: many }, () => outcomeOf(world.verifier.verify(OPAQUE))),
    )
    expect(new Set(outcomes)).toEqual(new Set(['introspection']))
    expect(world.asked).toHaveLength(1)
  })

  it(`${many} simultaneous questions about one JWT: 1 request`, async () => {
    const world = await createWorld({ verifier: PATIENT, introspection: { when: 'always' } })
    const token = await world.issuer.issueToken()
    const verifications = Array.from({ length: many }, () => outcomeOf(world.verifier.verify(token)))
    expect(new Set(await Promise.all(verifications))).toEqual(new Set(['both']))
    expect(world.asked).toHaveLength(1)
  })

  it('without a cache too, callers who come during a request share its answer, and later callers do not', async () => {
    const held = createSignal()
    const world = await createWorld({
      verifier: PATIENT,
      introspection: { cacheSeconds: 0, inactiveCacheSeconds: 0 },
      answer: async () => {
        await held.promise
        return jsonResponse({ active: true })
      },
    })
    const verifications = Array.from({ length: many }, () => outcomeOf(world.verifier.verify(OPAQUE)))
    await settle()
    expect(world.asked).toHaveLength(1)
    held.resolve()
    expect(new Set(await Promise.all(verifications))).toEqual(new Set(['introspection']))
    expect(world.asked).toHaveLength(1)
    await world.verifier.verify(OPAQUE)
    expect(world.asked).toHaveLength(2)
  })

  it.each([
    ['not active', inactive, 'ERR_TOKEN_INACTIVE', 1],
    ['no answer', text('<html>'), 'ERR_INTROSPECTION_UNAVAILABLE', 1],
    ['a failure that is tried again', down, 'ERR_INTROSPECTION_UNAVAILABLE', 2],
  ] as const)('1,000 at once, and the answer is: %s', async (_, answer, code, requests) => {
    const world = await createWorld({ verifier: PATIENT, answer })
    const errors = await Promise.all(
      Array.from({ length: 1000 }, () => rejectionOf(world.verifier.verify(OPAQUE))),
    )
    expect(new Set(errors.map((error) => error.code))).toEqual(new Set([code]))
    expect(world.asked).toHaveLength(requests)
    // Each has its own: adapters write to errors.
    expect(new Set(errors).size).toBe(1000)
  })

  it.each(WHEN)(`a flood of ${many} locally bad tokens, %s: 0 requests`, async (when) => {
    const world = await createWorld({ verifier: PATIENT, introspection: { when }, answer: active() })
    const { issuer } = world
    await world.verifier.preload()
    const good = await issuer.issueToken()
    const [header, payload, signature] = good.split('.')
    const expired = await issuer.issueToken({ expiresInSeconds: -60 })
    const forOthers = await issuer.issueToken({ audience: 'https://other.example.com' })
    const forged = await (await stranger).issueToken({
      claims: claims(world),
      header: { kid: await kidOf(world) },
    })
    const none = encode({ alg: 'none' })
    const bad = [
      () => `${expired}`,
      () => `${forOthers}`,
      () => forged,
      (n: number) => `${none}.${encode({ ...claims(world), n })}.`,
      (n: number) => `${header}.${payload}.${n}`,
      (n: number) => `${header}.${encode({ ...claims(world), iss: `https://${n}.example` })}.${signature}`,
      () => '.'.repeat(100),
      (n: number) => `${'a'.repeat(16_385)}${n}`,
      (n: number) => `${encode({ alg: 'ES256', kid: `../${n}` })}.${encode(claims(world))}.${signature}`,
      (n: number) => `a b ${n}`,
    ]
    const codes = await Promise.all(
      Array.from({ length: many }, (_, n) =>
        outcomeOf(world.verifier.verify(bad[n % bad.length]?.(n) ?? '')),
      ),
    )
    expect(codes.filter((code) => !code.startsWith('ERR_'))).toEqual([])
    expect(new Set(codes).size).toBeGreaterThanOrEqual(7)
    expect(world.asked).toHaveLength(0)
    // Positive control.
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
    expect(world.asked).toHaveLength(1)
  })
})
