import { hash } from 'node:crypto'
import { isJsonObject } from '../base/json.js'
import { type Awaitable, after } from '../base/maybe-async.js'
import { InvalidProofError, InvalidTokenError } from '../errors/errors.js'
import type { Reason } from '../errors/reasons.js'
import { namesRequest } from '../request/base-url.js'
import { type AuthenticatableRequest, headerValues } from '../request/request-headers.js'
import { type Algorithm, algorithmsOf, isAlgorithm } from '../token/algorithms.js'
import {
  KnownHeaders,
  parseUnverifiedToken,
  type UnverifiedHeader,
  type UnverifiedToken,
} from '../token/parse-token.js'
import { bindKey, type PublicKey, type VerificationKey, verifySignature } from '../token/signature.js'
import type { DpopNonces } from './dpop-nonces.js'

/** Reads the public key of a JWK, or tells why it proves nothing. From the room of the issuer's keys, which is above this one. */
export type ReadPublicKey = (jwk: Readonly<Record<string, unknown>>) => PublicKey | string

/** What proofs are checked against. */
export interface ProofRules {
  readonly algorithms: readonly Algorithm[]
  readonly proofAgeSeconds: number
  /** The URL of this API, without a slash at the end. */
  readonly baseUrl: string
  /** `undefined` where no nonce is demanded. */
  readonly nonces: DpopNonces | undefined
}

/** A proof that is good, as far as one process can tell. */
export interface GoodProof {
  /** What identifies it to the replay store: a digest, so that the store holds nothing that a caller wrote. */
  readonly replayKey: string
  readonly expiresInSeconds: number
  /** The nonce that the client should use from now on, where its own will soon be refused (RFC 9449 §8.2). */
  readonly nextNonce: string | undefined
}

/** With an RSA key of 4096 bits, a proof has about 1,800 characters. */
const MAX_PROOF_LENGTH = 8192
/** RFC 9449 §4.2 asks for 96 bits, a UUID has 36 characters. */
const MAX_JTI_LENGTH = 256
/** How much longer a proof is remembered than it is good: another machine's clock may be behind. */
const CLOCK_MARGIN_SECONDS = 10
/** How many keys of clients are kept, so that they need not be imported for each request. */
const MAX_KEYS = 1000

/** Members that only private and symmetric keys have (RFC 7518 §6). */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** The members of a thumbprint, in the order of RFC 7638 §3.2. */
const THUMBPRINT_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  RSA: ['e', 'kty', 'n'],
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
}

/** A key that was read, and its thumbprint. */
interface ProofKey {
  readonly key: VerificationKey
  readonly thumbprint: string
}

/** Checks proofs of possession (RFC 9449 §4.3). Whether a proof was used before, the replay store knows. */
export class ProofChecker {
  readonly #rules: ProofRules
  readonly #readPublicKey: ReadPublicKey
  readonly #headers = new KnownHeaders(MAX_KEYS)
  /** The keys of known headers: only of good proofs of bound tokens, so that no stranger can fill them. */
  readonly #keys = new WeakMap<UnverifiedHeader, ProofKey>()

  constructor(rules: ProofRules, readPublicKey: ReadPublicKey) {
    this.#rules = rules
    this.#readPublicKey = readPublicKey
  }

  /**
   * Checks the proof of a request. The order is that of cost: the signature comes last.
   *
   * @param jkt the thumbprint of the key that the token is bound to
   * @param now seconds since the epoch
   * @throws {InvalidProofError}
   * @throws {InvalidTokenError} `ERR_BINDING_MISMATCH`
   */
  check(request: AuthenticatableRequest, token: string, jkt: string, now: number): Awaitable<GoodProof> {
    const proof = proofOf(request)
    const { unverifiedHeader, unverifiedClaims, signed } = this.#parse(proof)
    const { jti, iat } = this.#checkClaims(unverifiedClaims, request, token, now)
    return after(this.#keyOf(unverifiedHeader, jkt), (proofKey) =>
      after(verifySignature(proofKey.key, signed), (isGood): GoodProof => {
        if (!isGood) throw invalid('proof-signature')
        this.#headers.remember(proof, unverifiedHeader)
        this.#keys.set(unverifiedHeader, proofKey)
        return {
          nextNonce: this.#checkNonce(unverifiedClaims.nonce, now),
          replayKey: hash('sha256', `${jkt}.${jti}`, 'base64url'),
          expiresInSeconds: iat + this.#rules.proofAgeSeconds - now + CLOCK_MARGIN_SECONDS,
        }
      }),
    )
  }

  #parse(proof: string): UnverifiedToken {
    try {
      return parseUnverifiedToken(proof, MAX_PROOF_LENGTH, this.#headers)
    } catch {
      throw invalid('proof-malformed')
    }
  }

  /** Checks 3, 8, 9, 11 and 12a. */
  #checkClaims(
    { jti, htm, htu, iat, ath }: Readonly<Record<string, unknown>>,
    request: AuthenticatableRequest,
    token: string,
    now: number,
  ): { jti: string; iat: number } {
    const { baseUrl, proofAgeSeconds } = this.#rules
    if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_LENGTH) throw invalid('proof-jti')
    if (typeof htm !== 'string' || htm !== request.method) throw invalid('proof-method')
    if (typeof htu !== 'string' || !namesRequest(htu, baseUrl, request)) throw invalid('proof-url')
    // Negated, so that a broken clock refuses.
    if (typeof iat !== 'number' || !(Math.abs(now - iat) <= proofAgeSeconds)) throw invalid('proof-age')
    if (ath !== hash('sha256', token, 'base64url')) throw invalid('proof-token')
    return { jti, iat }
  }

  /**
   * Checks 4, 5, 7 and 12b, and reads the key.
   *
   * The thumbprint comes before the key is read: only the owner of a token can make this process do that.
   */
  #keyOf(header: UnverifiedHeader, jkt: string): Awaitable<ProofKey> {
    const known = this.#keys.get(header)
    if (known?.thumbprint === jkt) return known
    const { typ, alg, crit, b64, jwk } = header
    if (typ !== 'dpop+jwt') throw invalid('proof-typ')
    if (!isAlgorithm(alg) || !this.#rules.algorithms.includes(alg)) throw invalid('proof-algorithm')
    // RFC 7797 §7: JWTs must not use `b64`.
    if (crit !== undefined || b64 !== undefined) throw invalid('proof-critical')
    if (!isJsonObject(jwk)) throw invalid('proof-key')
    if (SECRET_MEMBERS.some((name) => jwk[name] !== undefined)) throw invalid('proof-key-secret')
    if (thumbprintOf(jwk) !== jkt)
      throw new InvalidTokenError('ERR_BINDING_MISMATCH', { claim: 'cnf', reason: 'proof-key-other' })
    const key = algorithmsOf(jwk).includes(alg) ? this.#readPublicKey(jwk) : undefined
    if (key === undefined || typeof key === 'string') throw invalid('proof-key')
    return after(bindKey(key, alg), (bound) => {
      if (!bound) throw invalid('proof-key')
      return { key: bound, thumbprint: jkt }
    })
  }

  /**
   * Check 10
   *
   * @returns the nonce to change to, where one is due
   */
  #checkNonce(nonce: unknown, now: number): string | undefined {
    const { nonces } = this.#rules
    if (!nonces) return undefined
    const state = typeof nonce === 'string' ? nonces.check(nonce, now) : 'refused'
    if (state !== 'refused') return state === 'outgoing' ? nonces.current(now) : undefined
    throw new InvalidProofError('ERR_DPOP_NONCE_REQUIRED', {
      reason: nonce === undefined ? 'proof-nonce-missing' : 'proof-nonce-invalid',
      nonce: nonces.current(now),
    })
  }
}

/** Check 1: exactly one header. Node and the web join several with commas, which no proof has. */
function proofOf(request: AuthenticatableRequest): string {
  const [proof, ...others] = headerValues(request, 'dpop')
  if (proof === undefined) throw new InvalidProofError('ERR_DPOP_PROOF_MISSING', { reason: 'proof-missing' })
  if (others.length > 0 || proof.includes(',')) throw invalid('proof-repeated')
  return proof
}

/** RFC 7638 §3. Only members that are strings of base64url, or a name, make the thumbprint of a key. */
function thumbprintOf(jwk: Readonly<Record<string, unknown>>): string | undefined {
  const names =
    typeof jwk.kty === 'string' && Object.hasOwn(THUMBPRINT_MEMBERS, jwk.kty) && THUMBPRINT_MEMBERS[jwk.kty]
  if (!names) return undefined
  const members: string[] = []
  for (const name of names) {
    const value = jwk[name]
    if (typeof value !== 'string' || !/^[\w-]+$/.test(value)) return undefined
    members.push(`"${name}":"${value}"`)
  }
  return hash('sha256', `{${members.join()}}`, 'base64url')
}

function invalid(reason: Reason): InvalidProofError {
  return new InvalidProofError('ERR_DPOP_PROOF_INVALID', { reason })
}
