import type { Auth, JwtClaims, WebRequest } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'
import type { Context, MiddlewareHandler } from 'hono'

export * from '@telnyx-auth/core'

declare module 'hono' {
  interface ContextVariableMap {
    auth: Auth | undefined
  }
}
/** The options of {@link telnyxAuth}. */
export type TelnyxAuthOptions<Claims extends object = JwtClaims> = core.AdapterOptions<Claims, WebRequest>
/** Protects everything that comes after it, and serves the metadata of the protected resource (RFC 9728). */
export const telnyxAuth = <Claims extends object>(options?: TelnyxAuthOptions<Claims>): MiddlewareHandler =>
  middleware(core.createAuthenticator(options).authenticate)
const guards: core.Guards<MiddlewareHandler> = core.createGuards(middleware)
/** Lets only callers pass that {@link telnyxAuth} authenticated and whose token satisfies the policy. */
export const requireAuth: typeof guards.requireAuth = guards.requireAuth
/** Lets only callers pass whose token has all of these scopes. */
export const requireScopes: typeof guards.requireScopes = guards.requireScopes
/** The caller. Throws a `MissingTokenError` when the caller is anonymous. */
export const getAuth: <Claims extends object = JwtClaims>(c: Context) => Auth<Claims> = core.getAuth

function middleware(decide: core.Authenticator['authenticate']): MiddlewareHandler {
  return (c, next) =>
    core.respondOrContinue<WebRequest, void>(decide, c.req?.raw ?? core.throwWrongFramework(), {
      requestKey: c,
      setAuth: (auth) => c.set('auth', auth ?? undefined),
      routePolicies: () =>
        core.policiesOf(c.req.matchedRoutes, ({ path, handler }) => path === c.req.routePath && handler),
      setHeader: (name, value) => c.res.headers.set(name, value),
      responseHeaders: () => [{ hasHeader: () => true, removeHeader: c.header }, c.env?.outgoing],
      write(answer) {
        core.cancelStream(c.res) // reading c.res also keeps the headers of earlier middleware
        c.res = new Response(answer.body, answer)
      },
      next,
    })
}
