import { jwksUriOf } from './issuer.js'

/** What a process is told as its only argument, so that it can begin at once. */
export interface FirstTokenOrder {
  readonly way: string
  readonly issuer: string
  readonly audience: string
  readonly jwk: Readonly<Record<string, string>>
  readonly token: string
}

type Way = (order: FirstTokenOrder) => unknown

/** From nothing to a verified token. Each way imports only what it needs. */
const WAYS: Readonly<Record<string, Way>> = {
  '@telnyx-auth/core, keys given': async ({ issuer, audience, jwk, token }) => {
    const { createVerifier } = await import('@telnyx-auth/core')
    return createVerifier({ issuer, audience, jwks: { keys: [jwk] } }).verify(token)
  },
  'jose, keys given': async ({ issuer, audience, jwk, token }) => {
    const { createLocalJWKSet, jwtVerify } = await import('jose')
    return jwtVerify(token, createLocalJWKSet({ keys: [{ ...jwk, kty: 'RSA' }] }), { issuer, audience })
  },
  'aws-jwt-verify, keys given': async ({ issuer, audience, jwk, token }) => {
    const { JwtVerifier } = await import('aws-jwt-verify')
    const verifier = JwtVerifier.create({ issuer, audience, jwksUri: jwksUriOf(issuer) })
    verifier.cacheJwks({ keys: [{ ...jwk, kty: 'RSA' }] })
    return verifier.verifySync(token)
  },
  'fast-jwt, keys given': async ({ issuer, audience, jwk, token }) => {
    const { createVerifier } = await import('fast-jwt')
    const { createPublicKey } = await import('node:crypto')
    const key = createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ format: 'pem', type: 'spki' })
    return createVerifier({ key, algorithms: ['RS256'], allowedIss: issuer, allowedAud: audience })(token)
  },
  '@telnyx-auth/core, issuer discovered': async ({ issuer, audience, token }) => {
    const { createVerifier } = await import('@telnyx-auth/core')
    return createVerifier({ issuer, audience }).verify(token)
  },
  'jose, address of the keys given': async ({ issuer, audience, token }) => {
    const { createRemoteJWKSet, jwtVerify } = await import('jose')
    return jwtVerify(token, createRemoteJWKSet(new URL(jwksUriOf(issuer))), { issuer, audience })
  },
  'jsonwebtoken and jwks-rsa, address of the keys given': async ({ issuer, audience, token }) => {
    const { default: jsonwebtoken } = await import('jsonwebtoken')
    const { default: jwksRsa } = await import('jwks-rsa')
    const client = jwksRsa({ jwksUri: jwksUriOf(issuer) })
    const kid = jsonwebtoken.decode(token, { complete: true })?.header.kid
    const key = await client.getSigningKey(kid)
    return jsonwebtoken.verify(token, key.getPublicKey(), { issuer, audience, algorithms: ['RS256'] })
  },
}

const order: FirstTokenOrder = JSON.parse(process.argv[2] ?? '')
const verify = WAYS[order.way]
if (!verify) throw new Error(`There is no way ${order.way}`)
await verify(order)
// Since the process was started.
const ms = performance.now()
process.send?.(JSON.stringify({ ms }))
