/**
 * All that an adapter for a web framework needs. An adapter hands over its options and each request, and
 * writes the plain answer that it gets back, or goes on.
 */

import { type Awaitable, attempt, isPending } from './awaitable.js'
import { ConfigurationError } from './errors.js'
import { type Answer, type Decision, Gate } from './gate.js'
import { declareGuard, type Handlers } from './guards.js'
import { asError } from './operation.js'
import type { VerifierOptions } from './options.js'
import { CompiledPolicy, type Policy } from './request/policy.js'
import type { ProtectedResourceOptions } from './request/protected-resource-option.js'
import type { JwtClaims } from './token/claims.js'
import type { Verifier } from './verifier.js'

export { type Awaitable, isPending } from './awaitable.js'
export { type Answer, attachAuth, type Decision, Gate } from './gate.js'
export type { Handlers } from './guards.js'
export { asError } from './operation.js'

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
  /** Whatever claims it knows of: frameworks that infer these from options would be misled. */
  readonly verifier: Verifier<object>
  /**
   * How this API describes itself to clients (RFC 9728), or `false` for not at all.
   *
   * @default as the verifier was told
   */
  readonly protectedResource?: ProtectedResourceOptions | false | undefined
}

/** The options of an adapter: a verifier or what it is made from, and how to behave. */
export type AdapterOptions<Claims extends object = JwtClaims> = AdapterBehaviour &
  (SharedVerifier<Claims> | (VerifierOptions<Claims> & { readonly verifier?: undefined }))

/**
 * For frameworks that are told by a callback how a request goes on: at once, where nothing had to be waited for.
 *
 * @param write writes the answer that was decided on; what it throws is given to `next`
 */
export function decideThen(
  decide: () => Awaitable<Decision>,
  write: (answer: Answer) => void,
  next: (error?: Error) => void,
): void {
  const failed = (thrown: unknown) => next(asError(thrown))
  const decided = (answer: Decision) => {
    if (!answer) return next()
    try {
      write(answer)
    } catch (thrown) {
      failed(thrown)
    }
  }
  const done = attempt(decide, decided, failed)
  if (isPending(done)) done.catch(failed)
}

/** The functions for single routes, as an adapter exports them. */
export interface Guards<Guard> {
  /**
   * Lets only those pass whom `telnyxAuth` authenticated and whose token satisfies the policy.
   *
   * @throws {ConfigurationError} at once, for a policy that is not one
   */
  requireAuth<Claims extends object = JwtClaims>(policy?: Policy<Claims>): Guard
  /**
   * Lets only those pass whose token has all of these scopes.
   *
   * @throws {ConfigurationError} at once, without a scope or with something that is not one
   */
  requireScopes(...scopes: [string, ...string[]]): Guard
}

/**
 * Makes the functions for single routes.
 *
 * @param make what the framework takes, from the function that decides about a request: given what carries it, the
 *   same as for {@link Gate.authenticate}, and the handlers
 */
export function createGuards<Guard extends object>(
  make: (authorize: (carrier: object, handlers?: Handlers) => Awaitable<Decision>) => Guard,
): Guards<Guard> {
  const guard = (policy: CompiledPolicy) =>
    declareGuard(
      policy,
      make((carrier, handlers) => Gate.authorize(carrier, policy, handlers)),
    )
  return {
    requireAuth: (policy) => guard(CompiledPolicy.from(policy)),
    requireScopes(...scopes) {
      if (scopes.length === 0)
        throw new ConfigurationError('requireScopes() must be given at least one scope')
      return guard(CompiledPolicy.from({ scopes }))
    },
  }
}
