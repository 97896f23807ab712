import {
  ConfigurationError,
  InsufficientAuthenticationError,
  InsufficientScopeError,
  InvalidRequestError,
  InvalidTokenError,
  MissingTokenError,
  origins,
  TelnyxAuthError,
  UnavailableError,
} from './errors.js'

/** What was attempted, whatever it was refused for: every challenge says it. */
export interface Operation {
  /** All the scopes that it needs. */
  readonly requiredScopes: readonly string[]
  /** Where the protected resource describes itself (RFC 9728). */
  readonly resourceMetadata: string | undefined
}

/** Errors that already say what they were thrown in. */
const placed = new WeakSet<TelnyxAuthError>()

/** Ours, and not what others derive from them. */
const CLASSES = [
  MissingTokenError,
  InvalidRequestError,
  InvalidTokenError,
  InsufficientScopeError,
  InsufficientAuthenticationError,
  UnavailableError,
  ConfigurationError,
]

/**
 * Lets an error say what it was thrown in. What is not ours is returned as it is; and so is ours, unless it was thrown
 * before, or is frozen: a `validate` may throw the same one every time, and each request gets its own.
 */
export function inOperation(error: unknown, { requiredScopes, resourceMetadata }: Operation): unknown {
  if (!(error instanceof TelnyxAuthError)) return error
  const own = (placed.has(error) || Object.isFrozen(error)) && isCopyable(error) ? copyOf(error) : error
  placed.add(own)
  const scopes = origins.get(error)?.scopes ?? []
  // What cannot be written stays as it is.
  Reflect.set(own, 'requiredScopes', Object.freeze([...new Set([...requiredScopes, ...scopes])]))
  Reflect.set(own, 'resourceMetadata', resourceMetadata)
  return own
}

/** Classes that others derive from ours may have private members, and would lose them. */
function isCopyable(error: TelnyxAuthError): boolean {
  return CLASSES.some((each) => each.prototype === Object.getPrototypeOf(error))
}

/** A copy that can be written to, without the headers that somebody may have assigned. */
function copyOf(error: TelnyxAuthError): TelnyxAuthError {
  // A real error: newer versions of V8 give others no stack.
  const copy: TelnyxAuthError = Object.setPrototypeOf(new Error(), Object.getPrototypeOf(error))
  for (const name of Reflect.ownKeys(error)) {
    const value: unknown = Reflect.get(error, name)
    const enumerable = Object.prototype.propertyIsEnumerable.call(error, name)
    Object.defineProperty(copy, name, { value, enumerable, writable: true, configurable: true })
  }
  const origin = origins.get(error)
  if (origin) origins.set(copy, origin)
  return copy
}
