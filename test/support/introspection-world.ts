import {
  type Events,
  type FetchFunction,
  type FetchResponse,
  type IntrospectionOptions,
  type VerifierOptions,
  watch,
} from '@telnyx-auth/core'
import { onTestFinished } from 'vitest'
import type { TokenVerifier } from '../../packages/core/src/testing.js'
import { active, jsonResponse } from './answers.js'
import { ForgedIssuer, goodToken, ISSUER, JWKS_URL, makeKey, makeVerifier, TestClock } from './forge.js'
import { codeOf } from './outcome.js'

export const INTROSPECTION_URL: string = `${ISSUER}/introspect`

/** What the introspection endpoint answers about a token. */
export type EndpointAnswer = (token: string, signal: AbortSignal) => FetchResponse | Promise<FetchResponse>

/** A forged issuer with an introspection endpoint, and a verifier that uses it. */
export interface IntrospectionWorld {
  readonly clock: TestClock
  readonly documents: ForgedIssuer
  readonly verifier: TokenVerifier
  readonly fetch: FetchFunction
  /** The tokens that the endpoint was asked about. */
  readonly asked: string[]
  answer: EndpointAnswer
  /** The number of requests without an answer, and the largest number so far. */
  readonly load: { inFlight: number; most: number }
  /** The outcome of a token: how it was verified, or the code of the refusal. */
  outcome(token: string): Promise<string>
}

// These keys sign the fastest.
const key = makeKey('Ed25519', 'good')
const foreign = makeKey('Ed25519', 'foreign')
let minted = 0

/** A token with a valid signature, different each time. */
export function signedToken(claims: object = {}): string {
  return goodToken(key, { jti: `jti-${++minted}`, ...claims })
}

/** A token whose key the issuer does not publish. */
export function unknownKeyToken(claims: object = {}): string {
  return goodToken(foreign, { jti: `jti-${++minted}`, ...claims })
}

export async function createIntrospectionWorld(
  introspection: IntrospectionOptions = {},
  options: VerifierOptions = {},
): Promise<IntrospectionWorld> {
  const clock = new TestClock()
  const documents = new ForgedIssuer(key)
  documents.metadata = () =>
    jsonResponse({ issuer: ISSUER, jwks_uri: JWKS_URL, introspection_endpoint: INTROSPECTION_URL })
  const asked: string[] = []
  const load = { inFlight: 0, most: 0 }
  const fetch: FetchFunction = async (url, init) => {
    if (init.method !== 'POST') return documents.fetch(url, init)
    const token = new URLSearchParams(init.body).get('token') ?? ''
    asked.push(token)
    load.most = Math.max(load.most, ++load.inFlight)
    try {
      return await world.answer(token, init.signal)
    } finally {
      load.inFlight--
    }
  }
  const verifier = makeVerifier(
    { fetch },
    {
      introspection: {
        when: 'always',
        clientId: 'api',
        clientSecret: 'secret',
        cacheSeconds: 0,
        inactiveCacheSeconds: 0,
        ...introspection,
      },
      ...options,
    },
    clock,
  )
  const world: IntrospectionWorld = {
    clock,
    documents,
    verifier,
    fetch,
    asked,
    load,
    answer: active(),
    outcome: (token) =>
      verifier.verify(token).then(
        ({ verifiedBy }) => verifiedBy,
        (error: unknown) => codeOf(Promise.reject(error)),
      ),
  }
  // Only introspection fails in these tests.
  await verifier.preload()
  return world
}

/** Collects the events of one kind until the test is over. */
export function recordEvents<Name extends keyof Events>(name: Name): Events[Name][] {
  const events: Events[Name][] = []
  onTestFinished(watch(name, (event) => events.push(event)))
  return events
}
