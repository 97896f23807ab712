import { deepFreeze } from '../base/deep-freeze.js'
import { type AcceptedClaims, type JwtClaims, type NamesOfClaims, scopesOf } from './claims.js'

/** Whether a granted scope includes a required one, beyond being the same (the option `scopeImplies`). */
export type ScopeImplies = (granted: string, required: string) => boolean

/**
 * Who calls, and what they may do: the content of an access token that was verified. Frozen all the way down,
 * so it can be shared.
 *
 * @typeParam Claims the claims that this issuer's tokens carry
 */
export interface Auth<Claims extends object = JwtClaims> {
  /** The token itself. Not enumerable: logging an `Auth` or turning it into JSON never prints it. */
  readonly token: string
  /** The resource owner, or the client where no user is involved (`sub`, RFC 9068 §2.2). */
  readonly subject?: string | undefined
  /** The client that the token was issued to (`client_id`, RFC 8693 §4.3, or the option `claimNames`). */
  readonly clientId?: string | undefined
  /** The scopes that were granted (`scope`, RFC 8693 §4.2, or the option `claimNames`), each once; empty when there is none. */
  readonly scopes: readonly string[]
  /** For whom the token is meant (`aud`, RFC 7519 §4.1.3). */
  readonly audience: readonly string[]
  /** Who issued the token (`iss`, RFC 7519 §4.1.1). */
  readonly issuer: string
  /** When it was issued, in seconds since the epoch (`iat`, RFC 7519 §4.1.6). */
  readonly issuedAt?: number | undefined
  /** When it expires, in seconds since the epoch (`exp`, RFC 7519 §4.1.4). */
  readonly expiresAt?: number | undefined
  /** All the claims, under their names in the token. */
  readonly claims: Claims
  /** By what the token was found to be good. */
  readonly verifiedBy: 'signature' | 'introspection' | 'both'
  /** Whether all of these scopes were granted, by name or through the option `scopeImplies`. */
  hasScopes(...scopes: string[]): boolean
}

/**
 * Makes the frozen result from claims that were verified, and freezes these too.
 *
 * @param names under which claims the scopes and the client are
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
    this.#token = copyOf(token)
    this.#scopeImplies = scopeImplies
    this.subject = claims.sub
    this.clientId = typeof clientId === 'string' ? clientId : undefined
    this.scopes = Object.freeze(scopesOf(claims, names))
    this.audience = Object.freeze(typeof claims.aud === 'string' ? [claims.aud] : [...(claims.aud ?? [])])
    this.issuer = claims.iss
    this.issuedAt = claims.iat
    this.expiresAt = claims.exp
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

// `util.inspect` with `showHidden` and `getters` asks the accessors of a prototype for their values, but not where the
// constructor is one of the language's own: so nothing that prints an `Auth` prints its token.
Object.defineProperty(VerifiedAuth.prototype, 'constructor', { value: Object })
// It is shared by all results: what one handler did to it, every other would see.
Object.freeze(VerifiedAuth.prototype)

/** A part of a longer text, such as a header, keeps all of it alive. A text that was put together is copied when it is cut. */
function copyOf(text: string): string {
  return ` ${text}`.slice(1)
}
