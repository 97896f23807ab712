import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A response as a strict client reads it off a connection that stays open. */
export interface FramedResponse {
  readonly status: number
  readonly statusMessage: string
  /** By name in lower case. A name that came twice is an error. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * One connection for several requests. It reads exactly what the framing says (RFC 9112 §6.3), and refuses
 * framing that an intermediary could read differently: two lengths, or a length beside `Transfer-Encoding`.
 */
export class KeepAliveConnection {
  readonly #socket: Socket
  #received = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text) => {
      this.#received += text
    })
    onTestFinished(() => void socket.destroy())
  }

  static async open(port: number): Promise<KeepAliveConnection> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new KeepAliveConnection(socket)
  }

  /** Whether the server has closed it, so that the end of a body was the end of the connection (RFC 9112 §6.3). */
  get isClosed(): boolean {
    return this.#socket.readableEnded
  }

  /** Received text that belongs to no response. */
  get rest(): string {
    return this.#received
  }

  async request(method: string, path: string, lines: readonly string[] = []): Promise<FramedResponse> {
    this.#socket.write([`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1', ...lines, '', ''].join('\r\n'))
    const [statusLine = '', ...headerLines] = (await this.#readUntil('\r\n\r\n')).split('\r\n')
    const headers: Record<string, string> = {}
    for (const line of headerLines) {
      const [, name = '', value = ''] = /^([^:]+):\s*(.*)$/.exec(line) ?? []
      const key = name.toLowerCase()
      if (headers[key] !== undefined) throw new Error(`The header ${key} came twice`)
      headers[key] = value
    }
    const [, status, statusMessage = ''] = /^HTTP\/1\.1 (\d{3}) (.*)$/.exec(statusLine) ?? []
    if (status === undefined) throw new Error(`Not a status line: ${statusLine}`)
    const hasBody = method !== 'HEAD' && status !== '204' && status !== '304'
    return {
      status: Number(status),
      statusMessage,
      headers,
      body: hasBody ? await this.#readBody(headers) : '',
    }
  }

  async #readBody(headers: Readonly<Record<string, string>>): Promise<string> {
    const { 'content-length': length, 'transfer-encoding': coding } = headers
    if (length !== undefined && coding !== undefined) throw new Error('A length beside Transfer-Encoding')
    if (length !== undefined) return this.#readExactly(Number(length))
    if (coding === undefined) return this.#readToEnd()
    if (coding !== 'chunked') throw new Error(`A coding that is not known: ${coding}`)
    let body = ''
    for (;;) {
      const size = Number.parseInt(await this.#readUntil('\r\n'), 16)
      body += await this.#readExactly(size)
      await this.#readUntil('\r\n')
      if (size === 0) return body
    }
  }

  async #readToEnd(): Promise<string> {
    while (!this.#socket.readableEnded)
      await Promise.race([once(this.#socket, 'data'), once(this.#socket, 'end')])
    return this.#readExactly(this.#received.length)
  }

  async #readExactly(length: number): Promise<string> {
    while (this.#received.length < length) await this.#more()
    const text = this.#received.slice(0, length)
    this.#received = this.#received.slice(length)
    return text
  }

  async #readUntil(end: string): Promise<string> {
    while (!this.#received.includes(end)) await this.#more()
    const text = await this.#readExactly(this.#received.indexOf(end))
    await this.#readExactly(end.length)
    return text
  }

  async #more(): Promise<void> {
    if (this.#socket.readableEnded) throw new Error('The connection was closed')
    await Promise.race([once(this.#socket, 'data'), once(this.#socket, 'end')])
  }
}
