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
  method: string
  headers: Record<string, string>
  body?: string
  /** Redirects are never followed (RFC 8414 §3, RFC 9700 §4.11). */
  redirect: 'manual'
  /** Aborted when the time limit is over, or when the rest of the response is not needed. */
  signal: AbortSignal
}

/** The part of a web `Response` that is read. */
export interface FetchResponse {
  readonly status: number
  readonly redirected?: boolean
  readonly headers: { get(name: string): string | null }
  readonly body: {
    getReader(): {
      read(): Promise<{ done: boolean; value?: unknown }>
      cancel(): Promise<void>
    }
  } | null
}
