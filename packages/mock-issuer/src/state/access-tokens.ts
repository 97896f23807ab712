import { randomUUID } from 'node:crypto'
import { type JWK, type JWTPayload, jwtVerify } from 'jose'
import { signAccessToken, TOKEN_LIFETIME_SECONDS, type TokenOptions } from './access-token.js'
import type { Clients } from './clients.js'
import type { Grants } from './grants.js'
import { createSigningKey, digest, type SigningAlgorithm, type SigningKey } from './signing-keys.js'

/** What the token endpoint puts into an access token. */
export interface AccessTokenRequest {
  readonly clientId: string
  readonly scopes: readonly string[]
  /** Empty: the issuer's default audience. */
  readonly resources: readonly string[]
  /** The grant of a user. Without one, the token is for the client itself. */
  readonly grantId?: string
  /** The thumbprint of the key that the token is bound to (RFC 9449 §6.1). */
  readonly jkt: string | undefined
}

/** The options of the issuer that apply to its tokens. */
interface TokenSettings {
  readonly algorithm: SigningAlgorithm
  readonly typ: string | null
  readonly audience: string
  readonly now: () => number
}

/** The parts of the issuer that its tokens depend on. */
interface IssuerParts {
  /** The current issuer identifier. */
  issuer(): string
  readonly clients: Clients
  readonly grants: Grants
}

/** The keys of an issuer, and the access tokens that are signed with them. */
export class AccessTokens {
  readonly #settings: TokenSettings
  readonly #issuer: IssuerParts
  readonly #revoked = new Set<string>()
  /** Part of each `jti` that this issuer wrote. A `jti` that a test sets lacks it. */
  readonly #jtiMark = randomUUID()
  /** The first one signs. */
  #keys: readonly [SigningKey, ...SigningKey[]]

  constructor(settings: TokenSettings, key: SigningKey, issuer: IssuerParts) {
    this.#settings = settings
    this.#keys = [key]
    this.#issuer = issuer
  }

  /** The JWK Set (RFC 7517 §5). */
  jwks(): { keys: JWK[] } {
    return { keys: this.#keys.map(({ jwk }) => jwk) }
  }

  /** @returns the `kid` of the new key */
  async rotateKeys(keepOld: boolean): Promise<string> {
    const key = await createSigningKey(this.#settings.algorithm)
    this.#keys = keepOld ? [key, ...this.#keys] : [key]
    return key.kid
  }

  /** Signs a token for a test, with the newest key. */
  sign(options: TokenOptions): string {
    return this.#signWith(this.#keys[0], options)
  }

  /**
   * Signs a token with the newest key of an algorithm. If there is none, creates one, which the JWK Set has from now on. It
   * signs no other tokens.
   */
  async signWithAlgorithm(algorithm: SigningAlgorithm, options: TokenOptions): Promise<string> {
    const find = () => this.#keys.find((key) => key.algorithm === algorithm)
    const created = find() ? undefined : await createSigningKey(algorithm)
    // Another call may have added a key meanwhile.
    const key = find() ?? created ?? this.#keys[0]
    if (!this.#keys.includes(key)) this.#keys = [...this.#keys, key]
    return this.#signWith(key, options)
  }

  #signWith(key: SigningKey, options: TokenOptions): string {
    const { clients, grants } = this.#issuer
    const issuer = this.#issuer.issuer()
    const { typ, audience, now } = this.#settings
    const grant = options.grantId === undefined ? undefined : grants.get(options.grantId)
    if (options.grantId !== undefined && !grant) throw new TypeError('There is no grant with this "grantId"')
    const clientId = options.clientId ?? grant?.clientId ?? clients.list()[0]?.clientId
    const tokenOptions = {
      ...options,
      clientId,
      subject: options.subject ?? grant?.subject,
      scopes: options.scopes ?? grant?.scopes,
      audience: options.audience ?? audienceOf(grant?.resources ?? []),
    }
    const owner = grant ? `grant:${grant.id}` : clientId && clients.get(clientId) && `client:${clientId}`
    const jti = owner ? `${owner}:${this.#jtiMark}:${randomUUID()}` : randomUUID()
    return signAccessToken(tokenOptions, { issuer, typ, audience, now: now() / 1000, key, jti })
  }

  /** Signs a token for a client, at the token endpoint. */
  issue({ resources, ...request }: AccessTokenRequest): { token: string; expiresInSeconds: number } {
    const token = this.sign({ ...request, audience: audienceOf(resources) })
    return { token, expiresInSeconds: TOKEN_LIFETIME_SECONDS }
  }

  revoke(token: string): void {
    this.#revoked.add(digestOf(token))
  }

  /** The claims of an active token; `undefined` for any other (RFC 7662 §2.2). */
  async activeClaims(token: string): Promise<JWTPayload | undefined> {
    // jose accepts other characters and ignores them: a revoked token would then have several spellings.
    if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return undefined
    // One key after the other: a token without a `kid` may be signed with any of them.
    for (const { keySet } of this.#keys) {
      const verification = jwtVerify(token, keySet, {
        issuer: this.#issuer.issuer(),
        currentDate: new Date(this.#settings.now()),
      })
      const claims = await verification.then(
        ({ payload }) => payload,
        // RFC 7662 §2.2: the response does not say why a token is not active.
        () => undefined,
      )
      if (claims) return this.#isRevoked(token, claims) ? undefined : claims
    }
    return undefined
  }

  /**
   * Whether the token was revoked, or its grant or client deleted. The `jti` names the grant or client, so that the
   * issuer need not remember each token.
   */
  #isRevoked(token: string, { jti = '' }: JWTPayload): boolean {
    const { clients, grants } = this.#issuer
    if (this.#revoked.has(digestOf(token))) return true
    const [, kind, id = ''] = new RegExp(`^(grant|client):(.+):${this.#jtiMark}:`, 's').exec(jti) ?? []
    if (kind === undefined) return false
    if (kind === 'client') return !clients.get(id)
    const grant = grants.get(id)
    return !grant || !clients.mayHaveGrants(grant.clientId)
  }
}

/** The digest leaves out the signature, which base64url can spell in more than one way. */
function digestOf(token: string): string {
  return digest(token.replace(/\.[^.]*$/, ''))
}

/** The `aud` claim for the requested resources; `undefined` without any (RFC 9068 §3). */
function audienceOf(resources: readonly string[]): string | readonly string[] | undefined {
  const [resource, ...more] = resources
  return more.length > 0 ? resources : resource
}
