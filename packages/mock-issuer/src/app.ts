import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { authenticateClient, OAuthError, readParameters } from './authenticate-client.js'
import type { Client } from './clients.js'
import type { Endpoint, Faults } from './faults.js'

/** What the endpoints need of the issuer. */
export interface IssuerState {
  /** The identifier, as it is now. */
  readonly issuer: string
  readonly scopes: readonly string[]
  readonly clients: ReadonlyMap<string, Client>
  readonly faults: Faults
  jwks(): object
  record(endpoint: Endpoint): void
  /** Issues an access token to a client that asks for it. */
  grant(client: Client, scopes: readonly string[]): { token: string; expiresInSeconds: number }
  /** The claims of a token of ours that is active. */
  activeClaims(token: string): Promise<Record<string, unknown> | undefined>
}

/** How a request came: over a socket, or in process, where a signal stands for the connection. */
interface Bindings {
  readonly incoming?: { readonly socket: { destroy(): void } }
  readonly signal?: AbortSignal
}

/** In process, there is no socket to destroy: `fetch` is told to reject by this. */
export class ConnectionDropped extends Error {}

type Work = (request: Request) => Promise<Response> | Response

const NO_STORE = { 'Cache-Control': 'no-store' }

/**
 * The endpoints, below the path of the issuer's identifier. The metadata's well-known segment goes before that
 * path (RFC 8414 §3.1).
 */
export function createApp(state: IssuerState, path: string): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>({ getPath: (request) => pathBelow(path, request.url) })
  type IssuerContext = Context<{ Bindings: Bindings }>

  /** Counts the request and lets a fault take the place of the work. */
  const serve =
    (endpoint: Endpoint, work: Work) =>
    async (context: IssuerContext): Promise<Response> => {
      const request = context.req.raw
      const { incoming, signal } = context.env
      state.record(endpoint)
      const outcome = await state.faults.apply(endpoint, signal ?? request.signal, signal)
      if (outcome.kind === 'answer') return outcome.response
      if (outcome.kind === 'drop') {
        if (!incoming) throw new ConnectionDropped()
        incoming.socket.destroy()
        return RESPONSE_ALREADY_SENT
      }
      const response = await workOrRefuse(work, request)
      for (const [name, value] of Object.entries(outcome.headers)) response.headers.set(name, value)
      return response
    }

  app.get(
    '/.well-known/oauth-authorization-server',
    serve('metadata', () => Response.json(metadata(state))),
  )

  app.get(
    '/v2/oauth/jwks',
    serve('jwks', () => Response.json(state.jwks())),
  )

  app.post(
    '/v2/oauth/token',
    serve('token', async (request) => {
      const parameters = await readParameters(request)
      const client = authenticateClient(request.headers.get('authorization'), parameters, state.clients)
      const grantType = parameters.get('grant_type')
      if (grantType === undefined)
        throw new OAuthError('invalid_request', 'The parameter grant_type is missing')
      if (grantType !== 'client_credentials')
        throw new OAuthError('unsupported_grant_type', 'The grant type is not supported')

      const asked = parameters.get('scope')?.split(' ')
      const scopes = asked ? [...new Set(asked)] : client.scopes
      if (!scopes.every((scope) => client.scopes.includes(scope)))
        throw new OAuthError('invalid_scope', 'A scope is unknown or not allowed to the client')
      const { token, expiresInSeconds } = state.grant(client, scopes)
      return Response.json(
        {
          access_token: token,
          token_type: 'Bearer',
          expires_in: expiresInSeconds,
          // RFC 6749 §3.3: it cannot be empty.
          scope: scopes.join(' ') || undefined,
        },
        { headers: NO_STORE },
      )
    }),
  )

  app.post(
    '/v2/oauth/introspect',
    serve('introspection', async (request) => {
      const parameters = await readParameters(request)
      authenticateClient(request.headers.get('authorization'), parameters, state.clients)
      const token = parameters.get('token')
      if (token === undefined) throw new OAuthError('invalid_request', 'The parameter token is missing')
      return Response.json(introspection(await state.activeClaims(token)), { headers: NO_STORE })
    }),
  )

  // What is left are the reasons of callers who gave up: they are theirs to handle.
  app.onError((error) => {
    throw error
  })
  return app
}

/**
 * The path of a request as the routes have it, without the path of the identifier: that could look like a pattern.
 */
function pathBelow(path: string, url: string): string {
  const { pathname } = new URL(url)
  const wellKnown = /^\/\.well-known\/[^/]+/.exec(pathname)?.[0]
  if (wellKnown !== undefined && pathname === wellKnown + path) return wellKnown
  return wellKnown === undefined && pathname.startsWith(`${path}/`) ? pathname.slice(path.length) : '/'
}

/** The answer of RFC 6749 §5.2 takes the place of an {@link OAuthError}. */
async function workOrRefuse(work: Work, request: Request): Promise<Response> {
  try {
    return await work(request)
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    return Response.json(
      { error: error.error, error_description: error.message },
      {
        status: error.status,
        headers: error.status === 401 ? { ...NO_STORE, 'WWW-Authenticate': 'Basic realm="oauth"' } : NO_STORE,
      },
    )
  }
}

/** RFC 8414 §2, with what is served so far. */
function metadata({ issuer, scopes }: IssuerState): object {
  const base = issuer.replace(/\/$/, '')
  return {
    issuer,
    token_endpoint: `${base}/v2/oauth/token`,
    introspection_endpoint: `${base}/v2/oauth/introspect`,
    jwks_uri: `${base}/v2/oauth/jwks`,
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    scopes_supported: scopes,
  }
}

/** RFC 7662 §2.2, with the members that Telnyx documents; `aud` is a string there. */
function introspection(claims: Record<string, unknown> | undefined): object {
  if (!claims) return { active: false }
  const { aud, client_id, exp, iat, iss, scope } = claims
  return {
    active: true,
    aud: Array.isArray(aud) && aud.length === 1 ? aud[0] : aud,
    client_id,
    exp,
    iat,
    iss,
    scope,
  }
}
