import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import inject from 'light-my-request'
import { expect, it } from 'vitest'
import { createApp } from './app.js'

const issuer = await createMockIssuer()
const app = createApp({ issuer: issuer.issuer, fetch: issuer.fetch })

/** @param {string} token */
const get = (token) => inject(app, { url: '/messages', headers: { authorization: `Bearer ${token}` } })

const scopes = ['messaging.read']
const good = await issuer.issueToken({ scopes, subject: 'user-1' })

it('answers a caller with the required scope', async () => {
  const response = await get(good)
  expect(response.statusCode).toBe(200)
  expect(response.json()).toEqual({ messages: [], caller: 'user-1' })
})

it('refuses a request without a token', async () => {
  const response = await inject(app, { url: '/messages' })
  expect(response.statusCode).toBe(401)
  expect(response.json().code).toBe('ERR_TOKEN_MISSING')
})

it('refuses a caller without the required scope', async () => {
  const response = await get(await issuer.issueToken({ scopes: ['voice.read'] }))
  expect(response.statusCode).toBe(403)
  expect(response.json().code).toBe('ERR_SCOPE_INSUFFICIENT')
})

// Another issuer: the same identifier, but other keys.
const foreign = await createMockIssuer()

// The claims of one token with the signature of another.
const [header, , signature] = good.split('.')
const [, claims] = (await issuer.issueToken({ scopes, subject: 'admin' })).split('.')

it.each([
  ['ERR_TOKEN_EXPIRED', await issuer.issueToken({ scopes, expiresInSeconds: -60 })],
  ['ERR_AUDIENCE_NOT_ALLOWED', await issuer.issueToken({ scopes, audience: 'urn:other' })],
  ['ERR_KEY_NOT_FOUND', await foreign.issueToken({ scopes })],
  ['ERR_SIGNATURE_INVALID', `${header}.${claims}.${signature}`],
  ['ERR_ALGORITHM_NOT_ALLOWED', await issuer.issueToken({ scopes, header: { alg: 'none' } })],
  ['ERR_CLAIM_MISSING', await issuer.issueToken({ scopes, claims: { exp: undefined } })],
  ['ERR_TYP_INVALID', await issuer.issueToken({ scopes, header: { typ: 'logout+jwt' } })],
])('answers an invalid token with 401: %s', async (code, token) => {
  const response = await get(token)
  expect(response.statusCode).toBe(401)
  expect(response.json().code).toBe(code)
})
