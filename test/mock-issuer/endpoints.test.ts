import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  basicCredentials,
  type FormFields,
  postForm,
  postJson,
  readKeys,
  readObject,
  textOf,
} from '../support/oauth-requests.js'

const BASE = 'https://api.telnyx.com'
const JWKS = `${BASE}/v2/oauth/jwks`
const TOKEN = `${BASE}/v2/oauth/token`
const INTROSPECT = `${BASE}/v2/oauth/introspect`
const MAX_BODY_BYTES = 64 * 1024

const TELNYX_SCOPES =
  'account_management.read account_management.write ai.read ai.write authentication_and_access.read billing.read edge_compute.read edge_compute.write fax.read fax.write messaging.read messaging.write networking.read networking.write numbers.read numbers.write reporting.read reporting.write storage.read storage.write verify.read verify.write voice.read voice.write wireless.read wireless.write'.split(
    ' ',
  )

const CLIENT = {
  clientId: 'app',
  clientSecret: 's3cret',
  scopes: ['messaging.read', 'messaging.write'],
}
const IN_BODY = { client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret }
const GRANT = { grant_type: 'client_credentials' }
const BASIC = { authorization: basicCredentials(CLIENT.clientId, CLIENT.clientSecret) }

// One issuer for all tests, as none changes it and a key pair takes time.
let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256', clients: [CLIENT, {}] })
})

/** An error response of the token or introspection endpoint (RFC 6749 §5.2). */
async function expectOAuthError(response: Response, status: number, error: string): Promise<void> {
  expect(response.status).toBe(status)
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('pragma')).toBe('no-cache')
  const body = await readObject(response)
  expect(body.error).toBe(error)
  // RFC 6749 §5.2: no characters that need an escape.
  expect(body.error_description).toMatch(/^[\x20-\x21\x23-\x5B\x5D-\x7E]+$/)
  expect(Object.keys(body).sort()).toEqual(['error', 'error_description'])
  if (status === 401) expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm="[^"]+"/)
  else expect(response.headers.has('www-authenticate')).toBe(false)
}

describe('the metadata', () => {
  it('are the document of RFC 8414 for the served endpoints', async () => {
    const response = await issuer.fetch(`${BASE}/.well-known/oauth-authorization-server`)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(await readObject(response)).toMatchObject({
      issuer: BASE,
      token_endpoint: TOKEN,
      introspection_endpoint: INTROSPECT,
      jwks_uri: JWKS,
      grant_types_supported: expect.arrayContaining(['client_credentials']),
      token_endpoint_auth_methods_supported: expect.arrayContaining([
        'client_secret_basic',
        'client_secret_post',
      ]),
      scopes_supported: TELNYX_SCOPES,
    })
  })

  it('lack the members that Telnyx lacks', async () => {
    const metadata = await readObject(await issuer.fetch(`${BASE}/.well-known/oauth-authorization-server`))
    for (const name of [
      'id_token_signing_alg_values_supported',
      'introspection_endpoint_auth_methods_supported',
      'dpop_signing_alg_values_supported',
    ])
      expect(metadata).not.toHaveProperty(name)
  })

  it('have no OpenID discovery document beside them', async () => {
    expect((await issuer.fetch(`${BASE}/.well-known/openid-configuration`)).status).toBe(404)
  })

  it('answer GET and HEAD only, with any query', async () => {
    const url = `${BASE}/.well-known/oauth-authorization-server`
    expect((await issuer.fetch(`${url}?a=1`)).status).toBe(200)
    const head = await issuer.fetch(url, { method: 'HEAD' })
    expect(head.status).toBe(200)
    expect(await head.text()).toBe('')
    expect((await issuer.fetch(url, { method: 'POST' })).status).toBe(404)
  })
})

describe('JWK Set', () => {
  const PUBLIC = ['alg', 'kid', 'kty', 'use']

  it.each([
    ['RS256', { kty: 'RSA' }, ['e', 'n']],
    ['ES256', { kty: 'EC', crv: 'P-256' }, ['crv', 'x', 'y']],
    ['ES512', { kty: 'EC', crv: 'P-521' }, ['crv', 'x', 'y']],
    ['EdDSA', { kty: 'OKP', crv: 'Ed25519' }, ['crv', 'x']],
  ] as const)('has the public members of an %s key and no other', async (algorithm, shape, members) => {
    const { fetch } = await createMockIssuer({ algorithm })
    const response = await fetch(JWKS)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    const keys = await readKeys(fetch, JWKS)
    expect(keys).toHaveLength(1)
    expect(keys[0]).toMatchObject({ ...shape, use: 'sig', alg: algorithm })
    expect(keys[0]?.kid).toMatch(/^[\w-]{43}$/)
    expect(Object.keys(keys[0] ?? {}).sort()).toEqual([...PUBLIC, ...members].sort())
  })

  it('has an RSA key of 2048 bits', async () => {
    const { fetch } = await createMockIssuer()
    const [key] = await readKeys(fetch, JWKS)
    expect(Buffer.from(textOf(key ?? {}, 'n'), 'base64url')).toHaveLength(256)
  })

  it('answers GET only', async () => {
    expect((await issuer.fetch(JWKS, { method: 'POST' })).status).toBe(404)
  })
})

describe('token endpoint', () => {
  async function expectGranted(response: Response, scope: string): Promise<void> {
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const body = await readObject(response)
    expect(body).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 3600, scope })
    const claims = decodeJwt(textOf(body, 'access_token'))
    expect(claims).toMatchObject({
      iss: BASE,
      sub: 'app',
      client_id: 'app',
      aud: 'https://api.example.com',
      scope,
    })
    expect(Number(claims.exp) - Number(claims.iat)).toBe(3600)
  }

  const ALL = 'messaging.read messaging.write'

  it('accepts HTTP Basic and a form', async () => {
    await expectGranted(await postForm(issuer.fetch, TOKEN, GRANT, BASIC), ALL)
  })

  it('accepts client_secret_post and a form', async () => {
    await expectGranted(await postForm(issuer.fetch, TOKEN, { ...GRANT, ...IN_BODY }), ALL)
  })

  it('accepts HTTP Basic and JSON', async () => {
    await expectGranted(await postJson(issuer.fetch, TOKEN, GRANT, BASIC), ALL)
  })

  it('accepts client_secret_post and JSON', async () => {
    await expectGranted(await postJson(issuer.fetch, TOKEN, { ...GRANT, ...IN_BODY }), ALL)
  })

  it('accepts a client_id in the body with HTTP Basic: it identifies the client, but does not authenticate it', async () => {
    await expectGranted(await postForm(issuer.fetch, TOKEN, { ...GRANT, client_id: 'app' }, BASIC), ALL)
  })

  it.each([
    'application/x-www-form-urlencoded; charset=utf-8',
    'APPLICATION/X-WWW-FORM-URLENCODED',
    'application/x-www-form-urlencoded ;charset=utf-8',
  ])('accepts the content type "%s"', async (type) => {
    await expectGranted(await postForm(issuer.fetch, TOKEN, GRANT, { ...BASIC, 'content-type': type }), ALL)
  })

  it('ignores the case of the scheme', async () => {
    const authorization = BASIC.authorization.replace('Basic', 'bASIC')
    await expectGranted(await postForm(issuer.fetch, TOKEN, GRANT, { authorization }), ALL)
  })

  it('ignores unknown parameters', async () => {
    await expectGranted(await postForm(issuer.fetch, TOKEN, { ...GRANT, foo: 'bar' }, BASIC), ALL)
  })

  it('treats an empty parameter as missing', async () => {
    await expectGranted(await postForm(issuer.fetch, TOKEN, { ...GRANT, scope: '' }, BASIC), ALL)
    // So these credentials are not a second authentication method.
    const fields = { ...GRANT, client_id: '', client_secret: '' }
    await expectGranted(await postForm(issuer.fetch, TOKEN, fields, BASIC), ALL)
  })

  it('gives each token its own jti', async () => {
    const ids = await Promise.all(
      [1, 2].map(async () => {
        const body = await readObject(await postForm(issuer.fetch, TOKEN, GRANT, BASIC))
        return decodeJwt(textOf(body, 'access_token')).jti
      }),
    )
    expect(ids[0]).toBeTruthy()
    expect(ids[0]).not.toBe(ids[1])
  })

  describe('credentials with special characters', () => {
    const SPECIAL = [
      'a:b',
      ':',
      '100%',
      '%41',
      'a+b',
      'a b',
      'a&b=c',
      'a/b?c#d',
      '"quoted"\\',
      'grüße',
      '密码',
      '🔑',
      "!'()*~",
    ]
    let special: MockIssuer
    beforeAll(async () => {
      special = await createMockIssuer({
        algorithm: 'ES256',
        clients: SPECIAL.map((text) => ({ clientId: `id ${text}`, clientSecret: `secret ${text}` })),
      })
    })

    it.each(SPECIAL)('%s', async (text) => {
      const clientId = `id ${text}`
      const clientSecret = `secret ${text}`
      const inBody = { ...GRANT, client_id: clientId, client_secret: clientSecret }
      const answers = await Promise.all([
        postForm(special.fetch, TOKEN, GRANT, { authorization: basicCredentials(clientId, clientSecret) }),
        postForm(special.fetch, TOKEN, inBody),
        postJson(special.fetch, TOKEN, inBody),
      ])
      for (const answer of answers) {
        expect(answer.status).toBe(200)
        expect(decodeJwt(textOf(await readObject(answer), 'access_token')).client_id).toBe(clientId)
      }
    })

    it('are decoded only once', async () => {
      const authorization = basicCredentials('id %41', 'secret A')
      await expectOAuthError(
        await postForm(special.fetch, TOKEN, GRANT, { authorization }),
        401,
        'invalid_client',
      )
    })
  })

  describe('scope', () => {
    it.each([
      ['a part of the scopes', 'messaging.write', 'messaging.write'],
      ['all, in the order asked for', 'messaging.write messaging.read', 'messaging.write messaging.read'],
      ['one twice', 'messaging.read messaging.read', 'messaging.read'],
    ])('%s', async (_, asked, granted) => {
      await expectGranted(await postForm(issuer.fetch, TOKEN, { ...GRANT, scope: asked }, BASIC), granted)
    })

    it.each([
      ['unknown', 'nope'],
      ['of the issuer, but not of this client', 'voice.read'],
      ['one good and one unknown', 'messaging.read nope'],
      ['in another case', 'Messaging.Read'],
      // RFC 6749 §3.3: scopes are separated by single spaces.
      ['separated by a comma', 'messaging.read,messaging.write'],
      ['separated by a tab', 'messaging.read\tmessaging.write'],
      ['blank', ' '],
      ['the name of an inherited member', 'constructor'],
    ])('%s is invalid_scope', async (_, scope) => {
      await expectOAuthError(
        await postForm(issuer.fetch, TOKEN, { ...GRANT, scope }, BASIC),
        400,
        'invalid_scope',
      )
    })

    it('is left out for a client without scopes, as it cannot be empty', async () => {
      const { fetch } = await createMockIssuer({
        algorithm: 'ES256',
        clients: [{ ...CLIENT, scopes: [] }],
      })
      const response = await postForm(fetch, TOKEN, GRANT, BASIC)
      expect(response.status).toBe(200)
      const body = await readObject(response)
      expect(body).not.toHaveProperty('scope')
      expect(decodeJwt(textOf(body, 'access_token'))).not.toHaveProperty('scope')
    })
  })

  describe('grant type', () => {
    it('missing is invalid_request', async () => {
      await expectOAuthError(await postForm(issuer.fetch, TOKEN, {}, BASIC), 400, 'invalid_request')
      await expectOAuthError(
        await postForm(issuer.fetch, TOKEN, { grant_type: '' }, BASIC),
        400,
        'invalid_request',
      )
    })

    it.each(['password', 'CLIENT_CREDENTIALS', 'urn:ietf:params:oauth:grant-type:device_code', '__proto__'])(
      '%s is unsupported_grant_type',
      async (grantType) => {
        const response = await postForm(issuer.fetch, TOKEN, { grant_type: grantType }, BASIC)
        await expectOAuthError(response, 400, 'unsupported_grant_type')
      },
    )
  })
})

describe('answers GET with 404', () => {
  it.each([TOKEN, INTROSPECT])('%s', async (url) => {
    expect((await issuer.fetch(url)).status).toBe(404)
  })
})

// RFC 6749 §3.2: unknown parameters are ignored. Some of these are sent by common clients.
describe.each([
  ['token endpoint', TOKEN, GRANT],
  ['introspection endpoint', INTROSPECT, { token: 'x' }],
])('%s ignores', (_, url, fields) => {
  it.each([
    'audience=https://api.example.com',
    'token_type_hint=access_token',
    'token_type_hint=unknown',
    'client_assertion_type=',
    'requested_token_use=on_behalf_of',
    'authorization_details=[]',
    '__proto__=x',
    'audience=urn:a&audience=urn:b',
    'foo=1&foo=',
  ])('%s', async (unknown) => {
    const sent = [...Object.entries(fields), ...new URLSearchParams(unknown)]
    expect((await postForm(issuer.fetch, url, sent, BASIC)).status).toBe(200)
  })
})

// Both endpoints read and authenticate a request in the same way.
describe.each([
  ['token endpoint', TOKEN, GRANT],
  ['introspection endpoint', INTROSPECT, { token: 'x' }],
])('%s refuses', (_, url, fields) => {
  const repeat = (...more: [string, string][]): FormFields => [...Object.entries(fields), ...more]

  it.each([
    ['no credentials', {}, {}],
    ['an unknown client', { client_id: 'unknown', client_secret: 's3cret' }, {}],
    ['a wrong secret', { client_id: 'app', client_secret: 'S3cret' }, {}],
    ['a client without a secret', { client_id: 'app' }, {}],
    ['an empty secret', { client_id: 'app', client_secret: '' }, {}],
    ['a secret without a client', { client_secret: 's3cret' }, {}],
    ['the name of an inherited member', { client_id: 'constructor', client_secret: 's3cret' }, {}],
    ['a wrong secret by HTTP Basic', {}, { authorization: basicCredentials('app', 'wrong') }],
    ['an unknown client by HTTP Basic', {}, { authorization: basicCredentials('unknown', 's3cret') }],
    ['HTTP Basic without a colon', {}, { authorization: `Basic ${btoa('app')}` }],
    ['HTTP Basic with nothing in it', {}, { authorization: `Basic ${btoa(':')}` }],
    ['HTTP Basic with a bad escape', {}, { authorization: `Basic ${btoa('app:%zz')}` }],
    ['HTTP Basic that is not Base64', {}, { authorization: 'Basic ?' }],
    ['HTTP Basic without credentials', {}, { authorization: 'Basic' }],
    ['another scheme', {}, { authorization: 'Bearer abc' }],
  ])('%s: invalid_client', async (_, credentials, headers) => {
    await expectOAuthError(
      await postForm(issuer.fetch, url, { ...fields, ...credentials }, headers),
      401,
      'invalid_client',
    )
  })

  it('two authentication methods at once: invalid_request', async () => {
    await expectOAuthError(
      await postForm(issuer.fetch, url, { ...fields, ...IN_BODY }, BASIC),
      400,
      'invalid_request',
    )
  })

  it.each([
    ['its own parameter', repeat(...Object.entries(fields))],
    ['client_id', repeat(['client_id', 'app'], ['client_id', 'app'])],
    ['a parameter that is empty once', repeat(['scope', ''], ['scope', 'messaging.read'])],
  ])('%s repeated: invalid_request', async (_, repeated) => {
    await expectOAuthError(await postForm(issuer.fetch, url, repeated, BASIC), 400, 'invalid_request')
  })

  it.each([
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/json+x',
    'application/x-www-form-urlencoded2',
  ])('the content type %s: invalid_request', async (type) => {
    await expectOAuthError(
      await postForm(issuer.fetch, url, fields, { ...BASIC, 'content-type': type }),
      400,
      'invalid_request',
    )
  })

  it('no body and no content type: invalid_request', async () => {
    const response = await issuer.fetch(url, { method: 'POST', headers: BASIC })
    await expectOAuthError(response, 400, 'invalid_request')
  })

  it.each(['', '{', 'null', '[]', '"text"', '7', '{"a":1}', '{"a":null}', '{"a":["b"]}', '{"a":{}}'])(
    'the JSON body %s: invalid_request',
    async (body) => {
      const headers = { ...BASIC, 'content-type': 'application/json' }
      await expectOAuthError(
        await issuer.fetch(url, { method: 'POST', headers, body }),
        400,
        'invalid_request',
      )
    },
  )

  it('a body that is too long: 413, and reading stops at the limit', async () => {
    const headers = { ...BASIC, 'content-type': 'application/x-www-form-urlencoded' }
    const text = await issuer.fetch(url, { method: 'POST', headers, body: `a=${'x'.repeat(MAX_BODY_BYTES)}` })
    await expectOAuthError(text, 413, 'invalid_request')

    let pulled = 0
    const endless = new ReadableStream({
      pull(controller) {
        pulled += 1024
        controller.enqueue(Buffer.alloc(1024, 'a'))
      },
    })
    const stream = await issuer.fetch(url, { method: 'POST', headers, body: endless, duplex: 'half' })
    await expectOAuthError(stream, 413, 'invalid_request')
    expect(pulled).toBeLessThan(2 * MAX_BODY_BYTES)
  })
})

describe('bodies up to the limit', () => {
  it('are read', async () => {
    const rest = new URLSearchParams({ ...GRANT, pad: '' }).toString()
    const body = rest + 'x'.repeat(MAX_BODY_BYTES - rest.length)
    const headers = { ...BASIC, 'content-type': 'application/x-www-form-urlencoded' }
    expect((await issuer.fetch(TOKEN, { method: 'POST', headers, body })).status).toBe(200)
  })
})

describe('introspection endpoint', () => {
  const START = 1_700_000_000_000
  const IDS = { clients: [CLIENT], algorithm: 'ES256' } as const

  async function introspect(of: MockIssuer, token: string): Promise<Record<string, unknown>> {
    const response = await postForm(of.fetch, INTROSPECT, { token }, BASIC)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    return readObject(response)
  }

  it('describes an active token with only the members that Telnyx documents', async () => {
    const issuer = await createMockIssuer({ ...IDS, now: () => START })
    const token = await issuer.issueToken({
      scopes: ['messaging.read', 'voice.read'],
      subject: 'user-1',
      claims: { extra: true },
    })
    expect(await introspect(issuer, token)).toEqual({
      active: true,
      aud: 'https://api.example.com',
      client_id: 'app',
      exp: START / 1000 + 3600,
      iat: START / 1000,
      iss: BASE,
      scope: 'messaging.read voice.read',
    })
  })

  it('leaves out claims that the token does not have', async () => {
    const token = await issuer.issueToken({
      claims: { aud: undefined, client_id: undefined, exp: undefined, iat: undefined },
    })
    expect(await introspect(issuer, token)).toEqual({ active: true, iss: BASE })
  })

  it('gives a single audience as a string and several as an array', async () => {
    expect(await introspect(issuer, await issuer.issueToken({ audience: ['one'] }))).toMatchObject({
      aud: 'one',
    })
    expect(await introspect(issuer, await issuer.issueToken({ audience: ['one', 'two'] }))).toMatchObject({
      aud: ['one', 'two'],
    })
  })

  it('recognizes tokens of the token endpoint', async () => {
    const granted = await readObject(await postForm(issuer.fetch, TOKEN, GRANT, BASIC))
    expect(await introspect(issuer, textOf(granted, 'access_token'))).toMatchObject({
      active: true,
      client_id: 'app',
    })
  })

  it('accepts JSON and client_secret_post, and ignores token_type_hint', async () => {
    const token = await issuer.issueToken()
    const body = { token, token_type_hint: 'refresh_token', ...IN_BODY }
    expect(await readObject(await postJson(issuer.fetch, INTROSPECT, body))).toMatchObject({ active: true })
  })

  it('answers each client, for tokens of others as well', async () => {
    const other = issuer.clients[1]
    const response = await postForm(
      issuer.fetch,
      INTROSPECT,
      { token: await issuer.issueToken() },
      { authorization: basicCredentials(other?.clientId ?? '', other?.clientSecret ?? '') },
    )
    expect(await readObject(response)).toMatchObject({ active: true })
  })

  it('requires a token', async () => {
    await expectOAuthError(await postForm(issuer.fetch, INTROSPECT, {}, BASIC), 400, 'invalid_request')
    await expectOAuthError(
      await postForm(issuer.fetch, INTROSPECT, { token: '' }, BASIC),
      400,
      'invalid_request',
    )
  })

  describe('returns only { active: false } for', () => {
    const INACTIVE = { active: false }

    it('an expired token, from the second of its exp', async () => {
      let now = START
      const issuer = await createMockIssuer({ ...IDS, now: () => now })
      const token = await issuer.issueToken({ expiresInSeconds: 60 })
      now = START + 59_999
      expect(await introspect(issuer, token)).toMatchObject({ active: true })
      now = START + 60_000
      expect(await introspect(issuer, token)).toEqual(INACTIVE)
      expect(await introspect(issuer, await issuer.issueToken({ expiresInSeconds: -1 }))).toEqual(INACTIVE)
    })

    it('a token that is not valid yet', async () => {
      let now = START
      const issuer = await createMockIssuer({ ...IDS, now: () => now })
      const token = await issuer.issueToken({ claims: { nbf: START / 1000 + 10 } })
      expect(await introspect(issuer, token)).toEqual(INACTIVE)
      now += 10_000
      expect(await introspect(issuer, token)).toMatchObject({ active: true })
    })

    it('a revoked token', async () => {
      const issuer = await createMockIssuer(IDS)
      const token = await issuer.issueToken()
      const other = await issuer.issueToken()
      issuer.revoke(token)
      expect(await introspect(issuer, token)).toEqual(INACTIVE)
      expect(await introspect(issuer, other)).toMatchObject({ active: true })
    })

    it('a token of another issuer with the same identifier', async () => {
      const foreign = await createMockIssuer(IDS)
      expect(await introspect(issuer, await foreign.issueToken())).toEqual(INACTIVE)
    })

    it('a token of this issuer with another iss', async () => {
      const token = await issuer.issueToken({ claims: { iss: 'https://as.example.com' } })
      expect(await introspect(issuer, token)).toEqual(INACTIVE)
      expect(await introspect(issuer, await issuer.issueToken({ claims: { iss: undefined } }))).toEqual(
        INACTIVE,
      )
    })

    it('a token whose key was withdrawn, but not a token whose key is still published', async () => {
      const issuer = await createMockIssuer(IDS)
      const token = await issuer.issueToken()
      await issuer.rotateKeys()
      expect(await introspect(issuer, token)).toMatchObject({ active: true })
      await issuer.rotateKeys({ keepOld: false })
      expect(await introspect(issuer, token)).toEqual(INACTIVE)
    })

    it('a token that was changed', async () => {
      const [header, , signature] = (await issuer.issueToken()).split('.')
      const [, claims] = (await issuer.issueToken({ scopes: ['admin'] })).split('.')
      expect(await introspect(issuer, `${header}.${claims}.${signature}`)).toEqual(INACTIVE)
    })

    it.each([
      ['a word', 'garbage'],
      ['three words', 'a.b.c'],
      ['two dots', '..'],
      ['five parts', 'a.b.c.d.e'],
      ['claims without a signature', 'eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2FwaS50ZWxueXguY29tIn0.'],
      ['text beyond ASCII', 'üñí'],
      ['a space', ' '],
      ['a very long word', 'x'.repeat(60_000)],
    ])('%s', async (_, token) => {
      expect(await introspect(issuer, token)).toEqual(INACTIVE)
    })

    it.each(['none', 'HS256', 'XX'])('a token with the alg %s', async (alg) => {
      expect(await introspect(issuer, await issuer.issueToken({ header: { alg } }))).toEqual(INACTIVE)
    })
  })

  it('finds the key of a token without a kid, among several', async () => {
    const issuer = await createMockIssuer(IDS)
    const token = await issuer.issueToken({ header: { kid: undefined } })
    expect(await introspect(issuer, token)).toMatchObject({ active: true })
    await issuer.rotateKeys()
    expect(await introspect(issuer, token)).toMatchObject({ active: true })
  })
})
