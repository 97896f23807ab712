/**
 * Bad tokens, bad requests and bad issuers, built by code from good ones. The mock issuer signs any header and
 * claims, but always well-formed JSON; malformed bytes are signed here, with keys of our own.
 */

import {
  constants,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  type SignKeyObjectInput,
  sign,
} from 'node:crypto'
import { inspect } from 'node:util'
import {
  type ErrorCode,
  type ErrorResponse,
  type FetchFunction,
  type FetchResponse,
  TelnyxAuthError,
  toResponse,
  type VerifierOptions,
} from '@telnyx-auth/core'
import { expect } from 'vitest'
import {
  type Clock,
  createVerifierAt,
  resolveOptions,
  TokenVerifier,
} from '../../packages/core/src/testing.js'
import { jsonResponse } from './answers.js'
import { type RsaKeyKind, takeRsaKeyPair } from './rsa-keys.js'

export const ISSUER = 'https://issuer.example'
export const AUDIENCE = 'https://api.example.com'
export const METADATA_URL = `${ISSUER}/.well-known/oauth-authorization-server`
export const JWKS_URL = `${ISSUER}/jwks`

/** The time at which every test starts, in seconds since the epoch. */
export const NOW = 1_800_000_000

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  #elapsedMs = 0
  #jumpedSeconds = 0
  /** The next value of {@link random}: with 0, pauses are as short as possible. */
  nextRandom = 0

  now(): number {
    return NOW + this.#elapsedMs / 1000 + this.#jumpedSeconds
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  random(): number {
    return this.nextRandom
  }

  /** Moves both clocks. */
  advance(seconds: number): void {
    this.#elapsedMs += seconds * 1000
  }

  /** Sets the wall clock; no time passes. */
  advanceWall(seconds: number): void {
    this.#jumpedSeconds += seconds
  }
}

/** A key pair, and its public half as a member of a JWK Set. */
export interface ForgeKey {
  readonly kid: string
  readonly algorithm: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
}

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

/** Makes a key for `algorithm`. `rsa` allows keys that are not secure. */
export function makeKey(algorithm: string, kid: string = `key-${algorithm}`, rsa: RsaKeyKind = {}): ForgeKey {
  const { privateKey, publicKey } = generatePair(algorithm, rsa)
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: algorithm }
  return { kid, algorithm, privateKey, publicKey, jwk }
}

function generatePair(algorithm: string, rsa: RsaKeyKind) {
  const namedCurve = CURVES[algorithm]
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve })
  if (algorithm.startsWith('Ed')) return generateKeyPairSync('ed25519')
  return takeRsaKeyPair(rsa)
}

/** The private half of a key as a JWK. */
export function privateJwk(key: ForgeKey): Record<string, unknown> {
  return {
    ...createPrivateKey(key.privateKey.export({ format: 'pem', type: 'pkcs8' })).export({ format: 'jwk' }),
  }
}

/** RFC 7518 §3, with any algorithm, also one that the key is not for. */
export function signBytes(input: Uint8Array, key: KeyObject, algorithm: string): Buffer {
  if (algorithm.startsWith('Ed')) return sign(null, input, key)
  const options: SignKeyObjectInput = { key }
  if (algorithm.startsWith('ES')) options.dsaEncoding = 'ieee-p1363'
  if (algorithm.startsWith('PS')) {
    options.padding = constants.RSA_PKCS1_PSS_PADDING
    options.saltLength = constants.RSA_PSS_SALTLEN_DIGEST
  }
  return sign(`sha${algorithm.slice(2)}`, input, options)
}

/** The content of a segment: an object becomes JSON, text becomes UTF-8, bytes stay as they are. */
export type Part = object | string | Uint8Array

export function encode(part: Part): string {
  if (part instanceof Uint8Array) return Buffer.from(part).toString('base64url')
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}

/** Signs two encoded segments, valid or not. */
export function signSegments(
  header: string,
  payload: string,
  key: ForgeKey,
  algorithm = key.algorithm,
): string {
  const input = `${header}.${payload}`
  return `${input}.${signBytes(Buffer.from(input), key.privateKey, algorithm).toString('base64url')}`
}

/** A compact JWS of any bytes, with a valid signature. */
export function forge(header: Part, payload: Part, key: ForgeKey, algorithm = key.algorithm): string {
  return signSegments(encode(header), encode(payload), key, algorithm)
}

export function goodHeader(key: ForgeKey, changes: object = {}): object {
  return { typ: 'at+jwt', alg: key.algorithm, kid: key.kid, ...changes }
}

export function goodClaims(changes: object = {}): object {
  return {
    iss: ISSUER,
    sub: 'user-1',
    aud: AUDIENCE,
    client_id: 'client-1',
    iat: NOW,
    exp: NOW + 3600,
    jti: 'jti-1',
    scope: 'messaging.read',
    ...changes,
  }
}

export function goodToken(key: ForgeKey, claims: object = {}, header: object = {}): string {
  return forge(goodHeader(key, header), goodClaims(claims), key)
}

/** The JSON text of an object with more members before its closing brace: repeated names, for example. */
export function withMembers(object: object, members: string): string {
  return `${JSON.stringify(object).slice(0, -1)},${members}}`
}

/** The three segments of a token. */
export function segmentsOf(token: string): [string, string, string] {
  const [header, payload, signature, ...rest] = token.split('.')
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0)
    throw new TypeError('A good token has three segments')
  return [header, payload, signature]
}

type Answer = (url: string, signal: AbortSignal) => FetchResponse | Promise<FetchResponse>

/** An issuer whose documents can be anything. `urls` lists the requests. */
export class ForgedIssuer {
  readonly urls: string[] = []
  jwks: Answer
  metadata: Answer = () => jsonResponse({ issuer: ISSUER, jwks_uri: JWKS_URL })

  constructor(...keys: readonly ForgeKey[]) {
    this.jwks = () => jsonResponse({ keys: keys.map(({ jwk }) => jwk) })
  }

  /** Serves these members from now on. */
  publish(...members: readonly unknown[]): void {
    this.jwks = () => jsonResponse({ keys: members })
  }

  readonly fetch: FetchFunction = async (url, { signal }) => {
    this.urls.push(url)
    if (url === METADATA_URL) return this.metadata(url, signal)
    if (url === JWKS_URL) return this.jwks(url, signal)
    return new Response(null, { status: 404 })
  }

  /** The number of requests for the keys. */
  get keyRequests(): number {
    return this.urls.filter((url) => url === JWKS_URL).length
  }
}

/** A verifier of the forged issuer at a clock that stands still. */
export function makeVerifier(
  issuer: { readonly fetch: FetchFunction },
  options: VerifierOptions = {},
  clock: TestClock = new TestClock(),
): TokenVerifier {
  return createVerifierAt(clock, { issuer: ISSUER, audience: AUDIENCE, fetch: issuer.fetch, ...options })
}

/** The same from options that the types do not allow, as plain JavaScript can pass them. */
export function makeUncheckedVerifier(options: unknown, clock: TestClock = new TestClock()): TokenVerifier {
  return new TokenVerifier(resolveOptions(options, {}), clock)
}

/** The outcomes of attacks.md. */
export type Outcome = 'R' | 'Q' | 'N' | 'F' | 'U'

const OUTCOMES: Readonly<Record<Outcome, { status: number; error?: string; bodyError?: string }>> = {
  R: { status: 401, error: 'invalid_token' },
  Q: { status: 400, error: 'invalid_request' },
  N: { status: 401 },
  F: { status: 403, error: 'insufficient_scope' },
  U: { status: 503 },
}

/** RFC 6750 §3: parameters of a challenge, each at most once, in the restricted character set. */
const CHALLENGE =
  /^Bearer [a-z_]+="[\x20-\x21\x23-\x5B\x5D-\x7E]*"(, [a-z_]+="[\x20-\x21\x23-\x5B\x5D-\x7E]*")*$/

export function parseChallenge(challenge: string): Record<string, string> {
  expect(challenge).toMatch(CHALLENGE)
  const parameters = [...challenge.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name, value]) => [name, value])
  const parsed: Record<string, string> = Object.fromEntries(parameters)
  expect(Object.keys(parsed), 'each parameter once').toHaveLength(parameters.length)
  return parsed
}

/** The error of ours that a promise is rejected with; with any other outcome, the test fails. */
export async function rejectionOf(promise: Promise<unknown>): Promise<TelnyxAuthError> {
  const outcome: { error: unknown } | 'accepted' = await promise.then(
    () => 'accepted' as const,
    (error: unknown) => ({ error }),
  )
  if (outcome === 'accepted') return expect.fail('It was accepted')
  if (outcome.error instanceof TelnyxAuthError) return outcome.error
  return expect.fail(`Not a TelnyxAuthError: ${inspect(outcome.error).slice(0, 300)}`)
}

/**
 * Expects a refusal with this outcome and code, status and challenge included, that does not show any of `secrets`.
 *
 * @param secrets tokens (their segments are looked for too), claim values and the like
 */
export async function expectRefusal(
  promise: Promise<unknown>,
  outcome: Outcome,
  code: ErrorCode | readonly ErrorCode[],
  secrets: readonly string[] = [],
): Promise<ErrorResponse> {
  const error = await rejectionOf(promise)
  expect([code].flat()).toContain(error.code)
  const response = toResponse(error)
  const { status, error: name } = OUTCOMES[outcome]
  expect(response.status).toBe(status)
  const challenge = response.headers['WWW-Authenticate']
  if (outcome === 'U') {
    expect(challenge).toBeUndefined()
    expect(Number(response.headers['Retry-After'])).toBeGreaterThanOrEqual(1)
  } else {
    const parameters = parseChallenge(challenge ?? '')
    expect(parameters.error).toBe(name)
    if (name === undefined) expect(parameters.error_description).toBeUndefined()
    expect(response.body.error).toBe(name)
  }
  expectNoLeak(error, secrets)
  return response
}

/** Expects that an error shows nothing of `secrets`, and nor do its causes. */
function expectNoLeak(error: TelnyxAuthError, secrets: readonly string[]): void {
  if (secrets.length === 0) return
  const shown = [
    error.message,
    inspect(error, { depth: Infinity, showHidden: true, getters: true, maxStringLength: null }),
    JSON.stringify(error),
    JSON.stringify(toResponse(error)),
  ].join('\n')
  // Short pieces, like the `e30` of an empty object, occur by chance.
  const pieces = secrets
    .flatMap((secret) => [secret, ...secret.split('.')])
    .filter((piece) => piece.length >= 8)
  for (const piece of pieces) expect(shown.includes(piece), 'a secret is shown').toBe(false)
}
