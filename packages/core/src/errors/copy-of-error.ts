import { type ErrorCode, responseParts } from './error-codes.js'
import { answerOf } from './error-response.js'
import {
  ConfigurationError,
  InsufficientAuthenticationError,
  InsufficientScopeError,
  InvalidProofError,
  InvalidRequestError,
  InvalidTokenError,
  MissingTokenError,
  UnavailableError,
} from './errors.js'
import { BRAND, isOfThisCopy, listOfStrings, stateOf, type TelnyxAuthError } from './telnyx-auth-error.js'

/** Ours, and not what others derive from them, by the error code of their answers (RFC 6750, RFC 9449). */
const CLASSES: readonly (readonly [string | undefined, { readonly prototype: TelnyxAuthError }])[] = [
  ['invalid_request', InvalidRequestError],
  ['invalid_token', InvalidTokenError],
  ['invalid_dpop_proof', InvalidProofError],
  ['use_dpop_nonce', InvalidProofError],
  ['insufficient_scope', InsufficientScopeError],
  ['insufficient_user_authentication', InsufficientAuthenticationError],
  ['temporarily_unavailable', UnavailableError],
]

/** The class of the errors with a code; `undefined` for a code that only another version of this package has. */
function prototypeOf(code: ErrorCode): TelnyxAuthError | undefined {
  if (code === 'ERR_TOKEN_MISSING') return MissingTokenError.prototype
  if (code === 'ERR_CONFIGURATION') return ConfigurationError.prototype
  const error = Object.hasOwn(responseParts, code) ? responseParts[code].error : undefined
  return CLASSES.find(([name]) => name === error)?.[1].prototype
}

/**
 * An error of ours that is of no other class than ours, copied: a `validate` may throw the same one every time, frozen or not,
 * and each request gets its own. One of another copy of this package becomes one of this copy. Classes that others derive
 * from ours may have private members, and would lose them: `undefined` for those.
 */
export function copyOfError(error: TelnyxAuthError): TelnyxAuthError | undefined {
  const prototype: unknown = Object.getPrototypeOf(error)
  const ours = prototypeOf(error.code)
  const isDerived = !Object.hasOwn(Object.getPrototypeOf(prototype) ?? {}, BRAND)
  if (!ours || isDerived) return undefined
  // A real error: newer versions of V8 give others no stack.
  const copy: TelnyxAuthError = Object.setPrototypeOf(new Error(), ours)
  for (const name of Reflect.ownKeys(error)) {
    const value: unknown = Reflect.get(error, name)
    const enumerable = Object.prototype.propertyIsEnumerable.call(error, name)
    Object.defineProperty(copy, name, { value, enumerable, writable: true, configurable: true })
  }
  const { answer, scopes, added, isDpop } = isOfThisCopy(error)
    ? stateOf(error)
    : {
        answer: answerOf(error),
        scopes: listOfStrings(error.requiredScopes),
        added: undefined,
        isDpop: ours === InvalidProofError.prototype,
      }
  Object.assign(stateOf(copy), { answer, scopes, added, isDpop })
  return copy
}
