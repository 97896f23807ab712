import { serve } from '@hono/node-server'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { mcpAuth } from '@telnyx-auth/mcp/hono'
import { Hono } from 'hono'

const handler = createMcpHandler(({ authInfo }) => {
  const server = new McpServer({ name: 'messages', version: '1.0.0' })
  server.registerTool('whoami', { description: 'Names the caller' }, () => ({
    content: [{ type: 'text', text: `${authInfo?.clientId} may ${authInfo?.scopes.join(' and ')}` }],
  }))
  server.registerTool('send_message', { description: 'Sends a message' }, () => ({
    content: [{ type: 'text', text: 'sent' }],
  }))
  return server
})

const app = new Hono()

// Guards /mcp, and serves the metadata where clients look for them. All other paths stay open.
app.use(
  mcpAuth({
    audience: 'https://api.example.com/mcp',
    scopes: ['messaging.read'],
    toolScopes: { send_message: ['messaging.write'] },
  }),
)

app.all('/mcp', async (c) => {
  const { authInfo, parsedBody } = c.var
  // If the guard has not run, because it is missing or guards another path, nothing else runs either.
  if (!authInfo) return c.body(null, 401)
  return handler.fetch(c.req.raw, { authInfo, parsedBody })
})

serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) })
