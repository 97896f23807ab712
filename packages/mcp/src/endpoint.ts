import {
  type Auth,
  type AuthenticatableRequest,
  ConfigurationError,
  isTelnyxAuthError,
} from '@telnyx-auth/core'
import {
  type Answer,
  type Authenticator,
  type Authorize,
  type Awaitable,
  createAuthenticator,
  createGuards,
  type Decision,
  isPreflight,
  type RequestHandle,
  requestedUrl,
} from '@telnyx-auth/core/adapter'
import { type AuthInfo, toAuthInfo } from './auth-info.js'
import { type BodyResult, refuseBody, scopesNeeded } from './body.js'
import { Cors, type HeaderTarget } from './cors.js'
import { EndpointPath, pathOf } from './endpoint-path.js'
import { type ResolvedEndpoint, resolveEndpoint } from './options.js'
import { headerOf, isWebRequest, saysJson } from './request-headers.js'
import { rememberGuarded, warnIfMcp } from './unguarded.js'

/** What a request is for: the metadata of the resource, those of the issuer, or the endpoint. */
export type Purpose = 'metadata' | 'issuerMetadata' | 'endpoint'

/** Where the middleware stands, as far as the framework tells. With every member: none may come from a polluted prototype. */
export interface Place {
  /** The URL by which the framework routes the request, where it may be another one than in the request. */
  readonly url: string | undefined
  /** The object by which every guard of the framework knows the request. */
  readonly requestKey: object
  /** Whether the middleware is part of an application or a router that is mounted below some path. */
  readonly isMounted: boolean
  /** Whether the middleware is part of a route. Then it guards the route with any path. */
  readonly isInRoute: boolean
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'
/** RFC 8414 §3, at the authorization base URL of MCP 2025-03-26: the URL of the MCP server without its path. */
const ISSUER_METADATA = '/.well-known/oauth-authorization-server'

/** Methods whose bodies no transport reads. */
const WITHOUT_BODY: readonly string[] = ['GET', 'HEAD', 'DELETE', 'OPTIONS']

/** A guard as a function. */
const guards = createGuards<Authorize>((authorize) => authorize)

/** An MCP endpoint: decides about each of its requests. Each framework's `mcpAuth()` is written on top of it. */
export class McpEndpoint {
  readonly #authenticator: Authenticator
  readonly #options: ResolvedEndpoint
  readonly #cors: Cors
  readonly #path: string
  readonly #endpointPath: EndpointPath
  readonly #metadataPaths: ReadonlySet<string>
  /** Absent unless the option `authorizationServer` is set. */
  readonly #issuerMetadata: ReturnType<Authenticator['issuerMetadata']> | undefined

  /** @throws {ConfigurationError} */
  constructor(options: unknown) {
    const { endpoint, others } = resolveEndpoint(options)
    this.#options = endpoint
    this.#authenticator = createAuthenticator(others, {}, { slashAfterHost: true, loopbackResource: true })
    this.#cors = new Cors(endpoint.cors)
    this.#issuerMetadata = endpoint.authorizationServer ? this.#authenticator.issuerMetadata() : undefined
    const { resource } = this.#authenticator
    const path = endpoint.path ?? (resource && pathOf(resource.document.resource))
    if (path === undefined)
      throw new ConfigurationError(
        'The path of the MCP endpoint is not known: set the option "audience" to the URL of this server (https; http on a loopback host only), or "protectedResource.resource", or "path"',
      )
    this.#path = path
    this.#endpointPath = new EndpointPath(path)
    // The root is where clients look that read no challenge. Behind a proxy, the path here may be another one than outside.
    const own = resource ? ['', resource.path.slice(WELL_KNOWN.length), path === '/' ? '' : path] : []
    this.#metadataPaths = new Set(own.map((each) => withoutSlash(`${WELL_KNOWN}${each}`)))
  }

  get maxBodyBytes(): number {
    return this.#options.maxBodyBytes
  }

  /** What a request is for; `undefined` when it is neither for the endpoint nor for its metadata. */
  purposeOf(request: AuthenticatableRequest, place: Place): Purpose | undefined {
    const purpose = this.#purposeOf(request, place)
    if (purpose === 'endpoint') rememberGuarded(place.requestKey)
    else if (!purpose) warnIfMcp(request, place.requestKey, this.#path)
    return purpose
  }

  #purposeOf(request: AuthenticatableRequest, place: Place): Purpose | undefined {
    const asked = requestedUrl(request)
    const { method } = request
    if (method === 'GET' || method === 'HEAD' || isPreflight(request)) {
      const path = withoutSlash(pathOf(asked ?? ''))
      if (this.#metadataPaths.has(path)) return 'metadata'
      if (this.#issuerMetadata && path === ISSUER_METADATA) return 'issuerMetadata'
    }
    if (place.isInRoute) return 'endpoint'
    // Middleware may have changed the URL before the framework routes the request.
    for (const url of new Set([asked, request.url, place.url]))
      if (url !== undefined && this.#endpointPath.leadsHere(url, place.isMounted)) return 'endpoint'
    return undefined
  }

  /**
   * Whether the body of a request is read before it may run: JSON, which is all that the transports of the SDK take. With every method
   * that can have a body, because middleware that runs later may change the method to `POST`.
   */
  readsBody(request: AuthenticatableRequest): boolean {
    return (
      this.#options.scopesOf !== undefined &&
      !WITHOUT_BODY.includes(request.method ?? 'GET') &&
      saysJson(request)
    )
  }

  /**
   * Decides about a request.
   *
   * @param readBody reads the body, and keeps it for the transport
   * @returns the answer to write, or `undefined` to continue
   */
  decide(
    purpose: Purpose,
    handle: RequestHandle,
    request: AuthenticatableRequest,
    readBody: () => Promise<BodyResult>,
  ): Awaitable<Decision> {
    if (purpose !== 'endpoint') return this.respondWithDocument(purpose, handle, request)
    return (
      this.respondToPreflight(request) ??
      (this.readsBody(request)
        ? this.#decideWithBody(handle, request, readBody)
        : this.authenticate(handle, request))
    )
  }

  /** The metadata that the request is for. */
  respondWithDocument(
    purpose: Exclude<Purpose, 'endpoint'>,
    handle: RequestHandle,
    request: AuthenticatableRequest,
  ): Awaitable<Decision> {
    return purpose === 'metadata'
      ? this.#respondWithMetadata(request)
      : this.#issuerMetadata?.(handle, request)
  }

  /** The metadata of the resource, at any of their URLs. */
  #respondWithMetadata(request: AuthenticatableRequest): Decision {
    const { resource } = this.#authenticator
    const { method } = request
    const url = resource?.url
    const response = isWebRequest(request)
      ? resource?.respond({ headers: request.headers, method, url })
      : resource?.respond({ headers: request.headers, method, url })
    return response && { ...response, body: response.body && JSON.stringify(response.body) }
  }

  /** The answer to a preflight request of the endpoint, which has no token. */
  respondToPreflight(request: AuthenticatableRequest): Decision {
    return isPreflight(request) ? this.#cors.preflight(headerOf(request, 'origin')) : undefined
  }

  authenticate(handle: RequestHandle, request: AuthenticatableRequest): Awaitable<Decision> {
    return this.#authenticator.authenticate(handle, request)
  }

  /** Refuses a request whose messages need scopes that the token lacks. */
  async authorize(
    handle: RequestHandle,
    request: AuthenticatableRequest,
    body: BodyResult,
  ): Promise<Decision> {
    const { scopesOf, maxBodyBytes } = this.#options
    if (!scopesOf) return undefined
    const isHttp1 = 'httpVersionMajor' in request && request.httpVersionMajor === 1
    const refusal = refuseBody(body, maxBodyBytes, isHttp1)
    if (refusal || typeof body === 'string') return refusal
    const [first, ...others] = await scopesNeeded(body.value, scopesOf)
    return first === undefined ? undefined : guards.requireScopes(first, ...others)(handle)
  }

  async #decideWithBody(
    handle: RequestHandle,
    request: AuthenticatableRequest,
    readBody: () => Promise<BodyResult>,
  ): Promise<Decision> {
    const outcome = await settled(() => this.authenticate(handle, request))
    if (!isForOperation(outcome)) return unwrap(outcome)
    // A token that lacks scopes of the endpoint is told about those of the tool as well: then one new token is enough.
    return (await this.authorize(handle, request, await readBody())) ?? unwrap(outcome)
  }

  /** The scopes that a challenge names in place of the required ones. */
  challengeScopes(error: Error): readonly string[] | undefined {
    return isTelnyxAuthError(error) && error.status === 401 ? this.#options.initialScopes : undefined
  }

  /** The caller, in the form of the MCP SDK. */
  authInfoOf(auth: Auth | undefined | null): AuthInfo | undefined {
    return auth ? toAuthInfo(auth, this.#authenticator.resource) : undefined
  }

  /** The headers of {@link allowScripts}, for a response that has none yet. */
  scriptHeaders(request: AuthenticatableRequest): Record<string, string> {
    const headers = new Headers()
    this.allowScripts(request, headers)
    return Object.fromEntries(headers)
  }

  /** Lets scripts of other origins read the response of the endpoint. */
  allowScripts(request: AuthenticatableRequest, response: HeaderTarget): void {
    this.#cors.addTo(response, headerOf(request, 'origin'))
  }
}

/** An outcome that may be thrown later. */
export type Outcome = { readonly decision: Decision } | { readonly error: unknown }

export async function settled(work: () => Awaitable<Decision>): Promise<Outcome> {
  try {
    return { decision: await work() }
  } catch (error) {
    return { error }
  }
}

/** Whether the token was accepted, or lacks scopes only: then the operation decides. */
export function isForOperation(outcome: Outcome): boolean {
  if (isError(outcome)) return isTelnyxAuthError(outcome.error) && outcome.error.status === 403
  return outcome.decision === undefined || outcome.decision.status === 403
}

/** Its own member: `Object.prototype` may be polluted with one of that name. */
function isError(outcome: Outcome): outcome is Extract<Outcome, { readonly error: unknown }> {
  return Object.hasOwn(outcome, 'error')
}

export function unwrap(outcome: Outcome): Answer | undefined {
  if (isError(outcome)) throw outcome.error
  return outcome.decision
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}
