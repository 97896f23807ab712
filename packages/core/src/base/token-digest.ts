import { hash } from 'node:crypto'

/**
 * The SHA-256 digest of a token, as 32 characters of one byte each. Introspection keeps under the digest what it knows about a
 * token, so that it never holds the token itself, which callers can make up.
 */
export function tokenDigest(token: string): string {
  return hash('sha256', token, 'binary')
}
