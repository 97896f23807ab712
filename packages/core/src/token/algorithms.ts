/** The key that each supported algorithm is made for (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2). */
// RSA keys have no curve, and none is found by inheritance.
const keyTypes = {
  RS256: { kty: 'RSA', crv: undefined },
  RS384: { kty: 'RSA', crv: undefined },
  RS512: { kty: 'RSA', crv: undefined },
  PS256: { kty: 'RSA', crv: undefined },
  PS384: { kty: 'RSA', crv: undefined },
  PS512: { kty: 'RSA', crv: undefined },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  Ed25519: { kty: 'OKP', crv: 'Ed25519' },
} as const

/** The name of a signature algorithm. Only asymmetric ones: `none` and HMAC do not exist here (RFC 8725 §3.1). */
export type Algorithm = keyof typeof keyTypes

export const ALGORITHMS: readonly Algorithm[] = Object.freeze(Object.keys(keyTypes).filter(isAlgorithm))

/** Whether `name` is exactly the name of a supported algorithm (RFC 7515 §4.1.1: case-sensitive). */
export function isAlgorithm(name: unknown): name is Algorithm {
  return typeof name === 'string' && Object.hasOwn(keyTypes, name)
}

/** The two names of one algorithm, RFC 8037's and RFC 9864's. */
function isSameAlgorithm(a: string, b: Algorithm): boolean {
  return a === b || (a === 'EdDSA' && b === 'Ed25519') || (a === 'Ed25519' && b === 'EdDSA')
}

/**
 * The algorithms that a key serves: the one that it names, or, where it names none, those that are made for
 * its type and curve (RFC 7517 §4.4). Empty when `alg` and key do not fit each other.
 */
export function algorithmsOf(key: { kty?: unknown; crv?: unknown; alg?: unknown }): Algorithm[] {
  const { kty, crv, alg } = key
  return ALGORITHMS.filter((name) => {
    // Each has a `crv` of its own: an inherited one would be found on a polluted `Object.prototype`.
    const wanted: { kty: string; crv: string | undefined } = keyTypes[name]
    if (kty !== wanted.kty || (wanted.crv !== undefined && crv !== wanted.crv)) return false
    return alg === undefined || (typeof alg === 'string' && isSameAlgorithm(alg, name))
  })
}
