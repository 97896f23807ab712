/**
 * The paths of an endpoint. Frameworks read a path in different ways: some ignore case, a last slash or repeated slashes, some
 * decode percent-encoding or resolve dot segments. If any reading of a request is any reading of the endpoint, the request is guarded.
 */
export class EndpointPath {
  readonly #readings: readonly string[]

  /** @param path the path of the endpoint, as it is configured */
  constructor(path: string) {
    this.#readings = readingsOf(path)
  }

  /**
   * Whether a request is for the endpoint, or for a path below it.
   *
   * @param url the request target as Node has it, or a URL
   * @param isMounted whether the application is mounted below a path that may be any: then the path of the endpoint counts wherever
   *   it stands
   */
  leadsHere(url: string, isMounted: boolean): boolean {
    const asked = isPlain(url) ? [normalPath(pathOf(url))] : readingsOf(url)
    return asked.some((reading) =>
      this.#readings.some((path) => (isMounted ? contains(reading, path) : isPrefix(reading, path))),
    )
  }
}

/** Whether there is only one reading, but for case and slashes. */
function isPlain(url: string): boolean {
  return /^\/(?!\/)/.test(url) && !/[%\\]|\/[/.]/.test(pathOf(url))
}

/** Whether the first segments of a path are those of another one. Some frameworks end a segment at a semicolon. */
function isPrefix(reading: string, path: string): boolean {
  return reading.startsWith(path) && (path === '/' || ['', '/', ';'].includes(reading.charAt(path.length)))
}

/** Whether the segments of a path are somewhere in another one. */
function contains(reading: string, path: string): boolean {
  for (let start = reading.indexOf(path); start >= 0; start = reading.indexOf(path, start + 1))
    if (isPrefix(reading.slice(start), path)) return true
  return false
}

/** The path of a URL, or of the part of it that Node has. A request target may have any scheme (RFC 9112 §3.2.2). */
export function pathOf(url: string): string {
  const [, path = ''] = /^(?:[a-z][a-z\d+.-]*:\/\/[^/?#]*)?([^?#]*)/i.exec(url) ?? []
  return path === '' ? '/' : path
}

/** A path in lower case, without repeated slashes and without one at the end. */
function normalPath(path: string): string {
  const plain = path
    .replaceAll('\\', '/')
    .replaceAll(/\/{2,}/g, '/')
    .toLowerCase()
  return plain.length > 1 && plain.endsWith('/') ? plain.slice(0, -1) : plain
}

function readingsOf(url: string): string[] {
  const path = pathOf(url)
  const once = decode(path)
  const readings = [path, once, decode(once)]
  // `//host/mcp` is a path to some, and a host with a path to others.
  if (URL.canParse(url, 'http://x')) readings.push(new URL(url, 'http://x').pathname)
  const normal = readings.flatMap((reading) => [normalPath(reading), normalPath(withoutDotSegments(reading))])
  return [...new Set(normal)]
}

/** Not `decodeURIComponent`: it throws for bytes that are not UTF-8, and callers can send thousands of them. */
function decode(path: string): string {
  return path.replaceAll(/(?:%[\da-f]{2})+/gi, (bytes) =>
    Buffer.from(bytes.replaceAll('%', ''), 'hex').toString(),
  )
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
