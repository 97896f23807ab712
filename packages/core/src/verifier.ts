import { type Clock, GuardedClock } from './base/clock.js'
import { type Awaitable, after, isPending } from './base/maybe-async.js'
import { inOperation } from './errors/challenge-context.js'
import { InvalidTokenError, type MissingTokenError, UnavailableError } from './errors/errors.js'
import { describeHealth, type Health } from './issuer/health.js'
import { cannotIntrospect } from './issuer/introspection/introspection-options.js'
import { isPlausibleKid } from './issuer/keys/key-id.js'
import { TrustedIssuer } from './issuer/trusted-issuer.js'
import { CompiledPolicy, type Policy } from './policy/policy.js'
import {
  type AuthenticatableRequest,
  checkCharacters,
  extractBearerToken,
  whyTokenIsMissing,
} from './request/authorization-header.js'
import { describeProtectedResource, type ProtectedResourceMetadata } from './resource/protected-resource.js'
import { missingToken, observed, observedRefusal, type Trace } from './telemetry/observe.js'
import { type Auth, createAuth } from './token/auth.js'
import { checkClaims, checkHeader, checkTimes, type JwtClaims, namesInAnswer } from './token/claims.js'
import { hasThreeParts, isOpaqueToken, KnownHeaders, parseUnverifiedToken } from './token/parse-token.js'
import type { VerificationKey } from './token/signature.js'
import { type VerifiedToken, VerifiedTokenCache } from './verified-token-cache.js'
import type { ResolvedOptions } from './verifier-options.js'

/** Decides whether access tokens are good, and what they allow. */
export interface Verifier<Claims extends object = JwtClaims> {
  /**
   * Verifies an access token.
   *
   * @param policy what is demanded of it beyond the defaults of the verifier; a member given here replaces its default
   * @throws {TelnyxAuthError} and whatever a `validate` of yours throws
   */
  verify(token: string, policy?: Policy<Claims>): Promise<Auth<Claims>>
  /**
   * Takes the access token from a request's `Authorization` header, or with the option `getToken`, and verifies it.
   *
   * @throws {MissingTokenError} when there is none
   * @throws {InvalidRequestError} when the header is malformed or repeated
   * @throws {TelnyxAuthError} everything that `verify` throws
   */
  authenticate(request: AuthenticatableRequest, policy?: Policy<Claims>): Promise<Auth<Claims>>
  /**
   * Discovers the issuer and loads its keys now, so that the first request does not wait for it.
   *
   * @throws {UnavailableError}
   */
  preload(): Promise<void>
  /** The state of what is known of the issuer, for a readiness probe. Asks nobody. */
  health(): Health
  /**
   * How this API describes itself (RFC 9728), where that is, and the answer to who asks for it; `undefined` when it
   * does not. Adapters serve it by themselves.
   */
  protectedResourceMetadata(): ProtectedResourceMetadata | undefined
}

/** What marks the verifiers of every copy of this package in a process. */
const BRAND = Symbol.for('@telnyx-auth/core.verifier')

/** Whether a value is a verifier that another copy of this package has made: to this one, its class is unknown. */
export function isVerifierOfAnotherCopy(value: unknown): boolean {
  return !(value instanceof TokenVerifier) && Reflect.get(Object(value), BRAND) === true
}

/** What exists behind the interface; {@link Verifier} is all that users see of it. */
export class TokenVerifier implements Verifier {
  static {
    Object.defineProperty(TokenVerifier.prototype, BRAND, { value: true })
  }

  readonly #options: ResolvedOptions
  readonly #clock: Clock
  /** By identifier, so that a token costs the same however many there are. */
  readonly #issuers: ReadonlyMap<string, TrustedIssuer>
  readonly #first: TrustedIssuer
  /** Those that can be asked about tokens. */
  readonly #introspecting: readonly TrustedIssuer[]
  /** The one that is asked about tokens which do not say whose they are: nobody is told another's tokens. */
  readonly #knower: TrustedIssuer | undefined
  readonly #resource: ProtectedResourceMetadata | undefined
  readonly #cache: VerifiedTokenCache | undefined
  readonly #headers = new KnownHeaders()

  constructor(options: ResolvedOptions, givenClock: Clock) {
    const clock = new GuardedClock(givenClock)
    this.#options = options
    this.#clock = clock
    this.#resource = this.describeResource(options.policy)
    const [first, ...others] = options.issuers
    this.#first = new TrustedIssuer(first, options.limits, clock)
    const all = [this.#first, ...others.map((issuer) => new TrustedIssuer(issuer, options.limits, clock))]
    this.#issuers = new Map(all.map((issuer) => [issuer.rules.issuer, issuer]))
    this.#introspecting = all.filter(({ introspects }) => introspects !== undefined)
    this.#knower = onlyOne(this.#introspecting)
    this.#cache = options.cache && new VerifiedTokenCache(options.cache)
  }

  verify(token: string, policy?: Policy): Promise<Auth> {
    return this.#explaining(policy, (compiled) =>
      // The interface takes a string; JavaScript lets a header that is not there through.
      token === undefined || token === null
        ? undefined
        : observed(this.#clock, (trace) => this.#check(token, compiled, trace)),
    )
  }

  authenticate(request: AuthenticatableRequest, policy?: Policy): Promise<Auth> {
    return this.#explaining(
      policy,
      (compiled) => this.authenticateIfPresent(request, compiled),
      () => this.missingToken(request),
    )
  }

  /**
   * The same, but `undefined` where the request carries no access token: and only there. Its errors do not know yet
   * what was attempted.
   */
  authenticateIfPresent(
    request: AuthenticatableRequest,
    policy: CompiledPolicy,
  ): Awaitable<Auth | undefined> {
    return observed(this.#clock, (trace) => {
      const { getToken, maxTokenBytes } = this.#options
      if (getToken) {
        const token = getToken(request)
        return token === undefined ? undefined : this.#check(token, policy, trace)
      }
      const token = extractBearerToken(request, maxTokenBytes)
      return token === undefined ? undefined : this.#check(token, policy, trace, checkCharacters)
    })
  }

  /** For a request in which {@link authenticateIfPresent} found no token; operators are told why. */
  missingToken(request: AuthenticatableRequest): MissingTokenError {
    return missingToken(this.#options.getToken ? 'get-token-empty' : whyTokenIsMissing(request))
  }

  /**
   * Asks the issuer about what was verified before, where a policy demands it.
   *
   * @returns the same, or what the issuer made of it
   * @throws {ConfigurationError} when the policy demands what cannot be done
   */
  confirm(auth: Auth, policy: CompiledPolicy): Awaitable<Auth> {
    this.supporting(policy)
    const issuer = this.#issuers.get(auth.issuer)
    const asks = issuer && policy.introspection === 'always' && auth.verifiedBy === 'signature'
    return asks ? observedRefusal(this.#clock, auth.issuer, () => this.#confirm(issuer, auth)) : auth
  }

  /** Applies policies to what was verified before. */
  enforce(auth: Auth, policies: readonly CompiledPolicy[]): Awaitable<Auth> {
    return observedRefusal(this.#clock, auth.issuer, () => {
      let applied: Awaitable<Auth> = auth
      for (const policy of policies) applied = after(applied, () => this.#applyPolicy(auth, policy))
      return applied
    })
  }

  async preload(): Promise<void> {
    const loads = [...this.#issuers.values()].map(({ keySet }) => keySet.getKeys())
    // Each gets its chance, whatever becomes of the others.
    await Promise.allSettled(loads)
    await Promise.all(loads)
  }

  health(): Health {
    return describeHealth(this.#first, this.#issuers.values())
  }

  protectedResourceMetadata(): ProtectedResourceMetadata | undefined {
    return this.#resource
  }

  /**
   * The metadata of the protected resource as another default policy, or another option, makes it.
   *
   * @throws {ConfigurationError}
   */
  describeResource(
    policy: CompiledPolicy,
    option: ResolvedOptions['protectedResource'] = this.#options.protectedResource,
  ): ProtectedResourceMetadata | undefined {
    const rules = this.#options.issuers.map((issuer) => issuer.rules)
    return describeProtectedResource(option, rules, policy)
  }

  /**
   * Checks a policy and fills in the verifier's defaults.
   *
   * @throws {ConfigurationError}
   */
  compile(policy: unknown): CompiledPolicy {
    return this.supporting(CompiledPolicy.from(policy, this.#options.policy))
  }

  /**
   * The same policy, if everything in it can be done.
   *
   * @throws {ConfigurationError} when it demands introspection, and nothing was said about how to ask
   */
  supporting(policy: CompiledPolicy): CompiledPolicy {
    if (policy.introspection === undefined) return policy
    const needed = policy.introspection === 'always' ? this.#issuers.size : 1
    if (this.#introspecting.length >= needed) return policy
    throw cannotIntrospect()
  }

  /** Lets errors say in their challenge what the operation needs. */
  async #explaining(
    policy: Policy | undefined,
    work: (policy: CompiledPolicy) => Awaitable<Auth | undefined>,
    missing: () => MissingTokenError = missingToken,
  ): Promise<Auth> {
    const compiled = this.compile(policy)
    try {
      const outcome = work(compiled)
      const auth = isPending(outcome) ? await outcome : outcome
      if (auth) return auth
      throw missing()
    } catch (error) {
      throw inOperation(error, {
        requiredScopes: compiled.requiredScopes,
        resourceMetadata: this.#resource?.url,
      })
    }
  }

  /**
   * The way of a token that is known ends here; nothing on it waits, or makes anything, without need.
   *
   * @param trace is told what becomes known of the token on the way
   * @param unlessKnown what is to be made sure of before anything else is said about a token that is not
   */
  #check(
    token: string,
    policy: CompiledPolicy,
    trace: Trace | undefined,
    unlessKnown?: (token: string) => void,
  ): Awaitable<Auth> {
    if (typeof token !== 'string')
      throw new InvalidTokenError('ERR_TOKEN_MALFORMED', { reason: 'not-three-parts' })
    // What is too long, or has another form, is not even digested.
    const mayBeKnown = this.#cache && token.length <= this.#options.maxTokenBytes && hasThreeParts(token)
    const digest = mayBeKnown ? VerifiedTokenCache.digestOf(token) : undefined
    const now = this.#clock.now()
    const known = digest === undefined ? undefined : this.#cache?.get(digest, now)
    if (!known) {
      unlessKnown?.(token)
      return this.#verifyToken(token, digest, policy, trace)
    }
    return known.issuer.keySet.fresh?.has(known.key)
      ? this.#admit(known, now, policy, trace, true)
      : this.#checkKey(known, token, digest, policy, trace)
  }

  /** For a token that is known, when its key may no longer be one of the issuer's. */
  async #checkKey(
    known: VerifiedToken,
    token: string,
    digest: string | undefined,
    policy: CompiledPolicy,
    trace: Trace | undefined,
  ): Promise<Auth> {
    const { keySet, rules } = known.issuer
    if (trace) trace.issuer = rules.issuer
    // As with any other token, nobody is asked for what the time alone refuses.
    checkTimes(known, rules.clockToleranceSeconds, this.#clock.now())
    const generation = keySet.document.latestGeneration
    const keys = await keySet.getKeys().catch(() => undefined)
    if (keys?.has(known.key)) return this.#admit(known, this.#clock.now(), policy, trace, true)
    if (keys && digest !== undefined) this.#cache?.delete(digest)
    return this.#verifyToken(token, digest, policy, trace, generation)
  }

  async #verifyToken(
    token: string,
    digest: string | undefined,
    policy: CompiledPolicy,
    trace: Trace | undefined,
    generation?: number,
  ): Promise<Auth> {
    const { maxTokenBytes, scopeImplies } = this.#options

    const knower = this.#knower
    if (knower && isOpaqueToken(token, maxTokenBytes)) {
      if (trace) trace.issuer = knower.rules.issuer
      const claims = await knower.introspect(token)
      const names = namesInAnswer(claims, knower.rules.claimNames)
      return this.#applyPolicy(createAuth(token, claims, names, 'introspection', scopeImplies), policy)
    }

    const { unverifiedHeader, unverifiedClaims, signed } = parseUnverifiedToken(
      token,
      maxTokenBytes,
      this.#headers,
    )
    // J11: only the issuer that the token names. One that names nobody we know is refused by the rules of the first.
    const { iss } = unverifiedClaims
    const named = typeof iss === 'string' ? this.#issuers.get(iss) : undefined
    if (named && trace) trace.issuer = named.rules.issuer
    const issuer = named ?? this.#first
    const { rules } = issuer
    const { algorithm, kid } = checkHeader(unverifiedHeader, rules)
    checkClaims(unverifiedClaims, rules)
    checkTimes(unverifiedClaims, rules.clockToleranceSeconds, this.#clock.now())

    let key: VerificationKey
    try {
      key = await issuer.keySet.findSigner(signed, algorithm, kid, generation)
    } catch (error) {
      const when = issuer.introspects && (policy.introspection ?? issuer.introspects)
      if (when === undefined || when === 'opaque' || !isUndecided(error, kid)) throw error
      // Keys that could not be loaded are no verdict.
      const verdict = error instanceof InvalidTokenError ? error : undefined
      const claims = await issuer.introspect(token, verdict)
      checkTimes(unverifiedClaims, rules.clockToleranceSeconds, this.#clock.now())
      const names = namesInAnswer(claims, rules.claimNames)
      return this.#applyPolicy(createAuth(token, claims, names, 'introspection', scopeImplies), policy)
    }

    this.#headers.remember(token, unverifiedHeader)
    // The claims are what the key signed: they are verified from here on.
    const claims = unverifiedClaims
    const { exp, nbf, iat } = claims
    const auth = createAuth(token, claims, rules.claimNames, 'signature', scopeImplies)
    const verified = { auth, issuer, key, kid, exp, nbf, iat }
    const now = this.#clock.now()
    if (digest !== undefined) this.#cache?.set(digest, verified, now)
    return this.#admit(verified, now, policy, trace, false)
  }

  /** What is made sure of each time, also of a token that is known. */
  #admit(
    verified: VerifiedToken,
    now: number,
    policy: CompiledPolicy,
    trace: Trace | undefined,
    cached: boolean,
  ): Awaitable<Auth> {
    const { auth, issuer, kid } = verified
    if (trace) Object.assign(trace, { issuer: issuer.rules.issuer, kid, cached })
    // Waiting for a key took time, and what is known was so some time ago.
    checkTimes(verified, issuer.rules.clockToleranceSeconds, now)
    const always = (policy.introspection ?? issuer.introspects) === 'always'
    if (!always) return this.#applyPolicy(auth, policy)
    return this.#confirm(issuer, auth).then((confirmed) => this.#applyPolicy(confirmed, policy))
  }

  /** Who calls, now that the issuer was asked whether the token is still good. */
  async #confirm(issuer: TrustedIssuer, auth: Auth): Promise<Auth> {
    const claims = await issuer.confirm(auth.token, auth.claims)
    const { claimNames } = issuer.rules
    return claims ? createAuth(auth.token, claims, claimNames, 'both', this.#options.scopeImplies) : auth
  }

  #applyPolicy(auth: Auth, policy: CompiledPolicy): Awaitable<Auth> {
    return policy.enforce(auth, this.#clock, this.#first.rules.clockToleranceSeconds)
  }
}

/** The one that opaque tokens can be from; `undefined` where they could be from several. */
function onlyOne(introspecting: readonly TrustedIssuer[]): TrustedIssuer | undefined {
  const chosen = introspecting.filter(({ introspects }) => introspects === 'opaque')
  const [one, ...others] = chosen.length > 0 ? chosen : introspecting
  return others.length === 0 ? one : undefined
}

/** Whether nothing is said against a token, but that its key is not known or cannot be had. */
function isUndecided(error: unknown, kid: string | undefined): boolean {
  const notFound = error instanceof InvalidTokenError && error.code === 'ERR_KEY_NOT_FOUND'
  return error instanceof UnavailableError || (notFound && (kid === undefined || isPlausibleKid(kid)))
}
