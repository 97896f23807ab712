import { getAuth, requireAuth, TelnyxAuthError, telnyxAuth } from '@telnyx-auth/express'
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
  if (!(error instanceof TelnyxAuthError)) return next(error)
  res.status(error.status).set(error.headers)
  res.type('application/problem+json').send({ status: error.status, title: error.code })
}
app.use(answer)

app.listen(Number(process.env.PORT ?? 3000))
