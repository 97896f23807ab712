/** Signatures of RSA that lenient verifiers have accepted, built with the private key (RFC 8017 §8). */

import { constants, createHash, privateEncrypt, sign } from 'node:crypto'
import type { ForgeKey } from './forge.js'
import { flip, type Mutation, toBytes, toNumber } from './forged-bytes.js'

/** RFC 8017 §5.2.2: a signature is a number below the modulus, and as long as it (§8.1.2, §8.2.2). */
export function rsaMutations(signature: Buffer, { jwk }: ForgeKey): Mutation[] {
  const modulus = toNumber(Buffer.from(String(jwk.n), 'base64url'))
  const number = toNumber(signature)
  return [
    ['plus the modulus, a byte longer', toBytes(number + modulus, signature.length + 1)],
    ['plus the modulus, where that fits', toBytes(number + modulus, signature.length)],
    ['the modulus minus it', toBytes(modulus - number, signature.length)],
    ['the modulus', toBytes(modulus, signature.length)],
    ['the modulus minus 1', toBytes(modulus - 1n, signature.length)],
  ]
}

/** What the public operation of RSA turns into these bytes. */
function rawRsa(message: Buffer, { privateKey }: ForgeKey): Buffer {
  return privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, message)
}

const DIGEST_OIDS: Readonly<Record<string, string>> = {
  sha1: '2b0e03021a',
  sha256: '608648016503040201',
  sha384: '608648016503040202',
  sha512: '608648016503040203',
}

/** A value in DER; `long`: its length in more bytes than it needs, which only BER allows. */
function der(tag: number, content: Buffer, long = false): Buffer {
  const head = long || content.length > 127 ? [tag, 0x81, content.length] : [tag, content.length]
  return Buffer.concat([Buffer.from(head), content])
}

function digestInfo(
  digest: string,
  hash: Buffer,
  parameters: Buffer = der(0x05, Buffer.alloc(0)),
  long = false,
) {
  const oid = der(0x06, Buffer.from(DIGEST_OIDS[digest] ?? '', 'hex'))
  return der(0x30, Buffer.concat([der(0x30, Buffer.concat([oid, parameters])), der(0x04, hash)]), long)
}

/** Bleichenbacher's forgery of 2006, and its relatives: all but the first must fail, even though made with the private key. */
export function pkcs1Mutations(input: Buffer, key: ForgeKey, algorithm: string): Mutation[] {
  const length = 256
  const digest = `sha${algorithm.slice(2)}`
  const hash = createHash(digest).update(input).digest()
  const info = digestInfo(digest, hash)
  const padded = (
    content: Buffer,
    { first = 0, type = 1, fill = 0xff, end = 0, after = Buffer.alloc(0) } = {},
  ) =>
    Buffer.concat([
      Buffer.from([first, type]),
      Buffer.alloc(length - 3 - content.length - after.length, fill),
      Buffer.from([end]),
      content,
      after,
    ])
  const garbage = Buffer.alloc(100, 0x5a)
  const shortPadding = Buffer.concat([Buffer.from('0001ffffffffffffffff00', 'hex'), info])
  const good = padded(info)
  const messages: Record<string, Buffer> = {
    'garbage after the digest': padded(info, { after: garbage }),
    'eight bytes of padding, then garbage': Buffer.concat([
      shortPadding,
      Buffer.alloc(length - shortPadding.length, 0x5a),
    ]),
    'no padding': Buffer.concat([
      Buffer.from('000100', 'hex'),
      info,
      Buffer.alloc(length - 3 - info.length, 0x5a),
    ]),
    'garbage in the parameters': padded(digestInfo(digest, hash, der(0x05, Buffer.alloc(40, 0x5a)))),
    'garbage instead of the parameters': padded(digestInfo(digest, hash, der(0x04, Buffer.alloc(40, 0x5a)))),
    'no parameters': padded(digestInfo(digest, hash, Buffer.alloc(0))),
    'a length in BER': padded(digestInfo(digest, hash, undefined, true)),
    'the digest alone': padded(hash),
    'another digest algorithm': padded(
      digestInfo(digest === 'sha256' ? 'sha512' : 'sha256', createHash('sha256').update(input).digest()),
    ),
    'another name for the digest': padded(digestInfo(digest === 'sha256' ? 'sha384' : 'sha256', hash)),
    'SHA-1': padded(digestInfo('sha1', createHash('sha1').update(input).digest())),
    'block type 0': padded(info, { type: 0, fill: 0 }),
    'block type 2': padded(info, { type: 2, fill: 0xab }),
    'padding of 0xfe': padded(info, { fill: 0xfe }),
    'one byte of the padding changed': flip(good, 8 * 20),
    'no zero after the padding': padded(info, { end: 0xff }),
    'no zero before the block type': padded(info, { first: 1 }),
    zeros: Buffer.alloc(length),
  }
  return [
    ['made by hand', rawRsa(good, key), true],
    ...Object.entries(messages).map(([what, bytes]): Mutation => [`PKCS #1: ${what}`, rawRsa(bytes, key)]),
  ]
}

function mgf1(digest: string, seed: Buffer, length: number): Buffer {
  const blocks: Buffer[] = []
  for (let counter = 0; counter * 20 < length; counter++) {
    const suffix = Buffer.alloc(4)
    suffix.writeUInt32BE(counter)
    blocks.push(createHash(digest).update(seed).update(suffix).digest())
  }
  return Buffer.concat(blocks).subarray(0, length)
}

/** EMSA-PSS (RFC 8017 §9.1.1) for a modulus of 2048 bits, with mistakes. */
function encodePss(
  input: Buffer,
  digest: string,
  saltLength: number,
  { mgf = digest, trailer = 0xbc, separator = 0x01, topBit = 0, padding = 0 } = {},
): Buffer {
  const hash = createHash(digest).update(input).digest()
  const salt = Buffer.alloc(saltLength, 0x11)
  const h = createHash(digest)
    .update(Buffer.concat([Buffer.alloc(8), hash, salt]))
    .digest()
  const length = 256 - h.length - 1
  const block = Buffer.concat([
    Buffer.alloc(length - saltLength - 1, padding),
    Buffer.from([separator]),
    salt,
  ])
  const mask = mgf1(mgf, h, length)
  const masked = Buffer.from(block.map((byte, index) => byte ^ (mask[index] ?? 0)))
  masked.writeUInt8((masked.readUInt8(0) & 0x7f) | topBit)
  return Buffer.concat([masked, h, Buffer.from([trailer])])
}

/** RFC 7518 §3.5: salt as long as the digest, MGF1 with the same hash. */
export function pssMutations(input: Buffer, key: ForgeKey, algorithm: string): Mutation[] {
  const digest = `sha${algorithm.slice(2)}`
  const right = Number(algorithm.slice(2)) / 8
  const salts = [0, 1, 8, 20, 32, 48, 64, right - 1, right + 1, 256 - right - 2]
  const other = digest === 'sha256' ? 'sha512' : 'sha256'
  const byNode = (saltLength: number) =>
    sign(digest, input, { key: key.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
  const make = (...changes: Parameters<typeof encodePss>) => rawRsa(encodePss(...changes), key)
  // Not every block with its top bit set is below the modulus.
  const withTopBit = encodePss(input, digest, right, { topBit: 0x80 })
  const modulus = toNumber(Buffer.from(String(key.jwk.n), 'base64url'))
  return [
    ['made by hand', make(input, digest, right), true],
    ...[...new Set(salts)]
      .filter((salt) => salt !== right)
      .flatMap((salt): Mutation[] => [
        [`salt of ${salt} bytes`, byNode(salt)],
        [`salt of ${salt} bytes, by hand`, make(input, digest, salt)],
      ]),
    ['MGF1 with SHA-1', make(input, digest, right, { mgf: 'sha1' })],
    [`MGF1 with ${other}`, make(input, digest, right, { mgf: other })],
    ['another digest', make(input, other, right)],
    ['another trailer', make(input, digest, right, { trailer: 0xbb })],
    ['the trailer of X9.31', make(input, digest, right, { trailer: 0xcc })],
    ['another separator', make(input, digest, right, { separator: 0x02 })],
    ['padding that is not zero', make(input, digest, right, { padding: 0x01 })],
    ['its top bit set', toNumber(withTopBit) < modulus ? rawRsa(withTopBit, key) : undefined],
  ]
}
