import express from 'express'
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer'

/** @param {string} issuer */
export function createApp(issuer) {
  const app = express()

  app.use(auth({ issuerBaseURL: issuer, audience: 'https://api.example.com' }))

  app.get('/me', (req, res) => {
    res.json({ subject: req.auth.payload.sub })
  })

  app.get('/messages', requiredScopes('messaging.read'), (_req, res) => {
    res.json({ messages: [] })
  })

  return app
}
