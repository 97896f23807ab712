import { createVerifier, toResponse } from '@telnyx-auth/core'

// One for the process, so that all routes share its keys and its cache. It reads TELNYX_AUTH_ISSUER if that is set.
export const verifier = createVerifier({ audience: 'https://api.example.com' })

/**
 * A route handler that runs only for callers with a valid access token.
 *
 * @template Context
 * @param {import('@telnyx-auth/core').Policy} policy what the token must have
 * @param {(auth: import('@telnyx-auth/core').Auth, request: Request, context: Context) => Response | Promise<Response>} handler
 * @returns {(request: Request, context: Context) => Promise<Response>}
 */
export function withAuth(policy, handler) {
  return async (request, context) => {
    let auth
    try {
      auth = await verifier.authenticate(request, policy)
    } catch (error) {
      const { status, headers, body } = toResponse(error)
      return Response.json(body, { status, headers })
    }
    return handler(auth, request, context)
  }
}
