/**
 * Signatures that are good, and many that are not, for all algorithms: what lenient verifiers have accepted (RFC 8725 §2.1, §2.2),
 * built by code with the private key. `isGood` says what RFC 7518 §3 and RFC 8032 demand.
 */

import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { type ForgeKey, signBytes } from './forge.js'
import { flip, type Mutation, toBytes, toNumber } from './forged-bytes.js'
import { pkcs1Mutations, pssMutations, rsaMutations } from './forged-rsa-signatures.js'
import { takeRsaKeyPair } from './rsa-keys.js'

/** One signature of one JWS Signing Input. */
export interface Case {
  readonly what: string
  readonly isGood: boolean
  /** Whether RFC and engines differ about the signature: then `jose` may accept it. */
  readonly isDisputed?: boolean
  readonly signingInput: Buffer
  readonly signature: Buffer
}

/** Numbers from 0 up to a limit, the same ones each time (xorshift32). */
class Sequence {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  below(limit: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % limit
  }
}

const encode = (text: string) => Buffer.from(text).toString('base64url')

const reversed = (bytes: Uint8Array) => Buffer.from(bytes).reverse()
const mod = (number: bigint, modulus: bigint) => ((number % modulus) + modulus) % modulus

/**
 * Good and bad signatures of a key: the same mutations for each algorithm, and those of its family.
 *
 * @param stranger another key of the same type
 */
export function casesOf(key: ForgeKey, stranger: ForgeKey, algorithm: string, seed: number): Case[] {
  const numbers = new Sequence(seed)
  const cases: Case[] = []
  const inputOf = (text: string) => Buffer.from(`${encode(`{"alg":"${algorithm}"}`)}.${encode(text)}`)
  for (const text of ['', '{}', 'a'.repeat(3000)]) {
    const signingInput = inputOf(text)
    const signature = signBytes(signingInput, key.privateKey, algorithm)
    cases.push({ what: `good, ${text.length} bytes`, isGood: true, signingInput, signature })
  }

  const signingInput = inputOf('{"iss":"https://issuer.example"}')
  const signature = signBytes(signingInput, key.privateKey, algorithm)
  const add = ([what, changed, verdict = false]: Mutation) => {
    const [isGood, isDisputed] = [verdict === true, verdict === 'engines differ']
    if (changed) cases.push({ what, isGood, isDisputed, signingInput, signature: changed })
  }
  for (let n = 0; n < 24; n++) {
    const bit = numbers.below(8 * signature.length)
    add([`bit ${bit} flipped`, flip(signature, bit)])
  }
  for (let n = 1; n <= 4; n++) {
    const changed = Buffer.from(signingInput)
    const index = signingInput.length - n
    changed.write(changed.toString('latin1', index, index + 1) === 'A' ? 'B' : 'A', index)
    cases.push({
      what: `character ${index} of the input changed`,
      isGood: false,
      signingInput: changed,
      signature,
    })
  }
  for (const mutation of anyMutations(signature, signingInput, [key, stranger], algorithm)) add(mutation)
  const family = algorithm.slice(0, 2)
  if (family === 'RS' || family === 'PS') for (const each of rsaMutations(signature, key)) add(each)
  if (family === 'RS') for (const each of pkcs1Mutations(signingInput, key, algorithm)) add(each)
  if (family === 'PS') for (const each of pssMutations(signingInput, key, algorithm)) add(each)
  if (family === 'ES') for (const each of ecdsaMutations(signature, signingInput, key, algorithm)) add(each)
  if (family === 'Ed') for (const each of ed25519Mutations(signature, signingInput, key)) add(each)
  return cases
}

function anyMutations(
  signature: Buffer,
  input: Buffer,
  [key, stranger]: readonly [ForgeKey, ForgeKey],
  algorithm: string,
): Mutation[] {
  const half = signature.length / 2
  const others = { RS: ['RS256', 'RS384', 'RS512', 'PS256'], PS: ['PS256', 'PS384', 'PS512', 'RS256'] }
  const related = Object.entries(others).find(([family]) => algorithm.startsWith(family))?.[1] ?? []
  return [
    ['nothing', Buffer.alloc(0)],
    ['one byte', signature.subarray(0, 1)],
    ['the first half', signature.subarray(0, half)],
    ['the last byte missing', signature.subarray(0, -1)],
    // RFC 8017 §8.1.2 and §8.2.2 demand the full length. OpenSSL does without a leading zero, and so does jose.
    ['the first byte missing', signature.subarray(1), signature[0] === 0 ? 'engines differ' : false],
    ['a zero after it', Buffer.concat([signature, Buffer.alloc(1)])],
    ['a zero before it', Buffer.concat([Buffer.alloc(1), signature])],
    ['twice', Buffer.concat([signature, signature])],
    ['1 MiB of zeros after it', Buffer.concat([signature, Buffer.alloc(1024 * 1024)])],
    ['zeros', Buffer.alloc(signature.length)],
    ['ones', Buffer.alloc(signature.length, 0xff)],
    ['the number 1', Buffer.from(signature.map((_, index) => Number(index === signature.length - 1)))],
    ['reversed', reversed(signature)],
    ['its halves swapped', Buffer.concat([signature.subarray(half), signature.subarray(0, half)])],
    ['as text', Buffer.from(signature.toString('base64url'))],
    ['of another input', signBytes(Buffer.concat([input, Buffer.from('A')]), key.privateKey, algorithm)],
    ['of no input', signBytes(Buffer.alloc(0), key.privateKey, algorithm)],
    ['of another key', signBytes(input, stranger.privateKey, algorithm)],
    ...related
      .filter((name) => name !== algorithm)
      .map((name): Mutation => [`by ${name}`, signBytes(input, key.privateKey, name)]),
  ]
}

/** The orders of the groups (SEC 2 §2.4.2, §2.5.1, §2.6.1) and the primes of the fields. */
const CURVES: Readonly<
  Record<string, { readonly order: bigint; readonly prime: bigint; readonly bytes: number }>
> = {
  ES256: {
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    prime: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    bytes: 32,
  },
  ES384: {
    order:
      0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    prime:
      0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
    bytes: 48,
  },
  ES512: {
    order:
      0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    prime: 2n ** 521n - 1n,
    bytes: 66,
  },
}

/** RFC 7518 §3.4: R and S, both from 1 up to the order, in big-endian order and of full length. */
function ecdsaMutations(signature: Buffer, input: Buffer, key: ForgeKey, algorithm: string): Mutation[] {
  const { order, prime, bytes } = CURVES[algorithm] ?? { order: 0n, prime: 0n, bytes: 0 }
  const [r, s] = [toNumber(signature.subarray(0, bytes)), toNumber(signature.subarray(bytes))]
  const pair = (first: bigint, second: bigint): Buffer | undefined => {
    const parts = [toBytes(first, bytes), toBytes(second, bytes)].flatMap((part) => part ?? [])
    return parts.length === 2 ? Buffer.concat(parts) : undefined
  }
  const asDer = sign(`sha${algorithm.slice(2)}`, input, key.privateKey)
  const filled = Buffer.concat([asDer, Buffer.alloc(Math.max(0, 2 * bytes - asDer.length))])
  return [
    // RFC 7518 and FIPS 186-5 §6.4.2 allow it: a signature can be changed into one other that is good.
    ['the order minus S', pair(r, order - s), true],
    ['the order minus R', pair(order - r, s)],
    ['R is 0', pair(0n, s)],
    ['S is 0', pair(r, 0n)],
    ['R and S are 0', pair(0n, 0n)],
    ['R and S are 1', pair(1n, 1n)],
    ['R is the order', pair(order, s)],
    ['S is the order', pair(r, order)],
    ['R and S are the order', pair(order, order)],
    ['R is the order minus 1', pair(order - 1n, s)],
    ['S is the order minus 1', pair(r, order - 1n)],
    ['R is the prime', pair(prime, s)],
    ['R plus the order', pair(r + order, s)],
    ['S plus the order', pair(r, s + order)],
    ['both plus the order', pair(r + order, s + order)],
    ['R with a bit beyond the field', algorithm === 'ES512' ? pair(r ^ (1n << 524n), s) : undefined],
    ['in DER', asDer],
    ['in DER, filled up with zeros', filled],
    ['in DER, cut', asDer.subarray(0, 2 * bytes)],
    ['one byte less for each number', signature.subarray(1, 2 * bytes - 1)],
  ]
}

/** The order of the base point of edwards25519 (RFC 8032 §5.1). */
const L = 2n ** 252n + 27742317777372353535851937790883648493n

/** RFC 8032 §5.1.7: S below the order, and R in its only encoding. */
function ed25519Mutations(signature: Buffer, input: Buffer, key: ForgeKey): Mutation[] {
  const [r, s] = [signature.subarray(0, 32), toNumber(reversed(signature.subarray(32)))]
  const withS = (number: bigint): Buffer | undefined => {
    const bytes = toBytes(number, 32)
    return bytes && Buffer.concat([r, reversed(bytes)])
  }
  // With the private scalar, R may be any point whose logarithm is known: here the neutral one, in all its encodings.
  const { d, x } = createPrivateKey(key.privateKey.export({ format: 'pem', type: 'pkcs8' })).export({
    format: 'jwk',
  })
  const digest = createHash('sha512')
    .update(Buffer.from(d ?? '', 'base64url'))
    .digest()
    .subarray(0, 32)
  digest.writeUInt8(digest.readUInt8(0) & 0xf8, 0)
  digest.writeUInt8((digest.readUInt8(31) & 0x7f) | 0x40, 31)
  const scalar = toNumber(reversed(digest))
  const neutral = (encoding: string, addOrder = 0n): Buffer => {
    const point = Buffer.from(encoding, 'hex')
    const hash = createHash('sha512')
      .update(point)
      .update(Buffer.from(x ?? '', 'base64url'))
      .update(input)
      .digest()
    const number = mod(toNumber(reversed(hash)) * scalar, L) + addOrder
    return Buffer.concat([point, reversed(toBytes(number, 32) ?? Buffer.alloc(32))])
  }
  const one = `01${'00'.repeat(31)}`
  return [
    ...Array.from(
      { length: 15 },
      (_, n): Mutation => [`S plus ${n + 1} times the order`, withS(s + BigInt(n + 1) * L)],
    ),
    ['the order minus S', withS(mod(-s, L))],
    ['S is 0', withS(0n)],
    ['S is the order', withS(L)],
    ['S with its highest bit', withS(s + 2n ** 255n)],
    ['the other sign of R', Buffer.concat([flip(r, 255), signature.subarray(32)])],
    // RFC 8032 allows it, Web Crypto does not. Engines differ, so it is refused here.
    ['R is the neutral point', neutral(one), 'engines differ'],
    ['R is the neutral point, S plus the order', neutral(one, L)],
    ['R is the neutral point with a sign', neutral(`01${'00'.repeat(30)}80`)],
    ['R is the neutral point, plus the prime', neutral(`ee${'ff'.repeat(30)}7f`)],
    ['R is the neutral point, plus the prime, with a sign', neutral(`ee${'ff'.repeat(30)}ff`)],
  ]
}

/** Public keys of every type that could be mistaken for another, in DER, and the algorithms that each may be bound to. */
export function publicKeys(): [name: string, spki: Buffer, algorithms: readonly string[]][] {
  const rsa = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
  const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })
  const pairs = [
    ['RSA', takeRsaKeyPair(), rsa],
    ['RSA-PSS', generateKeyPairSync('rsa-pss', { modulusLength: 2048 }), []],
    [
      'RSA-PSS for SHA-256',
      generateKeyPairSync('rsa-pss', {
        modulusLength: 2048,
        hashAlgorithm: 'sha256',
        mgf1HashAlgorithm: 'sha256',
      }),
      [],
    ],
    ['P-256', ec('P-256'), ['ES256']],
    ['P-384', ec('P-384'), ['ES384']],
    ['P-521', ec('P-521'), ['ES512']],
    ['secp256k1', ec('secp256k1'), []],
    ['brainpoolP256r1', ec('brainpoolP256r1'), []],
    ['Ed25519', generateKeyPairSync('ed25519'), ['EdDSA', 'Ed25519']],
    ['Ed448', generateKeyPairSync('ed448'), []],
    ['X25519', generateKeyPairSync('x25519'), []],
  ] as const
  return pairs.map(([name, { publicKey }, algorithms]) => [
    name,
    publicKey.export({ format: 'der', type: 'spki' }),
    algorithms,
  ])
}
