import { numberIn, type OptionChecks, optionalFunction, wholeNumberIn } from '../../errors/check-options.js'
import type { FetchFunction } from './fetch.js'
import type { HttpLimits } from './http-json.js'

/** How requests to the issuer are made. */
export interface HttpOptions {
  /**
   * The `fetch` implementation for requests to the issuer: for proxies, agents and test kits.
   *
   * @default the global `fetch`
   */
  readonly fetch?: FetchFunction | undefined
  /**
   * The time limit for one question to the issuer, in milliseconds, 1 to 600000. Connections, bodies and retries count.
   *
   * @default 5000
   */
  readonly timeoutMs?: number | undefined
  /**
   * The largest response of the issuer that is read, in bytes after decompression, 1 to 16777216.
   *
   * @default 262144
   */
  readonly maxResponseBytes?: number | undefined
  /**
   * How often a request is repeated at once after a broken connection, or after status 500, 502, 503 or 504 without
   * `Retry-After`: 0 to 3. Not while the issuer keeps failing.
   *
   * @default 1
   */
  readonly retries?: number | undefined
}

/** How each is checked, with its default. */
export const httpChecks: OptionChecks<HttpLimits> = {
  fetch: (value, name) =>
    // The global one is looked up for each request: a test kit may replace it after the verifier was created.
    optionalFunction<FetchFunction>(value, name) ?? ((url, init) => globalThis.fetch(url, init)),
  timeoutMs: numberIn({ default: 5000, min: 1, max: 600_000 }),
  maxResponseBytes: numberIn({ default: 262_144, min: 1, max: 16_777_216 }),
  retries: wholeNumberIn({ default: 1, min: 0, max: 3 }),
}
