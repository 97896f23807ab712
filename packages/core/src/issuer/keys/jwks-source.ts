import { Deadline } from '../../base/deadline.js'
import { IssuerFailure, invalidDocument, mayHaveMoved } from '../../errors/issuer-failure.js'
import type { IssuerAccess, IssuerMetadata } from '../discovery/issuer-metadata.js'
import { lifetimeOf } from '../http/cache-control.js'
import type { Fetched } from '../http/cached-document.js'
import { conditionalHeaders, etagOf } from '../http/conditional-request.js'
import { describeLeftOut, keysOf } from './json-web-key.js'
import type { ResolvedKeys } from './keys-options.js'
import { VerificationKeys } from './verification-keys.js'

/** A key set that was fetched, and how many requests that took beyond the first. */
export interface FetchedKeys extends Fetched<VerificationKeys> {
  readonly retries: number
}

/** Where the JWK Set of an issuer comes from: its `jwks_uri`, or the option `jwks`. */
export class JwksSource {
  /** Whether the key set is configured: then it never changes, and nothing is fetched. */
  readonly fixed: boolean
  readonly #server: IssuerMetadata
  readonly #access: IssuerAccess
  readonly #options: ResolvedKeys
  /** Where the newest set was fetched from, and its entity tag. */
  #fetchedFrom: { readonly uri: string; readonly etag: string | undefined } | undefined

  constructor(server: IssuerMetadata, access: IssuerAccess, options: ResolvedKeys) {
    this.#server = server
    this.#access = access
    this.#options = options
    this.fixed = options.jwks !== undefined
  }

  /**
   * Fetches the key set; at the new address, when it has moved.
   *
   * @param previous the newest set, which is returned again when the issuer says that it has not changed
   * @throws {IssuerFailure} also for a set without a usable key
   * @throws {UnavailableError} `ERR_DISCOVERY_FAILED`
   */
  async fetch(deadline: Deadline, previous: VerificationKeys | undefined): Promise<FetchedKeys> {
    const { jwks } = this.#options
    if (this.fixed) {
      const value = await importUsable(jwks, this.#server.issuer)
      return { value, lifetimeMs: Number.POSITIVE_INFINITY, retries: 0 }
    }
    const uri = await this.#server.jwksUri(deadline)
    try {
      return await this.#fetchFrom(uri, deadline, previous)
    } catch (failure) {
      if (!(failure instanceof IssuerFailure) || !mayHaveMoved(failure)) throw failure
      const newUri = await this.#server.rediscoverJwksUri(uri, deadline)
      if (newUri === uri) throw failure
      return this.#fetchFrom(newUri, deadline, previous)
    }
  }

  /**
   * Whether the issuer's `jwks_uri` has changed since the newest set was fetched.
   *
   * @param waitMs how long newer metadata are waited for, where they have to be fetched
   */
  async hasMoved(waitMs: number): Promise<boolean> {
    const uri = this.#fetchedFrom?.uri
    if (uri === undefined) return false
    // The common case, without a timer per token.
    const cachedUri = this.#server.cachedJwksUri(uri)
    if (cachedUri !== undefined) return cachedUri !== uri
    const newUri = await Deadline.within(waitMs, ({ over }) =>
      Promise.race([this.#server.rediscoverJwksUri(uri), over.then(() => uri)]),
    )
    return newUri !== uri
  }

  async #fetchFrom(
    uri: string,
    deadline: Deadline,
    previous: VerificationKeys | undefined,
  ): Promise<FetchedKeys> {
    const { client } = this.#access
    // RFC 9110 §13.1.2: an entity tag is only good at the address that it came from.
    const etag = previous && this.#fetchedFrom?.uri === uri ? this.#fetchedFrom.etag : undefined
    const headers = conditionalHeaders('application/jwk-set+json, application/json', etag)
    const answer = await client.get({ url: uri, headers }, deadline)
    const lifetimeMs = lifetimeOf(answer, this.#options.lifetimeMs)
    if (answer.value === undefined && previous) return { value: previous, lifetimeMs, retries: 0 }
    const value = await importUsable(answer.value, uri, previous, answer.durationMs).catch(
      (failure: unknown) => {
        throw failure instanceof IssuerFailure ? client.reject(failure, answer) : failure
      },
    )
    this.#fetchedFrom = { uri, etag: etagOf(answer) }
    return { value, lifetimeMs, retries: answer.attempts - 1 }
  }
}

/** @throws {IssuerFailure} for a set without a usable key: it must not replace the previous one */
async function importUsable(
  jwks: unknown,
  uri: string,
  previous?: VerificationKeys,
  durationMs?: number,
): Promise<VerificationKeys> {
  const keys = await VerificationKeys.import(jwks, previous)
  if (keys.size > 0) return keys
  if (!keysOf(jwks)) throw invalidDocument('The document is not a JWK Set', uri, durationMs)
  const { leftOut } = keys
  const why = leftOut.length === 0 ? 'is empty' : `holds no key that can be used: ${describeLeftOut(leftOut)}`
  throw invalidDocument(`The JWK Set ${why}`, uri, durationMs, 'no-usable-key')
}
