import fastifyCompress from '@fastify/compress'
import { getRequestListener } from '@hono/node-server'
import { telnyxAuth as expressAuth } from '@telnyx-auth/express'
import { telnyxAuth as fastifyAuth } from '@telnyx-auth/fastify'
import { telnyxAuth as honoAuth } from '@telnyx-auth/hono'
import { telnyxAuth as koaAuth } from '@telnyx-auth/koa'
import compression from 'compression'
import express5 from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import { Hono } from 'hono'
import { compress } from 'hono/compress'
import Koa3 from 'koa'
import koaCompress from 'koa-compress'
import Koa2 from 'koa2'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Server, serve } from '../support/http.js'
import { singleHeaders } from '../support/http-client.js'
import { createIssuerInReach } from '../support/issuer.js'

/** Attack 48: behind the middlewares that compress bodies, on connections that stay open. */

const { bearer, reach } = await createIssuerInReach()
const METADATA_PATH = '/.well-known/oauth-protected-resource'

/** Enough for every one of them to compress it. */
const options = {
  ...reach(),
  protectedResource: { resource: 'https://api.example.com', x_text: 'a'.repeat(5000) },
}

const apis: readonly [string, () => Promise<Server>][] = [
  ...([express4, express5] as const).map((express, index): [string, () => Promise<Server>] => [
    `compression, Express ${index + 4}`,
    async () => {
      const app = express()
      app.use(compression({ threshold: 0 }))
      app.use((_req, res, next) => {
        res.set({ 'Content-Length': '3', ETag: '"a"' })
        next()
      })
      app.use(expressAuth(options))
      app.get('/', (_req, res) => {
        res.removeHeader('Content-Length')
        res.json('here')
      })
      return serve(app)
    },
  ]),
  ...([Koa2, Koa3] as const).map((Koa, index): [string, () => Promise<Server>] => [
    `koa-compress, Koa ${index + 2}`,
    async () => {
      const app = new Koa()
      app.use(koaCompress({ threshold: 0 }))
      app.use((ctx, next) => {
        ctx.set({ 'Content-Length': '3', ETag: '"a"' })
        return next()
      })
      app.use(koaAuth(options))
      app.use((ctx) => {
        ctx.body = '"here"'
      })
      return serve(app.callback())
    },
  ]),
  [
    '@fastify/compress',
    async () => {
      const app = fastify()
      onTestFinished(() => app.close())
      await app.register(fastifyCompress, { threshold: 0 })
      app.addHook('onRequest', async (_request, reply) => {
        reply.headers({ 'Content-Length': '3', ETag: '"a"' })
      })
      await app.register(fastifyAuth, options)
      app.get('/', (_request, reply) => reply.removeHeader('content-length').send(['here']))
      await app.ready()
      return serve((request, response) => app.routing(request, response))
    },
  ],
  [
    'hono/compress',
    async () => {
      const app = new Hono()
      app.use(compress({ threshold: 0 }))
      app.use((c, next) => {
        c.header('Content-Length', '3')
        c.header('ETag', '"a"')
        return next()
      })
      app.use(honoAuth(options))
      app.get('/', (c) => {
        c.header('Content-Length', undefined)
        return c.json('here')
      })
      return serve(getRequestListener(app.fetch, { overrideGlobalObjects: false }))
    },
  ],
]

describe.each(apis)('%s', (name, build) => {
  it.each([[[]], [['Accept-Encoding: gzip']], [['Accept-Encoding: br, gzip']]])(
    'every answer is read to its end, with %j',
    async (lines) => {
      const { client } = await build()
      const connection = client.open()
      const { authorization } = await bearer()
      for (const [method, path, status, more] of [
        ['GET', '/', 401, []],
        ['HEAD', '/', 401, []],
        ['GET', METADATA_PATH, 200, []],
        ['HEAD', METADATA_PATH, 200, []],
        ['OPTIONS', METADATA_PATH, 204, ['Access-Control-Request-Method: GET']],
        ['GET', '/', 200, [`Authorization: ${authorization}`]],
        ['GET', '/', 401, []],
      ] as const) {
        const answer = await connection.request(method, path, [...lines, ...more])
        const headers = singleHeaders(answer)
        expect([method, path, answer.status]).toEqual([method, path, status])
        expect(connection.rest).toBe('')
        if (status === 401) expect(headers).toMatchObject({ 'cache-control': 'no-store' })
        if (status !== 200 || path !== '/') expect(headers.etag).toBeUndefined()
        // Not Fastify's: that one is no part of what handles paths without a route.
        if (path === METADATA_PATH && method === 'GET' && !name.includes('fastify'))
          expect(headers['content-encoding'] !== undefined).toBe(lines.length > 0)
      }
    },
  )
})
