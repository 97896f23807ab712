import { InvalidTokenError, UnavailableError } from '../../errors/errors.js'
import type { JwtClaims } from '../../token/claims.js'
import { unavailable } from '../http/unavailable.js'
import type { FailureKind, IntrospectionFailure } from './introspection-failure.js'
import type { IntrospectionResponse } from './introspection-response.js'

/** The outcome of an introspection: the claims of an active token, or the error for one caller. */
export type IntrospectionResult =
  | { readonly state: 'active'; readonly claims: JwtClaims }
  | { readonly state: 'failed'; readonly kind: FailureKind; readonly error: UnavailableError }

/** @throws {InvalidTokenError} where the token is not active, or the response is ambiguous */
export function activeOrThrow(response: IntrospectionResponse): IntrospectionResult {
  if (response.state === 'active') return response
  if (response.state === 'inactive') throw new InvalidTokenError('ERR_TOKEN_INACTIVE', { reason: 'inactive' })
  throw new InvalidTokenError('ERR_CLAIM_INVALID', {
    message: 'The introspection response repeats a member name',
    reason: 'introspection-repeated-member',
  })
}

/** Each caller gets its own error: the challenge context of its request is added to it. */
export function errorOf({ kind, error }: IntrospectionFailure, waitMs: number): UnavailableError {
  if (kind === 'limit')
    return new UnavailableError('ERR_INTROSPECTION_UNAVAILABLE', {
      retryAfterSeconds: 1,
      reason: 'introspection-limit',
    })
  const reason = kind === 'token-refused' ? 'introspection-token-refused' : undefined
  return unavailable('ERR_INTROSPECTION_UNAVAILABLE', error, waitMs, reason)
}
