export type { Verifier } from './create-verifier.js'
export { createVerifier, verify } from './create-verifier.js'
export type {
  ErrorCode,
  InvalidProofCode,
  InvalidRequestCode,
  InvalidTokenCode,
  UnavailableCode,
} from './errors/error-codes.js'
export { type ErrorResponse, toResponse } from './errors/error-response.js'
export {
  ConfigurationError,
  InsufficientAuthenticationError,
  InsufficientScopeError,
  InvalidProofError,
  InvalidRequestError,
  InvalidTokenError,
  MissingTokenError,
  UnavailableError,
} from './errors/errors.js'
export { IssuerFailure, type IssuerFailureReason } from './errors/issuer-failure.js'
export type { Reason } from './errors/reasons.js'
export { isTelnyxAuthError, TelnyxAuthError } from './errors/telnyx-auth-error.js'
export type { CheckFailure, CheckId, ExplainOptions, Explanation, TokenCheck } from './explanation.js'
export type { Health, IssuerHealth } from './issuer/health.js'
export type { FetchFunction, FetchInit, FetchResponse } from './issuer/http/fetch.js'
export type {
  AuthenticateClient,
  ClientAuthentication,
} from './issuer/introspection/client-authentication.js'
export type { IntrospectionOptions } from './issuer/introspection/introspection-options.js'
export type { SharedIntrospectionCache } from './issuer/introspection/shared-cache.js'
export type { IssuerOptions, IssuerSettings } from './issuer/issuer-options.js'
export type { KeysOptions } from './issuer/keys/keys-options.js'
export type { IntrospectionWhen } from './policy/introspection-when.js'
export type { Policy, Validate } from './policy/policy.js'
export {
  type AuthenticatableRequest,
  getAccessToken,
  getBearerToken,
  type NodeRequest,
  type WebRequest,
} from './request/authorization-header.js'
export type { GetToken } from './request/get-token.js'
export type {
  MetadataResponse,
  ProtectedResourceDocument,
  ProtectedResourceMetadata,
} from './resource/protected-resource.js'
export type { ProtectedResourceOptions } from './resource/protected-resource-options.js'
export type { MtlsOption } from './sender/certificate.js'
export {
  createMemoryReplayStore,
  type MemoryReplayStoreOptions,
  type ReplayStore,
  type ReplayStoreHealth,
} from './sender/replay-store.js'
export type { DpopMode, DpopOptions } from './sender/sender-options.js'
export { channels, type Events, watch } from './telemetry/events.js'
export type { KeyLeftOut, LeftOutReason } from './telemetry/keys-left-out.js'
export type { Algorithm } from './token/algorithms.js'
export type { Auth, ScopeImplies } from './token/auth.js'
export type { JwtClaims, Profile } from './token/claims.js'
export type { Confirmation } from './token/confirmation.js'
export type { ClaimNames } from './token/token-rules-options.js'
export type { CacheOptions } from './verified-token-cache.js'
export type { VerifierOptions } from './verifier-options.js'
