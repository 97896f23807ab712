import { fork, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { createDpopProof, createMockIssuer } from '@telnyx-auth/mock-issuer'

/**
 * Three processes of one API behind a proxy that takes them in turn, and one redis-server. A proof is stolen and sent to all three:
 * one accepts it.
 */

const redisPort = await findPort()
const redis = spawn('redis-server', [
  ...['--port', String(redisPort), '--bind', '127.0.0.1', '--dir', tmpdir()],
  ...['--save', '', '--maxmemory-policy', 'noeviction'],
])
redis.on('error', () => {
  console.error('This needs redis-server: "apt-get install redis-server", or "brew install redis".')
  process.exit(1)
})
for await (const output of redis.stdout) if (String(output).includes('Ready to accept connections')) break

const issuer = await createMockIssuer()
const env = {
  ...process.env,
  TELNYX_AUTH_ISSUER: await issuer.listen(),
  REDIS_URL: `redis://127.0.0.1:${redisPort}`,
}
const ports = [await findPort(), await findPort(), await findPort()]
const servers = ports.map((port) =>
  fork(new URL('server.js', import.meta.url), { env: { ...env, PORT: String(port) } }),
)
await Promise.all(servers.map((server) => once(server, 'message')))

// Round robin: each request goes to the next process.
let turn = 0
const proxy = createServer((incoming, outgoing) => {
  const { method, url: path, headers } = incoming
  const sent = request({ port: ports[turn++ % ports.length], method, path, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(outgoing)
  })
  incoming.pipe(sent)
})
const proxyPort = await findPort()
proxy.listen(proxyPort, '127.0.0.1')
await once(proxy, 'listening')

/** @param {Record<string, string>} headers */
async function ask(headers) {
  const response = await fetch(`http://127.0.0.1:${proxyPort}/me`, { headers })
  return `${response.status} ${await response.text()}`
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const token = await issuer.issueToken({ subject: 'user-1', dpopKey: privateKey })
const prove = () =>
  createDpopProof({ key: privateKey, method: 'GET', url: 'https://api.example.com/me', token })

console.log('The token alone, as a thief would send it:')
console.log(`  ${await ask({ authorization: `Bearer ${token}` })}`)
console.log('The client, with a new proof for each request:')
for (let n = 0; n < 3; n++)
  console.log(`  ${await ask({ authorization: `DPoP ${token}`, dpop: await prove() })}`)
console.log('One proof, sent to all three processes at once:')
const stolen = { authorization: `DPoP ${token}`, dpop: await prove() }
const answers = await Promise.all([ask(stolen), ask(stolen), ask(stolen)])
for (const answer of answers.sort()) console.log(`  ${answer}`)

proxy.close()
proxy.closeAllConnections()
for (const server of servers) server.kill()
redis.kill()
await issuer.close()

/** @returns {Promise<number>} */
async function findPort() {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
