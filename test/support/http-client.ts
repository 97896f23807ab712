import { connect, type Socket } from 'node:net'

/** A response as a strict client reads it. */
export interface HttpResponse {
  readonly status: number
  readonly statusMessage: string
  /** Every value of each header, by name in lower case. */
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly body: string
}

/** A request that waits for its response. */
interface Exchange {
  readonly method: string
  resolve(response: HttpResponse): void
  reject(error: unknown): void
}

/**
 * One connection for several requests, one after the other. It sends exactly the given header lines, also those
 * that HTTP clients refuse to send. It reads exactly what the framing says (RFC 9112 §6.3), and refuses framing that
 * an intermediary could read differently: two lengths, or a length beside `Transfer-Encoding`.
 *
 * It uses no member of an object that can be inherited: tests send requests while `Object.prototype` is polluted.
 */
export class HttpConnection {
  readonly #socket: Socket
  #received = ''
  #isClosed = false
  #exchange: Exchange | undefined

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (text) => {
      this.#received += text
      this.#read()
    })
    this.#socket.on('end', () => {
      this.#isClosed = true
      this.#read()
    })
    this.#socket.on('error', (error) => {
      this.#isClosed = true
      this.#exchange?.reject(error)
      this.#exchange = undefined
    })
  }

  /** Whether the server has closed it, as it must where the end of a body is the end of the connection (RFC 9112 §6.3). */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Received text that belongs to no response. */
  get rest(): string {
    return this.#received
  }

  async request(
    method: string,
    path: string,
    lines: readonly string[] = [],
    body: string = '',
  ): Promise<HttpResponse> {
    if (this.#exchange) throw new Error('The connection waits for a response')
    if (this.#isClosed) throw new Error('The connection is closed')
    this.#expectNoRest()
    const sent = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1', ...lines]
    if (body !== '') sent.push(`Content-Length: ${body.length}`)
    return new Promise((resolve, reject) => {
      this.#exchange = { method, resolve, reject }
      this.#socket.write([...sent, '', body].join('\r\n'), 'latin1')
    })
  }

  /** Reads until the server has closed the connection too, unless a request still waits. Text after the last response is an error. */
  async close(): Promise<void> {
    if (this.#exchange) this.#socket.destroy()
    else if (!this.#socket.closed)
      await new Promise((resolve) => {
        this.#socket.once('close', resolve)
        this.#socket.end()
      })
    if (!this.#exchange) this.#expectNoRest()
  }

  #expectNoRest(): void {
    if (this.#received !== '') throw new Error(`Text that belongs to no response: ${this.#received}`)
  }

  /** Ends the exchange if its response is complete. */
  #read(): void {
    if (!this.#exchange) return
    const { method, resolve, reject } = this.#exchange
    try {
      const found = readResponse(this.#received, method, this.#isClosed)
      // A server that says that it closes the connection is held to it.
      if (found === undefined || (found.closes && !this.#isClosed)) {
        if (!this.#isClosed) return
        throw new Error('The server closed the connection before the end of the response')
      }
      this.#received = this.#received.slice(found.end)
      resolve(found.response)
    } catch (error) {
      this.#socket.destroy()
      this.#isClosed = true
      reject(error)
    }
    this.#exchange = undefined
  }
}

/** A client of one server. It keeps connections open where the server does, and opens another where none is free. */
export class HttpClient {
  readonly #port: number
  readonly #connections: HttpConnection[] = []
  #free: HttpConnection[] = []

  constructor(port: number) {
    this.#port = port
  }

  async request(
    method: string,
    path: string,
    lines?: readonly string[],
    body?: string,
  ): Promise<HttpResponse> {
    this.#free = this.#free.filter(({ isClosed }) => !isClosed)
    const connection = this.#free.pop() ?? this.open()
    const response = await connection.request(method, path, lines, body)
    this.#free.push(connection)
    return response
  }

  /** A connection that only the caller uses. It is closed with the client. */
  open(): HttpConnection {
    const connection = new HttpConnection(this.#port)
    this.#connections.push(connection)
    return connection
  }

  async close(): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close()))
  }
}

/** The headers of a response in which no header comes twice. */
export function singleHeaders({ headers }: HttpResponse): Readonly<Record<string, string>> {
  const single: Record<string, string> = {}
  for (const [name, [value = '', ...others]] of headers) {
    if (others.length > 0) throw new Error(`The header ${name} came more than once`)
    single[name] = value
  }
  return single
}

interface Found {
  readonly response: HttpResponse
  /** Where its text ends. */
  readonly end: number
  /** Whether the server said that it closes the connection. */
  readonly closes: boolean
}

/** The response that the received text begins with, once it is complete. */
function readResponse(received: string, method: string, isClosed: boolean): Found | undefined {
  const endOfHead = received.indexOf('\r\n\r\n')
  if (endOfHead === -1) return undefined
  const [statusLine = '', ...lines] = received.slice(0, endOfHead).split('\r\n')
  const [, status, statusMessage = ''] = /^HTTP\/1\.1 (\d{3}) (.*)$/.exec(statusLine) ?? []
  if (status === undefined) throw new Error(`Not a status line: ${statusLine}`)
  const headers = readHeaders(lines)
  const start = endOfHead + 4
  const hasBody = method !== 'HEAD' && status !== '204' && status !== '304'
  const body = hasBody ? readBody(received, start, headers, isClosed) : { text: '', end: start }
  return (
    body && {
      response: {
        status: Number(status),
        statusMessage,
        headers,
        body: Buffer.from(body.text, 'latin1').toString(),
      },
      end: body.end,
      closes: headers.get('connection')?.includes('close') === true,
    }
  )
}

function readHeaders(lines: readonly string[]): Map<string, string[]> {
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    const [, name, value = ''] = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (name === undefined) throw new Error(`Not a header line: ${line}`)
    const values = headers.get(name.toLowerCase())
    if (values) values.push(value)
    else headers.set(name.toLowerCase(), [value])
  }
  return headers
}

interface Body {
  readonly text: string
  readonly end: number
}

/** The body that begins at `start`, once it is complete. */
function readBody(
  received: string,
  start: number,
  headers: ReadonlyMap<string, readonly string[]>,
  isClosed: boolean,
): Body | undefined {
  const [length, ...lengths] = headers.get('content-length') ?? []
  const codings = headers.get('transfer-encoding')
  if (lengths.length > 0) throw new Error('More than one Content-Length')
  if (length !== undefined && codings) throw new Error('A Content-Length beside Transfer-Encoding')
  if (length !== undefined) {
    if (!/^\d+$/.test(length)) throw new Error(`Not a Content-Length: ${length}`)
    return slice(received, start, Number(length))
  }
  if (codings === undefined) return isClosed ? slice(received, start, received.length - start) : undefined
  if (codings.join() !== 'chunked') throw new Error(`Not the coding chunked: ${codings.join()}`)
  return readChunks(received, start)
}

/** Without extensions and trailers: no server of these tests sends any. */
function readChunks(received: string, start: number): Body | undefined {
  let text = ''
  for (let at = start; ; ) {
    const endOfLine = received.indexOf('\r\n', at)
    if (endOfLine === -1) return undefined
    const size = received.slice(at, endOfLine)
    if (!/^[\da-f]+$/i.test(size)) throw new Error(`Not the size of a chunk: ${size}`)
    const chunk = slice(received, endOfLine + 2, Number.parseInt(size, 16) + 2)
    if (chunk === undefined) return undefined
    if (!chunk.text.endsWith('\r\n')) throw new Error('A chunk that does not end where its size says')
    text += chunk.text.slice(0, -2)
    at = chunk.end
    if (/^0+$/.test(size)) return { text, end: at }
  }
}

function slice(received: string, start: number, length: number): Body | undefined {
  const end = start + length
  return received.length < end ? undefined : { text: received.slice(start, end), end }
}
