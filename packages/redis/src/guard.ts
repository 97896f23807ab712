import { failureOf, StoreUnavailableError } from './store-unavailable-error.js'

/** A client keeps commands for a server that does not answer. It must not keep any number of them. */
const MAX_UNSETTLED = 1_000

/** After as many failures in a row, the circuit opens. */
const FAILURES_TO_OPEN = 5

/** How long the circuit is open before one command probes the server. */
const OPEN_MS = 1_000

/**
 * How long the next probe waits for the client to settle the one before. On a connection that is dead, more commands would only
 * wait as well, and a client that closes idle connections (`socketTimeout` of node-redis) would never find it idle.
 */
const PROBE_MS = 10_000

/**
 * Stands between a store and the client of Redis: a time limit for each command, a limit of commands that the client has not settled,
 * and a circuit breaker. Reconnecting is the client's affair.
 */
export class Guard {
  readonly #timeoutMs: number
  /** Those that the client has neither fulfilled nor rejected. A command that timed out stays in the client's queue. */
  #unsettled = 0
  /** Failures in a row. */
  #failures = 0
  #openUntil = 0
  #probingUntil = 0

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /**
   * Sends a command.
   *
   * @param send calls the client
   * @throws {StoreUnavailableError}
   */
  async run<T>(send: () => Promise<T>): Promise<T> {
    const isProbe = this.#admit()
    try {
      const reply = await this.#withinTimeout(() => this.#counted(send, isProbe))
      this.#failures = 0
      return reply
    } catch (error) {
      this.#failed(isProbe)
      throw failureOf(error)
    }
  }

  /**
   * @returns whether this command is the probe of an open circuit
   * @throws {StoreUnavailableError} at once; that is no failure of the server
   */
  #admit(): boolean {
    if (this.#unsettled >= MAX_UNSETTLED)
      throw new StoreUnavailableError(`${MAX_UNSETTLED} commands to Redis are not answered`)
    if (this.#failures < FAILURES_TO_OPEN) return false
    const now = performance.now()
    if (now < this.#openUntil || now < this.#probingUntil)
      throw new StoreUnavailableError(
        `Redis is not asked, because it failed ${FAILURES_TO_OPEN} times in a row`,
      )
    this.#probingUntil = now + PROBE_MS
    return true
  }

  #failed(isProbe: boolean): void {
    this.#failures++
    // Commands that were sent before it opened, and fail later, say nothing new.
    if (isProbe || this.#failures === FAILURES_TO_OPEN) this.#openUntil = performance.now() + OPEN_MS
  }

  async #withinTimeout<T>(send: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    try {
      return await Promise.race([
        send(),
        new Promise<never>((_resolve, reject) => {
          const giveUp = () =>
            reject(new StoreUnavailableError(`Redis did not answer within ${this.#timeoutMs} ms`))
          // A busy process is not a slow server. Node reads the replies that have arrived before it calls this one.
          timer = setTimeout(() => setImmediate(giveUp), this.#timeoutMs)
        }),
      ])
    } finally {
      clearTimeout(timer)
    }
  }

  async #counted<T>(send: () => Promise<T>, isProbe: boolean): Promise<T> {
    this.#unsettled++
    try {
      return await send()
    } finally {
      this.#unsettled--
      if (isProbe) this.#probingUntil = 0
    }
  }
}
