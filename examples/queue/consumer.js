import { createVerifier, isTelnyxAuthError, UnavailableError } from '@telnyx-auth/core'

/** How long a job may wait after its token has expired. The library allows ten minutes at most. */
const MAX_WAIT_SECONDS = 600
/** How far the clocks of the issuer and the queue may differ. */
const CLOCK_TOLERANCE_SECONDS = 5

/**
 * Consumes jobs of other systems. Each carries the access token of its caller.
 *
 * @param {import('@telnyx-auth/core').VerifierOptions} options
 * @param {(caller: import('@telnyx-auth/core').Auth, body: string) => Promise<void>} work
 * @returns {(job: import('./queue.js').Job) => Promise<import('./queue.js').Outcome>}
 */
export function createConsumer(options, work) {
  const verifier = createVerifier({
    ...options,
    scopes: ['messaging.write'],
    clockToleranceSeconds: MAX_WAIT_SECONDS,
  })

  return async ({ token = '', arrivedAt, body }) => {
    let caller
    try {
      // The token must have been valid when the job arrived, not now: callers do not wait for our queue.
      const validate = (/** @type {import('@telnyx-auth/core').Auth} */ auth) => wasValidAt(arrivedAt, auth)
      caller = await verifier.verify(token, { validate })
    } catch (error) {
      // The issuer cannot be asked. That is no reason to lose a job, and no failed attempt of it either.
      if (error instanceof UnavailableError) return { retryInSeconds: error.retryAfterSeconds }
      // A bad token stays bad: no retry.
      if (isTelnyxAuthError(error)) return { deadLetter: error.code }
      throw error
    }
    // Not in the "try": what fails here is no matter of the token. The queue treats it as any failed job.
    await work(caller, body)
    return 'done'
  }
}

/**
 * @param {number} time in seconds since the epoch
 * @param {import('@telnyx-auth/core').Auth} auth
 */
function wasValidAt(time, { issuedAt, expiresAt, claims }) {
  const validFrom = Math.max(issuedAt ?? 0, claims.nbf ?? 0)
  const validUntil = expiresAt ?? Number.POSITIVE_INFINITY
  return validFrom <= time + CLOCK_TOLERANCE_SECONDS && time < validUntil + CLOCK_TOLERANCE_SECONDS
}
