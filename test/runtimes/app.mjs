/** The same application on every runtime: an API, configured by the environment, and the parts of `parts.mjs`. */
import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/hono'
import { Hono } from 'hono'

export function createApp(parts) {
  const app = new Hono()
  app.post('/parts/:name', async (c) => {
    try {
      await parts[c.req.param('name')](await c.req.json())
      return c.text('')
    } catch (error) {
      return c.text(`${error?.stack ?? error}`, 500)
    }
  })
  app.use('/api/*', telnyxAuth())
  app.get('/api/messages', requireScopes('messaging.read'), (c) => c.json({ caller: getAuth(c).clientId }))
  return app
}
