import { describe, expect, it } from 'vitest'
import { openIdConfigurationUrl } from '../../packages/core/src/testing.js'
import { settle } from '../support/event-loop.js'
import { goodToken, JWKS_URL, makeKey, makeVerifier, NOW, rejectionOf, TestClock } from '../support/forge.js'

/** D5: OpenID Connect discovery where RFC 8414's URL answers 404, and nowhere else. */

const ISSUER = 'https://issuer.example'
const OAUTH_URL = `${ISSUER}/.well-known/oauth-authorization-server`
const OIDC_URL = `${ISSUER}/.well-known/openid-configuration`
const key = makeKey('ES256', 'good')
const token = goodToken(key, { exp: NOW + 30 * 86_400 })

interface Asked {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** An issuer that serves `answers`; every other URL answers 404. */
function createWorld(options: Parameters<typeof makeVerifier>[1] = {}) {
  const clock = new TestClock()
  const asked: Asked[] = []
  const document = (members: object = {}, headers: Record<string, string> = {}) =>
    Response.json({ issuer: ISSUER, jwks_uri: JWKS_URL, ...members }, { headers })
  const answers = new Map<string, (headers: Readonly<Record<string, string>>) => Response>([
    [OIDC_URL, () => document()],
    [JWKS_URL, () => Response.json({ keys: [key.jwk] })],
  ])
  const fetch = async (url: string, init: { headers: Record<string, string> }): Promise<Response> => {
    asked.push({ url, headers: init.headers })
    return answers.get(url)?.(init.headers) ?? new Response('no', { status: 404 })
  }
  const take = () => asked.splice(0).map(({ url }) => url)
  return { clock, asked, answers, document, take, verifier: makeVerifier({ fetch }, options, clock) }
}

describe('D5: the URL of the OpenID Connect document', () => {
  it.each([
    ['https://h', 'https://h/.well-known/openid-configuration'],
    ['https://h/', 'https://h/.well-known/openid-configuration'],
    ['https://h/t', 'https://h/t/.well-known/openid-configuration'],
    ['https://h/t/', 'https://h/t/.well-known/openid-configuration'],
    ['https://h:8443/a//', 'https://h:8443/a//.well-known/openid-configuration'],
    ['http://[::1]:80/T', 'http://[::1]:80/T/.well-known/openid-configuration'],
  ])('D5: %s → %s', (issuer, url) => {
    expect(openIdConfigurationUrl(issuer)).toBe(url)
  })
})

describe('D5: an issuer that has OpenID Connect discovery only', () => {
  it('D5: is discovered, its tokens are accepted, and no failure is reported', async () => {
    const { verifier, take } = createWorld()
    await expect(verifier.verify(token)).resolves.toMatchObject({ verifiedBy: 'signature' })
    expect(take()).toEqual([OAUTH_URL, OIDC_URL, JWKS_URL])
    expect(verifier.health()).toMatchObject({ ready: true, nextRefreshInSeconds: 0 })
    expect(verifier.health()).not.toHaveProperty('lastFailure')
  })

  it('A: one that has RFC 8414 metadata is not asked for it', async () => {
    const { verifier, answers, document, take } = createWorld()
    answers.set(OAUTH_URL, () => document())
    await verifier.verify(token)
    expect(take()).toEqual([OAUTH_URL, JWKS_URL])
  })

  it.each([
    ['410', () => new Response(null, { status: 410 })],
    ['400', () => new Response(null, { status: 400 })],
    ['401', () => new Response(null, { status: 401 })],
    ['403', () => new Response(null, { status: 403 })],
    ['405', () => new Response(null, { status: 405 })],
    ['429', () => new Response(null, { status: 429 })],
    ['500', () => new Response(null, { status: 500 })],
    ['503', () => new Response(null, { status: 503 })],
    ['204', () => new Response(null, { status: 204 })],
    ['a redirect', () => new Response(null, { status: 302, headers: { location: OIDC_URL } })],
    ['HTML with 200', () => new Response('<!doctype html><title>Not found</title>')],
    ['JSON that is no metadata', () => Response.json({ error: 'not found' })],
    ['another issuer', () => Response.json({ issuer: `${ISSUER}/`, jwks_uri: JWKS_URL })],
  ])('D5: is not asked for it where RFC 8414 answers %s', async (_, answer) => {
    const { verifier, answers, take } = createWorld({ retries: 0 })
    answers.set(OAUTH_URL, answer)
    expect((await rejectionOf(verifier.verify(token))).code).toBe('ERR_DISCOVERY_FAILED')
    expect(take()).toEqual([OAUTH_URL])
  })

  it.each([
    ['another issuer', { issuer: 'https://evil.example' }],
    ['a slash more', { issuer: `${ISSUER}/` }],
    ['no issuer', { issuer: undefined }],
    ['http keys', { jwks_uri: 'http://issuer.example/jwks' }],
    ['no keys', { jwks_uri: undefined }],
  ])('D2, D3: the same rules: %s', async (_, members) => {
    const { verifier, answers, document, take } = createWorld()
    answers.set(OIDC_URL, () => document(members))
    expect((await rejectionOf(verifier.verify(token))).code).toBe('ERR_DISCOVERY_FAILED')
    expect(take()).toEqual([OAUTH_URL, OIDC_URL])
  })

  it.each([
    ['a redirect', () => new Response(null, { status: 301, headers: { location: OAUTH_URL } }), 'redirect'],
    ['HTML', () => new Response('<html>'), 'invalid-document'],
    ['status 500', () => new Response(null, { status: 500 }), 'status'],
    ['too much', () => new Response(' '.repeat(300_000)), 'too-large'],
  ])('D3, D4: the same rules: %s', async (_, answer, reason) => {
    const { verifier, answers, take } = createWorld({ retries: 0 })
    answers.set(OIDC_URL, answer)
    expect((await rejectionOf(verifier.verify(token))).cause).toMatchObject({ reason })
    expect(take()).toEqual([OAUTH_URL, OIDC_URL])
  })

  it('the failure names both URLs when neither has the document', async () => {
    const { verifier, answers } = createWorld()
    answers.delete(OIDC_URL)
    const error = await rejectionOf(verifier.verify(token))
    expect(error).toMatchObject({ code: 'ERR_DISCOVERY_FAILED', status: 503, reason: 'no-metadata' })
    expect(error.cause).toMatchObject({ reason: 'status', status: 404 })
    const { message } = verifier.health().lastFailure ?? expect.fail('No failure is told')
    expect(message).toContain(OAUTH_URL)
    expect(message).toContain(OIDC_URL)
  })

  it('one time limit applies to both requests', async () => {
    const { answers, clock } = createWorld()
    const aborted: string[] = []
    const fetch = async (url: string, { signal }: { signal: AbortSignal }): Promise<Response> => {
      signal.addEventListener('abort', () => aborted.push(url))
      if (url === OIDC_URL) return new Promise(() => undefined)
      return answers.get(url)?.({}) ?? new Response(null, { status: 404 })
    }
    const verifier = makeVerifier({ fetch }, { timeoutMs: 20 }, clock)
    const error = await rejectionOf(verifier.verify(token))
    expect(error.cause).toMatchObject({ reason: 'timeout' })
    expect(aborted).toEqual([OAUTH_URL, OIDC_URL])
  })
})

describe('D5: the URL that had the document is remembered', () => {
  it('the next request goes there, with the entity tag of that URL', async () => {
    const { verifier, answers, document, take, asked, clock } = createWorld()
    answers.set(OIDC_URL, (headers) =>
      headers['if-none-match'] === '"oidc"'
        ? new Response(null, { status: 304 })
        : document({}, { etag: '"oidc"' }),
    )
    await verifier.verify(token)
    take()
    clock.advance(2 * 3600)
    await verifier.verify(token)
    expect(asked.map(({ url }) => url)).toEqual([OIDC_URL, JWKS_URL])
    expect(asked[0]?.headers).toMatchObject({ 'if-none-match': '"oidc"' })
    expect(verifier.health()).toMatchObject({ metadataAgeSeconds: 0 })
  })

  it.each([
    ['OpenID Connect to RFC 8414', OIDC_URL, OAUTH_URL],
    ['RFC 8414 to OpenID Connect', OAUTH_URL, OIDC_URL],
  ])('an issuer that changes from %s is followed, and no entity tag goes with it', async (_, from, to) => {
    const { verifier, answers, document, take, asked, clock } = createWorld()
    answers.delete(OIDC_URL)
    answers.set(from, () => document({}, { etag: '"from"' }))
    await verifier.verify(token)
    answers.delete(from)
    answers.set(to, () => document({}, { etag: '"to"' }))
    take()
    clock.advance(2 * 3600)
    await verifier.verify(token)
    expect(asked.map(({ url }) => url)).toEqual([from, to, JWKS_URL])
    expect(asked.map(({ headers }) => headers['if-none-match'])).toEqual(['"from"', undefined, undefined])
    expect(verifier.health()).not.toHaveProperty('lastFailure')
    // The next request goes to the new URL.
    take()
    clock.advance(2 * 3600)
    await verifier.verify(token)
    expect(asked[0]).toMatchObject({ url: to, headers: { 'if-none-match': '"to"' } })
  })
})

/** The most requests in any minute, while one token a second arrives for five minutes and is never accepted. */
async function busiestMinute({ verifier, asked, clock }: ReturnType<typeof createWorld>): Promise<number> {
  const times: number[] = []
  for (let second = 0; second < 300; second++) {
    const before = asked.length
    await rejectionOf(verifier.verify(token))
    await settle()
    for (let n = before; n < asked.length; n++) times.push(second)
    clock.advance(1)
  }
  return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 60).length))
}

describe('D5: the rate of requests to an issuer', () => {
  it.each([0, 1, 3])(
    'with neither document, four requests a minute at the most (retries: %d)',
    async (retries) => {
      const world = createWorld({ retries })
      world.answers.delete(OIDC_URL)
      expect(await busiestMinute(world)).toBe(4)
    },
  )

  it.each(['a mismatch', 'status 500'])('the same with %s at the second URL', async (what) => {
    const world = createWorld()
    world.answers.set(OIDC_URL, () =>
      what === 'a mismatch'
        ? world.document({ issuer: 'https://evil.example' })
        : new Response(null, { status: 500 }),
    )
    expect(await busiestMinute(world)).toBeLessThanOrEqual(4)
  })

  it('a 404 before a good document is no failure: keys that fail afterwards have the whole rate limit', async () => {
    const { verifier, answers, take } = createWorld({ retries: 1 })
    answers.set(JWKS_URL, () => new Response(null, { status: 500 }))
    expect((await rejectionOf(verifier.verify(token))).code).toBe('ERR_KEYS_UNAVAILABLE')
    // With a retry, which an issuer that is failing does not get.
    expect(take()).toEqual([OAUTH_URL, OIDC_URL, JWKS_URL, JWKS_URL])
  })

  it('a transient failure at each URL is retried once in all', async () => {
    const { verifier, answers, document, take } = createWorld({ retries: 1 })
    const first = (url: string, then: () => Response) => {
      let asked = 0
      answers.set(url, () => (asked++ === 0 ? new Response(null, { status: 502 }) : then()))
    }
    first(OAUTH_URL, () => new Response(null, { status: 404 }))
    first(OIDC_URL, () => document())
    await rejectionOf(verifier.verify(token))
    expect(take()).toEqual([OAUTH_URL, OAUTH_URL, OIDC_URL])
  })
})
