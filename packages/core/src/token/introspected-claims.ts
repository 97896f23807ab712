import { InvalidTokenError } from '../errors/errors.js'
import {
  checkAudience,
  checkClaimTypes,
  checkIssuer,
  checkRequiredClaims,
  type JwtClaims,
  type NamesOfClaims,
  type Profile,
  STANDARD_NAMES,
  type TokenRules,
} from './claims.js'
import { confirmationIn } from './confirmation.js'
import { mediaType, nameOf } from './header.js'

/**
 * Where introspection responses name the kind of a token: `token_type` (RFC 7662 §2.2), `token_use` (ORY Hydra, Authelia) and
 * `token_usage` (OpenIddict).
 */
const KIND_MEMBERS = ['token_type', 'token_use', 'token_usage'] as const

/**
 * Their values for a bearer access token: `Bearer` from most issuers, `access_token` from IdentityServer, Salesforce and Hydra,
 * `access` from Amazon Cognito, and the URN of RFC 8693 §3. `N_A` (RFC 8693 §2.2.1) means that the token is no access token.
 */
const ACCESS_TOKEN_NAMES: ReadonlySet<string> = new Set([
  'bearer',
  'access_token',
  'access',
  'urn:ietf:params:oauth:token-type:access_token',
])

/** Accepted values of `typ` in an introspection response: as in a header, and `Bearer`, which Keycloak's tokens have as a claim. */
const INTROSPECTED_TYPES: Record<Profile, ReadonlySet<string>> = {
  telnyx: new Set(['jwt', 'at+jwt', 'bearer']),
  rfc9068: new Set(['at+jwt', 'bearer']),
}

/** Claims that must be equal in introspection response and token, if both have them: the names in the response and the token. */
const EQUAL_CLAIMS = [
  ['sub', 'sub'],
  ['client_id', 'client_id'],
  ['jti', 'jti'],
] as const

/**
 * Checks the claims of an introspection response, except the times (RFC 7662 §2.2). Claims that the response omits are not
 * checked. Exception: with profile `'rfc9068'`, a response about a token that was not verified here must have `aud`. Issuers
 * call refresh tokens active too, and with some issuers the missing `aud` is the only difference.
 *
 * @param signed the claims of the token, if its signature was verified here
 * @param acceptsDpop whether tokens that are bound to a key are accepted; the caller checks the binding
 * @throws {InvalidTokenError} as `checkClaims`, and `ERR_TYP_INVALID`
 */
export function checkIntrospectedClaims(
  claims: Record<string, unknown>,
  rules: TokenRules,
  signed: JwtClaims | undefined,
  acceptsDpop: boolean,
): asserts claims is JwtClaims {
  const names = namesInResponse(claims, rules.claimNames)
  const required = signed === undefined && rules.profile === 'rfc9068' ? ['aud'] : []
  if (claims.iss !== undefined) checkIssuer(claims.iss, rules)
  checkAudience(claims, rules)
  checkRequiredClaims(claims, rules, required)
  checkClaimTypes(claims, rules, names, required.length > 0)
  // A token that is bound to a certificate alone would need no proof.
  const isBoundToKey = acceptsDpop && confirmationIn(claims.cnf ?? signed?.cnf)?.jkt !== undefined
  for (const name of KIND_MEMBERS) checkKind(name, nameOf(claims[name]), ACCESS_TOKEN_NAMES, isBoundToKey)
  checkKind('typ', mediaType(claims.typ), INTROSPECTED_TYPES[rules.profile], false)
  const clientId = [names.clientId, rules.claimNames.clientId] as const
  for (const [nameInResponse, nameInToken] of [...EQUAL_CLAIMS, clientId]) {
    const [inResponse, inToken] = [claims[nameInResponse], signed?.[nameInToken]]
    // The response is about another token.
    if (inResponse !== undefined && inToken !== undefined && inResponse !== inToken)
      throw new InvalidTokenError('ERR_CLAIM_INVALID', {
        claim: nameInResponse,
        reason: 'introspection-contradicts',
      })
  }
}

/** RFC 7662 §2.1: the issuer may ignore the type hint, and so may answer about a token of any kind. */
function checkKind(
  claim: string,
  kind: string | null | undefined,
  accepted: ReadonlySet<string>,
  isBoundToKey: boolean,
): void {
  if (kind === undefined || (kind !== null && accepted.has(kind))) return
  // RFC 9449 §6.2: such a token is bound to a key, also where the response does not say so.
  if (kind === 'dpop' && isBoundToKey) return
  if (kind === 'dpop') throw new InvalidTokenError('ERR_TOKEN_BOUND', { claim, reason: 'bound' })
  throw new InvalidTokenError('ERR_TYP_INVALID', { claim, reason: 'typ-not-access-token' })
}

/**
 * The names of the claims with scopes and client in an introspection response: the names of RFC 7662 §2.2 if the response has
 * them, otherwise the configured names.
 */
export function namesInResponse(response: JwtClaims, configured: NamesOfClaims): NamesOfClaims {
  return {
    scopes: response[STANDARD_NAMES.scopes] === undefined ? configured.scopes : STANDARD_NAMES.scopes,
    clientId: response[STANDARD_NAMES.clientId] === undefined ? configured.clientId : STANDARD_NAMES.clientId,
  }
}
