/** The grant types that Telnyx has (RFC 6749 §1.3). */
export type GrantType = 'authorization_code' | 'client_credentials' | 'refresh_token'

export const GRANT_TYPES: readonly GrantType[] = ['client_credentials', 'authorization_code', 'refresh_token']

/** A client as it is: what its owner, or it itself, registered. */
export interface Client {
  readonly clientId: string
  /** A public client has none (RFC 6749 §2.1). */
  readonly clientSecret: string | undefined
  readonly clientType: 'public' | 'confidential'
  /** What users are shown. */
  readonly name: string
  readonly grantTypes: readonly GrantType[]
  /** The scopes that it may ask for. */
  readonly scopes: readonly string[]
  /** Compared letter by letter, but for the port of loopback hosts (RFC 8252 §7.3). */
  readonly redirectUris: readonly string[]
  /** Whether it must use PKCE; a public client must in any case. */
  readonly requirePkce: boolean
  /** Whether users are told that it is who it says. */
  readonly verified: boolean
  readonly logoUri: string | undefined
  readonly policyUri: string | undefined
  readonly tosUri: string | undefined
  /** In milliseconds since the epoch. */
  readonly createdAt: number
  readonly updatedAt: number
}

/** A client that exists from the start. What is left out is made up. */
export interface ClientSeed {
  readonly clientId?: string | undefined
  /** Only of a confidential client. */
  readonly clientSecret?: string | undefined
  /** @default 'confidential' */
  readonly clientType?: 'public' | 'confidential' | undefined
  readonly name?: string | undefined
  /** @default all of them; of a public client, all but `client_credentials` */
  readonly grantTypes?: readonly GrantType[] | undefined
  /** @default all of the issuer's */
  readonly scopes?: readonly string[] | undefined
  /** @default `http://127.0.0.1/callback` and `http://localhost/callback`, with any port */
  readonly redirectUris?: readonly string[] | undefined
  /** @default false */
  readonly requirePkce?: boolean | undefined
  /** @default false */
  readonly verified?: boolean | undefined
  readonly logoUri?: string | undefined
  readonly policyUri?: string | undefined
  readonly tosUri?: string | undefined
}

/** Whose account it is that everything belongs to. */
export interface Account {
  readonly userId: string
  readonly orgId: string
}

/** A client as the management operations show it. */
export function clientRecord(client: Client, { orgId, userId }: Account): object {
  return {
    record_type: 'oauth_client',
    client_id: client.clientId,
    name: client.name,
    org_id: orgId,
    user_id: userId,
    client_type: client.clientType,
    require_pkce: client.requirePkce,
    created_at: timestamp(client.createdAt),
    updated_at: timestamp(client.updatedAt),
    allowed_grant_types: client.grantTypes,
    allowed_scopes: client.scopes,
    redirect_uris: client.redirectUris,
    client_secret: client.clientSecret ?? null,
    logo_uri: client.logoUri ?? null,
    policy_uri: client.policyUri ?? null,
    tos_uri: client.tosUri ?? null,
  }
}

export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
