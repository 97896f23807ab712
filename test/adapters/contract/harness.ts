import type { RequestListener, ServerResponse } from 'node:http'
import {
  type Auth,
  type Policy,
  TelnyxAuthError,
  type Verifier,
  type VerifierOptions,
} from '@telnyx-auth/core'
import type { Guards } from '@telnyx-auth/core/adapter'

/** The contract says how an API answers in every framework. A harness builds the API with one framework. */
export interface Harness {
  readonly name: string
  /** Whether the framework knows nothing of Node's response. */
  readonly isBare?: boolean
  /** The API, ready to be served. */
  build(setup: Setup): Promise<RequestListener>
}

/** What the API is made of. */
export interface Setup {
  /** What `telnyxAuth`, or `createVerifier`, is given. */
  readonly options: VerifierOptions
  readonly optional?: boolean
  /**
   * `'global'`: one `telnyxAuth` before all routes. `'route'`: as part of each route, in Fastify `global: false` and
   * hooks; there, every framework knows what follows.
   */
  readonly placement?: 'global' | 'route'
  /** Below which path a router has the routes, `telnyxAuth` among them. */
  readonly prefix?: string
  /** What a second `telnyxAuth`, right after the first one, is given. A platform without middleware has only one. */
  readonly second?: Verifier
  /** A verifier for the first `telnyxAuth`, in place of `options`. */
  readonly verifier?: Verifier
  /** Whether errors are handed to the framework; and whether the application handles them there. */
  readonly errors?: 'respond' | 'handled' | 'unhandled'
  /** What the application's own error handler does to an error before it answers. */
  readonly spoil?: (error: TelnyxAuthError) => void
  /** Headers that the application sets on every response, before anything else. */
  readonly headers?: Readonly<Record<string, string>>
  /**
   * What a middleware before everything else does to a response: by the way of the framework, and to Node's own. Where an API
   * makes its responses itself, there is no such middleware.
   */
  readonly before?: (set: (name: string, value: string | string[]) => void, response: ServerResponse) => void
  readonly routes: readonly Route[]
}

/** What a route demands: an array is given to `requireScopes`, a policy to `requireAuth`. */
export type Demand = readonly [string, ...string[]] | Policy

export interface Route {
  readonly method?: 'GET' | 'POST'
  readonly path: string
  readonly demands?: readonly Demand[]
  /** What is answered as JSON. */
  readonly handle: (who: Who) => unknown
}

/** How a handler learns who calls. */
interface Who {
  /** `req.auth`, `ctx.state.auth`, `request.auth`. */
  readonly property: Auth | null | undefined
  getAuth(): Auth
}

/** What `telnyxAuth` is given in every adapter. */
export function optionsOf({ options, verifier, optional, errors = 'respond' }: Setup): (
  | VerifierOptions
  | { verifier: Verifier }
) & {
  optional: boolean | undefined
  errors: 'respond' | 'throw'
} {
  const behaviour = { optional, errors: errors === 'respond' ? ('respond' as const) : ('throw' as const) }
  return verifier ? { verifier, ...behaviour } : { ...options, ...behaviour }
}

/** The guards of a route, as an adapter makes them. */
export function guardsOf<Guard>(
  { demands = [] }: Route,
  { requireAuth, requireScopes }: Guards<Guard>,
): Guard[] {
  return demands.map((demand) => (isScopes(demand) ? requireScopes(...demand) : requireAuth(demand)))
}

export function isScopes(demand: Demand): demand is readonly [string, ...string[]] {
  return Array.isArray(demand)
}

/** What the application's own error handler answers, in every harness. */
export function ownAnswer(
  error: unknown,
  setup: Setup,
): {
  status: number
  headers: Readonly<Record<string, string>>
  body: string
} {
  if (!(error instanceof TelnyxAuthError)) return { status: 500, headers: {}, body: '' }
  try {
    setup.spoil?.(error)
  } catch {
    // It is as well if it cannot be spoilt.
  }
  const { code, status, statusCode, expose, headers } = error
  return {
    status,
    headers: { ...headers, 'Content-Type': 'application/json' },
    body: JSON.stringify({ mine: code, status, statusCode, expose }),
  }
}
