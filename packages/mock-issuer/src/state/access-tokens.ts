import { randomUUID } from 'node:crypto'
import { createLocalJWKSet, type JWK, type JWTPayload, jwtVerify } from 'jose'
import { signAccessToken, TOKEN_LIFETIME_SECONDS, type TokenOptions } from './access-token.js'
import type { Clients } from './clients.js'
import type { Grants } from './grants.js'
import { createSigningKey, digest, type SigningAlgorithm, type SigningKey } from './signing-keys.js'

/** What an access token is to say. */
export interface AccessTokenRequest {
  readonly clientId: string
  readonly scopes: readonly string[]
  /** Where it is empty, the issuer's default. */
  readonly resources: readonly string[]
  /** Whose tokens say who its user is. */
  readonly grantId?: string
}

/** The options of the issuer that its tokens follow. */
interface TokenSettings {
  readonly algorithm: SigningAlgorithm
  readonly typ: string | null
  readonly audience: string
  readonly now: () => number
}

/** What access tokens take from their issuer. */
interface Surroundings {
  /** The identifier, as it is now. */
  issuer(): string
  readonly clients: Clients
  readonly grants: Grants
}

/** The keys of an issuer, and the access tokens that are signed with them. */
export class AccessTokens {
  readonly #options: TokenSettings
  readonly #surroundings: Surroundings
  readonly #revoked = new Set<string>()
  /** Tells what we wrote into a `jti` from what a test did. */
  readonly #mark = randomUUID()
  /** The newest key, which signs, first. */
  #keys: readonly [SigningKey, ...SigningKey[]]

  constructor(options: TokenSettings, key: SigningKey, surroundings: Surroundings) {
    this.#options = options
    this.#keys = [key]
    this.#surroundings = surroundings
  }

  jwks(): { keys: JWK[] } {
    return { keys: this.#keys.map(({ jwk }) => jwk) }
  }

  async rotateKeys(keepOld: boolean): Promise<string> {
    const key = await createSigningKey(this.#options.algorithm)
    this.#keys = keepOld ? [key, ...this.#keys] : [key]
    return key.kid
  }

  /** A token as a test wants it. */
  sign(options: TokenOptions): string {
    const { clients, grants } = this.#surroundings
    const issuer = this.#surroundings.issuer()
    const { typ, audience, now } = this.#options
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
    const jti = owner ? `${owner}:${this.#mark}:${randomUUID()}` : randomUUID()
    const [key] = this.#keys
    return signAccessToken(tokenOptions, { issuer, typ, audience, now: now() / 1000, key, jti })
  }

  /** A token as a client gets it. */
  issue({ resources, ...request }: AccessTokenRequest): { token: string; expiresInSeconds: number } {
    const token = this.sign({ ...request, audience: audienceOf(resources) })
    return { token, expiresInSeconds: TOKEN_LIFETIME_SECONDS }
  }

  revoke(token: string): void {
    this.#revoked.add(digestOf(token))
  }

  /** The claims of a token that is active (RFC 7662 §2.2). */
  async activeClaims(token: string): Promise<JWTPayload | undefined> {
    // jose would overlook what else there is, and a revoked token would have other spellings.
    if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return undefined
    // Key by key: a token that names none could be of any.
    for (const { jwk } of this.#keys) {
      const verification = jwtVerify(token, createLocalJWKSet({ keys: [jwk] }), {
        issuer: this.#surroundings.issuer(),
        currentDate: new Date(this.#options.now()),
      })
      const claims = await verification.then(
        ({ payload }) => payload,
        // RFC 7662 §2.2: whatever is wrong with it, the token is just not active.
        () => undefined,
      )
      if (claims) return this.#isWithdrawn(token, claims) ? undefined : claims
    }
    return undefined
  }

  /**
   * Whether the token was revoked, or its grant or client is no more. Which those are is in the `jti`, so that there is
   * nothing to remember for each token.
   */
  #isWithdrawn(token: string, { jti = '' }: JWTPayload): boolean {
    const { clients, grants } = this.#surroundings
    if (this.#revoked.has(digestOf(token))) return true
    const [, kind, id = ''] = new RegExp(`^(grant|client):(.+):${this.#mark}:`, 's').exec(jti) ?? []
    if (kind === undefined) return false
    const clientId = kind === 'client' ? id : grants.get(id)?.clientId
    return clientId === undefined || !clients.get(clientId)
  }
}

/** Of what is signed: the signature itself can be spelt in more than one way. */
function digestOf(token: string): string {
  return digest(token.replace(/\.[^.]*$/, ''))
}

/** RFC 9068 §3: the resources that were asked for; `undefined` where there are none. */
function audienceOf(resources: readonly string[]): string | readonly string[] | undefined {
  const [resource, ...more] = resources
  return more.length > 0 ? resources : resource
}
