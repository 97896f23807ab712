import type { Clock } from '../base/clock.js'
import { Deadline } from '../base/deadline.js'
import { type Awaitable, after } from '../base/maybe-async.js'
import type { DpopChallenge } from '../errors/challenge.js'
import { InvalidProofError, UnavailableError } from '../errors/errors.js'
import type { AuthenticatableRequest } from '../request/request-headers.js'
import { DpopNonces } from './dpop-nonces.js'
import { type GoodProof, ProofChecker, type ReadPublicKey } from './dpop-proof.js'
import {
  MemoryReplayStore,
  type ReplayStore,
  ReplayStoreFullError,
  type ReplayStoreHealth,
} from './replay-store.js'
import type { CheckedDpop } from './sender-options.js'

/** How long the replay store of the application may take. */
const STORE_TIMEOUT_MS = 5000

/** After how many seconds a client may try again when the replay store cannot answer. */
const RETRY_AFTER_SECONDS = 5

/** Proof of possession (RFC 9449): that the caller has the key of its token, now and for this request. */
export class ProofOfPossession {
  readonly mode: CheckedDpop['mode']
  readonly challenge: DpopChallenge
  readonly #clock: Clock
  readonly #proofs: ProofChecker
  readonly #store: ReplayStore
  readonly #memory: MemoryReplayStore | undefined

  /** @param baseUrl the URL of this API, without a slash at the end */
  constructor(
    { mode, proofAgeSeconds, algorithms, secrets, replayStore }: CheckedDpop,
    baseUrl: string,
    clock: Clock,
    readPublicKey: ReadPublicKey,
  ) {
    const nonces = secrets && new DpopNonces(secrets, baseUrl)
    this.mode = mode
    this.challenge = { algorithms: algorithms.join(' '), acceptsBearer: mode === 'optional' }
    this.#clock = clock
    this.#proofs = new ProofChecker({ algorithms, proofAgeSeconds, baseUrl, nonces }, readPublicKey)
    this.#memory = replayStore ? undefined : new MemoryReplayStore(clock)
    this.#store = replayStore ?? this.#memory ?? new MemoryReplayStore(clock)
  }

  /** How full the store in memory is; `undefined` where there is another one. */
  get replayStore(): ReplayStoreHealth | undefined {
    return this.#memory?.health
  }

  /**
   * Checks the proof of a request, and uses it.
   *
   * @param jkt the thumbprint of the key that the token is bound to
   * @param isUsed whether it was used for this very request before: everything but that is checked
   * @returns the nonce that the client should use from now on, where its own will soon be refused
   * @throws {InvalidTokenError} `ERR_BINDING_MISMATCH`
   * @throws {InvalidProofError}
   * @throws {UnavailableError} `ERR_REPLAY_STORE_UNAVAILABLE`
   */
  check(
    request: AuthenticatableRequest,
    token: string,
    jkt: string,
    isUsed: boolean,
  ): Awaitable<string | undefined> {
    const proof = this.#proofs.check(request, token, jkt, this.#clock.now())
    return after(proof, (good) =>
      isUsed ? good.nextNonce : after(this.#useOnce(good), () => good.nextNonce),
    )
  }

  /** Asked last: only the owner of the key gets here, so no stranger can fill the store. */
  async #useOnce({ replayKey, expiresInSeconds }: GoodProof): Promise<void> {
    let isNew: unknown
    try {
      const add = async () => this.#store.add(replayKey, expiresInSeconds)
      isNew = await (this.#memory ? add() : inTime(add))
    } catch (cause) {
      throw unavailable(
        cause instanceof ReplayStoreFullError ? 'replay-store-full' : 'replay-store-failed',
        cause,
      )
    }
    if (isNew === false) throw new InvalidProofError('ERR_DPOP_PROOF_REPLAYED', { reason: 'proof-replayed' })
    if (isNew !== true)
      throw unavailable(
        'replay-store-failed',
        new TypeError('The replay store answered neither true nor false'),
      )
  }
}

/** A store that hangs must not make the API hang. */
function inTime<T>(work: () => Promise<T>): Promise<T> {
  return Deadline.within(STORE_TIMEOUT_MS, (deadline) =>
    Promise.race([
      work(),
      deadline.over.then(() => {
        throw new Error(`The replay store did not answer within ${STORE_TIMEOUT_MS} ms`)
      }),
    ]),
  )
}

function unavailable(reason: 'replay-store-full' | 'replay-store-failed', cause: unknown): UnavailableError {
  return new UnavailableError('ERR_REPLAY_STORE_UNAVAILABLE', {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    cause,
    reason,
  })
}
