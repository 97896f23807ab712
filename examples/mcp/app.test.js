import assert from 'node:assert/strict'
import test from 'node:test'
import { Client, InsufficientScopeError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { createApp } from './app.js'

const ENDPOINT = 'https://api.example.com/mcp'
const issuer = await createMockIssuer()
const app = createApp({ issuer: issuer.issuer, fetch: issuer.fetch })

/**
 * A client of the MCP SDK whose requests go to the application in this process.
 *
 * @param {string[]} scopes
 */
async function connect(scopes) {
  const token = await issuer.issueToken({ audience: ENDPOINT, scopes })
  const client = new Client({ name: 'test', version: '1.0.0' })
  await client.connect(
    new StreamableHTTPClientTransport(new URL(ENDPOINT), {
      fetch: async (url, init) => app.fetch(new Request(url, init)),
      requestInit: { headers: { Authorization: `Bearer ${token}` } },
    }),
  )
  return client
}

test('nothing runs without a token', async () => {
  assert.equal((await app.request(ENDPOINT, { method: 'POST' })).status, 401)
})

test('a tool runs with the scopes that it needs, and not with fewer', async () => {
  const writer = await connect(['messaging.read', 'messaging.write'])
  const { content } = await writer.callTool({ name: 'send_message', arguments: {} })
  assert.deepEqual(content, [{ type: 'text', text: 'sent' }])

  const reader = await connect(['messaging.read'])
  await assert.rejects(reader.callTool({ name: 'send_message', arguments: {} }), InsufficientScopeError)
})
