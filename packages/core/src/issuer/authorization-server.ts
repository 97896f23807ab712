import type { Clock } from '../clock.js'
import { UnavailableError } from '../errors.js'
import { CachedDocument, lifetimeOf } from './cached-document.js'
import { fetchJson, type HttpLimits, IssuerFailure, isSecureUrl } from './http.js'

/** The members of the metadata document that are used (RFC 8414 §2). */
export interface AuthorizationServerMetadata {
  readonly issuer: string
  readonly jwksUri: string
}

/** Metadata hardly ever changes; without a `max-age` it is asked for again once an hour. */
const DEFAULT_LIFETIME_MS = 60 * 60_000

/**
 * The URL of an issuer's metadata: the well-known segment goes between the host and the path, after a slash
 * that ends the path was removed (RFC 8414 §3.1). On the string, because a round trip through `URL` would
 * normalise the identifier.
 */
export function metadataUrl(issuer: string): string {
  const [, origin = '', path = ''] = /^([^/]+\/\/[^/]+)(.*)$/s.exec(issuer) ?? []
  return `${origin}/.well-known/oauth-authorization-server${path.replace(/\/$/, '')}`
}

/** An issuer's metadata document: discovered, checked and cached. */
export class AuthorizationServer {
  readonly issuer: string
  readonly document: CachedDocument<AuthorizationServerMetadata>

  constructor(issuer: string, limits: HttpLimits, clock: Clock) {
    this.issuer = issuer
    const url = metadataUrl(issuer)
    this.document = new CachedDocument(async () => {
      const started = clock.monotonic()
      const { value, cacheControl } = await fetchJson(url, 'application/json', limits)
      const invalid = (message: string) =>
        new IssuerFailure('invalid-document', message, {
          host: new URL(url).host,
          durationMs: clock.monotonic() - started,
          status: 200,
        })
      return {
        value: validateMetadata(value, issuer, invalid),
        lifetimeMs: lifetimeOf(cacheControl, DEFAULT_LIFETIME_MS),
      }
    }, clock)
  }

  /**
   * The metadata.
   *
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`
   */
  async metadata(): Promise<AuthorizationServerMetadata> {
    try {
      return await this.document.get()
    } catch (cause) {
      throw new UnavailableError('ERR_DISCOVERY_FAILED', {
        retryAfterSeconds: Math.max(1, Math.ceil(this.document.pauseMs / 1000)),
        cause,
      })
    }
  }
}

function validateMetadata(
  value: unknown,
  issuer: string,
  invalid: (message: string) => IssuerFailure,
): AuthorizationServerMetadata {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('The metadata is not a JSON object')
  const document: { issuer?: unknown; jwks_uri?: unknown } = value
  // RFC 8414 §3.3: identical to the identifier that was asked for, or nothing in the document is used.
  if (document.issuer !== issuer) throw invalid('The "issuer" of the metadata is not the one that was asked')
  const jwksUri = document.jwks_uri
  if (typeof jwksUri !== 'string') throw invalid('The metadata has no "jwks_uri"')
  if (!isSecureUrl(jwksUri)) throw invalid('The "jwks_uri" of the metadata is not an https URL')
  return { issuer, jwksUri }
}
