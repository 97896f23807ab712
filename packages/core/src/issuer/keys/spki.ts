/**
 * Encodes public keys as SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). Node and Web Crypto could import a JWK, but read inherited
 * members too: a `d` on a polluted `Object.prototype` makes every key a private one.
 */

/** The bytes before the coordinates (RFC 5480 §2, RFC 8410 §4), and the length of each coordinate. */
const CURVES: ReadonlyMap<unknown, { readonly prefix: string; readonly bytes: number }> = new Map([
  ['P-256', { prefix: '3059301306072a8648ce3d020106082a8648ce3d03010703420004', bytes: 32 }],
  ['P-384', { prefix: '3076301006072a8648ce3d020106052b8104002203620004', bytes: 48 }],
  ['P-521', { prefix: '30819b301006072a8648ce3d020106052b810400230381860004', bytes: 66 }],
  ['Ed25519', { prefix: '302a300506032b6570032100', bytes: 32 }],
])

/** `rsaEncryption` without parameters (RFC 8017 §A.1). */
const RSA_ALGORITHM = '300d06092a864886f70d0101010500'

const [INTEGER, BIT_STRING, SEQUENCE] = [0x02, 0x03, 0x30]

/**
 * Encodes the public key of a JWK.
 *
 * @param jwk the own members of the JWK, without a prototype
 * @returns `undefined` when a member is missing, or is too long for the curve
 */
export function encodeSpki({ kty, crv, n, e, x, y }: Readonly<Record<string, unknown>>): Buffer | undefined {
  if (kty === 'RSA') {
    if (typeof n !== 'string' || typeof e !== 'string') return undefined
    const key = encodeValue(SEQUENCE, encodeInteger(n), encodeInteger(e))
    const bits = encodeValue(BIT_STRING, Buffer.alloc(1), key)
    return encodeValue(SEQUENCE, Buffer.from(RSA_ALGORITHM, 'hex'), bits)
  }
  const curve = CURVES.get(crv)
  if (!curve) return undefined
  const coordinates = kty === 'OKP' ? [x] : [x, y]
  const encoded = coordinates.flatMap((value) => encodeCoordinate(value, curve.bytes) ?? [])
  if (encoded.length < coordinates.length) return undefined
  return Buffer.concat([Buffer.from(curve.prefix, 'hex'), ...encoded])
}

function encodeCoordinate(value: unknown, length: number): Buffer | undefined {
  if (typeof value !== 'string') return undefined
  // Some issuers drop leading zeros, and some add one.
  const bytes = withoutLeadingZeros(Buffer.from(value, 'base64url'))
  return bytes.length <= length ? Buffer.concat([Buffer.alloc(length - bytes.length), bytes]) : undefined
}

function encodeInteger(base64url: string): Buffer {
  const bytes = withoutLeadingZeros(Buffer.from(base64url, 'base64url'))
  // An integer whose first bit is set would be negative.
  const sign = bytes.length === 0 || bytes.readUInt8(0) >= 0x80 ? Buffer.alloc(1) : Buffer.alloc(0)
  return encodeValue(INTEGER, sign, bytes)
}

function withoutLeadingZeros(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  return first < 0 ? Buffer.alloc(0) : bytes.subarray(first)
}

/** Encodes a value in DER: tag, length, content (ITU-T X.690 §8.1.3, §10.1). */
function encodeValue(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(content.length)
  const digits = withoutLeadingZeros(length)
  const head = content.length < 0x80 ? [tag, content.length] : [tag, 0x80 + digits.length, ...digits]
  return Buffer.concat([Buffer.from(head), content])
}
