import { NQCHARS, NQSCHARS } from '../base/syntax.js'
/** The `WWW-Authenticate` challenge, as RFC 6750 §3, RFC 9470 §3 and RFC 9728 §5.1 write it. */

import { ownMembers } from '../base/own-members.js'

/** What a challenge says. Every member is optional in RFC 6750 §3, but a bare `Bearer` is not allowed. */
export interface ChallengeParameters {
  /** RFC 6750 §3.1. Absent when the request carried no credentials. */
  readonly error?: string | undefined
  readonly errorDescription?: string | undefined
  /** All the scopes that the operation needs. */
  readonly scopes?: readonly string[] | undefined
  /** RFC 9470 §3: the authentication context classes of which one is needed. */
  readonly acrValues?: readonly string[] | undefined
  /** RFC 9470 §3: how many seconds ago the user may have authenticated at most. */
  readonly maxAgeSeconds?: number | undefined
  /** RFC 9728 §5.1: the URL of the metadata of the protected resource. */
  readonly resourceMetadata?: string | undefined
}

/**
 * The realm of every challenge. RFC 9110 §11.5 asks that it be the same for one protection space; RFC 6750
 * §3 that a challenge has at least one parameter, and this one is always known.
 */
const REALM = 'api'

/** Formats a Bearer challenge; each parameter at most once, always in the same order. */
export function formatChallenge(parameters: ChallengeParameters): string {
  const { error, errorDescription, scopes, acrValues, maxAgeSeconds, resourceMetadata } =
    ownMembers(parameters)
  const named: [string, string | undefined][] = [
    ['realm', REALM],
    ['error', error],
    ['error_description', errorDescription],
    // `offline_access` asks the authorization server for a refresh token; it never opens a resource (MCP
    // authorization).
    ['scope', listOf(scopes?.filter((scope) => scope !== 'offline_access'))],
    ['acr_values', listOf(acrValues)],
    ['max_age', maxAgeSeconds?.toString()],
    ['resource_metadata', resourceMetadata],
  ]
  // JavaScript lets programs write anything to the members of an error.
  const written = named.flatMap(([name, value]) =>
    value && NQSCHARS.test(value) ? `${name}="${value}"` : [],
  )
  return `Bearer ${written.join(', ')}`
}

/** Applications can create the errors with any string. A value that no list can hold is left out. */
function listOf(values: readonly string[] | undefined): string | undefined {
  return values?.filter((value) => NQCHARS.test(value)).join(' ')
}
