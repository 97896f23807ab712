import type { Deadline } from '../../base/deadline.js'
import type { FetchResponse } from './fetch.js'

/** Reads the body of one response. */
export type BodyReader = ReturnType<NonNullable<FetchResponse['body']>['getReader']>

/**
 * Reads a body up to `maxBytes`.
 *
 * @param reader absent for a response without a body
 * @returns `undefined` where the body is larger; the rest is not read
 * @throws {TypeError} for a body that is not made of bytes
 * @throws {Error} when the time limit is over
 */
export async function readBody(
  reader: BodyReader | undefined,
  maxBytes: number,
  deadline: Deadline,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true }
    if (done) return Buffer.concat(chunks, size)
    // Not `instanceof`: in a `vm` context, such as a test runner's, the bytes of Node's `fetch` are of another realm.
    if (!ArrayBuffer.isView(value)) throw new TypeError('The body is not made of bytes')
    size += value.byteLength
    if (size > maxBytes) return undefined
    if (value.byteLength > 0) chunks.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
    // No timer fires while chunks are available at once, such as an endless series of empty ones.
    if (deadline.isOver) throw new Error('The time limit is over')
  }
}

/** Cancels a body, so that it does not hold its connection. Not awaited: a stream may never finish its cancellation. */
export function cancelBody(reader: BodyReader | undefined): void {
  Promise.resolve(reader)
    .then((open) => open?.cancel())
    .catch(() => undefined)
}
