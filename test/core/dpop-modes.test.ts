import { InvalidTokenError, toResponse, type VerifierOptions } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import type { TokenVerifier } from '../../packages/core/src/testing.js'
import {
  boundToken,
  expectReason,
  makeDpopVerifier,
  proofFor,
  requestWith,
  thumbprint,
} from '../support/dpop.js'
import {
  AUDIENCE,
  ForgedIssuer,
  goodToken,
  makeKey,
  makeUncheckedVerifier,
  makeVerifier,
  NOW,
  rejectionOf,
  type TestClock,
} from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'

/** O5, O6, attack 51: which tokens are accepted in which mode, and what the answers say. */

const issuerKey = makeKey('ES256', 'issuer')
const issuer = new ForgedIssuer(issuerKey)
const client = makeKey('ES256', 'client')
const other = makeKey('ES256', 'other')
const jkt = thumbprint(client)
const bound = boundToken(issuerKey, client)
const unbound = goodToken(issuerKey, { scope: 'messaging.read' })
const TOKENS = { bound, unbound }
const MODES = ['off', 'optional', 'required'] as const
const ALGS = 'algs="RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519"'
const METADATA = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'

const challengeOf = async (promise: Promise<unknown>) =>
  toResponse(await rejectionOf(promise)).headers['WWW-Authenticate']
const make = (options: VerifierOptions = {}, clock?: TestClock) => makeDpopVerifier(issuer, options, clock)

/** Mode, token, scheme: code and reason, or nothing for a token that is accepted. */
const OUTCOMES: readonly (readonly [
  mode: (typeof MODES)[number],
  token: keyof typeof TOKENS,
  scheme: string,
  code?: string,
  reason?: string,
])[] = [
  ['off', 'bound', 'Bearer', 'ERR_TOKEN_BOUND', 'bound'],
  ['off', 'bound', 'DPoP', 'ERR_TOKEN_MISSING', 'other-scheme'],
  ['off', 'unbound', 'Bearer'],
  ['off', 'unbound', 'DPoP', 'ERR_TOKEN_MISSING', 'other-scheme'],
  ['optional', 'bound', 'Bearer', 'ERR_TOKEN_BOUND', 'bound-as-bearer'],
  ['optional', 'bound', 'DPoP'],
  ['optional', 'bound', 'dpop'],
  ['optional', 'unbound', 'Bearer'],
  ['optional', 'unbound', 'DPoP', 'ERR_TOKEN_NOT_BOUND', 'not-bound'],
  ['required', 'bound', 'Bearer', 'ERR_TOKEN_BOUND', 'bound-as-bearer'],
  ['required', 'bound', 'DPoP'],
  ['required', 'unbound', 'Bearer', 'ERR_TOKEN_NOT_BOUND', 'not-bound'],
  ['required', 'unbound', 'DPoP', 'ERR_TOKEN_NOT_BOUND', 'not-bound'],
]

describe('O5, attack 51: modes', () => {
  for (const [dpop, kind, scheme, code, reason] of OUTCOMES)
    it(`${dpop}: a token that is ${kind}, as ${scheme}: ${code ?? 'accepted'}`, async () => {
      const verifier = make({ dpop })
      const token = TOKENS[kind]
      // Twice: the second time, the token is cached.
      for (let time = 0; time < 2; time++) {
        const sent = verifier.authenticate(requestWith(token, proofFor(client, token), { scheme }))
        if (code !== undefined) await expectReason(sent, code, reason, [token])
        else expect((await sent).confirmation).toEqual(kind === 'bound' ? { jkt } : undefined)
      }
    })

  it.each(MODES)('%s: both schemes at once, as two headers or joined', async (dpop) => {
    const verifier = make({ dpop })
    const [first, second] = [`Bearer ${bound}`, `DPoP ${bound}`]
    const dpopHeader = proofFor(client, bound)
    const base = { method: 'GET', url: '/messages' }
    const requests = [
      ...[`${first}, ${second}`, `${first},${second}`, `Basic x, ${first}, ${second}`].map(
        (authorization) => ({
          ...base,
          headers: { authorization, dpop: dpopHeader },
        }),
      ),
      { ...base, headers: { authorization: [first, second], dpop: dpopHeader } },
      { ...base, headers: { authorization: first, Authorization: second, dpop: dpopHeader } },
      {
        ...base,
        headers: { authorization: second, dpop: dpopHeader },
        rawHeaders: ['Authorization', second, 'authorization', first],
      },
    ]
    for (const request of requests)
      expect((await rejectionOf(verifier.authenticate(request))).code).toBe('ERR_TOKEN_REPEATED')
    if (dpop === 'off') return
    const twice = { ...base, headers: { authorization: `${second}, ${first}`, dpop: dpopHeader } }
    expect((await rejectionOf(verifier.authenticate(twice))).code).toBe('ERR_TOKEN_REPEATED')
  })

  it('verify(token): there is no request, so no proof', async () => {
    for (const dpop of ['optional', 'required'] as const)
      await expectReason(make({ dpop }).verify(bound), 'ERR_TOKEN_BOUND', 'bound-as-bearer', [bound])
    await expectReason(make({ dpop: 'off' }).verify(bound), 'ERR_TOKEN_BOUND', 'bound')
    expect((await make().verify(unbound)).confirmation).toBeUndefined()
    await expectReason(make({ dpop: 'required' }).verify(unbound), 'ERR_TOKEN_NOT_BOUND', 'not-bound')
  })

  it('getToken: a token of another place is a Bearer token', async () => {
    const verifier = make({
      getToken: ({ headers }) => String(Reflect.get(headers, 'x-token') ?? '') || undefined,
    })
    const send = (token: string, headers: object) =>
      verifier.authenticate({ method: 'GET', url: '/messages', headers: { 'x-token': token, ...headers } })
    expect((await send(unbound, {})).subject).toBe('user-1')
    const dpop = proofFor(client, bound)
    await expectReason(send(bound, { dpop }), 'ERR_TOKEN_BOUND', 'bound-as-bearer', [bound])
    await expectReason(send(bound, { dpop, authorization: 'Bearer x' }), 'ERR_TOKEN_BOUND', 'bound-as-bearer')
    expect((await send(bound, { dpop, authorization: `DPoP ${bound}` })).confirmation).toEqual({ jkt })
  })

  it.each(['DPoPx', 'DPoP-x', 'X-DPoP', 'dpo'])('%s is another scheme', async (scheme) => {
    const sent = make().authenticate(requestWith(bound, proofFor(client, bound), { scheme }))
    expect((await rejectionOf(sent)).code).toBe('ERR_TOKEN_MISSING')
  })
})

describe('O4: cnf', () => {
  it.each<unknown>([
    null,
    'x',
    5,
    true,
    [],
    {},
    [jkt],
    { jkt: '' },
    { jkt: null },
    { jkt: [jkt] },
    { jkt: `${jkt}=` },
    { jkt: jkt.slice(1) },
    { jkt: `${jkt.slice(1)}+` },
    { JKT: jkt },
    { jkt, kid: 'x' },
    { jkt, jwk: {} },
    { jwk: client.jwk },
    { 'x5t#S256': jkt },
    { kid: 'x' },
  ])('%j cannot be checked: refused in every mode, under each scheme', async (cnf) => {
    const token = goodToken(issuerKey, { cnf })
    for (const dpop of ['optional', 'required'] as const)
      for (const scheme of ['Bearer', 'DPoP']) {
        const sent = make({ dpop }).authenticate(requestWith(token, proofFor(client, token), { scheme }))
        await expectReason(sent, 'ERR_TOKEN_BOUND', 'bound-otherwise')
      }
    await expectReason(make({ dpop: 'off' }).verify(token), 'ERR_TOKEN_BOUND', 'bound')
  })

  it('a thumbprint of a key that no caller has shown', async () => {
    const token = boundToken(issuerKey, other)
    const sent = make().authenticate(requestWith(token, proofFor(client, token)))
    await expectReason(sent, 'ERR_BINDING_MISMATCH', 'proof-key-other', [token])
  })

  it('auth.confirmation is frozen, and part of what is printed', async () => {
    const auth = await make().authenticate(requestWith(bound, proofFor(client, bound)))
    expect(Object.isFrozen(auth.confirmation)).toBe(true)
    expect(JSON.parse(JSON.stringify(auth)).confirmation).toEqual({ jkt })
  })
})

describe('senderConstrained', () => {
  it('refuses tokens that are not bound, by each call and by default', async () => {
    const send = (verifier: TokenVerifier, policy?: object) =>
      verifier.authenticate(requestWith(unbound, undefined, { scheme: 'Bearer' }), policy)
    await expectReason(send(make(), { senderConstrained: true }), 'ERR_TOKEN_NOT_BOUND', 'not-bound')
    await expectReason(send(make({ senderConstrained: true })), 'ERR_TOKEN_NOT_BOUND', 'not-bound')
    expect((await send(make({ senderConstrained: true }), { senderConstrained: false })).subject).toBe(
      'user-1',
    )
    const sent = make().authenticate(requestWith(bound, proofFor(client, bound)), { senderConstrained: true })
    expect((await sent).confirmation).toEqual({ jkt })
  })

  it('needs the option dpop, and is true or false', async () => {
    const off = makeVerifier(issuer)
    expect((await rejectionOf(off.verify(unbound, { senderConstrained: true }))).code).toBe(
      'ERR_CONFIGURATION',
    )
    expect(thrownBy(() => makeVerifier(issuer, { senderConstrained: true })).message).toContain('"dpop"')
    for (const senderConstrained of ['true', 1, null, {}])
      expect(
        thrownBy(() => makeUncheckedVerifier({ audience: AUDIENCE, dpop: 'optional', senderConstrained }))
          .message,
      ).toContain('"senderConstrained"')
  })
})

describe('O6: challenges', () => {
  const DPOP = `DPoP realm="api"`
  const bearer = (rest = '') => `Bearer realm="api"${rest}, ${METADATA}`
  const dpop = (rest = '') => `${DPOP}${rest}, ${METADATA}, ${ALGS}`
  const error = (name: string, description: string) => `, error="${name}", error_description="${description}"`
  const NOT_BOUND = error('invalid_token', 'The access token is not bound to a key')
  const BOUND = error(
    'invalid_token',
    'The access token is bound to a key and cannot be used as a Bearer token',
  )
  const OTHER_KEY = error('invalid_token', 'The access token is bound to another key or certificate')
  const NO_PROOF = error('invalid_dpop_proof', 'The request carries no DPoP proof')
  const BAD_PROOF = error('invalid_dpop_proof', 'The DPoP proof is invalid')
  const EXPIRED = error('invalid_token', 'The access token expired')

  it.each<[string, VerifierOptions['dpop'], object, string]>([
    ['no token', 'off', { headers: {} }, bearer()],
    ['no token', 'optional', { headers: {} }, `${bearer()}, ${dpop()}`],
    ['no token', 'required', { headers: {} }, dpop()],
    [
      'bound as Bearer',
      'optional',
      requestWith(bound, undefined, { scheme: 'Bearer' }),
      `${bearer(BOUND)}, ${dpop()}`,
    ],
    ['bound as Bearer', 'required', requestWith(bound, undefined, { scheme: 'Bearer' }), dpop(BOUND)],
    ['unbound as DPoP', 'optional', requestWith(unbound), `${dpop(NOT_BOUND)}`],
    ['no proof', 'optional', requestWith(bound), dpop(NO_PROOF)],
    ['a bad proof', 'optional', requestWith(bound, 'x'), dpop(BAD_PROOF)],
    ['another key', 'required', requestWith(bound, proofFor(other, bound)), dpop(OTHER_KEY)],
    [
      'few algorithms',
      { mode: 'required', algorithms: ['ES256', 'EdDSA'] },
      { headers: {} },
      `${DPOP}, ${METADATA}, algs="ES256 EdDSA"`,
    ],
  ])('%s, %j', async (_, option, request, challenge) => {
    const sent = make({ dpop: option }).authenticate({
      method: 'GET',
      url: '/messages',
      headers: {},
      ...request,
    })
    expect(await challengeOf(sent)).toBe(challenge)
  })

  it.each(['DPoP', 'DPoP ', 'DPoP a b', 'DPoP\ta', `DPoP ${bound}, x`, `DPoP ${'x'.repeat(20_000)}`])(
    'a header DPoP that holds no token (%#) is an error of DPoP',
    async (authorization) => {
      const sent = make().authenticate({ method: 'GET', url: '/messages', headers: { authorization } })
      expect(await challengeOf(sent)).toMatch(/^DPoP realm="api", error="invalid_(request|token)"/)
      const asBearer = {
        method: 'GET',
        url: '/messages',
        headers: { authorization: authorization.replace('DPoP', 'Bearer') },
      }
      expect(await challengeOf(make().authenticate(asBearer))).toMatch(/^Bearer realm="api", error="invalid_/)
    },
  )

  it('an expired token, and one without the scope: the challenge of the scheme that the caller used', async () => {
    const verifier = make()
    const late = boundToken(issuerKey, client, { exp: NOW - 60 })
    expect(await challengeOf(verifier.authenticate(requestWith(late, 'x')))).toBe(dpop(EXPIRED))
    const sent = verifier.authenticate(requestWith(bound, proofFor(client, bound)), { scopes: ['a', 'b'] })
    expect(await challengeOf(sent)).toBe(
      `${DPOP}${error('insufficient_scope', 'The access token lacks a required scope')}, scope="a b", ${METADATA}, ${ALGS}`,
    )
  })

  it('an error that "validate" throws each time, of a class of its own, names the scheme of each caller', async () => {
    class Banned extends InvalidTokenError {}
    const banned = new Banned('ERR_TOKEN_REJECTED')
    const verifier = make({
      validate: () => {
        throw banned
      },
    })
    const asDpop = () => challengeOf(verifier.authenticate(requestWith(bound, proofFor(client, bound))))
    const asBearer = () =>
      challengeOf(verifier.authenticate(requestWith(unbound, undefined, { scheme: 'Bearer' })))
    const first = await asBearer()
    expect(first).toMatch(/^Bearer .*error="invalid_token".*, DPoP realm="api", resource_metadata/)
    expect(await asDpop()).toMatch(/^DPoP realm="api", error="invalid_token"/)
    expect(await asBearer()).toBe(first)
  })
})

describe('O6: metadata (RFC 9728)', () => {
  it.each(MODES)('%s', (dpop) => {
    const document = make({ dpop }).protectedResourceMetadata()?.document
    expect(document?.dpop_bound_access_tokens_required).toBe(dpop === 'off' ? undefined : dpop === 'required')
    expect(document?.dpop_signing_alg_values_supported).toEqual(
      dpop === 'off' ? undefined : ALGS.slice(6, -1).split(' '),
    )
  })
})

describe('the token is cached, its sender is not', () => {
  it('a cached token is refused without a proof, with a used one, with a bad one, as Bearer, and by verify()', async () => {
    const verifier = make()
    const proof = proofFor(client, bound)
    await verifier.authenticate(requestWith(bound, proof))
    await expectReason(verifier.authenticate(requestWith(bound)), 'ERR_DPOP_PROOF_MISSING', 'proof-missing')
    await expectReason(
      verifier.authenticate(requestWith(bound, proof)),
      'ERR_DPOP_PROOF_REPLAYED',
      'proof-replayed',
    )
    const forged = proofFor(client, bound, { signer: other })
    await expectReason(
      verifier.authenticate(requestWith(bound, forged)),
      'ERR_DPOP_PROOF_INVALID',
      'proof-signature',
    )
    const asBearer = requestWith(bound, undefined, { scheme: 'Bearer' })
    await expectReason(verifier.authenticate(asBearer), 'ERR_TOKEN_BOUND', 'bound-as-bearer')
    await expectReason(verifier.verify(bound), 'ERR_TOKEN_BOUND', 'bound-as-bearer')
    expect((await verifier.authenticate(requestWith(bound, proofFor(client, bound)))).subject).toBe('user-1')
  })
})
