/**
 * Whether a request is for the endpoint, by any reading of its path. Frameworks differ: some ignore case, a last slash or repeated
 * slashes, some decode percent-encoding or resolve dot segments. If one reading leads to the endpoint, the request is guarded.
 *
 * @param url the request target as Node has it, or a URL
 * @param path the path of the endpoint, as {@link normalPath} returns it
 */
export function isAtOrBelow(url: string, path: string): boolean {
  const asked = pathOf(url)
  // Mostly, there is only one reading.
  if (/^\/(?!\/)/.test(url) && !/[%\\]|\/[/.]/.test(asked)) return isPrefix(normalPath(asked), path)
  return readingsOf(url).some((reading) => isPrefix(reading, path))
}

/** Whether the first segments of a path are those of another one. Some frameworks end a segment at a semicolon. */
function isPrefix(reading: string, path: string): boolean {
  return reading.startsWith(path) && (path === '/' || ['', '/', ';'].includes(reading.charAt(path.length)))
}

/** The path of a URL, or of the part of it that Node has. A request target may have any scheme (RFC 9112 §3.2.2). */
export function pathOf(url: string): string {
  const [, path = ''] = /^(?:[a-z][a-z\d+.-]*:\/\/[^/?#]*)?([^?#]*)/i.exec(url) ?? []
  return path === '' ? '/' : path
}

/** A path in lower case, without repeated slashes and without one at the end. */
export function normalPath(path: string): string {
  const plain = path
    .replaceAll('\\', '/')
    .replaceAll(/\/{2,}/g, '/')
    .toLowerCase()
  return plain.length > 1 && plain.endsWith('/') ? plain.slice(0, -1) : plain
}

function readingsOf(url: string): string[] {
  const path = pathOf(url)
  const once = decode(path)
  const readings = new Set([path, once, decode(once)])
  // `//host/mcp` is a path to some, and a host with a path to others.
  if (URL.canParse(url, 'http://x')) readings.add(new URL(url, 'http://x').pathname)
  return [...readings].flatMap((reading) => [normalPath(reading), normalPath(withoutDotSegments(reading))])
}

function decode(path: string): string {
  // Not the whole path at once: one bad sequence would leave all others as they are.
  return path.replaceAll(/(?:%[\da-f]{2})+/gi, (sequence) => {
    try {
      return decodeURIComponent(sequence)
    } catch {
      return sequence
    }
  })
}

/** RFC 3986 §5.2.4 */
function withoutDotSegments(path: string): string {
  const segments: string[] = []
  for (const segment of normalPath(path).split('/').slice(1)) {
    if (segment === '..') segments.pop()
    else if (segment !== '.') segments.push(segment)
  }
  return `/${segments.join('/')}`
}
