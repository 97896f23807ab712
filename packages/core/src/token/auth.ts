import { deepFreeze } from '../base/deep-freeze.js'
import { type AcceptedClaims, type JwtClaims, type NamesOfClaims, scopesOf } from './claims.js'
import { type Confirmation, confirmationIn } from './confirmation.js'

/**
 * Whether a granted scope includes a required scope of another name (the option `scopeImplies`).
 *
 * @example
 * import type { ScopeImplies } from '@telnyx-auth/core'
 *
 * const scopeImplies: ScopeImplies = (granted, required) => required.startsWith(`${granted}.`)
 */
export type ScopeImplies = (granted: string, required: string) => boolean

/**
 * The content of a verified access token: who calls, and what the caller may do. Frozen at every depth, so it can be shared.
 *
 * @typeParam Claims the claims that this issuer's tokens carry
 * @example
 * const { subject, clientId, scopes } = await verifier.verify(token)
 */
export interface Auth<Claims extends object = JwtClaims> {
  /** The token itself. Not enumerable, so logs and JSON of an `Auth` do not contain it. */
  readonly token: string
  /** The resource owner, or the client where no user is involved (`sub`, RFC 9068 §2.2). */
  readonly subject?: string | undefined
  /** The client that the token was issued to (`client_id`, RFC 8693 §4.3, or the option `claimNames`). */
  readonly clientId?: string | undefined
  /** The granted scopes (`scope`, RFC 8693 §4.2, or the option `claimNames`), without repetition; empty when there are none. */
  readonly scopes: readonly string[]
  /** The APIs that the token is for (`aud`, RFC 7519 §4.1.3). */
  readonly audience: readonly string[]
  /** The issuer of the token (`iss`, RFC 7519 §4.1.1). */
  readonly issuer: string
  /** When the token was issued, in seconds since the epoch (`iat`, RFC 7519 §4.1.6). */
  readonly issuedAt?: number | undefined
  /** When the token expires, in seconds since the epoch (`exp`, RFC 7519 §4.1.4). */
  readonly expiresAt?: number | undefined
  /** What the token is bound to (`cnf`, RFC 7800). The caller has proved to have it. `undefined` for a token that is not bound. */
  readonly confirmation?: Confirmation | undefined
  /** All claims, under their names in the token. */
  readonly claims: Claims
  /** How the token was verified: by its signature, by introspection (RFC 7662), or by both. */
  readonly verifiedBy: 'signature' | 'introspection' | 'both'
  /**
   * Whether all of these scopes were granted, by name or through the option `scopeImplies`.
   *
   * @example
   * const auth = await verifier.verify(token)
   * if (!auth.hasScopes('messaging.write')) throw new InsufficientScopeError(['messaging.write'])
   */
  hasScopes(...scopes: string[]): boolean
}

/**
 * Creates the frozen result from verified claims, and freezes the claims.
 *
 * @param names the names of the claims with scopes and client
 */
export function createAuth(
  token: string,
  claims: AcceptedClaims,
  names: NamesOfClaims,
  verifiedBy: Auth['verifiedBy'],
  scopeImplies: ScopeImplies | undefined,
): Auth {
  return new VerifiedAuth(token, claims, names, verifiedBy, scopeImplies)
}

class VerifiedAuth implements Auth {
  readonly #token: string
  readonly #scopeImplies: ScopeImplies | undefined
  readonly subject: string | undefined
  readonly clientId: string | undefined
  readonly scopes: readonly string[]
  readonly audience: readonly string[]
  readonly issuer: string
  readonly issuedAt: number | undefined
  readonly expiresAt: number | undefined
  readonly confirmation: Confirmation | undefined
  readonly claims: JwtClaims
  readonly verifiedBy: Auth['verifiedBy']

  constructor(
    token: string,
    claims: AcceptedClaims,
    names: NamesOfClaims,
    verifiedBy: Auth['verifiedBy'],
    scopeImplies: ScopeImplies | undefined,
  ) {
    const clientId = claims[names.clientId]
    this.#token = detached(token)
    this.#scopeImplies = scopeImplies
    this.subject = claims.sub
    this.clientId = typeof clientId === 'string' ? clientId : undefined
    this.scopes = Object.freeze(scopesOf(claims, names))
    this.audience = Object.freeze(typeof claims.aud === 'string' ? [claims.aud] : [...(claims.aud ?? [])])
    this.issuer = claims.iss
    this.issuedAt = claims.iat
    this.expiresAt = claims.exp
    this.confirmation = confirmationIn(claims.cnf)
    this.claims = deepFreeze(claims)
    this.verifiedBy = verifiedBy
    Object.freeze(this)
  }

  get token(): string {
    return this.#token
  }

  hasScopes(...scopes: string[]): boolean {
    return scopes.every(
      (required) =>
        this.scopes.includes(required) ||
        this.scopes.some((granted) => this.#scopeImplies?.(granted, required) === true),
    )
  }
}

// `util.inspect` with `showHidden` and `getters` calls the accessors of a prototype, except when the constructor is a built-in
// one. With `Object`, nothing that prints an `Auth` prints its token.
Object.defineProperty(VerifiedAuth.prototype, 'constructor', { value: Object })
// All results share it, so one handler could change what every other handler sees.
Object.freeze(VerifiedAuth.prototype)

/** A copy that does not keep a longer string alive from which `text` was cut, such as a header. */
function detached(text: string): string {
  // V8 copies the characters when a joined string is cut.
  return ` ${text}`.slice(1)
}
