import { createHash, randomUUID } from 'node:crypto'
import { type ProofKey, publicJwkOf, readKey } from './protocol/proof-key.js'
import { algorithmOf } from './state/proof-algorithm.js'
import { signCompact } from './state/signing-keys.js'

/** What `createDpopProof` puts into a proof. */
export interface DpopProofOptions {
  /** The private key of the client: a `KeyObject`, a `CryptoKey` or a JWK. RSA, EC (P-256, P-384, P-521) or Ed25519. */
  readonly key: ProofKey
  /** The method of the request: the `htm` claim. */
  readonly method: string
  /** The URL of the request. Without query and fragment, it is the `htu` claim. */
  readonly url: string | URL
  /** The access token of the request: the `ath` claim is its digest. @default none, as at the token endpoint (RFC 9449 §5) */
  readonly token?: string | undefined
  /** The `nonce` claim: the `DPoP-Nonce` of the last response (RFC 9449 §8, §9). @default none */
  readonly nonce?: string | undefined
  /** Claims to add or replace; `undefined` removes a claim. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
  /**
   * Header parameters to add or replace; `undefined` removes one. `alg: 'PS256'` signs with PSS, if the key is an RSA key. An
   * `alg` that the key does not support stands in the header, but does not sign.
   */
  readonly header?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Signs a DPoP proof (RFC 9449 §4.2) for one request. By default it is valid; the options can break any part of it.
 *
 * The algorithm is that of the key: `alg` of a JWK, RS256 for RSA, ES256, ES384 or ES512 for EC, EdDSA for Ed25519. `iat` is the
 * time of the system clock, `jti` is random: each request needs a new proof.
 *
 * @returns the value of the header `DPoP`
 * @throws {TypeError} for a key that is not private or of another type, and a URL that is not absolute
 * @example
 * import { generateKeyPairSync } from 'node:crypto'
 *
 * const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
 * const token = await issuer.issueToken({ scopes: ['messaging.read'], dpopKey: privateKey })
 * const url = 'https://api.example.com/messages'
 * const proof = await createDpopProof({ key: privateKey, method: 'GET', url, token })
 * const response = await fetch(url, { headers: { authorization: `DPoP ${token}`, dpop: proof } })
 */
export async function createDpopProof(options: DpopProofOptions): Promise<string> {
  const { key, method, url, token, nonce } = options
  const privateKey = readKey(key)
  if (privateKey.type !== 'private') throw new TypeError('createDpopProof() needs the private key')
  const target = new URL(url)
  target.search = ''
  target.hash = ''
  const jwk = publicJwkOf(privateKey)
  const algorithm = algorithmOf(key, jwk)
  const claims = {
    jti: randomUUID(),
    htm: method,
    htu: target.href,
    iat: Math.floor(Date.now() / 1000),
    ath: token === undefined ? undefined : createHash('sha256').update(token).digest('base64url'),
    nonce,
    ...options.claims,
  }
  const header = { typ: 'dpop+jwt', alg: algorithm, jwk, ...options.header }
  return signCompact(header, claims, { algorithm, privateKey })
}
