/**
 * Whether a request is for the endpoint, whichever way its path is spelled. Frameworks ignore case, a last slash or repeated
 * slashes, decode percent-encoding, or resolve dot segments, each in another way. So every reading counts: a request that one
 * framework would route to the endpoint is never let past, and one too many is guarded.
 *
 * @param path the path of the endpoint, as {@link normalPath} returns it
 */
export function isAtOrBelow(url: string | undefined, path: string): boolean {
  const asked = pathOf(url)
  // Mostly, there is only one reading.
  if (!/[%\\]|\/[/.]/.test(asked)) return isPrefix(normalPath(asked), path)
  return readingsOf(asked).some((reading) => isPrefix(reading, path))
}

/** Whether the first segments of a path are those of another one. Some frameworks end a segment at a semicolon. */
function isPrefix(reading: string, path: string): boolean {
  return reading.startsWith(path) && (path === '/' || ['', '/', ';'].includes(reading.charAt(path.length)))
}

/** The path of a URL, or of the part of it that Node has. */
export function pathOf(url: string | undefined): string {
  const [, path = ''] = /^(?:https?:\/\/[^/?#]*)?([^?#]*)/i.exec(url ?? '') ?? []
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

function readingsOf(path: string): string[] {
  const once = decode(path)
  const readings = new Set([path, once, decode(once)])
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
