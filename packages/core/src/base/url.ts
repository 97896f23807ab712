/**
 * Describes characters of a configured URL that `fetch` would change silently (RFC 3986 §2). Never quotes the URL: it may be a
 * secret in the wrong place.
 *
 * @returns `undefined` when there are none
 */
export function flawOfUrl(url: string): string | undefined {
  if (/[{}<>]/.test(url))
    return 'the one that is set has a placeholder in brackets, such as {tenantid}: put your own value in its place'
  if (/["'`]/.test(url)) return 'the one that is set has a quotation mark in it'
  if (/%(?![\da-f]{2})/i.test(url)) return 'the one that is set has a "%" without two hexadecimal digits'
  if (/[^\w\-.~:/?#[\]@!$&()*+,;=%]/.test(url))
    return 'the one that is set has a character that no URL may have (RFC 3986 §2): a blank, a backslash or a letter that is not ASCII, for example'
  // `fetch` removes dot segments, and would ask another path.
  if (/\/(\.|%2e){1,2}(\/|[?#]|$)/i.test(url)) return 'the one that is set has a "." or ".." in its path'
  return undefined
}

/** Whether two identifiers differ by one slash at the end: the most likely mistake in a configuration. */
export function differOnlyByASlash(a: string, b: string): boolean {
  return `${a}/` === b || a === `${b}/`
}

const LOOPBACK_HOST = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/

/**
 * Whether this library may fetch documents that decide about tokens from a URL: `https`, or `http` on a loopback host, which
 * has no network in between (RFC 8414 §2 and §6.1). Refused: credentials, and everything that `URL` drops or repairs silently
 * (white space, control characters, backslashes, missing slashes).
 *
 * @example
 * isSecureUrl('https://api.example.com/jwks') // true
 * isSecureUrl('http://api.example.com/jwks') // false
 */
export function isSecureUrl(value: unknown): value is string {
  if (
    typeof value !== 'string' ||
    !/^https?:\/\/[^\s/?#@\\\p{Cc}]+([/?#][^\s\\\p{Cc}]*)?$/u.test(value) ||
    !URL.canParse(value)
  )
    return false
  const url = new URL(value)
  return url.protocol === 'https:' || LOOPBACK_HOST.test(url.hostname)
}

/**
 * Whether this library may fetch a URL that an issuer's document names: `https`, or `http` on a loopback host if the issuer is on
 * a loopback host too. A remote issuer must not make this process call services of its own machine.
 */
export function isSecureUrlOf(issuer: string, value: unknown): value is string {
  if (!isSecureUrl(value)) return false
  return new URL(value).protocol === 'https:' || LOOPBACK_HOST.test(new URL(issuer).hostname)
}

/**
 * The other spelling of a URL without a path: with or without the slash after its host, which makes no other URL (RFC 3986
 * §6.2.3).
 *
 * @returns `undefined` for a URL with a path, and for what is no URL
 * @example
 * otherSpellingOfHost('https://mcp.example.com') // 'https://mcp.example.com/'
 */
export function otherSpellingOfHost(url: string): string | undefined {
  const [, host, slash] = /^(https?:\/\/[^/?#]+)(\/?)$/i.exec(url) ?? []
  return host && (slash ? host : `${host}/`)
}
