import type { Clock } from '../base/clock.js'
import { type Awaitable, after } from '../base/maybe-async.js'
import { ownMembers } from '../base/own-members.js'
import type { InvalidTokenError } from '../errors/errors.js'
import type { IntrospectionWhen } from '../policy/introspection-when.js'
import {
  type AcceptedClaims,
  checkIntrospectedClaims,
  checkTimes,
  type JwtClaims,
  namesInAnswer,
  type TokenRules,
} from '../token/claims.js'
import { IssuerMetadata, type KnownEndpoints } from './discovery/issuer-metadata.js'
import type { HttpLimits } from './http/http-json.js'
import { IssuerClient } from './http/issuer-client.js'
import { IntrospectionClient, type IntrospectionResult } from './introspection/introspection-client.js'
import type { LaneName } from './introspection/introspection-failure.js'
import { cannotIntrospect, type ResolvedIntrospection } from './introspection/introspection-options.js'
import { type KeyOptions, KeySet } from './keys/key-set.js'

/** What is configured of one issuer, checked. */
export interface ResolvedIssuer {
  readonly rules: TokenRules
  readonly known: KnownEndpoints
  readonly keys: KeyOptions
  readonly introspection: ResolvedIntrospection | undefined
}

/** One issuer whose tokens are accepted: what they are measured against, and all that only it knows. */
export class TrustedIssuer {
  readonly rules: TokenRules
  readonly server: IssuerMetadata
  readonly keySet: KeySet
  readonly #clock: Clock
  readonly #options: ResolvedIntrospection | undefined
  readonly #introspection: IntrospectionClient | undefined

  constructor({ rules, known, keys, introspection }: ResolvedIssuer, limits: HttpLimits, clock: Clock) {
    const access = { client: new IssuerClient(limits, clock), limits, clock, maxStaleMs: keys.maxStaleMs }
    this.rules = rules
    this.server = new IssuerMetadata(rules.issuer, known, keys.jwks === undefined, access)
    this.keySet = new KeySet(this.server, access, keys)
    this.#clock = clock
    this.#options = introspection
    this.#introspection = introspection && new IntrospectionClient(introspection, this.server, limits, clock)
  }

  /** For which tokens it is asked, unless a policy says otherwise; `undefined` when it cannot be asked. */
  get introspects(): IntrospectionWhen | undefined {
    return this.#options?.when
  }

  /**
   * What the issuer says of a token that is active, measured against the same rules as a JWT (RFC 7662 §2.2).
   *
   * @param localVerdict what the local check says of the token, thrown where the endpoint refuses to judge it
   * @throws {InvalidTokenError}
   * @throws {UnavailableError}
   * @throws {ConfigurationError} when nothing was said about how to ask
   */
  introspect(token: string, localVerdict?: InvalidTokenError): Awaitable<AcceptedClaims> {
    return after(this.#ask(token, 'decide'), (said): Awaitable<AcceptedClaims> => {
      if (said.state === 'active') return acceptedBy(this.rules.issuer, said.claims)
      throw (said.kind === 'token-refused' && localVerdict) || said.error
    })
  }

  /**
   * The claims of a token that was found to be good here, as far as the issuer has nothing newer to say; `undefined`
   * when it cannot be asked, and need not be.
   *
   * @throws as {@link introspect}
   */
  async confirm(token: string, claims: JwtClaims): Promise<AcceptedClaims | undefined> {
    const outcome = await this.#ask(token, 'confirm', claims)
    // Waiting for the answer took time.
    this.#checkTimes(claims)
    if (outcome.state === 'failed') {
      // An outage passes. Refused credentials and wrong addresses stay, and revocation would never be checked.
      if (this.#options?.onUnavailable === 'accept' && outcome.kind === 'outage') return undefined
      throw outcome.error
    }
    const said = outcome.claims
    const ends = [claims.exp, said.exp].filter((exp) => exp !== undefined)
    // What the issuer says now replaces the scopes of the token, under the name that its tokens have for them.
    const { claimNames } = this.rules
    const scopes = said[namesInAnswer(said, claimNames).scopes]
    const newer = ownMembers(
      scopes !== undefined && { [claimNames.scopes]: scopes },
      ends.length > 0 && { exp: Math.min(...ends) },
    )
    return acceptedBy(this.rules.issuer, said, claims, newer)
  }

  /** @param signed the claims of the token, where its signature was verified */
  #ask(token: string, lane: LaneName, signed?: JwtClaims): Awaitable<IntrospectionResult> {
    if (!this.#introspection) throw cannotIntrospect()
    return after(this.#introspection.claimsOf(token, lane), (outcome): IntrospectionResult => {
      if (outcome.state === 'failed') return outcome
      const claims: Record<string, unknown> = outcome.claims
      checkIntrospectedClaims(claims, this.rules, signed)
      this.#checkTimes(claims)
      return { state: 'active', claims }
    })
  }

  #checkTimes(claims: JwtClaims): void {
    checkTimes(claims, this.rules.clockToleranceSeconds, this.#clock.now())
  }
}

/** Claims that passed the checks, the later ones first, under the name of an issuer that was configured. */
function acceptedBy(iss: string, ...claims: readonly object[]): AcceptedClaims {
  return Object.assign(ownMembers(), ...claims, { iss })
}
