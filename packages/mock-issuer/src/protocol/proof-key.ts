import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  KeyObject,
  type webcrypto,
} from 'node:crypto'
import { types } from 'node:util'

/** A key of a client: a `KeyObject`, a `CryptoKey`, or a JWK (RFC 7517). RSA, EC (P-256, P-384, P-521) or Ed25519. */
export type ProofKey =
  | KeyObject
  | webcrypto.CryptoKey
  | JsonWebKey
  | {
      /** The type of the key (RFC 7517 §4.1). */
      readonly kty?: string
    }

/**
 * Reads a public or private key.
 *
 * @throws {TypeError} for any other value
 */
export function readKey(key: ProofKey): KeyObject {
  const read = toKeyObject(key)
  if (read.type === 'secret') throw new TypeError('A key for DPoP must be a public or private key, no secret')
  return read
}

function toKeyObject(key: ProofKey): KeyObject {
  if (types.isKeyObject(key)) return key
  if (types.isCryptoKey(key)) return KeyObject.from(key)
  try {
    const jwk: JsonWebKey = { ...key }
    return jwk.d !== undefined
      ? createPrivateKey({ key: jwk, format: 'jwk' })
      : createPublicKey({ key: jwk, format: 'jwk' })
  } catch (cause) {
    throw new TypeError('A key for DPoP must be a KeyObject, a CryptoKey or a JWK, and no symmetric one', {
      cause,
    })
  }
}

/**
 * The JWK of a public key, or of the public part of a private one, with the members of RFC 7638 §3.2 in their order.
 *
 * @throws {TypeError} for a type of key that has no JWK
 */
export function publicJwkOf(key: KeyObject): JsonWebKey {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  const type = publicKey.asymmetricKeyType ?? ''
  if (!['rsa', 'ec', 'ed25519'].includes(type))
    throw new TypeError(`A key for DPoP must be an RSA, EC or Ed25519 key, not ${type}`)
  const { crv, e, kty, n, x, y } = publicKey.export({ format: 'jwk' })
  if (kty === 'RSA' && e !== undefined && n !== undefined) return { e, kty, n }
  if (crv === undefined || kty === undefined || x === undefined)
    throw new TypeError('This key has no public JWK')
  return y === undefined ? { crv, kty, x } : { crv, kty, x, y }
}

/** The JWK SHA-256 thumbprint of a key (RFC 7638 §3): the `jkt` of tokens that are bound to it (RFC 9449 §6.1). */
export function thumbprintOf(key: KeyObject): string {
  return createHash('sha256')
    .update(JSON.stringify(publicJwkOf(key)))
    .digest('base64url')
}

/** Whether the value is a SHA-256 digest in base64url, as `jkt` and `x5t#S256` are. */
export function isThumbprint(value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]{43}$/.test(value)
}
