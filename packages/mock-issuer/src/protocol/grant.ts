import { timestamp } from './client.js'

/** What a user has allowed a client. */
export interface Grant {
  readonly id: string
  readonly clientId: string
  /** The user: `sub` of its tokens. */
  readonly subject: string
  readonly scopes: readonly string[]
  /** What its tokens are for (RFC 8707); where it is empty, the issuer's default. */
  readonly resources: readonly string[]
  /** In milliseconds since the epoch. */
  readonly createdAt: number
  /** When a token was last obtained with it. */
  readonly lastUsedAt: number | undefined
}

/** A grant that exists from the start. What is left out is made up. */
export interface GrantSeed {
  readonly id?: string | undefined
  /** @default the first client */
  readonly clientId?: string | undefined
  /** @default the user of the issuer */
  readonly subject?: string | undefined
  /** @default those of the client */
  readonly scopes?: readonly string[] | undefined
  /** @default none */
  readonly resources?: readonly string[] | undefined
}

/** A grant as the management operations show it. */
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
