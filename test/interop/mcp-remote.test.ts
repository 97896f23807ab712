import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { expect, it, onTestFinished } from 'vitest'
import { createSignal } from '../support/http.js'
import { SCOPE, startPlace } from './protected-mcp-server.js'

/** `mcp-remote`, the program that desktop applications start, unmodified and in a process of its own. */

/** The file that npm links as the command: the package exports nothing that could be resolved. */
const COMMAND = fileURLToPath(new URL('../node_modules/mcp-remote/dist/proxy.js', import.meta.url))

/** A folder of the test's own, for what the program stores, with a browser that does nothing. */
async function createHome(): Promise<{ home: string; env: Record<string, string> }> {
  const home = await mkdtemp(join(tmpdir(), 'telnyx-auth-mcp-remote-'))
  onTestFinished(() => rm(home, { recursive: true }))
  for (const name of ['open', 'xdg-open'])
    await writeFile(join(home, name), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
  const env = {
    HOME: home,
    MCP_REMOTE_CONFIG_DIR: home,
    // `xdg-open` starts $BROWSER, macOS has `open`.
    BROWSER: join(home, 'open'),
    PATH: [home, process.env.PATH].join(delimiter),
  }
  return { home, env }
}

/** Everything that the program logs, and the URL that it sends the user to. */
function watchLog(stderr: unknown): { visited: Promise<string>; text: () => string } {
  if (!(stderr instanceof Readable)) throw new TypeError('The log cannot be read')
  let log = ''
  const found = createSignal()
  const pattern = /^https?:\S+\/v2\/oauth\/authorize\?\S+$/m
  stderr.on('data', (piece: Buffer) => {
    log += piece
    if (pattern.test(log)) found.resolve()
  })
  return { visited: found.promise.then(() => pattern.exec(log)?.[0] ?? ''), text: () => log }
}

/** The user allows what the page asks; the redirect leads to the program's own listener. */
async function allow(url: string): Promise<Response> {
  const page = await (await fetch(url)).text()
  const [, token = ''] = /name="consent_token" value="([^"]+)"/.exec(page) ?? []
  const [, action = ''] = /<form method="post" action="([^"]+)"/.exec(page) ?? []
  const body = new URLSearchParams({ consent_token: token, decision: 'allow' })
  return fetch(new URL(action, url), { method: 'POST', body })
}

// Longer than the program itself waits for the user.
it('mcp-remote registers (RFC 7591 §2), signs the user in and lists the tools', {
  timeout: 60_000,
}, async () => {
  const { issuer, endpoint } = await startPlace()
  const { home, env } = await createHome()
  const client = new Client({ name: 'desktop', version: '1.0.0' })
  onTestFinished(() => client.close())
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [COMMAND, endpoint.href],
    env,
    cwd: home,
    stderr: 'pipe',
  })
  const log = watchLog(transport.stderr)
  // Where the registration fails, the program ends, and so does the connection.
  const [, callback] = await Promise.all([
    client.connect(transport).catch((cause: unknown) => {
      throw new Error(`mcp-remote has ended:\n${log.text()}`, { cause })
    }),
    log.visited.then(allow),
  ])
  expect(callback.status).toBe(200)
  expect(callback.url).toMatch(/^http:\/\/localhost:\d+\/oauth\/callback\?code=/)

  expect((await client.listTools()).tools).toMatchObject([{ name: 'whoami', description: 'Who calls' }])
  const [registered, ...more] = issuer.clients
  expect(more).toEqual([])
  expect(registered).toMatchObject({ clientType: 'public', scopes: [SCOPE] })
  expect(await client.callTool({ name: 'whoami' })).toMatchObject({
    content: [{ text: `${registered?.clientId} may ${SCOPE}` }],
  })
  expect(issuer.grants).toMatchObject([{ clientId: registered?.clientId, resources: [endpoint.href] }])
})
