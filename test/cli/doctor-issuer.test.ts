import type { FetchFunction } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { forgetWarnings } from '../../packages/core/src/testing.js'
import { diagnose, ignoreWarnings, runCommand } from './harness.js'

/** What `doctor` finds about the metadata of an issuer. The issuer answers in this process. */

let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
})
afterEach(() => {
  issuer.clearFaults()
  forgetWarnings()
})

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

  it('is the default where the variable is empty, which is said', async () => {
    vi.stubEnv('TELNYX_AUTH_ISSUER', '')
    const { stdout } = await runCommand(['doctor'], { fetch: issuer.fetch })
    expect(stdout).toMatch(
      /^Issuer https:\/\/api\.telnyx\.com \(the default: TELNYX_AUTH_ISSUER is empty\)\n/,
    )
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
    issuer.fault('metadata', { status: 301, headers: { Location: 'https://a.example/b?secret' } })
    const { code, of } = await diagnose([], { fetch: issuer.fetch })
    expect(code).toBe(1)
    expect(of('discovery')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringMatching(/redirect.* It leads to https:\/\/a\.example\/b\.$/),
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

describe('what is no metadata document', () => {
  const URL = 'https://api.telnyx.com/.well-known/oauth-authorization-server'

  it.each([
    [
      'a login page',
      { body: '<html>', headers: { 'Content-Type': 'text/html; charset=utf-8' } },
      'not JSON',
      'text/html',
    ],
    ['broken JSON', { body: '{"issuer":' }, 'not JSON', ''],
    ['a list', { body: [] }, 'JSON object', 'application/json'],
    ['no issuer', { body: {} }, '"issuer"', 'application/json'],
  ])('%s: told with the URL, and no name of an issuer is made up', async (_, fault, said, type) => {
    issuer.fault('metadata', fault)
    const { code, of } = await diagnose([], { fetch: issuer.fetch })
    expect(code).toBe(1)
    expect(of('discovery')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringMatching(new RegExp(`${said}.*: ${URL} answered ${type}`)),
      repair: expect.stringContaining('login page'),
    })
    for (const id of ['issuer-match', 'metadata']) expect(of(id)?.outcome).toBe('skipped')
  })
})

describe('metadata', () => {
  it('keys below the URL of the metadata are not taken for metadata', async () => {
    const url = `${issuer.issuer}/.well-known/oauth-authorization-server`
    const keys = `${url}/jwks`
    const fetch: FetchFunction = async (target, init) => {
      if (target === keys) return issuer.fetch(`${issuer.issuer}/v2/oauth/jwks`, init)
      const response = await issuer.fetch(target, init)
      const document: object = Object(await response.json())
      return new Response(JSON.stringify({ ...document, jwks_uri: keys }), response)
    }
    const { of } = await diagnose([], { fetch })
    expect(of('discovery')?.message).toBe(`The metadata are at ${url}.`)
    expect(of('metadata')?.message).toBe(`The metadata say where the keys are: ${keys}.`)
    expect(of('cache-control')).toBeDefined()
  })

  const metadata = { issuer: 'https://api.telnyx.com', jwks_uri: 'https://api.telnyx.com/v2/oauth/jwks' }

  it.each([
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
    expect(of('issuer-match')?.message).not.toContain('(api.telnyx.com)')
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
