import { UnavailableError } from '../errors/errors.js'
import { IssuerFailure } from '../errors/issuer-failure.js'
import type { ReplayStoreHealth } from '../sender/replay-store.js'
import type { KeyLeftOut } from '../telemetry/keys-left-out.js'
import type { TrustedIssuer } from './trusted-issuer.js'

/** The state of one issuer's cached metadata and keys. Ages and durations are in seconds. */
export interface IssuerHealth {
  /** The issuer identifier (RFC 8414 §2). */
  readonly issuer: string
  /** Whether tokens can be verified without a request to the issuer. */
  readonly ready: boolean
  /** The age of the metadata, once they were fetched. */
  readonly metadataAgeSeconds?: number
  /** The age of the keys, once they were fetched. */
  readonly keysAgeSeconds?: number
  /** How long the fetched keys are fresh, as the issuer says in `Cache-Control`, or the option `keys` without that. */
  readonly keysLifetimeSeconds?: number
  /** The ids of the cached keys. */
  readonly keyIds: readonly string[]
  /** The first twenty members of the issuer's JWK Set that are not used, and why, if there are any. */
  readonly keysLeftOut?: readonly KeyLeftOut[]
  /** Whether the keys are past their lifetime: no token has arrived lately, or the issuer is down. */
  readonly stale: boolean
  /** The failure of the last request to the issuer, until a request succeeds. */
  readonly lastFailure?: {
    /** The reason of an {@link IssuerFailure}, or `error` for an error of another kind. */
    readonly reason: string
    /** The failure in words, for operators. */
    readonly message: string
    /** How many seconds ago it happened. */
    readonly agoSeconds: number
  }
  /** The rest of the backoff after a failure; 0 when a request may be sent. */
  readonly nextRefreshInSeconds: number
}

/**
 * The state of a verifier. With several issuers, the members of {@link IssuerHealth} are those of the first.
 *
 * @example
 * const { ready, keysAgeSeconds, lastFailure } = verifier.health()
 */
export interface Health extends IssuerHealth {
  /** Whether the tokens of every issuer can be verified without a request. */
  readonly ready: boolean
  /** How full the replay store in memory is, where proofs of possession are checked. When it is full, new proofs are answered with 503. */
  readonly replayStore?: ReplayStoreHealth
  /** Every issuer, including the first. */
  readonly issuers: readonly IssuerHealth[]
}

/** The state of all issuers. Makes no request. */
export function healthOf(first: TrustedIssuer, all: Iterable<TrustedIssuer>): Health {
  const issuers = Array.from(all, issuerHealthOf)
  return { ...issuerHealthOf(first), ready: issuers.every(({ ready }) => ready), issuers }
}

function issuerHealthOf({ rules, server, keySet }: TrustedIssuer): IssuerHealth {
  const { document: keys, fixed } = keySet
  const { document: metadata } = server
  const failure = keys.failure ?? metadata.failure
  return {
    issuer: rules.issuer,
    // A configured JWK Set is imported at its first use, which may fail.
    ready: keys.usable || (fixed && keys.failure === undefined),
    ...(metadata.ageMs !== undefined && { metadataAgeSeconds: metadata.ageMs / 1000 }),
    ...(keys.ageMs !== undefined && !fixed && { keysAgeSeconds: keys.ageMs / 1000 }),
    ...(keys.lifetimeMs !== undefined && !fixed && { keysLifetimeSeconds: keys.lifetimeMs / 1000 }),
    keyIds: keySet.keyIds,
    ...(keySet.keysLeftOut && { keysLeftOut: keySet.keysLeftOut }),
    stale: keys.stale,
    ...(failure && { lastFailure: { ...shownFailure(failure.error), agoSeconds: failure.agoMs / 1000 } }),
    nextRefreshInSeconds: keys.pauseMs / 1000,
  }
}

/** The members of a failure that operators see. */
function shownFailure(error: unknown): { reason: string; message: string } {
  const cause = error instanceof UnavailableError ? error.cause : error
  if (cause instanceof IssuerFailure) return { reason: cause.reason, message: IssuerFailure.explain(cause) }
  return { reason: 'error', message: 'The request to the issuer could not be made' }
}
