/** The encodings of the points of small order on edwards25519, with their sign bit cleared (RFC 8032 §5.1.2), in hexadecimal. */
const SMALL_ORDER_POINTS: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])

/**
 * Whether a point of edwards25519 has small order. As a public key, anyone can make signatures for it. As the R of a signature,
 * some runtimes accept it and some do not.
 *
 * @param point its encoding, of 32 bytes
 */
export function hasSmallOrder(point: Uint8Array): boolean {
  const bytes = Buffer.from(point)
  bytes.writeUInt8(bytes.readUInt8(31) & 0x7f, 31)
  return SMALL_ORDER_POINTS.has(bytes.toString('hex'))
}
