import { Session } from 'node:inspector/promises'
import {
  type FetchFunction,
  type IssuerOptions,
  UnavailableError,
  type VerifierOptions,
} from '@telnyx-auth/core'
import { describe, expect, it, vi } from 'vitest'
import { TrustedIssuer } from '../../packages/core/src/testing.js'
import { settle } from '../support/event-loop.js'
import {
  AUDIENCE,
  encode,
  expectRefusal,
  type ForgeKey,
  forge,
  goodClaims,
  goodHeader,
  goodToken,
  makeKey,
  makeUncheckedVerifier,
  makeVerifier,
  rejectionOf,
  TestClock,
} from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'

/** Several issuers (J11, attack 23): each token is judged by its own issuer, and no other issuer learns of it. */

/** What was asked of an issuer. */
interface Call {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** One of several issuers. All sign with a key of the same id. */
class Server {
  readonly identifier: string
  readonly key: ForgeKey
  readonly calls: Call[] = []
  /** What becomes of every request. */
  fault: (() => Promise<Response>) | undefined
  keys: readonly unknown[]
  metadata: Readonly<Record<string, unknown>>
  introspection: (token: string | null) => unknown

  constructor(identifier: string, key: ForgeKey) {
    this.identifier = identifier
    this.key = key
    this.keys = [key.jwk]
    this.metadata = {
      issuer: identifier,
      jwks_uri: `${identifier}/jwks`,
      introspection_endpoint: `${identifier}/introspect`,
    }
    this.introspection = () => ({ active: true, ...goodClaims({ iss: identifier }) })
  }

  /** A good token of this issuer. */
  token(claims: object = {}, header: object = {}, key: ForgeKey = this.key): string {
    return goodToken(key, { iss: this.identifier, ...claims }, header)
  }

  get paths(): string[] {
    return this.calls.map(({ url }) => new URL(url).pathname)
  }

  async answer(call: Call): Promise<Response> {
    this.calls.push(call)
    if (this.fault) return this.fault()
    switch (new URL(call.url).pathname) {
      case '/.well-known/oauth-authorization-server':
        return Response.json(this.metadata)
      case '/jwks':
        return Response.json({ keys: this.keys })
      case '/introspect':
        return Response.json(this.introspection(new URLSearchParams(call.body).get('token')))
      default:
        return new Response(null, { status: 404 })
    }
  }
}

const keyA = makeKey('ES256', 'same')
const keyB = makeKey('ES256', 'same')
const keyC = makeKey('ES256', 'same')
const edwards = makeKey('Ed25519', 'edwards')

/** Three issuers, and a `fetch` that reaches no other. */
function createWorld() {
  const a = new Server('https://a.example', keyA)
  const b = new Server('https://b.example', keyB)
  const c = new Server('https://c.example', keyC)
  const servers = new Map([a, b, c].map((server) => [server.identifier, server]))
  const astray: string[] = []
  const fetch: FetchFunction = async (url, { headers, body }) => {
    const server = servers.get(new URL(url).origin)
    if (server) return server.answer({ url, headers, body })
    astray.push(url)
    throw new TypeError('fetch failed')
  }
  const clock = new TestClock()
  const verifierOf = (issuer: VerifierOptions['issuer'], options: VerifierOptions = {}) =>
    makeVerifier({ fetch }, { issuer, ...options }, clock)
  return { a, b, c, astray, fetch, clock, verifierOf }
}

const FIRST_LOAD = ['/.well-known/oauth-authorization-server', '/jwks']
const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`

describe('J11: an array of issuers', () => {
  it('accepts the tokens of each, and asks each only when a token of it comes', async () => {
    const { a, b, c, verifierOf } = createWorld()
    const verifier = verifierOf([a.identifier, b.identifier, { issuer: c.identifier }])
    await expect(verifier.verify(b.token())).resolves.toMatchObject({ issuer: b.identifier })
    expect([a.paths, b.paths, c.paths]).toEqual([[], FIRST_LOAD, []])
    await expect(verifier.verify(a.token())).resolves.toMatchObject({ issuer: a.identifier })
    await expect(verifier.verify(c.token())).resolves.toMatchObject({ issuer: c.identifier })
    await verifier.verify(b.token({ jti: 'another' }))
    expect([a.paths, b.paths, c.paths]).toEqual([FIRST_LOAD, FIRST_LOAD, FIRST_LOAD])
  })

  it('each has its own audience, or that of the verifier', async () => {
    const { a, b, c, verifierOf } = createWorld()
    const verifier = verifierOf([
      { issuer: a.identifier, audience: 'urn:a' },
      b.identifier,
      { issuer: c.identifier, audience: null },
    ])
    await expect(verifier.verify(a.token({ aud: 'urn:a' }))).resolves.toBeDefined()
    await expect(verifier.verify(b.token())).resolves.toBeDefined()
    await expect(verifier.verify(c.token({ aud: 'urn:c' }))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(a.token()), 'R', 'ERR_AUDIENCE_NOT_ALLOWED')
    await expectRefusal(verifier.verify(b.token({ aud: 'urn:a' })), 'R', 'ERR_AUDIENCE_NOT_ALLOWED')
    await expectRefusal(verifier.verify(b.token({ aud: 'urn:c' })), 'R', 'ERR_AUDIENCE_NOT_ALLOWED')
  })

  it('each has its own profile', async () => {
    const { a, b, verifierOf } = createWorld()
    const verifier = verifierOf([{ issuer: a.identifier, profile: 'rfc9068' }, b.identifier])
    await expect(verifier.verify(a.token())).resolves.toBeDefined()
    await expectRefusal(verifier.verify(a.token({}, { typ: undefined })), 'R', 'ERR_TYP_INVALID')
    await expectRefusal(verifier.verify(a.token({ jti: undefined })), 'R', 'ERR_CLAIM_MISSING')
    await expect(verifier.verify(b.token({ jti: undefined }, { typ: undefined }))).resolves.toBeDefined()
  })

  it('each has its own algorithms', async () => {
    const { a, b, verifierOf } = createWorld()
    a.keys = [keyA.jwk, edwards.jwk]
    b.keys = [keyB.jwk, edwards.jwk]
    const verifier = verifierOf(
      [
        { issuer: a.identifier, algorithms: ['ES256'] },
        { issuer: b.identifier, algorithms: ['EdDSA', 'Ed25519'] },
      ],
      { algorithms: ['RS256'] },
    )
    const ofA = verifier.verify(a.token({}, {}, edwards))
    await expectRefusal(ofA, 'R', 'ERR_ALGORITHM_NOT_ALLOWED')
    await expectRefusal(verifier.verify(b.token()), 'R', 'ERR_ALGORITHM_NOT_ALLOWED')
    expect([a.calls, b.calls]).toEqual([[], []])
    await expect(verifier.verify(a.token())).resolves.toBeDefined()
    await expect(verifier.verify(b.token({}, {}, edwards))).resolves.toBeDefined()
  })

  it('each keeps its keys as it was told', async () => {
    const { a, b, clock, verifierOf } = createWorld()
    const verifier = verifierOf(
      [{ issuer: a.identifier, keys: { lifetimeSeconds: 60, maxStaleSeconds: 0 } }, b.identifier],
      { keys: { lifetimeSeconds: 3600 } },
    )
    await verifier.preload()
    clock.advance(100)
    await verifier.verify(a.token())
    await verifier.verify(b.token())
    expect(a.paths).toEqual([...FIRST_LOAD, '/jwks'])
    expect(b.paths).toEqual(FIRST_LOAD)
    for (const server of [a, b]) server.fault = () => Promise.reject(new TypeError('fetch failed'))
    clock.advance(3500)
    await expectRefusal(verifier.verify(a.token({ exp: clock.now() + 60 })), 'U', 'ERR_DISCOVERY_FAILED')
    await expect(verifier.verify(b.token({ exp: clock.now() + 60 }))).resolves.toBeDefined()
  })

  it('each may have its keys, their place or its metadata given', async () => {
    const { a, b, c, verifierOf } = createWorld()
    const verifier = verifierOf([
      { issuer: a.identifier, jwks: { keys: [keyA.jwk] } },
      { issuer: b.identifier, jwksUri: `${b.identifier}/jwks` },
      { issuer: c.identifier, metadata: { issuer: c.identifier, jwks_uri: `${c.identifier}/jwks` } },
    ])
    for (const { identifier, token } of [a, b, c].map((each) => ({ ...each, token: each.token() })))
      await expect(verifier.verify(token)).resolves.toMatchObject({ issuer: identifier })
    expect([a.paths, b.paths, c.paths]).toEqual([[], ['/jwks'], ['/jwks']])
    for (const server of [a, b, c]) {
      const foreign = server === a ? keyB : keyA
      await expectRefusal(verifier.verify(server.token({}, {}, foreign)), 'R', 'ERR_SIGNATURE_INVALID')
    }
    expect([a.paths, b.paths, c.paths]).toEqual([[], ['/jwks'], ['/jwks']])
  })

  it('each is asked about its tokens, or is not', async () => {
    const { a, b, verifierOf } = createWorld()
    const verifier = verifierOf([
      { issuer: a.identifier, introspection: { when: 'always', clientId: 'api', clientSecret: 's' } },
      b.identifier,
    ])
    await expect(verifier.verify(a.token())).resolves.toMatchObject({ verifiedBy: 'both' })
    await expect(verifier.verify(b.token())).resolves.toMatchObject({ verifiedBy: 'signature' })
    a.introspection = () => ({ active: false })
    await expectRefusal(verifier.verify(a.token({ jti: '2' })), 'R', 'ERR_TOKEN_INACTIVE')
    await expect(verifier.verify(b.token({ jti: '2' }))).resolves.toBeDefined()
    expect(a.paths).toEqual([...FIRST_LOAD, '/introspect', '/introspect'])
    expect(b.paths).toEqual(FIRST_LOAD)
  })

  it('what one says of a token is measured by its own name and audience', async () => {
    const { a, b, verifierOf } = createWorld()
    const introspection = { when: 'always', clientId: 'api', clientSecret: 's' } as const
    const verifier = verifierOf([
      { issuer: a.identifier, audience: 'urn:a', introspection },
      { issuer: b.identifier, introspection },
    ])
    a.introspection = () => ({ active: true, iss: b.identifier })
    await expectRefusal(verifier.verify(a.token({ aud: 'urn:a' })), 'R', 'ERR_ISSUER_NOT_ALLOWED')
    a.introspection = () => ({ active: true, aud: AUDIENCE })
    const forB = verifier.verify(a.token({ aud: 'urn:a', jti: '2' }))
    await expectRefusal(forB, 'R', 'ERR_AUDIENCE_NOT_ALLOWED')
    a.introspection = () => ({ active: true, iss: a.identifier, aud: 'urn:a' })
    await expect(verifier.verify(a.token({ aud: 'urn:a', jti: '3' }))).resolves.toBeDefined()
  })
})

describe('attack 23, J11: a token is checked with the keys of the issuer that it names', () => {
  const headers = [{}, { kid: undefined }]

  it.each(headers)(
    'R: one that the key of another issuer has signed, and no other issuer is asked: %j',
    async (header) => {
      const { a, b, astray, verifierOf } = createWorld()
      const verifier = verifierOf([a.identifier, b.identifier])
      const forged = a.token({}, header, keyB)
      await expectRefusal(verifier.verify(forged), 'R', 'ERR_SIGNATURE_INVALID', [forged])
      expect([b.calls, astray]).toEqual([[], []])
      await expect(verifier.verify(a.token({}, header))).resolves.toBeDefined()
      expect(b.calls).toEqual([])
    },
  )

  it.each(headers)('R: also once the keys of both are known, either way: %j', async (header) => {
    const { a, b, verifierOf } = createWorld()
    const verifier = verifierOf([a.identifier, b.identifier])
    await verifier.preload()
    await expectRefusal(verifier.verify(a.token({}, header, keyB)), 'R', 'ERR_SIGNATURE_INVALID')
    expect(b.paths).toEqual(FIRST_LOAD)
    const asked = a.calls.length
    await expectRefusal(verifier.verify(b.token({}, header, keyA)), 'R', 'ERR_SIGNATURE_INVALID')
    expect(a.calls).toHaveLength(asked)
    await expect(verifier.verify(a.token({}, header))).resolves.toBeDefined()
    await expect(verifier.verify(b.token({}, header))).resolves.toBeDefined()
  })

  it('R: a key that only the other has is not known', async () => {
    const { a, b, verifierOf } = createWorld()
    b.keys = [keyB.jwk, edwards.jwk]
    const verifier = verifierOf([a.identifier, b.identifier])
    await verifier.preload()
    await expectRefusal(verifier.verify(a.token({}, {}, edwards)), 'R', 'ERR_KEY_NOT_FOUND')
    expect(b.paths).toEqual(FIRST_LOAD)
    await expect(verifier.verify(b.token({}, {}, edwards))).resolves.toBeDefined()
  })

  it('the same token with another name in it is another token', async () => {
    const { a, b, verifierOf } = createWorld()
    const verifier = verifierOf([a.identifier, b.identifier])
    const [header, , signature] = a.token().split('.')
    await expect(verifier.verify(a.token())).resolves.toBeDefined()
    const renamed = [header, encode(goodClaims({ iss: b.identifier })), signature].join('.')
    await expectRefusal(verifier.verify(renamed), 'R', 'ERR_SIGNATURE_INVALID')
  })
})

describe('attack 22: an issuer that was not configured', () => {
  const A = 'https://a.example'
  const others: unknown[] = [
    'https://evil.example',
    '__proto__',
    'toString',
    'constructor',
    'hasOwnProperty',
    '',
    'undefined',
    'null',
    '[object Object]',
    null,
    0,
    5,
    true,
    [],
    [A],
    [A, 'https://b.example'],
    [[A]],
    {},
    { issuer: A },
    { toString: 1 },
    { toString: A, valueOf: A },
    JSON.parse(`{"__proto__": "${A}"}`),
    A.slice(0, -1),
    `${A}/`,
    `${A}x`,
    `${A}.evil.example`,
    `${A}:443`,
    `${A}?`,
    `${A}#`,
    `${A}/../`,
    ` ${A}`,
    `${A} `,
    `${A}\n`,
    `${A}\0`,
    `${A},https://b.example`,
    A.toUpperCase(),
    A.replace('https', 'HTTPS'),
    A.replace('https', 'http'),
    A.replace('a.', '%61.'),
    A.replace('a.', '\u0430.'),
  ]
  it.each(others.map((iss) => ({ iss })))('R, with not one request: $iss', async ({ iss }) => {
    const { a, b, astray, verifierOf } = createWorld()
    const verifier = verifierOf([a.identifier, b.identifier])
    for (const key of [keyA, keyB]) {
      const token = forge(goodHeader(key), goodClaims({ iss }), key)
      await expectRefusal(
        verifier.verify(token),
        'R',
        ['ERR_ISSUER_NOT_ALLOWED', 'ERR_CLAIM_INVALID'],
        [token],
      )
    }
    expect([a.calls, b.calls, astray]).toEqual([[], [], []])
    if (typeof iss === 'string') {
      const token = forge(goodHeader(keyA), goodClaims({ iss }), keyA)
      expect((await rejectionOf(verifier.verify(token))).code).toBe('ERR_ISSUER_NOT_ALLOWED')
    }
  })

  it('R: none at all', async () => {
    const { a, b, verifierOf } = createWorld()
    const token = forge(goodHeader(keyA), goodClaims({ iss: undefined }), keyA)
    await expectRefusal(verifierOf([a.identifier, b.identifier]).verify(token), 'R', 'ERR_CLAIM_MISSING')
    expect([a.calls, b.calls]).toEqual([[], []])
  })

  it('R, without a request, where the issuers introspect', async () => {
    const { a, b, verifierOf } = createWorld()
    for (const when of ['fallback', 'always'] as const) {
      const introspection = { when, clientId: 'api', clientSecret: 's' }
      const verifier = verifierOf([
        { issuer: a.identifier, introspection },
        { issuer: b.identifier, introspection },
      ])
      const token = forge(goodHeader(keyA), goodClaims({ iss: 'https://evil.example' }), keyA)
      await expectRefusal(verifier.verify(token), 'R', 'ERR_ISSUER_NOT_ALLOWED')
    }
    expect([a.calls, b.calls]).toEqual([[], []])
  })

  it('A: two whose names differ by a slash, or in case, are two', async () => {
    const { a, fetch, clock } = createWorld()
    const names = [a.identifier, `${a.identifier}/`, a.identifier.replace('a.', 'A.')]
    const issuer = names.map((name): IssuerOptions => ({ issuer: name, jwks: { keys: [keyA.jwk] } }))
    const verifier = makeVerifier({ fetch }, { issuer }, clock)
    for (const name of names)
      await expect(verifier.verify(a.token({ iss: name }))).resolves.toMatchObject({ issuer: name })
  })
})

describe('one issuer in trouble', () => {
  const faults: Record<string, () => Promise<Response>> = {
    'no connection': () => Promise.reject(new TypeError('fetch failed')),
    'status 503': async () => new Response(null, { status: 503, headers: { 'retry-after': '300' } }),
    'not JSON': async () => new Response('<html>'),
    silence: () => new Promise(() => undefined),
  }

  it.each(Object.keys(faults))('does not touch the tokens of the other: %s', async (what) => {
    const { a, b, clock, verifierOf } = createWorld()
    a.fault = faults[what]
    const verifier = verifierOf([a.identifier, b.identifier])
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const refusal = expectRefusal(verifier.verify(a.token()), 'U', 'ERR_DISCOVERY_FAILED')
      // While the first one is still waited for.
      await expect(verifier.verify(b.token())).resolves.toBeDefined()
      vi.advanceTimersByTime(5000)
      await refusal
    } finally {
      vi.useRealTimers()
    }
    for (let minute = 0; minute < 10; minute++) {
      clock.advance(60)
      await expect(verifier.verify(b.token({ exp: clock.now() + 60 }))).resolves.toBeDefined()
      await settle()
    }
    expect(verifier.health().issuers).toMatchObject([
      { ready: false, lastFailure: {} },
      { ready: true, stale: false },
    ])
    expect(verifier.health().issuers[1]).not.toHaveProperty('lastFailure')
  })

  it('leaves the pauses of the other alone: it is discovered meanwhile', async () => {
    const { a, b, verifierOf } = createWorld()
    a.fault = faults['no connection']
    const verifier = verifierOf([a.identifier, b.identifier])
    for (let n = 0; n < 10; n++) await expectRefusal(verifier.verify(a.token()), 'U', 'ERR_DISCOVERY_FAILED')
    expect(a.calls).toHaveLength(2)
    await expect(verifier.verify(b.token())).resolves.toBeDefined()
    expect(b.paths).toEqual(FIRST_LOAD)
    expect(verifier.health().issuers.map(({ nextRefreshInSeconds }) => nextRefreshInSeconds)).toEqual([5, 0])
  })

  it('leaves the budget of the other alone: a flood of unknown kids here, a rotation there', async () => {
    const { a, b, verifierOf } = createWorld()
    const verifier = verifierOf([a.identifier, b.identifier])
    await verifier.preload()
    for (let n = 0; n < 100; n++) {
      const refused = verifier.verify(a.token({}, { kid: `unknown-${n}` }))
      if (n < 2) await expectRefusal(refused, 'R', 'ERR_KEY_NOT_FOUND')
      else await expectRefusal(refused, 'U', 'ERR_KEYS_UNAVAILABLE')
    }
    expect(a.calls).toHaveLength(4)
    const rotated = makeKey('ES256', 'rotated')
    b.keys = [rotated.jwk]
    await expect(verifier.verify(b.token({}, {}, rotated))).resolves.toBeDefined()
    expect(b.paths).toEqual([...FIRST_LOAD, '/jwks'])
    // The budget of the first is used up, which its own rotation shows.
    a.keys = [rotated.jwk]
    await expectRefusal(verifier.verify(a.token({}, {}, rotated)), 'U', 'ERR_KEYS_UNAVAILABLE')
  })

  it('a resting endpoint rests alone', async () => {
    const { a, b, verifierOf } = createWorld()
    const introspection = { when: 'always', clientId: 'api', clientSecret: 's' } as const
    const verifier = verifierOf([
      { issuer: a.identifier, introspection },
      { issuer: b.identifier, introspection },
    ])
    await verifier.preload()
    a.fault = async () => new Response(null, { status: 404 })
    for (let n = 0; n < 5; n++)
      await expectRefusal(verifier.verify(a.token({ jti: `${n}` })), 'U', 'ERR_INTROSPECTION_UNAVAILABLE')
    expect(a.paths.filter((path) => path === '/introspect')).toHaveLength(3)
    await expect(verifier.verify(b.token())).resolves.toMatchObject({ verifiedBy: 'both' })
  })
})

describe('a metadata document that names what is another issuer’s', () => {
  it('as its issuer: nothing in it is used (D2)', async () => {
    const { a, b, verifierOf } = createWorld()
    a.metadata = b.metadata
    const verifier = verifierOf([a.identifier, b.identifier])
    await expectRefusal(verifier.verify(a.token()), 'U', 'ERR_DISCOVERY_FAILED')
    await expectRefusal(verifier.verify(a.token({}, {}, keyB)), 'U', 'ERR_DISCOVERY_FAILED')
    expect(b.calls).toEqual([])
    await expect(verifier.verify(b.token())).resolves.toBeDefined()
  })

  it('as its jwks_uri: those are its keys then, and the other’s tokens are what they were', async () => {
    const { a, b, verifierOf } = createWorld()
    a.metadata = { ...a.metadata, jwks_uri: b.metadata.jwks_uri }
    const verifier = verifierOf([a.identifier, b.identifier])
    await expect(verifier.verify(a.token({}, {}, keyB))).resolves.toMatchObject({ issuer: a.identifier })
    await expectRefusal(verifier.verify(a.token()), 'R', 'ERR_SIGNATURE_INVALID')
    await expectRefusal(verifier.verify(b.token({}, {}, keyA)), 'R', 'ERR_SIGNATURE_INVALID')
    await expect(verifier.verify(b.token())).resolves.toMatchObject({ issuer: b.identifier })
    // Each has fetched for itself.
    expect(b.paths).toEqual(['/jwks', ...FIRST_LOAD])
  })

  it('as its introspection_endpoint: only its own credentials go there', async () => {
    const { a, b, verifierOf } = createWorld()
    a.metadata = { ...a.metadata, introspection_endpoint: b.metadata.introspection_endpoint }
    b.introspection = () => ({ active: true })
    const verifier = verifierOf([
      { issuer: a.identifier, introspection: { when: 'always', clientId: 'at-a', clientSecret: 'sa' } },
      { issuer: b.identifier, introspection: { when: 'always', clientId: 'at-b', clientSecret: 'sb' } },
    ])
    await verifier.verify(a.token())
    await verifier.verify(b.token())
    const sent = b.calls.filter(({ body }) => body !== undefined).map(({ headers }) => headers.authorization)
    expect(sent).toEqual([basic('at-a', 'sa'), basic('at-b', 'sb')])
    // A cached answer is not taken for that of another issuer.
    b.introspection = () => ({ active: false })
    await expectRefusal(verifier.verify(b.token({ jti: '2' })), 'R', 'ERR_TOKEN_INACTIVE')
    await expectRefusal(verifier.verify(a.token({ jti: '2' })), 'R', 'ERR_TOKEN_INACTIVE')
  })

  it.each(['jwks', 'metadata', 'keys', 'issuers'])('as a member that is never read: %s', async (member) => {
    const { a, b, verifierOf } = createWorld()
    a.metadata = { ...a.metadata, [member]: { keys: [keyB.jwk], issuer: b.identifier } }
    const verifier = verifierOf([a.identifier, b.identifier])
    await expectRefusal(verifier.verify(a.token({}, {}, keyB)), 'R', 'ERR_SIGNATURE_INVALID')
    await expect(verifier.verify(a.token())).resolves.toBeDefined()
  })
})

describe('opaque tokens', () => {
  const OPAQUE = 'b3BhcXVl-token-0123456789'
  const asking = (when: 'fallback' | 'always' | 'opaque') => ({ when, clientId: 'api', clientSecret: 's' })

  it.each(['fallback', 'always', 'opaque'] as const)(
    'go to the only issuer that can be asked, and to no other (%s)',
    async (when) => {
      const { a, b, c, verifierOf } = createWorld()
      const verifier = verifierOf([
        a.identifier,
        { issuer: b.identifier, introspection: asking(when) },
        c.identifier,
      ])
      await expect(verifier.verify(OPAQUE)).resolves.toMatchObject({
        issuer: b.identifier,
        verifiedBy: 'introspection',
      })
      expect([a.calls, c.calls]).toEqual([[], []])
      expect(b.calls.filter(({ body }) => body?.includes(OPAQUE))).toHaveLength(1)
    },
  )

  it.each(['fallback', 'always'] as const)(
    'go to the one that says "opaque" where others say "%s"',
    async (when) => {
      const { a, b, verifierOf } = createWorld()
      const verifier = verifierOf([
        { issuer: a.identifier, introspection: asking(when) },
        { issuer: b.identifier, introspection: asking('opaque') },
      ])
      await expect(verifier.verify(OPAQUE)).resolves.toMatchObject({ issuer: b.identifier })
      expect(a.calls).toEqual([])
    },
  )

  it.each(['fallback', 'always'] as const)('R, without a request, where two say "%s"', async (when) => {
    const { a, b, verifierOf } = createWorld()
    const verifier = verifierOf([
      { issuer: a.identifier, introspection: asking(when) },
      { issuer: b.identifier, introspection: asking('fallback') },
    ])
    await expectRefusal(verifier.verify(OPAQUE), 'R', 'ERR_TOKEN_MALFORMED', [OPAQUE])
    const policy = verifier.verify(OPAQUE, { introspection: 'opaque' })
    await expectRefusal(policy, 'R', 'ERR_TOKEN_MALFORMED', [OPAQUE])
    expect([a.calls, b.calls]).toEqual([[], []])
  })

  it('R, without a request, where no issuer can be asked', async () => {
    const { a, b, verifierOf } = createWorld()
    await expectRefusal(verifierOf([a.identifier, b.identifier]).verify(OPAQUE), 'R', 'ERR_TOKEN_MALFORMED')
    expect([a.calls, b.calls]).toEqual([[], []])
  })

  it('C: two cannot both say "opaque"', () => {
    const { a, b, c, verifierOf } = createWorld()
    const both = (): unknown =>
      verifierOf([
        { issuer: a.identifier, introspection: asking('opaque') },
        b.identifier,
        { issuer: c.identifier, introspection: asking('opaque') },
      ])
    expect(thrownBy(both)).toMatchObject({ code: 'ERR_CONFIGURATION' })
  })

  it('R: what its issuer says is from another issuer', async () => {
    const { a, b, verifierOf } = createWorld()
    const verifier = verifierOf([a.identifier, { issuer: b.identifier, introspection: asking('opaque') }])
    b.introspection = () => ({ active: true, ...goodClaims({ iss: a.identifier }) })
    await expectRefusal(verifier.verify(OPAQUE), 'R', 'ERR_ISSUER_NOT_ALLOWED', [OPAQUE])
  })
})

describe('credentials', () => {
  const secretA = 'secret-of-a-for-no-one-else'
  const secretB = 'secret-of-b-for-no-one-else'

  /** Every way in which a secret could be on the wire. */
  const spellings = (id: string, secret: string) => [
    secret,
    Buffer.from(secret).toString('base64').slice(0, -4),
    Buffer.from(`${id}:${secret}`).toString('base64').slice(0, -4),
  ]

  it.each(['client_secret_basic', 'client_secret_post'] as const)(
    'of one issuer are never sent to another (%s)',
    async (authMethod) => {
      const { a, b, c, verifierOf } = createWorld()
      const verifier = verifierOf([
        {
          issuer: a.identifier,
          introspection: { when: 'always', clientId: 'at-a', clientSecret: secretA, authMethod },
        },
        {
          issuer: b.identifier,
          introspection: { when: 'always', clientId: 'at-b', clientSecret: secretB, authMethod },
        },
        c.identifier,
      ])
      for (const server of [a, b, c]) {
        await verifier.verify(server.token())
        // Of two of them, this is for the issuer to decide.
        await verifier.verify(server.token({}, {}, edwards)).catch(() => undefined)
      }
      const [seenByA, seenByB, seenByC] = [a, b, c].map(({ calls }) => JSON.stringify(calls))
      const ofA = spellings('at-a', secretA)
      const ofB = spellings('at-b', secretB)
      expect(ofA.some((spelling) => seenByA?.includes(spelling))).toBe(true)
      expect(ofB.some((spelling) => seenByB?.includes(spelling))).toBe(true)
      for (const spelling of ofA) expect(seenByB).not.toContain(spelling)
      for (const spelling of ofB) expect(seenByA).not.toContain(spelling)
      for (const spelling of [...ofA, ...ofB]) expect(seenByC).not.toContain(spelling)
      // Nor its tokens.
      expect(seenByA).not.toContain(b.token())
      expect(seenByB).not.toContain(a.token())
    },
  )

  it('a function is asked for each issuer by its own name', async () => {
    const { a, b, verifierOf } = createWorld()
    const asked: unknown[] = []
    const authMethod = (request: { issuer: string; endpoint: string }) => {
      asked.push(request)
      return { headers: { Authorization: `Bearer for-${request.issuer}` } }
    }
    const introspection = { when: 'always', authMethod } as const
    const verifier = verifierOf([
      { issuer: a.identifier, introspection },
      { issuer: b.identifier, introspection },
    ])
    await verifier.verify(a.token())
    await verifier.verify(b.token())
    expect(asked).toEqual(
      [a, b].map(({ identifier: issuer }) => ({ issuer, endpoint: `${issuer}/introspect` })),
    )
    for (const { identifier, calls } of [a, b])
      expect(calls.at(-1)?.headers.authorization).toBe(`Bearer for-${identifier}`)
  })

  describe('of the environment', () => {
    const TELNYX = 'https://api.telnyx.com'

    it('go to Telnyx alone', async () => {
      vi.stubEnv('TELNYX_CLIENT_ID', 'from-env')
      vi.stubEnv('TELNYX_CLIENT_SECRET', secretA)
      const { b, clock, fetch } = createWorld()
      const telnyx = new Server(TELNYX, keyA)
      const verifier = makeVerifier(
        {
          fetch: async (url, init) =>
            url.startsWith(`${TELNYX}/`)
              ? telnyx.answer({ url, headers: init.headers, body: init.body })
              : fetch(url, init),
        },
        {
          issuer: [
            {
              issuer: b.identifier,
              introspection: { when: 'always', clientId: 'at-b', clientSecret: secretB },
            },
            { issuer: TELNYX, introspection: { when: 'always' } },
          ],
        },
        clock,
      )
      await verifier.verify(telnyx.token())
      await verifier.verify(b.token())
      expect(telnyx.calls.at(-1)?.headers.authorization).toBe(basic('from-env', secretA))
      expect(b.calls.at(-1)?.headers.authorization).toBe(basic('at-b', secretB))
      for (const spelling of spellings('from-env', secretA))
        expect(JSON.stringify(b.calls)).not.toContain(spelling)
    })

    it.each([
      ['https://b.example', {}],
      ['https://b.example', { clientId: 'at-b' }],
      ['https://b.example', { clientSecret: 'sb' }],
      [`${TELNYX}/`, {}],
      [`${TELNYX}/v2`, {}],
      ['https://API.telnyx.com', {}],
      ['https://api.telnyx.com.evil.example', {}],
    ])('C: are not those of %s with %j', (issuer, introspection) => {
      vi.stubEnv('TELNYX_CLIENT_ID', 'from-env')
      vi.stubEnv('TELNYX_CLIENT_SECRET', secretA)
      const { verifierOf } = createWorld()
      for (const array of [[TELNYX, { issuer, introspection }], [{ issuer, introspection }]]) {
        const error = thrownBy(() => verifierOf(array))
        expect(error).toMatchObject({ code: 'ERR_CONFIGURATION' })
        expect(error.message).not.toContain(secretA)
      }
      expect(() => verifierOf([{ issuer: TELNYX, introspection: {} }, issuer])).not.toThrow()
    })
  })
})

describe('a policy that demands introspection', () => {
  const introspection = { when: 'opaque', clientId: 'api', clientSecret: 's' } as const

  it('"always" needs it of every issuer', async () => {
    const { a, b, verifierOf } = createWorld()
    const some = verifierOf([{ issuer: a.identifier, introspection }, b.identifier])
    const refused = some.verify(a.token(), { introspection: 'always' })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
    expect([a.calls, b.calls]).toEqual([[], []])
    // Not only of the issuer that the token names.
    expect(thrownBy(() => some.compile({ introspection: 'always' }))).toMatchObject({
      code: 'ERR_CONFIGURATION',
    })
    const all = verifierOf([
      { issuer: a.identifier, introspection },
      { issuer: b.identifier, introspection: { ...introspection, when: 'fallback' } },
    ])
    const policy = { introspection: 'always' } as const
    await expect(all.verify(a.token(), policy)).resolves.toMatchObject({ verifiedBy: 'both' })
    await expect(all.verify(b.token(), policy)).resolves.toMatchObject({ verifiedBy: 'both' })
  })

  it.each(['fallback', 'opaque'] as const)('"%s" needs it of one', async (when) => {
    const { a, b, c, verifierOf } = createWorld()
    const some = verifierOf([{ issuer: a.identifier, introspection }, b.identifier, c.identifier])
    await expect(some.verify(b.token(), { introspection: when })).resolves.toBeDefined()
    const none = verifierOf([a.identifier, b.identifier])
    const refused = none.verify(b.token(), { introspection: when })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
  })

  it('"fallback" asks the issuer that can be asked, and is final with the other', async () => {
    const { a, b, verifierOf } = createWorld()
    const verifier = verifierOf([{ issuer: a.identifier, introspection }, b.identifier])
    const policy = { introspection: 'fallback' } as const
    await expect(verifier.verify(a.token({}, {}, edwards), policy)).resolves.toMatchObject({
      verifiedBy: 'introspection',
      issuer: a.identifier,
    })
    await expectRefusal(verifier.verify(b.token({}, {}, edwards), policy), 'R', 'ERR_KEY_NOT_FOUND')
    expect(b.paths).not.toContain('/introspect')
    expect(JSON.stringify(a.calls)).not.toContain(b.token({}, {}, edwards))
  })
})

describe('P1: the metadata of the protected resource', () => {
  it('name all issuers, in order', () => {
    const { a, b, c, verifierOf } = createWorld()
    const verifier = verifierOf([c.identifier, a.identifier, { issuer: b.identifier, profile: 'rfc9068' }])
    expect(verifier.protectedResourceMetadata()?.document).toMatchObject({
      resource: AUDIENCE,
      authorization_servers: [c.identifier, a.identifier, b.identifier],
    })
  })

  it('need to be told which resource where the audiences differ', () => {
    const { a, b, verifierOf } = createWorld()
    const issuer = [a.identifier, { issuer: b.identifier, audience: 'https://other.example' }]
    expect(verifierOf(issuer).protectedResourceMetadata()).toBeUndefined()
    expect(thrownBy(() => verifierOf(issuer, { protectedResource: {} }))).toMatchObject({
      code: 'ERR_CONFIGURATION',
    })
    const told = verifierOf(issuer, { protectedResource: { resource: AUDIENCE } })
    expect(told.protectedResourceMetadata()?.document.authorization_servers).toEqual([
      a.identifier,
      b.identifier,
    ])
  })
})

describe('health() and preload()', () => {
  it('are about all issuers, and of the first in front', async () => {
    const { a, b, clock, verifierOf } = createWorld()
    b.keys = [keyB.jwk, edwards.jwk]
    const verifier = verifierOf([a.identifier, b.identifier])
    expect(verifier.health()).toMatchObject({
      issuer: a.identifier,
      ready: false,
      issuers: [
        { issuer: a.identifier, ready: false, keyIds: [] },
        { issuer: b.identifier, ready: false, keyIds: [] },
      ],
    })
    await verifier.verify(a.token())
    // The first one is; all are not.
    expect(verifier.health()).toMatchObject({
      ready: false,
      keyIds: ['same'],
      issuers: [{ ready: true }, { ready: false }],
    })
    clock.advance(1)
    await verifier.verify(b.token())
    expect(verifier.health()).toMatchObject({
      ready: true,
      keysAgeSeconds: 1,
      issuers: [
        { ready: true, keysAgeSeconds: 1, keyIds: ['same'] },
        { ready: true, keysAgeSeconds: 0, keyIds: ['same', 'edwards'] },
      ],
    })
    expect(verifier.health().issuers[0]).not.toHaveProperty('issuers')
  })

  it('load all', async () => {
    const { a, b, c, verifierOf } = createWorld()
    const verifier = verifierOf([a.identifier, b.identifier, c.identifier])
    await verifier.preload()
    expect([a.paths, b.paths, c.paths]).toEqual([FIRST_LOAD, FIRST_LOAD, FIRST_LOAD])
    expect(verifier.health().ready).toBe(true)
    await Promise.all([a, b, c].map((server) => verifier.verify(server.token())))
    expect([a, b, c].flatMap(({ calls }) => calls)).toHaveLength(6)
  })

  it.each([0, 1, 2])('reject when one is down, and the others are loaded (%i)', async (index) => {
    const { a, b, c, verifierOf } = createWorld()
    const all = [a, b, c]
    const down = all[index] ?? expect.fail()
    down.fault = async () => new Response(null, { status: 500 })
    const verifier = verifierOf(all.map(({ identifier }) => identifier))
    await expect(verifier.preload()).rejects.toBeInstanceOf(UnavailableError)
    expect(verifier.health().ready).toBe(false)
    for (const server of all)
      if (server === down) await expectRefusal(verifier.verify(server.token()), 'U', 'ERR_DISCOVERY_FAILED')
      else {
        expect(server.paths).toEqual(FIRST_LOAD)
        await expect(verifier.verify(server.token())).resolves.toBeDefined()
      }
  })

  it('reject only when the others, however slow, have had their chance', async () => {
    const { a, b, verifierOf } = createWorld()
    a.fault = () => Promise.reject(new TypeError('fetch failed'))
    const answer = b.answer.bind(b)
    b.answer = async (call) => {
      await settle()
      return answer(call)
    }
    const verifier = verifierOf([a.identifier, b.identifier])
    await expect(verifier.preload()).rejects.toBeInstanceOf(UnavailableError)
    expect(verifier.health().issuers).toMatchObject([{ ready: false }, { ready: true, keyIds: ['same'] }])
  })

  it('reject once when all are down, and nothing is left unhandled', async () => {
    const { a, b, c, verifierOf } = createWorld()
    const all = [a, b, c]
    for (const server of all) server.fault = async () => new Response(null, { status: 500 })
    const verifier = verifierOf(all.map(({ identifier }) => identifier))
    await expect(verifier.preload()).rejects.toBeInstanceOf(UnavailableError)
    await settle()
  })
})

/** How many calls of functions of core some work makes: how long it takes depends on what else the machine does. */
async function callsIn(work: () => unknown): Promise<number> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  work()
  const { result } = await session.post('Profiler.takePreciseCoverage')
  session.disconnect()
  const functions = result.flatMap(({ url, functions }) =>
    url.includes('/packages/core/src/') ? functions : [],
  )
  return functions.reduce((calls, { ranges }) => calls + (ranges[0]?.count ?? 0), 0)
}

describe('a thousand issuers', () => {
  const COUNT = 1000
  /** A thousand requests at once take long on a busy machine, and no test here is about time. */
  const timeoutMs = 60_000
  const names = Array.from({ length: COUNT }, (_, index) => `https://issuer-${index}.example`)

  function createMany() {
    const servers = new Map(names.map((name) => [name, new Server(name, keyA)]))
    const urls: string[] = []
    const fetch: FetchFunction = async (url, { headers, body }) => {
      urls.push(url)
      const server = servers.get(new URL(url).origin) ?? expect.fail(url)
      return server.answer({ url, headers, body })
    }
    return { servers, urls, fetch }
  }

  it('cost no more each than few do, and no request', async () => {
    const { urls, fetch } = createMany()
    const calls = (count: number) => callsIn(() => makeVerifier({ fetch }, { issuer: names.slice(0, count) }))
    const few = await calls(COUNT / 10)
    expect(few).toBeGreaterThan(COUNT)
    // Work for each two of them would be a hundred times as much.
    expect(await calls(COUNT)).toBeLessThan(11 * few)
    await settle()
    expect(urls).toEqual([])
  })

  it('a token asks only its own', async () => {
    const { servers, urls, fetch } = createMany()
    const verifier = makeVerifier({ fetch }, { issuer: names, timeoutMs })
    await settle()
    expect(urls).toEqual([])
    const last = servers.get(names.at(-1) ?? '') ?? expect.fail()
    for (let n = 0; n < 3; n++)
      await expect(verifier.verify(last.token({ jti: `${n}` }))).resolves.toMatchObject({
        issuer: last.identifier,
      })
    expect(urls.map((url) => new URL(url).origin)).toEqual([last.identifier, last.identifier])
    await expectRefusal(
      verifier.verify(last.token({ iss: 'https://no.example' })),
      'R',
      'ERR_ISSUER_NOT_ALLOWED',
    )
    expect(urls).toHaveLength(2)
    expect(verifier.health().issuers).toHaveLength(COUNT)
  })

  it('cost no more per token than one: nothing is looked at more often', async () => {
    const { servers, fetch } = createMany()
    const introspection = { when: 'opaque', clientId: 'api', clientSecret: 's' } as const
    const cost = async (before: string[]) => {
      const clock = new TestClock()
      const last = servers.get(names.at(-1) ?? '') ?? expect.fail()
      const issuer = [...before, { issuer: last.identifier, introspection }]
      const verifier = makeVerifier({ fetch }, { issuer, timeoutMs }, clock)
      await verifier.preload()
      const spies = [
        vi.spyOn(clock, 'monotonic'),
        vi.spyOn(clock, 'now'),
        vi.spyOn(TrustedIssuer.prototype, 'introspectionWhen', 'get'),
      ]
      await verifier.verify(last.token())
      await verifier.verify(last.token(), { introspection: 'fallback' })
      await verifier.verify('opaque-token-of-a-user')
      await rejectionOf(verifier.verify(last.token({ iss: 'https://no.example' })))
      return spies.map(({ mock }) => mock.calls.length)
    }
    const one = await cost([])
    expect(one.every((count) => count > 0)).toBe(true)
    vi.restoreAllMocks()
    expect(await cost(names.slice(0, -1))).toEqual(one)
  })

  it('where one alone can introspect, opaque tokens are its own', async () => {
    const { servers, urls, fetch } = createMany()
    const chosen = names[500] ?? expect.fail()
    const introspection = { when: 'opaque', clientId: 'api', clientSecret: 's' } as const
    const issuer = names.map((name) => (name === chosen ? { issuer: name, introspection } : name))
    const verifier = makeVerifier({ fetch }, { issuer, timeoutMs })
    await expect(verifier.verify('opaque-token-of-a-user')).resolves.toMatchObject({ issuer: chosen })
    expect(new Set(urls.map((url) => new URL(url).origin))).toEqual(new Set([chosen]))
    expect(servers.get(chosen)?.paths.at(-1)).toBe('/introspect')
  })
})

describe('the array is copied', () => {
  it('what is changed later changes nothing', async () => {
    const { a, b, verifierOf } = createWorld()
    const entry = { issuer: a.identifier, audience: ['urn:a'], algorithms: ['ES256' as const] }
    const issuer: (string | typeof entry)[] = [entry]
    const verifier = verifierOf(issuer)
    entry.audience.push(AUDIENCE)
    entry.issuer = b.identifier
    issuer.push(b.identifier)
    await expectRefusal(verifier.verify(b.token()), 'R', 'ERR_ISSUER_NOT_ALLOWED')
    await expectRefusal(verifier.verify(a.token()), 'R', 'ERR_AUDIENCE_NOT_ALLOWED')
    await expect(verifier.verify(a.token({ aud: 'urn:a' }))).resolves.toBeDefined()
  })

  it('C: the same issuer twice, however it is said', () => {
    const { a, b } = createWorld()
    for (const issuer of [
      [a.identifier, a.identifier],
      [a.identifier, b.identifier, { issuer: a.identifier }],
      [
        { issuer: a.identifier, audience: 'urn:1' },
        { issuer: a.identifier, audience: 'urn:2' },
      ],
    ])
      expect(thrownBy(() => makeUncheckedVerifier({ issuer, audience: AUDIENCE }))).toMatchObject({
        code: 'ERR_CONFIGURATION',
      })
  })
})
