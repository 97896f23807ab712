/** The `WWW-Authenticate` challenges, as RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3 and RFC 9728 §5.1 write them. */

import { ownMember } from '../base/own-members.js'
import { NQCHARS, NQSCHARS } from '../base/syntax.js'

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

/** What a challenge says about DPoP (RFC 9449 §7.1). */
export interface DpopChallenge {
  /** The algorithms of proofs, with spaces between them. */
  readonly algorithms: string
  /** Whether tokens that are not bound are accepted too, as Bearer tokens. */
  readonly acceptsBearer: boolean
}

/**
 * Formats the challenges of a refusal. Where both schemes are accepted there are two: only that of the scheme that the caller has
 * used names an error (RFC 9449 §7.2), and all else is in both, because clients read one of them.
 *
 * @param dpop `undefined` where DPoP is not accepted
 * @param isDpop whether the caller used the scheme `DPoP`
 */
export function formatChallenges(
  parameters: ChallengeParameters,
  dpop: DpopChallenge | undefined,
  isDpop: boolean,
): string {
  if (!dpop) return formatChallenge('Bearer', parameters)
  const withoutError = { ...parameters, error: undefined, errorDescription: undefined }
  const formatDpop = (each: ChallengeParameters) =>
    `${formatChallenge('DPoP', each)}${format('algs', dpop.algorithms)}`
  if (isDpop || !dpop.acceptsBearer) return formatDpop(parameters)
  return `${formatChallenge('Bearer', parameters)}, ${formatDpop(withoutError)}`
}

/** Formats a challenge; each parameter at most once, always in the same order. */
function formatChallenge(scheme: 'Bearer' | 'DPoP', parameters: ChallengeParameters): string {
  // `offline_access` asks the authorization server for a refresh token; it never opens a resource (MCP authorization).
  const scopes = ownMember(parameters, 'scopes')?.filter((scope) => scope !== 'offline_access')
  return [
    `${scheme} realm="${REALM}"`,
    format('error', ownMember(parameters, 'error')),
    format('error_description', ownMember(parameters, 'errorDescription')),
    format('scope', listOf(scopes)),
    format('acr_values', listOf(ownMember(parameters, 'acrValues'))),
    format('max_age', ownMember(parameters, 'maxAgeSeconds')?.toString()),
    format('resource_metadata', ownMember(parameters, 'resourceMetadata')),
  ].join('')
}

/** One parameter after others. JavaScript lets programs write anything to the members of an error. */
function format(name: string, value: string | undefined): string {
  return value && NQSCHARS.test(value) ? `, ${name}="${value}"` : ''
}

/** Applications can create the errors with any string. A value that no list can hold is left out. */
function listOf(values: readonly string[] | undefined): string | undefined {
  return values?.filter((value) => NQCHARS.test(value)).join(' ')
}
