import { constants, createHash, KeyObject, type SignKeyObjectInput, sign } from 'node:crypto'
import { calculateJwkThumbprint, createLocalJWKSet, exportJWK, generateKeyPair, type JWK } from 'jose'

/** All algorithms that the issuer can sign with. */
export const SIGNING_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

/** An algorithm that the issuer can sign with (RFC 7518 §3.1, RFC 8037, RFC 9864). */
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number]

/** A key pair of the issuer. */
export interface SigningKey {
  readonly kid: string
  readonly algorithm: SigningAlgorithm
  readonly privateKey: KeyObject
  /** The public key, as it stands in the JWK Set. */
  readonly jwk: JWK
  /** The public key as jose verifies with it. jose imports the key of a set once. */
  readonly keySet: ReturnType<typeof createLocalJWKSet>
}

/** Generates a key pair. Its `kid` is the JWK thumbprint (RFC 7638). */
export async function createSigningKey(algorithm: SigningAlgorithm): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  const published = { ...jwk, kid, use: 'sig', alg: algorithm }
  return {
    kid,
    algorithm,
    privateKey: KeyObject.from(privateKey),
    jwk: published,
    keySet: createLocalJWKSet({ keys: [published] }),
  }
}

/**
 * Signs any header and payload as a compact JWS (RFC 7515 §7.1), valid or not: a test kit must make the tokens that a
 * JOSE library refuses to make. Uses the algorithm of the header if the key supports it, or else that of the key.
 */
export function signCompact(
  header: object,
  payload: object,
  key: Pick<SigningKey, 'algorithm' | 'privateKey'>,
): string {
  const input = `${encode(header)}.${encode(payload)}`
  const named: unknown = 'alg' in header ? header.alg : undefined
  const algorithm = SIGNING_ALGORITHMS.find(
    (each) => each === named && family(each) === family(key.algorithm),
  )
  return `${input}.${signBytes(Buffer.from(input), key.privateKey, algorithm ?? key.algorithm).toString('base64url')}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Algorithms of one family use the same type of key. */
function family(algorithm: SigningAlgorithm): string {
  if (/^[RP]S/.test(algorithm)) return 'RSA'
  return algorithm.startsWith('ES') ? algorithm : 'OKP'
}

/** RFC 7518 §3, RFC 8037 §3.1 */
function signBytes(input: Buffer, key: KeyObject, algorithm: SigningAlgorithm): Buffer {
  if (algorithm === 'EdDSA' || algorithm === 'Ed25519') return sign(null, input, key)
  const hash = `sha${algorithm.slice(2)}`
  const options: SignKeyObjectInput = { key }
  if (algorithm.startsWith('ES')) options.dsaEncoding = 'ieee-p1363'
  if (algorithm.startsWith('PS')) {
    options.padding = constants.RSA_PKCS1_PSS_PADDING
    options.saltLength = constants.RSA_PSS_SALTLEN_DIGEST
  }
  return sign(hash, input, options)
}

/** The issuer remembers the digest of a token, not the token. */
export function digest(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}
