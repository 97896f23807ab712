import type { Channel } from 'node:diagnostics_channel'
import type { ErrorCode } from '../errors/error-codes.js'
import type { IssuerFailureReason } from '../errors/issuer-failure.js'
import type { Reason } from '../errors/reasons.js'
import type { KeyLeftOut } from './keys-left-out.js'

/**
 * What operators can watch: each is published on the `node:diagnostics_channel` channel that {@link channels} names.
 * No token, no secret, and of the claims at most the issuer, one that was configured. Durations are in milliseconds.
 */
export interface Events {
  /** A token was found to be good, and enough for what was asked. */
  readonly tokenAccepted: {
    readonly issuer: string
    /** The id of the issuer's key that made the signature, where it has one and there was one. */
    readonly kid?: string | undefined
    readonly verifiedBy: 'signature' | 'introspection' | 'both'
    /** Whether its signature had been checked before, and was not checked again. */
    readonly cached: boolean
    readonly durationMs: number
  }
  /**
   * A request was refused: for its token, for its use here, or because it has no token (`ERR_TOKEN_MISSING`). Or nothing
   * could be decided about its token: then the code is one of the 503s.
   */
  readonly tokenRejected: {
    readonly code: ErrorCode
    /** The name of the claim that is at fault, where it is one. */
    readonly claim?: string | undefined
    /** The exact check that failed, a stable short word. */
    readonly reason?: Reason | undefined
    /** What the operator can do about it, one fixed sentence. */
    readonly hint?: string | undefined
    /** The issuer that the token names, where it is one of those that were configured. */
    readonly issuer?: string | undefined
    readonly durationMs: number
  }
  /** The keys of an issuer were loaded, or found to be what they were. */
  readonly keysRefreshed: {
    readonly issuer: string
    readonly keyIds: readonly string[]
    /** The members of the JWK Set that are not used, where there are some: the first twenty. */
    readonly keysLeftOut?: readonly KeyLeftOut[] | undefined
    readonly durationMs: number
  }
  /** The metadata or the keys of an issuer could not be loaded. */
  readonly refreshFailed: {
    readonly issuer: string
    readonly document: 'metadata' | 'keys'
    readonly code: 'ERR_DISCOVERY_FAILED' | 'ERR_KEYS_UNAVAILABLE'
    readonly reason: IssuerFailureReason | 'error'
    readonly host?: string | undefined
    readonly status?: number | undefined
    readonly durationMs?: number | undefined
    /** For how long it is not asked again. */
    readonly pauseMs: number
  }
  /** The ids of an issuer's keys are not the ones that they were. */
  readonly keysRotated: {
    readonly issuer: string
    readonly added: readonly string[]
    readonly removed: readonly string[]
  }
  /** Tokens begin to be checked with keys that are past their lifetime, because there are no newer ones. */
  readonly keysStale: {
    readonly issuer: string
    readonly keysAgeMs: number
  }
  /** An issuer was asked about a token (RFC 7662). */
  readonly introspectionAsked: {
    readonly issuer: string
    readonly outcome: 'active' | 'inactive' | 'failed'
    /** Why it failed. `credentials`: those of this API are not accepted. */
    readonly reason?: IssuerFailureReason | 'error' | undefined
    readonly status?: number | undefined
    readonly durationMs: number
  }
  /**
   * After failures, an issuer's introspection endpoint is not asked for a while about the tokens of one lane: `confirm` has
   * the tokens whose signature was verified here, `decide` those that only the issuer can judge.
   */
  readonly introspectionCircuitOpened: {
    readonly issuer: string
    readonly lane: 'confirm' | 'decide'
    readonly pauseMs: number
  }
  /** The same as `introspectionCircuitOpened`, under its earlier name. */
  readonly introspectionResting: Events['introspectionCircuitOpened']
  /** A question about a token was refused, because its lane had as many requests in flight as `maxInFlight` allows. */
  readonly introspectionLimited: {
    readonly issuer: string
    readonly lane: 'confirm' | 'decide'
    readonly inFlight: number
  }
}

/** The names of the channels. */
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

/** Not an import: some runtimes have no `node:diagnostics_channel`, and the library works there without events. */
const diagnostics = globalThis.process?.getBuiltinModule?.('node:diagnostics_channel')

const channel = (name: string): Channel | undefined => diagnostics?.channel(name)

/** Kept, because looking one up by its name takes time. */
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

/** Where an event is to be published; `undefined` when nobody listens, so that nothing is built then. */
export function watched<Name extends keyof Events>(
  name: Name,
): { publish(event: Events[Name]): void } | undefined {
  const target = opened[name]
  return target?.hasSubscribers ? target : undefined
}

/**
 * Listens to an event. The same as `subscribe(channels[event], listener)` of `node:diagnostics_channel`, with types. What
 * a listener throws becomes an `uncaughtException`, and changes nothing about the token.
 *
 * @returns a function that ends it
 */
export function watch<Name extends keyof Events>(
  event: Name,
  listener: (event: Events[Name]) => void,
): () => void {
  // Node types messages as unknown, because anybody can publish; on these channels, this library does.
  const onMessage = (message: unknown) => listener(message as Events[Name])
  diagnostics?.subscribe(channels[event], onMessage)
  return () => void diagnostics?.unsubscribe(channels[event], onMessage)
}
