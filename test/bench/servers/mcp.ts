import { createServer, type Server } from 'node:http'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { mcpAuth } from '@telnyx-auth/mcp/express'
import express, { type RequestHandler } from 'express'
import { AUDIENCE } from '../tokens.js'

/** The SDK's own middleware, with a verifier that does nothing: the least that a guard with its interface costs. */
const noCheck: RequestHandler = requireBearerAuth({
  verifier: {
    verifyAccessToken: async (token) => ({
      token,
      clientId: 'client-1',
      scopes: [],
      expiresAt: Date.now() / 1000 + 3600,
    }),
  },
})

const GUARDS: Readonly<Record<string, (issuer: string) => RequestHandler[]>> = {
  'requireBearerAuth, no check': () => [noCheck, express.json()],
  ours: (issuer) => [mcpAuth({ issuer, audience: AUDIENCE }), express.json()],
  // It reads the body by itself.
  'ours, toolScopes': (issuer) => [mcpAuth({ issuer, audience: AUDIENCE, toolScopes: { send: ['send'] } })],
}

/** An MCP server with one tool. */
export async function createMcp(guard: string, issuer: string): Promise<Server> {
  const app = express()
  app.use(...(GUARDS[guard]?.(issuer) ?? []))
  app.post('/', async (request, response) => {
    const server = new McpServer({ name: 'messages', version: '1.0.0' })
    server.registerTool('whoami', { description: 'Names the caller' }, ({ authInfo }) => ({
      content: [{ type: 'text', text: authInfo?.clientId ?? '' }],
    }))
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
    response.on('close', () => void server.close())
    await server.connect(transport)
    await transport.handleRequest(request, response, request.body)
  })
  return createServer(app)
}
