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
