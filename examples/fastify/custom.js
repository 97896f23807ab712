import { ConfigurationError, getAuth, requireAuth, TelnyxAuthError, telnyxAuth } from '@telnyx-auth/fastify'
import fastify from 'fastify'

const app = fastify()

app.setErrorHandler((error, _request, reply) => {
  // A mistake in this program is no answer to a caller.
  if (!(error instanceof TelnyxAuthError) || error instanceof ConfigurationError) return reply.send(error)
  reply.code(error.status).headers(error.headers).type('application/problem+json')
  return reply.send({ status: error.status, title: error.code })
})

// Sign-in is optional. Errors are thrown to the handler above.
await app.register(telnyxAuth, {
  audience: 'https://api.example.com',
  optional: true,
  errors: 'throw',
})

app.get('/greeting', async ({ auth }) => {
  return { greeting: auth ? `Hello, ${auth.clientId}` : 'Hello, guest' }
})

// This route requires it.
app.get('/account', { onRequest: requireAuth() }, async (request) => {
  return { client: getAuth(request).clientId }
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
