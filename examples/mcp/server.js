import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { mcpAuth } from '@telnyx-auth/mcp/express'
import express from 'express'

const app = express()

// Guards /mcp, and serves the metadata where clients look for them. All other paths stay open.
app.use(
  mcpAuth({
    audience: 'https://api.example.com/mcp',
    scopes: ['messaging.read'],
    toolScopes: { send_message: ['messaging.write'] },
  }),
)

// If the guard has not run, because it is missing or guards another path, nothing else runs either.
app.all('/mcp', (req, res, next) => {
  if ('auth' in req) next()
  else res.sendStatus(401)
})

app.post('/mcp', async (req, res) => {
  const server = new McpServer({ name: 'messages', version: '1.0.0' })
  server.registerTool('whoami', { description: 'Names the caller' }, ({ authInfo }) => ({
    content: [{ type: 'text', text: `${authInfo?.clientId} may ${authInfo?.scopes.join(' and ')}` }],
  }))
  server.registerTool('send_message', { description: 'Sends a message' }, () => ({
    content: [{ type: 'text', text: 'sent' }],
  }))
  const transport = new StreamableHTTPServerTransport({})
  res.on('close', () => server.close())
  await server.connect(transport)
  await transport.handleRequest(req, res, req.body)
})

// There is no stream that the server begins, and no session to end.
app.all('/mcp', (_req, res) => res.set('Allow', 'POST').sendStatus(405))

app.listen(Number(process.env.PORT ?? 3000))
