import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'

/** Serves on a free loopback port until the test is over. */
export async function serve(listener: RequestListener): Promise<{ port: number; url: string }> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The server has no address')
  return { port: address.port, url: `http://127.0.0.1:${address.port}` }
}

export interface RawResponse {
  readonly status: number
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly body: string
}

/** Sends exactly these header lines, also those that HTTP clients refuse to send. */
export async function sendRaw(
  port: number,
  path: string,
  headerLines: readonly string[] = [],
  { method = 'GET', body = '' }: { method?: string | undefined; body?: string | undefined } = {},
): Promise<RawResponse> {
  const socket = connect(port, '127.0.0.1')
  const sent = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: close', ...headerLines]
  if (body !== '') sent.push(`Content-Length: ${body.length}`)
  socket.write([...sent, '', body].join('\r\n'), 'latin1')
  const answer = await text(socket)
  const [head = '', ...rest] = answer.split('\r\n\r\n')
  const [statusLine = '', ...lines] = head.split('\r\n')
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^:]+):\s*(.*)$/.exec(line) ?? []
    headers.set(name.toLowerCase(), [...(headers.get(name.toLowerCase()) ?? []), value])
  }
  return { status: Number(statusLine.split(' ')[1]), headers, body: rest.join('\r\n\r\n') }
}

/** A promise that the test resolves. */
export function createSignal(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
