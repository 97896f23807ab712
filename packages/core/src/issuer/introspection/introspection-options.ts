import { numberIn, type OptionCheck, objectWith, oneOf, wrongKind } from '../../errors/check-options.js'
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

type AuthMethod = NonNullable<IntrospectionOptions['authMethod']>

const check = objectWith({
  when: (value): IntrospectionWhen => (value === undefined ? 'fallback' : checkWhen(value)),
  clientId: optionalText,
  clientSecret: optionalText,
  authMethod: checkAuthMethod,
  cacheSeconds: numberIn({ default: 30, min: 0, max: 3600 }),
  inactiveCacheSeconds: numberIn({ default: 10, min: 0, max: 3600 }),
  onUnavailable: oneOf('reject', 'accept'),
  maxInFlight: numberIn({ default: 100, min: 1, max: 100_000 }),
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
      'Option "introspection" of a verifier must be an object, such as { when: "fallback" }; a text is for policies',
    )
  const given = check(option, 'introspection')
  const { when, authMethod, cacheSeconds, inactiveCacheSeconds, onUnavailable, maxInFlight } = given
  const needed = (name: 'clientId' | 'clientSecret', variable: string) =>
    given[name] ?? requireCredential(name, credentials[name], variable)
  if (typeof authMethod === 'function' && (given.clientId !== undefined || given.clientSecret !== undefined))
    throw new ConfigurationError(
      'Options "clientId" and "clientSecret" are not used where "authMethod" is a function: leave them out',
    )
  return {
    when,
    authenticate:
      typeof authMethod === 'function'
        ? authMethod
        : withSecret(
            authMethod,
            needed('clientId', 'TELNYX_CLIENT_ID'),
            needed('clientSecret', 'TELNYX_CLIENT_SECRET'),
          ),
    cacheMs: 1000 * cacheSeconds,
    inactiveCacheMs: 1000 * inactiveCacheSeconds,
    onUnavailable,
    maxInFlight,
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
    `Introspection needs "${name}": set this option of "introspection" or the environment variable ${variable} (which is for https://api.telnyx.com alone where there are several issuers), or give a function as "authMethod"`,
  )
}

function withSecret(
  method: 'client_secret_basic' | 'client_secret_post',
  clientId: string,
  clientSecret: string,
): AuthenticateClient {
  if (method === 'client_secret_post')
    return () => ({ parameters: { client_id: clientId, client_secret: clientSecret } })
  // RFC 6749 §2.3.1: each half is form-encoded before they are joined.
  const credentials = Buffer.from(`${formEncode(clientId)}:${formEncode(clientSecret)}`).toString('base64')
  return () => ({ headers: { authorization: `Basic ${credentials}` } })
}

function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}
