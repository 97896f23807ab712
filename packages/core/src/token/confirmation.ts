import { ownMembers } from '../base/own-members.js'
import { InvalidTokenError } from '../errors/errors.js'

/** What a token is bound to (`cnf`, RFC 7800). The caller must prove to have all of it. */
export interface Confirmation {
  /** The thumbprint of a key (RFC 9449 §6.1). */
  readonly jkt?: string
  /** The SHA-256 of a client certificate (RFC 8705 §3.1). */
  readonly x5t?: string
}

/** No confirmation, which inherits none either. */
export const UNCONFIRMED: Confirmation = Object.freeze(ownMembers<Confirmation>({}))

/** The names of members of the claim, and ours. */
const NAMES: Readonly<Record<string, keyof Confirmation>> = { jkt: 'jkt', 'x5t#S256': 'x5t' }

/** A SHA-256 in base64url. */
const DIGEST = /^[\w-]{43}$/

/**
 * Reads the claim `cnf`.
 *
 * @returns `undefined` when it is malformed, empty, or has a member that is not known: that binds the token no less (RFC 7800 §3.1)
 */
export function confirmationIn(cnf: unknown): Confirmation | undefined {
  if (typeof cnf !== 'object' || cnf === null || Array.isArray(cnf)) return undefined
  const members = Object.entries(cnf)
  const confirmation = ownMembers<{ jkt?: string; x5t?: string }>({})
  for (const [member, value] of members) {
    const name = Object.hasOwn(NAMES, member) ? NAMES[member] : undefined
    if (name === undefined || typeof value !== 'string' || !DIGEST.test(value)) return undefined
    confirmation[name] = value
  }
  return members.length > 0 ? Object.freeze(confirmation) : undefined
}

/**
 * Checks that token and introspection response say the same, where one of them says what the token is bound to: a response must
 * neither bind it to something else, nor make a Bearer token of it. What a token says counts also where its signature cannot be
 * checked: the issuer knows it with this claim only.
 *
 * @throws {InvalidTokenError} `ERR_CLAIM_INVALID`
 */
export function checkSameBinding(one: unknown, other: unknown): void {
  const [a, b] = [confirmationIn(one), confirmationIn(other)]
  if (a?.jkt !== b?.jkt || a?.x5t !== b?.x5t)
    throw new InvalidTokenError('ERR_CLAIM_INVALID', { claim: 'cnf', reason: 'introspection-contradicts' })
}
