/**
 * One process of a fleet: `verifier-process <client> <port> <issuer> <audience>`. It says `ready`, and then answers each request
 * with `accepted`, or with the code of an error.
 */

import { type AuthenticatableRequest, createVerifier, isTelnyxAuthError } from '@telnyx-auth/core'
import { createReplayStore } from '@telnyx-auth/redis'
import { CLIENT_NAMES, openClient } from '../support/redis.js'

const [name, port, issuer = '', audience = ''] = process.argv.slice(2)
const clientName = CLIENT_NAMES.find((each) => each === name) ?? 'redis'
const { client } = await openClient(clientName, Number(port))
const verifier = createVerifier({
  issuer,
  audience,
  dpop: { mode: 'required', replayStore: createReplayStore({ client, timeoutMs: 5_000 }) },
})
await verifier.preload()

process.on('message', async (requests: readonly AuthenticatableRequest[]) => {
  process.send?.(
    await Promise.all(
      requests.map((request) =>
        verifier.authenticate(request).then(
          () => 'accepted',
          (error: unknown) => (isTelnyxAuthError(error) ? error.code : String(error)),
        ),
      ),
    ),
  )
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
