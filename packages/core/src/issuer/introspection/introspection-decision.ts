/**
 * The only place that decides about introspection (RFC 7662): whether the issuer is asked instead of a local check, as well
 * as one, or not at all, and what it means when the issuer gives no answer.
 */

import { ConfigurationError, InvalidTokenError, UnavailableError } from '../../errors/errors.js'
import type { IntrospectionWhen } from '../../policy/introspection-when.js'
import type { CompiledPolicy, EnforceablePolicy } from '../../policy/policy.js'
import type { Auth } from '../../token/auth.js'
import { isPlausibleKid } from '../keys/key-id.js'
import type { IntrospectionResult } from './introspection-result.js'

/** An issuer and when it is asked: `undefined` when it cannot be asked. */
export interface IntrospectableIssuer {
  readonly introspectionWhen: IntrospectionWhen | undefined
}

/**
 * The issuer that opaque tokens are sent to. An opaque token does not name its issuer, and no issuer must see the tokens of
 * another one: so the answer is `undefined` where several issuers are possible.
 */
export function selectOpaqueTokenIssuer<Issuer extends IntrospectableIssuer>(
  issuers: readonly Issuer[],
): Issuer | undefined {
  const introspectable = issuers.filter(({ introspectionWhen }) => introspectionWhen !== undefined)
  const chosen = introspectable.filter(({ introspectionWhen }) => introspectionWhen === 'opaque')
  const [one, ...others] = chosen.length > 0 ? chosen : introspectable
  return others.length === 0 ? one : undefined
}

/**
 * Checks that at most one issuer is configured for opaque tokens only.
 *
 * @param whens for each issuer, when it is asked
 * @throws {ConfigurationError}
 */
export function checkOneOpaqueIssuer(whens: readonly (IntrospectionWhen | undefined)[]): void {
  if (whens.filter((when) => when === 'opaque').length > 1)
    throw new ConfigurationError(
      'Only one issuer can introspect opaque tokens: they do not say which issuer they are from',
    )
}

/** The number of issuers that can be asked. */
export function countIntrospectable(issuers: readonly IntrospectableIssuer[]): number {
  return issuers.filter(({ introspectionWhen }) => introspectionWhen !== undefined).length
}

/**
 * Checks that each issuer which a policy needs to ask can be asked.
 *
 * @param introspectable the number of issuers that can be asked
 * @param all the number of issuers
 * @throws {ConfigurationError} when the policy requires introspection and it is not configured
 */
export function checkCanIntrospect(policy: CompiledPolicy, introspectable: number, all: number): void {
  if (policy.introspection === undefined) return
  // Any issuer may have issued the token that `always` confirms; the other modes need one issuer to ask.
  const needed = policy.introspection === 'always' ? all : 1
  if (introspectable < needed)
    throw new ConfigurationError(
      'The policy says "introspection", but the verifier was not told how: set its option "introspection" (for each issuer, where there are several)',
    )
}

/**
 * Whether the issuer is asked instead of the local check that failed: only where that check could not decide, because the
 * key was not found or could not be loaded. A definite local refusal is final.
 *
 * @param localError what the local check failed with
 * @param kid the key id in the token
 */
export function asksInstead(
  issuer: IntrospectableIssuer,
  policy: EnforceablePolicy,
  localError: unknown,
  kid: string | undefined,
): boolean {
  const when = issuer.introspectionWhen && (policy.introspection ?? issuer.introspectionWhen)
  if (when === undefined || when === 'opaque') return false
  if (localError instanceof UnavailableError) return true
  return (
    localError instanceof InvalidTokenError &&
    localError.code === 'ERR_KEY_NOT_FOUND' &&
    (kid === undefined || isPlausibleKid(kid))
  )
}

/** Whether the issuer is asked as well, about a token whose signature is good. */
export function asksAsWell(issuer: IntrospectableIssuer, policy: EnforceablePolicy): boolean {
  return (policy.introspection ?? issuer.introspectionWhen) === 'always'
}

/**
 * Whether a guard has the issuer asked about a token that was accepted before it. What the verifier is configured to do was
 * done then, so only the guard's own policy counts.
 */
export function asksAgain(auth: Auth, policy: CompiledPolicy): boolean {
  return policy.introspection === 'always' && auth.verifiedBy === 'signature'
}

/** What a request for introspection came to without an answer about the token. */
type Unanswered = Extract<IntrospectionResult, { state: 'failed' }>

/**
 * The error for a token that the issuer did not judge and that the local check could not judge either. Where the endpoint
 * refuses to judge this token, the local verdict stands.
 */
export function errorWithoutAnswer(
  unanswered: Unanswered,
  localVerdict: InvalidTokenError | undefined,
): InvalidTokenError | UnavailableError {
  return (unanswered.kind === 'token-refused' && localVerdict) || unanswered.error
}

/**
 * Whether a token whose signature is good is accepted although the issuer did not confirm it. Only an outage passes by
 * itself. Refused credentials and wrong addresses stay, and revocation would never be checked.
 */
export function acceptsUnconfirmed(
  unanswered: Unanswered,
  onUnavailable: 'reject' | 'accept' | undefined,
): boolean {
  return onUnavailable === 'accept' && unanswered.kind === 'outage'
}
