import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { settle } from '../support/event-loop.js'
import { serve } from '../support/http.js'
import { type HttpConnection, singleHeaders } from '../support/http-client.js'
import { AUDIENCE } from '../support/outcome.js'
import { harnesses } from './contract/all.js'
import type { Setup } from './contract/harness.js'

/** Attack 48: what earlier middleware said about a body that is never sent, on connections that stay open. */

const METADATA_PATH = '/.well-known/oauth-protected-resource'
const PREFLIGHT = ['Origin: https://app.example.com', 'Access-Control-Request-Method: GET']

type Stale = Readonly<Record<string, string | string[]>>

const FRAMING: Readonly<Record<string, Stale>> = {
  'a length that is too short': { 'Content-Length': '3' },
  'a length that is too long, in another case': { 'CONTENT-length': '9999' },
  'an array of a length': { 'content-length': ['5'] },
  chunked: { 'Transfer-Encoding': 'chunked' },
  'chunked beside a length': { 'TRANSFER-ENCODING': 'chunked', 'Content-Length': '3' },
  'a trailer': { 'Transfer-Encoding': 'chunked', Trailer: 'X-Mine' },
}

const DESCRIPTION: Stale = {
  'Content-Type': 'text/html',
  'content-ENCODING': 'gzip',
  'Content-Language': 'de',
  'Content-Location': '/other',
  'Content-Range': 'bytes 0-1/2',
  'Content-Disposition': 'attachment',
  'Content-MD5': 'Q2hlY2sgSW50ZWdyaXR5IQ==',
  'Content-Digest': 'sha-256=:AA==:',
  'Repr-Digest': 'sha-256=:AA==:',
  Digest: 'sha-256=AA==',
  'Accept-Ranges': 'bytes',
  ETag: ['"a"'],
  'Last-Modified': 'Mon, 23 Nov 2026 12:00:00 GMT',
  'Cache-Control': 'public, max-age=600',
  'CDN-Cache-Control': 'max-age=600',
  'Cloudflare-CDN-Cache-Control': 'max-age=600',
  'Netlify-CDN-Cache-Control': 'max-age=600',
  'Vercel-CDN-Cache-Control': 'max-age=600',
  'Surrogate-Control': 'max-age=600',
  'Edge-Control': 'max-age=600',
  'X-Accel-Expires': '600',
  'X-Accel-Redirect': '/other',
  'X-Sendfile': '/other',
  Expires: 'Mon, 23 Nov 2027 12:00:00 GMT',
  Pragma: 'no-cache',
  Age: '60',
}

/** What is not about the body stays. */
const KEPT: Stale = {
  'Set-Cookie': 'session=1',
  Vary: 'Origin',
  'Content-Security-Policy': "default-src 'none'",
  'X-Request-Id': '1',
}

let issuer: MockIssuer
let token: string
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  token = await issuer.issueToken({ scopes: ['read'] })
})

const frameworks = harnesses.filter(([name]) => name !== 'core')

type Middleware = NonNullable<Setup['before']>

describe.each(frameworks)('%s', (_, harness) => {
  /** An API. The function that is returned opens a connection, of which only the first request meets the middleware. */
  async function serveApi(setup: Partial<Setup> = {}): Promise<(before: Middleware) => HttpConnection> {
    let next: Middleware | undefined
    const { client } = await serve(
      await harness.build({
        options: { audience: AUDIENCE, fetch: issuer.fetch, ...setup.options },
        routes: [
          { path: '/', handle: () => 'here' },
          { path: '/write', demands: [['write']], handle: () => 'never' },
        ],
        ...setup,
        before(set, response) {
          const before = next
          next = undefined
          before?.(set, response)
        },
      }),
    )
    return (before) => {
      next = before
      return client.open()
    }
  }

  const setAll =
    (stale: Stale): Middleware =>
    (set) => {
      for (const [name, value] of Object.entries(stale)) set(name, value)
    }
  const setOnNode =
    (stale: Stale): Middleware =>
    (_, response) => {
      for (const [name, value] of Object.entries(stale)) response.setHeader(name, value)
    }

  /** The next request on the connection gets its own answer. */
  async function expectNextIsRead(connection: HttpConnection): Promise<void> {
    await settle()
    expect(connection.rest).toBe('')
    const next = await connection.request('GET', '/', [`Authorization: Bearer ${token}`])
    expect([next.status, next.body]).toEqual([200, '"here"'])
    expect(connection.rest).toBe('')
  }

  const requests: readonly [string, string, string, () => readonly string[], number][] = [
    ['a refusal', 'GET', '/', () => [], 401],
    ['a refusal of HEAD', 'HEAD', '/', () => [], 401],
    ['a malformed credential', 'GET', '/', () => ['Authorization: Bearer'], 400],
    ['a guard', 'GET', '/write', () => [`Authorization: Bearer ${token}`], 403],
    ['the document', 'GET', METADATA_PATH, () => [], 200],
    ['HEAD of the document', 'HEAD', METADATA_PATH, () => [], 200],
    ['a preflight request', 'OPTIONS', METADATA_PATH, () => PREFLIGHT, 204],
  ]
  const setters = [
    ['set by way of the framework', setAll],
    ...(harness.isBare ? [] : ([["set on Node's response", setOnNode]] as const)),
  ] as const
  const rows = requests.flatMap(([what, method, path, lines, status]) =>
    setters.map(([how, make]) => ({ what, how, method, path, lines, status, make })),
  )

  it.each(rows)('$what, with headers $how', async ({ method, path, lines, status, make }) => {
    const connect = await serveApi()
    for (const framing of Object.values(FRAMING)) {
      const connection = connect(make({ ...DESCRIPTION, ...framing, ...KEPT }))
      const answer = await connection.request(method, path, lines())
      const headers = singleHeaders(answer)
      expect(answer.status).toBe(status)
      const known = {
        ...Object.fromEntries(Object.entries(KEPT).map(([name, value]) => [name.toLowerCase(), value])),
        'cache-control': status >= 400 ? 'no-store' : 'public, max-age=300',
        'content-type': 'application/json',
      }
      if (status === 204) {
        expect(headers['content-length']).toBeUndefined()
        expect(headers['content-type']).toBeUndefined()
        expect(headers['cache-control']).toBeUndefined()
      } else expect(headers).toMatchObject(known)
      const stale = [...Object.keys(DESCRIPTION), 'transfer-encoding', 'trailer'].map((name) =>
        name.toLowerCase(),
      )
      expect(Object.keys(headers).filter((name) => stale.includes(name) && !(name in known))).toEqual([])
      if (method === 'GET') {
        expect(headers['content-length']).toBe(String(answer.body.length))
        expect(JSON.parse(answer.body)).toEqual(expect.any(Object))
      }
      await expectNextIsRead(connection)
    }
  })

  it('an issuer that is down', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0)
    const fetch = () => Promise.reject(new TypeError('fetch failed'))
    const connect = await serveApi({ options: { audience: AUDIENCE, fetch } })
    const connection = connect(setAll({ ...DESCRIPTION, 'Content-Length': '3' }))
    const answer = await connection.request('GET', '/', [`Authorization: Bearer ${token}`])
    const headers = singleHeaders(answer)
    expect([answer.status, headers['cache-control'], headers.etag]).toEqual([503, 'no-store', undefined])
  })

  it('the reason phrase that earlier middleware left', async () => {
    const connect = await serveApi()
    const connection = connect((_, response) => {
      response.statusCode = 200
      response.statusMessage = 'Fine'
    })
    expect(await connection.request('GET', '/')).toMatchObject({ status: 401, statusMessage: 'Unauthorized' })
    await expectNextIsRead(connection)
  })

  // The framework's own handler and the application's write the answer: what frames and encodes a body is gone before.
  it.each(
    (['handled', 'unhandled'] as const).flatMap((errors) =>
      setters.map(([how, make]) => ({ errors, how, make })),
    ),
  )("errors: 'throw', $errors, with headers $how", async ({ errors, make }) => {
    const connect = await serveApi({ errors })
    for (const framing of Object.values(FRAMING))
      for (const [path, lines, status] of [
        ['/', [], 401],
        ['/write', [`Authorization: Bearer ${token}`], 403],
      ] as const) {
        const connection = connect(make({ ...framing, 'Content-Encoding': 'gzip' }))
        const answer = await connection.request('GET', path, lines)
        const headers = singleHeaders(answer)
        expect(answer.status).toBe(status)
        expect(headers['content-encoding']).toBeUndefined()
        expect(headers['cache-control']).toBe('no-store')
        // Where the application states no length, and both ways to do without were taken from Node, it closes the connection.
        if (!connection.isClosed) await expectNextIsRead(connection)
      }
  })
})
