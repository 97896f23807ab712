import { getAuth, telnyxAuth } from '@telnyx-auth/fastify'
import { ipKeyGenerator } from 'express-rate-limit'
import fastify from 'fastify'
import { RateLimiterMemory } from 'rate-limiter-flexible'

// 60 refused requests in a minute from one address. Good requests do not count.
const refused = new RateLimiterMemory({ points: 60, duration: 60 })

// One proxy is in front. It appends the address of the caller to X-Forwarded-For.
const app = fastify({ trustProxy: 1 })

app.addHook('onRequest', async (request, reply) => {
  const count = await refused.get(ipKeyGenerator(request.ip, 64))
  if (!count || count.remainingPoints > 0) return
  reply.code(429).header('Retry-After', Math.ceil(count.msBeforeNext / 1000))
  return reply.send({ error: 'too_many_requests' })
})
app.addHook('onResponse', async (request, reply) => {
  const isRefusal = [400, 401].includes(reply.statusCode) && reply.hasHeader('WWW-Authenticate')
  if (isRefusal) await refused.penalty(ipKeyGenerator(request.ip, 64))
})
await app.register(telnyxAuth, { audience: 'https://api.example.com' })

app.get('/me', async (request) => ({ client: getAuth(request).clientId }))

await app.listen({ port: Number(process.env.PORT ?? 3000) })
