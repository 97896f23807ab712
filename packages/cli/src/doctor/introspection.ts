import { InvalidTokenError, UnavailableError, type Verifier } from '@telnyx-auth/core'
import { type Finding, good, note, undecided, wrong } from './finding.js'
import { describeFailure, isOutage } from './issuer.js'

/** It is no access token, so the issuer must say that it is not active (RFC 7662 §2.2). */
const MADE_UP_TOKEN = 'telnyx-auth-doctor'

const REPAIR = 'Check that the endpoint belongs to this issuer, and what a proxy in between answers.'

/**
 * Asks the introspection endpoint about a made-up token: who is told that it is not active has good credentials (RFC 7662 §2.3).
 *
 * @param verifier one that introspects opaque tokens
 */
export async function examineIntrospection(verifier: Verifier): Promise<Finding> {
  const id = 'introspection'
  const error = await verifier.verify(MADE_UP_TOKEN).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error === undefined) return wrong(id, 'The endpoint says that a made-up token is active.', REPAIR)
  if (error instanceof InvalidTokenError)
    return error.code === 'ERR_TOKEN_INACTIVE'
      ? good(id, 'The endpoint accepts the credentials in the environment.')
      : wrong(id, `The endpoint says that a made-up token is active (${error.code}).`, REPAIR)
  if (!(error instanceof UnavailableError)) throw error
  const message = describeFailure(error)
  const repair = error.hint ?? REPAIR
  if (error.reason === 'introspection-token-refused') return note(id, message, repair)
  return (isOutage(error) ? undecided : wrong)(id, message, repair)
}
