import type { CompiledPolicy } from '../policy/policy.js'
import type { AuthenticatableRequest } from '../request/request-headers.js'
import type { Auth } from '../token/auth.js'
import type { ResolvedAuthenticatorOptions } from './authenticator-options.js'

/** The authentication state of one request. Every kind has exactly the members that it needs, all of them its own. */
export type AuthState = Deferred | SettledState

/** The state once an authenticator has decided. */
export type SettledState = Anonymous | Authenticated | Refused

/** Authentication runs when the first guard asks for it. */
export interface Deferred {
  readonly kind: 'deferred'
  readonly authenticator: ResolvedAuthenticatorOptions
  readonly request: AuthenticatableRequest
  /** What another authenticator decided before. It stands until a guard asks. */
  readonly earlier: SettledState | undefined
}

/** The request carries no token, and the authenticator lets such requests pass. */
export interface Anonymous {
  readonly kind: 'anonymous'
  readonly authenticator: ResolvedAuthenticatorOptions
  /** Tells operators why there is no token, once a guard needs one. */
  readonly request: AuthenticatableRequest
  readonly satisfied: readonly CompiledPolicy[]
}

/** The token was accepted. */
export interface Authenticated {
  readonly kind: 'authenticated'
  readonly authenticator: ResolvedAuthenticatorOptions
  readonly auth: Auth
  /** The policies that the token satisfied so far: those of authenticators, then those of guards. */
  readonly satisfied: CompiledPolicy[]
}

/** The request was refused. An application may go on all the same; the refusal is then repeated, not decided again. */
interface Refused {
  readonly kind: 'refused'
  readonly authenticator: ResolvedAuthenticatorOptions
  readonly error: unknown
}

/** The constructor returns its argument, so that a subclass can add a private field to it. */
class ReturnOverride {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: returning the argument is the purpose of this class
    return object
  }
}

/**
 * Keeps the state in a private field of the request key. A property would be visible: other middleware writes to `req.auth`
 * too, and could forge it. A `WeakMap` has the same effect, but costs half as much as all other decisions about a request.
 */
export class AuthStates extends ReturnOverride {
  #state: AuthState

  private constructor(requestKey: object, state: AuthState) {
    super(requestKey)
    this.#state = state
  }

  /** @param requestKey any value; one that is not an object has no state */
  static get(requestKey: unknown): AuthState | undefined {
    return isObject(requestKey) && #state in requestKey ? requestKey.#state : undefined
  }

  static set<State extends AuthState>(requestKey: object, state: State): State {
    if (#state in requestKey) requestKey.#state = state
    else new AuthStates(requestKey, state)
    return state
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
