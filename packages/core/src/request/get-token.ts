import { copyOf } from '../errors/challenge-context.js'
import { describe, numberIn, type OptionChecks, optionalFunction } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'
import type { AuthenticatableRequest } from './request-headers.js'

/**
 * Takes the access token from a request: the web `Request`, or Node's own one (in Koa a part of it: headers, method and
 * URL).
 *
 * @returns the token, or `undefined` when the request carries none
 * @typeParam Request the kind of request, where there is only one
 * @example
 * import { type GetToken, getBearerToken } from '@telnyx-auth/core'
 *
 * const getToken: GetToken = (request) => getBearerToken(request) ?? tokenOfSession(request)
 */
// A method type, because its parameter may be narrower: a function for one kind of request is accepted.
export type GetToken<Request extends AuthenticatableRequest = AuthenticatableRequest> = {
  getToken(request: Request): string | undefined
}['getToken']

/** Where the verifier finds the token of a request, and how large it may be. */
export interface TokenSourceOptions {
  /**
   * Finds the access token of a request, for {@link Verifier.authenticate} and the adapters. The verifier checks the result like
   * any token; `undefined` means that the request carries none. An error that the function throws reaches the caller of the
   * verifier: one of this library as a refusal, any other unchanged. The function must not be async.
   *
   * @default `getBearerToken`: the Bearer credential of the `Authorization` header
   */
  readonly getToken?: GetToken | undefined
  /**
   * The largest token that is parsed, in bytes, 1 to 1048576.
   *
   * @default 16384
   */
  readonly maxTokenBytes?: number | undefined
}

/** The options with their defaults. Without `getToken`, the token is in the `Authorization` header. */
export interface TokenSource {
  readonly getToken: GetToken | undefined
  readonly maxTokenBytes: number
}

/** How each is checked, with its default. */
export const tokenSourceChecks: OptionChecks<TokenSource> = {
  getToken: checkGetToken,
  maxTokenBytes: numberIn({ default: 16_384, min: 1, max: 1_048_576 }),
}

function checkGetToken(option: unknown, name: string): GetToken | undefined {
  const getToken = optionalFunction<(request: AuthenticatableRequest) => unknown>(option, name)
  if (getToken === undefined) return undefined
  if (Object.prototype.toString.call(getToken) !== '[object Function]')
    throw new ConfigurationError('Option "getToken" must be a function that is not async, and no generator')
  return (request) => callGetToken(getToken, request)
}

/** Any result but a string or `undefined` is a mistake in the program, and never an anonymous caller. */
function callGetToken(
  getToken: (request: AuthenticatableRequest) => unknown,
  request: AuthenticatableRequest,
): string | undefined {
  let token: unknown
  try {
    token = getToken(request)
  } catch (error) {
    // The function may throw the same error for every request; each request gets a copy.
    throw copyOf(error)
  }
  if (token === undefined || typeof token === 'string') return token
  // A promise may be rejected after the request was answered, and an unhandled rejection would end the process.
  Promise.resolve(token).catch(() => undefined)
  throw new ConfigurationError(
    `Option "getToken" must return a string, or undefined where a request carries no token, not ${describe(token)}; it cannot be async`,
  )
}
