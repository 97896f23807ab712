import { createPublicKey } from 'node:crypto'
import { type CryptoKey, importSPKI } from 'jose'
import { isJsonObject } from '../../base/json.js'
import { ownMembers } from '../../base/own-members.js'
import { type LeftOutReason, leftOutReasons } from '../../telemetry/keys-left-out.js'
import { type Algorithm, algorithmsOf } from '../../token/algorithms.js'
import { hasRocaStructure } from './roca.js'
import { encodeSpki } from './spki.js'

/** A public key of the issuer, imported once for each algorithm that it serves. */
export interface VerificationKey {
  readonly kid: string | undefined
  readonly algorithms: ReadonlyMap<Algorithm, CryptoKey>
}

/** Imported keys, by all that makes them what they are. */
export type ImportedKeys = ReadonlyMap<string, VerificationKey>

/** A member of a JWK Set that is not used. */
export interface LeftOut {
  /** Its place in the set, counted from 0. */
  readonly index: number
  /** Its key id, as it is in the set. */
  readonly kid: unknown
  readonly reason: LeftOutReason
}

/** The keys of a JWK Set that can be used to verify signatures, and the members that cannot. */
export interface ImportedSet {
  readonly keys: ImportedKeys
  readonly leftOut: readonly LeftOut[]
}

/** How many keys are tried for one token: those with its key id, or without one, those that serve its algorithm. */
export const MAX_CANDIDATES = 8

/** Members that only private and symmetric keys have (RFC 7518 §6). */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** Members that public keys are made of (RFC 7518 §6, RFC 8037 §2). */
const MATERIAL = ['kty', 'n', 'e', 'crv', 'x', 'y']

const MIN_RSA_BITS = 2048
/** What OpenSSL takes: `OPENSSL_RSA_MAX_MODULUS_BITS`, and of the exponent `OPENSSL_RSA_MAX_PUBEXP_BITS`. */
const MAX_RSA_BITS = 16_384
const MAX_EXPONENT_BITS = 64

/** A member of a JWK Set whose members allow its use to verify signatures. Its material is not looked at yet. */
interface Candidate {
  readonly kid: string | undefined
  readonly jwk: Readonly<Record<string, unknown>>
  readonly algorithms: readonly Algorithm[]
}

/** Its key in PEM, once the material is known to be good. */
interface Sound {
  readonly pem: string
}

/**
 * The keys of a JWK Set (RFC 7517 §5) that can be used to verify signatures. They are judged one by one, so that a member
 * of an unknown kind does not spoil the others.
 *
 * @param before those of the set that this one replaces: a key that has stayed is not imported again, and is the same
 */
export async function importKeySet(value: unknown, before: ImportedKeys = new Map()): Promise<ImportedSet> {
  const keys = new Map<string, VerificationKey>()
  const leftOut: LeftOut[] = []
  const counts = new Map<string, number>()
  for (const [index, member] of membersOf(value).entries()) {
    const imported = await importMember(member, before)
    if (typeof imported === 'string') {
      leftOut.push({ index, kid: kidOf(member), reason: imported })
      continue
    }
    const [identity, key] = imported
    if (keys.has(identity)) continue
    if (isOneTooMany(key, counts)) leftOut.push({ index, kid: key.kid, reason: 'too-many' })
    else keys.set(identity, key)
  }
  return { keys, leftOut }
}

/** Imports one member of a JWK Set; a reason when it cannot be used to verify signatures. */
export async function importVerificationKey(member: unknown): Promise<VerificationKey | LeftOutReason> {
  const imported = await importMember(member, new Map())
  return typeof imported === 'string' ? imported : imported[1]
}

/**
 * Why the members of a JWK Set cannot be used with one of these algorithms, as far as can be told at once; `undefined`
 * when at least one can.
 */
export function findUnusable(
  value: unknown,
  algorithms: ReadonlySet<Algorithm>,
): readonly LeftOut[] | undefined {
  const leftOut: LeftOut[] = []
  for (const [index, member] of membersOf(value).entries()) {
    const reason = whyUnusable(member, algorithms)
    if (reason === undefined) return undefined
    leftOut.push({ index, kid: kidOf(member), reason })
  }
  return leftOut
}

/** Says in words why members were left out: the first few of them. */
export function describeLeftOut(leftOut: readonly LeftOut[]): string {
  const told = leftOut
    .slice(0, 5)
    .map(({ index, reason }) => `#${index + 1} ${reason} (${leftOutReasons[reason]})`)
  const more = leftOut.length - told.length
  return `${told.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** The members of a JWK Set; `undefined` when the value is none. */
export function keysOf(value: unknown): readonly unknown[] | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'keys')) return undefined
  const { keys }: { keys?: unknown } = value
  return Array.isArray(keys) ? keys : undefined
}

function membersOf(value: unknown): readonly unknown[] {
  return keysOf(value) ?? []
}

function kidOf(member: unknown): unknown {
  return isJsonObject(member) ? ownMembers(member).kid : undefined
}

/** Whether more keys would be tried for one token than are allowed. Counts the key otherwise. */
function isOneTooMany({ kid, algorithms }: VerificationKey, counts: Map<string, number>): boolean {
  const names = [...algorithms.keys()].map((algorithm) => JSON.stringify([kid ?? null, algorithm]))
  if (names.every((name) => (counts.get(name) ?? 0) >= MAX_CANDIDATES)) return true
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return false
}

async function importMember(
  member: unknown,
  before: ImportedKeys,
): Promise<[identity: string, VerificationKey] | LeftOutReason> {
  const candidate = selectCandidate(member)
  if (typeof candidate === 'string') return candidate
  const identity = identityOf(candidate)
  const known = before.get(identity)
  if (known) return [identity, known]
  const sound = checkMaterial(candidate)
  if (typeof sound === 'string') return sound
  const algorithms = await importFor(candidate.algorithms, sound.pem)
  return algorithms.size > 0 ? [identity, { kid: candidate.kid, algorithms }] : 'import-failed'
}

function whyUnusable(member: unknown, allowed: ReadonlySet<Algorithm>): LeftOutReason | undefined {
  const candidate = selectCandidate(member)
  if (typeof candidate === 'string') return candidate
  if (!candidate.algorithms.some((algorithm) => allowed.has(algorithm))) return 'algorithm-not-allowed'
  const sound = checkMaterial(candidate)
  return typeof sound === 'string' ? sound : undefined
}

/** Which key a member is. It may hold more, as deep as it likes, which says nothing about that. */
function identityOf({ kid, jwk, algorithms }: Candidate): string {
  const material = MATERIAL.map((name) => (typeof jwk[name] === 'string' ? jwk[name] : null))
  return JSON.stringify([kid ?? null, algorithms, material])
}

async function importFor(
  names: readonly Algorithm[],
  pem: string,
): Promise<ReadonlyMap<Algorithm, CryptoKey>> {
  const algorithms = new Map<Algorithm, CryptoKey>()
  for (const algorithm of names) {
    const key = await importSPKI(pem, algorithm).catch(() => undefined)
    if (key) algorithms.set(algorithm, key)
  }
  return algorithms
}

function selectCandidate(member: unknown): Candidate | LeftOutReason {
  if (!isJsonObject(member)) return 'not-an-object'
  // What a host program puts on `Object.prototype` is no member of a key.
  const jwk = ownMembers(member)
  const { kid, kty, use, alg, key_ops: keyOps } = jwk
  if (kty === 'oct' || jwk.k !== undefined) return 'symmetric'
  // A private member was published with the key: everyone has it.
  if (SECRET_MEMBERS.some((name) => jwk[name] !== undefined)) return 'private'
  if (kid !== undefined && typeof kid !== 'string') return 'kid'
  if (use !== undefined && use !== 'sig') return 'use'
  if (keyOps !== undefined && !(Array.isArray(keyOps) && keyOps.includes('verify'))) return 'key-ops'
  if (algorithmsOf({ kty, crv: jwk.crv, alg: undefined }).length === 0) return 'unknown-type'
  const algorithms = algorithmsOf({ kty, crv: jwk.crv, alg })
  return algorithms.length > 0 ? { kid, jwk, algorithms } : 'alg-mismatch'
}

/** What a sync call can tell about the key itself. */
function checkMaterial({ jwk }: Candidate): Sound | LeftOutReason {
  const flaw = jwk.kty === 'RSA' ? flawOfRsaKey(jwk) : jwk.kty === 'OKP' ? flawOfEd25519Key(jwk) : undefined
  if (flaw !== undefined) return flaw
  const spki = encodeSpki(jwk)
  if (!spki) return 'malformed'
  try {
    createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch {
    return 'malformed'
  }
  return { pem: `-----BEGIN PUBLIC KEY-----\n${spki.toString('base64')}\n-----END PUBLIC KEY-----` }
}

/** RFC 7518 §3.3: 2048 bits or more. With an exponent of 1 or an even one, everyone can make signatures. */
function flawOfRsaKey({ n, e }: Record<string, unknown>): LeftOutReason | undefined {
  if (typeof n !== 'string' || typeof e !== 'string') return 'malformed'
  const modulus = toBigInt(n)
  const exponent = toBigInt(e)
  if (modulus >> BigInt(MIN_RSA_BITS - 1) === 0n || modulus % 2n === 0n) return 'weak-rsa'
  if (modulus >> BigInt(MAX_RSA_BITS) !== 0n) return 'rsa-too-large'
  if (exponent < 3n || exponent % 2n === 0n || exponent >> BigInt(MAX_EXPONENT_BITS) !== 0n)
    return 'rsa-exponent'
  return hasRocaStructure(modulus) ? 'roca' : undefined
}

/** The encodings of the points of small order on edwards25519, their sign bit cleared (RFC 8032 §5.1). */
const SMALL_ORDER_POINTS: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])

/** With a point of small order as the key, there are signatures that fit any message: everyone can make them. */
function flawOfEd25519Key({ x }: Record<string, unknown>): LeftOutReason | undefined {
  if (typeof x !== 'string') return 'malformed'
  const bytes = Buffer.from(x, 'base64url')
  if (bytes.length !== 32) return 'malformed'
  bytes.writeUInt8(bytes.readUInt8(31) & 0x7f, 31)
  return SMALL_ORDER_POINTS.has(bytes.toString('hex')) ? 'small-order' : undefined
}

function toBigInt(base64url: string): bigint {
  const hex = Buffer.from(base64url, 'base64url').toString('hex')
  return BigInt(`0x${hex || '0'}`)
}
