import type { Answer } from '@telnyx-auth/core/adapter'

/** Which scripts of other origins may use the endpoint: all, those of some origins, or none. */
export type CorsOption = '*' | readonly string[] | false

/** What scripts need to read: how to get a token, the nonce of a proof, which session they have, and when to try again. */
const EXPOSED = ['WWW-Authenticate', 'DPoP-Nonce', 'Mcp-Session-Id', 'MCP-Protocol-Version', 'Retry-After']

/** What MCP's transport sends, and the proof of possession (RFC 9449). The wildcard covers `Mcp-Param-*`, but never `Authorization` (Fetch standard). */
const ALLOWED =
  'Authorization, DPoP, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Last-Event-ID, Mcp-Method, Mcp-Name, *'

/** Where the headers of a response are kept. */
export interface HeaderTarget {
  get(name: string): unknown
  set(name: string, value: string): unknown
}

/**
 * The headers with which browsers let scripts of other origins use the endpoint (Fetch standard). A bearer token is sent by
 * the script itself, never by the browser, so any origin is safe.
 */
export class Cors {
  readonly #origins: '*' | ReadonlySet<string> | undefined

  constructor(option: CorsOption) {
    this.#origins = option === false ? undefined : option === '*' ? option : new Set(option)
  }

  /** The answer to a preflight request of the endpoint, which has no token. `undefined` when the option is `false`. */
  preflight(origin: string | undefined): Answer | undefined {
    if (!this.#origins) return undefined
    const headers = {
      ...this.#origin(origin),
      'Access-Control-Allow-Methods': 'GET, POST, DELETE',
      'Access-Control-Allow-Headers': ALLOWED,
      'Access-Control-Max-Age': '86400',
    }
    return { status: 204, headers, body: undefined }
  }

  /** Adds the headers to a response. Those that other middleware has set stay. */
  addTo(response: HeaderTarget, origin: string | undefined): void {
    if (!this.#origins) return
    const { Vary: vary, ...allowed } = this.#origin(origin)
    if (vary !== undefined) response.set('Vary', joined(response.get('Vary'), [vary]))
    if (!response.get('Access-Control-Allow-Origin'))
      for (const [name, value] of Object.entries(allowed)) response.set(name, value)
    const exposed = 'Access-Control-Expose-Headers'
    response.set(exposed, joined(response.get(exposed), EXPOSED))
  }

  #origin(origin: string | undefined): Record<string, string> {
    if (this.#origins === '*') return { 'Access-Control-Allow-Origin': '*' }
    // RFC 9110 §12.5.5: a cache must not give the answer for one origin to another one.
    if (origin === undefined || !this.#origins?.has(origin)) return { Vary: 'Origin' }
    return { 'Access-Control-Allow-Origin': origin, Vary: 'Origin' }
  }
}

/** A list in a header, with further members. */
function joined(before: unknown, members: readonly string[]): string {
  const list = [before].flat().flatMap((value) => (typeof value === 'string' ? value.split(',') : []))
  const present = list.map((member) => member.trim()).filter((member) => member !== '')
  const known = new Set(present.map((member) => member.toLowerCase()))
  return [...present, ...members.filter((member) => !known.has(member.toLowerCase()))].join(', ')
}
