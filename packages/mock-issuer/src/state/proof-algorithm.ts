import type { JsonWebKey } from 'node:crypto'
import { types } from 'node:util'
import type { ProofKey } from '../protocol/proof-key.js'
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from './signing-keys.js'

/** RFC 7518 §3.4, RFC 8037 §3.1 */
const BY_CURVE: Readonly<Record<string, SigningAlgorithm>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
}

/**
 * The algorithm that a key signs with: that of a JWK's `alg` or of a `CryptoKey`, if it has one, or else the usual one of its
 * type.
 *
 * @param jwk the public JWK of the key
 * @throws {TypeError} for a curve without an algorithm
 */
export function algorithmOf(key: ProofKey, { kty, crv = '' }: JsonWebKey): SigningAlgorithm {
  const named = nameIn(key)
  const known = SIGNING_ALGORITHMS.find((each) => each === named)
  if (kty === 'RSA') return known ?? 'RS256'
  const algorithm = BY_CURVE[crv]
  if (algorithm === undefined) throw new TypeError(`A key for DPoP must not be of the curve ${crv}`)
  return algorithm === 'EdDSA' && known === 'Ed25519' ? known : algorithm
}

function nameIn(key: ProofKey): unknown {
  if (!types.isCryptoKey(key)) return 'alg' in key ? key.alg : undefined
  const { name } = key.algorithm
  if (!('hash' in key.algorithm)) return undefined
  const { hash } = key.algorithm
  const size = typeof hash === 'object' && hash !== null && 'name' in hash ? String(hash.name).slice(4) : ''
  return `${name === 'RSA-PSS' ? 'PS' : 'RS'}${size}`
}
