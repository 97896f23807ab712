/** What forged signatures are made of. */

/** A changed signature, and whether it is good: it is not, if that is left out. `undefined` where the change is impossible. */
export type Mutation = readonly [
  what: string,
  signature: Buffer | undefined,
  isGood?: boolean | 'engines differ',
]

export const toNumber = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`)

/** In big-endian order; `undefined` where the number does not fit. */
export function toBytes(number: bigint, length: number): Buffer | undefined {
  const hex = number.toString(16).padStart(2 * length, '0')
  return hex.length === 2 * length ? Buffer.from(hex, 'hex') : undefined
}

export function flip(bytes: Buffer, bit: number): Buffer {
  const changed = Buffer.from(bytes)
  const index = bit >> 3
  changed.writeUInt8(changed.readUInt8(index) ^ (1 << (bit & 7)), index)
  return changed
}
