import type { Clock } from './base/clock.js'
import { type Awaitable, after, attempt, isPending } from './base/maybe-async.js'
import { InvalidTokenError } from './errors/errors.js'
import { asksAsWell, asksInstead } from './issuer/introspection/introspection-decision.js'
import { TrustedIssuers } from './issuer/trusted-issuers.js'
import type { EnforceablePolicy } from './policy/policy.js'
import type { SenderCheck, TokenContext } from './sender/check-sender.js'
import type { Auth } from './token/auth.js'
import { checkClaims, checkTimes, type TokenTimes } from './token/claims.js'
import { checkSameBinding } from './token/confirmation.js'
import { checkHeader } from './token/header.js'
import { isOpaqueToken, KnownHeaders, parseUnverifiedToken } from './token/parse-token.js'
import { type VerifiedToken, VerifiedTokenCache } from './verified-token-cache.js'
import type { ResolvedOptions } from './verifier-options.js'

/** The steps from a token to a decision, in order: cheap and local first, then keys, then the issuer. */
export class VerificationPipeline {
  readonly issuers: TrustedIssuers
  readonly #options: ResolvedOptions
  readonly #clock: Clock
  readonly #sender: SenderCheck
  readonly #cache: VerifiedTokenCache | undefined
  readonly #headers = new KnownHeaders()

  constructor(options: ResolvedOptions, sender: SenderCheck, clock: Clock, issuers?: TrustedIssuers) {
    this.#options = options
    this.#sender = sender
    this.#clock = clock
    this.#cache = options.cache && new VerifiedTokenCache(options.cache)
    this.issuers = issuers ?? new TrustedIssuers(options.issuers, { ...options, sender, clock })
  }

  /**
   * Decides about a token. Fast path: a cached token is decided synchronously, without needless allocation.
   *
   * @param checkUncached runs on a cache miss only, before any other check
   */
  decide(
    token: string,
    policy: EnforceablePolicy,
    context: TokenContext | undefined,
    checkUncached?: (token: string) => void,
  ): Awaitable<Auth> {
    if (typeof token !== 'string')
      throw new InvalidTokenError('ERR_TOKEN_MALFORMED', { reason: 'not-three-parts' })
    const now = this.#clock.now()
    const cached = this.#cache?.get(token, now)
    if (!cached) {
      checkUncached?.(token)
      return this.#verify(token, policy, context)
    }
    return cached.issuer.keySet.fresh?.has(cached.key)
      ? this.#accept(cached, now, policy, context, true)
      : this.#recheckKey(cached, token, policy, context)
  }

  /** Decides about a cached token whose key may have left the issuer's set. */
  async #recheckKey(
    cached: VerifiedToken,
    token: string,
    policy: EnforceablePolicy,
    context: TokenContext | undefined,
  ): Promise<Auth> {
    const { keySet, rules } = cached.issuer
    if (context?.trace) context.trace.issuer = rules.issuer
    this.#checkTimes(cached) // J5, before any I/O
    const generation = keySet.document.latestGeneration
    const keys = await keySet.getKeys().catch(() => undefined)
    if (keys?.has(cached.key)) return this.#accept(cached, this.#clock.now(), policy, context, true)
    if (keys) this.#cache?.delete(token)
    return this.#verify(token, policy, context, generation)
  }

  /** Verifies a token that is not cached: at once, where fresh keys are cached and the signature check does not wait. */
  #verify(
    token: string,
    policy: EnforceablePolicy,
    context: TokenContext | undefined,
    generation?: number,
  ): Awaitable<Auth> {
    const { maxTokenBytes } = this.#options
    const { opaqueTokenIssuer, first } = this.issuers
    if (opaqueTokenIssuer && isOpaqueToken(token, maxTokenBytes)) {
      if (context?.trace) context.trace.issuer = opaqueTokenIssuer.rules.issuer
      return after(opaqueTokenIssuer.introspect(token), (auth) => this.#admit(auth, policy, context)) // RFC 7662
    }
    const parsed = parseUnverifiedToken(token, maxTokenBytes, this.#headers) // J9
    const { unverifiedHeader, unverifiedClaims, signed } = parsed
    const named = this.issuers.get(unverifiedClaims.iss) // J11
    const issuer = named ?? first
    if (context?.trace) context.trace[named ? 'issuer' : 'expectedIssuer'] = issuer.rules.issuer
    const { algorithm, kid } = checkHeader(unverifiedHeader, issuer.rules) // J1 J2 J7
    checkClaims(unverifiedClaims, issuer.rules) // J3 J4 J6
    this.#sender.checkConfirmation(unverifiedClaims)
    this.#checkTimes(unverifiedClaims) // J5, before any I/O
    return attempt(
      () => issuer.keySet.findSigner(signed, algorithm, kid, generation), // may fetch the keys again, once
      (key) => {
        this.#headers.remember(token, unverifiedHeader)
        // The claims are what the key signed: they are verified from here on.
        const { exp, nbf, iat } = unverifiedClaims
        const auth = issuer.createAuth(token, unverifiedClaims, 'signature')
        const verified = { auth, issuer, key, kid, exp, nbf, iat }
        const now = this.#clock.now()
        this.#cache?.set(verified, now)
        return this.#accept(verified, now, policy, context, false)
      },
      (error) => {
        if (!asksInstead(issuer, policy, error, kid)) throw error
        return after(issuer.introspect(token, error), (auth) => {
          this.#checkTimes(unverifiedClaims)
          if (unverifiedClaims.cnf !== undefined) checkSameBinding(auth.claims.cnf, unverifiedClaims.cnf)
          return this.#admit(auth, policy, context)
        })
      },
    )
  }

  /** The checks that every request gets, whether the token is cached or not. */
  #accept(
    verified: VerifiedToken,
    now: number,
    policy: EnforceablePolicy,
    context: TokenContext | undefined,
    cached: boolean,
  ): Awaitable<Auth> {
    const { auth, issuer, kid } = verified
    if (context?.trace) Object.assign(context.trace, { issuer: issuer.rules.issuer, kid, cached })
    // Time passed since the token was cached, or while its key was fetched.
    this.#checkTimes(verified, now)
    const sent = this.#sender.check(auth, context?.presented)
    const asks = asksAsWell(issuer, policy)
    if (!asks && !isPending(sent)) return this.#enforce(auth, policy)
    const confirmed = after(sent, () => (asks ? issuer.confirm(auth) : auth))
    return after(confirmed, (newer) => this.#enforce(newer, policy))
  }

  /** Checks the sender, then the policy. */
  #admit(auth: Auth, policy: EnforceablePolicy, context: TokenContext | undefined): Awaitable<Auth> {
    return after(this.#sender.check(auth, context?.presented), () => this.#enforce(auth, policy))
  }

  #enforce(auth: Auth, policy: EnforceablePolicy): Awaitable<Auth> {
    return policy.enforce(auth, this.#clock, this.#options.clockToleranceSeconds)
  }

  #checkTimes(times: TokenTimes, now: number = this.#clock.now()): void {
    checkTimes(times, this.#options.clockToleranceSeconds, now)
  }
}
