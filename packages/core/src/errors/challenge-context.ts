import { copyOfError, isTelnyxAuthError, stateOf, TelnyxAuthError } from './errors.js'

/** What was attempted, whatever it was refused for: every challenge says it. */
export interface Operation {
  /** All the scopes that it needs. */
  readonly requiredScopes: readonly string[]
  /** Where the protected resource describes itself (RFC 9728). */
  readonly resourceMetadata: string | undefined
}

/** Lets an error of ours say what it was thrown in. */
export function withChallengeContext(
  error: unknown,
  { requiredScopes, resourceMetadata }: Operation,
): unknown {
  if (!isTelnyxAuthError(error)) return error
  // One of a class that was derived from another copy's is told all the same, as far as it can be.
  const state = error instanceof TelnyxAuthError ? stateOf(error) : undefined
  const scopes = new Set([...requiredScopes, ...(state?.scopes ?? error.requiredScopes)])
  // What cannot be written stays as it is.
  Reflect.set(error, 'requiredScopes', Object.freeze([...scopes]))
  Reflect.set(error, 'resourceMetadata', resourceMetadata)
  if (!state) return error
  // The headers are made anew, without what was added to them for another request.
  state.headers = undefined
  if (state.placed) state.added = undefined
  state.placed = true
  return error
}

/** An error of ours, of its own for this request where that is possible; anything else as it is. */
export function copyOf(error: unknown): unknown {
  return isTelnyxAuthError(error) ? (copyOfError(error) ?? error) : error
}

/**
 * What a framework can be told. Some of what can be thrown (`undefined`, `'route'`), by a `validate` or by whatever else
 * is asked on the way, it would take for an order to go on.
 */
export function asError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error) return thrown
  } catch {
    // A proxy can make the question itself throw, and anything.
  }
  return new Error('The request could not be authorized', { cause: thrown })
}
