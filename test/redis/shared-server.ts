import { Redis } from 'ioredis'
import { afterAll, beforeAll } from 'vitest'
import { type ClientName, type OpenClient, openClient, RedisServer } from '../support/redis.js'

/** What the tests of a file share. */
export interface SharedServer {
  readonly server: RedisServer
  /** Looks into the server, and sets it up. */
  readonly admin: Redis
  /** A client that is closed after the tests of the file. */
  open(name: ClientName, user?: string): Promise<OpenClient>
}

/** Starts one server for the tests of a `describe` block. */
export function useRedis(): () => SharedServer {
  let shared: SharedServer | undefined
  const opened: OpenClient[] = []
  beforeAll(async () => {
    const server = await RedisServer.start()
    const admin = new Redis(server.port, '127.0.0.1')
    admin.on('error', () => undefined)
    shared = {
      server,
      admin,
      async open(name, user) {
        const client = await openClient(name, server.port, user)
        opened.push(client)
        return client
      },
    }
  })
  afterAll(async () => {
    for (const { close } of opened) close()
    shared?.admin.disconnect()
    await shared?.server.remove()
  })
  return () => {
    if (!shared) throw new Error('The server was not started')
    return shared
  }
}
