import { randomBytes } from 'node:crypto'
import type { ClientSeed } from './protocol/client.js'
import { areScopes, parseGrantSeed, parseSeed } from './protocol/client-metadata.js'
import type { GrantSeed } from './protocol/grant.js'
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from './state/signing-keys.js'

/** The options of `createMockIssuer`. */
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
   * What the operations on the account, and on consent, need as a bearer token.
   *
   * @default one that is made up; see `apiKey` of the issuer
   */
  readonly apiKey?: string | undefined
  /**
   * The audience of tokens for which no `resource` was named (RFC 8707).
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
   * What users have allowed clients from the start.
   *
   * @default nothing
   */
  readonly grants?: readonly GrantSeed[] | undefined
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

/** Options that were checked and copied, with defaults filled in. */
export interface ResolvedOptions {
  /** Only where one was set: else it follows `listen`. */
  readonly issuer: string | undefined
  readonly algorithm: SigningAlgorithm
  readonly typ: string | null
  readonly audience: string
  readonly apiKey: string
  readonly clients: readonly ClientSeed[]
  readonly grants: readonly GrantSeed[]
  readonly scopes: readonly string[]
  readonly now: () => number
}

export const TELNYX_ISSUER = 'https://api.telnyx.com'

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
  'apiKey',
  'audience',
  'clients',
  'grants',
  'scopes',
  'now',
] satisfies (keyof MockIssuerOptions)[]

/** @throws {TypeError} for an option that does not exist or cannot be used */
export function resolveOptions(options: MockIssuerOptions): ResolvedOptions {
  for (const name of Object.keys(options))
    if (!OPTION_NAMES.includes(name))
      throw new TypeError(`createMockIssuer() has no option "${name}"; there are ${OPTION_NAMES.join(', ')}`)
  const {
    issuer,
    algorithm = 'RS256',
    typ = 'at+jwt',
    audience = 'https://api.example.com',
    apiKey = `KEY_${randomBytes(24).toString('base64url')}`,
    clients = [{ name: 'Test client' }],
    grants = [],
    scopes = TELNYX_SCOPES,
    now = Date.now,
  } = options
  demand(SIGNING_ALGORITHMS.includes(algorithm), 'algorithm', `one of ${SIGNING_ALGORITHMS.join(', ')}`)
  demand(
    issuer === undefined || isIdentifier(issuer),
    'issuer',
    'an HTTP URL without credentials, query and fragment',
  )
  demand(typ === null || typeof typ === 'string', 'typ', 'a string, or null')
  demand(isText(audience), 'audience', 'a string')
  demand(isText(apiKey) && /^[\x21-\x7e]+$/.test(apiKey), 'apiKey', 'a word of ASCII, without blanks')
  demand(typeof now === 'function', 'now', 'a function')
  demand(Array.isArray(clients), 'clients', 'an array')
  demand(Array.isArray(grants), 'grants', 'an array')
  demand(areScopes(scopes), 'scopes', 'an array of scopes')
  return {
    issuer,
    algorithm,
    typ,
    audience,
    apiKey,
    clients: clients.map(parseSeed),
    grants: grants.map(parseGrantSeed),
    scopes: Object.freeze([...scopes]),
    now,
  }
}

function demand(isGood: boolean, name: keyof MockIssuerOptions, what: string): void {
  if (!isGood) throw new TypeError(`The option "${name}" must be ${what}`)
}

/** What TypeScript knows, JavaScript need not. */
function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

/** RFC 8414 §2, and `http` for issuers on this machine. */
function isIdentifier(value: unknown): boolean {
  if (typeof value !== 'string' || !/^https?:\/\/[^\s?#\\/][^\s?#\\]*$/i.test(value)) return false
  if (!URL.canParse(value)) return false
  const { username, password } = new URL(value)
  return username === '' && password === ''
}
