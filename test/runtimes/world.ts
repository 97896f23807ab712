import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createDpopProof, createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { createCertificate } from '../support/certificates.js'

export const AUDIENCE = 'https://api.example.com'
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const

/** An issuer, and what the parts of `parts.mjs` need from outside. All of it can be written as JSON. */
export interface World {
  readonly issuer: MockIssuer
  readonly input: object
  close(): Promise<void>
}

/** A runtime gets a world of its own, so that what its verifiers ask can be counted. */
export async function createWorld(): Promise<World> {
  const client = { clientId: 'client-1', clientSecret: 'a-secret-of-the-client' }
  const issuers = await Promise.all(
    ALGORITHMS.map((algorithm) => createMockIssuer({ algorithm, clients: [client] })),
  )
  const urls = await Promise.all(issuers.map((issuer) => issuer.listen()))
  const issuer = issuers[ALGORITHMS.indexOf('ES256')]
  if (!issuer) throw new Error('There is no issuer for ES256')
  const goodClaims = {
    audience: AUDIENCE,
    subject: 'user-1',
    clientId: 'client-1',
    scopes: ['messaging.read'],
  }
  const token = await issuer.issueToken(goodClaims)
  const revoked = await issuer.issueToken(goodClaims)
  issuer.revoke(revoked)
  return {
    issuer,
    input: {
      audience: AUDIENCE,
      issuer: issuer.issuer,
      closed: await closedUrl(),
      client,
      token,
      revoked,
      issuers: await Promise.all(
        issuers.map(async (each, index) => ({
          algorithm: ALGORITHMS[index],
          url: urls[index],
          token: await each.issueToken(goodClaims),
        })),
      ),
      refused: await refusedTokens(issuer, goodClaims),
      bound: await boundToken(issuer, goodClaims),
      certified: await certifiedToken(issuer, goodClaims),
      resource: await forResource(issuer, goodClaims),
    },
    close: async () => void (await Promise.all(issuers.map((each) => each.close()))),
  }
}

type Claims = NonNullable<Parameters<MockIssuer['issueToken']>[0]>

async function refusedTokens(issuer: MockIssuer, claims: Claims): Promise<[code: string, token: string][]> {
  const good = await issuer.issueToken(claims)
  const [header, , signature] = good.split('.')
  const [, otherClaims] = (await issuer.issueToken({ ...claims, subject: 'admin' })).split('.')
  const foreign = await createMockIssuer({ issuer: issuer.issuer, algorithm: 'ES256' })
  return [
    ['ERR_TOKEN_EXPIRED', await issuer.issueToken({ ...claims, expiresInSeconds: -60 })],
    ['ERR_AUDIENCE_NOT_ALLOWED', await issuer.issueToken({ ...claims, audience: 'urn:other' })],
    [
      'ERR_ISSUER_NOT_ALLOWED',
      await issuer.issueToken({ ...claims, claims: { iss: 'https://other.example' } }),
    ],
    ['ERR_SIGNATURE_INVALID', `${header}.${otherClaims}.${signature}`],
    ['ERR_ALGORITHM_NOT_ALLOWED', await issuer.issueToken({ ...claims, header: { alg: 'none' } })],
    ['ERR_TYP_INVALID', await issuer.issueToken({ ...claims, header: { typ: 'logout+jwt' } })],
    ['ERR_CLAIM_MISSING', await issuer.issueToken({ ...claims, claims: { exp: undefined } })],
    ['ERR_SCOPE_INSUFFICIENT', await issuer.issueToken({ ...claims, scopes: ['voice.read'] })],
    ['ERR_TOKEN_BOUND', await issuer.issueToken({ ...claims, x5t: createCertificate('client').x5t })],
    ['ERR_TOKEN_MALFORMED', good.slice(0, -1)],
    // Last: it makes the verifier ask for keys again.
    ['ERR_KEY_NOT_FOUND', await foreign.issueToken(claims)],
  ]
}

async function boundToken(issuer: MockIssuer, claims: Claims): Promise<object> {
  const [own, other] = [1, 2].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  if (!own || !other) throw new Error('There are no keys')
  const token = await issuer.issueToken({ ...claims, dpopKey: own })
  const proofOf = (key: typeof own) =>
    createDpopProof({ key, method: 'GET', url: `${AUDIENCE}/messages`, token })
  return { token, proofs: [await proofOf(own), await proofOf(own)], otherProof: await proofOf(other) }
}

async function certifiedToken(issuer: MockIssuer, claims: Claims): Promise<object> {
  const [server, client, other] = ['127.0.0.1', 'client', 'other'].map(createCertificate)
  if (!server || !client || !other) throw new Error('There are no certificates')
  return {
    token: await issuer.issueToken({ ...claims, x5t: client.x5t }),
    der: client.der.toString('base64'),
    otherDer: other.der.toString('base64'),
    server: server.pem,
    client: client.pem,
    other: other.pem,
  }
}

async function forResource(issuer: MockIssuer, claims: Claims): Promise<object> {
  const audience = `${AUDIENCE}/mcp`
  return { audience, token: await issuer.issueToken({ ...claims, audience }) }
}

/** A URL at which nothing listens. */
async function closedUrl(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port }: AddressInfo = Object(server.address())
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}`
}
