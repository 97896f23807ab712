/** What says where a body ends and how it is encoded (RFC 9112 §6, RFC 9110 §8.4). */
export const FRAMING_HEADERS: readonly string[] = [
  'Content-Length',
  'Transfer-Encoding',
  'Trailer',
  'Content-Encoding',
  'Content-Range',
]

/** RFC 9110 §5.1 and §5.5. */
const [HEADER_NAME, HEADER_VALUE] = [/^[\w!#$%&'*+.^`|~-]+$/, /^[\t\x20-\x7e\x80-\xff]*$/]
const FRAMING_NAMES = new Set(FRAMING_HEADERS.map((name) => name.toLowerCase()))

/**
 * Of the headers that others have added to an error, those that can be written and do not frame the body. Frameworks write
 * them where nothing catches what Node throws, and the process would end.
 */
export function onlyWritable(headers: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(typeof headers === 'object' ? { ...headers } : {}).filter(isWritable),
  )
}

function isWritable(header: [string, unknown]): header is [string, string] {
  const [name, given] = header
  // JavaScript lets numbers and lists through, which Node writes.
  const values: unknown[] = Array.isArray(given) ? given : [given]
  return (
    HEADER_NAME.test(name) &&
    !FRAMING_NAMES.has(name.toLowerCase()) &&
    values.every((value) => /^(?:string|number)$/.test(typeof value) && HEADER_VALUE.test(String(value)))
  )
}
