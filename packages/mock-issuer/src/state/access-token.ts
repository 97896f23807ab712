import { type SigningKey, signCompact } from './signing-keys.js'

/** What `issueToken` makes. */
export interface TokenOptions {
  /** @default none: the token has no `scope` */
  readonly scopes?: readonly string[] | undefined
  /** @default the audience of the issuer */
  readonly audience?: string | readonly string[] | undefined
  /** @default the client: as a token for a client alone has it (RFC 9068 §2.2) */
  readonly subject?: string | undefined
  /** @default the first client */
  readonly clientId?: string | undefined
  /** The grant that it belongs to: it is active as long as that one. @default none */
  readonly grantId?: string | undefined
  /** A negative number makes a token that has expired. @default 3600 */
  readonly expiresInSeconds?: number | undefined
  /** Claims that are added, replaced or, with `undefined`, removed. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
  /** Header parameters that are added, replaced or, with `undefined`, removed. */
  readonly header?: Readonly<Record<string, unknown>> | undefined
}

export const TOKEN_LIFETIME_SECONDS = 3600

/** What a token takes from its issuer. */
export interface TokenContext {
  readonly issuer: string
  readonly typ: string | null
  readonly audience: string
  /** Seconds since the epoch. */
  readonly now: number
  readonly key: SigningKey
  readonly jti: string
}

/** Signs an access token (RFC 9068 §2). */
export function signAccessToken(
  options: TokenOptions,
  { issuer, typ, audience, now, key, jti }: TokenContext,
): string {
  const issuedAt = Math.floor(now)
  const header = { typ: typ ?? undefined, alg: key.algorithm, kid: key.kid, ...options.header }
  const claims = {
    iss: issuer,
    sub: options.subject ?? options.clientId,
    aud: options.audience ?? audience,
    client_id: options.clientId,
    iat: issuedAt,
    exp: issuedAt + (options.expiresInSeconds ?? TOKEN_LIFETIME_SECONDS),
    jti,
    // RFC 6749 §3.3: it cannot be empty.
    scope: options.scopes?.join(' ') || undefined,
    ...options.claims,
  }
  return signCompact(header, claims, key)
}
