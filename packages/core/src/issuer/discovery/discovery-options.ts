import { copyOfJson } from '../../base/json.js'
import { flawOfUrl, isSecureUrl } from '../../base/url.js'
import { type Given, wrongKind } from '../../errors/check-options.js'
import { ConfigurationError } from '../../errors/errors.js'
import type { KnownEndpoints } from './issuer-metadata.js'
import { type AuthorizationServerMetadata, validateMetadata } from './metadata-document.js'

/** What is configured instead of discovered (RFC 8414). */
export interface DiscoveryOptions {
  /**
   * Overrides the `jwks_uri` of the metadata (RFC 8414 §2): an `https` URL.
   *
   * @default discovered
   */
  readonly jwksUri?: string | undefined
  /**
   * The keys, as a JWK Set (RFC 7517 §5). The verifier then fetches none, and they never change.
   *
   * @default fetched
   */
  readonly jwks?:
    | {
        /** The keys, as JWKs (RFC 7517 §4). */
        readonly keys: readonly object[]
      }
    | undefined
  /**
   * The metadata document, with the member names of RFC 8414 §2. The verifier then fetches none.
   *
   * @default fetched
   */
  readonly metadata?:
    | {
        /** The issuer identifier: that of the option `issuer`. */
        readonly issuer: string
        readonly [member: string]: unknown
      }
    | undefined
  /**
   * Overrides the `introspection_endpoint` of the metadata: an `https` URL.
   *
   * @default discovered
   */
  readonly introspectionEndpoint?: string | undefined
}

/**
 * Checks the options that replace discovery, except for the keys in `jwks`.
 *
 * @throws {ConfigurationError}
 */
export function resolveEndpoints(
  { jwks, jwksUri, metadata, introspectionEndpoint }: Given,
  issuer: string,
): KnownEndpoints {
  if (jwks !== undefined && jwksUri !== undefined)
    throw new ConfigurationError('Options "jwks" and "jwksUri" exclude each other')
  const needsKeys = jwks === undefined && jwksUri === undefined
  const [keysUrl, introspectionUrl] = [
    checkUrl(jwksUri, 'jwksUri'),
    checkUrl(introspectionEndpoint, 'introspectionEndpoint'),
  ]
  const document = metadata === undefined ? undefined : checkMetadata(metadata, issuer, needsKeys)
  return {
    jwksUri: keysUrl ?? document?.jwksUri,
    introspectionEndpoint: introspectionUrl ?? document?.introspectionEndpoint,
    metadata: document,
  }
}

function checkUrl(url: unknown, name: string): string | undefined {
  if (url === undefined || (isSecureUrl(url) && flawOfUrl(url) === undefined)) return url
  const flaw = typeof url === 'string' ? flawOfUrl(url) : undefined
  const expected = 'an https URL without credentials (http for loopback hosts only)'
  throw wrongKind(name, expected, url, flaw ?? 'which this one is not')
}

/** The operator chose this document, so unlike one that was fetched it may name loopback hosts for any issuer. */
function checkMetadata(metadata: unknown, issuer: string, needsKeys: boolean): AuthorizationServerMetadata {
  const checked = validateMetadata(copyOfJson(metadata), issuer, needsKeys, isSecureUrl)
  if (checked.flaw !== undefined)
    throw new ConfigurationError(`Option "metadata" is not usable: ${checked.explanation ?? checked.flaw}`)
  return checked.metadata
}
