/**
 * An issuer in a process of its own that answers with large bodies, slow ones, or none. The fault is part of its
 * identifier: `http://127.0.0.1:<port>/<place>/<fault>/<name>`, where the name separates one use from the others, and
 * `later-<fault>` is a fault from the second request on. For each use:
 * - `/token/<place>/<fault>/<name>` is a token,
 * - `/served/…` is answered once the fault is being served,
 * - `/closed/…` is answered once every connection with the fault is closed: how much was sent.
 */
import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import { constants, crc32, deflateRawSync } from 'node:zlib'

const SIZE = 300 * 1024 * 1024
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'key', use: 'sig', alg: 'ES256' }

/** The time of all tokens, in seconds since the epoch. */
const NOW = 1_800_000_000

/** What was seen of each use. */
const uses = new Map()
const useOf = (name) => {
  if (!uses.has(name))
    uses.set(name, { requests: 0, sent: 0, open: new Set(), served: [], isServed: false, closed: [] })
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

/** The same, packed into 300 KB that are sent at once: pieces that can be repeated within one member (RFC 1951, 1952). */
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
    const timer = setInterval(() => response.write(' '), 5)
    response.on('close', () => clearInterval(timer))
  },
}

function json(response, value, headers = {}) {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

/** Serves the fault instead of the answer, and watches its connection. */
function spoil(use, fault, socket, response) {
  use.open.add(socket)
  const before = socket.bytesWritten
  socket.on('close', () => {
    use.sent += socket.bytesWritten - before
    use.open.delete(socket)
    if (use.open.size === 0) for (const tell of use.closed.splice(0)) tell()
  })
  faults[fault](response)
  use.isServed = true
  for (const tell of use.served.splice(0)) tell()
}

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function makeToken(issuer) {
  const claims = { iss: issuer, aud: 'https://api.example.com', iat: NOW, exp: NOW + 3600 }
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
    return use.open.size === 0 ? tell() : use.closed.push(tell)
  }
  if (what === 'served') {
    const tell = () => response.end()
    return use.isServed ? tell() : use.served.push(tell)
  }
  // The body of a request is not of interest here.
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
