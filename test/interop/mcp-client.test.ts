import {
  Client,
  type OAuthClientMetadata,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  RegistrationRejectedError,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { rejectionOf } from '../support/oauth-requests.js'
import { MORE, type Place, SCOPE, startPlace } from './protected-mcp-server.js'

/** The MCP client of 2026 (`@modelcontextprotocol/client` 2), unmodified, at a server that mcpAuth() guards. */

const CALLBACK = 'http://127.0.0.1/callback'

/** A program on the user's machine, with all that it can say of itself (RFC 7591 §2). */
class Agent implements OAuthClientProvider {
  readonly redirectUrl = CALLBACK
  readonly clientMetadata: OAuthClientMetadata
  /** The URL of its metadata document, if it has one. */
  readonly clientMetadataUrl?: string
  /** The URLs that users were sent to, in turn. */
  readonly visited: URL[] = []
  client: StoredOAuthClientInformation | undefined
  stored: StoredOAuthTokens | undefined
  #codeVerifier = ''
  #discovered: OAuthDiscoveryState | undefined

  constructor(metadata: Partial<OAuthClientMetadata> = {}, clientMetadataUrl?: string) {
    if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl
    this.clientMetadata = {
      client_name: 'Agent',
      client_uri: 'https://agent.example.com',
      contacts: ['ops@agent.example.com'],
      software_id: '2e6dc280-f3c3-4e01-99a7-8181dbd1d23d',
      software_version: '2.4.0',
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      ...metadata,
    }
  }

  state(): string {
    return 'state'
  }

  clientInformation(): StoredOAuthClientInformation | undefined {
    return this.client
  }

  saveClientInformation(client: StoredOAuthClientInformation): void {
    this.client = client
  }

  tokens(): StoredOAuthTokens | undefined {
    return this.stored
  }

  saveTokens(tokens: StoredOAuthTokens): void {
    this.stored = tokens
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

  saveDiscoveryState(discovered: OAuthDiscoveryState): void {
    this.#discovered = discovered
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#discovered
  }
}

function connect({ endpoint }: Place, agent: Agent) {
  const client = new Client({ name: 'agent', version: '1.0.0' })
  onTestFinished(() => client.close())
  const transport = new StreamableHTTPClientTransport(endpoint, { authProvider: agent })
  return { client, transport, connected: client.connect(transport) }
}

/** The first connection ends at the authorization endpoint, the second one has the tokens. */
async function signIn(place: Place, agent: Agent): Promise<Client> {
  const first = connect(place, agent)
  expect(await rejectionOf(first.connected)).toBeInstanceOf(UnauthorizedError)
  const callback = new URL(await place.issuer.authorize(agent.visited.at(-1) ?? '', { subject: 'user-1' }))
  await first.transport.finishAuth(callback.searchParams)
  const { client, connected } = connect(place, agent)
  await connected
  await place.settled
  return client
}

describe.each(['none', 'client_secret_basic', 'client_secret_post', undefined])(
  'a client with %s',
  (token_endpoint_auth_method) => {
    it('registers with metadata that Telnyx does not document (RFC 7591 §2), and lists tools', async () => {
      const place = await startPlace()
      const agent = new Agent({ token_endpoint_auth_method })
      const client = await signIn(place, agent)
      expect((await client.listTools()).tools).toMatchObject([{ name: 'whoami' }])
      expect(await client.callTool({ name: 'whoami' })).toMatchObject({
        content: [{ type: 'text', text: `${agent.client?.client_id} may ${SCOPE}` }],
      })
      expect(place.issuer.clients).toMatchObject([
        { clientId: agent.client?.client_id, name: 'Agent', scopes: [SCOPE], redirectUris: [CALLBACK] },
      ])
      // RFC 7591 §3.2.1: 0 for a secret that does not expire.
      const hasSecret = token_endpoint_auth_method !== 'none'
      expect(agent.client?.client_secret_expires_at).toBe(hasSecret ? 0 : undefined)
    })
  },
)

it('a token that has expired is refreshed, and the user is not asked again', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const place = await startPlace()
  const agent = new Agent({ token_endpoint_auth_method: 'none' })
  const client = await signIn(place, agent)
  const before = agent.stored?.access_token
  vi.setSystemTime(Date.now() + 3_700_000)
  expect((await client.listTools()).tools).toHaveLength(1)
  expect(agent.stored?.access_token).not.toBe(before)
  expect(agent.visited).toHaveLength(1)
})

it('a registration with malformed metadata is refused, and the client says so', async () => {
  const place = await startPlace()
  const agent = new Agent({ redirect_uris: ['https://agent.example.com/#fragment'] })
  const { connected } = connect(place, agent)
  expect(await rejectionOf(connected)).toBeInstanceOf(RegistrationRejectedError)
  expect([agent.client, agent.visited, place.issuer.clients]).toEqual([undefined, [], []])
})

it('a tool that needs another scope: the client asks for it beside those that it has, and calls it again', async () => {
  const place = await startPlace({ mcp: true })
  const agent = new Agent({ token_endpoint_auth_method: 'none' })
  const client = await signIn(place, agent)
  expect(agent.stored?.refresh_token).toBeDefined()
  expect(await rejectionOf(client.callTool({ name: 'send' }))).toBeInstanceOf(UnauthorizedError)
  expect(agent.visited.at(-1)?.searchParams.get('scope')).toBe(`${SCOPE} ${MORE}`)
  const callback = new URL(await place.issuer.authorize(agent.visited.at(-1) ?? '', { subject: 'user-1' }))
  const again = connect(place, agent)
  await again.connected
  await again.transport.finishAuth(callback.searchParams)
  expect(await again.client.callTool({ name: 'send' })).toMatchObject({
    content: [{ type: 'text', text: 'sent' }],
  })
})

describe('a client with a metadata document (draft-ietf-oauth-client-id-metadata-document)', () => {
  const DOCUMENT_URL = 'https://agent.example.com/client.json'

  async function start(mcp: boolean) {
    const agent = new Agent({ token_endpoint_auth_method: 'none' }, DOCUMENT_URL)
    const fetched: string[] = []
    const place = await startPlace({
      mcp,
      fetch: async (url) => {
        fetched.push(url)
        return Response.json({ ...agent.clientMetadata, client_id: DOCUMENT_URL })
      },
    })
    return { agent, fetched, place }
  }

  it('signs in by its URL, without registration, and refreshes', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const { agent, fetched, place } = await start(true)
    const client = await signIn(place, agent)
    const says = { content: [{ type: 'text', text: `${DOCUMENT_URL} may ${SCOPE}` }] }
    expect(await client.callTool({ name: 'whoami' })).toMatchObject(says)
    expect(agent.client?.client_id).toBe(DOCUMENT_URL)
    expect(place.issuer.clients).toEqual([])
    expect(place.issuer.requests.registration.count).toBe(0)
    expect(new Set(fetched)).toEqual(new Set([DOCUMENT_URL]))

    const before = agent.stored?.access_token
    vi.setSystemTime(Date.now() + 3_700_000)
    expect(await client.callTool({ name: 'whoami' })).toMatchObject(says)
    expect(agent.stored?.access_token).not.toBe(before)
    expect(agent.visited).toHaveLength(1)
  })

  it('registers where the issuer does not announce documents', async () => {
    const { agent, fetched, place } = await start(false)
    await signIn(place, agent)
    expect(agent.client?.client_id).not.toBe(DOCUMENT_URL)
    expect(place.issuer.requests.registration.count).toBe(1)
    expect(fetched).toEqual([])
  })
})
