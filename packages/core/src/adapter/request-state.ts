import { ConfigurationError } from '../errors/errors.js'
import type { Auth } from '../token/auth.js'
import { type AuthState, AuthStates, type SettledState } from './auth-state.js'
import { ONE_COPY, type ResolvedAuthenticatorOptions } from './authenticator-options.js'
import { isKnownToAnotherCopy } from './copies.js'
import type { RequestHandle } from './request-handle.js'
import { clearForError } from './response-headers.js'

export function knownState(handle: RequestHandle): AuthState {
  try {
    return stateOf(handle.requestKey, handle.context)
  } catch (error) {
    clearForError(handle.responseHeaders())
    throw error
  }
}

/** @throws {ConfigurationError} that names the likeliest cause, when no authenticator saw this request */
export function stateOf(requestKey: unknown, context: unknown = requestKey): AuthState {
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

export function settledState(state: AuthState | undefined): SettledState | undefined {
  return state?.kind === 'deferred' ? state.earlier : state
}

export function publishAuth(
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

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
