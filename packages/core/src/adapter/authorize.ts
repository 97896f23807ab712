import { type Awaitable, isPending } from '../base/maybe-async.js'
import { copyOf } from '../errors/challenge-context.js'
import { InvalidTokenError } from '../errors/errors.js'
import type { CompiledPolicy } from '../policy/policy.js'
import type { Auth } from '../token/auth.js'
import { type Authenticated, type AuthState, AuthStates, type Deferred } from './auth-state.js'
import { authenticate, becomeRefused } from './authenticate.js'
import { refuse } from './refusal.js'
import type { Decision, RequestHandle } from './request-handle.js'
import { knownState, publishAuth } from './request-state.js'

/**
 * Applies the policy of a guard to the caller that an authenticator found.
 *
 * @throws {ConfigurationError} when no authenticator saw this request
 */
export function authorize(handle: RequestHandle, policy: CompiledPolicy): Awaitable<Decision> {
  const state = knownState(handle)
  const { authenticator } = state
  try {
    const enforced = enforceGuard(state, handle, policy)
    return isPending(enforced)
      ? enforced.then(
          () => undefined,
          (error) => refuse(authenticator, handle, error, policy),
        )
      : undefined
  } catch (error) {
    return refuse(authenticator, handle, error, policy)
  }
}

function enforceGuard(state: AuthState, handle: RequestHandle, policy: CompiledPolicy): Awaitable<unknown> {
  switch (state.kind) {
    case 'authenticated':
      return confirmAndEnforce(state, handle, policy)
    case 'anonymous':
      throw state.authenticator.verifier.missingToken(state.request)
    case 'refused':
      throw copyOf(state.error)
    case 'deferred':
      return authenticateAndEnforce(state, handle, policy)
  }
}

function authenticateAndEnforce(
  { authenticator, request, earlier }: Deferred,
  handle: RequestHandle,
  policy: CompiledPolicy,
): Awaitable<unknown> {
  const state = authenticate(authenticator, handle, request, earlier)
  return isPending(state)
    ? state.then((settled) => enforceGuard(settled, handle, policy))
    : enforceGuard(state, handle, policy)
}

/** Asks the issuer about the token where the policy demands it, then applies the policy. */
function confirmAndEnforce(
  state: Authenticated,
  handle: RequestHandle,
  policy: CompiledPolicy,
): Awaitable<unknown> {
  let confirmed: Awaitable<Auth>
  try {
    confirmed = state.authenticator.verifier.confirm(state.auth, policy)
  } catch (error) {
    throw becomeUnconfirmed(state, handle, error)
  }
  return isPending(confirmed)
    ? enforceLater(state, handle, policy, confirmed)
    : enforce(becomeConfirmed(state, handle, confirmed), state.auth, policy)
}

async function enforceLater(
  state: Authenticated,
  handle: RequestHandle,
  policy: CompiledPolicy,
  pending: Promise<Auth>,
): Promise<unknown> {
  let confirmed: Auth
  try {
    confirmed = await pending
  } catch (error) {
    throw becomeUnconfirmed(state, handle, error)
  }
  return enforce(becomeConfirmed(state, handle, confirmed), state.auth, policy)
}

/** Keeps what the issuer said about an accepted token, for guards and handlers that come later. */
function becomeConfirmed(state: Authenticated, handle: RequestHandle, auth: Auth): Authenticated {
  if (auth === state.auth) return state
  const { kind, authenticator, satisfied } = state
  publishAuth(handle, authenticator, auth)
  return AuthStates.set(handle.requestKey, { kind, authenticator, auth, satisfied })
}

/** A token that the issuer no longer accepts is refused by every later guard too. An outage refuses this guard only. */
function becomeUnconfirmed({ authenticator }: Authenticated, handle: RequestHandle, error: unknown): unknown {
  return error instanceof InvalidTokenError ? becomeRefused(authenticator, handle, error) : error
}

/** @param before the caller before the issuer was asked */
function enforce(
  { authenticator, auth, satisfied }: Authenticated,
  before: Auth,
  policy: CompiledPolicy,
): Awaitable<unknown> {
  // Scopes that the issuer has withdrawn since may have satisfied earlier policies: these apply again.
  const narrowed = auth !== before && before.scopes.some((scope) => !auth.scopes.includes(scope))
  const enforced = authenticator.verifier.enforce(auth, narrowed ? [...satisfied, policy] : [policy])
  if (satisfied.includes(policy)) return enforced
  if (isPending(enforced)) return enforced.then(() => satisfied.push(policy))
  return satisfied.push(policy)
}
