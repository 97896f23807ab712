import { IncomingMessage, type RequestListener, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { getRequestListener } from '@hono/node-server'
import { getAuth, requireAuth, requireScopes, telnyxAuth } from '@telnyx-auth/hono'
import { Hono } from 'hono'
import { vi } from 'vitest'
import { guardsOf, type Harness, optionsOf, ownAnswer, type Setup } from './harness.js'

/** What @hono/node-server gives to an application. */
interface Env {
  Bindings: { outgoing?: ServerResponse }
}

function createApp(setup: Setup): Hono<Env> {
  const app = new Hono<Env>()
  app.use((c, next) => {
    // Hono's own error handler is not to write to the console. The spy ends with the test, the application may not.
    if (!vi.isMockFunction(console.error)) vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const set = (name: string, value: string | string[]) => {
      for (const [index, each] of [value].flat().entries()) c.header(name, each, { append: index > 0 })
    }
    for (const [name, value] of Object.entries({ ...setup.headers })) set(name, value)
    // Without Node's response, nothing that is set on one is sent.
    setup.before?.(set, c.env?.outgoing ?? new ServerResponse(new IncomingMessage(new Socket())))
    return next()
  })
  const scope = setup.prefix === undefined ? app : app.basePath(setup.prefix)
  const auth = telnyxAuth(optionsOf(setup))
  const inRoute = setup.placement === 'route'
  if (!inRoute) scope.use(auth)
  if (setup.second) scope.use(telnyxAuth({ verifier: setup.second }))
  for (const route of setup.routes) {
    const { method = 'GET', path, handle } = route
    const guards = guardsOf(route, { requireAuth, requireScopes })
    if (inRoute) guards.unshift(auth)
    for (const guard of guards) scope.on(method, path, guard)
    scope.on(method, path, async (c) => {
      const body = await handle({ property: c.var.auth, getAuth: () => getAuth(c) })
      c.header('Content-Type', 'application/json')
      return c.body(JSON.stringify(body))
    })
  }
  // Hono's own page is not written where `Object.prototype` is polluted.
  app.notFound(() => new Response(null, { status: 404 }))
  if (setup.errors === 'handled')
    app.onError((error, c) => {
      const { status, headers, body } = ownAnswer(error, setup)
      return c.newResponse(body, new Response(null, { status, headers }))
    })
  return app
}

/** Serves an application that is given a bare web `Request`, as on platforms without Node's request and response. */
function serveBare(app: Hono<Env>): RequestListener {
  return async (incoming, outgoing) => {
    const { method = 'GET', rawHeaders, headers, url = '/' } = incoming
    const lines = rawHeaders.flatMap((name, index): [string, string][] =>
      index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? '']] : [],
    )
    const hasBody = method !== 'GET' && method !== 'HEAD'
    const init: RequestInit = Object.assign(Object.create(null), {
      method,
      headers: lines.filter(([name]) => !/^(connection|transfer-encoding)$/i.test(name)),
      ...(hasBody && { body: await buffer(incoming) }),
    })
    const request = new Request(`http://${headers.host}${url}`, init)
    const response = await app.request(request)
    const body = Buffer.from(await response.arrayBuffer())
    for (const cookie of response.headers.getSetCookie()) outgoing.appendHeader('Set-Cookie', cookie)
    for (const [name, value] of response.headers) if (name !== 'set-cookie') outgoing.setHeader(name, value)
    if (response.status !== 204) outgoing.setHeader('Content-Length', body.length)
    outgoing.writeHead(response.status).end(body)
  }
}

export const harnesses: readonly Harness[] = [
  {
    name: 'Hono on @hono/node-server',
    build: async (setup) => getRequestListener(createApp(setup).fetch, { overrideGlobalObjects: false }),
  },
  { name: 'Hono with a bare Request', isBare: true, build: async (setup) => serveBare(createApp(setup)) },
]
