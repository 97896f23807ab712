import type { Clock } from '../../base/clock.js'
import { UnavailableError } from '../../errors/errors.js'
import { retryAfterSecondsOf } from '../../errors/issuer-failure.js'
import { watched } from '../../telemetry/events.js'
import { Backoff } from '../http/pacing.js'
import type { IntrospectionFailure, LaneName } from './introspection-failure.js'
import type { IntrospectionResponse } from './introspection-response.js'

/** How many requests in a row may fail before the circuit breaker opens. */
const TOLERATED_FAILURES = 2
/** How long after the pause a token whose half-open probe failed leaves the probe to other tokens. */
const PROBE_COOLDOWN_MS = 60_000
/** How many tokens in such a cooldown are remembered. */
const MAX_PROBE_COOLDOWNS = 1_000
/** A rate limit pause is at least this much longer than the pause of the token that the endpoint refused. */
const MIN_RATE_LIMIT_MARGIN_MS = 5_000
/** Rate limit pauses grow. After this time without one, the next pause is a first one again. */
const RATE_LIMIT_MEMORY_MS = 120_000

/** A request that the lane let through. */
export interface LaneRequest {
  readonly digest: string
  /** Whether the issuer called the token active before: then no anonymous caller has made it up. */
  readonly wasActive: boolean
  /** How often the breaker had opened when the request began. */
  readonly openings: number
  /** Which half-open probe the request is, if any. */
  readonly halfOpenProbe: HalfOpenProbe | undefined
}

/** One probe is for any token. The other is reserved for tokens that the issuer called active before. */
type HalfOpenProbe = 'any' | 'was-active'

const LIMITED: IntrospectionFailure = { state: 'failed', kind: 'limit' }

/**
 * One lane to an introspection endpoint: single flight per token, a limit on requests in flight, and a circuit breaker with
 * half-open probes. Nothing that happens in one lane delays the other.
 */
export class IntrospectionLane {
  readonly name: LaneName
  readonly #issuer: string
  readonly #maxInFlight: number
  readonly #clock: Clock
  readonly #backoff: Backoff
  /** The pauses after failures of tokens that were active before: made-up tokens do not delay them. */
  readonly #wasActiveBackoff: Backoff
  /** The rate limit pauses. Tokens that were active before do not keep them. */
  readonly #rateLimitBackoff: Backoff
  /** Requests in flight by token: single flight. */
  readonly #inFlight = new Map<string, Promise<IntrospectionResponse | IntrospectionFailure>>()
  readonly #probesInFlight = new Set<HalfOpenProbe>()
  /** When each token whose probe failed may probe again. */
  readonly #probeCooldowns = new Map<string, number>()
  /** Whether the breaker has opened and not closed since. After the pause it is half-open. */
  #isOpen = false
  #openings = 0
  #lastFailure = LIMITED
  #lastFailed = false
  #rateLimitPauses = 0
  #rateLimitedAt = Number.NEGATIVE_INFINITY
  #rateLimitFailure = LIMITED

  constructor(name: LaneName, issuer: string, maxInFlight: number, clock: Clock) {
    this.name = name
    this.#issuer = issuer
    this.#maxInFlight = maxInFlight
    this.#clock = clock
    this.#backoff = new Backoff(clock)
    this.#wasActiveBackoff = new Backoff(clock)
    this.#rateLimitBackoff = new Backoff(clock)
  }

  /** Whether the last request failed. Then the next one is not retried. */
  get lastFailed(): boolean {
    return this.#lastFailed
  }

  /** Milliseconds until a token may be introspected again; 0 when it may be now. */
  waitMs(digest: string, wasActive: boolean): number {
    const rateLimitMs = this.#rateLimitPauseMs(wasActive)
    if (!this.#isOpen) return rateLimitMs
    if (wasActive) return this.#wasActiveBackoff.waitMs
    return Math.max(rateLimitMs, this.#backoff.waitMs || this.#probeCooldownMs(digest))
  }

  /**
   * Makes a request, unless the breaker is open or the limit is reached. Joins a request in flight for the same token.
   *
   * @param wasActive whether the issuer called the token active before
   * @param send makes the request; never rejects
   */
  run(
    digest: string,
    wasActive: boolean,
    send: (request: LaneRequest) => Promise<IntrospectionResponse | IntrospectionFailure>,
  ): Promise<IntrospectionResponse | IntrospectionFailure> | IntrospectionFailure {
    const joined = this.#inFlight.get(digest)
    if (joined) return joined
    if (this.#rateLimitPauseMs(wasActive) > 0) return this.#rateLimitFailure
    const halfOpenProbe = this.#isOpen ? this.#freeProbe(digest, wasActive) : undefined
    if (this.#isOpen && !halfOpenProbe) return this.#lastFailure
    if (this.#inFlight.size >= this.#maxInFlight) {
      watched('introspectionLimited')?.publish({
        issuer: this.#issuer,
        lane: this.name,
        inFlight: this.#inFlight.size,
      })
      return LIMITED
    }
    if (halfOpenProbe) this.#probesInFlight.add(halfOpenProbe)
    const outcome = send({ digest, wasActive, openings: this.#openings, halfOpenProbe }).finally(() => {
      this.#inFlight.delete(digest)
      if (halfOpenProbe) this.#probesInFlight.delete(halfOpenProbe)
    })
    this.#inFlight.set(digest, outcome)
    return outcome
  }

  /** Closes the breaker: the endpoint gave a proper response. */
  close(): void {
    this.#isOpen = false
    this.#lastFailed = false
    this.#probeCooldowns.clear()
    this.#backoff.succeeded()
    this.#wasActiveBackoff.succeeded()
  }

  /** Notes that the endpoint answered, but not about the token: it is reachable, and no more is known. */
  noteReachable({ openings }: LaneRequest): void {
    // A request that began before the breaker opened says nothing about the time since.
    if (openings === this.#openings) this.#isOpen = false
  }

  /** Notes a failure that says nothing about the endpoint. */
  noteUncountedFailure(): void {
    this.#lastFailed = true
  }

  /** Notes a failure of the endpoint. Opens the breaker after the third in a row, or where the endpoint asked for a pause. */
  noteFailure(
    { digest, wasActive, openings, halfOpenProbe }: LaneRequest,
    failure: IntrospectionFailure,
  ): void {
    this.#lastFailed = true
    // Requests that began before the breaker opened must not open it again.
    if (openings !== this.#openings) return
    this.#lastFailure = failure
    const retryAfterMs = retryAfterMsOf(failure.error)
    this.#backoff.failed(retryAfterMs, TOLERATED_FAILURES)
    if (wasActive) this.#wasActiveBackoff.failed(retryAfterMs, TOLERATED_FAILURES)
    const pauseMs = this.#backoff.waitMs
    if (pauseMs <= 0) return
    this.#isOpen = true
    this.#openings++
    if (halfOpenProbe === 'any' && this.name === 'decide') this.#startProbeCooldown(digest, pauseMs)
    this.#publishOpened(pauseMs)
  }

  /**
   * Begins a rate limit pause: the endpoint asked for fewer requests, about a token that no anonymous caller has made up. Its
   * limit is for all lanes together, so tokens that may be made up must not use it up. No response about another token ends
   * this pause.
   *
   * @param tokenPauseMs how long the refused token itself must wait; this pause is longer, so that it is served first
   */
  noteRateLimited(tokenPauseMs: number, failure: IntrospectionFailure): void {
    // Requests that began before the pause must not make it longer.
    if (this.#rateLimitPauses > 0 && this.#rateLimitBackoff.waitMs > 0) return
    const now = this.#clock.monotonic()
    if (now - this.#rateLimitedAt > RATE_LIMIT_MEMORY_MS) this.#rateLimitBackoff.succeeded()
    this.#rateLimitPauses++
    this.#rateLimitedAt = now
    this.#rateLimitFailure = failure
    this.#rateLimitBackoff.failed(tokenPauseMs + MIN_RATE_LIMIT_MARGIN_MS)
    this.#publishOpened(this.#rateLimitBackoff.waitMs)
  }

  #publishOpened(pauseMs: number): void {
    const event = { issuer: this.#issuer, lane: this.name, pauseMs }
    watched('introspectionCircuitOpened')?.publish(event)
    watched('introspectionResting')?.publish(event)
  }

  /** Milliseconds that are left of a rate limit pause. Before the first one, the clock is not read. */
  #rateLimitPauseMs(wasActive: boolean): number {
    return wasActive || this.#rateLimitPauses === 0 ? 0 : this.#rateLimitBackoff.waitMs
  }

  /** The half-open probe that a token may take, if any. */
  #freeProbe(digest: string, wasActive: boolean): HalfOpenProbe | undefined {
    const probe = wasActive ? 'was-active' : 'any'
    return this.#probesInFlight.has(probe) || this.waitMs(digest, wasActive) > 0 ? undefined : probe
  }

  /** Milliseconds for which a token leaves the probe to other tokens. */
  #probeCooldownMs(digest: string): number {
    return Math.max(0, (this.#probeCooldowns.get(digest) ?? 0) - this.#clock.monotonic())
  }

  /** A caller that repeats one token must not take every probe. */
  #startProbeCooldown(digest: string, pauseMs: number): void {
    this.#probeCooldowns.set(digest, this.#clock.monotonic() + pauseMs + PROBE_COOLDOWN_MS)
    const [oldest] = this.#probeCooldowns.keys()
    if (this.#probeCooldowns.size > MAX_PROBE_COOLDOWNS && oldest !== undefined)
      this.#probeCooldowns.delete(oldest)
  }
}

/** The pause that the endpoint, or discovery, asked for. */
function retryAfterMsOf(error: unknown): number {
  const seconds = error instanceof UnavailableError ? error.retryAfterSeconds : retryAfterSecondsOf(error)
  return (seconds ?? 0) * 1000
}
