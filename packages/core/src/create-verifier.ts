import { type Clock, GuardedClock, systemClock } from './base/clock.js'
import { type Awaitable, after, isPending } from './base/maybe-async.js'
import type { DpopChallenge } from './errors/challenge.js'
import { withChallengeContext, withDpopChallenge } from './errors/challenge-context.js'
import { ConfigurationError, type MissingTokenError } from './errors/errors.js'
import { explain, mayIntrospect } from './explain.js'
import type { ExplainOptions, Explanation } from './explanation.js'
import type { IssuerMetadata } from './issuer/discovery/issuer-metadata.js'
import type { Health } from './issuer/health.js'
import { asksAgain } from './issuer/introspection/introspection-decision.js'
import { readPublicKey } from './issuer/keys/key-material.js'
import { CompiledPolicy, type Policy } from './policy/policy.js'
import {
  checkCharacters,
  extractBearerToken,
  extractCredentials,
  schemeOf,
} from './request/authorization-header.js'
import { whyTokenIsMissing } from './request/missing-token.js'
import type { AuthenticatableRequest } from './request/request-headers.js'
import { createProtectedResource, type ProtectedResourceMetadata } from './resource/protected-resource.js'
import { type Attempt, createSenderCheck, type SenderCheck } from './sender/check-sender.js'
import { isObserved, missingToken, observed, observedRefusal, type Trace } from './telemetry/observe.js'
import type { Auth } from './token/auth.js'
import type { JwtClaims } from './token/claims.js'
import { VerificationPipeline } from './verifier.js'
import { type ResolvedOptions, resolveOptions, type VerifierOptions } from './verifier-options.js'

/**
 * Verifies access tokens. {@link createVerifier} creates one.
 *
 * @typeParam Claims the claims that this issuer's tokens carry
 */
export interface Verifier<Claims extends object = JwtClaims> {
  /**
   * Verifies an access token.
   *
   * @param token the access token
   * @param policy what the operation requires beyond the defaults of the verifier; each member replaces its default
   * @throws {TelnyxAuthError} when the token is refused or cannot be checked; and what your own `validate` throws
   * @example
   * const auth = await verifier.verify(token, { scopes: ['messaging.read'] })
   */
  verify(token: string, policy?: Policy<Claims>): Promise<Auth<Claims>>
  /**
   * Takes the access token from the `Authorization` header of a request (RFC 6750 §2.1), or from the place that the option
   * `getToken` names, and verifies it.
   *
   * @throws {MissingTokenError} when the request carries no token
   * @throws {InvalidRequestError} when the header is malformed or repeated
   * @throws {TelnyxAuthError} as {@link Verifier.verify}
   * @example
   * const auth = await verifier.authenticate(request)
   */
  authenticate(request: AuthenticatableRequest, policy?: Policy<Claims>): Promise<Auth<Claims>>
  /**
   * Explains what {@link Verifier.verify} decides about a token: makes every check, also those after the first that fails. For
   * tools and support; to protect an API, use {@link Verifier.verify}. Fetches the issuer's keys where they are not cached. Sends the
   * token nowhere unless `introspect` is set. Uses neither the cache of verified tokens nor a DPoP proof, and publishes no event.
   *
   * @param token the access token
   * @param policy what the operation requires, as in `verify`
   * @param options what the explanation may use
   * @returns the outcome also of a token that is refused or cannot be checked
   * @throws {ConfigurationError} when the policy or the options are wrong; and what your own `validate` throws, unless it is an
   *   error of this library
   * @example
   * const { outcome, checks } = await verifier.explain(token, { scopes: ['messaging.read'] })
   * for (const { id, outcome, hint } of checks) console.log(id, outcome, hint ?? '')
   */
  explain(token: string, policy?: Policy<Claims>, options?: ExplainOptions): Promise<Explanation>
  /**
   * Discovers every issuer and loads its keys now, so that the first request does not wait.
   *
   * @throws {UnavailableError} when an issuer cannot be reached; the verifier tries again with the first token
   * @example
   * await verifier.preload()
   */
  preload(): Promise<void>
  /**
   * The state of the cached metadata and keys, for a readiness probe. Makes no request.
   *
   * @example
   * app.get('/ready', (_req, res) => res.sendStatus(verifier.health().ready ? 200 : 503))
   */
  health(): Health
  /**
   * The metadata of this API as a protected resource (RFC 9728), its URL, and the response to requests for it. `undefined`
   * when there is none. The adapters serve it.
   *
   * @example
   * const response = verifier.protectedResourceMetadata()?.respond(request)
   */
  protectedResourceMetadata(): ProtectedResourceMetadata | undefined
}

/** Marks the verifiers of every copy of this package in a process. */
const BRAND = Symbol.for('@telnyx-auth/core.verifier')

/** Whether another copy of this package made this verifier: `instanceof` does not recognize its class. */
export function isVerifierOfAnotherCopy(value: unknown): boolean {
  return !(value instanceof TokenVerifier) && Reflect.get(Object(value), BRAND) === true
}

/** The implementation of {@link Verifier}, with the further operations that adapters need. */
export class TokenVerifier implements Verifier {
  static {
    Object.defineProperty(TokenVerifier.prototype, BRAND, { value: true })
  }

  readonly #options: ResolvedOptions
  readonly #clock: Clock
  readonly #sender: SenderCheck
  readonly #pipeline: VerificationPipeline
  readonly #resource: ProtectedResourceMetadata | undefined

  constructor(options: ResolvedOptions, clock: Clock) {
    this.#options = options
    this.#clock = new GuardedClock(clock)
    this.#resource = this.describeResource(options.policy)
    this.#sender = createSenderCheck(options, this.#baseUrl, this.#clock, readPublicKey)
    this.#pipeline = new VerificationPipeline(options, this.#sender, this.#clock)
    this.supporting(options.policy)
  }

  get #baseUrl(): string | undefined {
    return this.#options.baseUrl ?? (this.#resource && new URL(this.#resource.document.resource).origin)
  }

  /** What challenges say about DPoP; `undefined` where it is not accepted. */
  get dpopChallenge(): DpopChallenge | undefined {
    return this.#sender.challenge
  }

  /** The metadata of the issuer; with several issuers, of the first. */
  get issuerMetadata(): IssuerMetadata {
    return this.#pipeline.issuers.first.server
  }

  verify(token: string, policy?: Policy): Promise<Auth> {
    return this.#withChallengeContext(policy, missingToken, (compiled) =>
      // The type says string. In JavaScript, the value of an absent header gets here.
      token === undefined || token === null ? undefined : this.#decide(token, compiled),
    )
  }

  authenticate(request: AuthenticatableRequest, policy?: Policy): Promise<Auth> {
    return this.#withChallengeContext(
      policy,
      () => this.missingToken(request),
      (compiled) => this.authenticateIfPresent(request, compiled),
    )
  }

  async explain(token: string, policy?: Policy, options?: ExplainOptions): Promise<Explanation> {
    return explain(token, this.compile(policy), mayIntrospect(options), {
      options: this.#options,
      issuers: this.#pipeline.issuers,
      sender: this.#sender,
      clock: this.#clock,
    })
  }

  /**
   * Authenticates a request, or returns `undefined` where it carries no token, and only there. Its errors have no challenge
   * context yet.
   *
   * @param attempt what is known about the proof of the request, where tokens may be bound to a key
   */
  authenticateIfPresent(
    request: AuthenticatableRequest,
    policy: CompiledPolicy,
    attempt?: Attempt,
  ): Awaitable<Auth | undefined> {
    return isObserved()
      ? observed(this.#clock, (trace) => this.#extractAndDecide(request, policy, trace, attempt))
      : this.#extractAndDecide(request, policy, undefined, attempt)
  }

  #decide(token: string, policy: CompiledPolicy): Awaitable<Auth> {
    return isObserved()
      ? observed(this.#clock, (trace) =>
          this.#pipeline.decide(token, policy, { trace, presented: undefined }),
        )
      : this.#pipeline.decide(token, policy, undefined)
  }

  #extractAndDecide(
    request: AuthenticatableRequest,
    policy: CompiledPolicy,
    trace: Trace | undefined,
    attempt: Attempt | undefined,
  ): Awaitable<Auth | undefined> {
    const { getToken, maxTokenBytes } = this.#options
    if (this.#sender.acceptsBound) return this.#decidePresented(request, policy, trace, attempt)
    const token = getToken ? getToken(request) : extractBearerToken(request, maxTokenBytes)
    if (token === undefined) return undefined
    const context = trace && { trace, presented: undefined }
    return this.#pipeline.decide(token, policy, context, getToken ? undefined : checkCharacters)
  }

  /** The same where tokens may be bound to a key. */
  #decidePresented(
    request: AuthenticatableRequest,
    policy: CompiledPolicy,
    trace: Trace | undefined,
    attempt: Attempt | undefined,
  ): Awaitable<Auth | undefined> {
    const { getToken, maxTokenBytes, dpop } = this.#options
    const { token, scheme } = getToken
      ? { token: getToken(request), scheme: dpop && schemeOf(request) }
      : extractCredentials(request, maxTokenBytes, dpop !== undefined)
    if (token === undefined) return undefined
    const context = { trace, presented: { scheme, request, attempt } }
    return withDpopChallenge(scheme === 'dpop', () =>
      this.#pipeline.decide(token, policy, context, getToken ? undefined : checkCharacters),
    )
  }

  /** The error for a request in which {@link authenticateIfPresent} found no token. Tells operators why. */
  missingToken(request: AuthenticatableRequest): MissingTokenError {
    return missingToken(this.#options.getToken ? 'get-token-empty' : whyTokenIsMissing(request))
  }

  /**
   * Asks the issuer about a token that was verified before, where the policy of a guard requires it.
   *
   * @returns the same, or a new result with what the issuer says
   * @throws {ConfigurationError} when the policy requires introspection and it is not configured
   */
  confirm(auth: Auth, policy: CompiledPolicy): Awaitable<Auth> {
    this.supporting(policy)
    const issuer = asksAgain(auth, policy) ? this.#pipeline.issuers.get(auth.issuer) : undefined
    if (!issuer) return auth
    return withDpopChallenge(auth.confirmation?.jkt !== undefined, () =>
      observedRefusal(this.#clock, auth.issuer, () => issuer.confirm(auth)),
    )
  }

  /** Enforces policies on a token that was verified before. */
  enforce(auth: Auth, policies: readonly CompiledPolicy[]): Awaitable<Auth> {
    const { clockToleranceSeconds } = this.#options
    const enforceAll = () => {
      let enforced: Awaitable<Auth> = auth
      for (const policy of policies)
        enforced = after(enforced, () => policy.enforce(auth, this.#clock, clockToleranceSeconds))
      return enforced
    }
    return withDpopChallenge(auth.confirmation?.jkt !== undefined, () =>
      observedRefusal(this.#clock, auth.issuer, enforceAll),
    )
  }

  preload(): Promise<void> {
    return this.#pipeline.issuers.load()
  }

  health(): Health {
    const { replayStore } = this.#sender
    return { ...this.#pipeline.issuers.health(), ...(replayStore && { replayStore }) }
  }

  protectedResourceMetadata(): ProtectedResourceMetadata | undefined {
    return this.#resource
  }

  /**
   * The metadata of the protected resource with another default policy or another option.
   *
   * @throws {ConfigurationError}
   */
  describeResource(
    policy: CompiledPolicy,
    option: ResolvedOptions['protectedResource'] = this.#options.protectedResource,
  ): ProtectedResourceMetadata | undefined {
    const { issuers } = this.#options
    const rules = issuers.map((issuer) => issuer.rules)
    return createProtectedResource(option, rules, policy, this.#options)
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
   * Returns the policy if the verifier can do everything in it.
   *
   * @throws {ConfigurationError} when the policy requires introspection, or tokens that are bound to a key, and neither is configured
   */
  supporting(policy: CompiledPolicy): CompiledPolicy {
    this.#pipeline.issuers.checkSupports(policy)
    if (policy.senderConstrained && !this.#sender.acceptsBound)
      throw new ConfigurationError(
        'The policy member "senderConstrained" needs the option "dpop" or "mtls" of the verifier',
      )
    return policy
  }

  /** Runs `work`, and adds the required scopes and the metadata URL to its errors. */
  async #withChallengeContext(
    policy: Policy | undefined,
    missing: () => MissingTokenError,
    work: (policy: CompiledPolicy) => Awaitable<Auth | undefined>,
  ): Promise<Auth> {
    const compiled = this.compile(policy)
    try {
      const outcome = work(compiled)
      const auth = isPending(outcome) ? await outcome : outcome
      if (auth) return auth
      throw missing()
    } catch (error) {
      // By then the caller waits for the promise. Node takes a microsecond to note a rejection for which nothing waits yet.
      await undefined
      throw withChallengeContext(error, {
        requiredScopes: compiled.requiredScopes,
        resourceMetadata: this.#resource?.url,
        dpop: this.#sender.challenge,
      })
    }
  }
}

/**
 * Creates a verifier. It makes no request before the first token, or `preload()`.
 *
 * @typeParam Claims the claims that this issuer's tokens carry
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * const verifier = createVerifier({ audience: 'https://api.example.com' })
 * const auth = await verifier.verify(token)
 */
export function createVerifier<Claims extends object = JwtClaims>(
  options?: VerifierOptions<Claims>,
): Verifier<Claims>
export function createVerifier(options?: VerifierOptions): Verifier {
  return new TokenVerifier(resolveOptions(options, process.env), systemClock)
}

let processVerifier: Verifier | undefined

/**
 * Verifies an access token with one verifier for the whole process. It is created from the environment variables at the
 * first call.
 *
 * @typeParam Claims the claims that this issuer's tokens carry
 * @throws {ConfigurationError} when the environment variables are not enough to create a verifier
 * @throws {TelnyxAuthError} when the token is refused or cannot be checked
 * @example
 * const auth = await verify(token, { scopes: ['messaging.read'] })
 */
export async function verify<Claims extends object = JwtClaims>(
  token: string,
  policy?: Policy<Claims>,
): Promise<Auth<Claims>>
export async function verify(token: string, policy?: Policy): Promise<Auth> {
  processVerifier ??= createVerifier()
  return processVerifier.verify(token, policy)
}
