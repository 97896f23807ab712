import { describe } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'

/**
 * For which tokens the issuer is asked (RFC 7662). `'fallback'`: tokens that the local check cannot decide, because they are
 * not JWTs, or their key is unknown or could not be loaded. `'always'`: every token that the local check accepts or cannot
 * decide. `'opaque'`: tokens that are not JWTs.
 */
export type IntrospectionWhen = 'fallback' | 'always' | 'opaque'

/**
 * Checks a value of the option `introspection`.
 *
 * @throws {ConfigurationError}
 */
export function checkWhen(value: unknown): IntrospectionWhen {
  if (value === 'fallback' || value === 'always' || value === 'opaque') return value
  throw new ConfigurationError(
    `Option "introspection" must say "fallback", "always" or "opaque", not ${describe(value)}`,
  )
}
