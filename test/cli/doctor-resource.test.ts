import type { FetchFunction, VerifierOptions } from '@telnyx-auth/core'
import { telnyxAuth } from '@telnyx-auth/hono'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { Hono } from 'hono'
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { diagnose } from './harness.js'

/** `doctor --resource`: the user's own API, seen from outside, with proxies of all kinds in front of it. */

const API = 'https://api.example.com'

let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
})

type Options = VerifierOptions & { readonly optional?: boolean }

/** An API, as requests reach it. */
function createApi(options?: Options): (request: Request) => Response | Promise<Response> {
  const app = new Hono()
  app.use(telnyxAuth({ audience: API, issuer: issuer.issuer, fetch: issuer.fetch, ...options }))
  app.get('/', (c) => c.text('hello'))
  app.get('/messages', (c) => c.text('messages'))
  return (request) => app.fetch(request)
}

/** Examines an API at this URL. */
function examine(answer: (request: Request) => Response | Promise<Response>, url = API) {
  const fetch: FetchFunction = async (target, init) =>
    target.startsWith(API) ? answer(new Request(target, init)) : issuer.fetch(target, init)
  return diagnose(['--resource', url], { fetch })
}

/** A proxy that changes requests or answers. */
function behind(
  api: (request: Request) => Response | Promise<Response>,
  change: { request?: (headers: Headers) => void; response?: (headers: Headers) => void },
) {
  return async (request: Request) => {
    const headers = new Headers(request.headers)
    change.request?.(headers)
    const response = await api(new Request(request, { headers }))
    const changed = new Headers(response.headers)
    change.response?.(changed)
    return new Response(response.body, { status: response.status, headers: changed })
  }
}

const failure = (code: string) => {
  throw new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) })
}

const RESOURCE_FINDINGS = [
  'resource-metadata',
  'resource-issuer',
  'resource-challenge',
  'resource-authorization',
]

describe('an API that works', () => {
  it.each([API, `${API}/messages`])('%s: every finding is good', async (url) => {
    const { code, of } = await examine(createApi(), url)
    for (const id of RESOURCE_FINDINGS) expect(of(id)).toMatchObject({ outcome: 'good' })
    expect(code).toBe(0)
  })

  it('sends no access token, and follows no redirect', async () => {
    const sent: (string | null)[] = []
    await examine((request) => {
      sent.push(request.headers.get('authorization'))
      return new Response(null, { status: 302, headers: { location: 'https://elsewhere.example' } })
    })
    expect(new Set(sent)).toEqual(new Set([null, 'Bearer doctor']))
  })
})

describe('the metadata of the API', () => {
  it('are not served', async () => {
    const { code, of } = await examine(createApi({ audience: 'urn:api' }))
    expect(code).toBe(1)
    expect(of('resource-metadata')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining(`${API}/.well-known/oauth-protected-resource`),
      repair: expect.stringContaining('protectedResource'),
    })
    expect(of('resource-issuer')?.outcome).toBe('skipped')
    expect(of('resource-challenge')).toMatchObject({
      outcome: 'note',
      repair: expect.stringContaining('resource_metadata'),
    })
  })

  it('are no document', async () => {
    const api = createApi()
    const { of } = await examine((request) =>
      request.url.includes('.well-known') ? new Response('<html>') : api(request),
    )
    expect(of('resource-metadata')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('no metadata'),
    })
  })

  it('are too large', async () => {
    const api = createApi()
    const { of } = await examine((request) =>
      request.url.includes('.well-known')
        ? new Response(JSON.stringify({ resource: API, filler: 'x'.repeat(300_000) }))
        : api(request),
    )
    expect(of('resource-metadata')?.outcome).toBe('wrong')
  })

  it('name another resource', async () => {
    const { code, of } = await examine(
      createApi({ protectedResource: { resource: 'https://other.example.com' } }),
    )
    expect(code).toBe(1)
    expect(of('resource-metadata')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('https://other.example.com'),
      repair: expect.stringMatching(/"audience".*from inside, past the proxy, ignore this/),
    })
    expect(of('resource-challenge')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('elsewhere: https://other.example.com/'),
    })
  })

  it.each([
    ['an object without a text', '[{"toString":1,"valueOf":2}]'],
    ['an array that is nested deep', `${'['.repeat(50_000)}${']'.repeat(50_000)}`],
    ['null', '[null]'],
  ])('name %s as an issuer, which is none', async (_, servers) => {
    const api = createApi()
    const { code, of } = await examine((request) =>
      request.url.includes('/.well-known/')
        ? new Response(`{"resource":"${API}","authorization_servers":${servers}}`)
        : api(request),
    )
    expect([code, of('resource-issuer')?.outcome]).toEqual([1, 'wrong'])
    expect(of('resource-issuer')?.message).toMatch(/: none\.$/)
  })

  it('name another issuer', async () => {
    const { code, of } = await examine(createApi({ issuer: 'https://login.example.com' }))
    expect(code).toBe(1)
    expect(of('resource-issuer')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('https://login.example.com'),
      repair: expect.stringContaining('TELNYX_AUTH_ISSUER'),
    })
  })
})

describe('proxies', () => {
  it('one takes the header Authorization away', async () => {
    const proxy = behind(createApi(), { request: (headers) => headers.delete('authorization') })
    const { code, of } = await examine(proxy)
    expect(code).toBe(1)
    expect(of('resource-challenge')?.outcome).toBe('good')
    expect(of('resource-authorization')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('does not reach the API'),
      repair: expect.stringContaining('Authorization'),
    })
  })

  it('one takes the header Authorization away, in front of an API where a token is optional', async () => {
    const proxy = behind(createApi({ optional: true }), {
      request: (headers) => headers.delete('authorization'),
    })
    const { code, of } = await examine(proxy)
    expect(code).toBe(1)
    expect(of('resource-challenge')?.outcome).toBe('note')
    expect(of('resource-authorization')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('accepted'),
    })
  })

  it('one takes the header WWW-Authenticate away', async () => {
    const proxy = behind(createApi(), { response: (headers) => headers.delete('www-authenticate') })
    const { code, of } = await examine(proxy)
    expect(code).toBe(1)
    expect(of('resource-challenge')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('without the header WWW-Authenticate'),
      repair: expect.stringContaining('proxy'),
    })
    // The codes in the bodies differ, so the token has arrived.
    expect(of('resource-authorization')).toMatchObject({
      outcome: 'good',
      message: expect.stringContaining('ERR_TOKEN_MALFORMED'),
    })
  })

  it('one takes both headers away', async () => {
    const proxy = behind(createApi(), {
      request: (headers) => headers.delete('authorization'),
      response: (headers) => headers.delete('www-authenticate'),
    })
    const { of } = await examine(proxy)
    expect(of('resource-authorization')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('does not reach the API'),
    })
  })

  it('another program answers 401: whether the token arrives cannot be told', async () => {
    const headers = { 'www-authenticate': 'Basic realm="proxy"' }
    const { of } = await examine(() => Response.json({ code: 'no' }, { status: 401, headers }))
    expect(of('resource-challenge')?.outcome).toBe('wrong')
    expect(of('resource-authorization')).toMatchObject({
      outcome: 'skipped',
      message: expect.stringContaining('cannot be told'),
    })
  })

  it('one asks for another scheme', async () => {
    const proxy = behind(createApi(), {
      response: (headers) => headers.set('www-authenticate', 'Basic realm="proxy"'),
    })
    expect((await examine(proxy)).of('resource-challenge')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('no challenge for access tokens'),
    })
  })
})

describe('other answers', () => {
  it('the error invalid_token also without a token shows nothing about Authorization', async () => {
    const api = createApi()
    const { code, of } = await examine(
      behind(api, {
        request: (headers) => headers.delete('authorization'),
        response: (headers) => {
          const challenge = headers.get('www-authenticate')
          if (challenge !== null) headers.set('www-authenticate', `${challenge}, error="invalid_token"`)
        },
      }),
    )
    expect([code, of('resource-challenge')?.outcome]).toEqual([0, 'good'])
    expect(of('resource-authorization')).toMatchObject({
      outcome: 'note',
      message: expect.stringContaining('also without a token'),
    })
  })

  it('an API that needs no token', async () => {
    const { code, of } = await examine(() => new Response('hello'))
    expect(code).toBe(1)
    expect(of('resource-challenge')).toMatchObject({
      outcome: 'note',
      repair: expect.stringContaining('telnyxAuth'),
    })
    expect(of('resource-authorization')?.outcome).toBe('wrong')
  })

  it('a URL that is not there', async () => {
    const { code, of } = await examine(() => new Response(null, { status: 404 }))
    expect(code).toBe(1)
    expect(of('resource-challenge')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('404'),
    })
    expect(of('resource-authorization')?.outcome).toBe('skipped')
  })

  it('a URL that no guard covers: the repair says so', async () => {
    const { of } = await examine(() => new Response(null, { status: 405 }))
    expect(of('resource-challenge')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('status 405, not 401'),
      repair: expect.stringMatching(/No guard .*@telnyx-auth\/mcp, set "path"/),
    })
  })

  it('a redirect: the repair names the URL, not the guard', async () => {
    const { of } = await examine(() => new Response(null, { status: 302, headers: { location: '/login' } }))
    expect(of('resource-challenge')?.repair).toMatch(/^Name a URL .*redirect/)
  })

  it('only a request with a token fails', async () => {
    const api = createApi()
    const { code, of } = await examine((request) =>
      request.headers.has('authorization') ? new Response(null, { status: 400 }) : api(request),
    )
    expect(code).toBe(1)
    expect(of('resource-authorization')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('400'),
    })
  })

  const UNDECIDED = ['undecided', 3] as const
  it.each([
    ['no connection', () => failure('ECONNREFUSED'), UNDECIDED, 'ECONNREFUSED', 'is it running'],
    ['an error without a code', () => failure('no code'), UNDECIDED, 'no connection', 'is it running'],
    [
      'status 502',
      () => new Response(null, { status: 502 }),
      UNDECIDED,
      '502',
      'proxy does not reach the API',
    ],
    ['status 503', () => new Response(null, { status: 503 }), UNDECIDED, '503', 'NODE_DEBUG=telnyx-auth'],
    // It will not be better in a minute.
    ['a fault of TLS', () => failure('CERT_HAS_EXPIRED'), ['wrong', 1], 'CERT_HAS_EXPIRED', 'renew it'],
  ] as const)('%s: the repair is for that', async (_, answer, [outcome, exit], said, repair) => {
    const { code, of } = await examine(answer)
    expect(code).toBe(exit)
    for (const id of ['resource-metadata', 'resource-challenge', 'resource-authorization'])
      expect(of(id)).toMatchObject({
        outcome,
        message: expect.stringContaining(said),
        repair: expect.stringContaining(repair),
      })
  })

  it.each([
    [0, 'good', 'less than 5 seconds'],
    [7200, 'wrong', 'the API is 2 hours ahead of that of the issuer'],
    [-7200, 'wrong', 'the API is 2 hours behind that of the issuer'],
  ])('the clock of the API differs by %d seconds from that of the issuer', async (ahead, outcome, said) => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => {
      vi.useRealTimers()
      issuer.clearFaults()
    })
    // This machine has another time: it decides about no token.
    const dateOf = (seconds: number) => new Date(Date.now() - 86_400_000 + 1000 * seconds).toUTCString()
    issuer.fault('jwks', { headers: { Date: dateOf(0) } })
    const api = behind(createApi(), { response: (headers) => headers.set('date', dateOf(ahead)) })
    const { of } = await examine(api)
    expect(of('resource-clock')).toMatchObject({ outcome, message: expect.stringContaining(said) })
    expect(of('clock')).toMatchObject({ outcome: 'wrong', message: expect.stringContaining('this machine') })
  })

  it('without a Date, the clock of the API is not examined', async () => {
    expect((await examine(createApi())).of('resource-clock')?.outcome).toBe('skipped')
  })

  it.each(['http://api.example.com', 'not a URL', `${API}/#fragment`])(
    '%s is no resource: exit code 2',
    async (url) => {
      await expect(examine(createApi(), url)).rejects.toThrow(SyntaxError)
    },
  )
})
