import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import Router from '@koa/router'
import { mcpAuth as forExpress } from '@telnyx-auth/mcp/express'
import { mcpAuth as forFastify } from '@telnyx-auth/mcp/fastify'
import { mcpAuth as forHono } from '@telnyx-auth/mcp/hono'
import { mcpAuth as forKoa } from '@telnyx-auth/mcp/koa'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { every } from 'hono/combine'
import Koa from 'koa'
import { describe, expect, it } from 'vitest'
import { serve } from '../support/http.js'

/** Where `mcpAuth` stands in an application: in front of the endpoint, nothing gets through without a token. */

const options = { audience: 'https://api.example.com/mcp', scopes: ['read'] }
const ERRORS = { ...options, errors: 'throw' as const }

async function expectOpen(listener: RequestListener, path: string): Promise<void> {
  const { client } = await serve(listener)
  const { status, body } = await client.request('GET', path)
  expect([status, body]).toEqual([200, 'open'])
}

async function expectGuarded(listener: RequestListener, path: string, status = 401): Promise<void> {
  const { client } = await serve(listener)
  const response = await client.request('POST', path, ['Content-Type: application/json'], '{}')
  expect([response.status, response.body.includes('ran')]).toEqual([status, false])
  expect(response.headers.get('access-control-expose-headers')?.[0]).toContain('WWW-Authenticate')
}

describe('Express', () => {
  it.each(['/api', '/:tenant', '/a/b'])('in a router that is mounted at %s', async (mount) => {
    const app = express()
    const sub = express.Router()
    sub.use(forExpress(options))
    sub.all('/mcp', (_request, response) => void response.send('ran'))
    sub.get('/health', (_request, response) => void response.send('open'))
    app.use(mount, sub)
    const base = mount.replace(':', '')
    await expectGuarded(app, `${base}/mcp`)
    await expectOpen(app, `${base}/health`)
  })

  it('in a route with another path', async () => {
    const app = express()
    app.all('/rpc', forExpress(options), (_request, response) => void response.send('ran'))
    await expectGuarded(app, '/rpc')
  })

  it('after middleware that changes the URL', async () => {
    const app = express()
    app.use((request, _response, next) => {
      request.url = request.url.replace(/^\/v1/, '')
      next()
    })
    app.use(forExpress(options))
    app.all('/mcp', (_request, response) => void response.send('ran'))
    await expectGuarded(app, '/v1/mcp')
  })

  it('after a route that has called next(): other paths stay open', async () => {
    const app = express()
    app.all('/{*splat}', (_request, _response, next) => next())
    app.use(forExpress(options))
    app.get('/health', (_request, response) => void response.send('open'))
    await expectOpen(app, '/health')
  })
})

describe('Koa', () => {
  const ran: Koa.Middleware = (ctx) => {
    ctx.body = 'ran'
  }

  it('in a route with another path; its neighbours stay open', async () => {
    const router = new Router()
    const guard = forKoa(options)
    router.post('/rpc', guard, ran)
    router.get('/rpc', (ctx) => {
      ctx.body = 'open'
    })
    const listener = new Koa().use(router.routes()).callback()
    await expectGuarded(listener, '/rpc')
    await expectOpen(listener, '/rpc')
  })

  it('in a router with a prefix, and in one inside another', async () => {
    const router = new Router({ prefix: '/api' })
    router.use(forKoa(options))
    router.all('/mcp', ran)
    await expectGuarded(new Koa().use(router.routes()).callback(), '/api/mcp')
    const inner = new Router()
    inner.use(forKoa(options))
    inner.all('/mcp', ran)
    const outer = new Router()
    outer.use('/:tenant', inner.routes())
    await expectGuarded(new Koa().use(outer.routes()).callback(), '/t1/mcp')
  })

  it('after middleware that changes the path', async () => {
    const app = new Koa()
    app.use((ctx, next) => {
      ctx.path = ctx.path.replace(/^\/v1/, '')
      return next()
    })
    app.use(forKoa(options))
    app.use(ran)
    await expectGuarded(app.callback(), '/v1/mcp')
  })
})

describe('Fastify', () => {
  it.each([
    ['/api', '/api/mcp'],
    ['/api', '/%61pi/mcp'],
    ['/api', '/API/mcp'],
    ['/api', 'http://h/api/mcp'],
    ['/:tenant', '/t1/mcp'],
  ])('in a scope with the prefix %s: %s', async (prefix, path) => {
    const app = Fastify({ routerOptions: { caseSensitive: false } })
    await app.register(
      async (scope) => {
        await scope.register(forFastify, options)
        scope.all('/mcp', async () => 'ran')
        scope.get('/health', async () => 'open')
      },
      { prefix },
    )
    await app.ready()
    const listener: RequestListener = (request, response) => app.routing(request, response)
    await expectGuarded(listener, path)
    await expectOpen(listener, `${prefix.replace(':', '')}/health`)
  })

  it('with rewritten URLs', async () => {
    const app = Fastify({ rewriteUrl: ({ url = '' }) => url.replace(/^\/v1/, '') })
    await app.register(forFastify, options)
    app.all('/mcp', async () => 'ran')
    await app.ready()
    await expectGuarded((request, response) => app.routing(request, response), '/v1/mcp')
  })
})

describe('Hono', () => {
  const listenerOf = ({ fetch }: Hono) => getRequestListener(fetch, { overrideGlobalObjects: false })
  function createSub(): Hono {
    const sub = new Hono()
    sub.use(forHono(options))
    sub.all('/mcp', (c) => c.text('ran'))
    sub.get('/health', (c) => c.text('open'))
    return sub
  }

  it.each(['/api', '/:tenant'])('in an application that is mounted at %s', async (mount) => {
    const listener = listenerOf(new Hono().route(mount, createSub()))
    const base = mount.replace(':', '')
    await expectGuarded(listener, `${base}/mcp`)
    await expectOpen(listener, `${base}/health`)
  })

  it('in one with an error handler of its own', async () => {
    const sub = createSub()
    sub.onError((error) => {
      throw error
    })
    await expectGuarded(listenerOf(new Hono().route('/api', sub)), '/api/mcp')
  })

  it.each(['/api', '/:tenant'])('with the base path %s', async (base) => {
    const app = new Hono().basePath(base)
    app.use(forHono(options))
    app.all('/mcp', (c) => c.text('ran'))
    await expectGuarded(listenerOf(app), `${base.replace(':', '')}/mcp`)
  })

  it('in a route with another path, also when it guards the whole application', async () => {
    const app = new Hono()
    const guard = forHono(options)
    app.use(guard)
    app.all('/rpc', guard, (c) => c.text('ran'))
    app.all('/combined', every(guard), (c) => c.text('ran'))
    await expectGuarded(listenerOf(app), '/rpc')
    await expectGuarded(listenerOf(app), '/combined')
  })

  it('headers of the response that a handler returns are joined', async () => {
    const app = new Hono()
    app.use(forHono({ ...options, optional: true, cors: ['https://app.example.com'] }))
    const headers = { Vary: 'Accept', 'Access-Control-Expose-Headers': 'X-Mine' }
    app.get('/mcp', () => new Response('x', { headers }))
    const { client } = await serve(listenerOf(app))
    const response = await client.request('GET', '/mcp', ['Origin: https://app.example.com'])
    expect(response.headers.get('vary')).toEqual(['Accept, Origin'])
    expect(response.headers.get('access-control-expose-headers')?.[0]).toMatch(/^X-Mine, WWW-Authenticate/)
  })
})

it("errors: 'throw': scripts can read the answer of the framework too", async () => {
  const koa = new Koa().use(forKoa(ERRORS))
  koa.silent = true
  await expectGuarded(koa.callback(), '/mcp')
  const hono = new Hono()
  hono.use(forHono(ERRORS))
  await expectGuarded(getRequestListener(hono.fetch, { overrideGlobalObjects: false }), '/mcp')
  const app = express().set('env', 'test')
  app.use(forExpress(ERRORS))
  await expectGuarded(app, '/mcp')
})

it('Fastify: headers of other hooks stay', async () => {
  const app = Fastify()
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('Access-Control-Expose-Headers', 'X-Mine').header('Vary', 'Accept')
  })
  await app.register(forFastify, { ...options, cors: ['https://app.example.com'] })
  await app.ready()
  const { client } = await serve((request, response) => app.routing(request, response))
  const response = await client.request('POST', '/mcp', ['Origin: https://app.example.com'])
  expect(response.headers.get('access-control-expose-headers')?.[0]).toMatch(/^X-Mine, WWW-Authenticate/)
  expect(response.headers.get('vary')).toEqual(['Accept, Origin'])
})
