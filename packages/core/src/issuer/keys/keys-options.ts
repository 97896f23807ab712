import { copyOfJson } from '../../base/json.js'
import { describe, numberIn, objectWith } from '../../errors/check-options.js'
import { ConfigurationError } from '../../errors/errors.js'
import type { Algorithm } from '../../token/algorithms.js'
import { describeLeftOut, findUnusable } from './json-web-key.js'

/** How the keys of an issuer are cached and refetched. */
export interface KeysOptions {
  /**
   * How long a JWK Set is fresh when its response has no `Cache-Control: max-age`, in seconds, 60 to 86400.
   *
   * @default 300
   */
  readonly lifetimeSeconds?: number | undefined
  /**
   * How long stale keys, and stale metadata, are used while the issuer cannot be reached (stale-if-error, RFC 5861 §4), in
   * seconds, up to 30 days. A key that was withdrawn during the outage is accepted until then.
   *
   * @default 86400
   */
  readonly maxStaleSeconds?: number | undefined
  /**
   * The span of the refetch limit, in seconds, 1 to 3600: tokens with unknown keys cause at most two refetches within it, and in
   * a lasting flood one in each half of it. A key id that was not looked up yet is answered with 503 and `Retry-After` until
   * the next refetch or refresh, so a longer span delays new keys during a flood.
   *
   * @default 30
   */
  readonly cooldownSeconds?: number | undefined
}

/** {@link KeysOptions} and the option `jwks`, checked, with their defaults; durations in milliseconds. */
export interface ResolvedKeys {
  readonly lifetimeMs: number
  readonly maxStaleMs: number
  readonly cooldownMs: number
  /** The configured JWK Set; without one, the keys are fetched. */
  readonly jwks?: unknown
}

const check = objectWith<Record<keyof KeysOptions, number>>({
  lifetimeSeconds: numberIn({ default: 300, min: 60, max: 86_400 }),
  maxStaleSeconds: numberIn({ default: 86_400, min: 0, max: 30 * 86_400 }),
  cooldownSeconds: numberIn({ default: 30, min: 1, max: 3600 }),
})

/**
 * Checks the options `keys` and `jwks`, and fills in the defaults.
 *
 * @param algorithms the algorithms that are allowed: a configured JWK Set must have a key for one of them
 * @throws {ConfigurationError}
 */
export function resolveKeys(
  { keys, jwks }: { readonly keys?: unknown; readonly jwks?: unknown },
  algorithms: ReadonlySet<Algorithm>,
): ResolvedKeys {
  const { lifetimeSeconds, maxStaleSeconds, cooldownSeconds } = check(keys, 'keys')
  return {
    lifetimeMs: 1000 * lifetimeSeconds,
    maxStaleMs: 1000 * maxStaleSeconds,
    cooldownMs: 1000 * cooldownSeconds,
    jwks: checkKeySet(jwks, algorithms),
  }
}

function checkKeySet(jwks: unknown, algorithms: ReadonlySet<Algorithm>): unknown {
  if (jwks === undefined) return undefined
  const copy = copyOfJson(jwks)
  const unusable = findUnusable(copy, algorithms)
  if (unusable === undefined) return copy
  const without = typeof jwks === 'object' && jwks !== null ? ' without one' : ''
  const why = unusable.length > 0 ? `; left out: ${describeLeftOut(unusable)}` : ''
  throw new ConfigurationError(
    `Option "jwks" must be a JWK Set with at least one public key that can be used to verify signatures with an allowed algorithm, not ${describe(jwks)}${without}${why}`,
  )
}
