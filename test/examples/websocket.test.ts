import { once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { VerifierOptions } from '@telnyx-auth/core'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { expect, it, onTestFinished, vi } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { ROOT } from '../docs/markdown.js'

/** What the demo does not show: revoked tokens, outages, and requests that ask for no upgrade. */

type CreateServer = (options: VerifierOptions & { readonly origins: readonly string[] }) => Server
const { createMessageServer }: { createMessageServer: CreateServer } = await import(
  join(ROOT, 'examples/websocket/server.js')
)

async function start() {
  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  const [client] = issuer.clients
  const requests = { inFlight: 0 }
  const fetch: typeof globalThis.fetch = async (...args) => {
    requests.inFlight++
    try {
      return await issuer.fetch(...args)
    } finally {
      requests.inFlight--
    }
  }
  const server = createMessageServer({
    issuer: issuer.issuer,
    audience: issuer.audience,
    fetch,
    introspection: { when: 'always', clientId: client?.clientId, clientSecret: client?.clientSecret },
    origins: [],
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  const host = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const token = await issuer.issueToken({ scopes: ['messaging.read'] })
  return { issuer, requests, host, token, headers: { authorization: `Bearer ${token}` } }
}

async function open(host: string, options: ClientOptions): Promise<WebSocket> {
  const connection = new WebSocket(`ws://${host}`, ['messages.v1'], options)
  onTestFinished(() => connection.terminate())
  await once(connection, 'open')
  return connection
}

it('a connection is closed after its token was revoked, and not because the issuer is down', async () => {
  const { issuer, requests, host, token, headers } = await start()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const connection = await open(host, { headers })
  let closed: unknown[] | undefined
  const closing = once(connection, 'close').then(([code, reason]) => {
    closed = [code, String(reason)]
  })
  /** Some of the work is input and output, which fake timers do not wait for. */
  const pass = async (minutes: number) => {
    for (let minute = 0; minute < minutes; minute++) {
      await vi.advanceTimersByTimeAsync(60_000)
      // Otherwise the next minute is the timeout of a request that this one has sent.
      for (let turn = 0; turn < 20 || requests.inFlight > 0; turn++) await setImmediate()
    }
  }

  issuer.fault('introspection', { status: 503 })
  const asked = issuer.requests.introspection.count
  await pass(10)
  expect(issuer.requests.introspection.count).toBeGreaterThan(asked)
  expect([closed, connection.readyState]).toEqual([undefined, WebSocket.OPEN])

  issuer.clearFaults()
  await pass(5)
  expect(closed).toBeUndefined()
  issuer.revoke(token)
  await pass(5)
  await closing
  expect(closed).toEqual([3000, 'ERR_TOKEN_INACTIVE'])
})

it('an outage is a 503 with Retry-After, written to the socket', async () => {
  const { issuer, host, headers } = await start()
  issuer.fault('metadata', { drop: true })
  const connection = new WebSocket(`ws://${host}`, ['messages.v1'], { headers })
  const [, response]: [unknown, IncomingMessage] = await new Promise((resolve) => {
    connection.once('unexpected-response', (...args) => resolve(args))
  })
  expect(response.statusCode).toBe(503)
  expect(response.headers['retry-after']).toMatch(/^\d+$/)
  expect(JSON.parse(String(Buffer.concat(await response.toArray())))).toMatchObject({
    code: 'ERR_DISCOVERY_FAILED',
  })
})

it('a request that asks for no upgrade gets 426', async () => {
  const { host } = await start()
  expect((await fetch(`http://${host}`)).status).toBe(426)
})
