import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { afterAll, onTestFinished } from 'vitest'
import { HttpClient } from './http-client.js'

export interface Server {
  readonly port: number
  readonly url: string
  /** A client of this server, which is closed with it. */
  readonly client: HttpClient
  close(): Promise<void>
}

/** Serves on a free loopback port until the caller closes the server. */
export async function startServer(listener: RequestListener): Promise<Server> {
  const server = createServer(listener)
  // A connection that a slow test does not use for some seconds stays open.
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The server has no address')
  const { port } = address
  const client = new HttpClient(port)
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    client,
    async close() {
      const closed = once(server, 'close')
      server.close()
      try {
        await client.close()
      } finally {
        server.closeAllConnections()
        await closed
      }
    },
  }
}

/** Serves on a free loopback port until the test is over. */
export async function serve(listener: RequestListener): Promise<Server> {
  const server = await startServer(listener)
  onTestFinished(() => server.close())
  return server
}

/**
 * Servers that the tests of a `describe` block share. Each is started when a test first asks for its name, and closed
 * after the block.
 */
export function shareServers(): (name: string, build: () => Promise<RequestListener>) => Promise<Server> {
  const servers = new Map<string, Server>()
  afterAll(() => Promise.all(Array.from(servers.values(), (server) => server.close())))
  return async (name, build) => {
    const server = servers.get(name) ?? (await startServer(await build()))
    servers.set(name, server)
    return server
  }
}

/** A promise that the test resolves. */
export function createSignal(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
