import type { Client } from '../protocol/client.js'
import {
  documentError,
  isDocumentUrl,
  isLoopback,
  looksLikeDocumentUrl,
  parseClientDocument,
} from '../protocol/client-document.js'
import { BoundedMap } from './bounded-map.js'
import { createClient } from './create-client.js'

/** A document that was fetched, and for how long its headers allow to keep it. */
export interface FetchedDocument {
  readonly value: unknown
  readonly lifetimeSeconds: number
}

/** What the clients with documents depend on. */
export interface DocumentSource {
  /** @throws {OAuthError} `invalid_client` when there is no complete response with status 200 and JSON within the limits */
  fetchDocument(url: string): Promise<FetchedDocument>
  /** Whether other machines cannot reach this issuer. Otherwise they could direct requests into this machine. */
  isLocal(): boolean
  readonly now: () => number
  /** All scopes of the issuer. */
  readonly scopes: readonly string[]
}

const MAX_DOCUMENTS = 1000
const MAX_LIFETIME_SECONDS = 3600

/** The clients that are known by their metadata documents, for as long as the documents may be kept (CIMD §4.4). */
export class ClientDocuments {
  readonly #source: DocumentSource
  readonly #clients = new BoundedMap<string, { client: Client; fetchedAt: number; expiresAt: number }>(
    MAX_DOCUMENTS,
  )
  /** Requests for the same document at the same time share one fetch. */
  readonly #fetches = new Map<string, Promise<Client>>()

  constructor(source: DocumentSource) {
    this.#source = source
  }

  /** Whether a client with this identifier can exist: the URL says so, and no request is made. */
  mayHave(clientId: string): boolean {
    return isDocumentUrl(clientId)
  }

  /**
   * The client with this identifier, by its document as it is now, or as it was kept.
   *
   * @returns `undefined` for an identifier that is no URL
   * @throws {OAuthError} `invalid_client` for a URL that no document may have, and for a document that is not valid
   */
  async find(clientId: string): Promise<Client | undefined> {
    if (!looksLikeDocumentUrl(clientId)) return undefined
    if (!isDocumentUrl(clientId) || (isLoopback(clientId) && !this.#source.isLocal()))
      throw documentError('has a URL that it must not have')
    const now = this.#source.now()
    const kept = this.#clients.get(clientId)
    // A clock that was set back makes no document live longer.
    if (kept && kept.fetchedAt <= now && now < kept.expiresAt) return kept.client
    this.#clients.delete(clientId)
    const running = this.#fetches.get(clientId)
    if (running) return running
    const fetch = this.#fetch(clientId).finally(() => this.#fetches.delete(clientId))
    this.#fetches.set(clientId, fetch)
    return fetch
  }

  /** Documents that are not valid are not kept, nor are failures. */
  async #fetch(clientId: string): Promise<Client> {
    const { now, scopes } = this.#source
    const fetchedAt = now()
    const { value, lifetimeSeconds } = await this.#source.fetchDocument(clientId)
    const client = createClient(parseClientDocument(clientId, value), scopes, fetchedAt)
    const lifetime = Math.min(lifetimeSeconds, MAX_LIFETIME_SECONDS)
    if (lifetime > 0)
      this.#clients.set(clientId, { client, fetchedAt, expiresAt: fetchedAt + lifetime * 1000 })
    return client
  }
}
