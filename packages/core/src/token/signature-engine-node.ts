import {
  constants,
  createPublicKey,
  type JwkKeyExportOptions,
  type KeyObject,
  type PublicKeyInput,
  type VerifyKeyObjectInput,
  verify,
} from 'node:crypto'
import { type Awaitable, attempt } from '../base/maybe-async.js'
import { ownMembers } from '../base/own-members.js'
import { isThreadPoolBusy, runInThreadPool } from '../base/thread-pool.js'
import { mayBlockThisTurn } from '../base/turn-budget.js'
import type { Algorithm } from './algorithms.js'
import { type BoundKey, type PublicKey, type SignatureEngine, signatureBytesOf } from './signature-engine.js'

/** How `node:crypto` verifies one algorithm (RFC 7518 §3, RFC 8037 §3.1). */
interface Scheme {
  readonly keyType: 'rsa' | 'ec' | 'ed25519'
  readonly curve: string | undefined
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
  ES256: ecdsa('sha256', 'P-256'),
  ES384: ecdsa('sha384', 'P-384'),
  ES512: ecdsa('sha512', 'P-521'),
  EdDSA: { keyType: 'ed25519', curve: 'Ed25519', digest: null, options: {} },
  Ed25519: { keyType: 'ed25519', curve: 'Ed25519', digest: null, options: {} },
}

function pkcs1(digest: string): Scheme {
  return { keyType: 'rsa', curve: undefined, digest, options: { padding: constants.RSA_PKCS1_PADDING } }
}

/**
 * RFC 7518 §3.5: the salt is as long as the digest, by default `node:crypto` accepts any length. The hash of MGF1 is the digest
 * by default.
 */
function pss(digest: string, saltLength: number): Scheme {
  return {
    keyType: 'rsa',
    curve: undefined,
    digest,
    options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength },
  }
}

/** RFC 7518 §3.4: R and S side by side, where the default of `node:crypto` is DER. */
function ecdsa(digest: string, curve: string): Scheme {
  return { keyType: 'ec', curve, digest, options: { dsaEncoding: 'ieee-p1363' } }
}

/**
 * How long one check takes, in microseconds of one core (measured on Node 20, x86-64). Only the order of magnitude matters: it
 * decides what may run in the event loop. RSA: by the length of the modulus in bytes, with a usual exponent.
 */
const COST_OF_RSA: readonly (readonly [maxModulusBytes: number, microseconds: number])[] = [
  [256, 25],
  [384, 45],
  [512, 70],
]
const COSTS: Readonly<Partial<Record<Algorithm, number>>> = { ES256: 70, EdDSA: 110, Ed25519: 110 }
/** 65537 has three. A longer exponent takes several times as long. */
const MAX_USUAL_EXPONENT_BYTES = 3

/** ES384, ES512 and longer RSA keys take more than half a millisecond: they never run in the event loop. */
function costOf(algorithm: Algorithm, { modulusBytes = 0, exponentBytes = 0 }: ParsedKey): number {
  if (SCHEMES[algorithm].keyType !== 'rsa') return COSTS[algorithm] ?? Number.POSITIVE_INFINITY
  const [, cost] = COST_OF_RSA.find(([maxBytes]) => modulusBytes <= maxBytes) ?? []
  return cost === undefined || exponentBytes > MAX_USUAL_EXPONENT_BYTES ? Number.POSITIVE_INFINITY : cost
}

/** A key as Node has it. Its curve and modulus are read once. */
interface ParsedKey {
  readonly key: KeyObject
  readonly curve: string | undefined
  readonly modulusBytes: number | undefined
  readonly exponentBytes: number | undefined
}

export const signatureEngine: SignatureEngine = {
  parsePublicKey(spki: Uint8Array): PublicKey | undefined {
    try {
      const parsed = parse(spki)
      return { bindTo: (algorithm) => bind(parsed, algorithm) }
    } catch {
      return undefined
    }
  },
}

/** @throws for a malformed key, and for one that has no form as a JWK */
function parse(spki: Uint8Array): ParsedKey {
  const input: PublicKeyInput = { key: Buffer.from(spki), format: 'der', type: 'spki' }
  const asJwk: JwkKeyExportOptions = { format: 'jwk' }
  // Node reads further members, such as `passphrase`: none may come from a polluted `Object.prototype`.
  const key = createPublicKey(ownMembers(input))
  // Not from `asymmetricKeyDetails`: for some keys, that reads a `publicExponent` by inheritance.
  const { crv, n, e } = ownMembers(key.export(ownMembers(asJwk)))
  const bytesOf = (value?: string) =>
    value === undefined ? undefined : Buffer.from(value, 'base64url').length
  return { key, curve: crv, modulusBytes: bytesOf(n), exponentBytes: bytesOf(e) }
}

/** RFC 8725 §3.1: the type and the curve of the key must be those of the algorithm. A key of type `rsa-pss` fits none. */
function bind(parsed: ParsedKey, algorithm: Algorithm): Awaitable<BoundKey | undefined> {
  const { key, curve, modulusBytes } = parsed
  const scheme = SCHEMES[algorithm]
  const signatureBytes = signatureBytesOf(algorithm, modulusBytes)
  if (key.asymmetricKeyType !== scheme.keyType || curve !== scheme.curve || signatureBytes === undefined)
    return undefined
  // Without a prototype: Node looks for `padding`, `saltLength`, `dsaEncoding`, `context` and others with every algorithm.
  const input: VerifyKeyObjectInput = ownMembers({ ...scheme.options, key })
  const { digest } = scheme
  const cost = costOf(algorithm, parsed)
  const isLong = cost === Number.POSITIVE_INFINITY
  return tryOut({
    signatureBytes,
    verify: (signingInput, signature) =>
      mayBlockThisTurn(cost, isThreadPoolBusy())
        ? verify(digest, signingInput, input, signature) === true
        : runInThreadPool<boolean>(isLong, (done) => verify(digest, signingInput, input, signature, done)),
  })
}

/**
 * Verifies a signature of zeros once. What this build of OpenSSL, or its FIPS mode, does not support fails only then, and the
 * same way for every signature. Such a key is not used. Nor is one for which zeros are a good signature.
 */
function tryOut(bound: BoundKey): Awaitable<BoundKey | undefined> {
  return attempt(
    () => bound.verify(new Uint8Array(), new Uint8Array(bound.signatureBytes)),
    (isGood) => (isGood ? undefined : bound),
    () => undefined,
  )
}
