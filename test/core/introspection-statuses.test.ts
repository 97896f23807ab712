import type { IntrospectionOptions } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import { active, noConnection, silence, status, text } from '../support/answers.js'
import { ISSUER, JWKS_URL, rejectionOf } from '../support/forge.js'
import {
  createIntrospectionWorld,
  type EndpointAnswer,
  INTROSPECTION_URL,
  recordEvents,
  signedToken,
  unknownKeyToken,
} from '../support/introspection-world.js'
import { untilTimeout } from '../support/outcome.js'

/** Each row and column of the table in design.md, "Introspection", and what the table leaves open. */

const UNAVAILABLE = 'ERR_INTROSPECTION_UNAVAILABLE'
const deep = `{"active":true,"x":${'['.repeat(100)}${']'.repeat(100)}}`

/** What a response means for a token of each kind, and whether it counts against the endpoint in each lane. */
interface Row {
  readonly what: string
  readonly answer: EndpointAnswer
  readonly accept: 'signature' | typeof UNAVAILABLE
  readonly unknownKey: 'ERR_KEY_NOT_FOUND' | typeof UNAVAILABLE
  readonly fails: { readonly confirm: boolean; readonly decide: boolean }
}

const row =
  (rest: Omit<Row, 'what' | 'answer'>) =>
  (what: string, answer: EndpointAnswer): Row => ({ what, answer, ...rest })
const tokenRefused = row({
  accept: UNAVAILABLE,
  unknownKey: 'ERR_KEY_NOT_FOUND',
  fails: { confirm: false, decide: false },
})
const unclear = row({
  accept: UNAVAILABLE,
  unknownKey: UNAVAILABLE,
  fails: { confirm: false, decide: false },
})
const forbidden = row({
  accept: UNAVAILABLE,
  unknownKey: UNAVAILABLE,
  fails: { confirm: true, decide: false },
})
const misconfigured = row({
  accept: UNAVAILABLE,
  unknownKey: UNAVAILABLE,
  fails: { confirm: true, decide: true },
})
const outage = row({
  accept: 'signature',
  unknownKey: UNAVAILABLE,
  fails: { confirm: true, decide: true },
})

const rows: readonly Row[] = [
  ...[400, 413, 414, 422, 431].map((code) => tokenRefused(`status ${code}`, status(code))),
  tokenRefused('status 400 with Retry-After', status(400, { 'retry-after': '30' })),
  ...[401, 404].map((code) => misconfigured(`status ${code}`, status(code))),
  forbidden('status 403', status(403)),
  outage('no connection', noConnection),
  outage('silence', silence),
  outage('a body that never ends', () => new Response(new ReadableStream())),
  outage('status 429', status(429)),
  outage('status 429 with Retry-After', status(429, { 'retry-after': '5' })),
  ...[500, 501, 502, 503, 504, 599].map((code) => outage(`status ${code}`, status(code))),
  outage('HTML', text('<html>active</html>')),
  outage('truncated JSON', text('{"active":true')),
  outage('nothing', text('')),
  outage('invalid UTF-8', text(new Uint8Array([0x7b, 0xff, 0x7d]))),

  // What the table leaves open: only a transient failure is an outage.
  ...[408, 425].map((code) => outage(`status ${code}`, status(code))),
  ...[201, 204, 206, 402, 405, 406, 407, 409, 410, 411, 415, 421, 451].map((code) =>
    misconfigured(`status ${code}`, status(code)),
  ),
  ...[301, 302, 304, 307, 308].map((code) =>
    misconfigured(`a redirect: ${code}`, status(code, { location: INTROSPECTION_URL })),
  ),
  ...['[]', 'null', 'true', '"active"', '1'].map((body) => misconfigured(`JSON ${body}`, text(body))),
  // The length and the depth of a response depend on the token.
  unclear('a body beyond the limit', text(`{"active":true,"x":"${'x'.repeat(300_000)}"}`)),
  unclear('a body nested too deep', text(deep)),
]

/** Whether the breaker opens for an endpoint that fails for every token. */
async function opensBreaker(answer: EndpointAnswer, make: () => string): Promise<boolean> {
  const world = await createIntrospectionWorld({}, { retries: 0 })
  world.answer = answer
  for (let n = 0; n < 6; n++) await untilTimeout(() => world.outcome(make()))
  return world.asked.length < 6
}

let count = 0
const opaqueToken = () => `opaque-${++count}`

describe.each(rows)('I5, I7, attack 41: $what', ({ answer, accept, unknownKey, fails }) => {
  const outcome = async (introspection: IntrospectionOptions, token: string) => {
    const world = await createIntrospectionWorld(introspection)
    world.answer = answer
    return untilTimeout(() => world.outcome(token))
  }

  it('a JWT that is verified here, "always"', async () => {
    expect(await outcome({ onUnavailable: 'reject' }, signedToken())).toBe(UNAVAILABLE)
    expect(await outcome({ onUnavailable: 'accept' }, signedToken())).toBe(accept)
  })

  it('a JWT with an unknown key', async () => {
    for (const when of ['fallback', 'always'] as const)
      for (const onUnavailable of ['reject', 'accept'] as const)
        expect(await outcome({ when, onUnavailable }, unknownKeyToken())).toBe(unknownKey)
  })

  it('an opaque token', async () => {
    for (const when of ['fallback', 'always', 'opaque'] as const)
      for (const onUnavailable of ['reject', 'accept'] as const)
        expect(await outcome({ when, onUnavailable }, opaqueToken())).toBe(UNAVAILABLE)
  })

  it('as a failure of the endpoint, in each lane', async () => {
    expect(await opensBreaker(answer, signedToken)).toBe(fails.confirm)
    expect(await opensBreaker(answer, opaqueToken)).toBe(fails.decide)
    expect(await opensBreaker(answer, unknownKeyToken)).toBe(fails.decide)
  })
})

describe('I5: "accept" while the breaker of confirm is open', () => {
  it.each([
    ['of an outage: passes', status(503), 'signature'],
    ['of refused credentials: 503, so that revocation is never silently unchecked', status(401), UNAVAILABLE],
    ['of a wrong address: 503', status(404), UNAVAILABLE],
  ] as const)('%s', async (_, answer, expected) => {
    const world = await createIntrospectionWorld({ onUnavailable: 'accept' })
    world.answer = answer
    for (let n = 0; n < 6; n++) expect(await world.outcome(signedToken())).toBe(expected)
    expect(world.asked.length).toBeLessThan(6)
  })
})

describe('what happens before the request', () => {
  const failing: [string, IntrospectionOptions['authMethod']][] = [
    ['throws', () => Promise.reject(new Error('no key'))],
    ['never settles', () => new Promise(() => undefined)],
    // `fetch` throws for these, or the endpoint waits in vain for the body.
    ...[
      { authorization: 'Bearer KEY\u2026' },
      { authorization: 'Bearer KEY\u2003' },
      { authorization: 'Bearer KEY\nKEY' },
      { authorization: 'Bearer KEY\0' },
      { 'x key': 'KEY' },
      { '': 'KEY' },
      { 'Content-Length': '0' },
      { 'transfer-encoding': 'chunked' },
      { expect: '100-continue' },
    ].map((headers): [string, IntrospectionOptions['authMethod']] => [
      `gives ${JSON.stringify(headers)}`,
      () => ({ headers }),
    ]),
  ]
  it.each(failing)(
    'I5: an "authMethod" that %s is a misconfiguration, not an outage',
    async (_, authMethod) => {
      const introspection = {
        authMethod,
        clientId: undefined,
        clientSecret: undefined,
        onUnavailable: 'accept',
      } as const
      for (const token of [signedToken(), unknownKeyToken(), opaqueToken()]) {
        const world = await createIntrospectionWorld(introspection)
        expect(await untilTimeout(() => world.outcome(token))).toBe(UNAVAILABLE)
        expect(world.asked).toEqual([])
      }
    },
  )

  it.each(['Bearer KEY\n', ' Bearer KEY\t', 'Bearer K\u00c9Y'])(
    '%j is a header that can be sent',
    async (authorization) => {
      const authMethod = () => ({ headers: { authorization, connection: 'close', host: 'issuer.example' } })
      const world = await createIntrospectionWorld({
        authMethod,
        clientId: undefined,
        clientSecret: undefined,
      })
      expect(await world.outcome(signedToken())).toBe('both')
    },
  )

  it('metadata without an endpoint are a misconfiguration, not an outage', async () => {
    for (const token of [signedToken(), unknownKeyToken(), opaqueToken()]) {
      const world = await createIntrospectionWorld({ onUnavailable: 'accept' }, { jwksUri: JWKS_URL })
      world.documents.metadata = () => Response.json({ issuer: ISSUER, jwks_uri: JWKS_URL })
      expect(await world.outcome(token)).toBe(UNAVAILABLE)
      expect(world.asked).toEqual([])
    }
  })

  const discoveries: [string, () => Response | Promise<Response>, string][] = [
    ['500', () => new Response(null, { status: 500 }), 'signature'],
    ['no connection', () => Promise.reject(new TypeError('fetch failed')), 'signature'],
    ['404', () => new Response(null, { status: 404 }), 'ERR_DISCOVERY_FAILED'],
    [
      'another issuer',
      () => Response.json({ issuer: `${ISSUER}/`, jwks_uri: JWKS_URL }),
      'ERR_DISCOVERY_FAILED',
    ],
  ]
  it.each(discoveries)('"accept" while discovery fails with: %s', async (_, metadata, expected) => {
    const world = await createIntrospectionWorld({ onUnavailable: 'accept' }, { jwksUri: JWKS_URL })
    world.documents.metadata = metadata
    expect(await world.outcome(signedToken())).toBe(expected)
    expect(world.asked).toEqual([])
  })
})

describe('what operators see', () => {
  it('the endpoint refuses to judge a token: the reason says so, the failure is an event', async () => {
    const world = await createIntrospectionWorld()
    const events = recordEvents('introspectionAsked')
    world.answer = status(400)
    const error = await rejectionOf(world.verifier.verify(signedToken()))
    expect(error).toMatchObject({ code: UNAVAILABLE, reason: 'introspection-token-refused' })
    expect(events).toEqual([
      { issuer: ISSUER, outcome: 'failed', reason: 'status', status: 400, durationMs: 0 },
    ])
  })

  it('403 with Retry-After in decide begins a pause, unless others are answered', async () => {
    const world = await createIntrospectionWorld()
    world.answer = status(403, { 'retry-after': '60' })
    for (let n = 0; n < 5; n++) expect(await world.outcome(opaqueToken())).toBe(UNAVAILABLE)
    expect(world.asked).toHaveLength(1)
    world.clock.advance(60)
    world.answer = active()
    expect(await world.outcome(opaqueToken())).toBe('introspection')
    world.answer = status(403, { 'retry-after': '60' })
    for (let n = 0; n < 5; n++) expect(await world.outcome(opaqueToken())).toBe(UNAVAILABLE)
    expect(world.asked).toHaveLength(7)
  })
})
