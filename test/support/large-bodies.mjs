/**
 * An issuer in a process of its own that answers with large bodies, slow ones, or none. What goes wrong is in its
 * identifier: `http://127.0.0.1:<port>/<place>/<fault>/<name>`, where the name keeps one use apart from the others, and
 * `later-<fault>` is what goes wrong from the second request on. `/token/<place>/<fault>/<name>` gives a token, and
 * `/closed/<place>/<fault>/<name>` answers how much was sent, once no connection is open any more that a fault was on.
 */
import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import { constants, crc32, deflateRawSync } from 'node:zlib'

const SIZE = 300 * 1024 * 1024
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key', use: 'sig', alg: 'ES256' }

/** What was seen of each use. */
const uses = new Map()
const useOf = (name) => {
  if (!uses.has(name)) uses.set(name, { requests: 0, sent: 0, open: new Set(), waiting: [] })
  return uses.get(name)
}

function large() {
  const piece = Buffer.alloc(64 * 1024, ' ')
  let left = SIZE
  return new Readable({
    read() {
      this.push(left > 0 ? piece : null)
      left -= piece.length
    },
  })
}

/** The same in 300 KB, which are all there at once: pieces that can be repeated within one member (RFC 1951, 1952). */
function makeBomb() {
  const piece = Buffer.alloc(1024 * 1024, ' ')
  const count = SIZE / piece.length
  const packed = deflateRawSync(piece, { level: 9, finishFlush: constants.Z_FULL_FLUSH })
  let checksum = 0
  for (let n = 0; n < count; n++) checksum = crc32(piece, checksum)
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(checksum)
  trailer.writeUInt32LE(SIZE, 4)
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
  return Buffer.concat([header, ...Array(count).fill(packed), deflateRawSync(''), trailer])
}
const bomb = makeBomb()

const faults = {
  plain: (response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    pipeline(large(), response, () => undefined)
  },
  gzip: (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
    response.end(bomb)
  },
  silent: () => undefined,
  drip: (response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write(' ')
    const timer = setInterval(() => response.write(' '), 1000)
    response.on('close', () => clearInterval(timer))
  },
}

function json(response, value, headers = {}) {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

/** Lets the fault take the place of the answer, and watches the connection that it is on. */
function spoil(use, fault, socket, response) {
  use.open.add(socket)
  const before = socket.bytesWritten
  socket.on('close', () => {
    use.sent += socket.bytesWritten - before
    use.open.delete(socket)
    if (use.open.size === 0) for (const tell of use.waiting.splice(0)) tell()
  })
  faults[fault](response)
}

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function makeToken(issuer) {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer, aud: 'https://api.example.com', iat: now, exp: now + 3600 }
  const input = `${encode({ alg: 'ES256', kid: 'key' })}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

const server = createServer((request, response) => {
  const url = request.url.replace('/.well-known/oauth-authorization-server', '/metadata')
  const [, what, place, fault, name] = url.split('/')
  const path = `${place}/${fault}/${name}`
  const issuer = `http://127.0.0.1:${server.address().port}/${path}`
  const origin = issuer.slice(0, -path.length)
  const use = useOf(path)
  if (what === 'token') return response.end(makeToken(issuer))
  if (what === 'closed') {
    const tell = () => json(response, { requests: use.requests, sent: use.sent })
    return use.open.size === 0 ? tell() : use.waiting.push(tell)
  }
  // A large request is no part of this.
  request.resume()
  const isLater = fault.startsWith('later-')
  if (what === place) {
    use.requests++
    if (fault !== 'none' && (!isLater || use.requests > 1))
      return spoil(use, fault.replace('later-', ''), request.socket, response)
  }
  if (what === 'metadata')
    return json(response, {
      issuer,
      jwks_uri: `${origin}jwks/${path}`,
      introspection_endpoint: `${origin}introspection/${path}`,
    })
  if (what === 'jwks') return json(response, { keys: [jwk] })
  return json(response, { active: true })
})
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
process.on('disconnect', () => process.exit())
