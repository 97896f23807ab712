import {
  auth,
  discoverOAuthServerInfo,
  exchangeAuthorization,
  type OAuthClientProvider,
  refreshAuthorization,
  registerClient,
  startAuthorization,
  UnauthorizedError,
} from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  InvalidClientMetadataError,
  InvalidGrantError,
  InvalidTargetError,
} from '@modelcontextprotocol/sdk/server/auth/errors.js'
import type {
  OAuthClientInformationMixed,
  OAuthClientMetadata,
  OAuthTokens,
} from '@modelcontextprotocol/sdk/shared/auth.js'
import { decodeJwt } from 'jose'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { rejectionOf } from '../support/oauth-requests.js'
import { MORE, type Place, SCOPE, startPlace } from './protected-mcp-server.js'

/** The official MCP SDK signs in at the mock issuer, at an MCP server that mcpAuth() guards. */

const CALLBACK = 'http://127.0.0.1/callback'

const METADATA: OAuthClientMetadata = {
  client_name: 'Agent',
  redirect_uris: [CALLBACK],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
}

/** A client on the user's machine, which keeps what it is given. */
class Agent implements OAuthClientProvider {
  readonly redirectUrl = CALLBACK
  readonly clientMetadata: OAuthClientMetadata
  /** Where users were sent, in turn. */
  readonly visited: URL[] = []
  readonly invalidated: string[] = []
  stored: OAuthClientInformationMixed | undefined
  kept: OAuthTokens | undefined
  #codeVerifier = ''

  constructor(metadata: Partial<OAuthClientMetadata> = {}) {
    this.clientMetadata = { ...METADATA, ...metadata }
  }

  state(): string {
    return `state-${this.visited.length}`
  }

  clientInformation(): OAuthClientInformationMixed | undefined {
    return this.stored
  }

  saveClientInformation(stored: OAuthClientInformationMixed): void {
    this.stored = stored
  }

  tokens(): OAuthTokens | undefined {
    return this.kept
  }

  saveTokens(tokens: OAuthTokens): void {
    this.kept = tokens
  }

  redirectToAuthorization(url: URL): void {
    this.visited.push(url)
  }

  saveCodeVerifier(codeVerifier: string): void {
    this.#codeVerifier = codeVerifier
  }

  codeVerifier(): string {
    return this.#codeVerifier
  }

  invalidateCredentials(scope: 'all' | 'client' | 'tokens' | 'verifier' | 'discovery'): void {
    this.invalidated.push(scope)
    this.kept = undefined
    if (scope === 'all') this.stored = undefined
  }

  get clientId(): string {
    return this.stored?.client_id ?? ''
  }

  get accessToken(): string {
    return this.kept?.access_token ?? ''
  }

  get refreshToken(): string {
    return this.kept?.refresh_token ?? ''
  }
}

function connect(endpoint: URL, agent: Agent): { transport: StreamableHTTPClientTransport; client: Client } {
  const client = new Client({ name: 'agent', version: '1.0.0' })
  onTestFinished(() => client.close())
  return { client, transport: new StreamableHTTPClientTransport(endpoint, { authProvider: agent }) }
}

/** What the user decides, as it comes back to the client. */
async function decide({ issuer }: Place, agent: Agent, allow = true): Promise<URLSearchParams> {
  const url = agent.visited.at(-1) ?? 'nowhere'
  const answer = new URL(await issuer.authorize(url, { allow, subject: 'user-1' }))
  expect(answer.origin + answer.pathname).toBe(CALLBACK)
  expect(answer.searchParams.get('state')).toBe(`state-${agent.visited.length - 1}`)
  return answer.searchParams
}

/** No user is signed in yet; then one is. */
async function signIn(place: Place, agent: Agent): Promise<Client> {
  const first = connect(place.endpoint, agent)
  expect(await rejectionOf(first.client.connect(first.transport))).toBeInstanceOf(UnauthorizedError)
  await first.transport.finishAuth((await decide(place, agent)).get('code') ?? '')
  const { client, transport } = connect(place.endpoint, agent)
  await client.connect(transport)
  await place.settled
  return client
}

function whoami(client: Client): Promise<unknown> {
  return client.callTool({ name: 'whoami' }).then(({ content }) => content)
}

/** The day goes on only where a test says so, for the issuer and the server. */
function stopDate(): { advance: (seconds: number) => void } {
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  return { advance: (seconds) => void vi.setSystemTime(Date.now() + seconds * 1000) }
}

describe('signing in', () => {
  it.each(['none', 'client_secret_basic', 'client_secret_post', undefined])(
    'a client that knows only the URL of the server finds everything and calls a tool: %s',
    async (method) => {
      const place = await startPlace()
      const { issuer, endpoint } = place
      const agent = new Agent({ token_endpoint_auth_method: method })
      const client = await signIn(place, agent)
      expect(await whoami(client)).toEqual([{ type: 'text', text: `${agent.clientId} may ${SCOPE}` }])

      // It registered itself, with the scope of the challenge.
      expect(issuer.clients).toMatchObject([
        {
          clientId: agent.clientId,
          clientType: method === 'none' ? 'public' : 'confidential',
          name: 'Agent',
          grantTypes: ['authorization_code', 'refresh_token'],
          scopes: [SCOPE],
          redirectUris: [CALLBACK],
        },
      ])
      expect(agent.stored).toMatchObject({ ...METADATA, scope: SCOPE, issuer: issuer.issuer })
      expect(agent.stored?.client_secret).toEqual(method === 'none' ? undefined : expect.any(String))

      // It sent the user to the authorization endpoint.
      expect(agent.visited).toHaveLength(1)
      const [url] = agent.visited
      expect(Object.fromEntries(url?.searchParams ?? [])).toEqual({
        response_type: 'code',
        client_id: agent.clientId,
        code_challenge: expect.stringMatching(/^[\w-]{43}$/),
        code_challenge_method: 'S256',
        redirect_uri: CALLBACK,
        state: 'state-0',
        scope: SCOPE,
        resource: endpoint.href,
      })

      // RFC 8707: the token is for this server.
      expect(agent.kept).toEqual({
        access_token: expect.any(String),
        token_type: 'Bearer',
        expires_in: 3600,
        refresh_token: expect.any(String),
        scope: SCOPE,
        issuer: issuer.issuer,
      })
      expect(decodeJwt(agent.accessToken)).toMatchObject({
        iss: issuer.issuer,
        aud: endpoint.href,
        sub: 'user-1',
        client_id: agent.clientId,
        scope: SCOPE,
      })
      expect(issuer.grants).toMatchObject([
        { clientId: agent.clientId, subject: 'user-1', scopes: [SCOPE], resources: [endpoint.href] },
      ])
      expect([issuer.requests.registration.count, issuer.requests.token.count]).toEqual([1, 1])
    },
  )

  it('finds its way by the consent page too', async () => {
    const place = await startPlace()
    const agent = new Agent()
    const { client, transport } = connect(place.endpoint, agent)
    expect(await rejectionOf(client.connect(transport))).toBeInstanceOf(UnauthorizedError)
    const page = await fetch(agent.visited[0] ?? 'nowhere')
    expect(page.status).toBe(200)
    const [, token = ''] = /name="consent_token" value="([^"]+)"/.exec(await page.text()) ?? []
    const answer = await fetch(`${place.issuer.issuer}/v2/oauth/consent`, {
      method: 'POST',
      body: new URLSearchParams({ consent_token: token, decision: 'allow' }),
      redirect: 'manual',
    })
    const { searchParams } = new URL(answer.headers.get('location') ?? 'nowhere')
    await transport.finishAuth(searchParams.get('code') ?? '')
    const again = connect(place.endpoint, agent)
    await again.client.connect(again.transport)
    expect(await whoami(again.client)).toEqual([{ type: 'text', text: `${agent.clientId} may ${SCOPE}` }])
  })

  it('a user who denies leaves the client without a token', async () => {
    const place = await startPlace()
    const agent = new Agent()
    const { client, transport } = connect(place.endpoint, agent)
    expect(await rejectionOf(client.connect(transport))).toBeInstanceOf(UnauthorizedError)
    const answer = await decide(place, agent, false)
    expect(Object.fromEntries(answer)).toEqual({ error: 'access_denied', state: 'state-0' })
    // There is no code to finish with.
    expect(answer.get('code')).toBeNull()
    expect(await rejectionOf(transport.finishAuth('access_denied'))).toBeInstanceOf(InvalidGrantError)
    expect([agent.kept, place.issuer.grants, place.issuer.clients.length]).toEqual([undefined, [], 1])
    // A user who tries again is asked again, as the same client.
    const again = connect(place.endpoint, agent)
    expect(await rejectionOf(again.client.connect(again.transport))).toBeInstanceOf(UnauthorizedError)
    expect(agent.visited.map(({ searchParams }) => searchParams.get('client_id'))).toEqual([
      agent.clientId,
      agent.clientId,
    ])
  })

  it('the code of another request is refused, because the verifier does not match', async () => {
    const place = await startPlace()
    const agent = new Agent()
    const first = connect(place.endpoint, agent)
    expect(await rejectionOf(first.client.connect(first.transport))).toBeInstanceOf(UnauthorizedError)
    const code = (await decide(place, agent)).get('code') ?? ''
    // Which makes a verifier of its own.
    const second = connect(place.endpoint, agent)
    expect(await rejectionOf(second.client.connect(second.transport))).toBeInstanceOf(UnauthorizedError)
    expect(await rejectionOf(second.transport.finishAuth(code))).toBeInstanceOf(InvalidGrantError)
    expect(agent.kept).toBeUndefined()
  })

  it('a registration that is refused is told', async () => {
    const { endpoint } = await startPlace()
    const agent = new Agent({ redirect_uris: ['https://agent.example/#fragment'] })
    const error = await rejectionOf(auth(agent, { serverUrl: endpoint }))
    expect(error).toBeInstanceOf(InvalidClientMetadataError)
    expect([agent.stored, agent.visited]).toEqual([undefined, []])
  })
})

describe('a token that has expired', () => {
  it('is refreshed in the middle of a session, and the user is not asked', async () => {
    const { advance } = stopDate()
    const place = await startPlace()
    const agent = new Agent({ token_endpoint_auth_method: 'none' })
    const client = await signIn(place, agent)
    const old = { ...agent.kept }
    advance(3700)
    expect(await whoami(client)).toEqual([{ type: 'text', text: `${agent.clientId} may ${SCOPE}` }])
    expect([agent.visited.length, place.issuer.requests.token.count]).toEqual([1, 2])
    expect(agent.accessToken).not.toBe(old.access_token)
    expect(agent.refreshToken).not.toBe(old.refresh_token)
    // RFC 8707: still for this server.
    expect(decodeJwt(agent.accessToken)).toMatchObject({
      aud: place.endpoint.href,
      sub: 'user-1',
      scope: SCOPE,
    })
    advance(3700)
    await whoami(client)
    expect(place.issuer.requests.token.count).toBe(3)
  })

  it('is not refreshed when the user has taken the grant back: they are asked again', async () => {
    const { advance } = stopDate()
    const place = await startPlace()
    const agent = new Agent()
    const client = await signIn(place, agent)
    const [grant] = place.issuer.grants
    place.issuer.revoke(grant?.id ?? '')
    // A signature does not tell.
    await whoami(client)
    advance(3700)
    expect(await rejectionOf(whoami(client))).toBeInstanceOf(UnauthorizedError)
    expect([agent.invalidated, agent.visited.length]).toEqual([['tokens'], 2])
    expect(place.issuer.clients).toHaveLength(1)
    const { transport } = connect(place.endpoint, agent)
    await transport.finishAuth((await decide(place, agent)).get('code') ?? '')
    expect(await whoami(client)).toEqual([{ type: 'text', text: `${agent.clientId} may ${SCOPE}` }])
  })

  it('is not refreshed for a deleted client: it registers again', async () => {
    const { advance } = stopDate()
    const place = await startPlace()
    const agent = new Agent()
    const client = await signIn(place, agent)
    const { clientId } = agent
    const { issuer } = place
    const deleted = await fetch(`${issuer.issuer}/v2/oauth_clients/${clientId}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${issuer.apiKey}` },
    })
    expect(deleted.status).toBe(204)
    advance(3700)
    expect(await rejectionOf(whoami(client))).toBeInstanceOf(UnauthorizedError)
    expect(agent.invalidated).toEqual(['all'])
    expect(agent.clientId).not.toBe(clientId)
    expect(issuer.clients.map((registered) => registered.clientId)).toEqual([agent.clientId])
    expect(agent.visited.at(-1)?.searchParams.get('client_id')).toBe(agent.clientId)
  })

  it('is not refreshed while the issuer is down; the user is sent there again', async () => {
    const { advance } = stopDate()
    const place = await startPlace()
    const agent = new Agent()
    const client = await signIn(place, agent)
    advance(3700)
    place.issuer.fault('token', { status: 503 })
    expect(await rejectionOf(whoami(client))).toBeInstanceOf(UnauthorizedError)
    expect([agent.invalidated, agent.visited.length]).toEqual([[], 2])
    place.issuer.clearFaults()
    expect(await whoami(client)).toEqual([{ type: 'text', text: `${agent.clientId} may ${SCOPE}` }])
  })
})

describe('step by step', () => {
  /** What `auth()` does, one function after the other. */
  async function start(clientMetadata: OAuthClientMetadata = METADATA) {
    const place = await startPlace()
    const { issuer, endpoint } = place
    const found = await discoverOAuthServerInfo(endpoint)
    const { authorizationServerUrl, authorizationServerMetadata: metadata } = found
    if (!metadata) throw new Error('There is no metadata')
    const clientInformation = await registerClient(authorizationServerUrl, {
      metadata,
      clientMetadata,
      scope: SCOPE,
    })
    const request = async (resource: string | URL) => {
      const { authorizationUrl, codeVerifier } = await startAuthorization(authorizationServerUrl, {
        metadata,
        clientInformation,
        redirectUrl: CALLBACK,
        scope: SCOPE,
        resource,
      })
      const { searchParams } = new URL(await issuer.authorize(authorizationUrl))
      return { searchParams, codeVerifier }
    }
    return { ...place, ...found, metadata, clientInformation, request }
  }

  it('discovery finds what the issuer publishes', async () => {
    const { issuer, endpoint, authorizationServerUrl, metadata, resourceMetadata } = await start()
    expect(authorizationServerUrl).toBe(issuer.issuer)
    expect(resourceMetadata).toMatchObject({
      resource: endpoint.href,
      authorization_servers: [issuer.issuer],
      scopes_supported: [SCOPE],
    })
    expect(metadata).toEqual(
      await (await fetch(`${issuer.issuer}/.well-known/oauth-authorization-server`)).json(),
    )
    expect(metadata.issuer).toBe(issuer.issuer)
    expect(issuer.requests.metadata.count).toBe(2)
  })

  it('a code gives tokens once, and the second time ends them', async () => {
    const step = await start()
    const { searchParams, codeVerifier } = await step.request(step.endpoint)
    const exchange = () =>
      exchangeAuthorization(step.authorizationServerUrl, {
        metadata: step.metadata,
        clientInformation: step.clientInformation,
        authorizationCode: searchParams.get('code') ?? '',
        codeVerifier,
        redirectUri: CALLBACK,
        resource: step.endpoint,
      })
    const { refresh_token: refreshToken = '' } = await exchange()
    expect(await rejectionOf(exchange())).toBeInstanceOf(InvalidGrantError)
    const { metadata, clientInformation } = step
    const refreshed = refreshAuthorization(step.authorizationServerUrl, {
      metadata,
      clientInformation,
      refreshToken,
    })
    expect(await rejectionOf(refreshed)).toBeInstanceOf(InvalidGrantError)
    expect(step.issuer.grants).toEqual([])
  })

  it('a refresh token gives tokens once, for no other resource than the code', async () => {
    const step = await start({ ...METADATA, token_endpoint_auth_method: 'none' })
    const { authorizationServerUrl, metadata, clientInformation, endpoint } = step
    const { searchParams, codeVerifier } = await step.request(endpoint)
    const tokens = await exchangeAuthorization(authorizationServerUrl, {
      metadata,
      clientInformation,
      authorizationCode: searchParams.get('code') ?? '',
      codeVerifier,
      redirectUri: CALLBACK,
    })
    // What was asked for at the authorization endpoint holds where nothing is said.
    expect(decodeJwt(tokens.access_token).aud).toBe(endpoint.href)
    const refresh = (refreshToken: string | undefined, resource?: string) =>
      refreshAuthorization(authorizationServerUrl, {
        metadata,
        clientInformation,
        refreshToken: refreshToken ?? '',
        ...(resource !== undefined && { resource }),
      })
    expect(await rejectionOf(refresh(tokens.refresh_token, 'https://other.example'))).toBeInstanceOf(
      InvalidTargetError,
    )
    const second = await refresh(tokens.refresh_token, endpoint.href)
    expect(decodeJwt(second.access_token).aud).toBe(endpoint.href)
    const third = await refresh(second.refresh_token)
    expect(decodeJwt(third.access_token).aud).toBe(endpoint.href)
    expect(new Set([tokens, second, third].map(({ refresh_token: token }) => token)).size).toBe(3)
    // It was copied.
    expect(await rejectionOf(refresh(second.refresh_token))).toBeInstanceOf(InvalidGrantError)
    expect(await rejectionOf(refresh(third.refresh_token))).toBeInstanceOf(InvalidGrantError)
  })

  it('a token for another server is refused by this one', async () => {
    const step = await start()
    const { searchParams, codeVerifier } = await step.request('https://other.example/mcp')
    const { authorizationServerUrl, metadata, clientInformation, endpoint } = step
    const tokens = await exchangeAuthorization(authorizationServerUrl, {
      metadata,
      clientInformation,
      authorizationCode: searchParams.get('code') ?? '',
      codeVerifier,
      redirectUri: CALLBACK,
    })
    expect(decodeJwt(tokens.access_token).aud).toBe('https://other.example/mcp')
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(/error="invalid_token"/)
  })
})

describe('a tool that needs another scope', () => {
  const send = (client: Client) => client.callTool({ name: 'send' }).then(({ content }) => content)

  it('without a refresh token: the client asks for all scopes of the challenge, and calls it again', async () => {
    const place = await startPlace({ mcp: true })
    const agent = new Agent({ grant_types: ['authorization_code'] })
    const client = await signIn(place, agent)
    if (agent.kept) delete agent.kept.refresh_token
    expect(await rejectionOf(send(client))).toBeInstanceOf(UnauthorizedError)
    expect(agent.visited.at(-1)?.searchParams.get('scope')).toBe(`${SCOPE} ${MORE}`)
    const { transport } = connect(place.endpoint, agent)
    await transport.finishAuth((await decide(place, agent)).get('code') ?? '')
    const again = connect(place.endpoint, agent)
    await again.client.connect(again.transport)
    expect(await send(again.client)).toEqual([{ type: 'text', text: 'sent' }])
  })

  // Not ours to change: it refreshes, gets the same scopes, and ends.
  it('with a refresh token: the client gives up, and nothing runs', async () => {
    const place = await startPlace({ mcp: true })
    const client = await signIn(place, new Agent())
    await expect(send(client)).rejects.toThrow('Server returned 403 after trying upscoping')
  })
})
