import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import {
  type AuthenticatableRequest,
  InsufficientScopeError,
  MissingTokenError,
  TelnyxAuthError,
  toResponse,
} from '@telnyx-auth/core'
import { createAuthenticator } from '@telnyx-auth/core/adapter'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  expectRefusal,
  ForgedIssuer,
  goodToken,
  ISSUER,
  makeKey,
  makeUncheckedVerifier,
  makeVerifier,
  NOW,
  parseChallenge,
  TestClock,
} from '../support/forge.js'

/** Attacks 30–33: how a token arrives. */

const key = makeKey('RS256')
const issuer = new ForgedIssuer(key)
const verifier = makeVerifier(issuer)
const token = goodToken(key)
const other = goodToken(key, { sub: 'user-2' })

type Shape = (authorization: string) => AuthenticatableRequest

/** The same header as each kind of request carries it. */
const shapes: Readonly<Record<string, Shape>> = {
  'a web Request': (authorization) => new Request(AUDIENCE, { headers: { authorization } }),
  'Node headers': (authorization) => ({
    headers: { authorization },
    rawHeaders: ['Authorization', authorization],
  }),
  'Node headers alone': (authorization) => ({ headers: { authorization } }),
  'odd case, as from a serverless platform': (authorization) => ({
    headers: { AuthorizatioN: authorization },
  }),
  'an array of one': (authorization) => ({ headers: { authorization: [authorization] } }),
  'without a prototype': (authorization) => ({
    headers: Object.assign(Object.create(null), { authorization }),
  }),
  'a header named get beside it': (authorization) => ({ headers: { get: 'x', authorization } }),
}
const shapeNames = Object.keys(shapes)
const shaped = (name: string, authorization: string): AuthenticatableRequest =>
  shapes[name]?.(authorization) ?? expect.fail(name)

const across = <T>(cases: readonly T[]) =>
  shapeNames.flatMap((shape) => cases.map((value) => ({ shape, value })))

describe('positive controls, B1', () => {
  const spellings = [
    `Bearer ${token}`,
    `bearer ${token}`,
    `BEARER ${token}`,
    `bEaReR ${token}`,
    `Bearer      ${token}`,
  ]
  it.each(across(spellings.map((value) => value.replace(token, ''))))(
    'A: "$value" in $shape',
    async ({ shape, value }) => {
      const auth = await verifier.authenticate(shaped(shape, `${value}${token}`))
      expect(auth.subject).toBe('user-1')
    },
  )

  it('A with a token of the mock issuer', async () => {
    const clock = new TestClock()
    const mock = await createMockIssuer({ now: () => clock.now() * 1000 })
    const ofMock = makeVerifier(mock, { issuer: mock.issuer }, clock)
    const authorization = `Bearer ${await mock.issueToken()}`
    await expect(ofMock.authenticate({ headers: { authorization } })).resolves.toBeDefined()
  })
})

describe('attack 30, B1, B5: no credentials, or others', () => {
  const none: readonly AuthenticatableRequest[] = [
    new Request(AUDIENCE),
    { headers: new Headers() },
    { headers: {} },
    { headers: {}, rawHeaders: [] },
    { headers: { authorization: undefined } },
    { headers: { authorization: [] } },
    {
      headers: {
        'proxy-authorization': `Bearer ${token}`,
        'x-authorization': `Bearer ${token}`,
        authentication: `Bearer ${token}`,
      },
    },
    { headers: { cookie: `access_token=${token}`, 'x-access-token': token } },
    { headers: Object.create({ authorization: `Bearer ${token}` }) },
    // The value of a header is the name of another.
    { headers: { 'x-a': 'Authorization' }, rawHeaders: ['X-A', 'Authorization', 'X-B', `Bearer ${token}`] },
  ]
  it.each(none.map((request, index) => ({ request, index })))('N: request $index', async ({ request }) => {
    await expectRefusal(verifier.authenticate(request), 'N', 'ERR_TOKEN_MISSING', [token])
  })

  const schemes = [
    '',
    'Basic dXNlcjpwYXNz',
    'basic dXNlcjpwYXNz',
    'Digest username="x", realm="y", nonce="z", uri="/", response="0"',
    `DPoP ${token}`,
    `Token ${token}`,
    `BearerX ${token}`,
    `Bearer2 ${token}`,
    `Bearer-Token ${token}`,
    `Bearer_ ${token}`,
    `XBearer ${token}`,
    `Bear ${token}`,
    `B${token}`,
    token,
    'Negotiate',
    'AWS4-HMAC-SHA256 Credential=AKIA/20261101/us-east-1/s3/aws4_request, SignedHeaders=host;range, Signature=fe5f80',
    'Signature keyId="a",algorithm="rsa-sha256",headers="(request-target) date",signature="Bearer"',
    '?',
  ]
  it.each(across(schemes))('N: "$value" in $shape', async ({ shape, value }) => {
    await expectRefusal(verifier.authenticate(shaped(shape, value)), 'N', 'ERR_TOKEN_MISSING', [token])
  })

  it('N: another scheme with the word "bearer" after a comma in a quoted string', async () => {
    const authorization = 'Digest username="x, bearer y", realm="z"'
    await expectRefusal(verifier.authenticate({ headers: { authorization } }), 'N', 'ERR_TOKEN_MISSING')
  })

  it('N names the scopes that are needed, and nothing else (P4)', async () => {
    const { headers } = await expectRefusal(
      verifier.authenticate({ headers: {} }, { scopes: ['a', 'offline_access'], anyScope: ['b'] }),
      'N',
      'ERR_TOKEN_MISSING',
    )
    expect(parseChallenge(headers['WWW-Authenticate'] ?? '')).toEqual({
      realm: expect.any(String),
      scope: 'a b',
      resource_metadata: 'https://api.example.com/.well-known/oauth-protected-resource',
    })
  })
})

describe('attack 30, B1, B3: Bearer, but not well-formed', () => {
  const bad = [
    'Bearer',
    'bearer',
    'Bearer ',
    'Bearer    ',
    'Bearer =',
    'Bearer ==',
    `Bearer\t${token}`,
    `Bearer \t${token}`,
    `Bearer=${token}`,
    `Bearer:${token}`,
    `Bearer: ${token}`,
    `Bearer "${token}"`,
    `Bearer <${token}>`,
    `Bearer token=${token}`,
    `Bearer access_token="${token}"`,
    `Bearer ${token} x`,
    `Bearer ${token} ${other}`,
    `Bearer ${token};x=y`,
    `Bearer ${token}%20`,
    `Bearer ${token}=x`,
    `Bearer ${token}\u00e9`,
    `Bearer ${token}\u00a0x`,
    `Bearer \u00ff`,
    `Bearer Bearer ${token}`,
    'Bearer {}',
    'Bearer [object Object]',
    'Bearer $(id)',
    "Bearer ' OR 1=1",
    'Bearer \\',
    'Bearer a:b',
    'Bearer a@b',
  ]
  it.each(across(bad))('Q: "$value" in $shape', async ({ shape, value }) => {
    const response = await expectRefusal(
      verifier.authenticate(shaped(shape, value)),
      'Q',
      'ERR_REQUEST_MALFORMED',
      [token, other],
    )
    expect(response.status).toBe(400)
  })

  // A web Headers object does not let these in.
  it.each([
    `Bearer ${token}\n`,
    `Bearer ${token}\r\nX: y`,
    `Bearer ${token}\0`,
    `Bearer \n${token}`,
    `Bearer\n${token}`,
    `Bearer ${token}\u0165`,
    'Bearer \ud83d\ude00',
  ])('Q: %j in Node headers', async (authorization) => {
    await expectRefusal(verifier.authenticate({ headers: { authorization } }), 'Q', 'ERR_REQUEST_MALFORMED', [
      token,
    ])
  })

  it.each(['undefined', 'null', 'a', '...', '-', 'a==', token.slice(1), `${token}=`, '[]'.length.toString()])(
    'R: a token68 that is not a JWT: %s',
    async (value) => {
      await expectRefusal(
        verifier.authenticate({ headers: { authorization: `Bearer ${value}` } }),
        'R',
        'ERR_TOKEN_MALFORMED',
      )
    },
  )
})

describe('attack 31, B3: more than one', () => {
  const bearer = `Bearer ${token}`
  const requests: Readonly<Record<string, AuthenticatableRequest>> = {
    'raw headers of which Node kept the first': {
      headers: { authorization: bearer },
      rawHeaders: ['Host', 'x', 'Authorization', bearer, 'Authorization', `Bearer ${other}`],
    },
    'raw headers, the same twice': {
      headers: { authorization: bearer },
      rawHeaders: ['authorization', bearer, 'AUTHORIZATION', bearer],
    },
    'raw headers, Basic first': {
      headers: { authorization: 'Basic eDp5' },
      rawHeaders: ['authorization', 'Basic eDp5', 'authorization', bearer],
    },
    'raw headers, Basic twice': {
      headers: { authorization: 'Basic eDp5' },
      rawHeaders: ['authorization', 'Basic eDp5', 'authorization', 'Basic eDp5'],
    },
    'raw headers, an empty one first': {
      headers: { authorization: '' },
      rawHeaders: ['authorization', '', 'authorization', bearer],
    },
    'raw headers, and nothing kept': {
      headers: {},
      rawHeaders: ['authorization', bearer, 'authorization', bearer],
    },
    'an array': { headers: { authorization: [bearer, `Bearer ${other}`] } },
    'an array of the same': { headers: { authorization: [bearer, bearer] } },
    'an array with Basic': { headers: { authorization: ['Basic eDp5', bearer] } },
    'two spellings of the name': { headers: { Authorization: bearer, authorization: bearer } },
    'two spellings, one Basic': { headers: { Authorization: 'Basic eDp5', authorization: bearer } },
    'joined in a web Request': new Request(AUDIENCE, {
      headers: [
        ['authorization', bearer],
        ['Authorization', `Bearer ${other}`],
      ],
    }),
    'joined, Basic first': new Request(AUDIENCE, {
      headers: [
        ['authorization', 'Basic eDp5'],
        ['authorization', bearer],
      ],
    }),
    'joined, Basic second': {
      headers: new Headers([
        ['authorization', bearer],
        ['authorization', 'Basic eDp5'],
      ]),
    },
    'joined, one empty': {
      headers: new Headers([
        ['authorization', bearer],
        ['authorization', ''],
      ]),
    },
    'joined by a comma without a blank': { headers: { authorization: `${bearer},${bearer}` } },
    'joined by a proxy': { headers: { authorization: `Basic eDp5,${bearer}` } },
    'joined with an empty one in front': { headers: { authorization: `, ${bearer}` } },
  }
  it.each(Object.entries(requests))('Q: %s', async (_, request) => {
    await expectRefusal(verifier.authenticate(request), 'Q', 'ERR_TOKEN_REPEATED', [token, other])
  })

  it('A: raw headers with one, also where other headers are there twice', async () => {
    const rawHeaders = ['Accept', 'a', 'Authorization', bearer, 'Accept', 'b', 'X', 'authorization']
    await expect(
      verifier.authenticate({ headers: { authorization: bearer }, rawHeaders }),
    ).resolves.toBeDefined()
  })

  it('over a real connection, where Node keeps the first', async () => {
    const outcomes: Promise<unknown>[] = []
    const server = createServer((incoming: IncomingMessage, outgoing) => {
      const outcome = verifier.authenticate(incoming).then(
        () => 200,
        (error: unknown) => (error instanceof TelnyxAuthError ? error.status : 500),
      )
      outcomes.push(outcome)
      outcome.then((status) => outgoing.writeHead(status).end())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : expect.fail('no port')
    try {
      const socket = connect(port, '127.0.0.1')
      socket.end(
        `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer}\r\nauthorization: ${bearer}\r\nConnection: close\r\n\r\n`,
      )
      const chunks: Buffer[] = []
      for await (const chunk of socket) chunks.push(chunk)
      expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 400 /)

      const good = httpRequest({ port, host: '127.0.0.1', headers: { authorization: bearer } })
      good.end()
      const [response]: unknown[] = await once(good, 'response')
      expect(response).toMatchObject({ statusCode: 200 })
      // Only so that the connection can be closed.
      if (response instanceof Object && 'resume' in response)
        Reflect.apply(Object(response).resume, response, [])
    } finally {
      server.closeAllConnections()
      server.close()
    }
    expect(await Promise.all(outcomes)).toEqual([400, 200])
  })
})

describe('attack 32, B2: a token elsewhere', () => {
  const url = `${AUDIENCE}/?access_token=${token}`
  const body = () => new URLSearchParams({ access_token: token })
  const readable = (): Request => new Request(url, { method: 'POST', body: body() })

  it('N, and the body is not read', async () => {
    const request = readable()
    await expectRefusal(verifier.authenticate(request), 'N', 'ERR_TOKEN_MISSING', [token])
    expect(request.bodyUsed).toBe(false)
    await expect(request.text()).resolves.toContain(token)
  })

  it('N in Node, and nothing but the headers is touched', async () => {
    const touched: string[] = []
    const request = new Proxy(
      {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        url,
        method: 'POST',
        body: body(),
        query: { access_token: token },
      },
      {
        get(target, name, receiver): unknown {
          touched.push(String(name))
          return Reflect.get(target, name, receiver)
        },
      },
    )
    await expectRefusal(verifier.authenticate(request), 'N', 'ERR_TOKEN_MISSING', [token])
    expect(new Set(touched)).toEqual(new Set(['headers', 'rawHeaders', 'headersDistinct', 'method']))
  })

  it('A with a good header: the query is ignored, not refused', async () => {
    const request = new Request(url, { headers: { authorization: `Bearer ${token}` } })
    await expect(verifier.authenticate(request)).resolves.toBeDefined()
  })
})

describe('attack 33, B4, B7: what reaches WWW-Authenticate', () => {
  const poison = [
    'x"\r\nSet-Cookie: a=b',
    '\r',
    '\n',
    '"',
    '\\',
    '\\"',
    '\u00e9',
    '\u0165',
    '\u010d\u010a',
    '\0',
    '\x7f',
    'a" , error="none',
    'a b',
  ]

  it.each(poison.map((value) => ({ value })))('C: $value as a scope of a policy', async ({ value }) => {
    const request = { headers: { authorization: `Bearer ${token}` } }
    for (const policy of [{ scopes: [value] }, { anyScope: [value] }, { scopes: ['a', value] }]) {
      expect(() => makeUncheckedVerifier({ audience: AUDIENCE, ...policy })).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIGURATION' }),
      )
      // At run time it is no less of a mistake, and never answered.
      await expect(verifier.authenticate(request, policy)).rejects.toMatchObject({
        code: 'ERR_CONFIGURATION',
      })
    }
  })

  it.each(poison.map((value) => ({ value })))(
    'nothing of a token or a header gets there: $value',
    async ({ value }) => {
      const tokens = [
        goodToken(key, { iss: value }),
        goodToken(key, { aud: value }),
        goodToken(key, { [value]: value, exp: value }),
        goodToken(key, { scope: value }),
        goodToken(key, {}, { kid: value }),
        goodToken(key, {}, { typ: value }),
        goodToken(key, {}, { alg: value }),
        value,
      ]
      for (const each of tokens) {
        const outcome: unknown = await verifier
          .authenticate({ headers: { authorization: `Bearer ${each}` } }, { scopes: ['admin'] })
          .catch((error: unknown) => error)
        parseChallenge(toResponse(outcome).headers['WWW-Authenticate'] ?? '')
      }
    },
  )

  // These classes are exported: a `validate` or a handler can throw them, with any arguments.
  it.each(poison.filter((value) => value !== 'a b').map((value) => ({ value })))(
    'an error that a user makes of $value breaks out of nothing',
    ({ value }) => {
      for (const make of [() => new InsufficientScopeError([value]), () => new MissingTokenError([value])]) {
        let response: ReturnType<typeof toResponse>
        try {
          response = toResponse(make())
        } catch {
          // Refusing to make such an error, or such an answer, is as good.
          continue
        }
        parseChallenge(response.headers['WWW-Authenticate'] ?? '')
      }
    },
  )

  it('every challenge of a refusal can be written by Node and by a web Response', async () => {
    const requests: AuthenticatableRequest[] = [
      { headers: {} },
      { headers: { authorization: 'Bearer' } },
      { headers: { authorization: `Bearer ${token}, Bearer ${token}` } },
      { headers: { authorization: 'Bearer x' } },
      { headers: { authorization: `Bearer ${goodToken(key, { exp: NOW - 100 })}` } },
      { headers: { authorization: `Bearer ${token}` } },
    ]
    for (const request of requests) {
      const outcome: unknown = await verifier
        .authenticate(request, { scopes: ['admin'] })
        .catch((error: unknown) => error)
      const { status, headers, body } = toResponse(outcome)
      const response = Response.json(body, { status, headers })
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer realm="[^"]+"/)
    }
  })
})

describe('what authenticate can be handed that is not a request', () => {
  const values: unknown[] = [
    { headers: { authorization: 5 } },
    { headers: { authorization: { toString: () => `Bearer ${token}` } } },
    { headers: { authorization: [[`Bearer ${token}`]] } },
    { headers: { authorization: null } },
    { headers: { authorization: true } },
  ]
  it.each(values.map((request) => ({ request })))('no caller is let in by $request', async ({ request }) => {
    const outcome: Promise<unknown> = Reflect.apply(verifier.authenticate, verifier, [request])
    await expect(outcome).rejects.toBeInstanceOf(Error)
  })
})

describe('attack 14 and its kin, C: options that cannot be meant', () => {
  const good = { audience: AUDIENCE }
  const options: Readonly<Record<string, unknown>> = {
    null: null,
    'a string': 'x',
    'an array': [],
    'a function': () => good,
    nothing: {},
    'no audience': { issuer: ISSUER },
    'an unknown name': { ...good, audiences: ['x'] },
    'a name in another case': { ...good, Issuer: ISSUER },
    '__proto__ as a name': JSON.parse(`{"audience":"x","__proto__":{}}`),
    'issuer null': { ...good, issuer: null },
    'issuer empty': { ...good, issuer: '' },
    'issuer a URL object': { ...good, issuer: new URL(ISSUER) },
    'issuer in an array of numbers': { ...good, issuer: [5] },
    'issuer over http': { ...good, issuer: 'http://issuer.example' },
    'issuer on a host that looks like loopback': { ...good, issuer: 'http://localhost.evil.example' },
    'issuer on another such host': { ...good, issuer: 'http://127.0.0.1.evil.example' },
    'issuer with credentials': { ...good, issuer: 'https://a:b@issuer.example' },
    'issuer with empty credentials': { ...good, issuer: 'https://@issuer.example' },
    'issuer with a query': { ...good, issuer: `${ISSUER}?a` },
    'issuer with an empty query': { ...good, issuer: `${ISSUER}?` },
    'issuer with a fragment': { ...good, issuer: `${ISSUER}#` },
    'issuer with a blank': { ...good, issuer: ` ${ISSUER}` },
    'issuer with a newline': { ...good, issuer: `${ISSUER}\n` },
    'issuer with a tab inside': { ...good, issuer: 'https://iss\tuer.example' },
    'issuer without a scheme': { ...good, issuer: 'issuer.example' },
    'issuer of a file': { ...good, issuer: 'file:///etc/passwd' },
    'issuer with a backslash': { ...good, issuer: 'https:\\\\issuer.example' },
    'profile in another case': { ...good, profile: 'RFC9068' },
    'profile null': { ...good, profile: null },
    'profile that every object has': { ...good, profile: 'constructor' },
    'scopes a string': { ...good, scopes: 'a b' },
    'scopes with two in one': { ...good, scopes: ['a b'] },
    'scopes null': { ...good, scopes: null },
    'scopes with an empty one': { ...good, scopes: [''] },
    'scopes with holes': { ...good, scopes: new Array(2) },
    'scopes a set': { ...good, scopes: new Set(['a']) },
    'anyScope empty': { ...good, anyScope: [] },
    'anyScope with holes': { ...good, anyScope: new Array(1) },
    'validate not a function': { ...good, validate: true },
    'validate null': { ...good, validate: null },
    'scopeImplies not a function': { ...good, scopeImplies: { read: ['write'] } },
    'fetch null': { ...good, fetch: null },
    'fetch not a function': { ...good, fetch: 'fetch' },
    ...Object.fromEntries(
      ['clockToleranceSeconds', 'timeoutMs', 'maxResponseBytes', 'maxTokenBytes'].flatMap((name) =>
        [null, '5', -1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, 5n, [5], {}, true].map(
          (value, index) => [`${name} ${index}`, { ...good, [name]: value }],
        ),
      ),
    ),
    'timeoutMs 0': { ...good, timeoutMs: 0 },
    'maxTokenBytes 0': { ...good, maxTokenBytes: 0 },
    'maxResponseBytes 0': { ...good, maxResponseBytes: 0 },
    'clockToleranceSeconds of a day': { ...good, clockToleranceSeconds: 86_400 },
  }
  it.each(Object.entries(options))('C: %s', (_, value) => {
    expect(() => makeUncheckedVerifier(value)).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }))
  })

  it('C: an issuer of null, with any environment', async () => {
    const { resolveOptions } = await import('../../packages/core/src/testing.js')
    expect(() => resolveOptions({ ...good, issuer: null }, { TELNYX_AUTH_ISSUER: ISSUER })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION' }),
    )
  })

  const ofAdapters: Readonly<Record<string, unknown>> = {
    null: null,
    'an array': [],
    'no audience': {},
    'errors unknown': { ...good, errors: 'ignore' },
    'optional not a boolean': { ...good, optional: 'no' },
    'optional 0': { ...good, optional: 0 },
    'optional null': { ...good, optional: null },
    'verifier null': { verifier: null },
    'verifier that only looks like one': { verifier: { verify: () => ({}), authenticate: () => ({}) } },
    'verifier and its options': { verifier, audience: AUDIENCE },
    'verifier and a policy that is wrong': { verifier, scopes: 'a' },
    'unknown beside verifier': { verifier, option: true },
  }
  it.each(Object.entries(ofAdapters))('C in an adapter: %s', (_, value) => {
    expect(() => createAuthenticator(value)).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }))
  })

  it('no secret in the wrong place is in the message', () => {
    const secret = 'S3CRET-IN-THE-WRONG-PLACE'
    for (const name of [
      'issuer',
      'profile',
      'scopes',
      'anyScope',
      'validate',
      'fetch',
      'algorithms',
      'timeoutMs',
      'scopeImplies',
      'acrValues',
      'maxAgeSeconds',
      'protectedResource',
    ])
      for (const value of [secret, [secret], `https://user:${secret}@x.example`]) {
        let message = ''
        try {
          makeUncheckedVerifier({ ...good, [name]: value })
        } catch (error) {
          message = String(error)
        }
        // A scope, or an acr value, in an array is what it should be.
        if (!Array.isArray(value)) expect(message, name).toContain('ConfigurationError')
        expect(message).not.toContain(secret)
      }
  })

  it('A: options that say nothing, explicitly', async () => {
    const names = [
      'profile',
      'algorithms',
      'clockToleranceSeconds',
      'maxTokenBytes',
      'scopeImplies',
      'timeoutMs',
      'scopes',
      'anyScope',
      'acrValues',
      'maxAgeSeconds',
      'protectedResource',
      'validate',
    ]
    const unset = Object.fromEntries(names.map((name) => [name, undefined]))
    const unchecked = makeUncheckedVerifier({
      ...unset,
      issuer: ISSUER,
      audience: AUDIENCE,
      fetch: issuer.fetch,
    })
    await expect(unchecked.verify(token)).resolves.toBeDefined()
  })
})
