import { serve } from '@hono/node-server'
import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/hono'
import { Hono } from 'hono'

const app = new Hono()

// Every route below needs an access token that was issued for this API.
app.use(telnyxAuth({ audience: 'https://api.example.com' }))

app.get('/me', (c) => {
  const { subject, clientId, scopes } = getAuth(c)
  return c.json({ subject, clientId, scopes })
})

// This route also needs a scope.
app.get('/messages', requireScopes('messaging.read'), (c) => c.json({ messages: [] }))

serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) })
