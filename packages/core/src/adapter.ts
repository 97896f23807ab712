/**
 * All that an adapter for a web framework needs. An adapter hands over its options and each request, and
 * writes the plain answer that it gets back, or goes on.
 */

import type { Auth } from './auth.js'
import { systemClock } from './clock.js'
import { ConfigurationError, type ErrorResponse, MissingTokenError, toResponse } from './errors.js'
import { resolveOptions, VERIFIER_OPTIONS, type VerifierOptions } from './options.js'
import type { AuthenticatableRequest } from './request/bearer.js'
import { CompiledPolicy, type Policy } from './request/policy.js'
import type { JwtClaims } from './token/claims.js'
import { checkNames, describe } from './validation.js'
import { TokenVerifier, type Verifier } from './verifier.js'

export type { CompiledPolicy }

/** How an adapter behaves, whatever verifies the tokens. */
export interface AdapterBehaviour {
  /**
   * Whether requests without a token go on, as anonymous. A bad token is refused even so.
   *
   * @default false
   */
  readonly optional?: boolean | undefined
  /**
   * `'respond'`: errors are answered in JSON. `'throw'`: they are handed to the framework's own error handling,
   * with `status`, `statusCode`, `expose` and `headers`.
   *
   * @default 'respond'
   */
  readonly errors?: 'respond' | 'throw' | undefined
}

/** A verifier that was made elsewhere, with a default policy for these routes. */
export interface SharedVerifier<Claims extends object = JwtClaims> extends Policy<Claims> {
  readonly verifier: Verifier<Claims>
}

/** The options of an adapter: a verifier or what it is made from, and how to behave. */
export type AdapterOptions<Claims extends object = JwtClaims> = AdapterBehaviour &
  (SharedVerifier<Claims> | (VerifierOptions<Claims> & { readonly verifier?: undefined }))

/** What is decided about a request: go on, or write this. */
export type Decision = ErrorResponse | undefined

interface Admission {
  readonly auth: Auth | undefined
  readonly gate: Gate
}

/** Who was admitted with which request. Not a property of the request: others write to `req.auth` too. */
const admissions = new WeakMap<object, Admission>()

const BEHAVIOUR = ['optional', 'errors'] as const

/** What `telnyxAuth()` is in every adapter. */
export class Gate {
  readonly #verifier: TokenVerifier
  readonly #policy: CompiledPolicy
  readonly #optional: boolean
  readonly #throws: boolean

  /** @throws {ConfigurationError} */
  constructor(options: unknown) {
    const names = [...BEHAVIOUR, 'verifier', ...VERIFIER_OPTIONS]
    const given = checkNames(options === undefined ? {} : options, names, 'option')
    const { verifier, optional = false, errors = 'respond', ...rest } = given
    if (typeof optional !== 'boolean')
      throw new ConfigurationError(`Option "optional" must be true or false, not ${describe(optional)}`)
    if (errors !== 'respond' && errors !== 'throw')
      throw new ConfigurationError(`Option "errors" must be "respond" or "throw", not ${describe(errors)}`)
    if (verifier !== undefined && !(verifier instanceof TokenVerifier))
      throw new ConfigurationError(
        `Option "verifier" must be what createVerifier() of the same @telnyx-auth/core returned, not ${describe(verifier)}`,
      )

    const excluded = Object.keys(rest).find(
      (name) => rest[name] !== undefined && !CompiledPolicy.MEMBERS.includes(name),
    )
    if (verifier && excluded)
      throw new ConfigurationError(
        `Options "verifier" and "${excluded}" exclude each other: what a verifier checks is said where it is made`,
      )

    this.#verifier = verifier ?? new TokenVerifier(resolveOptions(rest, process.env), systemClock)
    this.#policy = CompiledPolicy.fromMembers(verifier ? rest : {}, this.#verifier.compile(undefined))
    this.#optional = optional
    this.#throws = errors === 'throw'
  }

  /**
   * Authenticates a request and remembers who it was.
   *
   * @param carrier the object that the framework hands to everything that handles this request
   * @returns what to write, or `undefined` to go on
   * @throws what the framework's own error handling is to get
   */
  async authenticate(carrier: object, request: AuthenticatableRequest): Promise<Decision> {
    try {
      const auth = await this.#verifier.authenticateIfPresent(request, this.#policy)
      if (!auth && !this.#optional) throw new MissingTokenError(this.#policy.requiredScopes)
      admissions.set(carrier, { auth, gate: this })
      return undefined
    } catch (error) {
      return this.#refuse(error)
    }
  }

  /** Applies a policy to whom `gate` admitted with this request. */
  static async authorize(carrier: object, policy: CompiledPolicy): Promise<Decision> {
    const { auth, gate } = admissionOf(carrier)
    try {
      if (!auth) throw new MissingTokenError(policy.requiredScopes)
      await policy.enforce(auth)
      return undefined
    } catch (error) {
      return gate.#refuse(error)
    }
  }

  #refuse(error: unknown): ErrorResponse {
    // Whatever a `validate` throws: frameworks take some of it (`undefined`, `'route'`) for an order to go on.
    if (!(error instanceof Error)) throw new Error('The request could not be authorized', { cause: error })
    if (this.#throws) throw error
    return toResponse(error)
  }
}

/**
 * Checks a policy once, for all requests that it will be applied to by {@link Gate.authorize}.
 *
 * @throws {ConfigurationError}
 */
export function compilePolicy(policy: unknown): CompiledPolicy {
  return CompiledPolicy.from(policy)
}

/**
 * The policy of `requireScopes(...)`.
 *
 * @throws {ConfigurationError} without a scope, or with something that is not one
 */
export function compileScopes(scopes: readonly unknown[]): CompiledPolicy {
  if (scopes.length === 0) throw new ConfigurationError('requireScopes() must be given at least one scope')
  return CompiledPolicy.from({ scopes })
}

/** Who was authenticated with this request; `undefined` when nobody was. */
export function findAuth(carrier: object): Auth | undefined {
  return admissions.get(carrier)?.auth
}

/**
 * Who was authenticated with this request.
 *
 * @throws {MissingTokenError} when the caller is anonymous
 * @throws {ConfigurationError} when `telnyxAuth()` does not come before this route
 */
export function authOf(carrier: object): Auth {
  const { auth } = admissionOf(carrier)
  if (!auth) throw new MissingTokenError()
  return auth
}

function admissionOf(carrier: object): Admission {
  const admission = admissions.get(carrier)
  if (!admission)
    throw new ConfigurationError('telnyxAuth() must come before requireAuth(), requireScopes() and getAuth()')
  return admission
}
