import { generateKeyPairSync } from 'node:crypto'
import { createDpopProof, createMockIssuer } from '@telnyx-auth/mock-issuer'
import { afterAll } from 'vitest'

export const AUDIENCE = 'https://api.example.com'
const PATH = '/messages'

/** The issuer of a bound token, and the client that has its key. */
export interface Holder {
  readonly issuer: string
  readonly token: string
  /** A new proof (RFC 9449 §4.2). */
  prove(): Promise<string>
  /** A request, as Node's server hands it on. */
  request(proof: string): BoundRequest
}

interface BoundRequest {
  readonly method: 'GET'
  readonly url: string
  readonly headers: { readonly authorization: string; readonly dpop: string }
}

/** The mock issuer listens until the tests of the `describe` block are over. */
export async function createHolder(): Promise<Holder> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const server = await createMockIssuer({ algorithm: 'ES256', audience: AUDIENCE })
  closers.push(() => server.close())
  const issuer = await server.listen()
  const token = await server.issueToken({ dpopKey: privateKey })
  return {
    issuer,
    token,
    prove: () => createDpopProof({ key: privateKey, method: 'GET', url: `${AUDIENCE}${PATH}`, token }),
    request: (proof) => ({
      method: 'GET',
      url: PATH,
      headers: { authorization: `DPoP ${token}`, dpop: proof },
    }),
  }
}

const closers: (() => Promise<void>)[] = []

/** Ends the issuers of a file. */
export function closeIssuers(): void {
  afterAll(async () => {
    for (const close of closers.splice(0)) await close()
  })
}
