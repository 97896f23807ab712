import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { forgetWarnings } from '../../packages/core/src/testing.js'
import { diagnose, ignoreWarnings } from './harness.js'

/** What `doctor` finds about introspection, and to whom it sends the credentials of the environment. */

let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
})
afterEach(() => {
  issuer.clearFaults()
  forgetWarnings()
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
    issuer.fault('jwks', { body: { keys: [] } })
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
