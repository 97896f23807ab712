import { type IntrospectionWhen, type IssuerFailure, UnavailableError } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import { active, inactive, json, text } from '../support/answers.js'
import { settle } from '../support/event-loop.js'
import { expectRefusal, rejectionOf, type TestClock } from '../support/forge.js'
import { createSignal } from '../support/http.js'
import {
  type Answer,
  createWorld,
  down,
  exhaust,
  expectUnavailable,
  failureOf,
  OPAQUE,
  outcomeOf,
  own,
  secretsOf,
  WHEN,
  type World,
} from '../support/mock-introspection.js'
import { codeOf, untilTimeout } from '../support/outcome.js'

describe('attack 41, I5: the endpoint fails', () => {
  const failures: [string, Answer, Partial<IssuerFailure>, number][] = [
    ...[500, 502, 503, 504].map((status): [string, Answer, Partial<IssuerFailure>, number] => [
      `status ${status}`,
      text('{"active":true}', { status }),
      { reason: 'status', status },
      2,
    ]),
    ...[400, 404, 405, 408, 415, 429, 501].map((status): [string, Answer, Partial<IssuerFailure>, number] => [
      `status ${status}`,
      text('{"active":true}', { status }),
      { reason: 'status', status },
      1,
    ]),
    ...[401, 403].map((status): [string, Answer, Partial<IssuerFailure>, number] => [
      `I5: status ${status} for our credentials`,
      json({ error: 'invalid_client' }, { status, headers: { 'www-authenticate': 'Basic realm="x"' } }),
      { reason: 'credentials', status },
      1,
    ]),
    ['HTML', text('<html>'), { reason: 'invalid-document', status: 200 }, 1],
    [
      'a dropped connection',
      () =>
        Promise.reject(
          new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ECONNRESET' }) }),
        ),
      { reason: 'network', code: 'ECONNRESET' },
      2,
    ],
    ['silence', () => new Promise(() => undefined), { reason: 'timeout' }, 1],
    ['a body that never ends', () => new Response(new ReadableStream()), { reason: 'timeout' }, 1],
    ['a body beyond the limit', text('x'.repeat(300_000)), { reason: 'too-large' }, 1],
  ]
  it.each(failures)('U: %s, for opaque tokens and JWTs', async (_, answer, failure, requests) => {
    for (const make of [() => OPAQUE, ({ issuer }: World) => issuer.issueToken()]) {
      const world = await createWorld({ introspection: { when: 'always' }, answer })
      await world.verifier.preload()
      const token = await make(world)
      const verification = untilTimeout(() => world.verifier.verify(token))
      await expectUnavailable(world, verification, token)
      expect(await failureOf(verification)).toMatchObject({ host: 'api.telnyx.com', ...failure })
      expect(world.asked).toHaveLength(requests)
    }
  })

  it('I5: the mock issuer refuses our credentials: 503, and nothing of them is shown', async () => {
    const world = await createWorld({ introspection: { clientSecret: 'this-secret-is-wrong' } })
    const response = await expectRefusal(
      world.verifier.verify(OPAQUE),
      'U',
      'ERR_INTROSPECTION_UNAVAILABLE',
      [OPAQUE, 'this-secret-is-wrong', Buffer.from('this-secret-is-wrong').toString('base64').slice(0, 20)],
    )
    expect(response.headers['WWW-Authenticate']).toBeUndefined()
  })

  it('the check for secrets finds one: positive control', async () => {
    const world = await createWorld()
    for (const secret of secretsOf(world, OPAQUE)) {
      const leaking = new UnavailableError('ERR_INTROSPECTION_UNAVAILABLE', {
        retryAfterSeconds: 1,
        cause: new Error('outer', { cause: new Error(`it was ${secret}`) }),
      })
      await expect(expectUnavailable(world, Promise.reject(leaking), OPAQUE)).rejects.toThrow(
        'a secret is shown',
      )
    }
  })

  const talkative: [string, Answer][] = [
    [
      'a fetch that quotes the request',
      ({ body, headers }) =>
        Promise.reject(
          Object.assign(new TypeError(`${headers.authorization} is bad`, { cause: new Error(body) }), {
            body,
            headers,
          }),
        ),
    ],
    ['an answer that quotes it', ({ body, headers }) => new Response(`${body} ${headers.authorization}`)],
    [
      'a refusal that quotes it',
      ({ body, headers }) => new Response(`${body} ${headers.authorization}`, { status: 401 }),
    ],
    [
      'headers that quote it',
      ({ body, headers }) =>
        new Response(null, {
          status: 503,
          headers: {
            'retry-after': body,
            location: body,
            etag: body,
            'www-authenticate': headers.authorization ?? '',
          },
        }),
    ],
    [
      'a body that breaks with it',
      ({ body }) =>
        new Response(new ReadableStream({ pull: (controller) => controller.error(new Error(body)) })),
    ],
  ]
  it.each(talkative)('nothing secret is in the error: %s', async (_, answer) => {
    for (const authMethod of ['client_secret_basic', 'client_secret_post'] as const) {
      const world = await createWorld({ introspection: { when: 'always', authMethod }, answer })
      for (const token of [OPAQUE, await world.issuer.issueToken()])
        await expectUnavailable(world, world.verifier.verify(token), token)
    }
  })

  it.each([
    ['seconds', () => '17', 17],
    ['a date', (clock: TestClock) => new Date((clock.now() + 40) * 1000).toUTCString(), 40],
    ['an absurd number', () => '99999999999999', 240],
  ])('429 with Retry-After as %s: passed on, and no request until then', async (_, retryAfter, seconds) => {
    const world = await createWorld()
    const { clock, verifier } = world
    world.answer = text('slow down', { status: 429, headers: { 'retry-after': retryAfter(clock) } })
    const response = await expectUnavailable(world, verifier.verify(OPAQUE), OPAQUE)
    expect(response.headers['Retry-After']).toBe(String(seconds))
    expect(world.asked).toHaveLength(1)
    world.answer = active()
    clock.advance(seconds - 1)
    const waiting = await expectUnavailable(world, verifier.verify('another'), 'another')
    expect(waiting.headers['Retry-After']).toBe('1')
    expect(world.asked).toHaveLength(1)
    clock.advance(1)
    expect(await outcomeOf(verifier.verify(OPAQUE))).toBe('introspection')
  })

  it('one failure is not noticed; without retries it is', async () => {
    for (const [retries, outcome, requests] of [
      [undefined, 'introspection', 2],
      [0, 'ERR_INTROSPECTION_UNAVAILABLE', 1],
    ] as const) {
      const world = await createWorld({ verifier: { retries } })
      world.answer = (asked, signal) => (world.asked.length === 1 ? down : active())(asked, signal)
      expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe(outcome)
      expect(world.asked).toHaveLength(requests)
    }
  })

  it('a late answer is not waited for: one failed request fails all callers with the same token', async () => {
    const world = await createWorld({
      answer: (_, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    })
    await world.verifier.preload()
    const errors = await untilTimeout(() =>
      Promise.all(Array.from({ length: 100 }, () => rejectionOf(world.verifier.verify(OPAQUE)))),
    )
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_INTROSPECTION_UNAVAILABLE']))
    expect(world.asked).toHaveLength(1)
  })
})

describe('the circuit breaker', () => {
  it('after three failures: answered at once, no request leaves, and the answer says how long', async () => {
    const world = await createWorld({ answer: down })
    await exhaust(world)
    expect(world.asked).toHaveLength(4)
    const errors = await Promise.all(
      Array.from({ length: 1000 }, (_, n) => rejectionOf(world.verifier.verify(`t${n}`))),
    )
    for (const error of errors)
      expect(error).toMatchObject({
        code: 'ERR_INTROSPECTION_UNAVAILABLE',
        retryAfterSeconds: 5,
        status: 503,
      })
    expect(errors[0]?.cause).toMatchObject({ reason: 'status', status: 500 })
    expect(world.asked).toHaveLength(4)
    world.clock.advance(3)
    expect(await rejectionOf(world.verifier.verify(OPAQUE))).toMatchObject({ retryAfterSeconds: 2 })
    expect(world.asked).toHaveLength(4)
  })

  it('one failure, and two, do not open it', async () => {
    const world = await createWorld({ answer: down })
    for (let n = 0; n < 2; n++) await codeOf(world.verifier.verify(OPAQUE))
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
    world.answer = down
    // Only failures in a row count.
    for (let n = 0; n < 2; n++) await codeOf(world.verifier.verify('other'))
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify('other'))).toBe('introspection')
  })

  it('pauses grow, up to a minute, and each is ended by one request', async () => {
    const world = await createWorld({ answer: down })
    await exhaust(world)
    const pauses: number[] = []
    for (let n = 0; n < 7; n++) {
      const { length } = world.asked
      let seconds = 0
      while (world.asked.length === length && seconds < 1000) {
        world.clock.advance(1)
        seconds++
        await codeOf(world.verifier.verify(`${n}-${seconds}`))
      }
      expect(world.asked).toHaveLength(length + 1)
      pauses.push(seconds)
    }
    expect(pauses).toEqual([5, 10, 20, 40, 60, 60, 60])
  })

  it('an hour of it, with a question each second: no more than about one request a minute', async () => {
    const world = await createWorld({ answer: down })
    for (let second = 0; second < 3600; second++) {
      await codeOf(world.verifier.verify(`token-${second}`))
      world.clock.advance(1)
    }
    expect(world.asked.length).toBeLessThanOrEqual(4 + 4 + 60)
    expect(world.asked.length).toBeGreaterThan(30)
  })

  it('after the pause one request probes; the others are answered at once meanwhile', async () => {
    const world = await createWorld({ answer: down })
    await exhaust(world)
    const { length } = world.asked
    world.clock.advance(5)
    const held = createSignal()
    world.answer = async () => {
      await held.promise
      return Response.json({ active: true })
    }
    const probe = world.verifier.verify('probe')
    await settle()
    expect(world.asked).toHaveLength(length + 1)
    const others = await Promise.all(
      Array.from({ length: 100 }, (_, n) => rejectionOf(world.verifier.verify(`t${n}`))),
    )
    for (const error of others)
      expect(error).toMatchObject({ code: 'ERR_INTROSPECTION_UNAVAILABLE', retryAfterSeconds: 1 })
    // A caller with the same token waits for its answer.
    const same = world.verifier.verify('probe')
    held.resolve()
    expect((await Promise.all([probe, same])).map(({ verifiedBy }) => verifiedBy)).toEqual([
      'introspection',
      'introspection',
    ])
    expect(world.asked).toHaveLength(length + 1)
    // It works again: every token is introspected.
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, n) => outcomeOf(world.verifier.verify(`t${n}`))),
    )
    expect(new Set(outcomes)).toEqual(new Set(['introspection']))
    expect(world.asked).toHaveLength(length + 101)
  })

  it('a probe that fails makes the pause longer, and another probe follows', async () => {
    const world = await createWorld({ answer: down })
    await exhaust(world)
    world.clock.advance(5)
    await codeOf(world.verifier.verify('probe-1'))
    expect(await rejectionOf(world.verifier.verify(OPAQUE))).toMatchObject({ retryAfterSeconds: 10 })
    world.clock.advance(10)
    world.answer = () => new Promise(() => undefined)
    const error = await untilTimeout(() => rejectionOf(world.verifier.verify('probe-2')))
    expect(error).toMatchObject({ code: 'ERR_INTROSPECTION_UNAVAILABLE', retryAfterSeconds: 20 })
    world.clock.advance(20)
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
  })

  it('an issuer that says "inactive" works: inactive tokens, and a probe with one', async () => {
    const world = await createWorld({ answer: inactive })
    for (let n = 0; n < 10; n++)
      expect(await codeOf(world.verifier.verify(`t${n}`))).toBe('ERR_TOKEN_INACTIVE')
    expect(world.asked).toHaveLength(10)
    world.answer = down
    await exhaust(world)
    world.clock.advance(5)
    world.answer = inactive
    for (const token of ['x', 'y', 'z'])
      expect(await codeOf(world.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
  })

  it('100 simultaneous failures do not make the pause the longest one', async () => {
    const world = await createWorld({ answer: down })
    await Promise.all(Array.from({ length: 100 }, (_, n) => codeOf(world.verifier.verify(`t${n}`))))
    const { length } = world.asked
    expect(await rejectionOf(world.verifier.verify(OPAQUE))).toMatchObject({ retryAfterSeconds: 5 })
    expect(world.asked).toHaveLength(length)
    world.clock.advance(5)
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
    expect(world.asked).toHaveLength(length + 1)
  })

  it('requests from before the pause that fail after it do not make it longer', async () => {
    const world = await createWorld({ answer: down })
    const held = createSignal()
    world.answer = async () => {
      await held.promise
      return new Response(null, { status: 400 })
    }
    const late = Array.from({ length: 20 }, (_, n) => codeOf(world.verifier.verify(`late-${n}`)))
    await settle()
    world.answer = down
    await exhaust(world)
    world.clock.advance(5)
    held.resolve()
    await Promise.all(late)
    world.answer = active()
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
  })

  it('a pause that 429 asked for is ended by one request too', async () => {
    const world = await createWorld({ answer: text('', { status: 429, headers: { 'retry-after': '30' } }) })
    await codeOf(world.verifier.verify(OPAQUE))
    world.clock.advance(30)
    const { length } = world.asked
    await Promise.all(Array.from({ length: 100 }, (_, n) => outcomeOf(world.verifier.verify(`t${n}`))))
    expect(world.asked).toHaveLength(length + 1)
  })

  it('cached answers are used during the pause, and JWTs that need no answer do not wait', async () => {
    const world = await createWorld({ answer: active(), introspection: { cacheSeconds: 3600 } })
    await world.verifier.verify(OPAQUE)
    world.answer = down
    await exhaust(world)
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
    expect(await outcomeOf(world.verifier.verify(await world.issuer.issueToken()))).toBe('signature')
    const bad = await world.issuer.issueToken({ expiresInSeconds: -60 })
    expect(await outcomeOf(world.verifier.verify(bad, { introspection: 'always' }))).toBe('ERR_TOKEN_EXPIRED')
  })

  it('the pause of one verifier does not affect another', async () => {
    const world = await createWorld({ answer: down })
    await exhaust(world)
    const { length } = world.asked
    await codeOf(world.another().verify(OPAQUE))
    expect(world.asked.length).toBeGreaterThan(length)
  })
})

describe("onUnavailable: 'accept'", () => {
  const world = (answer: Answer, when: IntrospectionWhen = 'always') =>
    createWorld({ introspection: { when, onUnavailable: 'accept' }, answer })

  it.each([
    ['5xx', down],
    ['429', text('', { status: 429 })],
    ['HTML', text('<html>')],
    ['silence', () => new Promise<Response>(() => undefined)],
    ['a drop', () => Promise.reject(new TypeError('fetch failed'))],
  ] satisfies [string, Answer][])('a JWT that was verified here passes: %s', async (_, answer) => {
    const { verifier, issuer, asked } = await world(answer)
    await verifier.preload()
    const token = await issuer.issueToken({ scopes: ['a'] })
    const auth = await untilTimeout(() => verifier.verify(token, { scopes: ['a'] }))
    expect(auth.verifiedBy).toBe('signature')
    expect(asked.length).toBeGreaterThan(0)
    expect(await outcomeOf(untilTimeout(() => verifier.verify(token, { scopes: ['b'] })))).toBe(
      'ERR_SCOPE_INSUFFICIENT',
    )
  })

  it('also while the circuit breaker is open, without a request, and when the endpoint cannot be discovered', async () => {
    const { verifier, issuer, asked } = await world(down)
    for (let n = 0; n < 10; n++)
      expect(await outcomeOf(verifier.verify(await issuer.issueToken()))).toBe('signature')
    expect(asked).toHaveLength(4)
    const undiscovered = await world(active())
    const jwksUri = `${undiscovered.issuer.issuer}/v2/oauth/jwks`
    const introspection = { ...own(() => ({})), when: 'always', onUnavailable: 'accept' } as const
    undiscovered.issuer.fault('metadata', { status: 500 })
    const there = undiscovered.another({ jwksUri, introspection })
    expect(await outcomeOf(there.verify(await undiscovered.issuer.issueToken()))).toBe('signature')
  })

  it("also for one call that says 'always'", async () => {
    const { verifier, issuer } = await world(down, 'opaque')
    expect(await outcomeOf(verifier.verify(await issuer.issueToken(), { introspection: 'always' }))).toBe(
      'signature',
    )
  })

  it.each(WHEN)('%s: never an opaque token, nor one whose key is unknown or not available', async (when) => {
    const code = when === 'opaque' ? 'ERR_KEY_NOT_FOUND' : 'ERR_INTROSPECTION_UNAVAILABLE'
    const { verifier, issuer } = await world(down, when)
    expect(await outcomeOf(verifier.verify(OPAQUE))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
    expect(await outcomeOf(verifier.verify('a.b.c.d.e'))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
    expect(await outcomeOf(verifier.verify(await issuer.issueToken({ header: { kid: 'unknown' } })))).toBe(
      code,
    )
    const keyless = await world(down, when)
    keyless.issuer.fault('jwks', { status: 500 })
    const unavailable = when === 'opaque' ? 'ERR_KEYS_UNAVAILABLE' : 'ERR_INTROSPECTION_UNAVAILABLE'
    expect(await outcomeOf(keyless.verifier.verify(await keyless.issuer.issueToken()))).toBe(unavailable)
  })

  it('a token that is bad here stays a 401, and one that is not active too', async () => {
    const { verifier, issuer } = await world(down)
    expect(await outcomeOf(verifier.verify(await issuer.issueToken({ expiresInSeconds: -60 })))).toBe(
      'ERR_TOKEN_EXPIRED',
    )
    expect(await outcomeOf(verifier.verify('a.b.c'))).toBe('ERR_TOKEN_MALFORMED')
    const revoked = await world(inactive)
    expect(await outcomeOf(revoked.verifier.verify(await revoked.issuer.issueToken()))).toBe(
      'ERR_TOKEN_INACTIVE',
    )
    const foreign = await world(active({ aud: 'https://other.example.com' }))
    expect(await outcomeOf(foreign.verifier.verify(await foreign.issuer.issueToken()))).toBe(
      'ERR_AUDIENCE_NOT_ALLOWED',
    )
  })

  it('a token that is cached as inactive stays refused during an outage', async () => {
    const revoked = await world(inactive)
    const token = await revoked.issuer.issueToken()
    expect(await outcomeOf(revoked.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
    revoked.answer = down
    expect(await outcomeOf(revoked.verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
  })

  it("'reject' is the default", async () => {
    const { verifier, issuer } = await createWorld({ introspection: { when: 'always' }, answer: down })
    expect(await outcomeOf(verifier.verify(await issuer.issueToken()))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
  })
})

describe('attack: callers and the circuit breaker', () => {
  /** An authorization server that answers with this status to every token that it refuses. */
  async function createPickyWorld(status: number) {
    const world = await createWorld({ introspection: { when: 'always', onUnavailable: 'accept' } })
    const revoked = await world.issuer.issueToken()
    world.answer = ({ form }) =>
      form.get('token') === revoked ? Response.json({ active: false }) : new Response('', { status })
    return { ...world, revoked }
  }

  it.each([400, 403, 413, 414, 422, 431])(
    'tokens that are answered with %d do not open the circuit breaker, so no revoked token gets in',
    async (status) => {
      const world = await createPickyWorld(status)
      for (let n = 0; n < 10; n++)
        expect(await codeOf(world.verifier.verify(`garbage${n}`))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
      expect(world.asked).toHaveLength(10)
      expect(await outcomeOf(world.verifier.verify(world.revoked))).toBe('ERR_TOKEN_INACTIVE')
    },
  )

  it('positive control: an endpoint that fails for all tokens gets no more requests', async () => {
    const world = await createPickyWorld(404)
    for (let n = 0; n < 10; n++) await codeOf(world.verifier.verify(`garbage${n}`))
    expect(world.asked).toHaveLength(3)
  })
})

describe('attack: probes', () => {
  it('of a caller whose tokens are answered with 400 do not keep the circuit breaker open', async () => {
    const world = await createWorld({
      introspection: { when: 'always', onUnavailable: 'accept' },
      answer: down,
    })
    const revoked = await world.issuer.issueToken()
    for (let n = 0; n < 3; n++) await codeOf(world.verifier.verify(`opaque-${n}`))
    world.clock.advance(5)
    world.answer = ({ form }) =>
      form.get('token') === revoked ? Response.json({ active: false }) : new Response('', { status: 400 })
    await codeOf(world.verifier.verify('opaque-probe'))
    const held = createSignal()
    world.answer = async ({ form }) => {
      if (form.get('token') === revoked) return Response.json({ active: false })
      await held.promise
      return new Response('', { status: 400 })
    }
    const slow = codeOf(world.verifier.verify('opaque-slow-probe'))
    await settle()
    expect(await outcomeOf(world.verifier.verify(revoked))).toBe('ERR_TOKEN_INACTIVE')
    held.resolve()
    expect(await slow).toBe('ERR_INTROSPECTION_UNAVAILABLE')
  })

  it('Retry-After of a 403 is respected too', async () => {
    const world = await createWorld({ answer: text('', { status: 403, headers: { 'retry-after': '60' } }) })
    for (let n = 0; n < 5; n++) await codeOf(world.verifier.verify(`opaque-${n}`))
    expect(world.asked).toHaveLength(1)
  })
})

describe('an endpoint that moved', () => {
  const MOVED = 'https://api.telnyx.com/v3/introspect'
  /** The old endpoint gives this answer; the metadata name the new one. */
  async function createMoved(answer: Answer) {
    const world = await createWorld({ answer: active() })
    await world.verifier.verify(OPAQUE)
    world.issuer.fault('metadata', {
      body: {
        issuer: world.issuer.issuer,
        jwks_uri: `${world.issuer.issuer}/v2/oauth/jwks`,
        introspection_endpoint: MOVED,
      },
    })
    world.clock.advance(61)
    world.answer = (asked, signal) =>
      asked.url === MOVED ? Response.json({ active: true }) : answer(asked, signal)
    return world
  }

  it.each([
    ['404', text('', { status: 404 })],
    ['410', text('', { status: 410 })],
    ['a redirect', text('', { status: 301, headers: { location: MOVED } })],
    ['HTML', text('<html>')],
  ])('is found when the old one answers with %s', async (_, answer) => {
    const world = await createMoved(answer)
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('introspection')
    expect(world.asked.at(-1)?.url).toBe(MOVED)
  })

  it.each([400, 403, 429, 500])('is not looked for when it answers with %d', async (status) => {
    const world = await createMoved(text('', { status }))
    const { count } = world.issuer.requests.metadata
    expect(await outcomeOf(world.verifier.verify(OPAQUE))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
    expect(world.issuer.requests.metadata.count).toBe(count)
  })
})
