import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/**
 * A process that answers questions. Both are JSON. Both sides are built together, so the types of the answers are those that the callers
 * name.
 */
export class HelperProcess {
  readonly #name: string
  readonly #child: ChildProcess

  private constructor(name: string, child: ChildProcess) {
    this.#name = name
    this.#child = child
  }

  /** @param name of a file of this folder */
  static start(name: string, args: readonly string[] = [], flags: readonly string[] = []): HelperProcess {
    const child = fork(new URL(name, import.meta.url), args, {
      execArgv: [...flags],
      // As in production, and nothing of the environment that could change what is measured.
      env: { NODE_ENV: 'production' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    return new HelperProcess(name, child)
  }

  /**
   * @returns JSON
   * @throws {Error} when the answer is an error, or the process ends, or takes too long
   */
  async ask(question: object, timeoutMs = 60_000): Promise<string> {
    const answer = this.answer(timeoutMs)
    this.#child.send(JSON.stringify(question))
    return answer
  }

  /** The next answer of a process, also of one that answers without a question. */
  async answer(timeoutMs = 60_000): Promise<string> {
    const controller = new AbortController()
    const options = { signal: AbortSignal.any([controller.signal, AbortSignal.timeout(timeoutMs)]) }
    const answered = once(this.#child, 'message', options)
    const ended = once(this.#child, 'exit', options).then(([code]) => {
      throw new Error(`${this.#name} ended with exit code ${code}`)
    })
    ended.catch(() => undefined)
    try {
      const [answer]: unknown[] = await Promise.race([answered, ended])
      if (typeof answer === 'string') return answer
      if (typeof answer === 'object' && answer !== null && 'error' in answer)
        throw new Error(`${this.#name}: ${answer.error}`)
      throw new Error(`${this.#name} gave no answer`)
    } finally {
      controller.abort()
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}

/** Answers questions, in such a process, and ends when the process that asks ends. */
export function answerQuestions(answer: (question: string) => object | Promise<object>): void {
  process.on('disconnect', () => process.exit())
  process.on('message', async (question) => {
    try {
      process.send?.(JSON.stringify(await answer(String(question))))
    } catch (error) {
      process.send?.({ error: error instanceof Error ? error.stack : String(error) })
    }
  })
}
