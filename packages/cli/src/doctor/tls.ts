import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { TLSSocket } from 'node:tls'
import { type Finding, good, note, skipped } from './finding.js'

/** What the TLS connection to a host was like. */
interface TlsConnection {
  readonly protocol: string
  /** The end of the certificate, in milliseconds since the epoch. */
  readonly validTo: number
}

const WARN_DAYS = 14
const DAY_MS = 86_400_000

/** Published by the `fetch` of Node for each new connection. */
const CHANNEL = 'undici:client:connected'

/** Runs `work`, and looks at the TLS connections that the global `fetch` opens meanwhile. */
export async function watchTls<T>(
  work: (connections: ReadonlyMap<string, TlsConnection>) => Promise<T>,
): Promise<T> {
  const connections = new Map<string, TlsConnection>()
  const listener = (message: unknown) => {
    const { socket, connectParams }: { socket?: unknown; connectParams?: { host?: unknown } } =
      Object(message)
    if (!(socket instanceof TLSSocket)) return
    const validTo = Date.parse(socket.getPeerCertificate().valid_to)
    // A session that is resumed has no certificate. The connection before it had one.
    if (Number.isNaN(validTo)) return
    connections.set(String(connectParams?.host), { protocol: socket.getProtocol() ?? 'TLS', validTo })
  }
  subscribe(CHANNEL, listener)
  try {
    return await work(connections)
  } finally {
    unsubscribe(CHANNEL, listener)
  }
}

/**
 * The finding for a connection that works, or was not made.
 *
 * @param isConnected whether the server has answered
 */
export function describeTls(
  url: string,
  connections: ReadonlyMap<string, TlsConnection>,
  isConnected: boolean,
): Finding {
  const { protocol, host } = new URL(url)
  if (protocol !== 'https:') return skipped('tls', 'The issuer is on this machine, over http.')
  const connection = connections.get(host)
  if (!connection)
    return skipped(
      'tls',
      isConnected
        ? 'Not examined: the fetch of Node has made no connection over TLS.'
        : 'Not examined: there is no connection to the issuer.',
    )
  const days = Math.floor((connection.validTo - Date.now()) / DAY_MS)
  const date = new Date(connection.validTo).toISOString().slice(0, 10)
  const message = `${connection.protocol}; the certificate of ${host} is valid until ${date}.`
  return days >= WARN_DAYS
    ? good('tls', message)
    : note('tls', message, 'Renew the certificate: tokens cannot be checked for long after it has expired.')
}

/** The codes of Node and OpenSSL for connections without trust, each with its repair. */
const REPAIRS: readonly (readonly [RegExp, string])[] = [
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)$/,
    'This machine does not trust who signed the certificate. If it is your own authority or proxy, start Node with NODE_EXTRA_CA_CERTS=<file with its certificate>.',
  ],
  [
    /^UNABLE_TO_/,
    'The chain of certificates is not complete here. The server must send its intermediate certificates; for an authority of your own, start Node with NODE_EXTRA_CA_CERTS=<file with its certificate>.',
  ],
  [
    /^CERT_HAS_EXPIRED$/,
    'The certificate of the server has expired: renew it. If its end is still to come, the clock of this machine is ahead.',
  ],
  [
    /^CERT_NOT_YET_VALID$/,
    'The certificate of the server is not valid yet. Check the clock of this machine, which is probably behind.',
  ],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'The certificate is for another host name. Check the name in the URL, and what a proxy in between answers for.',
  ],
  [
    /^(EPROTO|ERR_SSL_\w+)$/,
    'The server does not answer in TLS, or not in a version that Node speaks. Check the port, and whether it serves https.',
  ],
  [/^(CERT_|ERR_TLS_|CRL_|HOSTNAME_MISMATCH)/, 'Check the certificate of the server.'],
]

/** What repairs a failed TLS connection; `undefined` for the code of another failure. */
export function tlsRepairOf(code: string | undefined): string | undefined {
  return code === undefined ? undefined : REPAIRS.find(([codes]) => codes.test(code))?.[1]
}
