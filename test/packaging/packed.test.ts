import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Consumer, ROOT, sizeOf } from '../support/packed.js'

/** What users install is what is tested here: the tarballs, not the source. */
let consumer: Consumer
beforeAll(async () => {
  consumer = await Consumer.create()
}, 120_000)
afterAll(() => consumer.remove())

/** The snippets of the README that say which file of the examples they are. */
async function readmeSnippets(): Promise<Map<string, string>> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  const snippets = readme.matchAll(/<!-- (examples\/\S+) -->\n```js\n(.*?)```/gs)
  return new Map(Array.from(snippets, ([, file = '', code = '']) => [file, code]))
}

describe('the snippets of the README', () => {
  it('are the examples, to the letter', async () => {
    const snippets = await readmeSnippets()
    expect([...snippets.keys()]).toEqual(['examples/express/server.js', 'examples/standalone/verify.js'])
    for (const [file, code] of snippets) expect(code).toBe(await readFile(join(ROOT, file), 'utf8'))
  })

  it('Express: runs unchanged', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    onTestFinished(() => issuer.close())
    const code = (await readmeSnippets()).get('examples/express/server.js') ?? ''
    const url = await consumer.serve(await consumer.write('server.js', code), {
      PORT: '0',
      TELNYX_AUTH_ISSUER: await issuer.listen(),
    })
    const ask = async (path: string, token?: string) =>
      fetch(url + path, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } })

    const missing = await ask('/me')
    expect([missing.status, missing.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="api"'])
    const token = await issuer.issueToken({
      subject: 'user-1',
      clientId: 'client-1',
      scopes: ['messaging.read'],
    })
    expect(await (await ask('/me', token)).json()).toEqual({
      subject: 'user-1',
      clientId: 'client-1',
      scopes: ['messaging.read'],
    })
    expect((await ask('/messages', token)).status).toBe(200)
    expect((await ask('/messages', await issuer.issueToken())).status).toBe(403)
    expect((await ask('/me', await issuer.issueToken({ audience: 'urn:other' }))).status).toBe(401)
  })

  it('anywhere else: runs unchanged', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    onTestFinished(() => issuer.close())
    const code = (await readmeSnippets()).get('examples/standalone/verify.js') ?? ''
    await consumer.write('verify.js', code)
    const program = await consumer.write(
      'use-verify.js',
      `import { handle } from './verify.js'
      for (const token of process.env.TOKENS.split(' ')) {
        const response = await handle(new Request('https://api.example.com', { headers: { authorization: 'Bearer ' + token } }))
        console.log(response.status, await response.text())
      }`,
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
      '',
    ])
  })
})

describe('the tarballs', () => {
  it.each(['@telnyx-auth/core', '@telnyx-auth/express', '@telnyx-auth/mock-issuer'])(
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

  it('the adapter is under 100 lines and needs nothing but core and its framework', async () => {
    const source = await readFile(join(ROOT, 'packages/express/src/index.ts'), 'utf8')
    expect(source.trimEnd().split('\n').length).toBeLessThan(100)
    const manifest = await consumer.manifest('@telnyx-auth/express')
    expect(Object.keys(manifest.dependencies ?? {})).toEqual(['@telnyx-auth/core'])
    expect(manifest.peerDependencies).toEqual({ express: '^4.18.0 || ^5.0.0' })
  })

  it('the adapter re-exports core', async () => {
    const load = (name: string): Promise<object> =>
      import(pathToFileURL(consumer.path('node_modules', name, 'dist/index.js')).href)
    const core = Object.keys(await load('@telnyx-auth/core'))
    const express = Object.keys(await load('@telnyx-auth/express'))
    expect(express).toEqual(
      expect.arrayContaining([...core, 'telnyxAuth', 'requireAuth', 'requireScopes', 'getAuth']),
    )
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
    const names = ['core', 'core/adapter', 'express', 'mock-issuer']
    const program = await consumer.write(
      'import.js',
      names.map((name) => `import '@telnyx-auth/${name}'\n`).join(''),
    )
    expect(await consumer.run(program)).toEqual({ code: 0, output: '' })
  })
})

describe('TypeScript', () => {
  it('compiles what is right', async () => {
    expect(
      await consumer.compile(`
        import { createVerifier, type Auth, type Verifier } from '@telnyx-auth/core'
        import { getAuth, requireAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
        import { createMockIssuer } from '@telnyx-auth/mock-issuer'
        import express from 'express'

        const app = express()
        app.use(telnyxAuth({ audience: process.env.AUDIENCE, issuer: process.env.ISSUER }))
        app.use('/v1', express.Router().use(telnyxAuth({ verifier: createVerifier(), scopes: ['a'], optional: true })))
        app.get('/', requireScopes('a'), requireAuth({ anyScope: ['a', 'b'] }), (req, res) => {
          const subject: string | undefined = req.auth?.subject
          const auth: Auth<{ tenant: string }> = getAuth<{ tenant: string }>(req)
          res.json([subject, auth.claims.tenant, auth.hasScopes('a')])
        })

        const issuer = await createMockIssuer({ algorithm: 'EdDSA' })
        const verifier: Verifier<{ tenant: string }> = createVerifier<{ tenant: string }>({
          audience: 'https://api.example.com',
          fetch: issuer.fetch,
          validate: (auth) => auth.claims.tenant === 'a',
        })
        await verifier.authenticate(new Request('https://api.example.com'))
        await verifier.authenticate({ headers: { authorization: 'Bearer x' } })
        createVerifier({ audience: null, fetch })
      `),
    ).toBe('')
  }, 30_000)

  it('core compiles without the types of Node', async () => {
    const source = `
      import { createVerifier, type VerifierOptions } from '@telnyx-auth/core'
      const options: VerifierOptions = { audience: 'https://api.example.com', fetch }
      export const verifier = createVerifier(options)
    `
    expect(await consumer.compile(source, { lib: ['es2023', 'dom'], types: [] })).toBe('')
  }, 30_000)

  it.each([
    ['a misspelt option', "telnyxAuth({ audiance: 'https://api.example.com' })", /audiance/],
    ['an option of the wrong type', 'telnyxAuth({ audience: 5 })', /number/],
    [
      'a verifier together with what one is made from',
      "telnyxAuth({ verifier: createVerifier(), audience: 'x' })",
      /audience|verifier/,
    ],
    ['HMAC', "telnyxAuth({ algorithms: ['HS256'] })", /HS256/],
    ['no scope', 'requireScopes()', /arguments/],
    ['a misspelt policy', "requireAuth({ scope: ['a'] })", /scope/],
    [
      'a change of the result',
      "createVerifier().verify('x').then((auth) => { auth.scopes.push('admin') })",
      /push/,
    ],
  ])(
    'refuses %s',
    async (_, statement, message) => {
      const output = await consumer.compile(`
      import { createVerifier, requireAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
      ${statement}
    `)
      expect(output).toMatch(message)
      expect(output).toMatch(/^consumer\.ts|consumer\.ts\(/m)
    },
    30_000,
  )
})
