import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import inject from 'light-my-request'
import { createApp } from './app.js'

const issuer = await createMockIssuer()

/**
 * @param {string} url
 * @param {RequestInit} [init]
 */
const ask = async (url, init) => JSON.parse(await (await issuer.fetch(url, init)).text())

// Registration and authorization of a public client with PKCE, by the metadata of the issuer.
const metadata = await ask(`${issuer.issuer}/.well-known/oauth-authorization-server`)
const redirect_uri = 'http://127.0.0.1:8080/callback'
const { client_id } = await ask(metadata.registration_endpoint, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ redirect_uris: [redirect_uri], token_endpoint_auth_method: 'none' }),
})
const code_verifier = randomBytes(32).toString('base64url')
const request = new URLSearchParams({
  response_type: 'code',
  client_id,
  redirect_uri,
  scope: 'messaging.read',
  resource: 'https://api.example.com',
  code_challenge: createHash('sha256').update(code_verifier).digest('base64url'),
  code_challenge_method: 'S256',
})
const url = `${metadata.authorization_endpoint}?${request}`

test('a user who allows the request is signed in', async () => {
  const callback = new URL(await issuer.authorize(url, { subject: 'user-1' }))
  const code = callback.searchParams.get('code') ?? ''
  const grant = { grant_type: 'authorization_code', client_id, redirect_uri, code, code_verifier }
  const body = new URLSearchParams(grant)
  const { access_token } = await ask(metadata.token_endpoint, { method: 'POST', body })

  const app = createApp({ issuer: issuer.issuer, fetch: issuer.fetch })
  const headers = { authorization: `Bearer ${access_token}` }
  const response = await inject(app, { url: '/messages', headers })
  assert.deepEqual(response.json(), { messages: [], caller: 'user-1' })
})

test('a user who denies the request is redirected without a code', async () => {
  const callback = new URL(await issuer.authorize(url, { allow: false }))
  assert.equal(callback.searchParams.get('error'), 'access_denied')
})
