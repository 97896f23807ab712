import { type Auth, getAuth, requireAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
import express5, { type ErrorRequestHandler } from 'express'
import express4 from 'express4'
import { guardsOf, type Harness, optionsOf, ownAnswer, type Setup } from './harness.js'

function harness(name: string, express: typeof express5): Harness {
  return {
    name,
    async build(setup: Setup) {
      const root = express()
      // Its own error handler is not to write to the console.
      root.set('env', 'test')
      root.use((_req, res, next) => {
        res.set({ ...setup.headers })
        setup.before?.((name, value) => res.set(name, value), res)
        next()
      })
      const app = setup.prefix === undefined ? root : express.Router()
      if (setup.prefix !== undefined) root.use(setup.prefix, app)
      const auth = telnyxAuth(optionsOf(setup))
      const inRoute = setup.placement === 'route'
      if (!inRoute) app.use(auth)
      if (setup.second) app.use(telnyxAuth({ verifier: setup.second }))
      for (const route of setup.routes) {
        const { method = 'GET', path, handle } = route
        const guards = guardsOf(route, { requireAuth, requireScopes })
        const chain = inRoute ? [auth, ...guards] : guards
        app[method === 'GET' ? 'get' : 'post'](path, ...chain, (req, res, next) => {
          // Not `req.auth`: the types of the MCP SDK, which other tests use, say that it is theirs.
          const property: Auth | undefined = Reflect.get(Object(req), 'auth')
          Promise.resolve()
            .then(() => handle({ property, getAuth: () => getAuth(req) }))
            .then((body) => void res.json(body), next)
        })
      }
      if (setup.errors === 'handled') {
        const handler: ErrorRequestHandler = (error, _req, res, _next) => {
          const { status, headers, body } = ownAnswer(error, setup)
          res.statusCode = status
          for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
          res.end(body)
        }
        root.use(handler)
      }
      return root
    },
  }
}

export const harnesses: readonly Harness[] = [harness('Express 4', express4), harness('Express 5', express5)]
