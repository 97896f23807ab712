import {
  type ALGORITHMS,
  bindKey,
  type SignatureEngine,
  type VerificationKey,
} from '../../packages/core/src/testing.js'

/** A public key in DER, bound to an algorithm; `undefined` when the two do not fit each other. */
export async function bind(
  engine: SignatureEngine,
  spki: Uint8Array,
  algorithm: (typeof ALGORITHMS)[number],
): Promise<VerificationKey | undefined> {
  const key = engine.parsePublicKey(spki)
  return key && (await bindKey(key, algorithm))
}
