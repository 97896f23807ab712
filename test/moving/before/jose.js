import { createRemoteJWKSet, jwtVerify } from 'jose'

/** @param {string} issuer */
export function createApp(issuer) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/v2/oauth/jwks`))

  return async (request, response) => {
    const answer = (status, body) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
    }
    let claims
    try {
      const token = request.headers.authorization?.split(' ')[1] ?? ''
      const { payload } = await jwtVerify(token, keys, { issuer, audience: 'https://api.example.com' })
      claims = payload
    } catch {
      return answer(401, { error: 'Unauthorized' })
    }

    if (request.url === '/me') return answer(200, { subject: claims.sub })
    if (!claims.scope?.split(' ').includes('messaging.read')) return answer(403, { error: 'Forbidden' })
    answer(200, { messages: [] })
  }
}
