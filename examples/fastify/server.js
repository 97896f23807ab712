import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/fastify'
import fastify from 'fastify'

const app = fastify()

// Every route of this scope needs an access token that was issued for this API.
await app.register(telnyxAuth, { audience: 'https://api.example.com' })

app.get('/me', async (request) => {
  const { subject, clientId, scopes } = getAuth(request)
  return { subject, clientId, scopes }
})

// This route also needs a scope.
app.get('/messages', { onRequest: requireScopes('messaging.read') }, async () => {
  return { messages: [] }
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
