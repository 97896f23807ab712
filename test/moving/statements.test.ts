import { createPublicKey } from 'node:crypto'
import { createVerifier, requireAuth, telnyxAuth, type VerifierOptions } from '@telnyx-auth/express'
import { telnyxAuth as koaAuth } from '@telnyx-auth/koa'
import { createDpopProof, createMockIssuer } from '@telnyx-auth/mock-issuer'
import express, { type RequestHandler } from 'express'
import { expressjwt } from 'express-jwt'
import { auth, claimEquals, scopeIncludesAny } from 'express-oauth2-jwt-bearer'
import Koa, { type Middleware } from 'koa'
import jwt from 'koa-jwt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AUDIENCE, forge, goodHeader, ISSUER, makeKey } from '../support/forge.js'
import { serve } from '../support/http.js'

/** What the pages say in words. */

const issuer = await createMockIssuer()
beforeAll(() => issuer.listen())
afterAll(() => issuer.close())

const bearer = (token: string) => [`Authorization: Bearer ${token}`]

/** A server whose every route answers 200, unless one of these refuses. */
function serveExpress(...handlers: readonly RequestHandler[]) {
  const app = express()
  // Its own error handler is not to write to the console.
  app.set('env', 'test')
  app.use(...handlers, (_req, res) => void res.json({}))
  return serve(app)
}

function serveKoa(middleware: Middleware) {
  const app = new Koa()
  app.silent = true
  app.use(middleware)
  app.use((ctx) => {
    ctx.body = {}
  })
  return serve(app.callback())
}

const theirs = (options: Parameters<typeof auth>[0] = {}) =>
  auth({ issuerBaseURL: issuer.issuer, audience: AUDIENCE, ...options })
const ours = (options: VerifierOptions & { readonly optional?: boolean } = {}) =>
  telnyxAuth({ issuer: issuer.issuer, audience: AUDIENCE, ...options })

describe('where sign-in is optional, a bad token', () => {
  const secret = 'a secret that is long enough for HMAC'

  it.each([
    [
      'passes as anonymous in express-oauth2-jwt-bearer',
      200,
      () => serveExpress(theirs({ authRequired: false })),
    ],
    ['passes as anonymous in koa-jwt', 200, () => serveKoa(jwt({ secret, passthrough: true }))],
    [
      'is refused by express-jwt',
      401,
      () => serveExpress(expressjwt({ secret, algorithms: ['HS256'], credentialsRequired: false })),
    ],
    ['is refused here, in Express', 401, () => serveExpress(ours({ optional: true }))],
    [
      'is refused here, in Koa',
      401,
      () => serveKoa(koaAuth({ issuer: issuer.issuer, audience: AUDIENCE, optional: true })),
    ],
  ])('%s', async (_, status, create) => {
    const { client } = await create()
    expect((await client.request('GET', '/')).status).toBe(200)
    const expired = await issuer.issueToken({ expiresInSeconds: -3600 })
    expect((await client.request('GET', '/', bearer(expired))).status).toBe(status)
  })
})

describe('express-oauth2-jwt-bearer', () => {
  it('reads a token from the query, and telnyxAuth does not', async () => {
    const path = `/?access_token=${await issuer.issueToken()}`
    expect((await (await serveExpress(theirs())).client.request('GET', path)).status).toBe(200)
    expect((await (await serveExpress(ours())).client.request('GET', path)).status).toBe(401)
  })

  it('accepts a DPoP proof twice, and telnyxAuth once', async () => {
    const { privateKey: key } = makeKey('ES256')
    const token = await issuer.issueToken({ dpopKey: key })
    for (const [create, second] of [
      [() => serveExpress(theirs()), 200],
      [() => serveExpress(ours({ dpop: 'optional', baseUrl: 'http://127.0.0.1' })), 401],
    ] as const) {
      const { client } = await create()
      // The client sends this `Host`.
      const proof = await createDpopProof({ key, method: 'GET', url: 'http://127.0.0.1/', token })
      const lines = [`Authorization: DPoP ${token}`, `DPoP: ${proof}`]
      expect((await client.request('GET', '/', lines)).status).toBe(200)
      expect((await client.request('GET', '/', lines)).status).toBe(second)
    }
  })

  it.each([
    ['claimEquals', claimEquals('org', 'x'), requireAuth({ validate: ({ claims }) => claims.org === 'x' })],
    ['scopeIncludesAny', scopeIncludesAny('a b'), requireAuth({ anyScope: ['a', 'b'] })],
  ])('%s has a counterpart', async (_, before, after) => {
    const good = await issuer.issueToken({ scopes: ['b'], claims: { org: 'x' } })
    const bad = await issuer.issueToken({ scopes: ['c'], claims: { org: 'y' } })
    const statuses: number[][] = []
    for (const handlers of [
      [theirs(), before],
      [ours(), after],
    ]) {
      const { client } = await serveExpress(...handlers)
      statuses.push([
        (await client.request('GET', '/', bearer(good))).status,
        (await client.request('GET', '/', bearer(bad))).status,
      ])
    }
    expect(statuses[0]?.[0]).toBe(200)
    expect(statuses[0]?.[1]).toBeGreaterThan(400)
    expect(statuses[1]).toEqual(statuses[0])
  })
})

it('a key in PEM becomes a JWK, which needs the key id of the tokens', async () => {
  const key = makeKey('RS256')
  const pem = key.publicKey.export({ format: 'pem', type: 'spki' })
  const jwk = createPublicKey(pem).export({ format: 'jwk' })
  const exp = Math.floor(Date.now() / 1000) + 3600
  const token = forge(goodHeader(key), { iss: ISSUER, aud: AUDIENCE, exp }, key)

  const verify = (kid: object) =>
    createVerifier({ issuer: ISSUER, audience: AUDIENCE, jwks: { keys: [{ ...jwk, ...kid }] } }).verify(token)
  await expect(verify({ kid: key.kid })).resolves.toMatchObject({ issuer: ISSUER })
  await expect(verify({})).rejects.toMatchObject({ code: 'ERR_KEY_NOT_FOUND' })
})
