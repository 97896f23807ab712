import type { Clock } from '../clock.js'
import type { Deadline } from './deadline.js'
import { type HttpLimits, type JsonDocument, type JsonRequest, requestJson } from './http.js'
import { IssuerFailure, unasked } from './issuer-failure.js'
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
  async get(request: JsonRequest, deadline: Deadline): Promise<JsonDocument> {
    const left = this.#failures.left - this.#underWay
    if (this.#lastFailure && left <= 0) throw unasked(this.#lastFailure)
    // Once more is for a hiccup, not for an outage.
    const retries = this.#inTrouble ? 0 : Math.max(0, Math.min(this.#limits.retries, left - 2))
    this.#underWay += 1 + retries
    try {
      const document = await requestJson(() => request, this.#limits, deadline, this.#clock, retries)
      for (let spent = this.#inTrouble ? 0 : 1; spent < document.attempts; spent++) this.#failures.spend()
      this.#inTrouble = false
      return document
    } catch (failure) {
      if (failure instanceof IssuerFailure) this.#noteFailure(failure)
      throw failure
    } finally {
      this.#underWay -= 1 + retries
    }
  }

  /** For a document that was had, and is of no use. */
  reject(failure: IssuerFailure): IssuerFailure {
    this.#noteFailure(failure)
    return failure
  }

  #noteFailure(failure: IssuerFailure): void {
    this.#lastFailure = failure
    this.#inTrouble = true
    for (let attempt = 0; attempt < failure.attempts; attempt++) this.#failures.spend()
  }
}
