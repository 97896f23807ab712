import { verify } from '@telnyx-auth/core'

// The audience and the issuer are in the environment: TELNYX_AUTH_AUDIENCE, TELNYX_AUTH_ISSUER.
const auth = await verify(process.argv[2] ?? '', { scopes: ['messaging.read'] })
console.log(`${auth.clientId} may ${auth.scopes.join(' and ')}`)
