import { createMockIssuer, type MockIssuerOptions, type SigningAlgorithm } from '@telnyx-auth/mock-issuer'
import { createRemoteJWKSet, customFetch, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { basicCredentials, postForm, readKeys, readObject, textOf } from '../support/oauth-requests.js'

const WELL_KNOWN = '/.well-known/oauth-authorization-server'

/** As JavaScript callers can: the options come from a configuration file, say. */
function createUnchecked(options: object): ReturnType<typeof createMockIssuer> {
  return createMockIssuer(options)
}

describe('defaults', () => {
  it('is Telnyx, with one made-up client and no request counted', async () => {
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

  it('takes an option that is undefined as one that is left out', async () => {
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
    const before = Math.floor(Date.now() / 1000)
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    expect(decodeJwt(await issuer.issueToken()).iat).toBeGreaterThanOrEqual(before)
  })

  it('makes up other credentials and another key each time', async () => {
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
    ['an option that does not exist', { algorithms: 'RS256' }],
    ['a misspelled option', { Issuer: 'https://as.example.com' }],
    ['an unknown algorithm', { algorithm: 'RS1' }],
    ['no signature', { algorithm: 'none' }],
    ['a shared secret', { algorithm: 'HS256' }],
    ['an issuer that is no URL', { issuer: 'api.telnyx.com' }],
    ['an empty issuer', { issuer: '' }],
    // RFC 8414 §2: no query and no fragment. And nothing can be fetched from a mailbox.
    ['an issuer with a query', { issuer: 'https://as.example.com/?tenant=1' }],
    ['an issuer with a fragment', { issuer: 'https://as.example.com/#tenant' }],
    ['an issuer with credentials', { issuer: 'https://user:secret@as.example.com' }],
    ['an issuer that is not on the web', { issuer: 'mailto:as@example.com' }],
    ['an issuer that is an object', { issuer: new URL('https://as.example.com') }],
    ['an issuer that parsers repair', { issuer: 'https:///as.example.com' }],
    ['a typ that is no text', { typ: 7 }],
    ['an audience that is no text', { audience: ['https://api.example.com'] }],
    ['an empty audience', { audience: '' }],
    ['an API key with a blank', { apiKey: 'a b' }],
    ['an API key that no header can carry', { apiKey: 'ключ' }],
    ['an API key that is no text', { apiKey: 7 }],
    ['a clock that is none', { now: 0 }],
    ['clients that are no array', { clients: { clientId: 'app' } }],
    ['a client with a member that does not exist', { clients: [{ client_id: 'app' }] }],
    ['two clients with one id', { clients: [{ clientId: 'app' }, { clientId: 'app' }] }],
    ['a secret that no request can carry', { clients: [{ clientSecret: 'a\ud800' }] }],
    ['a public client with a secret', { clients: [{ clientType: 'public', clientSecret: 's' }] }],
    ['a client that is an array', { clients: [[]] }],
    ['a client that is none', { clients: [null] }],
    ['grants that are no array', { grants: {} }],
    ['a grant that is an array', { grants: [[]] }],
    ['scopes that are no array', { scopes: 'messaging.read' }],
    ['a scope that is no text', { scopes: [7] }],
  ])('%s', async (_, options) => {
    await expect(createUnchecked(options)).rejects.toBeInstanceOf(TypeError)
  })
})

describe('issuer', () => {
  it.each([
    ['a host', 'https://as.example.com', `https://as.example.com${WELL_KNOWN}`],
    ['a port', 'http://localhost:4010', `http://localhost:4010${WELL_KNOWN}`],
    ['a path', 'https://as.example.com/tenants/7', `https://as.example.com${WELL_KNOWN}/tenants/7`],
    // RFC 8414 §3.1: a terminating slash is removed before the well-known segment is put in; the identifier keeps it.
    ['a slash', 'https://as.example.com/', `https://as.example.com${WELL_KNOWN}`],
    ['a path and a slash', 'https://as.example.com/t/', `https://as.example.com${WELL_KNOWN}/t`],
    ['an encoded path', 'https://as.example.com/a%20b', `https://as.example.com${WELL_KNOWN}/a%20b`],
    ['a path beyond ASCII', 'https://as.example.com/é', `https://as.example.com${WELL_KNOWN}/é`],
    // Characters with a meaning in the patterns of routers.
    ['a path like a pattern', 'https://as.example.com/:a/*', `https://as.example.com${WELL_KNOWN}/:a/*`],
  ])('with %s is served where RFC 8414 puts it', async (_, identifier, wellKnown) => {
    const issuer = await createMockIssuer({ issuer: identifier, algorithm: 'ES256' })
    expect(issuer.issuer).toBe(identifier)
    const response = await issuer.fetch(wellKnown)
    expect(response.status).toBe(200)
    const metadata = await readObject(response)
    expect(metadata.issuer).toBe(identifier)

    // Every endpoint that the document names is there.
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

  it('with a path has nothing outside of its path', async () => {
    const issuer = await createMockIssuer({ issuer: 'https://as.example.com/tenants/7', algorithm: 'ES256' })
    for (const path of [WELL_KNOWN, `${WELL_KNOWN}/tenants/8`, '/v2/oauth/jwks', '/tenants/8/v2/oauth/jwks'])
      expect((await issuer.fetch(`https://as.example.com${path}`)).status).toBe(404)
  })

  it('with a path like a pattern is not a pattern', async () => {
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

  it('null leaves it out', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256', typ: null })
    expect(decodeProtectedHeader(await issuer.issueToken())).not.toHaveProperty('typ')
  })
})

describe('audience', () => {
  it('is that of tokens that name none', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256', audience: 'urn:mine' })
    expect(decodeJwt(await issuer.issueToken()).aud).toBe('urn:mine')
    expect(decodeJwt(await issuer.issueToken({ audience: 'urn:other' })).aud).toBe('urn:other')
  })
})

describe('clients', () => {
  it('are seeded, and what is left out is made up', async () => {
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

  it('may be none at all: tokens then say nothing of a client', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256', clients: [] })
    expect(issuer.clients).toEqual([])
    const claims = decodeJwt(await issuer.issueToken())
    expect(claims).not.toHaveProperty('client_id')
    expect(claims).not.toHaveProperty('sub')
  })

  it('do not change with the arrays they were made from, nor by their reader', async () => {
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
  it('dates tokens, in whole seconds', async () => {
    let now = 1_700_000_000_999
    const issuer = await createMockIssuer({ algorithm: 'ES256', now: () => now })
    expect(decodeJwt(await issuer.issueToken())).toMatchObject({ iat: 1_700_000_000, exp: 1_700_003_600 })
    now += 1
    expect(decodeJwt(await issuer.issueToken())).toMatchObject({ iat: 1_700_000_001, exp: 1_700_003_601 })
  })
})
