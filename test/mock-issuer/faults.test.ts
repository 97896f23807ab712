import type { TimerOptions } from 'node:timers'
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
// One endpoint of each kind. operations.test.ts tests that all apply faults.
const ENDPOINTS = ['metadata', 'jwks', 'token', 'introspection'] as const

expectNothingUnhandled()

/** The delays that the issuer is waiting for. A test ends one before its time. */
const delays = vi.hoisted((): { milliseconds: number; end(): void }[] => [])
vi.mock('node:timers/promises', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:timers/promises')>()
  const setTimeout = (milliseconds: number, value: undefined, options: TimerOptions): Promise<void> => {
    const ended = new Promise<void>((resolve) => {
      delays.push({ milliseconds, end: resolve })
    })
    return Promise.race([original.setTimeout(milliseconds, value, { ...options, ref: false }), ended])
  }
  return { ...original, setTimeout }
})

/** Ends the delay of the request that is waiting. */
async function endDelay(milliseconds: number): Promise<void> {
  await until(() => delays.length > 0)
  const [delay] = delays.splice(0)
  expect(delay?.milliseconds).toBe(milliseconds)
  delay?.end()
}

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
  afterEach(() => {
    issuer.clearFaults()
    delays.length = 0
  })
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

    it('adds headers to its usual response', async () => {
      issuer.fault(endpoint, { headers: { 'cache-control': 'max-age=5', etag: '"1"' } })
      const response = await ask(endpoint)
      expect(response.status).toBe(200)
      expect(response.headers.get('cache-control')).toBe('max-age=5')
      expect(response.headers.get('etag')).toBe('"1"')
      expect(await readObject(response)).not.toEqual({})
    })

    it('answers as usual, but after the delay', async () => {
      issuer.fault(endpoint, { delayMs: 600_000, times: 1 })
      const answered: string[] = []
      const delayed = ask(endpoint).finally(() => answered.push('delayed'))
      await until(() => delays.length > 0)
      await ask(endpoint).finally(() => answered.push('later'))
      await endDelay(600_000)
      expect((await delayed).status).toBe(200)
      expect(answered).toEqual(['later', 'delayed'])
    })

    it('does not respond until the caller gives up', async () => {
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

    it('fails for a number of requests only, and counts all requests', async () => {
      const { count } = issuer.requests[endpoint]
      issuer.fault(endpoint, { status: 500, times: 2 })
      const statuses = [await ask(endpoint), await ask(endpoint), await ask(endpoint)].map(
        ({ status }) => status,
      )
      expect(statuses).toEqual([500, 500, 200])
      expect(issuer.requests[endpoint].count).toBe(count + 3)
    })

    it('fails without affecting other endpoints', async () => {
      issuer.fault(endpoint, { status: 500 })
      for (const other of ENDPOINTS) expect((await ask(other)).status).toBe(other === endpoint ? 500 : 200)
    })
  })

  describe('body', () => {
    it.each([
      ['text beyond ASCII', 'grüße 🔑', 'grüße 🔑'],
      ['an empty text', '', ''],
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

    it('bytes that are not UTF-8 arrive unchanged', async () => {
      const bytes = Uint8Array.of(0xff, 0x00, 0xfe)
      issuer.fault('jwks', { body: bytes })
      expect(new Uint8Array(await (await ask('jwks')).arrayBuffer())).toEqual(bytes)
    })

    it('JSON has its content type, unless the headers set another', async () => {
      issuer.fault('jwks', { body: {} })
      expect((await ask('jwks')).headers.get('content-type')).toMatch(/^application\/json\b/)
      issuer.fault('jwks', { body: {}, headers: { 'Content-Type': 'text/html' } })
      expect((await ask('jwks')).headers.get('content-type')).toBe('text/html')
    })

    it('is sent with any status', async () => {
      issuer.fault('jwks', { status: 418, body: { error: 'teapot' } })
      const response = await ask('jwks')
      expect(response.status).toBe(418)
      expect(await readObject(response)).toEqual({ error: 'teapot' })
    })

    it('is produced in pieces of text and bytes, again for each request', async () => {
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

    it('may be large', async () => {
      issuer.fault('jwks', { body: Buffer.alloc(3_000_000, ' ') })
      expect(await (await ask('jwks')).arrayBuffer()).toHaveProperty('byteLength', 3_000_000)
    })

    it('may be endless, until the reader cancels', async () => {
      let ended = false
      issuer.fault('jwks', { body: endless(() => (ended = true)) })
      const reader = (await ask('jwks')).body?.getReader()
      let size = 0
      while (size < 1_000_000) size += (await reader?.read())?.value?.length ?? Number.NaN
      await reader?.cancel()
      await until(() => ended)
    })

    it('may be endless, until the signal aborts', async () => {
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

    it('may stop in the middle, until the signal aborts', async () => {
      let stopped = false
      issuer.fault('jwks', {
        body: async function* () {
          yield '{'
          stopped = true
          await new Promise(() => {})
        },
      })
      const abort = new AbortController()
      const response = await ask('jwks', { signal: abort.signal })
      const text = rejectionOf(response.text())
      await until(() => stopped)
      abort.abort()
      expect(await text).toMatchObject({ name: 'AbortError' })
    })

    it('may fail in the middle', async () => {
      // The server logs the error on the console.
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
    it('are added to the usual response, even if it is an error', async () => {
      issuer.fault('introspection', { headers: { 'retry-after': '7', 'cache-control': 'max-age=5' } })
      const response = await postForm(fetch, base + PATHS.introspection, { token: 'x' })
      expect(response.status).toBe(401)
      expect(response.headers.get('retry-after')).toBe('7')
      expect(response.headers.get('cache-control')).toBe('max-age=5')
      expect(await readObject(response)).toMatchObject({ error: 'invalid_client' })
    })
  })

  describe('delayMs', () => {
    it('applies before the rest of the fault', async () => {
      const faults: Fault[] = [{ status: 500 }, { body: 'x' }, { headers: { 'x-late': '1' } }]
      for (const fault of faults) {
        issuer.fault('jwks', { ...fault, delayMs: 600_000 })
        const response = ask('jwks')
        await endDelay(600_000)
        expect((await response).status).toBe(fault.status ?? 200)
      }
      issuer.fault('jwks', { drop: true, delayMs: 600_000 })
      const dropped = rejectionOf(ask('jwks'))
      await endDelay(600_000)
      expect(await dropped).toBeInstanceOf(TypeError)
    })

    it('ends with the reason of the caller if the caller gives up', async () => {
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
    it('is returned with the mode "manual"', async () => {
      issuer.fault('jwks', { status: 302, headers: { location: 'https://elsewhere.example.com/' } })
      const response = await fetch(base + PATHS.jwks, { redirect: 'manual' })
      expect(response.status).toBe(302)
      expect(response.headers.get('location')).toBe('https://elsewhere.example.com/')
    })
  })

  describe('times', () => {
    it('1 applies to one request, even if several arrive at once', async () => {
      issuer.fault('jwks', { status: 500, times: 1 })
      const statuses = (await Promise.all([ask('jwks'), ask('jwks'), ask('jwks')])).map(
        ({ status }) => status,
      )
      expect(statuses.sort()).toEqual([200, 200, 500])
    })

    it('0 applies to no request', async () => {
      issuer.fault('jwks', { status: 500, times: 0 })
      expect((await ask('jwks')).status).toBe(200)
    })

    it('counts a request that the caller gave up', async () => {
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

  it('a second fault of an endpoint replaces the first', async () => {
    issuer.fault('jwks', { status: 500, headers: { 'x-first': '1' }, times: 1 })
    issuer.fault('jwks', { status: 502 })
    for (const _ of [1, 2]) {
      const response = await ask('jwks')
      expect(response.status).toBe(502)
      expect(response.headers.has('x-first')).toBe(false)
    }
  })

  it('an empty fault changes nothing', async () => {
    issuer.fault('jwks', {})
    expect((await ask('jwks')).status).toBe(200)
  })

  it('clearFaults removes the faults of all endpoints', async () => {
    for (const endpoint of ENDPOINTS) issuer.fault(endpoint, { status: 500 })
    issuer.clearFaults()
    issuer.clearFaults()
    for (const endpoint of ENDPOINTS) expect((await ask(endpoint)).status).toBe(200)
  })

  it('clearFaults does not release a request that is already silent', async () => {
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

it('a fault of an unknown endpoint is refused', async () => {
  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  for (const endpoint of ['userinfo', 'constructor', '']) {
    // Callers in JavaScript can do this.
    expect(() => Reflect.apply(issuer.fault, issuer, [endpoint, { status: 500 }])).toThrow(TypeError)
  }
})

it.each([
  ['an unknown member', { dealyMs: 1 }],
  ['a status that does not exist', { status: 99 }],
  ['a status that has no body', { status: 204, body: 'text' }],
  ['a header that cannot be sent', { headers: { 'a b': 'c' } }],
  ['a body that is not JSON', { body: { big: 1n } }],
  ['a delay that is too long for a timer', { delayMs: 2 ** 31 }],
  ['a negative delay', { delayMs: -1 }],
  ['a delay that is not a number', { delayMs: '5' }],
  ['times that are not a number', { status: 500, times: Number.NaN }],
  ['times that are not whole', { status: 500, times: 1.5 }],
  ['negative times', { status: 500, times: -1 }],
])('a fault with %s is refused by fault()', async (_, fault) => {
  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  expect(() => Reflect.apply(issuer.fault, issuer, ['jwks', fault])).toThrow(/./)
  expect((await issuer.fetch('https://api.telnyx.com/v2/oauth/jwks')).status).toBe(200)
  expect(() => issuer.fault('jwks', { status: 204, delayMs: 0 })).not.toThrow()
})
