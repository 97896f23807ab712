import type { Server } from 'node:http'
import { telnyxAuth } from '@telnyx-auth/fastify'
import fastify from 'fastify'
import { fastifyJwtJwks } from 'fastify-jwt-jwks'
import { jwksUriOf } from '../issuer.js'
import { AUDIENCE } from '../tokens.js'

export async function createFastify(guard: string, issuer: string): Promise<Server> {
  const app = fastify()
  if (guard === 'empty middleware') app.addHook('onRequest', (_request, _reply, done) => done())
  if (guard === 'ours') await app.register(telnyxAuth, { issuer, audience: AUDIENCE })
  if (guard.startsWith('fastify-jwt-jwks')) {
    // Its README has the option `cache`, its types do not.
    const options = { jwksUrl: jwksUriOf(issuer), audience: AUDIENCE, issuer, cache: guard.endsWith('cache') }
    await app.register(fastifyJwtJwks, options)
    app.get('/', { preValidation: app.authenticate }, async () => ({ messages: [] }))
  } else app.get('/', async () => ({ messages: [] }))
  await app.ready()
  return app.server
}
