import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/**
 * One connection that asks and waits for the answer, with as little work as that takes: who asks runs on the same
 * cores as the server.
 */
export class RawConnection {
  readonly #socket: Socket
  readonly #host: string
  #received = ''
  #done: ((status: number) => void) | undefined

  private constructor(socket: Socket, host: string) {
    this.#socket = socket
    this.#host = host
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => this.#receive(chunk))
  }

  /** @param failed is told once the connection breaks */
  static async open(url: string, failed: (error: Error) => void): Promise<RawConnection> {
    const { host, hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    socket.setNoDelay(true)
    socket.on('error', failed)
    socket.on('end', () => failed(new Error('The server has closed the connection')))
    return new RawConnection(socket, host)
  }

  /** @param done is told the status of the answer, once all of it is there */
  ask(token: string, done: (status: number) => void): void {
    this.#done = done
    this.#socket.write(`GET / HTTP/1.1\r\nhost: ${this.#host}\r\nauthorization: Bearer ${token}\r\n\r\n`)
  }

  close(): void {
    this.#socket.removeAllListeners('end')
    this.#socket.destroy()
  }

  #receive(chunk: string): void {
    this.#received += chunk
    const headers = this.#received.indexOf('\r\n\r\n') + 4
    if (headers < 4) return
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#received)?.[1] ?? '0'
    if (this.#received.length < headers + Number(length)) return
    const status = Number(this.#received.slice(9, 12))
    this.#received = ''
    this.#done?.(status)
  }
}
