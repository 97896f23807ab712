import { once } from 'node:events'
import { createServer } from 'node:http'
import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
import express from 'express'

/** The identifier of the API, which its tokens name in `aud`. It need not be the URL where the API listens. */
export const AUDIENCE = 'https://api.example.com'

/** A running API. */
export interface Api {
  readonly url: string
  close(): Promise<void>
}

/** Starts the API on a free loopback port. Of the issuer, it needs the identifier only. */
export async function startApi(issuer: string): Promise<Api> {
  const app = express()
  app.use(telnyxAuth({ issuer, audience: AUDIENCE }))
  app.get('/me', (req, res) => {
    const { clientId, scopes } = getAuth(req)
    res.json({ clientId, scopes })
  })
  app.get('/messages', requireScopes('messaging.read'), (_req, res) => {
    res.json({ messages: [] })
  })
  app.get('/invoices', requireScopes('billing.read'), (_req, res) => {
    res.json({ invoices: [] })
  })

  const server = createServer(app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The server has no address')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
