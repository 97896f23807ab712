import { createVerifier, toResponse } from '@telnyx-auth/core'

/**
 * Our own API: verifies the token when a request arrives, and publishes who the caller is. The job has no token, so it may wait for
 * days.
 *
 * @param {import('@telnyx-auth/core').VerifierOptions} options
 * @param {import('./queue.js').MemoryQueue} queue only this API may publish to it
 */
export function createProducer(options, queue) {
  const verifier = createVerifier({ ...options, scopes: ['messaging.write'] })

  return async (/** @type {Request} */ request) => {
    let auth
    try {
      auth = await verifier.authenticate(request)
    } catch (error) {
      const { status, headers, body } = toResponse(error)
      return Response.json(body, { status, headers })
    }
    const { subject, clientId, scopes } = auth
    const id = crypto.randomUUID()
    queue.publish({ id, caller: { subject, clientId, scopes }, body: await request.text() })
    return Response.json({ id }, { status: 202 })
  }
}
