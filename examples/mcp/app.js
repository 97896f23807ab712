import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { mcpAuth } from '@telnyx-auth/mcp/hono'
import { Hono } from 'hono'

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'messages', version: '1.0.0' })
  server.registerTool('send_message', { description: 'Sends a message' }, () => ({
    content: [{ type: 'text', text: 'sent' }],
  }))
  return server
})

/**
 * The application of production. Tests pass their issuer.
 *
 * @param {{ issuer?: string, fetch?: typeof fetch }} [options]
 */
export function createApp(options) {
  const app = new Hono()
  app.use(
    mcpAuth({
      audience: 'https://api.example.com/mcp',
      scopes: ['messaging.read'],
      toolScopes: { send_message: ['messaging.write'] },
      ...options,
    }),
  )
  app.all('/mcp', async (c) => {
    const { authInfo, parsedBody } = c.var
    if (!authInfo) return c.body(null, 401)
    return handler.fetch(c.req.raw, { authInfo, parsedBody })
  })
  return app
}
