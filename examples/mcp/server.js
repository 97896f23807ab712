import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { getAuth, telnyxAuth } from '@telnyx-auth/express'
import express from 'express'

const app = express()

// At the MCP endpoint, and where clients look for its metadata. Everything else stays open.
app.use(
  ['/mcp', '/.well-known/oauth-protected-resource/mcp'],
  telnyxAuth({ audience: 'https://api.example.com/mcp', scopes: ['messaging.read'] }),
)

app.post('/mcp', express.json(), async (req, res) => {
  const server = new McpServer({ name: 'messages', version: '1.0.0' })
  server.registerTool('whoami', { description: 'Who calls' }, ({ authInfo }) => ({
    content: [{ type: 'text', text: `${authInfo?.clientId} may ${authInfo?.scopes.join(' and ')}` }],
  }))
  const transport = new StreamableHTTPServerTransport({})
  res.on('close', () => server.close())
  await server.connect(transport)

  // What tools get as `authInfo`, in the form that the SDK gives it.
  const { token, clientId = '', scopes, expiresAt = 0, claims } = getAuth(req)
  const auth = { token, clientId, scopes: [...scopes], expiresAt, extra: { claims } }
  await transport.handleRequest(Object.assign(req, { auth }), res, req.body)
})

app.listen(Number(process.env.PORT ?? 3000))
