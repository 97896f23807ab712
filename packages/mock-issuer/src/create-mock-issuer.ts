import { randomUUID } from 'node:crypto'
import { ConnectionDropped, createApp } from './http/app.js'
import { fetchDocument } from './http/document-fetch.js'
import { authorizationEndpoint } from './http/documents.js'
import { type Fault, Faults } from './http/faults.js'
import { followRedirects, networkError, unlessAborted } from './http/in-process-fetch.js'
import type { IssuerState } from './http/operation.js'
import { IssuerServer } from './http/server.js'
import { createTokenPage, type TokenPage } from './http/token-page/token-page.js'
import type { MockIssuer } from './mock-issuer.js'
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
  readonly #tokenPage: TokenPage | undefined
  readonly #server = new IssuerServer({
    answer: (request, incoming) => this.#answerPage(request) ?? this.#app.fetch(request, { incoming }),
    listening: (baseUrl) => this.#listening(baseUrl),
  })
  #issuer: string
  #baseUrl: string | undefined
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
      isLocal: () => !this.#server.isReachable,
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

    const parts = { issuer: () => this.#issuer, clients: this.#clients, grants: this.#grants }
    this.#tokens = new AccessTokens(options, key, parts)
    const state: IssuerState = {
      ...parts,
      scopes,
      mcp,
      dpop: dpop && new Dpop(dpop, now),
      apiKey,
      account: this.#account,
      authorization: this.#authorization,
      tokens: this.#tokens,
    }
    this.#app = createApp(
      state,
      { faults: this.#faults, record: (request) => this.#log.record(request, now()) },
      new URL(this.#issuer).pathname.replace(/\/$/, ''),
    )
    this.#tokenPage = options.tokenPage
      ? createTokenPage({
          ...state,
          audience: options.audience,
          algorithm: options.algorithm,
          faults: this.#faults,
          log: this.#log,
          fetch: this.#createFetch({ ofTokenPage: true }),
          revoke: (token) => this.revoke(token),
        })
      : undefined
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

  get tokenPageUrl(): string | undefined {
    return this.#tokenPage && this.#server.isLocal ? `${this.#baseUrl}/` : undefined
  }

  readonly fetch: typeof globalThis.fetch = this.#createFetch()

  async listen({
    port = 0,
    host = '127.0.0.1',
  }: {
    port?: number | undefined
    host?: string | undefined
  } = {}): Promise<string> {
    return this.#server.listen(port, host)
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
    this.#closing.abort(networkError('ECONNRESET', 'The embedded issuer was closed'))
    this.#closing = new AbortController()
    await this.#server.close()
  }

  #listening(baseUrl: string): void {
    this.#baseUrl = baseUrl
    if (!this.#issuerIsFixed) this.#issuer = baseUrl
    this.#closed = false
  }

  #createFetch(sender?: { readonly ofTokenPage: boolean }): typeof globalThis.fetch {
    return async (input, init) =>
      followRedirects(new Request(input, init), (request) => this.#answer(request, sender))
  }

  /** On an address that other machines can reach, there is no page. */
  #answerPage(request: Request): Promise<Response> | undefined {
    if (this.tokenPageUrl === undefined) return undefined
    return this.#tokenPage?.(request, new URL(this.tokenPageUrl).port)
  }

  async #answer(request: Request, sender?: { readonly ofTokenPage: boolean }): Promise<Response> {
    request.signal.throwIfAborted()
    const { origin } = new URL(request.url)
    const isOurs = [this.#issuer, this.#baseUrl].some(
      (url) => url !== undefined && new URL(url).origin === origin,
    )
    if (!isOurs) throw networkError('ENOTFOUND', 'The embedded issuer is not at this address')
    if (this.#closed) throw networkError('ECONNREFUSED', 'The embedded issuer is closed')
    try {
      const signal = AbortSignal.any([request.signal, this.#closing.signal])
      return await unlessAborted(this.#app.fetch(request, { signal, ...sender }), signal)
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
