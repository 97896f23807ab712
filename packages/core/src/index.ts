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
  isTelnyxAuthError,
  MissingTokenError,
  TelnyxAuthError,
  toResponse,
  UnavailableError,
} from './errors.js'
export { channels, type Events, watch } from './events.js'
export type { Health, IssuerHealth } from './health.js'
export type { FetchFunction, FetchInit, FetchResponse } from './issuer/http.js'
export type {
  AuthenticateClient,
  ClientAuthentication,
  IntrospectionOptions,
  IntrospectionWhen,
} from './issuer/introspection-option.js'
export { IssuerFailure, type IssuerFailureReason } from './issuer/issuer-failure.js'
export type { KeyLeftOut, LeftOutReason } from './issuer/json-web-key.js'
export type { ClaimNames, IssuerOptions, IssuerSettings, KeysOptions } from './issuer-options.js'
export type { CacheOptions, VerifierOptions } from './options.js'
export type { Reason } from './reasons.js'
export {
  type AuthenticatableRequest,
  getBearerToken,
  type NodeRequest,
  type WebRequest,
} from './request/bearer.js'
export type { GetToken } from './request/get-token.js'
export type { Policy, Validate } from './request/policy.js'
export type {
  MetadataResponse,
  ProtectedResourceDocument,
  ProtectedResourceMetadata,
} from './request/protected-resource.js'
export type { ProtectedResourceOptions } from './request/protected-resource-option.js'
export type { JwtClaims, Profile } from './token/claims.js'
export { createVerifier, type Verifier, verify } from './verifier.js'
