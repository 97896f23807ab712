import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'

/** The option `mcp`: what MCP authorization 2026-07-28 asks of an authorization server, and Telnyx does not document. */

const REDIRECT = 'http://127.0.0.1/callback'

/** The URL that a client of MCP sends the user to, registered with one scope. */
async function authorizationUrl(issuer: MockIssuer, scope: string): Promise<URL> {
  const registered = await issuer.fetch(`${issuer.issuer}/v2/oauth/register`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      redirect_uris: [REDIRECT],
      token_endpoint_auth_method: 'none',
      scope: 'messaging.read',
      application_type: 'native',
    }),
  })
  const client: { client_id: string; scope: string } = JSON.parse(await registered.text())
  expect(client.scope).toBe('messaging.read')
  const url = new URL(`${issuer.issuer}/v2/oauth/authorize`)
  url.search = String(
    new URLSearchParams({
      response_type: 'code',
      client_id: client.client_id,
      redirect_uri: REDIRECT,
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
      scope,
    }),
  )
  return url
}

const MORE = 'messaging.read messaging.write'
const answer = async (issuer: MockIssuer, scope: string, allow: boolean) =>
  Object.fromEntries(
    new URL(await issuer.authorize(await authorizationUrl(issuer, scope), { allow })).searchParams,
  )
const metadata = async (issuer: MockIssuer) =>
  (await issuer.fetch(`${issuer.issuer}/.well-known/oauth-authorization-server`)).json()

describe('mcp: true', () => {
  it('RFC 9207: iss in each redirect, and in the metadata', async () => {
    const issuer = await createMockIssuer({ mcp: true })
    const iss = issuer.issuer
    expect(await metadata(issuer)).toMatchObject({ authorization_response_iss_parameter_supported: true })
    expect(await answer(issuer, MORE, true)).toMatchObject({ code: expect.any(String), iss })
    expect(await answer(issuer, MORE, false)).toEqual({ error: 'access_denied', iss })
    expect(await answer(issuer, 'unknown', true)).toMatchObject({ error: 'invalid_scope', iss })
  })

  it('a client may ask for more scopes than it registered with', async () => {
    const issuer = await createMockIssuer({ mcp: true })
    const { code = '' } = await answer(issuer, MORE, true)
    expect(code).not.toBe('')
    expect(issuer.grants[0]?.scopes).toEqual(MORE.split(' '))
  })
})

it('by default: as Telnyx is documented', async () => {
  const issuer = await createMockIssuer()
  expect(await metadata(issuer)).not.toHaveProperty('authorization_response_iss_parameter_supported')
  expect(await answer(issuer, MORE, true)).toMatchObject({ error: 'invalid_scope' })
  expect(Object.keys(await answer(issuer, 'messaging.read', true))).toEqual(['code'])
})

it.each([1, 'true', null])('C: mcp: %o', async (mcp) => {
  await expect(createMockIssuer(JSON.parse(JSON.stringify({ mcp })))).rejects.toBeInstanceOf(TypeError)
})
