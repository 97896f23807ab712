import { createVerifier, toResponse } from '@telnyx-auth/core'

const verifier = createVerifier({ audience: 'https://api.example.com' })

/**
 * For anything with web requests: answers who is calling.
 *
 * @param {Request} request
 */
export async function handle(request) {
  // Where clients look for the authorization server (RFC 9728).
  const metadata = verifier.protectedResourceMetadata()?.respond(request)
  if (metadata) return new Response(JSON.stringify(metadata.body), metadata)

  try {
    const auth = await verifier.authenticate(request, { scopes: ['messaging.read'] })
    return Response.json({ caller: auth.clientId })
  } catch (error) {
    const { status, headers, body } = toResponse(error)
    return new Response(JSON.stringify(body), { status, headers })
  }
}
