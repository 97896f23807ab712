import { answerQuestions } from './helper-process.js'
import { jwksUriOf } from './issuer.js'

/** From nothing to a verified token: what is needed is imported while the clock runs. */
const WAYS: Readonly<Record<string, (issuer: string, audience: string, token: string) => Promise<unknown>>> =
  {
    '@telnyx-auth/core': async (issuer, audience, token) => {
      const { createVerifier } = await import('@telnyx-auth/core')
      return createVerifier({ issuer, audience }).verify(token)
    },
    jose: async (issuer, audience, token) => {
      const { createRemoteJWKSet, jwtVerify } = await import('jose')
      return jwtVerify(token, createRemoteJWKSet(new URL(jwksUriOf(issuer))), { issuer, audience })
    },
    'jsonwebtoken, jwks-rsa': async (issuer, audience, token) => {
      const { default: jsonwebtoken } = await import('jsonwebtoken')
      const { default: jwksRsa } = await import('jwks-rsa')
      const client = jwksRsa({ jwksUri: jwksUriOf(issuer) })
      const kid = jsonwebtoken.decode(token, { complete: true })?.header.kid
      const key = await client.getSigningKey(kid)
      return jsonwebtoken.verify(token, key.getPublicKey(), { issuer, audience, algorithms: ['RS256'] })
    },
  }

answerQuestions(async (question) => {
  const { way, issuer, audience, token }: Record<string, string> = JSON.parse(question)
  const verify = WAYS[way ?? '']
  if (!verify || !issuer || !audience || !token) throw new Error(`There is no way ${way}`)
  const started = performance.now()
  await verify(issuer, audience, token)
  return { ms: performance.now() - started }
})
