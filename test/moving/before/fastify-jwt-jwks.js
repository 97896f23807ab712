import fastify from 'fastify'
import { fastifyJwtJwks } from 'fastify-jwt-jwks'

/** @param {string} issuer */
export async function createApp(issuer) {
  const app = fastify()

  await app.register(fastifyJwtJwks, {
    jwksUrl: `${issuer}/v2/oauth/jwks`,
    audience: 'https://api.example.com',
    issuer,
  })

  app.get('/me', { preValidation: app.authenticate }, async (request) => {
    return { subject: request.user.sub }
  })

  app.get('/messages', { preValidation: app.authenticate }, async (request, reply) => {
    const scopes = request.user.scope?.split(' ') ?? []
    if (!scopes.includes('messaging.read')) return reply.code(403).send({ error: 'Forbidden' })
    return { messages: [] }
  })

  return app
}
