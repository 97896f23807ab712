import type { Clock } from '../base/clock.js'
import { type Awaitable, after } from '../base/maybe-async.js'
import { ownMembers } from '../base/own-members.js'
import { ConfigurationError, InvalidTokenError } from '../errors/errors.js'
import type { IntrospectionWhen } from '../policy/introspection-when.js'
import type { SenderCheck } from '../sender/check-sender.js'
import { type Auth, createAuth, type ScopeImplies } from '../token/auth.js'
import { type AcceptedClaims, checkTimes, type JwtClaims, type TokenRules } from '../token/claims.js'
import { checkSameBinding } from '../token/confirmation.js'
import { checkIntrospectedClaims, namesInResponse } from '../token/introspected-claims.js'
import { IssuerMetadata, type KnownEndpoints } from './discovery/issuer-metadata.js'
import type { HttpLimits } from './http/http-json.js'
import { IssuerClient } from './http/issuer-client.js'
import { IntrospectionClient } from './introspection/introspection-client.js'
import {
  acceptsUnconfirmed,
  errorWithoutAnswer,
  type IntrospectableIssuer,
} from './introspection/introspection-decision.js'
import type { LaneName } from './introspection/introspection-failure.js'
import type { ResolvedIntrospection } from './introspection/introspection-options.js'
import type { IntrospectionResult } from './introspection/introspection-result.js'
import { KeySet } from './keys/key-set.js'
import type { ResolvedKeys } from './keys/keys-options.js'

/** The configuration of one issuer, checked. */
export interface ResolvedIssuer {
  readonly rules: TokenRules
  readonly known: KnownEndpoints
  readonly keys: ResolvedKeys
  readonly introspection: ResolvedIntrospection | undefined
}

/** What all issuers of a verifier share. */
export interface SharedByIssuers {
  readonly limits: HttpLimits
  readonly clock: Clock
  readonly clockToleranceSeconds: number
  readonly scopeImplies: ScopeImplies | undefined
  readonly sender: SenderCheck
}

/** One issuer whose tokens are accepted: the rules for its tokens, its keys, and its answers to introspection. */
export class TrustedIssuer implements IntrospectableIssuer {
  readonly rules: TokenRules
  readonly server: IssuerMetadata
  readonly keySet: KeySet
  readonly #shared: SharedByIssuers
  readonly #options: ResolvedIntrospection | undefined
  readonly #introspection: IntrospectionClient | undefined

  constructor({ rules, known, keys, introspection }: ResolvedIssuer, shared: SharedByIssuers) {
    const { limits, clock } = shared
    const access = { client: new IssuerClient(limits, clock), limits, clock, maxStaleMs: keys.maxStaleMs }
    this.rules = rules
    this.server = new IssuerMetadata(rules.issuer, known, keys.jwks === undefined, access)
    this.keySet = new KeySet(this.server, access, keys)
    this.#shared = shared
    this.#options = introspection
    this.#introspection = introspection && new IntrospectionClient(introspection, this.server, limits, clock)
  }

  /** For which tokens it is asked, unless a policy says otherwise; `undefined` when it cannot be asked. */
  get introspectionWhen(): IntrospectionWhen | undefined {
    return this.#options?.when
  }

  /** The result for claims that were verified. */
  createAuth(token: string, claims: AcceptedClaims, verifiedBy: Auth['verifiedBy']): Auth {
    const { claimNames } = this.rules
    const names = verifiedBy === 'introspection' ? namesInResponse(claims, claimNames) : claimNames
    return createAuth(token, claims, names, verifiedBy, this.#shared.scopeImplies)
  }

  /**
   * Asks the issuer about a token that the local check could not judge (RFC 7662 §2.2). The same rules apply to the answer
   * as to a JWT.
   *
   * @param failure why the local check could not judge: a refusal is thrown where the endpoint refuses to judge this token too
   * @throws {InvalidTokenError}
   * @throws {UnavailableError}
   */
  introspect(token: string, failure?: unknown): Awaitable<Auth> {
    const localVerdict = failure instanceof InvalidTokenError ? failure : undefined
    return after(this.#ask(token, 'decide'), (answer): Auth => {
      if (answer.state === 'failed') throw errorWithoutAnswer(answer, localVerdict)
      return this.createAuth(token, acceptedClaims(this.rules.issuer, answer.claims), 'introspection')
    })
  }

  /**
   * Asks the issuer whether a token whose signature is good is still active (RFC 7662 §2.2). What the answer says replaces
   * what the token says.
   *
   * @returns `auth` itself where the issuer cannot be asked and `onUnavailable` is `'accept'`
   * @throws as {@link introspect}
   */
  async confirm(auth: Auth): Promise<Auth> {
    const signed: JwtClaims = auth.claims
    const answer = await this.#ask(auth.token, 'confirm', signed)
    // Waiting for the answer took time.
    this.#checkTimes(signed)
    if (answer.state === 'failed') {
      if (acceptsUnconfirmed(answer, this.#options?.onUnavailable)) return auth
      throw answer.error
    }
    const said = answer.claims
    const ends = [signed.exp, said.exp].filter((exp) => exp !== undefined)
    // The scopes in the answer are newer than those in the token. They go under the name that the token has for them.
    const { claimNames, issuer } = this.rules
    const scopes = said[namesInResponse(said, claimNames).scopes]
    const newer = ownMembers(
      scopes !== undefined && { [claimNames.scopes]: scopes },
      ends.length > 0 && { exp: Math.min(...ends) },
    )
    return this.createAuth(auth.token, acceptedClaims(issuer, said, signed, newer), 'both')
  }

  /** @param signed the claims of the token, where its signature was verified */
  #ask(token: string, lane: LaneName, signed?: JwtClaims): Awaitable<IntrospectionResult> {
    // Policies and options were checked when they were compiled: this is a mistake in this library.
    if (!this.#introspection) throw new ConfigurationError('Introspection is not configured')
    return after(this.#introspection.claimsOf(token, lane), (answer): IntrospectionResult => {
      if (answer.state === 'failed') return answer
      const claims: Record<string, unknown> = answer.claims
      const { sender } = this.#shared
      sender.checkConfirmation(claims)
      checkIntrospectedClaims(claims, this.rules, signed, sender.challenge !== undefined)
      // The sender was checked by what the token says.
      if (signed && claims.cnf !== undefined) checkSameBinding(claims.cnf, signed.cnf)
      this.#checkTimes(claims)
      return { state: 'active', claims }
    })
  }

  #checkTimes(claims: JwtClaims): void {
    const { clock, clockToleranceSeconds } = this.#shared
    checkTimes(claims, clockToleranceSeconds, clock.now())
  }
}

/** Claims that passed the checks, under the configured name of their issuer. Later objects win. */
function acceptedClaims(iss: string, ...claims: readonly object[]): AcceptedClaims {
  return Object.assign(ownMembers(), ...claims, { iss })
}
