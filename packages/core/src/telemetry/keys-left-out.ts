const phrases = {
  'not-an-object': 'not a JSON object',
  private: 'it holds a private member',
  symmetric: 'it is a symmetric key',
  kid: '"kid" is not a string',
  use: '"use" is not "sig"',
  'key-ops': '"key_ops" has no "verify"',
  'unknown-type': 'its type or curve is not supported',
  'alg-mismatch': '"alg" does not fit the key, or is not supported',
  'weak-rsa': 'the RSA modulus has less than 2048 bits, or is even',
  'rsa-too-large': 'the RSA modulus has more than 16384 bits',
  'rsa-exponent': 'the RSA exponent is not odd, not 3 or more, or has more than 64 bits',
  roca: 'the RSA modulus can be factored (CVE-2017-15361)',
  'small-order': 'it is a point of small order',
  malformed: 'the key material is missing or malformed',
  'import-failed': 'this runtime cannot import it',
  'too-many': 'there are more keys with the same "kid" and algorithm than are tried',
  'algorithm-not-allowed': 'none of its algorithms is allowed here',
} as const

/** Why a member of a JWK Set is not used. */
export type LeftOutReason = keyof typeof phrases

/**
 * For each reason why a member of a JWK Set is not used, a phrase for operators.
 *
 * @example
 * for (const { kid, reason } of verifier.health().keysLeftOut ?? []) console.warn(kid, leftOutReasons[reason])
 */
export const leftOutReasons: Readonly<Record<LeftOutReason, string>> = Object.freeze(phrases)

/** A member of a JWK Set that is not used. */
export interface KeyLeftOut {
  /** Its key id, if it is a plausible one. */
  readonly kid?: string
  /** Why it is not used: a stable short word. */
  readonly reason: LeftOutReason
}
