import {
  type AuthenticatableRequest,
  getBearerToken,
  InvalidRequestError,
  type Reason,
  watch,
} from '@telnyx-auth/core'
import { createAuthenticator } from '@telnyx-auth/core/adapter'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AUDIENCE, expectRefusal, ForgedIssuer, goodToken, makeKey, makeVerifier } from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'
import { handleFor } from '../support/request-handle.js'

/** Attack 49: what programs put where the Authorization header should be; and why a token is missing. */

const key = makeKey('ES256')
const issuer = new ForgedIssuer(key)
const verifier = makeVerifier(issuer)
const token = goodToken(key)
const bearer = `Bearer ${token}`

/** A request that TypeScript would not let through. */
const withHeaders = (headers: unknown, more: object = {}): AuthenticatableRequest =>
  Object.assign(Object.create(null), { headers, ...more })

describe('attack 49: an Authorization value that is no string', () => {
  const values: readonly unknown[] = [
    0,
    42,
    NaN,
    true,
    false,
    null,
    {},
    { length: 1, 0: bearer },
    new String(bearer),
    Buffer.from(bearer),
    Symbol('x'),
    () => bearer,
    new Map(),
    10n,
    [42],
    [null],
    [undefined, undefined, {}],
    [[bearer]],
    [{}],
  ]
  it.each(values.map((value, index) => ({ index, type: typeof value, value })))(
    'Q: value $index, a $type',
    async ({ value }) => {
      for (const name of ['authorization', 'Authorization']) {
        const request = withHeaders({ [name]: value })
        await expectRefusal(verifier.authenticate(request), 'Q', 'ERR_REQUEST_MALFORMED', [token])
        const authenticator = createAuthenticator({ verifier, optional: true })
        expect(await authenticator.authenticate(handleFor(), request)).toMatchObject({ status: 400 })
      }
    },
  )

  it('Q: a web request whose headers answer with no string', async () => {
    for (const value of [42, {}, [bearer]])
      await expectRefusal(
        verifier.authenticate(withHeaders({ get: () => value })),
        'Q',
        'ERR_REQUEST_MALFORMED',
      )
  })

  it('Q: the operator is told that a program did it', async () => {
    const error: unknown = await verifier.authenticate(withHeaders({ authorization: 42 })).catch((e) => e)
    expect(error).toMatchObject({ reason: 'header-not-a-string' })
  })

  it.each([
    [{ headers: null }],
    [{ headers: 42 }],
    [{ headers: 'authorization' }],
    [{ headers: {}, rawHeaders: [42, bearer, null, 'x', { length: 13 }, 'y', new Array(13), 'z'] }],
    [{ headers: {}, rawHeaders: 42 }],
    [{ headers: {}, headersDistinct: null }],
    [{ headers: { authorization: undefined } }],
  ])('N: %o carries nothing', async (request) => {
    const { headers, ...more } = request
    await expectRefusal(verifier.authenticate(withHeaders(headers, more)), 'N', 'ERR_TOKEN_MISSING')
  })

  it('A: controls', async () => {
    for (const headers of [
      { authorization: bearer },
      { authorization: [bearer] },
      { AUTHORIZATION: bearer },
      { get: () => bearer },
    ])
      await expect(verifier.authenticate(withHeaders(headers))).resolves.toBeDefined()
  })
})

describe('B1: white space around the value is no part of it (RFC 9110 §5.5)', () => {
  it.each([` ${bearer}`, `\t${bearer}`, `${bearer} `, `${bearer}\t \t`, ` \t ${bearer} \t `])(
    'A: %j',
    async (authorization) => {
      await expect(verifier.authenticate({ headers: { authorization } })).resolves.toBeDefined()
      await expect(
        verifier.authenticate({ headers: { authorization: [authorization] } }),
      ).resolves.toBeDefined()
    },
  )

  it.each(['', ' ', '\t \t'])('N: nothing but white space: %j', async (authorization) => {
    await expectRefusal(verifier.authenticate({ headers: { authorization } }), 'N', 'ERR_TOKEN_MISSING')
  })

  it.each([`\n${bearer}`, `\u00a0${bearer}`, `\v${bearer}`, `\ufeff${bearer}`])(
    'N: other characters are no white space: %j',
    async (authorization) => {
      await expectRefusal(verifier.authenticate({ headers: { authorization } }), 'N', 'ERR_TOKEN_MISSING')
    },
  )
})

describe('why a token is missing, for the operator', () => {
  const rows: readonly [string, AuthenticatableRequest, Reason][] = [
    ['nothing at all', { headers: {} }, 'no-credentials'],
    ['nothing, as a web request', new Request(AUDIENCE), 'no-credentials'],
    ['an empty header', { headers: { authorization: '' } }, 'no-credentials'],
    ['Basic', { headers: { authorization: 'Basic eDp5' } }, 'other-scheme'],
    ['a token without its scheme', { headers: { authorization: token } }, 'scheme-missing'],
    [
      'the same as a web request',
      new Request(AUDIENCE, { headers: { authorization: token } }),
      'scheme-missing',
    ],
    ['an API key without a scheme', { headers: { authorization: 'KEY0123456789_abc' } }, 'api-key'],
    [
      'behind a proxy',
      { headers: { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' } },
      'authorization-stripped',
    ],
    ['behind a proxy, RFC 7239', { headers: { Forwarded: 'for=192.0.2.1' } }, 'authorization-stripped'],
    [
      'behind a proxy, as a web request',
      new Request(AUDIENCE, { headers: { via: '1.1 x' } }),
      'authorization-stripped',
    ],
    ['Basic behind a proxy', { headers: { authorization: 'Basic eDp5', via: '1.1 x' } }, 'other-scheme'],
    [
      'a preflight request',
      { method: 'OPTIONS', headers: { 'access-control-request-method': 'GET', via: '1.1 x' } },
      'preflight',
    ],
    ['OPTIONS that is none', { method: 'OPTIONS', headers: {} }, 'no-credentials'],
  ]

  it.each(rows)('%s', async (_, request, reason) => {
    const events: object[] = []
    onTestFinished(watch('tokenRejected', (event) => events.push(event)))
    const { headers, body } = await expectRefusal(verifier.authenticate(request), 'N', 'ERR_TOKEN_MISSING')
    // Nothing of it in the answer.
    expect(JSON.stringify([headers, body])).not.toContain(reason)
    expect(await createAuthenticator({ verifier }).authenticate(handleFor(), request)).toMatchObject({
      status: 401,
    })
    expect(events).toMatchObject([
      { code: 'ERR_TOKEN_MISSING', reason },
      { code: 'ERR_TOKEN_MISSING', reason },
    ])
  })

  it('an API key as Bearer', async () => {
    const error: unknown = await verifier
      .authenticate({ headers: { authorization: 'Bearer KEY0123456789_abc' } })
      .catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'ERR_TOKEN_MALFORMED', reason: 'api-key' })
  })
})

describe('getBearerToken', () => {
  it('is what happens without getToken', () => {
    expect(getBearerToken({ headers: { authorization: bearer } })).toBe(token)
    expect(getBearerToken(new Request(AUDIENCE, { headers: { authorization: bearer } }))).toBe(token)
    expect(getBearerToken({ headers: { authorization: 'Basic eDp5' } })).toBeUndefined()
    expect(getBearerToken({ headers: {} })).toBeUndefined()
  })

  it.each([
    ['Bearer', 'ERR_REQUEST_MALFORMED'],
    ['Bearer a b', 'ERR_REQUEST_MALFORMED'],
    ['Bearer a, Bearer b', 'ERR_TOKEN_REPEATED'],
  ])('%j: %s', (authorization, code) => {
    const error = thrownBy(() => getBearerToken({ headers: { authorization } }))
    expect(error).toBeInstanceOf(InvalidRequestError)
    expect(error).toMatchObject({ code })
  })
})
