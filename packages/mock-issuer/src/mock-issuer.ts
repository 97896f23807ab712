import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { ConnectionDropped, createApp } from './http/app.js'
import { fetchDocument } from './http/document-fetch.js'
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
import { ClientDocuments } from './state/client-documents.js'
import { Clients } from './state/clients.js'
import { Dpop } from './state/dpop.js'
import { Grants } from './state/grants.js'
import { type RequestLog, RequestLogs } from './state/request-log.js'
import { createSigningKey, type SigningKey } from './state/signing-keys.js'

/**
 * An authorization server with the paths and the documents of Telnyx, in this process.
 *
 * @example
 * const issuer = await createMockIssuer()
 * const app = createApp({ issuer: issuer.issuer, fetch: issuer.fetch })
 * const token = await issuer.issueToken({ scopes: ['messaging.read'] })
 */
export interface MockIssuer {
  /** The issuer identifier (RFC 8414 §2). Without the option `issuer`, `listen()` changes it. */
  readonly issuer: string
  /** The bearer token for managing clients and grants, and for consent. */
  readonly apiKey: string
  /** The audience of tokens that were requested without a `resource` (RFC 8707). */
  readonly audience: string
  /** A snapshot of all clients: from the options, registered and created. */
  readonly clients: readonly Client[]
  /** A snapshot of all grants that were not revoked. */
  readonly grants: readonly Grant[]
  /**
   * The requests to each endpoint so far, over HTTP and in process.
   *
   * @example expect(issuer.requests.jwks.count).toBe(1)
   */
  readonly requests: Readonly<Record<Endpoint, RequestLog>>
  /**
   * A `fetch` that answers requests to the issuer in this process, without a socket. It rejects as for an unknown host
   * (`ENOTFOUND`) at any other address, and as for a closed port (`ECONNREFUSED`) after `close()`.
   *
   * @example telnyxAuth({ issuer: issuer.issuer, fetch: issuer.fetch, audience: 'https://api.example.com' })
   */
  readonly fetch: typeof globalThis.fetch
  /**
   * Serves over HTTP. Without the option `issuer`, the issuer identifier is the returned URL from now on.
   *
   * @param options.port default: a free port
   * @param options.host default: 127.0.0.1
   * @returns the base URL
   * @throws {TypeError} for an empty host
   * @throws {Error} if the issuer listens already or is closed meanwhile, and for a port that is in use (`EADDRINUSE`)
   * @example const url = await issuer.listen({ port: 4010 })
   */
  listen(options?: { port?: number | undefined; host?: string | undefined }): Promise<string>
  /**
   * Acts as a user at the authorization endpoint, who allows or denies a request (RFC 6749 §4.1.1).
   *
   * @param url the URL that the client sends the user to
   * @param options.allow default: true
   * @param options.subject the `sub` of the user; default: one fixed user of the issuer
   * @returns the URL that the user is redirected to: the redirect URI of the client, with a code or an error
   * @throws {TypeError} for a URL that is not of the authorization endpoint
   * @throws {Error} for an unknown client or redirect URI, as the user must not be redirected there
   * @example
   * const callback = new URL(await issuer.authorize(url, { subject: 'user-1' }))
   * const code = callback.searchParams.get('code')
   */
  authorize(
    url: string | URL,
    options?: { allow?: boolean | undefined; subject?: string | undefined },
  ): Promise<string>
  /**
   * Signs an access token (RFC 9068 §2). By default it is valid; the options can break any part of it.
   *
   * @throws {TypeError} for a `grantId` without a grant, and a binding that is not valid or beside another one
   * @example const expired = await issuer.issueToken({ scopes: ['messaging.read'], expiresInSeconds: -60 })
   * @example const bound = await issuer.issueToken({ scopes: ['messaging.read'], dpopKey: publicKey })
   */
  issueToken(options?: TokenOptions): Promise<string>
  /**
   * Creates a key, which signs all tokens from now on.
   *
   * @param options.keepOld whether the JWK Set keeps the older keys; default: true
   * @returns the `kid` of the new key
   * @example await issuer.rotateKeys({ keepOld: false })
   */
  rotateKeys(options?: { keepOld?: boolean | undefined }): Promise<string>
  /**
   * Revokes an access token, or a grant with all its tokens. A refresh token stands for its grant. Introspection then
   * reports the tokens as inactive (RFC 7662 §2.2); a verifier that checks only signatures still accepts them.
   *
   * @example issuer.revoke(token)
   */
  revoke(tokenOrGrantId: string): void
  /**
   * Makes an endpoint fail. A second fault of an endpoint replaces the first.
   *
   * @throws {TypeError | RangeError} for an unknown endpoint, or a fault that is not valid
   * @example issuer.fault('jwks', { status: 503 })
   */
  fault(endpoint: Endpoint, fault: Fault): void
  /**
   * Removes all faults.
   *
   * @example afterEach(() => issuer.clearFaults())
   */
  clearFaults(): void
  /**
   * Closes the server and its connections. Afterwards `fetch` rejects (`ECONNREFUSED`), until the next `listen()`.
   *
   * @example afterAll(() => issuer.close())
   */
  close(): Promise<void>
}

/**
 * Creates an authorization server in this process. It opens no socket until `listen()`.
 *
 * @param options all have defaults
 * @throws {TypeError} for an unknown option, or a value that is not valid
 * @example const issuer = await createMockIssuer({ algorithm: 'ES256' })
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
  /** Settles when the server listens, or fails to. */
  #started: Promise<unknown> | undefined
  #baseUrl: string | undefined
  /** Whether only this machine can connect to the server. */
  #listensLocally = true
  #closed = false
  /** Aborts in-process requests when the issuer closes, as closed connections abort those over HTTP. */
  #closing = new AbortController()

  constructor(options: ResolvedOptions, key: SigningKey) {
    const { scopes, mcp, fetch, dpop, now, apiKey } = options
    this.apiKey = apiKey
    this.audience = options.audience
    this.#issuer = options.issuer ?? TELNYX_ISSUER
    this.#issuerIsFixed = options.issuer !== undefined
    const documents = new ClientDocuments({
      fetchDocument: (url) => fetchDocument(url, fetch),
      isLocal: () => !this.#server || this.#listensLocally,
      scopes,
      now,
    })
    this.#clients = new Clients(options.clients, scopes, now, mcp ? documents : undefined)
    this.#grants = new Grants(now)
    for (const seed of options.grants) this.#seedGrant(seed)
    this.#authorization = new Authorization(
      this.#clients,
      this.#grants,
      now,
      () => (mcp ? this.#issuer : undefined),
      dpop !== undefined,
    )

    const state = { issuer: () => this.#issuer, clients: this.#clients, grants: this.#grants }
    this.#tokens = new AccessTokens(options, key, state)
    this.#app = createApp(
      {
        ...state,
        scopes,
        mcp,
        dpop: dpop && new Dpop(dpop, now),
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
      // Keeps `Request` and `Response` of the embedding process, which Hono would replace.
      getRequestListener((request, env) => this.#app.fetch(request, { incoming: env.incoming }), {
        overrideGlobalObjects: false,
        // The host of requests without a `Host` header, as in HTTP/1.0.
        hostname: urlHost(host),
      }),
    )
    this.#server = server
    this.#listensLocally = ['127.0.0.1', '::1', 'localhost'].includes(host)
    try {
      server.listen(port, host)
      this.#started = once(server, 'listening')
      await this.#started
    } catch (error) {
      if (this.#server === server) this.#server = undefined
      throw error
    }
    // After `close()`, another server may listen already.
    if (this.#server !== server) throw new Error('The issuer was closed while it started to listen')
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('The server has no address')
    this.#baseUrl = `http://${urlHost(host)}:${address.port}`
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
    const outcome = await this.#authorization.begin(searchParams)
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
      throw new TypeError(`There is no endpoint "${endpoint}"; the endpoints are ${ENDPOINTS.join(', ')}`)
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
    // A server that is starting would still listen after `close()`. `listen()` reports its error.
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
    if (!client) throw new TypeError('"clientId" of a grant is the id of no client')
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

/** The host for a URL of the server. No client can connect to "all addresses", so that becomes this machine. */
function urlHost(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  if (address === '::') return '[::1]'
  return address.includes(':') ? `[${address}]` : address
}
