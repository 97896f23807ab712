import { ConfigurationError } from '../errors.js'
import { deepFreeze } from '../freeze.js'
import { isSecureUrl } from '../issuer/http.js'
import { checkNames, checkWords, describe, isPlainObject } from '../validation.js'
import { type AuthenticatableRequest, isWebRequest } from './bearer.js'
import { NQCHARS } from './challenge.js'
import type { CompiledPolicy } from './policy.js'

/** How this API describes itself to clients that are to find its authorization server (RFC 9728 §2). */
export interface ProtectedResourceOptions {
  /**
   * The identifier of this API as a resource (RFC 9728 §1.2): an `https` URL without fragment; `http` on loopback
   * hosts only.
   *
   * @default the audience, where it is one such URL
   */
  readonly resource?: string | undefined
  /**
   * `scopes_supported`. Clients that are told no scope by a challenge ask for all of these.
   *
   * @default the scopes of the default policy
   */
  readonly scopes?: readonly string[] | undefined
  /** `resource_name`: what people call this API. Default: none. */
  readonly resourceName?: string | undefined
  /** `resource_documentation`: the URL of a page for developers. Default: none. */
  readonly documentation?: string | undefined
  /** Further members of the document, under their names in it, such as `resource_policy_uri`. */
  readonly [member: `${string}_${string}`]: unknown
}

/** The metadata document (RFC 9728 §2). */
export interface ProtectedResourceDocument {
  readonly resource: string
  readonly authorization_servers: readonly string[]
  readonly scopes_supported?: readonly string[]
  readonly bearer_methods_supported: readonly string[]
  readonly resource_name?: string
  readonly resource_documentation?: string
  readonly [member: string]: unknown
}

/** An answer to a request for the metadata document, as plain data, for any framework to write. */
export interface MetadataResponse {
  readonly status: number
  readonly headers: Record<string, string>
  /** To be sent as JSON; absent in the answer to a preflight request. */
  readonly body?: ProtectedResourceDocument
}

/** The metadata of this API as a protected resource (RFC 9728), and where it is to be found. */
export interface ProtectedResourceMetadata {
  /** The document, frozen. */
  readonly document: ProtectedResourceDocument
  /** The URL of the document (RFC 9728 §3.1), as challenges name it. */
  readonly url: string
  /** The path of this URL. */
  readonly path: string
  /**
   * The answer to a request for the document: to `GET`, `HEAD` and the preflight requests of browsers, without a
   * token and for scripts of any origin. `undefined` for every other request.
   */
  respond(request: AuthenticatableRequest): MetadataResponse | undefined
}

/** The option `protectedResource`, checked and copied. */
export interface CheckedProtectedResource {
  readonly resource: string | undefined
  readonly scopes: readonly string[] | undefined
  readonly members: Readonly<Record<string, unknown>>
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/** The members that say what other options say. */
const OWN_MEMBERS: readonly string[] = [
  'authorization_servers',
  'scopes_supported',
  'bearer_methods_supported',
  'resource_name',
  'resource_documentation',
]

/** RFC 9728 §2: what would promise something that is not done here. */
const BINDINGS: readonly string[] = [
  'dpop_bound_access_tokens_required',
  'tls_client_certificate_bound_access_tokens',
]

/**
 * Checks and copies the option `protectedResource`.
 *
 * @throws {ConfigurationError}
 */
export function checkProtectedResource(option: unknown): CheckedProtectedResource | false | undefined {
  if (option === undefined || option === false) return option
  if (!isPlainObject(option))
    throw new ConfigurationError(
      `Option "protectedResource" must be a plain object, or false to have none, not ${describe(option)}`,
    )
  const members = Object.entries(option).filter(([name]) => name.includes('_'))
  const { resource, scopes, resourceName, documentation } = checkNames(
    Object.fromEntries(Object.entries(option).filter(([name]) => !name.includes('_'))),
    ['resource', 'scopes', 'resourceName', 'documentation'],
    'member of "protectedResource"',
  )
  if (resource !== undefined && !isResourceIdentifier(resource))
    throw new ConfigurationError(
      `Option "resource" must be an https URL in its normal form, without fragment and credentials (http for loopback hosts only), ${typeof resource === 'string' ? 'which this one is not' : `not ${describe(resource)}`}`,
    )
  if (resourceName !== undefined && (typeof resourceName !== 'string' || resourceName.trim() === ''))
    throw new ConfigurationError(`Option "resourceName" must be a name, not ${describe(resourceName)}`)
  if (documentation !== undefined && !(typeof documentation === 'string' && isWebPage(documentation)))
    throw new ConfigurationError(
      `Option "documentation" must be the URL of a page, ${typeof documentation === 'string' ? 'which this one is not' : `not ${describe(documentation)}`}`,
    )
  return {
    resource,
    scopes: scopes === undefined ? undefined : checkWords(scopes, 'scopes', 'scope'),
    members: {
      ...(resourceName !== undefined && { resource_name: resourceName }),
      ...(documentation !== undefined && { resource_documentation: documentation }),
      ...Object.fromEntries(
        members
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => [name, checkMember(name, value)]),
      ),
    },
  }
}

/**
 * The metadata of the resource that tokens are checked for; `undefined` when it is off, or nothing was said and the
 * audience is not one https URL.
 *
 * @param policy the default policy, which every token has to satisfy
 * @throws {ConfigurationError} when it is wanted, and cannot be
 */
export function describeProtectedResource(
  checked: CheckedProtectedResource | false | undefined,
  rules: { readonly issuer: string; readonly audience: ReadonlySet<string> | null },
  policy: CompiledPolicy,
): ProtectedResourceMetadata | undefined {
  if (checked === false) return undefined
  const resource = checked?.resource ?? identifierAmong(rules.audience)
  if (resource === undefined) {
    if (checked === undefined) return undefined
    throw new ConfigurationError(
      'Option "protectedResource" needs a "resource", the https URL of this API, because the audience is not one',
    )
  }
  // `offline_access` is for clients to ask of the authorization server (MCP authorization).
  const scopes = new Set(checked?.scopes ?? policy.requiredScopes)
  scopes.delete('offline_access')
  return new ProtectedResource({
    resource,
    authorization_servers: [rules.issuer],
    // RFC 9728 §3.2: what would be empty is left out.
    ...(scopes.size > 0 && { scopes_supported: [...scopes] }),
    bearer_methods_supported: ['header'],
    ...checked?.members,
  })
}

class ProtectedResource implements ProtectedResourceMetadata {
  readonly document: ProtectedResourceDocument
  readonly url: string
  readonly path: string
  readonly #query: string

  constructor(document: ProtectedResourceDocument) {
    this.document = deepFreeze(document)
    // RFC 9728 §3.1. On the string, because a round trip through `URL` would normalise the identifier.
    const [, origin = '', path = '', query = ''] =
      /^([^/]+\/\/[^/?]+)([^?]*)(.*)$/.exec(document.resource) ?? []
    this.path = `${WELL_KNOWN}${path === '/' ? '' : path}`
    this.#query = query
    this.url = `${origin}${this.path}${query}`
    Object.freeze(this)
  }

  respond(request: AuthenticatableRequest): MetadataResponse | undefined {
    if (!this.#isAskedBy(request)) return undefined
    // Clients run in browsers too: no token and no cookie is involved.
    const cors = { 'Access-Control-Allow-Origin': '*' }
    if (request.method === 'GET' || request.method === 'HEAD')
      return { status: 200, headers: { ...cors, 'Content-Type': 'application/json' }, body: this.document }
    if (request.method === 'OPTIONS' && isPreflight(request))
      return {
        status: 204,
        headers: {
          ...cors,
          'Access-Control-Allow-Methods': 'GET, HEAD',
          'Access-Control-Allow-Headers': '*',
          'Access-Control-Max-Age': '86400',
        },
      }
    return undefined
  }

  #isAskedBy(request: AuthenticatableRequest): boolean {
    const url = ('originalUrl' in request ? request.originalUrl : undefined) ?? request.url
    // This comes before every request's token, and hardly any asks for this.
    if (!url?.includes(WELL_KNOWN)) return false
    const [, path = '', query = ''] = /^(?:https?:\/\/[^/?#]*)?([^?#]*)([^#]*)/i.exec(url) ?? []
    if (this.#query !== '' && this.#query !== query) return false
    return withoutSlash(path) === withoutSlash(this.path)
  }
}

/** Fetch standard, "CORS-preflight request". */
function isPreflight(request: AuthenticatableRequest): boolean {
  const name = 'access-control-request-method'
  return Boolean(isWebRequest(request) ? request.headers.get(name) : request.headers[name])
}

/** Clients differ in whether they keep the slash at the end of an identifier. */
function withoutSlash(path: string): string {
  return path.replace(/\/$/, '')
}

/** RFC 9728 §1.2; what a challenge can quote, and what a client asks for just as it is written. */
function isResourceIdentifier(value: unknown): value is string {
  if (typeof value !== 'string' || !NQCHARS.test(value) || value.includes('#') || !isSecureUrl(value))
    return false
  const { pathname, search } = new URL(value)
  const [, written = ''] = /^[^/]+\/\/[^/?]+(.*)$/.exec(value) ?? []
  return [written, `/${written}`].includes(pathname + search)
}

/** The identifier that needs no option: RFC 9728 §1.2 allows `https` only. */
function identifierAmong(audience: ReadonlySet<string> | null): string | undefined {
  const [only, ...others] = audience ?? []
  return others.length === 0 && isResourceIdentifier(only) && only.startsWith('https:') ? only : undefined
}

function isWebPage(value: string): boolean {
  return /^https?:\/\/[^\s@]+$/i.test(value) && URL.canParse(value)
}

/** Any JSON value that holds something. Copied: what was given may change. */
function checkMember(name: string, value: unknown): unknown {
  if (OWN_MEMBERS.includes(name))
    throw new ConfigurationError(`The member "${name}" of the protected resource is made from other options`)
  if (BINDINGS.includes(name) && value === true)
    throw new ConfigurationError(
      `The member "${name}" of the protected resource cannot be true: tokens that are bound to a key are refused`,
    )
  const text = toJson(value)
  if (text === undefined || ['null', '""', '[]', '{}'].includes(text))
    throw new ConfigurationError(
      `The member "${name}" of the protected resource must be a JSON value that is not empty, not ${describe(value)}`,
    )
  return JSON.parse(text)
}

function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}
