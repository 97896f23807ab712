import { createVerifier, toResponse } from '@telnyx-auth/core'

/**
 * @param {string} issuer
 * @returns {import('node:http').RequestListener}
 */
export function createApp(issuer) {
  const verifier = createVerifier({ issuer, audience: 'https://api.example.com' })

  return async (request, response) => {
    /** @type {(status: number, body: object | undefined, headers?: Record<string, string>) => void} */
    const answer = (status, body, headers = { 'Content-Type': 'application/json' }) => {
      response.writeHead(status, headers).end(JSON.stringify(body))
    }
    // Clients find the authorization server here (RFC 9728).
    const metadata = verifier.protectedResourceMetadata()?.respond(request)
    if (metadata) return answer(metadata.status, metadata.body, metadata.headers)

    let auth
    try {
      const scopes = request.url === '/me' ? [] : ['messaging.read']
      auth = await verifier.authenticate(request, { scopes })
    } catch (error) {
      const { status, headers, body } = toResponse(error)
      return answer(status, body, headers)
    }

    answer(200, request.url === '/me' ? { subject: auth.subject } : { messages: [] })
  }
}
