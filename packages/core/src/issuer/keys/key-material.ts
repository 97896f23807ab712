import type { LeftOutReason } from '../../telemetry/keys-left-out.js'
import { type PublicKey, parsePublicKey } from '../../token/signature.js'
import { hasSmallOrder } from '../../token/small-order.js'
import { hasRocaStructure } from './roca.js'
import { encodeSpki } from './spki.js'

const MIN_RSA_BITS = 2048
/** The limits of OpenSSL: `OPENSSL_RSA_MAX_MODULUS_BITS`, and for the exponent `OPENSSL_RSA_MAX_PUBEXP_BITS`. */
const MAX_RSA_BITS = 16_384
const MAX_EXPONENT_BITS = 64

/**
 * Reads the public key of a JWK, and refuses one that proves nothing about who signed.
 *
 * @param jwk the own members of the JWK, without a prototype
 * @returns the key, or the reason why it cannot be used
 */
export function readPublicKey(jwk: Readonly<Record<string, unknown>>): PublicKey | LeftOutReason {
  const flaw = jwk.kty === 'RSA' ? flawOfRsaKey(jwk) : jwk.kty === 'OKP' ? flawOfEd25519Key(jwk) : undefined
  if (flaw !== undefined) return flaw
  const spki = encodeSpki(jwk)
  return (spki && parsePublicKey(spki)) ?? 'malformed'
}

/** RFC 7518 §3.3: 2048 bits or more. With an even exponent or one of 1, anyone can make signatures. */
function flawOfRsaKey({ n, e }: Readonly<Record<string, unknown>>): LeftOutReason | undefined {
  if (typeof n !== 'string' || typeof e !== 'string') return 'malformed'
  const modulus = toBigInt(n)
  const exponent = toBigInt(e)
  if (modulus >> BigInt(MIN_RSA_BITS - 1) === 0n || modulus % 2n === 0n) return 'weak-rsa'
  if (modulus >> BigInt(MAX_RSA_BITS) !== 0n) return 'rsa-too-large'
  if (exponent < 3n || exponent % 2n === 0n || exponent >> BigInt(MAX_EXPONENT_BITS) !== 0n)
    return 'rsa-exponent'
  return hasRocaStructure(modulus) ? 'roca' : undefined
}

/** With a point of small order as the key, some signatures fit any message, so anyone can make one. */
function flawOfEd25519Key({ x }: Readonly<Record<string, unknown>>): LeftOutReason | undefined {
  if (typeof x !== 'string') return 'malformed'
  const point = Buffer.from(x, 'base64url')
  if (point.length !== 32) return 'malformed'
  return hasSmallOrder(point) ? 'small-order' : undefined
}

function toBigInt(base64url: string): bigint {
  const hex = Buffer.from(base64url, 'base64url').toString('hex')
  return BigInt(`0x${hex || '0'}`)
}
