import type { CompiledPolicy } from '../policy/policy.js'
import type { AuthenticatableRequest } from '../request/authorization-header.js'
import type { Auth } from '../token/auth.js'
import type { Gate } from './authenticator.js'

/**
 * Who was admitted with a request, or was not. Every member is there, with `undefined` where there is nothing: one that
 * is left out would be looked up in `Object.prototype`, which can be polluted.
 */
export interface Admission {
  readonly gate: Gate
  /** `undefined` for an anonymous caller, `null` as long as nobody looked. */
  readonly auth: Auth | null | undefined
  /** The policies that were satisfied on the way: of gates, then of guards. */
  readonly satisfied: CompiledPolicy[]
  /** Who is to authenticate what, as soon as a guard asks for it. */
  readonly deferred: { readonly gate: Gate; readonly request: AuthenticatableRequest } | undefined
  /** Why the gate refused: an application may go on nevertheless, and nobody asks a `validate` twice. */
  readonly refusal: { readonly error: unknown } | undefined
  /** The request of an anonymous caller: it tells operators why there is no token, once one is needed. */
  readonly anonymous: AuthenticatableRequest | undefined
}

/** Returns what it is given, so that a class derived from it can put a private member on an object of others. */
class Given {
  constructor(given: object) {
    // biome-ignore lint/correctness/noConstructorReturn: this is what it is for
    return given
  }
}

/**
 * The admission that a request carries. Not a property, because others write to `req.auth` too: nobody can see, forge or lose
 * this one. A `WeakMap` could do the same, but costs every request as much as half of all that is decided about it.
 */
export class Admissions extends Given {
  #admission: Admission

  private constructor(carrier: object, admission: Admission) {
    super(carrier)
    this.#admission = admission
  }

  static get(carrier: unknown): Admission | undefined {
    return isObject(carrier) && #admission in carrier ? carrier.#admission : undefined
  }

  static set(carrier: object, admission: Admission): void {
    if (#admission in carrier) carrier.#admission = admission
    else new Admissions(carrier, admission)
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
