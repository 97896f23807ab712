import type { CryptoKey } from 'jose'
import type { Algorithm } from '../algorithms.js'

/**
 * The signatures of JWS (RFC 7518 §3, RFC 8037 §3.1) with the Web Cryptography API. Not with `jose`: that parses the header
 * again, into an object that finds `crit` on a polluted `Object.prototype`, and imports keys so that they find `alg` there.
 */

/** What a key is imported for, and how its signatures are checked. */
interface Parameters {
  readonly key: { readonly name: string; readonly hash?: string; readonly namedCurve?: string }
  readonly signature: { readonly name: string; readonly hash?: string; readonly saltLength?: number }
}

function rsa(bits: number): Parameters {
  const parameters = bare({ name: 'RSASSA-PKCS1-v1_5', hash: `SHA-${bits}` })
  return { key: parameters, signature: parameters }
}

function pss(bits: number): Parameters {
  const key = bare({ name: 'RSA-PSS', hash: `SHA-${bits}` })
  // RFC 7518 §3.5: the salt is as long as the digest.
  return { key, signature: bare({ name: 'RSA-PSS', saltLength: bits / 8 }) }
}

function ecdsa(bits: number, namedCurve: string): Parameters {
  return {
    key: bare({ name: 'ECDSA', namedCurve }),
    signature: bare({ name: 'ECDSA', hash: `SHA-${bits}` }),
  }
}

const ED25519: Parameters = { key: bare({ name: 'Ed25519' }), signature: bare({ name: 'Ed25519' }) }

const PARAMETERS: Readonly<Record<Algorithm, Parameters>> = {
  RS256: rsa(256),
  RS384: rsa(384),
  RS512: rsa(512),
  PS256: pss(256),
  PS384: pss(384),
  PS512: pss(512),
  ES256: ecdsa(256, 'P-256'),
  ES384: ecdsa(384, 'P-384'),
  ES512: ecdsa(512, 'P-521'),
  EdDSA: ED25519,
  Ed25519: ED25519,
}

function bare<T extends object>(object: T): T {
  return Object.freeze(Object.setPrototypeOf(object, null))
}

/**
 * Imports a public key for one algorithm, and for nothing else (RFC 8725 §3.1). Every member that the import reads is given:
 * what is left out would be found on a polluted `Object.prototype`.
 */
export function importPublicKey(
  { kty, n, e, crv, x, y }: Readonly<Record<string, unknown>>,
  algorithm: Algorithm,
): Promise<CryptoKey> {
  const { key } = PARAMETERS[algorithm]
  const material = Object.entries({ kty, n, e, crv, x, y }).filter(([, value]) => typeof value === 'string')
  // `Ed25519` is the newer of two names for the same (RFC 9864), which older versions of Node do not know.
  const alg = algorithm === 'Ed25519' ? 'EdDSA' : algorithm
  const jwk = { ...Object.fromEntries(material), alg, use: 'sig', key_ops: ['verify'], ext: true }
  return crypto.subtle.importKey('jwk', bare(jwk), key, true, ['verify'])
}

/** Whether a key made the signature of a token (RFC 7515 §5.2) whose three parts are canonical base64url. */
export async function hasSigned(key: CryptoKey, algorithm: Algorithm, token: string): Promise<boolean> {
  const end = token.lastIndexOf('.')
  const signature = Buffer.from(token.slice(end + 1), 'base64url')
  return crypto.subtle.verify(
    PARAMETERS[algorithm].signature,
    key,
    signature,
    Buffer.from(token.slice(0, end), 'latin1'),
  )
}
