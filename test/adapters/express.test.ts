import { get } from 'node:http'
import { createVerifier, InvalidTokenError, MissingTokenError } from '@telnyx-auth/core'
import { getAuth, requireAuth, requireScopes, type TelnyxAuthOptions, telnyxAuth } from '@telnyx-auth/express'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import express5, { type ErrorRequestHandler, type Express } from 'express'
import express4 from 'express4'
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { sendRaw, serve } from '../support/http.js'
import { AUDIENCE, thrownBy } from '../support/outcome.js'

let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
})

const bearer = async (
  options?: Parameters<MockIssuer['issueToken']>[0],
): Promise<{ authorization: string }> => ({
  authorization: `Bearer ${await issuer.issueToken(options)}`,
})

/** What the whole adapter shares: options that reach the issuer of this file. */
const reach = (): { audience: string; fetch: MockIssuer['fetch'] } => ({
  audience: AUDIENCE,
  fetch: issuer.fetch,
})

describe.each([
  ['Express 4', express4],
  ['Express 5', express5],
])('%s', (_, express) => {
  /** An API behind `telnyxAuth(options)`. */
  async function api(options: TelnyxAuthOptions = {}, routes?: (app: Express) => void) {
    const app = express()
    app.get('/public', (_req, res) => void res.send('public'))
    app.use(telnyxAuth(options.verifier ? options : { ...reach(), ...options }))
    app.get(
      '/me',
      (req, res) =>
        void res.json({ subject: req.auth?.subject, same: req.auth && req.auth === getAuth(req) }),
    )
    app.get('/read', requireScopes('read'), (_req, res) => void res.send('read'))
    app.get('/both', requireScopes('read', 'write'), (_req, res) => void res.send('both'))
    app.get('/any', requireAuth({ anyScope: ['read', 'write'] }), (_req, res) => void res.send('any'))
    app.get('/somebody', requireAuth(), (_req, res) => void res.send('somebody'))
    routes?.(app)
    return serve(app)
  }

  it('protects everything that comes after it, and nothing before', async () => {
    const { url } = await api()
    expect(await (await fetch(`${url}/public`)).text()).toBe('public')
    for (const path of ['/me', '/read', '/no-such-route']) expect((await fetch(url + path)).status).toBe(401)
    const response = await fetch(`${url}/me`, { headers: await bearer({ subject: 'user-1' }) })
    expect([response.status, await response.json()]).toEqual([200, { subject: 'user-1', same: true }])
  })

  it('B4, B5: a request without a token is told how to authenticate, and no error', async () => {
    const { port } = await api()
    const { status, headers, body } = await sendRaw(port, '/me')
    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toEqual(['Bearer realm="api"'])
    expect(headers.get('content-type')).toEqual(['application/json'])
    expect(body).toBe('{"code":"ERR_TOKEN_MISSING"}')
  })

  it('B6: a bad token is 401 invalid_token, too little scope 403 with the scopes that are needed', async () => {
    const { url } = await api()
    const expired = await fetch(`${url}/me`, { headers: await bearer({ expiresInSeconds: -60 }) })
    expect(expired.status).toBe(401)
    expect(expired.headers.get('www-authenticate')).toBe(
      'Bearer realm="api", error="invalid_token", error_description="The access token expired"',
    )
    expect(await expired.json()).toEqual({
      error: 'invalid_token',
      error_description: 'The access token expired',
      code: 'ERR_TOKEN_EXPIRED',
    })

    const headers = await bearer({ scopes: ['read'] })
    for (const [path, status] of [
      ['/read', 200],
      ['/both', 403],
      ['/any', 200],
      ['/somebody', 200],
    ] as const)
      expect((await fetch(url + path, { headers })).status).toBe(status)
    const refused = await fetch(`${url}/both`, { headers })
    expect(refused.headers.get('www-authenticate')).toMatch(/, scope="read write"$/)
  })

  it.each<[string, string[], number, string]>([
    [
      'two Authorization headers',
      ['Authorization: Bearer a.b.c', 'Authorization: Bearer a.b.c'],
      400,
      'ERR_TOKEN_REPEATED',
    ],
    [
      'a Basic one first',
      ['Authorization: Basic YTpi', 'authorization: Bearer a.b.c'],
      400,
      'ERR_TOKEN_REPEATED',
    ],
    ['two tokens in one', ['Authorization: Bearer a.b.c, Bearer a.b.c'], 400, 'ERR_TOKEN_REPEATED'],
    ['the scheme alone', ['Authorization: Bearer'], 400, 'ERR_REQUEST_MALFORMED'],
    ['two words', ['Authorization: Bearer a b'], 400, 'ERR_REQUEST_MALFORMED'],
    ['a quoted token', ['Authorization: Bearer "a.b.c"'], 400, 'ERR_REQUEST_MALFORMED'],
    ['odd characters', ['Authorization: Bearer a\xff\xe4b'], 400, 'ERR_REQUEST_MALFORMED'],
    ['a tab', ['Authorization: Bearer\ta.b.c'], 400, 'ERR_REQUEST_MALFORMED'],
    ['an empty header', ['Authorization:'], 401, 'ERR_TOKEN_MISSING'],
    ['Basic', ['Authorization: Basic YTpi'], 401, 'ERR_TOKEN_MISSING'],
    ['an unknown scheme', ['Authorization: Bearerish a.b.c'], 401, 'ERR_TOKEN_MISSING'],
    ['what is no JWT', ['Authorization: Bearer abc'], 401, 'ERR_TOKEN_MALFORMED'],
  ])('B1, B3, B5: %s', async (_, lines, status, code) => {
    const { port } = await api()
    const response = await sendRaw(port, '/me', lines)
    expect([response.status, JSON.parse(response.body).code]).toEqual([status, code])
  })

  it('B1: the scheme in any case, and any number of spaces', async () => {
    const { port } = await api()
    const token = await issuer.issueToken()
    for (const line of [`authorization: bearer ${token}`, `AUTHORIZATION:   BEARER    ${token}   `])
      expect((await sendRaw(port, '/me', [line])).status).toBe(200)
  })

  it('B2: a token in the query is not read', async () => {
    const { url } = await api()
    const response = await fetch(`${url}/me?access_token=${await issuer.issueToken()}`)
    expect([response.status, await response.json()]).toEqual([401, { code: 'ERR_TOKEN_MISSING' }])
  })

  it('answers HEAD with the same headers and no body', async () => {
    const { url } = await api()
    const response = await fetch(`${url}/me`, { method: 'HEAD' })
    expect([response.status, response.headers.get('www-authenticate'), await response.text()]).toEqual([
      401,
      'Bearer realm="api"',
      '',
    ])
  })

  it("an issuer's outage is a 503 with Retry-After and without a challenge", async () => {
    const down = await createMockIssuer({ algorithm: 'ES256' })
    const token = await down.issueToken()
    await down.close()
    const { url } = await api({ fetch: down.fetch })
    const response = await fetch(`${url}/me`, { headers: { authorization: `Bearer ${token}` } })
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('5')
    expect(response.headers.get('www-authenticate')).toBeNull()
    expect(await response.json()).toMatchObject({
      error: 'temporarily_unavailable',
      code: 'ERR_DISCOVERY_FAILED',
    })
  })

  describe('optional', () => {
    it('lets anonymous callers pass, until something is required of them', async () => {
      const { url } = await api({ optional: true })
      const response = await fetch(`${url}/me`)
      expect([response.status, await response.json()]).toEqual([200, {}])
      for (const path of ['/read', '/somebody']) expect((await fetch(url + path)).status).toBe(401)
      expect((await fetch(`${url}/read`)).headers.get('www-authenticate')).toBe(
        'Bearer realm="api", scope="read"',
      )
    })

    it('refuses a bad token, malformed credentials and what cannot be checked', async () => {
      const { url } = await api({ optional: true })
      expect((await fetch(`${url}/me`, { headers: await bearer({ expiresInSeconds: -60 }) })).status).toBe(
        401,
      )
      expect((await fetch(`${url}/me`, { headers: { authorization: 'Bearer a b' } })).status).toBe(400)
      const unreachable = await api({
        optional: true,
        fetch: () => Promise.reject(new TypeError('fetch failed')),
      })
      expect((await fetch(`${unreachable.url}/me`, { headers: await bearer() })).status).toBe(503)
    })

    it('a token is not anonymous because validate says that there is none', async () => {
      const { url } = await api({
        optional: true,
        validate: () => {
          throw new MissingTokenError()
        },
      })
      expect((await fetch(`${url}/me`, { headers: await bearer() })).status).toBe(401)
      expect((await fetch(`${url}/me`)).status).toBe(200)
    })

    it('getAuth throws for an anonymous caller: 401, not a crash', async () => {
      const { url } = await api({ optional: true }, (app) =>
        app.get('/mine', (req, res) => void res.json(getAuth(req))),
      )
      const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined)
      const response = await fetch(`${url}/mine`)
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="api"'])
      quiet.mockRestore()
    })
  })

  describe("errors: 'throw'", () => {
    it("hands the error to the application's error handler", async () => {
      const seen: unknown[] = []
      const handler: ErrorRequestHandler = (error, _req, res, _next) => {
        seen.push(error)
        res.status(error.status).set(error.headers).send(`mine: ${error.code}`)
      }
      const { url } = await api({ errors: 'throw' }, (app) => app.use(handler))
      const missing = await fetch(`${url}/me`)
      expect([missing.status, await missing.text()]).toEqual([401, 'mine: ERR_TOKEN_MISSING'])
      expect(missing.headers.get('www-authenticate')).toBe('Bearer realm="api"')
      const forbidden = await fetch(`${url}/read`, { headers: await bearer() })
      expect([forbidden.status, await forbidden.text()]).toEqual([403, 'mine: ERR_SCOPE_INSUFFICIENT'])
      expect(seen[0]).toBeInstanceOf(MissingTokenError)
      expect(seen[0]).toMatchObject({ status: 401, statusCode: 401, expose: true })
    })

    it("with Express's own handler, the status and the header are still right", async () => {
      const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined)
      const { url } = await api({ errors: 'throw' })
      const response = await fetch(`${url}/me`, { headers: await bearer({ expiresInSeconds: -60 }) })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer realm="api", error="invalid_token"/)
      quiet.mockRestore()
    })
  })

  it('takes a verifier that was made elsewhere, with a policy of its own', async () => {
    const verifier = createVerifier(reach())
    const { url } = await api({ verifier, scopes: ['read'] })
    expect((await fetch(`${url}/me`, { headers: await bearer() })).status).toBe(403)
    expect((await fetch(`${url}/me`, { headers: await bearer({ scopes: ['read'] }) })).status).toBe(200)
    expect((await fetch(`${url}/me`)).headers.get('www-authenticate')).toBe(
      'Bearer realm="api", scope="read"',
    )
  })

  it('works in routers and behind mounted paths', async () => {
    const app = express()
    const router = express.Router()
    router.use(telnyxAuth(reach()))
    router.get('/me', requireScopes('read'), (req, res) => void res.json(getAuth(req).scopes))
    app.use('/api/v1', router)
    const { url } = await serve(app)
    expect((await fetch(`${url}/api/v1/me`)).status).toBe(401)
    expect((await fetch(`${url}/elsewhere`)).status).toBe(404)
    expect(
      await (await fetch(`${url}/api/v1/me`, { headers: await bearer({ scopes: ['read'] }) })).json(),
    ).toEqual(['read'])
  })

  it('getAuth is right whatever else writes to req.auth', async () => {
    const { url } = await api({}, (app) => {
      app.use((req, _res, next) => {
        Reflect.set(req, 'auth', { subject: 'somebody else' })
        next()
      })
      app.get('/mine', requireAuth(), (req, res) => void res.json(getAuth(req).subject))
    })
    expect(await (await fetch(`${url}/mine`, { headers: await bearer({ subject: 'user-1' }) })).json()).toBe(
      'user-1',
    )
  })

  it('requireAuth without telnyxAuth is a programming error, and loud', async () => {
    const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const app = express()
    app.get('/', requireAuth(), (_req, res) => void res.send('never'))
    app.get('/mine', (req, res) => void res.json(getAuth(req)))
    const { url } = await serve(app)
    for (const path of ['/', '/mine']) {
      const response = await fetch(url + path, { headers: await bearer() })
      expect(response.status).toBe(500)
      expect(response.headers.get('www-authenticate')).toBeNull()
    }
    quiet.mockRestore()
  })

  it.each([[undefined], [null], [0], [''], [false], ['route'], ['router']])(
    'attack 34: whoever is refused by throwing %j does not get in',
    async (thrown) => {
      const validate = () => Promise.reject(thrown)
      const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined)
      const handler = vi.fn()
      const app = express()
      app.get('/first', telnyxAuth({ ...reach(), validate }), handler)
      app.get('/second', telnyxAuth(reach()), requireAuth({ validate }), handler)
      app.get('/third', telnyxAuth({ ...reach(), validate, errors: 'throw' }), handler)
      app.get(['/first', '/second', '/third'], handler)
      const { url } = await serve(app)
      for (const path of ['/first', '/second', '/third'])
        expect((await fetch(url + path, { headers: await bearer() })).status).toBe(500)
      expect(handler).not.toHaveBeenCalled()
      quiet.mockRestore()
    },
  )

  it('asks validate once a request', async () => {
    const validate = vi.fn()
    const { url } = await api({ validate })
    expect((await fetch(`${url}/me`, { headers: await bearer() })).status).toBe(200)
    expect(validate).toHaveBeenCalledTimes(1)
    const shared = await api({ verifier: createVerifier({ ...reach(), validate }) })
    expect((await fetch(`${shared.url}/me`, { headers: await bearer() })).status).toBe(200)
    expect(validate).toHaveBeenCalledTimes(2)
  })

  it('does not write to a response that something else has answered meanwhile', async () => {
    const app = express()
    app.use((_req, res, next) => {
      next()
      res.status(418).send('mine')
    })
    app.use(telnyxAuth(reach()))
    const { url } = await serve(app)
    const response = await fetch(url, { headers: await bearer({ expiresInSeconds: -60 }) })
    expect([response.status, await response.text()]).toEqual([418, 'mine'])
  })

  it('a validate that throws is a 500, not a 401', async () => {
    const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const { url } = await api({ validate: () => Promise.reject(new Error('my database is down')) })
    expect((await fetch(`${url}/me`, { headers: await bearer() })).status).toBe(500)
    const own = await api({ validate: () => Promise.reject(new InvalidTokenError('ERR_TOKEN_REJECTED')) })
    expect((await fetch(`${own.url}/me`, { headers: await bearer() })).status).toBe(401)
    quiet.mockRestore()
  })

  it('attack 34: next is called once, and nothing is left unhandled', async () => {
    const unhandled: unknown[] = []
    const listen = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', listen)
    onTestFinished(() => void process.off('unhandledRejection', listen))
    const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined)

    let calls = 0
    let gone: (() => void) | undefined
    const left = new Promise<void>((resolve) => {
      gone = resolve
    })
    let answerKeys: (() => void) | undefined
    const held = new Promise<void>((resolve) => {
      answerKeys = resolve
    })
    const { port, url } = await api(
      {
        fetch: async (input, init) => {
          await held
          return issuer.fetch(input, init)
        },
      },
      (app) => {
        app.get('/throws', () => {
          calls++
          throw new Error('mine')
        })
      },
    )
    // A caller who leaves while the keys are fetched.
    const request = get({ port, path: '/me', headers: await bearer() })
    request.on('error', () => gone?.())
    request.on('socket', (socket) => socket.on('connect', () => setImmediate(() => request.destroy())))
    await left
    answerKeys?.()

    expect((await fetch(`${url}/throws`, { headers: await bearer() })).status).toBe(500)
    expect(calls).toBe(1)
    expect(unhandled).toEqual([])
    quiet.mockRestore()
  })
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
