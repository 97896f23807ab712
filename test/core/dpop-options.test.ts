import type { VerifierOptions } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import { resolveOptions, TokenVerifier } from '../../packages/core/src/testing.js'
import {
  BASE_URL,
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
  ISSUER,
  makeKey,
  makeUncheckedVerifier,
  TestClock,
} from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'
import { whilePolluted } from '../support/pollution.js'
import { scale } from '../support/scale.js'

/** The options about proofs: the URL of this API (O2), mistakes in them, and what a polluted prototype adds (attack 46). */

const issuerKey = makeKey('ES256', 'issuer')
const issuer = new ForgedIssuer(issuerKey)
const client = makeKey('ES256', 'client')
const other = makeKey('ES256', 'other')
const jkt = thumbprint(client)
const bound = boundToken(issuerKey, client)
const unbound = goodToken(issuerKey, { scope: 'messaging.read' })
const make = (options: VerifierOptions = {}) => makeDpopVerifier(issuer, options)

describe('baseUrl', () => {
  const send = (options: object, url: string, htu: string, environment: Record<string, string> = {}) =>
    new TokenVerifier(
      resolveOptions(
        { issuer: ISSUER, audience: AUDIENCE, fetch: issuer.fetch, dpop: 'required', ...options },
        environment,
      ),
      new TestClock(),
    ).authenticate(
      requestWith(bound, proofFor(client, bound, { claims: { htu } }), {
        url,
        headers: { host: 'evil.example' },
      }),
    )
  const OWN = 'https://edge.example/v2'

  it.each<[object, Record<string, string>, string]>([
    [{}, {}, BASE_URL],
    [{ baseUrl: OWN }, {}, OWN],
    [{ baseUrl: `${OWN}//` }, {}, OWN],
    [{}, { TELNYX_AUTH_BASE_URL: OWN }, OWN],
    [{ baseUrl: OWN }, { TELNYX_AUTH_BASE_URL: 'https://x.example' }, OWN],
    [{ baseUrl: 'http://localhost:3000' }, {}, 'http://localhost:3000'],
    [
      { audience: AUDIENCE, protectedResource: { resource: 'https://r.example/mcp' } },
      {},
      'https://r.example',
    ],
  ])('%j %j: %s, and never Host', async (options, environment, url) => {
    expect((await send(options, '/a?b', `${url}/a`, environment)).subject).toBe('user-1')
    for (const bad of ['https://evil.example/a', `${url}/v2/a`, new URL('/b', url).href])
      await expectReason(send(options, '/a', bad, environment), 'ERR_DPOP_PROOF_INVALID', 'proof-url')
  })

  it('a framework that removes the mount path keeps the whole one', async () => {
    const request = { ...requestWith(bound, proofFor(client, bound)), url: '/', originalUrl: '/messages' }
    expect((await make().authenticate(request)).subject).toBe('user-1')
  })
})

describe('mistakes in the configuration are loud at the start, and show no secret', () => {
  const SECRET = 'a-secret-that-no-caller-may-ever-see'
  it.each<[string, unknown]>([
    ['mode', { dpop: 'on' }],
    ['mode', { dpop: true }],
    ['mode', { dpop: {} }],
    ['dpop', { dpop: null }],
    ['mode', { dpop: { mode: SECRET, nonce: { secrets: [SECRET] } } }],
    ['member of "dpop"', { dpop: { mode: 'required', nonces: {} } }],
    ['proofAgeSeconds', { dpop: { mode: 'required', proofAgeSeconds: 0 } }],
    ['proofAgeSeconds', { dpop: { mode: 'required', proofAgeSeconds: 601 } }],
    ['proofAgeSeconds', { dpop: { mode: 'required', proofAgeSeconds: '60' } }],
    ['algorithms', { dpop: { mode: 'required', algorithms: [] } }],
    ['algorithms', { dpop: { mode: 'required', algorithms: ['ES256', 'HS256'] } }],
    ['algorithms', { dpop: { mode: 'required', algorithms: 'ES256' } }],
    ['nonce', { dpop: { mode: 'required', nonce: SECRET } }],
    ['nonce', { dpop: { mode: 'required', nonce: [SECRET] } }],
    ['nonce', { dpop: { mode: 'required', nonce: {} } }],
    ['nonce', { dpop: { mode: 'required', nonce: { secrets: SECRET } } }],
    ['nonce', { dpop: { mode: 'required', nonce: { secrets: [] } } }],
    ['nonce', { dpop: { mode: 'required', nonce: { secrets: [SECRET, 'short'] } } }],
    ['nonce', { dpop: { mode: 'required', nonce: { secrets: [SECRET, 5] } } }],
    ['replayStore', { dpop: { mode: 'required', replayStore: {} } }],
    ['replayStore', { dpop: { mode: 'off', replayStore: SECRET } }],
    ['baseUrl', { dpop: 'required', audience: 'urn:api' }],
    ['baseUrl', { dpop: 'required', audience: ['https://a.example', 'https://b.example'] }],
    ['baseUrl', { dpop: 'required', protectedResource: false }],
    ['baseUrl', { baseUrl: 'http://api.example.com' }],
    ['baseUrl', { baseUrl: `https://user:${SECRET}@api.example.com` }],
    ['baseUrl', { baseUrl: 'https://api.example.com/?a' }],
    ['baseUrl', { baseUrl: 'api.example.com' }],
    ['baseUrl', { baseUrl: '' }],
    ['baseUrl', { baseUrl: 'https://api.example.com\\x' }],
  ])('%s: %j', (named, options) => {
    const { message } = thrownBy(() => makeUncheckedVerifier({ audience: AUDIENCE, ...Object(options) }))
    expect(message).toContain(named)
    expect(message).not.toContain(SECRET)
  })
})

describe('attack 46: a polluted Object.prototype changes nothing', () => {
  const names =
    'jkt x5t x5t#S256 cnf jwk nonce dpop mode provenToken attempt nextNonce scheme secrets replayStore confirmation senderConstrained kty crv x y d k typ alg crit jti htm htu iat ath method url originalUrl rawHeaders headersDistinct isDpop algorithms baseUrl presented DPoP'
  const values = ['x', jkt, bound, { jkt }, ['dpop', 'x'], null, 'required']
  it.each(names.split(' '))('%s', async (name) => {
    const first = names.indexOf(name) % values.length
    for (const value of [...values.slice(first), ...values.slice(0, first)].slice(0, scale(2, values.length)))
      for (const early of [true, false]) {
        const requests = [
          requestWith(bound, proofFor(client, bound)),
          requestWith(bound),
          requestWith(bound, proofFor(other, bound)),
          requestWith(bound, undefined, { scheme: 'Bearer' }),
          requestWith(unbound, undefined, { scheme: 'Bearer' }),
          requestWith(unbound),
        ]
        const outcomes = async (verifier: TokenVerifier) => {
          const said: unknown[] = []
          for (const request of requests)
            said.push(
              await verifier.authenticate(request).then(
                ({ confirmation }) => confirmation?.jkt ?? 'Bearer',
                (error: unknown) => String(Object(error).code),
              ),
            )
          return said
        }
        const kept = make()
        const seen = await whilePolluted(name, value, () => outcomes(early ? make() : kept))
        expect(seen, JSON.stringify(value)).toEqual([
          jkt,
          'ERR_DPOP_PROOF_MISSING',
          'ERR_BINDING_MISMATCH',
          'ERR_TOKEN_BOUND',
          'Bearer',
          'ERR_TOKEN_NOT_BOUND',
        ])
      }
  })
})
