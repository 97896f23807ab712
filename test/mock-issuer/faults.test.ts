import { createMockIssuer, type Endpoint, type Fault, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { expectNothingUnhandled, turnOfEventLoop, until } from '../support/event-loop.js'
import { basicCredentials, causeCode, postForm, readObject, rejectionOf } from '../support/oauth-requests.js'

const CLIENT = { clientId: 'app', clientSecret: 's3cret' }
const BASIC = { authorization: basicCredentials(CLIENT.clientId, CLIENT.clientSecret) }
const PATHS = {
  metadata: '/.well-known/oauth-authorization-server',
  jwks: '/v2/oauth/jwks',
  token: '/v2/oauth/token',
  introspection: '/v2/oauth/introspect',
} as const satisfies Partial<Record<Endpoint, string>>
// One of each kind; that all obey is tested with the operations.
const ENDPOINTS = ['metadata', 'jwks', 'token', 'introspection'] as const

expectNothingUnhandled()

describe.each([
  ['in process', false],
  ['over HTTP', true],
])('%s', (_, overHttp) => {
  let issuer: MockIssuer
  let base: string
  let fetch: typeof globalThis.fetch

  beforeAll(async () => {
    issuer = await createMockIssuer({ algorithm: 'ES256', clients: [CLIENT] })
    base = overHttp ? await issuer.listen() : issuer.issuer
    fetch = overHttp ? globalThis.fetch : issuer.fetch
  })
  afterEach(() => issuer.clearFaults())
  afterAll(() => issuer.close())

  const ask = (endpoint: keyof typeof PATHS, init: { signal?: AbortSignal } = {}): Promise<Response> => {
    if (endpoint === 'metadata' || endpoint === 'jwks') return fetch(base + PATHS[endpoint], init)
    const withSignal: typeof fetch = (url, rest) => fetch(url, { ...rest, ...init })
    return postForm(
      withSignal,
      base + PATHS[endpoint],
      { grant_type: 'client_credentials', token: 'x' },
      BASIC,
    )
  }

  describe.each(ENDPOINTS)('%s', (endpoint) => {
    it('answers with a status, headers and no body', async () => {
      issuer.fault(endpoint, { status: 503, headers: { 'retry-after': '7', 'x-more': 'a, b' } })
      const response = await ask(endpoint)
      expect(response.status).toBe(503)
      expect(response.headers.get('retry-after')).toBe('7')
      expect(response.headers.get('x-more')).toBe('a, b')
      expect(await response.text()).toBe('')
    })

    it('answers with a body and 200', async () => {
      issuer.fault(endpoint, { body: 'not what you want' })
      const response = await ask(endpoint)
      expect(response.status).toBe(200)
      expect(await response.text()).toBe('not what you want')
    })

    it('answers as usual with more headers', async () => {
      issuer.fault(endpoint, { headers: { 'cache-control': 'max-age=5', etag: '"1"' } })
      const response = await ask(endpoint)
      expect(response.status).toBe(200)
      expect(response.headers.get('cache-control')).toBe('max-age=5')
      expect(response.headers.get('etag')).toBe('"1"')
      expect(await readObject(response)).not.toEqual({})
    })

    it('answers as usual, but late', async () => {
      issuer.fault(endpoint, { delayMs: 10 })
      const started = performance.now()
      const response = await ask(endpoint)
      // Timers may be up to a millisecond early.
      expect(performance.now() - started).toBeGreaterThanOrEqual(9)
      expect(response.status).toBe(200)
    })

    it('is silent until the caller gives up', async () => {
      issuer.fault(endpoint, { silence: true })
      const abort = new AbortController()
      const { count } = issuer.requests[endpoint]
      const rejection = rejectionOf(ask(endpoint, { signal: abort.signal }))
      await until(() => issuer.requests[endpoint].count > count)
      abort.abort(new Error('enough'))
      expect(await rejection).toMatchObject({ message: 'enough' })
    })

    it('drops the connection', async () => {
      issuer.fault(endpoint, { drop: true })
      const error = await rejectionOf(ask(endpoint))
      expect(error).toBeInstanceOf(TypeError)
      expect(causeCode(error)).toMatch(/^(ECONNRESET|UND_ERR_SOCKET)$/)
      issuer.clearFaults()
      expect((await ask(endpoint)).status).toBe(200)
    })

    it('misbehaves for the next requests only, all of which count', async () => {
      const { count } = issuer.requests[endpoint]
      issuer.fault(endpoint, { status: 500, times: 2 })
      const statuses = [await ask(endpoint), await ask(endpoint), await ask(endpoint)].map(
        ({ status }) => status,
      )
      expect(statuses).toEqual([500, 500, 200])
      expect(issuer.requests[endpoint].count).toBe(count + 3)
    })

    it('misbehaves alone', async () => {
      issuer.fault(endpoint, { status: 500 })
      for (const other of ENDPOINTS) expect((await ask(other)).status).toBe(other === endpoint ? 500 : 200)
    })
  })

  describe('body', () => {
    it.each([
      ['text beyond ASCII', 'grüße 🔑', 'grüße 🔑'],
      ['no text', '', ''],
      ['bytes', Uint8Array.of(0x7b, 0x7d), '{}'],
      ['an object as JSON', { keys: [] }, '{"keys":[]}'],
      ['an array as JSON', [1, null], '[1,null]'],
      ['null as JSON', null, 'null'],
    ] as const)('%s', async (_, body, text) => {
      issuer.fault('jwks', { body })
      const response = await ask('jwks')
      expect(response.status).toBe(200)
      expect(await response.text()).toBe(text)
    })

    it('bytes that are no text arrive as they are', async () => {
      const bytes = Uint8Array.of(0xff, 0x00, 0xfe)
      issuer.fault('jwks', { body: bytes })
      expect(new Uint8Array(await (await ask('jwks')).arrayBuffer())).toEqual(bytes)
    })

    it('JSON says so, unless the headers say something else', async () => {
      issuer.fault('jwks', { body: {} })
      expect((await ask('jwks')).headers.get('content-type')).toMatch(/^application\/json\b/)
      issuer.fault('jwks', { body: {}, headers: { 'Content-Type': 'text/html' } })
      expect((await ask('jwks')).headers.get('content-type')).toBe('text/html')
    })

    it('comes with any status', async () => {
      issuer.fault('jwks', { status: 418, body: { error: 'teapot' } })
      const response = await ask('jwks')
      expect(response.status).toBe(418)
      expect(await readObject(response)).toEqual({ error: 'teapot' })
    })

    it('is produced piece by piece, text and bytes, anew for each request', async () => {
      let made = 0
      issuer.fault('jwks', {
        status: 201,
        body: async function* () {
          made++
          yield '{"grü'
          await turnOfEventLoop()
          yield ''
          yield Buffer.from('ße":')
          yield '1}'
        },
      })
      for (const time of [1, 2]) {
        const response = await ask('jwks')
        expect(response.status).toBe(201)
        expect(await response.text()).toBe('{"grüße":1}')
        expect(made).toBe(time)
      }
    })

    it('may have no pieces', async () => {
      issuer.fault('jwks', { body: async function* () {} })
      expect(await (await ask('jwks')).text()).toBe('')
    })

    it('is large', async () => {
      issuer.fault('jwks', { body: Buffer.alloc(3_000_000, ' ') })
      expect(await (await ask('jwks')).arrayBuffer()).toHaveProperty('byteLength', 3_000_000)
    })

    it('is endless, and ends when the reader cancels', async () => {
      let ended = false
      issuer.fault('jwks', { body: endless(() => (ended = true)) })
      const reader = (await ask('jwks')).body?.getReader()
      let size = 0
      while (size < 1_000_000) size += (await reader?.read())?.value?.length ?? Number.NaN
      await reader?.cancel()
      await until(() => ended)
    })

    it('is endless, and ends when the signal aborts', async () => {
      let ended = false
      issuer.fault('jwks', { body: endless(() => (ended = true)) })
      const abort = new AbortController()
      const response = await ask('jwks', { signal: abort.signal })
      const reader = response.body?.getReader()
      await reader?.read()
      abort.abort()
      const readOn = async (): Promise<void> => {
        while (!(await reader?.read())?.done);
      }
      expect(await rejectionOf(readOn())).toMatchObject({ name: 'AbortError' })
      await until(() => ended)
    })

    it('stops in the middle, until the signal aborts', async () => {
      issuer.fault('jwks', {
        body: async function* () {
          yield '{'
          await new Promise(() => {})
        },
      })
      const abort = new AbortController()
      const response = await ask('jwks', { signal: abort.signal })
      const text = rejectionOf(response.text())
      await turnOfEventLoop()
      abort.abort()
      expect(await text).toMatchObject({ name: 'AbortError' })
    })

    it('breaks in the middle', async () => {
      // The server says on the console what broke.
      vi.spyOn(console, 'error').mockImplementation(() => {})
      let breakIt = (): void => {}
      const broken = new Promise<void>((resolve) => {
        breakIt = resolve
      })
      issuer.fault('jwks', {
        body: async function* () {
          yield '{'
          await broken
          throw new Error('broken')
        },
      })
      const response = await ask('jwks')
      expect(response.status).toBe(200)
      breakIt()
      await rejectionOf(response.text())
      issuer.clearFaults()
      expect((await ask('jwks')).status).toBe(200)
    })

    function endless(onEnd: () => void): () => AsyncGenerator<Uint8Array> {
      return async function* () {
        const piece = Buffer.alloc(64 * 1024, 'a')
        try {
          for (;;) {
            yield piece
            await turnOfEventLoop()
          }
        } finally {
          onEnd()
        }
      }
    }
  })

  describe('headers', () => {
    it('are on the usual answer when it is a refusal too', async () => {
      issuer.fault('introspection', { headers: { 'retry-after': '7', 'cache-control': 'max-age=5' } })
      const response = await postForm(fetch, base + PATHS.introspection, { token: 'x' })
      expect(response.status).toBe(401)
      expect(response.headers.get('retry-after')).toBe('7')
      expect(response.headers.get('cache-control')).toBe('max-age=5')
      expect(await readObject(response)).toMatchObject({ error: 'invalid_client' })
    })
  })

  describe('delayMs', () => {
    it('comes before whatever else there is', async () => {
      const faults: Fault[] = [{ status: 500 }, { body: 'x' }, { headers: { 'x-late': '1' } }]
      for (const fault of faults) {
        issuer.fault('jwks', { ...fault, delayMs: 5 })
        const started = performance.now()
        const response = await ask('jwks')
        expect(performance.now() - started).toBeGreaterThanOrEqual(4)
        expect(response.status).toBe(fault.status ?? 200)
      }
      issuer.fault('jwks', { drop: true, delayMs: 5 })
      await expect(ask('jwks')).rejects.toBeInstanceOf(TypeError)
    })

    it('ends when the caller gives up, with the caller’s reason', async () => {
      issuer.fault('jwks', { delayMs: 600_000 })
      const abort = new AbortController()
      const { count } = issuer.requests.jwks
      const rejection = rejectionOf(ask('jwks', { signal: abort.signal }))
      await until(() => issuer.requests.jwks.count > count)
      const reason = new DOMException('too late', 'TimeoutError')
      abort.abort(reason)
      expect(await rejection).toBe(reason)
    })
  })

  describe('a redirect', () => {
    it('is handed out where it is not to be followed', async () => {
      issuer.fault('jwks', { status: 302, headers: { location: 'https://elsewhere.example.com/' } })
      const response = await fetch(base + PATHS.jwks, { redirect: 'manual' })
      expect(response.status).toBe(302)
      expect(response.headers.get('location')).toBe('https://elsewhere.example.com/')
    })
  })

  describe('times', () => {
    it('1 is the next request, also when several come at once', async () => {
      issuer.fault('jwks', { status: 500, times: 1 })
      const statuses = (await Promise.all([ask('jwks'), ask('jwks'), ask('jwks')])).map(
        ({ status }) => status,
      )
      expect(statuses.sort()).toEqual([200, 200, 500])
    })

    it('0 is no request', async () => {
      issuer.fault('jwks', { status: 500, times: 0 })
      expect((await ask('jwks')).status).toBe(200)
    })

    it('is used up by a request that is given up', async () => {
      issuer.fault('jwks', { silence: true, times: 1 })
      const abort = new AbortController()
      const { count } = issuer.requests.jwks
      const rejection = rejectionOf(ask('jwks', { signal: abort.signal }))
      await until(() => issuer.requests.jwks.count > count)
      expect((await ask('jwks')).status).toBe(200)
      abort.abort()
      expect(await rejection).toMatchObject({ name: 'AbortError' })
    })
  })

  it('a second fault of an endpoint takes the place of the first', async () => {
    issuer.fault('jwks', { status: 500, headers: { 'x-first': '1' }, times: 1 })
    issuer.fault('jwks', { status: 502 })
    for (const _ of [1, 2]) {
      const response = await ask('jwks')
      expect(response.status).toBe(502)
      expect(response.headers.has('x-first')).toBe(false)
    }
  })

  it('a fault that asks for nothing changes nothing', async () => {
    issuer.fault('jwks', {})
    expect((await ask('jwks')).status).toBe(200)
  })

  it('clearFaults makes all endpoints behave', async () => {
    for (const endpoint of ENDPOINTS) issuer.fault(endpoint, { status: 500 })
    issuer.clearFaults()
    issuer.clearFaults()
    for (const endpoint of ENDPOINTS) expect((await ask(endpoint)).status).toBe(200)
  })

  it('clearFaults does not let a request go that is silent already', async () => {
    issuer.fault('jwks', { silence: true })
    const abort = new AbortController()
    const { count } = issuer.requests.jwks
    const rejection = rejectionOf(ask('jwks', { signal: abort.signal }))
    await until(() => issuer.requests.jwks.count > count)
    issuer.clearFaults()
    expect((await ask('jwks')).status).toBe(200)
    abort.abort()
    expect(await rejection).toMatchObject({ name: 'AbortError' })
  })
})

it('a fault of an endpoint that does not exist is refused', async () => {
  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  for (const endpoint of ['userinfo', 'constructor', '']) {
    // As JavaScript callers can.
    expect(() => Reflect.apply(issuer.fault, issuer, [endpoint, { status: 500 }])).toThrow(TypeError)
  }
})

it.each([
  ['a member that does not exist', { dealyMs: 1 }],
  ['a status that does not exist', { status: 99 }],
  ['a status that has no body', { status: 204, body: 'text' }],
  ['a header that cannot be sent', { headers: { 'a b': 'c' } }],
  ['a body that is not JSON', { body: { big: 1n } }],
  ['a delay that timers do not know', { delayMs: 2 ** 31 }],
  ['a delay into the past', { delayMs: -1 }],
  ['a delay that is no number', { delayMs: '5' }],
  ['a number of times that is none', { status: 500, times: Number.NaN }],
  ['half a time', { status: 500, times: 1.5 }],
  ['fewer times than none', { status: 500, times: -1 }],
])('a fault with %s is refused when it is set', async (_, fault) => {
  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  expect(() => Reflect.apply(issuer.fault, issuer, ['jwks', fault])).toThrow(/./)
  expect((await issuer.fetch('https://api.telnyx.com/v2/oauth/jwks')).status).toBe(200)
  expect(() => issuer.fault('jwks', { status: 204, delayMs: 0 })).not.toThrow()
})
