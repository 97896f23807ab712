/**
 * The only file through which tests import the inside of this package: a verifier with a clock that the test moves, and the
 * parts that have unit tests. No entry point of the package exports this file.
 */

import type { Clock } from './base/clock.js'
import { TokenVerifier } from './create-verifier.js'
import { resolveOptions, type VerifierOptions } from './verifier-options.js'

export { BoundedCache } from './base/bounded-cache.js'
export type { Clock } from './base/clock.js'
export { Deadline } from './base/deadline.js'
export { Doorkeeper } from './base/doorkeeper.js'
export { isPending } from './base/maybe-async.js'
export { ownMembers } from './base/own-members.js'
export { tokenDigest } from './base/token-digest.js'
export { isSecureUrl, isSecureUrlOf } from './base/url.js'
export { TokenVerifier } from './create-verifier.js'
export { closest } from './errors/check-options.js'
export { responseParts } from './errors/error-codes.js'
export { IssuerFailure, parseRetryAfter, systemCodeOf } from './errors/issuer-failure.js'
export { NAMES_ELSEWHERE } from './errors/names-elsewhere.js'
export { hints } from './errors/reasons.js'
export { CHECKS } from './explain-checks.js'
export { metadataUrl, openIdConfigurationUrl } from './issuer/discovery/metadata-document.js'
export { lifetimeOf } from './issuer/http/cache-control.js'
export { CachedDocument, type DocumentPlan, type Fetched } from './issuer/http/cached-document.js'
export { IssuerClient } from './issuer/http/issuer-client.js'
export { Backoff, Budget, SpreadBudget } from './issuer/http/pacing.js'
export { type IssuerKey, importJwk } from './issuer/keys/json-web-key.js'
export { hasRocaStructure } from './issuer/keys/roca.js'
export { encodeSpki } from './issuer/keys/spki.js'
export { TrustedIssuer } from './issuer/trusted-issuer.js'
export type { Policy } from './policy/policy.js'
export { checkCharacters, extractBearerToken } from './request/authorization-header.js'
export { normalizedUrl } from './request/base-url.js'
export type { AuthenticatableRequest } from './request/request-headers.js'
export { NO_BOUND_TOKENS } from './sender/check-sender.js'
export { DpopNonces } from './sender/dpop-nonces.js'
export { MemoryReplayStore } from './sender/replay-store.js'
export { forgetWarnings, warnOnce } from './telemetry/warnings.js'
export { ALGORITHMS, algorithmsOf, isAlgorithm } from './token/algorithms.js'
export {
  bindKey,
  type Signed,
  type VerificationKey,
  verifySignature,
} from './token/signature.js'
export type { SignatureEngine } from './token/signature-engine.js'
export { signatureEngine as nodeSignatureEngine } from './token/signature-engine-node.js'
export { signatureEngine as webSignatureEngine } from './token/signature-engine-web.js'
export { resolveOptions, VERIFIER_OPTIONS, type VerifierOptions } from './verifier-options.js'

/**
 * Creates a verifier that reads the time from the given clock, which a test can move.
 *
 * @example
 * const verifier = createVerifierAt(clock, { audience: 'https://api.example.com' })
 */
export function createVerifierAt(clock: Clock, options?: VerifierOptions): TokenVerifier {
  return new TokenVerifier(resolveOptions(options, process.env), clock)
}
