import { createServer, STATUS_CODES } from 'node:http'
import {
  createVerifier,
  getBearerToken,
  InvalidRequestError,
  isTelnyxAuthError,
  toResponse,
  UnavailableError,
} from '@telnyx-auth/core'
import { WebSocketServer } from 'ws'

/** What clients and server speak. */
const PROTOCOL = 'messages.v1'
/** How the protocol begins in which a browser hides its token. */
const TOKEN_PREFIX = 'base64url.bearer.'
/** The close code "Unauthorized" in the registry of IANA. */
const UNAUTHORIZED = 3000

/**
 * A server whose WebSocket connections need an access token, and are closed when the token expires or is withdrawn.
 *
 * @param {import('@telnyx-auth/core').VerifierOptions & {
 *   origins: readonly string[],
 *   recheckSeconds?: number,
 * }} options `origins`: whose web pages may connect. `recheckSeconds`: how often tokens are verified again
 */
export function createMessageServer({ origins, recheckSeconds = 60, ...options }) {
  const verifier = createVerifier({ ...options, scopes: ['messaging.read'], getToken })
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 64 * 1024,
    // The answer repeats this protocol, never the one with the token.
    handleProtocols: (offered) => offered.has(PROTOCOL) && PROTOCOL,
  })
  const server = createServer((_req, res) => {
    res.writeHead(426, { Upgrade: 'websocket' }).end()
  })

  server.on('upgrade', async (request, socket, head) => {
    // Without a listener, a caller that hangs up ends the process.
    socket.on('error', () => socket.destroy())
    try {
      // RFC 6455 §10.2: a browser names the page that connects. Other clients send no Origin.
      const { origin } = request.headers
      if (origin !== undefined && !origins.includes(origin)) return respond(socket, { status: 403 })

      const auth = await verifier.authenticate(request)
      sockets.handleUpgrade(request, socket, head, (connection) => {
        closeWhenRefused(connection, auth)
        connection.on('message', (message) => connection.send(`${auth.subject} says ${message}`))
      })
    } catch (error) {
      respond(socket, isTelnyxAuthError(error) ? toResponse(error) : { status: 500 })
    }
  })

  /**
   * A connection outlives the check of its token: the token expires, its key may be withdrawn, and with introspection it may be
   * revoked.
   *
   * @param {import('ws').WebSocket} connection
   * @param {import('@telnyx-auth/core').Auth} auth
   */
  function closeWhenRefused(connection, { token, expiresAt = Number.POSITIVE_INFINITY }) {
    const msUntilExpiry = () => expiresAt * 1000 - Date.now()
    const check = async () => {
      if (msUntilExpiry() <= 0) return connection.close(UNAUTHORIZED, 'ERR_TOKEN_EXPIRED')
      try {
        await verifier.verify(token)
      } catch (error) {
        const code = isTelnyxAuthError(error) ? error.code : undefined
        // While the issuer cannot be asked, nothing is decided about the token.
        if (!(error instanceof UnavailableError)) return connection.close(UNAUTHORIZED, code)
      }
      checkLater()
    }
    /** @type {NodeJS.Timeout | undefined} */
    let timer
    const checkLater = () => {
      if (connection.readyState !== connection.OPEN) return
      timer = setTimeout(check, Math.min(msUntilExpiry(), recheckSeconds * 1000))
    }
    checkLater()
    connection.on('close', () => clearTimeout(timer))
    connection.on('error', () => connection.terminate())
  }

  return server
}

/**
 * Browsers cannot set `Authorization` for a WebSocket, but they can offer protocols.
 *
 * @type {import('@telnyx-auth/core').GetToken<import('node:http').IncomingMessage>}
 */
function getToken(request) {
  const offered = request.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? []
  const [encoded, ...others] = offered.filter((name) => name.startsWith(TOKEN_PREFIX))
  const inHeader = getBearerToken(request)
  if (encoded === undefined) return inHeader
  // RFC 6750 §2: a client sends its token in one way only.
  if (inHeader !== undefined || others.length > 0) throw new InvalidRequestError('ERR_TOKEN_REPEATED')
  return Buffer.from(encoded.slice(TOKEN_PREFIX.length), 'base64url').toString()
}

/**
 * Answers instead of upgrading. Node has no response object here.
 *
 * @param {import('node:stream').Duplex} socket
 * @param {{ status: number, headers?: Record<string, string>, body?: object }} answer
 */
function respond(socket, { status, headers = {}, body }) {
  const text = body === undefined ? '' : JSON.stringify(body)
  const all = { ...headers, 'Content-Length': Buffer.byteLength(text), Connection: 'close' }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  socket.once('finish', () => socket.destroy())
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', text].join('\r\n'))
}
