import type { IncomingMessage } from 'node:http'
import type { Auth, JwtClaims } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'

export * from '@telnyx-auth/core'

/** The options of {@link telnyxAuth}. */
export type TelnyxAuthOptions<Claims extends object = JwtClaims> = core.AdapterOptions<Claims>

/** What {@link telnyxAuth} adds to `ctx.state`. */
export interface TelnyxAuthState<Claims extends object = JwtClaims> {
  /** Who calls; `undefined` for anonymous callers. */
  auth?: Auth<Claims> | undefined
}

/** What is used of a Koa context. Routers put the layers whose paths fit into `matched`. */
interface Context<State> {
  readonly req: IncomingMessage
  readonly res: core.HeaderStore
  readonly method: string
  readonly originalUrl: string
  readonly matched?: readonly { methods?: readonly string[]; stack?: readonly unknown[] }[] | undefined
  state: State
  status: number
  body: unknown
  set(headers: Record<string, string>): void
}

/** A Koa middleware, in a form that suits every version of Koa's types. */
export type Middleware<State = object> = (
  ctx: Context<State>,
  next: () => Promise<unknown>,
) => Promise<unknown>

/**
 * Protects everything that comes after it: only requests with a good access token go on, as `ctx.state.auth`. Serves
 * the metadata of the protected resource (RFC 9728) where it sees requests for them.
 *
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 */
export function telnyxAuth<Claims extends object = JwtClaims>(
  options?: TelnyxAuthOptions<Claims>,
): Middleware<object & TelnyxAuthState<Claims>>
export function telnyxAuth(options?: TelnyxAuthOptions): Middleware<TelnyxAuthState> {
  const gate = new core.Gate(options)
  return middleware((ctx, handlers) => {
    const { req, method, originalUrl: url } = ctx
    const request = { headers: req.headers, rawHeaders: req.rawHeaders, method, url }
    return gate.authenticate(req, request, handlers)
  })
}

const guards: core.Guards<Middleware> = core.createGuards((authorize) =>
  middleware((ctx, handlers) => authorize(ctx.req, handlers, ctx)),
)

/** Lets only those pass that {@link telnyxAuth} authenticated and whose token satisfies the policy. */
export const requireAuth: core.Guards<Middleware>['requireAuth'] = guards.requireAuth

/** Lets only those pass whose token has all of these scopes. */
export const requireScopes: core.Guards<Middleware>['requireScopes'] = guards.requireScopes

/**
 * Who calls. Right whatever else writes to `ctx.state.auth`.
 * @throws {MissingTokenError} when the caller is anonymous
 * @throws {ConfigurationError} when `telnyxAuth()` does not come before this middleware
 */
export function getAuth<Claims extends object = JwtClaims>(ctx: { readonly req: object }): Auth<Claims>
export function getAuth(ctx: { readonly req: object }): Auth {
  return core.Gate.identify(ctx?.req, ctx)
}

function middleware<State>(
  decide: (ctx: Context<State>, handlers: core.Handlers) => core.Awaitable<core.Decision>,
): Middleware<State> {
  const enforce = async (ctx: Context<State>, next: () => Promise<unknown>) => {
    const decision = core.attachAuth(ctx.req, ctx.state, () => decide(ctx, handlersOf(self, ctx)), ctx.res)
    const answer = core.isPending(decision) ? await decision : decision
    if (!answer) return next()
    core.clearForAnswer(ctx.res)
    ctx.set(answer.headers)
    core.cancelStream(ctx.body)
    Object.assign(ctx, { status: answer.status, body: answer.body })
    if (!ctx.res.headersSent) Reflect.set(ctx, 'respond', true) // as with errors: where it is false, nothing is sent
    return undefined
  }
  // Another framework would not wait for a promise, nor hear of its error.
  const self: Middleware<State> = (ctx, next) => (ctx.req ? enforce(ctx, next) : core.throwWrongFramework())
  return self
}

/** The middlewares in the same route as `self`. Others whose paths fit need not run. */
function handlersOf(self: unknown, { matched, method }: Context<unknown>): core.Handlers {
  return () =>
    matched?.find(
      ({ methods = [], stack = [] }) =>
        (methods.length === 0 || methods.includes(method)) && stack.includes(self),
    )?.stack
}
