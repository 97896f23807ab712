/** A request that the token page refuses. The message is for people. */
export class PageRefusal extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]']

/**
 * Lets a request pass if a browser sent it for this server's own name. A page of another name can make browsers connect to
 * this machine (DNS rebinding), but cannot make them send another `Host`.
 *
 * @param port the port of this server
 * @throws {PageRefusal} 421
 */
export function checkHost(request: Request, port: string): void {
  const allowed = LOOPBACK_NAMES.map((name) => new URL(`http://${name}:${port}`).host)
  const { host } = new URL(request.url)
  if (!allowed.includes(host) || request.headers.get('host')?.toLowerCase() !== host)
    throw new PageRefusal(
      421,
      `This page answers only at ${allowed.join(', ')}: open it there, and not by another name`,
    )
}

/**
 * Lets a change pass if it comes from the page itself. A form of another page cannot send JSON, and a script cannot set
 * `Origin` or `Sec-Fetch-Site` (Fetch standard, forbidden request headers; Fetch Metadata §2.3).
 *
 * @throws {PageRefusal} 403, 415
 */
export function checkSameOrigin(request: Request): void {
  const origin = request.headers.get('origin')
  const site = request.headers.get('sec-fetch-site')
  const isSameOrigin =
    origin === null ? site === 'same-origin' : origin === new URL(request.url).origin && isOwn(site)
  if (!isSameOrigin) throw new PageRefusal(403, 'Only this page itself may do this')
  const [type = ''] = request.headers.get('content-type')?.split(';') ?? []
  if (type.trim().toLowerCase() !== 'application/json')
    throw new PageRefusal(415, 'The body must be JSON: application/json')
}

/** Browsers that send no `Sec-Fetch-Site` send `Origin`. */
function isOwn(site: string | null): boolean {
  return site === null || site === 'same-origin'
}
