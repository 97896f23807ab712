import {
  createVerifier,
  getAuth,
  InvalidTokenError,
  MissingTokenError,
  requireAuth,
  requireScopes,
  telnyxAuth,
} from '@telnyx-auth/express'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import express5, { type ErrorRequestHandler } from 'express'
import express4 from 'express4'
import { describe, expect, it, vi } from 'vitest'
import { settle } from '../support/event-loop.js'
import { serve } from '../support/http.js'
import { createIssuerInReach, METADATA } from '../support/issuer.js'
import { thrownBy } from '../support/outcome.js'

/** What only Express has; what every framework has is in contract.test.ts and lifecycle.test.ts. */

const { issuer, bearer, reach } = await createIssuerInReach()

describe.each([
  ['Express 4', express4],
  ['Express 5', express5],
])('%s', (_, express) => {
  /** An application whose own error handler does not write to the console. */
  function createApp() {
    const app = express()
    app.set('env', 'test')
    return app
  }

  it('protects what comes after it, and nothing before', async () => {
    const app = createApp()
    app.get('/public', (_req, res) => void res.send('public'))
    app.use(telnyxAuth(reach()))
    const { url } = await serve(app)
    expect(await (await fetch(`${url}/public`)).text()).toBe('public')
    expect((await fetch(`${url}/no-such-route`)).status).toBe(401)
    expect((await fetch(`${url}/no-such-route`, { headers: await bearer() })).status).toBe(404)
  })

  it('works in routers and behind mounted paths', async () => {
    const app = createApp()
    const router = express.Router()
    router.use(telnyxAuth(reach()))
    router.get('/me', requireScopes('read'), (req, res) => void res.json(getAuth(req).scopes))
    app.use('/api/v1', router)
    const { url } = await serve(app)
    expect((await fetch(`${url}/api/v1/me`)).status).toBe(401)
    expect((await fetch(`${url}/elsewhere`)).status).toBe(404)
    const headers = await bearer({ scopes: ['read'] })
    expect(await (await fetch(`${url}/api/v1/me`, { headers })).json()).toEqual(['read'])
  })

  it('P2: uses the requested URL, not the one that a mounted application sees', async () => {
    const app = createApp()
    const mounted = createApp()
    mounted.use(telnyxAuth(reach()))
    app.use('/api', mounted)
    app.use('/.well-known', telnyxAuth(reach()))
    const { url } = await serve(app)
    const path = '/.well-known/oauth-protected-resource'
    expect((await fetch(`${url}/api${path}`)).status).toBe(401)
    expect((await fetch(url + path)).status).toBe(200)
    expect((await fetch(`${url}/.well-known/other`)).status).toBe(401)
  })

  it('P1, P2: one middleware at two paths protects an MCP endpoint and describes it', async () => {
    const app = createApp()
    const auth = telnyxAuth({ ...reach(), audience: 'https://api.example.com/mcp', scopes: ['mcp'] })
    app.use(['/mcp', '/.well-known/oauth-protected-resource/mcp'], auth)
    app.post('/mcp', (req, res) => void res.json(getAuth(req).subject))
    app.get('/public', (_req, res) => void res.send('public'))
    const { url } = await serve(app)
    const refused = await fetch(`${url}/mcp`, { method: 'POST' })
    expect(refused.headers.get('www-authenticate')).toBe(
      'Bearer realm="api", scope="mcp", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp"',
    )
    expect(await (await fetch(`${url}/.well-known/oauth-protected-resource/mcp`)).json()).toEqual({
      resource: 'https://api.example.com/mcp',
      authorization_servers: ['https://api.telnyx.com'],
      scopes_supported: ['mcp'],
      bearer_methods_supported: ['header'],
    })
    expect((await fetch(`${url}/public`)).status).toBe(200)
    const headers = await bearer({
      audience: 'https://api.example.com/mcp',
      scopes: ['mcp'],
      subject: 'user-1',
    })
    expect(await (await fetch(`${url}/mcp`, { method: 'POST', headers })).json()).toBe('user-1')
  })

  it('P4: what it cannot know, it does not say: which route will be found', async () => {
    const app = createApp()
    app.use(telnyxAuth(reach()))
    app.get('/read', requireScopes('read'), (_req, res) => void res.send('read'))
    const { url } = await serve(app)
    expect((await fetch(`${url}/read`)).headers.get('www-authenticate')).toBe(
      `Bearer realm="api", ${METADATA}`,
    )
  })

  it('P4, B6: in a route it says what is for this method, and no more', async () => {
    const app = createApp()
    const auth = telnyxAuth(reach())
    const done = (_req: unknown, res: { send(body: string): void }) => res.send('done')
    app
      .route('/x')
      .all(auth)
      .get(requireScopes('a'), done)
      .post(requireScopes('b'), done)
      .all(requireScopes('c'))
    const { url } = await serve(app)
    const scopeFor = async (method: string) =>
      /scope="([^"]*)"/.exec((await fetch(`${url}/x`, { method })).headers.get('www-authenticate') ?? '')?.[1]
    expect(await scopeFor('GET')).toBe('a c')
    expect(await scopeFor('HEAD')).toBe('a c')
    expect(await scopeFor('POST')).toBe('b c')
    expect(await scopeFor('DELETE')).toBe('c')
  })

  it('getAuth is right when other middleware writes to req.auth', async () => {
    const app = createApp()
    app.use(telnyxAuth(reach()))
    app.use((req, _res, next) => {
      Reflect.set(req, 'auth', { subject: 'another caller' })
      next()
    })
    app.get('/mine', (req, res) => void res.json(getAuth(req).subject))
    const { url } = await serve(app)
    const headers = await bearer({ subject: 'user-1' })
    expect(await (await fetch(`${url}/mine`, { headers })).json()).toBe('user-1')
  })

  it('two in a chain: the one nearer to the route says who it is', async () => {
    const app = createApp()
    const second = await createMockIssuer({ algorithm: 'ES256' })
    app.use(telnyxAuth({ ...reach(), optional: true, protectedResource: false }))
    app.get('/', telnyxAuth({ ...reach(), validate: ({ subject }) => subject !== 'user-2' }), requireAuth())
    app.get('/', (req, res) => void res.json(getAuth(req).subject))
    const { url } = await serve(app)
    expect((await fetch(url)).headers.get('www-authenticate')).toBe(`Bearer realm="api", ${METADATA}`)
    const ask = async (authorization: string) => (await fetch(url, { headers: { authorization } })).status
    expect(await ask(`Bearer ${await issuer.issueToken({ subject: 'user-1' })}`)).toBe(200)
    expect(await ask(`Bearer ${await issuer.issueToken({ subject: 'user-2' })}`)).toBe(401)
    expect(await ask(`Bearer ${await second.issueToken({ subject: 'user-1' })}`)).toBe(401)
  })

  it('optional: getAuth throws for an anonymous caller, which Express answers with 401', async () => {
    const app = createApp()
    app.use(telnyxAuth({ ...reach(), optional: true, scopes: ['a'] }))
    app.get('/mine', (req, res) => void res.json(getAuth(req)))
    const { url } = await serve(app)
    const response = await fetch(`${url}/mine`)
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([
      401,
      `Bearer realm="api", scope="a", ${METADATA}`,
    ])
  })

  it('optional: a token is not anonymous because validate says that there is none', async () => {
    const app = createApp()
    const validate = () => Promise.reject(new MissingTokenError())
    app.use(telnyxAuth({ ...reach(), optional: true, validate }))
    app.get('/', (_req, res) => void res.send('here'))
    const { url } = await serve(app)
    expect((await fetch(url, { headers: await bearer() })).status).toBe(401)
    expect((await fetch(url)).status).toBe(200)
  })

  it("errors: 'throw': an application that goes on answers as if nothing had been", async () => {
    const app = createApp()
    const goOn: ErrorRequestHandler = (_error, _req, _res, next) => next()
    app.use(telnyxAuth({ ...reach(), errors: 'throw' }), goOn)
    app.get('/', (_req, res) => void res.send('here'))
    const { url } = await serve(app)
    expect((await fetch(url)).status).toBe(200)
  })

  it("errors: 'throw': error middleware gets errors of ours, of guards too", async () => {
    const seen: unknown[] = []
    const handler: ErrorRequestHandler = (error, _req, res, _next) => {
      seen.push(error)
      res.status(error.status).set(error.headers).send(`mine: ${error.code}`)
    }
    const app = createApp()
    app.use(telnyxAuth({ ...reach(), errors: 'throw' }))
    app.get('/read', requireScopes('read'), (_req, res) => void res.send('read'))
    app.use(handler)
    const { url } = await serve(app)
    expect(await (await fetch(url)).text()).toBe('mine: ERR_TOKEN_MISSING')
    expect(await (await fetch(`${url}/read`, { headers: await bearer() })).text()).toBe(
      'mine: ERR_SCOPE_INSUFFICIENT',
    )
    expect(seen[0]).toBeInstanceOf(MissingTokenError)
    expect(seen).toMatchObject([{ status: 401 }, { status: 403, requiredScopes: ['read'] }])
  })

  it('takes a verifier that was made elsewhere, with a policy of its own', async () => {
    const app = createApp()
    app.use(telnyxAuth({ verifier: createVerifier(reach()), scopes: ['read'] }))
    app.get('/', (_req, res) => void res.send('here'))
    const { url } = await serve(app)
    expect((await fetch(url, { headers: await bearer() })).status).toBe(403)
    expect((await fetch(url, { headers: await bearer({ scopes: ['read'] }) })).status).toBe(200)
    expect((await fetch(url)).headers.get('www-authenticate')).toBe(
      `Bearer realm="api", scope="read", ${METADATA}`,
    )
  })

  it('requireAuth and getAuth without telnyxAuth are programming errors, and loud', async () => {
    const app = createApp()
    const handler = vi.fn()
    app.get('/guarded', requireAuth(), handler)
    app.get('/mine', (req, res) => void res.json(getAuth(req)))
    const { url } = await serve(app)
    for (const path of ['/guarded', '/mine']) {
      const response = await fetch(url + path, { headers: await bearer() })
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([500, null])
    }
    expect(handler).not.toHaveBeenCalled()
  })

  it('P4: HEAD has handlers of its own, where it has some', async () => {
    const app = createApp()
    const done = (_req: unknown, res: { end(): void }) => res.end()
    app.route('/x').all(telnyxAuth(reach())).head(requireScopes('h'), done).get(requireScopes('g'), done)
    const { url } = await serve(app)
    const response = await fetch(`${url}/x`, { method: 'HEAD' })
    expect(response.headers.get('www-authenticate')).toContain('scope="h"')
  })

  it('a refusal that cannot be written leaves no challenge on the error', async () => {
    const app = createApp()
    app.use((_req, res, next) => {
      const { end } = res
      res.end = () => {
        res.end = end
        throw new Error('mine')
      }
      next()
    })
    app.use(telnyxAuth(reach()))
    const { url } = await serve(app)
    const response = await fetch(url)
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([500, null])
  })

  it("errors: 'throw': what error middleware adds to the headers of an error is sent as well", async () => {
    const add: ErrorRequestHandler = (error, _req, _res, next) => {
      error.headers = error.headers || {}
      error.headers['X-Mine'] = '1'
      next(error)
    }
    const app = createApp()
    app.use(telnyxAuth({ ...reach(), errors: 'throw' }))
    app.use(add)
    const { url } = await serve(app)
    const { status, headers } = await fetch(url)
    expect([status, headers.get('x-mine'), headers.get('www-authenticate')]).toEqual([
      401,
      '1',
      `Bearer realm="api", ${METADATA}`,
    ])
  })

  it('replaces headers that were set before', async () => {
    const app = createApp()
    app.use((_req, res, next) => {
      res.set({ 'Content-Type': 'text/html', 'WWW-Authenticate': 'Basic' })
      next()
    })
    app.use(telnyxAuth(reach()))
    const { url } = await serve(app)
    const { headers } = await fetch(url)
    expect([headers.get('content-type'), headers.get('www-authenticate')]).toEqual([
      'application/json',
      `Bearer realm="api", ${METADATA}`,
    ])
  })

  it('P4: in a route it says nothing of a route that was left, or of another method', async () => {
    const app = createApp()
    const done = (_req: unknown, res: { send(body: string): void }) => res.send('done')
    app.use(telnyxAuth(reach()))
    app.route('/head').head(requireScopes('h'), done).get(requireScopes('g'), done)
    app.get('/left', (_req, _res, next) => next('route'), requireScopes('first'), done)
    app.use('/left', requireScopes('second'), done)
    const { url } = await serve(app)
    const scopeFor = async (path: string, method: string) => {
      const response = await fetch(url + path, { method, headers: await bearer() })
      return /scope="([^"]*)"/.exec(response.headers.get('www-authenticate') ?? '')?.[1]
    }
    expect(await scopeFor('/head', 'HEAD')).toBe('h')
    expect(await scopeFor('/head', 'GET')).toBe('g')
    expect(await scopeFor('/left', 'GET')).toBe('second')
  })

  it.each([[{ stack: 'abc' }], [{ stack: [null] }], [{ stack: { a: 1 } }], ['/route'], [5]])(
    'a req.route that is none of Express changes nothing: %j',
    async (route) => {
      const app = createApp()
      app.use((req, _res, next) => {
        Reflect.set(req, 'route', route)
        next()
      })
      app.use(telnyxAuth(reach()))
      const { url } = await serve(app)
      expect((await fetch(url)).status).toBe(401)
    },
  )

  it('a req.auth that cannot be written changes nothing: getAuth is right', async () => {
    const app = createApp()
    app.use((req, _res, next) => {
      Object.defineProperty(req, 'auth', { value: null })
      next()
    })
    app.use(telnyxAuth(reach()))
    app.get('/', (req, res) => void res.json(getAuth(req).subject))
    const { url } = await serve(app)
    const response = await fetch(url, { headers: await bearer({ subject: 'user-1' }) })
    expect([response.status, await response.json()]).toEqual([200, 'user-1'])
  })

  it('an answer that cannot be written is an error, and not an unhandled one', async () => {
    const app = createApp()
    app.use((_req, res, next) => {
      const { writeHead } = res
      Object.defineProperty(res, 'writeHead', {
        value(...parameters: unknown[]) {
          if (res.statusCode < 500) throw new Error('mine')
          return Reflect.apply(writeHead, res, parameters)
        },
      })
      next()
    })
    app.use(telnyxAuth(reach()))
    app.get('/', (_req, res) => void res.send('here'))
    const { url } = await serve(app)
    // One of ours, and one of a handler.
    expect((await fetch(url)).status).toBe(500)
    expect((await fetch(url, { headers: await bearer() })).status).toBe(500)
  })

  it('a response that was begun is ended', async () => {
    const app = createApp()
    app.use((_req, res, next) => {
      res.flushHeaders()
      next()
    })
    app.use(telnyxAuth(reach()))
    const { url } = await serve(app)
    await expect(fetch(url).then((response) => response.text())).rejects.toThrow()
  })

  it('attack 48: after the response was begun, the application gets the refusal and no error about headers', async () => {
    const app = createApp()
    app.use((_req, res, next) => {
      res.setHeader('Content-Length', '4')
      res.flushHeaders()
      next()
    })
    app.use(telnyxAuth({ ...reach(), errors: 'throw' }))
    const tell: ErrorRequestHandler = (error, _req, res, _next) => void res.end(error.code.slice(-4))
    app.use(tell)
    const { url } = await serve(app)
    expect(await (await fetch(url)).text()).toBe('SING')
  })

  it('a caller that was refused later is not authenticated, even where the application continues', async () => {
    const app = createApp()
    const goOn: ErrorRequestHandler = (_error, _req, _res, next) => next()
    app.use(telnyxAuth(reach()))
    app.use(telnyxAuth({ ...reach(), audience: 'urn:other', errors: 'throw' }), goOn)
    app.get('/', requireAuth(), (_req, res) => void res.send('never'))
    app.get('/mine', (req, res) => void res.json(getAuth(req).subject))
    app.get('/property', (req, res) => void res.json({ anonymous: req.auth === undefined }))
    const { url } = await serve(app)
    for (const path of ['/', '/mine'])
      expect((await fetch(url + path, { headers: await bearer() })).status).toBe(401)
    const response = await fetch(`${url}/property`, { headers: await bearer() })
    expect(await response.json()).toEqual({ anonymous: true })
  })

  it('does not write to a response that something else has answered meanwhile', async () => {
    const app = createApp()
    app.use((_req, res, next) => {
      next()
      res.status(418).send('mine')
    })
    const validate = () => Promise.reject(new InvalidTokenError('ERR_TOKEN_REJECTED'))
    app.use(telnyxAuth({ ...reach(), validate }))
    const { url } = await serve(app)
    const response = await fetch(url, { headers: await bearer() })
    expect([response.status, await response.text()]).toEqual([418, 'mine'])
  })
})

it('is no error that something else has answered', async () => {
  const next = vi.fn()
  const response = { writableEnded: true, writableFinished: false, headersSent: true }
  Reflect.apply(telnyxAuth(reach()), undefined, [{ headers: {} }, response, next])
  await settle()
  expect(next).not.toHaveBeenCalled()
})

it('Express 5: an async handler that throws is a 500', async () => {
  const app = express5()
  app.set('env', 'test')
  app.use(telnyxAuth(reach()))
  app.get('/', async () => {
    throw new Error('mine')
  })
  const { url } = await serve(app)
  const response = await fetch(url, { headers: await bearer() })
  expect([response.status, response.headers.get('www-authenticate')]).toEqual([500, null])
})

describe('at start-up', () => {
  it('telnyxAuth() with an empty environment says in one sentence how to go on', () => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', undefined)
    vi.stubEnv('TELNYX_AUTH_ISSUER', undefined)
    expect(thrownBy(() => telnyxAuth())).toMatchObject({
      code: 'ERR_CONFIGURATION',
      message:
        'No audience is configured: set the option "audience" or the environment variable TELNYX_AUTH_AUDIENCE to the identifier of this API, such as "https://api.example.com", or set "audience" to null to accept tokens that were issued for other APIs',
    })
  })

  it('a policy that is none is refused when the route is made', () => {
    expect(thrownBy(() => Reflect.apply(requireScopes, undefined, [])).message).toMatch(/at least one scope/)
    expect(thrownBy(() => Reflect.apply(requireAuth, undefined, [{ scope: 'a' }])).message).toMatch(
      /"scopes"/,
    )
  })
})
