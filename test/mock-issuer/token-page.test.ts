import { once } from 'node:events'
import { type IncomingMessage, type OutgoingHttpHeaders, request as send } from 'node:http'
import { text } from 'node:stream/consumers'
import { createVerifier } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterEach, describe, expect, it } from 'vitest'
import { explainToken } from '../../packages/mock-issuer/src/http/token-page/checks.js'
import { expectNothingUnhandled } from '../support/event-loop.js'

/** The page to try tokens on, as requests see it. `token-page-browser.test.ts` opens it in a browser. */

const CLIENT = { clientId: 'app', clientSecret: 's3cret', scopes: ['messaging.read'] }
const AUDIENCE = 'https://api.example.com'

expectNothingUnhandled()

const opened: MockIssuer[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((issuer) => issuer.close()))
})

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** What a browser sends from the page itself. */
const fromPage = (port: string) => ({
  host: `127.0.0.1:${port}`,
  origin: `http://127.0.0.1:${port}`,
  'sec-fetch-site': 'same-origin',
  'content-type': 'application/json',
})

async function open(options: Parameters<typeof createMockIssuer>[0] = {}) {
  const issuer = await createMockIssuer({ algorithm: 'ES256', clients: [CLIENT], ...options })
  opened.push(issuer)
  const url = await issuer.listen()
  const { port } = new URL(url)

  /** `fetch` cannot send any `Host`. */
  async function ask(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders = {},
    body?: string,
  ): Promise<Answer> {
    const request = send({ host: '127.0.0.1', port, method, path, headers })
    request.end(body)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
  }
  const view = async (path: string) => JSON.parse((await ask('GET', path)).body)
  const change = (path: string, body: unknown, headers: OutgoingHttpHeaders = {}) =>
    ask('POST', path, { ...fromPage(port), ...headers }, JSON.stringify(body))
  const issue = async (more: object = {}): Promise<string> => {
    const { status, body } = await change('/token-page/issue', { ...TOKEN, ...more })
    expect(status, body).toBe(200)
    return JSON.parse(body).token
  }
  const check = async (token: string, audience = AUDIENCE) =>
    JSON.parse(
      (await change('/token-page/check', { token, audience, apiUrl: 'http://127.0.0.1:3000/' })).body,
    )
  return { issuer, url, port, ask, view, change, issue, check }
}

/** What the form sends. */
const TOKEN = {
  clientId: 'app',
  subject: '',
  scopes: ['messaging.read'],
  audience: AUDIENCE,
  expiresInSeconds: 60,
  algorithm: 'ES256',
}

const VIEWS = ['/', '/token-page/style.css', '/token-page/main.js', '/token-page/form', '/token-page/state']

/** Each change, with a body that it accepts. */
const CHANGES: readonly [string, object][] = [
  ['/token-page/issue', TOKEN],
  ['/token-page/check', { token: 'x', audience: AUDIENCE, apiUrl: '' }],
  ['/token-page/revoke', { token: 'x' }],
  ['/token-page/rotate-keys', { keepOld: true }],
  ['/token-page/set-fault', { endpoint: 'jwks', kind: 'error', times: 0 }],
  ['/token-page/clear-faults', {}],
]

describe('the token page is served', () => {
  it('at the URL that the issuer tells', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    opened.push(issuer)
    expect(issuer.tokenPageUrl).toBeUndefined()
    const url = await issuer.listen()
    expect(issuer.tokenPageUrl).toBe(`${url}/`)
    expect(await (await fetch(`${issuer.tokenPageUrl}`)).text()).toContain('<h1>Try tokens</h1>')
    await issuer.close()
    expect(issuer.tokenPageUrl).toBeUndefined()
  })

  it('with a policy that lets it run its own scripts, and nothing else', async () => {
    const { ask } = await open()
    const { status, headers } = await ask('GET', '/')
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': [
        "default-src 'none'",
        "style-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
      ].join('; '),
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    })
  })

  it('with each file that it names, and no script or style within the document', async () => {
    const { ask } = await open()
    const document = (await ask('GET', '/')).body
    expect(document).not.toMatch(
      /<style|<script(?![^>]* src=)| style=| on[a-z]+=|https?:\/\/(?!127\.0\.0\.1)/,
    )
    const waiting = Array.from(document.matchAll(/ (?:src|href)="([^"]+)"/g), ([, path = '']) => path)
    const seen = new Set<string>()
    for (const path of waiting) {
      if (seen.has(path)) continue
      seen.add(path)
      const { status, headers, body } = await ask('GET', path)
      expect([path, status, headers['x-content-type-options']]).toEqual([path, 200, 'nosniff'])
      expect(headers['content-type']).toBe(
        `text/${path.endsWith('.css') ? 'css' : 'javascript'}; charset=utf-8`,
      )
      for (const [, name] of body.matchAll(/ from '\.\/([^']+)'/g)) waiting.push(`/token-page/${name}`)
    }
    expect(seen.size).toBeGreaterThan(5)
  })

  it.each<[string, Parameters<typeof createMockIssuer>[0], string | undefined]>([
    ['with the option tokenPage: false', { tokenPage: false }, undefined],
    ['on an address that other machines can reach', {}, '0.0.0.0'],
  ])('not %s', async (_, options, host) => {
    const issuer = await createMockIssuer({ algorithm: 'ES256', ...options })
    opened.push(issuer)
    const url = await issuer.listen({ host })
    expect(issuer.tokenPageUrl).toBeUndefined()
    const headers = { origin: url, 'content-type': 'application/json' }
    for (const path of VIEWS) expect((await fetch(url + path)).status).toBe(404)
    for (const [path, body] of CHANGES)
      expect((await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })).status).toBe(
        404,
      )
  })

  it.each(['no', 0, null, {}])('not with the option tokenPage: %j, which is an error', async (tokenPage) => {
    const options: object = { tokenPage }
    await expect(createMockIssuer(options)).rejects.toThrow(
      new TypeError('The option "tokenPage" must be true or false'),
    )
  })

  it('not in process', async () => {
    const { issuer, url } = await open()
    for (const path of VIEWS) expect((await issuer.fetch(url + path)).status).toBe(404)
  })

  it('beside an issuer with a path, and its curl line finds the introspection endpoint', async () => {
    const { issuer, issue, check } = await open({ issuer: 'https://issuer.example/tenants/7' })
    const token = await issue()
    const { verdict, curl } = await check(token)
    expect(verdict.outcome).toBe('accepted')
    const [introspectionUrl = ''] = /http:\S+$/.exec(curl[1].line) ?? []
    const headers = { authorization: `Bearer ${issuer.apiKey}` }
    const body = new URLSearchParams({ token })
    expect(await (await fetch(introspectionUrl, { method: 'POST', headers, body })).json()).toMatchObject({
      active: true,
    })
  })
})

describe('the token page refuses', () => {
  it.each([
    'evil.example:PORT',
    'evil.example',
    'localhost.evil.example:PORT',
    '127.0.0.1.nip.example:PORT',
    'localhost',
    '127.0.0.1',
    '127.0.0.1:1',
    'localhost.:PORT',
    '127.0.0.2:PORT',
    '0.0.0.0:PORT',
  ])('requests with Host: %s', async (template) => {
    const { port, ask, change } = await open()
    const host = template.replace('PORT', port)
    for (const path of VIEWS) expect((await ask('GET', path, { host })).status).toBe(421)
    for (const [path, body] of CHANGES)
      expect((await change(path, body, { host, origin: `http://${host}` })).status).toBe(421)
  })

  it.each(['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]'])('no requests with Host: %s', async (name) => {
    const { port, ask, change } = await open()
    const host = `${name}:${port}`
    const origin = `http://${host.toLowerCase()}`
    expect((await ask('GET', '/', { host })).status).toBe(200)
    expect((await change('/token-page/rotate-keys', { keepOld: true }, { host, origin })).status).toBe(200)
  })

  it('a request line that names another host than the header', async () => {
    const { ask, url, port } = await open()
    expect((await ask('GET', `${url}/`, { host: 'evil.example' })).status).toBe(421)
    expect((await ask('GET', 'http://evil.example/', { host: `127.0.0.1:${port}` })).status).not.toBe(200)
  })

  const DROPPED = { origin: undefined, 'sec-fetch-site': undefined }
  it.each<[string, Record<string, string | undefined>]>([
    ['without Origin and Sec-Fetch-Site', DROPPED],
    ['of another origin', { origin: 'https://evil.example' }],
    [
      'of another origin, from a browser without Sec-Fetch-Site',
      { ...DROPPED, origin: 'https://evil.example' },
    ],
    ['of another port', { origin: 'http://127.0.0.1:1' }],
    ['of another scheme', { origin: 'https://127.0.0.1:PORT' }],
    ['of another name of this machine', { origin: 'http://localhost:PORT' }],
    ['of an opaque origin', { origin: 'null' }],
    ['of its origin, but with Sec-Fetch-Site: cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['with Sec-Fetch-Site: same-site only', { origin: undefined, 'sec-fetch-site': 'same-site' }],
    ['with Sec-Fetch-Site: none only', { origin: undefined, 'sec-fetch-site': 'none' }],
  ])('changes %s', async (_, headers) => {
    const { issuer, port, ask, view } = await open()
    const before = await view('/token-page/state')
    const sent = Object.entries({ ...fromPage(port), ...headers }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value.replace('PORT', port)]],
    )
    for (const [path, body] of CHANGES) {
      const answer = await ask('POST', path, Object.fromEntries(sent), JSON.stringify(body))
      expect([path, answer.status, answer.body]).toEqual([path, 403, 'Only this page itself may do this'])
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
    }
    expect(await view('/token-page/state')).toEqual(before)
    expect(issuer.requests.metadata.count).toBe(0)
  })

  it('no change with Sec-Fetch-Site: same-origin and no Origin, or the other way round', async () => {
    const { port, ask } = await open()
    for (const name of ['origin', 'sec-fetch-site']) {
      const headers = Object.fromEntries(Object.entries(fromPage(port)).filter(([each]) => each !== name))
      expect((await ask('POST', '/token-page/rotate-keys', headers, '{"keepOld":true}')).status).toBe(200)
    }
  })

  it.each([
    undefined,
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/jsonp',
  ])('a body of the type %s', async (type) => {
    const { port, ask } = await open()
    const { 'content-type': _, ...headers } = fromPage(port)
    for (const [path, body] of CHANGES) {
      const sent = { ...headers, ...(type !== undefined && { 'content-type': type }) }
      expect((await ask('POST', path, sent, JSON.stringify(body))).status).toBe(415)
    }
  })

  it('other methods, and lets no other origin ask for more', async () => {
    const { ask, port } = await open()
    const preflight = { origin: 'http://localhost:3000', 'access-control-request-method': 'POST' }
    for (const [path] of CHANGES)
      for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
        const { status, headers } = await ask(method, path, { host: `127.0.0.1:${port}`, ...preflight })
        expect([status, headers.allow]).toEqual([405, 'POST'])
        expect(Object.keys(headers).join()).not.toContain('access-control')
      }
    for (const path of VIEWS)
      for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
        const { status, headers } = await ask(method, path, preflight)
        expect([status, headers.allow]).toEqual([405, 'GET, HEAD'])
        expect(Object.keys(headers).join()).not.toContain('access-control')
      }
    expect((await ask('HEAD', '/')).status).toBe(200)
  })

  it.each<[string, unknown, number]>([
    ['/token-page/issue', [], 400],
    ['/token-page/issue', { ...TOKEN, more: 1 }, 400],
    ['/token-page/issue', { ...TOKEN, clientId: 7 }, 400],
    ['/token-page/issue', { ...TOKEN, subject: 'x'.repeat(1001) }, 400],
    ['/token-page/issue', { ...TOKEN, scopes: 'messaging.read' }, 400],
    ['/token-page/issue', { ...TOKEN, scopes: ['two words'] }, 400],
    ['/token-page/issue', { ...TOKEN, scopes: Array.from({ length: 101 }, () => 'x') }, 400],
    ['/token-page/issue', { ...TOKEN, expiresInSeconds: 1.5 }, 400],
    ['/token-page/issue', { ...TOKEN, expiresInSeconds: null }, 400],
    ['/token-page/issue', { ...TOKEN, expiresInSeconds: 1e15 }, 400],
    ['/token-page/issue', { ...TOKEN, algorithm: 'HS256' }, 400],
    ['/token-page/check', { token: 'x', audience: AUDIENCE }, 400],
    ['/token-page/check', { token: 'x'.repeat(33 * 1024), audience: AUDIENCE, apiUrl: '' }, 400],
    ['/token-page/check', { token: 'x'.repeat(65 * 1024), audience: AUDIENCE, apiUrl: '' }, 413],
    ['/token-page/revoke', {}, 400],
    ['/token-page/rotate-keys', { keepOld: 'no' }, 400],
    ['/token-page/set-fault', { endpoint: 'jwks', kind: 'constructor', times: 0 }, 400],
    ['/token-page/set-fault', { endpoint: 'state', kind: 'error', times: 0 }, 400],
    ['/token-page/set-fault', { endpoint: 'jwks', kind: 'error', times: -1 }, 400],
    ['/token-page/set-fault', { endpoint: 'jwks', kind: 'error', times: 1.5 }, 400],
    ['/token-page/clear-faults', { endpoint: 'state' }, 400],
  ])('%s with the body %j', async (path, body, expected) => {
    const { change, view } = await open()
    const before = await view('/token-page/state')
    const { status, headers, body: sentence } = await change(path, body)
    expect([status, headers['content-type']]).toEqual([expected, 'text/plain; charset=utf-8'])
    expect(sentence).toMatch(/^The [\w ,.-]{10,300}$/)
    expect(await view('/token-page/state')).toEqual(before)
  })

  it('a body that is no JSON', async () => {
    const { ask, port } = await open()
    expect(await ask('POST', '/token-page/revoke', fromPage(port), '{')).toMatchObject({
      status: 400,
      body: 'The body is not JSON',
    })
  })
})

describe('a token of the page', () => {
  it('has what the form asks for', async () => {
    const { issue } = await open({ now: () => 1_000_000 })
    const token = await issue({ subject: 'user-1', audience: 'urn:api', scopes: ['a', 'b'] })
    expect(decodeJwt(token)).toMatchObject({
      sub: 'user-1',
      client_id: 'app',
      aud: 'urn:api',
      scope: 'a b',
      iat: 1000,
      exp: 1060,
    })
    expect(decodeJwt(await issue({ expiresInSeconds: -60 })).exp).toBe(940)
  })

  it('has no audience, no scope and the client as its subject where the form is empty', async () => {
    const { issue } = await open()
    const claims = decodeJwt(await issue({ audience: '', scopes: [] }))
    expect(claims).toMatchObject({ sub: 'app', client_id: 'app' })
    expect(claims).not.toHaveProperty('aud')
    expect(claims).not.toHaveProperty('scope')
  })

  it('can have another algorithm than the issuer: the JWK Set gets one key for it, and other tokens stay as they are', async () => {
    const { issuer, url, issue, view } = await open()
    const tokens = await Promise.all([1, 2, 3].map(() => issue({ algorithm: 'EdDSA' })))
    const { keys } = await view('/token-page/state')
    expect(keys.map(({ algorithm }: { algorithm: string }) => algorithm)).toEqual(['ES256', 'EdDSA'])
    for (const token of tokens)
      expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'EdDSA', kid: keys[1].kid })
    expect(decodeProtectedHeader(await issuer.issueToken()).kid).toBe(keys[0].kid)
    const verifier = createVerifier({ issuer: url, audience: AUDIENCE, fetch: issuer.fetch })
    expect(await verifier.verify(tokens[0] ?? '')).toMatchObject({ clientId: 'app' })
  })

  it('is checked by the verifier against the audience of the API', async () => {
    const { issue, check } = await open()
    const token = await issue()
    const good = await check(token)
    expect(good).toMatchObject({ active: true, verdict: { outcome: 'accepted' } })
    expect(new Set(good.verdict.checks.map(({ outcome }: { outcome: string }) => outcome))).toEqual(
      new Set(['passed']),
    )
    const other = await check(token, 'https://other.example')
    expect(other.verdict).toMatchObject({ outcome: 'refused', code: 'ERR_AUDIENCE_NOT_ALLOWED' })
    expect(other.verdict.checks).toContainEqual(
      expect.objectContaining({ id: 'audience', outcome: 'failed' }),
    )
  })

  it('has curl lines, with the quotes that a shell needs', async () => {
    const { issuer, change, issue } = await open({ apiKey: "it's" })
    const token = await issue()
    const { body } = await change('/token-page/check', {
      token,
      audience: AUDIENCE,
      apiUrl: 'http://x/$(id)',
    })
    expect(JSON.parse(body).curl).toEqual([
      {
        title: 'Call your API with the token',
        line: `curl -i -H 'Authorization: Bearer ${token}' 'http://x/$(id)'`,
      },
      {
        title: 'Ask the issuer about the token',
        line: `curl -i -H 'Authorization: Bearer it'\\''s' --data-urlencode token=${token} ${issuer.issuer}/v2/oauth/introspect`,
      },
    ])
  })

  it.each(['', 'a b', "'; id #", 'a\r\nX: y', 'ä'])(
    'that is %j has no curl line, and is refused',
    async (token) => {
      const { check } = await open()
      expect(await check(token)).toMatchObject({ active: false, curl: [], verdict: { outcome: 'refused' } })
    },
  )

  it('is not active after it was revoked', async () => {
    const { change, issue, check } = await open()
    const token = await issue()
    expect((await change('/token-page/revoke', { token })).status).toBe(204)
    // The signature is as good as before: only the issuer knows.
    expect(await check(token)).toMatchObject({ active: false, verdict: { outcome: 'accepted' } })
  })
})

describe('the checks', () => {
  const settings = { issuer: 'https://issuer.example', audience: AUDIENCE, fetch }

  it('are missing where core is not installed', async () => {
    const error = Object.assign(new Error('missing'), { code: 'ERR_MODULE_NOT_FOUND' })
    expect(await explainToken('x', settings, () => Promise.reject(error))).toEqual({
      problem: expect.stringContaining('Install @telnyx-auth/core'),
    })
    const broken = new Error('broken')
    await expect(explainToken('x', settings, () => Promise.reject(broken))).rejects.toBe(broken)
  })

  it('need an audience', async () => {
    expect(await explainToken('x', { ...settings, audience: '' })).toEqual({
      problem: 'Type the audience that your API expects.',
    })
  })

  it('tell that the verifier accepts no such issuer', async () => {
    expect(await explainToken('x', { ...settings, issuer: 'http://issuer.example' })).toEqual({
      problem: expect.stringContaining('issuer'),
    })
  })
})

describe('the state of the issuer', () => {
  it('changes when keys are rotated', async () => {
    const { change, view, issue, check } = await open()
    const kids = async () => (await view('/token-page/state')).keys.map(({ kid }: { kid: string }) => kid)
    const token = await issue()
    const [first] = await kids()
    const { kid: second } = JSON.parse((await change('/token-page/rotate-keys', { keepOld: true })).body)
    expect(await kids()).toEqual([second, first])
    expect((await check(token)).verdict.outcome).toBe('accepted')
    const { kid: third } = JSON.parse((await change('/token-page/rotate-keys', { keepOld: false })).body)
    expect(await kids()).toEqual([third])
    expect((await check(token)).verdict).toMatchObject({ outcome: 'refused', code: 'ERR_KEY_NOT_FOUND' })
  })

  it('has the faults that are on, which the checks meet as well', async () => {
    const { issuer, change, view, issue, check } = await open()
    const faults = async () => (await view('/token-page/state')).faults
    const token = await issue()
    await change('/token-page/set-fault', { endpoint: 'jwks', kind: 'unavailable', times: 1 })
    await change('/token-page/set-fault', { endpoint: 'token', kind: 'slow', times: 0 })
    issuer.fault('metadata', { headers: { 'x-more': '1' } })
    expect(await faults()).toEqual([
      { endpoint: 'jwks', description: 'answers 503', left: 1 },
      { endpoint: 'token', description: 'answers after 2000 ms', left: null },
      { endpoint: 'metadata', description: 'answers with other headers', left: null },
    ])
    expect((await check(token)).verdict).toMatchObject({ outcome: 'undecided', code: 'ERR_KEYS_UNAVAILABLE' })
    expect((await check(token)).verdict.outcome).toBe('accepted')
    await change('/token-page/clear-faults', { endpoint: 'token' })
    expect(await faults()).toEqual([expect.objectContaining({ endpoint: 'metadata' })])
    await change('/token-page/clear-faults', {})
    expect(await faults()).toEqual([])
  })

  it('offers each fault by its own words', async () => {
    const { change, view } = await open()
    const { faults } = await view('/token-page/form')
    expect(new Set(faults.map(({ description }: { description: string }) => description)).size).toBe(
      faults.length,
    )
    for (const { kind, description } of faults) {
      await change('/token-page/set-fault', { endpoint: 'jwks', kind, times: 0 })
      expect((await view('/token-page/state')).faults).toEqual([
        { endpoint: 'jwks', description, left: null },
      ])
    }
  })

  it('has the last 25 requests, with what became of them', async () => {
    let now = 0
    const { issuer, url, view, issue, check } = await open({ now: () => now })
    const { jwks } = { jwks: `${url}/v2/oauth/jwks` }
    for (now = 1; now <= 30; now++) await fetch(jwks)
    const requests = async () => (await view('/token-page/state')).requests
    expect(await requests()).toHaveLength(25)
    expect((await requests())[0]).toEqual({
      id: 30,
      time: 30,
      endpoint: 'jwks',
      method: 'GET',
      status: 200,
      from: 'HTTP',
    })
    issuer.fault('jwks', { status: 503 })
    await issuer.fetch(jwks)
    expect((await requests())[0]).toMatchObject({ status: 503, from: 'process' })
    issuer.fault('jwks', { drop: true })
    await fetch(jwks).catch(() => undefined)
    await issuer.fetch(jwks).catch(() => undefined)
    expect((await requests()).slice(0, 2)).toMatchObject([
      { status: 'none', from: 'process' },
      { status: 'none', from: 'HTTP' },
    ])
    issuer.clearFaults()
    await check(await issue())
    expect((await requests()).slice(0, 2)).toMatchObject([
      { endpoint: 'jwks', status: 200, from: 'token page' },
      { endpoint: 'metadata', status: 200, from: 'token page' },
    ])
  })

  it('shows a request that waits', async () => {
    const { issuer, url, view } = await open()
    issuer.fault('jwks', { silence: true })
    const abort = new AbortController()
    const waiting = issuer.fetch(`${url}/v2/oauth/jwks`, { signal: abort.signal })
    const first = async () => (await view('/token-page/state')).requests[0]
    expect(await first()).not.toHaveProperty('status')
    abort.abort()
    await expect(waiting).rejects.toThrow()
    expect(await first()).toMatchObject({ status: 'none' })
  })

  it('has no token and no secret', async () => {
    const { issuer, url, ask, issue, check } = await open()
    const token = await issue()
    await check(token)
    const authorization = `Basic ${Buffer.from('app:s3cret').toString('base64')}`
    const body = new URLSearchParams({ token, grant_type: 'client_credentials' })
    for (const path of ['/v2/oauth/introspect', '/v2/oauth/token'])
      expect((await fetch(url + path, { method: 'POST', headers: { authorization }, body })).status).toBe(200)
    const shown = (await Promise.all(VIEWS.map((path) => ask('GET', path))))
      .map((answer) => answer.body)
      .join()
    for (const secret of [token, 's3cret', authorization.slice(6), issuer.apiKey])
      expect(shown).not.toContain(secret)
  })

  it('offers at most 100 clients', async () => {
    const { url, view } = await open()
    for (let count = 0; count < 100; count++)
      await fetch(`${url}/v2/oauth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      })
    const { clients } = await view('/token-page/form')
    expect(clients).toHaveLength(100)
    expect(clients[0]).toEqual({ id: 'app', name: 'Unnamed client', scopes: CLIENT.scopes })
  })
})
