import { type Awaitable, isPending } from '../base/maybe-async.js'
import type { Verifier } from '../create-verifier.js'
import { asError, copyOf } from '../errors/challenge-context.js'
import { ConfigurationError, MissingTokenError } from '../errors/errors.js'
import type { AuthenticatableRequest } from '../request/request-headers.js'
import type { ProtectedResourceMetadata } from '../resource/protected-resource.js'
import type { Auth } from '../token/auth.js'
import type { JwtClaims } from '../token/claims.js'
import { AuthStates, type SettledState } from './auth-state.js'
import { authenticate } from './authenticate.js'
import {
  type AuthenticatorTraits,
  type OwnOptions,
  type OwnOptionValues,
  type ResolvedAuthenticatorOptions,
  resolveAuthenticatorOptions,
} from './authenticator-options.js'
import { announceCopy } from './copies.js'
import { respondWithIssuerMetadata } from './issuer-metadata.js'
import { refuse, withContextOf } from './refusal.js'
import type { Decision, RequestHandle } from './request-handle.js'
import { publishAuth, settledState, stateOf } from './request-state.js'
import { clearForAnswer } from './response-headers.js'

/** What `telnyxAuth()` is in every framework. */
export interface Authenticator {
  /** The verifier: the one that the options name, or one for this authenticator alone. */
  readonly verifier: Verifier
  /** The metadata of the protected resource (RFC 9728) that this authenticator serves. */
  readonly resource: ProtectedResourceMetadata | undefined
  /** The values of the options that only this adapter has. */
  readonly own: OwnOptionValues
  /**
   * Answers a request for the metadata of the protected resource (RFC 9728); authenticates every other request. Synchronous
   * where nothing has to be waited for.
   *
   * @param handle the request, as the adapter hands it to core
   * @param request headers, method and URL: a web `Request`, or a request of Node
   * @returns the answer to write, or `undefined` to continue
   * @throws an error for the error handling of the framework: with `errors: 'throw'` every refusal; in any case what is not
   *   an error of this library, and a {@link ConfigurationError}
   * @example
   * ```ts
   * const answer = await authenticator.authenticate(handle, request)
   * if (answer) return new Response(answer.body, answer)
   * ```
   */
  readonly authenticate: (handle: RequestHandle, request: AuthenticatableRequest) => Awaitable<Decision>
  /**
   * The same, but authentication runs when the first guard asks for it.
   *
   * @example
   * ```ts
   * const answer = authenticator.defer(handle, request)
   * ```
   */
  readonly defer: (handle: RequestHandle, request: AuthenticatableRequest) => Decision
  /**
   * Prepares answers to requests for the metadata of the issuer (RFC 8414): the document that the verifier discovers and caches, or
   * that of the option `metadata`. With several issuers, that of the first.
   *
   * @returns answers `GET`, `HEAD` and preflight requests with any URL; an outage as `authenticate` does
   * @throws {ConfigurationError} where the options replace discovery, and have no whole document for clients
   * @example
   * ```ts
   * const respond = authenticator.issuerMetadata()
   * const answer = await respond(handle, request)
   * ```
   */
  readonly issuerMetadata: () => (handle: RequestHandle, request: AuthenticatableRequest) => Promise<Decision>
}

/**
 * Creates what `telnyxAuth()` is in every framework.
 *
 * @param options the options that the application gave; see `AdapterOptions`
 * @param ownOptions the options that only this adapter has
 * @param traits how this adapter differs from the others
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * ```ts
 * import { type AdapterOptions, createAuthenticator } from '@telnyx-auth/core/adapter'
 *
 * // The function `middleware` is the example of respondOrNext().
 * export const telnyxAuth = (options?: AdapterOptions) => middleware(createAuthenticator(options).authenticate)
 * ```
 */
export function createAuthenticator(
  options: unknown,
  ownOptions: OwnOptions = {},
  traits: AuthenticatorTraits = {},
): Authenticator {
  const authenticator = resolveAuthenticatorOptions(options, ownOptions, traits)
  announceCopy((request) => AuthStates.get(request) !== undefined)
  return {
    verifier: authenticator.verifier,
    resource: authenticator.resource,
    own: authenticator.own,
    authenticate(handle, request) {
      try {
        const metadata = respondWithMetadata(authenticator, handle, request)
        if (metadata) return metadata
        const state = authenticate(authenticator, handle, request, AuthStates.get(handle.requestKey))
        return isPending(state)
          ? state.then(
              () => undefined,
              (error) => refuse(authenticator, handle, error),
            )
          : undefined
      } catch (error) {
        return refuse(authenticator, handle, error)
      }
    },
    defer(handle, request) {
      try {
        const metadata = respondWithMetadata(authenticator, handle, request)
        if (metadata) return metadata
      } catch (error) {
        return refuse(authenticator, handle, error)
      }
      const earlier = settledState(AuthStates.get(handle.requestKey))
      AuthStates.set(handle.requestKey, { kind: 'deferred', authenticator, request, earlier })
      publishAuth(handle, earlier?.authenticator ?? authenticator, earlier ? authOf(earlier) : null)
      return undefined
    },
    issuerMetadata() {
      authenticator.verifier.issuerMetadata.checkPublishable()
      return (handle, request) => respondWithIssuerMetadata(authenticator, handle, request)
    },
  }
}

/**
 * The caller of a request: what `getAuth()` is in every framework.
 *
 * @param requestKey see {@link RequestHandle.requestKey}
 * @param context what `getAuth()` was given, where the request key is only a part of it
 * @typeParam Claims the claims that the issuer's tokens carry
 * @throws {MissingTokenError} when the caller is anonymous
 * @throws {ConfigurationError} when no authenticator has run for this request
 * @throws {TelnyxAuthError} the refusal, in an application that went on after it
 * @example
 * ```ts
 * import * as core from '@telnyx-auth/core/adapter'
 * import type { Context } from 'hono'
 *
 * export const getAuth = (c: Context) => core.getAuth(c)
 * ```
 */
export function getAuth<Claims extends object = JwtClaims>(
  requestKey: unknown,
  context?: unknown,
): Auth<Claims>
export function getAuth(requestKey: unknown, context?: unknown): Auth {
  const state = settledState(stateOf(requestKey, context))
  if (!state)
    throw new ConfigurationError(
      'Authentication was deferred and has not run: requireAuth() must come before getAuth()',
    )
  if (state.kind === 'authenticated') return state.auth
  const error = state.kind === 'refused' ? asError(copyOf(state.error)) : new MissingTokenError()
  throw withContextOf(state.authenticator, error, [])
}

function respondWithMetadata(
  { resource }: ResolvedAuthenticatorOptions,
  handle: RequestHandle,
  request: AuthenticatableRequest,
): Decision {
  const response = resource?.respond(request)
  if (!response) return undefined
  const { status, headers, body } = response
  clearForAnswer(handle.responseHeaders(), headers)
  return { status, headers, body: body && JSON.stringify(body) }
}

function authOf(state: SettledState): Auth | undefined {
  return state.kind === 'authenticated' ? state.auth : undefined
}
