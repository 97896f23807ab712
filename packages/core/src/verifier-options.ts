import { checkNames, describe, isPlainObject, resolveNumber } from './errors/check-options.js'
import { ConfigurationError } from './errors/errors.js'
import type { FetchFunction } from './issuer/http/fetch.js'
import type { HttpLimits } from './issuer/http/http-json.js'
import {
  type Environment,
  ISSUER_OPTIONS,
  type IssuerOptions,
  type IssuerSettings,
  resolveIssuers,
} from './issuer/issuer-options.js'
import type { ResolvedIssuer } from './issuer/trusted-issuer.js'
import { CompiledPolicy, type Policy } from './policy/policy.js'
import { checkGetToken, type GetToken } from './request/get-token.js'
import {
  type CheckedProtectedResource,
  checkProtectedResource,
  type ProtectedResourceOptions,
} from './resource/protected-resource-options.js'
import type { ScopeImplies } from './token/auth.js'
import type { JwtClaims } from './token/claims.js'
import type { CacheLimits } from './verified-token-cache.js'

/** What of verified tokens is kept, so that a token that comes again needs no signature check. */
export interface CacheOptions {
  /**
   * How many tokens at the most, 1 to 1000000. Each takes about 1 KiB beside its own length; all together take no more than
   * 4 KiB for each that is allowed, or 1 MiB if that is more.
   *
   * @default 10000
   */
  readonly maxEntries?: number | undefined
  /**
   * For how long at the most, in seconds, 1 to 86400; never past the `exp` of the token.
   *
   * @default 600
   */
  readonly maxAgeSeconds?: number | undefined
}

/** The options of a verifier. Every policy member is the default of every call. */
export interface VerifierOptions<Claims extends object = JwtClaims>
  extends Omit<Policy<Claims>, 'introspection'>,
    IssuerSettings {
  /**
   * Whose tokens are accepted: the identifier of an issuer (RFC 8414 §2), compared code point by code point, an `https`
   * URL without query and fragment; `http` on loopback hosts only. Or an array of issuers, each with its own settings
   * where they differ from those of the verifier.
   *
   * @default the environment variable `TELNYX_AUTH_ISSUER`, else `https://api.telnyx.com`
   */
  readonly issuer?: string | readonly (string | IssuerOptions)[] | undefined
  /**
   * How far this machine's clock and the issuer's may be apart, in seconds, 0 to 600 (RFC 7519 §4.1.4).
   *
   * @default 5
   */
  readonly clockToleranceSeconds?: number | undefined
  /**
   * The largest token that is looked at, in bytes.
   *
   * @default 16384
   */
  readonly maxTokenBytes?: number | undefined
  /**
   * Where else a request has its access token, for {@link Verifier.authenticate} and the adapters. What the function
   * returns is checked like any token; `undefined` means that the request carries none. What it throws reaches the
   * caller: an error of this library as a refusal, anything else as it is. It must not be async.
   *
   * @default `getBearerToken`: the Bearer credential of the `Authorization` header
   */
  readonly getToken?: GetToken | undefined
  /**
   * Whether a granted scope includes a required one of another name, for scopes that form a hierarchy.
   *
   * @default only the same name does
   */
  readonly scopeImplies?: ScopeImplies | undefined
  /**
   * How this API describes itself to clients (RFC 9728), or `false` for not at all. Challenges name the URL of
   * the description; adapters serve it.
   *
   * @default on, where the audience is one `https` URL
   */
  readonly protectedResource?: ProtectedResourceOptions | false | undefined
  /**
   * What requests to the issuer are made with: for proxies, agents and test kits.
   *
   * @default the global `fetch`
   */
  readonly fetch?: FetchFunction | undefined
  /**
   * How long whoever asks the issuer waits at most, in milliseconds: connections, bodies and repetitions included.
   *
   * @default 5000
   */
  readonly timeoutMs?: number | undefined
  /**
   * The largest answer of the issuer that is read, in bytes, after it was unpacked.
   *
   * @default 262144
   */
  readonly maxResponseBytes?: number | undefined
  /**
   * How often a request to the issuer is repeated at once when the connection broke or the answer was a 500, 502, 503 or
   * 504 without `Retry-After`: 0 to 3. Not while the issuer keeps failing.
   *
   * @default 1
   */
  readonly retries?: number | undefined
  /**
   * How the results of signature checks are kept, or `false` for not at all. What may change from one request to the next is
   * checked each time all the same: the time, the issuer's keys, the policy, `validate`, and introspection where it is
   * asked for.
   *
   * @default on
   */
  readonly cache?: CacheOptions | false | undefined
}

/** Options that were checked and copied, with defaults filled in. */
export interface ResolvedOptions {
  /** At least one, each with an identifier of its own. */
  readonly issuers: readonly [ResolvedIssuer, ...ResolvedIssuer[]]
  readonly limits: HttpLimits
  readonly clockToleranceSeconds: number
  readonly maxTokenBytes: number
  readonly getToken: GetToken | undefined
  readonly scopeImplies: ScopeImplies | undefined
  readonly policy: CompiledPolicy
  /** `undefined` when nothing is kept. */
  readonly cache: CacheLimits | undefined
  readonly protectedResource: CheckedProtectedResource | false | undefined
}

const OWN_NAMES: readonly string[] = [
  'issuer',
  'clockToleranceSeconds',
  'maxTokenBytes',
  'getToken',
  'scopeImplies',
  'protectedResource',
  'fetch',
  'timeoutMs',
  'maxResponseBytes',
  'retries',
  'cache',
] satisfies Exclude<keyof VerifierOptions, keyof Policy | keyof IssuerSettings>[]

/** The names of all options of a verifier. */
export const VERIFIER_OPTIONS: readonly string[] = [
  ...new Set(['issuer', ...ISSUER_OPTIONS, ...OWN_NAMES, ...CompiledPolicy.MEMBERS]),
]

/**
 * Checks and copies options, and fills in what they leave out.
 *
 * @param environment where the variables are read, at this moment
 * @throws {ConfigurationError} for anything missing, contradictory, unknown or of the wrong type
 */
export function resolveOptions(options: unknown, environment: Environment): ResolvedOptions {
  const given = checkNames(options === undefined ? {} : options, VERIFIER_OPTIONS, 'option')
  const { scopeImplies, fetch } = given
  if (scopeImplies !== undefined && !isScopeImplies(scopeImplies))
    throw new ConfigurationError(`Option "scopeImplies" must be a function, not ${describe(scopeImplies)}`)
  if (fetch !== undefined && !isFetch(fetch))
    throw new ConfigurationError(`Option "fetch" must be a function, not ${describe(fetch)}`)
  return {
    issuers: resolveIssuers(given, environment),
    limits: {
      // Looked up at every request, so that what replaces the global one later is used too.
      fetch: fetch ?? ((url, init) => globalThis.fetch(url, init)),
      timeoutMs: resolveNumber(given, 'timeoutMs', { default: 5000, min: 1, max: 600_000 }),
      maxResponseBytes: resolveNumber(given, 'maxResponseBytes', {
        default: 262_144,
        min: 1,
        max: 16_777_216,
      }),
      retries: Math.floor(resolveNumber(given, 'retries', { default: 1, min: 0, max: 3 })),
    },
    clockToleranceSeconds: resolveNumber(given, 'clockToleranceSeconds', { default: 5, min: 0, max: 600 }),
    maxTokenBytes: resolveNumber(given, 'maxTokenBytes', { default: 16_384, min: 1, max: 1_048_576 }),
    getToken: checkGetToken(given.getToken),
    scopeImplies,
    // Of a verifier, `introspection` says how to ask as well.
    policy: CompiledPolicy.fromMembers({ ...given, introspection: undefined }, CompiledPolicy.NONE),
    cache: resolveCache(given.cache),
    protectedResource: checkProtectedResource(given.protectedResource),
  }
}

function resolveCache(cache: unknown): CacheLimits | undefined {
  if (cache === false) return undefined
  if (cache !== undefined && !isPlainObject(cache))
    throw new ConfigurationError(
      `Option "cache" must be an object with "maxEntries" and "maxAgeSeconds", or false, not ${describe(cache)}`,
    )
  const given = checkNames(
    cache ?? {},
    ['maxEntries', 'maxAgeSeconds'] satisfies (keyof CacheOptions)[],
    'member of "cache"',
  )
  return {
    maxEntries: Math.floor(resolveNumber(given, 'maxEntries', { default: 10_000, min: 1, max: 1_000_000 })),
    maxAgeMs: 1000 * resolveNumber(given, 'maxAgeSeconds', { default: 600, min: 1, max: 86_400 }),
  }
}

function isScopeImplies(value: unknown): value is ScopeImplies {
  return typeof value === 'function'
}

function isFetch(value: unknown): value is FetchFunction {
  return typeof value === 'function'
}
