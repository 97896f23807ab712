import { randomBytes } from 'node:crypto'
import type { DocumentFetch } from './http/document-fetch.js'
import type { ClientSeed } from './protocol/client.js'
import { areScopes, parseGrantSeed, parseSeed } from './protocol/client-metadata.js'
import type { GrantSeed } from './protocol/grant.js'
import { TELNYX_SCOPES } from './protocol/telnyx-scopes.js'
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from './state/signing-keys.js'

/**
 * The options of `createMockIssuer`.
 *
 * @example createMockIssuer({ algorithm: 'ES256', clients: [{ clientId: 'app', clientSecret: 's3cret' }] })
 */
export interface MockIssuerOptions {
  /**
   * The issuer identifier (RFC 8414 §2): an `http` or `https` URL without query and fragment.
   *
   * @default 'https://api.telnyx.com', and from `listen()` on the URL that it returned
   */
  readonly issuer?: string | undefined
  /**
   * The algorithm that tokens are signed with (RFC 7518 §3.1, RFC 8037).
   *
   * @default 'RS256'
   */
  readonly algorithm?: SigningAlgorithm | undefined
  /**
   * The `typ` header of tokens (RFC 9068 §2.1); `null` for none.
   *
   * @default 'at+jwt'
   */
  readonly typ?: string | null | undefined
  /**
   * The bearer token for managing clients and grants, and for consent.
   *
   * @default random; see `apiKey` of the issuer
   */
  readonly apiKey?: string | undefined
  /**
   * The audience of tokens that were requested without a `resource` (RFC 8707).
   *
   * @default 'https://api.example.com'
   */
  readonly audience?: string | undefined
  /**
   * The clients that exist from the start.
   *
   * @default one confidential client with a random id and secret; see `clients` of the issuer
   */
  readonly clients?: readonly ClientSeed[] | undefined
  /**
   * The grants that exist from the start.
   *
   * @default none
   */
  readonly grants?: readonly GrantSeed[] | undefined
  /**
   * All scopes, as the metadata lists them.
   *
   * @default the scopes of Telnyx
   */
  readonly scopes?: readonly string[] | undefined
  /**
   * Whether the issuer does what MCP authorization 2026-07-28 asks of authorization servers, and Telnyx does not document: `iss` in
   * redirects (RFC 9207); clients may ask for more scopes than they registered with, as MCP clients do when a tool needs more; and a
   * client that is not registered may have the URL of its metadata document as its `client_id`
   * (draft-ietf-oauth-client-id-metadata-document).
   *
   * @default false
   */
  readonly mcp?: boolean | undefined
  /**
   * With `mcp`: the `fetch` implementation for the metadata documents of clients (draft-ietf-oauth-client-id-metadata-document §4).
   * Nothing else is fetched. A rejection, and a response that is no valid document, is answered with `invalid_client`.
   *
   * @default the global `fetch`
   * @example
   * const url = 'https://client.example/metadata.json'
   * const document = { client_id: url, client_name: 'Agent', redirect_uris: ['http://127.0.0.1/callback'] }
   * createMockIssuer({ mcp: true, fetch: async () => Response.json(document) })
   */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined
  /**
   * Whether the token endpoint binds tokens to a key of the client (DPoP, RFC 9449), which Telnyx does not document: it checks
   * proofs (§5), issues tokens with `cnf.jkt` and `token_type: 'DPoP'`, and binds codes (`dpop_jkt`, §10) and the refresh tokens of
   * public clients. Requests without a proof get Bearer tokens, except from clients that have registered with
   * `dpop_bound_access_tokens` (§5.2).
   *
   * @default false: the header `DPoP` is ignored
   * @example createMockIssuer({ dpop: { nonce: true } })
   */
  readonly dpop?:
    | boolean
    | {
        /** Whether each proof needs a nonce of the issuer (RFC 9449 §8). Default: false. */
        readonly nonce?: boolean | undefined
      }
    | undefined
  /**
   * Whether `listen()` on a loopback address serves a page at `/`, to try tokens on: see `tokenPageUrl` of the issuer. Any program of
   * this machine can open it, and issue every token.
   *
   * @default true
   */
  readonly tokenPage?: boolean | undefined
  /**
   * The clock of the issuer: milliseconds since the epoch. Tokens, codes and consents expire by it, and
   * DPoP proofs are compared with it.
   *
   * @default Date.now
   */
  readonly now?: (() => number) | undefined
}

/** The checked options, copied, with defaults filled in. */
export interface ResolvedOptions {
  /** `undefined` if none was set: the identifier then follows `listen()`. */
  readonly issuer: string | undefined
  readonly algorithm: SigningAlgorithm
  readonly typ: string | null
  readonly audience: string
  readonly apiKey: string
  readonly clients: readonly ClientSeed[]
  readonly grants: readonly GrantSeed[]
  readonly scopes: readonly string[]
  readonly mcp: boolean
  readonly fetch: DocumentFetch
  /** `undefined` where it is off. */
  readonly dpop: { readonly nonce: boolean } | undefined
  readonly tokenPage: boolean
  readonly now: () => number
}

export const TELNYX_ISSUER = 'https://api.telnyx.com'

const OPTION_NAMES: readonly string[] = [
  'issuer',
  'algorithm',
  'typ',
  'apiKey',
  'audience',
  'clients',
  'grants',
  'scopes',
  'mcp',
  'fetch',
  'dpop',
  'tokenPage',
  'now',
] satisfies (keyof MockIssuerOptions)[]

/**
 * Checks and copies the options, and fills in defaults.
 *
 * @throws {TypeError} for an unknown option, or a value that is not valid
 */
export function resolveOptions(options: MockIssuerOptions): ResolvedOptions {
  for (const name of Object.keys(options))
    if (!OPTION_NAMES.includes(name))
      throw new TypeError(
        `createMockIssuer() has no option "${name}"; its options are ${OPTION_NAMES.join(', ')}`,
      )
  const {
    issuer,
    algorithm = 'RS256',
    typ = 'at+jwt',
    audience = 'https://api.example.com',
    apiKey = `KEY_${randomBytes(24).toString('base64url')}`,
    clients = [{ name: 'Test client' }],
    grants = [],
    scopes = TELNYX_SCOPES,
    mcp = false,
    // The global one is looked up for each request: a test kit may replace it after the issuer was created.
    fetch = (url, init) => globalThis.fetch(url, init),
    dpop = false,
    tokenPage = true,
    now = Date.now,
  } = options
  check(SIGNING_ALGORITHMS.includes(algorithm), 'algorithm', `one of ${SIGNING_ALGORITHMS.join(', ')}`)
  check(
    issuer === undefined || isIdentifier(issuer),
    'issuer',
    'an HTTP URL without credentials, query and fragment',
  )
  check(typ === null || typeof typ === 'string', 'typ', 'a string, or null')
  check(isText(audience), 'audience', 'a string')
  check(isText(apiKey) && /^[\x21-\x7e]+$/.test(apiKey), 'apiKey', 'visible ASCII characters without spaces')
  check(typeof now === 'function', 'now', 'a function')
  check(Array.isArray(clients), 'clients', 'an array')
  check(Array.isArray(grants), 'grants', 'an array')
  check(areScopes(scopes), 'scopes', 'an array of scopes')
  check(typeof mcp === 'boolean', 'mcp', 'true or false')
  check(typeof fetch === 'function', 'fetch', 'a function')
  check(typeof tokenPage === 'boolean', 'tokenPage', 'true or false')
  const seeds = clients.map(parseSeed)
  const resolvedDpop = resolveDpop(dpop)
  check(
    resolvedDpop !== undefined || !seeds.some((seed) => seed.dpopBoundAccessTokens),
    'dpop',
    'on for a client with "dpopBoundAccessTokens"',
  )
  return {
    issuer,
    algorithm,
    typ,
    audience,
    apiKey,
    clients: seeds,
    grants: grants.map(parseGrantSeed),
    scopes: Object.freeze([...scopes]),
    mcp,
    fetch,
    dpop: resolvedDpop,
    tokenPage,
    now,
  }
}

function resolveDpop(dpop: NonNullable<MockIssuerOptions['dpop']>): ResolvedOptions['dpop'] {
  const { nonce = false, ...unknown } = typeof dpop === 'object' ? { ...dpop } : {}
  const isKnown =
    typeof dpop === 'boolean' || (typeof dpop === 'object' && dpop !== null && !Array.isArray(dpop))
  check(
    isKnown && typeof nonce === 'boolean' && Object.keys(unknown).length === 0,
    'dpop',
    'true or false, or an object with "nonce", which is true or false',
  )
  return dpop === false ? undefined : { nonce }
}

function check(isValid: boolean, name: keyof MockIssuerOptions, what: string): void {
  if (!isValid) throw new TypeError(`The option "${name}" must be ${what}`)
}

/** Callers in JavaScript may pass any value. */
function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

/** RFC 8414 §2, but with `http` as well, for issuers on this machine. */
function isIdentifier(value: unknown): boolean {
  if (typeof value !== 'string' || !/^https?:\/\/[^\s?#\\/][^\s?#\\]*$/i.test(value)) return false
  if (!URL.canParse(value)) return false
  const { username, password } = new URL(value)
  return username === '' && password === ''
}
