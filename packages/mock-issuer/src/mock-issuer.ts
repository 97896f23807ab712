import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { ConnectionDropped, createApp } from './http/app.js'
import { authorizationEndpoint } from './http/documents.js'
import { type Fault, Faults } from './http/faults.js'
import { followRedirects, networkError, unlessAborted } from './http/in-process-fetch.js'
import { type MockIssuerOptions, type ResolvedOptions, resolveOptions, TELNYX_ISSUER } from './options.js'
import type { Account, Client } from './protocol/client.js'
import { ENDPOINTS, type Endpoint } from './protocol/endpoints.js'
import type { Grant, GrantSeed } from './protocol/grant.js'
import type { TokenOptions } from './state/access-token.js'
import { AccessTokens } from './state/access-tokens.js'
import { Authorization } from './state/authorization.js'
import { Clients } from './state/clients.js'
import { Grants } from './state/grants.js'
import { type RequestLog, RequestLogs } from './state/request-log.js'
import { createSigningKey, type SigningKey } from './state/signing-keys.js'

/** An authorization server with Telnyx's paths and shapes, in this process. */
export interface MockIssuer {
  /** The issuer identifier. */
  readonly issuer: string
  /** What the operations on the account, and on consent, need as a bearer token. */
  readonly apiKey: string
  /** The audience of tokens for which no `resource` was named. */
  readonly audience: string
  /** All clients, as they are now: seeded, registered and created. */
  readonly clients: readonly Client[]
  /** All that users have allowed and nobody has revoked, as it is now. */
  readonly grants: readonly Grant[]
  /** What was asked so far, per endpoint. */
  readonly requests: Readonly<Record<Endpoint, RequestLog>>
  /** A `fetch` that is answered in this process, without a socket; any other host does not exist for it. */
  readonly fetch: typeof globalThis.fetch
  /**
   * Serves over HTTP, and returns the base URL. Where no `issuer` was set, the identifier is this URL from then on.
   *
   * @param options.port default: a free one
   * @param options.host default: 127.0.0.1
   */
  listen(options?: { port?: number | undefined; host?: string | undefined }): Promise<string>
  /**
   * Does what a user does who is sent to the authorization endpoint: allows what is asked for, or does not.
   *
   * @param url where the client sends the user
   * @param options.allow default: true
   * @param options.subject who the user is; default: always the same
   * @returns where the user is sent then: the redirect URI of the client, with a code or an error
   * @throws {TypeError} for another URL
   * @throws {Error} for a request that is not answered at the redirect URI
   */
  authorize(
    url: string | URL,
    options?: { allow?: boolean | undefined; subject?: string | undefined },
  ): Promise<string>
  /** Signs an access token (RFC 9068), as it should be unless the options say otherwise. */
  issueToken(options?: TokenOptions): Promise<string>
  /**
   * Signs with a new key from now on.
   *
   * @param options.keepOld whether the keys so far stay in the JWK Set; default: true
   * @returns the id of the new key
   */
  rotateKeys(options?: { keepOld?: boolean | undefined }): Promise<string>
  /**
   * Makes introspection report an access token as inactive, or all tokens of a grant, which then is no more; a refresh
   * token stands for its grant. Whoever checks the signature alone does not notice.
   */
  revoke(tokenOrGrantId: string): void
  /** Makes an endpoint misbehave. A second fault of the same endpoint takes the place of the first. */
  fault(endpoint: Endpoint, fault: Fault): void
  /** Makes all endpoints behave again. */
  clearFaults(): void
  /** Stops: connections are closed, and `fetch` fails as if nobody listened. */
  close(): Promise<void>
}

/**
 * Makes an authorization server. Opens no socket until `listen`.
 *
 * @throws {TypeError} for an option that does not exist or cannot be used
 */
export async function createMockIssuer(options: MockIssuerOptions = {}): Promise<MockIssuer> {
  const resolved = resolveOptions(options)
  return new EmbeddedIssuer(resolved, await createSigningKey(resolved.algorithm))
}

class EmbeddedIssuer implements MockIssuer {
  readonly apiKey: string
  readonly audience: string
  readonly #log = new RequestLogs()
  readonly requests: Readonly<Record<Endpoint, RequestLog>> = this.#log.perEndpoint

  readonly #issuerIsFixed: boolean
  readonly #app: ReturnType<typeof createApp>
  readonly #faults = new Faults()
  readonly #account: Account = Object.freeze({ userId: randomUUID(), orgId: randomUUID() })
  readonly #clients: Clients
  readonly #grants: Grants
  readonly #authorization: Authorization
  readonly #tokens: AccessTokens
  #issuer: string
  #server: Server | undefined
  /** Settled when the server listens, or cannot. */
  #started: Promise<unknown> | undefined
  #baseUrl: string | undefined
  #closed = false
  /** What closed connections are over HTTP, this is in process. */
  #closing = new AbortController()

  constructor(options: ResolvedOptions, key: SigningKey) {
    const { scopes, now, apiKey } = options
    this.apiKey = apiKey
    this.audience = options.audience
    this.#issuer = options.issuer ?? TELNYX_ISSUER
    this.#issuerIsFixed = options.issuer !== undefined
    this.#clients = new Clients(options.clients, scopes, now)
    this.#grants = new Grants(now)
    for (const seed of options.grants) this.#seedGrant(seed)
    this.#authorization = new Authorization(this.#clients, this.#grants, now)

    const state = { issuer: () => this.#issuer, clients: this.#clients, grants: this.#grants }
    this.#tokens = new AccessTokens(options, key, state)
    this.#app = createApp(
      {
        ...state,
        scopes,
        apiKey,
        account: this.#account,
        authorization: this.#authorization,
        tokens: this.#tokens,
      },
      { faults: this.#faults, record: (endpoint) => this.#log.record(endpoint, now()) },
      new URL(this.#issuer).pathname.replace(/\/$/, ''),
    )
  }

  get clients(): readonly Client[] {
    return Object.freeze(this.#clients.list())
  }

  get grants(): readonly Grant[] {
    return Object.freeze(this.#grants.list())
  }

  get issuer(): string {
    return this.#issuer
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) =>
    followRedirects(new Request(input, init), (request) => this.#answer(request))

  async listen({
    port = 0,
    host = '127.0.0.1',
  }: {
    port?: number | undefined
    host?: string | undefined
  } = {}): Promise<string> {
    if (this.#server) throw new Error('The issuer is listening already')
    if (host === '') throw new TypeError('"host" must not be empty')
    const server = createServer(
      // The classes of the process that embeds the issuer are not ours to replace.
      getRequestListener((request, env) => this.#app.fetch(request, { incoming: env.incoming }), {
        overrideGlobalObjects: false,
        // Of requests that name none: HTTP/1.0 does not.
        hostname: hostOf(host),
      }),
    )
    this.#server = server
    try {
      server.listen(port, host)
      this.#started = once(server, 'listening')
      await this.#started
    } catch (error) {
      if (this.#server === server) this.#server = undefined
      throw error
    }
    // Another may listen by now.
    if (this.#server !== server) throw new Error('The issuer was closed while it started to listen')
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('The server has no address')
    this.#baseUrl = `http://${hostOf(host)}:${address.port}`
    if (!this.#issuerIsFixed) this.#issuer = this.#baseUrl
    this.#closed = false
    return this.#baseUrl
  }

  async authorize(
    url: string | URL,
    {
      allow = true,
      subject = this.#account.userId,
    }: { allow?: boolean | undefined; subject?: string | undefined } = {},
  ): Promise<string> {
    const { origin, pathname, searchParams } = new URL(url)
    const endpoint = new URL(authorizationEndpoint(this.#issuer))
    if (origin !== endpoint.origin || pathname !== endpoint.pathname)
      throw new TypeError('This is not a URL of the authorization endpoint')
    const outcome = this.#authorization.begin(searchParams)
    return outcome.kind === 'redirect'
      ? outcome.location
      : this.#authorization.decide(outcome.consentToken, allow, subject)
  }

  async issueToken(options: TokenOptions = {}): Promise<string> {
    return this.#tokens.sign(options)
  }

  rotateKeys({ keepOld = true }: { keepOld?: boolean | undefined } = {}): Promise<string> {
    return this.#tokens.rotateKeys(keepOld)
  }

  revoke(tokenOrGrantId: string): void {
    const grantId = this.#grants.idOfRefreshToken(tokenOrGrantId) ?? tokenOrGrantId
    if (!this.#grants.revoke(grantId)) this.#tokens.revoke(tokenOrGrantId)
  }

  fault(endpoint: Endpoint, fault: Fault): void {
    if (!ENDPOINTS.includes(endpoint))
      throw new TypeError(`There is no endpoint "${endpoint}"; there are ${ENDPOINTS.join(', ')}`)
    this.#faults.set(endpoint, fault)
  }

  clearFaults(): void {
    this.#faults.clear()
  }

  async close(): Promise<void> {
    this.#closed = true
    const server = this.#server
    this.#server = undefined
    this.#closing.abort(networkError('ECONNRESET', 'The embedded issuer was closed'))
    this.#closing = new AbortController()
    if (!server) return
    // A server that is about to listen would do so after it was closed. That it cannot is told by `listen`.
    await this.#started?.catch(() => undefined)
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }

  async #answer(request: Request): Promise<Response> {
    request.signal.throwIfAborted()
    const { origin } = new URL(request.url)
    const isOurs = [this.#issuer, this.#baseUrl].some(
      (url) => url !== undefined && new URL(url).origin === origin,
    )
    if (!isOurs) throw networkError('ENOTFOUND', 'The embedded issuer is not at this address')
    if (this.#closed) throw networkError('ECONNREFUSED', 'The embedded issuer is closed')
    try {
      const signal = AbortSignal.any([request.signal, this.#closing.signal])
      return await unlessAborted(this.#app.fetch(request, { signal }), signal)
    } catch (error) {
      throw error instanceof ConnectionDropped
        ? networkError('ECONNRESET', 'The connection was dropped')
        : error
    }
  }

  #seedGrant({ id, subject = this.#account.userId, resources = [], ...seed }: GrantSeed): void {
    const [first] = this.#clients.list()
    const client = seed.clientId === undefined ? first : this.#clients.get(seed.clientId)
    if (!client) throw new TypeError('"clientId" of a grant is that of no client')
    if (id !== undefined && this.#grants.get(id)) throw new TypeError('Two grants have the same "id"')
    this.#grants.create({
      id,
      clientId: client.clientId,
      subject,
      scopes: seed.scopes ?? client.scopes,
      resources,
    })
  }
}

/** The host of a URL that reaches who listens there. All addresses is none that can be asked, so it is this machine's. */
function hostOf(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  if (address === '::') return '[::1]'
  return address.includes(':') ? `[${address}]` : address
}
