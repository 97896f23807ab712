import { generateKeyPairSync } from 'node:crypto'
import type { FetchFunction } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { forgetWarnings } from '../../packages/core/src/testing.js'
import { diagnose, ignoreWarnings } from './harness.js'

/** What `doctor` finds about the keys of an issuer, the clocks, and the time that responses take. */

let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
})
afterEach(() => {
  issuer.clearFaults()
  forgetWarnings()
})

/** The issuer, with responses that are changed on their way. */
function fetchWith(change: (response: Response) => Response): FetchFunction {
  return async (url, init) => change(await issuer.fetch(url, init))
}

const answerJwks = (body: object) => issuer.fault('jwks', { body })

describe('keys', () => {
  const rsa = (bits: number) =>
    generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' })
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })

  it('names the keys that can be used, and each one that cannot, with the reason', async () => {
    answerJwks({
      keys: [
        { ...elliptic, kid: 'good' },
        { ...rsa(1024), kid: 'short' },
        { ...elliptic, kid: 'enc', use: 'enc' },
      ],
    })
    const { code, of, findings } = await diagnose([], { fetch: issuer.fetch })
    expect(code).toBe(0)
    expect(of('keys')).toMatchObject({ outcome: 'good', message: expect.stringContaining('good') })
    const left = findings.filter(({ id }) => id === 'key').map(({ outcome, message }) => [outcome, message])
    expect(left).toEqual([
      ['note', expect.stringMatching(/short.*2048 bits.*weak-rsa/)],
      ['note', expect.stringMatching(/enc.*"use".*\(use\)/)],
    ])
  })

  it('keys without a key id', async () => {
    answerJwks({ keys: [elliptic] })
    expect((await diagnose([], { fetch: issuer.fetch })).of('keys')?.message).toContain('without a "kid"')
  })

  it.each([
    ['an empty set', { keys: [] }, 'empty'],
    ['a set without a usable key', { keys: [{ kty: 'oct', k: 'x' }] }, 'symmetric'],
    ['no set', { no: 'set' }, 'not a JWK Set'],
  ])('%s', async (_, body, said) => {
    ignoreWarnings()
    answerJwks(body)
    const { code, of } = await diagnose([], { fetch: issuer.fetch })
    expect(code).toBe(1)
    expect(of('keys')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining(said),
      repair: expect.any(String),
    })
  })

  it.each([
    [404, 'wrong', 1],
    [500, 'undecided', 3],
  ])('status %d', async (status, outcome, exit) => {
    issuer.fault('jwks', { status })
    const { code, of } = await diagnose([], { fetch: issuer.fetch })
    expect([code, of('keys')?.outcome]).toEqual([exit, outcome])
    expect(of('metadata')?.outcome).toBe('good')
    expect(of('cache-control')).toBeUndefined()
  })

  it('no connection: the finding about the metadata names no URL, which no response has shown', async () => {
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    const { code, of } = await diagnose([], {
      fetch: (url, init) =>
        url.endsWith('/jwks')
          ? Promise.reject(new TypeError('fetch failed', { cause: refused }))
          : issuer.fetch(url, init),
    })
    expect([code, of('keys')?.outcome]).toEqual([3, 'undecided'])
    expect(of('metadata')?.message).toBe('The metadata say where the keys are.')
  })

  it.each([
    ['max-age=600', 'good', '600 seconds'],
    ['no-store', 'note', '60 seconds'],
    [undefined, 'note', '300 seconds'],
  ])('Cache-Control: %s', async (header, outcome, said) => {
    const fetch = fetchWith((response) => {
      if (header === undefined) response.headers.delete('cache-control')
      else response.headers.set('cache-control', header)
      return response
    })
    const { code, of } = await diagnose([], { fetch })
    expect(code).toBe(0)
    expect(of('cache-control')).toMatchObject({ outcome, message: expect.stringContaining(said) })
  })
})

describe('clock', () => {
  const at = (secondsAhead: number, headers: Record<string, string> = {}) =>
    fetchWith((response) => {
      response.headers.set('date', new Date(Date.now() - 1000 * secondsAhead).toUTCString())
      for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
      return response
    })

  it.each([
    [0, 'good', ''],
    [3, 'good', ''],
    [600, 'wrong', '10 minutes ahead of'],
    [-7200, 'wrong', '2 hours behind'],
  ])('this machine is %d seconds ahead', async (seconds, outcome, said) => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 10, 30, 9, 0, 0) })
    const { code, of } = await diagnose([], { fetch: at(seconds) })
    vi.useRealTimers()
    expect(of('clock')).toMatchObject({ outcome, message: expect.stringContaining(said) })
    expect(code).toBe(outcome === 'wrong' ? 1 : 0)
    if (outcome === 'wrong') expect(of('clock')?.repair).toContain('NTP')
  })

  it('a response of a cache in between has an old Date, and says nothing', async () => {
    expect((await diagnose([], { fetch: at(600, { age: '600' }) })).of('clock')?.outcome).toBe('skipped')
  })
})

describe('latency', () => {
  it('a slow response is noted', async () => {
    const { now } = performance
    let passed = 0
    vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + passed)
    const fetch = fetchWith((response) => {
      passed += 1500
      return response
    })
    const { code, of } = await diagnose([], { fetch })
    expect(code).toBe(0)
    expect(of('latency')).toMatchObject({ outcome: 'note', repair: expect.stringContaining('preload()') })
  })
})
