import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { cors } from 'hono/cors'
import { ApiKeyError, AuthorizationPageError, DpopNonceError, OAuthError } from '../protocol/refusals.js'
import type { RecordedRequest, RequestEntry } from '../state/request-log.js'
import { errorPage, toResponse } from './consent-page.js'
import type { Faults } from './faults.js'
import { managementOperations } from './management-operations.js'
import { type Call, type IssuerState, json, type Operation } from './operation.js'
import { protocolOperations } from './protocol-operations.js'

/** What happens to each request before its operation: it is recorded, and a fault may replace the response. */
export interface TestControls {
  readonly faults: Faults
  record(request: RecordedRequest): RequestEntry
}

/** A request over HTTP: the connection can be dropped. */
export interface Connection {
  readonly socket: { destroy(): void }
}

/** Where a request came from: a socket, or `fetch` in process, where a signal stands for the connection. */
interface Bindings {
  readonly incoming?: Connection
  readonly signal?: AbortSignal
  /** Whether the token page has sent it, to check a token. */
  readonly ofTokenPage?: boolean
}

/** Makes an in-process `fetch` reject, where there is no socket to destroy. */
export class ConnectionDropped extends Error {}

/**
 * Serves the operations below the path of the issuer identifier. In the URL of the metadata, the well-known segment
 * stands before that path (RFC 8414 §3.1).
 *
 * @param path the path of the issuer identifier, without a trailing slash
 */
export function createApp(
  state: IssuerState,
  controls: TestControls,
  path: string,
): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>({ getPath: (request) => pathBelow(path, request.url) })
  const exposeHeaders = state.dpop?.nonce === undefined ? [] : ['DPoP-Nonce']
  for (const operation of [...protocolOperations(state, path), ...managementOperations(state)]) {
    if (operation.crossOrigin)
      for (const each of operation.paths) app.use(each, cors({ origin: localOrigin, exposeHeaders }))
    app.on(operation.method.toUpperCase(), [...operation.paths], (context) =>
      perform(operation, context, controls),
    )
  }
  // Only the abort reason of a caller that gave up can arrive here, and that caller expects it.
  app.onError((error) => {
    throw error
  })
  return app
}

/**
 * Allows cross-origin requests from loopback hosts only (Fetch standard, CORS protocol). Web pages must not read the
 * responses: the issuer gives tokens to every caller, and an API on this machine may accept them.
 */
function localOrigin(origin: string): string | undefined {
  return /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/.test(origin) ? origin : undefined
}

/** Records the request, and what became of it. */
async function perform(
  operation: Operation,
  context: Context<{ Bindings: Bindings }>,
  controls: TestControls,
): Promise<Response> {
  const { incoming, ofTokenPage = false } = context.env
  const entry = controls.record({
    endpoint: operation.endpoint,
    method: context.req.method,
    from: ofTokenPage ? 'token page' : incoming ? 'HTTP' : 'process',
  })
  const response = await answer(operation, context, controls).catch((error: unknown) => {
    entry.status = 'none'
    throw error
  })
  entry.status = response === 'drop' ? 'none' : response.status
  if (response !== 'drop') return response
  if (!incoming) throw new ConnectionDropped()
  incoming.socket.destroy()
  return RESPONSE_ALREADY_SENT
}

/** Applies a fault, if there is one. Otherwise the operation does its work. */
async function answer(
  operation: Operation,
  context: Context<{ Bindings: Bindings }>,
  { faults }: TestControls,
): Promise<Response | 'drop'> {
  const request = context.req.raw
  const { signal } = context.env
  const outcome = await faults.apply(operation.endpoint, signal ?? request.signal, signal)
  if (outcome.kind === 'answer') return outcome.response
  if (outcome.kind === 'drop') return 'drop'
  const query = new URL(request.url).searchParams
  const response = await workOrRefuse(operation, { request, query, id: context.req.param('id') ?? '' })
  for (const [name, value] of Object.entries(outcome.headers)) response.headers.set(name, value)
  return response
}

/** Does the work of an operation. A refusal becomes a JSON response, or an error page for the user. */
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
    if (error instanceof DpopNonceError) response.headers.set('DPoP-Nonce', error.nonce)
    if (error.status === 401) response.headers.set('WWW-Authenticate', challenge(error))
    return response
  }
}

function challenge(error: OAuthError): string {
  return error instanceof ApiKeyError ? 'Bearer realm="api"' : 'Basic realm="oauth"'
}

/**
 * The path of a request, relative to the path of the issuer identifier. Routes do not contain that path, because it
 * could look like a pattern. The well-known documents do not stand below it.
 */
function pathBelow(path: string, url: string): string {
  const { pathname } = new URL(url)
  const wellKnown = /^\/\.well-known\/[^/]+/.exec(pathname)?.[0]
  if (wellKnown !== undefined && pathname === wellKnown + path) return wellKnown
  const rest = pathname.startsWith(`${path}/`) ? pathname.slice(path.length) : '/'
  return rest.startsWith('/.well-known/') ? '/' : rest
}
