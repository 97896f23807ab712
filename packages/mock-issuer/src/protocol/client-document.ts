import * as v from 'valibot'
import { type ClientSeed, GRANT_TYPES } from './client.js'
import { flag, links, listOf, name, redirectUri, text } from './client-members.js'
import { invalidFields, memberMessage } from './invalid-fields.js'
import { OAuthError } from './refusals.js'
import { isWebUrl } from './registered-url.js'

/**
 * OAuth Client ID Metadata Documents: draft-ietf-oauth-client-id-metadata-document-01, which comments call CIMD. MCP
 * authorization 2026-07-28 and 2025-11-25 refer to version 00, which has the same rules.
 */

/** Names that lead to this machine or its network (RFC 6761, RFC 6762, RFC 8375, and `internal`, which ICANN reserves). */
const LOCAL_NAME = /^[^.]*$|\.(?:localhost|local|internal|home\.arpa)$/

const IP_ADDRESS = /^[\d.]+$|^\[/

/** Whether the URL leads to a loopback address of this machine. No other spelling counts. */
export function isLoopback(url: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname)
}

/**
 * Whether a client identifier is meant as the URL of a document. Other identifiers are those of registered clients
 * (CIMD §6.9).
 */
export function looksLikeDocumentUrl(clientId: string): boolean {
  return /^https?:/i.test(clientId)
}

/**
 * Whether the URL can be the identifier of a client with a document (CIMD §3): `https` (on this machine also `http`), with
 * a path, without dot segments, fragment and credentials. The URL must be in its normal form, so that two spellings of a
 * URL are never two clients with one document.
 *
 * No request may be directed into this machine or its network (CIMD §6.5). A URL has no IP address, with the exception of
 * loopback addresses: for people, who judge a client by the host of its URL, addresses mean nothing anyway.
 */
export function isDocumentUrl(clientId: string): boolean {
  if (clientId.length > 2000 || !isWebUrl(clientId) || clientId.includes('#')) return false
  const { href, protocol, hostname, pathname } = new URL(clientId)
  if (href !== clientId || pathname === '/') return false
  if (isLoopback(clientId)) return true
  return (
    protocol === 'https:' &&
    !hostname.endsWith('.') &&
    !IP_ADDRESS.test(hostname) &&
    !LOCAL_NAME.test(hostname)
  )
}

/**
 * The members that apply here. The document is for all authorization servers, so what this one does not support is left
 * out, not refused. A shared secret is refused (CIMD §4.1), and so is every other authentication: the client would expect
 * it, and this issuer would not check it.
 */
function documentOf(url: string) {
  const { policy_uri, tos_uri } = links
  const noSecret = v.optional(v.never('must not be there'))
  return v.object(
    {
      // RFC 3986 §6.2.1: simple string comparison
      client_id: v.literal(url, 'must be the URL of the document'),
      // Required by MCP, as is the next one.
      client_name: name,
      redirect_uris: v.pipe(listOf(redirectUri), v.minLength(1, 'must not be empty')),
      grant_types: v.optional(listOf(text), ['authorization_code']),
      response_types: v.optional(
        v.pipe(
          listOf(text),
          v.check((types) => types.includes('code'), 'must contain code'),
        ),
        ['code'],
      ),
      // The default of RFC 7591 §2 is a shared secret, which no such client can have.
      token_endpoint_auth_method: v.optional(v.literal('none', 'must be none'), 'none'),
      client_secret: noSecret,
      client_secret_expires_at: noSecret,
      // RFC 9449 §5.2
      dpop_bound_access_tokens: v.optional(flag, false),
      policy_uri,
      tos_uri,
    },
    memberMessage,
  )
}

/**
 * Validates the metadata document of a client (CIMD §4.1). Its scopes are not read: with `mcp`, no registered client is
 * bound to its scopes either. Nor is its logo, which users should only see as the issuer has stored it (CIMD §6.7).
 *
 * @param url the client identifier, from which the document was fetched
 * @throws {OAuthError} `invalid_client`; no message repeats a value of the document
 */
export function parseClientDocument(url: string, document: unknown): ClientSeed {
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw documentError('is not a JSON object')
  const result = v.safeParse(documentOf(url), document)
  if (!result.success) {
    const [[member, [reason]] = ['', ['is not valid']]] = Object.entries(invalidFields(result.issues))
    throw documentError(`is not valid: "${member}" ${reason}`)
  }
  const { client_name, redirect_uris, grant_types, dpop_bound_access_tokens, policy_uri, tos_uri } =
    result.output
  return {
    clientId: url,
    clientType: 'public',
    name: client_name,
    // A public client gets no token for `client_credentials`, also if the document has it.
    grantTypes: GRANT_TYPES.filter((type) => grant_types.includes(type)),
    redirectUris: redirect_uris,
    dpopBoundAccessTokens: dpop_bound_access_tokens,
    policyUri: policy_uri,
    tosUri: tos_uri,
  }
}

/** The client cannot be known, because its document cannot be used. */
export function documentError(what: string): OAuthError {
  return new OAuthError('invalid_client', `The metadata document of the client ${what}`)
}
