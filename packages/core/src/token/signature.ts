import type { CryptoKey } from 'jose'
import type { Algorithm } from './algorithms.js'

/**
 * The parameters of the Web Cryptography API for each algorithm (RFC 7518 §3, RFC 8037 §3.1). Signatures are not checked with
 * `jose`: that parses the header again, into an object that finds `crit` on a polluted `Object.prototype`.
 */
const PARAMETERS: Readonly<Record<Algorithm, SignatureParameters>> = {
  RS256: bare({ name: 'RSASSA-PKCS1-v1_5' }),
  RS384: bare({ name: 'RSASSA-PKCS1-v1_5' }),
  RS512: bare({ name: 'RSASSA-PKCS1-v1_5' }),
  // RFC 7518 §3.5: the salt is as long as the digest.
  PS256: bare({ name: 'RSA-PSS', saltLength: 32 }),
  PS384: bare({ name: 'RSA-PSS', saltLength: 48 }),
  PS512: bare({ name: 'RSA-PSS', saltLength: 64 }),
  ES256: bare({ name: 'ECDSA', hash: 'SHA-256' }),
  ES384: bare({ name: 'ECDSA', hash: 'SHA-384' }),
  ES512: bare({ name: 'ECDSA', hash: 'SHA-512' }),
  EdDSA: bare({ name: 'Ed25519' }),
  Ed25519: bare({ name: 'Ed25519' }),
}

interface SignatureParameters {
  readonly name: string
  readonly hash?: string
  readonly saltLength?: number
}

/** Without a prototype: members that are left out must not be found on `Object.prototype`. */
function bare(parameters: SignatureParameters): SignatureParameters {
  return Object.freeze(Object.setPrototypeOf(parameters, null))
}

/** Whether a key made the signature of a token (RFC 7515 §5.2) whose three parts are canonical base64url. */
export async function hasSigned(key: CryptoKey, algorithm: Algorithm, token: string): Promise<boolean> {
  const end = token.lastIndexOf('.')
  const signature = Buffer.from(token.slice(end + 1), 'base64url')
  return crypto.subtle.verify(
    PARAMETERS[algorithm],
    key,
    signature,
    Buffer.from(token.slice(0, end), 'latin1'),
  )
}
