import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import {
  discoverOAuthProtectedResourceMetadata,
  extractWWWAuthenticateParams,
} from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { createVerifier } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { brokenLinks, localLinks, markdownFiles, read, snippetsIn } from '../docs/markdown.js'
import { Consumer, ROOT, sizeOf } from '../support/packed.js'
import { redisPath } from '../support/redis.js'
import { describeGuides } from './guides.js'
import { RIGHT, wrongPrograms } from './programs.js'

/** What users install is what is tested here: the tarballs, not the source. */
let consumer: Consumer
beforeAll(async () => {
  consumer = await Consumer.create()
})
afterAll(() => consumer.remove())

/** The snippets of all documents that name a file of the examples. test/docs compares them with the files. */
async function readmeSnippets(): Promise<Map<string, string>> {
  const documents = await Promise.all((await markdownFiles()).map(read))
  const snippets = documents.flatMap(snippetsIn)
  return new Map(snippets.flatMap(({ example, code }) => (example === undefined ? [] : [[example, code]])))
}

/**
 * Starts snippets that serve, unchanged and in a project of their own, all in one process.
 *
 * @returns what sends requests to one of them, with and without a token
 */
async function serveSnippets(files: readonly string[], issuer: string) {
  const snippets = await readmeSnippets()
  const programs = await Promise.all(
    files.map((file) =>
      consumer.write(file.replaceAll('/', '-'), snippets.get(file) ?? expect.fail(`There is no ${file}`)),
    ),
  )
  const urls = await consumer.serve(programs, { PORT: '0', TELNYX_AUTH_ISSUER: issuer })
  return (file: string) => {
    const url = urls[files.indexOf(file)] ?? expect.fail(`${file} was not started`)
    return (path: string, token?: string, init: RequestInit = {}) =>
      fetch(url + path, {
        ...init,
        ...(token !== undefined && { headers: { ...init.headers, authorization: `Bearer ${token}` } }),
      })
  }
}

const METADATA = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'

describe('the snippets of the README', () => {
  let issuer: MockIssuer
  let askOf: Awaited<ReturnType<typeof serveSnippets>>
  beforeAll(async () => {
    issuer = await createMockIssuer({ algorithm: 'ES256' })
    const names = [
      ...['express', 'koa', 'fastify', 'hono', 'mcp'].map((framework) => `${framework}/server.js`),
      ...['express', 'koa', 'fastify'].map((framework) => `${framework}/custom.js`),
      ...['hono', 'express-v2', 'node-http'].map((name) => `mcp/${name}.js`),
    ]
    askOf = await serveSnippets(
      names.map((name) => `examples/${name}`),
      await issuer.listen(),
    )
  })
  afterAll(() => issuer.close())

  it.each([
    ['express', `Bearer realm="api", ${METADATA}`],
    ['koa', `Bearer realm="api", ${METADATA}`],
    ['fastify', `Bearer realm="api", scope="messaging.read", ${METADATA}`],
    ['hono', `Bearer realm="api", ${METADATA}`],
  ])('%s/server.js runs unchanged', async (framework, challengeOfMessages) => {
    const ask = askOf(`examples/${framework}/server.js`)
    const missing = await ask('/me')
    expect([missing.status, missing.headers.get('www-authenticate')]).toEqual([
      401,
      `Bearer realm="api", ${METADATA}`,
    ])
    expect((await ask('/messages')).headers.get('www-authenticate')).toBe(challengeOfMessages)
    const scopes = ['messaging.read']
    const token = await issuer.issueToken({ subject: 'user-1', clientId: 'client-1', scopes })
    expect(await (await ask('/me', token)).json()).toEqual({
      subject: 'user-1',
      clientId: 'client-1',
      scopes,
    })
    expect(await (await ask('/messages', token)).json()).toEqual({ messages: [] })
    expect((await ask('/messages', await issuer.issueToken())).status).toBe(403)
    expect((await ask('/me', await issuer.issueToken({ audience: 'urn:other' }))).status).toBe(401)
    expect(await (await ask('/.well-known/oauth-protected-resource')).json()).toMatchObject({
      resource: 'https://api.example.com',
    })
  })

  it.each(['express', 'koa', 'fastify'])('%s/custom.js runs unchanged', async (framework) => {
    const ask = askOf(`examples/${framework}/custom.js`)
    expect(await (await ask('/greeting')).json()).toEqual({ greeting: 'Hello, guest' })
    const token = await issuer.issueToken({ clientId: 'client-1' })
    expect(await (await ask('/greeting', token)).json()).toEqual({ greeting: 'Hello, client-1' })
    expect(await (await ask('/account', token)).json()).toEqual({ client: 'client-1' })
    for (const [path, sent, code] of [
      ['/account', undefined, 'ERR_TOKEN_MISSING'],
      ['/greeting', await issuer.issueToken({ expiresInSeconds: -60 }), 'ERR_TOKEN_EXPIRED'],
    ] as const) {
      const response = await ask(path, sent)
      expect(response.status).toBe(401)
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/)
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer realm="api".*resource_metadata=/)
      expect(await response.json()).toEqual({ status: 401, title: code })
    }
  })

  it('custom.js leaves a mistake of the program to the framework', async () => {
    const snippets = await readmeSnippets()
    const frameworks = ['express', 'koa', 'fastify']
    // The mistake: nothing authenticates the caller before the guard.
    const install = /^(?:await )?app\.(?:use|register)\(telnyxAuth.*?\}\)+$/ms
    const programs = frameworks.map(async (framework) => {
      const snippet = snippets.get(`examples/${framework}/custom.js`) ?? ''
      expect(snippet).toMatch(install)
      return consumer.write(`${framework}-mistake.js`, snippet.replace(install, ''))
    })
    for (const url of await consumer.serve(await Promise.all(programs), { PORT: '0' })) {
      const response = await fetch(`${url}/account`)
      expect(response.status).toBe(500)
      expect(response.headers.get('content-type')).not.toMatch(/problem/)
    }
  })

  it.each(['hono', 'express-v2', 'node-http'])('mcp/%s.js runs unchanged', async (name) => {
    const ask = askOf(`examples/mcp/${name}.js`)
    const token = await issuer.issueToken({
      audience: 'https://api.example.com/mcp',
      scopes: ['messaging.read'],
      clientId: 'client-1',
    })
    const call = async (tool: string) => {
      const response = await ask('/mcp', token, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool } }),
      })
      return [response.status, await response.text()]
    }
    expect((await ask('/mcp', undefined, { method: 'POST' })).status).toBe(401)
    expect(await call('whoami')).toEqual([200, expect.stringContaining('client-1 may messaging.read')])
    expect(await call('send_message')).toEqual([403, expect.stringContaining('insufficient_scope')])
  })

  it('mcp/server.js runs unchanged: a client that knows only the URL finds everything', async () => {
    const ask = askOf('examples/mcp/server.js')
    const endpoint = 'https://api.example.com/mcp'
    // The client believes that it is there.
    const fetchFn = (input: string | URL, init?: RequestInit) => {
      const { origin, pathname } = new URL(input)
      expect(origin).toBe('https://api.example.com')
      return ask(pathname, undefined, init)
    }

    const refused = await fetchFn(endpoint, { method: 'POST' })
    expect([refused.status, extractWWWAuthenticateParams(refused)]).toEqual([
      401,
      {
        resourceMetadataUrl: new URL('https://api.example.com/.well-known/oauth-protected-resource/mcp'),
        scope: 'messaging.read',
      },
    ])
    // With what the challenge says, and without.
    for (const hints of [extractWWWAuthenticateParams(refused), {}])
      expect(await discoverOAuthProtectedResourceMetadata(endpoint, hints, fetchFn)).toEqual({
        resource: endpoint,
        authorization_servers: [issuer.issuer],
        scopes_supported: ['messaging.read'],
        bearer_methods_supported: ['header'],
      })
    expect((await ask('/elsewhere')).status).toBe(404)

    const options = { audience: endpoint, clientId: 'client-1', scopes: ['messaging.read'] }
    const headers = { authorization: `Bearer ${await issuer.issueToken(options)}` }
    const client = new Client({ name: 'test', version: '1.0.0' })
    onTestFinished(() => client.close())
    await client.connect(
      new StreamableHTTPClientTransport(new URL(endpoint), { fetch: fetchFn, requestInit: { headers } }),
    )
    expect(await client.callTool({ name: 'whoami' })).toMatchObject({
      content: [{ text: 'client-1 may messaging.read' }],
    })
  })

  it('metrics/server.js runs unchanged', async () => {
    // In a process of its own: it counts the tokens of all verifiers.
    const file = 'examples/metrics/server.js'
    const ask = (await serveSnippets([file], issuer.issuer))(file)
    expect((await ask('/', await issuer.issueToken())).status).toBe(200)
    expect((await ask('/', await issuer.issueToken({ expiresInSeconds: -60 }))).status).toBe(401)
    expect((await ask('/')).status).toBe(401)
    expect(await (await ask('/ready')).json()).toMatchObject({ ready: true, issuer: issuer.issuer })
    const metrics = await (await ask('/metrics')).text()
    expect(metrics).toContain('auth_tokens_total{code="OK"} 1\n')
    expect(metrics).toContain('auth_tokens_total{code="ERR_TOKEN_EXPIRED"} 1\n')
    expect(metrics).toContain('auth_tokens_total{code="ERR_TOKEN_MISSING"} 1\n')
    expect(metrics).toMatch(/^auth_keys_age_seconds [\d.e-]+$/m)
  })

  it('standalone/token.js runs unchanged', async () => {
    const code = (await readmeSnippets()).get('examples/standalone/token.js') ?? ''
    const program = await consumer.write('token.js', code)
    const env = { TELNYX_AUTH_ISSUER: issuer.issuer, TELNYX_AUTH_AUDIENCE: 'https://api.example.com' }
    const token = await issuer.issueToken({ clientId: 'client-1', scopes: ['messaging.read'] })
    expect(await consumer.run(program, env, [token])).toEqual({
      code: 0,
      output: 'client-1 may messaging.read\n',
    })
  })

  it('standalone/verify.js runs unchanged', async () => {
    const code = (await readmeSnippets()).get('examples/standalone/verify.js') ?? ''
    await consumer.write('verify.js', code)
    const program = await consumer.write(
      'use-verify.js',
      `import { handle } from './verify.js'
      const url = 'https://api.example.com'
      for (const token of process.env.TOKENS.split(' ')) {
        const response = await handle(new Request(url, { headers: { authorization: 'Bearer ' + token } }))
        console.log(response.status, await response.text())
      }
      const response = await handle(new Request(url + '/.well-known/oauth-protected-resource'))
      console.log(response.status, await response.text())`,
    )
    const tokens = [
      await issuer.issueToken({ clientId: 'client-1', scopes: ['messaging.read'] }),
      await issuer.issueToken(),
    ]
    const { code: exit, output } = await consumer.run(program, {
      TELNYX_AUTH_ISSUER: issuer.issuer,
      TOKENS: tokens.join(' '),
    })
    expect(exit, output).toBe(0)
    expect(output.split('\n')).toEqual([
      '200 {"caller":"client-1"}',
      expect.stringMatching(/^403 .*ERR_SCOPE_INSUFFICIENT/),
      expect.stringMatching(/^200 \{"resource":"https:\/\/api.example.com",/),
      '',
    ])
  })
})

describe('the guides', () => describeGuides(() => consumer))

describe('the test kit', () => {
  /** What a developer has exported for an issuer in another terminal. The tests have their own. */
  const EXPORTED = { TELNYX_AUTH_ISSUER: 'http://127.0.0.1:4010', TELNYX_AUTH_AUDIENCE: 'urn:other' }

  beforeAll(async () => {
    for (const file of ['app.js', 'routes.test.js', 'outage.test.js', 'sign-in.test.js', 'dpop.test.js'])
      await consumer.write(file, (await readmeSnippets()).get(`examples/testing/${file}`) ?? '')
  })

  it('routes.test.js passes in vitest', async () => {
    const vitest = consumer.path('node_modules/vitest/vitest.mjs')
    const { code, output } = await consumer.run(vitest, EXPORTED, [
      'run',
      'routes.test.js',
      '--reporter=json',
    ])
    expect(code, output).toBe(0)
    expect(output).toContain('"numPassedTests":10')
  })

  it.each([
    ['outage.test.js', 4],
    ['sign-in.test.js', 2],
    ['dpop.test.js', 2],
  ])('%s passes in node:test', async (file, count) => {
    const { code, output } = await consumer.run('--test', EXPORTED, [file])
    expect(code, output).toBe(0)
    expect(output).toMatch(new RegExp(`^(?:#|ℹ) pass ${count}$`, 'm'))
  })

  describe('in a CommonJS project', () => {
    beforeAll(async () => {
      await consumer.write('commonjs/package.json', '{ "type": "commonjs" }')
      for (const file of ['app.js', 'jest.config.js', 'routes.test.js', 'routes.node.js'])
        await consumer.write(`commonjs/${file}`, (await readmeSnippets()).get(`examples/jest/${file}`) ?? '')
    })

    it('routes.test.js passes in Jest', async () => {
      const { code, output } = await consumer.run(
        consumer.path('node_modules/jest/bin/jest.js'),
        { ...EXPORTED, CI: 'true' },
        ['--config', 'commonjs/jest.config.js', '--cacheDirectory', 'commonjs/cache', '--json'],
      )
      expect(code, output).toBe(0)
      expect(output).toContain('"numPassedTests":6')
    })

    it('routes.node.js passes in node:test', async () => {
      const { code, output } = await consumer.run('--test', EXPORTED, ['commonjs/routes.node.js'])
      expect(code, output).toBe(0)
      expect(output).toMatch(/^(?:#|ℹ) pass 1$/m)
    })
  })
})

describe('npx @telnyx-auth/mock-issuer', () => {
  /** The command that npx would run: there is only one. */
  async function commandFile(): Promise<string> {
    const { bin } = await consumer.manifest('@telnyx-auth/mock-issuer')
    const [file, ...more] = Object.values(Object(bin))
    expect(more).toEqual([])
    return consumer.path('node_modules/@telnyx-auth/mock-issuer', String(file))
  }

  // By default the issuer generates an RSA key, which takes as long as all else.
  const FAST = ['--port', '0', '--algorithm', 'ES256']

  /** Starts it, and waits until it has said all. */
  async function start(...args: string[]) {
    const child = spawn(process.execPath, [await commandFile(), ...args], {
      cwd: consumer.directory,
      env: {},
    })
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    const exited = once(child, 'exit')
    let output = ''
    for await (const piece of child.stdout) {
      output += piece
      if (/authorize\S*\n$/.test(output)) break
    }
    return { child, exited, output }
  }

  it('starts with #!, so that it is a command', async () => {
    expect(await readFile(await commandFile(), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  })

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'its curl lines work as printed, and %s ends it',
    async (signal) => {
      const { child, exited, output } = await start('--port', '0')
      const lines = [...output.matchAll(/^ +# (.+)\n +(curl .+)$/gm)]
      const shell = async (line = '') => (await promisify(execFile)('bash', ['-c', line])).stdout
      expect(lines.map(([, title]) => title)).toEqual([
        'an access token; for an API with another audience, add -d resource=<its audience>',
        'what the issuer says of one',
        'all clients',
        'one more client',
        'a user signs in; in a browser, it is a page',
      ])
      const [token, introspection, clients, registration, page] = await Promise.all(
        lines.map(([, , line]) => shell(line)),
      )
      expect(JSON.parse(token ?? '')).toMatchObject({ token_type: 'Bearer', expires_in: 3600 })
      const [, hint = '', tokenLine = ''] = lines[0] ?? []
      const flag = /add (.+)<its audience>/.exec(hint)?.[1] ?? expect.fail('no hint')
      const { access_token } = JSON.parse(await shell(`${tokenLine} ${flag}urn:other`))
      expect(decodeJwt(access_token).aud).toBe('urn:other')
      expect(JSON.parse(introspection ?? '')).toMatchObject({ active: true, aud: 'https://api.example.com' })
      expect(JSON.parse(clients ?? '').data[0]).toMatchObject({ name: 'Test client' })
      expect(JSON.parse(registration ?? '')).toMatchObject({ client_name: 'My app' })
      expect(page).toContain('<title>Allow Test client?</title>')
      child.kill(signal)
      expect(await exited).toEqual([0, null])
    },
  )

  it('prints what an API and the official SDK need to find it', async () => {
    const { output } = await start(...FAST, '--api-key', 'KEY', '--audience', 'urn:mine')
    const [, url] = /^issuer +(http:\/\/127\.0\.0\.1:\d+)$/m.exec(output) ?? []
    expect(output).toContain(`  TELNYX_AUTH_ISSUER=${url} TELNYX_AUTH_AUDIENCE=urn:mine node server.js\n`)
    expect(output).toContain(`  TELNYX_BASE_URL=${url}/v2 TELNYX_API_KEY=KEY node script.js\n`)
    const metadata = await fetch(/^metadata +(.+)$/m.exec(output)?.[1] ?? '')
    expect(await metadata.json()).toMatchObject({ issuer: url })
    expect((await fetch(/^JWK Set +(.+)$/m.exec(output)?.[1] ?? '')).status).toBe(200)
  })

  it('serves the page to try tokens on, with the checks of the verifier that is installed beside it', async () => {
    const { output } = await start(...FAST)
    const url = /^try tokens (http:.+)$/m.exec(output)?.[1] ?? ''
    expect(await (await fetch(url)).text()).toContain('src="/token-page/main.js"')
    for (const file of ['main.js', 'style.css'])
      expect((await fetch(`${url}token-page/${file}`)).status).toBe(200)
    const ask = async (path: string, body: object) => {
      const headers = { origin: new URL(url).origin, 'content-type': 'application/json' }
      const init = { method: 'POST', headers, body: JSON.stringify(body) }
      const answer: Record<string, unknown> = Object(
        await (await fetch(`${url}token-page/${path}`, init)).json(),
      )
      return answer
    }
    const audience = 'https://api.example.com'
    const form = { clientId: '', subject: '', scopes: [], audience, expiresInSeconds: 60, algorithm: 'ES256' }
    const { token } = await ask('issue', form)
    expect(await ask('check', { token, audience, apiUrl: url })).toMatchObject({
      active: true,
      verdict: { outcome: 'accepted' },
    })
  })

  it('takes an issuer, an algorithm, a typ and clients', async () => {
    const clients = [{ clientId: "it's", clientSecret: 'a b&c%\u001b[31m', name: 'Seeded', scopes: ['a'] }]
    await consumer.write('clients.json', JSON.stringify(clients))
    const options = ['--issuer', 'https://as.example.com/t', '--algorithm', 'ES256', '--typ', 'none']
    const { output } = await start('--port', '0', ...options, '--clients', 'clients.json')
    expect(output).toMatch(/^issuer +https:\/\/as\.example\.com\/t$/m)
    expect(output).toMatch(
      /^metadata +http:\/\/127\.0\.0\.1:\d+\/\.well-known\/oauth-authorization-server\/t$/m,
    )
    const line = /# an access token; .+\n +(curl .+)$/m.exec(output)?.[1] ?? ''
    const { stdout } = await promisify(execFile)('bash', ['-c', line])
    const { access_token } = JSON.parse(stdout)
    expect(output).toContain('  secret   a b&c%%1B[31m\n')
    expect(decodeProtectedHeader(access_token)).toEqual({ alg: 'ES256', kid: expect.any(String) })
    expect(decodeJwt(access_token)).toMatchObject({
      iss: 'https://as.example.com/t',
      client_id: "it's",
      scope: 'a',
    })
  })

  it('shows how a public client signs a user in', async () => {
    await consumer.write('public.json', `\ufeff${JSON.stringify([{ clientType: 'public' }])}`)
    const { output } = await start(...FAST, '--clients', 'public.json')
    const [, verifier = '', line = ''] = /the code_verifier (\S+);.*\n +(curl .+)$/m.exec(output) ?? []
    const challenge = createHash('sha256').update(verifier).digest('base64url')
    expect(line).toContain(`&code_challenge=${challenge}&code_challenge_method=S256`)
    const { stdout } = await promisify(execFile)('bash', ['-c', line])
    expect(stdout).toContain('<title>Allow Unnamed client?</title>')
    expect(output).not.toContain('an access token')
  })

  it('when it listens on all addresses, it says one that can be asked', async () => {
    const { output } = await start(...FAST, '--host', '0.0.0.0')
    const [, url = ''] = /^issuer +(.+)$/m.exec(output) ?? []
    expect(new URL(url).hostname).toBe('127.0.0.1')
    expect((await fetch(`${url}/v2/oauth/jwks`)).status).toBe(200)
    // What an API would be given.
    expect(() => createVerifier({ issuer: url, audience: 'urn:mine' })).not.toThrow()
  })

  it('ends in peace when it is told twice', async () => {
    const { child, exited } = await start(...FAST)
    child.kill('SIGINT')
    child.kill('SIGINT')
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  })

  it('works when its output is not read', async () => {
    const args = ['-c', `"$0" "$1" --help | true; exit "\${PIPESTATUS[0]}"`]
    const { stderr } = await promisify(execFile)('bash', [...args, process.execPath, await commandFile()])
    expect(stderr).toBe('')
  })

  const mistakes: readonly (readonly [string[], string])[] = [
    [['--prot', '1'], '--prot'],
    [['4010'], 'two hyphens'],
    [['--port', 'x'], '--port must be a number from 0 to 65535'],
    [['--port', '65536'], '--port must be a number from 0 to 65535'],
    [['--port', ''], '--port must be a number from 0 to 65535'],
    [['--algorithm', 'HS256'], '--algorithm must be one of RS256,'],
    [['--issuer', 'ftp://x'], '"issuer"'],
    [['--api-key', 'a b'], '"apiKey"'],
    [['--clients', 'none.json'], '--clients: the file cannot be read (ENOENT)'],
    [['--clients', 'empty.js'], '--clients: the file is not JSON'],
    [['--clients', 'package.json'], '--clients: the file is not a JSON array'],
    [['--clients', 'bad-clients.json'], '"policyUri" of a client must be an http or https URL'],
    [['--clients', 'no-clients.json'], 'A client must be an object'],
    [['--clients', 'escapes.json'], '"clientId" of a client must not contain control characters'],
    [['--typ', ''], '--typ must not be empty'],
    [['--audience', ''], '"audience"'],
    [['--host', ''], '"host" must not be empty'],
    [['--host', 'no.such.host.invalid'], 'no.such.host.invalid'],
  ]

  describe('when it ends by itself', () => {
    /** What it does with these arguments. */
    let outcomeOf: (args: readonly string[]) => { code: number; output: string }
    let port: string
    beforeAll(async () => {
      await consumer.write('empty.js', '')
      await consumer.write('bad-clients.json', '[{"policyUri":"javascript:alert(1)"}]')
      await consumer.write('no-clients.json', '[null]')
      await consumer.write('escapes.json', '[{"clientId":"\\u001b[31mred"}]')
      const issuer = await createMockIssuer({ algorithm: 'ES256' })
      port = new URL(await issuer.listen()).port
      const calls = [['--help'], ['--version'], ['--port', port], ...mistakes.map(([args]) => args)]
      const outcomes = await consumer.runEach(await commandFile(), calls)
      await issuer.close()
      outcomeOf = (args) =>
        outcomes[calls.findIndex((call) => call.join() === args.join())] ?? expect.fail('There is no outcome')
    })

    it('tells what it takes', async () => {
      const { code, output } = outcomeOf(['--help'])
      expect(code).toBe(0)
      for (const option of ['port', 'host', 'issuer', 'algorithm', 'typ', 'audience', 'api-key', 'clients'])
        expect(output).toContain(`--${option} <`)
      const { version } = await consumer.manifest('@telnyx-auth/mock-issuer')
      expect(outcomeOf(['--version'])).toEqual({ code: 0, output: `${version}\n` })
    })

    it.each(mistakes)('%j is refused with a message', (args, message) => {
      const { code, output } = outcomeOf(args)
      expect(code).toBe(1)
      expect(output).toContain(message)
      expect(output).toContain('--help')
      expect(output).not.toContain('    at ')
    })

    it('says so when the port is taken', () => {
      const { code, output } = outcomeOf(['--port', port])
      expect([code, output]).toEqual([1, expect.stringContaining('The port is in use')])
    })
  })
})

it('npx @telnyx-auth/cli: one command, which finds core and the mock issuer', async () => {
  const { bin, version } = await consumer.manifest('@telnyx-auth/cli')
  const [file, ...more] = Object.values(Object(bin)).map(String)
  expect(more).toEqual([])
  const command = consumer.path('node_modules/@telnyx-auth/cli', file ?? '')
  expect(await readFile(command, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)

  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  const url = await issuer.listen()
  onTestFinished(() => issuer.close())
  const env = { TELNYX_AUTH_TOKEN: await issuer.issueToken(), TELNYX_AUTH_AUDIENCE: issuer.audience }
  const run = (...args: string[]) => consumer.run(command, { TELNYX_AUTH_ISSUER: url, ...env }, args)
  expect(await run('--version')).toEqual({ code: 0, output: `${version}\n` })
  expect(await run('explain')).toMatchObject({ code: 0, output: expect.stringContaining('is accepted') })
  expect(await run('doctor')).toMatchObject({ code: 0, output: expect.stringContaining('✓ keys') })
  expect(await run('issuer', '--help')).toMatchObject({ code: 0, output: expect.stringContaining('--port') })
  expect((await run('doctor', '--prot')).code).toBe(2)
})

it('mcp/app.test.js passes: an MCP server is tested in process, as its README shows', async () => {
  for (const name of ['app.js', 'app.test.js'])
    await consumer.write(name, await readFile(join(ROOT, 'examples/mcp', name), 'utf8'))
  const { code, output } = await consumer.run('--test', {}, ['app.test.js'])
  expect({ code, output }).toMatchObject({ code: 0, output: expect.stringMatching(/^. pass 2$/m) })
})

it('mcp/demo.js prints what its README shows: the way from a URL to a tool, and to one that needs more', async () => {
  for (const name of ['server.js', 'demo.js'])
    await consumer.write(name, await readFile(join(ROOT, 'examples/mcp', name), 'utf8'))
  const { code, output } = await consumer.run(consumer.path('demo.js'))
  const [, transcript] =
    /```text\n(.*?)```/s.exec(await readFile(join(ROOT, 'examples/mcp/README.md'), 'utf8')) ?? []
  expect([code, output]).toEqual([0, transcript])
})

it.skipIf(redisPath === undefined)(
  'fleet/demo.js prints what its README shows: a stolen proof is accepted once',
  async () => {
    for (const name of ['server.js', 'demo.js'])
      await consumer.write(name, await readFile(join(ROOT, 'examples/fleet', name), 'utf8'))
    const { code, output } = await consumer.run(consumer.path('demo.js'), { PATH: process.env.PATH })
    const [, transcript] =
      /```text\n(.*?)```/s.exec(await readFile(join(ROOT, 'examples/fleet/README.md'), 'utf8')) ?? []
    expect([code, output]).toEqual([0, transcript])
  },
)

/** The adapters, what each one needs beside core, and the most lines that it may have. */
const ADAPTERS: readonly [string, string[], Record<string, string>, number][] = [
  ['express', [], { express: '^4.18.0 || ^5.0.0' }, 99],
  ['koa', [], { koa: '^2.15.0 || ^3.0.0' }, 99],
  ['fastify', ['fastify-plugin'], { fastify: '^5.0.0' }, 99],
  ['hono', [], { hono: '^4.0.0' }, 40],
]

describe('the tarballs', () => {
  it.each(
    ['cli', 'core', 'express', 'koa', 'fastify', 'hono', 'mcp', 'mock-issuer'].map(
      (name) => `@telnyx-auth/${name}`,
    ),
  )('%s is as it should be', async (name) => {
    const manifest = await consumer.manifest(name)
    expect(manifest).toMatchObject({
      type: 'module',
      sideEffects: false,
      license: 'MIT',
      engines: { node: '>=20.19' },
    })
    // The condition that finds our source is only for this workspace.
    expect(JSON.stringify(manifest.exports)).not.toContain('source')
    expect(JSON.stringify(manifest.dependencies)).not.toMatch(/workspace:|catalog:/)
    for (const file of ['README.md', 'LICENSE']) await readFile(consumer.path('node_modules', name, file))
  })

  it('core depends on jose and at most one package more, and stays under 800 KiB with them', async () => {
    const dependencies = Object.keys((await consumer.manifest('@telnyx-auth/core')).dependencies ?? {})
    expect(dependencies).toContain('jose')
    expect(dependencies.length).toBeLessThanOrEqual(2)
    const installed = ['@telnyx-auth/core', ...dependencies].map((name) =>
      sizeOf(consumer.path('node_modules', name)),
    )
    const bytes = (await Promise.all(installed)).reduce((sum, size) => sum + size, 0)
    expect(bytes).toBeLessThan(800 * 1024)
  })

  it.each(ADAPTERS)(
    '%s: the adapter is short, and needs core and its framework',
    async (name, others, peers, lines) => {
      const source = await readFile(join(ROOT, 'packages', name, 'src/index.ts'), 'utf8')
      expect(source.trimEnd().split('\n').length).toBeLessThanOrEqual(lines)
      expect(await readdir(join(ROOT, 'packages', name, 'src'))).toEqual(['index.ts'])
      const manifest = await consumer.manifest(`@telnyx-auth/${name}`)
      expect(Object.keys(manifest.dependencies ?? {})).toEqual(['@telnyx-auth/core', ...others])
      expect(manifest.peerDependencies).toEqual(peers)
    },
  )

  it('the documents link only to what is installed with them, and to headings of it', async () => {
    const root = consumer.path('node_modules/@telnyx-auth')
    const documents = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.md'))
    expect(documents).toEqual(expect.arrayContaining(['mcp/README.md', 'core/docs/errors.md']))
    for (const file of documents) {
      const name = `@telnyx-auth/${file.split('/')[0]}`
      const installed = [name, ...Object.keys((await consumer.manifest(name)).dependencies ?? {})]
      const strange = localLinks(file, await readFile(join(root, file), 'utf8')).filter(
        ({ path }) => !installed.includes(`@telnyx-auth/${path.split('/')[0]}`),
      )
      expect([file, strange, await brokenLinks(root, file)]).toEqual([file, [], []])
    }
  })

  it('core is a few files, and both signature engines are among them', async () => {
    const dist = consumer.path('node_modules/@telnyx-auth/core/dist')
    const files = (await readdir(dist, { recursive: true })).filter((name) => name.endsWith('.js'))
    expect(files.length).toBeLessThanOrEqual(8)
    for (const engine of ['node', 'web']) {
      const url = pathToFileURL(join(dist, `token/signature-engine-${engine}.js`)).href
      const { signatureEngine }: { signatureEngine?: object } = await import(url)
      expect(signatureEngine).toHaveProperty('parsePublicKey')
    }
  })

  it.each(ADAPTERS)('%s: the adapter re-exports core', async (name) => {
    const load = (name: string): Promise<object> =>
      import(pathToFileURL(consumer.path('node_modules', name, 'dist/index.js')).href)
    const core = Object.keys(await load('@telnyx-auth/core'))
    const own = ['telnyxAuth', 'requireAuth', 'requireScopes', 'getAuth']
    expect(Object.keys(await load(`@telnyx-auth/${name}`)).sort()).toEqual([...core, ...own].sort())
  })

  it('with an empty environment, telnyxAuth() ends the program and says how to go on', async () => {
    const program = await consumer.write(
      'empty.js',
      "import { telnyxAuth } from '@telnyx-auth/express'\ntelnyxAuth()\n",
    )
    const { code, output } = await consumer.run(program)
    expect(code).toBe(1)
    expect(output).toContain('set the option "audience" or the environment variable TELNYX_AUTH_AUDIENCE')
  })

  it('importing them has no effect that keeps a process alive', async () => {
    const frameworks = ['express', 'koa', 'fastify', 'hono']
    const mcp = ['mcp', 'mcp/v1', ...frameworks.map((name) => `mcp/${name}`)]
    const names = ['cli', 'core', 'core/adapter', ...frameworks, ...mcp, 'mock-issuer']
    const program = await consumer.write(
      'import.js',
      names.map((name) => `import '@telnyx-auth/${name}'\n`).join(''),
    )
    expect(await consumer.run(program)).toEqual({ code: 0, output: '' })
  })
})

/** The right program and the wrong ones for a framework, by names that start with that of the framework. */
const programsOf = (name: string): Record<string, string> => ({
  [`${name}-right`]: RIGHT[name] ?? '',
  ...Object.fromEntries(wrongPrograms(name).map(({ source }, index) => [`${name}-wrong-${index}`, source])),
})

describe('TypeScript', () => {
  const LATE = `
    import { requireScopes } from '@telnyx-auth/fastify'
    import fastify from 'fastify'
    fastify().get('/', { onSend: requireScopes('a') }, async () => 'x')
  `
  const MCP_SERVER = `
    import './mcp-sdk.js'
    import { createTokenVerifier } from '@telnyx-auth/mcp/v1'
    import { createMcpGate, type McpAuthOptions, toAuthInfo, type ToolScopes } from '@telnyx-auth/mcp'
    import { mcpAuth } from '@telnyx-auth/mcp/express'
    import { mcpAuth as forFastify } from '@telnyx-auth/mcp/fastify'
    import { mcpAuth as forHono } from '@telnyx-auth/mcp/hono'
    import { mcpAuth as forKoa } from '@telnyx-auth/mcp/koa'
    import type { OAuthTokenVerifier } from '@modelcontextprotocol/sdk/server/auth/provider.js'
    import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js'
    import { createVerifier } from '@telnyx-auth/core'
    import express from 'express'
    import fastify from 'fastify'
    import { Hono } from 'hono'
    import Koa from 'koa'

    const toolScopes: ToolScopes = { send_message: ['messaging.write'] }
    const options: McpAuthOptions = { audience: 'https://api.example.com/mcp', toolScopes, cors: ['https://a.example'] }
    const app = express()
    app.use(mcpAuth(options))
    app.post('/mcp', mcpAuth(options), (req, res) => {
      const caller: AuthInfo | undefined = req.auth
      res.json(caller?.extra)
    })
    new Koa().use(forKoa(options))
    await fastify().register(forFastify, options)
    new Hono().use(forHono({ ...options, getToken: undefined })).get('/', (c) => c.json(c.var.authInfo?.clientId))
    export const verifier: OAuthTokenVerifier = createTokenVerifier({ audience: 'https://api.example.com/mcp' })
    export const info: AuthInfo = toAuthInfo(await createVerifier().verify('x'))
    export const result = await createMcpGate(options).handle(new Request('https://api.example.com/mcp'))
    // @ts-expect-error -- the name of an option is wrong
    mcpAuth({ toolscopes })
    // @ts-expect-error -- scopes are a list
    mcpAuth({ toolScopes: { send: 'messaging.write' } })
  `
  /** The types of SDK v2 need none of browsers, and exclude those of v1. */
  const MCP_V2 = `
    import { requireBearerAuth } from '@modelcontextprotocol/express'
    import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
    import { getAuth } from '@telnyx-auth/express'
    import { createTokenVerifier, toAuthInfo } from '@telnyx-auth/mcp'
    import { mcpAuth } from '@telnyx-auth/mcp/express'
    import express from 'express'

    const app = express()
    app.use(mcpAuth({ audience: 'https://api.example.com/mcp' }))
    app.use(requireBearerAuth({ verifier: createTokenVerifier({ audience: 'https://api.example.com/mcp' }) }))
    export const handler = createMcpHandler(() => new McpServer({ name: 'x', version: '1' }))
    app.get('/', async (req, res) => {
      await handler.fetch(new Request('https://x'), { authInfo: toAuthInfo(getAuth(req)) })
      res.json({})
    })
  `
  const BESIDE_MCP = `
    import './mcp-sdk.js'
    import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js'
    import { type Auth, getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
    import express from 'express'

    const app = express()
    app.use(telnyxAuth())
    app.get('/', requireScopes('a'), (req, res) => {
      const theirs: AuthInfo | undefined = req.auth
      const auth: Auth = getAuth(req)
      res.json([theirs?.clientId, auth.subject])
    })
  `
  // Two compilations of all programs: the declarations of Hono and of the MCP SDK use types of browsers.
  const browser = { lib: ['es2023', 'dom', 'dom.iterable'], types: ['node'] }
  let mcp: Record<string, string>
  let errors: (program: string) => readonly string[]
  beforeAll(async () => {
    // The declaration of the MCP SDK, in a place from which this workspace's links lead to the same Express as ours.
    const middleware = 'dist/esm/server/auth/middleware/bearerAuth.d.ts'
    const theirs = await readFile(consumer.path('node_modules/@modelcontextprotocol/sdk', middleware), 'utf8')
    const [declaration = ''] = /^declare module 'express-serve-static-core' \{.*?^\}/ms.exec(theirs) ?? []
    mcp = {
      'mcp-sdk.d': `import { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js'\n${declaration}`,
      'beside-mcp': BESIDE_MCP,
      'mcp-server': MCP_SERVER,
    }
    const errorsWithoutBrowser = await consumer.compile({
      ...programsOf('express'),
      ...programsOf('koa'),
      ...programsOf('fastify'),
      'fastify-late': LATE,
      'mock-issuer-right': RIGHT['mock-issuer'] ?? '',
    })
    const errorsWithBrowser = await consumer.compile({ ...programsOf('hono'), ...mcp }, browser)
    const errorsWithV2 = await consumer.compile({ 'mcp-v2': MCP_V2 })
    errors = (program) => [
      ...errorsWithoutBrowser(program),
      ...errorsWithBrowser(program),
      ...errorsWithV2(program),
    ]
  })

  describe.each(ADAPTERS.map(([name]) => name))('%s', (name) => {
    it('compiles what is right', () => {
      expect(errors(`${name}-right`)).toEqual([])
    })

    it.each(wrongPrograms(name).map((program, index) => ({ ...program, index })))(
      'refuses $what',
      ({ message, index }) => {
        // One mistake, in the file of the consumer.
        expect(errors(`${name}-wrong-${index}`)).toEqual([expect.stringMatching(message)])
      },
    )
  })

  it('refuses a guard where it comes too late: fastify', () => {
    expect(errors('fastify-late').join('\n')).toMatch(/onSendHookHandler/)
  })

  it('compiles what is right: mock-issuer', () => {
    expect(errors('mock-issuer-right')).toEqual([])
  })

  it('has no error elsewhere', () => {
    expect(errors('')).toEqual([])
  })

  describe('with older types', () => {
    const older = [
      ['express', '@types/express', '@types/express4'],
      ['koa', '@types/koa', '@types/koa2'],
    ] as const
    let errors: (program: string) => readonly string[]
    beforeAll(async () => {
      for (const [, types, source] of older) await consumer.link(types, 'test', source)
      errors = await consumer.compile(
        Object.fromEntries(older.map(([name]) => [`${name}-right`, RIGHT[name] ?? ''])),
      )
    })
    afterAll(async () => {
      for (const [, types] of older) await consumer.link(types, 'test')
    })

    it.each(older)('compiles what is right: %s', (name) => {
      expect([errors(`${name}-right`), errors('')]).toEqual([[], []])
    })
  })

  it('beside the MCP SDK, which declares req.auth too', () => {
    for (const program of [...Object.keys(mcp), 'mcp-v2']) expect(errors(program)).toEqual([])
  })

  it('core compiles without the types of Node', async () => {
    const source = `
      import { createVerifier, type VerifierOptions } from '@telnyx-auth/core'
      const options: VerifierOptions = { audience: 'https://api.example.com', fetch }
      export const verifier = createVerifier(options)
    `
    const errors = await consumer.compile({ source }, { lib: ['es2023', 'dom'], types: [] })
    expect([errors('source'), errors('')]).toEqual([[], []])
  })
})
