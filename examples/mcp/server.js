import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { getAuth, telnyxAuth } from '@telnyx-auth/express'
import express from 'express'

const app = express()

// Protects the MCP endpoint, and serves its metadata where clients look for them. All other paths stay open.
app.use(
  ['/mcp', '/.well-known/oauth-protected-resource/mcp'],
  telnyxAuth({ audience: 'https://api.example.com/mcp', scopes: ['messaging.read'] }),
)

app.post('/mcp', express.json(), async (req, res) => {
  const server = new McpServer({ name: 'messages', version: '1.0.0' })
  server.registerTool('whoami', { description: 'Names the caller' }, ({ authInfo }) => ({
    content: [{ type: 'text', text: `${authInfo?.clientId} may ${authInfo?.scopes.join(' and ')}` }],
  }))
  const transport = new StreamableHTTPServerTransport({})
  res.on('close', () => server.close())
  await server.connect(transport)

  // The `authInfo` that tools get, in the format of the SDK.
  const { token, clientId = '', scopes, expiresAt = 0, claims } = getAuth(req)
  const auth = { token, clientId, scopes: [...scopes], expiresAt, extra: { claims } }
  await transport.handleRequest(Object.assign(req, { auth }), res, req.body)
})

app.listen(Number(process.env.PORT ?? 3000))
