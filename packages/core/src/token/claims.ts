import { differOnlyByASlash } from '../base/url.js'
import { InvalidTokenError } from '../errors/errors.js'
import type { Reason } from '../errors/reasons.js'
import type { Algorithm } from './algorithms.js'

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
  /** The issuer (RFC 7519 §4.1.1). */
  readonly iss?: string
  /** The resource owner, or the client where no user is involved (RFC 9068 §2.2). */
  readonly sub?: string
  /** The APIs that the token is for (RFC 7519 §4.1.3). */
  readonly aud?: string | readonly string[]
  /** When the token expires, in seconds since the epoch (RFC 7519 §4.1.4). */
  readonly exp?: number
  /** When the token starts to be valid, in seconds since the epoch (RFC 7519 §4.1.5). */
  readonly nbf?: number
  /** When the token was issued, in seconds since the epoch (RFC 7519 §4.1.6). */
  readonly iat?: number
  /** The id of the token (RFC 7519 §4.1.7). */
  readonly jti?: string
  /** The client that the token was issued to (RFC 8693 §4.3). */
  readonly client_id?: string
  /** The granted scopes: separated by spaces (RFC 8693 §4.2), or an array, as some issuers send them. */
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

const REQUIRED: Record<Profile, readonly string[]> = {
  telnyx: ['iss', 'aud', 'exp'],
  // RFC 9068 §2.2
  rfc9068: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
}

const NUMERIC_DATES = ['exp', 'nbf', 'iat'] as const

/** Larger numbers are not exact, and `1e308` is no expiry time. */
const MAX_NUMERIC_DATE: number = Number.MAX_SAFE_INTEGER

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
  checkIssuer(claims.iss, rules)
  checkAudience(claims, rules)
  checkRequiredClaims(claims, rules)
  checkClaimTypes(claims, rules)
}

/** RFC 9068 §4: an exact match, code point by code point. */
export function checkIssuer(iss: unknown, rules: TokenRules): void {
  if (iss === undefined) throw missing('iss')
  if (typeof iss !== 'string') throw invalid('iss')
  if (iss === rules.issuer) return
  const reason = differOnlyByASlash(iss, rules.issuer) ? 'issuer-slash' : 'issuer-unknown'
  throw new InvalidTokenError('ERR_ISSUER_NOT_ALLOWED', { claim: 'iss', reason })
}

/** RFC 9068 §4: one of the identifiers of this API. An absent audience is for {@link checkRequiredClaims}. */
export function checkAudience(claims: Readonly<Record<string, unknown>>, { audience }: TokenRules): void {
  const { aud } = claims
  if (aud === undefined) return
  const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (!named.every((value) => typeof value === 'string')) throw invalid('aud')
  if (audience && !named.some((value) => audience.has(value)))
    throw new InvalidTokenError('ERR_AUDIENCE_NOT_ALLOWED', {
      claim: 'aud',
      reason: audienceReason(claims, named, audience),
    })
}

/** @param required the claims that must be there */
export function checkRequiredClaims(
  claims: Readonly<Record<string, unknown>>,
  { profile, audience }: TokenRules,
  required: readonly string[] = REQUIRED[profile],
): void {
  for (const claim of required) {
    const optedOut = claim === 'aud' && audience === null && profile !== 'rfc9068'
    if (claims[claim] === undefined && !optedOut) throw missing(claim)
  }
}

/**
 * Checks the types of the claims that are there, except those of issuer and audience.
 *
 * @param names where the scopes and the client are
 * @param isStrict whether an identifier must not be empty
 */
export function checkClaimTypes(
  claims: Record<string, unknown>,
  { profile, claimNames }: TokenRules,
  names: NamesOfClaims = claimNames,
  isStrict: boolean = profile === 'rfc9068',
): asserts claims is JwtClaims {
  for (const claim of ['sub', names.clientId, 'jti']) {
    const value = claims[claim]
    if (value === undefined) continue
    if (typeof value !== 'string' || (isStrict && value === '')) throw invalid(claim)
  }
  if (!isScopes(claims[names.scopes], profile)) throw invalid(names.scopes)
  for (const claim of NUMERIC_DATES)
    if (claims[claim] !== undefined && !isNumericDate(claims[claim])) throw invalid(claim)
}

/** RFC 7519 §2. `1e999` is Infinity to JSON.parse. */
export function isNumericDate(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value <= MAX_NUMERIC_DATE
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
