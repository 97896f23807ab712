/** The grant types of Telnyx (RFC 6749 §1.3). */
export type GrantType = 'authorization_code' | 'client_credentials' | 'refresh_token'

export const GRANT_TYPES: readonly GrantType[] = ['client_credentials', 'authorization_code', 'refresh_token']

/** A registered client (RFC 6749 §2). */
export interface Client {
  /** The client identifier (RFC 6749 §2.2). */
  readonly clientId: string
  /** `undefined` for a public client (RFC 6749 §2.1). */
  readonly clientSecret: string | undefined
  /** Whether the client has a secret (RFC 6749 §2.1). */
  readonly clientType: 'public' | 'confidential'
  /** The name on the consent page. */
  readonly name: string
  /** The grant types that the client may use. */
  readonly grantTypes: readonly GrantType[]
  /** The scopes that the client may request. */
  readonly scopes: readonly string[]
  /** Compared as strings, except for the port of loopback hosts (RFC 8252 §7.3). */
  readonly redirectUris: readonly string[]
  /** Whether the client must use PKCE (RFC 7636). A public client always must. */
  readonly requirePkce: boolean
  /** Whether each token request of the client needs a DPoP proof (RFC 9449 §5.2). */
  readonly dpopBoundAccessTokens: boolean
  /** Whether the consent page calls the client verified. */
  readonly verified: boolean
  /** The URL of the logo. */
  readonly logoUri: string | undefined
  /** The URL of the privacy policy. */
  readonly policyUri: string | undefined
  /** The URL of the terms of service. */
  readonly tosUri: string | undefined
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** Milliseconds since the epoch. */
  readonly updatedAt: number
}

/** A client of the option `clients`. Missing members get the default. */
export interface ClientSeed {
  /** @default a random UUID */
  readonly clientId?: string | undefined
  /**
   * For confidential clients only.
   *
   * @default random
   */
  readonly clientSecret?: string | undefined
  /** @default 'confidential' */
  readonly clientType?: 'public' | 'confidential' | undefined
  /** @default 'Unnamed client' */
  readonly name?: string | undefined
  /** @default all; for a public client, all except `client_credentials` */
  readonly grantTypes?: readonly GrantType[] | undefined
  /** @default all scopes of the issuer */
  readonly scopes?: readonly string[] | undefined
  /** @default `http://127.0.0.1/callback` and `http://localhost/callback`, with any port */
  readonly redirectUris?: readonly string[] | undefined
  /** @default false */
  readonly requirePkce?: boolean | undefined
  /**
   * Whether each token request of the client needs a DPoP proof (RFC 9449 §5.2). Needs the option `dpop`.
   *
   * @default false
   */
  readonly dpopBoundAccessTokens?: boolean | undefined
  /** @default false */
  readonly verified?: boolean | undefined
  /** The URL of the logo: `http` or `https`. */
  readonly logoUri?: string | undefined
  /** The URL of the privacy policy: `http` or `https`. */
  readonly policyUri?: string | undefined
  /** The URL of the terms of service: `http` or `https`. */
  readonly tosUri?: string | undefined
}

/** The Telnyx account that owns all clients and grants. */
export interface Account {
  readonly userId: string
  readonly orgId: string
}

/** A client as the management operations return it. */
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

/** ISO 8601, as in the records of Telnyx. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
