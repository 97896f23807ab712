import {
  applyChecks,
  checkNames,
  numberIn,
  type OptionChecks,
  optionalFunction,
} from './errors/check-options.js'
import type { HttpLimits } from './issuer/http/http-json.js'
import { type HttpOptions, httpChecks } from './issuer/http/http-options.js'
import {
  type Environment,
  ISSUER_OPTIONS,
  type IssuerOptions,
  type IssuerSettings,
  resolveIssuers,
} from './issuer/issuer-options.js'
import type { ResolvedIssuer } from './issuer/trusted-issuer.js'
import { CompiledPolicy, type Policy } from './policy/policy.js'
import { type TokenSource, type TokenSourceOptions, tokenSourceChecks } from './request/get-token.js'
import {
  type CheckedProtectedResource,
  checkProtectedResource,
  type ProtectedResourceOptions,
} from './resource/protected-resource-options.js'
import { checkMtls } from './sender/certificate.js'
import {
  checkBaseUrl,
  checkDpop,
  type ResolvedSenderOptions,
  type SenderOptions,
} from './sender/sender-options.js'
import type { ScopeImplies } from './token/auth.js'
import type { JwtClaims } from './token/claims.js'
import { type CacheLimits, type CacheOptions, resolveCacheOptions } from './verified-token-cache.js'

/**
 * The options of a verifier. Each member of {@link Policy} is a default for all calls.
 *
 * @example
 * createVerifier({
 *   audience: 'https://api.example.com',
 *   scopes: ['messaging.read'],
 *   keys: { maxStaleSeconds: 3600 },
 * })
 */
export interface VerifierOptions<Claims extends object = JwtClaims>
  extends Omit<Policy<Claims>, 'introspection'>,
    IssuerSettings,
    TokenSourceOptions,
    SenderOptions,
    HttpOptions {
  /**
   * The issuer whose tokens are accepted: its identifier (RFC 8414 §2), compared code point by code point, an `https` URL
   * without query and fragment; `http` on loopback hosts only. Or an array of issuers, each with its own settings where they
   * differ from those of the verifier.
   *
   * @default the environment variable `TELNYX_AUTH_ISSUER`, else `https://api.telnyx.com`
   */
  readonly issuer?: string | readonly (string | IssuerOptions)[] | undefined
  /**
   * The tolerated difference between the clocks of this machine and of the issuer, in seconds, 0 to 600 (RFC 7519 §4.1.4).
   *
   * @default 5
   */
  readonly clockToleranceSeconds?: number | undefined
  /**
   * Whether a granted scope includes a required scope of another name, for scopes that form a hierarchy.
   *
   * @default a scope includes only itself
   */
  readonly scopeImplies?: ScopeImplies | undefined
  /**
   * The metadata of this API as a protected resource (RFC 9728), or `false` for none. Challenges name the URL of the
   * metadata; adapters serve them.
   *
   * @default on, where the audience is one `https` URL
   */
  readonly protectedResource?: ProtectedResourceOptions | false | undefined
  /**
   * The cache for the results of signature checks, or `false` for none. The verifier still checks on each request what may
   * change: the time, the issuer's keys, the policy, `validate`, and introspection where the policy requires it.
   *
   * @default on
   */
  readonly cache?: CacheOptions | false | undefined
}

/** Options that were checked and copied, with defaults. */
export interface ResolvedOptions extends TokenSource, ResolvedSenderOptions {
  /** At least one, with distinct identifiers. */
  readonly issuers: readonly [ResolvedIssuer, ...ResolvedIssuer[]]
  readonly limits: HttpLimits
  readonly clockToleranceSeconds: number
  readonly scopeImplies: ScopeImplies | undefined
  readonly policy: CompiledPolicy
  /** `undefined` when the cache is off. */
  readonly cache: CacheLimits | undefined
  readonly protectedResource: CheckedProtectedResource | false | undefined
}

const CHECKS: OptionChecks<Omit<ResolvedOptions, 'issuers' | 'limits' | 'policy' | 'baseUrl'>> = {
  ...tokenSourceChecks,
  clockToleranceSeconds: numberIn({ default: 5, min: 0, max: 600 }),
  scopeImplies: optionalFunction,
  protectedResource: checkProtectedResource,
  cache: resolveCacheOptions,
  dpop: checkDpop,
  mtls: checkMtls,
}

/** The names of all options of a verifier. */
export const VERIFIER_OPTIONS: readonly string[] = [
  ...new Set([
    'issuer',
    ...ISSUER_OPTIONS,
    ...Object.keys(CHECKS),
    'baseUrl',
    ...Object.keys(httpChecks),
    ...CompiledPolicy.MEMBERS,
  ]),
]

/**
 * Checks and copies options, and fills in defaults.
 *
 * @param environment where environment variables are read, now
 * @throws {ConfigurationError} for any option that is missing, contradictory, unknown or of the wrong type
 */
export function resolveOptions(options: unknown, environment: Environment): ResolvedOptions {
  const given = checkNames(options === undefined ? {} : options, VERIFIER_OPTIONS, 'option')
  return {
    ...applyChecks(CHECKS, given),
    limits: applyChecks(httpChecks, given),
    issuers: resolveIssuers(given, environment),
    baseUrl: baseUrlOf(given.baseUrl, environment),
    // Here, `introspection` is an object that also says how to ask. As a policy it would be a word.
    policy: CompiledPolicy.fromMembers({ ...given, introspection: undefined }, CompiledPolicy.NONE),
  }
}

function baseUrlOf(option: unknown, environment: Environment): string | undefined {
  if (option !== undefined) return checkBaseUrl(option, 'Option "baseUrl"')
  const variable = Object.hasOwn(environment, 'TELNYX_AUTH_BASE_URL')
    ? environment.TELNYX_AUTH_BASE_URL
    : undefined
  return checkBaseUrl(variable, 'The environment variable TELNYX_AUTH_BASE_URL')
}
