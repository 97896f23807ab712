import { type CryptoKey, compactVerify, errors } from 'jose'
import type { Algorithm } from './algorithms.js'
import { type Auth, createAuth } from './auth.js'
import { type Clock, systemClock } from './clock.js'
import { InvalidTokenError, MissingTokenError, UnavailableError } from './errors.js'
import { AuthorizationServer } from './issuer/authorization-server.js'
import { IssuerFailure } from './issuer/http.js'
import { KeySet } from './issuer/key-set.js'
import { type ResolvedOptions, resolveOptions, type VerifierOptions } from './options.js'
import { type AuthenticatableRequest, extractBearerToken } from './request/bearer.js'
import { CompiledPolicy, type Policy } from './request/policy.js'
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
}

/** What a verifier knows of its issuer. Ages and durations are in seconds. */
export interface Health {
  readonly issuer: string
  /** Whether tokens can be checked even while the issuer cannot be asked. */
  readonly ready: boolean
  /** The age of the metadata document, once there is one. */
  readonly metadataAgeSeconds?: number
  /** The age of the keys, once there are any. */
  readonly keysAgeSeconds?: number
  /** The ids of the keys at hand. */
  readonly keyIds: readonly string[]
  /** Whether the keys are older than their lifetime: nobody came lately, or the issuer cannot be asked. */
  readonly stale: boolean
  /** What the last request to the issuer failed with, unless one has succeeded since. */
  readonly lastFailure?: { readonly reason: string; readonly message: string; readonly agoSeconds: number }
  /** How long the issuer will not be asked again after a failure; 0 when it may be. */
  readonly nextRefreshInSeconds: number
}

/** What exists behind the interface; {@link Verifier} is all that users see of it. */
export class TokenVerifier implements Verifier {
  readonly #options: ResolvedOptions
  readonly #clock: Clock
  readonly #server: AuthorizationServer
  readonly #keySet: KeySet

  constructor(options: ResolvedOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
    this.#server = new AuthorizationServer(options.rules.issuer, options.limits, clock)
    this.#keySet = new KeySet(this.#server, options.limits, clock)
  }

  async verify(token: string, policy?: Policy): Promise<Auth> {
    const compiled = this.compile(policy)
    // The interface takes a string; JavaScript lets a header that is not there through.
    if (token === undefined || token === null) throw new MissingTokenError(compiled.requiredScopes)
    const auth = await this.#verifyToken(token)
    await compiled.enforce(auth)
    return auth
  }

  async authenticate(request: AuthenticatableRequest, policy?: Policy): Promise<Auth> {
    const compiled = this.compile(policy)
    const auth = await this.authenticateIfPresent(request, compiled)
    if (!auth) throw new MissingTokenError(compiled.requiredScopes)
    return auth
  }

  /** The same, but `undefined` where the request carries no access token: and only there. */
  async authenticateIfPresent(
    request: AuthenticatableRequest,
    policy: CompiledPolicy,
  ): Promise<Auth | undefined> {
    const token = extractBearerToken(request, this.#options.maxTokenBytes)
    return token === undefined ? undefined : this.verify(token, policy)
  }

  async preload(): Promise<void> {
    await this.#keySet.load()
  }

  health(): Health {
    const { document: keys } = this.#keySet
    const { document: metadata } = this.#server
    const failure = keys.failure ?? metadata.failure
    return {
      issuer: this.#options.rules.issuer,
      ready: keys.usable,
      ...(metadata.ageMs !== undefined && { metadataAgeSeconds: metadata.ageMs / 1000 }),
      ...(keys.ageMs !== undefined && { keysAgeSeconds: keys.ageMs / 1000 }),
      keyIds: keys.value?.flatMap(({ kid }) => kid ?? []) ?? [],
      stale: keys.stale,
      ...(failure && { lastFailure: { ...explain(failure.error), agoSeconds: failure.agoMs / 1000 } }),
      nextRefreshInSeconds: keys.pauseMs / 1000,
    }
  }

  /** Checks a policy and fills in the verifier's defaults. */
  compile(policy: unknown): CompiledPolicy {
    return CompiledPolicy.from(policy, this.#options.policy)
  }

  async #verifyToken(token: string): Promise<Auth> {
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
    return createAuth(token, claims, 'signature', scopeImplies)
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

/** What operators are told of a failure. */
function explain(error: unknown): { reason: string; message: string } {
  const cause = error instanceof UnavailableError ? error.cause : error
  if (cause instanceof IssuerFailure) return { reason: cause.reason, message: cause.message }
  return { reason: 'error', message: 'The request to the issuer could not be made' }
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
