import { once } from 'node:events'
import { Readable } from 'node:stream'
import Router from '@koa/router'
import {
  createVerifier,
  getAuth,
  MissingTokenError,
  requireAuth,
  requireScopes,
  TelnyxAuthError,
  type TelnyxAuthState,
  telnyxAuth,
} from '@telnyx-auth/koa'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { describe, expect, expectTypeOf, it, vi } from 'vitest'
import { serve } from '../support/http.js'
import { createIssuerInReach, METADATA } from '../support/issuer.js'

/** What only Koa has; what every framework has is in contract.test.ts and lifecycle.test.ts. */

const { bearer, reach } = await createIssuerInReach()

describe.each([
  ['Koa 2', Koa2],
  ['Koa 3', Koa3],
])('%s', (_, Koa) => {
  function createApp() {
    const app = new Koa()
    app.silent = true
    return app
  }

  it('answers a refusal also where ctx.respond is false, unless the response has begun', async () => {
    const app = createApp()
    app.use((ctx, next) => {
      ctx.respond = false
      if (ctx.path === '/begun') ctx.res.write('mine')
      return next()
    })
    app.use(telnyxAuth(reach()))
    app.use((ctx) => void ctx.res.end('here'))
    const { url } = await serve(app.callback())
    const refused = await fetch(url, { signal: AbortSignal.timeout(2000) })
    expect([refused.status, await refused.json()]).toEqual([401, { code: 'ERR_TOKEN_MISSING' }])
    expect(await (await fetch(url, { headers: await bearer() })).text()).toBe('here')

    const controller = new AbortController()
    const begun = await fetch(`${url}/begun`, { signal: controller.signal })
    const read = await begun.body?.getReader().read()
    expect(Buffer.from(read?.value ?? []).toString()).toBe('mine')
    controller.abort()
  })

  it('protects what comes after it, and nothing before', async () => {
    const app = createApp()
    app.use((ctx, next) => {
      if (ctx.path !== '/public') return next()
      ctx.body = 'public'
      return undefined
    })
    app.use(telnyxAuth(reach()))
    const { url } = await serve(app.callback())
    expect(await (await fetch(`${url}/public`)).text()).toBe('public')
    expect((await fetch(`${url}/no-such-route`)).status).toBe(401)
    expect((await fetch(`${url}/no-such-route`, { headers: await bearer() })).status).toBe(404)
  })

  it('types ctx.state through the middleware', async () => {
    const app = new Koa<object>().use(telnyxAuth(reach())).use((ctx) => {
      expectTypeOf(ctx.state.auth).toEqualTypeOf<TelnyxAuthState['auth']>()
      ctx.body = ctx.state.auth?.subject
    })
    const { url } = await serve(app.callback())
    expect(await (await fetch(url, { headers: await bearer({ subject: 'user-1' }) })).text()).toBe('user-1')
  })

  it('getAuth is right when other middleware writes to ctx.state.auth', async () => {
    const app = createApp()
    app.use(telnyxAuth(reach()))
    app.use((ctx, next) => {
      ctx.state = { auth: { subject: 'another caller' } }
      return next()
    })
    app.use((ctx) => {
      ctx.body = getAuth(ctx).subject
    })
    const { url } = await serve(app.callback())
    expect(await (await fetch(url, { headers: await bearer({ subject: 'user-1' }) })).text()).toBe('user-1')
  })

  it('P4: in a route it knows the route; before that it cannot', async () => {
    const auth = telnyxAuth(reach())
    const router = new Router()
    router.get('/inside', auth, requireScopes('a'), requireScopes('b'), () => undefined)
    router.post('/inside', auth, requireScopes('c'), () => undefined)
    router.use('/outside', auth)
    router.get('/outside', requireScopes('a'), () => undefined)
    const app = createApp()
    app.use(router.routes())
    const { url } = await serve(app.callback())
    const challenge = async (path: string, method = 'GET') =>
      (await fetch(url + path, { method })).headers.get('www-authenticate')
    expect(await challenge('/inside')).toBe(`Bearer realm="api", scope="a b", ${METADATA}`)
    expect(await challenge('/inside', 'HEAD')).toBe(`Bearer realm="api", scope="a b", ${METADATA}`)
    expect(await challenge('/inside', 'POST')).toBe(`Bearer realm="api", scope="c", ${METADATA}`)
    expect(await challenge('/outside')).toBe(`Bearer realm="api", ${METADATA}`)
  })

  it('P4: a layer for every method is one for this one', async () => {
    const router = new Router()
    router.register('/x', [], [telnyxAuth(reach()), requireScopes('a')])
    router.get('/x', () => undefined)
    const app = createApp()
    app.use(router.routes())
    const { url } = await serve(app.callback())
    expect((await fetch(`${url}/x`)).headers.get('www-authenticate')).toContain('scope="a"')
  })

  it('passes on what later middleware returns, and shows no caller to earlier middleware', async () => {
    const app = createApp()
    const seen: unknown[] = []
    app.use(async (ctx, next) => {
      seen.push(await next(), { ...ctx.state })
    })
    app.use(telnyxAuth({ ...reach(), validate: ({ subject }) => subject === 'user-1' }))
    app.use(() => 'mine')
    const { url } = await serve(app.callback())
    await fetch(url)
    expect(seen).toEqual([undefined, { auth: undefined }])
    await fetch(url, { headers: await bearer({ subject: 'user-1' }) })
    expect(seen[2]).toBe('mine')
  })

  it('B6: names nothing that another route needs, or another router, though their paths fit', async () => {
    const admin = new Router()
    admin.use(requireScopes('admin'))
    admin.get('/admin', () => undefined)
    const router = new Router()
    router.get('/items/special', requireScopes('special'), () => undefined)
    router.get('/items/:id', requireScopes('read'), () => undefined)
    const app = createApp()
    app.use(telnyxAuth(reach()))
    app.use(admin.routes())
    app.use(router.routes())
    const { url } = await serve(app.callback())
    const response = await fetch(`${url}/items/special`, { headers: await bearer() })
    expect(response.headers.get('www-authenticate')).toMatch(/, scope="special", /)
  })

  it.each([[true], ['x'], [[null]], [new Map()], [[{ stack: 'x' }]]])(
    'a ctx.matched that is not of the router changes nothing: %j',
    async (matched) => {
      const app = createApp()
      app.use((ctx, next) => {
        ctx.matched = matched
        return next()
      })
      app.use(telnyxAuth(reach()))
      const { url } = await serve(app.callback())
      expect((await fetch(url)).status).toBe(401)
    },
  )

  it('P2: uses the requested URL, not the one that a mounted application sees', async () => {
    const app = createApp()
    // As koa-mount does it.
    app.use((ctx, next) => {
      if (ctx.path.startsWith('/api/')) ctx.path = ctx.path.slice('/api'.length)
      return next()
    })
    app.use(telnyxAuth(reach()))
    const { url } = await serve(app.callback())
    expect((await fetch(`${url}/api/.well-known/oauth-protected-resource`)).status).toBe(401)
    expect((await fetch(`${url}/.well-known/oauth-protected-resource`)).status).toBe(200)
  })

  it('optional: getAuth throws for an anonymous caller, which Koa answers with 401', async () => {
    const app = createApp()
    app.use(telnyxAuth({ ...reach(), optional: true, scopes: ['a'] }))
    app.use((ctx) => {
      ctx.body = getAuth(ctx).subject
    })
    const { url } = await serve(app.callback())
    const response = await fetch(url)
    expect([response.status, response.headers.get('www-authenticate'), await response.text()]).toEqual([
      401,
      `Bearer realm="api", scope="a", ${METADATA}`,
      'The request carries no access token',
    ])
  })

  it("errors: 'throw': app.on('error') and every catch on the way see it", async () => {
    const app = createApp()
    const emitted = vi.fn()
    const caught: unknown[] = []
    app.on('error', emitted)
    app.use(async (_ctx, next) => {
      try {
        await next()
      } catch (error) {
        caught.push(error)
        throw error
      }
    })
    app.use(telnyxAuth({ ...reach(), errors: 'throw' }))
    app.use(requireScopes('read'))
    const { url } = await serve(app.callback())
    expect((await fetch(url)).status).toBe(401)
    const forbidden = await fetch(url, { headers: await bearer() })
    expect([forbidden.status, await forbidden.text()]).toEqual([
      403,
      'The access token lacks a required scope',
    ])
    expect(caught).toMatchObject([{ code: 'ERR_TOKEN_MISSING' }, { code: 'ERR_SCOPE_INSUFFICIENT' }])
    expect(caught[0]).toBeInstanceOf(MissingTokenError)
    expect(emitted.mock.calls.map(([error]) => error)).toEqual(caught)
  })

  it("errors: 'throw': what others add to the headers of an error is sent as well", async () => {
    const app = createApp()
    // As @koa/cors does it, so that scripts can read errors.
    app.use((_ctx, next) =>
      next().catch((error) => {
        error.headers = { ...error.headers, 'Access-Control-Allow-Origin': '*' }
        throw error
      }),
    )
    app.use(telnyxAuth({ ...reach(), errors: 'throw' }))
    const { url } = await serve(app.callback())
    const response = await fetch(url)
    expect([
      response.status,
      response.headers.get('access-control-allow-origin'),
      response.headers.get('www-authenticate'),
    ]).toEqual([401, '*', `Bearer realm="api", ${METADATA}`])
  })

  const throwing = {
    set auth(_: unknown) {
      throw undefined
    },
  }
  it.each([Object.freeze({}), undefined, 'text', throwing])(
    'a state that cannot be written changes nothing: %j',
    async (state) => {
      const app = createApp()
      app.use((ctx, next) => {
        Reflect.set(ctx, 'state', state)
        return next()
      })
      app.use(telnyxAuth(reach()))
      app.use((ctx) => {
        ctx.body = getAuth(ctx).subject
      })
      const { url } = await serve(app.callback())
      expect((await fetch(url)).status).toBe(401)
      expect(await (await fetch(url, { headers: await bearer({ subject: 'user-1' }) })).text()).toBe('user-1')
    },
  )

  it('a caller that was refused later is not authenticated, even where the application continues', async () => {
    const app = createApp()
    app.use(telnyxAuth(reach()))
    app.use((ctx, next) =>
      telnyxAuth({ ...reach(), audience: 'urn:other', errors: 'throw' })(ctx, next).catch(() => {
        ctx.body = { anonymous: ctx.state.auth === undefined }
      }),
    )
    const { url } = await serve(app.callback())
    expect(await (await fetch(url, { headers: await bearer() })).json()).toEqual({ anonymous: true })
  })

  it("errors: 'respond': app.on('error') is for what is no answer", async () => {
    const app = createApp()
    const emitted = vi.fn()
    app.on('error', emitted)
    app.use(telnyxAuth(reach()))
    app.use(requireAuth({ validate: () => Promise.reject(new Error('my database is down')) }))
    const { url } = await serve(app.callback())
    expect((await fetch(url)).status).toBe(401)
    expect(emitted).not.toHaveBeenCalled()
    expect((await fetch(url, { headers: await bearer() })).status).toBe(500)
    expect(emitted).toHaveBeenCalledWith(
      expect.not.objectContaining({ code: expect.anything() }),
      expect.anything(),
    )
  })

  it('attack 48: a stream that earlier middleware left as the body is destroyed, and not sent', async () => {
    const app = createApp()
    const stream = new Readable({ read() {} })
    const closed = once(stream, 'close')
    app.use((ctx, next) => {
      ctx.body = stream
      ctx.length = 3
      return next()
    })
    app.use(telnyxAuth(reach()))
    const { url } = await serve(app.callback())
    const response = await fetch(url)
    expect([response.status, await response.json()]).toEqual([401, { code: 'ERR_TOKEN_MISSING' }])
    await closed
    expect(stream.destroyed).toBe(true)
  })

  it('attack 48: a stream of the web is cancelled', async () => {
    const app = createApp()
    const cancel = vi.fn()
    app.use((ctx, next) => {
      ctx.body = new ReadableStream({ cancel })
      return next()
    })
    app.use(telnyxAuth(reach()))
    const { url } = await serve(app.callback())
    expect((await fetch(url)).status).toBe(401)
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  it('requireAuth and getAuth without telnyxAuth are programming errors, and loud', async () => {
    for (const middleware of [requireAuth(), (ctx: Koa3.Context) => void getAuth(ctx)]) {
      const app = createApp()
      const emitted = vi.fn()
      app.on('error', emitted)
      app.use(middleware)
      const { url } = await serve(app.callback())
      const response = await fetch(url, { headers: await bearer() })
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([500, null])
      expect(emitted.mock.calls[0]?.[0]).toBeInstanceOf(TelnyxAuthError)
      expect(emitted.mock.calls[0]?.[0]).toMatchObject({ code: 'ERR_CONFIGURATION' })
    }
  })

  it('takes a verifier that was made elsewhere, with a policy of its own', async () => {
    const app = createApp()
    app.use(telnyxAuth({ verifier: createVerifier(reach()), scopes: ['read'] }))
    const { url } = await serve(app.callback())
    expect((await fetch(url, { headers: await bearer() })).status).toBe(403)
    expect((await fetch(url, { headers: await bearer({ scopes: ['read'] }) })).status).toBe(404)
  })
})
