import { hash } from 'node:crypto'

/**
 * The SHA-256 digest of a token, as 32 characters of one byte each. Caches keep what they know about a token under its
 * digest, so that they never hold the token itself.
 */
export function tokenDigest(token: string): string {
  return hash('sha256', token, 'binary')
}
