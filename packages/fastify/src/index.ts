import type { Auth, JwtClaims, NodeRequest } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastifyPlugin from 'fastify-plugin'

export * from '@telnyx-auth/core'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; `undefined` for anonymous callers, `null` until authentication has run. */
    auth: Auth | null | undefined
  }
}

/** The options of {@link telnyxAuth}. */
export type TelnyxAuthOptions = core.AdapterOptions & {
  /** Whether all routes of the scope are protected, or only those with a guard as a hook. Default: true. */
  readonly global?: boolean | undefined
  /** The property of requests that says who calls, or `false` for none. Default: `'auth'`. */
  readonly decorator?: string | false | undefined
}

/** Where a route's config keeps the hooks that were given with the route. */
const HANDLERS = Symbol('handlers')
/** Hooks in which guards would protect nothing. */
const UNFIT = 'preParsing preSerialization onSend onError onResponse onTimeout onRequestAbort'.split(' ')

/** A hook for `onRequest`, `preValidation` or `preHandler`, in a form that suits every server and type provider. */
export type Hook = (
  request: { readonly raw: NodeRequest; readonly routeOptions: { readonly config: object } },
  reply: core.HeaderStore & {
    readonly raw: core.HeaderStore
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
  const gate = new core.Gate(options, { global: 'switch', decorator: 'property' })
  core.claimProperty(gate, fastify)
  fastify.addHook('onRoute', (route) => {
    core.refuseGuardsIn(route, UNFIT)
    const { onRequest, preValidation, preHandler } = route
    route.config = { ...route.config, [HANDLERS]: [onRequest, preValidation, preHandler].flat() }
  })
  const decide = (raw: NodeRequest, handlers?: core.Handlers) =>
    gate.own.global === false ? gate.defer(raw, raw) : gate.authenticate(raw, raw, handlers)
  fastify.addHook('onRequest', hook(decide))
}

const guards: core.Guards<Hook> = core.createGuards(hook)

/** Lets only those pass that {@link telnyxAuth} authenticated and whose token satisfies the policy. */
export const requireAuth: core.Guards<Hook>['requireAuth'] = guards.requireAuth

/** Lets only those pass whose token has all of these scopes. */
export const requireScopes: core.Guards<Hook>['requireScopes'] = guards.requireScopes

/**
 * Who calls. Right whatever else writes to `request.auth`.
 * @throws {MissingTokenError} when the caller is anonymous
 * @throws {ConfigurationError} when neither `telnyxAuth` nor `requireAuth()` comes before
 */
export function getAuth<Claims extends object = JwtClaims>(request: { readonly raw: object }): Auth<Claims>
export function getAuth(request: { readonly raw: object }): Auth {
  return core.Gate.identify(request?.raw, request)
}

/** Not an async function: Fastify goes on as soon as that is done, also when a reply could not be sent. */
function hook(decide: core.Decide<NodeRequest>): Hook {
  return (request, reply, done) => {
    // In time, Fastify calls no hook once there is a reply.
    if (typeof done !== 'function' || reply.sent) core.throwWrongFramework()
    const write = (answer: core.Answer) => {
      if (reply.sent) return
      core.clearForAnswer(reply, reply.raw)
      // The status is not for errors on the way. Bytes, because Fastify adds a charset to the type of a text.
      reply.headers(answer.headers)
      reply.code(answer.status)
      reply.send(answer.body === undefined ? undefined : Buffer.from(answer.body))
    }
    const handlers = () => Reflect.get({ ...request.routeOptions.config }, HANDLERS)
    const decideHere = () => decide(request.raw, handlers, request)
    core.decideThen(() => core.attachAuth(request.raw, request, decideHere, reply, reply.raw), write, done)
  }
}
