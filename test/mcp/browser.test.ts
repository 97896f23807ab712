import { randomUUID } from 'node:crypto'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { mcpAuth } from '@telnyx-auth/mcp/express'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import express from 'express'
import { describe, expect, it, onTestFinished } from 'vitest'
import { browserPath, usePage } from '../support/browser.js'
import { serve } from '../support/http.js'

/** A client of MCP in a page of another origin, in Debian's Chromium. */

interface World {
  readonly issuer: MockIssuer
  readonly endpoint: string
  readonly pageUrl: string
}

async function createWorld(cors: '*' | false | ((pageUrl: string) => string[])): Promise<World> {
  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  onTestFinished(() => issuer.close())
  const issuerUrl = await issuer.listen()
  const site = await serve((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<title>client</title>')
  })
  // Another host than that of the server, not only another port.
  const pageUrl = `http://localhost:${site.port}`
  const app = express()
  const { url } = await serve(app)
  const endpoint = `${url}/mcp`
  app.use(
    mcpAuth({
      issuer: issuerUrl,
      audience: endpoint,
      scopes: ['read'],
      toolScopes: { send: ['write'] },
      protectedResource: { resource: endpoint },
      cors: typeof cors === 'function' ? cors(pageUrl) : cors,
    }),
  )
  const transports = new Map<unknown, StreamableHTTPServerTransport>()
  app.all('/mcp', async (request, response) => {
    const known = transports.get(request.headers['mcp-session-id'])
    const transport = known ?? new StreamableHTTPServerTransport({ sessionIdGenerator: () => randomUUID() })
    if (!known) {
      const server = new McpServer({ name: 'messages', version: '1.0.0' })
      for (const tool of ['read', 'send'])
        server.registerTool(tool, { description: tool }, ({ authInfo }) => ({
          content: [{ type: 'text', text: `${tool} for ${authInfo?.clientId}` }],
        }))
      await server.connect(transport)
    }
    await transport.handleRequest(request, response, request.body)
    if (transport.sessionId) transports.set(transport.sessionId, transport)
  })
  return { issuer, endpoint, pageUrl }
}

describe.skipIf(browserPath === undefined)('a page of another origin', () => {
  const page = usePage()

  /** What a client in a page does: plain `fetch`, as the clients of MCP use it. */
  async function run({ issuer, endpoint, pageUrl }: World) {
    await page().goto(pageUrl)
    const token = await issuer.issueToken({ audience: endpoint, scopes: ['read'], clientId: 'page-1' })
    return page().evaluate(
      async ({ endpoint, token }) => {
        const version = { 'MCP-Protocol-Version': '2025-11-25' }
        const post = (message: object, headers: Record<string, string>) =>
          fetch(endpoint, {
            method: 'POST',
            headers: {
              'Content-Type': 'application/json',
              Accept: 'application/json, text/event-stream',
              ...version,
              ...headers,
            },
            body: JSON.stringify({ jsonrpc: '2.0', ...message }),
          })
        const initialize = {
          id: 1,
          method: 'initialize',
          params: {
            protocolVersion: '2025-11-25',
            capabilities: {},
            clientInfo: { name: 'page', version: '1' },
          },
        }
        const refused = await post(initialize, {})
        const challenge = refused.headers.get('WWW-Authenticate') ?? ''
        const metadataUrl = /resource_metadata="([^"]+)"/.exec(challenge)?.[1] ?? ''
        const read = async (url: string) => JSON.parse(await (await fetch(url, { headers: version })).text())
        const metadata = await read(metadataUrl)
        const issuerUrl = metadata.authorization_servers[0]
        const server = await read(`${issuerUrl}/.well-known/oauth-authorization-server`)
        const authorization = { Authorization: `Bearer ${token}` }
        const session = await post(initialize, authorization)
        const sessionId = session.headers.get('Mcp-Session-Id') ?? ''
        const call = (name: string) =>
          post(
            { id: 2, method: 'tools/call', params: { name, arguments: {} } },
            { ...authorization, 'Mcp-Session-Id': sessionId },
          )
        const answer = await call('read')
        const forbidden = await call('send')
        const ended = await fetch(endpoint, {
          method: 'DELETE',
          headers: { ...authorization, ...version, 'Mcp-Session-Id': sessionId },
        })
        return {
          refused: refused.status,
          challenge,
          resource: metadata.resource,
          issuer: server.issuer,
          session: session.status,
          sessionId,
          answer: await answer.text(),
          forbidden: [forbidden.status, forbidden.headers.get('WWW-Authenticate')],
          ended: ended.status,
        }
      },
      { endpoint, token },
    )
  }

  it.each<[string, '*' | ((pageUrl: string) => string[])]>([
    ["cors: '*'", '*'],
    ['cors: its origin', (pageUrl) => [pageUrl]],
  ])('%s: finds the way to a token, calls a tool, and sees what another tool needs', async (_, cors) => {
    const world = await createWorld(cors)
    expect(await run(world)).toEqual({
      refused: 401,
      challenge: expect.stringContaining('scope="read"'),
      resource: world.endpoint,
      issuer: world.issuer.issuer,
      session: 200,
      sessionId: expect.stringMatching(/^[\w-]{36}$/),
      answer: expect.stringContaining('read for page-1'),
      forbidden: [403, expect.stringContaining('scope="read write"')],
      ended: 200,
    })
  })

  it.each<[string, false | ((pageUrl: string) => string[])]>([
    ['cors: false', false],
    ['cors: another origin', () => ['https://other.example.com']],
  ])('%s: the browser keeps all of it from the page', async (_, cors) => {
    await expect(run(await createWorld(cors))).rejects.toThrow('Failed to fetch')
  })
})
