/** The signature port: all other code verifies signatures through this file, which alone knows an engine. */

import { signatureEngine } from '#signature-engine'
import { type Awaitable, after } from '../base/maybe-async.js'
import type { Algorithm } from './algorithms.js'
import type { BoundKey, PublicKey } from './signature-engine.js'
import { hasSmallOrder } from './small-order.js'

/** What the signature of a token covers, and the signature itself (RFC 7515 §5.2). */
export interface Signed {
  /** The JWS Signing Input (RFC 7515 §2): header and payload as they were sent. */
  readonly signingInput: Uint8Array
  readonly signature: Uint8Array
}

/** A public key of an issuer, bound to one algorithm (RFC 8725 §3.1). Opaque: only {@link verifySignature} uses it. */
class VerificationKey {
  readonly #bound: BoundKey
  readonly #isEd25519: boolean

  constructor(bound: BoundKey, algorithm: Algorithm) {
    this.#bound = bound
    this.#isEd25519 = algorithm === 'EdDSA' || algorithm === 'Ed25519'
  }

  verify({ signingInput, signature }: Signed): Awaitable<boolean> {
    const bound = this.#bound
    if (signature.length !== bound.signatureBytes) return false
    // Web Crypto demands this of Ed25519, and not all engines do it. No signer makes such a signature by chance.
    if (this.#isEd25519 && hasSmallOrder(signature.subarray(0, 32))) return false
    return bound.verify(signingInput, signature)
  }
}

export type { PublicKey, VerificationKey }

/**
 * Reads a public key.
 *
 * @param spki a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in DER
 * @returns `undefined` when it is malformed, as far as the engine can tell without waiting
 */
export function parsePublicKey(spki: Uint8Array): PublicKey | undefined {
  return signatureEngine.parsePublicKey(spki)
}

/**
 * Binds a public key to an algorithm.
 *
 * @returns `undefined` when key and algorithm do not fit each other, or this runtime cannot verify the algorithm
 */
export function bindKey(key: PublicKey, algorithm: Algorithm): Awaitable<VerificationKey | undefined> {
  return after(key.bindTo(algorithm), (bound) => bound && new VerificationKey(bound, algorithm))
}

/**
 * Whether a token was signed with this key (RFC 7515 §5.2), by its algorithm.
 *
 * @returns at once where the check is cheap and the event loop has time for it; a promise otherwise
 * @throws what the engine fails with. No token can cause that, so it is no refusal of the token
 */
export function verifySignature(key: VerificationKey, signed: Signed): Awaitable<boolean> {
  return key.verify(signed)
}
