import { timestamp } from './client.js'

/** What a user has allowed a client to do. */
export interface Grant {
  /** The id of the grant. */
  readonly id: string
  /** The client that the user has allowed. */
  readonly clientId: string
  /** The user: the `sub` of the grant's tokens. */
  readonly subject: string
  /** The scopes that the user has allowed. */
  readonly scopes: readonly string[]
  /** The audience of the grant's tokens (RFC 8707). Empty: the issuer's default audience. */
  readonly resources: readonly string[]
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** When a client last exchanged its code or refresh token: milliseconds since the epoch. */
  readonly lastUsedAt: number | undefined
}

/** A grant of the option `grants`. Missing members get the default. */
export interface GrantSeed {
  /** @default a random UUID */
  readonly id?: string | undefined
  /** @default the first client */
  readonly clientId?: string | undefined
  /** @default the user of the issuer */
  readonly subject?: string | undefined
  /** @default the scopes of the client */
  readonly scopes?: readonly string[] | undefined
  /** @default none */
  readonly resources?: readonly string[] | undefined
}

/** A grant as the management operations return it. */
export function grantRecord(grant: Grant): object {
  return {
    record_type: 'oauth_grant',
    id: grant.id,
    client_id: grant.clientId,
    scopes: grant.scopes,
    created_at: timestamp(grant.createdAt),
    last_used_at: grant.lastUsedAt === undefined ? null : timestamp(grant.lastUsedAt),
  }
}
