import { type Awaitable, isPending } from '../base/maybe-async.js'
import { ownMembers } from '../base/own-members.js'
import { asError, copyOf, withChallengeContext } from '../errors/challenge-context.js'
import { ConfigurationError, InvalidTokenError, MissingTokenError, toResponse } from '../errors/errors.js'
import type { CompiledPolicy } from '../policy/policy.js'
import { unionOfScopes } from '../policy/required-scopes.js'
import type { AuthenticatableRequest } from '../request/authorization-header.js'
import type { Auth } from '../token/auth.js'
import type { JwtClaims } from '../token/claims.js'
import type { Answer } from './answer.js'
import {
  type Anonymous,
  type Authenticated,
  type AuthState,
  AuthStates,
  type Deferred,
  type SettledState,
} from './auth-state.js'
import {
  ONE_COPY,
  type OwnOptions,
  type OwnOptionValues,
  type ResolvedAuthenticatorOptions,
  resolveAuthenticatorOptions,
} from './authenticator-options.js'
import { announceCopy, isKnownToAnotherCopy } from './copies.js'
import type { Decision, RequestHandle } from './request-handle.js'
import { clearForAnswer, clearForError } from './response-headers.js'

/** What `telnyxAuth()` is in every framework. */
export interface Authenticator {
  /** The values of the options that only this adapter has. */
  readonly own: OwnOptionValues
  /**
   * Answers a request for the metadata of the protected resource (RFC 9728); authenticates every other request. Synchronous for a
   * cached token.
   *
   * @param request headers, method and URL: a web `Request`, or a request of Node
   * @returns the answer to write, or `undefined` to continue
   * @throws an error for the error handling of the framework: with `errors: 'throw'` every refusal; in any case what is not
   *   an error of this library, and a {@link ConfigurationError}
   * @example
   * ```ts
   * const answer = await authenticator.authenticate(handle, request)
   * if (answer) return new Response(answer.body, answer)
   * ```
   */
  readonly authenticate: (handle: RequestHandle, request: AuthenticatableRequest) => Awaitable<Decision>
  /**
   * The same, but authentication runs when the first guard asks for it.
   *
   * @example
   * ```ts
   * const answer = authenticator.defer(handle, request)
   * ```
   */
  readonly defer: (handle: RequestHandle, request: AuthenticatableRequest) => Decision
}

/**
 * Creates what `telnyxAuth()` is in every framework.
 *
 * @param options the options that the application gave; see `AdapterOptions`
 * @param ownOptions the options that only this adapter has
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * ```ts
 * export function telnyxAuth(options?: AdapterOptions) {
 *   const authenticator = createAuthenticator(options)
 *   return middleware((handle, request) => authenticator.authenticate(handle, request))
 * }
 * ```
 */
export function createAuthenticator(options: unknown, ownOptions: OwnOptions = {}): Authenticator {
  const authenticator = resolveAuthenticatorOptions(options, ownOptions)
  announceCopy((request) => AuthStates.get(request) !== undefined)
  return {
    own: authenticator.own,
    authenticate(handle, request) {
      try {
        const metadata = respondWithMetadata(authenticator, handle, request)
        if (metadata) return metadata
        const state = authenticate(authenticator, handle, request, AuthStates.get(handle.requestKey))
        return isPending(state)
          ? state.then(toContinue, (error) => refuse(authenticator, handle, error))
          : undefined
      } catch (error) {
        return refuse(authenticator, handle, error)
      }
    },
    defer(handle, request) {
      try {
        const metadata = respondWithMetadata(authenticator, handle, request)
        if (metadata) return metadata
      } catch (error) {
        return refuse(authenticator, handle, error)
      }
      const earlier = settledState(AuthStates.get(handle.requestKey))
      AuthStates.set(handle.requestKey, { kind: 'deferred', authenticator, request, earlier })
      publishAuth(handle, earlier?.authenticator ?? authenticator, earlier ? authOf(earlier) : null)
      return undefined
    },
  }
}

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
      ? enforced.then(toContinue, (error) => refuse(authenticator, handle, error, policy))
      : undefined
  } catch (error) {
    return refuse(authenticator, handle, error, policy)
  }
}

/**
 * The caller of a request: what `getAuth()` is in every framework.
 *
 * @param requestKey see {@link RequestHandle.requestKey}
 * @param context what `getAuth()` was given, where the request key is only a part of it
 * @typeParam Claims the claims that the issuer's tokens carry
 * @throws {MissingTokenError} when the caller is anonymous
 * @throws {ConfigurationError} when no authenticator has run for this request
 * @throws {TelnyxAuthError} the refusal, in an application that went on after it
 * @example
 * ```ts
 * export const getAuth = (c: Context) => core.getAuth(c) // as in Hono
 * ```
 */
export function getAuth<Claims extends object = JwtClaims>(
  requestKey: unknown,
  context?: unknown,
): Auth<Claims>
export function getAuth(requestKey: unknown, context?: unknown): Auth {
  const state = settledState(stateOf(requestKey, context))
  if (!state)
    throw new ConfigurationError(
      'Authentication was deferred and has not run: requireAuth() must come before getAuth()',
    )
  if (state.kind === 'authenticated') return state.auth
  const error = state.kind === 'refused' ? asError(copyOf(state.error)) : new MissingTokenError()
  throw withContextOf(state.authenticator, error, [])
}

/** Runs an authenticator, and keeps the outcome as the state of the request. */
function authenticate(
  authenticator: ResolvedAuthenticatorOptions,
  handle: RequestHandle,
  request: AuthenticatableRequest,
  before: AuthState | undefined,
): Awaitable<Anonymous | Authenticated> {
  try {
    const auth = authenticator.verifier.authenticateIfPresent(request, authenticator.policy)
    return isPending(auth)
      ? authenticateLater(authenticator, handle, request, before, auth)
      : accept(authenticator, handle, request, before, auth)
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
): Promise<Anonymous | Authenticated> {
  try {
    return accept(authenticator, handle, request, before, await auth)
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
  return state
}

/** Keeps a refusal. It replaces what another authenticator found before. */
function becomeRefused(
  authenticator: ResolvedAuthenticatorOptions,
  handle: RequestHandle,
  error: unknown,
): unknown {
  AuthStates.set(handle.requestKey, { kind: 'refused', authenticator, error })
  publishAuth(handle, authenticator, undefined)
  return error
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

function respondWithMetadata(
  { resource }: ResolvedAuthenticatorOptions,
  handle: RequestHandle,
  request: AuthenticatableRequest,
): Decision {
  const response = resource?.respond(request)
  if (!response) return undefined
  const { status, headers, body } = response
  clearForAnswer(handle.responseHeaders(), headers)
  return { status, headers, body: body && JSON.stringify(body) }
}

/**
 * Makes the answer of a refusal, or the error for the framework.
 *
 * @param policy the policy of the guard that refused
 */
function refuse(
  authenticator: ResolvedAuthenticatorOptions,
  handle: RequestHandle,
  error: unknown,
  policy?: CompiledPolicy,
): Answer {
  try {
    const scopes = [...(policy ? [policy.requiredScopes] : []), ...scopesOfRoute(handle)]
    const refusal = withContextOf(authenticator, asError(error), scopes)
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

function withContextOf(
  { policy, resource }: ResolvedAuthenticatorOptions,
  error: Error,
  scopes: readonly (readonly string[])[],
): unknown {
  return withChallengeContext(error, {
    requiredScopes: unionOfScopes([policy.requiredScopes, ...scopes]),
    resourceMetadata: resource?.url,
  })
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

function publishAuth(
  handle: RequestHandle,
  { own }: ResolvedAuthenticatorOptions,
  auth: Auth | undefined | null,
): void {
  try {
    handle.setAuth(auth, own)
  } catch {
    // The property may be unwritable, or an accessor that throws. The decision does not depend on it.
  }
}

function settledState(state: AuthState | undefined): SettledState | undefined {
  return state?.kind === 'deferred' ? state.earlier : state
}

function authOf(state: SettledState): Auth | undefined {
  return state.kind === 'authenticated' ? state.auth : undefined
}

function satisfiedPolicies(before: AuthState | undefined): readonly CompiledPolicy[] {
  const state = settledState(before)
  return state === undefined || state.kind === 'refused' ? [] : state.satisfied
}

function toContinue(): undefined {
  return undefined
}

function knownState(handle: RequestHandle): AuthState {
  try {
    return stateOf(handle.requestKey, handle.context)
  } catch (error) {
    clearForError(handle.responseHeaders())
    throw error
  }
}

/** @throws {ConfigurationError} that names the likeliest cause, when no authenticator saw this request */
function stateOf(requestKey: unknown, context: unknown = requestKey): AuthState {
  const state = AuthStates.get(requestKey)
  if (state) return state
  const isKnown = (hasState: (request: unknown) => boolean) =>
    // Node's request, and the properties in which Koa and Fastify keep it.
    hasState(context) || (isRecord(context) && (hasState(context.req) || hasState(context.raw)))
  if (isKnown((request) => AuthStates.get(request) !== undefined))
    throw new ConfigurationError(
      'getAuth(), requireAuth() and requireScopes() must be of the package for the framework that called them, and be given its request',
    )
  if (isKnown(isKnownToAnotherCopy))
    throw new ConfigurationError(
      `telnyxAuth() is of another copy of @telnyx-auth/core than the guard or getAuth() after it. ${ONE_COPY}`,
    )
  throw new ConfigurationError(
    'telnyxAuth() did not see this request: it is missing, or stands after requireAuth(), requireScopes() or getAuth(), and must come before them',
  )
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
