import { verifier } from '../../../auth.js'

/**
 * Clients find the authorization server here (RFC 9728). It needs no token, and pages of any origin may read it.
 *
 * @param {Request} request
 */
function serveMetadata(request) {
  const metadata = verifier.protectedResourceMetadata()?.respond(request)
  if (!metadata) return new Response(null, { status: 404 })
  const { status, headers, body } = metadata
  return new Response(body && JSON.stringify(body), { status, headers })
}

export { serveMetadata as GET, serveMetadata as OPTIONS }
