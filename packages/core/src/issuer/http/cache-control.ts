/** The shortest and the longest lifetime: what headers ask for is kept within them. */
const MIN_LIFETIME_MS = 60_000
const MAX_LIFETIME_MS = 24 * 60 * 60_000

/** A longer header is not read: no server sends one. */
const MAX_HEADER_LENGTH = 4096

/** One directive of a list: a name, and perhaps a value or a quoted text (RFC 9111 §5.2, RFC 9110 §5.6). */
const DIRECTIVE = /^([!#$%&'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~\w-]+)))?$/

/** What a response says about how long it may be kept. */
export interface Freshness {
  readonly cacheControl: string | null
  readonly age: string | null
}

/**
 * The lifetime that a response asks for, within one minute and one day (RFC 9111 §4.2): `max-age` less `Age`. `no-store` and
 * `no-cache` ask for the shortest. `s-maxage` is for shared caches, and this one is private.
 *
 * @param defaultMs used when there is no `max-age` that is a number
 */
export function lifetimeOf({ cacheControl, age }: Freshness, defaultMs: number): number {
  const directives = parseDirectives(cacheControl)
  if (directives.has('no-store') || directives.has('no-cache')) return MIN_LIFETIME_MS
  const maxAge = secondsOf(directives.get('max-age'))
  const lifetimeMs = maxAge === undefined ? defaultMs : (maxAge - ageOf(age)) * 1000
  return Math.min(Math.max(lifetimeMs, MIN_LIFETIME_MS), MAX_LIFETIME_MS)
}

/** The first of each name: RFC 9111 §4.2.1 allows that for directives that are repeated. */
function parseDirectives(header: string | null): ReadonlyMap<string, string> {
  const directives = new Map<string, string>()
  if (header === null || header.length > MAX_HEADER_LENGTH) return directives
  // Commas within quoted texts separate nothing.
  for (const part of header.match(/(?:[^",]|"(?:[^"\\]|\\.)*"?)+/g) ?? []) {
    const [, name = '', quoted, token] = DIRECTIVE.exec(part.trim()) ?? []
    const key = name.toLowerCase()
    if (name !== '' && !directives.has(key)) directives.set(key, quoted ?? token ?? '')
  }
  return directives
}

/** RFC 9111 §5.1: of several values, the first one; one that is not a number is none. */
function ageOf(age: string | null): number {
  return secondsOf(age?.split(',', 1)[0]?.trim()) ?? 0
}

/** RFC 9111 §1.2.2: digits, and what is too large is as large as can be. */
function secondsOf(value: string | undefined): number | undefined {
  return value !== undefined && /^\d+$/.test(value) ? Math.min(Number(value), 2 ** 31) : undefined
}
