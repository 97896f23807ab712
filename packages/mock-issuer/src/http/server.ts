import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Connection } from './app.js'

/** What the server does with requests, and when it listens. */
interface ServerWork {
  answer(request: Request, incoming: Connection): Response | Promise<Response>
  /** Called as soon as the server listens, with its base URL. */
  listening(baseUrl: string): void
}

/** The addresses that only this machine can connect to. */
const LOCAL_HOSTS: readonly string[] = ['127.0.0.1', '::1', 'localhost']

/** The HTTP server of an issuer. It listens at one address at a time. */
export class IssuerServer {
  readonly #work: ServerWork
  #server: Server | undefined
  /** Settles when the server listens, or fails to. */
  #started: Promise<unknown> | undefined
  #host = ''

  constructor(work: ServerWork) {
    this.#work = work
  }

  /** Whether it listens, and only this machine can connect. */
  get isLocal(): boolean {
    return this.#server?.listening === true && LOCAL_HOSTS.includes(this.#host)
  }

  /** Whether other machines can connect, now or as soon as it listens. */
  get isReachable(): boolean {
    return this.#server !== undefined && !LOCAL_HOSTS.includes(this.#host)
  }

  /**
   * @returns the base URL
   * @throws {TypeError} for an empty host
   * @throws {Error} if it listens already or is closed meanwhile, and for a port that is in use (`EADDRINUSE`)
   */
  async listen(port: number, host: string): Promise<string> {
    if (this.#server) throw new Error('The issuer is listening already')
    if (host === '') throw new TypeError('"host" must not be empty')
    const server = createServer(
      // Keeps `Request` and `Response` of the embedding process, which Hono would replace.
      getRequestListener((request, env) => this.#work.answer(request, env.incoming), {
        overrideGlobalObjects: false,
        // The host of requests without a `Host` header, as in HTTP/1.0.
        hostname: urlHost(host),
      }),
    )
    this.#server = server
    this.#host = host
    try {
      server.listen(port, host)
      this.#started = once(server, 'listening')
      await this.#started
    } catch (error) {
      if (this.#server === server) this.#server = undefined
      throw error
    }
    // After `close()`, another server may listen already.
    if (this.#server !== server) throw new Error('The issuer was closed while it started to listen')
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('The server has no address')
    const baseUrl = `http://${urlHost(host)}:${address.port}`
    this.#work.listening(baseUrl)
    return baseUrl
  }

  /** Closes the server and its connections. */
  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server) return
    // A server that is starting would still listen after `close()`. `listen()` reports its error.
    await this.#started?.catch(() => undefined)
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
}

/** The host for a URL of the server. No client can connect to "all addresses", so that becomes this machine. */
function urlHost(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  if (address === '::') return '[::1]'
  return address.includes(':') ? `[${address}]` : address
}
