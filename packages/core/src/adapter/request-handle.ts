import type { Policy } from '../policy/policy.js'
import type { Auth } from '../token/auth.js'
import type { Answer } from './answer.js'
import type { OwnOptionValues } from './authenticator-options.js'
import type { HeaderStore } from './response-headers.js'

/** The decision about a request: an answer to write, or `undefined` to continue. */
export type Decision = Answer | undefined

/** The part of a route's policy that a challenge names: scopes that are all needed, and scopes of which one is needed. */
export type RoutePolicy = Pick<Policy, 'scopes' | 'anyScope'>

/**
 * One request, as an adapter hands it to core. The callbacks are called only when they are needed: a request with a good
 * token costs one call of `setAuth`.
 *
 * @example
 * ```ts
 * import { policiesOf, type RequestHandle } from '@telnyx-auth/core/adapter'
 * import type { Context } from 'hono'
 *
 * const handleOf = (c: Context): RequestHandle => ({
 *   requestKey: c,
 *   setAuth: (auth) => c.set('auth', auth ?? undefined),
 *   routePolicies: () => policiesOf(c.req.matchedRoutes.map(({ handler }) => handler)),
 *   setHeader: (name, value) => c.res.headers.set(name, value),
 *   responseHeaders: () => [c.env?.outgoing],
 * })
 * ```
 */
export interface RequestHandle {
  /**
   * The object that identifies the request. It must be the same object in `telnyxAuth()`, in every guard and in `getAuth()`,
   * and another one for every other request: Node's request in Express, Koa and Fastify, the context in Hono, whose raw
   * request is replaced by middleware. Core keeps the state of the request in a private field of this object.
   */
  readonly requestKey: object
  /**
   * What the framework calls handlers with, where the request key is only a part of it. It is looked at when the request key has
   * no state, to find out whether a guard of another framework was used.
   */
  readonly context?: unknown
  /**
   * Makes the result visible to handlers, in the property that the adapter documents. Called whenever the result changes. It may
   * throw: `getAuth()` and the decision do not depend on it.
   *
   * @param auth `undefined` for an anonymous or refused caller, `null` while authentication is deferred
   * @param own the values of the adapter's own options, of the authenticator that decided
   */
  setAuth(auth: Auth | undefined | null, own: OwnOptionValues): void
  /**
   * The policies that the route enforces, as far as the framework knows them: the challenge of a refusal names their scopes. They
   * grant and refuse nothing. Called for refused requests only.
   */
  routePolicies(): readonly RoutePolicy[]
  /**
   * The scopes that the challenge of a refusal names, in place of those that are required. `undefined`: the required ones.
   * Called for refused requests only.
   */
  challengeScopes?(error: Error): readonly string[] | undefined
  /**
   * Sets a header of the response that the application will write. Called for few requests: core hands out the next nonce for
   * proofs of possession (RFC 9449 §8.2). Without it, clients learn of that nonce by one refusal in two minutes. It may throw: the
   * decision does not depend on it.
   */
  setHeader?(name: string, value: string): void
  /**
   * Where the framework keeps the headers of the response. Before an answer, core removes what earlier middleware has set
   * about the body; before an error, what frames or encodes it. Called for answers and errors only.
   */
  responseHeaders(): readonly (HeaderStore | undefined)[]
}
