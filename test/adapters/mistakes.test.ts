import { getRequestListener } from '@hono/node-server'
import { createVerifier } from '@telnyx-auth/core'
import * as express from '@telnyx-auth/express'
import * as fastifyAdapter from '@telnyx-auth/fastify'
import * as hono from '@telnyx-auth/hono'
import * as koa from '@telnyx-auth/koa'
import express5, { type RequestHandler } from 'express'
import express4 from 'express4'
import fastify, { type FastifyRequest } from 'fastify'
import { Hono, type MiddlewareHandler } from 'hono'
import Koa3, { type Middleware } from 'koa'
import Koa2 from 'koa2'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { serve } from '../support/http.js'
import { createIssuerInReach } from '../support/issuer.js'
import { thrownBy } from '../support/outcome.js'

/** The likeliest mistakes with middlewares: each is loud, and says how to repair it. */

const { bearer, reach } = await createIssuerInReach()

const frameworks = { express4, express5, Koa2, Koa3, Hono }

/** What an application of Express, Koa or Hono does with a request: the status and the error that it is told of. */
async function outcomeOf(name: keyof typeof frameworks, ...middlewares: readonly unknown[]) {
  const errors: unknown[] = []
  const handler = vi.fn()
  let port: number
  if (name === 'express4' || name === 'express5') {
    const app = frameworks[name]()
    app.set('env', 'test')
    for (const middleware of middlewares) app.use(middleware as RequestHandler)
    app.use((_req, res) => {
      handler()
      res.send('here')
    })
    app.use(((error, _req, res, _next) => {
      errors.push(error)
      res.status(error.status).end()
    }) satisfies express5.ErrorRequestHandler)
    port = (await serve(app)).port
  } else if (name === 'Hono') {
    const app = new Hono()
    for (const middleware of middlewares) app.use(middleware as MiddlewareHandler)
    app.all('*', (c) => {
      handler()
      return c.text('here')
    })
    app.onError((error, c) => {
      errors.push(error)
      return c.body(null, 500)
    })
    port = (await serve(getRequestListener(app.fetch, { overrideGlobalObjects: false }))).port
  } else {
    const app = new frameworks[name]()
    app.on('error', (error) => errors.push(error))
    for (const middleware of middlewares) app.use(middleware as Middleware)
    app.use((ctx) => {
      handler()
      ctx.body = 'here'
    })
    port = (await serve(app.callback())).port
  }
  const { status } = await fetch(`http://127.0.0.1:${port}`, { headers: await bearer({ scopes: ['a'] }) })
  return { status, error: errors[0], handled: handler.mock.calls.length }
}

const misconfigured = (message: RegExp) => ({
  status: 500,
  error: { code: 'ERR_CONFIGURATION', message: expect.stringMatching(message) },
  handled: 0,
})

const names = Object.keys(frameworks) as (keyof typeof frameworks)[]
const own = (name: string) => (name === 'Hono' ? hono : name.startsWith('express') ? express : koa)
const others = (name: string) =>
  [express, koa, hono, fastifyAdapter].filter((adapter) => adapter !== own(name))

describe.each(names)('%s', (name) => {
  const { telnyxAuth, requireAuth, requireScopes } = own(name)

  it('control', async () => {
    expect(await outcomeOf(name, telnyxAuth(reach()), requireScopes('a'))).toEqual({
      status: 200,
      error: undefined,
      handled: 1,
    })
  })

  it.each([
    ['telnyxAuth', telnyxAuth, /app\.use\(telnyxAuth\(\)\)/],
    ['requireAuth', requireAuth, /call it, requireAuth\(\)/],
    ['requireScopes', requireScopes, /call it, requireScopes\(/],
  ])('%s that was not called', async (_, middleware, message) => {
    expect(await outcomeOf(name, middleware)).toMatchObject(misconfigured(message))
  })

  it('a guard before telnyxAuth, or without it: both causes are named', async () => {
    for (const chain of [[requireScopes('a'), telnyxAuth(reach())], [requireScopes('a')], [requireAuth()]])
      expect(await outcomeOf(name, ...chain)).toMatchObject(misconfigured(/missing, or stands after/))
  })

  it("another framework's guard, behind telnyxAuth or not", async () => {
    for (const guard of others(name).map(({ requireAuth }) => requireAuth())) {
      const behind = await outcomeOf(name, telnyxAuth(reach()), guard)
      expect(behind).toMatchObject(misconfigured(/another framework|package for the framework/))
      expect(await outcomeOf(name, guard)).toMatchObject(misconfigured(/./))
    }
  })

  it("another framework's getAuth", async () => {
    // Those of Express and Hono take the request key itself, so each finds the caller in the other framework too.
    const isSame = (adapter: object) => adapter === (name === 'Hono' ? express : hono)
    for (const { getAuth } of others(name).filter((adapter) => name.startsWith('Koa') || !isSame(adapter))) {
      const middleware = (request: never, ...rest: unknown[]) => {
        getAuth(request)
        rest.length = 0
      }
      expect(await outcomeOf(name, telnyxAuth(reach()), middleware)).toMatchObject(
        misconfigured(/package for the framework/),
      )
    }
  })

  it('getAuth of what is no request', () => {
    const { getAuth } = own(name)
    for (const value of [undefined, null, {}, 'x'])
      expect(thrownBy(() => getAuth(value as never))).toMatchObject({ code: 'ERR_CONFIGURATION' })
  })
})

describe.each([
  ['express', express],
  ['koa', koa],
  ['fastify', fastifyAdapter],
  ['hono', hono],
])('requireScopes of %s', (_, { requireScopes, requireAuth }) => {
  it.each([
    ['a list with commas', ['a,b']],
    ['a list with spaces', ['a b']],
    ['both', ['a, b']],
    ['a space at the end', ['a ']],
    ['a newline', ['a\n']],
    ['an array', [['a']]],
    ['an array among others', ['a', ['b']]],
  ])('%s is refused at once, with the repair', (_, scopes) => {
    expect(thrownBy(() => Reflect.apply(requireScopes, undefined, scopes))).toMatchObject({
      code: 'ERR_CONFIGURATION',
      message: expect.stringContaining("requireScopes('a', 'b')"),
    })
  })

  it('a scope that has a comma in its name is for requireAuth', () => {
    expect(requireAuth({ scopes: ['a,b'] })).toBeTypeOf('function')
    expect(requireScopes('a', 'b:c', 'https://api.example.com/d')).toBeTypeOf('function')
  })
})

describe('Fastify', () => {
  it("another framework's getAuth and guard; a raw request", async () => {
    const app = fastify()
    onTestFinished(() => app.close())
    await app.register(fastifyAdapter.telnyxAuth, reach())
    const getters: Record<string, (request: FastifyRequest) => unknown> = {
      '/express': (request) => express.getAuth(request),
      '/koa': (request) => koa.getAuth(request as never),
      '/raw': ({ raw }) => fastifyAdapter.getAuth(raw as never),
    }
    for (const [url, getAuth] of Object.entries(getters)) app.get(url, (request) => getAuth(request))
    app.get('/guard', { onRequest: express.requireAuth() as never }, () => 'never')
    const headers = await bearer()
    for (const url of [...Object.keys(getters), '/guard']) {
      const response = await app.inject({ url, headers })
      expect([url, response.statusCode, response.json()]).toMatchObject([
        url,
        500,
        { code: 'ERR_CONFIGURATION', message: expect.stringMatching(/package for the framework/) },
      ])
    }
  })
})

describe('two copies of core', () => {
  it('a verifier, a guard and getAuth of the other one say that', async () => {
    vi.resetModules()
    const second = await import('@telnyx-auth/express')
    expect(second.createVerifier).not.toBe(createVerifier)
    const message = /another copy of @telnyx-auth\/core.*npm ls/
    expect(thrownBy(() => second.telnyxAuth({ verifier: createVerifier(reach()) }))).toMatchObject({
      code: 'ERR_CONFIGURATION',
      message: expect.stringMatching(message),
    })
    expect(thrownBy(() => express.telnyxAuth({ verifier: {} as never })).message).not.toMatch(/copy/)
    const wrong = [
      second.requireAuth(),
      (request: object, _response: unknown, next: (error?: unknown) => void) => {
        second.getAuth(request)
        next()
      },
    ]
    for (const middleware of wrong)
      for (const name of ['express4', 'express5'] as const)
        expect(await outcomeOf(name, express.telnyxAuth(reach()), middleware)).toMatchObject(
          misconfigured(message),
        )
    // And the other way round.
    expect(await outcomeOf('express5', second.telnyxAuth(reach()), express.requireAuth())).toMatchObject(
      misconfigured(message),
    )
  })
})
