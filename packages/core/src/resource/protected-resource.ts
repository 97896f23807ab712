import { deepFreeze } from '../base/deep-freeze.js'
import { ConfigurationError } from '../errors/errors.js'
import type { CompiledPolicy } from '../policy/policy.js'
import { type AuthenticatableRequest, isPreflight } from '../request/authorization-header.js'
import { type CheckedProtectedResource, isResourceIdentifier } from './protected-resource-options.js'

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

/**
 * Short, so that a change of the options is soon known everywhere. Shared caches may keep the document: it is the same
 * for every caller, and for scripts of every origin.
 */
const KEPT_FOR_A_WHILE = 'public, max-age=300'

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/**
 * The metadata of the resource that tokens are checked for; `undefined` when it is off, or nothing was said and the
 * audience is not one https URL.
 *
 * @param policy the default policy, which every token has to satisfy
 * @throws {ConfigurationError} when it is wanted, and cannot be
 */
export function describeProtectedResource(
  checked: CheckedProtectedResource | false | undefined,
  rules: readonly { readonly issuer: string; readonly audience: ReadonlySet<string> | null }[],
  policy: CompiledPolicy,
): ProtectedResourceMetadata | undefined {
  if (checked === false) return undefined
  const resource = checked?.resource ?? identifierAmong(rules)
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
    authorization_servers: rules.map(({ issuer }) => issuer),
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
      return {
        status: 200,
        headers: { ...cors, 'Content-Type': 'application/json', 'Cache-Control': KEPT_FOR_A_WHILE },
        body: this.document,
      }
    if (isPreflight(request))
      return {
        status: 204,
        headers: {
          ...cors,
          'Access-Control-Allow-Methods': 'GET, HEAD',
          // Fetch standard: the wildcard does not stand for this one, which clients may send everywhere.
          'Access-Control-Allow-Headers': '*, Authorization',
          'Access-Control-Max-Age': '86400',
        },
      }
    return undefined
  }

  #isAskedBy(request: AuthenticatableRequest): boolean {
    const url = urlOf(request)
    // This comes before every request's token, and hardly any asks for this.
    if (!url?.includes(WELL_KNOWN)) return false
    const [, path = '', query = ''] = /^(?:https?:\/\/[^/?#]*)?([^?#]*)([^#]*)/i.exec(url) ?? []
    if (this.#query !== '' && this.#query !== query) return false
    return withoutSlash(path) === withoutSlash(this.path)
  }
}

/** The URL that was asked for, with what a framework has cut off from `url`. */
function urlOf(request: AuthenticatableRequest): string | undefined {
  if (!('originalUrl' in request)) return request.url
  // Express copies it from `Object.prototype` onto each request, where it looks like one of the request's own.
  if (!('originalUrl' in Object.prototype)) return request.originalUrl ?? request.url
  const base = 'baseUrl' in Object.prototype ? undefined : request.baseUrl
  return `${base ?? ''}${request.url ?? ''}`
}

/** Clients differ in whether they keep the slash at the end of an identifier. */
function withoutSlash(path: string): string {
  return path.replace(/\/$/, '')
}

/** The identifier that needs no option: RFC 9728 §1.2 allows `https` only. */
function identifierAmong(
  rules: readonly { readonly audience: ReadonlySet<string> | null }[],
): string | undefined {
  const [only, ...others] = new Set(rules.flatMap(({ audience }) => [...(audience ?? [undefined])]))
  return others.length === 0 && isResourceIdentifier(only) && only.startsWith('https:') ? only : undefined
}
