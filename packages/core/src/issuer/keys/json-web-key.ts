import { isJsonObject } from '../../base/json.js'
import { ownMembers } from '../../base/own-members.js'
import { type LeftOutReason, leftOutReasons } from '../../telemetry/keys-left-out.js'
import { type Algorithm, algorithmsOf } from '../../token/algorithms.js'
import { bindKey, type PublicKey, type VerificationKey } from '../../token/signature.js'
import { readPublicKey } from './key-material.js'

/** A public key of an issuer, with one verification key for each algorithm that it may be used with. */
export interface IssuerKey {
  readonly kid: string | undefined
  readonly verificationKeys: ReadonlyMap<Algorithm, VerificationKey>
}

/** The imported keys of a set, by their identity: key id, algorithms and key material. */
export type IssuerKeys = ReadonlyMap<string, IssuerKey>

/** A member of a JWK Set that is not used. */
export interface LeftOut {
  /** Its place in the set, counted from 0. */
  readonly index: number
  /** Its key id, as it is in the set. */
  readonly kid: unknown
  readonly reason: LeftOutReason
}

/** The members of a JWK Set: those that can verify signatures, and those that cannot. */
export interface ImportedSet {
  readonly keys: IssuerKeys
  readonly leftOut: readonly LeftOut[]
}

/** How many keys are tried for one token: those with its key id, or without one, all that fit its algorithm. */
export const MAX_CANDIDATES = 8

/** Members that only private and symmetric keys have (RFC 7518 §6). */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** Members that public keys are made of (RFC 7518 §6, RFC 8037 §2). */
const MATERIAL = ['kty', 'n', 'e', 'crv', 'x', 'y']

/** A member of a JWK Set that may be used to verify signatures. Its key material is not checked yet. */
interface Candidate {
  readonly kid: string | undefined
  readonly jwk: Readonly<Record<string, unknown>>
  readonly algorithms: readonly Algorithm[]
}

/**
 * Imports the keys of a JWK Set (RFC 7517 §5) that can verify signatures. Each member is judged by itself: one of an unknown
 * kind does not spoil the others.
 *
 * @param previous the keys of the set that this one replaces: a key that is still there is not imported again
 */
export async function importKeySet(value: unknown, previous: IssuerKeys = new Map()): Promise<ImportedSet> {
  const keys = new Map<string, IssuerKey>()
  const leftOut: LeftOut[] = []
  const counts = new Map<string, number>()
  for (const [index, member] of membersOf(value).entries()) {
    const imported = await importMember(member, previous)
    if (typeof imported === 'string') {
      leftOut.push({ index, kid: kidOf(member), reason: imported })
      continue
    }
    const [identity, key] = imported
    if (keys.has(identity)) continue
    if (exceedsCandidates(key, counts)) leftOut.push({ index, kid: key.kid, reason: 'too-many' })
    else keys.set(identity, key)
  }
  return { keys, leftOut }
}

/** Imports one member of a JWK Set, or returns the reason why it cannot verify signatures. */
export async function importJwk(member: unknown): Promise<IssuerKey | LeftOutReason> {
  const imported = await importMember(member, new Map())
  return typeof imported === 'string' ? imported : imported[1]
}

/**
 * Why no member of a JWK Set can be used with these algorithms, as far as that can be told without waiting.
 *
 * @returns `undefined` when at least one member can be used
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

/** Says in words why members were left out: the first five of them. */
export function describeLeftOut(leftOut: readonly LeftOut[]): string {
  const described = leftOut
    .slice(0, 5)
    .map(({ index, reason }) => `#${index + 1} ${reason} (${leftOutReasons[reason]})`)
  const more = leftOut.length - described.length
  return `${described.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** The members of a JWK Set; `undefined` when the value is not one. */
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

/** Whether one token would have more candidates with this key than are tried. Counts the key otherwise. */
function exceedsCandidates({ kid, verificationKeys }: IssuerKey, counts: Map<string, number>): boolean {
  const names = [...verificationKeys.keys()].map((algorithm) => JSON.stringify([kid ?? null, algorithm]))
  if (names.every((name) => (counts.get(name) ?? 0) >= MAX_CANDIDATES)) return true
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return false
}

async function importMember(
  member: unknown,
  previous: IssuerKeys,
): Promise<[identity: string, IssuerKey] | LeftOutReason> {
  const candidate = selectCandidate(member)
  if (typeof candidate === 'string') return candidate
  const identity = identityOf(candidate)
  const known = previous.get(identity)
  if (known) return [identity, known]
  const publicKey = readPublicKey(candidate.jwk)
  if (typeof publicKey === 'string') return publicKey
  const verificationKeys = await bindToEach(publicKey, candidate.algorithms)
  return verificationKeys.size > 0 ? [identity, { kid: candidate.kid, verificationKeys }] : 'import-failed'
}

function whyUnusable(member: unknown, allowed: ReadonlySet<Algorithm>): LeftOutReason | undefined {
  const candidate = selectCandidate(member)
  if (typeof candidate === 'string') return candidate
  if (!candidate.algorithms.some((algorithm) => allowed.has(algorithm))) return 'algorithm-not-allowed'
  const publicKey = readPublicKey(candidate.jwk)
  return typeof publicKey === 'string' ? publicKey : undefined
}

/** Other members of the JWK may change without making it another key. */
function identityOf({ kid, jwk, algorithms }: Candidate): string {
  const material = MATERIAL.map((name) => (typeof jwk[name] === 'string' ? jwk[name] : null))
  return JSON.stringify([kid ?? null, algorithms, material])
}

async function bindToEach(
  publicKey: PublicKey,
  algorithms: readonly Algorithm[],
): Promise<ReadonlyMap<Algorithm, VerificationKey>> {
  const bound = new Map<Algorithm, VerificationKey>()
  for (const algorithm of algorithms) {
    const key = await bindKey(publicKey, algorithm)
    if (key) bound.set(algorithm, key)
  }
  return bound
}

function selectCandidate(member: unknown): Candidate | LeftOutReason {
  if (!isJsonObject(member)) return 'not-an-object'
  // Members from a polluted `Object.prototype` are not members of the key.
  const jwk = ownMembers(member)
  const { kid, kty, use, alg, key_ops: keyOps } = jwk
  if (kty === 'oct' || jwk.k !== undefined) return 'symmetric'
  // A private member was published with the key, so everyone has it.
  if (SECRET_MEMBERS.some((name) => jwk[name] !== undefined)) return 'private'
  if (kid !== undefined && typeof kid !== 'string') return 'kid'
  if (use !== undefined && use !== 'sig') return 'use'
  if (keyOps !== undefined && !(Array.isArray(keyOps) && keyOps.includes('verify'))) return 'key-ops'
  if (algorithmsOf({ kty, crv: jwk.crv, alg: undefined }).length === 0) return 'unknown-type'
  const algorithms = algorithmsOf({ kty, crv: jwk.crv, alg })
  return algorithms.length > 0 ? { kid, jwk, algorithms } : 'alg-mismatch'
}
