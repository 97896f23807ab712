import { type Events, InvalidProofError, watch } from '@telnyx-auth/core'
import {
  type AdapterOptions,
  type Answer,
  type Authorize,
  createAuthenticator,
  createGuards,
  getAuth,
} from '@telnyx-auth/core/adapter'
import { describe, expect, it } from 'vitest'
import type { AuthenticatableRequest } from '../../packages/core/src/testing.js'
import { BASE_URL, boundToken, makeDpopVerifier, proofFor, requestWith, thumbprint } from '../support/dpop.js'
import { ForgedIssuer, goodToken, makeKey, rejectionOf } from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'
import { handleFor } from '../support/request-handle.js'

/** O5 to O7 in applications: several authenticators, guards, and refusals that are repeated. */

const issuerKey = makeKey('ES256', 'issuer')
const issuer = new ForgedIssuer(issuerKey)
const client = makeKey('ES256', 'client')
const other = makeKey('ES256', 'other')
const bound = boundToken(issuerKey, client, { scope: 'a' })
const unbound = goodToken(issuerKey)
const guards = createGuards((authorize: Authorize) => ({ authorize }))
const REPLAYED =
  /^DPoP realm="api", error="invalid_dpop_proof", error_description="The DPoP proof was used before"/

const makeAuthenticator = (options: AdapterOptions = {}) =>
  createAuthenticator({ verifier: makeDpopVerifier(issuer), ...options })
const good = () => requestWith(bound, proofFor(client, bound))
const challengeIn = (answer: Answer | undefined) => answer?.headers['WWW-Authenticate']

describe('a proof is used once for one request, also where several authenticators run for it', () => {
  it('A: two authenticators of one verifier, then guards', async () => {
    const [first, second] = [makeAuthenticator(), makeAuthenticator()]
    const key = {}
    const request = good()
    expect(await first.authenticate(handleFor(key), request)).toBeUndefined()
    expect(await first.authenticate(handleFor(key), request)).toBeUndefined()
    expect(await second.authenticate(handleFor(key), request)).toBeUndefined()
    expect(second.defer(handleFor(key), request)).toBeUndefined()
    const guard = guards.requireAuth({ senderConstrained: true })
    expect(await guard.authorize(handleFor(key))).toBeUndefined()
    expect(await guard.authorize(handleFor(key))).toBeUndefined()
    expect(getAuth(key).confirmation).toEqual({ jkt: thumbprint(client) })
  })

  it('the same request object under another key is another request: its proof is a replay', async () => {
    const authenticator = makeAuthenticator()
    const request = good()
    expect(await authenticator.authenticate(handleFor({}), request)).toBeUndefined()
    expect(challengeIn(await authenticator.authenticate(handleFor({}), request))).toMatch(REPLAYED)
  })

  it('what was proved for one token does not count for another one of the same request', async () => {
    const second = boundToken(issuerKey, client, { sub: 'admin' })
    const getToken = ({ headers }: AuthenticatableRequest) => String(Reflect.get(headers, 'x-token'))
    const key = {}
    const request = requestWith(bound, proofFor(client, bound), { headers: { 'x-token': second } })
    expect(await makeAuthenticator().authenticate(handleFor(key), request)).toBeUndefined()
    const other = createAuthenticator({ verifier: makeDpopVerifier(issuer, { getToken }) })
    expect((await other.authenticate(handleFor(key), request))?.status).toBe(401)
    expect(thrownBy(() => getAuth(key)).message).toContain('proof')
  })

  it('what one verifier has accepted, a stricter one checks again: algorithm, URL and nonce', async () => {
    for (const options of [
      { dpop: { mode: 'required', algorithms: ['EdDSA'] } },
      { dpop: { mode: 'required', nonce: { secrets: ['s'.repeat(32)] } } },
      { baseUrl: 'https://other.example' },
    ] as const) {
      const key = {}
      const request = good()
      expect(await makeAuthenticator().authenticate(handleFor(key), request)).toBeUndefined()
      const strict = createAuthenticator({ verifier: makeDpopVerifier(issuer, options) })
      expect((await strict.authenticate(handleFor(key), request))?.status).toBe(401)
    }
  })

  it('what was proved under DPoP does not count under Bearer', async () => {
    const key = {}
    const authenticator = makeAuthenticator()
    expect(await authenticator.authenticate(handleFor(key), good())).toBeUndefined()
    const asBearer = requestWith(bound, undefined, { scheme: 'Bearer' })
    expect(challengeIn(await authenticator.authenticate(handleFor(key), asBearer))).toMatch(
      /^Bearer .*invalid_token/,
    )
  })
})

describe('a refusal that is repeated is the same refusal, and belongs to its request', () => {
  it.each<[string, () => AuthenticatableRequest]>([
    ['a proof of another key', () => requestWith(bound, proofFor(other, bound))],
    ['a bad proof', () => requestWith(bound, 'x')],
    ['no proof', () => requestWith(bound)],
    ['an unbound token under DPoP', () => requestWith(unbound)],
    ['a bound token under Bearer', () => requestWith(bound, undefined, { scheme: 'Bearer' })],
  ])('%s: an application that went on anyway gets it from guards', async (_, makeRequest) => {
    const key = {}
    const first = await makeAuthenticator().authenticate(handleFor(key), makeRequest())
    expect(first?.status).toBe(401)
    const { authorize } = guards.requireAuth()
    for (let time = 0; time < 2; time++) {
      const again = await authorize(handleFor(key))
      expect([again?.status, challengeIn(again ?? undefined)]).toEqual([401, challengeIn(first)])
    }
  })

  it('a guard that refuses for its policy names the scheme of the caller', async () => {
    const key = {}
    await makeAuthenticator().authenticate(handleFor(key), good())
    expect(challengeIn(await guards.requireScopes('b').authorize(handleFor(key)))).toMatch(
      /^DPoP realm="api", error="insufficient_scope", .*scope="b"/,
    )
    const asBearer = {}
    await makeAuthenticator().authenticate(
      handleFor(asBearer),
      requestWith(unbound, undefined, { scheme: 'Bearer' }),
    )
    expect(challengeIn(await guards.requireScopes('b').authorize(handleFor(asBearer)))).toMatch(
      /^Bearer realm="api", error="insufficient_scope", .*, DPoP realm="api", scope="b"/,
    )
    const constrained = await guards.requireAuth({ senderConstrained: true }).authorize(handleFor(asBearer))
    expect(challengeIn(constrained)).toMatch(
      /^Bearer realm="api", error="invalid_token", .*not bound to a key/,
    )
  })

  it('getAuth() throws a proof error of its own each time, with its nonce', async () => {
    const dpop = { mode: 'required', nonce: { secrets: ['s'.repeat(32)] } } as const
    const key = {}
    const authenticator = createAuthenticator({ verifier: makeDpopVerifier(issuer, { dpop }) })
    const answer = await authenticator.authenticate(handleFor(key), good())
    expect(answer?.headers['DPoP-Nonce']).toMatch(/^[\w-]{43}$/)
    const [first, second] = [thrownBy(() => getAuth(key)), thrownBy(() => getAuth(key))]
    expect(first).not.toBe(second)
    for (const error of [first, second]) {
      expect(error).toBeInstanceOf(InvalidProofError)
      expect(Reflect.get(error, 'nonce')).toMatch(/^[\w-]{43}$/)
    }
  })

  it('a guard with senderConstrained, where dpop is off, is a ConfigurationError and lets no caller pass', async () => {
    const key = {}
    const authenticator = createAuthenticator({ verifier: makeDpopVerifier(issuer, { dpop: 'off' }) })
    await authenticator.authenticate(handleFor(key), requestWith(unbound, undefined, { scheme: 'Bearer' }))
    const { authorize } = guards.requireAuth({ senderConstrained: true })
    const error = await rejectionOf((async () => authorize(handleFor(key)))())
    expect(error.code).toBe('ERR_CONFIGURATION')
  })
})

describe('events', () => {
  it('tell code and reason, and nothing that a caller wrote', async () => {
    const events: Events['tokenRejected'][] = []
    const stop = watch('tokenRejected', (event) => events.push(event))
    const verifier = makeDpopVerifier(issuer)
    const claims = { jti: 'a-jti-of-a-caller', htu: `${BASE_URL}/a-path-of-a-caller` }
    const proof = proofFor(client, bound, { claims })
    await rejectionOf(verifier.authenticate(requestWith(bound, proof)))
    await rejectionOf(verifier.authenticate(requestWith(bound, proofFor(other, bound, { claims }))))
    stop()
    expect(events.map(({ code, reason }) => [code, reason])).toEqual([
      ['ERR_DPOP_PROOF_INVALID', 'proof-url'],
      ['ERR_DPOP_PROOF_INVALID', 'proof-url'],
    ])
    const shown = JSON.stringify(events)
    for (const secret of ['of-a-caller', bound, proof, thumbprint(client)])
      expect(shown).not.toContain(secret)
  })
})
