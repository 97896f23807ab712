import type { ErrorCode, FetchFunction, VerifierOptions } from '@telnyx-auth/core'
import { afterEach, beforeEach, expect, vi } from 'vitest'
import type { TokenVerifier } from '../../packages/core/src/testing.js'
import { jsonResponse, noConnection, silence, status, text } from './answers.js'
import { settle } from './event-loop.js'
import {
  encode,
  ForgedIssuer,
  type ForgeKey,
  goodHeader,
  goodToken,
  ISSUER,
  METADATA_URL,
  makeKey,
  makeVerifier,
  NOW,
  rejectionOf,
  segmentsOf,
  TestClock,
} from './forge.js'

export const MINUTE = 60
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export const key = makeKey('ES256', 'good')
export const next = makeKey('ES256', 'next')
/** Valid for weeks, so that only the key decides. */
export const tokenOf = (signer: ForgeKey): string => goodToken(signer, { exp: NOW + 60 * DAY })
export const token = tokenOf(key)
export const newToken = tokenOf(next)
export const MOVED_URL = `${ISSUER}/moved`

const [, PAYLOAD, SIGNATURE] = segmentsOf(token)
/** A token whose key the issuer does not publish; all else is good. */
export function unknownToken(kid: string): string {
  return `${encode(goodHeader(key, { kid }))}.${PAYLOAD}.${SIGNATURE}`
}

export type Answer = ForgedIssuer['jwks']

export const setOf =
  (...keys: readonly ForgeKey[]): Answer =>
  () =>
    jsonResponse({ keys: keys.map(({ jwk }) => jwk) })
export const metadataOf =
  (uri: string, headers: Readonly<Record<string, string>> = {}): Answer =>
  () =>
    jsonResponse({ issuer: ISSUER, jwks_uri: uri }, { headers })
export const html: Answer = text('<!doctype html>')
/** The same answer after a delay. */
export const late =
  (seconds: number, answer: Answer): Answer =>
  async (url, signal) => {
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    return answer(url, signal)
  }
/** The fault for the first requests, and the usual answer afterwards. */
export function firstly(count: number, fault: Answer, usual: Answer): Answer {
  let left = count
  return (url, signal) => (left-- > 0 ? fault(url, signal) : usual(url, signal))
}

export interface Asked {
  readonly url: string
  /** In seconds. */
  readonly at: number
  readonly headers: Readonly<Record<string, string>>
  /** Whether a fault answered. */
  readonly failing: boolean
}

/** A verifier, its issuer, and the clock of both. */
export class Service {
  readonly clock = new TestClock()
  readonly issuer = new ForgedIssuer(key)
  readonly asked: Asked[] = []
  readonly verifier: TokenVerifier
  /** What answers at a place that is neither that of the metadata nor that of the keys. */
  moved: Answer = status(404)
  readonly #healthy: readonly [Answer, Answer]

  constructor(options: VerifierOptions = {}) {
    this.#healthy = [this.issuer.metadata, this.issuer.jwks]
    const fetch: FetchFunction = async (url, init) => {
      const healthy: readonly unknown[] = this.#healthy
      const answer = url === METADATA_URL ? this.issuer.metadata : this.issuer.jwks
      this.asked.push({ url, at: this.now, headers: init.headers, failing: !healthy.includes(answer) })
      return url === MOVED_URL ? this.moved(url, init.signal) : this.issuer.fetch(url, init)
    }
    this.verifier = makeVerifier({ fetch }, options, this.clock)
  }

  /** A service with cached keys of the given age. The requests for them are not counted. */
  static async withKeys(ageSeconds = 0, options: VerifierOptions = {}): Promise<Service> {
    const service = new Service(options)
    await service.verifier.verify(token)
    await service.pass(ageSeconds)
    service.asked.length = 0
    return service
  }

  get now(): number {
    return this.clock.monotonic() / 1000
  }

  get keysAge(): number {
    return this.verifier.health().keysAgeSeconds ?? expect.fail('There are no keys')
  }

  /** Lets time pass, also for timers, and waits for everything that is due. */
  async pass(seconds: number): Promise<void> {
    // Work that has just begun is not affected by the time that passes.
    await settle()
    this.clock.advance(seconds)
    vi.advanceTimersByTime(seconds * 1000)
    await settle()
  }

  /** The same in steps, so that each timer fires at its time. */
  async passBySteps(seconds: number, step = 1): Promise<void> {
    for (let passed = 0; passed < seconds; passed += step) await this.pass(step)
  }

  fail(place: Place, fault: Answer): void {
    if (place !== 'jwks') this.issuer.metadata = fault
    if (place !== 'metadata') this.issuer.jwks = fault
  }

  recover(): void {
    ;[this.issuer.metadata, this.issuer.jwks] = this.#healthy
  }

  count(url: string): number {
    return this.asked.filter((request) => request.url === url).length
  }

  /** The largest number of requests within any 60 seconds. */
  busiestMinute(which: (request: Asked) => boolean = () => true): number {
    const times = this.asked.filter(which).map(({ at }) => at)
    let most = 0
    // Time only moves forward, so the list is sorted.
    for (let first = 0, last = 0; last < times.length; last++) {
      while ((times[last] ?? 0) >= (times[first] ?? 0) + 60) first++
      most = Math.max(most, last - first + 1)
    }
    return most
  }

  /** Verifies without letting time pass: a request that waits for the issuer never ends, and the test fails. */
  async verifyAtOnce(each: string): Promise<ErrorCode | 'accepted'> {
    return this.verifier.verify(each).then(
      () => 'accepted' as const,
      async (error: unknown) => (await rejectionOf(Promise.reject(error))).code,
    )
  }

  /** A token that has to be accepted at once. In long loops `expect` itself would take most of the time. */
  async accept(each: string): Promise<void> {
    const outcome = await this.verifyAtOnce(each)
    if (outcome !== 'accepted') expect.fail(`Not accepted: ${outcome}`)
  }

  /** Verifies while time passes in steps of 50 ms: the outcome, and after how many seconds. */
  async timed(
    each: string,
    limitSeconds = 60,
  ): Promise<{ outcome: ErrorCode | 'accepted'; seconds: number }> {
    const from = this.now
    let outcome: ErrorCode | 'accepted' | undefined
    const work = this.verifyAtOnce(each).then((result) => {
      outcome = result
    })
    await settle()
    while (outcome === undefined) {
      if (this.now - from > limitSeconds) expect.fail(`Nothing within ${limitSeconds} s`)
      await this.pass(0.05)
    }
    await work
    return { outcome, seconds: Math.round((this.now - from) * 1000) / 1000 }
  }
}

export type Place = 'metadata' | 'jwks' | 'both'

export const faults: readonly (readonly [string, Answer])[] = [
  ['status 500', status(500)],
  ['status 503 with Retry-After', status(503, { 'retry-after': '20' })],
  ['a dropped connection', noConnection],
  ['status 404', status(404)],
  ['status 429', status(429)],
  ['HTML', html],
  ['an empty object', () => jsonResponse({})],
  ['silence', silence],
]
/** Faults that the library treats differently. */
export const kinds = faults.filter(([name]) => !/404|429|empty/.test(name))
export const places: readonly Place[] = ['metadata', 'jwks', 'both']

/** Timers and `performance.now()` move only when a test moves them, in every test of the file that calls this. */
export function useSimulatedTime(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
}
