import { EventEmitter } from 'node:events'
import { createVerifier, type VerifierOptions } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import express from 'express'
import { expect, it, vi } from 'vitest'
import { serve } from '../support/http.js'
import { AUDIENCE, issuer, runFragment } from './run-fragment.js'
import { type Fragment, fragments } from './snippets.js'

/** What the guides promise of their code. */

const all = await fragments()

/** The fragment of a guide that contains a text. */
function fragmentOf(guide: string, text: string): Fragment {
  const found = all.filter(
    ({ document, code }) => document === `packages/core/docs/guides/${guide}` && code.includes(text),
  )
  return found.length === 1 && found[0] ? found[0] : expect.fail(`${guide} has ${found.length} with ${text}`)
}

/** The options that a fragment passes to `telnyxAuth`. */
async function optionsOf(fragment: Fragment): Promise<VerifierOptions> {
  const telnyxAuth = vi.fn<(options: VerifierOptions) => void>()
  await runFragment(fragment, { telnyxAuth })
  return telnyxAuth.mock.lastCall?.[0] ?? expect.fail('telnyxAuth was not called')
}

/** A verifier with the options of a fragment, for an issuer in this process. */
async function verifierOf(fragment: Fragment, { issuer: name, fetch }: MockIssuer = issuer) {
  return createVerifier({ ...(await optionsOf(fragment)), issuer: name, fetch })
}

it('revocation.md: the list shuts out the tokens that a user has, and not new ones', async () => {
  let now = Date.now()
  const own = await createMockIssuer({ algorithm: 'ES256', audience: AUDIENCE, now: () => now })
  const old = await own.issueToken({ subject: 'user-1' })
  const other = await own.issueToken({ subject: 'user-2' })
  const without = await own.issueToken({ subject: 'user-1', claims: { iat: undefined } })
  const verifier = await verifierOf(fragmentOf('revocation.md', 'revokedAt'), own)
  await expect(verifier.verify(old)).rejects.toMatchObject({ code: 'ERR_TOKEN_REJECTED', status: 401 })
  await expect(verifier.verify(without)).rejects.toMatchObject({ code: 'ERR_TOKEN_REJECTED' })
  await expect(verifier.verify(other)).resolves.toMatchObject({ subject: 'user-2' })
  now += 2000
  await expect(verifier.verify(await own.issueToken({ subject: 'user-1' }))).resolves.toBeDefined()
})

it('revocation.md: a connection is closed when its token expires, and not before', async () => {
  vi.useFakeTimers()
  try {
    const close = vi.fn()
    const socket = Object.assign(new EventEmitter(), { close })
    await runFragment(fragmentOf('revocation.md', 'expiresAt'), { socket })
    await vi.advanceTimersByTimeAsync(3_590_000)
    expect(close).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(close).toHaveBeenCalledWith(1008, 'The access token expired')
  } finally {
    vi.useRealTimers()
  }
})

it('revocation.md: a route that asks refuses a revoked token, the others accept it', async () => {
  const [client] = issuer.clients
  vi.stubEnv('TELNYX_CLIENT_ID', client?.clientId)
  vi.stubEnv('TELNYX_CLIENT_SECRET', client?.clientSecret)
  vi.stubEnv('TELNYX_AUTH_ISSUER', issuer.issuer)
  vi.stubGlobal('fetch', issuer.fetch)
  const app = express()
  const handler: express.RequestHandler = (_req, res) => void res.sendStatus(200)
  await runFragment(fragmentOf('revocation.md', '/payments'), { app, handler })
  const { client: http } = await serve(app)
  const token = await issuer.issueToken({ scopes: ['payments', 'messaging.read'] })
  issuer.revoke(token)
  const lines = [`Authorization: Bearer ${token}`]
  expect((await http.request('GET', '/messages', lines)).status).toBe(200)
  expect((await http.request('POST', '/payments', lines)).status).toBe(401)
})

it('audience.md: two audiences are accepted, and the metadata name the new one', async () => {
  const verifier = await verifierOf(fragmentOf('audience.md', 'old.example.com'))
  for (const audience of [AUDIENCE, 'https://old.example.com'])
    await expect(verifier.verify(await issuer.issueToken({ audience }))).resolves.toBeDefined()
  await expect(verifier.verify(await issuer.issueToken({ audience: 'urn:other' }))).rejects.toMatchObject({
    code: 'ERR_AUDIENCE_NOT_ALLOWED',
  })
  expect(verifier.protectedResourceMetadata()?.document.resource).toBe(AUDIENCE)
})

it('audience.md: a slash at the end is another audience', async () => {
  const verifier = createVerifier({ audience: AUDIENCE, issuer: issuer.issuer, fetch: issuer.fetch })
  await expect(verifier.verify(await issuer.issueToken({ audience: `${AUDIENCE}/` }))).rejects.toMatchObject({
    code: 'ERR_AUDIENCE_NOT_ALLOWED',
  })
})

it('audience.md: without an audience, clients decide', async () => {
  const verifier = await verifierOf(fragmentOf('audience.md', 'audience: null'))
  const audience = 'urn:anything'
  const own = await issuer.issueToken({ audience, clientId: 'client-1' })
  await expect(verifier.verify(own)).resolves.toMatchObject({ clientId: 'client-1' })
  const others = await issuer.issueToken({ audience, clientId: 'client-3' })
  await expect(verifier.verify(others)).rejects.toMatchObject({ code: 'ERR_TOKEN_REJECTED' })
})

it('behind-a-proxy.md: no answer behind telnyxAuth may be cached', async () => {
  vi.stubEnv('TELNYX_AUTH_ISSUER', issuer.issuer)
  vi.stubGlobal('fetch', issuer.fetch)
  const app = express()
  await runFragment(fragmentOf('behind-a-proxy.md', 'Cache-Control'), { app })
  app.get('/me', (_req, res) => void res.json({}))
  const { client: http } = await serve(app)
  const lines = [`Authorization: Bearer ${await issuer.issueToken()}`]
  const good = await http.request('GET', '/me', lines)
  expect([good.status, good.headers.get('cache-control')]).toEqual([200, ['private, no-store']])
  const refused = await http.request('GET', '/me')
  expect([refused.status, refused.headers.get('cache-control')]).toEqual([401, ['no-store']])
})

it('behind-a-proxy.md: the health routes need no token, and /ready follows the keys', async () => {
  const app = express()
  const verifier = createVerifier({ audience: AUDIENCE, issuer: issuer.issuer, fetch: issuer.fetch })
  await runFragment(fragmentOf('behind-a-proxy.md', '/ready'), { app, verifier })
  const { client: http } = await serve(app)
  const statusOf = async (path: string) => (await http.request('GET', path)).status
  expect([await statusOf('/live'), await statusOf('/ready'), await statusOf('/me')]).toEqual([200, 503, 401])
  await verifier.preload()
  expect(await statusOf('/ready')).toBe(200)
})
