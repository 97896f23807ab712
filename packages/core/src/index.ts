export type { Algorithm } from './algorithms.js'
export type { Auth, ScopeImplies } from './auth.js'
export type { ErrorCode, InvalidRequestCode, InvalidTokenCode, UnavailableCode } from './error-codes.js'
export {
  ConfigurationError,
  type ErrorResponse,
  InsufficientAuthenticationError,
  InsufficientScopeError,
  InvalidRequestError,
  InvalidTokenError,
  MissingTokenError,
  TelnyxAuthError,
  toResponse,
  UnavailableError,
} from './errors.js'
export type { Health } from './health.js'
export {
  type FetchFunction,
  type FetchInit,
  type FetchResponse,
  IssuerFailure,
  type IssuerFailureReason,
} from './issuer/http.js'
export type { VerifierOptions } from './options.js'
export type { AuthenticatableRequest, NodeRequest, WebRequest } from './request/bearer.js'
export type { Policy, Validate } from './request/policy.js'
export type {
  MetadataResponse,
  ProtectedResourceDocument,
  ProtectedResourceMetadata,
} from './request/protected-resource.js'
export type { ProtectedResourceOptions } from './request/protected-resource-option.js'
export type { JwtClaims, Profile } from './token/claims.js'
export { createVerifier, type Verifier, verify } from './verifier.js'
