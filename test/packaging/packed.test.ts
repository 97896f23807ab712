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
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { markdownFiles, read, snippetsIn } from '../docs/markdown.js'
import { Consumer, ROOT, sizeOf } from '../support/packed.js'

/** What users install is what is tested here: the tarballs, not the source. */
let consumer: Consumer
beforeAll(async () => {
  consumer = await Consumer.create()
}, 120_000)
afterAll(() => consumer.remove())

/** The snippets of all documents that name a file of the examples. test/docs compares them with the files. */
async function readmeSnippets(): Promise<Map<string, string>> {
  const documents = await Promise.all((await markdownFiles()).map(read))
  const snippets = documents.flatMap(snippetsIn)
  return new Map(snippets.flatMap(({ example, code }) => (example === undefined ? [] : [[example, code]])))
}

/** A snippet that serves, unchanged and in a project of its own; asks it with and without a token. */
async function serveSnippet(file: string) {
  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  onTestFinished(() => issuer.close())
  const code = (await readmeSnippets()).get(file) ?? ''
  const url = await consumer.serve(await consumer.write(file.replaceAll('/', '-'), code), {
    PORT: '0',
    TELNYX_AUTH_ISSUER: await issuer.listen(),
  })
  const ask = (path: string, token?: string, init: RequestInit = {}) =>
    fetch(url + path, {
      ...init,
      ...(token !== undefined && { headers: { ...init.headers, authorization: `Bearer ${token}` } }),
    })
  return { issuer, ask }
}

const METADATA = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'

describe('the snippets of the README', () => {
  it.each([
    ['express', `Bearer realm="api", ${METADATA}`],
    ['koa', `Bearer realm="api", ${METADATA}`],
    ['fastify', `Bearer realm="api", scope="messaging.read", ${METADATA}`],
    ['hono', `Bearer realm="api", ${METADATA}`],
  ])('%s/server.js runs unchanged', async (framework, challengeOfMessages) => {
    const { issuer, ask } = await serveSnippet(`examples/${framework}/server.js`)
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
    const { issuer, ask } = await serveSnippet(`examples/${framework}/custom.js`)
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

  it('mcp/server.js runs unchanged: a client that knows only the URL finds everything', async () => {
    const { issuer, ask } = await serveSnippet('examples/mcp/server.js')
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
    const { issuer, ask } = await serveSnippet('examples/metrics/server.js')
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
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    onTestFinished(() => issuer.close())
    const code = (await readmeSnippets()).get('examples/standalone/token.js') ?? ''
    const program = await consumer.write('token.js', code)
    const env = { TELNYX_AUTH_ISSUER: await issuer.listen(), TELNYX_AUTH_AUDIENCE: 'https://api.example.com' }
    const token = await issuer.issueToken({ clientId: 'client-1', scopes: ['messaging.read'] })
    expect(await consumer.run(program, env, [token])).toEqual({
      code: 0,
      output: 'client-1 may messaging.read\n',
    })
  })

  it('standalone/verify.js runs unchanged', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    onTestFinished(() => issuer.close())
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
    const issuerUrl = await issuer.listen()
    const tokens = [
      await issuer.issueToken({ clientId: 'client-1', scopes: ['messaging.read'] }),
      await issuer.issueToken(),
    ]
    const { code: exit, output } = await consumer.run(program, {
      TELNYX_AUTH_ISSUER: issuerUrl,
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

describe('the test kit', () => {
  /** What a developer has exported for an issuer in another terminal. The tests have their own. */
  const EXPORTED = { TELNYX_AUTH_ISSUER: 'http://127.0.0.1:4010', TELNYX_AUTH_AUDIENCE: 'urn:other' }

  beforeAll(async () => {
    for (const file of ['app.js', 'routes.test.js', 'outage.test.js', 'sign-in.test.js'])
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
    expect(output).toContain('"numPassedTests":9')
  })

  it.each([
    ['outage.test.js', 4],
    ['sign-in.test.js', 2],
  ])('%s passes in node:test', async (file, count) => {
    const { code, output } = await consumer.run('--test', EXPORTED, [file])
    expect(code, output).toBe(0)
    expect(output).toMatch(new RegExp(`^(?:#|ℹ) pass ${count}$`, 'm'))
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

  const run = async (...args: string[]) => consumer.run(await commandFile(), {}, args)

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
        'an access token',
        'what the issuer says of one',
        'all clients',
        'one more client',
        'a user signs in; in a browser, it is a page',
      ])
      const [token, introspection, clients, registration, page] = await Promise.all(
        lines.map(([, , line]) => shell(line)),
      )
      expect(JSON.parse(token ?? '')).toMatchObject({ token_type: 'Bearer', expires_in: 3600 })
      expect(JSON.parse(introspection ?? '')).toMatchObject({ active: true, aud: 'https://api.example.com' })
      expect(JSON.parse(clients ?? '').data[0]).toMatchObject({ name: 'Test client' })
      expect(JSON.parse(registration ?? '')).toMatchObject({ client_name: 'My app' })
      expect(page).toContain('<title>Allow Test client?</title>')
      child.kill(signal)
      expect(await exited).toEqual([0, null])
    },
  )

  it('prints what an API and the official SDK need to find it', async () => {
    const { output } = await start('--port', '0', '--api-key', 'KEY', '--audience', 'urn:mine')
    const [, url] = /^issuer +(http:\/\/127\.0\.0\.1:\d+)$/m.exec(output) ?? []
    expect(output).toContain(`  TELNYX_AUTH_ISSUER=${url} TELNYX_AUTH_AUDIENCE=urn:mine node server.js\n`)
    expect(output).toContain(`  TELNYX_BASE_URL=${url}/v2 TELNYX_API_KEY=KEY node script.js\n`)
    const metadata = await fetch(/^metadata +(.+)$/m.exec(output)?.[1] ?? '')
    expect(await metadata.json()).toMatchObject({ issuer: url })
    expect((await fetch(/^JWK Set +(.+)$/m.exec(output)?.[1] ?? '')).status).toBe(200)
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
    const line = /# an access token\n +(curl .+)$/m.exec(output)?.[1] ?? ''
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
    const { output } = await start('--port', '0', '--clients', 'public.json')
    const [, verifier = '', line = ''] = /the code_verifier (\S+);.*\n +(curl .+)$/m.exec(output) ?? []
    const challenge = createHash('sha256').update(verifier).digest('base64url')
    expect(line).toContain(`&code_challenge=${challenge}&code_challenge_method=S256`)
    const { stdout } = await promisify(execFile)('bash', ['-c', line])
    expect(stdout).toContain('<title>Allow Unnamed client?</title>')
    expect(output).not.toContain('an access token')
  })

  it('when it listens on all addresses, it says one that can be asked', async () => {
    const { output } = await start('--port', '0', '--host', '0.0.0.0')
    const [, url = ''] = /^issuer +(.+)$/m.exec(output) ?? []
    expect(new URL(url).hostname).toBe('127.0.0.1')
    expect((await fetch(`${url}/v2/oauth/jwks`)).status).toBe(200)
    // What an API would be given.
    expect(() => createVerifier({ issuer: url, audience: 'urn:mine' })).not.toThrow()
  })

  it('ends in peace when it is told twice', async () => {
    const { child, exited } = await start('--port', '0')
    child.kill('SIGINT')
    child.kill('SIGINT')
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  })

  it('does not mind that nobody reads what it prints', async () => {
    const args = ['-c', `"$0" "$1" --help | true; exit "\${PIPESTATUS[0]}"`]
    const { stderr } = await promisify(execFile)('bash', [...args, process.execPath, await commandFile()])
    expect(stderr).toBe('')
  })

  it('tells what it takes', async () => {
    const { code, output } = await run('--help')
    expect(code).toBe(0)
    for (const option of ['port', 'host', 'issuer', 'algorithm', 'typ', 'audience', 'api-key', 'clients'])
      expect(output).toContain(`--${option} <`)
    const { version } = await consumer.manifest('@telnyx-auth/mock-issuer')
    expect(await run('--version')).toEqual({ code: 0, output: `${version}\n` })
  })

  it.each([
    [['--prot', '1'], '--prot'],
    [['4010'], '4010'],
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
  ])('%j is a mistake, and told', async (args, message) => {
    await consumer.write('empty.js', '')
    await consumer.write('bad-clients.json', '[{"policyUri":"javascript:alert(1)"}]')
    await consumer.write('no-clients.json', '[null]')
    await consumer.write('escapes.json', '[{"clientId":"\\u001b[31mred"}]')
    const { code, output } = await run(...args)
    expect(code).toBe(1)
    expect(output).toContain(message)
    expect(output).toContain('--help')
    expect(output).not.toContain('    at ')
  })

  it('says so when the port is taken', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    onTestFinished(() => issuer.close())
    const { port } = new URL(await issuer.listen())
    const { code, output } = await run('--port', port)
    expect([code, output]).toEqual([1, expect.stringContaining('The port is in use')])
  })
})

/** The adapters, what each one needs beside core, and the most lines that it may have. */
const ADAPTERS: readonly [string, string[], Record<string, string>, number][] = [
  ['express', [], { express: '^4.18.0 || ^5.0.0' }, 99],
  ['koa', [], { koa: '^2.15.0 || ^3.0.0' }, 99],
  ['fastify', ['fastify-plugin'], { fastify: '^5.0.0' }, 99],
  ['hono', [], { hono: '^4.0.0' }, 40],
]

describe('the tarballs', () => {
  it.each(['core', 'express', 'koa', 'fastify', 'hono', 'mock-issuer'].map((name) => `@telnyx-auth/${name}`))(
    '%s is as it should be',
    async (name) => {
      const manifest = await consumer.manifest(name)
      expect(manifest).toMatchObject({
        type: 'module',
        sideEffects: false,
        license: 'MIT',
        engines: { node: '>=20.19' },
      })
      // The condition that finds our source is of no use to anybody else.
      expect(JSON.stringify(manifest.exports)).not.toContain('source')
      expect(JSON.stringify(manifest.dependencies)).not.toMatch(/workspace:|catalog:/)
      for (const file of ['README.md', 'LICENSE']) await readFile(consumer.path('node_modules', name, file))
    },
  )

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
    const names = ['core', 'core/adapter', 'express', 'koa', 'fastify', 'hono', 'mock-issuer']
    const program = await consumer.write(
      'import.js',
      names.map((name) => `import '@telnyx-auth/${name}'\n`).join(''),
    )
    expect(await consumer.run(program)).toEqual({ code: 0, output: '' })
  })
})

/** What a consumer of each adapter writes; strictly, and with the framework's own declarations checked as well. */
const CONSUMERS: Readonly<Record<string, string>> = {
  express: `
    import { type Auth, createVerifier, getAuth, type Middleware, requireAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
    import express from 'express'

    const app = express()
    app.use(telnyxAuth({ audience: process.env.AUDIENCE, issuer: process.env.ISSUER }))
    app.use('/v1', express.Router().use(telnyxAuth({ verifier: createVerifier<{ tenant: string }>(), scopes: ['a'], optional: true })))
    const guards: Middleware[] = [requireScopes('a'), requireAuth({ acrValues: ['urn:gold'], maxAgeSeconds: 300 })]
    app.get('/', guards, requireAuth({ anyScope: ['a', 'b'] }), (req: express.Request, res: express.Response) => {
      const subject: string | undefined = req.auth?.subject
      const auth: Auth<{ tenant: string }> = getAuth<{ tenant: string }>(req)
      // @ts-expect-error: it is what it is declared to be, and no more
      req.auth?.nothing
      res.json([subject, auth.claims.tenant, auth.hasScopes('a')])
    })
    app.get<{ id: string }>('/users/:id', requireScopes('a'), (req, res) => void res.json(req.params.id))
  `,
  koa: `
    import Router from '@koa/router'
    import { type Auth, createVerifier, getAuth, type Middleware, requireAuth, requireScopes, telnyxAuth, type TelnyxAuthState } from '@telnyx-auth/koa'
    import Koa from 'koa'

    // Typed through the middleware, whatever state the application has of its own.
    new Koa<{ requestId: string }>()
      .use(telnyxAuth<{ tenant: string }>({ audience: process.env.AUDIENCE, issuer: process.env.ISSUER }))
      .use(requireScopes('a'))
      .use((ctx) => {
        const tenant: string | undefined = ctx.state.auth?.claims.tenant
        const requestId: string = ctx.state.requestId
        // @ts-expect-error: it is what it is declared to be, and no more
        ctx.state.auth?.nothing
        const auth: Auth<{ tenant: string }> = getAuth<{ tenant: string }>(ctx)
        ctx.body = [tenant, requestId, auth.hasScopes('a')]
      })

    const app = new Koa()
    app.use(telnyxAuth({ verifier: createVerifier(), scopes: ['a'], optional: true }))
    const typed = new Koa<TelnyxAuthState>()
    typed.use(telnyxAuth())
    typed.use((ctx) => {
      const subject: string | undefined = ctx.state.auth?.subject
      ctx.body = subject
    })
    const guards: Middleware[] = [requireScopes('a'), requireAuth({ acrValues: ['urn:gold'], maxAgeSeconds: 300 })]
    const router = new Router()
    router.use(telnyxAuth())
    router.get('/', ...guards, requireAuth({ anyScope: ['a', 'b'] }), (ctx) => {
      ctx.body = getAuth(ctx).subject
    })
    new Router<{ requestId: string }>().get('/', telnyxAuth(), requireScopes('a'), (ctx) => {
      ctx.body = ctx.state.requestId
    })
    const middlewares: Koa.Middleware<{ requestId: string }>[] = [telnyxAuth(), requireScopes('a')]
    new Koa<{ requestId: string }>().use(middlewares[0] ?? telnyxAuth())
    app.use(router.routes())
  `,
  fastify: `
    import { type Auth, createVerifier, getAuth, type Hook, requireAuth, requireScopes, telnyxAuth, type TelnyxAuthOptions } from '@telnyx-auth/fastify'
    import fastify, { type FastifyInstance, type FastifyPluginAsync, type onRequestHookHandler, type preHandlerHookHandler, type RouteShorthandOptions } from 'fastify'
    import { readFileSync } from 'node:fs'

    declare module 'fastify' {
      interface FastifyContextConfig { role?: string }
    }

    interface MyClaims { org: string }
    const app = fastify({ logger: true })
    await app.register(telnyxAuth, { audience: process.env.AUDIENCE, issuer: process.env.ISSUER })
    await app.register(telnyxAuth)
    app.register(telnyxAuth, { verifier: createVerifier(), scopes: ['a'], optional: true, global: false })
    const hooks: Hook[] = [requireScopes('a'), requireAuth({ acrValues: ['urn:gold'], maxAgeSeconds: 300 })]
    app.get('/', { onRequest: hooks, preHandler: requireAuth({ anyScope: ['a', 'b'] }), config: { mine: 1 } }, async (request) => {
      const subject: string | undefined = request.auth?.subject
      const auth: Auth<{ tenant: string }> = getAuth<{ tenant: string }>(request)
      // @ts-expect-error: it is what it is declared to be, and no more
      request.auth?.nothing
      return [subject, auth.claims.tenant, auth.hasScopes('a'), request.routeOptions.config.mine]
    })
    app.get<{ Params: { id: string } }>('/users/:id', { onRequest: requireScopes('a') }, (request, reply) => {
      reply.send(request.params.id)
    })
    app.get<{ Params: { id: string } }>('/2/:id', { preHandler: [requireScopes('a'), requireAuth()], config: { role: 'x' } }, async (request) => request.params.id)
    app.route<{ Querystring: { q: string } }>({ method: 'GET', url: '/q', onRequest: requireScopes('a'), handler: async (request) => request.query.q })
    const named: [onRequestHookHandler, preHandlerHookHandler] = [requireScopes('a'), requireAuth()]
    const route: RouteShorthandOptions = { onRequest: requireScopes('a'), preHandler: [...named] }
    app.get('/named', route, async () => 'x')
    app.register(telnyxAuth, { verifier: createVerifier<MyClaims>({ validate: (auth) => auth.claims.org === 'x' }) })
    const options: TelnyxAuthOptions = { validate: (auth) => auth.claims.org === 'x', global: false }
    app.register(telnyxAuth, options)
    const plugin: FastifyPluginAsync = async (child: FastifyInstance) => {
      await child.register(telnyxAuth, { audience: 'urn:api' })
      child.addHook('onRequest', requireAuth())
    }
    app.register(plugin, { prefix: '/v1' })

    const secure = fastify({ http2: true, https: { key: readFileSync('key'), cert: readFileSync('cert') } })
    secure.get('/', { onRequest: requireScopes('a') }, async (request) => getAuth(request).subject)
  `,
  hono: `
    import { type Auth, createVerifier, getAuth, requireAuth, requireScopes, telnyxAuth, type TelnyxAuthOptions } from '@telnyx-auth/hono'
    import { Hono, type MiddlewareHandler } from 'hono'

    const app = new Hono<{ Variables: { requestId: string } }>()
    app.use(telnyxAuth({ audience: process.env.AUDIENCE, issuer: process.env.ISSUER }))
    app.use('/v1/*', telnyxAuth({ verifier: createVerifier<{ tenant: string }>(), scopes: ['a'], optional: true }))
    const guards: MiddlewareHandler[] = [requireScopes('a'), requireAuth({ acrValues: ['urn:gold'], maxAgeSeconds: 300 })]
    app.use('/x', ...guards)
    app.get('/users/:id', requireAuth({ anyScope: ['a', 'b'] }), (c) => {
      const subject: string | undefined = c.var.auth?.subject
      const requestId: string = c.var.requestId
      const auth: Auth<{ tenant: string }> = getAuth<{ tenant: string }>(c)
      // @ts-expect-error: it is what it is declared to be, and no more
      c.var.auth?.nothing
      return c.json([subject, requestId, auth.claims.tenant, auth.hasScopes('a'), c.req.param('id')])
    })
    const chained = new Hono().use(telnyxAuth()).get('/', (c) => c.json(c.get('auth')?.scopes ?? []))
    const options: TelnyxAuthOptions<{ org: string }> = {
      getToken: (request) => request.headers.get('x-access-token') ?? undefined,
      validate: (auth) => auth.claims.org === 'x',
    }
    app.route('/inner', chained.use(telnyxAuth(options)))
  `,
  'mock-issuer': `
    import { channels, createVerifier, type Events, type Verifier, watch } from '@telnyx-auth/core'
    import { type Client, type ClientSeed, createMockIssuer, type Endpoint, type Grant, type GrantType } from '@telnyx-auth/mock-issuer'

    const seed: ClientSeed = { clientId: 'app', clientType: 'public', grantTypes: ['authorization_code'], logoUri: undefined }
    const issuer = await createMockIssuer({ algorithm: 'EdDSA', clients: [seed], grants: [{ clientId: 'app', scopes: ['a'] }], typ: null })
    const [client]: readonly Client[] = issuer.clients
    const [grant]: readonly Grant[] = issuer.grants
    const grantTypes: readonly GrantType[] | undefined = client?.grantTypes
    const endpoint: Endpoint = 'createGrant'
    issuer.fault(endpoint, { status: undefined, delayMs: 1, times: undefined })
    const counts: number = issuer.requests[endpoint].count
    const callback: string = await issuer.authorize(new URL('https://api.telnyx.com/v2/oauth/authorize'), { allow: false })
    await issuer.issueToken({ grantId: grant?.id, claims: { tenant: 'a' } })
    // @ts-expect-error: a public client has no secret
    client?.clientSecret.length
    console.log(grantTypes, counts, callback)
    const verifier: Verifier<{ tenant: string }> = createVerifier<{ tenant: string }>({
      audience: 'https://api.example.com',
      fetch: issuer.fetch,
      validate: (auth) => auth.claims.tenant === 'a',
      protectedResource: { resourceName: 'Messages', resource_policy_uri: 'https://example.com/policy' },
    })
    await verifier.authenticate(new Request('https://api.example.com'))
    await verifier.authenticate({ headers: { authorization: 'Bearer x' } }, { maxAgeSeconds: 300 })
    const answer = verifier.protectedResourceMetadata()?.respond(new Request('https://api.example.com'))
    if (answer) new Response(JSON.stringify(answer.body), answer)
    createVerifier({ audience: null, fetch, protectedResource: false })
    createVerifier({
      issuer: ['https://api.telnyx.com', { issuer: 'https://id.example.com', algorithms: ['ES256'], introspection: { when: 'opaque', authMethod: async ({ endpoint }) => ({ headers: { authorization: endpoint } }) } }],
      keys: { maxStaleSeconds: 3600 },
      retries: 0,
    })
    await verifier.verify('x', { introspection: 'always' })
    const stop: () => void = watch('tokenRejected', ({ code }: Events['tokenRejected']) => console.log(code, channels.keysStale))
    const ready: boolean = verifier.health().issuers.every((each) => each.ready)
    console.log(stop, ready)
  `,
}

/** Hono's declarations use types of browsers. */
const ENVIRONMENTS: Readonly<Record<string, Record<string, unknown>>> = {
  hono: { lib: ['es2023', 'dom', 'dom.iterable'], types: ['node'] },
}

describe('TypeScript', () => {
  it.each(Object.keys(CONSUMERS))(
    'compiles what is right: %s',
    async (name) => {
      expect(await consumer.compile(CONSUMERS[name] ?? '', ENVIRONMENTS[name])).toBe('')
    },
    30_000,
  )

  it.each([
    ['express', '@types/express', '@types/express4'],
    ['koa', '@types/koa', '@types/koa2'],
  ])(
    'compiles what is right: %s, with older types',
    async (name, types, older) => {
      await consumer.link(types, 'test', older)
      onTestFinished(() => consumer.link(types, 'test'))
      expect(await consumer.compile(CONSUMERS[name] ?? '')).toBe('')
    },
    30_000,
  )

  it('beside the MCP SDK, which declares req.auth too: getAuth is right', async () => {
    // Their declaration, in a place from which this workspace's links lead to the same Express as ours.
    const middleware = 'dist/esm/server/auth/middleware/bearerAuth.d.ts'
    const theirs = await readFile(consumer.path('node_modules/@modelcontextprotocol/sdk', middleware), 'utf8')
    const [declaration = ''] = /^declare module 'express-serve-static-core' \{.*?^\}/ms.exec(theirs) ?? []
    await consumer.write(
      'mcp-sdk.d.ts',
      `import { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js'\n${declaration}`,
    )
    const source = `
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
    const environment = { lib: ['es2023', 'dom'], types: ['node'] }
    // Two declarations of one property are an error, in the declarations: theirs wins.
    expect(await consumer.compile(source, { ...environment, skipLibCheck: true })).toBe('')
    expect(await consumer.compile(source, environment)).toMatch(/mcp-sdk\.d\.ts\(\d+,\d+\): error TS2430/)
  }, 30_000)

  it('core compiles without the types of Node', async () => {
    const source = `
      import { createVerifier, type VerifierOptions } from '@telnyx-auth/core'
      const options: VerifierOptions = { audience: 'https://api.example.com', fetch }
      export const verifier = createVerifier(options)
    `
    expect(await consumer.compile(source, { lib: ['es2023', 'dom'], types: [] })).toBe('')
  }, 30_000)

  const use: Readonly<Record<string, string>> = {
    express: 'telnyxAuth(',
    koa: 'telnyxAuth(',
    fastify: 'fastify().register(telnyxAuth, ',
  }
  const wrong: readonly [string, string, RegExp][] = [
    ['a misspelt option', "USE{ audiance: 'https://api.example.com' })", /audiance/],
    ['an option of the wrong type', 'USE{ audience: 5 })', /number/],
    [
      'a verifier together with what one is made from',
      "USE{ verifier: createVerifier(), audience: 'x' })",
      /audience|verifier/,
    ],
    ['HMAC', "USE{ algorithms: ['HS256'] })", /HS256/],
    ['a misspelt member of the resource', "USE{ protectedResource: { ressource: 'x' } })", /ressource/],
    ['no scope', 'requireScopes()', /arguments/],
    ['a misspelt policy', "requireAuth({ scope: ['a'] })", /scope/],
    ['how to ask, in a policy', "requireAuth({ introspection: { when: 'always' } })", /IntrospectionWhen/],
    [
      'when to ask alone, of a verifier',
      "USE{ audience: 'x', introspection: 'always' })",
      /introspection|audience/,
    ],
    [
      'a change of the result',
      "createVerifier().verify('x').then((auth) => { auth.scopes.push('admin') })",
      /push/,
    ],
  ]
  it('fastify refuses a guard where it comes too late', async () => {
    const output = await consumer.compile(`
      import { requireScopes } from '@telnyx-auth/fastify'
      import fastify from 'fastify'
      fastify().get('/', { onSend: requireScopes('a') }, async () => 'x')
    `)
    expect(output).toMatch(/onSendHookHandler/)
  }, 30_000)

  it.each(
    // Hono takes options of the same type, but its declarations take seconds to compile.
    ADAPTERS.filter(([name]) => name !== 'hono').flatMap(([name]) =>
      wrong.map(([what, statement, message]) => ({ name, what, statement, message })),
    ),
  )(
    '$name refuses $what',
    async ({ name, statement, message }) => {
      const source = `
      import { createVerifier, requireAuth, requireScopes, telnyxAuth } from '@telnyx-auth/${name}'
      import fastify from 'fastify'
      ${statement.replace('USE', use[name] ?? '')}
    `
      const output = await consumer.compile(source)
      expect(output).toMatch(message)
      // One mistake, in the file of the consumer.
      expect(output.match(/^\S.*error TS/gm)).toEqual([expect.stringMatching(/^consumer\.ts|consumer\.ts\(/)])
    },
    30_000,
  )
})
