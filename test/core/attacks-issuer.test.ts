import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { type FetchFunction, toResponse, UnavailableError } from '@telnyx-auth/core'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { settle } from '../support/event-loop.js'
import {
  encode,
  expectRefusal,
  ForgedIssuer,
  type ForgeKey,
  goodClaims,
  goodHeader,
  goodToken,
  ISSUER,
  JWKS_URL,
  METADATA_URL,
  makeKey,
  makeVerifier,
  privateJwk,
  rejectionOf,
  TestClock,
} from '../support/forge.js'
import { stopTimers, untilTimeout } from '../support/outcome.js'

/** Attacks 35–39: what the issuer, or an attacker who answers in its place, can do. */

const key = makeKey('ES256', 'good')
const next = makeKey('ES256', 'next')
const ec = makeKey('ES256', 'ec')
const token = goodToken(key)

/** Longer than any test may take: a request that waits for the issuer hangs, which the test notices. */
const FOREVER = { timeoutMs: 600_000 }

const silence = (_: string, signal: AbortSignal): Promise<Response> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

/** A body that comes in pieces; `count` of them, or without end. */
function bodyOf(piece: () => Uint8Array | Promise<Uint8Array>, count = Infinity): ReadableStream<Uint8Array> {
  let sent = 0
  return new ReadableStream(
    {
      async pull(controller) {
        if (sent++ < count) controller.enqueue(await piece())
        else controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}

const metadataWith = (members: object) => () =>
  Response.json({ issuer: ISSUER, jwks_uri: JWKS_URL, ...members })

describe('attack 35, D1, D2, D3: metadata', () => {
  it('A: the right one, with unknown members', async () => {
    const issuer = new ForgedIssuer(key)
    issuer.metadata = metadataWith({ unknown: [1], signed_metadata: 'x.y.z', jwks: { keys: [] } })
    await expect(makeVerifier(issuer).verify(token)).resolves.toBeDefined()
    expect(issuer.urls).toEqual([METADATA_URL, JWKS_URL])
  })

  const issuers: unknown[] = [
    undefined,
    null,
    5,
    '',
    [ISSUER],
    { issuer: ISSUER },
    `${ISSUER}/`,
    `${ISSUER} `,
    ` ${ISSUER}`,
    `${ISSUER}\n`,
    `${ISSUER}:443`,
    `${ISSUER}\0`,
    ISSUER.slice(0, -1),
    `${ISSUER}x`,
    ISSUER.toUpperCase(),
    ISSUER.replace('https', 'http'),
    ISSUER.replace('issuer', 'Issuer'),
    ISSUER.replace('issuer', '%69ssuer'),
    ISSUER.replace('i', '\u0456'),
    'https://evil.example',
    ...[...ISSUER].map(
      (character, index) =>
        `${ISSUER.slice(0, index)}${String.fromCodePoint((character.codePointAt(0) ?? 0) ^ 1)}${ISSUER.slice(index + 1)}`,
    ),
  ]
  it.each(issuers.map((value) => ({ value })))('U: issuer $value', async ({ value }) => {
    const issuer = new ForgedIssuer(key)
    issuer.metadata = metadataWith({ issuer: value })
    await expectRefusal(makeVerifier(issuer).verify(token), 'U', 'ERR_DISCOVERY_FAILED', [token])
    // Nothing in it is used.
    expect(issuer.urls).toEqual([METADATA_URL])
  })

  const uris: unknown[] = [
    undefined,
    null,
    5,
    '',
    [],
    [JWKS_URL],
    {},
    'jwks',
    '/jwks',
    '//issuer.example/jwks',
    'http://issuer.example/jwks',
    'HTTP://issuer.example/jwks',
    'http://localhost.evil.example/jwks',
    'http://127.0.0.1.evil.example/jwks',
    'http://[::2]/jwks',
    'http://0.0.0.0/jwks',
    'http://169.254.169.254/latest/meta-data',
    'http://10.0.0.1/jwks',
    'ftp://issuer.example/jwks',
    'file:///etc/passwd',
    'data:application/json,{"keys":[]}',
    'blob:https://issuer.example/x',
    'javascript:alert(1)',
    'ws://issuer.example/jwks',
    'unix:/var/run/docker.sock',
    'https://user:pass@issuer.example/jwks',
    'https://user@issuer.example/jwks',
    'https://',
    'https://[',
    'https://issuer.example:99999/',
  ]
  it.each(uris.map((value) => ({ value })))('U: jwks_uri $value', async ({ value }) => {
    const issuer = new ForgedIssuer(key)
    issuer.metadata = metadataWith({ jwks_uri: value })
    await expectRefusal(makeVerifier(issuer).verify(token), 'U', 'ERR_DISCOVERY_FAILED', [token])
    expect(issuer.urls).toEqual([METADATA_URL])
  })

  it.each([301, 302, 303, 307, 308, 300, 304])(
    'U: a redirect with %d, of metadata and of keys',
    async (status) => {
      for (const place of ['metadata', 'jwks'] as const) {
        const issuer = new ForgedIssuer(key)
        const response = new Response(null, { status, headers: { location: 'https://evil.example/' } })
        issuer[place] = () => response
        const code = place === 'metadata' ? 'ERR_DISCOVERY_FAILED' : 'ERR_KEYS_UNAVAILABLE'
        await expectRefusal(makeVerifier(issuer).verify(token), 'U', code, [token])
        expect(issuer.urls.filter((url) => url.includes('evil'))).toEqual([])
      }
    },
  )

  it('U: an answer that was redirected, from a fetch that follows all the same', async () => {
    const issuer = new ForgedIssuer(key)
    const { jwks } = issuer
    issuer.jwks = async (url, signal) =>
      Object.defineProperty(await jwks(url, signal), 'redirected', { value: true })
    await expectRefusal(makeVerifier(issuer).verify(token), 'U', 'ERR_KEYS_UNAVAILABLE', [token])
  })

  it('an issuer with a path and a slash at its end (D1)', async () => {
    const identifier = `${ISSUER}/tenant/`
    const urls: string[] = []
    const fetch: FetchFunction = async (url) => {
      urls.push(url)
      return url === JWKS_URL
        ? Response.json({ keys: [key.jwk] })
        : Response.json({ issuer: identifier, jwks_uri: JWKS_URL })
    }
    await expect(
      makeVerifier({ fetch }, { issuer: identifier }).verify(goodToken(key, { iss: identifier })),
    ).resolves.toBeDefined()
    expect(urls).toEqual([`${METADATA_URL}/tenant`, JWKS_URL])
  })
})

/** Ways of not giving a document, for metadata and keys alike. */
const failures: Readonly<Record<string, (url: string, signal: AbortSignal) => Response | Promise<Response>>> =
  {
    'no such host': () =>
      Promise.reject(
        new TypeError('fetch failed', {
          cause: Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' }),
        }),
      ),
    'a refused connection': () => Promise.reject(new TypeError('fetch failed')),
    'a fetch that rejects with nothing': () => Promise.reject(undefined),
    'a fetch that rejects with text': () => Promise.reject('no'),
    silence,
    'silence from a fetch that ignores its signal': () => new Promise<Response>(() => undefined),
    'a body that never comes': () => new Response(new ReadableStream()),
    'a body that stops in the middle': () =>
      new Response(
        new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{"keys":[')) }),
      ),
    'a body that breaks': () =>
      new Response(
        bodyOf(() => {
          throw new Error('ECONNRESET')
        }),
      ),
    'a body that drips for ever': () =>
      new Response(bodyOf(() => new Promise((resolve) => setImmediate(resolve, Buffer.from(' '))))),
    'status 429': () => new Response('{}', { status: 429, headers: { 'retry-after': '3' } }),
    'status 429 until a date': () =>
      new Response('{}', { status: 429, headers: { 'retry-after': 'Wed, 21 Oct 2099 07:28:00 GMT' } }),
    'status 503, absurd': () =>
      new Response('{}', { status: 503, headers: { 'retry-after': '99999999999999999999' } }),
    'status 503, nonsense': () => new Response('{}', { status: 503, headers: { 'retry-after': '-1, soon' } }),
    'status 500 with good content': () =>
      Response.json({ issuer: ISSUER, jwks_uri: JWKS_URL, keys: [key.jwk] }, { status: 500 }),
    'status 201 with good content': () =>
      Response.json({ issuer: ISSUER, jwks_uri: JWKS_URL, keys: [key.jwk] }, { status: 201 }),
    'status 206 with good content': () =>
      Response.json({ issuer: ISSUER, jwks_uri: JWKS_URL, keys: [key.jwk] }, { status: 206 }),
    'status 204': () => new Response(null, { status: 204 }),
    'status 401': () => new Response('{}', { status: 401, headers: { 'www-authenticate': 'Bearer' } }),
    'status 404': () => new Response('Not found', { status: 404 }),
    'an error of fetch, disguised': () => Response.error(),
    'HTML with 200': () =>
      new Response('<!doctype html><title>Login</title>', { headers: { 'content-type': 'text/html' } }),
    'HTML that says it is JSON': () =>
      new Response('<html>', { headers: { 'content-type': 'application/json' } }),
    'nothing with 200': () => new Response(''),
    'no body with 200': () => new Response(null),
    'truncated JSON': () => new Response('{"issuer":"https://issuer.example","jwks_uri":"https://iss'),
    'two documents': () => new Response('{}{}'),
    'invalid UTF-8': () => new Response(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])),
    'UTF-16': () => new Response(Buffer.from('{"keys":[]}', 'utf16le')),
    'deep nesting': () => new Response('['.repeat(200_000)),
    'deep nesting, closed': () => new Response(`${'['.repeat(100_000)}${']'.repeat(100_000)}`),
    null: () => Response.json(null),
    'a number': () => Response.json(5),
    'a string': () => Response.json('x'),
    'an array': () => Response.json([]),
    'an array of keys': () => Response.json([key.jwk]),
    'an empty object': () => Response.json({}),
    '300 MB': () => new Response(bodyOf(() => new Uint8Array(1 << 20).fill(0x20), 300)),
    'a length of 300 MB': () => new Response('{}', { headers: { 'content-length': String(300 << 20) } }),
  }

const keyFailures: typeof failures = {
  ...failures,
  '{keys:[]}': () => Response.json({ keys: [] }),
  '{keys:null}': () => Response.json({ keys: null }),
  '{keys:{}}': () => Response.json({ keys: { 0: key.jwk, length: 1 } }),
  '{keys:"…"}': () => Response.json({ keys: JSON.stringify([key.jwk]) }),
  '{keys:[[…]]}': () => Response.json({ keys: [[key.jwk]] }),
  '{Keys:[…]}': () => Response.json({ Keys: [key.jwk] }),
  'a single key': () => Response.json(key.jwk),
  'an X.509 map': () => Response.json({ good: '-----BEGIN CERTIFICATE-----' }),
}

const faultCases = [
  ...Object.keys(failures).map((what) => ({
    place: 'metadata' as const,
    what,
    code: 'ERR_DISCOVERY_FAILED' as const,
  })),
  ...Object.keys(keyFailures).map((what) => ({
    place: 'jwks' as const,
    what,
    code: 'ERR_KEYS_UNAVAILABLE' as const,
  })),
]

describe('attacks 37 and 38, D4: an issuer that does not give what it should', () => {
  it.each(faultCases)('U without keys: $place, $what', async ({ place, what, code }) => {
    const issuer = new ForgedIssuer(key)
    issuer[place] = keyFailures[what] ?? expect.fail(what)
    const refusal = untilTimeout(() => makeVerifier(issuer).verify(token))
    await expectRefusal(refusal, 'U', code, [token])
  })

  // The set is old enough to be refreshed in the background, and young enough to be used.
  it.each(faultCases)('nothing noticed with keys: $place, $what', async ({ place, what }) => {
    const issuer = new ForgedIssuer(key)
    const clock = new TestClock()
    const verifier = makeVerifier(issuer, {}, clock)
    await verifier.verify(token)
    const { metadata, jwks } = issuer
    issuer[place] = keyFailures[what] ?? expect.fail(what)
    // Metadata are fresh for an hour, keys for five minutes.
    clock.advance(place === 'metadata' ? 3000 : 290)
    await expect(untilTimeout(() => verifier.verify(token))).resolves.toBeDefined()
    await settle()
    clock.advance(290)
    const later = goodToken(key, { exp: clock.now() + 60, iat: clock.now() })
    await expect(untilTimeout(() => verifier.verify(later))).resolves.toBeDefined()
    await settle()

    // And the issuer is believed again when it is well.
    Object.assign(issuer, { metadata, jwks })
    issuer.publish(key.jwk, next.jwk)
    // The longest pause: four minutes, where the issuer asks for more.
    clock.advance(240)
    await expect(verifier.verify(goodToken(next, { exp: clock.now() + 60 }))).resolves.toBeDefined()
  })

  it('U, and never 401, without keys; the caller is told when to come again', async () => {
    const issuer = new ForgedIssuer(key)
    issuer.metadata = () => Response.json({}, { status: 503 })
    const verifier = makeVerifier(issuer)
    for (const each of [token, goodToken(next), goodToken(key, {}, { kid: undefined })]) {
      const error = await rejectionOf(verifier.verify(each))
      expect(error).toBeInstanceOf(UnavailableError)
      const { status, headers } = toResponse(error)
      expect(status).toBe(503)
      expect(headers['Retry-After']).toMatch(/^[1-9]\d*$/)
      expect(headers['WWW-Authenticate']).toBeUndefined()
    }
    // One failure, and one more to be sure, answered all three.
    expect(issuer.urls).toEqual([METADATA_URL, METADATA_URL])
  })

  it('R, and not U, for tokens that are bad by themselves; the issuer is not asked', async () => {
    const issuer = new ForgedIssuer(key)
    issuer.metadata = silence
    const verifier = makeVerifier(issuer, FOREVER)
    await expectRefusal(verifier.verify('x'), 'R', 'ERR_TOKEN_MALFORMED')
    await expectRefusal(verifier.verify(goodToken(key, { exp: 1 })), 'R', 'ERR_TOKEN_EXPIRED')
    await expectRefusal(verifier.verify(goodToken(key, { aud: 'x' })), 'R', 'ERR_AUDIENCE_NOT_ALLOWED')
    await expectRefusal(
      verifier.verify(goodToken(key, { iss: 'https://evil.example' })),
      'R',
      'ERR_ISSUER_NOT_ALLOWED',
    )
    await expectRefusal(
      verifier.verify(goodToken(key, {}, { alg: 'none' })),
      'R',
      'ERR_ALGORITHM_NOT_ALLOWED',
    )
    expect(issuer.urls).toEqual([])
  })

  it('works again once the issuer does', async () => {
    const issuer = new ForgedIssuer(key)
    const clock = new TestClock()
    const { jwks } = issuer
    issuer.jwks = () => Response.json({ keys: [] })
    const verifier = makeVerifier(issuer, {}, clock)
    await expectRefusal(verifier.verify(token), 'U', 'ERR_KEYS_UNAVAILABLE')
    issuer.jwks = jwks
    clock.advance(60)
    await expect(verifier.verify(token)).resolves.toBeDefined()
  })

  it('asks once for any number of requests while the issuer is down', async () => {
    const issuer = new ForgedIssuer(key)
    issuer.jwks = () => new Response(null, { status: 500 })
    const verifier = makeVerifier(issuer)
    const outcomes = await Promise.allSettled(Array.from({ length: 500 }, () => verifier.verify(token)))
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
    await expectRefusal(verifier.verify(token), 'U', 'ERR_KEYS_UNAVAILABLE')
    // And once more, to be sure.
    expect(issuer.keyRequests).toBe(2)
  })

  it('cached keys work through an outage of a day, and not for ever', async () => {
    const issuer = new ForgedIssuer(key)
    const clock = new TestClock()
    const verifier = makeVerifier(issuer, {}, clock)
    const fresh = () => goodToken(key, { iat: clock.now(), exp: clock.now() + 60 })
    await verifier.verify(fresh())
    issuer.jwks = () => new Response(null, { status: 500 })
    issuer.metadata = () => new Response(null, { status: 500 })
    for (let hour = 0; hour < 24; hour++) {
      await expect(verifier.verify(fresh())).resolves.toBeDefined()
      clock.advance(3600)
    }
    clock.advance(3600)
    const response = await expectRefusal(verifier.verify(fresh()), 'U', [
      'ERR_KEYS_UNAVAILABLE',
      'ERR_DISCOVERY_FAILED',
    ])
    expect(response.status).toBe(503)
  })

  it('while there are cached keys, one request waits for a silent issuer, and no request after it', async () => {
    const issuer = new ForgedIssuer(key)
    const clock = new TestClock()
    const verifier = makeVerifier(issuer, {}, clock)
    await verifier.verify(token)
    issuer.jwks = silence
    // Past the lifetime of five minutes, without a request in the meantime.
    clock.advance(400)
    await untilTimeout(() => verifier.verify(token))

    stopTimers()
    clock.advance(30)
    const asked = new Promise<void>((resolve) => {
      issuer.jwks = (url, signal) => {
        resolve()
        return silence(url, signal)
      }
    })
    // Far more work than one more verification, on the same threads: a request that has not ended then is waiting.
    const reference = makeVerifier(new ForgedIssuer(key))
    const waiting = asked.then(async () => {
      for (let round = 0; round < 100; round++) await reference.verify(token)
      return 'waiting for the issuer'
    })
    const served = verifier.verify(token).then(() => 'served')
    await expect(Promise.race([served, waiting])).resolves.toBe('served')
  })

  it('what a failure shows holds nothing of the body and nothing of the token', async () => {
    const secret = 'S3CRET-OF-THE-BODY'
    for (const body of [`{"${secret}`, `<html>${secret}`, `{"issuer":"${secret}","jwks_uri":"${secret}"}`]) {
      const issuer = new ForgedIssuer(key)
      issuer.metadata = () => new Response(body)
      const error = await rejectionOf(makeVerifier(issuer).verify(token))
      expect(inspect(error, { depth: Infinity, showHidden: true, getters: true })).not.toContain(secret)
      await expectRefusal(Promise.reject(error), 'U', 'ERR_DISCOVERY_FAILED', [token])
    }
  })

  it('stops reading a body when the time is over, with a fetch that ignores its signal', async () => {
    const issuer = new ForgedIssuer(key)
    let isCancelled = false
    const cancel = () => {
      isCancelled = true
    }
    issuer.jwks = () => new Response(new ReadableStream({ cancel }))
    const refusal = untilTimeout(() => makeVerifier(issuer).verify(token))
    await expectRefusal(refusal, 'U', 'ERR_KEYS_UNAVAILABLE')
    await settle()
    expect(isCancelled).toBe(true)
  })

  it('is not kept busy by a body of empty pieces', async () => {
    const issuer = new ForgedIssuer(key)
    let pieces = 0
    issuer.jwks = () =>
      new Response(
        bodyOf(() => {
          // A bound, so that this test ends where the library does not end it.
          if (++pieces > 10_000_000) throw new Error('Still reading')
          return new Uint8Array(0)
        }),
      )
    // No timer fires while the pieces come: this is real time.
    const refusal = makeVerifier(issuer, { timeoutMs: 200 }).verify(token)
    await expectRefusal(refusal, 'U', 'ERR_KEYS_UNAVAILABLE')
    expect(pieces).toBeLessThan(10_000_000)
  })

  it('reads no more of a large body than is allowed', async () => {
    const issuer = new ForgedIssuer(key)
    let sent = 0
    issuer.jwks = () =>
      new Response(
        bodyOf(() => {
          sent += 1 << 16
          return new Uint8Array(1 << 16).fill(0x20)
        }),
      )
    await expectRefusal(makeVerifier(issuer, FOREVER).verify(token), 'U', 'ERR_KEYS_UNAVAILABLE')
    expect(sent).toBeLessThanOrEqual(262_144 + 2 * (1 << 16))
  })

  it('A: a body of exactly the allowed size, and no byte more', async () => {
    const text = JSON.stringify({ keys: [key.jwk] })
    for (const [size, fits] of [
      [text.length, true],
      [text.length - 1, false],
    ] as const) {
      const issuer = new ForgedIssuer(key)
      issuer.jwks = () => new Response(bodyOf(() => Buffer.from(text), 1))
      issuer.metadata = metadataWith({})
      const verifier = makeVerifier(issuer, { maxResponseBytes: size })
      if (fits) await expect(verifier.verify(token)).resolves.toBeDefined()
      else await expectRefusal(verifier.verify(token), 'U', 'ERR_KEYS_UNAVAILABLE')
    }
  })
})

describe('attack 37 over a socket, with the fetch of Node', () => {
  let listener: RequestListener = (_, response) => response.end()
  let base = ''
  let server = createServer()
  const paths: string[] = []

  beforeEach(async () => {
    paths.length = 0
    server = createServer((request, response) => {
      paths.push(request.url ?? '')
      if (request.url === '/.well-known/oauth-authorization-server')
        response.end(JSON.stringify({ issuer: base, jwks_uri: `${base}/jwks` }))
      else listener(request, response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    base = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : ''}`
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  const verifierHere = (timeoutMs: number) =>
    makeVerifier({ fetch: (url, init) => globalThis.fetch(url, init) }, { issuer: base, timeoutMs })
  const tokenHere = () => goodToken(key, { iss: base })

  it('A: plain and packed', async () => {
    const body = JSON.stringify({ keys: [key.jwk] })
    listener = (_, response) => response.end(body)
    await expect(verifierHere(5000).verify(tokenHere())).resolves.toBeDefined()
    listener = (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(body))
    await expect(verifierHere(5000).verify(tokenHere())).resolves.toBeDefined()
  })

  it('U: a gzip bomb, cut early', async () => {
    const bomb = gzipSync(Buffer.alloc(64 << 20, ' '))
    listener = (_, response) => response.setHeader('content-encoding', 'gzip').end(bomb)
    const error = await rejectionOf(verifierHere(5000).verify(tokenHere()))
    expect(error.cause).toMatchObject({ reason: 'too-large' })
    await expectRefusal(Promise.reject(error), 'U', 'ERR_KEYS_UNAVAILABLE')
  })

  it('U: packed nonsense', async () => {
    listener = (_, response) => response.setHeader('content-encoding', 'gzip').end('not packed at all')
    await expectRefusal(verifierHere(5000).verify(tokenHere()), 'U', 'ERR_KEYS_UNAVAILABLE')
  })

  it.each([301, 302, 303, 307, 308])('U: a redirect with %d is not followed', async (status) => {
    listener = (request, response) =>
      request.url === '/jwks'
        ? response.writeHead(status, { location: '/elsewhere' }).end()
        : response.end(JSON.stringify({ keys: [key.jwk] }))
    await expectRefusal(verifierHere(5000).verify(tokenHere()), 'U', 'ERR_KEYS_UNAVAILABLE')
    expect(paths).not.toContain('/elsewhere')
  })

  it.each([
    ['silence', () => undefined],
    ['headers, then silence', (_: unknown, response) => response.writeHead(200).flushHeaders()],
    ['half a body', (_: unknown, response) => response.write('{"keys":[')],
    ['a broken connection', (request) => request.socket.destroy()],
    [
      'a body that breaks',
      (_: unknown, response) =>
        response.writeHead(200, { 'content-length': '100' }).write('{', () => response.destroy()),
    ],
  ] satisfies [string, RequestListener][])('U: %s', async (_, behaviour) => {
    listener = behaviour
    await expectRefusal(verifierHere(50).verify(tokenHere()), 'U', [
      'ERR_KEYS_UNAVAILABLE',
      'ERR_DISCOVERY_FAILED',
    ])
  })

  it('U: refused', async () => {
    const verifier = verifierHere(5000)
    const refused = tokenHere()
    server.close()
    await once(server, 'close')
    await expectRefusal(verifier.verify(refused), 'U', 'ERR_DISCOVERY_FAILED', [refused])
  })
})

describe('attack 38, J1: keys that must not be used, one by one', () => {
  const small = makeKey('RS256', 'bad', { modulusLength: 1024 })
  const nearly = makeKey('RS256', 'bad', { modulusLength: 2040 })
  const bad = makeKey('RS256', 'bad')
  const { n, e, kty } = { ...bad.jwk }
  const badEc = makeKey('ES256', 'bad')
  const badEd = makeKey('EdDSA', 'bad')
  const { alg: _alg, ...badWithoutAlg } = { ...bad.jwk }

  const members: Readonly<Record<string, { jwk: unknown; signer?: ForgeKey }>> = {
    null: { jwk: null },
    'a string': { jwk: 'key' },
    'a number': { jwk: 5 },
    'an array': { jwk: [bad.jwk] },
    nothing: { jwk: {} },
    'no kty': { jwk: { ...bad.jwk, kty: undefined } },
    'kty null': { jwk: { ...bad.jwk, kty: null } },
    'kty in lower case': { jwk: { ...bad.jwk, kty: 'rsa' } },
    'kty unknown': { jwk: { ...bad.jwk, kty: 'ML-DSA' } },
    'kty __proto__': { jwk: { ...bad.jwk, kty: '__proto__' } },
    'kty an array': { jwk: { ...bad.jwk, kty: ['RSA'] } },
    'RSA of 1024 bits': { jwk: small.jwk, signer: small },
    'RSA of 2040 bits': { jwk: nearly.jwk, signer: nearly },
    'RSA of 1024 bits, made longer by zeros': {
      jwk: {
        ...small.jwk,
        n: Buffer.concat([Buffer.alloc(256), Buffer.from(String(small.jwk.n), 'base64url')]).toString(
          'base64url',
        ),
      },
      signer: small,
    },
    'RSA without n': { jwk: { ...bad.jwk, n: undefined } },
    'RSA without e': { jwk: { ...bad.jwk, e: undefined } },
    'RSA with n empty': { jwk: { ...bad.jwk, n: '' } },
    'RSA with n of zeros': { jwk: { ...bad.jwk, n: Buffer.alloc(256).toString('base64url') } },
    'RSA with n a number': { jwk: { ...bad.jwk, n: 5 } },
    'RSA with n an array': { jwk: { ...bad.jwk, n: [bad.jwk.n] } },
    'RSA with e 0': { jwk: { ...bad.jwk, e: 'AA' } },
    'RSA with e 1': { jwk: { ...bad.jwk, e: 'AQ' } },
    'RSA with e 1, made longer by zeros': { jwk: { ...bad.jwk, e: 'AAAAAQ' } },
    'RSA with e 2': { jwk: { ...bad.jwk, e: 'Ag' } },
    'RSA with e even': { jwk: { ...bad.jwk, e: 'AQAA' } },
    'RSA with e empty': { jwk: { ...bad.jwk, e: '' } },
    'RSA with e a number': { jwk: { ...bad.jwk, e: 65537 } },
    'its private half': { jwk: { ...bad.jwk, ...privateJwk(bad) } },
    'one private member': { jwk: { ...bad.jwk, d: 'AQ' } },
    'one private member, null': { jwk: { ...bad.jwk, d: null } },
    'a prime': { jwk: { ...bad.jwk, p: privateJwk(bad).p } },
    oth: { jwk: { ...bad.jwk, oth: [] } },
    'the private half of an EC key': { jwk: { ...badEc.jwk, ...privateJwk(badEc) }, signer: badEc },
    'the private half of an Ed25519 key': { jwk: { ...badEd.jwk, ...privateJwk(badEd) }, signer: badEd },
    'a symmetric key': { jwk: { kty: 'oct', k: encode('secret'), kid: 'bad', alg: 'HS256' } },
    'a symmetric key for RS256': { jwk: { kty: 'oct', k: encode('secret'), kid: 'bad', alg: 'RS256' } },
    'a symmetric member': { jwk: { ...bad.jwk, k: encode('secret') } },
    'use enc': { jwk: { ...bad.jwk, use: 'enc' } },
    'use null': { jwk: { ...bad.jwk, use: null } },
    'use an array': { jwk: { ...bad.jwk, use: ['sig'] } },
    'use SIG': { jwk: { ...bad.jwk, use: 'SIG' } },
    'key_ops without verify': { jwk: { ...bad.jwk, key_ops: ['sign', 'encrypt'] } },
    'key_ops empty': { jwk: { ...bad.jwk, key_ops: [] } },
    'key_ops a string': { jwk: { ...bad.jwk, key_ops: 'verify' } },
    'key_ops null': { jwk: { ...bad.jwk, key_ops: null } },
    'alg of another type': { jwk: { ...bad.jwk, alg: 'ES256' } },
    'alg for encryption': { jwk: { ...bad.jwk, alg: 'RSA-OAEP' } },
    'alg HS256': { jwk: { ...bad.jwk, alg: 'HS256' } },
    'alg none': { jwk: { ...bad.jwk, alg: 'none' } },
    'alg null': { jwk: { ...bad.jwk, alg: null } },
    'alg an array': { jwk: { ...bad.jwk, alg: ['RS256'] } },
    'alg of another curve': { jwk: { ...badEc.jwk, alg: 'ES384' }, signer: badEc },
    'another curve': { jwk: { ...badEc.jwk, crv: 'P-384' }, signer: badEc },
    'an unknown curve': { jwk: { ...badEc.jwk, crv: 'secp256k1', alg: 'ES256K' }, signer: badEc },
    'a point that is not on the curve': { jwk: { ...badEc.jwk, y: badEc.jwk.x }, signer: badEc },
    'a point of zeros': {
      jwk: {
        ...badEc.jwk,
        x: Buffer.alloc(32).toString('base64url'),
        y: Buffer.alloc(32).toString('base64url'),
      },
      signer: badEc,
    },
    'a point cut short': { jwk: { ...badEc.jwk, x: 'AQ' }, signer: badEc },
    'an Ed25519 key cut short': { jwk: { ...badEd.jwk, x: 'AQ' }, signer: badEd },
    'an X25519 key': { jwk: { ...badEd.jwk, crv: 'X25519' }, signer: badEd },
    'a kid that is a number': { jwk: { ...bad.jwk, kid: 5 } },
    'certificates alone': { jwk: { kty: 'RSA', kid: 'bad', x5c: ['AAAA'], alg: 'RS256' } },
    'an address of a key': { jwk: { kty: 'RSA', kid: 'bad', x5u: 'https://evil.example', alg: 'RS256' } },
  }
  const cases = Object.entries(members).map(([what, { jwk, signer = bad }]) => ({ what, jwk, signer }))

  it('A: the members that the bad ones are built from', async () => {
    for (const each of [bad, badEc, badEd]) {
      const issuer = new ForgedIssuer()
      issuer.publish(each.jwk)
      await expect(makeVerifier(issuer).verify(goodToken(each))).resolves.toBeDefined()
    }
    const issuer = new ForgedIssuer()
    issuer.publish({
      ...badWithoutAlg,
      use: undefined,
      key_ops: ['verify'],
      x5c: ['AAAA'],
      x5t: 'A',
      nbf: 1,
      unknown: {},
    })
    await expect(makeVerifier(issuer).verify(goodToken(bad))).resolves.toBeDefined()
    expect([n, e, kty]).toEqual([expect.any(String), 'AQAB', 'RSA'])
  })

  it.each(cases)('beside good ones it spoils nothing and serves nothing: $what', async ({ jwk, signer }) => {
    for (const published of [
      [jwk, key.jwk],
      [key.jwk, jwk],
    ]) {
      const issuer = new ForgedIssuer()
      issuer.publish(...published)
      const verifier = makeVerifier(issuer)
      await expect(verifier.verify(token)).resolves.toBeDefined()
      await expectRefusal(verifier.verify(goodToken(signer)), 'R', 'ERR_KEY_NOT_FOUND')
      await expectRefusal(verifier.verify(goodToken(signer, {}, { kid: undefined })), 'R', [
        'ERR_KEY_NOT_FOUND',
        'ERR_SIGNATURE_INVALID',
      ])
    }
  })

  it.each(cases)('U when it is alone: $what', async ({ jwk, signer }) => {
    const issuer = new ForgedIssuer()
    issuer.publish(jwk)
    await expectRefusal(makeVerifier(issuer).verify(goodToken(signer)), 'U', 'ERR_KEYS_UNAVAILABLE')
  })

  it('a signature that everybody can make, for an exponent of 1', async () => {
    const input = `${encode(goodHeader(bad))}.${encode(goodClaims({ sub: 'root' }))}`
    const digestInfo = Buffer.concat([
      Buffer.from('3031300d060960864801650304020105000420', 'hex'),
      createHash('sha256').update(input).digest(),
    ])
    const padding = Buffer.alloc(256 - 3 - digestInfo.length, 0xff)
    const message = Buffer.concat([Buffer.from([0, 1]), padding, Buffer.from([0]), digestInfo])
    const issuer = new ForgedIssuer()
    issuer.publish({ ...bad.jwk, e: 'AQ' }, key.jwk)
    await expectRefusal(
      makeVerifier(issuer).verify(`${input}.${message.toString('base64url')}`),
      'R',
      'ERR_KEY_NOT_FOUND',
    )
  })

  // A public point whose multiples are few: R = 1, S = 0 fits every second message, or all.
  it.each([
    ['the neutral point', `01${'00'.repeat(31)}`],
    ['a point of order 2', `ec${'ff'.repeat(30)}7f`],
    ['a point of order 4', '00'.repeat(32)],
  ])('signatures that everybody can make, for an Ed25519 key that is %s', async (_, point) => {
    const issuer = new ForgedIssuer()
    const x = Buffer.from(point, 'hex').toString('base64url')
    issuer.publish({ kty: 'OKP', crv: 'Ed25519', x, kid: 'bad', alg: 'EdDSA', use: 'sig' }, key.jwk)
    const verifier = makeVerifier(issuer)
    await expect(verifier.verify(token)).resolves.toBeDefined()
    const signature = Buffer.from(`01${'00'.repeat(63)}`, 'hex').toString('base64url')
    const codes = new Set<string>()
    for (let attempt = 0; attempt < 20; attempt++) {
      const input = `${encode(goodHeader(badEd))}.${encode(goodClaims({ sub: 'root', attempt }))}`
      const forged = verifier.verify(`${input}.${signature}`)
      codes.add(
        await forged.then(
          () => 'accepted',
          () => 'refused',
        ),
      )
    }
    expect(codes).toEqual(new Set(['refused']))
  })

  it('A: every key of a repeated kid is tried', async () => {
    const twins = [makeKey('RS256', 'twin'), makeKey('RS256', 'twin'), makeKey('ES256', 'twin')]
    const verifier = makeVerifier(new ForgedIssuer(...twins))
    for (const twin of twins) await expect(verifier.verify(goodToken(twin))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(goodToken(makeKey('RS256', 'twin'))), 'R', 'ERR_SIGNATURE_INVALID')
  })

  it('a repeated kid, one of them unusable', async () => {
    const twin = makeKey('RS256', 'twin')
    const issuer = new ForgedIssuer()
    issuer.publish({ ...small.jwk, kid: 'twin' }, { kty: 'oct', k: 'AAAA', kid: 'twin' }, twin.jwk)
    await expect(makeVerifier(issuer).verify(goodToken(twin))).resolves.toBeDefined()
  })

  it('a failed refresh leaves the good set as it is', async () => {
    for (const answer of [{ keys: [] }, {}, null, { keys: [small.jwk] }]) {
      const issuer = new ForgedIssuer(key)
      const clock = new TestClock()
      const verifier = makeVerifier(issuer, {}, clock)
      await verifier.verify(token)
      issuer.jwks = () => Response.json(answer)
      for (let minute = 0; minute < 30; minute++) {
        clock.advance(60)
        await expect(verifier.verify(token)).resolves.toBeDefined()
      }
      expect(issuer.keyRequests).toBeGreaterThan(1)
    }
  })

  it('a thousand keys are no burden', async () => {
    const issuer = new ForgedIssuer()
    issuer.publish(...Array.from({ length: 1000 }, (_, index) => ({ ...ec.jwk, kid: `k${index}` })), {
      ...key.jwk,
    })
    await expect(makeVerifier(issuer, { maxResponseBytes: 1 << 20 }).verify(token)).resolves.toBeDefined()
  })
})

describe('attack 39: rotation and floods', () => {
  let clock = new TestClock()
  let issuer = new ForgedIssuer(key)
  let verifier = makeVerifier(issuer, {}, clock)
  beforeEach(async () => {
    clock = new TestClock()
    issuer = new ForgedIssuer(key)
    verifier = makeVerifier(issuer, {}, clock)
    await verifier.verify(token)
  })

  const unknown = () => goodToken(next, {}, { kid: randomBytes(16).toString('hex') })
  const flood = (count: number, make: () => string = unknown) =>
    Promise.all(Array.from({ length: count }, () => rejectionOf(verifier.verify(make()))))

  it('in quiet times one round trip, and no token is rejected', async () => {
    issuer.publish(key.jwk, next.jwk)
    clock.advance(1)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, () => verifier.verify(goodToken(next))),
    )
    expect(outcomes.every(({ status }) => status === 'fulfilled')).toBe(true)
    expect(issuer.keyRequests).toBe(2)
    await expect(verifier.verify(token)).resolves.toBeDefined()
  })

  it('with the mock issuer', async () => {
    const mock = await createMockIssuer({ now: () => clock.now() * 1000 })
    const ofMock = makeVerifier(mock, { issuer: mock.issuer }, clock)
    const before = await mock.issueToken()
    await expect(ofMock.verify(before)).resolves.toBeDefined()
    await mock.rotateKeys()
    await expect(ofMock.verify(await mock.issueToken())).resolves.toBeDefined()
    await expect(ofMock.verify(before)).resolves.toBeDefined()
    await mock.rotateKeys({ keepOld: false })
    await expect(ofMock.verify(await mock.issueToken())).resolves.toBeDefined()
    await expectRefusal(ofMock.verify(before), 'R', 'ERR_KEY_NOT_FOUND', [before])
  })

  it('a key that left the set is refused from then on', async () => {
    issuer.publish(next.jwk)
    await expect(verifier.verify(goodToken(next))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(token), 'R', 'ERR_KEY_NOT_FOUND', [token])
  })

  it('a withdrawn key is noticed without an unknown kid, when the lifetime is over', async () => {
    issuer.publish(next.jwk)
    clock.advance(301)
    await verifier.verify(token).catch(() => undefined)
    // Where the refresh was made in the background, it is over once the new key is known.
    await expect(verifier.verify(goodToken(next))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(token), 'R', 'ERR_KEY_NOT_FOUND', [token])
  })

  it('a flood of unknown kids makes two requests in 30 s, one by one or at once', async () => {
    for (const error of await flood(300))
      expect(error).toMatchObject({ code: 'ERR_KEY_NOT_FOUND', status: 401 })
    for (let index = 0; index < 50; index++) {
      // The first one is looked up in keys that were fetched for it; about the others nothing is decided.
      if (index === 0) await expectRefusal(verifier.verify(unknown()), 'R', 'ERR_KEY_NOT_FOUND')
      else await expectRefusal(verifier.verify(unknown()), 'U', 'ERR_KEYS_UNAVAILABLE')
      clock.advance(0.5)
    }
    expect(issuer.keyRequests).toBe(1 + 2)
    clock.advance(30)
    await flood(50)
    await flood(50)
    await flood(50)
    expect(issuer.keyRequests).toBe(1 + 4)
  })

  it.each([
    ['one kid again and again', () => goodToken(next)],
    ['no kid, and an algorithm that no key serves', () => goodToken(ec, {}, { kid: undefined })],
    [
      'kids that look like keys of the set',
      () => goodToken(next, {}, { kid: `${key.kid}${randomBytes(4).toString('hex')}` }),
    ],
    [
      'every kind',
      () =>
        goodToken(
          ec,
          {},
          { kid: [undefined, 'x', randomBytes(4).toString('hex')][randomBytes(1).readUInt8() % 3] },
        ),
    ],
    ['the kid of another algorithm', () => goodToken(ec, {}, { kid: key.kid })],
    ['bad signatures of a known kid', () => goodToken(next, {}, { kid: key.kid })],
    ['bad signatures without a kid', () => goodToken(next, {}, { kid: undefined })],
  ])('no way around the budget: %s', async (_, make) => {
    for (let round = 0; round < 20; round++) {
      await flood(10, make)
      clock.advance(1)
    }
    expect(issuer.keyRequests).toBeLessThanOrEqual(1 + 2)
    expect(issuer.urls.filter((url) => url === METADATA_URL)).toHaveLength(1)
  })

  it('no way around the budget while the issuer fails', async () => {
    issuer.jwks = () => new Response(null, { status: 500 })
    for (let second = 0; second < 29; second++) {
      await flood(10)
      clock.advance(1)
    }
    expect(issuer.keyRequests).toBeLessThanOrEqual(1 + 2)
  })

  it('a flood never makes a good token wait or fail, though the issuer is silent', async () => {
    stopTimers()
    const patient = makeVerifier(issuer, FOREVER, clock)
    await patient.verify(token)
    issuer.jwks = silence
    const pending = Array.from({ length: 50 }, () => patient.verify(unknown()))
    for (const each of pending) each.catch(() => undefined)
    await expect(patient.verify(token)).resolves.toBeDefined()
  })

  it('a flood during an outage is 503 or 401, and good tokens pass', async () => {
    issuer.jwks = () => new Response(null, { status: 500 })
    for (const error of await flood(50))
      expect(['ERR_KEYS_UNAVAILABLE', 'ERR_KEY_NOT_FOUND']).toContain(error.code)
    await expect(verifier.verify(token)).resolves.toBeDefined()
  })

  it('U, and never 401, for an unknown kid as long as the issuer cannot be asked', async () => {
    issuer.jwks = () => new Response(null, { status: 500 })
    const codes: string[] = []
    for (let second = 0; second < 29; second++) {
      const error = await rejectionOf(verifier.verify(goodToken(next)))
      codes.push(error.code)
      clock.advance(1)
    }
    expect(new Set(codes)).toEqual(new Set(['ERR_KEYS_UNAVAILABLE']))
  })

  it('a rotation during an outage: the new key is not called bad once the issuer is back', async () => {
    issuer.jwks = () => new Response(null, { status: 500 })
    for (const pause of [6, 6]) {
      await expectRefusal(verifier.verify(goodToken(next)), 'U', 'ERR_KEYS_UNAVAILABLE')
      clock.advance(pause)
    }
    issuer.publish(key.jwk, next.jwk)
    const outcome: string = await verifier.verify(goodToken(next)).then(
      () => 'accepted',
      (error: unknown) => (error instanceof UnavailableError ? 'asked to come again' : 'called bad'),
    )
    expect(outcome).not.toBe('called bad')
  })

  it('a rotation during a flood is seen within 30 s', async () => {
    await flood(50)
    await flood(50)
    issuer.publish(key.jwk, next.jwk)
    let seenAfter: number | undefined
    for (let second = 0; second <= 31 && seenAfter === undefined; second++) {
      await flood(5, () => goodToken(ec, {}, { kid: randomBytes(8).toString('hex') }))
      const accepted = await verifier.verify(goodToken(next)).then(
        () => true,
        () => false,
      )
      if (accepted) seenAfter = second
      await expect(verifier.verify(token)).resolves.toBeDefined()
      clock.advance(1)
    }
    expect(seenAfter).toBeLessThanOrEqual(30)
  })

  it('the same kid with new material is taken when the lifetime is over', async () => {
    const renewed = makeKey('ES256', key.kid)
    issuer.publish(renewed.jwk)
    clock.advance(301)
    await verifier.verify(goodToken(renewed)).catch(() => undefined)
    await verifier.verify(unknown()).catch(() => undefined)
    await expect(verifier.verify(goodToken(renewed))).resolves.toBeDefined()
    await expectRefusal(verifier.verify(token), 'R', 'ERR_SIGNATURE_INVALID', [token])
  })

  it.each([0, 250, 301, 4000])('a herd after %d s makes one request', async (seconds) => {
    clock.advance(seconds)
    const asked = issuer.keyRequests
    const fresh = goodToken(key, { iat: clock.now(), exp: clock.now() + 60 })
    await Promise.all(Array.from({ length: 300 }, () => verifier.verify(fresh)))
    // A request with an unknown key joins the refresh in the background.
    await flood(5)
    expect(issuer.keyRequests - asked).toBeLessThanOrEqual(2)
  })

  it('a herd at a cold start makes one request for each document', async () => {
    const cold = new ForgedIssuer(key)
    const coldVerifier = makeVerifier(cold, {}, clock)
    await Promise.all(Array.from({ length: 300 }, () => coldVerifier.verify(token)))
    expect(cold.urls).toEqual([METADATA_URL, JWKS_URL])
  })

  it('a jump of the wall clock changes nothing about the keys', async () => {
    let jump = 0
    const jumping = Object.assign(new TestClock(), { now: () => clock.now() + jump })
    const jumpy = makeVerifier(issuer, { clockToleranceSeconds: 0 }, jumping)
    await jumpy.verify(token)
    const asked = issuer.keyRequests
    for (jump of [-86_400 * 365, 3000, 0]) await jumpy.verify(token).catch(() => undefined)
    expect(issuer.keyRequests).toBe(asked)
  })
})
