import { generateKeyPairSync } from 'node:crypto'
import type { FetchFunction } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { forgetWarnings } from '../../packages/core/src/testing.js'
import { diagnose, runCommand } from './harness.js'

/** Each finding about an issuer is provoked here. The issuer answers in this process. */

let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
})

// What only an operator can repair is also a warning of the process.
afterEach(() => {
  issuer.clearFaults()
  forgetWarnings()
  vi.restoreAllMocks()
})

/** Core warns of what only an operator can repair. The command prints it as a finding. */
function ignoreWarnings() {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
}

/** An issuer whose responses have a Date, as those of real servers, and can be changed. */
function fetchWith(change: (response: Response, url: string) => Response | Promise<Response>): FetchFunction {
  return async (url, init) => change(await issuer.fetch(url, init), url)
}

const jwks = { keys: [] as object[] }
const answerJwks = (body: object) => issuer.fault('jwks', { body })

describe('an issuer that works', () => {
  it('every finding is good, or says why it was not examined, and the exit code is 0', async () => {
    const { code, outcome, findings } = await diagnose([], { fetch: issuer.fetch })
    expect([code, outcome]).toEqual([0, 'good'])
    expect(findings.map(({ id, outcome }) => [id, outcome])).toEqual([
      ['tls', 'skipped'],
      ['discovery', 'good'],
      ['issuer-match', 'good'],
      ['metadata', 'good'],
      ['keys', 'good'],
      ['cache-control', expect.stringMatching(/good|note/)],
      ['clock', 'skipped'],
      ['introspection', 'skipped'],
      ['latency', 'good'],
    ])
  })

  it('is the one of the environment, of the flag, or of the argument', async () => {
    const other = await createMockIssuer({ algorithm: 'ES256', issuer: 'https://as.example.com/t' })
    const fetch = other.fetch
    expect((await diagnose(['https://as.example.com/t'], { fetch })).code).toBe(0)
    expect((await diagnose(['--issuer', 'https://as.example.com/t'], { fetch })).code).toBe(0)
    vi.stubEnv('TELNYX_AUTH_ISSUER', 'https://as.example.com/t')
    expect((await diagnose([], { fetch })).code).toBe(0)
  })

  it('prints one line for each finding, and its repair', async () => {
    issuer.fault('jwks', { headers: { 'Cache-Control': 'no-store' } })
    const { code, stdout } = await runCommand(['doctor'], { fetch: issuer.fetch })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^Issuer https:\/\/api\.telnyx\.com\n\n/)
    expect(stdout).toMatch(/^✓ discovery +The metadata are at https:\/\/api\.telnyx\.com\/\.well-known\//m)
    expect(stdout).toMatch(
      /^! cache-control +no-store: keys are used for 60 seconds.*\n +→ The issuer should /m,
    )
    expect(stdout).toMatch(/\nNothing is wrong\.\n$/)
  })
})

describe('discovery', () => {
  it('404: no metadata; the exit code is 1', async () => {
    ignoreWarnings()
    issuer.fault('metadata', { status: 404 })
    const { code, of } = await diagnose([], { fetch: issuer.fetch })
    expect(code).toBe(1)
    expect(of('discovery')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('404'),
      repair: expect.stringContaining('TELNYX_AUTH_ISSUER'),
    })
    for (const id of ['issuer-match', 'metadata', 'keys']) expect(of(id)?.outcome).toBe('skipped')
  })

  it('an issuer with OpenID Connect discovery only is good, and said to be one', async () => {
    const fetch: FetchFunction = async (url, init) =>
      url.includes('oauth-authorization-server')
        ? new Response(null, { status: 404 })
        : issuer.fetch(url.replace('openid-configuration', 'oauth-authorization-server'), init)
    const { code, of } = await diagnose([], { fetch })
    expect(code).toBe(0)
    expect(of('discovery')).toMatchObject({
      outcome: 'good',
      message: expect.stringContaining('OpenID Connect'),
    })
  })

  it.each([
    ['a closed port', { drop: true }, 'UND_ERR_SOCKET|ECONNRESET'],
    ['status 503', { status: 503 }, '503'],
    ['status 429', { status: 429 }, '429'],
  ])('%s: it could not be decided; the exit code is 3', async (_, fault, said) => {
    issuer.fault('metadata', fault)
    const { code, outcome, of } = await diagnose([], { fetch: issuer.fetch })
    expect([code, outcome]).toEqual([3, 'undecided'])
    expect(of('discovery')).toMatchObject({
      outcome: 'undecided',
      message: expect.stringMatching(said),
      repair: expect.any(String),
    })
  })

  it('a server that never answers: it could not be decided', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    issuer.fault('metadata', { silence: true })
    const diagnosed = diagnose([], { fetch: issuer.fetch })
    await vi.waitFor(() => expect(issuer.requests.metadata.count).toBeGreaterThan(0))
    await vi.advanceTimersByTimeAsync(5000)
    vi.useRealTimers()
    const { code, of } = await diagnosed
    expect(code).toBe(3)
    expect(of('discovery')?.message).toContain('5000 ms')
  })

  it('a redirect, which is not followed', async () => {
    issuer.fault('metadata', { status: 301, headers: { Location: 'https://elsewhere.example' } })
    const { code, of } = await diagnose([], { fetch: issuer.fetch })
    expect(code).toBe(1)
    expect(of('discovery')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('redirect'),
      repair: expect.stringContaining('final address'),
    })
  })

  it('a document that is larger than is read', async () => {
    issuer.fault('metadata', { body: `"${'x'.repeat(300_000)}"` })
    expect((await diagnose([], { fetch: issuer.fetch })).of('discovery')).toMatchObject({
      outcome: 'wrong',
      repair: expect.stringContaining('maxResponseBytes'),
    })
  })
})

describe('metadata', () => {
  const metadata = { issuer: 'https://api.telnyx.com', jwks_uri: 'https://api.telnyx.com/v2/oauth/jwks' }

  it.each([
    ['broken JSON', '{"issuer":', 'not JSON', 'address'],
    ['a list', [], 'JSON object', 'address'],
    ['no issuer', {}, '"issuer"', 'address'],
    ['no jwks_uri', { ...metadata, jwks_uri: undefined }, 'jwks_uri', '"jwksUri"'],
    ['keys over http', { ...metadata, jwks_uri: 'http://api.telnyx.com/k' }, 'jwks_uri', 'https'],
  ])('%s', async (_, body, said, repair) => {
    ignoreWarnings()
    issuer.fault('metadata', { body })
    const { code, of } = await diagnose([], { fetch: issuer.fetch })
    expect(code).toBe(1)
    expect(of('discovery')?.outcome).toBe('good')
    expect(of('metadata')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining(said),
      repair: expect.stringContaining(repair),
    })
  })

  it.each([
    ['another issuer', 'https://login.example.com', 'exactly as the issuer writes it'],
    ['a slash at the end', 'https://api.telnyx.com/', 'slash at the end'],
  ])('of %s: both names are quoted', async (_, name, repair) => {
    ignoreWarnings()
    issuer.fault('metadata', { body: { ...metadata, issuer: name } })
    const { code, of } = await diagnose([], { fetch: issuer.fetch })
    expect(code).toBe(1)
    expect(of('issuer-match')).toMatchObject({ outcome: 'wrong', repair: expect.stringContaining(repair) })
    for (const each of [name, 'https://api.telnyx.com'])
      expect(of('issuer-match')?.message).toContain(`"${each}"`)
    expect(of('metadata')?.outcome).toBe('skipped')
  })

  it('a name with control characters reaches no terminal', async () => {
    ignoreWarnings()
    issuer.fault('metadata', { body: { ...metadata, issuer: 'https://a.example/\u001b[2J\u009b31m\u202e' } })
    const text = await runCommand(['doctor'], { fetch: issuer.fetch })
    const json = await runCommand(['doctor', '--json'], { fetch: issuer.fetch })
    for (const { stdout } of [text, json]) expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{C}/u)
  })
})

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
    ['an empty set', jwks, 'empty'],
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

describe('introspection', () => {
  const credentials = () => {
    const [client] = issuer.clients
    if (client?.clientSecret === undefined) throw new Error('The issuer has no client with a secret')
    return { TELNYX_CLIENT_ID: client.clientId, TELNYX_CLIENT_SECRET: client.clientSecret }
  }

  it('accepts the credentials of the environment', async () => {
    const { code, of } = await diagnose([], { fetch: issuer.fetch, env: credentials() })
    expect([code, of('introspection')?.outcome]).toEqual([0, 'good'])
  })

  it('refuses wrong credentials: the finding names the variables', async () => {
    ignoreWarnings()
    const env = { ...credentials(), TELNYX_CLIENT_SECRET: 'wrong-secret' }
    const { code, of, findings } = await diagnose([], { fetch: issuer.fetch, env })
    expect([code, of('introspection')?.outcome]).toEqual([1, 'wrong'])
    expect(of('introspection')?.repair).toContain('TELNYX_CLIENT_ID, TELNYX_CLIENT_SECRET')
    expect(JSON.stringify(findings)).not.toContain('wrong-secret')
  })

  it.each([
    ['half of the credentials', [], { TELNYX_CLIENT_ID: 'a' }, 'TELNYX_CLIENT_SECRET is not set'],
    ['none, though they are wanted', ['--introspect'], {}, 'TELNYX_CLIENT_ID is not set'],
  ])('%s', async (_, args, env: Record<string, string>, said) => {
    const { code, of } = await diagnose(args, { fetch: issuer.fetch, env })
    expect([code, of('introspection')?.message]).toEqual([1, expect.stringContaining(said)])
  })

  it.each([
    ['the endpoint is down', { status: 503 }, 'undecided', 3],
    ['the endpoint is not there', { status: 404 }, 'wrong', 1],
    ['the endpoint judges no such token', { status: 400 }, 'note', 0],
    ['the endpoint calls everything active', { body: { active: true } }, 'wrong', 1],
    ['the endpoint calls it active, for another API', { body: { active: true, iss: 'urn:x' } }, 'wrong', 1],
  ])('%s', async (_, fault, outcome, exit) => {
    ignoreWarnings()
    issuer.fault('introspection', fault)
    const { code, of } = await diagnose([], { fetch: issuer.fetch, env: credentials() })
    expect([code, of('introspection')?.outcome]).toEqual([exit, outcome])
    expect(of('introspection')?.repair).toEqual(expect.any(String))
  })

  it('metadata without an endpoint', async () => {
    ignoreWarnings()
    issuer.fault('metadata', {
      body: { issuer: issuer.issuer, jwks_uri: 'https://api.telnyx.com/v2/oauth/jwks' },
    })
    const { code, of } = await diagnose([], { fetch: issuer.fetch, env: credentials() })
    expect(code).toBe(1)
    expect(of('introspection')?.repair).toContain('introspectionEndpoint')
  })

  it('an issuer of opaque tokens has no usable key: it is asked nevertheless', async () => {
    ignoreWarnings()
    answerJwks(jwks)
    const { of } = await diagnose([], { fetch: issuer.fetch, env: credentials() })
    expect(of('introspection')?.outcome).toBe('good')
  })

  it('the secret of the environment goes to no other issuer, unless that is wanted', async () => {
    const other = await createMockIssuer({ algorithm: 'ES256', issuer: 'https://as.example.com' })
    const surroundings = { fetch: other.fetch, env: credentials() }
    const { of } = await diagnose(['https://as.example.com'], surroundings)
    expect(of('introspection')).toMatchObject({
      outcome: 'skipped',
      message: expect.stringContaining('--introspect'),
    })
    expect(other.requests.introspection.count).toBe(0)
    ignoreWarnings()
    await diagnose(['https://as.example.com', '--introspect'], surroundings)
    expect(other.requests.introspection.count).toBe(1)
  })
})
