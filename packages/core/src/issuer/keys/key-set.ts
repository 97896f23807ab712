import { type Awaitable, after, isPending } from '../../base/maybe-async.js'
import { InvalidTokenError } from '../../errors/errors.js'
import { watched } from '../../telemetry/events.js'
import type { KeyLeftOut } from '../../telemetry/keys-left-out.js'
import type { Algorithm } from '../../token/algorithms.js'
import { type Signed, type VerificationKey, verifySignature } from '../../token/signature.js'
import type { IssuerAccess, IssuerMetadata } from '../discovery/issuer-metadata.js'
import type { CachedDocument } from '../http/cached-document.js'
import { KeyRefresh, type KeySearch } from './key-refresh.js'
import type { ResolvedKeys } from './keys-options.js'
import type { Selection, VerificationKeys } from './verification-keys.js'

/** The JWK Set of an issuer (RFC 7517), and the search for the key that signed a token. */
export class KeySet {
  readonly document: CachedDocument<VerificationKeys>
  readonly #issuer: string
  readonly #refresh: KeyRefresh
  /** The last generation that was reported as stale. */
  #reportedStale = 0

  constructor(server: IssuerMetadata, access: IssuerAccess, options: ResolvedKeys) {
    this.#issuer = server.issuer
    this.#refresh = new KeyRefresh(server, access, options)
    this.document = this.#refresh.document
  }

  /** Whether the key set is configured, and never changes. */
  get fixed(): boolean {
    return this.#refresh.fixed
  }

  /** The ids of the cached keys. */
  get keyIds(): readonly string[] {
    return this.document.value?.ids ?? []
  }

  /** The members of the cached set that are not used, where there are some: the first twenty. */
  get keysLeftOut(): readonly KeyLeftOut[] | undefined {
    return this.document.value?.reportedLeftOut
  }

  /** The cached keys, while they are fresh. */
  get fresh(): VerificationKeys | undefined {
    return this.document.fresh
  }

  /**
   * The keys: fresh ones where possible, stale ones while the issuer cannot be reached.
   *
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`, `ERR_KEYS_UNAVAILABLE`
   */
  async getKeys(): Promise<VerificationKeys> {
    const keys = await this.document.get().catch((error: unknown) => {
      throw this.#refresh.unavailable(error)
    })
    const { stale, generation, ageMs = 0 } = this.document
    if (stale && generation !== this.#reportedStale) {
      this.#reportedStale = generation
      watched('keysStale')?.publish({ issuer: this.#issuer, keysAgeMs: ageMs })
    }
    return keys
  }

  /**
   * Finds the key that signed a token. Tries each candidate set in turn: cached keys, refetched keys, keys at a moved address.
   * Of each, the keys with the token's key id, or without one, all that fit the algorithm.
   *
   * @param generation the newest generation when the token arrived: a set fetched before may predate the token's key
   * @returns at once when fresh cached keys decide and the engine does not wait
   * @throws {InvalidTokenError} `ERR_SIGNATURE_INVALID`, `ERR_KEY_NOT_FOUND`, `ERR_ALGORITHM_NOT_ALLOWED`
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`, `ERR_KEYS_UNAVAILABLE`
   */
  findSigner(
    signed: Signed,
    algorithm: Algorithm,
    kid: string | undefined,
    generation: number = this.document.latestGeneration,
  ): Awaitable<VerificationKey> {
    const search: KeySearch = { kid, generation, next: 'refetch', isLookedUp: true }
    const tryKeys = (keys: VerificationKeys): Awaitable<VerificationKey> => {
      const selection = keys.select(kid, algorithm)
      return after(signerAmong(selection.candidates, signed), (signer) => {
        if (signer) return signer
        if (!this.#refresh.mayBeNewer(search, selection.kidMatched)) throw refusal(selection, kid)
        return this.#refresh.newerKeys(search, keys).then((newer) => {
          if (newer) return tryKeys(newer)
          throw refusal(selection, kid)
        })
      })
    }
    return after(this.fresh ?? this.getKeys(), tryKeys)
  }
}

/** The first of these keys that made the signature; `undefined` when none did. */
function signerAmong(
  candidates: readonly VerificationKey[],
  signed: Signed,
): Awaitable<VerificationKey | undefined> {
  for (const [index, key] of candidates.entries()) {
    const isSigner = verifySignature(key, signed)
    if (isPending(isSigner))
      return isSigner.then((yes) => (yes ? key : signerAmong(candidates.slice(index + 1), signed)))
    if (isSigner) return key
  }
  return undefined
}

/** Why a token is refused when no candidate made its signature. */
function refusal(
  { kidMatched, candidates, isTruncated }: Selection,
  kid: string | undefined,
): InvalidTokenError {
  // Some keys were not tried, so the signature is not known to be wrong.
  if (isTruncated) return new InvalidTokenError('ERR_KEY_NOT_FOUND', { reason: 'too-many-candidates' })
  if (candidates.length > 0)
    return new InvalidTokenError('ERR_SIGNATURE_INVALID', { reason: 'signature-wrong' })
  // RFC 8725 §3.1: each key is only used with its own algorithm.
  if (kid !== undefined && kidMatched)
    return new InvalidTokenError('ERR_ALGORITHM_NOT_ALLOWED', { reason: 'key-of-other-algorithm' })
  return new InvalidTokenError('ERR_KEY_NOT_FOUND', { reason: 'key-unknown' })
}
