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
import Koa from 'koa'
import { expect, it } from 'vitest'
import { serve } from '../support/http.js'

/** Where `mcpAuth` stands in an application: wherever its handler is, nothing gets there without a token. */

const options = { audience: 'https://api.example.com/mcp', scopes: ['read'] }
const ERRORS = { ...options, errors: 'throw' as const }

async function expectGuarded(listener: RequestListener, path: string, status = 401): Promise<void> {
  const { client } = await serve(listener)
  const response = await client.request('POST', path, ['Content-Type: application/json'], '{}')
  expect([response.status, response.body.includes('ran')]).toEqual([status, false])
  expect(response.headers.get('access-control-expose-headers')?.[0]).toContain('WWW-Authenticate')
}

it('Express: in a router that is mounted below a path', async () => {
  const app = express()
  const sub = express.Router()
  sub.use(forExpress(options))
  sub.all('/mcp', (_request, response) => void response.send('ran'))
  app.use('/api', sub)
  await expectGuarded(app, '/api/mcp')
})

it('Express: in a route with another path', async () => {
  const app = express()
  app.all('/rpc', forExpress(options), (_request, response) => void response.send('ran'))
  await expectGuarded(app, '/rpc')
})

it('Express: after middleware that changes the URL', async () => {
  const app = express()
  app.use((request, _response, next) => {
    request.url = request.url.replace(/^\/v1/, '')
    next()
  })
  app.use(forExpress(options))
  app.all('/mcp', (_request, response) => void response.send('ran'))
  await expectGuarded(app, '/v1/mcp')
})

it('Koa: in a route with another path, and after middleware that changes the path', async () => {
  const router = new Router()
  router.all('/rpc', forKoa(options), (ctx) => {
    ctx.body = 'ran'
  })
  await expectGuarded(new Koa().use(router.routes()).callback(), '/rpc')
  const app = new Koa()
  app.use((ctx, next) => {
    ctx.path = ctx.path.replace(/^\/v1/, '')
    return next()
  })
  app.use(forKoa(options))
  app.use((ctx) => {
    ctx.body = 'ran'
  })
  await expectGuarded(app.callback(), '/v1/mcp')
})

it('Fastify: in a scope with a prefix, and with rewritten URLs', async () => {
  const app = Fastify()
  await app.register(
    async (scope) => {
      await scope.register(forFastify, options)
      scope.all('/mcp', async () => 'ran')
    },
    { prefix: '/api' },
  )
  await app.ready()
  await expectGuarded((request, response) => app.routing(request, response), '/api/mcp')
  const rewriting = Fastify({ rewriteUrl: ({ url = '' }) => url.replace(/^\/v1/, '') })
  await rewriting.register(forFastify, options)
  rewriting.all('/mcp', async () => 'ran')
  await rewriting.ready()
  await expectGuarded((request, response) => rewriting.routing(request, response), '/v1/mcp')
})

it('Hono: in an application that is mounted, with a base path, and in a route with another path', async () => {
  const sub = new Hono()
  sub.use(forHono(options))
  sub.all('/mcp', (c) => c.text('ran'))
  const mounted = new Hono().route('/api', sub)
  await expectGuarded(getRequestListener(mounted.fetch, { overrideGlobalObjects: false }), '/api/mcp')
  const based = new Hono().basePath('/api')
  based.use(forHono(options))
  based.all('/mcp', (c) => c.text('ran'))
  await expectGuarded(getRequestListener(based.fetch, { overrideGlobalObjects: false }), '/api/mcp')
  const route = new Hono()
  route.all('/rpc', forHono(options), (c) => c.text('ran'))
  await expectGuarded(getRequestListener(route.fetch, { overrideGlobalObjects: false }), '/rpc')
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
