import { createVerifier, requireScopes, telnyxAuth } from '@telnyx-auth/express'
import express from 'express'
import { recordTelemetry } from './telemetry.js'

/**
 * @param {{ issuer?: string, fetch?: typeof fetch }} [options] those of the mock issuer; none in production
 */
export function createApp(options) {
  const verifier = createVerifier({ audience: 'https://api.example.com', ...options })
  recordTelemetry(verifier)

  const app = express()
  app.use(telnyxAuth({ verifier }))
  app.get('/messages', requireScopes('messaging.read'), (_req, res) => {
    res.json({ messages: [] })
  })
  return app
}
