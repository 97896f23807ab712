import type { Clock } from '../../base/clock.js'
import { UnavailableError } from '../../errors/errors.js'
import { retryAfterSecondsOf } from '../../errors/issuer-failure.js'
import { watched } from '../../telemetry/events.js'
import { Backoff } from '../http/pacing.js'
import type { IntrospectionFailure, LaneName } from './introspection-failure.js'

/** How many requests in a row may fail before the circuit breaker opens. */
const TOLERATED_FAILURES = 2
/** For how long after the pause a token whose probe failed leaves the probe to other tokens. */
const YIELD_MS = 60_000
/** How many tokens are remembered whose probes failed. */
const MAX_FAILED_PROBES = 1_000
/** By so much a rest is longer than the pause of the token that was refused. */
const LEAST_REST_MS = 5_000
/** After so long without another one, a rest that the endpoint asks for is a first one again. */
const RESTS_FORGOTTEN_MS = 120_000

/** A request that was let through. */
export interface Pass {
  readonly digest: string
  /** Whether the issuer called the token active before: then no anonymous caller has made it up. */
  readonly isFamiliar: boolean
  /** How often the breaker had opened when the request began. */
  readonly openings: number
  /** Which of the half-open probes it is. */
  readonly probe: Probe | undefined
}

/** The probe that any token may be, and the one that is kept for tokens that the issuer called active before. */
type Probe = 'any' | 'familiar'

const LIMITED: IntrospectionFailure = { state: 'failed', kind: 'limit' }

/**
 * One lane to an introspection endpoint: a circuit breaker with half-open probes and a limit on requests in flight.
 * Nothing that happens in one lane delays another lane.
 */
export class IntrospectionLane<Outcome> {
  readonly name: LaneName
  readonly #issuer: string
  readonly #maxInFlight: number
  readonly #clock: Clock
  readonly #backoff: Backoff
  /** The pauses after failures of familiar tokens: those of made-up ones do not hold them up. */
  readonly #familiarBackoff: Backoff
  /** The rests that the endpoint asked for: kept by tokens that it has not called active before. */
  readonly #restBackoff: Backoff
  /** Requests in flight by token: single flight. */
  readonly #inFlight = new Map<string, Promise<Outcome | IntrospectionFailure>>()
  readonly #probes = new Set<Probe>()
  /** Tokens whose probe failed, and when each may probe again. */
  readonly #failedProbes = new Map<string, number>()
  /** Whether the breaker has opened and not closed since: it is half-open once the pause is over. */
  #isOpen = false
  #openings = 0
  #lastFailure: IntrospectionFailure = LIMITED
  #rests = 0
  #restedAt = Number.NEGATIVE_INFINITY
  #restFailure: IntrospectionFailure = LIMITED
  #lastFailed = false

  constructor(name: LaneName, issuer: string, maxInFlight: number, clock: Clock) {
    this.name = name
    this.#issuer = issuer
    this.#maxInFlight = maxInFlight
    this.#clock = clock
    this.#backoff = new Backoff(clock)
    this.#familiarBackoff = new Backoff(clock)
    this.#restBackoff = new Backoff(clock)
  }

  /** Whether the last request failed: the next one is not repeated if it fails too. */
  get lastFailed(): boolean {
    return this.#lastFailed
  }

  /** Milliseconds until it is worth asking about a token again. */
  waitMs(digest: string, isFamiliar: boolean): number {
    const restMs = this.#restMs(isFamiliar)
    if (!this.#isOpen) return restMs
    if (isFamiliar) return this.#familiarBackoff.waitMs
    return Math.max(restMs, this.#backoff.waitMs || this.#yieldsForMs(digest))
  }

  /**
   * Makes a request unless the breaker is open or the limit is reached; joins a request in flight for the same token.
   *
   * @param isFamiliar whether the issuer called the token active before
   * @param work never rejects
   */
  ask(
    digest: string,
    isFamiliar: boolean,
    work: (pass: Pass) => Promise<Outcome | IntrospectionFailure>,
  ): Promise<Outcome | IntrospectionFailure> | IntrospectionFailure {
    const joined = this.#inFlight.get(digest)
    if (joined) return joined
    if (this.#restMs(isFamiliar) > 0) return this.#restFailure
    const probe = this.#isOpen ? this.#freeProbe(digest, isFamiliar) : undefined
    if (this.#isOpen && !probe) return this.#lastFailure
    if (this.#inFlight.size >= this.#maxInFlight) {
      watched('introspectionLimited')?.publish({
        issuer: this.#issuer,
        lane: this.name,
        inFlight: this.#inFlight.size,
      })
      return LIMITED
    }
    if (probe) this.#probes.add(probe)
    const outcome = work({ digest, isFamiliar, openings: this.#openings, probe }).finally(() => {
      this.#inFlight.delete(digest)
      if (probe) this.#probes.delete(probe)
    })
    this.#inFlight.set(digest, outcome)
    return outcome
  }

  /** The endpoint gave a proper answer in this lane or in one that vouches for it. */
  close(): void {
    this.#isOpen = false
    this.#lastFailed = false
    this.#failedProbes.clear()
    this.#backoff.succeeded()
    this.#familiarBackoff.succeeded()
  }

  /** The endpoint answered, but not about the token: it is alive, and no more is known. */
  noteAlive({ openings }: Pass): void {
    // The answer to a request from before the breaker opened is not news.
    if (openings === this.#openings) this.#isOpen = false
  }

  /** A request failed for a reason that says nothing about the endpoint. */
  noteUncounted(): void {
    this.#lastFailed = true
  }

  /**
   * The endpoint has asked this service for fewer requests, about a token that no caller has made up. What it allows is for all
   * lanes together, so tokens that anyone can have made up must not use it up. No answer about another token ends this rest.
   *
   * @param pauseMs for how long that token must wait: it comes before those that rest
   */
  noteAskedToRest(pauseMs: number, failure: IntrospectionFailure): void {
    // Requests that began before the rest have nothing to add.
    if (this.#rests > 0 && this.#restBackoff.waitMs > 0) return
    const now = this.#clock.monotonic()
    if (now - this.#restedAt > RESTS_FORGOTTEN_MS) this.#restBackoff.succeeded()
    this.#rests++
    this.#restedAt = now
    this.#restFailure = failure
    this.#restBackoff.failed(pauseMs + LEAST_REST_MS)
    this.#publish(this.#restBackoff.waitMs)
  }

  noteFailure({ digest, isFamiliar, openings, probe }: Pass, failure: IntrospectionFailure): void {
    this.#lastFailed = true
    // Requests that began before the breaker opened have nothing to add.
    if (openings !== this.#openings) return
    this.#lastFailure = failure
    const retryAfterMs = retryAfterMsOf(failure.error)
    this.#backoff.failed(retryAfterMs, TOLERATED_FAILURES)
    if (isFamiliar) this.#familiarBackoff.failed(retryAfterMs, TOLERATED_FAILURES)
    const pauseMs = this.#backoff.waitMs
    if (pauseMs <= 0) return
    this.#isOpen = true
    this.#openings++
    if (probe === 'any' && this.name === 'decide') this.#yieldProbe(digest, pauseMs)
    this.#publish(pauseMs)
  }

  #publish(pauseMs: number): void {
    const event = { issuer: this.#issuer, lane: this.name, pauseMs }
    watched('introspectionCircuitOpened')?.publish(event)
    watched('introspectionResting')?.publish(event)
  }

  /** Milliseconds that are left of a rest; without one, nothing depends on the clock. */
  #restMs(isFamiliar: boolean): number {
    return isFamiliar || this.#rests === 0 ? 0 : this.#restBackoff.waitMs
  }

  /** The probe that a token may be while the breaker is open or half-open. */
  #freeProbe(digest: string, isFamiliar: boolean): Probe | undefined {
    const probe = isFamiliar ? 'familiar' : 'any'
    return this.#probes.has(probe) || this.waitMs(digest, isFamiliar) > 0 ? undefined : probe
  }

  /** For how long a token leaves the probe to other tokens. */
  #yieldsForMs(digest: string): number {
    return Math.max(0, (this.#failedProbes.get(digest) ?? 0) - this.#clock.monotonic())
  }

  /** A caller that repeats one token must not take every probe. */
  #yieldProbe(digest: string, pauseMs: number): void {
    this.#failedProbes.set(digest, this.#clock.monotonic() + pauseMs + YIELD_MS)
    const [oldest] = this.#failedProbes.keys()
    if (this.#failedProbes.size > MAX_FAILED_PROBES && oldest !== undefined) this.#failedProbes.delete(oldest)
  }
}

/** How long the endpoint, or discovery, asked to be left alone. */
function retryAfterMsOf(error: unknown): number {
  const seconds = error instanceof UnavailableError ? error.retryAfterSeconds : retryAfterSecondsOf(error)
  return (seconds ?? 0) * 1000
}
