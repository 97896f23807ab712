import { HelperProcess } from './helper-process.js'
import type { Usage } from './server-process.js'
import { breakSignature } from './tokens.js'

/** A request that is not a `GET`. */
export interface Call {
  readonly method: 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Servers that let every token pass. */
const UNCHECKED = ['bare', 'empty middleware', 'requireBearerAuth, no check']

/** A server in a process of its own. */
export class BenchServer {
  readonly url: string
  readonly #helper: HelperProcess

  private constructor(url: string, helper: HelperProcess) {
    this.url = url
    this.#helper = helper
  }

  /** @param token with which it must answer 200; without it, or with another signature, a guarded one answers 401 */
  static async start(args: readonly string[], token: string, call?: Call): Promise<BenchServer> {
    const helper = HelperProcess.start('server-process.js', args)
    try {
      const { port }: { port: number } = JSON.parse(await helper.ask({ wanted: 'port' }))
      const server = new BenchServer(`http://127.0.0.1:${port}/`, helper)
      const [, guard = ''] = args
      await server.#prove(200, token, call)
      await server.#prove(UNCHECKED.includes(guard) ? 200 : 401, breakSignature(token), call)
      await server.#prove(['bare', 'empty middleware'].includes(guard) ? 200 : 401, undefined, call)
      return server
    } catch (error) {
      await helper.stop()
      throw new Error(`${args.slice(0, 2).join(', ')} cannot be measured`, { cause: error })
    }
  }

  /** What it did since the last question. */
  async usage(): Promise<Usage> {
    return JSON.parse(await this.#helper.ask({ wanted: 'usage' }))
  }

  async stop(): Promise<void> {
    await this.#helper.stop()
  }

  async #prove(expected: number, token: string | undefined, call: Call | undefined): Promise<void> {
    const credential: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const { status } = await fetch(this.url, { ...call, headers: { ...call?.headers, ...credential } })
    if (status !== expected) throw new Error(`The answer is ${status} in place of ${expected}`)
  }
}
