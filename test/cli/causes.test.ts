import { generateKeyPairSync } from 'node:crypto'
import type { FetchFunction } from '@telnyx-auth/core'
import { telnyxAuth } from '@telnyx-auth/hono'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { Hono } from 'hono'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { forgetWarnings } from '../../packages/core/src/testing.js'
import { ignoreWarnings, runCommand, type Surroundings } from './harness.js'

/** Why logins fail: for each cause, what an operator runs names it, and says what to do. */

const AUDIENCE = 'https://api.example.com'

let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
})
afterEach(() => {
  issuer.clearFaults()
  forgetWarnings()
})

/** @returns the exit code, and the lines that tell what is wrong, each with its repair */
async function tell(args: readonly string[], surroundings: Surroundings) {
  ignoreWarnings()
  const { code, stdout } = await runCommand(args, surroundings)
  const lines = stdout.match(/^ *[✗?!] .*\n +→ .*$/gm) ?? []
  return { code, lines: lines.map((line) => line.trim().replace(/\s+/g, ' ')) }
}

describe('explain names', () => {
  const explain = async (token: string, args: readonly string[] = [], surroundings: Surroundings = {}) =>
    tell(['explain', '-', '--audience', AUDIENCE, ...args], {
      fetch: issuer.fetch,
      stdin: token,
      ...surroundings,
    })

  it('a token that has expired', async () => {
    const { code, lines } = await explain(await issuer.issueToken({ expiresInSeconds: -3600 }))
    expect(code).toBe(1)
    expect(lines).toEqual([
      expect.stringMatching(/^✗ J5 the token has not expired.*: expired → The client must get a new token/),
    ])
  })

  it('a token for another API', async () => {
    const { code, lines } = await explain(await issuer.issueToken({ audience: 'urn:other' }))
    expect([code, lines]).toEqual([
      1,
      [expect.stringMatching(/^✗ J4 .*audience-other → .*TELNYX_AUTH_AUDIENCE/)],
    ])
  })

  it.each([
    ['https://login.example.com', 'issuer-unknown', 'TELNYX_AUTH_ISSUER'],
    ['https://api.telnyx.com/', 'issuer-slash', 'slash at the end'],
  ])('a token of another issuer: %s', async (iss, reason, repair) => {
    const { code, lines } = await explain(await issuer.issueToken({ claims: { iss } }))
    expect(code).toBe(1)
    expect(lines[0]).toMatch(new RegExp(`^✗ J3 .*${reason} → .*${repair}`))
  })

  it('a key that the issuer does not publish any more', async () => {
    const rotated = await createMockIssuer({ algorithm: 'ES256' })
    const token = await rotated.issueToken()
    await rotated.rotateKeys({ keepOld: false })
    const { code, lines } = await explain(token, [], { fetch: rotated.fetch })
    expect([code, lines]).toEqual([
      1,
      [
        expect.stringMatching(
          /^✗ J11 .*key-unknown → .*after a rotation, check that the JWK Set has the new key/,
        ),
      ],
    ])
  })

  it('an issuer that is down', async () => {
    issuer.fault('metadata', { drop: true })
    const { code, lines } = await explain(await issuer.issueToken())
    expect([code, lines]).toEqual([
      3,
      [expect.stringMatching(/^\? J11 .*network → Check that this machine reaches/)],
    ])
  })

  it('discovery that answers 404', async () => {
    issuer.fault('metadata', { status: 404 })
    const { code, lines } = await explain(await issuer.issueToken())
    expect([code, lines]).toEqual([
      3,
      [expect.stringMatching(/^\? J11 .*no-metadata → .*TELNYX_AUTH_ISSUER/)],
    ])
  })

  it('clocks that differ', async () => {
    const ahead = await createMockIssuer({ algorithm: 'ES256', now: () => Date.now() + 120_000 })
    const { code, lines } = await explain(await ahead.issueToken(), [], { fetch: ahead.fetch })
    expect(code).toBe(1)
    expect(lines[0]).toMatch(/^✗ J5 it was issued in the past.* → .*[Cc]lock/)
  })

  it('scopes that are not enough', async () => {
    const token = await issuer.issueToken({ scopes: ['messaging.read'] })
    expect((await explain(token, ['--scope', 'messaging.read'])).code).toBe(0)
    const { code, lines } = await explain(token, ['--scope', 'messaging.read', '--scope', 'messaging.write'])
    expect([code, lines]).toEqual([1, [expect.stringMatching(/^✗ B6 .*scope-missing → The client must ask/)]])
  })

  it('a token that is bound to a key, sent as a Bearer token', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { code, lines } = await explain(await issuer.issueToken({ dpopKey: publicKey }))
    expect([code, lines]).toEqual([
      1,
      [
        expect.stringMatching(
          /^✗ J10 .*bound → .*"dpop".*assumes an API without.*"Authorization: DPoP <token>"/,
        ),
      ],
    ])
  })

  it('credentials that the introspection endpoint refuses', async () => {
    vi.stubEnv('TELNYX_CLIENT_ID', 'unknown-client')
    vi.stubEnv('TELNYX_CLIENT_SECRET', 'wrong')
    const { code, lines } = await explain(await issuer.issueToken(), ['--introspect'])
    expect([code, lines]).toEqual([
      3,
      [expect.stringMatching(/^\? I2 .*credentials → .*TELNYX_CLIENT_SECRET/)],
    ])
  })
})

describe('doctor names', () => {
  it('an issuer that is down', async () => {
    issuer.fault('metadata', { drop: true })
    const { code, lines } = await tell(['doctor'], { fetch: issuer.fetch })
    expect([code, lines]).toEqual([
      3,
      [expect.stringMatching(/^\? discovery .* → Check that this machine reaches/)],
    ])
  })

  it('discovery that answers 404', async () => {
    issuer.fault('metadata', { status: 404 })
    const { code, lines } = await tell(['doctor'], { fetch: issuer.fetch })
    expect([code, lines]).toEqual([1, [expect.stringMatching(/^✗ discovery .*404.* → .*TELNYX_AUTH_ISSUER/)]])
  })

  it('another name of the issuer than that of the metadata', async () => {
    const fetch: FetchFunction = (url, init) => issuer.fetch(url.replace(/\/$/, ''), init)
    const { code, lines } = await tell(['doctor', 'https://api.telnyx.com/'], { fetch })
    expect([code, lines]).toEqual([1, [expect.stringMatching(/^✗ issuer-match .* → .*slash at the end/)]])
  })

  it('a clock that is wrong', async () => {
    const date = new Date(Date.now() - 3_600_000).toUTCString()
    issuer.fault('jwks', { headers: { date } })
    const { code, lines } = await tell(['doctor'], { fetch: issuer.fetch })
    expect(code).toBe(1)
    expect(lines).toContainEqual(
      expect.stringMatching(/^✗ clock .* 1 hour ahead .* → Synchronise the clocks/),
    )
  })

  it('credentials that the introspection endpoint refuses', async () => {
    const env = { TELNYX_CLIENT_ID: 'unknown-client', TELNYX_CLIENT_SECRET: 'wrong' }
    const { code, lines } = await tell(['doctor'], { fetch: issuer.fetch, env })
    expect(code).toBe(1)
    expect(lines).toContainEqual(
      expect.stringMatching(/^✗ introspection .*(?:401|credentials).* → .*TELNYX_CLIENT_ID/),
    )
  })

  it('a proxy that takes the header Authorization away', async () => {
    const app = new Hono().use(telnyxAuth({ audience: AUDIENCE, fetch: issuer.fetch }))
    const fetch: FetchFunction = async (url, { headers: { authorization: _, ...headers }, ...init }) =>
      url.startsWith(AUDIENCE)
        ? app.request(url, { ...init, headers })
        : issuer.fetch(url, { headers, ...init })
    const { code, lines } = await tell(['doctor', '--resource', AUDIENCE], { fetch })
    expect(code).toBe(1)
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^✗ resource-authorization .*does not reach the API\. → Let the proxy .* pass the header Authorization/,
      ),
    )
  })
})
