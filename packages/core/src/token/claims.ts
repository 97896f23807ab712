import { differOnlyByASlash } from '../base/url.js'
import { InvalidTokenError } from '../errors/errors.js'
import type { Reason } from '../errors/reasons.js'
import { type Algorithm, isAlgorithm } from './algorithms.js'
import type { UnverifiedHeader } from './parse-token.js'

/**
 * The requirements for header and claims of an access token: pure functions, with the time passed in. They run before the
 * signature is verified, to refuse early, so none of them returns anything that looks trusted.
 */

/** `'telnyx'`: the form of Telnyx's tokens. `'rfc9068'`: everything that RFC 9068 §2.2 requires. */
export type Profile = 'telnyx' | 'rfc9068'

/** The requirements for the tokens of one issuer. */
export interface TokenRules {
  readonly issuer: string
  /** The identifiers of this API; `null` when the audience is not checked. */
  readonly audience: ReadonlySet<string> | null
  readonly profile: Profile
  readonly algorithms: ReadonlySet<Algorithm>
  readonly claimNames: NamesOfClaims
}

/** The names of the claims with the scopes and the client. */
export interface NamesOfClaims {
  readonly scopes: string
  readonly clientId: string
}

/** The registered names (RFC 8693 §4.2 and §4.3, RFC 7662 §2.2). */
export const STANDARD_NAMES: NamesOfClaims = Object.freeze({ scopes: 'scope', clientId: 'client_id' })

/** The claims of a token, under their names (RFC 7519 §4.1, RFC 9068 §2.2). The claims with a type are checked. */
export interface JwtClaims {
  readonly iss?: string
  readonly sub?: string
  readonly aud?: string | readonly string[]
  readonly exp?: number
  readonly nbf?: number
  readonly iat?: number
  readonly jti?: string
  readonly client_id?: string
  readonly scope?: string | readonly string[]
  readonly [name: string]: unknown
}

/** The times of a token, in seconds since the epoch. */
export interface TokenTimes {
  readonly exp?: number | undefined
  readonly nbf?: number | undefined
  readonly iat?: number | undefined
}

/** Claims that passed {@link checkClaims}, so `iss` is a configured issuer. */
export type AcceptedClaims = JwtClaims & { readonly iss: string }

/** Accepted values of `typ` (RFC 9068 §2.1), without case and without the prefix `application/` (RFC 7515 §4.1.9). */
const TYPES: Record<Profile, ReadonlySet<string | null | undefined>> = {
  telnyx: new Set([undefined, 'jwt', 'at+jwt']),
  rfc9068: new Set(['at+jwt']),
}

const REQUIRED: Record<Profile, readonly string[]> = {
  telnyx: ['iss', 'aud', 'exp'],
  // RFC 9068 §2.2
  rfc9068: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
}

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

const NUMERIC_DATES = ['exp', 'nbf', 'iat'] as const

/** Larger numbers are not exact, and `1e308` is no expiry time. */
const MAX_NUMERIC_DATE: number = Number.MAX_SAFE_INTEGER

/**
 * Checks a token's header.
 *
 * @returns what selects the key
 *
 * @throws {InvalidTokenError} `ERR_ALGORITHM_NOT_ALLOWED`, `ERR_TOKEN_MALFORMED`, `ERR_TYP_INVALID`
 */
export function checkHeader(
  header: UnverifiedHeader,
  rules: TokenRules,
): { algorithm: Algorithm; kid: string | undefined } {
  const { alg, kid, typ, crit, b64 } = header
  // RFC 8725 §3.1: this library decides which algorithms exist, not the token or its key.
  if (!isAlgorithm(alg))
    throw new InvalidTokenError('ERR_ALGORITHM_NOT_ALLOWED', { reason: 'algorithm-not-supported' })
  if (!rules.algorithms.has(alg))
    throw new InvalidTokenError('ERR_ALGORITHM_NOT_ALLOWED', { reason: 'algorithm-not-listed' })
  // RFC 7515 §4.1.11: this library understands no extension, so it refuses every critical one. RFC 7797 §6 and §7: `b64` must
  // be critical, and JWTs must not use it.
  if (crit !== undefined || b64 !== undefined)
    throw new InvalidTokenError('ERR_TOKEN_MALFORMED', {
      message: 'The access token uses a critical header parameter that is not supported',
      reason: 'critical-header',
    })
  if (!TYPES[rules.profile].has(mediaType(typ)))
    throw new InvalidTokenError('ERR_TYP_INVALID', { reason: 'typ-not-access-token' })
  if (kid !== undefined && typeof kid !== 'string')
    throw new InvalidTokenError('ERR_TOKEN_MALFORMED', {
      message: 'The key id of the access token is not a string',
      reason: 'kid-not-a-string',
    })
  return { algorithm: alg, kid }
}

/** A `typ` in its short form; `null` for a value of another type. */
function mediaType(typ: unknown): string | null | undefined {
  const name = nameOf(typ)
  return name?.replace(/^application\//, '') ?? name
}

/** The name of a kind of token in lower case; `null` for a value of another type. */
function nameOf(kind: unknown): string | null | undefined {
  if (kind === undefined) return undefined
  return typeof kind === 'string' ? kind.toLowerCase() : null
}

/**
 * Checks all claims of a JWT except the times.
 *
 * @throws {InvalidTokenError} `ERR_CLAIM_MISSING`, `ERR_CLAIM_INVALID`, `ERR_ISSUER_NOT_ALLOWED`,
 *   `ERR_AUDIENCE_NOT_ALLOWED`, `ERR_TOKEN_BOUND`
 */
export function checkClaims(
  claims: Record<string, unknown>,
  rules: TokenRules,
): asserts claims is AcceptedClaims {
  if (claims.iss === undefined) throw missing('iss')
  checkValues(claims, rules, REQUIRED[rules.profile], rules.claimNames)
}

/**
 * Checks the claims of an introspection response, except the times (RFC 7662 §2.2). Claims that the response omits are not
 * checked. Exception: with profile `'rfc9068'`, a response about a token that was not verified here must have `aud`. Issuers
 * call refresh tokens active too, and with some issuers the missing `aud` is the only difference.
 *
 * @param signed the claims of the token, if its signature was verified here
 * @throws {InvalidTokenError} as {@link checkClaims}, and `ERR_TYP_INVALID`
 */
export function checkIntrospectedClaims(
  claims: Record<string, unknown>,
  rules: TokenRules,
  signed?: JwtClaims,
): asserts claims is JwtClaims {
  const names = namesInResponse(claims, rules.claimNames)
  const required = signed === undefined && rules.profile === 'rfc9068' ? ['aud'] : []
  checkValues(claims, rules, required, names)
  for (const name of KIND_MEMBERS) checkKind(name, nameOf(claims[name]), ACCESS_TOKEN_NAMES)
  checkKind('typ', mediaType(claims.typ), INTROSPECTED_TYPES[rules.profile])
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
function checkKind(claim: string, kind: string | null | undefined, accepted: ReadonlySet<string>): void {
  if (kind === undefined || (kind !== null && accepted.has(kind))) return
  // RFC 9449 §6.2
  if (kind === 'dpop') throw new InvalidTokenError('ERR_TOKEN_BOUND', { claim, reason: 'bound' })
  throw new InvalidTokenError('ERR_TYP_INVALID', { claim, reason: 'typ-not-access-token' })
}

function checkValues(
  claims: Record<string, unknown>,
  rules: TokenRules,
  required: readonly string[],
  names: NamesOfClaims,
): asserts claims is JwtClaims {
  const { iss, aud } = claims
  if (iss !== undefined && typeof iss !== 'string') throw invalid('iss')
  // RFC 9068 §4: an exact match, code point by code point.
  if (iss !== undefined && iss !== rules.issuer) {
    const reason = differOnlyByASlash(iss, rules.issuer) ? 'issuer-slash' : 'issuer-unknown'
    throw new InvalidTokenError('ERR_ISSUER_NOT_ALLOWED', { claim: 'iss', reason })
  }

  // RFC 9068 §4
  if (aud !== undefined) {
    const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
    if (!named.every((value) => typeof value === 'string')) throw invalid('aud')
    if (rules.audience && !named.some((value) => rules.audience?.has(value)))
      throw new InvalidTokenError('ERR_AUDIENCE_NOT_ALLOWED', {
        claim: 'aud',
        reason: audienceReason(claims, named, rules.audience),
      })
  }

  const strict = rules.profile === 'rfc9068' && required.length > 0
  for (const claim of required) {
    const optedOut = claim === 'aud' && rules.audience === null && !strict
    if (claims[claim] === undefined && !optedOut) throw missing(claim)
  }
  for (const claim of ['sub', names.clientId, 'jti']) {
    const value = claims[claim]
    if (value === undefined) continue
    if (typeof value !== 'string' || (strict && value === '')) throw invalid(claim)
  }
  if (!isScopes(claims[names.scopes], rules.profile)) throw invalid(names.scopes)
  for (const claim of NUMERIC_DATES) {
    const value = claims[claim]
    // RFC 7519 §2: NumericDate. `1e999` is Infinity to JSON.parse.
    if (
      value !== undefined &&
      !(typeof value === 'number' && Number.isFinite(value) && value <= MAX_NUMERIC_DATE)
    )
      throw invalid(claim)
  }
}

/**
 * Whether a claim can hold scopes: a string (RFC 8693 §4.2), or an array, as some issuers send it. A member of the array with
 * white space is refused, because it could mean one scope or several.
 */
function isScopes(value: unknown, profile: Profile): boolean {
  if (value === undefined || typeof value === 'string') return true
  if (profile === 'rfc9068' || !Array.isArray(value)) return false
  return value.every((scope: unknown) => typeof scope === 'string' && !/\s/.test(scope))
}

/** The scopes in claims that passed the checks, without repetition. */
export function scopesOf(claims: JwtClaims, { scopes }: NamesOfClaims): string[] {
  const value = claims[scopes]
  const named: unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : []
  return [...new Set(named.filter(isScope))]
}

function isScope(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
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

/**
 * Checks the times of claims that passed {@link checkClaims} (RFC 7519 §4.1.4–6).
 *
 * @param now seconds since the epoch
 * @throws {InvalidTokenError} `ERR_TOKEN_EXPIRED`, `ERR_TOKEN_NOT_YET_VALID`
 */
export function checkTimes({ exp, nbf, iat }: TokenTimes, clockToleranceSeconds: number, now: number): void {
  // Without the time, no token is valid. Each comparison below also refuses when `now` is `NaN`.
  if (!Number.isFinite(now)) throw new InvalidTokenError('ERR_TOKEN_EXPIRED', { reason: 'clock-broken' })
  if (exp !== undefined && !(exp > now - clockToleranceSeconds))
    throw new InvalidTokenError('ERR_TOKEN_EXPIRED', {
      claim: 'exp',
      reason: now - exp <= CLOCK_SUSPICION_SECONDS ? 'expired-just-now' : 'expired',
    })
  if (nbf !== undefined && !(nbf <= now + clockToleranceSeconds))
    throw new InvalidTokenError('ERR_TOKEN_NOT_YET_VALID', {
      claim: 'nbf',
      reason: futureReason('nbf', nbf - now),
    })
  // `iat` in the future: the issuer's clock is wrong, or the token is forged.
  if (iat !== undefined && !(iat <= now + clockToleranceSeconds))
    throw new InvalidTokenError('ERR_TOKEN_NOT_YET_VALID', {
      claim: 'iat',
      reason: futureReason('iat', iat - now),
    })
}

/** Within this difference, the clocks of issuer and verifier are the probable cause. */
const CLOCK_SUSPICION_SECONDS = 600

function futureReason(claim: 'nbf' | 'iat', aheadSeconds: number): Reason {
  if (aheadSeconds <= CLOCK_SUSPICION_SECONDS) return 'clock-behind'
  return claim === 'nbf' ? 'not-before' : 'issued-in-future'
}

/** Why the audience does not match. For hints only; no decision depends on it. */
function audienceReason(
  claims: Record<string, unknown>,
  named: readonly string[],
  accepted: ReadonlySet<string>,
): Reason {
  for (const audience of accepted)
    if (named.some((value) => differOnlyByASlash(value, audience))) return 'audience-slash'
  // OpenID Connect Core §2: the audience of an ID token is the client. Only ID tokens have these claims.
  const isIdToken = ['nonce', 'at_hash', 'c_hash'].some((claim) => Object.hasOwn(claims, claim))
  return isIdToken ? 'audience-client-id' : 'audience-other'
}

function missing(claim: string): InvalidTokenError {
  return new InvalidTokenError('ERR_CLAIM_MISSING', { claim, reason: 'claim-missing' })
}

function invalid(claim: string): InvalidTokenError {
  return new InvalidTokenError('ERR_CLAIM_INVALID', { claim, reason: 'claim-of-wrong-type' })
}
