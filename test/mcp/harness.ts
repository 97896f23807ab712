import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { getRequestListener } from '@hono/node-server'
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node'
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import type { VerifierOptions } from '@telnyx-auth/core'
import { type AuthInfo, createMcpGate, type McpEndpointOptions } from '@telnyx-auth/mcp'
import { mcpAuth as forExpress } from '@telnyx-auth/mcp/express'
import { mcpAuth as forFastify } from '@telnyx-auth/mcp/fastify'
import { mcpAuth as forHono } from '@telnyx-auth/mcp/hono'
import { mcpAuth as forKoa } from '@telnyx-auth/mcp/koa'
import express5 from 'express'
import express4 from 'express4'
import Fastify from 'fastify'
import { type Context, Hono } from 'hono'
import Koa from 'koa'

/** An MCP server with two tools, guarded by `mcpAuth` in one framework. */
export interface McpHarness {
  readonly name: string
  build(setup: McpSetup): Promise<RequestListener>
}

interface McpSetup {
  readonly options: Omit<VerifierOptions, 'getToken'> & McpEndpointOptions
  /** What the tools were called with. */
  readonly calls: Call[]
}

export interface Call {
  readonly tool: string
  readonly authInfo: AuthInfo | undefined
}

/** Two tools; `read_messages` needs nothing beside what the endpoint needs. */
const TOOLS = ['read_messages', 'send_message']

function createV1({ calls }: McpSetup): McpServerV1 {
  const server = new McpServerV1({ name: 'messages', version: '1.0.0' })
  for (const tool of TOOLS)
    server.registerTool(tool, { description: tool }, ({ authInfo }) => {
      calls.push({ tool, authInfo: authInfo as AuthInfo | undefined })
      return { content: [{ type: 'text', text: tool }] }
    })
  return server
}

function createV2({ calls }: McpSetup): McpServer {
  const server = new McpServer({ name: 'messages', version: '1.0.0' })
  for (const tool of TOOLS)
    server.registerTool(tool, { description: tool }, ({ http }) => {
      calls.push({ tool, authInfo: http?.authInfo as AuthInfo | undefined })
      return { content: [{ type: 'text', text: tool }] }
    })
  return server
}

/** How a server hands Node's request and response to a transport. */
type ServeNode = (
  setup: McpSetup,
) => (request: IncomingMessage, response: ServerResponse, body?: unknown) => Promise<void>

const v1: ServeNode = (setup) => async (request, response, body) => {
  const server = createV1(setup)
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  response.on('close', () => void server.close())
  await server.connect(transport)
  await transport.handleRequest(request, response, body)
}

const v2Transport: ServeNode = (setup) => async (request, response, body) => {
  const server = createV2(setup)
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: undefined,
    enableJsonResponse: true,
  })
  response.on('close', () => void server.close())
  await server.connect(transport)
  await transport.handleRequest(request, response, body)
}

const v2Handler: ServeNode = (setup) => {
  const handle = toNodeHandler(createMcpHandler(() => createV2(setup)))
  return async (request, response, body) => {
    // Its type demands a method and a URL; a message of Node may have none.
    await handle(
      Object.assign(request, { method: request.method ?? 'GET', url: request.url ?? '/' }),
      response,
      body,
    )
  }
}

/** Whether a body parser comes before the gate, after it, or not at all; and whether its result is passed on. */
type Parser = 'before' | 'after' | 'none' | 'before, not passed on'

function express(name: string, create: typeof express5, serve: ServeNode, parser: Parser): McpHarness {
  return {
    name,
    async build(setup) {
      const app = create()
      app.set('env', 'test')
      const parse = create.json({
        verify: (request, _response, raw) => void Object.assign(request, { rawBody: raw }),
      })
      if (parser.startsWith('before')) app.use(parse)
      app.use(forExpress(setup.options))
      if (parser === 'after') app.use(parse)
      const handle = serve(setup)
      app.all('/mcp', (request, response, next) => {
        const body = parser === 'before, not passed on' ? undefined : request.body
        handle(request, response, body).catch(next)
      })
      app.get('/health', (_request, response) => void response.json({}))
      return app
    },
  }
}

function koa(name: string, serve: ServeNode): McpHarness {
  return {
    name,
    async build(setup) {
      const app = new Koa()
      app.silent = true
      app.use(forKoa(setup.options))
      const handle = serve(setup)
      app.use(async (ctx) => {
        if (ctx.path === '/health') ctx.body = {}
        if (!/^\/mcp\/?$/i.test(ctx.path)) return
        ctx.respond = false
        await handle(ctx.req, ctx.res, Reflect.get(ctx.request, 'body'))
      })
      return app.callback()
    },
  }
}

function fastify(name: string, serve: ServeNode): McpHarness {
  return {
    name,
    async build(setup) {
      const app = Fastify({ routerOptions: { caseSensitive: false, ignoreTrailingSlash: true } })
      await app.register(forFastify, setup.options)
      const handle = serve(setup)
      app.all('/mcp', async (request, reply) => {
        reply.hijack()
        await handle(request.raw, reply.raw, request.body)
      })
      app.get('/health', async () => ({}))
      await app.ready()
      return (request, response) => app.routing(request, response)
    },
  }
}

function hono(
  name: string,
  serve: (setup: McpSetup) => (c: Context) => Promise<Response>,
  isBare: boolean,
): McpHarness {
  return {
    name,
    async build(setup) {
      const app = new Hono()
      app.use(forHono(setup.options))
      const handle = serve(setup)
      app.all('/mcp', handle)
      app.get('/health', (c) => c.json({}))
      app.onError(() => new Response(null, { status: 500 }))
      return isBare
        ? serveWeb(async (request) => app.request(request))
        : getRequestListener(app.fetch, { overrideGlobalObjects: false })
    },
  }
}

/** Serves web requests without any of Node's objects. */
function serveWeb(handle: (request: Request) => Promise<Response>): RequestListener {
  return async (incoming, outgoing) => {
    const { method = 'GET', headers, rawHeaders, url = '/' } = incoming
    const lines = rawHeaders.flatMap((header, index): [string, string][] =>
      index % 2 === 0 ? [[header, rawHeaders[index + 1] ?? '']] : [],
    )
    const hasBody = method !== 'GET' && method !== 'HEAD'
    // The caller may close the connection.
    const body = await buffer(incoming).catch(() => undefined)
    if (!body) return
    const request = new Request(`http://${headers.host}${url}`, {
      method,
      headers: lines.filter(([name]) => !/^(connection|transfer-encoding|content-length)$/i.test(name)),
      ...(hasBody && { body }),
    })
    const response = await handle(request)
    const answer = Buffer.from(await response.arrayBuffer())
    for (const [name, value] of response.headers) outgoing.setHeader(name, value)
    if (response.status !== 204) outgoing.setHeader('Content-Length', answer.length)
    outgoing.writeHead(response.status).end(answer)
  }
}

const webV1 =
  (setup: McpSetup) => async (request: Request, authInfo: AuthInfo | undefined, parsedBody: unknown) => {
    const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true })
    await createV1(setup).connect(transport)
    return transport.handleRequest(request, { ...(authInfo && { authInfo }), parsedBody })
  }

const webV2 = (setup: McpSetup) => {
  const handler = createMcpHandler(() => createV2(setup))
  return (request: Request, authInfo: AuthInfo | undefined, parsedBody: unknown) =>
    handler.fetch(request, { ...(authInfo && { authInfo }), parsedBody })
}

function nodeHttp(name: string, serve: ServeNode): McpHarness {
  return {
    name,
    async build(setup) {
      const gate = createMcpGate(setup.options)
      const handle = serve(setup)
      return async (request, response) => {
        const result = await gate.handle(request)
        if (!result) {
          response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}')
          return
        }
        if (result.answer) {
          const { status, headers, body } = result.answer
          response.writeHead(status, headers).end(body)
          return
        }
        for (const [header, value] of Object.entries(result.headers)) response.setHeader(header, value)
        await handle(request, response, result.body)
      }
    },
  }
}

function web(name: string, serve: typeof webV1): McpHarness {
  return {
    name,
    async build(setup) {
      const gate = createMcpGate(setup.options)
      const handle = serve(setup)
      return serveWeb(async (request) => {
        const result = await gate.handle(request)
        if (!result) return Response.json({})
        if (result.answer) return new Response(result.answer.body, result.answer)
        const response = await handle(request, result.authInfo, result.body)
        for (const [header, value] of Object.entries(result.headers)) response.headers.set(header, value)
        return response
      })
    },
  }
}

const honoV1 = (setup: McpSetup) => {
  const handle = webV1(setup)
  return (c: Context) => handle(c.req.raw, c.get('authInfo'), c.get('parsedBody'))
}
const honoV2 = (setup: McpSetup) => {
  const handle = webV2(setup)
  return (c: Context) => handle(c.req.raw, c.get('authInfo'), c.get('parsedBody'))
}

/** Every harness, as `describe.each` takes them. */
export const harnesses: readonly [string, McpHarness][] = [
  express('Express 5, SDK v1', express5, v1, 'none'),
  express('Express 5, SDK v1, parser before', express5, v1, 'before'),
  express('Express 5, SDK v1, parser before, its result not used', express5, v1, 'before, not passed on'),
  express('Express 5, SDK v1, parser after', express5, v1, 'after'),
  express('Express 5, SDK v2, transport', express5, v2Transport, 'none'),
  express('Express 5, SDK v2, handler', express5, v2Handler, 'none'),
  express('Express 5, SDK v2, handler, parser before', express5, v2Handler, 'before'),
  express('Express 4, SDK v1, parser before', express4, v1, 'before'),
  express('Express 4, SDK v1, parser after', express4, v1, 'after'),
  express('Express 4, SDK v2, handler', express4, v2Handler, 'none'),
  koa('Koa, SDK v1', v1),
  koa('Koa, SDK v2', v2Handler),
  fastify('Fastify, SDK v1', v1),
  fastify('Fastify, SDK v2', v2Handler),
  hono('Hono, SDK v1', honoV1, false),
  hono('Hono, SDK v2', honoV2, false),
  hono('Hono with a bare Request, SDK v2', honoV2, true),
  nodeHttp('node:http, SDK v1', v1),
  nodeHttp('node:http, SDK v2', v2Handler),
  web('web requests, SDK v1', webV1),
  web('web requests, SDK v2', webV2),
].map((harness) => [harness.name, harness])
