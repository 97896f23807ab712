import type { Clock } from '../base/clock.js'
import type { Awaitable } from '../base/maybe-async.js'
import { ownMembers } from '../base/own-members.js'
import { copyOf } from '../errors/challenge-context.js'
import { checkNames, checkWords, describe } from '../errors/check-options.js'
import {
  ConfigurationError,
  InsufficientAuthenticationError,
  InsufficientScopeError,
  InvalidTokenError,
} from '../errors/errors.js'
import type { Auth } from '../token/auth.js'
import type { JwtClaims } from '../token/claims.js'
import { checkWhen, type IntrospectionWhen } from './introspection-when.js'

/**
 * The user's own last check. Returning `false` rejects the token (`ERR_TOKEN_REJECTED`, 401); anything that it
 * throws reaches the caller: an error of this library as a refusal, anything else as it is. An error of a class derived
 * from one of this library must be made anew each time, because it gets to know what the request needs. Where a guard asks
 * the issuer, and that has withdrawn scopes, those of earlier policies are asked once more.
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
  /**
   * Authentication context classes, one of which the user must have authenticated with: the claim `acr`
   * (RFC 9470 §3 and §6.2). Default: it does not matter.
   */
  readonly acrValues?: readonly string[] | undefined
  /**
   * How long ago the user may have authenticated at most, in whole seconds: the claim `auth_time` (RFC 9470 §3 and
   * §6.2), which must be there then. Default: it does not matter.
   */
  readonly maxAgeSeconds?: number | undefined
  /**
   * Whether the issuer is asked about the token (RFC 7662), where a verifier knows how to. Default: as the option
   * `introspection` of the verifier says. Of a route, behind the check of all requests, only `'always'` adds something.
   */
  readonly introspection?: IntrospectionWhen | undefined
  /** A last check of your own. Default: none. One of the verifier and one of the call are both asked. */
  readonly validate?: Validate<Claims> | undefined
}

const POLICY_MEMBERS = [
  'scopes',
  'anyScope',
  'acrValues',
  'maxAgeSeconds',
  'introspection',
  'validate',
] as const satisfies (keyof Policy)[]

interface Demands {
  readonly scopes: readonly string[]
  readonly anyScope: readonly string[]
  readonly acrValues: readonly string[]
  readonly maxAgeSeconds: number | undefined
  readonly introspection: IntrospectionWhen | undefined
  readonly validators: readonly Validate[]
}

/** A policy that was checked and copied, so that it can be applied to any number of requests. */
export class CompiledPolicy {
  static readonly MEMBERS: readonly string[] = POLICY_MEMBERS

  static readonly NONE: CompiledPolicy = new CompiledPolicy({
    scopes: [],
    anyScope: [],
    acrValues: [],
    maxAgeSeconds: undefined,
    introspection: undefined,
    validators: [],
  })

  readonly #demands: Demands

  private constructor(demands: Demands) {
    this.#demands = demands
  }

  /**
   * @param defaults what applies where `policy` says nothing; its `validate` applies in any case
   * @throws {ConfigurationError} for anything unknown or of the wrong type
   */
  static from(policy: unknown, defaults: CompiledPolicy = CompiledPolicy.NONE): CompiledPolicy {
    if (policy === undefined) return defaults
    return CompiledPolicy.fromMembers(checkNames(policy, POLICY_MEMBERS, 'policy member'), defaults)
  }

  /** The same from an object that has other members too, whose names were checked already. */
  static fromMembers(members: Record<string, unknown>, defaults: CompiledPolicy): CompiledPolicy {
    const { scopes, anyScope, acrValues, maxAgeSeconds, introspection, validate } = ownMembers(members)
    if (validate !== undefined && typeof validate !== 'function')
      throw new ConfigurationError(`Option "validate" must be a function, not ${describe(validate)}`)
    const before = defaults.#demands
    return new CompiledPolicy({
      scopes: scopes === undefined ? before.scopes : checkWords(scopes, 'scopes', 'scope'),
      anyScope: anyScope === undefined ? before.anyScope : checkAlternatives(anyScope, 'anyScope', 'scope'),
      acrValues:
        acrValues === undefined ? before.acrValues : checkAlternatives(acrValues, 'acrValues', 'value'),
      maxAgeSeconds: maxAgeSeconds === undefined ? before.maxAgeSeconds : checkMaxAge(maxAgeSeconds),
      introspection: introspection === undefined ? before.introspection : checkWhen(introspection),
      validators: isValidate(validate) ? [...before.validators, validate] : before.validators,
    })
  }

  /** For which tokens the issuer is asked, where the policy says so. */
  get introspection(): IntrospectionWhen | undefined {
    return this.#demands.introspection
  }

  /** All the scopes that the operation needs or could use: what a challenge names. */
  get requiredScopes(): readonly string[] {
    return [...new Set([...this.#demands.scopes, ...this.#demands.anyScope])]
  }

  /**
   * Makes sure that a token is enough.
   *
   * @returns what it is given
   * @throws {InsufficientAuthenticationError}
   * @throws {InsufficientScopeError}
   * @throws {InvalidTokenError} `ERR_TOKEN_REJECTED`
   */
  enforce(auth: Auth, clock: Clock, clockToleranceSeconds: number): Awaitable<Auth> {
    const { scopes, anyScope, acrValues, maxAgeSeconds, validators } = this.#demands
    // RFC 9470 §3. Before the scopes, because this challenge names them too: one new token then mends both.
    const strong = acrValues.length === 0 || acrValues.some((value) => value === auth.claims.acr)
    const recent =
      maxAgeSeconds === undefined ||
      isRecent(auth.claims.auth_time, maxAgeSeconds, clock.now(), clockToleranceSeconds)
    if (!strong || !recent) {
      const reason = strong ? 'authentication-too-old' : 'acr-insufficient'
      throw new InsufficientAuthenticationError({ acrValues, maxAgeSeconds, reason })
    }

    const enough =
      auth.hasScopes(...scopes) && (anyScope.length === 0 || anyScope.some((scope) => auth.hasScopes(scope)))
    if (!enough) throw new InsufficientScopeError(this.requiredScopes)

    return validators.length > 0 ? askAll(validators, auth) : auth
  }
}

async function askAll(validators: readonly Validate[], auth: Auth): Promise<Auth> {
  for (const validate of validators)
    if ((await ask(validate, auth)) === false)
      throw new InvalidTokenError('ERR_TOKEN_REJECTED', { reason: 'validate-refused' })
  return auth
}

async function ask(validate: Validate, auth: Auth): Promise<unknown> {
  try {
    return await validate(auth)
  } catch (error) {
    throw copyOf(error)
  }
}

/** A time that is not a time, or has not come yet, says nothing about how long ago something was. */
function isRecent(
  authTime: unknown,
  maxAgeSeconds: number,
  now: number,
  clockToleranceSeconds: number,
): boolean {
  return (
    typeof authTime === 'number' &&
    authTime >= now - maxAgeSeconds - clockToleranceSeconds &&
    authTime <= now + clockToleranceSeconds
  )
}

function isValidate(value: unknown): value is Validate {
  return typeof value === 'function'
}

function checkMaxAge(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new ConfigurationError(
    `Option "maxAgeSeconds" must be a whole number of seconds, 0 or more, not ${describe(value)}`,
  )
}

/** One of them is enough, so there must be one. */
function checkAlternatives(value: unknown, option: string, each: string): readonly string[] {
  if (Array.isArray(value) && value.length === 0)
    throw new ConfigurationError(`Option "${option}" must name at least one ${each}, not be an empty array`)
  return checkWords(value, option, each)
}
