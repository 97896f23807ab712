import type { VerifierOptions } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import type { TokenVerifier } from '../../packages/core/src/testing.js'
import { active, jsonResponse } from '../support/answers.js'
import { boundToken, expectReason, proofFor, requestWith, thumbprint } from '../support/dpop.js'
import { goodToken, makeKey, rejectionOf } from '../support/forge.js'
import {
  createIntrospectionWorld,
  type IntrospectionWorld,
  signedToken,
} from '../support/introspection-world.js'

/** O4, O5 with introspection (RFC 9449 §6.2): what the issuer says of a binding counts, and leaves out none. */

const client = makeKey('ES256', 'client')
const other = makeKey('ES256', 'other')
const stranger = makeKey('ES256', 'foreign')
const cnf = { jkt: thumbprint(client) }
const CODE_OF_BEARER = ['ERR_TOKEN_BOUND', 'bound-as-bearer'] as const

type When = NonNullable<VerifierOptions['introspection']>['when']

async function makeWorld(when: When, answer: object, dpop: 'off' | 'optional' | 'required' = 'optional') {
  const world = await createIntrospectionWorld({ when }, { dpop })
  world.answer = active(answer)
  return world
}

const asDpop = ({ verifier }: IntrospectionWorld, token: string, key = client) =>
  verifier.authenticate(requestWith(token, proofFor(key, token)))
const asBearer = ({ verifier }: { verifier: TokenVerifier }, token: string) =>
  verifier.authenticate(requestWith(token, undefined, { scheme: 'Bearer' }))

describe('opaque tokens', () => {
  it.each([{}, { token_type: 'DPoP' }, { token_type: 'dpop' }, { token_type: 'Bearer' }])(
    'bound by the answer, with %j',
    async (more) => {
      const world = await makeWorld('opaque', { cnf, ...more })
      const auth = await asDpop(world, 'opaque-token')
      expect([auth.verifiedBy, auth.confirmation]).toEqual(['introspection', cnf])
      await expectReason(asBearer(world, 'opaque-token'), ...CODE_OF_BEARER, ['opaque-token'])
      await expectReason(world.verifier.verify('opaque-token'), ...CODE_OF_BEARER)
      const otherKey = asDpop(world, 'opaque-token', other)
      await expectReason(otherKey, 'ERR_BINDING_MISMATCH', 'proof-key-other', ['opaque-token'])
      const bare = world.verifier.authenticate(requestWith('opaque-token'))
      await expectReason(bare, 'ERR_DPOP_PROOF_MISSING', 'proof-missing')
    },
  )

  it('one proof is accepted once, with a cached answer too', async () => {
    const world = await createIntrospectionWorld({ when: 'opaque', cacheSeconds: 60 }, { dpop: 'optional' })
    world.answer = active({ cnf })
    const request = () => requestWith('opaque-token', proof)
    const proof = proofFor(client, 'opaque-token')
    await world.verifier.authenticate(request())
    await expectReason(world.verifier.authenticate(request()), 'ERR_DPOP_PROOF_REPLAYED', 'proof-replayed')
    await expectReason(asBearer(world, 'opaque-token'), ...CODE_OF_BEARER)
    expect(world.asked).toHaveLength(1)
  })

  it('a binding that cannot be checked, or that the answer does not name', async () => {
    for (const bad of [null, {}, { jkt: 'x' }, { ...cnf, kid: 'x' }, { 'x5t#S256': cnf.jkt }, [cnf.jkt]])
      for (const token_type of [undefined, 'DPoP']) {
        const world = await makeWorld('opaque', { cnf: bad, token_type })
        await expectReason(asDpop(world, 'opaque-token'), 'ERR_TOKEN_BOUND', 'bound-otherwise')
        await expectReason(asBearer(world, 'opaque-token'), 'ERR_TOKEN_BOUND', 'bound-otherwise')
      }
    const nameless = await makeWorld('opaque', { token_type: 'DPoP' })
    await expectReason(asBearer(nameless, 'opaque-token'), 'ERR_TOKEN_BOUND', 'bound')
    await expectReason(asDpop(nameless, 'opaque-token'), 'ERR_TOKEN_BOUND', 'bound')
  })

  it('unbound: a Bearer token, not under DPoP, and not where bound ones are required', async () => {
    expect((await asBearer(await makeWorld('opaque', {}), 'opaque-token')).confirmation).toBeUndefined()
    await expectReason(
      asDpop(await makeWorld('opaque', {}), 'opaque-token'),
      'ERR_TOKEN_NOT_BOUND',
      'not-bound',
    )
    const required = await makeWorld('opaque', {}, 'required')
    await expectReason(asBearer(required, 'opaque-token'), 'ERR_TOKEN_NOT_BOUND', 'not-bound')
  })

  it('with dpop off, a bound one is refused', async () => {
    for (const answer of [{ cnf }, { token_type: 'DPoP' }, { cnf, token_type: 'DPoP' }])
      await expectReason(
        asBearer(await makeWorld('opaque', answer, 'off'), 'opaque-token'),
        'ERR_TOKEN_BOUND',
        'bound',
      )
  })
})

describe('signed tokens, introspection as well', () => {
  const bound = () => signedToken({ cnf })

  it.each([{}, { cnf }, { cnf, token_type: 'DPoP' }, { token_type: 'DPoP' }, { token_type: 'Bearer' }])(
    'A: bound, the answer says %j',
    async (answer) => {
      const world = await makeWorld('always', answer)
      const auth = await asDpop(world, bound())
      expect([auth.verifiedBy, auth.confirmation]).toEqual(['both', cnf])
      await expectReason(asBearer(world, bound()), ...CODE_OF_BEARER)
    },
  )

  it.each([{ jkt: thumbprint(other) }, { jkt: 'x' }, {}, null, { ...cnf, kid: 'x' }])(
    'bound, the answer contradicts with %j',
    async (said) => {
      const { code, claim } = await rejectionOf(
        asDpop(await makeWorld('always', { cnf: said }), bound()),
      ).then((error) => ({ code: error.code, claim: Reflect.get(error, 'claim') }))
      expect(['ERR_CLAIM_INVALID', 'ERR_TOKEN_BOUND']).toContain(code)
      expect(claim).toBe('cnf')
    },
  )

  it('not bound, but the answer binds it: refused under each scheme', async () => {
    const world = await makeWorld('always', { cnf })
    await expectReason(asBearer(world, signedToken()), 'ERR_CLAIM_INVALID', 'introspection-contradicts')
    await expectReason(asDpop(world, signedToken()), 'ERR_TOKEN_NOT_BOUND', 'not-bound')
  })

  it('a bad proof, or none, makes no request to the issuer', async () => {
    const world = await makeWorld('always', { cnf })
    await rejectionOf(asBearer(world, bound()))
    await rejectionOf(asDpop(world, bound(), other))
    expect(world.asked).toEqual([])
  })

  it('an issuer that cannot be asked is never a way around the proof', async () => {
    const world = await createIntrospectionWorld(
      { when: 'always', onUnavailable: 'accept' },
      { dpop: 'optional' },
    )
    world.answer = () => jsonResponse({}, { status: 500 })
    expect((await asDpop(world, bound())).confirmation).toEqual(cnf)
    await expectReason(asBearer(world, bound()), ...CODE_OF_BEARER)
    await expectReason(asDpop(world, bound(), other), 'ERR_BINDING_MISMATCH', 'proof-key-other')
  })
})

describe('signed tokens whose key is unknown, introspection instead', () => {
  const bound = boundToken(stranger, client)

  it('A: the answer has the binding of the token', async () => {
    const world = await makeWorld('fallback', { cnf })
    const auth = await asDpop(world, bound)
    expect([auth.verifiedBy, auth.confirmation]).toEqual(['introspection', cnf])
    await expectReason(asBearer(world, bound), ...CODE_OF_BEARER)
  })

  it('A: not bound, and no answer says so', async () => {
    expect((await asBearer(await makeWorld('fallback', {}), goodToken(stranger))).verifiedBy).toBe(
      'introspection',
    )
  })

  it('an answer without the binding makes no Bearer token of a bound one', async () => {
    for (const answer of [{}, { token_type: 'Bearer' }]) {
      const world = await makeWorld('fallback', answer)
      await expectReason(asBearer(world, bound), 'ERR_CLAIM_INVALID', 'introspection-contradicts', [bound])
      await expectReason(asDpop(world, bound), 'ERR_CLAIM_INVALID', 'introspection-contradicts')
    }
  })

  it('an answer with another binding is about another token', async () => {
    const world = await makeWorld('fallback', { cnf: { jkt: thumbprint(other) } })
    await expectReason(asDpop(world, bound), 'ERR_CLAIM_INVALID', 'introspection-contradicts')
    await expectReason(asDpop(world, bound, other), 'ERR_CLAIM_INVALID', 'introspection-contradicts')
  })

  it('the answer binds a token that does not say so itself: it counts', async () => {
    const world = await makeWorld('fallback', { cnf })
    const token = goodToken(stranger)
    expect((await asDpop(world, token)).confirmation).toEqual(cnf)
    await expectReason(asBearer(world, token), ...CODE_OF_BEARER)
  })
})
