/** The `WWW-Authenticate` challenge, as RFC 6750 §3 writes it. */

/** What a challenge says. Every member is optional in RFC 6750 §3, but a bare `Bearer` is not allowed. */
export interface ChallengeParameters {
  /** RFC 6750 §3.1. Absent when the request carried no credentials. */
  readonly error?: string | undefined
  readonly errorDescription?: string | undefined
  /** All the scopes that the operation needs. */
  readonly scopes?: readonly string[] | undefined
}

/** One scope (RFC 6749 §3.3): nothing that could end a quoted string, or a header. */
export const SCOPE_TOKEN: RegExp = /^[\x21\x23-\x5B\x5D-\x7E]+$/

/**
 * The realm of every challenge. RFC 9110 §11.5 asks that it be the same for one protection space; RFC 6750
 * §3 that a challenge has at least one parameter, and this one is always known.
 */
const REALM = 'api'

/** Formats a Bearer challenge; each parameter at most once, always in the same order. */
export function formatChallenge(parameters: ChallengeParameters): string {
  let challenge = `Bearer realm="${REALM}"`
  if (parameters.error !== undefined) challenge += `, error="${parameters.error}"`
  if (parameters.errorDescription !== undefined)
    challenge += `, error_description="${parameters.errorDescription}"`
  // The errors can be made by anybody, of any string. `offline_access` asks the authorization server for a
  // refresh token; it never opens a resource (MCP authorization).
  const scope = parameters.scopes
    ?.filter((name) => SCOPE_TOKEN.test(name) && name !== 'offline_access')
    .join(' ')
  if (scope) challenge += `, scope="${scope}"`
  return challenge
}
