import { watch } from '@telnyx-auth/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { expectSameVerdict } from '../support/explained.js'
import { ForgedIssuer, goodToken, makeKey, makeVerifier, NOW, TestClock } from '../support/forge.js'

/** Functions of the application, and a polluted `Object.prototype`, must not make `explain` say something else than `verify`. */

const key = makeKey('Ed25519', 'good')
const issuer = new ForgedIssuer(key)
const verifier = makeVerifier(issuer)

function fail(): never {
  throw undefined
}

describe('what a function of the application throws', () => {
  it.each([
    ['thrown', () => fail()],
    ['rejected', async () => fail()],
  ])('undefined, %s, is no acceptance', async (_, validate) => {
    await expect(verifier.verify(goodToken(key), { validate })).rejects.toBeUndefined()
    await expect(verifier.explain(goodToken(key), { validate })).rejects.toBeUndefined()
  })

  it('scopeImplies: a token that was refused before is explained nevertheless', async () => {
    const error = new RangeError('of the application')
    const scopeImplies = vi.fn<() => boolean>(() => {
      throw error
    })
    const throwing = makeVerifier(issuer, { scopeImplies })
    const policy = { scopes: ['admin'] }
    const expired = goodToken(key, { exp: NOW - 4000 })
    expect(await expectSameVerdict(throwing, expired, policy)).toBe('refused')
    const { checks } = await throwing.explain(expired, policy)
    expect(checks.filter(({ outcome }) => outcome === 'skipped')).toEqual([
      { id: 'scopes', rule: 'B6', outcome: 'skipped' },
    ])
    expect(scopeImplies).toHaveBeenCalled()
    await expect(throwing.explain(goodToken(key), policy)).rejects.toBe(error)
  })
})

it('attack 46: a polluted "claim" is the claim of no refusal, in explanations and events', async () => {
  Object.defineProperty(Object.prototype, 'claim', { value: 'polluted', configurable: true })
  onTestFinished(() => {
    Reflect.deleteProperty(Object.prototype, 'claim')
  })
  const events: object[] = []
  onTestFinished(watch('tokenRejected', (event) => events.push(event)))
  const [token, policy] = [goodToken(key), { scopes: ['admin'] }]
  const explanation = await verifier.explain(token, policy)
  expect([explanation, ...explanation.checks].filter((each) => Object.hasOwn(each, 'claim'))).toEqual([])
  await expect(verifier.verify(token, policy)).rejects.toThrow()
  expect(events).toEqual([expect.objectContaining({ code: 'ERR_SCOPE_INSUFFICIENT', claim: undefined })])
})

describe('time passes while the token is explained', () => {
  it('in validate: the checks are those of the moment at which the verifier made them', async () => {
    const clock = new TestClock()
    const slow = makeVerifier(issuer, {}, clock)
    const validate = async () => clock.advance(3700)
    const { outcome, checks } = await slow.explain(goodToken(key), { validate })
    expect(outcome).toBe('accepted')
    expect(checks.filter((check) => check.outcome !== 'passed')).toEqual([])
  })
})
