import { ConfigurationError, getAuth, requireAuth, TelnyxAuthError, telnyxAuth } from '@telnyx-auth/express'
import express from 'express'

const app = express()

// Sign-in is optional. Errors go to the error middleware below.
app.use(telnyxAuth({ audience: 'https://api.example.com', optional: true, errors: 'throw' }))

app.get('/greeting', (req, res) => {
  res.json({ greeting: req.auth ? `Hello, ${req.auth.clientId}` : 'Hello, guest' })
})

// This route requires it.
app.get('/account', requireAuth(), (req, res) => {
  res.json({ client: getAuth(req).clientId })
})

/** @type {express.ErrorRequestHandler} */
const answer = (error, _req, res, next) => {
  // A mistake in this program is no answer to a caller: Express logs it.
  if (!(error instanceof TelnyxAuthError) || error instanceof ConfigurationError) return next(error)
  res.status(error.status).set(error.headers)
  res.type('application/problem+json').send({ status: error.status, title: error.code })
}
app.use(answer)

app.listen(Number(process.env.PORT ?? 3000))
