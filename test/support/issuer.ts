import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { AUDIENCE } from './forge.js'

/** The parameter of challenges that names the metadata of the API {@link AUDIENCE}. */
export const METADATA: string = `resource_metadata="${AUDIENCE}/.well-known/oauth-protected-resource"`

export type TokenOptions = Parameters<MockIssuer['issueToken']>[0]

/** An issuer for the tests of an adapter. */
export interface IssuerInReach {
  readonly issuer: MockIssuer
  /** The header with a token of this issuer. */
  bearer(options?: TokenOptions): Promise<{ authorization: string }>
  /** Options of a verifier that uses this issuer. */
  reach(): { audience: string; fetch: MockIssuer['fetch'] }
}

export async function createIssuerInReach(): Promise<IssuerInReach> {
  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  return {
    issuer,
    bearer: async (options) => ({ authorization: `Bearer ${await issuer.issueToken(options)}` }),
    reach: () => ({ audience: AUDIENCE, fetch: issuer.fetch }),
  }
}
