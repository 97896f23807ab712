/** Schemes that a browser would run or show in place of the page that it is on. */
const ACTIVE_SCHEMES =
  /^(?:about|blob|data|file|filesystem|ftp|intent|javascript|mailto|vbscript|view-source|wss?):/i

/** A page or picture of the web. */
export function isWebUrl(value: string): boolean {
  return /^https?:/i.test(value) && isCleanUrl(value)
}

/** RFC 6749 §3.1.2; private-use schemes are those of RFC 8252 §7.1. */
export function isRedirectUri(value: string): boolean {
  return !ACTIVE_SCHEMES.test(value) && !value.includes('#') && isCleanUrl(value)
}

/**
 * Whether it is the same URL to everyone: no characters that parsers drop or repair, no credentials, and no host that
 * would need quoting in a header.
 */
function isCleanUrl(value: string): boolean {
  if (!/^[a-z][a-z\d+.-]*:[\x21-\x5b\x5d-\x7e]+$/i.test(value) || !URL.canParse(value)) return false
  const { hostname, username, password } = new URL(value)
  if (/^https?:/i.test(value)) {
    const [, host = ''] = /^https?:\/\/([\w.-]+|\[[\da-f:.]+\])(?::\d+)?(?:[/?#]|$)/i.exec(value) ?? []
    // `127.1` is 127.0.0.1 to some.
    if (!host.startsWith('[') && host.toLowerCase() !== hostname) return false
  }
  // RFC 1035 §2.3.4; the underscore is what some networks of containers use.
  const isName = hostname.length <= 253 && /^(?:[\w-]{1,63}(?:\.[\w-]{1,63})*\.?)?$/.test(hostname)
  return username === '' && password === '' && (isName || /^\[[\da-f:.]+\]$/.test(hostname))
}
