import { hash } from 'node:crypto'
import { BoundedCache } from '../bounded-cache.js'
import type { Clock } from '../clock.js'
import { InvalidTokenError, UnavailableError } from '../errors.js'
import { watched } from '../events.js'
import { MAX_DEPTH } from '../json-object.js'
import type { JwtClaims } from '../token/claims.js'
import { isPlainObject } from '../validation.js'
import type { AuthorizationServer } from './authorization-server.js'
import { Deadline } from './deadline.js'
import { type HttpLimits, type JsonDocument, requestJson } from './http.js'
import type { AuthenticateClient, CheckedIntrospection } from './introspection-option.js'
import { IssuerFailure, invalidDocument, mayHaveMoved } from './issuer-failure.js'
import { Backoff } from './pacing.js'
import { describeFailure, unavailable } from './unavailable.js'

/** What an issuer says of a token: its claims, or that it is not active. */
type Answer = { readonly active: false } | { readonly active: true; readonly claims: JwtClaims }

const INACTIVE: Answer = { active: false }

/** The bounds of each cache. What is not active has its own, so that made-up tokens push out no good one. */
const MAX_ENTRIES = 10_000
const MAX_BYTES = 32 * 1024 * 1024
/** About what an entry takes beside the answer itself, and what each byte of that takes as objects. */
const ENTRY_BYTES = 512
const MEMORY_PER_BYTE = 12
/** How many requests in a row may fail before the endpoint is left alone. */
const TOLERATED_FAILURES = 2
/** How much of what the issuer says is kept: more would be a strange answer. */
const MAX_KEPT_BYTES = 8 * 1024

/** Asks one issuer about tokens (RFC 7662), and remembers for a short time what it said. */
export class Introspection {
  readonly options: CheckedIntrospection
  readonly #server: AuthorizationServer
  readonly #limits: HttpLimits
  readonly #clock: Clock
  readonly #rest: Backoff
  readonly #active = new BoundedCache<Answer>(MAX_ENTRIES, MAX_BYTES)
  readonly #inactive = new BoundedCache<Answer>(MAX_ENTRIES, MAX_BYTES)
  readonly #asking = new Map<string, Promise<Answer>>()
  /** What the last request failed with. */
  #failure: unknown
  /** Whether the endpoint has not answered since it was last left alone, and how often it was. */
  #inTrouble = false
  #rests = 0
  /** Whether one request is finding out if the endpoint is well again. */
  #probing = false

  constructor(options: CheckedIntrospection, server: AuthorizationServer, limits: HttpLimits, clock: Clock) {
    this.options = options
    this.#server = server
    this.#limits = limits
    this.#clock = clock
    this.#rest = new Backoff(clock)
  }

  /**
   * The claims that the issuer gives for a token that is active (RFC 7662 §2.2). They are not checked here.
   *
   * @throws {InvalidTokenError} `ERR_TOKEN_INACTIVE`
   * @throws {UnavailableError} `ERR_INTROSPECTION_UNAVAILABLE`, `ERR_DISCOVERY_FAILED`
   */
  async claimsOf(token: string): Promise<JwtClaims> {
    // Never the token itself: what is kept in memory is of no use to anybody.
    const digest = hash('sha256', token, 'base64url')
    const now = this.#clock.monotonic()
    const known = this.#active.get(digest, now) ?? this.#inactive.get(digest, now)
    const answer =
      known ??
      (await this.#askOnce(digest, token).catch((error: unknown) => {
        // Each caller gets an error of its own: it is told what its request needs.
        throw unavailable('ERR_INTROSPECTION_UNAVAILABLE', error, this.#rest.waitMs)
      }))
    if (!answer.active) throw new InvalidTokenError('ERR_TOKEN_INACTIVE', { reason: 'inactive' })
    return answer.claims
  }

  /** One request for any number of callers with the same token. */
  #askOnce(digest: string, token: string): Promise<Answer> {
    const under = this.#asking.get(digest)
    if (under) return under
    const asking = this.#askUnlessResting(digest, token).finally(() => this.#asking.delete(digest))
    this.#asking.set(digest, asking)
    return asking
  }

  async #askUnlessResting(digest: string, token: string): Promise<Answer> {
    const inTrouble = this.#inTrouble
    // After a rest, one request is enough to find out; the others are not to wait for it.
    if (this.#rest.waitMs > 0 || (inTrouble && this.#probing)) throw this.#failure
    this.#probing = inTrouble
    const rests = this.#rests
    const started = this.#clock.monotonic()
    const asked = (outcome: 'active' | 'inactive' | 'failed', detail?: object) =>
      watched('introspectionAsked')?.publish({
        issuer: this.#server.issuer,
        outcome,
        durationMs: this.#clock.monotonic() - started,
        ...detail,
      })
    try {
      const document = await Deadline.within(this.#limits.timeoutMs, (deadline) => this.#ask(token, deadline))
      this.#rest.succeeded()
      this.#inTrouble = false
      const answer = read(document)
      asked(answer.active ? 'active' : 'inactive')
      this.#keep(digest, answer, document.bytes)
      return answer
    } catch (error) {
      const { reason, status } = describeFailure(error)
      asked('failed', { reason, status })
      // What one token gets says nothing of others, but that there are answers.
      if (isAboutToken(error)) this.#inTrouble = false
      // Those who asked before the endpoint was left alone have nothing to add.
      else if (rests === this.#rests) this.#noteFailure(error)
      throw error
    } finally {
      if (inTrouble) this.#probing = false
    }
  }

  async #ask(token: string, deadline: Deadline): Promise<JsonDocument> {
    const endpoint = await this.#server.introspectionEndpoint(deadline)
    try {
      return await this.#askAt(endpoint, token, deadline)
    } catch (failure) {
      if (!(failure instanceof IssuerFailure) || !mayHaveMoved(failure) || isAboutToken(failure))
        throw failure
      const endpointNow = await this.#server.introspectionEndpointAfter(endpoint, deadline)
      if (endpointNow === endpoint) throw failure
      return this.#askAt(endpointNow, token, deadline)
    }
  }

  async #askAt(endpoint: string, token: string, deadline: Deadline): Promise<JsonDocument> {
    const { issuer } = this.#server
    const prepare = async () => {
      const proof = await authenticate(this.options.authenticate, issuer, endpoint, deadline)
      return {
        url: endpoint,
        headers: { accept: 'application/json', ...proof.headers },
        // RFC 7662 §2.1
        form: new URLSearchParams({ ...proof.parameters, token, token_type_hint: 'access_token' }),
      }
    }
    const retries = this.#rest.failures > 0 ? 0 : this.#limits.retries
    const document = await requestJson(prepare, this.#limits, deadline, this.#clock, retries)
    const { value, durationMs } = document
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !isShallow(value, MAX_DEPTH))
      throw invalidDocument('The answer is not a JSON object, or nested too deep', endpoint, durationMs)
    return document
  }

  #keep(digest: string, answer: Answer, bytes: number): void {
    if (bytes > MAX_KEPT_BYTES) return
    const { cacheMs, inactiveCacheMs } = this.options
    const now = this.#clock.monotonic()
    if (!answer.active) {
      if (inactiveCacheMs > 0) this.#inactive.set(digest, answer, ENTRY_BYTES, now + inactiveCacheMs)
      return
    }
    const { exp } = answer.claims
    // RFC 7662 §4: never past `exp`.
    const leftMs = typeof exp === 'number' ? (exp - this.#clock.now()) * 1000 : Number.POSITIVE_INFINITY
    const keptMs = Math.min(cacheMs, leftMs)
    if (keptMs > 0) this.#active.set(digest, answer, ENTRY_BYTES + MEMORY_PER_BYTE * bytes, now + keptMs)
  }

  #noteFailure(error: unknown): void {
    this.#failure = error
    const known = error instanceof IssuerFailure || error instanceof UnavailableError
    this.#rest.failed(((known && error.retryAfterSeconds) || 0) * 1000, TOLERATED_FAILURES)
    const pauseMs = this.#rest.waitMs
    if (pauseMs <= 0) return
    this.#inTrouble = true
    this.#rests++
    watched('introspectionResting')?.publish({ issuer: this.#server.issuer, pauseMs })
  }
}

/**
 * Whether a failure may be due to the token that was asked about. Callers choose what that is: they could have the endpoint
 * left alone at will.
 */
function isAboutToken(error: unknown): boolean {
  if (!(error instanceof IssuerFailure) || error.retryAfterSeconds !== undefined) return false
  return [400, 403, 413, 414, 422, 431].includes(error.status ?? 0)
}

/** What is nested deeper exhausts the stack of whoever walks over it. */
function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every((child) => isShallow(child, depth - 1))
}

/** RFC 7662 §2.2: only `true` is active. */
function read({ value }: JsonDocument): Answer {
  const { active, ...claims }: { active?: unknown } = Object(value)
  return active === true ? { active, claims } : INACTIVE
}

/**
 * What a function of the user's gives, within the time that there is.
 *
 * @throws {IssuerFailure} `credentials`, for whatever it throws
 */
async function authenticate(
  own: AuthenticateClient,
  issuer: string,
  endpoint: string,
  deadline: Deadline,
): Promise<{ headers: Record<string, string>; parameters: Record<string, string> }> {
  const started = performance.now()
  const failure = (message: string, cause?: unknown) =>
    new IssuerFailure('credentials', message, {
      host: new URL(endpoint).host,
      durationMs: performance.now() - started,
      cause,
    })
  const timeout = deadline.over.then(() => {
    throw failure('The function "authMethod" gave nothing in time')
  })
  timeout.catch(() => undefined)
  const work = async () => {
    const given: unknown = await own({ issuer, endpoint })
    // JavaScript lets anything through, and a token must not leave without what was meant to go with it.
    const { headers, parameters, ...others }: Record<string, unknown> = isPlainObject(given)
      ? given
      : { given }
    if (Object.keys(others).length > 0 || !isTextual(headers) || !isTextual(parameters))
      throw failure('The function "authMethod" gave something else than headers and parameters')
    const named = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
    return { headers: Object.fromEntries(named), parameters: { ...parameters } }
  }
  return Promise.race([work(), timeout]).catch((cause: unknown) => {
    throw cause instanceof IssuerFailure ? cause : failure('The function "authMethod" failed', cause)
  })
}

function isTextual(value: unknown): value is Record<string, string> | undefined {
  if (value === undefined) return true
  return isPlainObject(value) && Object.values(value).every((each) => typeof each === 'string')
}
