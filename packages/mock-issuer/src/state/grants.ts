import { randomBytes, randomUUID } from 'node:crypto'
import type { Grant } from '../protocol/grant.js'
import { BoundedMap } from './bounded-map.js'

export type NewGrant = Omit<Grant, 'id' | 'createdAt' | 'lastUsedAt'> & { readonly id?: string | undefined }

/** An authorization code, bound to its request (RFC 6749 §4.1.3, RFC 7636 §4.6). */
interface Code {
  readonly grantId: string
  readonly clientId: string
  readonly redirectUri: string
  readonly codeChallenge: string | undefined
  /** The thumbprint of the key that must redeem the code (RFC 9449 §10). */
  readonly dpopJkt: string | undefined
  readonly expiresAt: number
  used: boolean
}

interface RefreshToken {
  readonly grantId: string
  readonly clientId: string
  /** The thumbprint of the key that the token is bound to (RFC 9449 §5). */
  readonly jkt: string | undefined
  readonly expiresAt: number
  used: boolean
}

/** Also the limit of codes, and of refresh tokens. */
const MAX_GRANTS = 10_000
const CODE_LIFETIME_MS = 60_000
const REFRESH_TOKEN_LIFETIME_MS = 30 * 24 * 3600 * 1000

/**
 * The grants of all users, with their codes and refresh tokens. A code or refresh token that is used twice may have been
 * stolen, so its grant is revoked, with all tokens (RFC 6749 §4.1.2, RFC 9700 §4.14.2).
 */
export class Grants {
  readonly #grants = new BoundedMap<string, Grant>(MAX_GRANTS)
  readonly #codes = new BoundedMap<string, Code>(MAX_GRANTS)
  readonly #refreshTokens = new BoundedMap<string, RefreshToken>(MAX_GRANTS)
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  list(): readonly Grant[] {
    return [...this.#grants.values()]
  }

  get(id: string): Grant | undefined {
    return this.#grants.get(id)
  }

  create({ id = randomUUID(), clientId, subject, scopes, resources }: NewGrant): Grant {
    const grant: Grant = Object.freeze({
      id,
      clientId,
      subject,
      scopes: Object.freeze([...new Set(scopes)]),
      resources: Object.freeze([...new Set(resources)]),
      createdAt: this.#now(),
      lastUsedAt: undefined,
    })
    this.#grants.set(id, grant)
    return grant
  }

  /** From now on, the tokens of the grant are not active. */
  revoke(id: string): Grant | undefined {
    const grant = this.#grants.get(id)
    this.#grants.delete(id)
    return grant
  }

  /** The id of a refresh token's grant, even if the token was used already. */
  idOfRefreshToken(token: string): string | undefined {
    return this.#refreshTokens.get(token)?.grantId
  }

  revokeAllOfClient(clientId: string): void {
    for (const grant of this.list()) if (grant.clientId === clientId) this.revoke(grant.id)
  }

  issueCode(grant: Grant, redirectUri: string, codeChallenge: string | undefined, dpopJkt?: string): string {
    const code = randomBytes(32).toString('base64url')
    this.#codes.set(code, {
      grantId: grant.id,
      clientId: grant.clientId,
      redirectUri,
      codeChallenge,
      dpopJkt,
      expiresAt: this.#now() + CODE_LIFETIME_MS,
      used: false,
    })
    return code
  }

  issueRefreshToken(grant: Grant, jkt?: string): string {
    const token = randomBytes(32).toString('base64url')
    this.#refreshTokens.set(token, {
      grantId: grant.id,
      clientId: grant.clientId,
      jkt,
      expiresAt: this.#now() + REFRESH_TOKEN_LIFETIME_MS,
      used: false,
    })
    return token
  }

  /** A code that this client may redeem. The caller still checks the redirect URI and the PKCE verifier. */
  findCode(code: string, clientId: string): { code: Readonly<Code>; grant: Grant } | undefined {
    const found = this.#find(this.#codes.get(code), clientId)
    return found && { code: found.artifact, grant: found.grant }
  }

  /** A refresh token that this client may redeem. The caller still checks the key that it is bound to. */
  findRefreshToken(
    token: string,
    clientId: string,
  ): { refreshToken: Readonly<RefreshToken>; grant: Grant } | undefined {
    const found = this.#find(this.#refreshTokens.get(token), clientId)
    return found && { refreshToken: found.artifact, grant: found.grant }
  }

  /** Marks a code or refresh token as used. */
  redeem(codeOrToken: string, grant: Grant): void {
    const artifact = this.#codes.get(codeOrToken) ?? this.#refreshTokens.get(codeOrToken)
    if (artifact) artifact.used = true
    this.#grants.set(grant.id, Object.freeze({ ...grant, lastUsedAt: this.#now() }))
  }

  #find<T extends Code | RefreshToken>(
    artifact: T | undefined,
    clientId: string,
  ): { artifact: T; grant: Grant } | undefined {
    // Another client that stole the code or token must not be able to revoke the grant.
    if (artifact?.clientId !== clientId) return undefined
    if (artifact.used) this.revoke(artifact.grantId)
    const grant = this.#grants.get(artifact.grantId)
    return grant && artifact.expiresAt > this.#now() ? { artifact, grant } : undefined
  }
}
