import { createVerifier, toResponse } from '@telnyx-auth/core'

const verifier = createVerifier({ audience: 'https://api.example.com' })

/**
 * Handles a web request: answers with the client that calls.
 *
 * @param {Request} request
 */
export async function handle(request) {
  // Clients find the authorization server here (RFC 9728).
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
