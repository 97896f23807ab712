import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PublicJwk } from './tokens.js'

/** An issuer on this machine, with what every library here asks for. */
export interface LoopbackIssuer {
  readonly url: string
  close(): void
}

export async function startIssuer(keys: readonly PublicJwk[]): Promise<LoopbackIssuer> {
  const documents = new Map<string, object>()
  const server = createServer((request, response) => {
    const document = documents.get(request.url ?? '')
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' })
    response.end(JSON.stringify(document ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${portOf(server.address())}`
  const metadata = {
    issuer: url,
    jwks_uri: jwksUriOf(url),
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    response_types_supported: ['code'],
    id_token_signing_alg_values_supported: ['RS256'],
  }
  documents.set('/.well-known/oauth-authorization-server', metadata)
  documents.set('/.well-known/openid-configuration', metadata)
  documents.set('/jwks', { keys })
  return {
    url,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** For those that discover nothing. */
export function jwksUriOf(issuer: string): string {
  return `${issuer}/jwks`
}

export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('The server has no port')
  return address.port
}
