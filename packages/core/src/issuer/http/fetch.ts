/**
 * The `fetch` implementation for requests to the issuer. The global one, undici's and those of test kits all fit.
 *
 * @example
 * import type { FetchFunction } from '@telnyx-auth/core'
 *
 * const fetch: FetchFunction = async (url, init) => {
 *   const response = await globalThis.fetch(url, init)
 *   console.info(init.method, new URL(url).host, response.status)
 *   return response
 * }
 */
export type FetchFunction = (url: string, init: FetchInit) => Promise<FetchResponse>

/** The options that are passed to a {@link FetchFunction}. */
export interface FetchInit {
  /** The HTTP method. */
  method: string
  /** The headers, with names in lower case. */
  headers: Record<string, string>
  /** The form of an introspection request (RFC 7662 §2.1). */
  body?: string
  /** Redirects are never followed (RFC 8414 §3, RFC 9700 §4.11). */
  redirect: 'manual'
  /** Aborted when the time limit is over, or when the rest of the response is not needed. */
  signal: AbortSignal
}

/** The part of a web `Response` that is read. */
export interface FetchResponse {
  /** The HTTP status. */
  readonly status: number
  /** Whether a redirect was followed: such a response is refused. */
  readonly redirected?: boolean
  /** The headers, as those of the web. */
  readonly headers: { get(name: string): string | null }
  /** The body as a stream of bytes; `null` without one. */
  readonly body: {
    getReader(): {
      read(): Promise<{ done: boolean; value?: unknown }>
      cancel(): Promise<void>
    }
  } | null
}
