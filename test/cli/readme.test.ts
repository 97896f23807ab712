import type { FetchFunction } from '@telnyx-auth/core'
import { telnyxAuth } from '@telnyx-auth/hono'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { Hono } from 'hono'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { read } from '../docs/markdown.js'
import { runCommand } from './harness.js'

/** The README of the package shows what the command prints. */

const API = 'https://api.example.com'
const ISSUER = 'http://127.0.0.1:4010'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 10, 30, 9, 0, 0) })
  vi.stubEnv('TELNYX_AUTH_ISSUER', ISSUER)
})
afterEach(() => {
  vi.useRealTimers()
})

/** A transcript, without what differs between two runs. */
function normalized(text: string): string {
  return text
    .replace(/^( +kid +)\S+$/m, '$1KEY')
    .replace(/(be used here: )[^.]+/, '$1KEY')
    .replace(/\b\d+ ms/g, 'TIME')
}

async function transcript(name: string): Promise<string> {
  const readme = await read('packages/cli/README.md')
  const [, text = ''] = new RegExp(`<!-- ${name} -->\n\`\`\`text\n(.*?)\`\`\``, 's').exec(readme) ?? []
  return normalized(text)
}

const createIssuer = () => createMockIssuer({ algorithm: 'ES256', issuer: ISSUER, now: () => Date.now() })

it('of explain', async () => {
  const issuer = await createIssuer()
  const token = await issuer.issueToken({
    audience: 'https://api.example.org',
    subject: 'user-1',
    clientId: 'client-1',
    scopes: ['messaging.read'],
    expiresInSeconds: 240,
    claims: { jti: 'token-1' },
  })
  const { code, stdout } = await runCommand(
    ['explain', '-', '--audience', API, '--scope', 'messaging.read'],
    { fetch: issuer.fetch, stdin: token },
  )
  expect([code, normalized(stdout)]).toEqual([1, await transcript('explain')])
})

it('of doctor', async () => {
  const issuer = await createIssuer()
  issuer.fault('jwks', { headers: { 'Cache-Control': 'max-age=600', Date: new Date().toUTCString() } })
  const api = new Hono().use(telnyxAuth({ audience: API, fetch: issuer.fetch }))
  const fetch: FetchFunction = async (url, { headers: { authorization: _, ...headers }, ...init }) =>
    url.startsWith(API) ? api.request(url, { ...init, headers }) : issuer.fetch(url, { headers, ...init })
  const { code, stdout } = await runCommand(['doctor', '--resource', API], { fetch })
  expect([code, normalized(stdout)]).toEqual([1, await transcript('doctor')])
})
