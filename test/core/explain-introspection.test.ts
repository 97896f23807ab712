import { describe, expect, it } from 'vitest'
import { active, inactive, noConnection } from '../support/answers.js'
import { expectSameVerdict, firstFailure } from '../support/explained.js'
import { createIntrospectionWorld, signedToken, unknownKeyToken } from '../support/introspection-world.js'

/** `explain` and the issuer: a token leaves this machine only where `introspect` says so. */

const OPAQUE = 'opaque-token-0123456789'
const UNDECIDED = { outcome: 'undecided', hint: expect.stringContaining('"introspect"') }

describe('without introspect', () => {
  it.each([
    ['a good JWT, with "always"', { when: 'always' }, signedToken(), {}],
    [
      'a good JWT, with a policy that says "always"',
      { when: 'fallback' },
      signedToken(),
      { introspection: 'always' },
    ],
    ['a JWT of an unknown key', { when: 'fallback' }, unknownKeyToken(), {}],
    ['a JWT of an unknown key, with "always"', { when: 'always' }, unknownKeyToken(), {}],
    ['an opaque token', { when: 'opaque' }, OPAQUE, {}],
    ['an opaque token, with "fallback"', { when: 'fallback' }, OPAQUE, {}],
  ] as const)('%s: nothing is sent, and the token is undecided', async (_, options, token, policy) => {
    const world = await createIntrospectionWorld(options)
    const explanation = await world.verifier.explain(token, { ...policy, scopes: ['admin'] })
    expect(explanation).toMatchObject(UNDECIDED)
    expect(explanation.code).toBeUndefined()
    expect(firstFailure(explanation.checks)).toEqual({ id: 'introspection', rule: 'I2', ...UNDECIDED })
    expect(world.asked).toEqual([])
  })

  it.each([
    ['an expired JWT', signedToken({ exp: 1 }), 'ERR_TOKEN_EXPIRED'],
    ['a JWT for another API', unknownKeyToken({ aud: 'x' }), 'ERR_AUDIENCE_NOT_ALLOWED'],
  ])('%s is refused: the verifier would not ask', async (_, token, code) => {
    const world = await createIntrospectionWorld({ when: 'always' })
    expect(await world.verifier.explain(token)).toMatchObject({ outcome: 'refused', code })
    expect(world.asked).toEqual([])
  })

  it.each(['fallback', 'opaque'] as const)('with "%s", a good JWT is accepted', async (when) => {
    const world = await createIntrospectionWorld({ when })
    const { outcome, checks } = await world.verifier.explain(signedToken())
    expect(outcome).toBe('accepted')
    expect(checks.filter(({ id }) => id === 'introspection')).toEqual([])
  })
})

describe('with introspect', () => {
  const introspect = { introspect: true }
  const tokens = [
    ['a good JWT', signedToken()],
    ['a JWT of an unknown key', unknownKeyToken()],
    ['an opaque token', OPAQUE],
  ] as const

  it.each(tokens)('%s is accepted, once the issuer says so', async (_, token) => {
    const world = await createIntrospectionWorld()
    world.answer = active({ scope: 'admin' })
    const { outcome, checks } = await world.verifier.explain(token, { scopes: ['admin'] }, introspect)
    expect(outcome).toBe('accepted')
    expect(checks).toContainEqual({ id: 'introspection', rule: 'I2', outcome: 'passed' })
    expect(checks).toContainEqual({ id: 'scopes', rule: 'B6', outcome: 'passed' })
    expect(world.asked).toEqual([token])
  })

  it.each(tokens)('%s is refused, if the issuer says so', async (_, token) => {
    const world = await createIntrospectionWorld()
    world.answer = inactive
    const { outcome, checks } = await world.verifier.explain(token, {}, introspect)
    expect(outcome).toBe('refused')
    expect(firstFailure(checks)).toMatchObject({ id: 'introspection', code: 'ERR_TOKEN_INACTIVE' })
    expect(await expectSameVerdict(world.verifier, token)).toBe('refused')
  })

  it.each(tokens)('%s is undecided, if the issuer does not answer', async (_, token) => {
    const world = await createIntrospectionWorld()
    world.answer = noConnection
    const { outcome, code, checks } = await world.verifier.explain(token, {}, introspect)
    expect([outcome, code]).toEqual(['undecided', 'ERR_INTROSPECTION_UNAVAILABLE'])
    expect(firstFailure(checks)).toMatchObject({ id: 'introspection', outcome: 'undecided', code })
  })

  it('a JWT that is refused here is not sent', async () => {
    const world = await createIntrospectionWorld()
    const { checks } = await world.verifier.explain(signedToken({ exp: 1 }), {}, introspect)
    expect(checks).toContainEqual({ id: 'introspection', rule: 'I2', outcome: 'skipped' })
    expect(world.asked).toEqual([])
  })

  it('onUnavailable "accept": the explanation says that the token was not confirmed', async () => {
    const world = await createIntrospectionWorld({ onUnavailable: 'accept' })
    world.answer = noConnection
    const { outcome, checks } = await world.verifier.explain(signedToken(), {}, introspect)
    expect(outcome).toBe('accepted')
    const hint = expect.stringContaining('onUnavailable')
    expect(checks).toContainEqual({ id: 'introspection', rule: 'I2', outcome: 'skipped', hint })
  })

  it('I6: what the issuer says of another token is told of the introspection', async () => {
    const world = await createIntrospectionWorld()
    world.answer = active({ sub: 'other' })
    const { checks } = await world.verifier.explain(signedToken(), {}, introspect)
    expect(firstFailure(checks)).toMatchObject({ id: 'introspection', reason: 'introspection-contradicts' })
  })
})
