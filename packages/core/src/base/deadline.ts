/** The time limit of one task, which may make several requests. */
export class Deadline {
  readonly timeoutMs: number
  /** Fulfilled when the time limit is over. */
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

  /** Runs a task with a time limit. Clears its timer afterwards, which would keep the process alive. */
  static async within<T>(timeoutMs: number, work: (deadline: Deadline) => Promise<T>): Promise<T> {
    const deadline = new Deadline(timeoutMs)
    try {
      return await work(deadline)
    } finally {
      clearTimeout(deadline.#timer)
    }
  }

  /** Whether the time limit is over. Reads the time as well, because a busy event loop fires timers late. */
  get isOver(): boolean {
    return this.#fired || performance.now() - this.#startedAt > this.timeoutMs
  }
}
