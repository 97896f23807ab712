import { SIGNING_ALGORITHMS } from '../state/signing-keys.js'

/** The metadata of the authorization server (RFC 8414 §2), with the members that Telnyx listed in October 2026. */
export function serverMetadata(
  issuer: string,
  scopes: readonly string[],
  mcp: boolean,
  dpop: boolean,
): object {
  const base = withoutTrailingSlash(issuer)
  return {
    issuer,
    authorization_endpoint: authorizationEndpoint(issuer),
    token_endpoint: tokenEndpoint(issuer),
    introspection_endpoint: introspectionEndpoint(issuer),
    jwks_uri: `${base}/v2/oauth/jwks`,
    registration_endpoint: `${base}/v2/oauth/register`,
    code_challenge_methods_supported: ['S256'],
    grant_types_supported: ['client_credentials', 'authorization_code', 'refresh_token'],
    response_types_supported: ['code'],
    token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
    protected_resources: [base, `${base}/v2/mcp`],
    scopes_supported: scopes,
    agent_auth: { auth_md: 'https://telnyx.com/auth.md' },
    ...(mcp && {
      // RFC 9207 §3
      authorization_response_iss_parameter_supported: true,
      // CIMD §5
      client_id_metadata_document_supported: true,
    }),
    // RFC 9449 §5.1
    ...(dpop && { dpop_signing_alg_values_supported: SIGNING_ALGORITHMS }),
  }
}

/** The metadata of Telnyx's API as a protected resource (RFC 9728 §2). */
export function resourceMetadata(issuer: string): object {
  return { resource: withoutTrailingSlash(issuer), authorization_servers: [issuer] }
}

/** The URL of the authorization endpoint (RFC 6749 §3.1). */
export function authorizationEndpoint(issuer: string): string {
  return `${withoutTrailingSlash(issuer)}/v2/oauth/authorize`
}

/** The URL of the token endpoint (RFC 6749 §3.2). */
export function tokenEndpoint(issuer: string): string {
  return `${withoutTrailingSlash(issuer)}/v2/oauth/token`
}

/** The URL of the introspection endpoint (RFC 7662 §2). */
export function introspectionEndpoint(issuer: string): string {
  return `${withoutTrailingSlash(issuer)}/v2/oauth/introspect`
}

/**
 * The introspection response (RFC 7662 §2.2), with the members that Telnyx documents. There, `aud` is a string. For a token that
 * is bound, it has the binding too (RFC 9449 §6.2, RFC 8705 §3.2).
 */
export function introspectionResponse(claims: Readonly<Record<string, unknown>> | undefined): object {
  if (!claims) return { active: false }
  const { aud, client_id, cnf, exp, iat, iss, scope } = claims
  return {
    active: true,
    aud: Array.isArray(aud) && aud.length === 1 ? aud[0] : aud,
    client_id,
    exp,
    iat,
    iss,
    scope,
    cnf,
    ...(isDpopBound(cnf) && { token_type: 'DPoP' }),
  }
}

function isDpopBound(cnf: unknown): boolean {
  return typeof cnf === 'object' && cnf !== null && 'jkt' in cnf
}

function withoutTrailingSlash(issuer: string): string {
  return issuer.replace(/\/$/, '')
}
