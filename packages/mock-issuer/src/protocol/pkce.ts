import { createHash } from 'node:crypto'

/** RFC 7636 §4.6. A verifier for which there was no challenge is refused as well (RFC 9700 §4.8.2). */
export function verifierFits(verifier: string | undefined, codeChallenge: string | undefined): boolean {
  if (verifier === undefined || codeChallenge === undefined) return verifier === codeChallenge
  return /^[\w.~-]{43,128}$/.test(verifier) && challengeOf(verifier) === codeChallenge
}

/** RFC 7636 §4.2, by the method `S256` */
export function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url')
}
