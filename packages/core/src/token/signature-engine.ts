import type { Awaitable } from '../base/maybe-async.js'
import type { Algorithm } from './algorithms.js'

/**
 * What an engine provides: `signature-engine-node.ts` (`node:crypto`) and `signature-engine-web.ts` (`jose` and Web Crypto).
 * The package condition chooses the engine (`imports` in package.json); an application cannot pass one in.
 */
export interface SignatureEngine {
  /**
   * Reads a public key.
   *
   * @param spki a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in DER
   * @returns `undefined` when the engine can tell at once that the key is malformed
   */
  parsePublicKey(spki: Uint8Array): PublicKey | undefined
}

/** A public key that is not bound to an algorithm, and so verifies nothing yet. */
export interface PublicKey {
  /** @returns `undefined` when the engine cannot use the key with this algorithm */
  bindTo(algorithm: Algorithm): Awaitable<BoundKey | undefined>
}

/** A public key that verifies the signatures of one algorithm. */
export interface BoundKey {
  /** The exact length of every signature (RFC 7518 §3.3 to §3.5, RFC 8032 §5.1.6). */
  readonly signatureBytes: number
  /**
   * Verifies a signature that has this length.
   *
   * @throws what the engine fails with. No signature can cause that: it means that the engine is out of order
   */
  verify(signingInput: Uint8Array, signature: Uint8Array): Awaitable<boolean>
}

const SIGNATURE_BYTES: ReadonlyMap<Algorithm, number> = new Map([
  ['ES256', 64],
  ['ES384', 96],
  ['ES512', 132],
  ['EdDSA', 64],
  ['Ed25519', 64],
])

/**
 * The length of every signature of a key: that of the algorithm, or for RSA that of the modulus.
 *
 * @param modulusBytes the length of the modulus; `undefined` for a key that has none
 */
export function signatureBytesOf(algorithm: Algorithm, modulusBytes: number | undefined): number | undefined {
  return SIGNATURE_BYTES.get(algorithm) ?? modulusBytes
}
