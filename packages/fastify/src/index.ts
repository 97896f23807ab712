import type { Auth, JwtClaims, NodeRequest } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastifyPlugin from 'fastify-plugin'

export * from '@telnyx-auth/core'

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller; `undefined` for anonymous callers, `null` until authentication has run. */
    auth: Auth | null | undefined
  }
}

/** The options of {@link telnyxAuth}. */
export type TelnyxAuthOptions = core.AdapterOptions & {
  /** Whether all routes of the scope are protected, or only those with a guard as a hook. Default: true. */
  readonly global?: boolean | undefined
  /** The property of requests that holds the caller, or `false` for none. Default: `'auth'`. */
  readonly decorator?: string | false | undefined
}

/** Where a route's config keeps the hooks that were given with the route. */
const HANDLERS = Symbol('handlers')
const UNGUARDED = 'preParsing preSerialization onSend onError onResponse onTimeout onRequestAbort'.split(' ')

/** A hook for `onRequest`, `preValidation` or `preHandler`, in a form that suits every server and type provider. */
export type Hook = (
  request: { readonly raw: NodeRequest; readonly routeOptions: { readonly config: object } },
  reply: core.HeaderStore & {
    readonly raw: core.HeaderStore & { setHeader(name: string, value: string): unknown }
    readonly sent: boolean
    code(status: number): unknown
    headers(headers: Record<string, string>): unknown
    send(body?: Buffer): unknown
  },
  done: (error?: Error) => void,
) => void

/**
 * Protects every route of the scope where it is registered: only requests with a good access token go on, as
 * `request.auth`. Serves the metadata of the protected resource (RFC 9728) where it sees requests for them.
 * @throws {ConfigurationError} when it is loaded, for options that are missing, contradictory, unknown or wrong
 */
export const telnyxAuth: FastifyPluginAsync<TelnyxAuthOptions> = fastifyPlugin(protect, {
  name: '@telnyx-auth/fastify',
  fastify: '5.x',
})

async function protect(fastify: FastifyInstance, options: TelnyxAuthOptions): Promise<void> {
  const auth = core.createAuthenticator(options, { global: 'switch', decorator: 'property' })
  core.claimProperty(auth.own.decorator ?? 'auth', fastify)
  fastify.addHook('onRoute', (route) => {
    core.refuseGuardsIn(route, UNGUARDED)
    const { onRequest, preValidation, preHandler } = route
    route.config = { ...route.config, [HANDLERS]: [onRequest, preValidation, preHandler].flat() }
  })
  fastify.addHook('onRequest', hook(auth.own.global === false ? auth.defer : auth.authenticate))
}

const guards: core.Guards<Hook> = core.createGuards(hook)

/** Lets only those pass that {@link telnyxAuth} authenticated and whose token satisfies the policy. */
export const requireAuth: core.Guards<Hook>['requireAuth'] = guards.requireAuth

/** Lets only those pass whose token has all of these scopes. */
export const requireScopes: core.Guards<Hook>['requireScopes'] = guards.requireScopes

/**
 * The caller. Right even if other code writes to `request.auth`.
 * @throws {MissingTokenError} when the caller is anonymous
 * @throws {ConfigurationError} when neither `telnyxAuth` nor `requireAuth()` comes before
 */
export function getAuth<Claims extends object = JwtClaims>(request: { readonly raw: object }): Auth<Claims> {
  return core.getAuth(request?.raw, request)
}

/** Not an async function: Fastify continues as soon as that is done, also when a reply could not be sent. */
function hook(decide: core.Authenticator['authenticate']): Hook {
  return (request, reply, done) => {
    if (reply.sent) core.throwWrongFramework() // a hook that runs after the reply protects nothing
    core.respondOrNext(decide, request.raw, {
      requestKey: request.raw,
      context: request,
      setAuth: (auth, { decorator = 'auth' }) => core.setProperty(request, decorator, auth),
      routePolicies: () => core.policiesOf(Reflect.get({ ...request.routeOptions.config }, HANDLERS)),
      setHeader: (name, value) => reply.raw.setHeader(name, value),
      responseHeaders: () => [reply, reply.raw],
      write: (answer) => core.writeReply(reply, answer),
      next: done,
    })
  }
}
