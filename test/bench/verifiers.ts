import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { createVerifier, type VerifierOptions } from '@telnyx-auth/core'
import { JwtVerifier } from 'aws-jwt-verify'
import { createVerifier as createFastJwt } from 'fast-jwt'
import { createLocalJWKSet, importJWK, jwtVerify } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import { AUDIENCE, breakSignature, digestOf, ISSUER, type VerifyingKey } from './tokens.js'

/** The names of two verifiers, in reports. */
export const OURS = 'ours'
export const FLOOR = 'crypto.verify'

/** Accepts a token, or throws or rejects. */
export type Verify = (token: string) => unknown

/** Ours, with keys that are given. */
export function createOurs(key: VerifyingKey, options: VerifierOptions = {}): Verify {
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: { keys: [key.jwk] },
    ...options,
  })
  return (token) => verifier.verify(token)
}

/** With an imported key: the least that it can do. */
export async function createJose({ jwk, algorithm }: VerifyingKey): Promise<Verify> {
  const key = await importJWK({ ...jwk }, algorithm)
  const options = { issuer: ISSUER, audience: AUDIENCE, algorithms: [algorithm] }
  return (token) => jwtVerify(token, key, options)
}

/** With a JWK Set, where the key id matters. */
export function createJoseWithSet({ jwk, algorithm }: VerifyingKey): Verify {
  const keys = createLocalJWKSet({ keys: [{ ...jwk }] })
  const options = { issuer: ISSUER, audience: AUDIENCE, algorithms: [algorithm] }
  return (token) => jwtVerify(token, keys, options)
}

/** With a cached JWK Set, the synchronous one. */
export function createAws({ jwk }: VerifyingKey): Verify {
  const jwksUri = `${ISSUER}/jwks`
  const verifier = JwtVerifier.create({ issuer: ISSUER, audience: AUDIENCE, jwksUri })
  verifier.cacheJwks({ keys: [{ ...jwk }] })
  return (token) => verifier.verifySync(token)
}

/** @param cache how many results it keeps; `false` for none, which is its default */
export function createFast({ publicKey, algorithm }: VerifyingKey, cache: number | false): Verify {
  const verifyToken = createFastJwt({
    key: publicKey.export({ format: 'pem', type: 'spki' }),
    algorithms: [algorithm],
    allowedIss: ISSUER,
    allowedAud: AUDIENCE,
    cache,
  })
  return (token) => verifyToken(token)
}

/** `undefined` for EdDSA, which it does not have. */
export function createJsonwebtoken({ publicKey, algorithm }: VerifyingKey): Verify | undefined {
  if (algorithm === 'EdDSA') return undefined
  const options = { issuer: ISSUER, audience: AUDIENCE, algorithms: [algorithm] }
  return (token) => jsonwebtoken.verify(token, publicKey, options)
}

/** Only the signature check, with everything in memory: the floor. */
export interface Signed {
  readonly input: Buffer
  readonly signature: Buffer
}

export function parseSigned(token: string): Signed {
  const end = token.lastIndexOf('.')
  return {
    input: Buffer.from(token.slice(0, end)),
    signature: Buffer.from(token.slice(end + 1), 'base64url'),
  }
}

export function createFloor({ jwk, algorithm }: VerifyingKey): (signed: Signed) => boolean {
  const key: KeyObject = createPublicKey({ key: { ...jwk }, format: 'jwk' })
  const digest = digestOf(algorithm)
  return ({ input, signature }) => verify(digest, input, { key, dsaEncoding: 'ieee-p1363' }, signature)
}

/** Decodes a token, and checks its signature only. */
export function createFloorForTokens(key: VerifyingKey): Verify {
  const isGood = createFloor(key)
  return (token) => {
    if (!isGood(parseSigned(token))) throw new Error('The signature is wrong')
  }
}

/**
 * Nothing is measured that does not do its work.
 *
 * @throws {Error} when it refuses the token, or accepts it with another signature
 */
export async function prove(name: string, verifyToken: Verify, good: string): Promise<void> {
  await verifyToken(good)
  if (!(await refuses(verifyToken, breakSignature(good))))
    throw new Error(`${name} accepts a token with a changed signature`)
}

export async function refuses(verifyToken: Verify, token: string): Promise<boolean> {
  try {
    await verifyToken(token)
    return false
  } catch {
    return true
  }
}
