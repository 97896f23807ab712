import { type ErrorCode, TelnyxAuthError } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer, type MockIssuerOptions } from '@telnyx-auth/mock-issuer'
import { vi } from 'vitest'
import {
  type Clock,
  createVerifierAt,
  type TokenVerifier,
  type VerifierOptions,
} from '../../packages/core/src/testing.js'
import { settle } from './event-loop.js'

/** The error that a promise is rejected with, which has to be one of ours. */
export async function errorOf(promise: Promise<unknown>): Promise<TelnyxAuthError> {
  const outcome = await promise.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  )
  if (outcome instanceof TelnyxAuthError) return outcome
  throw new Error('Not the error that was expected', { cause: outcome })
}

export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode> {
  return (await errorOf(promise)).code
}

/** The error that a function throws at once. */
export function thrownBy(work: () => unknown): Error {
  try {
    work()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('Nothing was thrown')
}

/** A clock that stands still until it is moved: the wall clock and the monotonic one together, or one alone. */
export class ManualClock implements Clock {
  #wallMs = Date.UTC(2026, 10, 23, 12)
  #monotonicMs = 1_000_000

  now(): number {
    return this.#wallMs / 1000
  }

  monotonic(): number {
    return this.#monotonicMs
  }

  /** No pause is longer than it has to be. */
  random(): number {
    return 0
  }

  advance(seconds: number): void {
    this.advanceWall(seconds)
    this.#monotonicMs += seconds * 1000
  }

  advanceWall(seconds: number): void {
    this.#wallMs += seconds * 1000
  }
}

export const AUDIENCE = 'https://api.example.com'

/** An issuer and a verifier of its tokens, at the same clock, without a socket. */
export interface Pair {
  readonly clock: ManualClock
  readonly issuer: MockIssuer
  readonly verifier: TokenVerifier
}

export async function createPair(
  options: { issuer?: MockIssuerOptions; verifier?: VerifierOptions } = {},
): Promise<Pair> {
  const clock = new ManualClock()
  // ES256, because its keys are made in no time.
  const issuer = await createMockIssuer({
    algorithm: 'ES256',
    now: () => clock.now() * 1000,
    ...options.issuer,
  })
  const verifier = createVerifierAt(clock, {
    issuer: issuer.issuer,
    audience: AUDIENCE,
    fetch: issuer.fetch,
    ...options.verifier,
  })
  return { clock, issuer, verifier }
}

/**
 * Waits for something that may have to time out, without waiting: whenever nothing more happens by itself, the
 * time of every timer is over. How busy the machine is makes no difference.
 */
export async function untilTimeout<T>(start: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    let done = false
    const work = start().finally(() => {
      done = true
    })
    work.catch(() => undefined)
    while (!done) {
      await settle()
      vi.advanceTimersByTime(600_000)
    }
    return await work
  } finally {
    vi.useRealTimers()
  }
}
