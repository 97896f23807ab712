/** Schemes that a browser runs, or opens in place of the page. */
const ACTIVE_SCHEMES =
  /^(?:about|blob|data|file|filesystem|ftp|intent|javascript|mailto|vbscript|view-source|wss?):/i

/** Whether the value is an `http` or `https` URL of a page or picture. */
export function isWebUrl(value: string): boolean {
  return /^https?:/i.test(value) && isUnambiguous(value)
}

/** Whether the value can be a redirect URI (RFC 6749 §3.1.2), private-use schemes included (RFC 8252 §7.1). */
export function isRedirectUri(value: string): boolean {
  return !ACTIVE_SCHEMES.test(value) && !value.includes('#') && isUnambiguous(value)
}

/**
 * Whether all parsers read the same URL: no characters that some drop or repair, no credentials, and no host that would
 * need quoting in a header.
 */
function isUnambiguous(value: string): boolean {
  if (!/^[a-z][a-z\d+.-]*:[\x21-\x5b\x5d-\x7e]+$/i.test(value) || !URL.canParse(value)) return false
  const { hostname, username, password } = new URL(value)
  if (/^https?:/i.test(value)) {
    const [, host = ''] = /^https?:\/\/([\w.-]+|\[[\da-f:.]+\])(?::\d+)?(?:[/?#]|$)/i.exec(value) ?? []
    // Some parsers read `127.1` as 127.0.0.1.
    if (!host.startsWith('[') && host.toLowerCase() !== hostname) return false
  }
  // RFC 1035 §2.3.4, and the underscore, which container networks use.
  const isName = hostname.length <= 253 && /^(?:[\w-]{1,63}(?:\.[\w-]{1,63})*\.?)?$/.test(hostname)
  return username === '' && password === '' && (isName || /^\[[\da-f:.]+\]$/.test(hostname))
}
