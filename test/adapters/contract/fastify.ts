import { getAuth, requireAuth, requireScopes, telnyxAuth } from '@telnyx-auth/fastify'
import fastify, { type FastifyInstance } from 'fastify'
import { guardsOf, type Harness, optionsOf, ownAnswer, type Setup } from './harness.js'

export const harnesses: readonly Harness[] = [
  {
    name: 'Fastify 5',
    async build(setup: Setup) {
      const app = fastify()
      app.addHook('onRequest', async (_request, reply) => {
        reply.headers({ ...setup.headers })
        setup.before?.((name, value) => reply.header(name, value), reply.raw)
      })
      const build = async (scope: FastifyInstance) => {
        const inRoute = setup.placement === 'route'
        await scope.register(telnyxAuth, {
          ...optionsOf(setup),
          global: !inRoute,
        })
        if (setup.second) await scope.register(telnyxAuth, { verifier: setup.second })
        for (const route of setup.routes) {
          const { method = 'GET', path: url, handle } = route
          const guards = guardsOf(route, { requireAuth, requireScopes })
          if (inRoute && guards.length === 0) guards.push(requireAuth())
          scope.route({
            method,
            url,
            onRequest: guards,
            async handler(request, reply) {
              const body = await handle({ property: request.auth, getAuth: () => getAuth(request) })
              return reply.type('application/json').send(Buffer.from(JSON.stringify(body)))
            },
          })
        }
      }
      if (setup.prefix === undefined) await build(app)
      else await app.register(build, { prefix: setup.prefix })
      if (setup.errors === 'handled')
        app.setErrorHandler(async (error, _request, reply) => {
          const { status, headers, body } = ownAnswer(error, setup)
          return reply.code(status).headers(headers).send(Buffer.from(body))
        })
      await app.ready()
      return (request, response) => app.routing(request, response)
    },
  },
]
