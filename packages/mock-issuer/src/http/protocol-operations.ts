import type { Client } from '../protocol/client.js'
import { parseRegistration } from '../protocol/client-metadata.js'
import type { Parameters } from '../protocol/parameters.js'
import { AuthorizationPageError, OAuthError } from '../protocol/refusals.js'
import { consentPage, toResponse } from './consent-page.js'
import { authenticateClient, checkApiKey, hasApiKey } from './credentials.js'
import { parseDecision } from './decision.js'
import { introspectionResponse, resourceMetadata, serverMetadata, tokenEndpoint } from './documents.js'
import { type IssuerState, json, type Operation } from './operation.js'
import { readJsonObject, readParameters } from './request-body.js'
import { describeScope } from './scope-descriptions.js'
import { exchangeGrant } from './token-endpoint.js'

const CONSENT_PATH = '/v2/oauth/consent'

/**
 * The operations of the OAuth protocols.
 *
 * @param path the path of the issuer identifier, which stands before the path of each operation
 */
export function protocolOperations(state: IssuerState, path: string): readonly Operation[] {
  const { clients, authorization, account } = state

  const authenticateRegistered = (request: Request, parameters: Parameters): Client =>
    authenticateClient(request.headers.get('authorization'), parameters, (id) => clients.get(id))

  return [
    {
      endpoint: 'metadata',
      method: 'get',
      paths: wellKnown('oauth-authorization-server'),
      crossOrigin: true,
      work: () => document(serverMetadata(state.issuer(), state.scopes, state.mcp, state.dpop !== undefined)),
    },
    {
      endpoint: 'protectedResource',
      method: 'get',
      paths: wellKnown('oauth-protected-resource'),
      crossOrigin: true,
      work: () => document(resourceMetadata(state.issuer())),
    },
    {
      endpoint: 'authorize',
      method: 'get',
      paths: ['/v2/oauth/authorize'],
      work: async ({ query }) => {
        const outcome = await authorization.begin(query)
        return outcome.kind === 'redirect'
          ? redirect(outcome.location)
          : toResponse(consentPage(outcome.request, outcome.consentToken, path + CONSENT_PATH))
      },
    },
    {
      endpoint: 'consent',
      method: 'get',
      paths: [`${CONSENT_PATH}/:id`],
      work: ({ request, id }) => {
        checkApiKey(request, state.apiKey)
        const { client, redirectUri, scopes } = authorization.pending(id)
        const data = {
          client_id: client.clientId,
          name: client.name,
          logo_uri: client.logoUri ?? null,
          policy_uri: client.policyUri ?? null,
          tos_uri: client.tosUri ?? null,
          redirect_uri: redirectUri,
          requested_scopes: scopes.map(describeScope),
          verified: client.verified,
        }
        return json({ data })
      },
    },
    {
      endpoint: 'createGrant',
      method: 'post',
      paths: ['/v2/oauth/grants'],
      work: async ({ request }) => {
        checkApiKey(request, state.apiKey)
        const { consent_token, allowed } = parseDecision(await readJsonObject(request, 422))
        return json({ redirect_uri: authorization.decide(consent_token, allowed, account.userId) })
      },
    },
    {
      // The target of the consent page's form. Telnyx has no such operation: its page uses the session of the user.
      endpoint: 'createGrant',
      method: 'post',
      paths: [CONSENT_PATH],
      work: async ({ request }) => {
        try {
          const parameters = await readParameters(request)
          const allowed = parameters.get('decision') === 'allow'
          return redirect(
            authorization.decide(parameters.get('consent_token') ?? '', allowed, account.userId),
          )
        } catch (error) {
          if (!(error instanceof OAuthError)) throw error
          throw new AuthorizationPageError(422, 'This page was used already, or is too old.')
        }
      },
    },
    {
      endpoint: 'token',
      method: 'post',
      paths: ['/v2/oauth/token'],
      crossOrigin: true,
      work: async ({ request }) => {
        const parameters = await readParameters(request)
        // A client that is not registered names itself in the body (RFC 6749 §3.2.1).
        const named = await clients.find(parameters.get('client_id') ?? '')
        const client = authenticateClient(request.headers.get('authorization'), parameters, (id) =>
          id === named?.clientId ? named : clients.get(id),
        )
        const urls = [request.url, tokenEndpoint(state.issuer())]
        const jkt = await state.dpop?.check(request.headers.get('DPoP'), urls, client)
        const response = json(exchangeGrant(client, parameters, state, jkt))
        // RFC 9449 §8.2
        if (state.dpop?.nonce !== undefined) response.headers.set('DPoP-Nonce', state.dpop.nonce)
        return response
      },
    },
    {
      endpoint: 'introspection',
      method: 'post',
      paths: ['/v2/oauth/introspect'],
      work: async ({ request }) => {
        const parameters = await readParameters(request)
        // RFC 7662 §2.1: the caller must authenticate, and a public client has only an id, which is no secret.
        if (
          !hasApiKey(request, state.apiKey) &&
          authenticateRegistered(request, parameters).clientType === 'public'
        )
          throw new OAuthError('invalid_client', 'A public client has no credentials to ask with')
        const token = parameters.get('token')
        if (token === undefined) throw new OAuthError('invalid_request', 'The parameter token is missing')
        return json(introspectionResponse(await state.tokens.activeClaims(token)))
      },
    },
    {
      endpoint: 'jwks',
      method: 'get',
      paths: ['/v2/oauth/jwks'],
      crossOrigin: true,
      work: () => Response.json(state.tokens.jwks()),
    },
    {
      endpoint: 'registration',
      method: 'post',
      paths: ['/v2/oauth/register'],
      crossOrigin: true,
      work: async ({ request }) => {
        const document = await readJsonObject(request, 400, 'invalid_client_metadata')
        const metadata = parseRegistration(document, state.dpop !== undefined)
        const { clientId, clientSecret, createdAt } = clients.register(metadata)
        return json(
          {
            client_id: clientId,
            client_id_issued_at: Math.floor(createdAt / 1000),
            // RFC 7591 §3.2.1: required with a secret; 0 means that the secret does not expire.
            ...(clientSecret !== undefined && { client_secret: clientSecret, client_secret_expires_at: 0 }),
            ...metadata,
          },
          201,
        )
      },
    },
  ]
}

/** Below `/v2` as well, where the official SDK looks when it has a base URL. */
function wellKnown(name: string): readonly string[] {
  return [`/.well-known/${name}`, `/v2/.well-known/${name}`]
}

/** A document with the content type that Telnyx sends. */
function document(body: object): Response {
  return Response.json(body, { headers: { 'Content-Type': 'application/json; charset=utf-8' } })
}

function redirect(location: string): Response {
  return new Response(null, { status: 302, headers: { 'Cache-Control': 'no-store', Location: location } })
}
