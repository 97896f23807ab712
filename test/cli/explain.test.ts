import { createVerifier } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { forgetWarnings } from '../../packages/core/src/testing.js'
import { runCommand, type Surroundings } from './harness.js'

/** `explain`: what it prints, where the token comes from, and that no token is printed or sent. */

const NOW = Date.UTC(2026, 10, 30, 9, 0, 0)
const AUDIENCE = 'https://api.example.com'

let issuer: MockIssuer
beforeAll(async () => {
  // Read at each call: the clock is replaced after the issuer was made.
  issuer = await createMockIssuer({ algorithm: 'ES256', now: () => Date.now() })
})
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW })
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  issuer.clearFaults()
  forgetWarnings()
})

function explain(token: string, args: readonly string[] = [], surroundings: Surroundings = {}) {
  return runCommand(['explain', '-', '--audience', AUDIENCE, ...args], {
    fetch: issuer.fetch,
    stdin: token,
    ...surroundings,
  })
}

describe('for people', () => {
  it('a good token: the exit code is 0, every check has its mark, its rule and what it demands', async () => {
    const { code, stdout } = await explain(await issuer.issueToken({ scopes: ['a'] }), ['--scope', 'a'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^Expected\n {2}issuer {4}https:\/\/api\.telnyx\.com\n {2}audience {2}https:\/\/api\.example\.com\n {2}scopes {4}a\n/,
    )
    expect(stdout).toContain('\nHeader\n  typ  at+jwt\n  alg  ES256\n')
    expect(stdout).toContain('\nClaims\n  iss        https://api.telnyx.com\n')
    expect(stdout).toContain('  ✓ J5  the token has not expired ("exp")\n')
    expect(stdout).toContain('  ✓ J1  the signature was made with that key\n')
    expect(stdout).not.toMatch(/[✗?–] /)
    expect(stdout).toMatch(/\nThe token is accepted\.\n$/)
  })

  it.each([
    [300, '2026-11-30 09:05:00 UTC, in 5 minutes'],
    [59, '2026-11-30 09:00:59 UTC, in 59 seconds'],
    [3 * 86_400, '2026-12-03 09:00:00 UTC, in 3 days'],
    [-7200, '2026-11-30 07:00:00 UTC, 2 hours ago'],
    [1e300, undefined],
    [1.7e12, '(milliseconds? A time must be in seconds)'],
  ])('a time %d seconds from now is also a date, if there is one', async (seconds, text) => {
    const token = await issuer.issueToken({ expiresInSeconds: seconds })
    const [line] = /^ {2}exp .*$/m.exec((await explain(token)).stdout) ?? []
    if (text === undefined) expect(line).not.toContain('UTC')
    else expect(line).toContain(text)
  })

  it('without --scope, it says that the scopes were not checked', async () => {
    const { code, stdout } = await explain(await issuer.issueToken())
    expect(code).toBe(0)
    expect(stdout).toMatch(
      / {2}– B6 {2}the scopes are enough: not checked, give --scope\n\nThe token is accepted/,
    )
  })

  it('a key that is not known: the ids of the published keys are shown beside that of the token', async () => {
    const stranger = await createMockIssuer({ algorithm: 'ES256', now: () => Date.now() })
    const { stdout } = await explain(await stranger.issueToken())
    const [, published = ''] = /^Expected\n(?: .*\n)* {2}kid {7}(\S+)\n/.exec(stdout) ?? []
    const verifier = createVerifier({ audience: AUDIENCE, fetch: issuer.fetch })
    await verifier.preload()
    expect([published]).toEqual(verifier.health().keyIds)
  })

  it('a refused token: what fails has its reason and what to do, and the claims are said not to be verified', async () => {
    const token = await issuer.issueToken({ audience: 'urn:other', expiresInSeconds: -3600 })
    const { code, stdout } = await explain(token)
    expect(code).toBe(1)
    expect(stdout).toContain('\nHeader, not verified\n')
    expect(stdout).toContain('\nClaims, not verified\n')
    expect(stdout).toMatch(
      / {2}✗ J4 {2}"aud" names the API: audience-other\n {10}→ The token is for another API\./,
    )
    // Further checks are made as well.
    expect(stdout).toMatch(/ {2}✗ J5 {2}the token has not expired \("exp"\): expired\n {10}→ /)
    expect(stdout).toContain('  ✓ J1  the signature was made with that key\n')
    expect(stdout).toMatch(/\nThe token is refused: ERR_AUDIENCE_NOT_ALLOWED \(audience-other\)\.\n$/)
  })

  it('an issuer that does not answer: the exit code is 3', async () => {
    issuer.fault('jwks', { status: 503 })
    const { code, stdout } = await explain(await issuer.issueToken())
    expect(code).toBe(3)
    expect(stdout).toMatch(/ {2}\? J11 the issuer publishes the key of the token: status\n {10}→ /)
    expect(stdout).toMatch(/\nIt could not be decided: ERR_KEYS_UNAVAILABLE \(status\)\.\n$/)
  })

  it('a long name of a claim does not make the other lines longer', async () => {
    const claims = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`c${index}`, 1]))
    const token = await issuer.issueToken({ claims: { ...claims, ['n'.repeat(4000)]: 1 } })
    const { stdout } = await explain(token)
    expect(stdout).toMatch(/^ {2}n{4000} {2}1$/m)
    expect(stdout.length).toBeLessThan(2 * token.length)
  })

  it('what is no JWT has neither header nor claims', async () => {
    const { code, stdout } = await explain('opaque')
    expect(code).toBe(1)
    expect(stdout).not.toMatch(/^(Header|Claims)/m)
  })

  it.each([
    ['a terminal', {}, true],
    ['a terminal, and NO_COLOR', { NO_COLOR: '1' }, false],
    ['a terminal, and an empty NO_COLOR', { NO_COLOR: '' }, true],
    ['a terminal without colours', { TERM: 'dumb' }, false],
    ['a terminal, and FORCE_COLOR=0', { FORCE_COLOR: '0' }, false],
  ])('colours on %s', async (_, env, isColoured) => {
    const environment = { TERM: 'xterm', ...env }
    const token = await issuer.issueToken()
    const { stdout } = await explain(token, [], { isTTY: true, env: environment })
    expect(stdout.includes('\u001b[32m✓\u001b[39m')).toBe(isColoured)
    expect((await explain(token, [], { env: environment })).stdout).not.toContain('\u001b')
  })
})

describe('--json', () => {
  it('prints one object, and nothing else', async () => {
    const token = await issuer.issueToken({ expiresInSeconds: -60, claims: { tenant: 'a' } })
    const { code, stdout, stderr } = await explain(token, ['--json'])
    expect([code, stderr, stdout.trimEnd().split('\n').length]).toEqual([1, '', 1])
    const explanation = JSON.parse(stdout)
    expect(explanation).toMatchObject({
      outcome: 'refused',
      code: 'ERR_TOKEN_EXPIRED',
      header: { alg: 'ES256', typ: 'at+jwt' },
      claims: { iss: issuer.issuer, tenant: 'a' },
    })
    expect(explanation.checks).toContainEqual({
      id: 'expiry',
      rule: 'J5',
      outcome: 'failed',
      code: 'ERR_TOKEN_EXPIRED',
      claim: 'exp',
      reason: expect.stringMatching(/^expired/),
      hint: expect.any(String),
    })
    expect(explanation.checks).toContainEqual({ id: 'signature', rule: 'J1', outcome: 'passed' })
  })

  it('header and claims are null where they cannot be read', async () => {
    const { stdout } = await explain('opaque', ['--json'])
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'refused', header: null, claims: null })
  })
})

describe('the token', () => {
  it('comes from the argument, from standard input, or from TELNYX_AUTH_TOKEN', async () => {
    const token = await issuer.issueToken()
    const surroundings = { fetch: issuer.fetch }
    const args = ['explain', '--audience', AUDIENCE]
    expect((await runCommand([...args, token], surroundings)).code).toBe(0)
    expect((await runCommand([...args, '-'], { ...surroundings, stdin: `  ${token}\r\n` })).code).toBe(0)
    expect((await runCommand(args, { ...surroundings, env: { TELNYX_AUTH_TOKEN: token } })).code).toBe(0)
    // The argument is the one that was meant.
    expect(
      (await runCommand([...args, token], { ...surroundings, env: { TELNYX_AUTH_TOKEN: 'x' } })).code,
    ).toBe(0)
  })

  it.each([
    ['none', ['explain'], '', {}, 'There is no token'],
    ['an empty variable', ['explain'], '', { TELNYX_AUTH_TOKEN: '' }, 'There is no token'],
    ['standard input without one', ['explain', '-'], '\n', {}, 'Standard input has no token'],
    ['two in standard input', ['explain', '-'], 'a.b.c\nd.e.f', {}, 'more than one word'],
    ['with "Bearer"', ['explain', '-'], 'Bearer a.b.c', {}, 'without "Bearer"'],
    ['two arguments', ['explain', 'a.b.c', 'd.e.f'], '', {}, 'one argument too many'],
    ['in quotes', ['explain', '-'], '"a.b.c"', {}, 'without quotes'],
    [
      'in an answer',
      ['explain', '-'],
      '{\n "access_token": "a.b.c"\n}',
      {},
      'the value of "access_token" alone',
    ],
  ])('%s: exit code 2', async (_, args, stdin, env: Record<string, string>, said) => {
    const { code, stdout, stderr } = await runCommand([...args, '--audience', AUDIENCE], { stdin, env })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(said)
    expect(stderr).toContain('telnyx-auth explain --help')
    for (const token of ['a.b.c', 'd.e.f']) expect(stderr).not.toContain(token)
  })

  it('of any length is read to a limit, and refused', async () => {
    let pieces = 0
    const endless = async function* () {
      for (;;) {
        pieces++
        yield 'x'.repeat(65_536)
      }
    }
    const { run } = await import('@telnyx-auth/cli')
    const output = { write: () => true }
    const terminal = {
      stdin: endless(),
      stdout: output,
      stderr: output,
      env: process.env,
      fetch: issuer.fetch,
    }
    expect(await run(['explain', '-', '--audience', AUDIENCE], terminal)).toBe(1)
    expect(pieces).toBeLessThan(20)
  })

  it('is not printed, nor its signature, also where it is refused', async () => {
    const good = await issuer.issueToken({ claims: { nested: { a: ['b'] } } })
    const [, claims = '', signature = ''] = good.split('.')
    for (const token of [good, `${good}x`, `${good}.x`, good.slice(0, -1), `x${good}`])
      for (const args of [[], ['--json'], ['--scope', 'a']]) {
        const { stdout, stderr } = await explain(token, args)
        for (const part of [token, claims, signature, signature.slice(0, 20)])
          expect(stdout + stderr).not.toContain(part)
      }
  })

  it('is not sent to the issuer, unless --introspect is given', async () => {
    const { count } = issuer.requests.introspection
    const [client] = issuer.clients
    vi.stubEnv('TELNYX_CLIENT_ID', client?.clientId)
    vi.stubEnv('TELNYX_CLIENT_SECRET', client?.clientSecret)
    const token = await issuer.issueToken()
    await explain(token)
    await explain('opaque')
    expect(issuer.requests.introspection.count).toBe(count)
    const { code, stdout } = await explain(token, ['--introspect'])
    expect(code).toBe(0)
    expect(stdout).toContain('  ✓ I2  the issuer says that the token is active\n')
    expect(issuer.requests.introspection.count).toBe(count + 1)

    issuer.revoke(token)
    const revoked = await explain(token, ['--introspect'])
    expect([revoked.code, revoked.stdout]).toEqual([
      1,
      expect.stringContaining('ERR_TOKEN_INACTIVE (inactive)'),
    ])
  })

  it('--introspect: the credentials are those of the given environment, as for doctor', async () => {
    const [client] = issuer.clients
    const env = { TELNYX_CLIENT_ID: client?.clientId ?? '', TELNYX_CLIENT_SECRET: client?.clientSecret ?? '' }
    expect((await explain(await issuer.issueToken(), ['--introspect'], { env })).code).toBe(0)
  })

  it.each([[[]], [['--json']]])('a claim cannot send a terminal anything to execute: %j', async (args) => {
    const evil = '\u001b]0;owned\u0007\u009b31m\u202e\u2028\u{e0041}\ud800\n✓ J1 all is good'
    const token = await issuer.issueToken({
      claims: { name: evil, [evil]: 1, list: [evil] },
      header: { note: evil },
    })
    const { stdout } = await explain(token, args)
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
    expect(stdout).not.toMatch(/^✓ J1 all/m)
    if (args.length > 0) expect(JSON.parse(stdout).claims.list).toEqual([evil])
  })
})

describe('what the token is compared with', () => {
  it('comes from flags, or from the environment', async () => {
    const other = await createMockIssuer({
      algorithm: 'ES256',
      issuer: 'https://as.example.com',
      audience: 'urn:b',
      now: () => Date.now(),
    })
    const surroundings = { fetch: other.fetch, stdin: await other.issueToken() }
    const flags = ['--issuer', 'https://as.example.com', '--audience', 'urn:a', '--audience', 'urn:b']
    expect((await runCommand(['explain', '-', ...flags], surroundings)).code).toBe(0)
    vi.stubEnv('TELNYX_AUTH_ISSUER', 'https://as.example.com')
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', 'urn:b')
    expect((await runCommand(['explain', '-'], surroundings)).code).toBe(0)
  })

  it('must be named: without an audience, any token of the issuer would do', async () => {
    const { code, stderr } = await runCommand(['explain', 'a.b.c'])
    expect(code).toBe(2)
    expect(stderr).toContain('--audience')
    expect(stderr).toContain('TELNYX_AUTH_AUDIENCE')
  })

  it.each([
    ['an issuer that is no URL', ['--issuer', 'nowhere'], 'issuer'],
    ['an issuer over http', ['--issuer', 'http://api.telnyx.com'], 'https'],
    ['two issuers', ['--issuer', 'https://a.example', '--issuer', 'https://b.example'], 'more than once'],
    ['an empty audience', ['--audience', ''], '--audience is empty'],
    ['a scope with a blank', ['--scope', 'a b'], '--scope takes one scope'],
    ['an empty scope', ['--scope', ''], '--scope takes one scope'],
    ['introspection without credentials', ['--introspect'], 'variables TELNYX_CLIENT_ID and'],
    ['an unknown flag', ['--audiance', 'x'], '--audiance'],
    ['a missing value', ['--issuer'], '--issuer'],
  ])('%s: exit code 2', async (_, args, said) => {
    const { code, stdout, stderr } = await explain('a.b.c', args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(said)
  })
})
