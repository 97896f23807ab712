import { createServer } from 'node:http'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { createMcpGate } from '@telnyx-auth/mcp'

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
const handleNode = toNodeHandler(handler)

const gate = createMcpGate({
  audience: 'https://api.example.com/mcp',
  scopes: ['messaging.read'],
  toolScopes: { send_message: ['messaging.write'] },
})

/**
 * @param {import('node:http').IncomingMessage} req
 * @param {import('node:http').ServerResponse} res
 */
async function serve(req, res) {
  const result = await gate.handle(req)
  // Another path than that of the endpoint. The caller is unknown.
  if (!result) return res.writeHead(404).end()
  const { answer } = result
  if (answer) return res.writeHead(answer.status, answer.headers).end(answer.body)
  for (const [name, value] of Object.entries(result.headers)) res.setHeader(name, value)
  const { method = 'GET', url = '/' } = req
  return handleNode(Object.assign(req, { method, url }), res, result.body)
}

createServer((req, res) => {
  serve(req, res).catch((error) => {
    console.error(error)
    res.destroy()
  })
}).listen(Number(process.env.PORT ?? 3000))
