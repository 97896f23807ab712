import { randomBytes } from 'node:crypto'
import type { Client } from '../protocol/client.js'
import { type Parameters, parametersFromForm } from '../protocol/parameters.js'
import { isThumbprint } from '../protocol/proof-key.js'
import { AuthorizationPageError, OAuthError } from '../protocol/refusals.js'
import { selectResources, selectScopes } from '../protocol/selection.js'
import { BoundedMap } from './bounded-map.js'
import type { Clients } from './clients.js'
import type { Grants } from './grants.js'

/** A valid request that waits for the user's decision (RFC 6749 §4.1.1). */
export interface AuthorizationRequest {
  readonly client: Client
  /** The host of the client's identifier, if the client is known by its metadata document; `undefined` for a registered one. */
  readonly documentHost: string | undefined
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly resources: readonly string[]
  readonly codeChallenge: string | undefined
  /** The thumbprint of the key that must redeem the code (RFC 9449 §10). */
  readonly dpopJkt: string | undefined
  readonly state: string | undefined
}

/** The result of an authorization request: a consent page for the user, or a redirect to the client with an error. */
export type AuthorizationOutcome =
  | { readonly kind: 'consent'; readonly consentToken: string; readonly request: AuthorizationRequest }
  | { readonly kind: 'redirect'; readonly location: string }

const MAX_PENDING = 10_000
const CONSENT_LIFETIME_MS = 10 * 60_000

/** The requests to the authorization endpoint, and the decisions of users. */
export class Authorization {
  readonly #pending = new BoundedMap<string, { request: AuthorizationRequest; expiresAt: number }>(
    MAX_PENDING,
  )
  readonly #clients: Clients
  readonly #grants: Grants
  readonly #iss: () => string | undefined
  readonly #now: () => number
  readonly #dpop: boolean

  /**
   * @param iss the issuer identifier that redirects name (RFC 9207 §2), or `undefined`
   * @param dpop whether codes can be bound to a key (RFC 9449 §10)
   */
  constructor(
    clients: Clients,
    grants: Grants,
    now: () => number,
    iss: () => string | undefined = () => undefined,
    dpop = false,
  ) {
    this.#clients = clients
    this.#grants = grants
    this.#iss = iss
    this.#now = now
    this.#dpop = dpop
  }

  /**
   * Checks a request and keeps it until the user decides.
   *
   * @throws {AuthorizationPageError} for an unknown client or redirect URI: the user must not be redirected there
   */
  async begin(query: URLSearchParams): Promise<AuthorizationOutcome> {
    const { parameters, client, redirectUri } = await this.#findClient(query)
    const state = parameters.get('state')
    try {
      const { clientId } = client
      const documentHost = this.#clients.get(clientId) ? undefined : new URL(clientId).host
      const dpopJkt = this.#dpop ? readDpopJkt(parameters) : undefined
      const request = {
        client,
        documentHost,
        redirectUri,
        state,
        dpopJkt,
        ...readRequest(parameters, client),
      }
      const consentToken = randomBytes(32).toString('base64url')
      this.#pending.set(consentToken, { request, expiresAt: this.#now() + CONSENT_LIFETIME_MS })
      return { kind: 'consent', consentToken, request }
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error
      const answer = { error: error.error, error_description: error.message, state, iss: this.#iss() }
      return { kind: 'redirect', location: withQuery(redirectUri, answer) }
    }
  }

  /**
   * The request that waits for a decision, with the client as it is now. A client with a metadata document is as it was:
   * the user decides about what the consent page says.
   *
   * @throws {OAuthError} 422 for a consent token that is unknown, used or expired
   */
  pending(consentToken: string): AuthorizationRequest {
    const pending = this.#pending.get(consentToken)
    const client = pending && this.#currentClient(pending.request)
    if (!client || pending.expiresAt <= this.#now() || !isStillAllowed(pending.request, client))
      throw new OAuthError('invalid_request', 'The consent token is unknown, used or expired', 422)
    const scopes = pending.request.scopes.filter((scope) => client.scopes.includes(scope))
    return { ...pending.request, client, scopes }
  }

  /**
   * Creates a grant if the user allows the request.
   *
   * @returns where the user is redirected: to the client, with a code or with `access_denied`
   * @throws {OAuthError} as `pending`
   */
  decide(consentToken: string, allowed: boolean, subject: string): string {
    const request = this.pending(consentToken)
    const { client, redirectUri, scopes, resources, codeChallenge, dpopJkt, state } = request
    this.#pending.delete(consentToken)
    const iss = this.#iss()
    if (!allowed) return withQuery(redirectUri, { error: 'access_denied', state, iss })
    const grant = this.#grants.create({ clientId: client.clientId, subject, scopes, resources })
    return withQuery(redirectUri, {
      code: this.#grants.issueCode(grant, redirectUri, codeChallenge, dpopJkt),
      state,
      iss,
    })
  }

  #currentClient({ client, documentHost }: AuthorizationRequest): Client | undefined {
    return documentHost === undefined ? this.#clients.get(client.clientId) : client
  }

  async #findClient(
    query: URLSearchParams,
  ): Promise<{ parameters: Parameters; client: Client; redirectUri: string }> {
    let parameters: Parameters
    try {
      parameters = parametersFromForm([...query])
    } catch {
      throw new AuthorizationPageError(400, 'A parameter of the request is repeated.')
    }
    const clientId = parameters.get('client_id')
    const redirectUri = parameters.get('redirect_uri')
    if (clientId === undefined) throw new AuthorizationPageError(400, 'The request does not name a client.')
    const client = await this.#clients.find(clientId).catch((error: unknown) => {
      if (!(error instanceof OAuthError)) throw error
      throw new AuthorizationPageError(400, `${error.message} (${error.error}).`)
    })
    if (!client) throw new AuthorizationPageError(404, 'The client of this request is not known.')
    if (redirectUri === undefined)
      throw new AuthorizationPageError(400, 'The request does not say where to return to.')
    if (!isRegistered(redirectUri, client))
      throw new AuthorizationPageError(422, 'The client has not registered where this request returns to.')
    return { parameters, client, redirectUri }
  }
}

/**
 * Checks the parameters whose errors are reported at the redirect URI.
 *
 * @throws {OAuthError} with a code of RFC 6749 §4.1.2.1, RFC 7636 §4.4.1 or RFC 8707 §2
 */
function readRequest(
  parameters: Parameters,
  client: Client,
): Pick<AuthorizationRequest, 'scopes' | 'resources' | 'codeChallenge'> {
  const responseType = parameters.get('response_type')
  if (responseType === undefined)
    throw new OAuthError('invalid_request', 'The parameter response_type is missing')
  if (responseType !== 'code')
    throw new OAuthError('unsupported_response_type', 'The response type is not supported')
  if (!client.grantTypes.includes('authorization_code'))
    throw new OAuthError('unauthorized_client', 'The client may not use codes')
  return {
    codeChallenge: readCodeChallenge(parameters, client),
    scopes: selectScopes(parameters.get('scope'), client.scopes),
    resources: selectResources(parameters.resources, []),
  }
}

/** RFC 9449 §10 */
function readDpopJkt(parameters: Parameters): string | undefined {
  const jkt = parameters.get('dpop_jkt')
  if (jkt !== undefined && !isThumbprint(jkt))
    throw new OAuthError('invalid_request', 'The dpop_jkt is not a SHA-256 thumbprint in base64url')
  return jkt
}

/** Whether a client that was updated since may still make the request. */
function isStillAllowed(
  { redirectUri, codeChallenge, scopes }: AuthorizationRequest,
  client: Client,
): boolean {
  const keepsScopes = scopes.length === 0 || scopes.some((scope) => client.scopes.includes(scope))
  const keepsPkce = codeChallenge !== undefined || !client.requirePkce
  return (
    client.grantTypes.includes('authorization_code') &&
    isRegistered(redirectUri, client) &&
    keepsScopes &&
    keepsPkce
  )
}

/** RFC 7636 §4.3. The method `plain`, which is also the default, protects no code, so it is refused. */
function readCodeChallenge(parameters: Parameters, client: Client): string | undefined {
  const codeChallenge = parameters.get('code_challenge')
  const method = parameters.get('code_challenge_method')
  if (codeChallenge === undefined) {
    if (client.requirePkce || client.clientType === 'public')
      throw new OAuthError('invalid_request', 'The client must use PKCE: code_challenge is missing')
    if (method !== undefined)
      throw new OAuthError('invalid_request', 'The parameter code_challenge is missing')
    return undefined
  }
  if (method !== 'S256') throw new OAuthError('invalid_request', 'The code_challenge_method must be S256')
  // RFC 7636 §4.2: a SHA-256 hash in base64url
  if (!/^[\w-]{43}$/.test(codeChallenge))
    throw new OAuthError('invalid_request', 'The code_challenge is not a SHA-256 hash in base64url')
  return codeChallenge
}

/**
 * Compares redirect URIs as strings (RFC 6749 §3.1.2.3). Native apps listen on any free port (RFC 8252 §7.3), and many
 * of them use `localhost` (§8.3), so the port of loopback hosts is ignored.
 */
function isRegistered(redirectUri: string, client: Client): boolean {
  return client.redirectUris.some(
    (registered) => registered === redirectUri || withoutPort(registered) === withoutPort(redirectUri),
  )
}

/** An `http` URI of a loopback host without its port. Any other URI gives a symbol, which equals no other value. */
function withoutPort(uri: string): string | symbol {
  const [, host, rest] = /^(http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost))(?::\d+)?([/?].*)?$/.exec(uri) ?? []
  return host === undefined || !URL.canParse(uri) ? Symbol() : host + (rest ?? '')
}

/** Adds to the query and keeps the rest as registered: a `URL` would normalize some of it. */
function withQuery(uri: string, members: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(members)) if (value !== undefined) query.set(name, value)
  const separator = !uri.includes('?') ? '?' : /[?&]$/.test(uri) ? '' : '&'
  return `${uri}${separator}${query}`
}
