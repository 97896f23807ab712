import { checkNames, closest, describe } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'
import { ALGORITHMS, type Algorithm, isAlgorithm } from './algorithms.js'
import { type NamesOfClaims, type Profile, STANDARD_NAMES } from './claims.js'

/** Under which names an issuer puts claims into its tokens. */
export interface ClaimNames {
  /**
   * The claim with the scopes, a string of them or an array: `'scp'`, `'permissions'`.
   *
   * @default 'scope'
   */
  readonly scopes?: string | undefined
  /**
   * The claim with the client that the token was issued to: `'azp'`, `'cid'`, `'appid'`.
   *
   * @default 'client_id'
   */
  readonly clientId?: string | undefined
}

export function resolveProfile(option: unknown): Profile {
  if (option === undefined) return 'telnyx'
  if (option === 'telnyx' || option === 'rfc9068') return option
  throw new ConfigurationError(`Option "profile" must be "telnyx" or "rfc9068", not ${describe(option)}`)
}

/** Claims that say something else in every token (RFC 7519 §4.1, RFC 7662 §2.2, RFC 7800 §3.1). */
const OTHER_CLAIMS: readonly string[] = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'cnf', 'active']

export function resolveClaimNames(option: unknown, profile: Profile): NamesOfClaims {
  const given = checkNames(
    option === undefined ? {} : option,
    ['scopes', 'clientId'] satisfies (keyof ClaimNames)[],
    'member of "claimNames"',
  )
  const names = {
    scopes: resolveClaimName(given, 'scopes', STANDARD_NAMES.clientId),
    clientId: resolveClaimName(given, 'clientId', STANDARD_NAMES.scopes),
  }
  if (names.scopes === names.clientId)
    throw new ConfigurationError('Option "claimNames" must not name the same claim twice')
  // RFC 9068 §2.2 and §2.2.3
  if (
    profile === 'rfc9068' &&
    (names.scopes !== STANDARD_NAMES.scopes || names.clientId !== STANDARD_NAMES.clientId)
  )
    throw new ConfigurationError(
      'Options "claimNames" and "profile" exclude each other: RFC 9068 says that scopes are in "scope", and the client is in "client_id"',
    )
  return names
}

function resolveClaimName(
  given: Record<string, unknown>,
  member: keyof NamesOfClaims & keyof ClaimNames,
  taken: string,
): string {
  const { [member]: name = STANDARD_NAMES[member] } = given
  if (typeof name !== 'string' || name === '')
    throw new ConfigurationError(
      `Option "claimNames" must have the name of a claim as "${member}", not ${describe(name)}`,
    )
  if (OTHER_CLAIMS.includes(name) || name === taken)
    throw new ConfigurationError(
      `Option "claimNames" must not have "${name}" as "${member}": this claim says something else`,
    )
  return name
}

export function resolveAlgorithms(option: unknown): ReadonlySet<Algorithm> {
  if (option === undefined) return new Set(ALGORITHMS)
  if (!Array.isArray(option) || option.length === 0)
    throw new ConfigurationError(
      `Option "algorithms" must be an array of at least one of ${ALGORITHMS.join(', ')}, not ${describe(option)}`,
    )
  return new Set(
    Array.from(option, (name: unknown) => {
      if (isAlgorithm(name)) return name
      if (typeof name !== 'string')
        throw new ConfigurationError(
          `Option "algorithms" must hold names of algorithms, not ${describe(name)}`,
        )
      if (/^(none|hs\d*)$/i.test(name.trim()))
        throw new ConfigurationError(
          `Option "algorithms" must not hold "none" or an HMAC algorithm: with those, whoever knows the issuer's public keys can make tokens; accepted are ${ALGORITHMS.join(', ')}`,
        )
      const meant = closest(name, ALGORITHMS)
      throw new ConfigurationError(
        `Option "algorithms" holds a name that is not supported${meant ? ` (did you mean "${meant}"?)` : ''}; accepted are ${ALGORITHMS.join(', ')}`,
      )
    }),
  )
}
