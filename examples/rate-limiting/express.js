import { getAuth, telnyxAuth } from '@telnyx-auth/express'
import express from 'express'
import { ipKeyGenerator } from 'express-rate-limit'
import { RateLimiterMemory } from 'rate-limiter-flexible'

// 60 refused requests in a minute from one address. Good requests do not count.
const refused = new RateLimiterMemory({ points: 60, duration: 60 })

const app = express()
// A proxy on this machine is in front. It appends the address of the caller to X-Forwarded-For.
app.set('trust proxy', 'loopback')

app.use(async (req, res, next) => {
  const caller = ipKeyGenerator(req.ip ?? '', 64)
  const count = await refused.get(caller)
  if (count && count.remainingPoints <= 0) {
    res.set('Retry-After', String(Math.ceil(count.msBeforeNext / 1000)))
    res.status(429).json({ error: 'too_many_requests' })
    return
  }
  res.once('finish', () => {
    const isRefusal = [400, 401].includes(res.statusCode) && res.hasHeader('WWW-Authenticate')
    if (isRefusal) refused.penalty(caller)
  })
  next()
})
app.use(telnyxAuth({ audience: 'https://api.example.com' }))

app.get('/me', (req, res) => {
  res.json({ client: getAuth(req).clientId })
})

app.listen(Number(process.env.PORT ?? 3000))
