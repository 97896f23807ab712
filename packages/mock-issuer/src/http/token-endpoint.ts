import type { Client, GrantType } from '../protocol/client.js'
import type { Grant } from '../protocol/grant.js'
import type { Parameters } from '../protocol/parameters.js'
import { matchesChallenge } from '../protocol/pkce.js'
import { OAuthError } from '../protocol/refusals.js'
import { selectResources, selectScopes } from '../protocol/selection.js'
import type { AccessTokenRequest } from '../state/access-tokens.js'
import type { Grants } from '../state/grants.js'

/** A successful response (RFC 6749 §5.1). */
export interface TokenResponse {
  readonly access_token: string
  readonly token_type: 'Bearer' | 'DPoP'
  readonly expires_in: number
  readonly refresh_token?: string | undefined
  readonly scope?: string | undefined
}

/** The parts of the issuer that the token endpoint uses. */
interface TokenIssuer {
  readonly grants: Grants
  readonly tokens: { issue(request: AccessTokenRequest): { token: string; expiresInSeconds: number } }
}

/** Exchanges one type of grant. */
type Exchange = (
  client: Client,
  parameters: Parameters,
  issuer: TokenIssuer,
  jkt: string | undefined,
) => TokenResponse

const EXCHANGES: ReadonlyMap<string, { grantType: GrantType; exchange: Exchange }> = new Map([
  ['client_credentials', { grantType: 'client_credentials', exchange: exchangeClientCredentials }],
  ['authorization_code', { grantType: 'authorization_code', exchange: exchangeCode }],
  ['refresh_token', { grantType: 'refresh_token', exchange: exchangeRefreshToken }],
])

/**
 * Exchanges a grant of an authenticated client for tokens.
 *
 * @param jkt the thumbprint of the key that the client has proven to have (RFC 9449 §5), or `undefined`
 * @throws {OAuthError} with a code of RFC 6749 §5.2, or `invalid_target` (RFC 8707 §2)
 */
export function exchangeGrant(
  client: Client,
  parameters: Parameters,
  issuer: TokenIssuer,
  jkt?: string,
): TokenResponse {
  const { grantType, exchange } = EXCHANGES.get(required(parameters, 'grant_type')) ?? {}
  if (!grantType || !exchange)
    throw new OAuthError('unsupported_grant_type', 'The grant type is not supported')
  if (!client.grantTypes.includes(grantType))
    throw new OAuthError('unauthorized_client', 'The client may not use this grant type')
  return exchange(client, parameters, issuer, jkt)
}

/** RFC 6749 §4.4 */
function exchangeClientCredentials(
  client: Client,
  parameters: Parameters,
  issuer: TokenIssuer,
  jkt: string | undefined,
) {
  if (client.clientType === 'public')
    throw new OAuthError('unauthorized_client', 'A public client has no credentials to use')
  return respond(issuer, {
    clientId: client.clientId,
    scopes: selectScopes(parameters.get('scope'), client.scopes),
    resources: selectResources(parameters.resources, []),
    jkt,
  })
}

/** RFC 6749 §4.1.3, RFC 7636 §4.5 */
function exchangeCode(client: Client, parameters: Parameters, issuer: TokenIssuer, jkt: string | undefined) {
  const value = required(parameters, 'code')
  const redirectUri = required(parameters, 'redirect_uri')
  const found = issuer.grants.findCode(value, client.clientId)
  if (!found) throw new OAuthError('invalid_grant', 'The code is unknown, used or expired')
  const { code, grant } = found
  if (code.redirectUri !== redirectUri)
    throw new OAuthError('invalid_grant', 'The code was not sent to this redirect_uri')
  if (!matchesChallenge(parameters.get('code_verifier'), code.codeChallenge))
    throw new OAuthError('invalid_grant', 'The code_verifier does not match the code_challenge')
  // RFC 9449 §10
  if (code.dpopJkt !== undefined && code.dpopJkt !== jkt)
    throw new OAuthError('invalid_grant', 'The code is bound to another key: dpop_jkt')
  return useGrant(
    client,
    grant,
    value,
    { scopes: grant.scopes, requested: parameters.resources, jkt },
    issuer,
  )
}

/** RFC 6749 §6 */
function exchangeRefreshToken(
  client: Client,
  parameters: Parameters,
  issuer: TokenIssuer,
  jkt: string | undefined,
) {
  const value = required(parameters, 'refresh_token')
  const found = issuer.grants.findRefreshToken(value, client.clientId)
  if (!found) throw new OAuthError('invalid_grant', 'The refresh token is unknown, used or expired')
  const { refreshToken, grant } = found
  // RFC 9449 §5
  if (refreshToken.jkt !== undefined && refreshToken.jkt !== jkt)
    throw new OAuthError('invalid_grant', 'The refresh token is bound to another key')
  const scopes = selectScopes(parameters.get('scope'), grant.scopes)
  return useGrant(client, grant, value, { scopes, requested: parameters.resources, jkt }, issuer)
}

/** Redeems a code or refresh token for tokens of its grant. A refused request does not use it up. */
function useGrant(
  client: Client,
  grant: Grant,
  codeOrToken: string,
  {
    scopes,
    requested,
    jkt,
  }: { scopes: readonly string[]; requested: readonly string[]; jkt: string | undefined },
  issuer: TokenIssuer,
): TokenResponse {
  const resources = selectResources(requested, grant.resources)
  // The client may have lost scopes since the user allowed them.
  const allowed = scopes.filter((scope) => client.scopes.includes(scope))
  // RFC 6749 §5.1: a response without `scope` would mean that all requested scopes were granted.
  if (allowed.length === 0 && scopes.length > 0)
    throw new OAuthError('invalid_scope', 'The scopes are not allowed to the client any more')
  issuer.grants.redeem(codeOrToken, grant)
  // RFC 9449 §5: a client with a secret may change its key, a public one must not.
  const boundTo = client.clientType === 'public' ? jkt : undefined
  const mayRefresh = client.grantTypes.includes('refresh_token')
  return respond(
    issuer,
    {
      clientId: client.clientId,
      scopes: allowed,
      resources,
      grantId: grant.id,
      jkt,
    },
    mayRefresh ? issuer.grants.issueRefreshToken(grant, boundTo) : undefined,
  )
}

function respond(issuer: TokenIssuer, request: AccessTokenRequest, refreshToken?: string): TokenResponse {
  const { token, expiresInSeconds } = issuer.tokens.issue(request)
  return {
    access_token: token,
    token_type: request.jkt === undefined ? 'Bearer' : 'DPoP',
    expires_in: expiresInSeconds,
    refresh_token: refreshToken,
    // RFC 6749 §3.3: `scope` cannot be empty.
    scope: request.scopes.join(' ') || undefined,
  }
}

function required(parameters: Parameters, name: string): string {
  const value = parameters.get(name)
  if (value === undefined) throw new OAuthError('invalid_request', `The parameter ${name} is missing`)
  return value
}
