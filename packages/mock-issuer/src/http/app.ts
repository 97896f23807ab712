import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { cors } from 'hono/cors'
import type { Endpoint } from '../protocol/endpoints.js'
import { ApiKeyError, AuthorizationPageError, OAuthError } from '../protocol/refusals.js'
import { errorPage, toResponse } from './consent-page.js'
import type { Faults } from './faults.js'
import { managementOperations } from './management-operations.js'
import { type Call, type IssuerState, json, type Operation } from './operation.js'
import { protocolOperations } from './protocol-operations.js'

/** What stands between the requests and the operations. */
export interface Watch {
  readonly faults: Faults
  record(endpoint: Endpoint): void
}

/** How a request came: over a socket, or in process, where a signal stands for the connection. */
interface Bindings {
  readonly incoming?: { readonly socket: { destroy(): void } }
  readonly signal?: AbortSignal
}

/** In process, there is no socket to destroy: `fetch` is told to reject by this. */
export class ConnectionDropped extends Error {}

/**
 * The operations, below the path of the issuer's identifier. The well-known segment of metadata goes before that path
 * (RFC 8414 §3.1).
 */
export function createApp(state: IssuerState, watch: Watch, path: string): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>({ getPath: (request) => pathBelow(path, request.url) })
  for (const operation of [...protocolOperations(state, path), ...managementOperations(state)]) {
    if (operation.crossOrigin)
      for (const each of operation.paths) app.use(each, cors({ origin: localOrigin }))
    app.on(operation.method.toUpperCase(), [...operation.paths], (context) =>
      perform(operation, context, watch),
    )
  }
  // What is left are the reasons of callers who gave up: they are theirs to handle.
  app.onError((error) => {
    throw error
  })
  return app
}

/**
 * The origin of a page on this machine (Fetch standard, CORS protocol). Pages of the web must not read the answers: the
 * issuer gives tokens to every caller, and an API on this machine may accept them.
 */
function localOrigin(origin: string): string | undefined {
  return /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/.test(origin) ? origin : undefined
}

/** Counts the request and lets a fault take the place of the work. */
async function perform(
  operation: Operation,
  context: Context<{ Bindings: Bindings }>,
  watch: Watch,
): Promise<Response> {
  const request = context.req.raw
  const { incoming, signal } = context.env
  watch.record(operation.endpoint)
  const outcome = await watch.faults.apply(operation.endpoint, signal ?? request.signal, signal)
  if (outcome.kind === 'answer') return outcome.response
  if (outcome.kind === 'drop') {
    if (!incoming) throw new ConnectionDropped()
    incoming.socket.destroy()
    return RESPONSE_ALREADY_SENT
  }
  const query = new URL(request.url).searchParams
  const response = await workOrRefuse(operation, { request, query, id: context.req.param('id') ?? '' })
  for (const [name, value] of Object.entries(outcome.headers)) response.headers.set(name, value)
  return response
}

/** A refusal takes the place of the work: in JSON, or for the user's eyes. */
async function workOrRefuse({ work }: Operation, call: Call): Promise<Response> {
  try {
    return await work(call)
  } catch (error) {
    if (error instanceof AuthorizationPageError) return toResponse(errorPage(error.status, error.message))
    if (!(error instanceof OAuthError)) throw error
    const body = {
      error: error.error,
      error_description: error.message,
      invalid_fields: error.invalidFields,
    }
    const response = json(body, error.status)
    if (error.status === 401) response.headers.set('WWW-Authenticate', challenge(error))
    return response
  }
}

function challenge(error: OAuthError): string {
  return error instanceof ApiKeyError ? 'Bearer realm="api"' : 'Basic realm="oauth"'
}

/**
 * The path of a request as the routes have it, without the path of the identifier: that could look like a pattern. The
 * well-known documents are not below it.
 */
function pathBelow(path: string, url: string): string {
  const { pathname } = new URL(url)
  const wellKnown = /^\/\.well-known\/[^/]+/.exec(pathname)?.[0]
  if (wellKnown !== undefined && pathname === wellKnown + path) return wellKnown
  const rest = pathname.startsWith(`${path}/`) ? pathname.slice(path.length) : '/'
  return rest.startsWith('/.well-known/') ? '/' : rest
}
