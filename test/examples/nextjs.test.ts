import { join } from 'node:path'
import { createMockIssuer, type MockIssuer, type TokenOptions } from '@telnyx-auth/mock-issuer'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { ROOT } from '../docs/markdown.js'

/** The route handlers without Next.js, with which `pnpm check:nextjs` runs them. */

let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  // Read when the routes are loaded.
  vi.stubEnv('TELNYX_AUTH_ISSUER', await issuer.listen())
  await ask('GET', 'me')
})
afterAll(() => issuer.close())

/** Calls the handler of a route as Next.js does. */
async function ask(method: string, route: string, token?: TokenOptions, init: RequestInit = {}) {
  const handlers: Record<string, (request: Request) => Promise<Response>> = await import(
    join(ROOT, 'examples/nextjs/app', route, 'route.js')
  )
  const headers = new Headers(init.headers)
  if (token) headers.set('authorization', `Bearer ${await issuer.issueToken(token)}`)
  const request = new Request(`http://127.0.0.1:3000/${route}`, { ...init, method, headers })
  const response = await (handlers[method] ?? expect.fail(`${route} has no ${method}`))(request)
  const text = await response.text()
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    cached: response.headers.get('cache-control'),
    body: text === '' ? undefined : JSON.parse(text),
  }
}

const METADATA = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'

it('a caller with the scope gets the answer of the handler', async () => {
  const token = { subject: 'user-1', scopes: ['messaging.read', 'messaging.write'] }
  expect(await ask('GET', 'messages', token)).toMatchObject({
    status: 200,
    body: { messages: [], caller: 'user-1' },
  })
  expect(await ask('POST', 'messages', token, { body: 'hello' })).toMatchObject({
    status: 201,
    body: { sent: 'hello', caller: 'user-1' },
  })
  expect(await ask('GET', 'me', token)).toMatchObject({ status: 200, body: token })
})

it('B5, B6: refusals are those of the adapters, and never cached', async () => {
  expect(await ask('GET', 'messages')).toEqual({
    status: 401,
    challenge: `Bearer realm="api", scope="messaging.read", ${METADATA}`,
    cached: 'no-store',
    body: { code: 'ERR_TOKEN_MISSING' },
  })
  expect(await ask('POST', 'messages', { scopes: ['messaging.read'] }, { body: 'hello' })).toMatchObject({
    status: 403,
    challenge: expect.stringContaining('error="insufficient_scope"'),
    body: { code: 'ERR_SCOPE_INSUFFICIENT' },
  })
})

it('P1: the metadata are served without a token, also to pages of other origins', async () => {
  const route = '.well-known/oauth-protected-resource'
  expect(await ask('GET', route)).toMatchObject({
    status: 200,
    cached: 'public, max-age=300',
    body: { resource: 'https://api.example.com', authorization_servers: [issuer.issuer] },
  })
  const preflight = { origin: 'https://app.example.com', 'access-control-request-method': 'GET' }
  expect(await ask('OPTIONS', route, undefined, { headers: preflight })).toMatchObject({ status: 204 })
})

it('all routes share one verifier', () => {
  expect(issuer.requests.jwks.count).toBe(1)
})
