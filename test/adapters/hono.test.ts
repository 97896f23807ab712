import { type Auth, ConfigurationError, MissingTokenError, TelnyxAuthError } from '@telnyx-auth/core'
import {
  createVerifier,
  getAuth,
  requireAuth,
  requireScopes,
  type TelnyxAuthOptions,
  telnyxAuth,
} from '@telnyx-auth/hono'
import { type Context, Hono } from 'hono'
import { cors } from 'hono/cors'
import { describe, expect, expectTypeOf, it, vi } from 'vitest'
import { createIssuerInReach, METADATA } from '../support/issuer.js'

/** What only Hono has; what every framework has is in contract.test.ts and lifecycle.test.ts. */

const { bearer, reach } = await createIssuerInReach()

const challengeOf = async (app: Hono, path: string, init: RequestInit = {}) =>
  (await app.request(path, init)).headers.get('www-authenticate')

describe('the state of a request', () => {
  it('stays with the context when middleware replaces the raw request', async () => {
    const app = new Hono()
    app.use(telnyxAuth(reach()))
    app.use((c, next) => {
      // As body limits and method overrides do it.
      c.req.raw = new Request(c.req.raw.url, { headers: { authorization: 'Bearer other' } })
      return next()
    })
    app.get('/', requireScopes('a'), (c) => c.json([getAuth(c).subject, c.var.auth === getAuth(c)]))
    const response = await app.request('/', { headers: await bearer({ subject: 'user-1', scopes: ['a'] }) })
    expect(await response.json()).toEqual(['user-1', true])
  })

  it('is kept in no property that others could see, forge or lose', async () => {
    const app = new Hono()
    app.use((c, next) => {
      c.set('auth', Object.freeze({ subject: 'forged' }) as never)
      return next()
    })
    app.use(telnyxAuth({ ...reach(), optional: true }))
    app.get('/', (c) => {
      const before = c.var.auth
      c.set('auth', Object.freeze({ subject: 'forged' }) as never)
      const names = [...Reflect.ownKeys(c), ...Reflect.ownKeys(c.req)]
      return c.json({
        before: before ?? null,
        auth: getAuth(c).subject,
        names: names.filter((name) => /auth/i.test(String(name))),
      })
    })
    const response = await app.request('/', { headers: await bearer({ subject: 'user-1' }) })
    expect(await response.json()).toMatchObject({ before: { subject: 'user-1' }, auth: 'user-1', names: [] })
    expect((await app.request('/')).status).toBe(401)
  })
})

describe('P4: the scopes of a route', () => {
  it('are named where telnyxAuth is part of the route, and not those of other routes', async () => {
    const app = new Hono()
    const auth = telnyxAuth(reach())
    app.get('/items/special', auth, requireScopes('special'), (c) => c.text('here'))
    app.get('/items/:id', auth, requireScopes('read'), (c) => c.text('here'))
    app.post('/items/:id', auth, requireScopes('write'), (c) => c.text('here'))
    expect(await challengeOf(app, '/items/special')).toBe(`Bearer realm="api", scope="special", ${METADATA}`)
    expect(await challengeOf(app, '/items/1')).toBe(`Bearer realm="api", scope="read", ${METADATA}`)
    expect(await challengeOf(app, '/items/1', { method: 'HEAD' })).toContain('scope="read"')
    expect(await challengeOf(app, '/items/1', { method: 'POST' })).toContain('scope="write"')
  })

  it('are named by a guard together with those of guards after it', async () => {
    const app = new Hono()
    app.use(telnyxAuth({ ...reach(), scopes: ['base'] }))
    app.get('/', requireScopes('a'), requireAuth({ anyScope: ['b', 'c'] }), (c) => c.text('here'))
    const headers = await bearer({ scopes: ['base'] })
    expect(await challengeOf(app, '/', { headers })).toContain('scope="base a b c"')
  })

  it('also in an application that is part of another one', async () => {
    const inner = new Hono().get('/x', telnyxAuth(reach()), requireScopes('a'), (c) => c.text('here'))
    expect(await challengeOf(new Hono().route('/inner', inner), '/inner/x')).toContain('scope="a"')
  })
})

describe('a refusal', () => {
  it('keeps what earlier middleware has set for every response, as CORS does', async () => {
    const app = new Hono()
    app.use(cors({ origin: 'https://app.example.com', exposeHeaders: ['WWW-Authenticate'] }))
    app.use((c, next) => {
      c.header('Set-Cookie', 'a=1')
      c.header('Set-Cookie', 'b=2', { append: true })
      return next()
    })
    app.use(telnyxAuth(reach()))
    const origin = { headers: { origin: 'https://app.example.com' } }
    const { status, headers } = await app.request('/', origin)
    expect([status, headers.get('access-control-allow-origin'), headers.getSetCookie()]).toEqual([
      401,
      'https://app.example.com',
      ['a=1', 'b=2'],
    ])
    // The metadata are for scripts of every origin.
    const metadata = await app.request('/.well-known/oauth-protected-resource', origin)
    expect([metadata.status, metadata.headers.get('access-control-allow-origin')]).toEqual([200, '*'])
  })

  it('replaces a response that earlier middleware has set, and cancels its stream', async () => {
    const cancel = vi.fn()
    const app = new Hono()
    app.use((c, next) => {
      const headers = { 'Content-Encoding': 'gzip', ETag: '"a"', Vary: 'Origin' }
      c.res = new Response(new ReadableStream({ cancel }), { headers })
      return next()
    })
    app.use(telnyxAuth(reach()))
    const response = await app.request('/')
    expect([response.status, await response.json()]).toEqual([401, { code: 'ERR_TOKEN_MISSING' }])
    expect([...response.headers.keys()]).toEqual([
      'cache-control',
      'content-type',
      'vary',
      'www-authenticate',
    ])
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  it('replaces a response whose headers are immutable', async () => {
    const app = new Hono()
    app.use((c, next) => {
      c.res = Response.redirect('https://other.example.com', 302)
      return next()
    })
    app.use(telnyxAuth(reach()))
    const response = await app.request('/')
    expect([response.status, await response.json()]).toEqual([401, { code: 'ERR_TOKEN_MISSING' }])
  })

  it("errors: 'throw': Hono answers an error that nothing handles, without the body of earlier middleware", async () => {
    const app = new Hono()
    app.use((c, next) => {
      c.header('Content-Length', '3')
      return next()
    })
    app.use(telnyxAuth({ ...reach(), errors: 'throw' }))
    const response = await app.request('/')
    expect([
      response.status,
      response.headers.get('www-authenticate'),
      response.headers.get('content-length'),
    ]).toEqual([401, `Bearer realm="api", ${METADATA}`, null])
  })

  it("errors: 'throw': onError gets the error of this library, of an inner application too", async () => {
    const inner = new Hono().use(telnyxAuth({ ...reach(), errors: 'throw' })).get('/', (c) => c.text('never'))
    const caught: unknown[] = []
    const handle = (error: Error, c: Context) => {
      caught.push(error)
      return c.text('mine', 418)
    }
    expect((await new Hono().route('/', inner).onError(handle).request('/')).status).toBe(418)
    expect((await new Hono().route('/', inner.onError(handle)).request('/')).status).toBe(418)
    for (const error of caught) expect(error).toBeInstanceOf(MissingTokenError)
    expect(caught).toHaveLength(2)
  })
})

it('optional: getAuth throws for an anonymous caller, which Hono answers with 401', async () => {
  const app = new Hono()
  app.use(telnyxAuth({ ...reach(), optional: true, scopes: ['a'] }))
  app.get('/', (c) => c.text(getAuth(c).subject ?? ''))
  const response = await app.request('/')
  expect([response.status, response.headers.get('www-authenticate')]).toEqual([
    401,
    `Bearer realm="api", scope="a", ${METADATA}`,
  ])
})

it('requireAuth and getAuth without telnyxAuth are programming errors, and logged', async () => {
  for (const register of [
    (app: Hono) => app.use(requireAuth()),
    (app: Hono) => app.get('/', (c) => c.json(getAuth(c))),
  ]) {
    const log = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const app = new Hono()
    register(app)
    const response = await app.request('/', { headers: await bearer() })
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([500, null])
    expect(log.mock.lastCall?.[0]).toBeInstanceOf(ConfigurationError)
  }
})

it('a verifier that was created elsewhere, with a policy of its own', async () => {
  const app = new Hono()
  app.use(telnyxAuth({ verifier: createVerifier(reach()), scopes: ['read'] }))
  expect((await app.request('/', { headers: await bearer() })).status).toBe(403)
  expect((await app.request('/', { headers: await bearer({ scopes: ['read'] }) })).status).toBe(404)
})

it('every error of this library but ConfigurationError has getResponse', async () => {
  const response: unknown = Reflect.apply(
    Reflect.get(new MissingTokenError(['a']), 'getResponse'),
    new MissingTokenError(['a']),
    [],
  )
  expect(response).toBeInstanceOf(Response)
  expect(response).toMatchObject({ status: 401 })
  expect('getResponse' in new ConfigurationError('x')).toBe(false)
  expect('getResponse' in TelnyxAuthError.prototype).toBe(false)
})

it('types', () => {
  const app = new Hono<{ Variables: { requestId: string } }>()
  app.use(telnyxAuth({ audience: 'urn:api' }))
  app.get('/users/:id', requireScopes('a'), requireAuth(), (c) => {
    expectTypeOf(c.var.auth).toEqualTypeOf<Auth | undefined>()
    expectTypeOf(c.var.requestId).toEqualTypeOf<string>()
    expectTypeOf(c.req.param('id')).toEqualTypeOf<string>()
    expectTypeOf(getAuth<{ tenant: string }>(c)).toEqualTypeOf<Auth<{ tenant: string }>>()
    // @ts-expect-error: it is what it is declared to be, and no more
    c.var.auth?.nothing
    return c.text('x')
  })
  const options: TelnyxAuthOptions<{ org: string }> = {
    audience: 'urn:api',
    getToken: ({ headers }) => headers.get('x-access-token') ?? undefined,
    validate: ({ claims }) => claims.org === 'x',
  }
  expect(() => telnyxAuth(options)).not.toThrow()
})
