import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
import express from 'express'

/**
 * The application of production. Tests pass their issuer.
 *
 * @param {{ issuer?: string, fetch?: typeof fetch, dpop?: 'off' | 'optional' | 'required' }} [options]
 */
export function createApp(options) {
  const app = express()
  app.use(telnyxAuth({ audience: 'https://api.example.com', ...options }))
  app.get('/messages', requireScopes('messaging.read'), (req, res) => {
    res.json({ messages: [], caller: getAuth(req).subject })
  })
  return app
}
