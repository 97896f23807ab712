import { hash, X509Certificate } from 'node:crypto'
import type { BlockList } from 'node:net'
import { isPollution } from '../base/own-members.js'
import { copyOf } from '../errors/challenge-context.js'
import { checkNames, isPlainObject, wrongKind } from '../errors/check-options.js'
import { ConfigurationError, InvalidTokenError } from '../errors/errors.js'
import { type AuthenticatableRequest, headerValues } from '../request/request-headers.js'

/**
 * Where the certificate of a client is (RFC 8705): `'tls'`, that of the connection, for servers that end TLS themselves with
 * `requestCert`; the header `Client-Cert` (RFC 9440) of a proxy that ends TLS, accepted from the named addresses or ranges only; or
 * a function, not async, that returns it, as DER (bytes) or PEM (a string). `'off'`: tokens that are bound to a certificate are refused.
 *
 * @example
 * createVerifier({ audience: 'https://api.example.com', mtls: { header: 'client-cert', from: ['10.0.0.0/8'] } })
 */
export type MtlsOption =
  | 'off'
  | 'tls'
  | {
      /** The header that the proxy writes. */
      readonly header: 'client-cert'
      /** The addresses and ranges (CIDR) of the proxy. */
      readonly from: readonly string[]
    }
  | ((request: AuthenticatableRequest) => Uint8Array | string | undefined)

/**
 * Finds the certificate of the client of a request.
 *
 * @returns DER or PEM; `undefined` when there is none
 */
export type CertificateSource = (request: AuthenticatableRequest) => unknown

/** RFC 8941 §3.3.5: a byte sequence, without parameters. A certificate has some 1,000 to 4,000 bytes. */
const BYTE_SEQUENCE = /^:([A-Za-z0-9+/]{1,16384}={0,2}):$/

/**
 * Checks the option `mtls`.
 *
 * @returns `undefined` when it is off
 * @throws {ConfigurationError}
 */
export function checkMtls(option: unknown): CertificateSource | undefined {
  if (option === undefined || option === 'off') return undefined
  if (option === 'tls') return certificateOfConnection
  if (isSource(option)) return (request) => callSource(option, request)
  if (!isPlainObject(option))
    throw wrongKind('mtls', '"off", "tls", a function, or an object with "header" and "from"', option)
  const { header, from } = checkNames(option, ['header', 'from'], 'member of "mtls"')
  if (header !== 'client-cert')
    throw new ConfigurationError('The member "header" of the option "mtls" must be "client-cert"')
  const proxies = addressList(from)
  return (request) => (proxies.has(addressOf(request)) ? certificateInHeader(request) : undefined)
}

function isSource(option: unknown): option is CertificateSource {
  return typeof option === 'function'
}

/** Any result but bytes, a string or `undefined` is a mistake in the program, and no client without a certificate. */
function callSource(source: CertificateSource, request: AuthenticatableRequest): unknown {
  let certificate: unknown
  try {
    certificate = source(request)
  } catch (error) {
    // The function may throw the same error for every request; each request gets a copy.
    throw copyOf(error)
  }
  if (
    certificate === undefined ||
    certificate === null ||
    typeof certificate === 'string' ||
    certificate instanceof Uint8Array
  )
    return certificate
  // A promise may be rejected, and an unhandled rejection would end the process.
  Promise.resolve(certificate).catch(() => undefined)
  throw new ConfigurationError(
    'The function of the option "mtls" must return DER or PEM, or undefined where a request has no certificate; it cannot be async',
  )
}

/**
 * Checks that a client has the certificate that its token is bound to. The handshake has proved that it has the key.
 *
 * @param x5t the SHA-256 of the certificate, from the token
 * @throws {InvalidTokenError} `ERR_CERTIFICATE_MISSING`, `ERR_BINDING_MISMATCH`
 */
export function checkCertificate(
  source: CertificateSource,
  request: AuthenticatableRequest | undefined,
  x5t: string,
): void {
  const der = request && derOf(source(request))
  if (!der)
    throw new InvalidTokenError('ERR_CERTIFICATE_MISSING', { claim: 'cnf', reason: 'certificate-missing' })
  if (hash('sha256', der, 'base64url') !== x5t)
    throw new InvalidTokenError('ERR_BINDING_MISMATCH', { claim: 'cnf', reason: 'certificate-other' })
}

/** DER of what a source returned; `undefined` for what is no certificate. */
function derOf(certificate: unknown): Buffer | undefined {
  if (typeof certificate !== 'string' && !(certificate instanceof Uint8Array)) return undefined
  try {
    const { raw } = new X509Certificate(certificate)
    // Bytes after the certificate would not count for the digest.
    return typeof certificate === 'string' || raw.length === certificate.length ? raw : undefined
  } catch {
    return undefined
  }
}

function socketOf(request: AuthenticatableRequest): object | undefined {
  return 'socket' in request && !isPollution(request, 'socket') ? request.socket : undefined
}

function certificateOfConnection(request: AuthenticatableRequest): unknown {
  const socket = socketOf(request)
  const read: unknown = socket && Reflect.get(socket, 'getPeerCertificate')
  if (typeof read !== 'function') return undefined
  const certificate: unknown = Reflect.apply(read, socket, [])
  // Without a certificate, Node returns an empty object.
  return typeof certificate === 'object' && certificate !== null && Object.hasOwn(certificate, 'raw')
    ? Reflect.get(certificate, 'raw')
    : undefined
}

/** RFC 9440 §2.1: one byte sequence with the DER of the certificate. */
function certificateInHeader(request: AuthenticatableRequest): Uint8Array | undefined {
  const [value, ...others] = headerValues(request, 'client-cert')
  const [, base64] = (others.length === 0 && value !== undefined && BYTE_SEQUENCE.exec(value)) || []
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64')
}

function addressOf(request: AuthenticatableRequest): string {
  const socket = socketOf(request)
  const address: unknown = socket && Reflect.get(socket, 'remoteAddress')
  return typeof address === 'string' ? address : ''
}

/** Not an import: some runtimes have no `node:net`. */
const net = globalThis.process?.getBuiltinModule?.('node:net')

/** @throws {ConfigurationError} */
function addressList(from: unknown): { has(address: string): boolean } {
  if (!net?.BlockList)
    throw new ConfigurationError('The option "mtls" with a header needs the module node:net')
  const { BlockList, isIP } = net
  const list = new BlockList()
  if (!Array.isArray(from) || from.length === 0)
    throw new ConfigurationError(
      'The member "from" of the option "mtls" must be an array with the addresses of your proxies, such as "10.0.0.5" or "10.0.0.0/8"',
    )
  for (const entry of from) addTo(list, entry, net)
  return {
    has: (address) => isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'),
  }
}

function hasMappedAddresses(list: BlockList, address: string, bits: number): boolean {
  list.addSubnet(address, bits, 'ipv6')
  return list.check('::ffff:0.0.0.0', 'ipv6')
}

function addTo(list: BlockList, entry: unknown, { BlockList, isIP }: typeof import('node:net')): void {
  const [address = '', prefix, ...others] = typeof entry === 'string' ? entry.split('/') : []
  const version = isIP(address)
  const bits = Number(prefix ?? (version === 6 ? 128 : 32))
  const isRange =
    version !== 0 &&
    others.length === 0 &&
    /^\d{1,3}$/.test(prefix ?? '0') &&
    bits <= (version === 6 ? 128 : 32)
  // A range of everything would trust every caller. So would one that has all IPv4 addresses as `::ffff:0:0/96`, such as `::1/64`.
  if (
    !isRange ||
    bits === 0 ||
    (version === 6 && bits <= 96 && hasMappedAddresses(new BlockList(), address, bits))
  )
    throw new ConfigurationError(
      'Each entry of "from" of the option "mtls" must be an IP address, or a range such as "10.0.0.0/8"',
    )
  list.addSubnet(address, bits, version === 6 ? 'ipv6' : 'ipv4')
}
