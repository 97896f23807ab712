/**
 * Reads a body, up to a limit and no further.
 *
 * @returns `undefined` for a longer body
 */
export async function readLimited(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of body ?? []) {
    // `fetch` requires bytes too, and the size of other values is not known.
    if (!(piece instanceof Uint8Array)) throw new TypeError('A body is made of bytes')
    size += piece.byteLength
    if (size > maxBytes) return undefined
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
