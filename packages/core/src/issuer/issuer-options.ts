import { copyOfJson } from '../base/json.js'
import { ownMembers } from '../base/own-members.js'
import { flawOfUrl, isSecureUrl } from '../base/url.js'
import { checkNames, describe } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'
import type { Algorithm } from '../token/algorithms.js'
import { resolveAudience } from '../token/audience-option.js'
import type { Profile } from '../token/claims.js'
import {
  type ClaimNames,
  resolveAlgorithms,
  resolveClaimNames,
  resolveProfile,
} from '../token/token-rules-options.js'
import type { KnownEndpoints } from './discovery/issuer-metadata.js'
import { type AuthorizationServerMetadata, validateMetadata } from './discovery/metadata-document.js'
import { checkOneOpaqueIssuer } from './introspection/introspection-decision.js'
import { type IntrospectionOptions, resolveIntrospection } from './introspection/introspection-options.js'
import { type KeysOptions, resolveKeys } from './keys/keys-options.js'
import type { ResolvedIssuer } from './trusted-issuer.js'

/** What may be different for each issuer. */
export interface IssuerSettings {
  /**
   * The identifier of this API; a token must name it, or one of them, in `aud` (RFC 9068 §4). `null` turns
   * the check off: then a token for any API of this issuer is accepted here.
   *
   * @default the environment variable `TELNYX_AUTH_AUDIENCE`, comma-separated; without it, required
   */
  readonly audience?: string | readonly string[] | null | undefined
  /**
   * What a token must look like. `'telnyx'`: `typ` absent, `JWT` or `at+jwt`, and the claims `iss`, `aud` and
   * `exp`. `'rfc9068'`: `typ` `at+jwt` and every claim that RFC 9068 §2.2 requires.
   *
   * @default 'telnyx'
   */
  readonly profile?: Profile | undefined
  /**
   * Where the issuer puts scopes and client id. Only the claims of these names are read; in answers to introspection, those of
   * RFC 7662 come first. Not with profile `'rfc9068'`, which has names of its own.
   *
   * @default { scopes: 'scope', clientId: 'client_id' }
   */
  readonly claimNames?: ClaimNames | undefined
  /**
   * The signature algorithms that are accepted (RFC 8725 §3.1). Each key still serves its own only.
   *
   * @default all eleven that are supported: RS, PS and ES with 256, 384 and 512; EdDSA, Ed25519
   */
  readonly algorithms?: readonly Algorithm[] | undefined
  /** How keys are kept, and how often they are fetched. */
  readonly keys?: KeysOptions | undefined
  /**
   * Where the keys are, instead of where the metadata say (RFC 8414 §2): an `https` URL.
   *
   * @default discovered
   */
  readonly jwksUri?: string | undefined
  /**
   * The keys themselves, as a JWK Set (RFC 7517 §5): then none are fetched, and they never change.
   *
   * @default fetched
   */
  readonly jwks?: { readonly keys: readonly object[] } | undefined
  /**
   * The metadata document (RFC 8414 §2), with its names: then none is fetched.
   *
   * @default fetched
   */
  readonly metadata?: { readonly issuer: string; readonly [member: string]: unknown } | undefined
  /**
   * Where tokens are introspected, instead of where the metadata say: an `https` URL.
   *
   * @default discovered
   */
  readonly introspectionEndpoint?: string | undefined
  /**
   * Whether, how and as whom the issuer is asked about tokens (RFC 7662).
   *
   * @default it is not
   */
  readonly introspection?: IntrospectionOptions | undefined
}

/** One of several issuers. What is left out is as the verifier has it. */
export interface IssuerOptions extends IssuerSettings {
  /** The identifier of the issuer (RFC 8414 §2). */
  readonly issuer: string
}

/** The variables of the process. Not Node's own type for them, which users need not have installed. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The variables that are read here, by their names. `process.env` inherits from `Object.prototype`. */
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

/** What of one issuer cannot be meant for another. */
const OF_ONE_ISSUER: readonly string[] = [
  'jwksUri',
  'jwks',
  'metadata',
  'introspectionEndpoint',
  'introspection',
] satisfies (keyof IssuerSettings)[]

/** The names of all that may be different for each issuer. */
export const ISSUER_OPTIONS: readonly string[] = [
  'audience',
  'profile',
  'claimNames',
  'algorithms',
  'keys',
  ...OF_ONE_ISSUER,
] satisfies string[]

type Given = Readonly<Record<string, unknown>>

/**
 * Checks and copies what is said of issuers: once for each.
 *
 * @param given the options of a verifier, whose names were checked already
 * @throws {ConfigurationError} for anything missing, contradictory, unknown or of the wrong type
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
      `Option "${misplaced}" is for one issuer: where "issuer" is an array, it belongs into the entry of the issuer that it is meant for`,
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
  // The variables are for Telnyx: no other issuer is to be told its secret.
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
  const known = resolveKnown(given, issuer)
  const algorithms = resolveAlgorithms(given.algorithms)
  if (given.introspectionEndpoint !== undefined && !introspection)
    throw new ConfigurationError(
      'Option "introspectionEndpoint" does nothing without the option "introspection"',
    )
  if (introspection && known.metadata && known.introspectionEndpoint === undefined)
    throw new ConfigurationError(
      'Introspection needs an "introspection_endpoint" in the option "metadata", or the option "introspectionEndpoint"',
    )
  const profile = resolveProfile(given.profile)
  return {
    rules: {
      issuer,
      audience: resolveAudience(given.audience, environment.TELNYX_AUTH_AUDIENCE),
      profile,
      claimNames: resolveClaimNames(given.claimNames, profile),
      algorithms,
    },
    known,
    keys: resolveKeys(given, algorithms),
    introspection,
  }
}

function resolveKnown(
  { jwks, jwksUri, metadata, introspectionEndpoint }: Given,
  issuer: string,
): KnownEndpoints {
  if (jwks !== undefined && jwksUri !== undefined)
    throw new ConfigurationError('Options "jwks" and "jwksUri" exclude each other')
  for (const [name, url] of Object.entries({ jwksUri, introspectionEndpoint }))
    if (url !== undefined && !(isSecureUrl(url) && flawOfUrl(url) === undefined))
      throw new ConfigurationError(
        `Option "${name}" must be an https URL without credentials (http for loopback hosts only), ${typeof url === 'string' ? (flawOfUrl(url) ?? 'which this one is not') : `not ${describe(url)}`}`,
      )
  const needsKeys = jwks === undefined && jwksUri === undefined
  const document = metadata === undefined ? undefined : resolveMetadata(metadata, issuer, needsKeys)
  return {
    jwksUri: isSecureUrl(jwksUri) ? jwksUri : document?.jwksUri,
    introspectionEndpoint: isSecureUrl(introspectionEndpoint)
      ? introspectionEndpoint
      : document?.introspectionEndpoint,
    metadata: document,
  }
}

/** Here, a loopback host is allowed for every issuer: the operator of this API chose it. */
function resolveMetadata(metadata: unknown, issuer: string, needsKeys: boolean): AuthorizationServerMetadata {
  const checked = validateMetadata(copyOfJson(metadata), issuer, needsKeys, isSecureUrl)
  if (checked.flaw !== undefined)
    throw new ConfigurationError(`Option "metadata" is not usable: ${checked.explanation ?? checked.flaw}`)
  return checked.metadata
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
