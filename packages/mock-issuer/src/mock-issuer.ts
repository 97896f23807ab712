import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { createLocalJWKSet, type JWK, jwtVerify } from 'jose'
import { signAccessToken, TOKEN_LIFETIME_SECONDS, type TokenOptions } from './access-token.js'
import { ConnectionDropped, createApp } from './app.js'
import type { Client } from './clients.js'
import { ENDPOINTS, type Endpoint, type Fault, Faults } from './faults.js'
import { type MockIssuerOptions, type ResolvedOptions, resolveOptions, TELNYX_ISSUER } from './options.js'
import { createSigningKey, digest, type SigningKey } from './signing-keys.js'

/** What an endpoint was asked. */
export interface RequestLog {
  /** How many requests came. */
  readonly count: number
  /** When the last ten thousand of them came, in milliseconds since the epoch by the issuer's clock. */
  readonly times: readonly number[]
}

/** An authorization server with Telnyx's paths and shapes, in this process. */
export interface MockIssuer {
  /** The issuer identifier. */
  readonly issuer: string
  readonly clients: readonly Client[]
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
  listen(options?: { port?: number; host?: string }): Promise<string>
  /** Signs an access token (RFC 9068), as it should be unless the options say otherwise. */
  issueToken(options?: TokenOptions): Promise<string>
  /**
   * Signs with a new key from now on.
   *
   * @param options.keepOld whether the keys so far stay in the JWK Set; default: true
   * @returns the id of the new key
   */
  rotateKeys(options?: { keepOld?: boolean }): Promise<string>
  /** Makes introspection report a token as inactive. Whoever checks the signature alone does not notice. */
  revoke(token: string): void
  /** Makes an endpoint misbehave. A second fault of the same endpoint takes the place of the first. */
  fault(endpoint: Endpoint, fault: Fault): void
  /** Makes all endpoints behave again. */
  clearFaults(): void
  /** Stops: connections are closed, and `fetch` fails as if nobody listened. */
  close(): Promise<void>
}

const MAX_TIMES = 10_000

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
  readonly clients: readonly Client[]
  readonly requests: Readonly<Record<Endpoint, RequestLog>>

  readonly #options: ResolvedOptions
  readonly #issuerIsFixed: boolean
  readonly #app: ReturnType<typeof createApp>
  readonly #faults = new Faults()
  readonly #revoked = new Set<string>()
  #issuer: string
  /** The newest key, which signs, first. */
  #keys: readonly [SigningKey, ...SigningKey[]]
  #server: Server | undefined
  /** Settled when the server listens, or cannot. */
  #started: Promise<unknown> | undefined
  #baseUrl: string | undefined
  #closed = false
  /** What closed connections are over HTTP, this is in process. */
  #closing = new AbortController()

  constructor(options: ResolvedOptions, key: SigningKey) {
    const { clients, scopes } = options
    this.clients = clients
    this.#issuer = options.issuer ?? TELNYX_ISSUER
    this.#issuerIsFixed = options.issuer !== undefined
    this.#options = options
    this.#keys = [key]

    const emptyLog = (): { count: number; times: number[] } => ({ count: 0, times: [] })
    const log = { metadata: emptyLog(), jwks: emptyLog(), token: emptyLog(), introspection: emptyLog() }
    this.requests = log
    const issuer = this
    this.#app = createApp(
      {
        get issuer() {
          return issuer.#issuer
        },
        scopes,
        clients: new Map(this.clients.map((client) => [client.clientId, client])),
        faults: this.#faults,
        jwks: () => this.#jwks(),
        record: (endpoint) => {
          const entry = log[endpoint]
          entry.count++
          entry.times.push(this.#options.now())
          if (entry.times.length > MAX_TIMES) entry.times.shift()
        },
        grant: (client, granted) => ({
          token: this.#sign({ clientId: client.clientId, scopes: granted }),
          expiresInSeconds: TOKEN_LIFETIME_SECONDS,
        }),
        activeClaims: (token) => this.#activeClaims(token),
      },
      new URL(this.#issuer).pathname.replace(/\/$/, ''),
    )
  }

  get issuer(): string {
    return this.#issuer
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    request.signal.throwIfAborted()
    const { origin } = new URL(request.url)
    const isOurs = [this.#issuer, this.#baseUrl].some(
      (url) => url !== undefined && new URL(url).origin === origin,
    )
    if (!isOurs) throw networkError('ENOTFOUND', 'The embedded issuer is not at this address')
    if (this.#closed) throw networkError('ECONNREFUSED', 'The embedded issuer is closed')
    try {
      const signal = AbortSignal.any([request.signal, this.#closing.signal])
      const response = await this.#app.fetch(request, { signal })
      signal.throwIfAborted()
      return response
    } catch (error) {
      throw error instanceof ConnectionDropped
        ? networkError('ECONNRESET', 'The connection was dropped')
        : error
    }
  }

  async listen({ port = 0, host = '127.0.0.1' }: { port?: number; host?: string } = {}): Promise<string> {
    if (this.#server) throw new Error('The issuer is listening already')
    const server = createServer(
      // The classes of the process that embeds the issuer are not ours to replace.
      getRequestListener((request, env) => this.#app.fetch(request, { incoming: env.incoming }), {
        overrideGlobalObjects: false,
      }),
    )
    this.#server = server
    server.listen(port, host)
    this.#started = once(server, 'listening')
    try {
      await this.#started
    } catch (error) {
      this.#server = undefined
      throw error
    }
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('The server has no address')
    this.#baseUrl = `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`
    if (!this.#issuerIsFixed) this.#issuer = this.#baseUrl
    this.#closed = this.#server !== server
    return this.#baseUrl
  }

  async issueToken(options: TokenOptions = {}): Promise<string> {
    return this.#sign(options)
  }

  async rotateKeys({ keepOld = true }: { keepOld?: boolean } = {}): Promise<string> {
    const key = await createSigningKey(this.#options.algorithm)
    this.#keys = keepOld ? [key, ...this.#keys] : [key]
    return key.kid
  }

  revoke(token: string): void {
    this.#revoked.add(digest(token))
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

  #jwks(): { keys: JWK[] } {
    return { keys: this.#keys.map(({ jwk }) => jwk) }
  }

  #sign(options: TokenOptions): string {
    const [key] = this.#keys
    const clientId = options.clientId ?? this.clients[0]?.clientId
    const { typ, audience, now } = this.#options
    return signAccessToken(
      { ...options, clientId },
      { issuer: this.#issuer, typ, audience, now: now() / 1000, key },
    )
  }

  async #activeClaims(token: string): Promise<Record<string, unknown> | undefined> {
    if (this.#revoked.has(digest(token))) return undefined
    // Key by key: a token that names none could be of any.
    for (const { jwk } of this.#keys) {
      const verification = jwtVerify(token, createLocalJWKSet({ keys: [jwk] }), {
        issuer: this.#issuer,
        currentDate: new Date(this.#options.now()),
      })
      const claims = await verification.then(
        ({ payload }) => payload,
        // RFC 7662 §2.2: whatever is wrong with it, the token is just not active.
        () => undefined,
      )
      if (claims) return claims
    }
    return undefined
  }
}

/** What Node's `fetch` rejects with when there is no connection. */
function networkError(code: string, message: string): TypeError {
  return new TypeError('fetch failed', { cause: Object.assign(new Error(message), { code }) })
}
