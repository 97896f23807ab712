/** Proofs of possession (RFC 9449), good ones and bad ones, and requests that carry them. */

import { createHash } from 'node:crypto'
import type { VerifierOptions } from '@telnyx-auth/core'
import { expect } from 'vitest'
import type { AuthenticatableRequest, TokenVerifier } from '../../packages/core/src/testing.js'
import {
  type ForgedIssuer,
  type ForgeKey,
  forge,
  goodToken,
  makeVerifier,
  NOW,
  type Part,
  rejectionOf,
  type TestClock,
} from './forge.js'

export const BASE_URL = 'https://api.example.com'
const PATH = '/messages'
export const URL_OF_API: string = `${BASE_URL}${PATH}`

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url')

/** The public members of a key, as proofs have them. */
export function publicJwk(key: ForgeKey): Record<string, unknown> {
  return { ...key.publicKey.export({ format: 'jwk' }) }
}

export function thumbprint(key: ForgeKey): string {
  return thumbprintOfJwk(publicJwk(key))
}

/** RFC 7638 §3, written down here a second time. */
export function thumbprintOfJwk({ crv, e, kty, n, x, y }: Readonly<Record<string, unknown>>): string {
  if (kty === 'RSA') return sha256(JSON.stringify({ e, kty, n }))
  return sha256(JSON.stringify(kty === 'EC' ? { crv, kty, x, y } : { crv, kty, x }))
}

let made = 0

/** What a proof says. A member that is `undefined` is left out. */
export interface ProofParts {
  readonly claims?: object
  readonly header?: object
  /** The algorithm of the signature; that of the key by default. */
  readonly algorithm?: string
  /** The key that signs, where it is not the key in the header. */
  readonly signer?: ForgeKey
  /** The whole payload or header, where it is no JSON of ours. */
  readonly rawPayload?: Part
  readonly rawHeader?: Part
}

export function proofClaims(token: string, changes: object = {}): object {
  const ath = sha256(token)
  return { jti: `proof-${++made}`, htm: 'GET', htu: URL_OF_API, iat: NOW, ath, ...changes }
}

export function proofHeader(key: ForgeKey, changes: object = {}): object {
  return { typ: 'dpop+jwt', alg: key.algorithm, jwk: publicJwk(key), ...changes }
}

/** A proof for `token`, good unless `parts` says otherwise; another one each time. */
export function proofFor(key: ForgeKey, token: string, parts: ProofParts = {}): string {
  const { claims, header, signer = key, algorithm = signer.algorithm, rawPayload, rawHeader } = parts
  return forge(
    rawHeader ?? proofHeader(key, header),
    rawPayload ?? proofClaims(token, claims),
    signer,
    algorithm,
  )
}

/** A token that is bound to the key of a client. */
export function boundToken(issuerKey: ForgeKey, client: ForgeKey, claims: object = {}): string {
  return goodToken(issuerKey, { cnf: { jkt: thumbprint(client) }, ...claims })
}

/** A request of Node with a token and a proof; a new object each time. */
export function requestWith(
  token: string,
  proof?: string | readonly string[],
  { scheme = 'DPoP', method = 'GET', url = PATH, headers = {} } = {},
): AuthenticatableRequest {
  return {
    method,
    url,
    headers: { authorization: `${scheme} ${token}`, ...(proof !== undefined && { dpop: proof }), ...headers },
  }
}

/** A verifier that accepts bound tokens. */
export function makeDpopVerifier(
  issuer: ForgedIssuer,
  options: VerifierOptions = {},
  clock?: TestClock,
): TokenVerifier {
  return makeVerifier(issuer, { dpop: 'optional', ...options }, clock)
}

/** Expects a refusal with this code and reason, that shows nothing of the secrets. */
export async function expectReason(
  promise: Promise<unknown>,
  code: string,
  reason: string | undefined,
  secrets: readonly string[] = [],
): Promise<void> {
  const error = await rejectionOf(promise)
  const shown = `${error.message} ${error.stack} ${JSON.stringify(error)}`
  expect([error.code, error.reason]).toEqual([code, reason])
  for (const secret of secrets.flatMap((each) => [each, ...each.split('.')]))
    if (secret.length >= 8) expect(shown.includes(secret), 'a secret is shown').toBe(false)
}
