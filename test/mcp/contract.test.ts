import { once } from 'node:events'
import { connect } from 'node:net'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { expectNothingUnhandled, settle } from '../support/event-loop.js'
import { shareServers } from '../support/http.js'
import type { HttpResponse } from '../support/http-client.js'
import { type Call, harnesses } from './harness.js'

/** How an MCP server behind `mcpAuth` answers, in every framework and with both generations of the SDK. */

expectNothingUnhandled()

const AUDIENCE = 'https://api.example.com/mcp'
const METADATA = 'https://api.example.com/.well-known/oauth-protected-resource/mcp'
const ACCEPT = 'Accept: application/json, text/event-stream'
const JSON_TYPE = 'Content-Type: application/json'

let issuer: MockIssuer
let issuerUrl: string
let tokens: Readonly<Record<'reader' | 'writer' | 'other' | 'expired' | 'foreign' | 'boss', string>>
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  issuerUrl = await issuer.listen()
  const issue = (options: Parameters<MockIssuer['issueToken']>[0]) =>
    issuer.issueToken({ audience: AUDIENCE, scopes: ['read'], clientId: 'agent-1', ...options })
  tokens = {
    reader: await issue({}),
    writer: await issue({ scopes: ['read', 'write'] }),
    boss: await issue({ scopes: ['all'] }),
    other: await issue({ scopes: ['other'] }),
    expired: await issue({ expiresInSeconds: -60 }),
    foreign: await issue({ audience: 'https://api.example.com/other' }),
  }
})
afterAll(() => issuer.close())

const call = (name: string, id?: number) => ({
  jsonrpc: '2.0',
  ...(id !== undefined && { id }),
  method: 'tools/call',
  params: { name, arguments: {} },
})
const READ = JSON.stringify(call('read_messages', 1))
const SEND = JSON.stringify(call('send_message', 1))

describe.each(harnesses)('%s', (_, harness) => {
  const serve = shareServers()
  const calls: Call[] = []
  beforeEach(() => void calls.splice(0))

  const start = (changes: object = {}) =>
    serve(JSON.stringify(changes), () =>
      harness.build({
        calls,
        options: {
          issuer: issuerUrl,
          audience: AUDIENCE,
          scopes: ['read'],
          scopeImplies: (granted) => granted === 'all',
          toolScopes: { send_message: ['write'] },
          ...changes,
        },
      }),
    )
  const request = async (
    method: string,
    path: string,
    lines: readonly string[] = [],
    body?: string,
    changes?: object,
  ): Promise<HttpResponse> => (await start(changes)).client.request(method, path, lines, body)
  const bearer = (name: keyof typeof tokens) => `Authorization: Bearer ${tokens[name]}`
  const post = (lines: readonly string[], body: string, changes?: object) =>
    request('POST', '/mcp', [JSON_TYPE, ACCEPT, ...lines], body, changes)
  const as = (name: keyof typeof tokens, body: string, lines: readonly string[] = []) =>
    post([bearer(name), ...lines], body)
  const challengeOf = (response: HttpResponse) => response.headers.get('www-authenticate')
  const tools = () => calls.map(({ tool }) => tool)

  it('without a token: 401, with the way to one', async () => {
    const response = await post([], READ)
    expect(response.status).toBe(401)
    expect(challengeOf(response)).toEqual([
      `Bearer realm="api", scope="read", resource_metadata="${METADATA}"`,
    ])
    expect(tools()).toEqual([])
  })

  it.each(['expired', 'foreign'] as const)('a token that is %s: 401', async (name) => {
    const response = await as(name, READ)
    expect(response.status).toBe(401)
    expect(challengeOf(response)?.[0]).toMatch(
      /^Bearer realm="api", error="invalid_token", error_description="[^"]+", scope="read", resource_metadata="/,
    )
    expect(tools()).toEqual([])
  })

  it('a token that is none: 401', async () => {
    const response = await post(['Authorization: Bearer abc'], READ)
    expect(response.status).toBe(401)
    expect(tools()).toEqual([])
  })

  it('two tokens: 400', async () => {
    const response = await as('reader', READ, [bearer('writer')])
    expect(response.status).toBe(400)
    expect(tools()).toEqual([])
  })

  it('a token without the scope of the endpoint: 403, with all that the operation needs', async () => {
    const read = await as('other', READ)
    expect(read.status).toBe(403)
    expect(challengeOf(read)?.[0]).toContain('error="insufficient_scope"')
    expect(challengeOf(read)?.[0]).toContain('scope="read"')
    const send = await as('other', SEND)
    expect(send.status).toBe(403)
    expect(challengeOf(send)?.[0]).toContain('scope="read write"')
    expect(tools()).toEqual([])
  })

  it('a good token: the tool runs, and knows who calls', async () => {
    const response = await as('reader', READ)
    expect(response.status).toBe(200)
    expect(response.body).toContain('read_messages')
    expect(calls).toHaveLength(1)
    const { authInfo } = calls[0] ?? {}
    expect(authInfo).toMatchObject({
      token: tokens.reader,
      clientId: 'agent-1',
      scopes: ['read'],
      expiresAt: expect.any(Number),
      resourceMetadataUrl: METADATA,
      extra: { issuer: issuerUrl, claims: { client_id: 'agent-1' } },
    })
    expect(authInfo?.resource?.href).toBe(AUDIENCE)
  })

  it('C1, C3: a tool that needs more: 403 before it runs; with the scope, it runs', async () => {
    const refused = await as('reader', SEND)
    expect(refused.status).toBe(403)
    expect(challengeOf(refused)).toEqual([
      expect.stringMatching(
        /^Bearer realm="api", error="insufficient_scope", error_description="[^"]+", scope="read write", resource_metadata="[^"]+"$/,
      ),
    ])
    expect(tools()).toEqual([])
    expect((await as('writer', SEND)).status).toBe(200)
    expect(tools()).toEqual(['send_message'])
  })

  it('C2: a broader scope suffices', async () => {
    expect((await as('boss', SEND)).status).toBe(200)
    expect(tools()).toEqual(['send_message'])
  })

  it('a batch with one call that may not be made: none is made', async () => {
    const response = await as('reader', JSON.stringify([call('read_messages', 1), call('send_message', 2)]))
    expect(response.status).toBe(403)
    expect(tools()).toEqual([])
  })

  it('a batch of more than 100: 400, and none is made', async () => {
    const batch = Array.from({ length: 101 }, (_each, id) => call('read_messages', id))
    expect((await as('reader', JSON.stringify(batch))).status).toBe(400)
    expect(tools()).toEqual([])
  })

  it('a notification: 202', async () => {
    const response = await as(
      'reader',
      JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }),
    )
    expect(response.status).toBe(202)
  })

  it.each([
    ['not JSON', '{"jsonrpc"'],
    ['no message', '{}'],
    ['null', 'null'],
    ['UTF-16', Buffer.from(SEND, 'utf16le').toString('latin1')],
  ])('a body that is %s: 400', async (_name, body) => {
    expect((await as('reader', body)).status).toBe(400)
    expect(tools()).toEqual([])
  })

  it('another media type: 415', async () => {
    const response = await request(
      'POST',
      '/mcp',
      [bearer('writer'), ACCEPT, 'Content-Type: text/plain'],
      SEND,
    )
    expect(response.status).toBe(415)
    expect(tools()).toEqual([])
  })

  it.each<[string, string, readonly string[]]>([
    ['a byte order mark', `\xef\xbb\xbf${SEND}`, []],
    ['white space', `\n\t ${SEND}`, []],
    ['repeated members', SEND.replace('"name"', '"name":"read_messages","name"'), []],
    ['escapes in names', SEND.replace('"name"', '"n\\u0061me"').replace('tools/call', 'tools\\/call'), []],
    ['a header that names another tool', SEND, ['Mcp-Name: read_messages', 'Mcp-Method: tools/call']],
    ['a header that names another method', SEND, ['Mcp-Method: ping']],
    ['UTF-7', SEND.replace('"send_message"', '"send_message","+AG4-ame":"read_messages"'), ['charset=utf-7']],
    ['a charset of UTF-16', SEND, ['charset=utf-16le']],
    ['an encoding that it does not have', SEND, ['Content-Encoding: gzip']],
    ['a media type with parameters that do not parse', SEND, ['charset=']],
    ['a media type with an empty parameter', SEND, ['']],
    ['a prototype', SEND.replace('"params":{', '"params":{"__proto__":{"name":"read_messages"},'), []],
    ['two media types', SEND, ['text/plain']],
    ['chunks', SEND, ['Transfer-Encoding: chunked']],
  ])('no way around: %s', async (_name, body, lines) => {
    const parameter = lines.find((line) => line === '' || line.startsWith('charset'))
    const others = lines.filter((line) => line !== parameter && line !== 'text/plain')
    const first = lines.includes('text/plain') ? ['Content-Type: text/plain'] : []
    const type = parameter === undefined ? JSON_TYPE : `${JSON_TYPE}; ${parameter}`
    const chunked = others.includes('Transfer-Encoding: chunked')
    const { client } = await start()
    const sent = [...first, type, ACCEPT, bearer('reader'), ...others]
    const response = chunked
      ? await client.request('POST', '/mcp', [...sent, '', `${body.length.toString(16)}`, body, '0', ''])
      : await client.request('POST', '/mcp', sent, body)
    // A parser before the guard may read another tool; then that one runs, and the transport reads the same.
    expect(tools()).not.toContain('send_message')
    expect(tools().length > 0 ? [200] : [400, 403, 415]).toContain(response.status)
  })

  it.each(['GET', 'DELETE', 'PUT', 'OPTIONS', 'HEAD'])('%s without a token: 401', async (method) => {
    expect((await request(method, '/mcp', [ACCEPT])).status).toBe(401)
  })

  it.each([
    '/mcp/',
    '/MCP',
    '/Mcp/',
    '/%6dcp',
    '/%6D%63p',
    '//mcp',
    '/mcp//',
    '/mcp/x',
    '/./mcp',
    '/x/../mcp',
    '/mcp?x=1',
    '/mcp;x',
    '/%2fmcp',
  ])('%s without a token: never past the guard', async (path) => {
    const response = await request('POST', path, [JSON_TYPE, ACCEPT], READ)
    expect(response.status).toBe(401)
    expect(tools()).toEqual([])
  })

  it.each(['/health', '/health?path=/mcp'])('%s: passes', async (path) => {
    expect((await request('GET', path)).status).toBe(200)
  })

  it.each([
    '/.well-known/oauth-protected-resource/mcp',
    '/.well-known/oauth-protected-resource/mcp/',
    '/.well-known/oauth-protected-resource',
    '/.well-known/oauth-protected-resource/',
  ])('the metadata at %s', async (path) => {
    const response = await request('GET', path)
    expect(response.status).toBe(200)
    expect(JSON.parse(response.body)).toMatchObject({
      resource: AUDIENCE,
      authorization_servers: [issuerUrl],
      scopes_supported: ['read'],
    })
    expect(response.headers.get('access-control-allow-origin')).toEqual(['*'])
    const preflight = await request('OPTIONS', path, [
      'Origin: https://app.example.com',
      'Access-Control-Request-Method: GET',
      'Access-Control-Request-Headers: mcp-protocol-version',
    ])
    expect(preflight.status).toBe(204)
  })

  it.each(['POST', 'PUT', 'DELETE'])('%s to the metadata: no tool runs', async (method) => {
    for (const path of ['', '/mcp']) {
      const url = `/.well-known/oauth-protected-resource${path}`
      await request(method, url, [JSON_TYPE, ACCEPT], READ)
      expect(tools()).toEqual([])
    }
  })

  it.each(['ftp://h/mcp', 'x://h/mcp', 'http://h/mcp', 'HTTPS://u:p@h:1/mcp', '//h/mcp'])(
    'the request target %s without a token: no tool runs',
    async (target) => {
      await request('POST', target, [JSON_TYPE, ACCEPT], READ)
      expect(tools()).toEqual([])
    },
  )

  it('a caller who closes the connection early: no tool runs, and the server goes on', async () => {
    const { port, client } = await start()
    const socket = connect(port, '127.0.0.1')
    const lines = [
      'POST /mcp HTTP/1.1',
      'Host: h',
      JSON_TYPE,
      ACCEPT,
      bearer('writer'),
      'Content-Length: 1000',
    ]
    socket.write([...lines, '', '{"a"'].join('\r\n'))
    await once(socket, 'connect')
    await settle()
    socket.destroy()
    await once(socket, 'close')
    await settle()
    const response = await client.request('POST', '/mcp', [JSON_TYPE, ACCEPT, bearer('reader')], READ)
    expect([response.status, tools()]).toEqual([200, ['read_messages']])
  })

  it('a preflight request of the endpoint needs no token', async () => {
    const response = await request('OPTIONS', '/mcp', [
      'Origin: https://app.example.com',
      'Access-Control-Request-Method: POST',
      'Access-Control-Request-Headers: authorization, mcp-session-id',
    ])
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toEqual(['*'])
    expect(response.headers.get('access-control-allow-methods')?.[0]).toContain('DELETE')
    expect(response.headers.get('access-control-allow-headers')?.[0]).toContain('Authorization')
  })

  it.each([
    ['a refusal', undefined, 401],
    ['an answer', 'reader', 200],
  ] as const)('scripts may read %s', async (_name, token, status) => {
    const lines = ['Origin: https://app.example.com', ...(token ? [bearer(token)] : [])]
    const response = await post(lines, READ)
    expect(response.status).toBe(status)
    expect(response.headers.get('access-control-allow-origin')).toEqual(['*'])
    const exposed = response.headers.get('access-control-expose-headers')?.[0]
    for (const name of ['WWW-Authenticate', 'Mcp-Session-Id', 'Retry-After']) expect(exposed).toContain(name)
  })

  it('cors: a list of origins', async () => {
    const cors = ['https://app.example.com']
    for (const [origin, allowed] of [
      ['https://app.example.com', ['https://app.example.com']],
      ['https://evil.example.com', undefined],
    ] as const) {
      const response = await post([`Origin: ${origin}`, bearer('reader')], READ, { cors })
      expect(response.headers.get('access-control-allow-origin')).toEqual(allowed)
      expect(response.headers.get('vary')?.[0]).toContain('Origin')
    }
  })

  it('cors: false: a preflight request is refused like any other', async () => {
    const lines = ['Origin: https://app.example.com', 'Access-Control-Request-Method: POST']
    const response = await request('OPTIONS', '/mcp', lines, undefined, { cors: false })
    expect(response.status).toBe(401)
    expect(response.headers.get('access-control-allow-origin')).toBeUndefined()
  })

  it('a body that is too large: 413, and the tool does not run', async () => {
    const changes = { maxBodyBytes: 200 }
    const large = JSON.stringify({ ...call('read_messages', 1), filler: 'x'.repeat(300) })
    expect((await post([bearer('reader')], large, changes)).status).toBe(413)
    expect((await post([bearer('reader')], READ, changes)).status).toBe(200)
    expect(tools()).toEqual(['read_messages'])
  })

  it('initialScopes are what a 401 names; a 403 names what is needed', async () => {
    const changes = { initialScopes: ['read', 'write', 'extra'] }
    expect(challengeOf(await post([], READ, changes))?.[0]).toContain('scope="read write extra"')
    expect(challengeOf(await post([bearer('reader')], SEND, changes))?.[0]).toContain('scope="read write"')
  })

  it('path: behind a proxy that removes a prefix', async () => {
    const changes = { audience: 'https://api.example.com/v1/mcp', path: '/mcp' }
    const refused = await post([], READ, changes)
    expect(challengeOf(refused)?.[0]).toContain(
      'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/v1/mcp"',
    )
    for (const path of ['', '/mcp', '/v1/mcp']) {
      const url = `/.well-known/oauth-protected-resource${path}`
      const { status, body } = await request('GET', url, [], undefined, changes)
      expect([status, JSON.parse(body).resource]).toEqual([200, 'https://api.example.com/v1/mcp'])
    }
  })

  it('C3: an outage: 503 with Retry-After, and no challenge', async () => {
    const changes = { issuer: 'http://127.0.0.1:9', timeoutMs: 1000 }
    const response = await as503(changes)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBeDefined()
    expect(challengeOf(response)).toBeUndefined()
    expect(tools()).toEqual([])
  })

  /** A token of an issuer that cannot be reached. */
  async function as503(changes: object): Promise<HttpResponse> {
    const token = await issuer.issueToken({ audience: AUDIENCE, claims: { iss: 'http://127.0.0.1:9' } })
    return post([`Authorization: Bearer ${token}`], READ, changes)
  }
})
