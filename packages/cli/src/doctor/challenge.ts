/** A challenge of a `WWW-Authenticate` header. */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string
  /** By name in lower case. */
  readonly parameters: ReadonlyMap<string, string>
}

/** A word, which may be a parameter with a token or a quoted string as its value (RFC 9110 §5.6, §11.2). */
const WORD = /([!#$%&'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~\w-]+)))?/g

/** A longer header is cut: no API sends one. */
const MAX_LENGTH = 8192

/** Parses a `WWW-Authenticate` header (RFC 9110 §11.6.1). What is no challenge is left out. */
export function parseChallenges(header: string | null): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = []
  for (const [word, name = '', quoted, token] of (header ?? '').slice(0, MAX_LENGTH).matchAll(WORD)) {
    const value = quoted?.replace(/\\(.)/g, '$1') ?? token
    if (value !== undefined) challenges.at(-1)?.parameters.set(name.toLowerCase(), value)
    // A word without a value begins the next challenge.
    else if (word === name) challenges.push({ scheme: name.toLowerCase(), parameters: new Map() })
  }
  return challenges
}

/** The challenges for access tokens (RFC 6750 §3, RFC 9449 §7.1). */
export function tokenChallenges(header: string | null): readonly Challenge[] {
  return parseChallenges(header).filter(({ scheme }) => scheme === 'bearer' || scheme === 'dpop')
}

/** The first value of a parameter in the challenges. */
export function parameterOf(challenges: readonly Challenge[], name: string): string | undefined {
  return challenges.flatMap(({ parameters }) => parameters.get(name) ?? [])[0]
}
