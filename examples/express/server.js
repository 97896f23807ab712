import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
import express from 'express'

const app = express()

// Every route below needs an access token that was issued for this API.
app.use(telnyxAuth({ audience: 'https://api.example.com' }))

app.get('/me', (req, res) => {
  const { subject, clientId, scopes } = getAuth(req)
  res.json({ subject, clientId, scopes })
})

// This route also needs a scope.
app.get('/messages', requireScopes('messaging.read'), (_req, res) => {
  res.json({ messages: [] })
})

const port = Number(process.env.PORT ?? 3000)
app.listen(port).on('listening', () => console.log(`Listening on port ${port}`))
