import type { Clock } from '../../base/clock.js'
import type { Deadline } from '../../base/deadline.js'
import { IssuerFailure, quote, suppressedFailure } from '../../errors/issuer-failure.js'
import { type HttpLimits, type JsonRequest, type JsonResponse, requestJson } from './http-json.js'
import { Budget } from './pacing.js'

/** The rate limit for requests to an issuer that fails: all its documents together. */
const REQUESTS_WHILE_FAILING = { limit: 4, perMs: 60_000 }

/** Requests the documents of one issuer, and limits the rate of these requests while the issuer fails. */
export class IssuerClient {
  readonly #limits: HttpLimits
  readonly #clock: Clock
  readonly #failures: Budget
  #lastFailure: IssuerFailure | undefined
  /** Whether the last document could not be loaded. */
  #isFailing = false
  /** Responses whose requests were all counted when they arrived, because the issuer was failing. */
  readonly #counted = new WeakSet<JsonResponse>()
  /** The maximum number of requests that the calls in flight may still make: any of them may fail. */
  #reserved = 0

  constructor(limits: HttpLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
    this.#failures = new Budget(REQUESTS_WHILE_FAILING.limit, REQUESTS_WHILE_FAILING.perMs, clock)
  }

  /** Milliseconds until the rate limit allows a request; 0 when it allows one now. */
  get waitMs(): number {
    return this.#failures.waitMs
  }

  /** @throws {IssuerFailure} the last one, without a request, while the rate limit allows none */
  async get(request: JsonRequest, deadline: Deadline): Promise<JsonResponse> {
    const { response } = await this.getFirst([request], deadline)
    return response
  }

  /**
   * Requests a document that is at one of several URLs: at the next one where the response is 404. A 404 counts as a
   * failure of the issuer only if it is the response at all of them.
   *
   * @returns the response, and the index of the request that found the document
   * @throws {IssuerFailure} as {@link get}; that of the last URL where none has the document
   */
  async getFirst(
    requests: readonly JsonRequest[],
    deadline: Deadline,
  ): Promise<{ response: JsonResponse; index: number }> {
    const left = this.#failures.left - this.#reserved
    if (this.#lastFailure && left <= 0) throw suppressedFailure(this.#lastFailure)
    // Where the rate limit does not allow all requests, the first ones are the likeliest.
    const allowed = requests.slice(0, Math.max(1, left))
    // Retries are for a brief disturbance, not for an outage.
    let retries = this.#isFailing ? 0 : Math.max(0, Math.min(this.#limits.retries, left - 2))
    const reserved = allowed.length + retries
    this.#reserved += reserved
    let attempts = 0
    try {
      for (const [index, request] of allowed.entries()) {
        try {
          const response = await requestJson(() => request, this.#limits, deadline, this.#clock, retries)
          attempts += response.attempts
          // While the issuer fails, every request counts; otherwise only those that failed.
          this.#spend(this.#isFailing ? attempts : attempts - index - 1)
          if (this.#isFailing) this.#counted.add(response)
          this.#isFailing = false
          return { response, index }
        } catch (failure) {
          if (!(failure instanceof IssuerFailure)) throw failure
          attempts += failure.attempts
          retries -= failure.attempts - 1
          const isNotFound = failure.status === 404
          if (isNotFound && index + 1 < allowed.length) continue
          const final = isNotFound && index > 0 ? notFoundAt(allowed, failure) : failure
          final.attempts = attempts
          this.#noteFailure(final, attempts)
          throw final
        }
      }
      throw new TypeError('A document must have at least one URL')
    } finally {
      this.#reserved -= reserved
    }
  }

  /**
   * Counts a document that arrived and cannot be used as a failure of the issuer.
   *
   * @returns the failure, to be thrown
   */
  reject(failure: IssuerFailure, response: JsonResponse): IssuerFailure {
    this.#noteFailure(failure, this.#counted.has(response) ? 0 : failure.attempts)
    return failure
  }

  #noteFailure(failure: IssuerFailure, requests: number): void {
    this.#lastFailure = failure
    this.#isFailing = true
    this.#spend(requests)
  }

  #spend(requests: number): void {
    for (let spent = 0; spent < requests; spent++) this.#failures.spend()
  }
}

/** The failure for a document that is at none of its URLs; its message names them. */
function notFoundAt(requests: readonly JsonRequest[], { host, durationMs }: IssuerFailure): IssuerFailure {
  const urls = requests.map(({ url }) => quote(url))
  const message = `The response has the status 404, at ${urls.join(' and at ')}`
  return new IssuerFailure('status', message, { host, durationMs, status: 404 })
}
