import {
  ConfigurationError,
  createVerifier,
  requireAuth,
  requireScopes,
  telnyxAuth,
  type VerifierOptions,
} from '@telnyx-auth/express'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import { expressjwt } from 'express-jwt'
import {
  auth,
  claimCheck,
  claimEquals,
  requiredScopes,
  claimIncludes as theirClaimIncludes,
} from 'express-oauth2-jwt-bearer'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { AUDIENCE } from '../support/forge.js'
import { serve } from '../support/http.js'
import { claimIncludes } from './after/claim-includes.js'
import { errorHandler } from './after/error-handler.js'
import { errorHandler as theirErrorHandler } from './before/error-handler.js'

/** Claims, errors and the issuer, as the page of express-oauth2-jwt-bearer says. */

const issuer = await createMockIssuer()
beforeAll(() => issuer.listen())
afterAll(() => issuer.close())

function serveExpress(handlers: readonly RequestHandler[], onError?: ErrorRequestHandler) {
  const app = express()
  // Its own error handler is not to write to the console.
  app.set('env', 'test')
  app.use(...handlers, (_req, res) => void res.json({}))
  if (onError) app.use(onError)
  return serve(app)
}

const theirs = (issuerBaseURL = issuer.issuer) => auth({ issuerBaseURL, audience: AUDIENCE })
const ours = (options: VerifierOptions & { readonly errors?: 'throw' } = {}) =>
  telnyxAuth({ issuer: issuer.issuer, audience: AUDIENCE, ...options })

const bearer = async (options: Parameters<typeof issuer.issueToken>[0]) => [
  `Authorization: Bearer ${await issuer.issueToken(options)}`,
]

describe('claims', () => {
  it.each([
    ['a list with both', ['admin', 'dev', 'ops'], 200],
    ['a string with both', 'admin dev', 200],
    ['one of them', ['admin'], 401],
    ['a string that contains them', 'not-admin devs', 401],
    ['an object', { admin: true, dev: true }, 401],
    ['nothing', undefined, 401],
  ])('claimIncludes answers the same: %s', async (_, roles, status) => {
    const lines = await bearer({ claims: { roles } })
    for (const [first, check] of [
      [theirs(), theirClaimIncludes('roles', 'admin', 'dev')],
      [ours(), claimIncludes('roles', 'admin', 'dev')],
    ] as const) {
      const { client } = await serveExpress([first, check])
      expect((await client.request('GET', '/', lines)).status).toBe(status)
    }
  })

  it('an obvious substitute for claimIncludes does not answer the same', async () => {
    const obvious = requireAuth<{ roles: string }>({
      validate: ({ claims }) => claims.roles.includes('admin'),
    })
    const { client } = await serveExpress([ours(), obvious])
    for (const [roles, status] of [
      [undefined, 500],
      ['not-admin', 200],
    ] as const)
      expect((await client.request('GET', '/', await bearer({ claims: { roles } }))).status).toBe(status)
  })

  it.each([
    ['claimEquals', claimEquals('org', 'x')],
    ['claimCheck', claimCheck(({ org }) => org === 'x')],
  ])('%s refuses a token without the claim, with 401', async (_, check) => {
    const { client } = await serveExpress([theirs(), check])
    expect((await client.request('GET', '/', await bearer({}))).status).toBe(401)
  })

  it('isRevoked of express-jwt refuses with true', async () => {
    for (const revoked of [true, false]) {
      const isRevoked = async () => revoked
      const check = expressjwt({ secret: 'a secret', algorithms: ['HS256'], isRevoked })
      const token = 'eyJhbGciOiJIUzI1NiJ9.e30.Os6fdkbqAYm1iVnjv8Vg3ZDwdFLdVFB0D7WzZGL-FZM'
      const { client } = await serveExpress([check])
      const { status } = await client.request('GET', '/', [`Authorization: Bearer ${token}`])
      expect(status).toBe(revoked ? 401 : 200)
    }
  })
})

describe('an error handler', () => {
  it.each([
    ['invalid_token', 401, { expiresInSeconds: -3600 }, 'ERR_TOKEN_EXPIRED'],
    ['insufficient_scope', 403, { scopes: ['a'] }, 'ERR_SCOPE_INSUFFICIENT'],
  ])('finds the old word, %s', async (title, status, options, code) => {
    const lines = await bearer(options)
    const before = await serveExpress([theirs(), requiredScopes('b')], theirErrorHandler)
    const after = await serveExpress([ours({ errors: 'throw' }), requireScopes('b')], errorHandler)
    const was = await before.client.request('GET', '/', lines)
    const is = await after.client.request('GET', '/', lines)
    expect([was.status, is.status]).toEqual([status, status])
    expect([JSON.parse(was.body).title, JSON.parse(is.body).title]).toEqual([title, title])
    expect(JSON.parse(is.body).code).toBe(code)
    expect(is.headers.get('www-authenticate')?.join()).toContain(title)
  })

  it('finds no word for a missing token, as before', async () => {
    for (const [first, onError] of [
      [theirs(), theirErrorHandler],
      [ours({ errors: 'throw' }), errorHandler],
    ] as const) {
      const { client } = await serveExpress([first], onError)
      const { status, body } = await client.request('GET', '/')
      expect([status, JSON.parse(body).title]).toEqual([401, undefined])
    }
  })

  it('gets outages, and hands on what is no refusal', async () => {
    const down = async () => new Response('', { status: 503 })
    const outage = await serveExpress([ours({ errors: 'throw', fetch: down })], errorHandler)
    const response = await outage.client.request('GET', '/', await bearer({}))
    expect(response.status).toBe(503)
    expect(response.headers.has('retry-after')).toBe(true)
    expect(response.headers.has('www-authenticate')).toBe(false)

    const broken: RequestHandler = () => {
      throw Object.assign(new Error('mine'), { status: 418 })
    }
    const { client } = await serveExpress([ours({ errors: 'throw' }), broken], errorHandler)
    expect((await client.request('GET', '/', await bearer({}))).status).toBe(418)
  })
})

describe('the issuer', () => {
  it('with another slash passes there, and is refused here', async () => {
    vi.spyOn(process, 'emitWarning').mockReturnValue()
    const lines = await bearer({})
    const { client: before } = await serveExpress([theirs(`${issuer.issuer}/`)])
    expect((await before.request('GET', '/', lines)).status).toBe(200)
    const { client: after } = await serveExpress([ours({ issuer: `${issuer.issuer}/` })])
    expect((await after.request('GET', '/', lines)).body).toContain('ERR_ISSUER_NOT_ALLOWED')
    // The tokens have the slash as well, the metadata has none.
    const slashed = await bearer({ claims: { iss: `${issuer.issuer}/` } })
    const response = await after.request('GET', '/', slashed)
    expect([response.status, JSON.parse(response.body).code]).toEqual([503, 'ERR_DISCOVERY_FAILED'])
  })

  it('is Telnyx where the option is undefined', () => {
    const verifier = createVerifier({ issuer: undefined, audience: AUDIENCE })
    expect(JSON.stringify(verifier.health())).toContain('https://api.telnyx.com')
  })
})

it('ES256K is no algorithm here', () => {
  // @ts-expect-error: the compiler says so too
  expect(() => ours({ algorithms: ['ES256K'] })).toThrow(ConfigurationError)
})
