const { getAuth, requireScopes, telnyxAuth } = require('@telnyx-auth/express')
const express = require('express')

/**
 * The application of production. Tests pass their issuer.
 *
 * @param {{ issuer?: string, fetch?: typeof fetch }} [options]
 */
exports.createApp = (options) => {
  const app = express()
  app.use(telnyxAuth({ audience: 'https://api.example.com', ...options }))
  app.get('/messages', requireScopes('messaging.read'), (req, res) => {
    res.json({ messages: [], caller: getAuth(req).subject })
  })
  return app
}
