import { createPublicKey, randomBytes } from 'node:crypto'
import { EmbeddedJWK, type JWTPayload, jwtVerify } from 'jose'
import type { Client } from '../protocol/client.js'
import { thumbprintOf } from '../protocol/proof-key.js'
import { DpopNonceError, OAuthError } from '../protocol/refusals.js'
import { BoundedMap } from './bounded-map.js'
import { digest, SIGNING_ALGORITHMS } from './signing-keys.js'

const MAX_PROOFS = 10_000
/** RFC 9449 §11.1: how old a proof may be, and how far in the future it may have been made. */
const PROOF_AGE_SECONDS = 60
const NONCE_LIFETIME_MS = 5 * 60_000

/** DPoP at the token endpoint (RFC 9449 §5): the proofs that were used, and the nonces. */
export class Dpop {
  readonly #used = new BoundedMap<string, true>(MAX_PROOFS)
  readonly #demandsNonce: boolean
  readonly #now: () => number
  readonly #secret = randomBytes(32).toString('base64url')

  /** @param nonce whether proofs need a nonce (RFC 9449 §8) */
  constructor({ nonce }: { readonly nonce: boolean }, now: () => number) {
    this.#demandsNonce = nonce
    this.#now = now
  }

  /** The nonce for the next proof (RFC 9449 §8.2); `undefined` where none is demanded. It changes every five minutes. */
  get nonce(): string | undefined {
    return this.#demandsNonce ? this.#nonceAt(this.#now()) : undefined
  }

  /**
   * Checks the proof of a token request (RFC 9449 §4.3).
   *
   * @param proof the header `DPoP`; `null` where there is none
   * @param urls the URLs that the proof may be for
   * @param client the client that has sent the request
   * @returns the thumbprint of its key; `undefined` where there is no proof
   * @throws {OAuthError} `invalid_dpop_proof`; `invalid_request` where there must be a proof, and is none
   * @throws {DpopNonceError} `use_dpop_nonce`
   */
  async check(
    proof: string | null,
    urls: readonly string[],
    client: Pick<Client, 'dpopBoundAccessTokens'>,
  ): Promise<string | undefined> {
    if (proof === null) {
      // RFC 9449 §5.2
      if (client.dpopBoundAccessTokens)
        throw new OAuthError(
          'invalid_request',
          'The client has registered to send a DPoP proof, and sent none',
        )
      return undefined
    }
    const { payload, protectedHeader } = await this.#verify(proof)
    this.#checkClaims(payload, urls)
    this.#checkNonce(payload.nonce)
    const jkt = thumbprintOf(createPublicKey({ key: { ...protectedHeader.jwk }, format: 'jwk' }))
    this.#useOnce(`${jkt}.${payload.jti}`)
    return jkt
  }

  #verify(proof: string) {
    return jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: [...SIGNING_ALGORITHMS],
      currentDate: new Date(this.#now()),
    }).catch((cause: unknown) => {
      throw invalid('The DPoP proof is malformed, or its signature is wrong', cause)
    })
  }

  #checkClaims({ jti, htm, htu, iat }: JWTPayload, urls: readonly string[]): void {
    if (typeof jti !== 'string' || jti === '') throw invalid('The DPoP proof has no jti')
    if (htm !== 'POST') throw invalid('The DPoP proof is for another method')
    const url = withoutQuery(htu)
    if (url === undefined || !urls.map(withoutQuery).includes(url))
      throw invalid('The DPoP proof is for another URL')
    if (typeof iat !== 'number' || !(Math.abs(this.#now() / 1000 - iat) <= PROOF_AGE_SECONDS))
      throw invalid('The DPoP proof is too old, or from the future')
  }

  /** The nonce before the current one is accepted too, as it may have changed meanwhile. */
  #checkNonce(nonce: unknown): void {
    const current = this.nonce
    if (current === undefined || nonce === current) return
    if (nonce !== this.#nonceAt(this.#now() - NONCE_LIFETIME_MS)) throw new DpopNonceError(current)
  }

  #nonceAt(time: number): string {
    return digest(`${this.#secret}.${Math.floor(time / NONCE_LIFETIME_MS)}`)
  }

  #useOnce(proof: string): void {
    const key = digest(proof)
    if (this.#used.has(key)) throw invalid('The DPoP proof was used before')
    this.#used.set(key, true)
  }
}

/** RFC 9449 §4.3: query and fragment are ignored. */
function withoutQuery(url: unknown): string | undefined {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined
  const { origin, pathname } = new URL(url)
  return origin + pathname
}

function invalid(description: string, cause?: unknown): OAuthError {
  const error = new OAuthError('invalid_dpop_proof', description)
  error.cause = cause
  return error
}
