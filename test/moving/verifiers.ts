import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { JwtVerifier } from 'aws-jwt-verify'
import { SimpleJwksCache } from 'aws-jwt-verify/jwk'
import { type AuthorizationServer, allowInsecureRequests, validateJwtAccessToken } from 'oauth4webapi'
import { serve } from '../support/http.js'
import { createApp as afterExpress } from './after/express.js'
import { type Build, MOVES } from './packages.js'

const AUDIENCE = 'https://api.example.com'

/** What became of a token: a status for a server, or a word for a library that only checks. */
export type Verdict = 'accepted' | 'refused' | number

/** Presents a token. */
export type Present = (token: string) => Promise<Verdict>

/** A column of the comparison. Packages with one column share what checks tokens. */
export interface Compared {
  readonly packages: readonly string[]
  /** For each package, a verifier that has not fetched the keys of the issuer yet. */
  readonly create: readonly ((issuer: MockIssuer) => Promise<Present>)[]
}

/** The application of a page. `/me` needs a good token, and no scope. */
const inServer = (build: Build) => async (issuer: MockIssuer) => {
  const { client } = await serve(await build(issuer.issuer))
  return async (token: string): Promise<Verdict> => {
    const { status } = await client.request('GET', '/me', [`Authorization: Bearer ${token}`])
    return status === 200 ? 'accepted' : status
  }
}

const before = (...packages: readonly string[]): Compared => {
  const create = packages.map((name) => {
    const found = MOVES.find((move) => move.name === name)
    if (!found) throw new Error(`No page is about ${name}`)
    return inServer(found.before)
  })
  return { packages, create }
}

const library = (
  name: string,
  create: (issuer: MockIssuer) => (token: string) => Promise<unknown>,
): Compared => {
  const present = async (issuer: MockIssuer): Promise<Present> => {
    const check = create(issuer)
    return (token) =>
      check(token).then(
        () => 'accepted' as const,
        () => 'refused' as const,
      )
  }
  return { packages: [name], create: [present] }
}

export const COMPARED: readonly Compared[] = [
  { packages: ['telnyx-auth'], create: [inServer(afterExpress)] },
  before('express-oauth2-jwt-bearer'),
  before('express-jwt', 'koa-jwt', 'passport-jwt'),
  before('fastify-jwt-jwks'),
  before('jose'),
  library('aws-jwt-verify', ({ issuer }) => {
    // It fetches over https only.
    const fetcher = { fetch: async (uri: string) => (await fetch(uri)).arrayBuffer() }
    const verifier = JwtVerifier.create(
      { issuer, audience: AUDIENCE, jwksUri: `${issuer}/v2/oauth/jwks` },
      { jwksCache: new SimpleJwksCache({ fetcher }) },
    )
    return (token) => verifier.verify(token)
  }),
  library('oauth4webapi', ({ issuer }) => {
    // Keys are cached for this object.
    const server: AuthorizationServer = { issuer, jwks_uri: `${issuer}/v2/oauth/jwks` }
    return (token) => {
      const request = new Request(AUDIENCE, { headers: { authorization: `Bearer ${token}` } })
      return validateJwtAccessToken(server, request, AUDIENCE, { [allowInsecureRequests]: true })
    }
  }),
]

/** An issuer that listens, for as long as the caller uses it. */
export async function listeningIssuer(): Promise<MockIssuer> {
  const issuer = await createMockIssuer()
  await issuer.listen()
  return issuer
}
