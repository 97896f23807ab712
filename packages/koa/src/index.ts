import type { IncomingMessage } from 'node:http'
import type { Auth, JwtClaims } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'

export * from '@telnyx-auth/core'

/** The options of {@link telnyxAuth}. */
export type TelnyxAuthOptions<Claims extends object = JwtClaims> = core.AdapterOptions<Claims>

/** What {@link telnyxAuth} adds to `ctx.state`. */
export interface TelnyxAuthState<Claims extends object = JwtClaims> {
  /** The caller; `undefined` for anonymous callers. */
  auth?: Auth<Claims> | undefined
}

/** The part of a Koa context that is used. Routers put the layers whose paths match into `matched`. */
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
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 */
export function telnyxAuth<Claims extends object = JwtClaims>(
  options?: TelnyxAuthOptions<Claims>,
): Middleware<object & TelnyxAuthState<Claims>>
export function telnyxAuth(options?: TelnyxAuthOptions): Middleware<TelnyxAuthState> {
  const { authenticate } = core.createAuthenticator(options)
  return middleware((handle, { req, method, originalUrl: url }) =>
    authenticate(handle, {
      headers: req.headers,
      rawHeaders: req.rawHeaders,
      method,
      url,
      socket: req.socket,
    }),
  )
}

const guards: core.Guards<Middleware> = core.createGuards(middleware)

/** Lets only those pass that {@link telnyxAuth} authenticated and whose token satisfies the policy. */
export const requireAuth: core.Guards<Middleware>['requireAuth'] = guards.requireAuth

/** Lets only those pass whose token has all of these scopes. */
export const requireScopes: core.Guards<Middleware>['requireScopes'] = guards.requireScopes

/**
 * The caller. Right even if other code writes to `ctx.state.auth`.
 * @throws {MissingTokenError} when the caller is anonymous
 * @throws {ConfigurationError} when `telnyxAuth()` does not come before this middleware
 */
export function getAuth<Claims extends object = JwtClaims>(ctx: { readonly req: object }): Auth<Claims> {
  return core.getAuth(ctx?.req, ctx)
}

function middleware<State>(
  decide: (handle: core.RequestHandle, ctx: Context<State>) => core.Awaitable<core.Decision>,
): Middleware<State> {
  const self: Middleware<State> = (ctx, next) => {
    // Another framework would neither wait for a promise nor see its error.
    if (!ctx.req) core.throwWrongFramework()
    return core.respondOrContinue(decide, ctx, {
      requestKey: ctx.req,
      context: ctx,
      setAuth: (auth) => core.setProperty(ctx.state, 'auth', auth),
      routePolicies: () => core.policiesOf(handlersOf(self, ctx)),
      setHeader: (name, value) => ctx.set({ [name]: value }),
      responseHeaders: () => [ctx.res],
      write: (answer) => core.writeContext(ctx, answer),
      next,
    })
  }
  return self
}

/** The middlewares in the same route as `self`. Other routes whose paths match need not run. */
function handlersOf(self: unknown, { matched, method }: Context<unknown>): readonly unknown[] | undefined {
  return matched?.find(
    ({ methods = [], stack = [] }) =>
      (methods.length === 0 || methods.includes(method)) && stack.includes(self),
  )?.stack
}
