import { createRequire } from 'node:module'
import { requireBearerAuth as requireV2 } from '@modelcontextprotocol/express'
import { requireBearerAuth as requireV1 } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import { requireBearerAuth as requireWeb } from '@modelcontextprotocol/server'
import { createVerifier, type VerifierOptions } from '@telnyx-auth/core'
import { type AuthInfo, createTokenVerifier, toAuthInfo } from '@telnyx-auth/mcp'
import { createTokenVerifier as createV1 } from '@telnyx-auth/mcp/v1'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import express from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serve } from '../support/http.js'
import { thrownBy } from '../support/outcome.js'

/** Our verifier behind the bearer authentication of the MCP SDK, v1 and v2. */

const AUDIENCE = 'https://api.example.com/mcp'
const METADATA = 'https://api.example.com/.well-known/oauth-protected-resource/mcp'

let issuer: MockIssuer
let options: VerifierOptions
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  options = { issuer: await issuer.listen(), audience: AUDIENCE }
})
afterAll(() => issuer.close())

const issue = (changes: Parameters<MockIssuer['issueToken']>[0] = {}) =>
  issuer.issueToken({
    audience: AUDIENCE,
    scopes: ['read'],
    clientId: 'agent-1',
    subject: 'user-1',
    ...changes,
  })

type Create = (options?: VerifierOptions) => ReturnType<typeof createTokenVerifier>

describe.each<[string, Create, (verifier: ReturnType<Create>) => express.RequestHandler]>([
  [
    'v1',
    createV1,
    (verifier) => requireV1({ verifier, requiredScopes: ['read'], resourceMetadataUrl: METADATA }),
  ],
  [
    'v2',
    createTokenVerifier,
    (verifier) => requireV2({ verifier, requiredScopes: ['read'], resourceMetadataUrl: METADATA }),
  ],
])('requireBearerAuth of SDK %s', (_, create, require) => {
  const get = async (token: string, changes: VerifierOptions = {}) => {
    const app = express()
    app.get('/', require(create({ ...options, ...changes })), (request, response) => {
      response.json(Reflect.get(request, 'auth'))
    })
    const { client } = await serve(app)
    return client.request('GET', '/', [`Authorization: Bearer ${token}`])
  }

  it('a good token passes, with all that the SDK wants to know', async () => {
    const token = await issue()
    const response = await get(token)
    expect(response.status).toBe(200)
    expect(JSON.parse(response.body)).toMatchObject({
      token,
      clientId: 'agent-1',
      scopes: ['read'],
      expiresAt: expect.any(Number),
      resource: AUDIENCE,
      resourceMetadataUrl: METADATA,
      extra: { subject: 'user-1', issuer: options.issuer },
    })
  })

  it.each<[string, () => Promise<string>, number, string]>([
    ['no token of ours', async () => 'abc', 401, 'invalid_token'],
    ['expired', () => issue({ expiresInSeconds: -60 }), 401, 'invalid_token'],
    ['for another server', () => issue({ audience: 'https://api.example.com/other' }), 401, 'invalid_token'],
    ['with a bad signature', async () => `${(await issue()).slice(0, -8)}AAAAAAAA`, 401, 'invalid_token'],
    ['without the scope', () => issue({ scopes: ['other'] }), 403, 'insufficient_scope'],
  ])('a token that is %s: %s, %i', async (_name, token, status, error) => {
    const response = await get(await token())
    expect(response.status).toBe(status)
    expect(response.headers.get('www-authenticate')?.[0]).toContain(`error="${error}"`)
    expect(JSON.parse(response.body).error).toBe(error)
  })

  it('a policy of the verifier that the token does not satisfy: 403', async () => {
    const response = await get(await issue(), { scopes: ['read', 'admin'] })
    expect(response.status).toBe(403)
    expect(JSON.parse(response.body).error).toBe('insufficient_scope')
  })

  it('an outage: 500 without a challenge, so that users are not sent to sign in', async () => {
    const down = 'http://127.0.0.1:9'
    const response = await get(await issue({ claims: { iss: down } }), { issuer: down, timeoutMs: 1000 })
    expect(response.status).toBe(500)
    expect(response.headers.get('www-authenticate')).toBeUndefined()
    expect(JSON.parse(response.body).error).toBe('server_error')
  })

  it('a token without an expiry: 401', async () => {
    expect((await get(await issue({ claims: { exp: undefined } }))).status).toBe(401)
  })

  it('a programming error: 500, and the error is not changed', async () => {
    const mine = new TypeError('mine')
    const verifier = create({
      ...options,
      validate() {
        throw mine
      },
    })
    await expect(verifier.verifyAccessToken(await issue())).rejects.toBe(mine)
  })

  it('the error has the reason for operators, and tells nothing of the token', async () => {
    const token = await issue({ expiresInSeconds: -60 })
    const error = await create(options)
      .verifyAccessToken(token)
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ cause: { code: 'ERR_TOKEN_EXPIRED' } })
    expect(String(Reflect.get(Object(error), 'message'))).not.toContain(token.slice(0, 8))
    expect(JSON.stringify(error)).not.toContain('user-1')
  })

  it('C: a mistake in the options', () => {
    expect(thrownBy(() => create({ audience: '' }))).toMatchObject({ code: 'ERR_CONFIGURATION' })
    expect(thrownBy(() => create(JSON.parse('{"audiense":"x"}')))).toMatchObject({
      code: 'ERR_CONFIGURATION',
    })
  })
})

it('a verifier that was created before is used', async () => {
  const verifier = createVerifier({ ...options, scopes: ['read'] })
  for (const create of [createTokenVerifier, createV1]) {
    const info = await create({ verifier }).verifyAccessToken(await issue())
    expect(info).toMatchObject({ clientId: 'agent-1', resourceMetadataUrl: METADATA })
  }
})

it('the web-standard gate of SDK v2', async () => {
  const gate = requireWeb({ verifier: createTokenVerifier(options) })
  const ask = (token: string) =>
    gate(new Request(AUDIENCE, { headers: { Authorization: `Bearer ${token}` } }))
  expect(await ask(await issue())).toMatchObject({ clientId: 'agent-1' })
  const refused = await ask('abc')
  expect(refused instanceof Response && refused.status).toBe(401)
})

it('SDK v1 in CommonJS: with its classes, a bad token is 401', async () => {
  const require = createRequire(import.meta.url)
  const errors = require('@modelcontextprotocol/sdk/server/auth/errors.js')
  const { requireBearerAuth } = require('@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js')
  const app = express()
  app.use(requireBearerAuth({ verifier: createV1(options, errors) }))
  const { client } = await serve(app)
  expect((await client.request('GET', '/', ['Authorization: Bearer abc'])).status).toBe(401)
})

describe('a resource without a path', () => {
  it.each([
    ['https://mcp.example.com', 'https://mcp.example.com', true],
    ['https://mcp.example.com', 'https://mcp.example.com/', true],
    ['https://mcp.example.com/', 'https://mcp.example.com', true],
    ['https://mcp.example.com/', 'https://mcp.example.com/', true],
    ['https://mcp.example.com', 'https://mcp.example.com//', false],
    ['https://mcp.example.com', 'https://mcp.example.com/mcp', false],
    ['https://mcp.example.com', 'https://MCP.example.com/', false],
    ['https://mcp.example.com/mcp', 'https://mcp.example.com/mcp/', false],
    ['https://mcp.example.com/mcp/', 'https://mcp.example.com/mcp', false],
    ['https://mcp.example.com?a', 'https://mcp.example.com?a/', false],
    ['urn:example', 'urn:example/', false],
  ])('%s, and a token for %s: %s', async (audience, named, accepted) => {
    const verifier = createTokenVerifier({ ...options, audience })
    const outcome = verifier.verifyAccessToken(await issue({ audience: named }))
    if (accepted) expect((await outcome).resource?.href).toBe('https://mcp.example.com/')
    else await expect(outcome).rejects.toMatchObject({ code: 'invalid_token' })
  })

  it('its metadata have the spelling of the option', async () => {
    for (const audience of ['https://mcp.example.com', 'https://mcp.example.com/']) {
      const info = await createTokenVerifier({ ...options, audience }).verifyAccessToken(
        await issue({ audience }),
      )
      expect(info.resourceMetadataUrl).toBe('https://mcp.example.com/.well-known/oauth-protected-resource')
    }
  })
})

describe('toAuthInfo', () => {
  const infoOf = async (changes: Parameters<MockIssuer['issueToken']>[0]): Promise<AuthInfo> =>
    toAuthInfo(await createVerifier({ ...options, audience: null }).verify(await issue(changes)))

  it('a subject never stands in for a client id', async () => {
    const info = await infoOf({ claims: { client_id: undefined } })
    expect(info.clientId).toBe('')
    expect(info.extra.subject).toBe('user-1')
  })

  it.each<[readonly string[], string | undefined]>([
    [[AUDIENCE], AUDIENCE],
    [['urn:a', AUDIENCE], AUDIENCE],
    [[AUDIENCE, 'https://api.example.com/other'], undefined],
    [['api'], undefined],
  ])('the audiences %j: resource %s', async (audience, resource) => {
    const info = await infoOf({ audience: [...audience] })
    expect(info.resource?.href).toBe(resource)
    expect('resource' in info).toBe(resource !== undefined)
  })

  it('is a copy that may be changed, and has every member of its own', async () => {
    const auth = await createVerifier(options).verify(await issue())
    const info = toAuthInfo(auth)
    info.scopes.push('more')
    expect(auth.scopes).toEqual(['read'])
    expect({ ...info }.token).toBe(auth.token)
  })
})
