import { createVerifier, telnyxAuth, watch } from '@telnyx-auth/express'
import express from 'express'
import { Counter, Gauge, register } from 'prom-client'

const verifier = createVerifier({ audience: 'https://api.example.com' })

const tokens = new Counter({ name: 'auth_tokens_total', help: 'Tokens, by outcome', labelNames: ['code'] })
watch('tokenAccepted', () => tokens.inc({ code: 'OK' }))
watch('tokenRejected', ({ code }) => tokens.inc({ code }))

const failures = new Counter({
  name: 'auth_issuer_failures_total',
  help: 'Failed refreshes, by reason',
  labelNames: ['reason'],
})
watch('refreshFailed', ({ reason }) => failures.inc({ reason }))

new Gauge({
  name: 'auth_keys_age_seconds',
  help: 'Age of the cached keys',
  collect() {
    this.set(verifier.health().keysAgeSeconds ?? 0)
  },
})

const app = express()

// For Prometheus and for the load balancer, without a token.
app.get('/metrics', async (_req, res) => {
  res.type(register.contentType).send(await register.metrics())
})
app.get('/ready', (_req, res) => {
  res.status(verifier.health().ready ? 200 : 503).json(verifier.health())
})

app.use(telnyxAuth({ verifier }))
app.get('/', (_req, res) => {
  res.json({ hello: 'world' })
})

// Discovers the issuer and loads its keys now. The first request does not wait, and /ready reports when it is done.
verifier.preload().catch((error) => console.error(error.code))
app.listen(Number(process.env.PORT ?? 3000))
