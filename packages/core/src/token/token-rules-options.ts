import {
  applyChecks,
  closest,
  describe,
  type Given,
  type OptionCheck,
  type OptionChecks,
  objectWith,
  oneOf,
  wrongKind,
} from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'
import { ALGORITHMS, type Algorithm, isAlgorithm } from './algorithms.js'
import { resolveAudience } from './audience-option.js'
import { type NamesOfClaims, type Profile, STANDARD_NAMES, type TokenRules } from './claims.js'

/** The names of claims in an issuer's tokens. */
export interface ClaimNames {
  /**
   * The claim with the scopes, a space-separated string or an array: `'scp'`, `'permissions'`.
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

/** The requirements for the tokens of an issuer. */
export interface TokenRulesOptions {
  /**
   * The identifier of this API, or several. The claim `aud` must name one of them (RFC 9068 §4). `null` turns the check off:
   * tokens for any API of this issuer are then accepted here.
   *
   * @default the environment variable `TELNYX_AUTH_AUDIENCE`, comma-separated; without it, required
   */
  readonly audience?: string | readonly string[] | null | undefined
  /**
   * The form of a token. `'telnyx'`: `typ` absent, `JWT` or `at+jwt`, and the claims `iss`, `aud` and `exp`. `'rfc9068'`:
   * `typ` `at+jwt` and every claim that RFC 9068 §2.2 requires.
   *
   * @default 'telnyx'
   */
  readonly profile?: Profile | undefined
  /**
   * The names of the claims with scopes and client id, where an issuer has other names than RFC 9068. Claims of other names
   * are not read; in introspection responses, the names of RFC 7662 come first. Not with profile `'rfc9068'`.
   *
   * @default { scopes: 'scope', clientId: 'client_id' }
   */
  readonly claimNames?: ClaimNames | undefined
  /**
   * The signature algorithms that are allowed (RFC 8725 §3.1). Each key is used with its own algorithm only.
   *
   * @default all eleven that are supported: RS, PS and ES with 256, 384 and 512; EdDSA, Ed25519
   */
  readonly algorithms?: readonly Algorithm[] | undefined
}

/** Registered claims with another meaning (RFC 7519 §4.1, RFC 7662 §2.2, RFC 7800 §3.1). */
const OTHER_CLAIMS: readonly string[] = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'cnf', 'active']

const checkClaimNames = objectWith<NamesOfClaims>({
  scopes: claimName(STANDARD_NAMES.scopes, STANDARD_NAMES.clientId),
  clientId: claimName(STANDARD_NAMES.clientId, STANDARD_NAMES.scopes),
})

const CHECKS: OptionChecks<Omit<TokenRules, 'issuer' | 'audience'>> = {
  profile: oneOf('telnyx', 'rfc9068'),
  claimNames: (value, name) => {
    const names = checkClaimNames(value, name)
    if (names.scopes !== names.clientId) return names
    throw new ConfigurationError('Option "claimNames" must not name the same claim twice')
  },
  algorithms: checkAlgorithms,
}

/**
 * Checks the requirements for the tokens of an issuer, and fills in defaults.
 *
 * @param audience the environment variable `TELNYX_AUTH_AUDIENCE`
 * @throws {ConfigurationError}
 */
export function resolveTokenRules(given: Given, issuer: string, audience: string | undefined): TokenRules {
  const rules = applyChecks(CHECKS, given)
  const { scopes, clientId } = rules.claimNames
  // RFC 9068 §2.2 and §2.2.3
  if (
    rules.profile === 'rfc9068' &&
    (scopes !== STANDARD_NAMES.scopes || clientId !== STANDARD_NAMES.clientId)
  )
    throw new ConfigurationError(
      'Options "claimNames" and "profile" exclude each other: RFC 9068 puts scopes into "scope", and the client into "client_id"',
    )
  return { ...rules, issuer, audience: resolveAudience(given.audience, audience) }
}

function claimName(byDefault: string, taken: string): OptionCheck<string> {
  return (value, member) => {
    if (value === undefined) return byDefault
    if (typeof value !== 'string' || value === '')
      throw new ConfigurationError(
        `Option "claimNames" must have the name of a claim as "${member}", not ${describe(value)}`,
      )
    if (OTHER_CLAIMS.includes(value) || value === taken)
      throw new ConfigurationError(
        `Option "claimNames" must not have "${value}" as "${member}": this claim has another meaning`,
      )
    return value
  }
}

function checkAlgorithms(option: unknown): ReadonlySet<Algorithm> {
  if (option === undefined) return new Set(ALGORITHMS)
  if (!Array.isArray(option) || option.length === 0)
    throw wrongKind('algorithms', `an array of at least one of ${ALGORITHMS.join(', ')}`, option)
  return new Set(Array.from(option, checkAlgorithm))
}

function checkAlgorithm(name: unknown): Algorithm {
  if (isAlgorithm(name)) return name
  if (typeof name !== 'string')
    throw new ConfigurationError(`Option "algorithms" must hold names of algorithms, not ${describe(name)}`)
  if (/^(none|hs\d*)$/i.test(name.trim()))
    throw new ConfigurationError(
      `Option "algorithms" must not hold "none" or an HMAC algorithm: with those, anyone with the issuer's public keys can make tokens; accepted are ${ALGORITHMS.join(', ')}`,
    )
  const meant = closest(name, ALGORITHMS)
  throw new ConfigurationError(
    `Option "algorithms" holds a name that is not supported${meant ? ` (did you mean "${meant}"?)` : ''}; accepted are ${ALGORITHMS.join(', ')}`,
  )
}
