/**
 * What is wrong with the characters of a configured URL, which `fetch` would change silently (RFC 3986 §2). Words only: the
 * value may be a secret in the wrong place.
 */
export function flawOfUrl(url: string): string | undefined {
  if (/[{}<>]/.test(url))
    return 'the one that is set has a placeholder in brackets, such as {tenantid}: put your own value in its place'
  if (/["'`]/.test(url)) return 'the one that is set has a quotation mark in it'
  if (/%(?![\da-f]{2})/i.test(url)) return 'the one that is set has a "%" without two hexadecimal digits'
  if (/[^\w\-.~:/?#[\]@!$&()*+,;=%]/.test(url))
    return 'the one that is set has a character that no URL may have (RFC 3986 §2): a blank, a backslash or a letter that is not ASCII, for example'
  // These would be removed, and the request would go somewhere else.
  if (/\/(\.|%2e){1,2}(\/|[?#]|$)/i.test(url)) return 'the one that is set has a "." or ".." in its path'
  return undefined
}

/** Whether two identifiers are the same but for a slash at the end: the likeliest mistake in a configured one. */
export function differOnlyByASlash(a: string, b: string): boolean {
  return `${a}/` === b || a === `${b}/`
}

const LOOPBACK_HOST = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/

/**
 * Whether tokens may depend on what this URL answers: `https`, or `http` on a loopback host, where nobody
 * can stand in between (RFC 8414 §2 and §6.1). Without credentials, and without
 * what `URL` would drop or repair silently: white space, control characters, backslashes, missing slashes.
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
 * Whether a URL that an issuer's document names may be used: `https`, or `http` on a loopback host where the issuer is on
 * one too. A remote issuer must not send this process to what listens on its own machine.
 */
export function isSecureUrlOf(issuer: string, value: unknown): value is string {
  if (!isSecureUrl(value)) return false
  return new URL(value).protocol === 'https:' || LOOPBACK_HOST.test(new URL(issuer).hostname)
}
