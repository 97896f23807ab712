import { type CryptoKey, compactVerify, errors } from 'jose'
import type { Algorithm } from './algorithms.js'
import { type Auth, createAuth } from './auth.js'
import { type Clock, systemClock } from './clock.js'
import { InvalidTokenError, MissingTokenError } from './errors.js'
import { describeHealth, type Health } from './health.js'
import { AuthorizationServer } from './issuer/authorization-server.js'
import { KeySet } from './issuer/key-set.js'
import { inOperation } from './operation.js'
import { type ResolvedOptions, resolveOptions, type VerifierOptions } from './options.js'
import { type AuthenticatableRequest, extractBearerToken } from './request/bearer.js'
import { CompiledPolicy, type Policy } from './request/policy.js'
import { describeProtectedResource, type ProtectedResourceMetadata } from './request/protected-resource.js'
import { checkClaims, checkHeader, checkTimes, type JwtClaims } from './token/claims.js'
import { parseUnverifiedToken } from './token/unverified-token.js'

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
  readonly #server: AuthorizationServer
  readonly #keySet: KeySet
  readonly #resource: ProtectedResourceMetadata | undefined

  constructor(options: ResolvedOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
    this.#resource = this.describeResource(options.policy)
    this.#server = new AuthorizationServer(options.rules.issuer, options.limits, clock)
    this.#keySet = new KeySet(this.#server, options.limits, clock)
  }

  async verify(token: string, policy?: Policy): Promise<Auth> {
    const compiled = this.compile(policy)
    return this.#explaining(compiled, async () => {
      // The interface takes a string; JavaScript lets a header that is not there through.
      if (token === undefined || token === null) throw new MissingTokenError()
      return this.#verifyToken(token, compiled)
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
    const token = extractBearerToken(request, this.#options.maxTokenBytes)
    return token === undefined ? undefined : this.#verifyToken(token, policy)
  }

  /** Applies a policy to what was verified before. */
  async enforce(auth: Auth, policy: CompiledPolicy): Promise<void> {
    await policy.enforce(auth, this.#clock.now(), this.#options.rules.clockToleranceSeconds)
  }

  async preload(): Promise<void> {
    await this.#keySet.load()
  }

  health(): Health {
    return describeHealth(this.#server, this.#keySet)
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
    return describeProtectedResource(option, this.#options.rules, policy)
  }

  /** Checks a policy and fills in the verifier's defaults. */
  compile(policy: unknown): CompiledPolicy {
    return CompiledPolicy.from(policy, this.#options.policy)
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

  async #verifyToken(token: string, policy: CompiledPolicy): Promise<Auth> {
    const { rules, maxTokenBytes, scopeImplies } = this.#options
    if (typeof token !== 'string') throw new InvalidTokenError('ERR_TOKEN_MALFORMED')

    const { unverifiedHeader, unverifiedClaims } = parseUnverifiedToken(token, maxTokenBytes)
    const { algorithm, kid } = checkHeader(unverifiedHeader, rules)
    checkClaims(unverifiedClaims, rules)
    checkTimes(unverifiedClaims, rules.clockToleranceSeconds, this.#clock.now())

    await verifySignature(token, this.#keySet.candidates(kid, algorithm), algorithm)

    // The claims are what the key signed: they are verified from here on. Waiting for a key took time.
    const claims = unverifiedClaims
    checkTimes(claims, rules.clockToleranceSeconds, this.#clock.now())
    const auth = createAuth(token, claims, 'signature', scopeImplies)
    await this.enforce(auth, policy)
    return auth
  }
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
