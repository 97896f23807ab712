import { checkNames, describe, resolveNumber } from '../../errors/check-options.js'
import { ConfigurationError } from '../../errors/errors.js'
import { checkWhen, type IntrospectionWhen } from '../../policy/introspection-when.js'
import { type AuthenticateClient, clientSecretBasic, clientSecretPost } from './client-authentication.js'

/**
 * Which tokens are introspected at the issuer (RFC 7662), and how this API authenticates there.
 *
 * @example
 * createVerifier({ introspection: { when: 'always', clientId: 'my-api', clientSecret } })
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
}

/** The option `introspection`, checked, copied and with its defaults. */
export interface ResolvedIntrospection {
  readonly when: IntrospectionWhen
  readonly authenticate: AuthenticateClient
  readonly cacheMs: number
  readonly inactiveCacheMs: number
  readonly onUnavailable: 'reject' | 'accept'
  readonly maxInFlight: number
}

const MEMBERS: readonly string[] = [
  'when',
  'clientId',
  'clientSecret',
  'authMethod',
  'cacheSeconds',
  'inactiveCacheSeconds',
  'onUnavailable',
  'maxInFlight',
] satisfies (keyof IntrospectionOptions)[]

/** The error for a policy that asks for introspection where the verifier has no option `introspection`. */
export function cannotIntrospect(): ConfigurationError {
  return new ConfigurationError(
    'The policy asks for introspection, but the verifier cannot introspect: set its option "introspection" (for each issuer, where there are several)',
  )
}

/**
 * Checks and copies the option `introspection`, and fills in its defaults.
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
  const given = checkNames(option, MEMBERS, 'member of "introspection"')
  const { when = 'fallback', authMethod = 'client_secret_basic', onUnavailable = 'reject' } = given
  if (onUnavailable !== 'reject' && onUnavailable !== 'accept')
    throw new ConfigurationError(
      `Option "onUnavailable" must be "reject" or "accept", not ${describe(onUnavailable)}`,
    )
  return {
    when: checkWhen(when),
    authenticate: isAuthenticateClient(authMethod)
      ? ownAuthMethod(authMethod, given)
      : clientSecretMethod(
          authMethod,
          resolveText(given.clientId, credentials.clientId, 'clientId', 'TELNYX_CLIENT_ID'),
          resolveText(given.clientSecret, credentials.clientSecret, 'clientSecret', 'TELNYX_CLIENT_SECRET'),
        ),
    cacheMs: 1000 * resolveNumber(given, 'cacheSeconds', { default: 30, min: 0, max: 3600 }),
    inactiveCacheMs: 1000 * resolveNumber(given, 'inactiveCacheSeconds', { default: 10, min: 0, max: 3600 }),
    onUnavailable,
    maxInFlight: resolveNumber(given, 'maxInFlight', { default: 100, min: 1, max: 100_000 }),
  }
}

function resolveText(
  option: unknown,
  fromEnvironment: string | undefined,
  name: string,
  variable: string,
): string {
  const value = option === undefined ? fromEnvironment || undefined : option
  if (value === undefined)
    throw new ConfigurationError(
      `Introspection needs "${name}": set this option of "introspection" or the environment variable ${variable} (for https://api.telnyx.com alone where there are several issuers), or set a function as "authMethod"`,
    )
  if (typeof value !== 'string' || value === '')
    throw new ConfigurationError(`Option "${name}" must be a non-empty string, not ${describe(value)}`)
  return value
}

function isAuthenticateClient(value: unknown): value is AuthenticateClient {
  return typeof value === 'function'
}

function ownAuthMethod(
  authMethod: AuthenticateClient,
  { clientId, clientSecret }: Record<string, unknown>,
): AuthenticateClient {
  if (clientId !== undefined || clientSecret !== undefined)
    throw new ConfigurationError(
      'Options "clientId" and "clientSecret" are not used where "authMethod" is a function: leave them out',
    )
  return authMethod
}

function clientSecretMethod(method: unknown, clientId: string, clientSecret: string): AuthenticateClient {
  if (method === 'client_secret_post') return clientSecretPost(clientId, clientSecret)
  if (method === 'client_secret_basic') return clientSecretBasic(clientId, clientSecret)
  throw new ConfigurationError(
    `Option "authMethod" must be "client_secret_basic", "client_secret_post" or a function, not ${describe(method)}`,
  )
}
