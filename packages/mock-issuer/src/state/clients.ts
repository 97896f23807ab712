import type { Client, ClientSeed } from '../protocol/client.js'
import type { ClientCreation, ClientUpdate, Registration } from '../protocol/client-metadata.js'
import { BoundedMap } from './bounded-map.js'
import type { ClientDocuments } from './client-documents.js'
import { createClient, freezeUnique } from './create-client.js'

const MAX_CLIENTS = 10_000

/** All clients of an issuer. Those of the option `clients` stay; of the others, a new one may evict the oldest. */
export class Clients {
  readonly #seeded = new Map<string, Client>()
  readonly #others = new BoundedMap<string, Client>(MAX_CLIENTS)
  readonly #scopes: readonly string[]
  readonly #documents: ClientDocuments | undefined
  readonly #now: () => number

  /**
   * @param documents with MCP: the clients that are not registered. Registered ones may then ask for scopes that they did
   * not register with
   */
  constructor(
    seeds: readonly ClientSeed[],
    scopes: readonly string[],
    now: () => number,
    documents?: ClientDocuments,
  ) {
    this.#scopes = scopes
    this.#documents = documents
    this.#now = now
    for (const seed of seeds) {
      const client = createClient(seed, this.#scopes, this.#now())
      if (this.#seeded.has(client.clientId)) throw new TypeError('Two clients have the same "clientId"')
      this.#seeded.set(client.clientId, client)
    }
  }

  /** A registered client. */
  get(clientId: string): Client | undefined {
    return this.#seeded.get(clientId) ?? this.#others.get(clientId)
  }

  /**
   * A registered client or, with MCP, one that has a metadata document. Registered clients come first (CIMD §6.10).
   *
   * @throws {OAuthError} `invalid_client` for a document that cannot be used
   */
  async find(clientId: string): Promise<Client | undefined> {
    return this.get(clientId) ?? this.#documents?.find(clientId)
  }

  /** Whether grants can be those of this client. It is registered, or it needs no registration. */
  mayHaveGrants(clientId: string): boolean {
    return this.get(clientId) !== undefined || this.#documents?.mayHave(clientId) === true
  }

  /** All registered clients. */
  list(): readonly Client[] {
    return [...this.#seeded.values(), ...this.#others.values()]
  }

  /** Dynamic client registration (RFC 7591 §3.2.1). */
  register(metadata: Registration): Client {
    return this.#add({
      name: metadata.client_name,
      clientType: metadata.token_endpoint_auth_method === 'none' ? 'public' : 'confidential',
      grantTypes: metadata.grant_types,
      // MCP clients register with the scopes of the first challenge, and may need others later.
      scopes: this.#documents ? undefined : metadata.scope?.split(' '),
      redirectUris: metadata.redirect_uris ?? [],
      dpopBoundAccessTokens: metadata.dpop_bound_access_tokens,
      logoUri: metadata.logo_uri,
      policyUri: metadata.policy_uri,
      tosUri: metadata.tos_uri,
    })
  }

  create(creation: ClientCreation): Client {
    return this.#add({
      name: creation.name,
      clientType: creation.client_type,
      grantTypes: creation.allowed_grant_types,
      scopes: creation.allowed_scopes,
      redirectUris: creation.redirect_uris ?? [],
      requirePkce: creation.require_pkce,
      logoUri: creation.logo_uri,
      policyUri: creation.policy_uri,
      tosUri: creation.tos_uri,
    })
  }

  update(client: Client, update: ClientUpdate): Client {
    const updated: Client = Object.freeze({
      ...client,
      name: update.name ?? client.name,
      scopes: update.allowed_scopes ? freezeUnique(update.allowed_scopes) : client.scopes,
      grantTypes: update.allowed_grant_types ? freezeUnique(update.allowed_grant_types) : client.grantTypes,
      redirectUris: update.redirect_uris ? freezeUnique(update.redirect_uris) : client.redirectUris,
      requirePkce: update.require_pkce ?? client.requirePkce,
      logoUri: update.logo_uri ?? client.logoUri,
      policyUri: update.policy_uri ?? client.policyUri,
      tosUri: update.tos_uri ?? client.tosUri,
      updatedAt: this.#now(),
    })
    const home = this.#seeded.has(client.clientId) ? this.#seeded : this.#others
    home.set(client.clientId, updated)
    return updated
  }

  delete({ clientId }: Client): void {
    this.#seeded.delete(clientId)
    this.#others.delete(clientId)
  }

  #add(seed: ClientSeed): Client {
    const client = createClient(seed, this.#scopes, this.#now())
    this.#others.set(client.clientId, client)
    return client
  }
}
