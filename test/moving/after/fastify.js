import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/fastify'
import fastify from 'fastify'

/** @param {string} issuer */
export async function createApp(issuer) {
  const app = fastify()

  await app.register(telnyxAuth, { issuer, audience: 'https://api.example.com' })

  app.get('/me', async (request) => {
    return { subject: getAuth(request).subject }
  })

  app.get('/messages', { onRequest: requireScopes('messaging.read') }, async () => {
    return { messages: [] }
  })

  return app
}
