import type { Channel } from 'node:diagnostics_channel'
import type { ErrorCode } from '../errors/error-codes.js'
import type { IssuerFailureReason } from '../errors/issuer-failure.js'
import type { Reason } from '../errors/reasons.js'
import type { KeyLeftOut } from './keys-left-out.js'

/**
 * The events for operators. Each is published on the `node:diagnostics_channel` channel that {@link channels} names. An event has
 * no token and no secret, and of the claims only the issuer, if it is configured. Durations are in milliseconds.
 */
export interface Events {
  /** A token is valid and satisfies the policy. */
  readonly tokenAccepted: {
    /** The issuer of the token. */
    readonly issuer: string
    /** The id of the key that made the signature, where the key has an id. */
    readonly kid?: string | undefined
    /** How the token was verified: by its signature, by introspection (RFC 7662), or by both. */
    readonly verifiedBy: 'signature' | 'introspection' | 'both'
    /** Whether the result of an earlier signature check was used. */
    readonly cached: boolean
    /** How long the check took. */
    readonly durationMs: number
  }
  /**
   * A request was refused: its token is invalid, does not satisfy the policy, or is missing (`ERR_TOKEN_MISSING`). With a code of
   * status 503, the token could not be checked.
   */
  readonly tokenRejected: {
    /** The code of the error. */
    readonly code: ErrorCode
    /** The name of the claim that failed a check. */
    readonly claim?: string | undefined
    /** The exact check that failed: a stable short word. */
    readonly reason?: Reason | undefined
    /** What the operator can do: one fixed sentence. */
    readonly hint?: string | undefined
    /** The issuer that the token names, if it is configured. */
    readonly issuer?: string | undefined
    /** With `ERR_ISSUER_NOT_ALLOWED`: the issuer that is configured; of several, the first. */
    readonly expectedIssuer?: string | undefined
    /** How long the check took. */
    readonly durationMs: number
  }
  /** The keys of an issuer were fetched, changed or unchanged. */
  readonly keysRefreshed: {
    /** The issuer of the keys. */
    readonly issuer: string
    /** The ids (`kid`) of the keys that are cached now. */
    readonly keyIds: readonly string[]
    /** The first twenty members of the JWK Set that are not used, if there are any. */
    readonly keysLeftOut?: readonly KeyLeftOut[] | undefined
    /** How long the fetch took. */
    readonly durationMs: number
  }
  /** The metadata or the keys of an issuer could not be fetched. */
  readonly refreshFailed: {
    /** The issuer of the document. */
    readonly issuer: string
    /** The document that was requested. */
    readonly document: 'metadata' | 'keys'
    /** The code of the `UnavailableError` that requests may get. */
    readonly code: 'ERR_DISCOVERY_FAILED' | 'ERR_KEYS_UNAVAILABLE'
    /** Why the request failed; `error` for an error of another kind. */
    readonly reason: IssuerFailureReason | 'error'
    /** Host and port of the request. */
    readonly host?: string | undefined
    /** The status of the response, if there was one. */
    readonly status?: number | undefined
    /** How long the request took. */
    readonly durationMs?: number | undefined
    /** The backoff before the next request. */
    readonly pauseMs: number
  }
  /** The key ids of an issuer have changed. */
  readonly keysRotated: {
    /** The issuer of the keys. */
    readonly issuer: string
    /** The ids (`kid`) that are new. */
    readonly added: readonly string[]
    /** The ids (`kid`) that are gone. */
    readonly removed: readonly string[]
  }
  /** The verifier starts to use stale keys, because no newer ones could be fetched (stale-if-error, RFC 5861 §4). */
  readonly keysStale: {
    /** The issuer of the keys. */
    readonly issuer: string
    /** How long ago the keys were fetched. */
    readonly keysAgeMs: number
  }
  /** An issuer was asked about a token (RFC 7662). */
  readonly introspectionAsked: {
    /** The issuer that was asked. */
    readonly issuer: string
    /** What the issuer said about the token; `failed` without an answer. */
    readonly outcome: 'active' | 'inactive' | 'failed'
    /** Why the request failed. `credentials`: the issuer refused those of this API. */
    readonly reason?: IssuerFailureReason | 'error' | undefined
    /** The status of the response, if there was one. */
    readonly status?: number | undefined
    /** How long the request took. */
    readonly durationMs: number
  }
  /**
   * After failures, the circuit breaker of one lane opened: until `pauseMs` has passed, the issuer is not asked about its tokens.
   * Lane `confirm` has the tokens whose signature was verified here, `decide` those that only the issuer can judge.
   */
  readonly introspectionCircuitOpened: {
    /** The issuer that is not asked. */
    readonly issuer: string
    /** The lane of the circuit breaker. */
    readonly lane: 'confirm' | 'decide'
    /** How long it stays open. */
    readonly pauseMs: number
  }
  /** The earlier name of `introspectionCircuitOpened`, published beside it. */
  readonly introspectionResting: Events['introspectionCircuitOpened']
  /** An introspection request was not sent, because its lane had `maxInFlight` requests in flight. */
  readonly introspectionLimited: {
    /** The issuer that was not asked. */
    readonly issuer: string
    /** The lane that is full. */
    readonly lane: 'confirm' | 'decide'
    /** The number of requests in flight. */
    readonly inFlight: number
  }
}

/**
 * The name of the `node:diagnostics_channel` channel of each event.
 *
 * @example
 * import { subscribe } from 'node:diagnostics_channel'
 *
 * subscribe(channels.tokenRejected, (message) => console.warn(message))
 */
export const channels: { readonly [Name in keyof Events]: `telnyx-auth:${string}` } = Object.freeze({
  tokenAccepted: 'telnyx-auth:token:accepted',
  tokenRejected: 'telnyx-auth:token:rejected',
  keysRefreshed: 'telnyx-auth:keys:refreshed',
  refreshFailed: 'telnyx-auth:refresh:failed',
  keysRotated: 'telnyx-auth:keys:rotated',
  keysStale: 'telnyx-auth:keys:stale',
  introspectionAsked: 'telnyx-auth:introspection:asked',
  introspectionCircuitOpened: 'telnyx-auth:introspection:opened',
  introspectionResting: 'telnyx-auth:introspection:resting',
  introspectionLimited: 'telnyx-auth:introspection:limited',
})

/** Not an import: some runtimes have no `node:diagnostics_channel`. The library works there without events. */
const diagnostics = globalThis.process?.getBuiltinModule?.('node:diagnostics_channel')

const channel = (name: string): Channel | undefined => diagnostics?.channel(name)

/** Looked up once, because a look-up by name takes time. */
const opened: { readonly [Name in keyof Events]: Channel | undefined } = {
  tokenAccepted: channel(channels.tokenAccepted),
  tokenRejected: channel(channels.tokenRejected),
  keysRefreshed: channel(channels.keysRefreshed),
  refreshFailed: channel(channels.refreshFailed),
  keysRotated: channel(channels.keysRotated),
  keysStale: channel(channels.keysStale),
  introspectionAsked: channel(channels.introspectionAsked),
  introspectionCircuitOpened: channel(channels.introspectionCircuitOpened),
  introspectionResting: channel(channels.introspectionResting),
  introspectionLimited: channel(channels.introspectionLimited),
}

/** The channel of an event; `undefined` without subscribers, so that no event is built for them. */
export function watched<Name extends keyof Events>(
  name: Name,
): { publish(event: Events[Name]): void } | undefined {
  const target = opened[name]
  return target?.hasSubscribers ? target : undefined
}

/**
 * Subscribes to an event: `subscribe(channels[event], listener)` of `node:diagnostics_channel`, with types. An error that the
 * listener throws becomes an `uncaughtException`; it does not change what becomes of the token.
 *
 * @returns a function that ends the subscription
 * @example
 * const stop = watch('tokenRejected', ({ code, reason }) => console.warn(code, reason))
 */
export function watch<Name extends keyof Events>(
  event: Name,
  listener: (event: Events[Name]) => void,
): () => void {
  // Node types messages as unknown, because any code can publish. Only this library publishes on these channels.
  const onMessage = (message: unknown) => listener(message as Events[Name])
  diagnostics?.subscribe(channels[event], onMessage)
  return () => void diagnostics?.unsubscribe(channels[event], onMessage)
}
