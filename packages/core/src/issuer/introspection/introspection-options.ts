import { numberIn, type OptionCheck, objectWith, oneOf, wrongKind } from '../../errors/check-options.js'
import { ConfigurationError } from '../../errors/errors.js'
import { checkWhen, type IntrospectionWhen } from '../../policy/introspection-when.js'
import { type AuthenticateClient, clientSecretBasic, clientSecretPost } from './client-authentication.js'
import { checkSharedCache, type SharedIntrospectionCache } from './shared-cache.js'

/**
 * Which tokens are introspected at the issuer (RFC 7662), and how this API authenticates there.
 *
 * @example
 * const clientSecret = process.env.MY_API_SECRET
 * createVerifier({ audience: 'https://api.example.com', introspection: { when: 'always', clientId: 'my-api', clientSecret } })
 */
export interface IntrospectionOptions {
  /**
   * Which tokens are introspected. A policy may say otherwise for its route.
   *
   * @default 'fallback'
   */
  readonly when?: IntrospectionWhen | undefined
  /**
   * The client id of this API.
   *
   * @default the environment variable `TELNYX_CLIENT_ID`
   */
  readonly clientId?: string | undefined
  /**
   * The client secret of this API.
   *
   * @default the environment variable `TELNYX_CLIENT_SECRET`
   */
  readonly clientSecret?: string | undefined
  /**
   * How this API authenticates (RFC 6749 §2.3.1), or a function for any other method.
   *
   * @default 'client_secret_basic'
   */
  readonly authMethod?: 'client_secret_basic' | 'client_secret_post' | AuthenticateClient | undefined
  /**
   * How long the response for an active token is cached, in seconds, from 0 (no cache) to 3600. Never past its `exp`.
   *
   * @default 30
   */
  readonly cacheSeconds?: number | undefined
  /**
   * How long the response for an inactive token is cached, in seconds, from 0 (no cache) to 3600.
   *
   * @default 10
   */
  readonly inactiveCacheSeconds?: number | undefined
  /**
   * What happens with `when: 'always'` to a token that was verified here, while the endpoint is down: `'reject'` answers 503,
   * `'accept'` accepts it. Refused credentials and a wrong endpoint URL are no outage: they always answer 503.
   *
   * @default 'reject'
   */
  readonly onUnavailable?: 'reject' | 'accept' | undefined
  /**
   * The maximum number of introspection requests in flight: this many for tokens whose signature was verified here, and this
   * many for tokens that only the issuer can judge. Further ones are refused at once (503). From 1 to 100,000.
   *
   * @default 100
   */
  readonly maxInFlight?: number | undefined
  /**
   * A cache that several machines share, such as that of `@telnyx-auth/redis`, so that a fleet asks the issuer once. It holds
   * neither tokens nor claims, only sealed values. When it fails, the issuer is asked. It needs a client secret.
   *
   * @default none: each verifier has a cache in memory
   */
  readonly cache?: SharedIntrospectionCache | undefined
}

/** The option `introspection`, checked, copied and with its defaults. */
export interface ResolvedIntrospection {
  readonly when: IntrospectionWhen
  readonly authenticate: AuthenticateClient
  readonly cacheMs: number
  readonly inactiveCacheMs: number
  readonly onUnavailable: 'reject' | 'accept'
  readonly maxInFlight: number
  /** With the client secret, with which its values are sealed. */
  readonly shared: { readonly cache: SharedIntrospectionCache; readonly secret: string } | undefined
}

type AuthMethod = NonNullable<IntrospectionOptions['authMethod']>

const CLIENT_SECRET_METHODS = {
  client_secret_basic: clientSecretBasic,
  client_secret_post: clientSecretPost,
}

const check = objectWith({
  when: (value): IntrospectionWhen => (value === undefined ? 'fallback' : checkWhen(value)),
  clientId: optionalText,
  clientSecret: optionalText,
  authMethod: checkAuthMethod,
  cacheSeconds: numberIn({ default: 30, min: 0, max: 3600 }),
  inactiveCacheSeconds: numberIn({ default: 10, min: 0, max: 3600 }),
  onUnavailable: oneOf('reject', 'accept'),
  maxInFlight: numberIn({ default: 100, min: 1, max: 100_000 }),
  cache: checkSharedCache,
} satisfies Record<keyof IntrospectionOptions, OptionCheck<unknown>>)

/**
 * Checks the option `introspection`, and fills in defaults.
 *
 * @param credentials the environment variables, where they are for this issuer
 * @throws {ConfigurationError}
 */
export function resolveIntrospection(
  option: unknown,
  credentials: { readonly clientId?: string | undefined; readonly clientSecret?: string | undefined },
): ResolvedIntrospection | undefined {
  if (option === undefined) return undefined
  if (typeof option === 'string')
    throw new ConfigurationError(
      'Option "introspection" of a verifier must be an object, such as { when: "fallback" }; a string is for policies',
    )
  const given = check(option, 'introspection')
  const { when, authMethod, cacheSeconds, inactiveCacheSeconds, onUnavailable, maxInFlight, cache } = given
  const needed = (name: 'clientId' | 'clientSecret', variable: string) =>
    given[name] ?? requireCredential(name, credentials[name], variable)
  if (typeof authMethod === 'function' && (given.clientId !== undefined || given.clientSecret !== undefined))
    throw new ConfigurationError(
      'Options "clientId" and "clientSecret" are not used where "authMethod" is a function: leave them out',
    )
  if (cache && typeof authMethod === 'function')
    throw new ConfigurationError(
      'Option "introspection.cache" needs "clientSecret", with which its values are sealed, and no function as "authMethod"',
    )
  return {
    when,
    authenticate:
      typeof authMethod === 'function'
        ? authMethod
        : CLIENT_SECRET_METHODS[authMethod](
            needed('clientId', 'TELNYX_CLIENT_ID'),
            needed('clientSecret', 'TELNYX_CLIENT_SECRET'),
          ),
    cacheMs: 1000 * cacheSeconds,
    inactiveCacheMs: 1000 * inactiveCacheSeconds,
    onUnavailable,
    maxInFlight,
    shared: cache && { cache, secret: needed('clientSecret', 'TELNYX_CLIENT_SECRET') },
  }
}

function optionalText(value: unknown, name: string): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  throw wrongKind(name, 'a non-empty string', value)
}

function checkAuthMethod(value: unknown, name: string): AuthMethod {
  if (value === undefined) return 'client_secret_basic'
  if (value === 'client_secret_basic' || value === 'client_secret_post' || isAuthenticateClient(value))
    return value
  throw wrongKind(name, '"client_secret_basic", "client_secret_post" or a function', value)
}

function isAuthenticateClient(value: unknown): value is AuthenticateClient {
  return typeof value === 'function'
}

function requireCredential(name: string, fromEnvironment: string | undefined, variable: string): string {
  if (fromEnvironment) return fromEnvironment
  throw new ConfigurationError(
    `Introspection needs "${name}": set this option of "introspection" or the environment variable ${variable} (for https://api.telnyx.com alone where there are several issuers), or set a function as "authMethod"`,
  )
}
