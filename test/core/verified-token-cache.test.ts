import { inspect } from 'node:util'
import { ConfigurationError, createVerifier, watch } from '@telnyx-auth/core'
import { createAuthenticator } from '@telnyx-auth/core/adapter'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { expectNothingUnhandled } from '../support/event-loop.js'
import {
  AUDIENCE,
  expectRefusal,
  goodToken,
  ISSUER,
  makeKey,
  makeUncheckedVerifier,
  makeVerifier,
  NOW,
  rejectionOf,
} from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'
import { countSignatureChecks } from '../support/signature-checks.js'
import { createService, fateOf } from '../support/token-cache.js'

/** Attack 29, "Speed" and the option `cache`: what is kept of tokens that were verified, and when it ends. */

const key = makeKey('ES256', 'good')
const next = makeKey('ES256', 'next')
const DAY = 86_400
const token = goodToken(key, { exp: NOW + 30 * DAY })
let made = 0
/** A token that is not cached. */
const newToken = (claims: object = {}, header: object = {}) =>
  goodToken(key, { exp: NOW + 30 * DAY, jti: `jti-${made++}`, ...claims }, header)

expectNothingUnhandled()

describe('the option', () => {
  const base = { issuer: ISSUER, audience: AUDIENCE }

  it.each<[unknown]>([
    [undefined],
    [{}],
    [{ maxEntries: undefined, maxAgeSeconds: undefined }],
    [{ maxEntries: 1, maxAgeSeconds: 1 }],
    [{ maxEntries: 1_000_000, maxAgeSeconds: 86_400 }],
    [Object.freeze({ maxEntries: 2.5 })],
    [Object.create(null)],
  ])('A: %o, and the second time a token is known', async (cache) => {
    const verifier = makeUncheckedVerifier({ ...base, cache, jwks: { keys: [key.jwk] } })
    expect(await fateOf(verifier, token)).toBe('checked')
    expect(await fateOf(verifier, token)).toBe('known')
  })

  it.each<[unknown]>([
    ...[null, true, 0, '', 'on', [], new Map(), () => ({}), Symbol('x'), 1n].map((cache): [unknown] => [
      cache,
    ]),
    ...[0, 0.5, -1, 1_000_001, NaN, Infinity, '5', null, true].map((maxEntries): [unknown] => [
      { maxEntries },
    ]),
    ...[0, 0.5, -1, 86_401, NaN, Infinity, '5', null, true].map((maxAgeSeconds): [unknown] => [
      { maxAgeSeconds },
    ]),
    [{ maxAge: 5 }],
    [Object.create({ maxEntries: 5 })],
    [Object.defineProperty({}, 'maxEntries', { value: 5 })],
  ])('C: %o', (cache) => {
    expect(thrownBy(() => makeUncheckedVerifier({ ...base, cache }))).toBeInstanceOf(ConfigurationError)
  })

  it('C: beside a verifier, or for one issuer of several', () => {
    const verifier = createVerifier(base)
    for (const options of [
      { verifier, cache: false },
      { ...base, issuer: [{ issuer: ISSUER, cache: false }] },
    ])
      expect(thrownBy(() => createAuthenticator(options))).toBeInstanceOf(ConfigurationError)
  })

  it('false: nothing is kept', async () => {
    const { fate } = createService(key, { cache: false })
    expect([await fate(token), await fate(token)]).toEqual(['checked', 'checked'])
  })
})

describe('a token that is known', () => {
  it('is not checked again, and its result is the same, frozen all the way down', async () => {
    const { verifier } = createService(key)
    const checks = countSignatureChecks()
    const several = newToken({ aud: [AUDIENCE, 'urn:b'], scope: 'a b', deep: { list: [{ x: 1 }] } })
    const auth = await verifier.verify(several)
    expect(await verifier.verify(several)).toBe(auth)
    expect(await verifier.authenticate({ headers: { authorization: `bEARER   ${several}` } })).toBe(auth)
    expect(checks).toHaveBeenCalledTimes(1)
    expect(auth.token).toBe(several)
    const parts: unknown[] = [auth]
    for (const part of parts) {
      expect(Object.isFrozen(part), inspect(part)).toBe(true)
      parts.push(
        ...Object.values(Object(part)).filter((child) => typeof child === 'object' && child !== null),
      )
    }
    expect(parts).toHaveLength(8)
  })

  it('100 at once of a new one are all accepted, and it is known afterwards', async () => {
    const { verifier, fate, issuer } = createService(key)
    const fresh = newToken()
    const all = await Promise.all(Array.from({ length: 100 }, () => verifier.verify(fresh)))
    for (const auth of all) expect(auth).toEqual(all[0])
    expect(issuer.keyRequests).toBe(1)
    expect(await fate(fresh)).toBe('known')
  })

  it('is of no use to another verifier, or for another audience', async () => {
    const { another, fate, issuer } = createService(key)
    expect([await fate(token), await fate(token)]).toEqual(['checked', 'known'])
    expect(await fateOf(another({}), token)).toBe('checked')
    expect(await fateOf(another({ audience: 'urn:other' }), token)).toBe('ERR_AUDIENCE_NOT_ALLOWED')
    expect(await fateOf(another({ algorithms: ['RS256'] }), token)).toBe('ERR_ALGORITHM_NOT_ALLOWED')
    expect(await fateOf(makeVerifier(issuer, { issuer: 'https://b.example' }), token)).toBe(
      'ERR_ISSUER_NOT_ALLOWED',
    )
    expect(await fate(token)).toBe('known')
  })
})

describe('J5: time', () => {
  it('an entry ends with exp; the tolerance is given each time; then it is expired', async () => {
    const { clock, fate } = createService(key)
    const short = newToken({ exp: NOW + 60 })
    expect(await fate(short)).toBe('checked')
    clock.advance(59.999)
    expect(await fate(short)).toBe('known')
    clock.advance(0.001)
    expect([await fate(short), await fate(short)]).toEqual(['checked', 'checked'])
    clock.advance(4.999)
    expect(await fate(short)).toBe('checked')
    clock.advance(0.001)
    expect([await fate(short), await fate(short)]).toEqual(['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_EXPIRED'])
  })

  it.each([
    [undefined, 600],
    [1, 1],
    [7200, 7200],
  ])('with maxAgeSeconds %s it ends after %d s, and starts again', async (maxAgeSeconds, seconds) => {
    const { clock, fate } = createService(key, { cache: { maxAgeSeconds } })
    expect(await fate(token)).toBe('checked')
    clock.advance(seconds - 0.001)
    expect(await fate(token)).toBe('known')
    // Its use does not make it younger.
    clock.advance(0.001)
    expect([await fate(token), await fate(token)]).toEqual(['checked', 'known'])
  })

  it('the wall clock jumps: nothing expired is served, nothing from the future, and no keys are asked for', async () => {
    const { clock, fate, issuer } = createService(key)
    const short = newToken({ exp: NOW + 300, nbf: NOW - 10, iat: NOW - 10 })
    expect([await fate(short), await fate(short)]).toEqual(['checked', 'known'])
    clock.advanceWall(-16)
    expect(await fate(short)).toBe('ERR_TOKEN_NOT_YET_VALID')
    clock.advanceWall(1)
    expect(await fate(short)).toBe('known')
    clock.advanceWall(15 + 305)
    expect(await fate(short)).toBe('ERR_TOKEN_EXPIRED')
    clock.advanceWall(-305)
    expect(await fate(short)).toBe('checked')
    expect(issuer.keyRequests).toBe(1)
  })

  it('that passes while newer keys are waited for counts', async () => {
    const { clock, fate, issuer, verifier } = createService(key)
    const short = newToken({ exp: NOW + 400 })
    await fate(short)
    clock.advance(301)
    const { jwks } = issuer
    issuer.jwks = (...request) => {
      clock.advance(200)
      return jwks(...request)
    }
    await expectRefusal(verifier.verify(short), 'R', 'ERR_TOKEN_EXPIRED', [short])
  })
})

describe('what was refused is never known', () => {
  it.each([
    ['ERR_SIGNATURE_INVALID', goodToken(next, {}, { kid: 'good' })],
    ['ERR_KEY_NOT_FOUND', goodToken(next)],
    ['ERR_TOKEN_EXPIRED', goodToken(key, { exp: NOW - 5 })],
    ['ERR_TOKEN_NOT_YET_VALID', goodToken(key, { nbf: NOW + 6 })],
    ['ERR_AUDIENCE_NOT_ALLOWED', goodToken(key, { aud: 'urn:other' })],
    ['ERR_TOKEN_BOUND', goodToken(key, { cnf: { jkt: 'x' } })],
    ['ERR_TYP_INVALID', goodToken(key, {}, { typ: 'dpop+jwt' })],
  ])('%s', async (code, bad) => {
    const { fate, verifier } = createService(key)
    await verifier.preload()
    for (let n = 0; n < 3; n++) expect(await fate(bad)).toBe(code)
  })

  it('also where the same is good a moment later', async () => {
    const { clock, fate, issuer } = createService(key)
    const early = newToken({ nbf: NOW + 10 })
    const unknown = goodToken(next, { exp: NOW + DAY })
    expect([await fate(early), await fate(unknown)]).toEqual(['ERR_TOKEN_NOT_YET_VALID', 'ERR_KEY_NOT_FOUND'])
    issuer.publish(key.jwk, next.jwk)
    clock.advance(31)
    for (const each of [early, unknown])
      expect([await fate(each), await fate(each)]).toEqual(['checked', 'known'])
  })
})

describe('is applied again to a token that is known', () => {
  it('B6, S1: the policy', async () => {
    const { clock, fate } = createService(key)
    const strong = newToken({ scope: 'a b', acr: 'gold', auth_time: NOW })
    await fate(strong)
    const policies: [object, string][] = [
      [{ scopes: ['a', 'b'] }, 'known'],
      [{ scopes: ['a', 'c'] }, 'ERR_SCOPE_INSUFFICIENT'],
      [{ anyScope: ['c', 'b'] }, 'known'],
      [{ anyScope: ['c'] }, 'ERR_SCOPE_INSUFFICIENT'],
      [{ acrValues: ['gold'] }, 'known'],
      [{ acrValues: ['silver'] }, 'ERR_AUTHENTICATION_INSUFFICIENT'],
      [{ maxAgeSeconds: 60 }, 'known'],
      [{ scope: ['a'] }, 'ERR_CONFIGURATION'],
    ]
    for (const [policy, fates] of [...policies, ...policies]) expect(await fate(strong, policy)).toBe(fates)
    clock.advance(65)
    expect(await fate(strong, { maxAgeSeconds: 60 })).toBe('known')
    clock.advance(0.001)
    expect(await fate(strong, { maxAgeSeconds: 60 })).toBe('ERR_AUTHENTICATION_INSUFFICIENT')
    expect(await fate(strong)).toBe('known')
  })

  it('and operators are told whose token was refused', async () => {
    const { fate } = createService(key)
    await fate(token)
    const refused: unknown[] = []
    onTestFinished(watch('tokenRejected', (event) => refused.push(event)))
    await fate(token, { scopes: ['c'] })
    expect(refused).toMatchObject([{ code: 'ERR_SCOPE_INSUFFICIENT', issuer: ISSUER, durationMs: 0 }])
  })

  it('validate, each time, with every kind of answer', async () => {
    const own = vi.fn(() => true)
    const { fate, verifier } = createService(key, { validate: own })
    await fate(token)
    const mine = new Error('mine')
    // biome-ignore lint/suspicious/noThenProperty: what a validate returns need not be a promise
    const no = { then: (done: (said: boolean) => void) => done(false) }
    const answers = [() => true, () => false, async () => false, () => Object(no), () => Promise.reject(mine)]
    const codes = ['known', 'ERR_TOKEN_REJECTED', 'ERR_TOKEN_REJECTED', 'ERR_TOKEN_REJECTED']
    for (const [n, code] of codes.entries()) expect(await fate(token, { validate: answers[n] })).toBe(code)
    await expect(verifier.verify(token, { validate: answers[4] })).rejects.toBe(mine)
    const thrower = () => {
      throw mine
    }
    await expect(verifier.verify(token, { validate: thrower })).rejects.toBe(mine)
    expect(own).toHaveBeenCalledTimes(7)
    expect(await fate(token)).toBe('known')
  })

  it('P6: the hook for scopes', async () => {
    const scopeImplies = vi.fn((granted: string, required: string) => required.startsWith(`${granted}.`))
    const { fate } = createService(key, { scopeImplies })
    for (const said of ['checked', 'known', 'known'])
      expect(await fate(token, { scopes: ['messaging.read.all'] })).toBe(said)
    expect(scopeImplies).toHaveBeenCalledTimes(3)
  })
})

describe('attack 43: the limits', () => {
  it.each([1, 2, 10])('of %d: so many are known, and no more', async (maxEntries) => {
    const { fate } = createService(key, { cache: { maxEntries } })
    const tokens = Array.from({ length: maxEntries + 1 }, () => newToken())
    const first = tokens.slice(0, maxEntries)
    for (const each of first) expect(await fate(each)).toBe('checked')
    for (const each of first) expect(await fate(each)).toBe('known')
    for (const each of tokens) await fate(each)
    // One less, for the one too many; which one is an affair of the cache.
    const fates: string[] = []
    for (const each of tokens.toReversed()) fates.push(await fate(each))
    expect(fates.filter((each) => each === 'known').length).toBeLessThanOrEqual(maxEntries)
    expect(fates[0]).toBe('known')
  })

  it('what has ended already, though it is tolerated, takes the place of nothing', async () => {
    const { fate } = createService(key, { cache: { maxEntries: 1 } })
    const [hot, ended, late] = [newToken(), newToken({ exp: NOW }), newToken({ exp: NOW - 4 })]
    expect([await fate(hot), await fate(hot)]).toEqual(['checked', 'known'])
    for (const each of [ended, late]) expect(await fate(each)).toBe('checked')
    expect(await fate(hot)).toBe('known')
  })

  it('those in use survive a flood of others', async () => {
    const { fate } = createService(key, { cache: { maxEntries: 20 } })
    const hot = Array.from({ length: 5 }, () => newToken())
    for (const each of [...hot, ...hot]) await fate(each)
    for (let n = 0; n < 200; n++) {
      expect(await fate(newToken())).toBe('checked')
      if (n % 4 === 0) for (const each of hot) expect(await fate(each), `after ${n}`).toBe('known')
    }
  })

  it('from 1,000 on, a full cache admits a token that comes the second time, and evicts nothing for one that comes once', async () => {
    const { fate, verifier } = createService(key, { cache: { maxEntries: 1000 } })
    const first = Array.from({ length: 1000 }, () => newToken())
    for (const each of first) await verifier.verify(each)
    for (let n = 0; n < 200; n++) expect(await fate(newToken())).toBe('checked')
    for (const each of first) expect(await fate(each)).toBe('known')
    const late = newToken()
    expect([await fate(late), await fate(late), await fate(late)]).toEqual(['checked', 'checked', 'known'])
    const fates: string[] = []
    for (const each of first) fates.push(await fate(each))
    expect(fates.filter((each) => each === 'checked')).toHaveLength(1)
  })

  it('expired tokens hold no places: as many live ones as fit are soon known, in any order', async () => {
    const { clock, fate, verifier } = createService(key, { cache: { maxEntries: 1000 } })
    for (let n = 0; n < 1000; n++) await verifier.verify(newToken({ exp: NOW + 100 }))
    clock.advance(200)
    const live = Array.from({ length: 500 }, () => newToken())
    // At most two checks of each.
    for (let round = 0; round < 2; round++) for (const each of live) await verifier.verify(each)
    const fates: string[] = []
    for (const each of live) fates.push(await fate(each))
    expect(fates).toEqual(live.map(() => 'known'))
  })

  it('a cache that is full by bytes does the same', async () => {
    const { fate } = createService(key, { cache: { maxEntries: 1000 } })
    // Each takes about 12 KB of itself and 9 KB of claims, where 4 KB are allowed for an entry.
    const large = () => newToken({ filler: 'x'.repeat(9000) })
    const first = Array.from({ length: 300 }, large)
    for (const each of first) expect(await fate(each)).toBe('checked')
    const fates: string[] = []
    for (const each of first.slice(0, 100)) fates.push(await fate(each))
    expect(new Set(fates)).toEqual(new Set(['known']))
    const late = large()
    expect([await fate(late), await fate(late), await fate(late)]).toEqual(['checked', 'checked', 'known'])
  })

  it('in bytes: 1 MiB where few are allowed, 4 KiB for each where many are', async () => {
    const large = () => newToken({ filler: 'x'.repeat(9000) })
    const count = async (maxEntries: number, tokens: readonly string[]) => {
      const { fate } = createService(key, { cache: { maxEntries } })
      for (const each of tokens) await fate(each)
      let known = 0
      // From the newest on: those that are not known push out others.
      for (const each of tokens.toReversed()) if ((await fate(each)) === 'known') known++
      return known
    }
    const tokens = Array.from({ length: 100 }, large)
    // Each takes about 12 KB of itself and 9 KB of claims.
    expect(await count(1, tokens.slice(0, 5))).toBe(1)
    expect(await count(100, tokens)).toBeGreaterThan(30)
    expect(await count(100, tokens)).toBeLessThan(60)
    expect(await count(1000, tokens)).toBe(100)
  })

  it('a token of any size that is allowed is kept', async () => {
    const { fate } = createService(key, { cache: { maxEntries: 1 }, maxTokenBytes: 1_048_576 })
    const largest = newToken({ filler: 'x'.repeat(11_000) })
    expect([await fate(largest), await fate(largest)]).toEqual(['checked', 'known'])
    const enormous = newToken({ filler: 'x'.repeat(700_000) })
    expect([await fate(enormous), await fate(enormous)]).toEqual(['checked', 'checked'])
    expect((await rejectionOf(createService(key).verifier.verify(enormous))).code).toBe('ERR_TOKEN_TOO_LARGE')
  })
})
