import {
  ConfigurationError,
  InsufficientAuthenticationError,
  InsufficientScopeError,
  InvalidRequestError,
  InvalidTokenError,
  MissingTokenError,
  stateOf,
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

/** Lets an error of ours say what it was thrown in. */
export function inOperation(error: unknown, { requiredScopes, resourceMetadata }: Operation): unknown {
  if (!(error instanceof TelnyxAuthError)) return error
  const state = stateOf(error)
  // What cannot be written stays as it is.
  Reflect.set(error, 'requiredScopes', Object.freeze([...new Set([...requiredScopes, ...state.scopes])]))
  Reflect.set(error, 'resourceMetadata', resourceMetadata)
  // The headers are made anew, without what was added to them for another request.
  state.headers = undefined
  if (state.placed) state.added = undefined
  state.placed = true
  return error
}

/**
 * A copy of an error of ours: a `validate` may throw the same one every time, frozen or not, and each request gets its
 * own. Classes that others derive from ours may have private members, and would lose them: those errors are returned
 * as they are, and so is what is not ours.
 */
export function copyOf(error: unknown): unknown {
  if (!(error instanceof TelnyxAuthError)) return error
  const prototype = Object.getPrototypeOf(error)
  if (!CLASSES.some((each) => each.prototype === prototype)) return error
  // A real error: newer versions of V8 give others no stack.
  const copy: TelnyxAuthError = Object.setPrototypeOf(new Error(), prototype)
  for (const name of Reflect.ownKeys(error)) {
    const value: unknown = Reflect.get(error, name)
    const enumerable = Object.prototype.propertyIsEnumerable.call(error, name)
    Object.defineProperty(copy, name, { value, enumerable, writable: true, configurable: true })
  }
  const { answer, scopes, added } = stateOf(error)
  Object.assign(stateOf(copy), { answer, scopes, added })
  return copy
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
