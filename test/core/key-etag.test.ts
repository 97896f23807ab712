import type { FetchFunction } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import { status, withHeader } from '../support/answers.js'
import { settle } from '../support/event-loop.js'
import { ForgedIssuer, JWKS_URL, METADATA_URL, makeVerifier, TestClock } from '../support/forge.js'
import {
  type Answer,
  HOUR,
  key,
  MOVED_URL,
  metadataOf,
  newToken,
  next,
  Service,
  setOf,
  token,
  unknownToken,
  useSimulatedTime,
} from '../support/key-life.js'

/** The life of keys: conditional requests. */

useSimulatedTime()

describe('ETag (RFC 9110 §13.1.2)', () => {
  /** Answers with 304 to a request that names the entity tag. */
  const tagged =
    (service: Service, tag: string, usual: Answer, headers: Readonly<Record<string, string>> = {}): Answer =>
    async (url, signal) => {
      if (service.asked.at(-1)?.headers['if-none-match'] === tag)
        return new Response(null, { status: 304, headers })
      return withHeader(await usual(url, signal), 'etag', tag)
    }

  async function taggedService(tag: string, headers?: Readonly<Record<string, string>>): Promise<Service> {
    const service = new Service()
    service.issuer.jwks = tagged(service, tag, setOf(key), headers)
    await service.verifier.preload()
    expect(service.asked.at(-1)?.headers).not.toHaveProperty('if-none-match')
    service.asked.length = 0
    return service
  }

  it.each(['"v1"', 'W/"v1"', '""', '"a b"'.replace(' ', '-'), `"${'x'.repeat(256)}"`])(
    'is sent back as it came (%s), with cache-control: max-age=0',
    async (tag) => {
      const service = await taggedService(tag)
      await service.pass(300)
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      expect(service.asked.map(({ url }) => url)).toEqual([JWKS_URL])
      expect(service.asked[0]?.headers).toMatchObject({ 'if-none-match': tag, 'cache-control': 'max-age=0' })
      expect(service.verifier.health()).toMatchObject({ stale: false, keysAgeSeconds: 0, keyIds: ['good'] })
    },
  )

  it('304 renews the lifetime, for 5 minutes or for the max-age that it brings', async () => {
    const service = await taggedService('"v1"', { 'cache-control': 'max-age=1000' })
    await service.pass(300)
    await service.verifyAtOnce(token)
    expect(service.keysAge).toBe(0)
    // 80 % of the new lifetime.
    await service.pass(799)
    await service.verifyAtOnce(token)
    expect(service.asked).toHaveLength(1)
    await service.pass(1)
    await service.verifyAtOnce(token)
    await settle()
    expect(service.count(JWKS_URL)).toBe(2)
    expect(service.keysAge).toBe(0)

    const brief = await taggedService('"v1"')
    for (let n = 1; n <= 5; n++) {
      await brief.pass(300)
      await brief.verifyAtOnce(token)
      expect(brief.count(JWKS_URL)).toBe(n)
    }
  })

  it('304 decides about an unknown key: 401, and 2 requests in 30 s', async () => {
    const service = await taggedService('"v1"')
    for (let n = 0; n < 100; n++)
      expect(await service.verifyAtOnce(unknownToken(`unknown-${n}`))).toBe(
        n < 2 ? 'ERR_KEY_NOT_FOUND' : 'ERR_KEYS_UNAVAILABLE',
      )
    expect(service.asked.map(({ headers }) => headers['if-none-match'])).toEqual(['"v1"', '"v1"'])
  })

  it('a changed set comes with 200, and its tag takes the place of the old one', async () => {
    const service = await taggedService('"v1"')
    service.issuer.jwks = tagged(service, '"v2"', setOf(next))
    expect(await service.verifyAtOnce(newToken)).toBe('accepted')
    await service.pass(300)
    expect(await service.verifyAtOnce(newToken)).toBe('accepted')
    expect(service.asked.map(({ headers }) => headers['if-none-match'])).toEqual(['"v1"', '"v2"'])
    expect(service.verifier.health()).toMatchObject({ keyIds: ['next'] })
  })

  it('a set that comes without a tag takes the old one away', async () => {
    const service = await taggedService('"v1"')
    service.issuer.jwks = setOf(key, next)
    await service.verifyAtOnce(newToken)
    await service.pass(300)
    await service.verifyAtOnce(newToken)
    expect(service.asked.map(({ headers }) => headers['if-none-match'])).toEqual(['"v1"', undefined])
  })

  it.each(['metadata', 'jwks'] as const)('an unasked 304 from %s is a failure', async (place) => {
    const service = new Service()
    service.issuer[place] = status(304)
    expect(await service.verifyAtOnce(token)).toBe(
      place === 'jwks' ? 'ERR_KEYS_UNAVAILABLE' : 'ERR_DISCOVERY_FAILED',
    )
    const held = await Service.withKeys(place === 'jwks' ? 300 : HOUR)
    held.issuer[place] = status(304)
    expect(await held.verifyAtOnce(token)).toBe('accepted')
    expect(held.verifier.health()).toMatchObject({ lastFailure: { reason: 'redirect' } })
  })

  it.each([
    'v1',
    '"v1',
    'v1"',
    '"v"1"',
    'w/"v1"',
    'W/v1',
    '*',
    '"a", "b"',
    '"a b"',
    '"é"',
    '"a\r\nx-injected: 1"',
    '"a\u0000"',
    `"${'x'.repeat(257)}"`,
    '',
  ])('an invalid one is not sent back: %j', async (tag) => {
    const sent: Readonly<Record<string, string>>[] = []
    const issuer = new ForgedIssuer(key)
    const clock = new TestClock()
    const fetch: FetchFunction = async (url, init) => {
      sent.push(init.headers)
      const { body } = await issuer.fetch(url, init)
      const headers = { get: (name: string) => (name === 'etag' ? tag : null) }
      return { status: 200, headers, body }
    }
    const verifier = makeVerifier({ fetch }, {}, clock)
    await verifier.verify(token)
    clock.advance(2 * HOUR)
    await verifier.verify(token)
    expect(sent).toHaveLength(4)
    for (const headers of sent) expect(headers).not.toHaveProperty('if-none-match')
  })

  it('is not sent to another URI', async () => {
    const service = await taggedService('"v1"')
    await service.pass(300)
    service.issuer.metadata = metadataOf(MOVED_URL)
    service.issuer.jwks = status(404)
    service.moved = setOf(key, next)
    expect(await service.verifyAtOnce(newToken)).toBe('accepted')
    expect(service.asked.map(({ url, headers }) => [url, headers['if-none-match']])).toEqual([
      [JWKS_URL, '"v1"'],
      [METADATA_URL, undefined],
      [MOVED_URL, undefined],
    ])
  })

  it('the metadata too: asked for conditionally, renewed by 304', async () => {
    const service = new Service()
    service.issuer.metadata = tagged(service, '"m1"', metadataOf(JWKS_URL))
    await service.verifier.preload()
    service.asked.length = 0
    for (let n = 1; n <= 3; n++) {
      await service.pass(HOUR)
      expect(await service.verifyAtOnce(token)).toBe('accepted')
      const asked = service.asked.filter(({ url }) => url === METADATA_URL)
      expect(asked.map(({ headers }) => headers['if-none-match'])).toEqual(
        Array.from({ length: n }, () => '"m1"'),
      )
      expect(service.verifier.health()).toMatchObject({ metadataAgeSeconds: 0 })
    }
  })
})
