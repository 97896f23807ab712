import { checkNames, describe, resolveNumber } from '../../errors/check-options.js'
import { ConfigurationError } from '../../errors/errors.js'
import { checkWhen, type IntrospectionWhen } from '../../policy/introspection-when.js'

/** What proves to the issuer who asks: goes into the request as it is. */
export interface ClientAuthentication {
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Form parameters, such as `client_assertion` (RFC 7523 §2.2). */
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

/** Makes a {@link ClientAuthentication} for each request: a bearer API key, a private key JWT (RFC 7523). */
export type AuthenticateClient = (request: {
  readonly issuer: string
  readonly endpoint: string
}) => ClientAuthentication | Promise<ClientAuthentication>

/** Whether, how and as whom the issuer is asked about tokens (RFC 7662). */
export interface IntrospectionOptions {
  /** @default 'fallback' */
  readonly when?: IntrospectionWhen | undefined
  /**
   * The client id of this API.
   *
   * @default the environment variable `TELNYX_CLIENT_ID`
   */
  readonly clientId?: string | undefined
  /**
   * Its secret.
   *
   * @default the environment variable `TELNYX_CLIENT_SECRET`
   */
  readonly clientSecret?: string | undefined
  /**
   * How this API authenticates (RFC 6749 §2.3.1), or a function that does it in any other way.
   *
   * @default 'client_secret_basic'
   */
  readonly authMethod?: 'client_secret_basic' | 'client_secret_post' | AuthenticateClient | undefined
  /**
   * How long it is believed that a token is active, in seconds, never past its `exp`; 0 asks every time.
   *
   * @default 30
   */
  readonly cacheSeconds?: number | undefined
  /**
   * How long it is believed that a token is not active, in seconds; 0 asks every time.
   *
   * @default 10
   */
  readonly inactiveCacheSeconds?: number | undefined
  /**
   * What becomes of a token that was found to be good here, when the issuer is always to be asked and is down: `'reject'`
   * (503) or `'accept'`. An issuer that refuses the credentials of this API, or is asked at a wrong address, is not down:
   * then it is a 503 in any case.
   *
   * @default 'reject'
   */
  readonly onUnavailable?: 'reject' | 'accept' | undefined
  /**
   * How many introspection requests may be in flight at once: this many for tokens whose signature was verified here, and
   * this many for tokens that only the issuer can judge. The surplus is refused at once (503). From 1 to 100,000.
   *
   * @default 100
   */
  readonly maxInFlight?: number | undefined
}

/** The option, checked and copied. */
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

/**
 * Checks and copies the option `introspection`.
 *
 * @param credentials what the environment says, where it speaks of this issuer
 * @throws {ConfigurationError}
 */
export function resolveIntrospection(
  option: unknown,
  credentials: { readonly clientId?: string | undefined; readonly clientSecret?: string | undefined },
): ResolvedIntrospection | undefined {
  if (option === undefined) return undefined
  if (typeof option === 'string')
    throw new ConfigurationError(
      'Option "introspection" of a verifier must be an object, such as { when: "fallback" }; a text is for policies',
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
      ? ownAuthentication(authMethod, given)
      : withSecret(
          authMethod,
          requireText(given.clientId, credentials.clientId, 'clientId', 'TELNYX_CLIENT_ID'),
          requireText(given.clientSecret, credentials.clientSecret, 'clientSecret', 'TELNYX_CLIENT_SECRET'),
        ),
    cacheMs: 1000 * resolveNumber(given, 'cacheSeconds', { default: 30, min: 0, max: 3600 }),
    inactiveCacheMs: 1000 * resolveNumber(given, 'inactiveCacheSeconds', { default: 10, min: 0, max: 3600 }),
    onUnavailable,
    maxInFlight: resolveNumber(given, 'maxInFlight', { default: 100, min: 1, max: 100_000 }),
  }
}

function requireText(
  option: unknown,
  fromEnvironment: string | undefined,
  name: string,
  variable: string,
): string {
  const value = option === undefined ? fromEnvironment || undefined : option
  if (value === undefined)
    throw new ConfigurationError(
      `Introspection needs "${name}": set this option of "introspection" or the environment variable ${variable} (which is for https://api.telnyx.com alone where there are several issuers), or give a function as "authMethod"`,
    )
  if (typeof value !== 'string' || value === '')
    throw new ConfigurationError(`Option "${name}" must be a non-empty string, not ${describe(value)}`)
  return value
}

function isAuthenticateClient(value: unknown): value is AuthenticateClient {
  return typeof value === 'function'
}

function ownAuthentication(
  authenticate: AuthenticateClient,
  { clientId, clientSecret }: Record<string, unknown>,
): AuthenticateClient {
  if (clientId !== undefined || clientSecret !== undefined)
    throw new ConfigurationError(
      'Options "clientId" and "clientSecret" are not used where "authMethod" is a function: leave them out',
    )
  return authenticate
}

function withSecret(method: unknown, clientId: string, clientSecret: string): AuthenticateClient {
  if (method === 'client_secret_post')
    return () => ({ parameters: { client_id: clientId, client_secret: clientSecret } })
  if (method !== 'client_secret_basic')
    throw new ConfigurationError(
      `Option "authMethod" must be "client_secret_basic", "client_secret_post" or a function, not ${describe(method)}`,
    )
  // RFC 6749 §2.3.1: each half is form-encoded before they are joined.
  const credentials = Buffer.from(`${formEncode(clientId)}:${formEncode(clientSecret)}`).toString('base64')
  return () => ({ headers: { authorization: `Basic ${credentials}` } })
}

function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}
