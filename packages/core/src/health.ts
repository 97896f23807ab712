import { UnavailableError } from './errors.js'
import type { AuthorizationServer } from './issuer/authorization-server.js'
import { IssuerFailure } from './issuer/http.js'
import type { KeySet } from './issuer/key-set.js'

/** What a verifier knows of its issuer. Ages and durations are in seconds. */
export interface Health {
  readonly issuer: string
  /** Whether tokens can be checked even while the issuer cannot be asked. */
  readonly ready: boolean
  /** The age of the metadata document, once there is one. */
  readonly metadataAgeSeconds?: number
  /** The age of the keys, once there are any. */
  readonly keysAgeSeconds?: number
  /** The ids of the keys at hand. */
  readonly keyIds: readonly string[]
  /** Whether the keys are older than their lifetime: nobody came lately, or the issuer cannot be asked. */
  readonly stale: boolean
  /** What the last request to the issuer failed with, unless one has succeeded since. */
  readonly lastFailure?: { readonly reason: string; readonly message: string; readonly agoSeconds: number }
  /** How long the issuer will not be asked again after a failure; 0 when it may be. */
  readonly nextRefreshInSeconds: number
}

/** The state of what is known of an issuer, without asking it. */
export function describeHealth(server: AuthorizationServer, keySet: KeySet): Health {
  const { document: keys } = keySet
  const { document: metadata } = server
  const failure = keys.failure ?? metadata.failure
  return {
    issuer: server.issuer,
    ready: keys.usable,
    ...(metadata.ageMs !== undefined && { metadataAgeSeconds: metadata.ageMs / 1000 }),
    ...(keys.ageMs !== undefined && { keysAgeSeconds: keys.ageMs / 1000 }),
    keyIds: keys.value?.flatMap(({ kid }) => kid ?? []) ?? [],
    stale: keys.stale,
    ...(failure && { lastFailure: { ...explain(failure.error), agoSeconds: failure.agoMs / 1000 } }),
    nextRefreshInSeconds: keys.pauseMs / 1000,
  }
}

/** What operators are told of a failure. */
function explain(error: unknown): { reason: string; message: string } {
  const cause = error instanceof UnavailableError ? error.cause : error
  if (cause instanceof IssuerFailure) return { reason: cause.reason, message: cause.message }
  return { reason: 'error', message: 'The request to the issuer could not be made' }
}
