/** The metadata document of an authorization server (RFC 8414): where it is, and what is read from it. */

import { isJsonObject } from '../../base/json.js'
import { ownMembers } from '../../base/own-members.js'
import { differOnlyByASlash } from '../../base/url.js'
import { type IssuerFailureReason, quote } from '../../errors/issuer-failure.js'

/** The members of the metadata document that are used (RFC 8414 §2). A URL that must not be used is left out. */
export interface AuthorizationServerMetadata {
  readonly jwksUri?: string | undefined
  readonly introspectionEndpoint?: string | undefined
  /** The whole document, as it was published: for clients, to which this API may show it. */
  readonly document: Readonly<Record<string, unknown>>
}

/**
 * The URL of an issuer's metadata: the well-known segment goes between the host and the path, after the slash at the end of
 * the path was removed (RFC 8414 §3.1). Works on the string, because a round trip through `URL` would normalise the
 * identifier.
 */
export function metadataUrl(issuer: string): string {
  const [, origin = '', path = ''] = /^([^/]+\/\/[^/]+)(.*)$/s.exec(issuer) ?? []
  return `${origin}/.well-known/oauth-authorization-server${path.replace(/\/$/, '')}`
}

/**
 * The URL of the OpenID Connect discovery document: the well-known segment is appended to the path, after the slash at its
 * end was removed (OpenID Connect Discovery 1.0 §4). Works on the string, for the same reason as {@link metadataUrl}.
 */
export function openIdConfigurationUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}

/** The used members of a valid metadata document, or what is wrong with an invalid one. */
export type ValidatedMetadata =
  | { readonly metadata: AuthorizationServerMetadata; readonly flaw: undefined }
  | {
      /** In fixed words. */
      readonly flaw: string
      readonly reason: IssuerFailureReason
      /** The same for operators, with the identifiers that the document and the options name. */
      readonly explanation: string | undefined
    }

/**
 * Validates a metadata document.
 *
 * @param needsKeys whether the document must have a `jwks_uri` that may be used
 * @param isUsable whether a URL of the document may be used
 */
export function validateMetadata(
  value: unknown,
  issuer: string,
  needsKeys: boolean,
  isUsable: (url: unknown) => url is string,
): ValidatedMetadata {
  const invalid = (flaw: string, reason: IssuerFailureReason = 'invalid-document') => ({
    flaw,
    reason,
    explanation: undefined,
  })
  if (!isJsonObject(value)) return invalid('The metadata are not a JSON object')
  const document = ownMembers(value)
  if (typeof document.issuer !== 'string') return invalid('The metadata have no "issuer" that is a string')
  // RFC 8414 §3.3: the issuer must be identical to the configured one, or nothing in the document may be used.
  if (document.issuer !== issuer) return otherIssuer(document.issuer, issuer)
  const { jwks_uri: jwksUri, introspection_endpoint: endpoint } = document
  if (needsKeys && typeof jwksUri !== 'string')
    return invalid('The metadata have no "jwks_uri"', 'jwks-uri-missing')
  if (needsKeys && !isUsable(jwksUri))
    return invalid(
      'The "jwks_uri" of the metadata is not an https URL (http for an issuer on a loopback host only)',
      'jwks-uri-insecure',
    )
  return {
    flaw: undefined,
    metadata: {
      jwksUri: isUsable(jwksUri) ? jwksUri : undefined,
      introspectionEndpoint: isUsable(endpoint) ? endpoint : undefined,
      document,
    },
  }
}

/** Whether a document has what clients need to get a token (RFC 8414 §2), and not only what a verifier needs. */
export function isForClients({ document }: AuthorizationServerMetadata): boolean {
  const {
    authorization_endpoint: authorization,
    token_endpoint: token,
    response_types_supported: types,
  } = document
  return typeof authorization === 'string' && typeof token === 'string' && Array.isArray(types)
}

/** For metadata that name another issuer than the configured one. */
function otherIssuer(named: string, issuer: string): ValidatedMetadata {
  const flaw = 'The "issuer" of the metadata is not the configured issuer'
  const explanation = `The metadata of ${quote(issuer)} name the issuer ${quote(named)}`
  if (!differOnlyByASlash(named, issuer)) return { flaw, reason: 'issuer-mismatch', explanation }
  const difference = 'they differ by a slash at the end'
  return {
    flaw: `${flaw}: ${difference}`,
    reason: 'issuer-trailing-slash',
    explanation: `${explanation}: ${difference}`,
  }
}
