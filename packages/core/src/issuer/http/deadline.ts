/** The end of the time for a piece of work that may take several requests. */
export class Deadline {
  readonly timeoutMs: number
  /** Fulfilled when the time is over. */
  readonly over: Promise<void>
  readonly #startedAt = performance.now()
  #timer: NodeJS.Timeout | undefined
  #fired = false

  private constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs
    this.over = new Promise((resolve) => {
      this.#timer = setTimeout(() => {
        this.#fired = true
        resolve()
      }, timeoutMs)
    })
  }

  /** Gives work its time, and leaves no timer behind, which would keep a process alive. */
  static async within<T>(timeoutMs: number, work: (deadline: Deadline) => Promise<T>): Promise<T> {
    const deadline = new Deadline(timeoutMs)
    try {
      return await work(deadline)
    } finally {
      clearTimeout(deadline.#timer)
    }
  }

  /** Whether the time is over, also where so much is going on that no timer fires. */
  get isOver(): boolean {
    return this.#fired || performance.now() - this.#startedAt > this.timeoutMs
  }
}
