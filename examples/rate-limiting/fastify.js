import rateLimit from '@fastify/rate-limit'
import { getAuth, telnyxAuth } from '@telnyx-auth/fastify'
import fastify from 'fastify'

// A proxy on this machine is in front. It appends the address of the caller to X-Forwarded-For.
const app = fastify({ trustProxy: 'loopback' })

// 60 refused requests in a minute from one address. Good requests do not count.
await app.register(rateLimit, { global: false })
const count = app.createRateLimit({ max: 60, timeWindow: '1 minute' })

app.addHook('onRequest', async (request, reply) => {
  const refused = await count(request, { increment: false })
  if (refused.isAllowed || refused.remaining > 0) return
  return reply.code(429).header('Retry-After', refused.ttlInSeconds).send({ error: 'too_many_requests' })
})
app.addHook('onResponse', async (request, reply) => {
  const isRefusal = [400, 401].includes(reply.statusCode) && reply.hasHeader('WWW-Authenticate')
  if (isRefusal) await count(request)
})
await app.register(telnyxAuth, { audience: 'https://api.example.com' })

app.get('/me', async (request) => ({ client: getAuth(request).clientId }))

await app.listen({ port: Number(process.env.PORT ?? 3000) })
