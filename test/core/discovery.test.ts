import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { isSecureUrl, metadataUrl } from '../../packages/core/src/testing.js'
import { codeOf, createPair, errorOf, untilTimeout } from '../support/outcome.js'

describe('D1: where the metadata is', () => {
  it.each([
    ['https://api.telnyx.com', 'https://api.telnyx.com/.well-known/oauth-authorization-server'],
    ['https://h', 'https://h/.well-known/oauth-authorization-server'],
    ['https://h/', 'https://h/.well-known/oauth-authorization-server'],
    ['https://h/t', 'https://h/.well-known/oauth-authorization-server/t'],
    ['https://h/t/', 'https://h/.well-known/oauth-authorization-server/t'],
    ['https://h:8443/a/b', 'https://h:8443/.well-known/oauth-authorization-server/a/b'],
    ['https://h/%7Etenant/A', 'https://h/.well-known/oauth-authorization-server/%7Etenant/A'],
    ['http://[::1]:80/t', 'http://[::1]:80/.well-known/oauth-authorization-server/t'],
  ])('D1: %s → %s', (issuer, url) => {
    expect(metadataUrl(issuer)).toBe(url)
  })

  it.each(['https://id.example.com/tenant', 'https://id.example.com/tenant/', 'https://id.example.com/'])(
    'D1: an issuer with the path of %s is discovered, and its tokens accepted',
    async (identifier) => {
      const { issuer, verifier } = await createPair({ issuer: { issuer: identifier } })
      expect((await verifier.verify(await issuer.issueToken())).issuer).toBe(identifier)
    },
  )
})

describe('D2: whose metadata it is', () => {
  it.each([
    'https://api.telnyx.com/',
    'https://api.telnyx.con',
    'HTTPS://api.telnyx.com',
    'https://api.telnyx.com:443',
    '',
    null,
    ['https://api.telnyx.com'],
    undefined,
  ])('D2: "issuer" %j in the document is not the issuer', async (claimed) => {
    const { issuer, verifier } = await createPair()
    issuer.fault('metadata', { body: { issuer: claimed, jwks_uri: 'https://api.telnyx.com/v2/oauth/jwks' } })
    const error = await errorOf(verifier.verify(await issuer.issueToken()))
    expect(error).toMatchObject({ code: 'ERR_DISCOVERY_FAILED', status: 503 })
    expect(error.headers).toMatchObject({ 'Retry-After': '5' })
    expect(issuer.requests.jwks.count).toBe(0)
  })
})

describe('D3: secure transport', () => {
  it.each([
    'http://api.telnyx.com/v2/oauth/jwks',
    'http://127.0.0.1.example.com/jwks',
    'http://localhost.example.com/jwks',
    'file:///etc/passwd',
    'data:application/json,{}',
    'ftp://127.0.0.1/jwks',
    'https://user:secret@api.telnyx.com/v2/oauth/jwks',
    '/v2/oauth/jwks',
    '',
    null,
    5,
    undefined,
  ])('D3: "jwks_uri" %j is not used', async (jwksUri) => {
    const { issuer, verifier } = await createPair()
    issuer.fault('metadata', { body: { issuer: issuer.issuer, jwks_uri: jwksUri } })
    expect(await codeOf(verifier.verify(await issuer.issueToken()))).toBe('ERR_DISCOVERY_FAILED')
    expect(issuer.requests.jwks.count).toBe(0)
  })

  it.each([
    ['https://issuer.example.com', true],
    ['http://localhost:4010', true],
    ['http://127.0.0.1', true],
    ['http://127.255.255.254:1', true],
    ['http://[::1]:4010/t', true],
    ['http://128.0.0.1', false],
    ['http://[::2]', false],
    ['http://[::ffff:127.0.0.1]', false],
    ['http://0.0.0.0', false],
    ['http://localhost.', false],
    ['https://', false],
    ['issuer.example.com', false],
  ])('D3: %s: %s', (url, secure) => {
    expect(isSecureUrl(url)).toBe(secure)
  })

  it.each(['metadata', 'jwks'] as const)(
    'D3: a redirect of the %s endpoint is not followed',
    async (endpoint) => {
      for (const status of [301, 302, 303, 307, 308]) {
        const { issuer, verifier } = await createPair()
        issuer.fault(endpoint, { status, headers: { location: 'https://api.telnyx.com/v2/oauth/jwks' } })
        const error = await errorOf(verifier.verify(await issuer.issueToken()))
        expect(error.status).toBe(503)
        expect(error.cause).toMatchObject({ reason: 'redirect', status, host: 'api.telnyx.com' })
      }
    },
  )

  it('D3: a redirect that the fetch function has followed is refused too', async () => {
    const issuer = await createMockIssuer()
    const followed = async (url: string): Promise<Response> => {
      const response = await issuer.fetch(url)
      return Object.defineProperty(response, 'redirected', { value: true })
    }
    const { verifier } = await createPair({ verifier: { fetch: followed } })
    expect(await codeOf(verifier.preload())).toBe('ERR_DISCOVERY_FAILED')
  })
})

describe('D4: what counts as a document', () => {
  it.each([
    ['status 204', { status: 204 }, 'status'],
    ['status 201 with the right body', { status: 201, body: { issuer: 'https://api.telnyx.com' } }, 'status'],
    ['status 404', { status: 404, body: 'no' }, 'status'],
    ['status 500', { status: 500 }, 'status'],
    ['status 429', { status: 429, headers: { 'retry-after': '7' } }, 'status'],
    ['HTML', { body: '<!doctype html>' }, 'invalid-document'],
    ['nothing', { body: '' }, 'invalid-document'],
    ['half a document', { body: '{"issuer":"https://api.tel' }, 'invalid-document'],
    ['what is not UTF-8', { body: Buffer.from('7b22ff223a317d', 'hex') }, 'invalid-document'],
    ['an array', { body: [] }, 'invalid-document'],
    ['null', { body: 'null' }, 'invalid-document'],
    ['a string', { body: '"https://api.telnyx.com"' }, 'invalid-document'],
    ['a broken connection', { drop: true }, 'network'],
    ['silence', { silence: true }, 'timeout'],
    ['a large body', { body: 'x'.repeat(300_000) }, 'too-large'],
  ] as const)('D4: %s is a failure, not a document', async (_, fault, reason) => {
    for (const [endpoint, code] of [
      ['metadata', 'ERR_DISCOVERY_FAILED'],
      ['jwks', 'ERR_KEYS_UNAVAILABLE'],
    ] as const) {
      const { issuer, verifier } = await createPair()
      issuer.fault(endpoint, fault)
      const token = await issuer.issueToken()
      const error = await errorOf(untilTimeout(() => verifier.verify(token)))
      expect(error).toMatchObject({ code, status: 503 })
      expect(error.cause).toMatchObject({ reason, host: 'api.telnyx.com', durationMs: expect.any(Number) })
    }
  })

  it.each(['application/jwk-set+json', 'application/json; charset=utf-8', 'application/vnd.api+json'])(
    'D4: a JWK Set as %s is one',
    async (type) => {
      const { issuer, verifier } = await createPair()
      issuer.fault('jwks', { headers: { 'content-type': type } })
      await verifier.verify(await issuer.issueToken())
    },
  )

  it('D4: unknown members of the metadata are ignored', async () => {
    const { issuer, verifier } = await createPair()
    issuer.fault('metadata', {
      body: {
        issuer: issuer.issuer,
        jwks_uri: `${issuer.issuer}/v2/oauth/jwks`,
        agent_auth: { auth_md: 'https://telnyx.com/auth.md' },
        protected_resources: null,
        id_token_signing_alg_values_supported: 'none',
      },
    })
    await verifier.verify(await issuer.issueToken())
  })

  it('attack 36: algorithms in the metadata do not extend the option "algorithms"', async () => {
    const { issuer, verifier } = await createPair({ verifier: { algorithms: ['RS256'] } })
    issuer.fault('metadata', {
      body: {
        issuer: issuer.issuer,
        jwks_uri: `${issuer.issuer}/v2/oauth/jwks`,
        token_endpoint_auth_signing_alg_values_supported: ['ES256', 'none'],
      },
    })
    expect(await codeOf(verifier.verify(await issuer.issueToken()))).toBe('ERR_ALGORITHM_NOT_ALLOWED')
  })
})

describe('what a failure shows', () => {
  it('quotes neither the body nor the token', async () => {
    const { issuer, verifier } = await createPair()
    issuer.fault('metadata', { body: 'SECRET of the issuer' })
    const token = await issuer.issueToken()
    const error = await errorOf(verifier.verify(token))
    const { inspect } = await import('node:util')
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/SECRET/)
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(token.slice(0, 20))
  })

  it('names the reason in health()', async () => {
    const { clock, issuer, verifier } = await createPair()
    issuer.fault('jwks', { status: 500 })
    await codeOf(verifier.preload())
    clock.advance(2)
    const health = {
      issuer: 'https://api.telnyx.com',
      ready: false,
      metadataAgeSeconds: 2,
      keyIds: [],
      stale: false,
      lastFailure: { reason: 'status', message: 'The response has the status 500', agoSeconds: 2 },
      nextRefreshInSeconds: 3,
    }
    expect(verifier.health()).toEqual({ ...health, issuers: [health] })
  })
})

describe('what a request leaves behind', () => {
  it('no timer, which would keep a process alive', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const { issuer, verifier } = await createPair()
    await verifier.preload()
    issuer.fault('jwks', { status: 500 })
    const { verifier: other } = await createPair({ verifier: { fetch: issuer.fetch } })
    await codeOf(other.preload())
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each([
    ['silence', { silence: true }],
    ['an error with a body', { status: 500, body: 'x' }],
    ['a body that is too large', { body: 'x'.repeat(300_000) }],
  ] as const)('no connection: after %s, the signal tells fetch to stop', async (_, fault) => {
    const signals: AbortSignal[] = []
    const { issuer } = await createPair()
    const { verifier } = await createPair({
      verifier: {
        fetch: (url, init) => {
          signals.push(init.signal)
          return issuer.fetch(url, init)
        },
      },
    })
    issuer.fault('metadata', fault)
    await codeOf(untilTimeout(() => verifier.preload()))
    expect(signals.length).toBeGreaterThan(0)
    expect(signals.every(({ aborted }) => aborted)).toBe(true)
  })

  it('no body that comes after the deadline', async () => {
    const body = new ReadableStream<Uint8Array>()
    const cancelled = new Promise<void>((resolve) => {
      Object.assign(body, {
        getReader: () => ({ read: () => new Promise(() => undefined), cancel: async () => resolve() }),
      })
    })
    let answer:
      | ((response: { status: number; headers: Headers; body: ReadableStream<Uint8Array> }) => void)
      | undefined
    const { verifier } = await createPair({
      verifier: {
        fetch: () =>
          new Promise((resolve) => {
            answer = resolve
          }),
      },
    })
    expect(await codeOf(untilTimeout(() => verifier.preload()))).toBe('ERR_DISCOVERY_FAILED')
    answer?.({ status: 200, headers: new Headers(), body })
    await cancelled
  })

  it('a reason, also where fetch throws synchronously or returns nothing', async () => {
    const thrown = await createPair({
      verifier: {
        fetch: () => {
          throw new Error('mine')
        },
      },
    })
    expect((await errorOf(thrown.verifier.preload())).cause).toMatchObject({ reason: 'network' })
    expect(thrown.verifier.health().lastFailure).toMatchObject({ reason: 'network' })
  })

  it('no waiting caller, also where a body never finishes its cancellation', async () => {
    const body = new ReadableStream<Uint8Array>({ cancel: () => new Promise(() => undefined) })
    const { verifier } = await createPair({ verifier: { fetch: async () => new Response(body) } })
    expect(await codeOf(untilTimeout(() => verifier.preload()))).toBe('ERR_DISCOVERY_FAILED')
  })
})
