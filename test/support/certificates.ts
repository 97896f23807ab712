import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto'

/** A self-signed certificate of a client or server, made here: no program and no file is needed. */
export interface Certificate {
  readonly key: KeyObject
  readonly der: Buffer
  /** Key and certificate in PEM, as `https` takes them. */
  readonly pem: { readonly key: string; readonly cert: string }
  /** RFC 8705 §3.1 */
  readonly x5t: string
}

/** One element in DER (X.690 §8.1). */
function element(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const size =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, Math.floor(length / 256), length % 256]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...contents: readonly Buffer[]) => element(0x30, ...contents)
const ECDSA_WITH_SHA256 = sequence(element(0x06, Buffer.from('2a8648ce3d040302', 'hex')))
const COMMON_NAME = element(0x06, Buffer.from('550403', 'hex'))

/** Makes a certificate of P-256 for a common name (RFC 5280 §4.1). It is valid for all of this century. */
export function createCertificate(commonName: string): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = sequence(element(0x31, sequence(COMMON_NAME, element(0x0c, Buffer.from(commonName)))))
  const times = ['200101000000Z', '491231235959Z'].map((time) => element(0x17, Buffer.from(time)))
  const signed = sequence(
    element(0xa0, element(0x02, Buffer.from([2]))),
    element(0x02, Buffer.from([1])),
    ECDSA_WITH_SHA256,
    name,
    sequence(...times),
    name,
    publicKey.export({ format: 'der', type: 'spki' }),
  )
  const signature = sign('sha256', signed, privateKey)
  const der = sequence(signed, ECDSA_WITH_SHA256, element(0x03, Buffer.from([0]), signature))
  return {
    key: privateKey,
    der,
    pem: { key: String(privateKey.export({ format: 'pem', type: 'pkcs8' })), cert: toPem(der) },
    x5t: hash('sha256', der, 'base64url'),
  }
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}
