import express from 'express'
import jwksRsa from 'jwks-rsa'
import { Passport } from 'passport'
import { ExtractJwt, Strategy } from 'passport-jwt'

/** @param {string} issuer */
export function createApp(issuer) {
  const app = express()
  const passport = new Passport()

  passport.use(
    new Strategy(
      {
        jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
        secretOrKeyProvider: jwksRsa.passportJwtSecret({
          jwksUri: `${issuer}/v2/oauth/jwks`,
          cache: true,
          rateLimit: true,
        }),
        audience: 'https://api.example.com',
        issuer,
        algorithms: ['RS256'],
      },
      (claims, done) => done(null, claims),
    ),
  )
  app.use(passport.authenticate('jwt', { session: false }))

  app.get('/me', (req, res) => {
    res.json({ subject: req.user.sub })
  })

  app.get('/messages', (req, res) => {
    const scopes = req.user.scope?.split(' ') ?? []
    if (!scopes.includes('messaging.read')) return res.sendStatus(403)
    res.json({ messages: [] })
  })

  return app
}
