import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { createLocalJWKSet, type JWK, jwtVerify } from 'jose'
import { ConnectionDropped, createApp } from './app.js'
import { type Client, type ClientSeed, createClient } from './clients.js'
import { ENDPOINTS, type Endpoint, type Fault, Faults } from './faults.js'
import {
  createSigningKey,
  digest,
  SIGNING_ALGORITHMS,
  type SigningAlgorithm,
  type SigningKey,
  signCompact,
} from './signing-keys.js'

/** The options of {@link createMockIssuer}. */
export interface MockIssuerOptions {
  /**
   * The issuer identifier.
   *
   * @default `https://api.telnyx.com`, or the URL that `listen` returned
   */
  readonly issuer?: string | undefined
  /**
   * What tokens are signed with.
   *
   * @default 'RS256'
   */
  readonly algorithm?: SigningAlgorithm | undefined
  /**
   * The `typ` of tokens; `null` for none.
   *
   * @default 'at+jwt'
   */
  readonly typ?: string | null | undefined
  /**
   * The audience of tokens that are issued without naming one.
   *
   * @default 'https://api.example.com'
   */
  readonly audience?: string | undefined
  /**
   * The clients that exist from the start.
   *
   * @default one, with an id and a secret that are made up; see `clients` of the issuer
   */
  readonly clients?: readonly ClientSeed[] | undefined
  /**
   * The scopes that exist.
   *
   * @default those of Telnyx
   */
  readonly scopes?: readonly string[] | undefined
  /**
   * The clock, in milliseconds since the epoch.
   *
   * @default Date.now
   */
  readonly now?: (() => number) | undefined
}

/** What {@link MockIssuer.issueToken} makes. */
export interface TokenOptions {
  /** @default none: the token has no `scope` */
  readonly scopes?: readonly string[] | undefined
  /** @default the audience of the issuer */
  readonly audience?: string | readonly string[] | undefined
  /** @default the client: as a token for a client alone has it (RFC 9068 §2.2) */
  readonly subject?: string | undefined
  /** @default the first client */
  readonly clientId?: string | undefined
  /** A negative number makes a token that has expired. @default 3600 */
  readonly expiresInSeconds?: number | undefined
  /** Claims that are added, replaced or, with `undefined`, removed. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
  /** Header parameters that are added, replaced or, with `undefined`, removed. */
  readonly header?: Readonly<Record<string, unknown>> | undefined
}

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

const TELNYX_ISSUER = 'https://api.telnyx.com'

/** The scopes that Telnyx's metadata listed in October 2026. */
const TELNYX_SCOPES = [
  'account_management.read',
  'account_management.write',
  'ai.read',
  'ai.write',
  'authentication_and_access.read',
  'billing.read',
  'edge_compute.read',
  'edge_compute.write',
  'fax.read',
  'fax.write',
  'messaging.read',
  'messaging.write',
  'networking.read',
  'networking.write',
  'numbers.read',
  'numbers.write',
  'reporting.read',
  'reporting.write',
  'storage.read',
  'storage.write',
  'verify.read',
  'verify.write',
  'voice.read',
  'voice.write',
  'wireless.read',
  'wireless.write',
]

const OPTION_NAMES: readonly string[] = [
  'issuer',
  'algorithm',
  'typ',
  'audience',
  'clients',
  'scopes',
  'now',
] satisfies (keyof MockIssuerOptions)[]

const TOKEN_LIFETIME_SECONDS = 3600
const MAX_TIMES = 10_000

/**
 * Makes an authorization server. Opens no socket until `listen`.
 *
 * @throws {TypeError} for an option that does not exist or cannot be used
 */
export async function createMockIssuer(options: MockIssuerOptions = {}): Promise<MockIssuer> {
  for (const name of Object.keys(options))
    if (!OPTION_NAMES.includes(name))
      throw new TypeError(`createMockIssuer() has no option "${name}"; there are ${OPTION_NAMES.join(', ')}`)
  const algorithm = options.algorithm ?? 'RS256'
  if (!SIGNING_ALGORITHMS.includes(algorithm))
    throw new TypeError(`The option "algorithm" must be one of ${SIGNING_ALGORITHMS.join(', ')}`)
  if (options.issuer !== undefined && !URL.canParse(options.issuer))
    throw new TypeError('The option "issuer" must be a URL')
  return new EmbeddedIssuer(options, await createSigningKey(algorithm))
}

class EmbeddedIssuer implements MockIssuer {
  readonly clients: readonly Client[]
  readonly requests: Readonly<Record<Endpoint, RequestLog>>

  readonly #algorithm: SigningAlgorithm
  readonly #typ: string | null
  readonly #audience: string
  readonly #now: () => number
  readonly #issuerIsFixed: boolean
  readonly #app: ReturnType<typeof createApp>
  readonly #faults = new Faults()
  readonly #revoked = new Set<string>()
  #issuer: string
  /** The newest key, which signs, first. */
  #keys: readonly [SigningKey, ...SigningKey[]]
  #server: Server | undefined
  #baseUrl: string | undefined
  #closed = false

  constructor(options: MockIssuerOptions, key: SigningKey) {
    const scopes = Object.freeze([...(options.scopes ?? TELNYX_SCOPES)])
    this.clients = Object.freeze((options.clients ?? [{}]).map((seed) => createClient(seed, scopes)))
    this.#issuer = options.issuer ?? TELNYX_ISSUER
    this.#issuerIsFixed = options.issuer !== undefined
    this.#algorithm = key.algorithm
    this.#typ = options.typ === undefined ? 'at+jwt' : options.typ
    this.#audience = options.audience ?? 'https://api.example.com'
    this.#now = options.now ?? Date.now
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
          entry.times.push(this.#now())
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
      return await this.#app.fetch(request, {})
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
    await once(server, 'listening')
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('The server has no address')
    this.#baseUrl = `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`
    if (!this.#issuerIsFixed) this.#issuer = this.#baseUrl
    this.#closed = false
    return this.#baseUrl
  }

  async issueToken(options: TokenOptions = {}): Promise<string> {
    return this.#sign(options)
  }

  async rotateKeys({ keepOld = true }: { keepOld?: boolean } = {}): Promise<string> {
    const key = await createSigningKey(this.#algorithm)
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
    if (!server) return
    this.#server = undefined
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
    const issuedAt = Math.floor(this.#now() / 1000)
    // RFC 9068 §2.1 and §2.2
    const header = { typ: this.#typ ?? undefined, alg: key.algorithm, kid: key.kid, ...options.header }
    const claims = {
      iss: this.#issuer,
      sub: options.subject ?? clientId,
      aud: options.audience ?? this.#audience,
      client_id: clientId,
      iat: issuedAt,
      exp: issuedAt + (options.expiresInSeconds ?? TOKEN_LIFETIME_SECONDS),
      jti: randomUUID(),
      scope: options.scopes?.join(' '),
      ...options.claims,
    }
    return signCompact(header, claims, key)
  }

  async #activeClaims(token: string): Promise<Record<string, unknown> | undefined> {
    if (this.#revoked.has(digest(token))) return undefined
    const verification = jwtVerify(token, createLocalJWKSet(this.#jwks()), {
      issuer: this.#issuer,
      currentDate: new Date(this.#now()),
    })
    return verification.then(
      ({ payload }) => payload,
      // RFC 7662 §2.2: whatever is wrong with it, the token is just not active.
      () => undefined,
    )
  }
}

/** What Node's `fetch` rejects with when there is no connection. */
function networkError(code: string, message: string): TypeError {
  return new TypeError('fetch failed', { cause: Object.assign(new Error(message), { code }) })
}
