import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { mcpAuth } from '@telnyx-auth/mcp/express'
import express from 'express'

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

app.all('/mcp', toNodeHandler(handler))

app.listen(Number(process.env.PORT ?? 3000))
