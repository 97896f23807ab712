import {
  constants,
  createPublicKey,
  type KeyObject,
  type PublicKeyInput,
  type VerifyKeyObjectInput,
  verify,
} from 'node:crypto'
import { attempt } from '../base/maybe-async.js'
import { ownMembers } from '../base/own-members.js'
import type { Algorithm } from './algorithms.js'
import { type BoundKey, type PublicKey, type SignatureEngine, signatureBytesOf } from './signature-engine.js'

/** How `node:crypto` verifies one algorithm (RFC 7518 §3, RFC 8037 §3.1). */
interface Scheme {
  readonly keyType: 'rsa' | 'ec' | 'ed25519'
  /** OpenSSL's name of the curve, for keys of type `ec`. */
  readonly curve?: string
  /** `null` for Ed25519, which hashes by itself. */
  readonly digest: string | null
  readonly options: Omit<VerifyKeyObjectInput, 'key'>
}

const SCHEMES: Readonly<Record<Algorithm, Scheme>> = {
  RS256: pkcs1('sha256'),
  RS384: pkcs1('sha384'),
  RS512: pkcs1('sha512'),
  PS256: pss('sha256', 32),
  PS384: pss('sha384', 48),
  PS512: pss('sha512', 64),
  ES256: ecdsa('sha256', 'prime256v1'),
  ES384: ecdsa('sha384', 'secp384r1'),
  ES512: ecdsa('sha512', 'secp521r1'),
  EdDSA: { keyType: 'ed25519', digest: null, options: {} },
  Ed25519: { keyType: 'ed25519', digest: null, options: {} },
}

function pkcs1(digest: string): Scheme {
  return { keyType: 'rsa', digest, options: { padding: constants.RSA_PKCS1_PADDING } }
}

/**
 * RFC 7518 §3.5: the salt is as long as the digest, by default `node:crypto` accepts any length. The hash of MGF1 is the digest
 * by default.
 */
function pss(digest: string, saltLength: number): Scheme {
  return { keyType: 'rsa', digest, options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength } }
}

/** RFC 7518 §3.4: R and S side by side, where the default of `node:crypto` is DER. */
function ecdsa(digest: string, curve: string): Scheme {
  return { keyType: 'ec', curve, digest, options: { dsaEncoding: 'ieee-p1363' } }
}

/** Verifying with a longer RSA key, or on a larger curve, takes so long that it is done in the thread pool. */
const MAX_SYNC_RSA_BITS = 4096
const SLOW_ALGORITHMS: ReadonlySet<Algorithm> = new Set(['ES384', 'ES512'])

export const signatureEngine: SignatureEngine = {
  parsePublicKey(spki: Uint8Array): PublicKey | undefined {
    let key: KeyObject
    try {
      const input: PublicKeyInput = { key: Buffer.from(spki), format: 'der', type: 'spki' }
      // Node reads further members, such as `passphrase`: none may come from a polluted `Object.prototype`.
      key = createPublicKey(ownMembers(input))
    } catch {
      return undefined
    }
    return { bindTo: (algorithm) => bind(key, algorithm) }
  },
}

/** RFC 8725 §3.1: the type and the curve of the key must be those of the algorithm. An `rsa-pss` key is no `rsa` key. */
function bind(key: KeyObject, algorithm: Algorithm): ReturnType<PublicKey['bindTo']> {
  const { keyType, curve, digest, options } = SCHEMES[algorithm]
  if (key.asymmetricKeyType !== keyType) return undefined
  const { namedCurve, modulusLength } = ownMembers(key.asymmetricKeyDetails ?? {})
  const signatureBytes = signatureBytesOf(algorithm, modulusLength)
  if (namedCurve !== curve || signatureBytes === undefined) return undefined

  // Without a prototype: Node looks for `padding`, `saltLength`, `dsaEncoding`, `context` and others with every algorithm.
  const input: VerifyKeyObjectInput = ownMembers({ ...options, key })
  const isSlow = SLOW_ALGORITHMS.has(algorithm) || (modulusLength ?? 0) > MAX_SYNC_RSA_BITS
  const bound: BoundKey = {
    signatureBytes,
    verify: isSlow
      ? (signingInput, signature) => verifyInThreadPool(digest, signingInput, input, signature)
      : (signingInput, signature) => verify(digest, signingInput, input, signature) === true,
  }
  return tryOut(bound)
}

function verifyInThreadPool(
  digest: string | null,
  signingInput: Uint8Array,
  input: VerifyKeyObjectInput,
  signature: Uint8Array,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    verify(digest, signingInput, input, signature, (error, isGood) => {
      if (error) reject(error)
      else resolve(isGood === true)
    })
  })
}

/**
 * Verifies a signature of zeros once. OpenSSL fails for what this build or its FIPS mode does not support only then, and such a
 * key must not be used. No key signs with zeros only, except one of small order.
 */
function tryOut(bound: BoundKey): ReturnType<PublicKey['bindTo']> {
  const usable = (isGood: boolean) => (isGood ? undefined : bound)
  return attempt(
    () => bound.verify(new Uint8Array(), new Uint8Array(bound.signatureBytes)),
    usable,
    () => undefined,
  )
}
