/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} body
 * @property {string} [token] the access token of a caller, in jobs of other systems
 * @property {Caller} [caller] who calls, in jobs of our own API, which has verified the token
 * @property {number} arrivedAt when the queue got the job, by its own clock; in seconds since the epoch
 *
 * @typedef {Pick<import('@telnyx-auth/core').Auth, 'subject' | 'clientId' | 'scopes'>} Caller
 *
 * @typedef {'done' | { retryInSeconds: number } | { deadLetter: string }} Outcome what becomes of a job
 */

const MAX_ATTEMPTS = 3

/** A queue in memory, in place of a broker. */
export class MemoryQueue {
  /** @type {{ job: Job, dueAt: number, failures: number }[]} */
  #waiting = []
  /** @type {{ id: string, reason: string }[]} */
  deadLetters = []

  /** @param {Omit<Job, 'arrivedAt'>} job */
  publish(job) {
    // The queue says when a job arrived: a producer could name an earlier time, when its token was still valid.
    this.#waiting.push({ job: { ...job, arrivedAt: seconds() }, dueAt: seconds(), failures: 0 })
  }

  /**
   * Hands out the jobs that are due.
   *
   * @param {(job: Job) => Promise<Outcome>} consume
   */
  async deliver(consume) {
    const due = this.#waiting.filter(({ dueAt }) => dueAt <= seconds())
    this.#waiting = this.#waiting.filter((entry) => !due.includes(entry))
    for (const { job, failures } of due) {
      try {
        const outcome = await consume(job)
        if (outcome === 'done') continue
        if ('deadLetter' in outcome) this.#bury(job, outcome.deadLetter)
        else this.#waiting.push({ job, dueAt: seconds() + outcome.retryInSeconds, failures })
      } catch {
        if (failures + 1 === MAX_ATTEMPTS) this.#bury(job, 'the work failed')
        else this.#waiting.push({ job, dueAt: seconds() + 2 ** failures, failures: failures + 1 })
      }
    }
  }

  /**
   * Without the token: people and programs read dead letters.
   *
   * @param {Job} job
   * @param {string} reason
   */
  #bury({ id }, reason) {
    this.deadLetters.push({ id, reason })
  }
}

const seconds = () => Date.now() / 1000
