import { type Binding, confirmationOf } from './confirmation.js'
import { type SigningKey, signCompact } from './signing-keys.js'

/** What `issueToken` puts into a token. */
export interface TokenOptions extends Binding {
  /** The `scope` claim (RFC 9068 §2.2.3). @default the scopes of the grant; without a grant, no `scope` claim */
  readonly scopes?: readonly string[] | undefined
  /** The `aud` claim. @default the resources of the grant, or else the audience of the issuer */
  readonly audience?: string | readonly string[] | undefined
  /** The `sub` claim. @default the user of the grant; without a grant, the client (RFC 9068 §2.2) */
  readonly subject?: string | undefined
  /** The `client_id` claim. @default the client of the grant, or else the first client */
  readonly clientId?: string | undefined
  /** The grant that the token belongs to: revoking the grant revokes the token. @default none */
  readonly grantId?: string | undefined
  /**
   * Seconds from now to `exp`. A negative number makes an expired token, which verifiers accept for their `clockToleranceSeconds`.
   *
   * @default 3600
   */
  readonly expiresInSeconds?: number | undefined
  /** Claims to add or replace; `undefined` removes a claim. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
  /** Header parameters to add or replace; `undefined` removes one. */
  readonly header?: Readonly<Record<string, unknown>> | undefined
}

export const TOKEN_LIFETIME_SECONDS = 3600

/** The parts of a token that come from its issuer. */
export interface TokenContext {
  readonly issuer: string
  readonly typ: string | null
  readonly audience: string
  /** Seconds since the epoch, with fractions. */
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
    // RFC 6749 §3.3: `scope` cannot be empty.
    scope: options.scopes?.join(' ') || undefined,
    // RFC 9449 §6.1, RFC 8705 §3.1
    cnf: confirmationOf(options, options.claims),
    ...options.claims,
  }
  return signCompact(header, claims, key)
}
