import { type Awaitable, attempt } from '../base/maybe-async.js'
import type { DpopChallenge } from './challenge.js'
import { copyOfError } from './copy-of-error.js'
import { InvalidProofError } from './errors.js'
import {
  isTelnyxAuthError,
  presentedAsDpop,
  scopesBeforeContext,
  stateOf,
  TelnyxAuthError,
} from './telnyx-auth-error.js'

/** What the refused operation needs. A challenge names it for every refusal, so that one new token is enough. */
export interface ChallengeContext {
  /** All the scopes that the operation needs. */
  readonly requiredScopes: readonly string[]
  /** The URL of the metadata of the protected resource (RFC 9728 §5.1). */
  readonly resourceMetadata: string | undefined
  /** What the challenge says about DPoP; `undefined` where it is not accepted. */
  readonly dpop: DpopChallenge | undefined
}

/**
 * Adds the required scopes and the metadata URL to an error of this library. A context that was added before is replaced,
 * never extended: one error may refuse several requests.
 *
 * @returns the same error; errors of others as they are
 */
export function withChallengeContext(error: unknown, context: ChallengeContext): unknown {
  if (!isTelnyxAuthError(error)) return error
  const before = scopesBeforeContext(error)
  const { requiredScopes } = context
  const scopes = before.length === 0 ? requiredScopes : [...new Set([...requiredScopes, ...before])]
  // Set, not assigned: the error may be frozen, and then it stays as it is.
  Reflect.set(error, 'requiredScopes', Object.freeze(scopes))
  Reflect.set(error, 'resourceMetadata', context.resourceMetadata)
  // An error of a class that was derived from another copy of this package keeps its own state.
  if (!(error instanceof TelnyxAuthError)) return error
  const state = stateOf(error)
  state.dpop = context.dpop
  // The headers are created again, without those that were added while it refused another request.
  state.headers = undefined
  if (state.hasChallengeContext) state.added = undefined
  state.hasChallengeContext = true
  return error
}

/**
 * Runs a check of a token. Where the token was presented with the scheme `DPoP`, the challenge of this scheme says why it was
 * refused (RFC 9449 §7.1).
 */
export function withDpopChallenge<T>(isDpop: boolean, work: () => Awaitable<T>): Awaitable<T> {
  return attempt(
    work,
    (value) => value,
    (error) => {
      // A proof is for this scheme only, also where the refusal is repeated.
      presentedAsDpop(error, isDpop || error instanceof InvalidProofError)
      throw error
    },
  )
}

/** A copy of an error of this library for this request alone, where a copy is possible; any other error as it is. */
export function copyOf(error: unknown): unknown {
  return isTelnyxAuthError(error) ? (copyOfError(error) ?? error) : error
}

/**
 * What a framework can be given as an error. Frameworks treat some thrown values (`undefined`, `'route'`) as "continue", so
 * everything that is not an `Error` becomes the `cause` of one.
 *
 * @example
 * ```ts
 * asError(undefined) // Error: The request could not be authorized
 * ```
 */
export function asError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error) return thrown
  } catch {
    // `instanceof` runs code of a proxy, which may throw.
  }
  return new Error('The request could not be authorized', { cause: thrown })
}
