import type { ErrorCode } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer, type MockIssuerOptions } from '@telnyx-auth/mock-issuer'
import { onTestFinished, vi } from 'vitest'
import {
  createVerifierAt,
  type TokenVerifier,
  type VerifierOptions,
} from '../../packages/core/src/testing.js'
import { settle } from './event-loop.js'
import { AUDIENCE, rejectionOf, TestClock } from './forge.js'

export { AUDIENCE, rejectionOf as errorOf } from './forge.js'

export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode> {
  return (await rejectionOf(promise)).code
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

/** A mock issuer and a verifier of its tokens, with the same clock and without a socket. */
export interface Pair {
  readonly clock: TestClock
  readonly issuer: MockIssuer
  readonly verifier: TokenVerifier
}

export async function createPair(
  options: { issuer?: MockIssuerOptions; verifier?: VerifierOptions } = {},
): Promise<Pair> {
  const clock = new TestClock()
  // ES256, because its keys are generated quickly.
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
 * No timer fires until the end of the test, and none after it: a request that the test leaves behind would otherwise time out during
 * another test file, which might notice.
 */
export function stopTimers(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
}

/**
 * Waits for work that may time out, without real time: whenever nothing is left to do but timers, all of them fire. The
 * load of the machine makes no difference.
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
