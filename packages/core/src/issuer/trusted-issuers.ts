import type { CompiledPolicy } from '../policy/policy.js'
import { type Health, healthOf } from './health.js'
import {
  checkCanIntrospect,
  countIntrospectable,
  selectOpaqueTokenIssuer,
} from './introspection/introspection-decision.js'
import { type ResolvedIssuer, type SharedByIssuers, TrustedIssuer } from './trusted-issuer.js'

/** The issuers of a verifier. */
export class TrustedIssuers {
  /** Checks the tokens that name no configured issuer, so that they fail with `ERR_ISSUER_NOT_ALLOWED`. */
  readonly first: TrustedIssuer
  /** The issuer at which opaque tokens are introspected. */
  readonly opaqueTokenIssuer: TrustedIssuer | undefined
  /** By identifier, so that a token costs the same for any number of issuers. */
  readonly #byIdentifier: ReadonlyMap<unknown, TrustedIssuer>
  readonly #introspectable: number

  constructor([first, ...others]: readonly [ResolvedIssuer, ...ResolvedIssuer[]], shared: SharedByIssuers) {
    this.first = new TrustedIssuer(first, shared)
    const all = [this.first, ...others.map((issuer) => new TrustedIssuer(issuer, shared))]
    this.#byIdentifier = new Map(all.map((issuer) => [issuer.rules.issuer, issuer]))
    this.#introspectable = countIntrospectable(all)
    this.opaqueTokenIssuer = selectOpaqueTokenIssuer(all)
  }

  get #all(): readonly TrustedIssuer[] {
    return [...this.#byIdentifier.values()]
  }

  /** The issuer with this identifier, compared code point by code point (RFC 9068 §4). */
  get(identifier: unknown): TrustedIssuer | undefined {
    return this.#byIdentifier.get(identifier)
  }

  /**
   * Loads the keys of every issuer.
   *
   * @throws {UnavailableError} the first failure, after all loads have ended
   */
  async load(): Promise<void> {
    const loads = this.#all.map(({ keySet }) => keySet.getKeys())
    await Promise.allSettled(loads)
    await Promise.all(loads)
  }

  health(): Health {
    return healthOf(this.first, this.#all)
  }

  /**
   * Checks that everything in a policy can be done.
   *
   * @throws {ConfigurationError} when the policy demands introspection and it is not configured
   */
  checkSupports(policy: CompiledPolicy): void {
    checkCanIntrospect(policy, this.#introspectable, this.#byIdentifier.size)
  }
}
