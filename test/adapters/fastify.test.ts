import { connect } from 'node:net'
import {
  createVerifier,
  getAuth,
  InvalidTokenError,
  MissingTokenError,
  requireAuth,
  requireScopes,
  type TelnyxAuthOptions,
  telnyxAuth,
} from '@telnyx-auth/fastify'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { settle } from '../support/event-loop.js'
import { createSignal } from '../support/http.js'
import { createIssuerInReach, METADATA, type TokenOptions } from '../support/issuer.js'
import { AUDIENCE } from '../support/outcome.js'

/** What only Fastify has; what every framework has is in contract.test.ts and lifecycle.test.ts. */

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

const { bearer, reach } = await createIssuerInReach()

function createApp(options: FastifyServerOptions = {}): FastifyInstance {
  const app = fastify(options)
  onTestFinished(() => app.close())
  return app
}

/** Status, challenge and body of a request in process. */
async function ask(
  app: FastifyInstance,
  url: string,
  token?: TokenOptions | 'none',
  method: 'GET' | 'POST' | 'HEAD' = 'GET',
) {
  const headers = token === undefined || token === 'none' ? {} : await bearer(token)
  const response = await app.inject({ method, url, headers })
  return { status: response.statusCode, challenge: response.headers['www-authenticate'], body: response.body }
}

it('attack 48: a trailer about the body that an earlier hook has announced is not sent with a refusal', async () => {
  const app = createApp()
  app.addHook('onRequest', async (_, reply) => {
    reply.trailer('ETag', () => Promise.resolve('"stale"'))
    reply.trailer('Content-MD5', () => Promise.resolve('stale'))
  })
  await app.register(telnyxAuth, reach())
  app.get('/', () => 'here')
  const refused = await app.inject({ url: '/' })
  expect(refused.statusCode).toBe(401)
  expect(refused.headers.trailer).toBeUndefined()
  expect(refused.trailers).toEqual({})
})

describe('which routes are protected', () => {
  it('all of the scope, whenever they were declared, and what is not there', async () => {
    const app = createApp()
    app.get('/before', () => 'before')
    await app.register(telnyxAuth, reach())
    app.get('/after', () => 'after')
    await app.register(async (child) => {
      child.get('/child', () => 'child')
    })
    for (const url of ['/before', '/after', '/child', '/nowhere'])
      expect(await ask(app, url)).toMatchObject({ status: 401, challenge: `Bearer realm="api", ${METADATA}` })
    for (const url of ['/before', '/after', '/child']) expect((await ask(app, url, {})).status).toBe(200)
    expect((await ask(app, '/nowhere', {})).status).toBe(404)
  })

  it('also when the application does not await the registration', async () => {
    const app = createApp()
    app.register(telnyxAuth, reach())
    app.get('/', () => 'here')
    app.setNotFoundHandler((_request, reply) => reply.code(404).send('mine'))
    expect((await ask(app, '/')).status).toBe(401)
    expect((await ask(app, '/nowhere')).status).toBe(401)
    expect((await ask(app, '/', {})).status).toBe(200)
    expect(await ask(app, '/nowhere', {})).toMatchObject({ status: 404, body: 'mine' })
  })

  it('none outside the scope; and scopes with different settings stand side by side', async () => {
    const app = createApp()
    app.get('/public', () => 'public')
    const scope = (options: TelnyxAuthOptions) => async (child: FastifyInstance) => {
      await child.register(telnyxAuth, { ...reach(), ...options })
      child.get('/', (request) => ({
        subject: getAuth(request).subject,
        same: request.auth === getAuth(request),
      }))
    }
    await app.register(scope({ audience: 'urn:one' }), { prefix: '/one' })
    await app.register(scope({ audience: 'urn:two', scopes: ['two'] }), { prefix: '/two' })
    await app.register(scope({ audience: 'urn:three', errors: 'throw' }), { prefix: '/three' })

    expect((await ask(app, '/public')).status).toBe(200)
    expect((await ask(app, '/nowhere')).status).toBe(404)
    const audience = ['urn:one', 'urn:two', 'urn:three']
    expect(await ask(app, '/one', { audience, subject: 'user-1' })).toMatchObject({
      status: 200,
      body: '{"subject":"user-1","same":true}',
    })
    expect((await ask(app, '/one', { audience: 'urn:two' })).status).toBe(401)
    expect((await ask(app, '/two', { audience })).challenge).toMatch(/insufficient_scope.*, scope="two"$/)
    expect((await ask(app, '/two', { audience, scopes: ['two'] })).status).toBe(200)
    expect(JSON.parse((await ask(app, '/three')).body)).toMatchObject({
      statusCode: 401,
      code: 'ERR_TOKEN_MISSING',
    })
  })

  it('a scope within a scope asks for both, and the inner one says who it is', async () => {
    const app = createApp()
    const outer = vi.fn()
    await app.register(telnyxAuth, { ...reach(), validate: outer })
    await app.register(
      async (child) => {
        await child.register(telnyxAuth, { ...reach(), scopes: ['inner'] })
        child.get('/', (request) => getAuth(request).scopes)
      },
      { prefix: '/inner' },
    )
    expect((await ask(app, '/inner', {})).status).toBe(403)
    expect((await ask(app, '/inner', { scopes: ['inner'] })).body).toBe('["inner"]')
    expect(outer).toHaveBeenCalledTimes(2)
  })
})

describe('global: false', () => {
  it('only decorates; hooks of a route authenticate', async () => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), global: false, scopes: ['base'] })
    app.get('/public', (request) => ({ auth: request.auth }))
    app.get('/me', { onRequest: requireAuth() }, (request) => [
      getAuth(request).subject,
      request.auth?.subject,
    ])
    app.get('/read', { onRequest: [requireScopes('a'), requireScopes('b')] }, () => 'read')
    app.get('/late', { preHandler: requireScopes('a') }, () => 'late')
    expect(await ask(app, '/public', {})).toMatchObject({ status: 200, body: '{"auth":null}' })
    expect((await ask(app, '/nowhere')).status).toBe(404)
    expect(await ask(app, '/me')).toMatchObject({
      status: 401,
      challenge: `Bearer realm="api", scope="base", ${METADATA}`,
    })
    expect((await ask(app, '/me', {})).status).toBe(403)
    expect(await ask(app, '/me', { subject: 'user-1', scopes: ['base'] })).toMatchObject({
      status: 200,
      body: '["user-1","user-1"]',
    })
    expect((await ask(app, '/read')).challenge).toBe(`Bearer realm="api", scope="base a b", ${METADATA}`)
    expect((await ask(app, '/read', { scopes: ['base', 'a'] })).status).toBe(403)
    expect((await ask(app, '/read', { scopes: ['base', 'a', 'b'] })).status).toBe(200)
    expect((await ask(app, '/late', { scopes: ['base'] })).status).toBe(403)
    expect((await ask(app, '/late')).challenge).toBe(`Bearer realm="api", scope="base a", ${METADATA}`)
  })

  it('a hook for a scope authenticates as well', async () => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), global: false })
    await app.register(async (child) => {
      child.addHook('onRequest', requireAuth())
      child.get('/inside', (request) => getAuth(request).subject ?? '')
    })
    app.get('/outside', () => 'outside')
    expect((await ask(app, '/inside')).status).toBe(401)
    expect((await ask(app, '/inside', { subject: 'user-1' })).body).toBe('user-1')
    expect((await ask(app, '/outside')).status).toBe(200)
  })

  it('authenticates once, however many hooks there are', async () => {
    const app = createApp()
    const validate = vi.fn()
    await app.register(telnyxAuth, { ...reach(), global: false, validate })
    app.get('/', { onRequest: [requireAuth(), requireScopes('a'), requireAuth()] }, () => 'here')
    expect((await ask(app, '/', { scopes: ['a'] })).status).toBe(200)
    expect(validate).toHaveBeenCalledTimes(1)
  })

  it('hooks that are alternatives each say what they refuse', async () => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), errors: 'throw', global: false })
    const [first, second] = [requireScopes('first'), requireScopes('second')]
    app.get(
      '/',
      {
        onRequest: (request, reply, done) =>
          first(request, reply, (error) => (error ? second(request, reply, done) : done())),
      },
      () => 'here',
    )
    expect((await ask(app, '/')).status).toBe(401)
    expect((await ask(app, '/', { expiresInSeconds: -60 })).status).toBe(401)
    expect((await ask(app, '/', {})).status).toBe(403)
    expect((await ask(app, '/', { scopes: ['second'] })).status).toBe(200)
  })

  it('optional: anonymous is not enough for requireAuth', async () => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), global: false, optional: true })
    app.get('/', { onRequest: requireAuth() }, () => 'here')
    expect((await ask(app, '/')).status).toBe(401)
    expect((await ask(app, '/', {})).status).toBe(200)
  })

  it('within a protected scope: who was admitted stays so, until a hook asks for more', async () => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), optional: true })
    await app.register(async (child) => {
      await child.register(telnyxAuth, { ...reach(), global: false, scopes: ['inner'] })
      child.get('/', (request) => [getAuth(request).subject, request.auth?.subject])
      child.get('/inner', { onRequest: requireAuth() }, (request) => getAuth(request).subject ?? '')
    })
    expect((await ask(app, '/')).status).toBe(401)
    expect((await ask(app, '/', { subject: 'user-1' })).body).toBe('["user-1","user-1"]')
    expect((await ask(app, '/inner')).status).toBe(401)
    expect((await ask(app, '/inner', { subject: 'user-1' })).status).toBe(403)
    expect((await ask(app, '/inner', { subject: 'user-1', scopes: ['inner'] })).body).toBe('user-1')
  })

  it('getAuth before authentication has run is a programming error', async () => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), global: false })
    app.get('/', (request) => getAuth(request).subject ?? '')
    expect(await ask(app, '/', {})).toMatchObject({ status: 500, challenge: undefined })
  })

  it('P1: serves the metadata, also for a scope with a prefix', async () => {
    const app = createApp()
    const verifier = createVerifier({ ...reach(), audience: 'https://api.example.com/mcp' })
    await app.register(telnyxAuth, { verifier, global: false })
    await app.register(
      async (child) => {
        await child.register(telnyxAuth, { verifier })
        child.post('/', () => 'mcp')
      },
      { prefix: '/mcp' },
    )
    expect((await ask(app, '/mcp', 'none', 'POST')).challenge).toBe(
      'Bearer realm="api", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp"',
    )
    expect(JSON.parse((await ask(app, `${WELL_KNOWN}/mcp`)).body)).toMatchObject({
      resource: 'https://api.example.com/mcp',
    })
    const answer = await ask(app, '/mcp', { audience: 'https://api.example.com/mcp' }, 'POST')
    expect(answer).toMatchObject({ status: 200, body: 'mcp' })
  })
})

describe('what a route needs, its challenge says', () => {
  it('P4: of the hooks of this route and method, wherever they stand', async () => {
    const app = createApp()
    await app.register(telnyxAuth, reach())
    app.get('/x', { onRequest: requireScopes('a'), preHandler: [requireScopes('b')] }, () => 'x')
    app.post('/x', { preValidation: requireScopes('c') }, () => 'x')
    app.get(
      '/config',
      { onRequest: requireScopes('a'), config: { mine: 1 } },
      ({ routeOptions }) => routeOptions.config,
    )
    const scopeFor = async (method: 'GET' | 'POST' | 'HEAD') =>
      /scope="([^"]*)"/.exec(String((await ask(app, '/x', 'none', method)).challenge))?.[1]
    expect(await scopeFor('GET')).toBe('a b')
    expect(await scopeFor('HEAD')).toBe('a b')
    expect(await scopeFor('POST')).toBe('c')
    expect(JSON.parse((await ask(app, '/config', { scopes: ['a'] })).body)).toEqual({
      mine: 1,
      url: '/config',
      method: 'GET',
    })
  })

  it('P4: what it cannot know, it does not say: hooks of a scope, routes before the registration', async () => {
    const app = createApp()
    app.get('/before', { onRequest: requireScopes('a') }, () => 'before')
    await app.register(telnyxAuth, reach())
    await app.register(async (child) => {
      child.addHook('onRequest', requireScopes('a'))
      child.get('/scope', () => 'scope')
    })
    expect((await ask(app, '/scope')).challenge).toBe(`Bearer realm="api", ${METADATA}`)
    expect((await ask(app, '/scope', {})).challenge).toMatch(/scope="a"/)
    expect((await ask(app, '/scope', { scopes: ['a'] })).status).toBe(200)
    // The hook of the route comes after those of its scope.
    expect((await ask(app, '/before')).challenge).toBe(`Bearer realm="api", ${METADATA}`)
    expect((await ask(app, '/before', { scopes: ['a'] })).status).toBe(200)
  })
})

describe('styles', () => {
  it('handlers and hooks with callbacks', async () => {
    const app = createApp()
    app.register(telnyxAuth, { ...reach(), optional: true })
    app.register((child, _options, done) => {
      child.addHook('preHandler', (request, _reply, next) => {
        request.headers['x-subject'] = request.auth?.subject ?? 'anonymous'
        next()
      })
      child.get('/', (request, reply) => {
        setImmediate(() => reply.send(request.headers['x-subject']))
      })
      done()
    })
    expect((await ask(app, '/')).body).toBe('anonymous')
    expect((await ask(app, '/', { subject: 'user-1' })).body).toBe('user-1')
  })

  it('an application that rewrites URLs: what counts is what was asked for', async () => {
    const app = createApp({ rewriteUrl: ({ url = '' }) => url.replace(/^\/api/, '') })
    await app.register(telnyxAuth, reach())
    expect((await ask(app, `/api${WELL_KNOWN}`)).status).toBe(401)
    expect((await ask(app, WELL_KNOWN)).status).toBe(200)
  })
})

describe('attack 34: who is refused and hangs up', () => {
  it.each<
    [string, TelnyxAuthOptions, { onRequest?: ReturnType<typeof requireScopes> }, TokenOptions | 'none']
  >([
    ['without a token', {}, {}, 'none'],
    ['without a token, from a hook', { global: false }, { onRequest: requireScopes('admin') }, 'none'],
    ['without the scope', {}, { onRequest: requireScopes('admin') }, {}],
  ])('%s does not get in while an onSend hook waits', async (_, options, route, token) => {
    const handler = vi.fn(() => 'never')
    const app = createApp()
    const sending = createSignal()
    const release = createSignal()
    app.addHook('onSend', async () => {
      sending.resolve()
      await release.promise
    })
    await app.register(telnyxAuth, { ...reach(), ...options })
    app.delete('/account', route, handler)
    await app.listen({ host: '127.0.0.1', port: 0 })
    const [address] = app.addresses()
    const socket = connect(typeof address === 'object' ? address.port : 0, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    const credentials = token === 'none' ? '' : `Authorization: ${(await bearer(token)).authorization}\r\n`
    socket.write(`DELETE /account HTTP/1.1\r\nHost: x\r\n${credentials}\r\n`)
    await sending.promise
    socket.resetAndDestroy()
    await settle()
    release.resolve()
    await settle()
    expect(handler).not.toHaveBeenCalled()
  })
})

describe('what is answered', () => {
  it('an answer that cannot be written is an error, and not an unhandled one', async () => {
    const app = createApp()
    app.addHook('onRequest', async (_request, reply) => {
      reply.headers = () => {
        throw new Error('mine')
      }
    })
    await app.register(telnyxAuth, reach())
    expect(await ask(app, '/')).toMatchObject({ status: 500, body: expect.stringContaining('mine') })
  })

  it('nothing where something else has answered meanwhile', async () => {
    const lines: string[] = []
    const app = createApp({
      logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } },
    })
    app.addHook('onRequest', (_request, reply, done) => {
      done()
      reply.code(418).send('mine')
    })
    const validate = () => Promise.reject(new InvalidTokenError('ERR_TOKEN_REJECTED'))
    await app.register(telnyxAuth, { ...reach(), validate })
    const answer = await ask(app, '/', {})
    await settle()
    expect([answer.status, answer.body, lines]).toEqual([418, 'mine', []])
  })

  it('a preflight request, without a body', async () => {
    const app = createApp()
    const payloads: unknown[] = []
    app.addHook('onSend', async (_request, _reply, payload) => {
      payloads.push(payload)
      return payload
    })
    await app.register(telnyxAuth, reach())
    const headers = { 'access-control-request-method': 'GET' }
    expect((await app.inject({ method: 'OPTIONS', url: WELL_KNOWN, headers })).statusCode).toBe(204)
    expect(payloads).toEqual([undefined])
  })

  it('P4: routes that share a config object keep their own scopes; it is not written to', async () => {
    const app = createApp()
    await app.register(telnyxAuth, reach())
    const config = Object.freeze({ mine: 1 })
    for (const scope of ['a', 'b'])
      app.get(`/${scope}`, { config, onRequest: requireScopes(scope) }, () => scope)
    for (const scope of ['a', 'b'])
      expect((await ask(app, `/${scope}`)).challenge).toContain(`scope="${scope}"`)
  })

  it('P1: the metadata of every API that is registered at the root', async () => {
    const app = createApp()
    for (const name of ['one', 'two'])
      await app.register(telnyxAuth, {
        ...reach(),
        audience: `https://api.example.com/${name}`,
        global: false,
      })
    for (const name of ['one', 'two'])
      expect(JSON.parse((await ask(app, `${WELL_KNOWN}/${name}`)).body)).toMatchObject({
        resource: `https://api.example.com/${name}`,
      })
  })

  it('Fastify knows the plugin by name, and for which versions it is', () => {
    expect(Reflect.get(telnyxAuth, Symbol.for('plugin-meta'))).toMatchObject({
      name: '@telnyx-auth/fastify',
      fastify: '5.x',
    })
  })
})

describe('request.auth', () => {
  it('is null until authentication has run, and undefined for a refused caller', async () => {
    const app = createApp()
    const seen: unknown[] = []
    app.addHook('onRequest', async (request) => void seen.push(request.auth))
    app.addHook('onResponse', async (request) => void seen.push(request.auth))
    await app.register(telnyxAuth, reach())
    await app.register(async (child) => {
      await child.register(telnyxAuth, { ...reach(), audience: 'urn:other' })
      child.get('/x', () => 'x')
    })
    expect((await ask(app, '/x', {})).status).toBe(401)
    expect(seen).toEqual([null, undefined])
  })

  it('is undefined for an anonymous caller, and getAuth throws: Fastify answers with 401', async () => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), optional: true, scopes: ['a'] })
    app.get('/', (request) => ({ anonymous: request.auth === undefined }))
    app.get('/mine', (request) => getAuth(request).subject)
    expect((await ask(app, '/')).body).toBe('{"anonymous":true}')
    expect(await ask(app, '/mine')).toMatchObject({
      status: 401,
      challenge: `Bearer realm="api", scope="a", ${METADATA}`,
    })
  })

  it('may be written to by others; getAuth is right with any value in it', async () => {
    const app = createApp()
    await app.register(telnyxAuth, reach())
    app.addHook('preHandler', async (request) => {
      request.auth = null
    })
    app.get('/', (request) => getAuth(request).subject)
    expect((await ask(app, '/', { subject: 'user-1' })).body).toBe('user-1')
  })

  it('says no caller in an error handler, when an inner scope refused a caller that the outer scope accepted', async () => {
    const app = createApp()
    app.setErrorHandler((_error, request, reply) => reply.code(401).send([request.auth === undefined]))
    await app.register(telnyxAuth, reach())
    await app.register(async (child) => {
      await child.register(telnyxAuth, { ...reach(), audience: 'urn:other', errors: 'throw' })
      child.get('/', () => 'never')
    })
    expect(await ask(app, '/', {})).toMatchObject({ status: 401, body: '[true]' })
  })

  it('requireAuth without telnyxAuth is a programming error, and loud', async () => {
    const app = createApp()
    const handler = vi.fn()
    app.get('/', { onRequest: requireAuth() }, handler)
    expect(await ask(app, '/', {})).toMatchObject({ status: 500, challenge: undefined })
    expect(handler).not.toHaveBeenCalled()
  })
})

describe("errors: 'throw'", () => {
  it('setErrorHandler gets errors of ours, of guards too; those of the scope before those outside', async () => {
    const app = createApp()
    app.setErrorHandler((_error, _request, reply) => reply.code(418).send('outside'))
    const seen: unknown[] = []
    await app.register(async (child) => {
      child.setErrorHandler((error, _request, reply) => {
        seen.push(error)
        return reply.code(401).send('mine')
      })
      await child.register(telnyxAuth, { ...reach(), errors: 'throw' })
      child.get('/', { onRequest: requireScopes('read') }, () => 'read')
    })
    expect(await ask(app, '/')).toMatchObject({ status: 401, body: 'mine' })
    expect(await ask(app, '/', {})).toMatchObject({ status: 401, body: 'mine' })
    expect(seen[0]).toBeInstanceOf(MissingTokenError)
    expect(seen).toMatchObject([
      { code: 'ERR_TOKEN_MISSING', statusCode: 401, requiredScopes: ['read'] },
      { code: 'ERR_SCOPE_INSUFFICIENT', statusCode: 403 },
    ])
  })
})

describe('at start-up', () => {
  it.each<[string, object, RegExp]>([
    ['no audience', {}, /No audience is configured/],
    ['a misspelt option', { audiance: 'x' }, /did you mean "audience"/],
    ['a misspelt option of its own', { audience: 'x', globl: true }, /did you mean "global"/],
    ['global', { audience: 'x', global: 'no' }, /"global" must be true or false, not a string/],
    // It would have no effect here: the scope is that of who registers.
    ['a prefix', { audience: 'x', prefix: '/v1' }, /no option "prefix"/],
  ])('the application does not start: %s', async (_, options, message) => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', undefined)
    const app = createApp()
    app.register(telnyxAuth, options)
    await expect(app.ready()).rejects.toMatchObject({
      code: 'ERR_CONFIGURATION',
      message: expect.stringMatching(message),
    })
  })

  it('starts with the environment alone', async () => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', AUDIENCE)
    const app = createApp()
    await app.register(telnyxAuth)
    expect((await ask(app, '/')).challenge).toBe(`Bearer realm="api", ${METADATA}`)
  })
})
