import { type Awaitable, isPending } from '../base/maybe-async.js'
import { asError } from '../errors/challenge-context.js'
import { ConfigurationError } from '../errors/errors.js'
import { warnOnce } from '../telemetry/warnings.js'
import type { Answer } from './answer.js'
import type { Decision, RequestHandle } from './request-handle.js'

/** A request of a framework with callbacks. */
export interface CallbackHandle extends RequestHandle {
  /** Writes the answer. An error that it throws is given to `next`. */
  write(answer: Answer): void
  /** Continues, or hands an error to the error handling of the framework. */
  next(error?: Error): void
}

/**
 * For frameworks with callbacks: writes the answer, or calls `next`. Synchronous where nothing has to be waited for.
 *
 * @param decide `authenticate` of an authenticator, or the function that `createGuards` hands out
 * @param request what `decide` is given beside the handle
 * @param handle the request, and how it continues
 * @throws {ConfigurationError} when `next` is no function: another framework has called the middleware
 * @example
 * ```ts
 * import { type Authenticator, policiesOf, respondOrNext, setProperty, writeAnswer } from '@telnyx-auth/core/adapter'
 * import type { RequestHandler } from 'express'
 *
 * function middleware(decide: Authenticator['authenticate']): RequestHandler {
 *   return (request, response, next) =>
 *     respondOrNext(decide, request, {
 *       requestKey: request,
 *       setAuth: (auth) => setProperty(request, 'auth', auth),
 *       routePolicies: () => policiesOf<{ handle: unknown }>(request.route?.stack, ({ handle }) => handle),
 *       responseHeaders: () => [response],
 *       write: (answer) => writeAnswer(response, answer),
 *       next,
 *     })
 * }
 * ```
 */
export function respondOrNext<Request>(
  decide: (handle: RequestHandle, request: Request) => Awaitable<Decision>,
  request: Request,
  handle: CallbackHandle,
): void {
  if (typeof handle.next !== 'function') throwWrongFramework()
  let decision: Awaitable<Decision>
  try {
    decision = decide(handle, request)
  } catch (thrown) {
    handle.next(asError(thrown))
    return
  }
  if (isPending(decision)) concludeLater(decision, handle)
  else conclude(decision, handle)
}

function concludeLater(pending: Promise<Decision>, handle: CallbackHandle): void {
  const fail = (thrown: unknown) => handle.next(asError(thrown))
  pending.then((decision) => conclude(decision, handle), fail).catch(fail)
}

function conclude(decision: Decision, handle: CallbackHandle): void {
  if (!decision) {
    handle.next()
    return
  }
  try {
    handle.write(decision)
  } catch (thrown) {
    handle.next(asError(thrown))
  }
}

/** A request of a framework with promises. */
export interface PromiseHandle<Result> extends RequestHandle {
  /** Writes the answer, or returns the response that the framework writes. */
  write(answer: Answer): Result
  /** Continues. */
  next(): Promise<Result>
}

/**
 * For frameworks with promises: writes the answer, or calls `next`. Nothing is awaited for a cached token.
 *
 * @param decide `authenticate` of an authenticator, or the function that `createGuards` hands out
 * @param request what `decide` is given beside the handle
 * @param handle the request, and how it continues
 * @returns what `write` or `next` returned
 * @throws the error for the error handling of the framework
 * @example
 * ```ts
 * import { type Authenticator, respondOrContinue } from '@telnyx-auth/core/adapter'
 * import type { MiddlewareHandler } from 'hono'
 *
 * function middleware(decide: Authenticator['authenticate']): MiddlewareHandler {
 *   return (c, next) =>
 *     respondOrContinue<Request, Response | void>(decide, c.req.raw, {
 *       ...handleOf(c), // the example of RequestHandle
 *       write: (answer) => new Response(answer.body, answer),
 *       next,
 *     })
 * }
 * ```
 */
export async function respondOrContinue<Request, Result>(
  decide: (handle: RequestHandle, request: Request) => Awaitable<Decision>,
  request: Request,
  handle: PromiseHandle<Result>,
): Promise<Result> {
  const decision = decide(handle, request)
  const answer = isPending(decision) ? await decision : decision
  return answer ? handle.write(answer) : handle.next()
}

/**
 * For a framework that does not call a middleware or hook as its adapter expects it. Also emits a process warning, because in
 * some hooks frameworks do not report errors.
 *
 * @throws {ConfigurationError}
 * @example
 * ```ts
 * if (typeof next !== 'function') throwWrongFramework()
 * ```
 */
export function throwWrongFramework(): never {
  const message =
    'A middleware or hook was called by another framework than it is for, or in a hook that comes too late for it'
  warnOnce('ERR_CONFIGURATION', '', 'wrong-framework', message)
  throw new ConfigurationError(message)
}
