import { createHash } from 'node:crypto'

/**
 * Whether the `code_verifier` belongs to the `code_challenge` (RFC 7636 §4.6). A verifier without a challenge is refused
 * as well (RFC 9700 §4.8.2).
 */
export function matchesChallenge(verifier: string | undefined, challenge: string | undefined): boolean {
  if (verifier === undefined || challenge === undefined) return verifier === challenge
  return /^[\w.~-]{43,128}$/.test(verifier) && codeChallengeOf(verifier) === challenge
}

/** The `code_challenge` for a `code_verifier`, by the method `S256` (RFC 7636 §4.2). */
export function codeChallengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url')
}
