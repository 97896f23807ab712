import type { Clock } from '../../base/clock.js'
import { isJsonObject } from '../../base/json.js'
import { ownMembers } from '../../base/own-members.js'
import { differOnlyByASlash, isSecureUrlOf } from '../../base/url.js'
import { UnavailableError } from '../../errors/errors.js'
import { type IssuerFailureReason, invalidDocument, quote } from '../../errors/issuer-failure.js'
import { lifetimeOf } from '../http/cache-control.js'
import { CachedDocument, type Loaded } from '../http/cached-document.js'
import type { Deadline } from '../http/deadline.js'
import type { HttpLimits, JsonResponse } from '../http/http-json.js'
import type { IssuerClient } from '../http/issuer-client.js'
import { publishFailedRefresh, unavailable } from '../http/unavailable.js'

/** The members of the metadata document that are used (RFC 8414 §2); one that cannot be used is left out. */
export interface AuthorizationServerMetadata {
  readonly jwksUri?: string | undefined
  readonly introspectionEndpoint?: string | undefined
}

/** Where an issuer's endpoints are, as far as it is not to be discovered. */
export interface KnownEndpoints extends AuthorizationServerMetadata {
  /** The whole document: then none is fetched. */
  readonly metadata?: AuthorizationServerMetadata | undefined
}

/** What an issuer's documents are fetched with. */
export interface IssuerAccess {
  readonly client: IssuerClient
  readonly limits: HttpLimits
  readonly clock: Clock
  /** How long documents are used past their lifetime while the issuer cannot be asked. */
  readonly maxStaleMs: number
}

/** Metadata hardly ever changes; without a `max-age` it is asked for again once an hour. */
const DEFAULT_LIFETIME_MS = 60 * 60_000
/** Half of what the keys have, so that there is time to ask for these as well. */
const PATIENCE_MS = 500
/** Metadata that are younger are not asked for again because something in them does not work. */
const TRUSTED_FOR_MS = 60_000

/**
 * The URL of an issuer's metadata: the well-known segment goes between the host and the path, after a slash
 * that ends the path was removed (RFC 8414 §3.1). On the string, because a round trip through `URL` would
 * normalise the identifier.
 */
export function metadataUrl(issuer: string): string {
  const [, origin = '', path = ''] = /^([^/]+\/\/[^/]+)(.*)$/s.exec(issuer) ?? []
  return `${origin}/.well-known/oauth-authorization-server${path.replace(/\/$/, '')}`
}

/**
 * The URL of the OpenID Connect discovery document: the well-known segment is appended to the path, after a slash that ends it
 * was removed (OpenID Connect Discovery 1.0 §4). On the string, for the same reason.
 */
export function openIdConfigurationUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}

/** An issuer's metadata: discovered, checked and cached. */
export class IssuerMetadata {
  readonly issuer: string
  readonly document: CachedDocument<AuthorizationServerMetadata>
  readonly #known: KnownEndpoints
  readonly #access: IssuerAccess
  /** Where the metadata were, and their entity tag: it belongs to that place alone. */
  #source: { readonly url: string; readonly etag: string | undefined } | undefined

  /** @param needsKeys whether the metadata are of no use without the place of the keys */
  constructor(issuer: string, known: KnownEndpoints, needsKeys: boolean, access: IssuerAccess) {
    this.issuer = issuer
    this.#known = known
    this.#access = access
    const { client, limits, clock, maxStaleMs } = access
    this.document = new CachedDocument({
      clock,
      timeoutMs: limits.timeoutMs,
      maxStaleMs,
      patienceMs: PATIENCE_MS,
      waitMs: () => client.waitMs,
      load: (deadline) => this.#load(needsKeys && known.jwksUri === undefined, deadline),
      failed: (error) =>
        publishFailedRefresh(issuer, 'metadata', 'ERR_DISCOVERY_FAILED', error, this.document.pauseMs),
    })
  }

  /** Milliseconds until it may be asked where the keys are; 0 when that is known. */
  get keysWaitMs(): number {
    return this.#known.jwksUri !== undefined || this.document.usable ? 0 : this.document.pauseMs
  }

  /**
   * Where the keys are.
   *
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`
   */
  async jwksUri(deadline: Deadline): Promise<string> {
    const uri = this.#known.jwksUri ?? (await this.#metadata(deadline)).jwksUri
    // It was made sure of when the metadata were validated.
    if (uri === undefined) throw new TypeError('The metadata were accepted without a "jwks_uri"')
    return uri
  }

  /**
   * Where tokens are introspected.
   *
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`, `ERR_INTROSPECTION_UNAVAILABLE`
   */
  async introspectionEndpoint(deadline: Deadline): Promise<string> {
    const endpoint =
      this.#known.introspectionEndpoint ??
      (await this.#metadata(deadline)).introspectionEndpoint ??
      (await this.#newerMetadata(deadline))?.introspectionEndpoint
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

  /** Where the keys are now, for when they are not where they were: `before` when nothing newer is to be had. */
  async rediscoverJwksUri(before: string, deadline?: Deadline): Promise<string> {
    const atHand = this.cachedJwksUri(before)
    if (atHand !== undefined) return atHand
    const metadata = (await this.#newerMetadata(deadline)) ?? this.document.value
    return metadata?.jwksUri ?? before
  }

  /** The same from what is at hand; `undefined` where newer metadata are to be asked for. */
  cachedJwksUri(before: string): string | undefined {
    if (this.#known.jwksUri !== undefined) return this.#known.jwksUri
    return this.#isTrusted ? (this.document.value?.jwksUri ?? before) : undefined
  }

  /** The same for introspection. */
  async rediscoverIntrospectionEndpoint(before: string, deadline: Deadline): Promise<string> {
    if (this.#known.introspectionEndpoint !== undefined) return before
    const metadata = (await this.#newerMetadata(deadline)) ?? this.document.value
    return metadata?.introspectionEndpoint ?? before
  }

  /** Whether metadata are not asked for again because something in them does not work. */
  get #isTrusted(): boolean {
    return this.#known.metadata !== undefined || (this.document.ageMs ?? 0) <= TRUSTED_FOR_MS
  }

  /** Metadata that were asked for just now, because something in the others does not work. */
  async #newerMetadata(deadline?: Deadline): Promise<AuthorizationServerMetadata | undefined> {
    const { document } = this
    if (this.#isTrusted) return undefined
    // The failure to be told of is the one that led here. Without time left, the next to ask is the one that profits.
    const isOver = deadline?.isOver ?? false
    const refreshed = document.refresh(isOver ? undefined : deadline).catch(() => undefined)
    return isOver ? undefined : refreshed
  }

  async #metadata(deadline: Deadline): Promise<AuthorizationServerMetadata> {
    if (this.#known.metadata) return this.#known.metadata
    try {
      return await this.document.get(deadline)
    } catch (cause) {
      throw unavailable('ERR_DISCOVERY_FAILED', cause, this.document.pauseMs)
    }
  }

  /** D5: from RFC 8414's URL, or from that of OpenID Connect where it is not there: first where it was the last time. */
  async #load(needsKeys: boolean, deadline: Deadline): Promise<Loaded<AuthorizationServerMetadata>> {
    const { document, issuer } = this
    const { client } = this.#access
    const { url: last, etag } = this.#source ?? {}
    const urls = [metadataUrl(issuer), openIdConfigurationUrl(issuer)]
    urls.sort((a, b) => Number(b === last) - Number(a === last))
    const requests = urls.map((url) => ({
      url,
      headers: conditionalHeaders('application/json', document.value && url === last ? etag : undefined),
    }))
    const { answer, place } = await client.getFirst(requests, deadline)
    const lifetimeMs = lifetimeOf(answer, DEFAULT_LIFETIME_MS)
    if (answer.value === undefined && document.value) return { value: document.value, lifetimeMs }
    const checked = validateMetadata(answer.value, issuer, needsKeys, (url) => isSecureUrlOf(issuer, url))
    if (checked.flaw !== undefined) {
      const { flaw, reason, explanation } = checked
      const failure = invalidDocument(flaw, issuer, answer.durationMs, reason, explanation)
      failure.attempts += place
      throw client.reject(failure)
    }
    this.#source = { url: urls[place] ?? metadataUrl(issuer), etag: etagOf(answer) }
    return { value: checked.metadata, lifetimeMs }
  }
}

/** What is used of a metadata document, or what is wrong with it. */
export type CheckedMetadata =
  | { readonly metadata: AuthorizationServerMetadata; readonly flaw: undefined }
  | { readonly flaw: string; readonly reason: IssuerFailureReason; readonly explanation: string | undefined }

/**
 * Checks a metadata document.
 *
 * @param needsKeys whether it must say where the keys are
 * @param isUsable whether a URL that it names may be used
 */
export function validateMetadata(
  value: unknown,
  issuer: string,
  needsKeys: boolean,
  isUsable: (url: unknown) => url is string,
): CheckedMetadata {
  const invalid = (flaw: string, reason: IssuerFailureReason = 'invalid-document') => ({
    flaw,
    reason,
    explanation: undefined,
  })
  if (!isJsonObject(value)) return invalid('The metadata are not a JSON object')
  const document = ownMembers(value)
  if (typeof document.issuer !== 'string') return invalid('The metadata have no "issuer" that is a string')
  // RFC 8414 §3.3: identical to the identifier that was asked for, or nothing in the document is used.
  if (document.issuer !== issuer) {
    const names = `${quote(issuer)} was asked, and the metadata are of ${quote(document.issuer)}`
    const flaw = 'The "issuer" of the metadata is not the one that was asked'
    return differOnlyByASlash(document.issuer, issuer)
      ? {
          flaw: `${flaw}: they differ by a slash at the end`,
          reason: 'issuer-trailing-slash',
          explanation: `${names}: they differ by a slash at the end`,
        }
      : { flaw, reason: 'issuer-mismatch', explanation: names }
  }
  const { jwks_uri: jwksUri, introspection_endpoint: endpoint } = document
  if (needsKeys && typeof jwksUri !== 'string')
    return invalid('The metadata have no "jwks_uri"', 'jwks-uri-missing')
  if (needsKeys && !isUsable(jwksUri))
    return invalid(
      'The "jwks_uri" of the metadata is not an https URL (http for an issuer on a loopback host only)',
      'jwks-uri-insecure',
    )
  return {
    flaw: undefined,
    metadata: {
      jwksUri: isUsable(jwksUri) ? jwksUri : undefined,
      introspectionEndpoint: isUsable(endpoint) ? endpoint : undefined,
    },
  }
}

/** An entity tag that can be sent back as it came (RFC 9110 §8.8.3). */
export function etagOf({ etag }: JsonResponse): string | undefined {
  return etag !== null && /^(W\/)?"[\x21\x23-\x7e]{0,256}"$/.test(etag) ? etag : undefined
}

/** The headers of a request that is content with hearing that a document is still the same (RFC 9110 §13.1.2). */
export function conditionalHeaders(accept: string, etag: string | undefined): Record<string, string> {
  if (etag === undefined) return { accept }
  // Else the `fetch` of Node sends `no-cache`, for which some servers answer with the whole document in any case.
  return { accept, 'if-none-match': etag, 'cache-control': 'max-age=0' }
}
