import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { mcpAuth } from '@telnyx-auth/mcp/express'
import { createMockIssuer, type MockIssuer, type MockIssuerOptions } from '@telnyx-auth/mock-issuer'
import express from 'express'
import { onTestFinished } from 'vitest'
import { createSignal, serve } from '../support/http.js'

/** The scope that the MCP server requires. */
export const SCOPE = 'messaging.read'

export interface Place {
  readonly issuer: MockIssuer
  /** The MCP endpoint, which is also the audience. */
  readonly endpoint: URL
  /** Resolves when a signed-in client has asked for a stream, which is the last request that it makes on its own. */
  readonly settled: Promise<void>
}

/** The scope that its tool `send` requires beside it. */
export const MORE = 'messaging.write'

/**
 * Starts the mock issuer and, on a port of its own, an MCP server that `mcpAuth()` guards.
 *
 * @param mcp the option of the mock issuer; the server then has the tool `send`
 * @param fetch the option of the mock issuer: where it finds metadata documents
 */
export async function startPlace({
  mcp = false,
  fetch,
}: Pick<MockIssuerOptions, 'mcp' | 'fetch'> = {}): Promise<Place> {
  const issuer = await createMockIssuer({ algorithm: 'ES256', clients: [], mcp, fetch })
  onTestFinished(() => issuer.close())
  const issuerUrl = await issuer.listen()
  const app = express()
  const { url } = await serve(app)
  const audience = `${url}/mcp`
  app.use(
    mcpAuth({
      issuer: issuerUrl,
      audience,
      scopes: [SCOPE],
      toolScopes: { send: [MORE] },
      profile: 'rfc9068',
    }),
  )
  app.post('/mcp', express.json(), async (request, response) => {
    const server = new McpServer({ name: 'messages', version: '1.0.0' })
    server.registerTool('whoami', { description: 'Who calls' }, ({ authInfo }) => ({
      content: [{ type: 'text', text: `${authInfo?.clientId} may ${authInfo?.scopes.join(' and ')}` }],
    }))
    if (mcp)
      server.registerTool('send', { description: 'Sends' }, () => ({
        content: [{ type: 'text', text: 'sent' }],
      }))
    const transport = new StreamableHTTPServerTransport({})
    response.on('close', () => void server.close())
    await server.connect(transport)
    await transport.handleRequest(request, response, request.body)
  })
  // The client asks for a stream that the server can send in; there is none.
  const stream = createSignal()
  app.get('/mcp', (_, response) => {
    response.sendStatus(405)
    stream.resolve()
  })
  return { issuer, endpoint: new URL(audience), settled: stream.promise }
}
