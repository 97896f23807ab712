/** The key type and curve of each supported algorithm (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2). */
// RSA keys have no curve. Their `crv` is `undefined` here so that none is read from a polluted `Object.prototype`.
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

/** The name of a signature algorithm. Asymmetric ones only: `none` and HMAC are not supported (RFC 8725 §3.1). */
export type Algorithm = keyof typeof keyTypes

export const ALGORITHMS: readonly Algorithm[] = Object.freeze(Object.keys(keyTypes).filter(isAlgorithm))

/** Whether `name` is exactly the name of a supported algorithm (RFC 7515 §4.1.1: case-sensitive). */
export function isAlgorithm(name: unknown): name is Algorithm {
  return typeof name === 'string' && Object.hasOwn(keyTypes, name)
}

/** Whether two names mean the same algorithm: `EdDSA` (RFC 8037) and `Ed25519` (RFC 9864) do, for keys on Ed25519. */
function isSameAlgorithm(a: string, b: Algorithm): boolean {
  return a === b || (a === 'EdDSA' && b === 'Ed25519') || (a === 'Ed25519' && b === 'EdDSA')
}

/**
 * The algorithms that a key may be used with (RFC 7517 §4.4): the one that its `alg` names, or without `alg`, all that fit its
 * type and curve. Empty when `alg` does not fit the key.
 */
export function algorithmsOf(key: { kty?: unknown; crv?: unknown; alg?: unknown }): Algorithm[] {
  const { kty, crv, alg } = key
  return ALGORITHMS.filter((name) => {
    const wanted: { kty: string; crv: string | undefined } = keyTypes[name]
    if (kty !== wanted.kty || (wanted.crv !== undefined && crv !== wanted.crv)) return false
    return alg === undefined || (typeof alg === 'string' && isSameAlgorithm(alg, name))
  })
}
