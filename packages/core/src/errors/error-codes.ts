/** Codes of {@link InvalidRequestError}. */
export type InvalidRequestCode = 'ERR_REQUEST_MALFORMED' | 'ERR_TOKEN_REPEATED'

/** Codes of {@link InvalidTokenError}. */
export type InvalidTokenCode =
  | 'ERR_TOKEN_MALFORMED'
  | 'ERR_TOKEN_TOO_LARGE'
  | 'ERR_ALGORITHM_NOT_ALLOWED'
  | 'ERR_KEY_NOT_FOUND'
  | 'ERR_SIGNATURE_INVALID'
  | 'ERR_TYP_INVALID'
  | 'ERR_ISSUER_NOT_ALLOWED'
  | 'ERR_AUDIENCE_NOT_ALLOWED'
  | 'ERR_TOKEN_EXPIRED'
  | 'ERR_TOKEN_NOT_YET_VALID'
  | 'ERR_CLAIM_MISSING'
  | 'ERR_CLAIM_INVALID'
  | 'ERR_TOKEN_BOUND'
  | 'ERR_TOKEN_INACTIVE'
  | 'ERR_TOKEN_REJECTED'
  | 'ERR_TOKEN_NOT_BOUND'
  | 'ERR_BINDING_MISMATCH'
  | 'ERR_CERTIFICATE_MISSING'

/** Codes of {@link InvalidProofError}. */
export type InvalidProofCode =
  | 'ERR_DPOP_PROOF_MISSING'
  | 'ERR_DPOP_PROOF_INVALID'
  | 'ERR_DPOP_PROOF_REPLAYED'
  | 'ERR_DPOP_NONCE_REQUIRED'

/** Codes of {@link UnavailableError}. */
export type UnavailableCode =
  | 'ERR_DISCOVERY_FAILED'
  | 'ERR_KEYS_UNAVAILABLE'
  | 'ERR_INTROSPECTION_UNAVAILABLE'
  | 'ERR_REPLAY_STORE_UNAVAILABLE'

/**
 * Every `code` of a {@link TelnyxAuthError}. Codes are stable, so applications can switch on them.
 *
 * @example
 * const isExpired = (error: unknown) => isTelnyxAuthError(error) && error.code === 'ERR_TOKEN_EXPIRED'
 */
export type ErrorCode =
  | 'ERR_TOKEN_MISSING'
  | InvalidRequestCode
  | InvalidTokenCode
  | InvalidProofCode
  | 'ERR_SCOPE_INSUFFICIENT'
  | 'ERR_AUTHENTICATION_INSUFFICIENT'
  | UnavailableCode
  | 'ERR_CONFIGURATION'

/** The HTTP response for a code: the status, the error code of RFC 6750 §3.1, and a fixed sentence. */
export interface ResponseParts {
  readonly status: number
  /** `undefined` where the response has no error code. Never omitted: a polluted `Object.prototype` could supply it. */
  readonly error: string | undefined
  readonly description: string
}

const invalidRequest = (description: string): ResponseParts => ({
  status: 400,
  error: 'invalid_request',
  description,
})
const invalidToken = (description: string): ResponseParts => ({
  status: 401,
  error: 'invalid_token',
  description,
})
const invalidProof = (description: string): ResponseParts => ({
  status: 401,
  error: 'invalid_dpop_proof',
  description,
})
const unavailable = (description: string): ResponseParts => ({
  status: 503,
  error: 'temporarily_unavailable',
  description,
})

/**
 * What the caller receives for each code. The sentences are constants without `"` and `\`, so no part of a request can reach a
 * header or a body (RFC 6750 §3).
 */
export const responseParts: Readonly<Record<ErrorCode, ResponseParts>> = {
  ERR_TOKEN_MISSING: { status: 401, error: undefined, description: 'The request carries no access token' },

  ERR_REQUEST_MALFORMED: invalidRequest('The Authorization header is not a well-formed Bearer credential'),
  ERR_TOKEN_REPEATED: invalidRequest('The request carries more than one credential'),

  ERR_TOKEN_MALFORMED: invalidToken('The access token is not a well-formed signed JWT'),
  ERR_TOKEN_TOO_LARGE: invalidToken('The access token is too large'),
  ERR_ALGORITHM_NOT_ALLOWED: invalidToken('The access token is signed with an algorithm that is not allowed'),
  ERR_KEY_NOT_FOUND: invalidToken('The access token is signed with a key that is not known'),
  ERR_SIGNATURE_INVALID: invalidToken('The signature of the access token is invalid'),
  ERR_TYP_INVALID: invalidToken('The type of the token is not that of an access token'),
  ERR_ISSUER_NOT_ALLOWED: invalidToken('The access token is from an issuer that is not accepted'),
  ERR_AUDIENCE_NOT_ALLOWED: invalidToken('The access token is for another audience'),
  ERR_TOKEN_EXPIRED: invalidToken('The access token expired'),
  ERR_TOKEN_NOT_YET_VALID: invalidToken('The access token is not valid yet'),
  ERR_CLAIM_MISSING: invalidToken('The access token lacks a required claim'),
  ERR_CLAIM_INVALID: invalidToken('The access token has a claim with an invalid value'),
  ERR_TOKEN_BOUND: invalidToken('The access token is bound to a key and cannot be used as a Bearer token'),
  ERR_TOKEN_INACTIVE: invalidToken('The access token is no longer active'),
  ERR_TOKEN_REJECTED: invalidToken('The access token is not accepted'),
  ERR_TOKEN_NOT_BOUND: invalidToken('The access token is not bound to a key'),
  ERR_BINDING_MISMATCH: invalidToken('The access token is bound to another key or certificate'),
  ERR_CERTIFICATE_MISSING: invalidToken(
    'The access token is bound to a certificate, and the client has presented none',
  ),

  ERR_DPOP_PROOF_MISSING: invalidProof('The request carries no DPoP proof'),
  ERR_DPOP_PROOF_INVALID: invalidProof('The DPoP proof is invalid'),
  ERR_DPOP_PROOF_REPLAYED: invalidProof('The DPoP proof was used before'),
  ERR_DPOP_NONCE_REQUIRED: {
    status: 401,
    error: 'use_dpop_nonce',
    description: 'The DPoP proof must have the nonce that this answer names',
  },

  ERR_SCOPE_INSUFFICIENT: {
    status: 403,
    error: 'insufficient_scope',
    description: 'The access token lacks a required scope',
  },
  ERR_AUTHENTICATION_INSUFFICIENT: {
    status: 401,
    error: 'insufficient_user_authentication',
    description: 'A stronger or more recent authentication is required',
  },

  ERR_DISCOVERY_FAILED: unavailable('The authorization server cannot be discovered'),
  ERR_KEYS_UNAVAILABLE: unavailable('The keys of the authorization server cannot be loaded'),
  ERR_INTROSPECTION_UNAVAILABLE: unavailable(
    'The authorization server cannot be asked about the access token',
  ),
  ERR_REPLAY_STORE_UNAVAILABLE: unavailable('Whether the DPoP proof was used before cannot be decided'),

  ERR_CONFIGURATION: { status: 500, error: undefined, description: 'The server is not configured correctly' },
}
