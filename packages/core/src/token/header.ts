import { InvalidTokenError } from '../errors/errors.js'
import { type Algorithm, isAlgorithm } from './algorithms.js'
import type { Profile, TokenRules } from './claims.js'
import type { UnverifiedHeader } from './parse-token.js'

/** Accepted values of `typ` (RFC 9068 §2.1), without case and without the prefix `application/` (RFC 7515 §4.1.9). */
const TYPES: Record<Profile, ReadonlySet<string | null | undefined>> = {
  telnyx: new Set([undefined, 'jwt', 'at+jwt']),
  rfc9068: new Set(['at+jwt']),
}

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
  const { alg, kid } = header
  checkAlgorithm(alg, rules)
  checkCriticalParameters(header)
  checkType(header.typ, rules)
  checkKeyId(kid)
  return { algorithm: alg, kid }
}

/** RFC 8725 §3.1: this library decides which algorithms exist, not the token or its key. */
export function checkAlgorithm(alg: unknown, rules: TokenRules): asserts alg is Algorithm {
  if (!isAlgorithm(alg))
    throw new InvalidTokenError('ERR_ALGORITHM_NOT_ALLOWED', { reason: 'algorithm-not-supported' })
  if (!rules.algorithms.has(alg))
    throw new InvalidTokenError('ERR_ALGORITHM_NOT_ALLOWED', { reason: 'algorithm-not-listed' })
}

/**
 * RFC 7515 §4.1.11: this library understands no extension, so it refuses every critical one. RFC 7797 §6 and §7: `b64` must be
 * critical, and JWTs must not use it.
 */
export function checkCriticalParameters({ crit, b64 }: UnverifiedHeader): void {
  if (crit !== undefined || b64 !== undefined)
    throw new InvalidTokenError('ERR_TOKEN_MALFORMED', {
      message: 'The access token uses a critical header parameter that is not supported',
      reason: 'critical-header',
    })
}

/** RFC 8725 §3.11: a token of another kind is refused by its type. */
export function checkType(typ: unknown, { profile }: TokenRules): void {
  if (!TYPES[profile].has(mediaType(typ)))
    throw new InvalidTokenError('ERR_TYP_INVALID', { reason: 'typ-not-access-token' })
}

/** RFC 7515 §4.1.4: a key id is a string. */
export function checkKeyId(kid: unknown): asserts kid is string | undefined {
  if (kid !== undefined && typeof kid !== 'string')
    throw new InvalidTokenError('ERR_TOKEN_MALFORMED', {
      message: 'The key id of the access token is not a string',
      reason: 'kid-not-a-string',
    })
}

/** A `typ` in its short form; `null` for a value of another type. */
export function mediaType(typ: unknown): string | null | undefined {
  const name = nameOf(typ)
  return name?.replace(/^application\//, '') ?? name
}

/** The name of a kind of token in lower case; `null` for a value of another type. */
export function nameOf(kind: unknown): string | null | undefined {
  if (kind === undefined) return undefined
  return typeof kind === 'string' ? kind.toLowerCase() : null
}
