/**
 * What `@telnyx-auth/cli` needs beyond the public API, so that it says of an issuer what the verifier does, and not what another
 * implementation would do. For that package only: any release may change it.
 */

import { type Freshness, lifetimeOf } from './issuer/http/cache-control.js'
import { resolveKeys } from './issuer/keys/keys-options.js'

export { systemCodeOf } from './errors/issuer-failure.js'
export type { Freshness } from './issuer/http/cache-control.js'
export { leftOutReasons } from './telemetry/keys-left-out.js'

/** How long a verifier with default options uses the keys of a response before it fetches them again, in seconds. */
export function keysLifetimeSeconds(headers: Freshness): number {
  const { lifetimeMs } = resolveKeys({}, new Set())
  return lifetimeOf(headers, lifetimeMs) / 1000
}
