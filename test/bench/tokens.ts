import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID, sign } from 'node:crypto'

export const ISSUER = 'https://api.telnyx.com'
export const AUDIENCE = 'https://api.example.com'

export type Algorithm = 'RS256' | 'ES256' | 'EdDSA' | 'ES512'

/** A public key as a member of a JWK Set. */
export interface PublicJwk {
  readonly kty: string
  readonly kid: string
  readonly use: 'sig'
  readonly alg: string
  readonly [member: string]: string
}

/** What verifiers are created with. */
export interface VerifyingKey {
  readonly algorithm: Algorithm
  readonly publicKey: KeyObject
  readonly jwk: PublicJwk
}

export interface SigningKey extends VerifyingKey {
  readonly kid: string
  readonly privateKey: KeyObject
}

/** The digest of an algorithm, for `node:crypto`; `null` for Ed25519, which hashes by itself. */
export function digestOf(algorithm: Algorithm): string | null {
  return algorithm === 'EdDSA' ? null : `sha${algorithm.slice(2)}`
}

export function createKey(algorithm: Algorithm, kid = 'key-1'): SigningKey {
  const { privateKey, publicKey } = generatePair(algorithm)
  const { kty = '', ...members } = publicKey.export({ format: 'jwk' })
  const strings = Object.entries(members).filter((member): member is [string, string] => {
    return typeof member[1] === 'string'
  })
  const jwk = { ...Object.fromEntries(strings), kty, kid, use: 'sig', alg: algorithm } as const
  return { algorithm, kid, privateKey, publicKey, jwk }
}

function generatePair(algorithm: Algorithm): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (algorithm) {
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 })
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    case 'ES512':
      return generateKeyPairSync('ec', { namedCurve: 'P-521' })
    case 'EdDSA':
      return generateKeyPairSync('ed25519')
  }
}

/** Keys that are beside the right one in a set: imported like any other, and never asked. So any odd number will do. */
export function createDecoys(count: number): PublicJwk[] {
  return Array.from({ length: count }, (_, index) => {
    const modulus = randomBytes(256)
    modulus[0] = 0xff
    modulus[255] = 0xff
    const n = modulus.toString('base64url')
    return { kty: 'RSA', kid: `decoy-${index}`, use: 'sig', alg: 'RS256', n, e: 'AQAB' }
  })
}

/** What a token of Telnyx says. */
export function createClaims(issuer: string = ISSUER): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  return {
    iss: issuer,
    aud: AUDIENCE,
    sub: `user-${randomBytes(4).toString('hex')}`,
    client_id: 'client-1234',
    scope: 'messaging.read messaging.write',
    iat: now,
    exp: now + 36_000,
    jti: randomUUID(),
  }
}

export function signToken(
  key: Pick<SigningKey, 'algorithm' | 'kid' | 'privateKey'>,
  claims: object = createClaims(),
): string {
  const { algorithm, kid, privateKey } = key
  const header = { alg: algorithm, typ: 'at+jwt', kid }
  const input = `${encode(header)}.${encode(claims)}`
  const signature = sign(digestOf(algorithm), Buffer.from(input), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  })
  return `${input}.${signature.toString('base64url')}`
}

/** A token of about this many bytes. */
export function signPadded(key: SigningKey, bytes: number): string {
  const claims = createClaims()
  const without = signToken(key, { ...claims, pad: '' }).length
  return signToken(key, { ...claims, pad: 'x'.repeat(Math.max(0, Math.floor(((bytes - without) * 3) / 4))) })
}

/** The same claims under a signature that is not theirs, of the right form. */
export function breakSignature(token: string): string {
  const [header, claims, signature = ''] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  const middle = bytes.length >> 1
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
  return `${header}.${claims}.${bytes.toString('base64url')}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
