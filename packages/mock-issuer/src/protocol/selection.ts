import { OAuthError } from './refusals.js'

/**
 * The requested scopes, without repetitions. A request without scopes gets all allowed ones (RFC 6749 §3.3).
 *
 * @param requested the `scope` parameter
 * @throws {OAuthError} `invalid_scope`
 */
export function selectScopes(requested: string | undefined, allowed: readonly string[]): readonly string[] {
  if (requested === undefined) return allowed
  const scopes = [...new Set(requested.split(' '))]
  if (!scopes.every((scope) => allowed.includes(scope)))
    throw new OAuthError('invalid_scope', 'A scope is unknown or not allowed')
  return scopes
}

/**
 * The requested resources. A request without resources gets the granted ones. Without granted ones, any resource may
 * be requested (RFC 8707 §2.2).
 *
 * @throws {OAuthError} `invalid_target`
 */
export function selectResources(requested: readonly string[], granted: readonly string[]): readonly string[] {
  if (requested.length === 0) return granted
  for (const resource of requested) {
    if (!isResource(resource))
      throw new OAuthError('invalid_target', 'A resource must be an absolute URI without fragment')
    if (granted.length > 0 && !granted.includes(resource))
      throw new OAuthError('invalid_target', 'A resource was not granted')
  }
  return requested
}

/** Whether the value is an absolute URI without a fragment (RFC 8707 §2). */
export function isResource(value: string): boolean {
  return /^[a-z][a-z\d+.-]*:[\x21-\x7e]+$/i.test(value) && !value.includes('#')
}
