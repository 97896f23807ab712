import type { Clock } from '../../base/clock.js'
import { IssuerFailure, quote, suppressedFailure } from '../../errors/issuer-failure.js'
import type { Deadline } from './deadline.js'
import { type HttpLimits, type JsonRequest, type JsonResponse, requestJson } from './http-json.js'
import { Budget } from './pacing.js'

/** How many requests for its documents an issuer gets while it fails, and in which time. */
const REQUESTS_IN_TROUBLE = { limit: 4, perMs: 60_000 }

/** Asks one issuer for its documents, and spares it while it fails: all documents together. */
export class IssuerClient {
  readonly #limits: HttpLimits
  readonly #clock: Clock
  readonly #failures: Budget
  #lastFailure: IssuerFailure | undefined
  #inTrouble = false
  /** How many requests those under way may yet come to: any of them may fail. */
  #underWay = 0

  constructor(limits: HttpLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
    this.#failures = new Budget(REQUESTS_IN_TROUBLE.limit, REQUESTS_IN_TROUBLE.perMs, clock)
  }

  /** Milliseconds until the issuer may be asked again, for having failed too often; 0 when it may be now. */
  get waitMs(): number {
    return this.#failures.waitMs
  }

  /** @throws {IssuerFailure} the last one, without asking, when it is not to be asked now */
  async get(request: JsonRequest, deadline: Deadline): Promise<JsonResponse> {
    const { answer } = await this.getFirst([request], deadline)
    return answer
  }

  /**
   * Asks for a document that is at one of several places: at the next one where the answer is 404. That is no failure of
   * the issuer, unless it is the answer at all of them.
   *
   * @returns the document, and at which of the places it is
   * @throws {IssuerFailure} as {@link get}; that of the last place where the document is at none
   */
  async getFirst(
    requests: readonly JsonRequest[],
    deadline: Deadline,
  ): Promise<{ answer: JsonResponse; place: number }> {
    const left = this.#failures.left - this.#underWay
    if (this.#lastFailure && left <= 0) throw suppressedFailure(this.#lastFailure)
    // Where not all places may be asked any more, the likeliest one is.
    const places = requests.slice(0, Math.max(1, left))
    // Once more is for a hiccup, not for an outage.
    let retries = this.#inTrouble ? 0 : Math.max(0, Math.min(this.#limits.retries, left - 2))
    const reserved = places.length + retries
    this.#underWay += reserved
    let asked = 0
    try {
      for (const [place, request] of places.entries()) {
        try {
          const answer = await requestJson(() => request, this.#limits, deadline, this.#clock, retries)
          asked += answer.attempts
          // While the issuer fails, every request counts; else those that failed.
          this.#spend(this.#inTrouble ? asked : asked - place - 1)
          this.#inTrouble = false
          return { answer, place }
        } catch (failure) {
          if (!(failure instanceof IssuerFailure)) throw failure
          asked += failure.attempts
          retries -= failure.attempts - 1
          const isElsewhere = failure.status === 404 && place + 1 < places.length
          if (isElsewhere) continue
          const final = place > 0 && failure.status === 404 ? absentAt(places, failure) : failure
          final.attempts = asked
          this.#noteFailure(final)
          throw final
        }
      }
      throw new TypeError('A document is asked for at one place at least')
    } finally {
      this.#underWay -= reserved
    }
  }

  /** For a document that arrived and cannot be used. */
  reject(failure: IssuerFailure): IssuerFailure {
    this.#noteFailure(failure)
    return failure
  }

  #noteFailure(failure: IssuerFailure): void {
    this.#lastFailure = failure
    this.#inTrouble = true
    this.#spend(failure.attempts)
  }

  #spend(requests: number): void {
    for (let spent = 0; spent < requests; spent++) this.#failures.spend()
  }
}

/** For a document that is at none of its places, in words that name them. */
function absentAt(places: readonly JsonRequest[], { host, durationMs }: IssuerFailure): IssuerFailure {
  const urls = places.map(({ url }) => quote(url))
  const message = `The answer has the status 404, at ${urls.join(' and at ')}`
  return new IssuerFailure('status', message, { host, durationMs, status: 404 })
}
