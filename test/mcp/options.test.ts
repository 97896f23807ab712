import { type Authenticator, createAuthenticator } from '@telnyx-auth/core/adapter'
import { createMcpGate, type McpGate } from '@telnyx-auth/mcp'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { thrownBy } from '../support/outcome.js'

/** The options of `mcpAuth`, tried on the gate, which all frameworks share. */

const AUDIENCE = 'https://api.example.com/mcp'

let issuer: MockIssuer
let token: string
let base: { issuer: string; audience: string; scopes: readonly string[] }
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  base = { issuer: await issuer.listen(), audience: AUDIENCE, scopes: ['read'] }
  token = await issuer.issueToken({ audience: AUDIENCE, scopes: ['read', 'a'] })
})
afterAll(() => issuer.close())

const create = (changes: object = {}): McpGate => createMcpGate({ ...base, ...changes })

async function handle(gate: McpGate, message: unknown, url: string = AUDIENCE) {
  const body = typeof message === 'string' ? message : JSON.stringify(message)
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
  const result = await gate.handle(new Request(url, { method: 'POST', headers, body }))
  const challenge = result?.answer && new Headers(result.answer.headers).get('www-authenticate')
  return { status: result?.answer?.status, scope: / scope="([^"]*)"/.exec(challenge ?? '')?.[1], result }
}

describe('C: mistakes', () => {
  it.each<[string, object]>([
    ['no path is known', { audience: 'urn:x' }],
    ['path without a slash', { path: 'mcp' }],
    ['path with a query', { path: '/mcp?x' }],
    ...['/:tenant/mcp', '/mcp/*', '/{t}/mcp', '/api/../mcp', '/my mcp', '//', '/.', '/a\\b'].map(
      (path): [string, object] => [`path: ${path}`, { path }],
    ),
    ['toolScopes is a list', { toolScopes: ['write'] }],
    ['toolScopes is a text', { toolScopes: 'write' }],
    ['scopes in one text', { toolScopes: { send: 'write' } }],
    ['a scope with a blank', { toolScopes: { send: ['a b'] } }],
    ['a scope that is no text', { toolScopes: { send: [1] } }],
    ['an unknown kind', { toolScopes: { tools: {}, promts: {} } }],
    ['tools beside kinds', { toolScopes: { tools: { send: ['a'] }, other: ['b'] } }],
    ['a resource that is no URI', { toolScopes: { resources: { notes: ['a'] } } }],
    ['initialScopes in one text', { initialScopes: 'a b' }],
    ['initialScopes with a blank', { initialScopes: ['a b'] }],
    ['maxBodyBytes is 0', { maxBodyBytes: 0 }],
    ['maxBodyBytes is a fraction', { maxBodyBytes: 1.5 }],
    ['maxBodyBytes is a text', { maxBodyBytes: '1' }],
    ['cors is true', { cors: true }],
    ['cors with a path', { cors: ['https://app.example.com/'] }],
    ['cors with a wildcard', { cors: ['*'] }],
    ['authorizationServer is a text', { authorizationServer: 'true' }],
    ['authorizationServer is null', { authorizationServer: null }],
    ['an unknown option', { toolscopes: {} }],
  ])('%s', (_, changes) => {
    expect(thrownBy(() => create(changes))).toMatchObject({ code: 'ERR_CONFIGURATION' })
  })
})

describe('toolScopes', () => {
  const message = (method: string, params: object) => ({ jsonrpc: '2.0', id: 1, method, params })

  it.each<[string, object, object, string | undefined]>([
    ['a tool', { send: ['b'] }, message('tools/call', { name: 'send' }), 'read b'],
    [
      'two scopes, of which one is there',
      { send: ['a', 'b'] },
      message('tools/call', { name: 'send' }),
      'read a b',
    ],
    ['a tool that is not named', { send: ['b'] }, message('tools/call', { name: 'other' }), undefined],
    ['no scope', { send: [] }, message('tools/call', { name: 'send' }), undefined],
    ['a tool named tools', { tools: ['b'] }, message('tools/call', { name: 'tools' }), 'read b'],
    ['a member of every object', { send: ['b'] }, message('tools/call', { name: 'toString' }), undefined],
    [
      'a prompt of the same name',
      { tools: { send: ['b'] } },
      message('prompts/get', { name: 'send' }),
      undefined,
    ],
    ['a prompt', { prompts: { send: ['b'] } }, message('prompts/get', { name: 'send' }), 'read b'],
    [
      'a resource',
      { resources: { 'x://a/b': ['b'] } },
      message('resources/read', { uri: 'x://a/b' }),
      'read b',
    ],
    [
      'a subscription',
      { resources: { 'x://a/b': ['b'] } },
      message('resources/subscribe', { uri: 'x://a/b' }),
      'read b',
    ],
    [
      'another spelling',
      { resources: { 'https://h/a/b': ['b'] } },
      message('resources/read', { uri: ' HTTPS://H:443/a/./b' }),
      'read b',
    ],
    [
      'another resource',
      { resources: { 'https://h/a/b': ['b'] } },
      message('resources/read', { uri: 'https://h/a/c' }),
      undefined,
    ],
    [
      'a list of subscriptions',
      { resources: { 'x://a/b': ['b'] } },
      message('subscriptions/listen', { notifications: { resourceSubscriptions: ['x://a/c', 'x://a/b'] } }),
      'read b',
    ],
    ['another method', { send: ['b'] }, message('tools/list', { name: 'send' }), undefined],
    ['a name that is no text', { send: ['b'] }, message('tools/call', { name: ['send'] }), undefined],
    [
      'a batch',
      { send: ['b'], other: ['c'] },
      [message('tools/call', { name: 'send' }), message('tools/call', { name: 'other' })],
      'read b c',
    ],
    [
      'a notification',
      { send: ['b'] },
      { jsonrpc: '2.0', method: 'tools/call', params: { name: 'send' } },
      'read b',
    ],
  ])('%s', async (_, toolScopes, body, scope) => {
    expect(await handle(create({ toolScopes }), body)).toMatchObject({
      status: scope === undefined ? undefined : 403,
      scope,
    })
  })

  it('a function', async () => {
    const toolScopes = (asked: { method?: unknown }) => (asked.method === 'ping' ? ['b'] : undefined)
    const gate = create({ toolScopes })
    expect((await handle(gate, message('ping', {}))).status).toBe(403)
    expect((await handle(gate, message('tools/list', {}))).status).toBeUndefined()
    const later = create({ toolScopes: async () => ['b'] })
    expect((await handle(later, message('ping', {}))).status).toBe(403)
  })

  it('a function that throws, or returns something else: nothing runs', async () => {
    const mine = new Error('mine')
    const throwing = create({
      toolScopes() {
        throw mine
      },
    })
    await expect(handle(throwing, message('ping', {}))).rejects.toBe(mine)
    await expect(handle(create({ toolScopes: () => 'b' }), message('ping', {}))).rejects.toMatchObject({
      code: 'ERR_CONFIGURATION',
    })
  })

  it('an option that the application changes afterwards changes nothing', async () => {
    const toolScopes = { send: ['b'] }
    const gate = create({ toolScopes })
    toolScopes.send.pop()
    expect((await handle(gate, message('tools/call', { name: 'send' }))).status).toBe(403)
  })
})

describe('the path', () => {
  it.each<[string, string, boolean]>([
    ['/mcp', '/mcp', true],
    ['/mcp', '/mcp/', true],
    ['/mcp', '/mcp/x/y', true],
    ['/mcp', '/MCP', true],
    ['/mcp', 'ftp://h/mcp', true],
    ['/mcp', '//h/mcp', true],
    ['/mcp', '/mcp2', false],
    ['/mcp', '/mc', false],
    ['/mcp', '/', false],
    ['/mcp', '/x/mcp', false],
    ['/mcp', '/%256dcp', true],
    ['/mcp', '/mcp%00', false],
    ['/mcp', '/mcp%2Fx', true],
    ['/mcp', '/%E0%A4%A/mcp', false],
    ['/m%C3%BCller/mcp', '/m%C3%BCller/%6dcp', true],
    ['/%6dcp', '/mcp', true],
    ['/a%2Fmcp', '/a/mcp', true],
    ['/mcp', `/${'%ff'.repeat(4000)}`, false],
    ['/mcp/', '/mcp', true],
    ['/a/mcp', '/a//mcp', true],
    ['/a/mcp', '/a/b/../mcp', true],
    ['/a/mcp', '\\a\\mcp', true],
    ['/', '/', true],
    ['/', '/anything', true],
    ['', '/anything', true],
  ])('endpoint %s, request %s: %s', async (path, url, isEndpoint) => {
    const gate = create({ audience: `https://api.example.com${path}` })
    // As Node has it: `Request` would resolve dots first.
    const request = Object.assign(
      new (await import('node:http')).IncomingMessage(new (await import('node:net')).Socket()),
      {
        method: 'GET',
        url,
      },
    )
    const result = await gate.handle(request)
    expect(result?.answer?.status).toBe(isEndpoint ? 401 : undefined)
  })
})

describe('an audience on this machine, for development', () => {
  const LOCAL = 'http://127.0.0.1:4312/mcp'

  it('has a path, metadata, and a challenge that names them', async () => {
    const gate = create({ audience: LOCAL, protectedResource: { resourceName: 'Messages' } })
    const refused = new Headers((await gate.handle(new Request(LOCAL)))?.answer?.headers)
    const metadata = 'http://127.0.0.1:4312/.well-known/oauth-protected-resource/mcp'
    expect(refused.get('www-authenticate')).toContain(`resource_metadata="${metadata}"`)
    const answer = (await gate.handle(new Request(metadata)))?.answer
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({
      resource: LOCAL,
      scopes_supported: ['read'],
      resource_name: 'Messages',
    })
  })

  it.each<[string, object]>([
    ['another machine', { audience: 'http://api.example.com/mcp' }],
    ['two audiences', { audience: [LOCAL, 'http://127.0.0.1:4313/mcp'] }],
    ['no metadata are wanted', { audience: LOCAL, protectedResource: false }],
  ])('%s: no path is known', (_, changes) => {
    expect(thrownBy(() => create(changes))).toMatchObject({ code: 'ERR_CONFIGURATION' })
  })
})

describe('other options', () => {
  it('optional: an anonymous caller passes, and cannot call a tool that needs a scope', async () => {
    const gate = create({ optional: true, toolScopes: { send: ['b'] } })
    const post = (body: unknown) =>
      gate.handle(
        new Request(AUDIENCE, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(body),
        }),
      )
    expect(await post({ method: 'ping' })).toMatchObject({ authInfo: undefined, body: { method: 'ping' } })
    expect((await post({ method: 'tools/call', params: { name: 'send' } }))?.answer?.status).toBe(401)
  })

  it("errors: 'throw'", async () => {
    const gate = create({ errors: 'throw', toolScopes: { send: ['b'] } })
    await expect(gate.handle(new Request(AUDIENCE))).rejects.toMatchObject({ code: 'ERR_TOKEN_MISSING' })
    await expect(handle(gate, { method: 'tools/call', params: { name: 'send' } })).rejects.toMatchObject({
      code: 'ERR_SCOPE_INSUFFICIENT',
      requiredScopes: ['read', 'b'],
    })
  })

  it('the request can still be read by the transport', async () => {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    const request = new Request(AUDIENCE, { method: 'POST', headers, body: '{"method":"ping"}' })
    const result = await create({ toolScopes: {} }).handle(request)
    expect(result).toMatchObject({ body: { method: 'ping' } })
    expect(await request.json()).toEqual({ method: 'ping' })
  })

  it('without toolScopes, no body is read', async () => {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    const request = new Request(AUDIENCE, { method: 'POST', headers, body: 'x' })
    const result = await create().handle(request)
    expect(result && 'body' in result).toBe(false)
    expect(request.bodyUsed).toBe(false)
  })

  it('a body that other code has read, and did not hand over: a programming error', async () => {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    const request = new Request(AUDIENCE, { method: 'POST', headers, body: '{}' })
    await request.text()
    await expect(create({ toolScopes: {} }).handle(request)).rejects.toMatchObject({
      code: 'ERR_CONFIGURATION',
    })
  })

  it('a polluted Object.prototype does not move the guard', async () => {
    const polluted = {
      path: '/elsewhere',
      authorizationServer: true,
      cors: false,
      initialScopes: ['x'],
      maxBodyBytes: 1,
    }
    for (const [name, value] of Object.entries(polluted))
      Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true })
    let gate: McpGate
    try {
      gate = create()
    } finally {
      for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name)
    }
    const result = await gate.handle(new Request(AUDIENCE))
    expect(result?.answer?.status).toBe(401)
    const headers = new Headers(result?.answer?.headers)
    expect(headers.get('www-authenticate')).toContain('scope="read"')
    expect(headers.get('access-control-allow-origin')).toBe('*')
  })

  it('a polluted Object.prototype accepts no other audience in other adapters', async () => {
    Object.defineProperty(Object.prototype, 'slashAfterHost', { value: true, configurable: true })
    let verifier: Authenticator['verifier']
    try {
      verifier = createAuthenticator({ ...base, audience: 'https://api.example.com' }).verifier
    } finally {
      Reflect.deleteProperty(Object.prototype, 'slashAfterHost')
    }
    const other = await issuer.issueToken({ audience: 'https://api.example.com/', scopes: ['read'] })
    await expect(verifier.verify(other)).rejects.toMatchObject({ code: 'ERR_AUDIENCE_NOT_ALLOWED' })
  })

  it('origins of extensions and desktop applications', async () => {
    for (const origin of ['chrome-extension://abcdef', 'vscode-webview://1b2c', 'tauri://localhost']) {
      const gate = create({ cors: [origin] })
      const result = await gate.handle(new Request(AUDIENCE, { headers: { Origin: origin } }))
      expect(new Headers(result?.answer?.headers).get('access-control-allow-origin')).toBe(origin)
    }
  })

  it('a body that other code has read is checked', async () => {
    const gate = create({ toolScopes: { send: ['b'] } })
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    const body = { method: 'tools/call', params: { name: 'send' } }
    const request = new Request(AUDIENCE, { method: 'POST', headers, body: JSON.stringify(body) })
    const parsed = await request.json()
    expect((await gate.handle(request, parsed))?.answer?.status).toBe(403)
  })
})
