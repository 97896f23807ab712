import { inspect } from 'node:util'
import {
  type Auth,
  type AuthenticateClient,
  type ErrorCode,
  type FetchFunction,
  type FetchResponse,
  type IntrospectionOptions,
  IssuerFailure,
  type VerifierOptions,
} from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { expect } from 'vitest'
import { createVerifierAt, type TokenVerifier } from '../../packages/core/src/testing.js'
import { status } from './answers.js'
import { AUDIENCE, expectRefusal, rejectionOf, TestClock } from './forge.js'
import { codeOf } from './outcome.js'

/** A request to the introspection endpoint. */
export interface Asked {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly form: URLSearchParams
}

export type Answer = (asked: Asked, signal: AbortSignal) => FetchResponse | Promise<FetchResponse>

export interface World {
  readonly clock: TestClock
  readonly issuer: MockIssuer
  readonly verifier: TokenVerifier
  readonly clientId: string
  readonly clientSecret: string
  readonly asked: Asked[]
  /** Replaces the answer of the mock issuer. */
  answer: Answer | undefined
  /** Another verifier of the same issuer. */
  another(options?: VerifierOptions): TokenVerifier
}

export const OPAQUE = 'opaque-token-0123456789'

export const down: Answer = status(500)

/** A mock issuer, and a verifier that introspects at it. */
export async function createWorld({
  introspection = {},
  verifier = {},
  clients,
  answer,
}: {
  introspection?: IntrospectionOptions
  verifier?: VerifierOptions
  clients?: { clientId: string; clientSecret: string }[]
  answer?: Answer
} = {}): Promise<World> {
  const clock = new TestClock()
  const issuer = await createMockIssuer({
    algorithm: 'ES256',
    now: () => clock.now() * 1000,
    ...(clients && { clients }),
  })
  const [client] = issuer.clients
  if (!client?.clientSecret) throw new Error('There is no client with a secret')
  const { clientId, clientSecret } = client
  const asked: Asked[] = []
  const fetch: FetchFunction = async (url, init) => {
    if (init.method !== 'POST') return issuer.fetch(url, init)
    const body = init.body ?? ''
    const request = { url, method: init.method, headers: init.headers, body, form: new URLSearchParams(body) }
    asked.push(request)
    return world.answer ? world.answer(request, init.signal) : issuer.fetch(url, init)
  }
  const another = (options: VerifierOptions = {}) =>
    createVerifierAt(clock, {
      issuer: issuer.issuer,
      audience: AUDIENCE,
      fetch,
      introspection: { clientId, clientSecret, ...introspection },
      ...options,
    })
  const world: World = {
    clock,
    issuer,
    verifier: another(verifier),
    clientId,
    clientSecret,
    asked,
    answer,
    another,
  }
  return world
}

/** Options with a function that authenticates: no client id and no secret. */
export const own = (authMethod: AuthenticateClient): IntrospectionOptions => ({
  authMethod,
  clientId: undefined,
  clientSecret: undefined,
})

/** The first request. */
export function first({ asked }: World): Asked {
  const [request] = asked
  return request ?? expect.fail('No request was made')
}

/** The outcome of a token: how it was verified, or the code of the refusal. */
export async function outcomeOf(verification: Promise<Auth>): Promise<Auth['verifiedBy'] | ErrorCode> {
  try {
    return (await verification).verifiedBy
  } catch {
    return codeOf(verification)
  }
}

/** The failure of the request to the issuer. */
export async function failureOf(promise: Promise<unknown>): Promise<IssuerFailure> {
  const { cause } = await rejectionOf(promise)
  return cause instanceof IssuerFailure ? cause : expect.fail(`No IssuerFailure: ${inspect(cause)}`)
}

/** What no error may show. */
export const secretsOf = ({ clientId, clientSecret }: World, token: string): readonly string[] => [
  token,
  clientSecret,
  Buffer.from(`${clientId}:${clientSecret}`).toString('base64'),
]

export const expectUnavailable = (world: World, promise: Promise<unknown>, token: string) =>
  expectRefusal(promise, 'U', 'ERR_INTROSPECTION_UNAVAILABLE', secretsOf(world, token))

/** Lets the endpoint fail until the circuit breaker opens; the first request is retried once. */
export async function exhaust({ verifier }: World): Promise<void> {
  for (let n = 0; n < 3; n++)
    expect(await codeOf(verifier.verify(`exhausting-${n}`))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
}

export const WHEN = ['fallback', 'always', 'opaque'] as const
export const ENDPOINT = 'https://api.telnyx.com/v2/oauth/introspect'

export const stranger = createMockIssuer({ algorithm: 'ES256' })
export const claims = ({ issuer, clock }: World) => ({
  iss: issuer.issuer,
  aud: AUDIENCE,
  iat: clock.now(),
  exp: clock.now() + 60,
})
export const kidOf = async ({ issuer }: World): Promise<string> => {
  const [header = ''] = (await issuer.issueToken()).split('.')
  const { kid }: { kid: string } = JSON.parse(Buffer.from(header, 'base64url').toString())
  return kid
}
