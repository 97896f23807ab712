import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeEach, describe, expect, it } from 'vitest'
import { HttpConnection } from '../support/http-client.js'
import { postForm } from '../support/oauth-requests.js'

/**
 * Clients in a browser, such as the MCP Inspector, call these endpoints from a page of another origin. Pages
 * on this machine may read the responses (Fetch standard, CORS protocol). Web pages may not, as the mock issuer
 * gives tokens to every caller.
 */

const BASE = 'https://api.telnyx.com'
const LOCAL = 'http://localhost:6274'

const READABLE = [
  ['GET', '/.well-known/oauth-authorization-server'],
  ['GET', '/v2/.well-known/oauth-authorization-server'],
  ['GET', '/.well-known/oauth-protected-resource'],
  ['GET', '/v2/oauth/jwks'],
  ['POST', '/v2/oauth/token'],
  ['POST', '/v2/oauth/register'],
] as const

const OTHERS = [
  ['GET', '/v2/oauth/authorize'],
  ['GET', '/v2/oauth/consent/x'],
  ['POST', '/v2/oauth/consent'],
  ['POST', '/v2/oauth/grants'],
  ['POST', '/v2/oauth/introspect'],
  ['GET', '/v2/oauth_clients'],
  ['GET', '/v2/oauth_grants'],
] as const

let issuer: MockIssuer
beforeEach(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  return () => issuer.close()
})

function ask(method: string, path: string, headers: Readonly<Record<string, string>>): Promise<Response> {
  return issuer.fetch(BASE + path, { method, headers, redirect: 'manual' })
}

function preflight(method: string, path: string, origin: string): Promise<Response> {
  return ask('OPTIONS', path, {
    origin,
    'access-control-request-method': method,
    'access-control-request-headers': 'content-type,mcp-protocol-version',
  })
}

function countsOf({ requests }: MockIssuer): number[] {
  return Object.values(requests).map(({ count }) => count)
}

describe.each(READABLE)('%s %s', (method, path) => {
  it.each([LOCAL, 'http://127.0.0.1:3000', 'http://[::1]:3000', 'https://localhost', 'http://localhost'])(
    'can be read by a page of %s',
    async (origin) => {
      const allowed = await preflight(method, path, origin)
      expect(allowed.status).toBe(204)
      expect(allowed.headers.get('access-control-allow-origin')).toBe(origin)
      expect(allowed.headers.get('access-control-allow-headers')).toBe('content-type,mcp-protocol-version')
      expect(allowed.headers.get('access-control-allow-methods')).toContain(method)
      expect(allowed.headers.get('access-control-allow-credentials')).toBeNull()
      // A preflight request does not call the operation.
      expect(countsOf(issuer)).not.toContain(1)

      const answer = await ask(method, path, { origin })
      expect(answer.headers.get('access-control-allow-origin')).toBe(origin)
      expect(answer.headers.get('vary')).toBe('Origin')
    },
  )

  it.each([
    'https://evil.example',
    'http://localhost.evil.example',
    'http://localhost:1@evil.example',
    'http://127.0.0.1.evil.example',
    'http://evil.example/localhost',
    'http://xlocalhost',
    'null',
    'file://',
  ])('cannot be read by a page of %s', async (origin) => {
    for (const response of [await preflight(method, path, origin), await ask(method, path, { origin })])
      expect(response.headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe.each(OTHERS)('%s %s', (method, path) => {
  it('cannot be read by a page of another origin', async () => {
    expect((await preflight(method, path, LOCAL)).status).toBe(404)
    expect((await ask(method, path, { origin: LOCAL })).headers.get('access-control-allow-origin')).toBeNull()
  })
})

it('an error response can be read as well, so that the client can show it', async () => {
  const response = await postForm(issuer.fetch, `${BASE}/v2/oauth/token`, {}, { origin: LOCAL })
  expect(response.status).toBe(401)
  expect(response.headers.get('access-control-allow-origin')).toBe(LOCAL)
})

it('a fault can be read as well', async () => {
  issuer.fault('token', { status: 503 })
  const response = await postForm(issuer.fetch, `${BASE}/v2/oauth/token`, {}, { origin: LOCAL })
  expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([503, LOCAL])
})

it('a connection is still dropped', async () => {
  issuer.fault('token', { drop: true })
  await expect(postForm(issuer.fetch, `${BASE}/v2/oauth/token`, {}, { origin: LOCAL })).rejects.toThrow(
    TypeError,
  )
  const { port } = new URL(await issuer.listen())
  const connection = new HttpConnection(Number(port))
  await expect(connection.request('POST', '/v2/oauth/token', [`Origin: ${LOCAL}`])).rejects.toThrow(
    'The server closed the connection before the end of the response',
  )
  expect(connection.rest).toBe('')
})

it('an issuer with a path has its documents where RFC 8414 §3.1 puts them', async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256', issuer: 'https://as.example.com/tenant' })
  const url = 'https://as.example.com/.well-known/oauth-authorization-server/tenant'
  const response = await issuer.fetch(url, { headers: { origin: LOCAL } })
  expect(response.headers.get('access-control-allow-origin')).toBe(LOCAL)
})
