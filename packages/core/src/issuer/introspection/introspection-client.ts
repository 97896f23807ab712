import type { Clock } from '../../base/clock.js'
import { Deadline } from '../../base/deadline.js'
import { type Awaitable, after } from '../../base/maybe-async.js'
import { tokenDigest } from '../../base/token-digest.js'
import { IssuerFailure, mayHaveMoved, retryAfterSecondsOf } from '../../errors/issuer-failure.js'
import { hints } from '../../errors/reasons.js'
import { watched } from '../../telemetry/events.js'
import { warnOnce } from '../../telemetry/warnings.js'
import type { IssuerMetadata } from '../discovery/issuer-metadata.js'
import { type HttpLimits, requestJson } from '../http/http-json.js'
import { reasonOf, summarizeFailure } from '../http/unavailable.js'
import { callAuthMethod } from './client-authentication.js'
import { IntrospectionCache } from './introspection-cache.js'
import { failureKindOf, type IntrospectionFailure, type LaneName } from './introspection-failure.js'
import { IntrospectionLane, type LaneRequest } from './introspection-lane.js'
import type { ResolvedIntrospection } from './introspection-options.js'
import { type IntrospectionResponse, parseIntrospectionResponse } from './introspection-response.js'
import { activeOrThrow, errorOf, type IntrospectionResult } from './introspection-result.js'
import { SealedCache } from './shared-cache.js'

/** How long a proper response about one token shows that failures of other tokens are not the endpoint's. */
const RESPONSE_PROVES_HEALTH_MS = 5_000

/** A response, and the body that it was in. */
interface ReceivedResponse {
  readonly response: IntrospectionResponse
  readonly body: Uint8Array
}

/** Introspects tokens at one issuer (RFC 7662), with a short-lived cache and a circuit breaker. */
export class IntrospectionClient {
  readonly #options: ResolvedIntrospection
  readonly #metadata: IssuerMetadata
  readonly #limits: HttpLimits
  readonly #clock: Clock
  readonly #lanes: Readonly<Record<LaneName, IntrospectionLane>>
  readonly #cache: IntrospectionCache
  readonly #shared: SealedCache | undefined
  /** How many tokens wait for the shared cache. */
  readonly #waiting: Record<LaneName, number> = { confirm: 0, decide: 0 }
  /** The last two tokens with a proper response, the newest first. */
  #answered: readonly { readonly digest: string; readonly at: number }[] = []

  constructor(options: ResolvedIntrospection, metadata: IssuerMetadata, limits: HttpLimits, clock: Clock) {
    this.#options = options
    this.#metadata = metadata
    this.#limits = limits
    this.#clock = clock
    this.#cache = new IntrospectionCache(options, clock)
    const { shared } = options
    this.#shared = shared && new SealedCache(shared.cache, metadata.issuer, shared.secret, clock)
    const lane = (name: LaneName) => new IntrospectionLane(name, metadata.issuer, options.maxInFlight, clock)
    this.#lanes = { confirm: lane('confirm'), decide: lane('decide') }
  }

  /**
   * The claims of an active token, as the issuer sent them (RFC 7662 §2.2): they are not validated here. The result is
   * synchronous where no request is needed, so that a flood is refused without a promise for each token.
   *
   * @param laneName `confirm` for a token whose signature was verified here, `decide` for every other
   * @throws {InvalidTokenError} `ERR_TOKEN_INACTIVE`, `ERR_CLAIM_INVALID`
   */
  claimsOf(token: string, laneName: LaneName): Awaitable<IntrospectionResult> {
    const digest = tokenDigest(token)
    const cached = this.#cache.get(digest)
    if (cached) return activeOrThrow(cached)
    // A store that is slow, or a flood of made-up tokens, must not pile up any number of requests.
    return this.#shared && this.#waiting[laneName] < this.#options.maxInFlight
      ? this.#claimsOfShared(this.#shared, token, digest, laneName)
      : this.#ask(token, digest, laneName)
  }

  /** What another machine knows about the token; asks the issuer where none does. */
  async #claimsOfShared(
    shared: SealedCache,
    token: string,
    digest: string,
    laneName: LaneName,
  ): Promise<IntrospectionResult> {
    this.#waiting[laneName]++
    const found = await Deadline.within(this.#limits.timeoutMs, (deadline) =>
      Promise.race([shared.get(token), deadline.over.then(() => undefined)]),
    ).finally(() => {
      this.#waiting[laneName]--
    })
    const response = found && this.#parseShared(found.body)
    if (!response) return this.#ask(token, digest, laneName)
    const lifetimeMs = this.#cache.lifetimeMs(response) - found.ageMs
    // Past its lifetime here: this machine may keep answers for a shorter time, or the store for a longer one.
    if (!(lifetimeMs > 0)) return this.#ask(token, digest, laneName)
    this.#cache.set(digest, response, found.body.length, laneName === 'confirm', lifetimeMs)
    return activeOrThrow(response)
  }

  /** Another version of this library may have shared what this one does not read. */
  #parseShared(body: Uint8Array): IntrospectionResponse | undefined {
    try {
      return parseIntrospectionResponse({ body, durationMs: 0 }, this.#metadata.issuer)
    } catch {
      return undefined
    }
  }

  #ask(token: string, digest: string, laneName: LaneName): Awaitable<IntrospectionResult> {
    const lane = this.#lanes[laneName]
    const wasActive = laneName === 'decide' && this.#cache.wasActive(digest)
    const outcome = lane.run(digest, wasActive, (request) => this.#introspect(token, request, lane))
    return after(outcome, (settled) =>
      settled.state === 'failed'
        ? {
            state: 'failed',
            kind: settled.kind,
            error: errorOf(settled, lane.waitMs(digest, wasActive)),
          }
        : activeOrThrow(settled),
    )
  }

  /** Introspects a token, caches the response and notes in the lanes what the outcome says about the endpoint. */
  async #introspect(
    token: string,
    request: LaneRequest,
    lane: IntrospectionLane,
  ): Promise<IntrospectionResponse | IntrospectionFailure> {
    const started = this.#clock.monotonic()
    const publish = (outcome: 'active' | 'inactive' | 'failed', detail?: object) =>
      watched('introspectionAsked')?.publish({
        issuer: this.#metadata.issuer,
        outcome,
        durationMs: this.#clock.monotonic() - started,
        ...detail,
      })
    const { digest } = request
    try {
      const { response, body } = await Deadline.within(this.#limits.timeoutMs, (deadline) =>
        this.#send(token, digest, lane, deadline),
      )
      this.#noteResponse(digest, lane)
      publish(response.state === 'active' ? 'active' : 'inactive')
      const lifetimeMs = this.#cache.lifetimeMs(response)
      this.#cache.set(digest, response, body.length, lane.name === 'confirm', lifetimeMs)
      this.#shared?.set(token, body, lifetimeMs)
      return response
    } catch (error) {
      const { reason, status } = summarizeFailure(error)
      publish('failed', { reason, status })
      const failure: IntrospectionFailure = { state: 'failed', kind: failureKindOf(error, lane.name), error }
      this.#noteFailure(request, failure, lane)
      return failure
    }
  }

  /** Sends a token to the endpoint, and once more to another URL where the endpoint has moved. */
  async #send(
    token: string,
    digest: string,
    lane: IntrospectionLane,
    deadline: Deadline,
  ): Promise<ReceivedResponse> {
    const endpoint = await this.#metadata.introspectionEndpoint(deadline)
    try {
      return await this.#sendTo(endpoint, token, lane, deadline)
    } catch (failure) {
      if (!(failure instanceof IssuerFailure) || !mayHaveMoved(failure)) throw failure
      const kind = failureKindOf(failure, lane.name)
      if (kind === 'token-refused' || kind === 'unclear' || this.#isTokenSpecific(digest, lane)) throw failure
      const newEndpoint = await this.#metadata.rediscoverIntrospectionEndpoint(endpoint, deadline)
      if (newEndpoint === endpoint) throw failure
      return this.#sendTo(newEndpoint, token, lane, deadline)
    }
  }

  async #sendTo(
    endpoint: string,
    token: string,
    lane: IntrospectionLane,
    deadline: Deadline,
  ): Promise<ReceivedResponse> {
    const { issuer } = this.#metadata
    const prepare = async () => {
      const credentials = await callAuthMethod(this.#options.authenticate, issuer, endpoint, deadline)
      return {
        url: endpoint,
        headers: { accept: 'application/json', ...credentials.headers },
        // RFC 7662 §2.1
        form: new URLSearchParams({ ...credentials.parameters, token, token_type_hint: 'access_token' }),
      }
    }
    const retries = lane.lastFailed ? 0 : this.#limits.retries
    const json = await requestJson(prepare, this.#limits, deadline, this.#clock, retries)
    return { response: parseIntrospectionResponse(json, endpoint), body: json.body }
  }

  #noteResponse(digest: string, lane: IntrospectionLane): void {
    lane.close()
    // An endpoint that confirms tokens works. A response about an unverified token does not close `confirm`.
    if (lane.name === 'confirm') this.#lanes.decide.close()
    const others = this.#answered.filter((each) => each.digest !== digest)
    this.#answered = [{ digest, at: this.#clock.monotonic() }, ...others].slice(0, 2)
  }

  #noteFailure(request: LaneRequest, failure: IntrospectionFailure, lane: IntrospectionLane): void {
    const { digest, wasActive, halfOpenProbe } = request
    const { kind, error } = failure
    if (kind === 'misconfigured') this.#warn(error)
    const hasRetryAfter = retryAfterSecondsOf(error) !== undefined
    if (kind === 'token-refused' || (kind === 'unclear' && !hasRetryAfter)) lane.noteReachable(request)
    else if (halfOpenProbe === undefined && this.#isTokenSpecific(digest, lane)) lane.noteUncountedFailure()
    else lane.noteFailure(request, failure)
    // A rate limit counts the requests of both lanes. What the endpoint answers to made-up tokens is no sign of one.
    const isRateLimited = kind !== 'token-refused' && (hasRetryAfter || statusOf(error) === 429)
    if (isRateLimited && (lane.name === 'confirm' || wasActive))
      this.#lanes.decide.noteRateLimited(lane.waitMs(digest, wasActive), failure)
  }

  /**
   * Whether a failure in `decide` says nothing about the endpoint, because another token had a proper response within the
   * last seconds. Callers choose what an unverified token holds, and so they can choose how the endpoint fails at it.
   */
  #isTokenSpecific(digest: string, lane: IntrospectionLane): boolean {
    if (lane.name !== 'decide') return false
    const now = this.#clock.monotonic()
    return this.#answered.some((each) => each.digest !== digest && now - each.at <= RESPONSE_PROVES_HEALTH_MS)
  }

  /** Warns once of a failure that waiting does not repair: an operator must act. */
  #warn(error: unknown): void {
    const { host = '', status } = summarizeFailure(error)
    const reason = reasonOf('ERR_INTROSPECTION_UNAVAILABLE', error)
    const { issuer } = this.#metadata
    const what = status === undefined ? reason : `${reason}, status ${status}`
    warnOnce(
      'ERR_INTROSPECTION_UNAVAILABLE',
      issuer,
      `introspection: ${what}`,
      `Introspection for the issuer ${issuer} does not work (${host}: ${what}). ${hints[reason]}`,
    )
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof IssuerFailure ? error.status : undefined
}
