import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
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

/** The connection of a request that came over a socket; in process there is none. */
interface Bindings {
  readonly incoming?: { readonly socket: { destroy(): void } }
}

/** In process, there is no socket to destroy: `fetch` is told to reject by this. */
export class ConnectionDropped extends Error {}

const NO_STORE = { 'Cache-Control': 'no-store' }
const MAX_BODY_BYTES = 64 * 1024

/**
 * The endpoints, below the path of the issuer's identifier. The metadata's well-known segment goes before that
 * path (RFC 8414 §3.1).
 */
export function createApp(state: IssuerState, path: string): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>()
  type IssuerContext = Context<{ Bindings: Bindings }>

  /** Counts the request and lets a fault take the place of the work. */
  const serve =
    (endpoint: Endpoint, work: (request: Request) => Promise<Response> | Response) =>
    async (context: IssuerContext): Promise<Response> => {
      const request = context.req.raw
      state.record(endpoint)
      const outcome = await state.faults.apply(endpoint, request.signal)
      if (outcome.kind === 'answer') return outcome.response
      if (outcome.kind === 'drop') {
        if (!context.env.incoming) throw new ConnectionDropped()
        context.env.incoming.socket.destroy()
        return RESPONSE_ALREADY_SENT
      }
      const response = await work(request)
      for (const [name, value] of Object.entries(outcome.headers)) response.headers.set(name, value)
      return response
    }

  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES }))

  app.get(
    `/.well-known/oauth-authorization-server${path}`,
    serve('metadata', () => Response.json(metadata(state))),
  )

  app.get(
    `${path}/v2/oauth/jwks`,
    serve('jwks', () => Response.json(state.jwks())),
  )

  app.post(
    `${path}/v2/oauth/token`,
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
        { access_token: token, token_type: 'Bearer', expires_in: expiresInSeconds, scope: scopes.join(' ') },
        { headers: NO_STORE },
      )
    }),
  )

  app.post(
    `${path}/v2/oauth/introspect`,
    serve('introspection', async (request) => {
      const parameters = await readParameters(request)
      authenticateClient(request.headers.get('authorization'), parameters, state.clients)
      const token = parameters.get('token')
      if (token === undefined) throw new OAuthError('invalid_request', 'The parameter token is missing')
      return Response.json(introspection(await state.activeClaims(token)), { headers: NO_STORE })
    }),
  )

  app.onError((error) => {
    if (error instanceof OAuthError)
      return Response.json(
        { error: error.error, error_description: error.message },
        {
          status: error.status,
          headers:
            error.status === 401 ? { ...NO_STORE, 'WWW-Authenticate': 'Basic realm="oauth"' } : NO_STORE,
        },
      )
    throw error
  })
  return app
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
