import { type Awaitable, isPending } from '../base/maybe-async.js'
import { isPollution } from '../base/own-members.js'
import type { CompiledPolicy } from '../policy/policy.js'
import type { AuthenticatableRequest } from '../request/request-headers.js'
import type { Attempt } from '../sender/check-sender.js'
import type { Auth } from '../token/auth.js'
import { type Anonymous, type Authenticated, type AuthState, AuthStates } from './auth-state.js'
import type { ResolvedAuthenticatorOptions } from './authenticator-options.js'
import type { RequestHandle } from './request-handle.js'
import { publishAuth, settledState } from './request-state.js'

/** Runs an authenticator, and keeps the outcome as the state of the request. */
export function authenticate(
  authenticator: ResolvedAuthenticatorOptions,
  handle: RequestHandle,
  request: AuthenticatableRequest,
  before: AuthState | undefined,
): Awaitable<Anonymous | Authenticated> {
  const { verifier, policy } = authenticator
  // Only where tokens may be bound to a key.
  const attempt = verifier.dpopChallenge && { provenToken: provenTokenOf(before), nextNonce: undefined }
  try {
    const auth = verifier.authenticateIfPresent(request, policy, attempt)
    return isPending(auth)
      ? authenticateLater(authenticator, handle, request, before, auth, attempt)
      : accept(authenticator, handle, request, before, auth, attempt)
  } catch (error) {
    throw becomeRefused(authenticator, handle, error)
  }
}

async function authenticateLater(
  authenticator: ResolvedAuthenticatorOptions,
  handle: RequestHandle,
  request: AuthenticatableRequest,
  before: AuthState | undefined,
  auth: Promise<Auth | undefined>,
  attempt: Attempt | undefined,
): Promise<Anonymous | Authenticated> {
  try {
    return accept(authenticator, handle, request, before, await auth, attempt)
  } catch (error) {
    throw becomeRefused(authenticator, handle, error)
  }
}

/** @throws {MissingTokenError} when there is no token, and the authenticator needs one */
function accept(
  authenticator: ResolvedAuthenticatorOptions,
  handle: RequestHandle,
  request: AuthenticatableRequest,
  before: AuthState | undefined,
  auth: Auth | undefined,
  attempt: Attempt | undefined,
): Anonymous | Authenticated {
  if (!auth && !authenticator.optional) throw authenticator.verifier.missingToken(request)
  const satisfied = satisfiedPolicies(before)
  const state = AuthStates.set<Anonymous | Authenticated>(
    handle.requestKey,
    auth
      ? { kind: 'authenticated', authenticator, auth, satisfied: [...satisfied, authenticator.policy] }
      : { kind: 'anonymous', authenticator, request, satisfied },
  )
  publishAuth(handle, authenticator, auth)
  if (attempt?.nextNonce !== undefined) handOutNonce(handle, attempt.nextNonce)
  return state
}

/** RFC 9449 §8.2: otherwise the client would learn of the next nonce by a refusal. */
function handOutNonce(handle: RequestHandle, nonce: string): void {
  if (isPollution(handle, 'setHeader')) return
  try {
    handle.setHeader?.('DPoP-Nonce', nonce)
  } catch {
    // The response may have begun. The decision does not depend on it, and the proof is used.
  }
}

/** Keeps a refusal. It replaces what another authenticator found before. */
export function becomeRefused(
  authenticator: ResolvedAuthenticatorOptions,
  handle: RequestHandle,
  error: unknown,
): unknown {
  AuthStates.set(handle.requestKey, { kind: 'refused', authenticator, error })
  publishAuth(handle, authenticator, undefined)
  return error
}

/** A token whose binding to a key another authenticator has checked for this request. */
function provenTokenOf(before: AuthState | undefined): string | undefined {
  const state = settledState(before)
  return state?.kind === 'authenticated' && state.auth.confirmation?.jkt !== undefined
    ? state.auth.token
    : undefined
}

function satisfiedPolicies(before: AuthState | undefined): readonly CompiledPolicy[] {
  const state = settledState(before)
  return state === undefined || state.kind === 'refused' ? [] : state.satisfied
}
