import { type Auth, ConfigurationError, type JwtClaims, type NodeRequest } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastifyPlugin from 'fastify-plugin'

export * from '@telnyx-auth/core'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; `undefined` for anonymous callers, `null` as long as nobody looked. */
    auth: Auth | null | undefined
  }
}

/** The options of {@link telnyxAuth}. */
export type TelnyxAuthOptions = core.AdapterOptions & {
  /** Whether all routes of the scope are protected, or only those with a guard as a hook. Default: true. */
  readonly global?: boolean | undefined
}

/** Where a route's config keeps the hooks that were given with the route. */
const HANDLERS = Symbol('handlers')

/** A hook for `onRequest`, in a form that suits every server and every type provider. */
export type Hook = (
  request: {
    readonly raw: NodeRequest
    readonly routeOptions: { readonly config: object }
    auth: Auth | null | undefined
  },
  reply: {
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
 *
 * @throws {ConfigurationError} when it is loaded, for options that are missing, contradictory, unknown or wrong
 */
export const telnyxAuth: FastifyPluginAsync<TelnyxAuthOptions> = fastifyPlugin(protect, {
  name: '@telnyx-auth/fastify',
  fastify: '5.x',
})

async function protect(fastify: FastifyInstance, options: TelnyxAuthOptions): Promise<void> {
  const gate = new core.Gate(options, ['global'])
  const { global = true } = options
  if (!fastify.hasRequestDecorator('auth')) fastify.decorateRequest('auth', null)
  fastify.addHook('onRoute', (route) => {
    const { onRequest, preValidation, preHandler } = route
    route.config = { ...route.config, [HANDLERS]: [onRequest, preValidation, preHandler].flat() }
  })
  const decide = (raw: NodeRequest, handlers: core.Handlers) =>
    global ? gate.authenticate(raw, raw, handlers) : gate.defer(raw, raw)
  fastify.addHook('onRequest', hook(decide))
}

const guards: core.Guards<Hook> = core.createGuards(hook)

/** Lets only those pass that {@link telnyxAuth} authenticated and whose token satisfies the policy. */
export const requireAuth: core.Guards<Hook>['requireAuth'] = guards.requireAuth

/** Lets only those pass whose token has all of these scopes. */
export const requireScopes: core.Guards<Hook>['requireScopes'] = guards.requireScopes

/**
 * Who calls. Right whatever else writes to `request.auth`.
 *
 * @throws {MissingTokenError} when the caller is anonymous
 * @throws {ConfigurationError} when nobody looked: neither `telnyxAuth` nor `requireAuth()` comes before
 */
export function getAuth<Claims extends object = JwtClaims>(request: { readonly raw: object }): Auth<Claims>
export function getAuth(request: { readonly raw: object }): Auth {
  return core.Gate.identify(request.raw)
}

/** Not an async function: Fastify goes on as soon as that is done, also when a reply could not be sent. */
function hook(decide: (raw: NodeRequest, handlers: core.Handlers) => core.Awaitable<core.Decision>): Hook {
  return (request, reply, done) => {
    if (typeof done !== 'function') throw new ConfigurationError('Guards are hooks for onRequest')
    const write = (answer: core.Answer) => {
      if (reply.sent) return
      // The status is not for errors on the way. Bytes, because Fastify adds a charset to the type of a text.
      reply.headers(answer.headers)
      reply.code(answer.status)
      reply.send(answer.body === undefined ? undefined : Buffer.from(answer.body))
    }
    const handlers = () => Reflect.get({ ...request.routeOptions.config }, HANDLERS)
    const decideHere = () => decide(request.raw, handlers)
    core.decideThen(() => core.attachAuth(request.raw, request, decideHere), write, done)
  }
}
