import { ownMembers } from '../base/own-members.js'
import { flawOfUrl, isSecureUrl } from '../base/url.js'
import { checkNames, describe, type Given } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'
import { resolveTokenRules, type TokenRulesOptions } from '../token/token-rules-options.js'
import { type DiscoveryOptions, resolveEndpoints } from './discovery/discovery-options.js'
import { checkOneOpaqueIssuer } from './introspection/introspection-decision.js'
import { type IntrospectionOptions, resolveIntrospection } from './introspection/introspection-options.js'
import { type KeysOptions, resolveKeys } from './keys/keys-options.js'
import type { ResolvedIssuer } from './trusted-issuer.js'

/** The options that each issuer may have for itself. */
export interface IssuerSettings extends TokenRulesOptions, DiscoveryOptions {
  /** How long keys are cached, and how often they are fetched. */
  readonly keys?: KeysOptions | undefined
  /**
   * For which tokens the issuer is asked (RFC 7662), and with which credentials.
   *
   * @default off
   */
  readonly introspection?: IntrospectionOptions | undefined
}

/** One of several issuers. For an option that is left out, the option of the verifier applies. */
export interface IssuerOptions extends IssuerSettings {
  /** The identifier of the issuer (RFC 8414 §2). */
  readonly issuer: string
}

/** Environment variables. Not the type of `@types/node`, which users need not have installed. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The variables that this library reads. Only own members, because `process.env` inherits from `Object.prototype`. */
function variablesOf(environment: Environment): Environment {
  const own = (name: string) => (Object.hasOwn(environment, name) ? environment[name] : undefined)
  return {
    TELNYX_AUTH_ISSUER: own('TELNYX_AUTH_ISSUER'),
    TELNYX_AUTH_AUDIENCE: own('TELNYX_AUTH_AUDIENCE'),
    TELNYX_CLIENT_ID: own('TELNYX_CLIENT_ID'),
    TELNYX_CLIENT_SECRET: own('TELNYX_CLIENT_SECRET'),
  }
}

const TELNYX_ISSUER = 'https://api.telnyx.com'

/** The options that several issuers cannot share. */
const OF_ONE_ISSUER: readonly string[] = [
  'jwksUri',
  'jwks',
  'metadata',
  'introspectionEndpoint',
  'introspection',
] satisfies (keyof IssuerSettings)[]

/** The names of all options that each issuer may have for itself. */
export const ISSUER_OPTIONS: readonly string[] = [
  'audience',
  'profile',
  'claimNames',
  'algorithms',
  'keys',
  ...OF_ONE_ISSUER,
] satisfies string[]

/**
 * Checks the options of all issuers, and fills in defaults.
 *
 * @param given the options of a verifier, whose names were checked
 * @throws {ConfigurationError} for any option that is missing, contradictory, unknown or of the wrong type
 */
export function resolveIssuers(
  given: Given,
  variables: Environment,
): readonly [ResolvedIssuer, ...ResolvedIssuer[]] {
  const environment = variablesOf(variables)
  const { issuer } = given
  if (!Array.isArray(issuer)) return [resolveIssuer(given, identifierOf(issuer, environment), environment)]

  const misplaced = OF_ONE_ISSUER.find((name) => given[name] !== undefined)
  if (misplaced !== undefined)
    throw new ConfigurationError(
      `Option "${misplaced}" is for one issuer: where "issuer" is an array, set it in the entry of that issuer`,
    )
  const [first, ...others] = Array.from(issuer, (entry: unknown) => resolveEntry(entry, given, environment))
  if (!first)
    throw new ConfigurationError('Option "issuer" must name at least one issuer, not be an empty array')
  const identifiers = new Set([first, ...others].map(({ rules }) => rules.issuer))
  if (identifiers.size <= others.length)
    throw new ConfigurationError('Option "issuer" must not name the same issuer twice')
  checkOneOpaqueIssuer([first, ...others].map(({ introspection }) => introspection?.when))
  return [first, ...others]
}

function resolveEntry(entry: unknown, shared: Given, environment: Environment): ResolvedIssuer {
  const own = checkNames(
    typeof entry === 'string' ? { issuer: entry } : entry,
    ['issuer', ...ISSUER_OPTIONS],
    'member of an entry of "issuer"',
  )
  const identifier = checkIdentifier(own.issuer, 'Every entry of option "issuer"')
  const named = Object.entries(own).filter(([, value]) => value !== undefined)
  // The credentials in the environment belong to Telnyx. No other issuer may receive its secret.
  return resolveIssuer(
    ownMembers(shared, Object.fromEntries(named)),
    identifier,
    identifier === TELNYX_ISSUER
      ? environment
      : { ...environment, TELNYX_CLIENT_ID: undefined, TELNYX_CLIENT_SECRET: undefined },
  )
}

function resolveIssuer(given: Given, issuer: string, environment: Environment): ResolvedIssuer {
  const introspection = resolveIntrospection(given.introspection, {
    clientId: environment.TELNYX_CLIENT_ID,
    clientSecret: environment.TELNYX_CLIENT_SECRET,
  })
  const known = resolveEndpoints(given, issuer)
  if (given.introspectionEndpoint !== undefined && !introspection)
    throw new ConfigurationError(
      'Option "introspectionEndpoint" does nothing without the option "introspection"',
    )
  if (introspection && known.metadata && known.introspectionEndpoint === undefined)
    throw new ConfigurationError(
      'Introspection needs an "introspection_endpoint" in the option "metadata", or the option "introspectionEndpoint"',
    )
  const rules = resolveTokenRules(given, issuer, environment.TELNYX_AUTH_AUDIENCE)
  return { rules, known, keys: resolveKeys(given, rules.algorithms), introspection }
}

function identifierOf(option: unknown, environment: Environment): string {
  const variable = environment.TELNYX_AUTH_ISSUER
  if (option === undefined && !variable) return TELNYX_ISSUER
  return option === undefined
    ? checkIdentifier(variable, 'Environment variable TELNYX_AUTH_ISSUER')
    : checkIdentifier(option, 'Option "issuer"')
}

function checkIdentifier(issuer: unknown, source: string): string {
  const accepted = 'an https URL without query, fragment and credentials (http for loopback hosts only)'
  if (typeof issuer !== 'string')
    throw new ConfigurationError(`${source} must be ${accepted}, not ${describe(issuer)}`)
  // RFC 8414 §2
  const flaw = flawOfUrl(issuer)
  if (flaw !== undefined || /[?#]/.test(issuer) || !isSecureUrl(issuer))
    throw new ConfigurationError(`${source} must be ${accepted}; ${flaw ?? 'the one that is set is not'}`)
  return issuer
}
