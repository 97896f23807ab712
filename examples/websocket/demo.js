import { once } from 'node:events'
import { mock } from 'node:test'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { WebSocket } from 'ws'
import { protocolsWith } from './client.js'
import { createMessageServer } from './server.js'

/** Connects to the server in good and bad ways, and prints what happens. Time passes only when the demo says so. */

mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() })

const issuer = await createMockIssuer({ algorithm: 'ES256' })
const { audience, fetch } = issuer
const server = createMessageServer({
  issuer: issuer.issuer,
  audience,
  fetch,
  origins: ['https://app.example.com'],
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = server.address()
const url = `ws://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`

/**
 * Connects, and prints the answer.
 *
 * @param {string} who
 * @param {string[]} protocols
 * @param {import('ws').ClientOptions} [options]
 */
async function connect(who, protocols, options) {
  const connection = new WebSocket(url, protocols, options)
  /** @type {import('node:http').IncomingMessage | undefined} */
  const refusal = await new Promise((resolve, reject) => {
    connection.once('open', () => resolve(undefined))
    connection.once('unexpected-response', (_request, response) => resolve(response))
    connection.once('error', reject)
  })
  console.log(`${who}:`)
  if (refusal) {
    console.log(`  ${refusal.statusCode} ${refusal.headers['www-authenticate'] ?? ''}`.trimEnd())
    refusal.resume()
  } else console.log(`  open, protocol ${connection.protocol}`)
  return connection
}

/**
 * Lets time pass, and prints how the server closes the connection.
 *
 * @param {WebSocket} connection
 * @param {number} seconds
 */
async function closedAfter(connection, seconds) {
  const closed = once(connection, 'close')
  mock.timers.tick(seconds * 1000)
  const [code, reason] = await closed
  console.log(`  closed: ${code} ${reason}`)
}

const page = { origin: 'https://app.example.com' }
const scopes = ['messaging.read']

await connect('no token', ['messages.v1'], page)
await connect('a token without the scope', protocolsWith(await issuer.issueToken()), page)

const token = await issuer.issueToken({ scopes, subject: 'user-1', expiresInSeconds: 30 })
const authorization = `Bearer ${token}`
await connect('a page of another site', protocolsWith(token), { origin: 'https://evil.example' })
await connect('two tokens', protocolsWith(token), { headers: { authorization } })

const program = await connect('a program, with the header', ['messages.v1'], { headers: { authorization } })
program.send('hello')
const [message] = await once(program, 'message')
console.log(`  ${message}`)
console.log('half a minute later, its token has expired:')
await closedAfter(program, 30)

const stolen = await issuer.issueToken({ scopes, subject: 'user-2' })
const thief = await connect('a page', protocolsWith(stolen), page)
await issuer.rotateKeys({ keepOld: false })
const other = await connect(
  'the issuer withdraws its key; a page with a new token',
  protocolsWith(await issuer.issueToken({ scopes })),
  page,
)
console.log('a minute later, the first page:')
await closedAfter(thief, 60)

other.terminate()
mock.timers.reset()
server.close()
