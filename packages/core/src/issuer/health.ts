import { UnavailableError } from '../errors/errors.js'
import { IssuerFailure } from '../errors/issuer-failure.js'
import type { KeyLeftOut } from '../telemetry/keys-left-out.js'
import type { TrustedIssuer } from './trusted-issuer.js'

/** What is known of one issuer. Ages and durations are in seconds. */
export interface IssuerHealth {
  readonly issuer: string
  /** Whether tokens can be checked even while the issuer cannot be asked. */
  readonly ready: boolean
  /** The age of the metadata document, once one was fetched. */
  readonly metadataAgeSeconds?: number
  /** The age of the keys, once some were fetched. */
  readonly keysAgeSeconds?: number
  /** The ids of the keys at hand. */
  readonly keyIds: readonly string[]
  /** The members of the issuer's JWK Set that are not used, and why, where there are some: the first twenty. */
  readonly keysLeftOut?: readonly KeyLeftOut[]
  /** Whether the keys are older than their lifetime: nobody came lately, or the issuer cannot be asked. */
  readonly stale: boolean
  /** What the last request to the issuer failed with, unless one has succeeded since. */
  readonly lastFailure?: { readonly reason: string; readonly message: string; readonly agoSeconds: number }
  /** How long the issuer will not be asked again after a failure; 0 when it may be. */
  readonly nextRefreshInSeconds: number
}

/** What a verifier knows: of its issuer, or of the first one where there are several. */
export interface Health extends IssuerHealth {
  /** Whether the tokens of every issuer can be checked even while none can be asked. */
  readonly ready: boolean
  /** Every issuer, the first one too. */
  readonly issuers: readonly IssuerHealth[]
}

/** The state of what is known of the issuers, without asking them. */
export function describeHealth(first: TrustedIssuer, all: Iterable<TrustedIssuer>): Health {
  const issuers = Array.from(all, describeIssuer)
  return { ...describeIssuer(first), ready: issuers.every(({ ready }) => ready), issuers }
}

function describeIssuer({ rules, server, keySet }: TrustedIssuer): IssuerHealth {
  const { document: keys, fixed } = keySet
  const { document: metadata } = server
  const failure = keys.failure ?? metadata.failure
  return {
    issuer: rules.issuer,
    // Keys that were given are imported at their first use, which may show that they cannot be.
    ready: keys.usable || (fixed && keys.failure === undefined),
    ...(metadata.ageMs !== undefined && { metadataAgeSeconds: metadata.ageMs / 1000 }),
    ...(keys.ageMs !== undefined && !fixed && { keysAgeSeconds: keys.ageMs / 1000 }),
    keyIds: keySet.keyIds,
    ...(keySet.keysLeftOut && { keysLeftOut: keySet.keysLeftOut }),
    stale: keys.stale,
    ...(failure && { lastFailure: { ...explain(failure.error), agoSeconds: failure.agoMs / 1000 } }),
    nextRefreshInSeconds: keys.pauseMs / 1000,
  }
}

/** What operators are told of a failure. */
function explain(error: unknown): { reason: string; message: string } {
  const cause = error instanceof UnavailableError ? error.cause : error
  if (cause instanceof IssuerFailure) return { reason: cause.reason, message: IssuerFailure.explain(cause) }
  return { reason: 'error', message: 'The request to the issuer could not be made' }
}
