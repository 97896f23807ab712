import { hash } from 'node:crypto'
import { BoundedCache } from '../../base/bounded-cache.js'
import type { Clock } from '../../base/clock.js'
import { type Awaitable, after } from '../../base/maybe-async.js'
import { InvalidTokenError, UnavailableError } from '../../errors/errors.js'
import { IssuerFailure, mayHaveMoved, retryAfterSecondsOf } from '../../errors/issuer-failure.js'
import { hints } from '../../errors/reasons.js'
import { watched } from '../../telemetry/events.js'
import { warnOnce } from '../../telemetry/warnings.js'
import type { JwtClaims } from '../../token/claims.js'
import type { IssuerMetadata } from '../discovery/issuer-metadata.js'
import { Deadline } from '../http/deadline.js'
import { type HttpLimits, requestJson } from '../http/http-json.js'
import { reasonOf, summarizeFailure, unavailable } from '../http/unavailable.js'
import { callAuthMethod } from './client-authentication.js'
import {
  type FailureKind,
  type IntrospectionFailure,
  kindOf,
  type LaneName,
} from './introspection-failure.js'
import { IntrospectionLane, type Pass } from './introspection-lane.js'
import type { ResolvedIntrospection } from './introspection-options.js'
import { type IntrospectionResponse, parseIntrospectionResponse } from './introspection-response.js'

/** The bounds of each cache. What is not active has its own, so that made-up tokens push out no good one. */
const MAX_ENTRIES = 10_000
const MAX_BYTES = 32 * 1024 * 1024
/** About what an entry takes beside the answer itself, and what each byte of that takes as objects. */
const ENTRY_BYTES = 512
const MEMORY_PER_BYTE = 12
/** How much of what the issuer says is kept: more would be a strange answer. */
const MAX_KEPT_BYTES = 8 * 1024
/** For how long a proper answer about one token shows that failures of other tokens are not the endpoint's. */
const ALIVE_MS = 5_000
/** For how long it is remembered that the issuer called a token active. */
const FAMILIAR_MS = 60 * 60_000

/** What came of a question about a token. */
export type IntrospectionResult =
  | { readonly state: 'active'; readonly claims: JwtClaims }
  | { readonly state: 'failed'; readonly kind: FailureKind; readonly error: UnavailableError }

type Lane = IntrospectionLane<IntrospectionResponse>

/** Asks one issuer about tokens (RFC 7662), and remembers for a short time what it said. */
export class IntrospectionClient {
  readonly options: ResolvedIntrospection
  readonly #server: IssuerMetadata
  readonly #limits: HttpLimits
  readonly #clock: Clock
  readonly #lanes: Readonly<Record<LaneName, Lane>>
  readonly #active = new BoundedCache<IntrospectionResponse>(MAX_ENTRIES, MAX_BYTES)
  readonly #inactive = new BoundedCache<IntrospectionResponse>(MAX_ENTRIES, MAX_BYTES)
  /** Tokens without a verified signature that the issuer called active: made-up tokens are never among them. */
  readonly #familiar = new BoundedCache<true>(MAX_ENTRIES, MAX_BYTES)
  /** The last two tokens that got a proper answer, the newest first. */
  #answered: readonly { readonly digest: string; readonly at: number }[] = []

  constructor(options: ResolvedIntrospection, server: IssuerMetadata, limits: HttpLimits, clock: Clock) {
    this.options = options
    this.#server = server
    this.#limits = limits
    this.#clock = clock
    const lane = (name: LaneName) =>
      new IntrospectionLane<IntrospectionResponse>(name, server.issuer, options.maxInFlight, clock)
    this.#lanes = { confirm: lane('confirm'), decide: lane('decide') }
  }

  /**
   * The claims that the issuer gives for a token that is active (RFC 7662 §2.2), or why it could not be asked. The claims
   * are not checked here. What needs no request is said at once, so that a flood is refused without a promise for each token.
   *
   * @param name `confirm` for a token whose signature was verified, `decide` for every other
   * @throws {InvalidTokenError} `ERR_TOKEN_INACTIVE`, `ERR_CLAIM_INVALID`
   */
  claimsOf(token: string, name: LaneName): Awaitable<IntrospectionResult> {
    // The caches never hold the token itself.
    const digest = hash('sha256', token, 'base64url')
    const now = this.#clock.monotonic()
    const lane = this.#lanes[name]
    const known = this.#inactive.get(digest, now) ?? this.#active.get(digest, now)
    if (known) return claimsIn(known)
    const isFamiliar = name === 'decide' && this.#familiar.get(digest, now) === true
    const outcome = lane.ask(digest, isFamiliar, (pass) => this.#ask(token, pass, lane))
    return after(outcome, (answer) =>
      answer.state === 'failed'
        ? {
            state: 'failed',
            kind: answer.kind,
            error: undecided(answer, lane.waitMs(digest, isFamiliar)),
          }
        : claimsIn(answer),
    )
  }

  /** Makes one request and tells the lanes what it says about the endpoint. */
  async #ask(token: string, pass: Pass, lane: Lane): Promise<IntrospectionResponse | IntrospectionFailure> {
    const started = this.#clock.monotonic()
    const asked = (outcome: 'active' | 'inactive' | 'failed', detail?: object) =>
      watched('introspectionAsked')?.publish({
        issuer: this.#server.issuer,
        outcome,
        durationMs: this.#clock.monotonic() - started,
        ...detail,
      })
    try {
      const { answer, bytes } = await Deadline.within(this.#limits.timeoutMs, (deadline) =>
        this.#request(token, pass, lane, deadline),
      )
      this.#noteAnswer(pass.digest, lane)
      asked(answer.state === 'active' ? 'active' : 'inactive')
      this.#keep(pass.digest, answer, bytes, lane)
      return answer
    } catch (error) {
      const { reason, status } = summarizeFailure(error)
      asked('failed', { reason, status })
      const failure: IntrospectionFailure = { state: 'failed', kind: kindOf(error, lane.name), error }
      this.#noteFailure(pass, failure, lane)
      return failure
    }
  }

  async #request(
    token: string,
    { digest }: Pass,
    lane: Lane,
    deadline: Deadline,
  ): Promise<{ answer: IntrospectionResponse; bytes: number }> {
    const endpoint = await this.#server.introspectionEndpoint(deadline)
    try {
      return await this.#requestAt(endpoint, token, lane, deadline)
    } catch (failure) {
      if (!(failure instanceof IssuerFailure) || !mayHaveMoved(failure)) throw failure
      const kind = kindOf(failure, lane.name)
      if (kind === 'token-refused' || kind === 'unclear' || this.#isBlameless(digest, lane)) throw failure
      const endpointNow = await this.#server.rediscoverIntrospectionEndpoint(endpoint, deadline)
      if (endpointNow === endpoint) throw failure
      return this.#requestAt(endpointNow, token, lane, deadline)
    }
  }

  async #requestAt(
    endpoint: string,
    token: string,
    lane: Lane,
    deadline: Deadline,
  ): Promise<{ answer: IntrospectionResponse; bytes: number }> {
    const { issuer } = this.#server
    const prepare = async () => {
      const proof = await callAuthMethod(this.options.authenticate, issuer, endpoint, deadline)
      return {
        url: endpoint,
        headers: { accept: 'application/json', ...proof.headers },
        // RFC 7662 §2.1
        form: new URLSearchParams({ ...proof.parameters, token, token_type_hint: 'access_token' }),
      }
    }
    const retries = lane.lastFailed ? 0 : this.#limits.retries
    const document = await requestJson(prepare, this.#limits, deadline, this.#clock, retries)
    return { answer: parseIntrospectionResponse(document, endpoint), bytes: document.body.length }
  }

  #noteAnswer(digest: string, lane: Lane): void {
    lane.close()
    // An endpoint that confirms tokens is well. What unverified tokens are answered does not close `confirm`.
    if (lane.name === 'confirm') this.#lanes.decide.close()
    const others = this.#answered.filter((each) => each.digest !== digest)
    this.#answered = [{ digest, at: this.#clock.monotonic() }, ...others].slice(0, 2)
  }

  #noteFailure(pass: Pass, failure: IntrospectionFailure, lane: Lane): void {
    if (failure.kind === 'misconfigured') this.#warn(failure.error)
    const isAsked = retryAfterSecondsOf(failure.error) !== undefined
    if (failure.kind === 'token-refused' || (failure.kind === 'unclear' && !isAsked)) lane.noteAlive(pass)
    else if (pass.probe === undefined && this.#isBlameless(pass.digest, lane)) lane.noteUncounted()
    else lane.noteFailure(pass, failure)
    // A limit on requests counts those of both lanes. What made-up tokens are answered says nothing about it.
    const isLimited = failure.kind !== 'token-refused' && (isAsked || statusOf(failure.error) === 429)
    if (isLimited && (lane.name === 'confirm' || pass.isFamiliar))
      this.#lanes.decide.noteAskedToRest(lane.waitMs(pass.digest, pass.isFamiliar), failure)
  }

  /**
   * Whether a failure in `decide` says nothing about the endpoint, because another token got a proper answer within the last
   * seconds: callers choose what they write into unverified tokens, and with it what the endpoint makes of them.
   */
  #isBlameless(digest: string, lane: Lane): boolean {
    if (lane.name !== 'decide') return false
    const now = this.#clock.monotonic()
    return this.#answered.some((each) => each.digest !== digest && now - each.at <= ALIVE_MS)
  }

  /** What only a person can repair. */
  #warn(error: unknown): void {
    const { host = '', status } = summarizeFailure(error)
    const reason = reasonOf('ERR_INTROSPECTION_UNAVAILABLE', error)
    const { issuer } = this.#server
    const what = status === undefined ? reason : `${reason}, status ${status}`
    warnOnce(
      'ERR_INTROSPECTION_UNAVAILABLE',
      issuer,
      `introspection: ${what}`,
      `Introspection for the issuer ${issuer} does not work (${host}: ${what}). ${hints[reason]}`,
    )
  }

  #keep(digest: string, answer: IntrospectionResponse, bytes: number, lane: Lane): void {
    const { cacheMs, inactiveCacheMs } = this.options
    const now = this.#clock.monotonic()
    if (answer.state !== 'active') {
      // The other lane may have been told before that the token is active.
      this.#active.delete(digest)
      this.#familiar.delete(digest)
      if (inactiveCacheMs > 0) this.#inactive.set(digest, answer, ENTRY_BYTES, now + inactiveCacheMs)
      return
    }
    if (lane.name === 'decide') this.#familiar.set(digest, true, ENTRY_BYTES, now + FAMILIAR_MS)
    if (bytes > MAX_KEPT_BYTES) return
    const { exp } = answer.claims
    // RFC 7662 §4: never past `exp`.
    const leftMs = typeof exp === 'number' ? (exp - this.#clock.now()) * 1000 : Number.POSITIVE_INFINITY
    const keptMs = Math.min(cacheMs, leftMs)
    if (keptMs > 0) this.#active.set(digest, answer, ENTRY_BYTES + MEMORY_PER_BYTE * bytes, now + keptMs)
  }
}

/** @throws {InvalidTokenError} where the token is not active */
function claimsIn(answer: IntrospectionResponse): IntrospectionResult {
  if (answer.state === 'active') return answer
  if (answer.state === 'inactive') throw new InvalidTokenError('ERR_TOKEN_INACTIVE', { reason: 'inactive' })
  throw new InvalidTokenError('ERR_CLAIM_INVALID', {
    message: 'The introspection response repeats a member name',
    reason: 'introspection-repeated-member',
  })
}

/** Each caller gets an error of its own: it is told what its request needs. */
function undecided({ kind, error }: IntrospectionFailure, waitMs: number): UnavailableError {
  if (kind === 'limit')
    return new UnavailableError('ERR_INTROSPECTION_UNAVAILABLE', {
      retryAfterSeconds: 1,
      reason: 'introspection-limit',
    })
  const reason = kind === 'token-refused' ? 'introspection-token-refused' : undefined
  return unavailable('ERR_INTROSPECTION_UNAVAILABLE', error, waitMs, reason)
}

function statusOf(error: unknown): number | undefined {
  return error instanceof IssuerFailure ? error.status : undefined
}
