import { createMockIssuer, type MockIssuerOptions, type SigningAlgorithm } from '@telnyx-auth/mock-issuer'
import { createRemoteJWKSet, customFetch, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, it, vi } from 'vitest'
import { basicCredentials, postForm, readKeys, readObject, textOf } from '../support/oauth-requests.js'

const WELL_KNOWN = '/.well-known/oauth-authorization-server'

/** Callers in JavaScript can pass any value, for example from a configuration file. */
function createUnchecked(options: object): ReturnType<typeof createMockIssuer> {
  return createMockIssuer(options)
}

describe('defaults', () => {
  it('are the identifier of Telnyx, one random client and no counted request', async () => {
    const issuer = await createMockIssuer()
    expect(issuer.issuer).toBe('https://api.telnyx.com')
    expect(issuer.clients).toHaveLength(1)
    expect(issuer.clients[0]?.clientId).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/,
    )
    expect(issuer.clients[0]?.clientSecret).toMatch(/^[\w-]{32}$/)
    for (const log of Object.values(issuer.requests)) expect(log).toEqual({ count: 0, times: [] })

    const token = await issuer.issueToken()
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'RS256', typ: 'at+jwt' })
    expect(decodeJwt(token)).toMatchObject({ iss: 'https://api.telnyx.com', aud: 'https://api.example.com' })
  })

  it('apply to an option that is undefined', async () => {
    const issuer = await createMockIssuer({
      issuer: undefined,
      algorithm: undefined,
      typ: undefined,
      audience: undefined,
      clients: undefined,
      scopes: undefined,
      now: undefined,
    })
    expect(issuer.issuer).toBe('https://api.telnyx.com')
    expect(issuer.clients).toHaveLength(1)
    expect(decodeProtectedHeader(await issuer.issueToken())).toMatchObject({ alg: 'RS256', typ: 'at+jwt' })
  })

  it('uses the clock of the process', async () => {
    vi.spyOn(Date, 'now').mockReturnValue(1_800_000_000_000)
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    expect(decodeJwt(await issuer.issueToken()).iat).toBe(1_800_000_000)
  })

  it('include new credentials and a new key for each issuer', async () => {
    const [one, two] = await Promise.all([
      createMockIssuer({ algorithm: 'ES256' }),
      createMockIssuer({ algorithm: 'ES256' }),
    ])
    expect(one.clients[0]?.clientId).not.toBe(two.clients[0]?.clientId)
    expect(one.clients[0]?.clientSecret).not.toBe(two.clients[0]?.clientSecret)
    expect(decodeProtectedHeader(await one.issueToken()).kid).not.toBe(
      decodeProtectedHeader(await two.issueToken()).kid,
    )
  })
})

describe('refused options', () => {
  it.each([
    ['an unknown option', { algorithms: 'RS256' }],
    ['a misspelled option', { Issuer: 'https://as.example.com' }],
    ['an unknown algorithm', { algorithm: 'RS1' }],
    ['no signature', { algorithm: 'none' }],
    ['a shared secret', { algorithm: 'HS256' }],
    ['an issuer that is not a URL', { issuer: 'api.telnyx.com' }],
    ['an empty issuer', { issuer: '' }],
    // RFC 8414 §2: no query and no fragment. A mailbox cannot be fetched.
    ['an issuer with a query', { issuer: 'https://as.example.com/?tenant=1' }],
    ['an issuer with a fragment', { issuer: 'https://as.example.com/#tenant' }],
    ['an issuer with credentials', { issuer: 'https://user:secret@as.example.com' }],
    ['an issuer that is a mailbox', { issuer: 'mailto:as@example.com' }],
    ['an issuer that is an object', { issuer: new URL('https://as.example.com') }],
    ['an issuer that a URL parser would repair', { issuer: 'https:///as.example.com' }],
    ['a typ that is not a string', { typ: 7 }],
    ['an audience that is not a string', { audience: ['https://api.example.com'] }],
    ['an empty audience', { audience: '' }],
    ['an API key with a space', { apiKey: 'a b' }],
    ['an API key that cannot be sent in a header', { apiKey: 'ключ' }],
    ['an API key that is not a string', { apiKey: 7 }],
    ['a clock that is not a function', { now: 0 }],
    ['clients that are not an array', { clients: { clientId: 'app' } }],
    ['a client with an unknown member', { clients: [{ client_id: 'app' }] }],
    ['two clients with one id', { clients: [{ clientId: 'app' }, { clientId: 'app' }] }],
    ['a secret that cannot be sent', { clients: [{ clientSecret: 'a\ud800' }] }],
    ['a public client with a secret', { clients: [{ clientType: 'public', clientSecret: 's' }] }],
    ['a client that is an array', { clients: [[]] }],
    ['a client that is null', { clients: [null] }],
    ['grants that are not an array', { grants: {} }],
    ['a grant that is an array', { grants: [[]] }],
    ['scopes that are not an array', { scopes: 'messaging.read' }],
    ['a scope that is not a string', { scopes: [7] }],
  ])('%s', async (_, options) => {
    await expect(createUnchecked(options)).rejects.toBeInstanceOf(TypeError)
  })
})

describe('issuer', () => {
  it.each([
    ['a host', 'https://as.example.com', `https://as.example.com${WELL_KNOWN}`],
    ['a port', 'http://localhost:4010', `http://localhost:4010${WELL_KNOWN}`],
    ['a path', 'https://as.example.com/tenants/7', `https://as.example.com${WELL_KNOWN}/tenants/7`],
    // RFC 8414 §3.1: a terminating slash is removed before the well-known segment is inserted. The identifier keeps it.
    ['a slash', 'https://as.example.com/', `https://as.example.com${WELL_KNOWN}`],
    ['a path and a slash', 'https://as.example.com/t/', `https://as.example.com${WELL_KNOWN}/t`],
    ['an encoded path', 'https://as.example.com/a%20b', `https://as.example.com${WELL_KNOWN}/a%20b`],
    ['a path beyond ASCII', 'https://as.example.com/é', `https://as.example.com${WELL_KNOWN}/é`],
    // Special characters in patterns of routers.
    ['a path like a pattern', 'https://as.example.com/:a/*', `https://as.example.com${WELL_KNOWN}/:a/*`],
  ])('with %s is served where RFC 8414 puts it', async (_, identifier, wellKnown) => {
    const issuer = await createMockIssuer({ issuer: identifier, algorithm: 'ES256' })
    expect(issuer.issuer).toBe(identifier)
    const response = await issuer.fetch(wellKnown)
    expect(response.status).toBe(200)
    const metadata = await readObject(response)
    expect(metadata.issuer).toBe(identifier)

    // Each endpoint of the metadata exists.
    expect(await readKeys(issuer.fetch, textOf(metadata, 'jwks_uri'))).toHaveLength(1)
    const client = issuer.clients[0]
    const headers = { authorization: basicCredentials(client?.clientId ?? '', client?.clientSecret ?? '') }
    const granted = await readObject(
      await postForm(
        issuer.fetch,
        textOf(metadata, 'token_endpoint'),
        { grant_type: 'client_credentials' },
        headers,
      ),
    )
    const token = textOf(granted, 'access_token')
    expect(decodeJwt(token).iss).toBe(identifier)
    const introspected = await postForm(
      issuer.fetch,
      textOf(metadata, 'introspection_endpoint'),
      { token },
      headers,
    )
    expect(await readObject(introspected)).toMatchObject({ active: true, iss: identifier })
  })

  it('with a path answers only below its path', async () => {
    const issuer = await createMockIssuer({ issuer: 'https://as.example.com/tenants/7', algorithm: 'ES256' })
    for (const path of [WELL_KNOWN, `${WELL_KNOWN}/tenants/8`, '/v2/oauth/jwks', '/tenants/8/v2/oauth/jwks'])
      expect((await issuer.fetch(`https://as.example.com${path}`)).status).toBe(404)
  })

  it('with a path that looks like a pattern is served at that path only', async () => {
    const issuer = await createMockIssuer({ issuer: 'https://as.example.com/:tenant', algorithm: 'ES256' })
    for (const path of [`${WELL_KNOWN}/7`, '/7/v2/oauth/jwks'])
      expect((await issuer.fetch(`https://as.example.com${path}`)).status).toBe(404)
  })
})

describe('algorithm', () => {
  it.each([
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519',
  ] satisfies SigningAlgorithm[])('%s signs what jose accepts, and introspection too', async (algorithm) => {
    const issuer = await createMockIssuer({ algorithm })
    const token = await issuer.issueToken()
    const keys = createRemoteJWKSet(new URL('https://api.telnyx.com/v2/oauth/jwks'), {
      [customFetch]: issuer.fetch,
    })
    const { protectedHeader } = await jwtVerify(token, keys, {
      issuer: 'https://api.telnyx.com',
      audience: 'https://api.example.com',
      typ: 'at+jwt',
      algorithms: [algorithm],
    })
    expect(protectedHeader.alg).toBe(algorithm)

    const client = issuer.clients[0]
    const answer = await postForm(issuer.fetch, 'https://api.telnyx.com/v2/oauth/introspect', {
      token,
      client_id: client?.clientId ?? '',
      client_secret: client?.clientSecret ?? '',
    })
    expect(await readObject(answer)).toMatchObject({ active: true })
  })
})

describe('typ', () => {
  it.each(['JWT', 'application/at+jwt', ''])('"%s"', async (typ) => {
    const issuer = await createMockIssuer({ algorithm: 'ES256', typ })
    expect(decodeProtectedHeader(await issuer.issueToken()).typ).toBe(typ)
  })

  it('null leaves typ out', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256', typ: null })
    expect(decodeProtectedHeader(await issuer.issueToken())).not.toHaveProperty('typ')
  })
})

describe('audience', () => {
  it('is the audience of tokens that set none', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256', audience: 'urn:mine' })
    expect(decodeJwt(await issuer.issueToken()).aud).toBe('urn:mine')
    expect(decodeJwt(await issuer.issueToken({ audience: 'urn:other' })).aud).toBe('urn:other')
  })
})

describe('clients', () => {
  it('exist from the start, with defaults for missing members', async () => {
    const issuer = await createMockIssuer({
      algorithm: 'ES256',
      scopes: ['a', 'b'],
      clients: [{ clientId: 'one', clientSecret: 'secret', scopes: ['a'] }, { clientId: 'two' }, {}],
    })
    const [one, two, three] = issuer.clients
    expect(one).toMatchObject({ clientId: 'one', clientSecret: 'secret', scopes: ['a'] })
    expect(two).toMatchObject({ clientId: 'two', scopes: ['a', 'b'] })
    expect(two?.clientSecret).not.toBe(three?.clientSecret)
    expect(three?.clientId).toBeTruthy()
  })

  it('may be empty: tokens then have no client', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256', clients: [] })
    expect(issuer.clients).toEqual([])
    const claims = decodeJwt(await issuer.issueToken())
    expect(claims).not.toHaveProperty('client_id')
    expect(claims).not.toHaveProperty('sub')
  })

  it('do not change with the arrays of the caller, and are frozen', async () => {
    const scopes = ['a']
    const clients = [{ clientId: 'one', scopes }]
    const issuer = await createMockIssuer({ algorithm: 'ES256', clients })
    scopes.push('b')
    clients.push({ clientId: 'two', scopes })
    expect(issuer.clients.map(({ clientId, scopes }) => [clientId, scopes])).toEqual([['one', ['a']]])
    expect(Object.isFrozen(issuer.clients)).toBe(true)
    expect(Object.isFrozen(issuer.clients[0])).toBe(true)
    expect(Object.isFrozen(issuer.clients[0]?.scopes)).toBe(true)
  })
})

describe('scopes', () => {
  it.each([
    ['some', ['messaging.read', 'urn:x']],
    ['none', []],
  ])('%s', async (_, scopes) => {
    const options: MockIssuerOptions = { algorithm: 'ES256', scopes }
    const issuer = await createMockIssuer(options)
    expect(issuer.clients[0]?.scopes).toEqual(scopes)
    const metadata = await readObject(await issuer.fetch(`https://api.telnyx.com${WELL_KNOWN}`))
    expect(metadata.scopes_supported).toEqual(scopes)
  })
})

describe('now', () => {
  it('sets the dates of tokens, in whole seconds', async () => {
    let now = 1_700_000_000_999
    const issuer = await createMockIssuer({ algorithm: 'ES256', now: () => now })
    expect(decodeJwt(await issuer.issueToken())).toMatchObject({ iat: 1_700_000_000, exp: 1_700_003_600 })
    now += 1
    expect(decodeJwt(await issuer.issueToken())).toMatchObject({ iat: 1_700_000_001, exp: 1_700_003_601 })
  })
})
