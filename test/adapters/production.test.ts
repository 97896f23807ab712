import { getAuth, telnyxAuth } from '@telnyx-auth/express'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import express from 'express'
import nock from 'nock'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { serve } from '../support/http.js'
import { TELNYX_METADATA } from '../support/telnyx-metadata.js'

describe("production's own configuration: nothing but TELNYX_AUTH_AUDIENCE", () => {
  beforeEach(() => {
    vi.stubEnv('TELNYX_AUTH_ISSUER', undefined)
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', 'https://api.example.com')
  })

  it('accepts tokens of https://api.telnyx.com, and refuses others', async () => {
    // The keys of an issuer that is not asked: only what it signs is used here.
    const issuer = await createMockIssuer()
    const { jwks } = { jwks: await (await issuer.fetch('https://api.telnyx.com/v2/oauth/jwks')).text() }
    const telnyx = nock('https://api.telnyx.com')
      .get('/.well-known/oauth-authorization-server')
      .matchHeader('accept', /application\/json/)
      .reply(200, TELNYX_METADATA, { 'content-type': 'application/json; charset=utf-8' })
      .get('/v2/oauth/jwks')
      .reply(200, jwks, { 'content-type': 'application/json; charset=utf-8' })

    const app = express()
    app.use(telnyxAuth())
    app.get('/me', (req, res) => void res.json(getAuth(req)))
    const { url } = await serve(app)
    expect(telnyx.pendingMocks()).toHaveLength(2)

    const ask = (token: string) => fetch(`${url}/me`, { headers: { authorization: `Bearer ${token}` } })
    const good = await ask(await issuer.issueToken({ subject: 'user-1', scopes: ['messaging.read'] }))
    expect(good.status).toBe(200)
    expect(await good.json()).toMatchObject({
      subject: 'user-1',
      issuer: 'https://api.telnyx.com',
      scopes: ['messaging.read'],
    })
    // A token as bare as Telnyx's introspection documents it: no sub, no jti, and the `typ` of any JWT.
    const bare = { header: { typ: 'JWT' }, claims: { sub: undefined, jti: undefined } }
    expect((await ask(await issuer.issueToken(bare))).status).toBe(200)
    expect((await ask(await issuer.issueToken({ audience: 'https://api.telnyx.com/v2/mcp' }))).status).toBe(
      401,
    )
    expect((await ask(await issuer.issueToken({ expiresInSeconds: -60 }))).status).toBe(401)
    // One request each, as promised: nock would have refused a second.
    telnyx.done()
  })

  it('answers 503 while Telnyx does not, and recovers', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    const telnyx = nock('https://api.telnyx.com')
      .get('/.well-known/oauth-authorization-server')
      .reply(502, '<html>')
    const app = express()
    app.use(telnyxAuth())
    const { url } = await serve(app)
    const response = await fetch(url, { headers: { authorization: `Bearer ${await issuer.issueToken()}` } })
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
    telnyx.done()
  })
})
