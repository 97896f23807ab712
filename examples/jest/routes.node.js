const assert = require('node:assert/strict')
const { once } = require('node:events')
const { test } = require('node:test')
const { createMockIssuer } = require('@telnyx-auth/mock-issuer')
const { createApp } = require('./app.js')

test('a caller with the scope is let in', async () => {
  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  const server = createApp({ issuer: issuer.issuer, fetch: issuer.fetch }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const token = await issuer.issueToken({ scopes: ['messaging.read'], subject: 'user-1' })

  const headers = { authorization: `Bearer ${token}`, connection: 'close' }
  const response = await fetch(`http://127.0.0.1:${port}/messages`, { headers })
  assert.deepEqual(await response.json(), { messages: [], caller: 'user-1' })
  server.close()
})
