/** The shortest and the longest lifetime; headers cannot go beyond them. */
const MIN_LIFETIME_MS = 60_000
const MAX_LIFETIME_MS = 24 * 60 * 60_000

/** A longer `Cache-Control` header is ignored; no real server sends one. */
const MAX_HEADER_LENGTH = 4096

/** One directive: a name, optionally with a token or a quoted string (RFC 9111 §5.2, RFC 9110 §5.6). */
const DIRECTIVE = /^([!#$%&'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~\w-]+)))?$/

/** The headers that say how long a response may be kept. */
export interface Freshness {
  readonly cacheControl: string | null
  readonly age: string | null
}

/**
 * The lifetime of a response in milliseconds (RFC 9111 §4.2): `max-age` less `Age`, at least one minute and at most one day.
 * `no-store` and `no-cache` give the shortest. `s-maxage` is ignored: it is for shared caches, and this cache is private.
 *
 * @param defaultMs used when there is no numeric `max-age`
 */
export function lifetimeOf({ cacheControl, age }: Freshness, defaultMs: number): number {
  const directives = parseDirectives(cacheControl)
  if (directives.has('no-store') || directives.has('no-cache')) return MIN_LIFETIME_MS
  const maxAge = secondsOf(directives.get('max-age'))
  const lifetimeMs = maxAge === undefined ? defaultMs : (maxAge - ageOf(age)) * 1000
  return Math.min(Math.max(lifetimeMs, MIN_LIFETIME_MS), MAX_LIFETIME_MS)
}

/** For a repeated directive, the first one counts (RFC 9111 §4.2.1). */
function parseDirectives(header: string | null): ReadonlyMap<string, string> {
  const directives = new Map<string, string>()
  if (header === null || header.length > MAX_HEADER_LENGTH) return directives
  // A comma within a quoted string is not a separator.
  for (const part of header.match(/(?:[^",]|"(?:[^"\\]|\\.)*"?)+/g) ?? []) {
    const [, name = '', quoted, token] = DIRECTIVE.exec(part.trim()) ?? []
    const key = name.toLowerCase()
    if (name !== '' && !directives.has(key)) directives.set(key, quoted ?? token ?? '')
  }
  return directives
}

/** The first value of `Age` (RFC 9111 §5.1); 0 where it is not a number. */
function ageOf(age: string | null): number {
  return secondsOf(age?.split(',', 1)[0]?.trim()) ?? 0
}

/** Delta-seconds (RFC 9111 §1.2.2): digits only, and at most 2^31. */
function secondsOf(value: string | undefined): number | undefined {
  return value !== undefined && /^\d+$/.test(value) ? Math.min(Number(value), 2 ** 31) : undefined
}
