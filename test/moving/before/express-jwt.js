import express from 'express'
import { expressjwt } from 'express-jwt'
import jwksRsa from 'jwks-rsa'

/** @param {string} issuer */
export function createApp(issuer) {
  const app = express()

  app.use(
    expressjwt({
      secret: jwksRsa.expressJwtSecret({ jwksUri: `${issuer}/v2/oauth/jwks`, cache: true, rateLimit: true }),
      audience: 'https://api.example.com',
      issuer,
      algorithms: ['RS256'],
    }),
  )

  app.get('/me', (req, res) => {
    res.json({ subject: req.auth.sub })
  })

  app.get('/messages', (req, res) => {
    const scopes = req.auth.scope?.split(' ') ?? []
    if (!scopes.includes('messaging.read')) return res.sendStatus(403)
    res.json({ messages: [] })
  })

  return app
}
