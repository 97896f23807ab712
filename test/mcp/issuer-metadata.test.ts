import { discoverOAuthServerInfo as discoverWithV2, IssuerMismatchError } from '@modelcontextprotocol/client'
import {
  discoverOAuthServerInfo,
  registerClient,
  startAuthorization,
} from '@modelcontextprotocol/sdk/client/auth.js'
import { createVerifier } from '@telnyx-auth/core'
import { createMcpGate, type McpEndpointOptions } from '@telnyx-auth/mcp'
import { mcpAuth } from '@telnyx-auth/mcp/express'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import express from 'express'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { expectNothingUnhandled } from '../support/event-loop.js'
import { goodToken, makeKey } from '../support/forge.js'
import { serve, shareServers } from '../support/http.js'
import { thrownBy } from '../support/outcome.js'
import { type Call, harnesses } from './harness.js'

/** The option `authorizationServer`: the metadata of the issuer, where clients of MCP 2025-03-26 look for them. */

expectNothingUnhandled()

const ISSUER = 'https://issuer.example'
const ISSUERS_URL = `${ISSUER}/.well-known/oauth-authorization-server`
const OPENID_URL = `${ISSUER}/.well-known/openid-configuration`
const AUDIENCE = 'https://api.example.com/mcp'
const PATH = '/.well-known/oauth-authorization-server'
const URL_HERE = `https://api.example.com${PATH}`
const PREFLIGHT = [
  'Origin: https://app.example.com',
  'Access-Control-Request-Method: GET',
  'Access-Control-Request-Headers: mcp-protocol-version',
]

const DOCUMENT = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/authorize`,
  token_endpoint: `${ISSUER}/token`,
  registration_endpoint: `${ISSUER}/register`,
  jwks_uri: `${ISSUER}/keys`,
  response_types_supported: ['code'],
  of_its_own: { nested: ['ü'] },
}

/** An issuer that serves `documents`, with headers of its own. Every other URL answers 404. */
function createFetch(documents: Readonly<Record<string, object>>) {
  const asked: string[] = []
  const headers = {
    'Cache-Control': 'private, max-age=77',
    ETag: '"of-the-issuer"',
    'Set-Cookie': 'of=the-issuer',
    'X-Of-The-Issuer': '1',
    'Access-Control-Allow-Origin': 'https://other.example.com',
  }
  const fetch = async (url: string): Promise<Response> => {
    asked.push(url)
    const document = documents[url]
    return document ? Response.json(document, { headers }) : new Response('no', { status: 404 })
  }
  return { fetch, asked }
}

describe.each(harnesses)('%s', (_, harness) => {
  const share = shareServers()
  const calls: Call[] = []
  beforeEach(() => void calls.splice(0))

  const start = (name: 'on' | 'off' | 'outage' | 'another issuer') =>
    share(name, () => {
      const document = name === 'another issuer' ? { ...DOCUMENT, issuer: `${ISSUER}/` } : DOCUMENT
      const { fetch } = createFetch({ [ISSUERS_URL]: document })
      const broken = async () => {
        throw new Error('no connection')
      }
      return harness.build({
        calls,
        options: {
          issuer: ISSUER,
          audience: AUDIENCE,
          fetch: name === 'outage' ? broken : fetch,
          ...(name !== 'off' && { authorizationServer: true }),
        },
      })
    })

  it.each([PATH, `${PATH}/`, `${PATH}?x=1`])('the document, without a token: %s', async (path) => {
    const { client } = await start('on')
    const { status, headers, body } = await client.request('GET', path)
    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual(DOCUMENT)
    expect(headers.get('content-type')).toEqual(['application/json'])
    expect(headers.get('cache-control')).toEqual(['public, max-age=300'])
    expect(headers.get('access-control-allow-origin')).toEqual(['*'])
  })

  it('none of the headers of the issuer', async () => {
    const { client } = await start('on')
    const { headers } = await client.request('GET', PATH)
    for (const name of ['etag', 'set-cookie', 'x-of-the-issuer']) expect(headers.get(name)).toBeUndefined()
  })

  it('HEAD: the same without the body', async () => {
    const { client } = await start('on')
    const { status, headers, body } = await client.request('HEAD', PATH)
    expect([status, body]).toEqual([200, ''])
    expect(headers.get('content-type')).toEqual(['application/json'])
    expect(headers.get('cache-control')).toEqual(['public, max-age=300'])
  })

  it.each(['on', 'outage'] as const)(
    'a preflight request, which does not wait for the issuer: %s',
    async (name) => {
      const { client } = await start(name)
      const { status, headers } = await client.request('OPTIONS', PATH, PREFLIGHT)
      expect(status).toBe(204)
      expect(headers.get('access-control-allow-origin')).toEqual(['*'])
      expect(headers.get('access-control-allow-methods')).toEqual(['GET, HEAD'])
    },
  )

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is for the application', async (method) => {
    const { client } = await start('on')
    const [here, elsewhere] = [await client.request(method, PATH), await client.request(method, '/nothing')]
    expect(here.status).toBe(elsewhere.status)
    expect(here.body).not.toContain('issuer.example')
    expect(calls).toEqual([])
  })

  it.each(['GET', 'HEAD', 'OPTIONS'])(
    'off, which is the default: %s is for the application',
    async (method) => {
      const { client } = await start('off')
      const lines = method === 'OPTIONS' ? PREFLIGHT : []
      const here = await client.request(method, PATH, lines)
      const elsewhere = await client.request(method, '/nothing', lines)
      expect(here.status).toBe(elsewhere.status)
      expect(here.body).not.toContain('issuer.example')
      expect(here.headers.get('access-control-allow-origin')).toBeUndefined()
    },
  )

  it.each([
    ['outage', 'ERR_DISCOVERY_FAILED'],
    ['another issuer', 'ERR_DISCOVERY_FAILED'],
  ] as const)('%s: 503 with Retry-After, and nothing of the document', async (name, code) => {
    const { client } = await start(name)
    const { status, headers, body } = await client.request('GET', PATH)
    expect(status).toBe(503)
    expect(Number(headers.get('retry-after')?.[0])).toBeGreaterThan(0)
    expect(headers.get('access-control-allow-origin')).toEqual(['*'])
    expect(headers.get('www-authenticate')).toBeUndefined()
    expect(JSON.parse(body)).toMatchObject({ code })
    expect(body).not.toContain('issuer.example')
  })
})

describe('the document', () => {
  const key = makeKey('ES256', 'good')
  const create = (
    options: object,
    documents: Readonly<Record<string, object>> = { [ISSUERS_URL]: DOCUMENT },
  ) => {
    const { fetch, asked } = createFetch(documents)
    const gate = createMcpGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      fetch,
      authorizationServer: true,
      ...options,
    })
    const read = async () => {
      const answer = (await gate.handle(new Request(URL_HERE)))?.answer
      return { status: answer?.status, document: JSON.parse(answer?.body ?? 'null') }
    }
    return { gate, read, asked }
  }

  it('is the one of the verifier: fetched once, for requests and tokens', async () => {
    const { gate, read, asked } = create(
      {},
      { [ISSUERS_URL]: DOCUMENT, [DOCUMENT.jwks_uri]: { keys: [key.jwk] } },
    )
    expect(asked).toEqual([])
    const answers = await Promise.all([read(), read(), read()])
    for (const answer of answers) expect(answer).toEqual({ status: 200, document: DOCUMENT })
    expect(asked).toEqual([ISSUERS_URL])
    const now = Math.floor(Date.now() / 1000)
    const token = goodToken(key, { iss: ISSUER, aud: AUDIENCE, iat: now, nbf: now, exp: now + 60 })
    const request = new Request(AUDIENCE, { headers: { Authorization: `Bearer ${token}` } })
    expect((await gate.handle(request))?.answer).toBeUndefined()
    expect(asked).toEqual([ISSUERS_URL, DOCUMENT.jwks_uri])
  })

  it('of an issuer that has OpenID Connect discovery only', async () => {
    const { read, asked } = create({}, { [OPENID_URL]: DOCUMENT })
    expect(await read()).toEqual({ status: 200, document: DOCUMENT })
    expect(asked).toEqual([ISSUERS_URL, OPENID_URL])
  })

  it('of the first of several issuers', async () => {
    const { read, asked } = create({ issuer: [ISSUER, 'https://second.example'] })
    expect(await read()).toEqual({ status: 200, document: DOCUMENT })
    expect(asked).toEqual([ISSUERS_URL])
  })

  it('of a verifier that was created before', async () => {
    const { fetch } = createFetch({ [ISSUERS_URL]: DOCUMENT })
    const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, fetch })
    const gate = createMcpGate({ verifier, authorizationServer: true })
    const answer = (await gate.handle(new Request(URL_HERE)))?.answer
    expect(JSON.parse(answer?.body ?? '')).toEqual(DOCUMENT)
  })

  it.each<[string, object]>([
    ['metadata', { metadata: DOCUMENT }],
    ['metadata and jwks', { metadata: DOCUMENT, jwks: { keys: [key.jwk] } }],
    ['metadata and jwksUri', { metadata: DOCUMENT, jwksUri: `${ISSUER}/other-keys` }],
  ])('of the option %s, and nothing is fetched', async (_, options) => {
    const { read, asked } = create(options)
    expect(await read()).toEqual({ status: 200, document: DOCUMENT })
    expect(asked).toEqual([])
  })

  it.each<[string, object]>([
    ['jwks alone', { jwks: { keys: [key.jwk] } }],
    ['jwksUri alone', { jwksUri: DOCUMENT.jwks_uri }],
    ...['authorization_endpoint', 'token_endpoint', 'response_types_supported'].map(
      (name): [string, object] => [
        `metadata without ${name}`,
        { metadata: { ...DOCUMENT, [name]: undefined } },
      ],
    ),
  ])('none for clients: %s', (_, options) => {
    expect(thrownBy(() => create(options))).toMatchObject({ code: 'ERR_CONFIGURATION' })
    // Enough for a verifier.
    expect(() => create({ ...options, authorizationServer: false })).not.toThrow()
  })

  it("errors: 'throw'", async () => {
    const { gate } = create({ errors: 'throw' }, {})
    await expect(gate.handle(new Request(URL_HERE))).rejects.toMatchObject({ code: 'ERR_DISCOVERY_FAILED' })
  })

  it('an endpoint without a path guards every other path', async () => {
    const audience = 'https://api.example.com'
    expect(await create({ audience }).read()).toEqual({ status: 200, document: DOCUMENT })
    expect((await create({ audience, authorizationServer: false }).read()).status).toBe(401)
    const { gate } = create({ audience })
    expect((await gate.handle(new Request(`${URL_HERE}/mcp`)))?.answer?.status).toBe(401)
  })
})

/** A server whose metadata clients look for, and the paths that they ask for. */
async function startServer(
  options: Pick<McpEndpointOptions, 'authorizationServer'> & { protectedResource?: false },
) {
  const issuer = await createMockIssuer({ algorithm: 'ES256', clients: [] })
  onTestFinished(() => issuer.close())
  const app = express()
  const { url } = await serve(app)
  const endpoint = `${url}/mcp`
  const asked: string[] = []
  app.use((request, _response, next) => {
    asked.push(request.path)
    next()
  })
  app.use(mcpAuth({ issuer: await issuer.listen(), audience: endpoint, path: '/mcp', ...options }))
  return { issuer, url, endpoint, asked }
}

describe('clients that find no RFC 9728 metadata', () => {
  it.each([true, false])('SDK v1: authorizationServer: %s', async (authorizationServer) => {
    const { issuer, url, endpoint } = await startServer({ authorizationServer, protectedResource: false })
    const found = await discoverOAuthServerInfo(endpoint)
    expect(found.authorizationServerUrl).toBe(`${url}/`)
    const { authorizationServerMetadata: metadata } = found
    expect(metadata?.issuer).toBe(authorizationServer ? issuer.issuer : undefined)
    if (!metadata) return
    const clientMetadata = { redirect_uris: ['http://127.0.0.1/callback'] }
    const clientInformation = await registerClient(found.authorizationServerUrl, { metadata, clientMetadata })
    const { authorizationUrl } = await startAuthorization(found.authorizationServerUrl, {
      metadata,
      clientInformation,
      redirectUrl: 'http://127.0.0.1/callback',
    })
    expect(authorizationUrl.origin).toBe(issuer.issuer)
    expect(issuer.clients).toHaveLength(1)
  })

  it('SDK v2 compares the issuer with the URL, and refuses the document', async () => {
    const { endpoint, asked } = await startServer({ authorizationServer: true, protectedResource: false })
    await expect(discoverWithV2(endpoint)).rejects.toThrow(IssuerMismatchError)
    expect(asked).toContain(PATH)
  })
})

describe('clients that find RFC 9728 metadata ask the issuer, and nothing here', () => {
  it.each([
    ['SDK v1', discoverOAuthServerInfo],
    ['SDK v2', discoverWithV2],
  ])('%s', async (_, discover) => {
    const { issuer, endpoint, asked } = await startServer({ authorizationServer: true })
    const { authorizationServerUrl, authorizationServerMetadata } = await discover(endpoint)
    expect(authorizationServerUrl).toBe(issuer.issuer)
    expect(authorizationServerMetadata?.issuer).toBe(issuer.issuer)
    expect(asked).toEqual(['/.well-known/oauth-protected-resource/mcp'])
  })
})
