import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { HttpClient, singleHeaders } from './http-client.js'

/** A client of a server that answers each request with the next of these texts, and what the server received. */
async function clientOf(...answers: readonly { text: string; closes?: boolean }[]) {
  const received: string[] = []
  let connections = 0
  let requests = 0
  const server = createServer((socket) => {
    connections++
    socket.on('data', (data) => {
      received.push(data.toString('latin1'))
      const { text, closes = false } = answers[requests++] ?? { text: '' }
      // In two pieces, as a response comes in as many as the network likes.
      socket.write(text.slice(0, -1), 'latin1', () => {
        socket.write(text.slice(-1), 'latin1')
        if (closes) socket.end()
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The server has no address')
  const client = new HttpClient(address.port)
  onTestFinished(() => void server.close())
  return { client, received, connections: () => connections }
}

const OK = 'HTTP/1.1 200 Fine\r\n'
const EMPTY = { text: `${OK}Content-Length: 0\r\n\r\n` }

it('sends exactly the given lines, and the length of a body', async () => {
  const { client, received } = await clientOf(EMPTY)
  await client.request('POST', '/a?b', ['X-Odd:  \xff ', 'X-Odd:'], 'body')
  await client.close()
  expect(received).toEqual([
    'POST /a?b HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Odd:  \xff \r\nX-Odd:\r\nContent-Length: 4\r\n\r\nbody',
  ])
})

it.each([
  ['a length', 'GET', 'Content-Length: 3\r\n\r\nabc', 'abc'],
  ['a length in bytes', 'GET', 'Content-Length: 2\r\n\r\n\xc3\xa4', '\u00e4'],
  [
    'chunks',
    'GET',
    'Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n',
    'ab0123456789',
  ],
  ['the length of a body that is not sent', 'HEAD', 'Content-Length: 3\r\n\r\n', ''],
])('reads a body by %s, and keeps the connection', async (_, method, text, body) => {
  const { client, connections } = await clientOf({ text: OK + text }, EMPTY)
  expect(await client.request(method, '/')).toMatchObject({ status: 200, statusMessage: 'Fine', body })
  expect(await client.request('GET', '/')).toMatchObject({ status: 200, body: '' })
  await client.close()
  expect(connections()).toBe(1)
})

it.each([
  ['a body without a length', '\r\nabc', 'abc'],
  ['a server that says so', 'Connection: close\r\nContent-Length: 3\r\n\r\nabc', 'abc'],
])('reads to the end of the connection with %s, and opens another', async (_, text, body) => {
  const { client, connections } = await clientOf({ text: OK + text, closes: true }, EMPTY)
  expect(await client.request('GET', '/')).toMatchObject({ body })
  expect(await client.request('GET', '/')).toMatchObject({ body: '' })
  await client.close()
  expect(connections()).toBe(2)
})

it.each([
  ['two lengths', 'Content-Length: 0\r\nContent-Length: 0\r\n\r\n', /More than one Content-Length/],
  ['a list of lengths', 'Content-Length: 0, 0\r\n\r\n', /Not a Content-Length: 0, 0/],
  [
    'a length beside chunks',
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    /A Content-Length beside/,
  ],
  ['another coding', 'Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', /Not the coding chunked/],
  ['a size that is none', 'Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n', /Not the size of a chunk: 0x1/],
  [
    'a chunk that is too long',
    'Transfer-Encoding: chunked\r\n\r\n1\r\nabcd\r\n',
    /A chunk that does not end/,
  ],
  ['a line without a name', 'Content-Length: 0\r\n: a\r\n\r\n', /Not a header line: : a/],
  ['a space before a colon', 'Content-Length : 0\r\n\r\n', /Not a header line: Content-Length : 0/],
])('refuses %s', async (_, text, message) => {
  const { client } = await clientOf({ text: OK + text })
  await expect(client.request('GET', '/')).rejects.toThrow(message)
})

it.each([
  ['nothing', ''],
  ['half a head', `${OK}Content-Le`],
  ['half a body', `${OK}Content-Length: 3\r\n\r\nab`],
  ['half of the chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n`],
])('a server that closes the connection after %s has not answered', async (_, text) => {
  const { client } = await clientOf({ text, closes: true })
  await expect(client.request('GET', '/')).rejects.toThrow(/before the end of the response/)
})

it('text after a response is an error', async () => {
  const { client } = await clientOf({ text: `${EMPTY.text}more` })
  const connection = client.open()
  await connection.request('GET', '/')
  await expect(client.close()).rejects.toThrow(/Text that belongs to no response: more/)
  expect(connection.rest).toBe('more')
})

it('requests at once have a connection each', async () => {
  const { client, connections } = await clientOf(EMPTY, EMPTY, EMPTY)
  await Promise.all([client.request('GET', '/'), client.request('GET', '/'), client.request('GET', '/')])
  await client.close()
  expect(connections()).toBe(3)
})

it('has every value of a repeated header; singleHeaders refuses one', async () => {
  const { client } = await clientOf({ text: `${OK}A: 1\r\nContent-Length: 0\r\na:\t2 \r\n\r\n` }, EMPTY)
  const response = await client.request('GET', '/')
  expect(response.headers.get('a')).toEqual(['1', '2'])
  expect(() => singleHeaders(response)).toThrow(/The header a came more than once/)
  expect(singleHeaders(await client.request('GET', '/'))).toEqual({ 'content-length': '0' })
  await client.close()
})
