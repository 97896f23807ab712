import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'

/** Installs Next.js into a temporary folder, builds the application and starts it there, and prints its answers. */

const here = fileURLToPath(new URL('.', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'telnyx-auth-nextjs-'))
const run = promisify(execFile)
const NEXT = 'node_modules/next/dist/bin/next'

const issuer = await createMockIssuer({ algorithm: 'ES256' })
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', TELNYX_AUTH_ISSUER: await issuer.listen() }
/** @type {import('node:child_process').ChildProcess | undefined} */
let server
try {
  await cp(join(here, '../../.ci/nextjs'), folder, { recursive: true })
  await run('pnpm', ['install', '--frozen-lockfile', '--ignore-scripts'], { cwd: folder })
  // As npm would install them.
  const core = await realpath(join(here, 'node_modules/@telnyx-auth/core'))
  const installed = join(folder, 'node_modules')
  for (const file of ['package.json', 'dist'])
    await cp(join(core, file), join(installed, '@telnyx-auth/core', file), { recursive: true })
  await cp(await realpath(join(core, 'node_modules/jose')), join(installed, 'jose'), { recursive: true })
  for (const file of ['app', 'auth.js']) await cp(join(here, file), join(folder, file), { recursive: true })

  await run(process.execPath, [NEXT, 'build'], { cwd: folder, env })
  const child = spawn(process.execPath, [NEXT, 'start', '--port', '0', '--hostname', '127.0.0.1'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  server = child
  await printAnswers(await findUrl(child.stdout))
} finally {
  if (server?.kill()) await once(server, 'exit')
  await issuer.close()
  await rm(folder, { recursive: true, force: true })
}

/** @param {AsyncIterable<Buffer>} output */
async function findUrl(output) {
  let text = ''
  for await (const piece of output) {
    text += piece
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0]
    if (url !== undefined && text.includes('Ready')) return url
  }
  throw new Error('Next.js did not start')
}

/** @param {string} url */
async function printAnswers(url) {
  /**
   * @param {string} request
   * @param {import('@telnyx-auth/mock-issuer').TokenOptions} [token]
   */
  const ask = async (request, token) => {
    const [method = '', path = ''] = request.split(' ')
    const headers = new Headers()
    if (token) headers.set('authorization', `Bearer ${await issuer.issueToken(token)}`)
    const body = method === 'POST' ? 'hello' : null
    const response = await fetch(url + path, { method, headers, body })
    console.log(`${request} → ${response.status}`)
    const challenge = response.headers.get('www-authenticate')
    if (challenge) console.log(`    WWW-Authenticate: ${challenge}`)
    console.log(`    ${(await response.text()).replace(issuer.issuer, 'ISSUER')}`)
  }

  const subject = 'user-1'
  await ask('GET /.well-known/oauth-protected-resource')
  await ask('GET /messages')
  await ask('GET /messages', { subject, scopes: ['messaging.read'] })
  await ask('POST /messages', { subject, scopes: ['messaging.read'] })
  await ask('POST /messages', { subject, scopes: ['messaging.write'] })
  await ask('GET /me', { subject, scopes: [] })
  await ask('GET /me', { subject, expiresInSeconds: -60 })
  console.log(`The keys were fetched ${issuer.requests.jwks.count} time(s).`)
}
