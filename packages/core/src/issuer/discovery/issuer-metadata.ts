import type { Clock } from '../../base/clock.js'
import type { Deadline } from '../../base/deadline.js'
import { isSecureUrlOf } from '../../base/url.js'
import { ConfigurationError, UnavailableError } from '../../errors/errors.js'
import { invalidDocument } from '../../errors/issuer-failure.js'
import { lifetimeOf } from '../http/cache-control.js'
import { CachedDocument, type Fetched } from '../http/cached-document.js'
import { conditionalHeaders, etagOf } from '../http/conditional-request.js'
import type { HttpLimits } from '../http/http-json.js'
import type { IssuerClient } from '../http/issuer-client.js'
import { publishFailedRefresh, unavailable } from '../http/unavailable.js'
import {
  type AuthorizationServerMetadata,
  isForClients,
  metadataUrl,
  openIdConfigurationUrl,
  validateMetadata,
} from './metadata-document.js'

/** The endpoints that the options name. Only the others are discovered. */
export interface KnownEndpoints extends Omit<AuthorizationServerMetadata, 'document'> {
  /** The members of a whole document: then none is fetched. */
  readonly metadata?: AuthorizationServerMetadata | undefined
}

/** What fetching an issuer's documents needs. */
export interface IssuerAccess {
  readonly client: IssuerClient
  readonly limits: HttpLimits
  readonly clock: Clock
  /** How long documents are used past their lifetime while they cannot be refreshed. */
  readonly maxStaleMs: number
}

/** The lifetime of metadata without a `max-age`. They rarely change. */
const DEFAULT_LIFETIME_MS = 60 * 60_000
/** How long a request waits for a refresh before stale metadata are used: half as long as for keys, which may come next. */
const STALE_WAIT_MS = 500
/** The shortest time between two discoveries that are made because an endpoint does not work. */
const MIN_REDISCOVERY_INTERVAL_MS = 60_000

/** An issuer's metadata: discovered, validated and cached. */
export class IssuerMetadata {
  readonly issuer: string
  readonly document: CachedDocument<AuthorizationServerMetadata>
  readonly #known: KnownEndpoints
  readonly #access: IssuerAccess
  /** Whether the keys cannot be found without these metadata. */
  readonly #needsKeys: boolean
  /** The URL of the cached metadata, and their entity tag, which is valid at this URL only. */
  #source: { readonly url: string; readonly etag: string | undefined } | undefined

  /** @param needsKeys whether metadata without a `jwks_uri` are an error */
  constructor(issuer: string, known: KnownEndpoints, needsKeys: boolean, access: IssuerAccess) {
    this.issuer = issuer
    this.#known = known
    this.#access = access
    this.#needsKeys = needsKeys && known.jwksUri === undefined
    const { client, limits, clock, maxStaleMs } = access
    this.document = new CachedDocument({
      clock,
      timeoutMs: limits.timeoutMs,
      maxStaleMs,
      staleWaitMs: STALE_WAIT_MS,
      waitMs: () => client.waitMs,
      fetch: (deadline) => this.#fetch(deadline),
      failed: (error) =>
        publishFailedRefresh(issuer, 'metadata', 'ERR_DISCOVERY_FAILED', error, this.document.pauseMs),
    })
  }

  /** Milliseconds until the `jwks_uri` may be discovered; 0 when it is known or may be discovered now. */
  get keysWaitMs(): number {
    return this.#known.jwksUri !== undefined || this.document.usable ? 0 : this.document.pauseMs
  }

  /**
   * The URL of the keys.
   *
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`
   */
  async jwksUri(deadline: Deadline): Promise<string> {
    const uri = this.#known.jwksUri ?? (await this.#metadata(deadline)).jwksUri
    // The validation of the metadata has excluded this.
    if (uri === undefined) throw new TypeError('The metadata were accepted without a "jwks_uri"')
    return uri
  }

  /**
   * The URL of the introspection endpoint.
   *
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`, `ERR_INTROSPECTION_UNAVAILABLE`
   */
  async introspectionEndpoint(deadline: Deadline): Promise<string> {
    const endpoint =
      this.#known.introspectionEndpoint ??
      (await this.#metadata(deadline)).introspectionEndpoint ??
      (await this.#rediscover(deadline))?.introspectionEndpoint
    if (endpoint !== undefined) return endpoint
    throw new UnavailableError('ERR_INTROSPECTION_UNAVAILABLE', {
      retryAfterSeconds: 60,
      reason: 'introspection-endpoint-missing',
      cause: invalidDocument(
        'The metadata have no "introspection_endpoint" that is an https URL',
        this.issuer,
      ),
    })
  }

  /**
   * The URL of the keys, from metadata that are fetched again unless they are recent. For keys that may have moved.
   *
   * @param previous the URL that is in use; also the result where discovery fails
   */
  async rediscoverJwksUri(previous: string, deadline?: Deadline): Promise<string> {
    const cached = this.cachedJwksUri(previous)
    if (cached !== undefined) return cached
    const metadata = (await this.#rediscover(deadline)) ?? this.document.value
    return metadata?.jwksUri ?? previous
  }

  /** As {@link rediscoverJwksUri}, without a request; `undefined` where the metadata would have to be fetched again. */
  cachedJwksUri(previous: string): string | undefined {
    if (this.#known.jwksUri !== undefined) return this.#known.jwksUri
    return this.#isRecentlyFetched ? (this.document.value?.jwksUri ?? previous) : undefined
  }

  /** As {@link rediscoverJwksUri}, for the introspection endpoint. */
  async rediscoverIntrospectionEndpoint(previous: string, deadline: Deadline): Promise<string> {
    if (this.#known.introspectionEndpoint !== undefined) return previous
    const metadata = (await this.#rediscover(deadline)) ?? this.document.value
    return metadata?.introspectionEndpoint ?? previous
  }

  /**
   * Checks that the document can be shown to clients.
   *
   * @throws {ConfigurationError}
   */
  checkPublishable(): void {
    const { metadata } = this.#known
    // Callers need no token to ask for the document: they must not cause requests that no token would cause.
    if (metadata ? !isForClients(metadata) : !this.#needsKeys)
      throw new ConfigurationError(
        'Option "authorizationServer" needs a whole document in the option "metadata", with "authorization_endpoint", "token_endpoint" and "response_types_supported", because the options replace discovery',
      )
  }

  /**
   * The document for clients, as it was published.
   *
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`
   */
  async publishedDocument(): Promise<Readonly<Record<string, unknown>>> {
    const { document } = await this.#metadata()
    return document
  }

  /** Whether the metadata are too recent to be fetched again. Metadata from the options always are. */
  get #isRecentlyFetched(): boolean {
    return this.#known.metadata !== undefined || (this.document.ageMs ?? 0) <= MIN_REDISCOVERY_INTERVAL_MS
  }

  /** Fetches the metadata again, unless they are recent; `undefined` where that was not possible. */
  async #rediscover(deadline?: Deadline): Promise<AuthorizationServerMetadata | undefined> {
    const { document } = this
    if (this.#isRecentlyFetched) return undefined
    // After the deadline the refresh runs in the background, for the next request. Callers report the failure that made
    // them rediscover, so a failure of the refresh is dropped.
    const isOver = deadline?.isOver ?? false
    const refreshed = document.refresh(isOver ? undefined : deadline).catch(() => undefined)
    return isOver ? undefined : refreshed
  }

  async #metadata(deadline?: Deadline): Promise<AuthorizationServerMetadata> {
    if (this.#known.metadata) return this.#known.metadata
    try {
      return await this.document.get(deadline)
    } catch (cause) {
      throw unavailable('ERR_DISCOVERY_FAILED', cause, this.document.pauseMs)
    }
  }

  /**
   * D5: fetches the metadata from RFC 8414's URL, or from OpenID Connect's where the first answers 404. Begins with the one
   * that had them the last time.
   */
  async #fetch(deadline: Deadline): Promise<Fetched<AuthorizationServerMetadata>> {
    const { document, issuer } = this
    const { client } = this.#access
    const { url: lastUrl, etag } = this.#source ?? {}
    const urls = [metadataUrl(issuer), openIdConfigurationUrl(issuer)]
    urls.sort((a, b) => Number(b === lastUrl) - Number(a === lastUrl))
    const requests = urls.map((url) => ({
      url,
      headers: conditionalHeaders('application/json', document.value && url === lastUrl ? etag : undefined),
    }))
    const { response, index } = await client.getFirst(requests, deadline)
    const lifetimeMs = lifetimeOf(response, DEFAULT_LIFETIME_MS)
    if (response.value === undefined && document.value) return { value: document.value, lifetimeMs }
    const validated = validateMetadata(response.value, issuer, this.#needsKeys, (url) =>
      isSecureUrlOf(issuer, url),
    )
    if (validated.flaw !== undefined) {
      const { flaw, reason, explanation } = validated
      const failure = invalidDocument(flaw, issuer, response.durationMs, reason, explanation)
      failure.attempts += index
      throw client.reject(failure, response)
    }
    this.#source = { url: urls[index] ?? metadataUrl(issuer), etag: etagOf(response) }
    return { value: validated.metadata, lifetimeMs }
  }
}
