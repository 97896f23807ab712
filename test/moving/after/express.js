import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
import express from 'express'

/** @param {string} issuer */
export function createApp(issuer) {
  const app = express()

  app.use(telnyxAuth({ issuer, audience: 'https://api.example.com' }))

  app.get('/me', (req, res) => {
    res.json({ subject: getAuth(req).subject })
  })

  app.get('/messages', requireScopes('messaging.read'), (_req, res) => {
    res.json({ messages: [] })
  })

  return app
}
