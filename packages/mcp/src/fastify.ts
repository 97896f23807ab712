import type { NodeRequest } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { readBody } from './body.js'
import { isForOperation, McpEndpoint, type Outcome, settled, unwrap } from './endpoint.js'
import type { McpAuthOptions } from './options.js'

export type { AuthInfo } from './auth-info.js'
export type { McpAuthOptions } from './options.js'

/**
 * Guards the MCP endpoint, and serves the metadata of its resource. Sets `request.raw.auth` to what the transports of the MCP SDK
 * read. Every other request passes.
 *
 * @throws {ConfigurationError} when it is registered, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * import Fastify from 'fastify'
 *
 * const app = Fastify()
 * await app.register(mcpAuth, { audience: 'https://api.example.com/mcp' })
 */
export const mcpAuth: FastifyPluginAsync<McpAuthOptions> = fastifyPlugin(protect, {
  name: '@telnyx-auth/mcp',
  fastify: '5.x',
})

async function protect(fastify: FastifyInstance, options: McpAuthOptions): Promise<void> {
  const endpoint = new McpEndpoint(options)
  /** Outcomes of authentication that wait for the body, which Fastify parses later. */
  const waiting = new WeakMap<object, Outcome>()

  const run = (
    request: FastifyRequest,
    reply: FastifyReply,
    done: (error?: Error) => void,
    decide: (handle: core.RequestHandle, asked: NodeRequest) => core.Awaitable<core.Decision>,
  ) =>
    core.respondOrNext(decide, request.raw, {
      requestKey: request.raw,
      context: request,
      setAuth: (auth) => core.setProperty(request.raw, 'auth', endpoint.authInfoOf(auth)),
      routePolicies: () => [],
      challengeScopes: (error) => endpoint.challengeScopes(error),
      setHeader: (name, value) => reply.raw.setHeader(name, value),
      responseHeaders: () => [reply, reply.raw],
      write: (answer) => core.writeReply(reply, answer),
      next: done,
    })

  fastify.addHook('onRequest', (request, reply, done) => {
    const purpose = endpoint.purposeOf(request.raw, {
      requestKey: request.raw,
      url: undefined,
      isMounted: fastify.prefix !== '',
      isInRoute: false,
    })
    if (!purpose) {
      done()
      return
    }
    if (purpose === 'endpoint')
      endpoint.allowScripts(request.raw, {
        get: (name) => reply.getHeader(name) ?? reply.raw.getHeader(name),
        // On Node's response as well: transports write to it without Fastify.
        set(name, value) {
          reply.header(name, value)
          reply.raw.setHeader(name, value)
        },
      })
    run(request, reply, done, async (handle, asked) => {
      if (purpose !== 'endpoint') return endpoint.respondWithDocument(purpose, handle, asked)
      const preflight = endpoint.respondToPreflight(asked)
      if (preflight) return preflight
      const outcome = await settled(() => endpoint.authenticate(handle, asked))
      if (!endpoint.readsBody(asked) || !isForOperation(outcome)) return unwrap(outcome)
      waiting.set(request.raw, outcome)
      return undefined
    })
  })

  fastify.addHook('preValidation', (request, reply, done) => {
    const outcome = waiting.get(request.raw)
    if (!outcome) {
      done()
      return
    }
    waiting.delete(request.raw)
    run(request, reply, done, async (handle, asked) => {
      const body = await readBody(request.raw, request, endpoint.maxBodyBytes)
      return (await endpoint.authorize(handle, asked, body)) ?? unwrap(outcome)
    })
  })
}
