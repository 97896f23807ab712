import type { AuthenticatableRequest } from './request-headers.js'
import { requestedUrl } from './requested-url.js'

/** A segment that is one or two dots, percent-encoded or not (RFC 3986 §6.2.2.3). */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i
/** A path that is in normal form, as far as it has no dot segments. */
const PLAIN_PATH = /^[\w.~!$&'()*+,;=:@/-]+$/
/** Characters that need no percent-encoding (RFC 3986 §2.3). */
const UNRESERVED = /[\w.~-]/

/**
 * An `http` or `https` URL without query and fragment, in the normal form of RFC 3986 §6.2: scheme and host in lower case, no
 * default port, no dot segments, percent-encoding in upper case and only where it is needed.
 *
 * @returns `undefined` for what is no such URL, has credentials, or has characters that no URL may have: parsers repair those
 * @example
 * normalizedUrl('HTTPS://API.example.com:443/%7euser?page=1') // 'https://api.example.com/~user'
 */
export function normalizedUrl(url: string): string | undefined {
  const [text = ''] = url.split(/[?#]/, 1)
  if (
    !/^https?:\/\/[^\s/@\\]+(?:\/[^\s\\]*)?$/i.test(text) ||
    !/^[\x21-\x7e]+$/.test(text) ||
    // Decoded, `%%41A` would become the other character `%AA`.
    /%(?![\da-f]{2})/i.test(text) ||
    !URL.canParse(text)
  )
    return undefined
  const { origin, pathname } = new URL(text)
  return (
    origin +
    pathname.replace(/%[\da-f]{2}/gi, (encoded) => {
      const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
      return UNRESERVED.test(character) ? character : encoded.toUpperCase()
    })
  )
}

/**
 * Whether a URL names what the caller asked for, below the URL of this API: `Host` says what any caller wants.
 *
 * @param url as another party wrote it
 * @param baseUrl without a slash at the end
 * @returns `false` where the request has no URL with a path, or one with dot segments: no client sends these, and routers take
 *   `/a/../b` for a path below `/a`, which a proof for `/b` must not open
 */
export function namesRequest(url: string, baseUrl: string, request: AuthenticatableRequest): boolean {
  const path = pathOf(request)
  if (path === undefined) return false
  // As nearly all clients write it. Two equal texts have the same normal form.
  if (PLAIN_PATH.test(path) && url === baseUrl + path) return true
  const named = normalizedUrl(url)
  const asked = normalizedUrl(baseUrl + path)
  if (named === undefined || asked === undefined) return false
  // A proxy that removes a part of the path hands on that part alone as `/` too.
  return named === asked || (`${named}/` === asked && named === normalizedUrl(baseUrl))
}

function pathOf(request: AuthenticatableRequest): string | undefined {
  // Of an absolute URL (RFC 9112 §3.2.2), which web requests have too, only the path counts.
  const [, path] = /^(?:[a-z][a-z\d+.-]*:\/\/[^/?#]*)?(\/[^?#]*)/i.exec(requestedUrl(request) ?? '') ?? []
  return path === undefined || DOT_SEGMENT.test(path) ? undefined : path
}
