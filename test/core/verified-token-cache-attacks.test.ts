import { type ErrorResponse, toResponse, type Verifier } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import type { AuthenticatableRequest } from '../../packages/core/src/testing.js'
import { expectNothingUnhandled } from '../support/event-loop.js'
import { goodToken, ISSUER, makeKey, NOW, rejectionOf, segmentsOf } from '../support/forge.js'
import { countSignatureChecks } from '../support/signature-checks.js'
import { createService } from '../support/token-cache.js'

/** Attacks 3, 5, 29 to 31 and 43 where a token is known: the short way is no other way. */

const key = makeKey('ES256', 'good')
const next = makeKey('ES256', 'next')
const token = goodToken(key, { exp: NOW + 86_400 })
const [header, payload, signature] = segmentsOf(token)

expectNothingUnhandled()

/** A service that knows the token. */
async function createKnowing(options: Parameters<typeof createService>[1] = {}) {
  const service = createService(key, options)
  await service.verifier.verify(token)
  expect(await service.fate(token)).toBe(options.cache === false ? 'checked' : 'known')
  return service
}

describe('a caller who knows the good spelling', () => {
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  /** The same bytes, in a segment whose last character says more than it has to. */
  const respelled = (segment: string, bits: number) =>
    segment.slice(0, -1) + ALPHABET[ALPHABET.indexOf(segment.slice(-1)) ^ bits]
  const spellings: [string, string][] = [
    ['padded', `${token}==`],
    ['padded within', `${header}=.${payload}.${signature}`],
    ...[1, 2, 3].map((bits): [string, string] => [
      `with the last bits ${bits}`,
      `${header}.${payload}.${respelled(signature, bits)}`,
    ]),
    ['without a signature', `${header}.${payload}.`],
    ['with a dot more', `${token}.`],
    ['with the last character cut', token.slice(0, -1)],
    ['with a blank', `${header}. ${payload}.${signature}`],
    ['with a newline', `${token}\n`],
    ['with a null', `${token}\0`],
    ['with a byte order mark', `\ufeff${token}`],
    ['with half a character', `${token}\ud800`],
    // A digest of characters cut to bytes would be the same.
    [
      'with characters 256 higher',
      token.replaceAll(/[^.]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 256)),
    ],
    ['in Base64', `${header}.${payload}.${signature.replaceAll('-', '+').replaceAll('_', '/')}+`],
    ['with a comma', `${token},`],
    ['twice', `${token}, Bearer ${token}`],
    ['in capitals', token.toUpperCase()],
    ['quoted', `"${token}"`],
    ['with the header of another', `${goodToken(next).split('.')[0]}.${payload}.${signature}`],
    ['with the signature of another', `${header}.${payload}.${goodToken(key).split('.')[2]}`],
    ['too large', `${token}${'A'.repeat(16_384)}`],
    ['dots', '.'.repeat(10_000)],
  ]

  async function answerTo(verifier: Verifier, request: AuthenticatableRequest): Promise<ErrorResponse> {
    return toResponse(await rejectionOf(verifier.authenticate(request)))
  }

  it.each(spellings)('attack 3, 5, 31: %s: refused as if nothing were known', async (_, spelled) => {
    const knowing = await createKnowing()
    const plain = await createKnowing({ cache: false })
    for (const name of ['authorization', 'Authorization']) {
      const request = { headers: { [name]: `Bearer ${spelled}` } }
      expect(await answerTo(knowing.verifier, request)).toEqual(await answerTo(plain.verifier, request))
    }
    const [error, wanted] = [
      rejectionOf(knowing.verifier.verify(spelled)),
      rejectionOf(plain.verifier.verify(spelled)),
    ]
    expect(toResponse(await error)).toEqual(toResponse(await wanted))
    expect(await knowing.fate(token)).toBe('known')
  })

  it('attack 3: with a blank at the end, as a token; white space around a header is not part of its value', async () => {
    const knowing = await createKnowing()
    const error = await rejectionOf(knowing.verifier.verify(`${token} `))
    expect(error.code).toBe('ERR_TOKEN_MALFORMED')
    const auth = await knowing.verifier.authenticate({ headers: { authorization: ` Bearer ${token} ` } })
    expect(auth.token).toBe(token)
  })

  it.each<[string, AuthenticatableRequest, string]>([
    [
      'two headers',
      { headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] } },
      'ERR_TOKEN_REPEATED',
    ],
    [
      'two of different case',
      { headers: { authorization: `Bearer ${token}`, Authorization: `Bearer ${token}` } },
      'ERR_TOKEN_REPEATED',
    ],
    [
      'two that Node has hidden',
      {
        headers: { authorization: `Bearer ${token}` },
        rawHeaders: ['authorization', `Bearer ${token}`, 'AUTHORIZATION', 'x'],
      },
      'ERR_TOKEN_REPEATED',
    ],
    [
      'two that are distinct',
      { headers: { authorization: `Bearer ${token}` }, headersDistinct: { authorization: ['a', 'b'] } },
      'ERR_TOKEN_REPEATED',
    ],
    ['no blank', { headers: { authorization: `Bearer${token}` } }, 'ERR_TOKEN_MISSING'],
    ['a tab', { headers: { authorization: `Bearer\t${token}` } }, 'ERR_REQUEST_MALFORMED'],
    ...['\n', '"', '\ufeff', '=a', '%', ' a'].map((after): [string, AuthenticatableRequest, string] => [
      `${JSON.stringify(after)} after it`,
      { headers: { authorization: `Bearer ${token}${after}` } },
      'ERR_REQUEST_MALFORMED',
    ]),
    ['another scheme', { headers: { authorization: `DPoP ${token}` } }, 'ERR_TOKEN_MISSING'],
    ['no scheme', { headers: { authorization: token } }, 'ERR_TOKEN_MISSING'],
    ['in the query', { headers: {}, url: `/?access_token=${token}` }, 'ERR_TOKEN_MISSING'],
  ])('B3, attack 31: %s', async (_, request, code) => {
    const { verifier } = await createKnowing()
    expect((await rejectionOf(verifier.authenticate(request))).code).toBe(code)
  })

  // The cache finds an entry by the end of the signature. Nothing but the whole token may get it.
  it('a token with the same end, and any other character changed: refused as if nothing were known', async () => {
    const knowing = await createKnowing()
    const plain = await createKnowing({ cache: false })
    const checks = countSignatureChecks()
    let refused = 0
    for (let index = 0; index < token.length - 32; index++) {
      const changed = `${token.slice(0, index)}${token[index] === 'A' ? 'B' : 'A'}${token.slice(index + 1)}`
      const [error, wanted] = [
        rejectionOf(knowing.verifier.verify(changed)),
        rejectionOf(plain.verifier.verify(changed)),
      ]
      expect(toResponse(await error)).toEqual(toResponse(await wanted))
      refused++
    }
    expect(refused).toBeGreaterThan(200)
    // Each that got as far as its signature was checked by both.
    expect(checks.mock.calls.length % 2).toBe(0)
    expect(checks.mock.calls.length).toBeGreaterThan(100)
    expect(await knowing.fate(token)).toBe('known')
  })

  it.each([1, 31, 32, 33, 86, 87])(
    'the last %d characters alone, or after others, are no token',
    async (count) => {
      const { verifier, fate } = await createKnowing()
      const end = token.slice(-count)
      for (const each of [
        end,
        `.${end}`,
        `..${end}`,
        `a.b.${end}`,
        `${'A'.repeat(token.length - count)}${end}`,
      ])
        expect((await rejectionOf(verifier.verify(each))).code).toBe('ERR_TOKEN_MALFORMED')
      expect(await fate(token)).toBe('known')
    },
  )

  it('gets a rejection for what is not a token, as ever', async () => {
    const { verifier } = await createKnowing()
    const values: [unknown, string][] = [
      [undefined, 'ERR_TOKEN_MISSING'],
      [null, 'ERR_TOKEN_MISSING'],
      [0, 'ERR_TOKEN_MALFORMED'],
      [Object(token), 'ERR_TOKEN_MALFORMED'],
      [[token], 'ERR_TOKEN_MALFORMED'],
      [{ toString: () => token, length: 5, indexOf: () => 1, includes: () => false }, 'ERR_TOKEN_MALFORMED'],
      [Symbol('x'), 'ERR_TOKEN_MALFORMED'],
    ]
    for (const [value, code] of values) {
      const work: Promise<unknown> = Reflect.apply(verifier.verify, verifier, [value])
      expect((await rejectionOf(work)).code).toBe(code)
    }
  })
})

it('attack 29: what a handler does to its result, the next one does not see', async () => {
  const { verifier } = await createKnowing()
  const auth = await verifier.verify(token)
  const deeds: (() => unknown)[] = [
    () => Object.assign(auth, { subject: 'admin' }),
    () => Object.assign(auth.claims, { scope: 'admin' }),
    () => Reflect.apply(Array.prototype.push, auth.scopes, ['admin']),
    () => Object.defineProperty(auth, 'token', { value: 'x' }),
    () => Object.defineProperty(auth, 'hasScopes', { value: () => true }),
    () => Object.setPrototypeOf(auth, { hasScopes: () => true }),
    () => Object.assign(Object.getPrototypeOf(auth), { hasScopes: () => true }),
    () => Object.defineProperty(Object.getPrototypeOf(auth), 'subject', { value: 'admin' }),
  ]
  const prototype: object = Object.getPrototypeOf(auth)
  const before = Object.getOwnPropertyDescriptors(prototype)
  try {
    for (const deed of deeds) expect(deed, String(deed)).toThrow(TypeError)
    await expect(verifier.verify(token, { scopes: ['admin'] })).rejects.toMatchObject({
      code: 'ERR_SCOPE_INSUFFICIENT',
    })
    expect(await verifier.verify(token)).toMatchObject({
      subject: 'user-1',
      scopes: ['messaging.read'],
      token,
    })
  } finally {
    if (!Object.isFrozen(prototype)) Object.defineProperties(prototype, before)
  }
})

describe('P: introspection of a token that is known', () => {
  const asking = (when: 'always' | 'fallback', active: () => unknown) => {
    const service = createService(key, {
      introspection: { when, clientId: 'x', clientSecret: 'y', cacheSeconds: 0, inactiveCacheSeconds: 0 },
      introspectionEndpoint: `${ISSUER}/introspect`,
      keys: { maxStaleSeconds: 0 },
      fetch: async (url, init) => {
        if (!url.endsWith('/introspect')) return service.issuer.fetch(url, init)
        asked++
        return Response.json({ active: active() })
      },
    })
    let asked = 0
    return Object.assign(service, { asked: () => asked })
  }

  it("'always' asks each time; what was revoked is refused, and is not known to be good again", async () => {
    let active = true
    const { fate, asked, verifier } = asking('always', () => active)
    expect([await fate(token), await fate(token)]).toEqual(['checked', 'known'])
    expect((await verifier.verify(token)).verifiedBy).toBe('both')
    expect(await fate(token, { scopes: ['admin'] })).toBe('ERR_SCOPE_INSUFFICIENT')
    expect(asked()).toBe(4)
    active = false
    for (let n = 0; n < 3; n++) expect(await fate(token)).toBe('ERR_TOKEN_INACTIVE')
    expect(asked()).toBe(7)
  })

  it('of a policy asks too; without it, what the issuer said is not remembered as the signature', async () => {
    const { fate, asked, verifier } = asking('fallback', () => 'true')
    expect([await fate(token), await fate(token)]).toEqual(['checked', 'known'])
    expect(asked()).toBe(0)
    for (let n = 1; n < 3; n++) {
      expect(await fate(token, { introspection: 'always' })).toBe('ERR_TOKEN_INACTIVE')
      expect(asked()).toBe(n)
    }
    expect((await verifier.verify(token)).verifiedBy).toBe('signature')
  })

  it('decides where keys are no longer available, also about a cached token', async () => {
    const { clock, fate, issuer, verifier, asked } = asking('fallback', () => true)
    expect([await fate(token), await fate(token)]).toEqual(['checked', 'known'])
    const { jwks } = issuer
    issuer.jwks = () => new Response(null, { status: 500 })
    clock.advance(301)
    expect(await fate(token)).toBe('checked')
    clock.advance(75)
    expect((await verifier.verify(token)).verifiedBy).toBe('introspection')
    expect(asked()).toBe(2)
    // What it said is not taken for a signature.
    issuer.jwks = jwks
    clock.advance(75)
    expect((await verifier.verify(token)).verifiedBy).toBe('signature')
  })

  it('what only the issuer vouched for is asked for each time', async () => {
    const { fate, asked } = asking('fallback', () => true)
    const unknown = goodToken(next, {}, { kid: 'unknown' })
    for (let n = 1; n < 4; n++) {
      expect(await fate(unknown)).toBe('checked')
      expect(asked()).toBe(n)
    }
  })
})
