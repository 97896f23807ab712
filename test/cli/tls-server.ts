import { once } from 'node:events'
import { createServer } from 'node:https'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { onTestFinished } from 'vitest'
import type { Certificate } from '../support/certificates.js'

/**
 * Serves the documents of an issuer in TLS until the test is over.
 *
 * @returns the identifier of the issuer
 */
export async function serveTls({ pem }: Certificate): Promise<string> {
  const server = createServer({ key: pem.key, cert: pem.cert })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The server has no address')
  const issuer = await createMockIssuer({ algorithm: 'ES256', issuer: `https://localhost:${address.port}` })
  server.on('request', async (request, response) => {
    const answer = await issuer.fetch(`${issuer.issuer}${request.url}`)
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    response.end(await answer.text())
  })
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return issuer.issuer
}
