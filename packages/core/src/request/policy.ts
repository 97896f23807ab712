import type { Auth } from '../auth.js'
import { ConfigurationError, InsufficientScopeError, InvalidTokenError } from '../errors.js'
import type { JwtClaims } from '../token/claims.js'
import { checkNames, describe } from '../validation.js'
import { SCOPE_TOKEN } from './challenge.js'

/**
 * The user's own last check. Returning `false` rejects the token (`ERR_TOKEN_REJECTED`, 401); anything that it
 * throws reaches the caller as it is.
 */
export type Validate<Claims extends object = JwtClaims> = (
  auth: Auth<Claims>,
  // biome-ignore lint/suspicious/noConfusingVoidType: an async function without a return is a Promise<void>
) => void | boolean | Promise<void | boolean>

/** What an operation demands of a token that is good. */
export interface Policy<Claims extends object = JwtClaims> {
  /** Scopes that must all have been granted (RFC 6749 §3.3). Default: none. */
  readonly scopes?: readonly string[] | undefined
  /** Scopes of which at least one must have been granted. Default: none. */
  readonly anyScope?: readonly string[] | undefined
  /** A last check of your own. Default: none. One of the verifier and one of the call are both asked. */
  readonly validate?: Validate<Claims> | undefined
}

const POLICY_MEMBERS = ['scopes', 'anyScope', 'validate'] as const

/** A policy that was checked and copied, so that it can be applied to any number of requests. */
export class CompiledPolicy {
  static readonly MEMBERS: readonly string[] = POLICY_MEMBERS

  readonly scopes: readonly string[]
  readonly anyScope: readonly string[]
  readonly #validators: readonly Validate[]

  private constructor(
    scopes: readonly string[],
    anyScope: readonly string[],
    validators: readonly Validate[],
  ) {
    this.scopes = scopes
    this.anyScope = anyScope
    this.#validators = validators
  }

  static readonly NONE: CompiledPolicy = new CompiledPolicy([], [], [])

  /**
   * @param defaults what applies where `policy` says nothing; its `validate` applies in any case
   * @throws {ConfigurationError} for anything unknown or of the wrong type
   */
  static from(policy: unknown, defaults: CompiledPolicy = CompiledPolicy.NONE): CompiledPolicy {
    if (policy === undefined) return defaults
    if (policy instanceof CompiledPolicy) return policy
    return CompiledPolicy.fromMembers(checkNames(policy, POLICY_MEMBERS, 'policy member'), defaults)
  }

  /** The same from an object that has other members too, whose names were checked already. */
  static fromMembers(members: Record<string, unknown>, defaults: CompiledPolicy): CompiledPolicy {
    const { scopes, anyScope, validate } = members
    if (validate !== undefined && typeof validate !== 'function')
      throw new ConfigurationError(`Option "validate" must be a function, not ${describe(validate)}`)
    if (Array.isArray(anyScope) && anyScope.length === 0)
      throw new ConfigurationError('Option "anyScope" must name at least one scope, not be an empty array')
    return new CompiledPolicy(
      scopes === undefined ? defaults.scopes : checkScopes(scopes, 'scopes'),
      anyScope === undefined ? defaults.anyScope : checkScopes(anyScope, 'anyScope'),
      isValidate(validate) ? [...defaults.#validators, validate] : defaults.#validators,
    )
  }

  /** All the scopes that the operation needs or could use: what a challenge names. */
  get requiredScopes(): readonly string[] {
    return [...new Set([...this.scopes, ...this.anyScope])]
  }

  /**
   * @throws {InsufficientScopeError}
   * @throws {InvalidTokenError} `ERR_TOKEN_REJECTED`
   */
  async enforce(auth: Auth): Promise<void> {
    const enough =
      auth.hasScopes(...this.scopes) &&
      (this.anyScope.length === 0 || this.anyScope.some((scope) => auth.hasScopes(scope)))
    if (!enough) throw new InsufficientScopeError(this.requiredScopes)
    for (const validate of this.#validators)
      if ((await validate(auth)) === false) throw new InvalidTokenError('ERR_TOKEN_REJECTED')
  }
}

function isValidate(value: unknown): value is Validate {
  return typeof value === 'function'
}

function checkScopes(value: unknown, option: string): readonly string[] {
  if (!Array.isArray(value))
    throw new ConfigurationError(`Option "${option}" must be an array of scopes, not ${describe(value)}`)
  return Array.from(value, (scope: unknown) => {
    if (typeof scope !== 'string' || !SCOPE_TOKEN.test(scope))
      throw new ConfigurationError(
        `Option "${option}" must hold single scopes (RFC 6749 §3.3: printable ASCII without spaces, quotes and backslashes), not ${describe(scope)}`,
      )
    return scope
  })
}
