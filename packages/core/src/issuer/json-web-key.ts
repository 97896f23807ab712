import { createPublicKey } from 'node:crypto'
import type { CryptoKey } from 'jose'
import { type Algorithm, algorithmsOf } from '../algorithms.js'
import { ownMembers } from '../own-members.js'
import { importPublicKey } from '../token/signature.js'

/** A public key of the issuer, imported once for each algorithm that it serves. */
export interface VerificationKey {
  readonly kid: string | undefined
  readonly algorithms: ReadonlyMap<Algorithm, CryptoKey>
}

/** Imported keys, by all that makes them what they are. */
export type ImportedKeys = ReadonlyMap<string, VerificationKey>

/** Members that only private and symmetric keys have (RFC 7518 §6). */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** Members that public keys are made of (RFC 7518 §6, RFC 8037 §2). */
const MATERIAL = ['kty', 'n', 'e', 'crv', 'x', 'y']

const MIN_RSA_BITS = 2048

/** A member of a JWK Set that may be imported: nothing about it forbids its use to verify signatures. */
interface UsableKey {
  readonly kid: string | undefined
  readonly jwk: Readonly<Record<string, unknown>>
  readonly algorithms: readonly Algorithm[]
}

/**
 * The keys of a JWK Set (RFC 7517 §5) that can be used to verify signatures. They are judged one by one, so that a member
 * of an unknown kind does not spoil the others.
 *
 * @param before those of the set that this one replaces: a key that has stayed is not imported again, and is the same
 */
export async function importKeySet(value: unknown, before: ImportedKeys = new Map()): Promise<ImportedKeys> {
  const imported = new Map<string, VerificationKey>()
  for (const member of membersOf(value)) {
    const usable = selectUsable(member)
    if (!usable) continue
    const identity = identityOf(usable)
    const key = before.get(identity) ?? (await importUsable(usable))
    if (key) imported.set(identity, key)
  }
  return imported
}

/** Whether at least one of them serves one of these algorithms, as far as can be told at once. */
export function hasUsableKey(value: unknown, algorithms: ReadonlySet<Algorithm>): boolean {
  return membersOf(value).some((member) => {
    const usable = selectUsable(member)
    if (!usable?.algorithms.some((algorithm) => algorithms.has(algorithm))) return false
    try {
      createPublicKey({ key: usable.jwk, format: 'jwk' })
      return true
    } catch {
      return false
    }
  })
}

function membersOf(value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return []
  const { keys } = ownMembers(value)
  return Array.isArray(keys) ? keys : []
}

/** Imports one member of a JWK Set; `undefined` when it cannot be used to verify signatures. */
export async function importVerificationKey(member: unknown): Promise<VerificationKey | undefined> {
  const usable = selectUsable(member)
  return usable && importUsable(usable)
}

/** Which key a member is. It may hold more, as deep as it likes, which says nothing about that. */
function identityOf({ kid, jwk, algorithms }: UsableKey): string {
  const material = MATERIAL.map((name) => (typeof jwk[name] === 'string' ? jwk[name] : null))
  return JSON.stringify([kid ?? null, algorithms, material])
}

async function importUsable({
  kid,
  jwk,
  algorithms: names,
}: UsableKey): Promise<VerificationKey | undefined> {
  const algorithms = new Map<Algorithm, CryptoKey>()
  for (const algorithm of names) {
    const key = await importPublicKey(jwk, algorithm).catch(() => undefined)
    if (key) algorithms.set(algorithm, key)
  }
  return algorithms.size > 0 ? { kid, algorithms } : undefined
}

function selectUsable(member: unknown): UsableKey | undefined {
  if (typeof member !== 'object' || member === null || Array.isArray(member)) return undefined
  const jwk = ownMembers(member)

  // A key that was published with its private part is anybody's key.
  if (SECRET_MEMBERS.some((name) => jwk[name] !== undefined)) return undefined
  const { kid, use, key_ops: keyOps } = jwk
  if (kid !== undefined && typeof kid !== 'string') return undefined
  if (use !== undefined && use !== 'sig') return undefined
  if (keyOps !== undefined && !(Array.isArray(keyOps) && keyOps.includes('verify'))) return undefined
  if (jwk.kty === 'RSA' && !isStrongRsaKey(jwk)) return undefined
  if (jwk.kty === 'OKP' && !isStrongEd25519Key(jwk)) return undefined
  const algorithms = algorithmsOf(jwk)
  return algorithms.length > 0 ? { kid, jwk, algorithms } : undefined
}

/** RFC 7518 §3.3: 2048 bits or more. An exponent of 1 or an even one makes signatures that anybody can forge. */
function isStrongRsaKey({ n, e }: Record<string, unknown>): boolean {
  if (typeof n !== 'string' || typeof e !== 'string') return false
  const modulus = toBigInt(n)
  const exponent = toBigInt(e)
  return modulus >> BigInt(MIN_RSA_BITS - 1) > 0n && exponent >= 3n && exponent % 2n === 1n
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

/** With a point of small order as the key, there are signatures that fit any message: anybody can make them. */
function isStrongEd25519Key({ x }: Record<string, unknown>): boolean {
  if (typeof x !== 'string') return false
  const bytes = Buffer.from(x, 'base64url')
  if (bytes.length !== 32) return false
  bytes.writeUInt8(bytes.readUInt8(31) & 0x7f, 31)
  return !SMALL_ORDER_POINTS.has(bytes.toString('hex'))
}

function toBigInt(base64url: string): bigint {
  const hex = Buffer.from(base64url, 'base64url').toString('hex')
  return BigInt(`0x${hex || '0'}`)
}
