import { OAuthError } from './refusals.js'

/**
 * The scopes that are asked for, each once; all that are allowed where none is asked for (RFC 6749 §3.3).
 *
 * @throws {OAuthError} `invalid_scope`
 */
export function selectScopes(asked: string | undefined, allowed: readonly string[]): readonly string[] {
  if (asked === undefined) return allowed
  const scopes = [...new Set(asked.split(' '))]
  if (!scopes.every((scope) => allowed.includes(scope)))
    throw new OAuthError('invalid_scope', 'A scope is unknown or not allowed')
  return scopes
}

/**
 * The resources that are asked for; those that were granted where none is asked for. Where none was granted, any may
 * be asked for (RFC 8707 §2.2).
 *
 * @throws {OAuthError} `invalid_target`
 */
export function selectResources(asked: readonly string[], granted: readonly string[]): readonly string[] {
  if (asked.length === 0) return granted
  for (const resource of asked) {
    if (!isResource(resource))
      throw new OAuthError('invalid_target', 'A resource must be an absolute URI without fragment')
    if (granted.length > 0 && !granted.includes(resource))
      throw new OAuthError('invalid_target', 'A resource was not granted')
  }
  return asked
}

/** RFC 8707 §2: an absolute URI, without a fragment. */
export function isResource(value: string): boolean {
  return /^[a-z][a-z\d+.-]*:[\x21-\x7e]+$/i.test(value) && !value.includes('#')
}
