import { type CryptoKey, compactVerify, errors } from 'jose'
import type { Algorithm } from './algorithms.js'
import { type Auth, createAuth } from './auth.js'
import { type Clock, systemClock } from './clock.js'
import { InvalidTokenError, MissingTokenError, UnavailableError } from './errors.js'
import { describeHealth, type Health } from './health.js'
import { cannotIntrospect } from './issuer/introspection-option.js'
import { isPlausibleKid } from './issuer/key-set.js'
import { TrustedIssuer } from './issuer/trusted-issuer.js'
import { observed, observedRefusal, type Trace } from './observe.js'
import { inOperation } from './operation.js'
import { type ResolvedOptions, resolveOptions, type VerifierOptions } from './options.js'
import { type AuthenticatableRequest, extractBearerToken } from './request/bearer.js'
import { CompiledPolicy, type Policy } from './request/policy.js'
import { describeProtectedResource, type ProtectedResourceMetadata } from './request/protected-resource.js'
import { checkClaims, checkHeader, checkTimes, type JwtClaims } from './token/claims.js'
import { isOpaqueToken, parseUnverifiedToken } from './token/unverified-token.js'

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
   * Takes the access token from a request's `Authorization` header and verifies it.
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

/** What exists behind the interface; {@link Verifier} is all that users see of it. */
export class TokenVerifier implements Verifier {
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

  constructor(options: ResolvedOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
    this.#resource = this.describeResource(options.policy)
    const [first, ...others] = options.issuers
    this.#first = new TrustedIssuer(first, options.limits, clock)
    const all = [this.#first, ...others.map((issuer) => new TrustedIssuer(issuer, options.limits, clock))]
    this.#issuers = new Map(all.map((issuer) => [issuer.rules.issuer, issuer]))
    this.#introspecting = all.filter(({ introspects }) => introspects !== undefined)
    this.#knower = onlyOne(this.#introspecting)
  }

  async verify(token: string, policy?: Policy): Promise<Auth> {
    const compiled = this.compile(policy)
    return this.#explaining(compiled, async () => {
      // The interface takes a string; JavaScript lets a header that is not there through.
      if (token === undefined || token === null) throw new MissingTokenError()
      return observed(this.#clock, (trace) => this.#verifyToken(token, compiled, trace))
    })
  }

  async authenticate(request: AuthenticatableRequest, policy?: Policy): Promise<Auth> {
    const compiled = this.compile(policy)
    return this.#explaining(compiled, async () => {
      const auth = await this.authenticateIfPresent(request, compiled)
      if (!auth) throw new MissingTokenError()
      return auth
    })
  }

  /**
   * The same, but `undefined` where the request carries no access token: and only there. Its errors do not know yet
   * what was attempted.
   */
  async authenticateIfPresent(
    request: AuthenticatableRequest,
    policy: CompiledPolicy,
  ): Promise<Auth | undefined> {
    return observed(this.#clock, async (trace) => {
      const token = extractBearerToken(request, this.#options.maxTokenBytes)
      return token === undefined ? undefined : this.#verifyToken(token, policy, trace)
    })
  }

  /**
   * Asks the issuer about what was verified before, where a policy demands it.
   *
   * @returns the same, or what the issuer made of it
   * @throws {ConfigurationError} when the policy demands what cannot be done
   */
  async confirm(auth: Auth, policy: CompiledPolicy): Promise<Auth> {
    this.supporting(policy)
    const issuer = this.#issuers.get(auth.issuer)
    const asks = issuer && policy.introspection === 'always' && auth.verifiedBy === 'signature'
    return asks ? observedRefusal(this.#clock, auth.issuer, () => this.#confirm(issuer, auth)) : auth
  }

  /** Applies policies to what was verified before. */
  async enforce(auth: Auth, policies: readonly CompiledPolicy[]): Promise<void> {
    await observedRefusal(this.#clock, auth.issuer, async () => {
      for (const policy of policies) await this.#applyPolicy(auth, policy)
    })
  }

  async preload(): Promise<void> {
    const loads = [...this.#issuers.values()].map(({ keySet }) => keySet.load())
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
  async #explaining(policy: CompiledPolicy, work: () => Promise<Auth>): Promise<Auth> {
    try {
      return await work()
    } catch (error) {
      throw inOperation(error, {
        requiredScopes: policy.requiredScopes,
        resourceMetadata: this.#resource?.url,
      })
    }
  }

  /** @param trace is told what becomes known of the token on the way */
  async #verifyToken(token: string, policy: CompiledPolicy, trace: Trace = {}): Promise<Auth> {
    const { maxTokenBytes, scopeImplies } = this.#options
    if (typeof token !== 'string') throw new InvalidTokenError('ERR_TOKEN_MALFORMED')

    const knower = this.#knower
    if (knower && isOpaqueToken(token, maxTokenBytes)) {
      trace.issuer = knower.rules.issuer
      const claims = await knower.introspect(token)
      return this.#applyPolicy(createAuth(token, claims, 'introspection', scopeImplies), policy)
    }

    const { unverifiedHeader, unverifiedClaims } = parseUnverifiedToken(token, maxTokenBytes)
    // J11: only the issuer that the token names. One that names nobody we know is refused by the rules of the first.
    const { iss } = unverifiedClaims
    const named = typeof iss === 'string' ? this.#issuers.get(iss) : undefined
    if (named) trace.issuer = named.rules.issuer
    const issuer = named ?? this.#first
    const { rules } = issuer
    const { algorithm, kid } = checkHeader(unverifiedHeader, rules)
    checkClaims(unverifiedClaims, rules)
    checkTimes(unverifiedClaims, rules.clockToleranceSeconds, this.#clock.now())

    try {
      await verifySignature(token, issuer.keySet.candidates(kid, algorithm), algorithm)
      trace.kid = kid
    } catch (error) {
      const when = issuer.introspects && (policy.introspection ?? issuer.introspects)
      if (when === undefined || when === 'opaque' || !isUndecided(error, kid)) throw error
      const claims = await issuer.introspect(token)
      checkTimes(unverifiedClaims, rules.clockToleranceSeconds, this.#clock.now())
      return this.#applyPolicy(createAuth(token, claims, 'introspection', scopeImplies), policy)
    }

    // The claims are what the key signed: they are verified from here on. Waiting for a key took time.
    const claims = unverifiedClaims
    checkTimes(claims, rules.clockToleranceSeconds, this.#clock.now())
    const auth = createAuth(token, claims, 'signature', scopeImplies)
    const always = (policy.introspection ?? issuer.introspects) === 'always'
    return this.#applyPolicy(always ? await this.#confirm(issuer, auth) : auth, policy)
  }

  /** Who calls, now that the issuer was asked whether the token is still good. */
  async #confirm(issuer: TrustedIssuer, auth: Auth): Promise<Auth> {
    const claims = await issuer.confirm(auth.token, auth.claims)
    return claims ? createAuth(auth.token, claims, 'both', this.#options.scopeImplies) : auth
  }

  async #applyPolicy(auth: Auth, policy: CompiledPolicy): Promise<Auth> {
    await policy.enforce(auth, this.#clock.now(), this.#first.rules.clockToleranceSeconds)
    return auth
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

/**
 * RFC 7515 §5.2; the key of a token that does not say which one is found by trying.
 *
 * @throws {InvalidTokenError} `ERR_SIGNATURE_INVALID`
 */
async function verifySignature(
  token: string,
  candidates: AsyncIterable<CryptoKey>,
  algorithm: Algorithm,
): Promise<void> {
  for await (const key of candidates) {
    try {
      await compactVerify(token, key, { algorithms: [algorithm] })
      return
    } catch (error) {
      // Anything else is not about the token, and must not look as if it were.
      if (!(error instanceof errors.JOSEError)) throw error
    }
  }
  throw new InvalidTokenError('ERR_SIGNATURE_INVALID')
}

/**
 * Makes a verifier. Nothing is fetched before the first token, or `preload()`.
 *
 * @typeParam Claims the claims that this issuer's tokens carry
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 */
export function createVerifier<Claims extends object = JwtClaims>(
  options?: VerifierOptions<Claims>,
): Verifier<Claims>
export function createVerifier(options?: VerifierOptions): Verifier {
  return createVerifierAt(systemClock, options)
}

/** The same at another clock. */
export function createVerifierAt(clock: Clock, options?: VerifierOptions): TokenVerifier {
  return new TokenVerifier(resolveOptions(options, process.env), clock)
}

let processVerifier: Verifier | undefined

/**
 * Verifies an access token with one verifier for the whole process, made from the environment at first use.
 *
 * @typeParam Claims the claims that this issuer's tokens carry
 * @throws {ConfigurationError} when the environment does not say enough to make one
 * @throws {TelnyxAuthError} when the token is not acceptable, or cannot be checked
 */
export async function verify<Claims extends object = JwtClaims>(
  token: string,
  policy?: Policy<Claims>,
): Promise<Auth<Claims>>
export async function verify(token: string, policy?: Policy): Promise<Auth> {
  processVerifier ??= createVerifier()
  return processVerifier.verify(token, policy)
}
