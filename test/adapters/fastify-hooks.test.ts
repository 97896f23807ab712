import { getAuth, requireAuth, requireScopes, type TelnyxAuthOptions, telnyxAuth } from '@telnyx-auth/fastify'
import fastify, { type FastifyInstance, type onRequestHookHandler } from 'fastify'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { settle } from '../support/event-loop.js'
import { createIssuerInReach } from '../support/issuer.js'
import { thrownBy } from '../support/outcome.js'

/** Fastify alone: in which hooks a guard protects something, and under which name requests say who calls. */

const { bearer, reach } = await createIssuerInReach()

function createApp(): FastifyInstance {
  const app = fastify()
  onTestFinished(() => app.close())
  return app
}

const ask = async (app: FastifyInstance, url: string, authenticated = true) =>
  app.inject({ url, headers: authenticated ? await bearer({ subject: 'user-1', scopes: ['a'] }) : {} })

const FIT = ['onRequest', 'preValidation', 'preHandler'] as const
const UNFIT = [
  'preParsing',
  'preSerialization',
  'onSend',
  'onError',
  'onResponse',
  'onTimeout',
  'onRequestAbort',
] as const

describe('a guard in a hook that is too late', () => {
  it.each(UNFIT)('%s: the route cannot be declared', async (hook) => {
    for (const global of [true, false])
      for (const guard of [
        requireAuth(),
        requireScopes('a'),
        [requireAuth()],
        [() => {}, requireScopes('a')],
      ]) {
        const app = createApp()
        await app.register(telnyxAuth, { ...reach(), global })
        const declare = () => app.route({ method: 'GET', url: '/', handler: () => 'never', [hook]: guard })
        expect(thrownBy(declare)).toMatchObject({
          code: 'ERR_CONFIGURATION',
          message: expect.stringContaining(hook),
        })
        // Nor in a scope within.
        const scope = app.register(async (child) => {
          child.get('/x', { [hook]: guard }, () => 'never')
        })
        await expect(Promise.resolve(scope.ready())).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
      }
  })

  it.each(FIT)('control: %s protects', async (hook) => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), optional: true })
    app.get('/', { [hook]: requireScopes('a') }, () => 'here')
    app.get('/b', { [hook]: [requireScopes('b')] }, () => 'never')
    expect((await ask(app, '/')).statusCode).toBe(200)
    expect((await ask(app, '/', false)).statusCode).toBe(401)
    expect((await ask(app, '/b')).statusCode).toBe(403)
  })

  it('control: hooks that are no guards stay', async () => {
    const app = createApp()
    await app.register(telnyxAuth, reach())
    const onResponse = vi.fn((_request: unknown, _reply: unknown, done: () => void) => done())
    app.get('/', { onResponse, onSend: [async (_request, _reply, payload) => payload] }, () => 'here')
    expect((await ask(app, '/')).body).toBe('here')
    expect(onResponse).toHaveBeenCalled()
  })

  /** Fastify tells plugins of the hooks of routes, and not of those of a whole scope. */
  async function createAppWithHook(hook: (typeof UNFIT)[number], options: TelnyxAuthOptions = {}) {
    const lines: string[] = []
    const app = fastify({
      logger: { level: 'error', stream: { write: (line: string) => void lines.push(line) } },
    })
    onTestFinished(() => app.close())
    await app.register(telnyxAuth, { ...reach(), ...options })
    Reflect.apply(app.addHook, app, [hook, requireScopes('a')])
    app.get('/', async () => ({ here: true }))
    app.get('/throws', () => {
      throw new Error('mine')
    })
    return { app, lines }
  }

  it.each(['preParsing', 'preSerialization', 'onSend'] as const)(
    '%s of a scope: every request is a 500',
    async (hook) => {
      const { app } = await createAppWithHook(hook)
      expect((await ask(app, '/')).statusCode).toBe(500)
    },
  )

  it('onResponse of a scope: an error in the log', async () => {
    const { app, lines } = await createAppWithHook('onResponse')
    expect((await ask(app, '/')).statusCode).toBe(200)
    await settle()
    expect(lines.join()).toContain('ERR_CONFIGURATION')
  })
})

it('a guard as a handler, or uncalled as a hook, is loud', async () => {
  const app = createApp()
  await app.register(telnyxAuth, reach())
  Reflect.apply(app.get, app, ['/handler', requireAuth()])
  const uncalled: onRequestHookHandler = requireAuth as never
  app.get('/uncalled', { onRequest: uncalled }, () => 'never')
  for (const url of ['/handler', '/uncalled']) {
    const response = await ask(app, url)
    expect([response.statusCode, response.json()]).toMatchObject([500, { code: 'ERR_CONFIGURATION' }])
  }
})

describe('decorator', () => {
  it('is another name, in every scope; guards write there too', async () => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), decorator: 'telnyx' })
    app.get('/', (request) => ({
      same: Reflect.get(request, 'telnyx') === getAuth(request),
      auth: Reflect.has(request, 'auth'),
    }))
    expect((await ask(app, '/')).json()).toEqual({ same: true, auth: false })

    const deferred = createApp()
    deferred.addHook('onRequest', async (request) => {
      request.headers['x-before'] = String(Reflect.get(request, 'telnyx'))
    })
    await deferred.register(telnyxAuth, { ...reach(), decorator: 'telnyx', global: false })
    deferred.get('/', { onRequest: requireAuth() }, (request) => [
      request.headers['x-before'],
      Reflect.get(request, 'telnyx') === getAuth(request),
    ])
    expect((await ask(deferred, '/')).json()).toEqual(['null', true])
  })

  it('is none with false: getAuth says who calls', async () => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), decorator: false })
    app.get('/', (request) => [getAuth(request).subject, Reflect.has(request, 'auth')])
    expect((await ask(app, '/')).json()).toEqual(['user-1', false])
    expect((await ask(app, '/', false)).statusCode).toBe(401)
  })

  it('with two names, each says what its own registration found', async () => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), optional: true })
    await app.register(async (child) => {
      await child.register(telnyxAuth, { ...reach(), decorator: 'inner' })
      child.get('/', (request) => [
        request.auth?.subject,
        Reflect.get(Object(Reflect.get(request, 'inner')), 'subject'),
      ])
    })
    expect((await ask(app, '/')).json()).toEqual(['user-1', 'user-1'])
    expect((await ask(app, '/', false)).statusCode).toBe(401)
  })

  it.each([
    ['a value', null],
    ['an accessor', { getter: () => null }],
    ['a function', () => null],
  ])('a name that another plugin has taken does not start: %s', async (_, value) => {
    const app = createApp()
    app.decorateRequest('auth', value as never)
    app.register(telnyxAuth, reach())
    await expect(Promise.resolve(app.ready())).rejects.toMatchObject({
      code: 'ERR_CONFIGURATION',
      message: expect.stringMatching(/"auth".*"decorator"/),
    })
    const other = createApp()
    other.decorateRequest('auth', value as never)
    await other.register(telnyxAuth, { ...reach(), decorator: 'telnyx' })
    other.get('/', (request) => getAuth(request).subject)
    expect((await ask(other, '/')).body).toBe('user-1')
  })

  it.each(['raw', 'headers', 'id', 'query'])('nor does one of Fastify itself: %s', async (decorator) => {
    const app = createApp()
    app.register(telnyxAuth, { ...reach(), decorator })
    await expect(Promise.resolve(app.ready())).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
  })

  it('our own of an earlier registration is no other plugin, side by side and within', async () => {
    const app = createApp()
    await app.register(telnyxAuth, { ...reach(), global: false })
    await app.register(telnyxAuth, reach())
    await app.register(async (child) => {
      await child.register(telnyxAuth, reach())
      child.get('/', (request) => request.auth?.subject)
    })
    expect((await ask(app, '/')).body).toBe('user-1')
  })

  it.each([true, 0, '', null, {}, ['auth'], 'a b', '__proto__', '1a', 'a.b'])(
    'cannot be %j',
    async (decorator) => {
      const app = createApp()
      app.register(telnyxAuth, Object.assign(reach(), { decorator } as object))
      await expect(Promise.resolve(app.ready())).rejects.toMatchObject({
        code: 'ERR_CONFIGURATION',
        message: expect.stringMatching(/^Option "decorator" must be /),
      })
    },
  )
})
