import { copyOf } from '../errors/challenge-context.js'
import { describe } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'
import type { AuthenticatableRequest } from './authorization-header.js'

/**
 * Takes the access token from a request: the web `Request`, or Node's own one (in Koa a part of it: headers, method and
 * URL).
 *
 * @returns `undefined` when the request carries none
 * @typeParam Request the kind of request, where there is only one
 */
// A method, whose parameter may be narrower: a function for one kind of request will do.
export type GetToken<Request extends AuthenticatableRequest = AuthenticatableRequest> = {
  getToken(request: Request): string | undefined
}['getToken']

/**
 * Checks the option `getToken`.
 *
 * @throws {ConfigurationError}
 */
export function checkGetToken(option: unknown): GetToken | undefined {
  if (option === undefined) return undefined
  if (!isFunction(option))
    throw new ConfigurationError(`Option "getToken" must be a function, not ${describe(option)}`)
  if (Object.prototype.toString.call(option) !== '[object Function]')
    throw new ConfigurationError('Option "getToken" must be a function that is not async, and no generator')
  return (request) => tokenFrom(option, request)
}

/**
 * What a `getToken` says of a request. Everything but a string or `undefined` is a mistake in the program, and never
 * taken for an anonymous caller.
 */
function tokenFrom(
  getToken: (request: AuthenticatableRequest) => unknown,
  request: AuthenticatableRequest,
): string | undefined {
  let token: unknown
  try {
    token = getToken(request)
  } catch (error) {
    // It may throw the same error for every request, and each request gets its own.
    throw copyOf(error)
  }
  if (token === undefined || typeof token === 'string') return token
  // It may be rejected later: the request is answered already, and the process is to go on.
  Promise.resolve(token).catch(() => undefined)
  throw new ConfigurationError(
    `Option "getToken" must return a string, or undefined where a request carries no token, not ${describe(token)}; it cannot be async`,
  )
}

function isFunction(value: unknown): value is (request: AuthenticatableRequest) => unknown {
  return typeof value === 'function'
}
