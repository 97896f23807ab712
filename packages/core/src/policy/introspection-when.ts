import { describe } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'

/**
 * For which tokens the issuer is asked (RFC 7662). `'fallback'`: those that cannot be judged here, because they are not
 * JWTs, or their key is not known or cannot be had. `'always'`: every one that is not refused here already. `'opaque'`:
 * those that are not JWTs.
 */
export type IntrospectionWhen = 'fallback' | 'always' | 'opaque'

/** @throws {ConfigurationError} */
export function checkWhen(value: unknown): IntrospectionWhen {
  if (value === 'fallback' || value === 'always' || value === 'opaque') return value
  throw new ConfigurationError(
    `Option "introspection" must say "fallback", "always" or "opaque", not ${describe(value)}`,
  )
}
