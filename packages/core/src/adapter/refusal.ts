import { isPollution, ownMembers } from '../base/own-members.js'
import { asError, withChallengeContext } from '../errors/challenge-context.js'
import { toResponse } from '../errors/error-response.js'
import type { CompiledPolicy } from '../policy/policy.js'
import { unionOfScopes } from '../policy/required-scopes.js'
import type { Answer } from './answer.js'
import type { ResolvedAuthenticatorOptions } from './authenticator-options.js'
import type { RequestHandle } from './request-handle.js'
import { clearForAnswer, clearForError } from './response-headers.js'

/**
 * Makes the answer of a refusal, or the error for the framework.
 *
 * @param policy the policy of the guard that refused
 */
export function refuse(
  authenticator: ResolvedAuthenticatorOptions,
  handle: RequestHandle,
  error: unknown,
  policy?: CompiledPolicy,
): Answer {
  try {
    const scopes = [...(policy ? [policy.requiredScopes] : []), ...scopesOfRoute(handle)]
    const refusal = withContextOf(authenticator, asError(error), scopes, handle)
    if (authenticator.throws) throw refusal
    const response = toResponse(refusal)
    clearForAnswer(handle.responseHeaders(), response.headers)
    return { ...response, body: JSON.stringify(response.body) }
  } catch (thrown) {
    clearForError(handle.responseHeaders())
    // Reading an error may throw anything: classes of the application can be derived from ours.
    throw asError(thrown)
  }
}

export function withContextOf(
  { policy, resource, verifier }: ResolvedAuthenticatorOptions,
  error: Error,
  scopes: readonly (readonly string[])[],
  handle?: RequestHandle,
): unknown {
  return withChallengeContext(error, {
    requiredScopes:
      (handle && challengeScopesOf(handle, error)) ?? unionOfScopes([policy.requiredScopes, ...scopes]),
    resourceMetadata: resource?.url,
    dpop: verifier.dpopChallenge,
  })
}

/** A copy: the adapter keeps its list. */
function challengeScopesOf(handle: RequestHandle, error: Error): readonly string[] | undefined {
  // Most handles have no such member, and must not inherit one from a polluted `Object.prototype`.
  if (isPollution(handle, 'challengeScopes')) return undefined
  const scopes = handle.challengeScopes?.(error)
  return scopes && [...scopes]
}

function scopesOfRoute(handle: RequestHandle): readonly (readonly string[])[] {
  try {
    return handle.routePolicies().map((policy) => {
      const { scopes, anyScope } = ownMembers(policy)
      return [scopes, anyScope].flat().filter((scope) => typeof scope === 'string')
    })
  } catch {
    // Other packages may put something else where a framework has its routes. The challenge then names fewer scopes.
    return []
  }
}
