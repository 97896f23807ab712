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
import { unionOfScopes } from './required-scopes.js'

/**
 * Your own last check of a token. `false` rejects the token (`ERR_TOKEN_REJECTED`, 401). **Only `false` refuses: `undefined`
 * passes.** Write `=== true` or `?? false` where a claim may be missing. The compiler refuses a function that returns `true` as
 * well as `undefined`, unless it is async. What the function throws reaches the caller of the verifier: an error of this
 * library as a refusal, any other error unchanged. Throw a new instance each time if your class extends an error of this
 * library: the library sets `requiredScopes` on it. It runs again where a guard introspects the token and the issuer has
 * withdrawn scopes.
 *
 * @example
 * const blocked = new Set(['client-1'])
 * createVerifier({ audience: 'https://api.example.com', validate: ({ clientId = '' }) => !blocked.has(clientId) })
 */
export type Validate<Claims extends object = JwtClaims> =
  // Two functions: one that returns `boolean | void` could be `claims.roles?.includes('admin')`, which lets callers without
  // roles in. Promises are not told apart: the compiler infers `Promise<boolean | void>` for `Promise.reject(error)`.
  // biome-ignore-start lint/suspicious/noConfusingVoidType: an async function without a return is a Promise<void>
  | ((auth: Auth<Claims>) => boolean | Promise<boolean | void>)
  | ((auth: Auth<Claims>) => void | false | Promise<boolean | void>)
// biome-ignore-end lint/suspicious/noConfusingVoidType: as above

/** What an operation requires of a valid token. Every member is optional. */
export interface Policy<Claims extends object = JwtClaims> {
  /** Scopes that must all be granted (RFC 6749 §3.3). Default: none. */
  readonly scopes?: readonly string[] | undefined
  /** Scopes of which at least one must be granted. Default: none. */
  readonly anyScope?: readonly string[] | undefined
  /**
   * Authentication context classes. The claim `acr` must be one of them (RFC 9470 §3 and §6.2). Default: `acr` is not
   * checked.
   */
  readonly acrValues?: readonly string[] | undefined
  /**
   * The longest time since the user signed in, in whole seconds, 0 or more. The claim `auth_time` is then required (RFC 9470
   * §3 and §6.2). Default: `auth_time` is not checked.
   */
  readonly maxAgeSeconds?: number | undefined
  /**
   * For which tokens the issuer is asked (RFC 7662). The verifier must have the option `introspection`. Default: what that
   * option says. On a route behind `telnyxAuth()`, only `'always'` has an effect.
   */
  readonly introspection?: IntrospectionWhen | undefined
  /**
   * Whether the token must be bound to a key of the caller, who has proved to have it (RFC 9449). The verifier must have the
   * option `dpop`. Default: `false`.
   */
  readonly senderConstrained?: boolean | undefined
  /** Your own last check. Default: none. A check of the verifier and one of the call both run. */
  readonly validate?: Validate<Claims> | undefined
}

const POLICY_MEMBERS = [
  'scopes',
  'anyScope',
  'acrValues',
  'maxAgeSeconds',
  'introspection',
  'senderConstrained',
  'validate',
] as const satisfies (keyof Policy)[]

interface Requirements {
  readonly scopes: readonly string[]
  readonly anyScope: readonly string[]
  readonly acrValues: readonly string[]
  readonly maxAgeSeconds: number | undefined
  readonly introspection: IntrospectionWhen | undefined
  readonly senderConstrained: boolean
  readonly validators: readonly Validate[]
}

/** A policy, checked and copied once, to enforce on any number of requests. */
export class CompiledPolicy {
  static readonly MEMBERS: readonly string[] = POLICY_MEMBERS

  static readonly NONE: CompiledPolicy = new CompiledPolicy({
    scopes: [],
    anyScope: [],
    acrValues: [],
    maxAgeSeconds: undefined,
    introspection: undefined,
    senderConstrained: false,
    validators: [],
  })

  readonly #requirements: Requirements
  /** The scopes that a challenge names: all that are required, and all of which one is required. */
  readonly requiredScopes: readonly string[]

  private constructor(requirements: Requirements) {
    this.#requirements = requirements
    this.requiredScopes = Object.freeze(unionOfScopes([requirements.scopes, requirements.anyScope]))
  }

  /**
   * Checks and copies a policy.
   *
   * @param defaults what applies where `policy` has no member; the `validate` of both runs
   * @throws {ConfigurationError} for an unknown member or a wrong type
   */
  static from(policy: unknown, defaults: CompiledPolicy = CompiledPolicy.NONE): CompiledPolicy {
    if (policy === undefined) return defaults
    return CompiledPolicy.fromMembers(checkNames(policy, POLICY_MEMBERS, 'policy member'), defaults)
  }

  /** The same from the options of a verifier or an adapter, whose names were checked before. */
  static fromMembers(members: Record<string, unknown>, defaults: CompiledPolicy): CompiledPolicy {
    const { scopes, anyScope, acrValues, maxAgeSeconds, introspection, senderConstrained, validate } =
      ownMembers(members)
    if (validate !== undefined && typeof validate !== 'function')
      throw new ConfigurationError(`Option "validate" must be a function, not ${describe(validate)}`)
    const before = defaults.#requirements
    return new CompiledPolicy({
      scopes: scopes === undefined ? before.scopes : checkWords(scopes, 'scopes', 'scope'),
      anyScope: anyScope === undefined ? before.anyScope : checkAlternatives(anyScope, 'anyScope', 'scope'),
      acrValues:
        acrValues === undefined ? before.acrValues : checkAlternatives(acrValues, 'acrValues', 'value'),
      maxAgeSeconds: maxAgeSeconds === undefined ? before.maxAgeSeconds : checkMaxAge(maxAgeSeconds),
      introspection: introspection === undefined ? before.introspection : checkWhen(introspection),
      senderConstrained:
        senderConstrained === undefined
          ? before.senderConstrained
          : checkBoolean(senderConstrained, 'senderConstrained'),
      validators: isValidate(validate) ? [...before.validators, validate] : before.validators,
    })
  }

  /** For which tokens the issuer is asked; `undefined` where the policy does not say. */
  get introspection(): IntrospectionWhen | undefined {
    return this.#requirements.introspection
  }

  /** Whether only tokens that are bound to a key are enough. */
  get senderConstrained(): boolean {
    return this.#requirements.senderConstrained
  }

  /**
   * Checks that a valid token is enough for the operation.
   *
   * @returns `auth`; a promise only where a `validate` runs
   * @throws {InvalidTokenError} `ERR_TOKEN_NOT_BOUND`
   * @throws {InsufficientAuthenticationError}
   * @throws {InsufficientScopeError}
   * @throws {InvalidTokenError} `ERR_TOKEN_REJECTED`
   */
  enforce(auth: Auth, clock: Clock, clockToleranceSeconds: number): Awaitable<Auth> {
    const { validators } = this.#requirements
    this.checkBinding(auth)
    // RFC 9470 §3. Before the scopes, because this challenge names them too: then one new token is enough for both.
    this.checkAuthentication(auth, clock, clockToleranceSeconds)
    this.checkScopes(auth)
    return validators.length > 0 ? runValidators(validators, auth) : auth
  }

  /** Which of its checks this policy makes. */
  get checks(): {
    readonly binding: boolean
    readonly authentication: boolean
    readonly scopes: boolean
    readonly validate: boolean
  } {
    const { acrValues, maxAgeSeconds, senderConstrained, validators } = this.#requirements
    return {
      binding: senderConstrained,
      authentication: acrValues.length > 0 || maxAgeSeconds !== undefined,
      scopes: this.requiredScopes.length > 0,
      validate: validators.length > 0,
    }
  }

  checkBinding(auth: Auth): void {
    if (this.#requirements.senderConstrained && auth.confirmation === undefined)
      throw new InvalidTokenError('ERR_TOKEN_NOT_BOUND', { reason: 'not-bound' })
  }

  checkAuthentication({ claims }: Auth, clock: Clock, clockToleranceSeconds: number): void {
    const { acrValues, maxAgeSeconds } = this.#requirements
    const strong = acrValues.length === 0 || acrValues.some((value) => value === claims.acr)
    const recent =
      maxAgeSeconds === undefined ||
      isRecent(claims.auth_time, maxAgeSeconds, clock.now(), clockToleranceSeconds)
    if (strong && recent) return
    const reason = strong ? 'authentication-too-old' : 'acr-insufficient'
    throw new InsufficientAuthenticationError({ acrValues, maxAgeSeconds, reason })
  }

  checkScopes(auth: Auth): void {
    const { scopes, anyScope } = this.#requirements
    const enough =
      auth.hasScopes(...scopes) && (anyScope.length === 0 || anyScope.some((scope) => auth.hasScopes(scope)))
    if (!enough) throw new InsufficientScopeError(this.requiredScopes)
  }
}

/** What the verifier asks of a policy. */
export type EnforceablePolicy = Pick<CompiledPolicy, 'introspection' | 'enforce'>

async function runValidators(validators: readonly Validate[], auth: Auth): Promise<Auth> {
  for (const validate of validators) {
    let accepted: unknown
    try {
      accepted = await validate(auth)
    } catch (error) {
      // It may throw the same error for every request. Each request gets its own.
      throw copyOf(error)
    }
    if (accepted === false) throw new InvalidTokenError('ERR_TOKEN_REJECTED', { reason: 'validate-refused' })
  }
  return auth
}

/** An `auth_time` that is no number, or lies in the future, does not show that the user signed in recently. */
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

function checkBoolean(value: unknown, option: string): boolean {
  if (typeof value === 'boolean') return value
  throw new ConfigurationError(`Option "${option}" must be true or false, not ${describe(value)}`)
}

function checkMaxAge(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new ConfigurationError(
    `Option "maxAgeSeconds" must be a whole number of seconds, 0 or more, not ${describe(value)}`,
  )
}

/** Checks a list of which one member is enough, so it must not be empty. */
function checkAlternatives(value: unknown, option: string, each: string): readonly string[] {
  if (Array.isArray(value) && value.length === 0)
    throw new ConfigurationError(`Option "${option}" must name at least one ${each}, not be an empty array`)
  return checkWords(value, option, each)
}
