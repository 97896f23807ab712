import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { localhostHostValidation } from '@modelcontextprotocol/express'
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node'
import {
  type CallToolResult,
  classifyInboundRequest,
  createMcpHandler,
  type ElicitRequestFormParams,
  type GetPromptResult,
  McpServer,
  type ReadResourceResult,
  type ServerContext,
  type Tool,
} from '@modelcontextprotocol/server'
import express, { type RequestHandler } from 'express'

/**
 * The tools, resources and prompts that the conformance tool asks a server for, with the names and contents that its scenarios
 * demand. Both generations of the protocol are served, as the SDK serves them.
 */

/** An image of one pixel, and a sound without a sample. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA='

const text = (value: string) => ({ type: 'text' as const, text: value })
const image = { type: 'image' as const, data: PNG, mimeType: 'image/png' }
const embedded = (uri: string) => ({
  type: 'resource' as const,
  resource: { uri, mimeType: 'text/plain', text: 'An embedded resource.' },
})

type RunTool = (
  context: ServerContext,
  args: Record<string, unknown>,
) => CallToolResult['content'] | Promise<CallToolResult['content']>

async function elicit(
  { mcpReq }: ServerContext,
  message: string,
  properties: ElicitRequestFormParams['requestedSchema']['properties'],
): Promise<CallToolResult['content']> {
  const requestedSchema = { type: 'object' as const, properties }
  const { action, content } = await mcpReq.send({
    method: 'elicitation/create',
    params: { mode: 'form', message, requestedSchema },
  })
  return [text(`${action}: ${JSON.stringify(content)}`)]
}

const TITLED = [
  { const: 'value1', title: 'First' },
  { const: 'value2', title: 'Second' },
]

const TOOLS: Readonly<Record<string, RunTool>> = {
  whoami: ({ http }) => [text(`${http?.authInfo?.clientId} may ${http?.authInfo?.scopes.join(' and ')}`)],
  test_simple_text: () => [text('This is a simple text response for testing.')],
  test_image_content: () => [image],
  test_audio_content: () => [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }],
  test_embedded_resource: () => [embedded('test://embedded-resource')],
  test_multiple_content_types: () => [text('Several:'), image, embedded('test://mixed-content-resource')],
  async test_tool_with_logging({ mcpReq }) {
    for (const data of ['started', 'works', 'has ended']) {
      await mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data } })
      await sleep(10)
    }
    return [text('logged')]
  },
  async test_tool_with_progress({ mcpReq }) {
    const progressToken = mcpReq._meta?.progressToken
    if (progressToken !== undefined)
      for (const progress of [0, 50, 100]) {
        const params = { progressToken, progress, total: 100 }
        await mcpReq.notify({ method: 'notifications/progress', params })
        await sleep(10)
      }
    return [text('done')]
  },
  test_error_handling() {
    throw new Error('This tool intentionally returns an error for testing')
  },
  async test_sampling({ mcpReq }, { prompt }) {
    const messages = [{ role: 'user' as const, content: text(String(prompt)) }]
    const params = { messages, maxTokens: 100 }
    const { content } = await mcpReq.send({ method: 'sampling/createMessage', params })
    return [text(JSON.stringify(content))]
  },
  test_elicitation: (context, { message }) =>
    elicit(context, String(message), { response: { type: 'string', description: 'The answer' } }),
  test_elicitation_sep1034_defaults: (context) =>
    elicit(context, 'Defaults', {
      name: { type: 'string', default: 'John Doe' },
      age: { type: 'integer', default: 30 },
      score: { type: 'number', default: 95.5 },
      status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
      verified: { type: 'boolean', default: true },
    }),
  test_elicitation_sep1330_enums: (context) =>
    elicit(context, 'Enumerations', {
      untitledSingle: { type: 'string', enum: ['option1', 'option2'] },
      titledSingle: { type: 'string', oneOf: TITLED },
      legacyEnum: { type: 'string', enum: ['opt1', 'opt2'], enumNames: ['One', 'Two'] },
      untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2'] } },
      titledMulti: { type: 'array', items: { anyOf: TITLED } },
    }),
  json_schema_2020_12_tool: () => [text('ok')],
}

const INPUTS: Readonly<Record<string, Tool['inputSchema']>> = {
  test_sampling: { type: 'object', properties: { prompt: { type: 'string' } } },
  test_elicitation: { type: 'object', properties: { message: { type: 'string' } } },
  json_schema_2020_12_tool: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { city: { type: 'string' } } } },
    properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' }, phone: { type: 'string' } },
    allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['name'] }] }],
    if: { required: ['address'] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { required: ['phone'] },
    else: { required: ['name'] },
    additionalProperties: false,
  },
}

const RESOURCES: Readonly<Record<string, ReadResourceResult['contents'][number]>> = {
  'test://static-text': { uri: 'test://static-text', mimeType: 'text/plain', text: 'A text.' },
  'test://static-binary': { uri: 'test://static-binary', mimeType: 'image/png', blob: PNG },
  'test://watched-resource': { uri: 'test://watched-resource', mimeType: 'text/plain', text: 'Watched.' },
}

const PROMPTS: Readonly<
  Record<
    string,
    {
      readonly names: readonly string[]
      readonly contents: (args: Record<string, string>) => GetPromptResult['messages'][number]['content'][]
    }
  >
> = {
  test_simple_prompt: { names: [], contents: () => [text('This is a simple prompt for testing.')] },
  test_prompt_with_arguments: {
    names: ['arg1', 'arg2'],
    contents: ({ arg1, arg2 }) => [text(`arg1='${arg1}', arg2='${arg2}'`)],
  },
  test_prompt_with_embedded_resource: {
    names: ['resourceUri'],
    contents: ({ resourceUri = '' }) => [embedded(resourceUri), text('Process it.')],
  },
  test_prompt_with_image: { names: [], contents: () => [image, text('Analyze it.')] },
}

function createServer(): McpServer {
  const mcp = new McpServer(
    { name: 'everything', version: '1.0.0' },
    {
      capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, logging: {}, completions: {} },
    },
  )
  const { server } = mcp
  server.setRequestHandler('tools/list', () => ({
    tools: Object.keys(TOOLS).map((name) => ({
      name,
      description: name,
      inputSchema: INPUTS[name] ?? { type: 'object' },
    })),
  }))
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const tool = Object.hasOwn(TOOLS, params.name) ? TOOLS[params.name] : undefined
    if (!tool) throw new Error('There is no such tool')
    try {
      return { content: await tool(context, params.arguments ?? {}) }
    } catch (error) {
      return { content: [text(String(error))], isError: true }
    }
  })
  server.setRequestHandler('resources/list', () => ({
    resources: Object.keys(RESOURCES).map((uri) => ({ uri, name: uri })),
  }))
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: [{ name: 'template', uriTemplate: 'test://template/{id}/data' }],
  }))
  server.setRequestHandler('resources/read', ({ params: { uri } }) => {
    const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1]
    const content =
      id === undefined ? RESOURCES[uri] : { uri, mimeType: 'application/json', text: JSON.stringify({ id }) }
    if (!content) throw new Error('There is no such resource')
    return { contents: [content] }
  })
  server.setRequestHandler('resources/subscribe', () => ({}))
  server.setRequestHandler('resources/unsubscribe', () => ({}))
  server.setRequestHandler('prompts/list', () => ({
    prompts: Object.entries(PROMPTS).map(([name, { names }]) => ({
      name,
      description: name,
      arguments: names.map((argument) => ({ name: argument, required: true })),
    })),
  }))
  server.setRequestHandler('prompts/get', ({ params }) => {
    const contents = PROMPTS[params.name]?.contents(params.arguments ?? {}) ?? []
    return { messages: contents.map((content) => ({ role: 'user' as const, content })) }
  })
  server.setRequestHandler('logging/setLevel', () => ({}))
  server.setRequestHandler('completion/complete', () => ({ completion: { values: [], total: 0 } }))
  return mcp
}

/**
 * Adds the server to an application, at `/mcp`.
 *
 * @param before runs before the body parser
 * @param after runs after it
 */
export function serveEverything(
  app: express.Express,
  before: readonly RequestHandler[],
  after: readonly RequestHandler[],
): void {
  const sessions = new Map<unknown, NodeStreamableHTTPServerTransport>()
  const modern = toNodeHandler(createMcpHandler(createServer))

  async function startSession(): Promise<NodeStreamableHTTPServerTransport> {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    })
    await createServer().connect(transport)
    return transport
  }

  app.use(localhostHostValidation(), ...before, express.json(), ...after)
  app.all('/mcp', async (request, response) => {
    const { method, headers, body } = request
    const version = request.get('mcp-protocol-version')
    const mcpMethod = request.get('mcp-method')
    const { kind } = classifyInboundRequest({
      httpMethod: method,
      ...(version !== undefined && { protocolVersionHeader: version }),
      ...(mcpMethod !== undefined && { mcpMethodHeader: mcpMethod }),
      body,
    })
    if (kind !== 'legacy') return modern(request, response, body)
    const id = headers['mcp-session-id']
    const transport = id === undefined ? await startSession() : sessions.get(id)
    if (!transport) return void response.sendStatus(404)
    await transport.handleRequest(request, response, body)
  })
}
