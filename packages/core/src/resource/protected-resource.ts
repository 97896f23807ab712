import { deepFreeze } from '../base/deep-freeze.js'
import { otherSpellingOfHost } from '../base/url.js'
import { ConfigurationError } from '../errors/errors.js'
import type { CompiledPolicy } from '../policy/policy.js'
import type { AuthenticatableRequest } from '../request/request-headers.js'
import { requestedUrl } from '../request/requested-url.js'
import type { ResolvedSenderOptions } from '../sender/sender-options.js'
import { metadataResponse } from './metadata-response.js'
import { type CheckedProtectedResource, isResourceIdentifier } from './protected-resource-options.js'

/** The metadata document (RFC 9728 §2). */
export interface ProtectedResourceDocument {
  /** The identifier of this API, an `https` URL (RFC 9728 §1.2). */
  readonly resource: string
  /** The issuers whose tokens this API accepts. */
  readonly authorization_servers: readonly string[]
  /** The scopes that clients can request for this API. */
  readonly scopes_supported?: readonly string[]
  /** How clients send the token (RFC 6750 §2): always in a header. */
  readonly bearer_methods_supported: readonly string[]
  /** The name of this API for people. */
  readonly resource_name?: string
  /** The URL of the documentation for developers. */
  readonly resource_documentation?: string
  readonly [member: string]: unknown
}

/** The response to a request for the metadata document, as plain data that any framework can write. */
export interface MetadataResponse {
  /** The HTTP status. */
  readonly status: number
  /** The headers to write. */
  readonly headers: Record<string, string>
  /** Sent as JSON; absent in the response to a preflight request. */
  readonly body?: ProtectedResourceDocument
}

/** The metadata of this API as a protected resource (RFC 9728), and its location. */
export interface ProtectedResourceMetadata {
  /** The document, frozen. */
  readonly document: ProtectedResourceDocument
  /** The URL of the document (RFC 9728 §3.1), which challenges name. */
  readonly url: string
  /** The path of this URL. */
  readonly path: string
  /**
   * The response to a request for the document. It needs no token, and scripts of any origin may read it.
   *
   * @returns the response to `GET`, `HEAD` and a preflight request for the document; `undefined` for every other request
   * @example
   * const metadata = verifier.protectedResourceMetadata()
   * const response = metadata?.respond(request)
   */
  respond(request: AuthenticatableRequest): MetadataResponse | undefined
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/**
 * Creates the metadata of the resource that tokens are issued for.
 *
 * @param policy the default policy, whose scopes are the default of `scopes_supported`
 * @returns `undefined` when the option is `false`, or is not set and the audience is not one https URL
 * @throws {ConfigurationError} when the option is set, and neither it nor the audience identifies the resource
 */
export function createProtectedResource(
  checked: CheckedProtectedResource | false | undefined,
  rules: readonly { readonly issuer: string; readonly audience: ReadonlySet<string> | null }[],
  policy: CompiledPolicy,
  { dpop, mtls }: Pick<ResolvedSenderOptions, 'dpop' | 'mtls'>,
): ProtectedResourceMetadata | undefined {
  if (checked === false) return undefined
  const audience = audienceAsIdentifier(rules)
  const resource = checked?.resource ?? (audience?.startsWith('https:') ? audience : undefined)
  if (resource === undefined) {
    if (checked === undefined) return undefined
    throw new ConfigurationError(
      'Option "protectedResource" needs a "resource", the https URL of this API, because the audience is not one',
    )
  }
  // `offline_access` is between client and authorization server, not a scope of this API (MCP authorization).
  const scopes = new Set(checked?.scopes ?? policy.requiredScopes)
  scopes.delete('offline_access')
  return new ProtectedResource({
    resource,
    authorization_servers: rules.map(({ issuer }) => issuer),
    // RFC 9728 §3.2: no member with an empty array.
    ...(scopes.size > 0 && { scopes_supported: [...scopes] }),
    bearer_methods_supported: ['header'],
    ...checked?.members,
    ...(dpop && {
      dpop_signing_alg_values_supported: dpop.algorithms,
      dpop_bound_access_tokens_required: dpop.mode === 'required',
    }),
    ...(mtls && { tls_client_certificate_bound_access_tokens: true }),
  })
}

class ProtectedResource implements ProtectedResourceMetadata {
  readonly document: ProtectedResourceDocument
  readonly url: string
  readonly path: string
  readonly #query: string

  constructor(document: ProtectedResourceDocument) {
    this.document = deepFreeze(document)
    // RFC 9728 §3.1. Not with `URL`, which would normalise the identifier.
    const [, origin = '', path = '', query = ''] =
      /^([^/]+\/\/[^/?]+)([^?]*)(.*)$/.exec(document.resource) ?? []
    this.path = `${WELL_KNOWN}${path === '/' ? '' : path}`
    this.#query = query
    this.url = `${origin}${this.path}${query}`
    Object.freeze(this)
  }

  respond(request: AuthenticatableRequest): MetadataResponse | undefined {
    if (!this.#isRequestedBy(request)) return undefined
    const response = metadataResponse(request)
    return response?.status === 200 ? { ...response, body: this.document } : response
  }

  #isRequestedBy(request: AuthenticatableRequest): boolean {
    const url = requestedUrl(request)
    // Runs before every request is authenticated, and few requests are for the document.
    if (!url?.includes(WELL_KNOWN)) return false
    const [, path = '', query = ''] = /^(?:https?:\/\/[^/?#]*)?([^?#]*)([^#]*)/i.exec(url) ?? []
    if (this.#query !== '' && this.#query !== query) return false
    return withoutSlash(path) === withoutSlash(this.path)
  }
}

/** Some clients remove the slash at the end of an identifier, others keep it. */
function withoutSlash(path: string): string {
  return path.replace(/\/$/, '')
}

/**
 * The audience, if it is one URL that can identify a resource: `https`, or `http` on a loopback host. RFC 9728 §1.2 knows `https`
 * only, so that alone is the default of the option.
 */
export function audienceAsIdentifier(
  rules: readonly { readonly audience: ReadonlySet<string> | null }[],
): string | undefined {
  const [only, ...rest] = new Set(rules.flatMap(({ audience }) => [...(audience ?? [undefined])]))
  const others = rest.filter((audience) => audience === undefined || otherSpellingOfHost(audience) !== only)
  return others.length === 0 && isResourceIdentifier(only) ? only : undefined
}
