/**
 * All that an adapter for a web framework needs. An adapter hands over its options and each request, and
 * writes the plain answer that it gets back, or goes on.
 */

import { type Awaitable, attempt, isPending } from '../base/maybe-async.js'
import type { Verifier } from '../create-verifier.js'
import { asError } from '../errors/challenge-context.js'
import { ConfigurationError } from '../errors/errors.js'
import { CompiledPolicy, type Policy } from '../policy/policy.js'
import type { AuthenticatableRequest, NodeRequest } from '../request/authorization-header.js'
import type { GetToken } from '../request/get-token.js'
import type { ProtectedResourceOptions } from '../resource/protected-resource-options.js'
import { warnOnce } from '../telemetry/warnings.js'
import type { JwtClaims } from '../token/claims.js'
import type { VerifierOptions } from '../verifier-options.js'
import { type Decision, Gate, isRequest } from './authenticator.js'
import { declareGuard, type Handlers } from './guards.js'
import type { Answer } from './response-headers.js'

export { type Awaitable, isPending } from '../base/maybe-async.js'
export { asError } from '../errors/challenge-context.js'
export { attachAuth, type Decision, Gate } from './authenticator.js'
export { type Handlers, refuseGuardsIn } from './guards.js'
export {
  type Answer,
  cancelStream,
  clearForAnswer,
  clearForError,
  type HeaderStore,
  writeAnswer,
} from './response-headers.js'

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

/**
 * The options of an adapter: a verifier or what it is made from, and how to behave.
 *
 * @typeParam Request what `getToken` is given
 */
export type AdapterOptions<
  Claims extends object = JwtClaims,
  Request extends AuthenticatableRequest = NodeRequest,
> = AdapterBehaviour &
  (
    | SharedVerifier<Claims>
    | (Omit<VerifierOptions<Claims>, 'getToken'> & {
        readonly verifier?: undefined
        /** Where else a request has its access token; see `VerifierOptions`. */
        readonly getToken?: GetToken<Request> | undefined
      })
  )

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
  // Other frameworks call a middleware with something else, and would never hear of an error.
  if (typeof next !== 'function') throwWrongFramework()
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

/**
 * For a framework that does not call a middleware or hook as its adapter expects it. With a process warning: in some
 * hooks, frameworks do not tell of errors.
 *
 * @throws {ConfigurationError}
 */
export function throwWrongFramework(): never {
  const message =
    'A middleware or hook was called by another framework than it is for, or in a hook that comes too late for it'
  warnOnce('ERR_CONFIGURATION', '', 'wrong-framework', message)
  throw new ConfigurationError(message)
}

/**
 * Claims the property of requests that says who calls, where frameworks have these declared.
 *
 * @throws {ConfigurationError} when it belongs to another package
 */
export function claimProperty(
  { property }: Gate,
  requests: {
    hasRequestDecorator(name: string | symbol): boolean
    decorateRequest(name: string | symbol, value: null | (() => void)): unknown
  },
): void {
  if (property === false) return
  // What an earlier registration left. A function stands on the prototype of requests, and makes none of them larger.
  const mark = Symbol.for(`@telnyx-auth:${property}`)
  if (requests.hasRequestDecorator(mark)) return
  // What `Object.prototype` was polluted with is not a declaration.
  if (requests.hasRequestDecorator(property) && !(property in Object.prototype))
    throw new ConfigurationError(
      `The property "${property}" of requests is taken by another plugin: set the option "decorator" to another name, or to false for none`,
    )
  requests.decorateRequest(property, null)
  requests.decorateRequest(mark, () => undefined)
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
 * Decides about a request.
 *
 * @param carrier the same as for {@link Gate.authenticate}
 * @param given what the framework gave to the guard, in which the carrier should be
 */
export type Decide<Carrier extends object> = (
  carrier: Carrier,
  handlers?: Handlers,
  given?: object,
) => Awaitable<Decision>

/**
 * Makes the functions for single routes.
 *
 * @param make what the framework takes, from the function that decides about a request
 */
export function createGuards<Guard extends object>(
  make: (authorize: Decide<object>) => Guard,
): Guards<Guard> {
  const guard = (policy: CompiledPolicy) =>
    declareGuard(
      policy,
      make((carrier, handlers, given) => Gate.authorize(carrier, policy, handlers, given)),
    )
  return {
    requireAuth(policy) {
      if (isRequest(policy))
        throw new ConfigurationError(
          'requireAuth was given a request in place of a policy: call it, requireAuth()',
        )
      return guard(CompiledPolicy.from(policy))
    },
    requireScopes(...scopes) {
      for (const scope of scopes) checkScope(scope)
      if (scopes.length === 0)
        throw new ConfigurationError('requireScopes() must be given at least one scope')
      return guard(CompiledPolicy.from({ scopes }))
    },
  }
}

/** The likeliest mistakes, each with what is meant; all others are found where the policy is compiled. */
function checkScope(scope: unknown): void {
  if (isRequest(scope))
    throw new ConfigurationError(
      "requireScopes was given a request: call it, requireScopes('messaging.read')",
    )
  if (Array.isArray(scope))
    throw new ConfigurationError(
      "requireScopes() takes each scope by itself, not an array: requireScopes('a', 'b')",
    )
  // A comma may stand in a scope (RFC 6749 §3.3), but hardly ever does.
  if (typeof scope === 'string' && /[\s,]/.test(scope))
    throw new ConfigurationError(
      "requireScopes() takes each scope by itself, not a list in one string: requireScopes('a', 'b'). For a scope with a comma in its name, use requireAuth({ scopes: ['a,b'] })",
    )
}
