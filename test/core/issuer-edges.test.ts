import { inspect } from 'node:util'
import type { FetchFunction, FetchInit } from '@telnyx-auth/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Deadline, IssuerClient, IssuerFailure } from '../../packages/core/src/testing.js'
import { settle } from '../support/event-loop.js'
import {
  ForgedIssuer,
  goodToken,
  ISSUER,
  JWKS_URL,
  METADATA_URL,
  makeKey,
  makeVerifier,
  rejectionOf,
  TestClock,
} from '../support/forge.js'

/** Regressions that attacks on the core found: each was one request too many, or one too few. */

const key = makeKey('ES256', 'good')
const next = makeKey('ES256', 'next')
const status = (code: number, headers = {}) => new Response('', { status: code, headers })
const unknown = (n: number) => goodToken(next, {}, { kid: `unknown-${n}` })

/** Lets seconds pass, with one call in each. */
async function live(clock: TestClock, seconds: number, each: (second: number) => Promise<unknown>) {
  for (let second = 0; second < seconds; second++) {
    await each(second).catch(() => undefined)
    await settle()
    clock.advance(1)
  }
}

describe('at most four requests in a minute to an issuer that fails', () => {
  it.each([0, 1, 2, 3])(
    'with retries: %d, though two documents are asked for at the same time',
    async (retries) => {
      let asked = 0
      const fetch: FetchFunction = async () => {
        asked++
        return status(500)
      }
      const limits = { fetch, timeoutMs: 1000, maxResponseBytes: 1000, retries }
      const client = new IssuerClient(limits, new TestClock())
      const get = () =>
        Deadline.within(1000, (deadline) => client.get({ url: ISSUER, headers: {} }, deadline)).catch(
          () => undefined,
        )
      await Promise.all([get(), get()])
      await get()
      await get()
      expect(asked).toBeLessThanOrEqual(4)
      expect(asked).toBeGreaterThanOrEqual(3)
    },
  )

  it('documents that arrive and are rejected: each request counts once', async () => {
    let asked = 0
    const fetch: FetchFunction = async () => {
      asked++
      return Response.json({})
    }
    const limits = { fetch, timeoutMs: 1000, maxResponseBytes: 1000, retries: 0 }
    const client = new IssuerClient(limits, new TestClock())
    const detail = { host: 'issuer.example', durationMs: 0, status: 200 }
    const load = () =>
      Deadline.within(1000, async (deadline) => {
        const response = await client.get({ url: ISSUER, headers: {} }, deadline)
        throw client.reject(new IssuerFailure('invalid-document', 'rejected', detail), response)
      })
    for (let n = 0; n < 6; n++) await expect(load()).rejects.toBeInstanceOf(IssuerFailure)
    expect(asked).toBe(4)
  })

  it('keys that are gone, while the metadata are not', async () => {
    const issuer = new ForgedIssuer(key)
    const clock = new TestClock()
    const verifier = makeVerifier(issuer, {}, clock)
    await verifier.preload()
    clock.advance(241)
    issuer.jwks = () => status(404)
    issuer.urls.length = 0
    await live(clock, 60, () => verifier.verify(goodToken(key)))
    expect(issuer.urls.length).toBeGreaterThan(1)
    expect(issuer.urls.length).toBeLessThanOrEqual(4)
  })
})

it.each([1, 3])(
  'attack 39: unknown kids, and keys that are had at the second attempt only (retries: %d)',
  async (retries) => {
    const issuer = new ForgedIssuer(key)
    const clock = new TestClock()
    const verifier = makeVerifier(issuer, { retries }, clock)
    await verifier.preload()
    const { jwks } = issuer
    let requests = 0
    issuer.jwks = (url, signal) => (requests++ % 2 === 0 ? status(500) : jwks(url, signal))
    await live(clock, 60, (second) => verifier.verify(unknown(second)))
    expect(requests).toBe(4)
  },
)

it('a configured jwksUri is requested, also while the metadata fail', async () => {
  const issuer = new ForgedIssuer(key)
  const clock = new TestClock()
  const introspection = { clientId: 'api', clientSecret: 'secret' }
  const verifier = makeVerifier(issuer, { jwksUri: JWKS_URL, introspection, retries: 0 }, clock)
  const { jwks } = issuer
  issuer.metadata = () => status(503, { 'retry-after': '240' })
  issuer.jwks = () => status(500)
  expect((await rejectionOf(verifier.verify('opaque'))).status).toBe(503)
  expect((await rejectionOf(verifier.verify(goodToken(key)))).status).toBe(503)
  issuer.jwks = jwks
  clock.advance(5)
  expect((await verifier.verify(goodToken(key))).verifiedBy).toBe('signature')
})

describe('keys that moved, while the old URL still has some', () => {
  const MOVED = `${ISSUER}/moved`
  async function createMoved() {
    const issuer = new ForgedIssuer(key)
    const clock = new TestClock()
    const fetch: FetchFunction = async (url, init) => {
      if (url !== MOVED) return issuer.fetch(url, init)
      issuer.urls.push(url)
      return Response.json({ keys: [key.jwk, next.jwk] })
    }
    const verifier = makeVerifier({ fetch }, {}, clock)
    await verifier.preload()
    issuer.metadata = () => Response.json({ issuer: ISSUER, jwks_uri: MOVED })
    issuer.urls.length = 0
    return { issuer, clock, verifier }
  }

  it('the first token with a new key is accepted', async () => {
    const { issuer, clock, verifier } = await createMoved()
    clock.advance(200)
    const tokens = Array.from({ length: 50 }, () => verifier.verify(goodToken(next)))
    expect((await Promise.allSettled(tokens)).every(({ status }) => status === 'fulfilled')).toBe(true)
    expect(issuer.urls).toEqual([JWKS_URL, METADATA_URL, MOVED])
  })

  // Tokens that arrive while the keys or the metadata are slow.
  it.each([
    [100, 100],
    [150, 100],
    [100, 95],
    [40, 30],
    [200, 50],
    [100, 150],
    [99, 101],
    [20, 150],
  ])(
    'no token that arrives meanwhile is refused (keys after %d ms, metadata after %d ms)',
    async (keysMs, metadataMs) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      onTestFinished(() => void vi.useRealTimers())
      const late = (ms: number, value: unknown) =>
        new Promise<Response>((resolve) => setTimeout(() => resolve(Response.json(value)), ms))
      const clock = new TestClock()
      let moved = false
      const fetch: FetchFunction = (url) => {
        if (url === METADATA_URL)
          return late(metadataMs, { issuer: ISSUER, jwks_uri: moved ? MOVED : JWKS_URL })
        return late(keysMs, { keys: url === MOVED ? [key.jwk, next.jwk] : [key.jwk] })
      }
      const verifier = makeVerifier({ fetch }, {}, clock)
      const pass = async (ms: number) => {
        clock.advance(ms / 1000)
        vi.advanceTimersByTime(ms)
        await settle()
      }
      const loaded = verifier.preload()
      for (let ms = 0; ms < 400; ms += 10) await pass(10)
      await loaded
      clock.advance(100)
      moved = true
      const outcomes: Promise<string>[] = []
      for (let ms = 0; ms < 1000; ms += 10) {
        // With and without a key id.
        const token = goodToken(next, {}, ms % 20 === 0 ? { kid: undefined } : {})
        outcomes.push(
          verifier.verify(token).then(
            () => 'accepted',
            (error) => error.code,
          ),
        )
        await pass(10)
      }
      for (let ms = 0; ms < 2000; ms += 50) await pass(50)
      expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['accepted']))
    },
  )

  it('J8: a token without a kid finds them too', async () => {
    const { clock, verifier } = await createMoved()
    clock.advance(200)
    await verifier.verify(goodToken(next, {}, { kid: undefined }))
  })

  it('keys whose URL answers 404 are requested at the URL of the cached metadata', async () => {
    const { issuer, clock, verifier } = await createMoved()
    clock.advance(200)
    await verifier.verify(goodToken(next))
    issuer.jwks = () => status(404)
    clock.advance(241)
    await verifier.verify(goodToken(key))
    await settle()
    expect(verifier.health().lastFailure).toBeUndefined()
  })

  it('a flood of unknown kids fetches the metadata at most once a minute', async () => {
    const { issuer, clock, verifier } = await createMoved()
    issuer.metadata = () => Response.json({ issuer: ISSUER, jwks_uri: JWKS_URL })
    clock.advance(61)
    await live(clock, 60, (second) => verifier.verify(unknown(second)))
    expect(issuer.urls.filter((url) => url === METADATA_URL)).toHaveLength(1)
    expect(issuer.urls.filter((url) => url === JWKS_URL)).toHaveLength(4)
  })
})

describe('a fetch whose response reveals the request', () => {
  const SECRET = 'a-very-secret-secret'
  const responses: Record<string, (init: FetchInit) => unknown> = {
    'by its body': ({ body }) => ({
      status: 200,
      headers: new Headers(),
      get body(): never {
        throw new Error(body)
      },
    }),
    'by its headers': ({ body }) => ({
      status: 200,
      headers: {
        get(): never {
          throw new Error(body)
        },
      },
      body: null,
    }),
    'by its status': ({ body }) => ({ status: body, headers: new Headers(), body: null }),
    'by what it throws': ({ body }) => {
      throw Object.defineProperty({}, 'code', {
        get() {
          throw new Error(body)
        },
      })
    },
    'by nothing': () => undefined,
  }
  it.each(Object.keys(responses))('%s: 503, and nothing is told further', async (what) => {
    const issuer = new ForgedIssuer(key)
    const fetch = async (url: string, init: FetchInit) =>
      init.method === 'POST' ? responses[what]?.(init) : issuer.fetch(url, init)
    const options = {
      introspectionEndpoint: `${ISSUER}/introspect`,
      introspection: { clientId: 'api', clientSecret: SECRET, authMethod: 'client_secret_post' as const },
      retries: 0,
    }
    // A value that is no response, as plain JavaScript may return it.
    const verifier = makeVerifier({ fetch: Object(fetch) }, options)
    const error = await rejectionOf(verifier.verify('opaque-token-of-a-caller'))
    expect(error).toMatchObject({ code: 'ERR_INTROSPECTION_UNAVAILABLE', cause: { reason: 'network' } })
    const shown = inspect(error, { depth: 9, showHidden: true })
    expect(shown).not.toContain(SECRET)
    expect(shown).not.toContain('opaque-token')
  })
})

it('attack 38: an unrelated member of a JWK does not make the key unusable', async () => {
  for (const ext of ['x', null, false, true]) {
    const issuer = new ForgedIssuer()
    issuer.publish({ ...key.jwk, ext })
    await makeVerifier(issuer).verify(goodToken(key))
  }
})

it('stale metadata in a pause do not delay the keys', async () => {
  const issuer = new ForgedIssuer(key)
  const clock = new TestClock()
  const verifier = makeVerifier(issuer, { retries: 0 }, clock)
  await verifier.preload()
  issuer.metadata = () => status(503, { 'retry-after': '240' })
  clock.advance(3700)
  const token = () => goodToken(key, { iat: clock.now(), exp: clock.now() + 60 })
  await verifier.verify(token())
  await settle()
  expect(verifier.health()).toMatchObject({ stale: false, ready: true })
  // A rotation is seen at once, though the metadata are still in their pause.
  issuer.publish(next.jwk)
  await verifier.verify(goodToken(next, { iat: clock.now(), exp: clock.now() + 60 }))
})
