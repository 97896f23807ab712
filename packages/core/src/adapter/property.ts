import { ConfigurationError } from '../errors/errors.js'

/** The part of a framework in which properties of requests are declared, as Fastify demands it. */
interface RequestDecorators {
  hasRequestDecorator(name: string | symbol): boolean
  decorateRequest(name: string | symbol, value: null | (() => void)): unknown
}

/**
 * Declares the property of requests that holds the caller, in frameworks where properties are declared.
 *
 * @param property its name; a boolean declares none
 * @param requests where it is declared, in Fastify the server
 * @throws {ConfigurationError} when another plugin has declared it
 * @example
 * ```ts
 * claimProperty('auth', fastify)
 * ```
 */
export function claimProperty(property: string | boolean, requests: RequestDecorators): void {
  if (typeof property !== 'string') return
  // Tells our own declaration, of an earlier registration, from that of another plugin. A function stands on the prototype of
  // requests, and makes no request larger.
  const mark = Symbol.for(`@telnyx-auth:${property}`)
  if (requests.hasRequestDecorator(mark)) return
  // A name that `Object.prototype` was polluted with is not a declaration.
  if (requests.hasRequestDecorator(property) && !(property in Object.prototype))
    throw new ConfigurationError(
      `The property "${property}" of requests is taken by another plugin: set the option "decorator" to another name, or to false for none`,
    )
  requests.decorateRequest(property, null)
  requests.decorateRequest(mark, () => undefined)
}

/**
 * Writes the property that holds the caller, for `setAuth`.
 *
 * @param target the object that handlers are given; a value that is no object is ignored
 * @param name the name of the property; a boolean writes none
 * @param value the caller
 * @throws an error of the object, when the property cannot be written
 * @example
 * ```ts
 * import { type RequestHandle, setProperty } from '@telnyx-auth/core/adapter'
 *
 * const setAuth: RequestHandle['setAuth'] = (auth) => setProperty(request, 'auth', auth)
 * ```
 */
export function setProperty(target: unknown, name: string | boolean, value: unknown): void {
  // `Reflect.set` is simpler, but takes 0.2 µs of a request.
  if (typeof name === 'string' && isRecord(target)) target[name] = value
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
