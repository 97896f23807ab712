import { createVerifier } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Registration } from '../../packages/mock-issuer/src/protocol/client-metadata.js'
import { Clients } from '../../packages/mock-issuer/src/state/clients.js'
import {
  createPkcePair,
  manage,
  obtainCode,
  registerClient,
  requestAuthorization,
  requestToken,
} from '../support/authorization-flow.js'
import { basicCredentials, postForm, postJson, readObject, textOf } from '../support/oauth-requests.js'

const BASE = 'https://api.telnyx.com'
const REGISTER = `${BASE}/v2/oauth/register`
const CALLBACK = 'https://app.example.com/callback'
const AUDIENCE = 'https://api.example.com'
const START = 1_800_000_000_000
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const DEFAULTS = {
  grant_types: ['authorization_code'],
  response_types: ['code'],
  token_endpoint_auth_method: 'client_secret_basic',
}
const EVERYTHING = {
  client_name: 'Agent "7" <b>',
  redirect_uris: [CALLBACK, 'http://127.0.0.1/callback'],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  response_types: ['code'],
  token_endpoint_auth_method: 'client_secret_post',
  scope: 'messaging.read admin',
  logo_uri: 'https://app.example.com/logo.png',
  policy_uri: 'https://app.example.com/policy?a=1&b=2',
  tos_uri: 'http://app.example.com/tos',
}

let now = START
let issuer: MockIssuer
beforeEach(async () => {
  now = START
  issuer = await createMockIssuer({
    algorithm: 'ES256',
    clients: [],
    scopes: ['messaging.read', 'voice.read'],
    now: () => now,
  })
})

function register(document: unknown): Promise<Response> {
  return postJson(issuer.fetch, REGISTER, document)
}

function sendBody(body: string, contentType: string): Promise<Response> {
  return issuer.fetch(REGISTER, { method: 'POST', headers: { 'content-type': contentType }, body })
}

async function expectRegistered(response: Response, metadata: object, secret = true): Promise<void> {
  expect(response.status).toBe(201)
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(await readObject(response)).toEqual({
    client_id: expect.stringMatching(UUID),
    client_id_issued_at: START / 1000,
    // RFC 7591 §3.2.1: 0 means that the secret does not expire.
    ...(secret && { client_secret: expect.stringMatching(/^[\w-]{32}$/), client_secret_expires_at: 0 }),
    ...metadata,
  })
}

/** Fixed sentences, which repeat no value of the request. */
const REASON = /^(?:must|is|has)(?: [A-Za-z_,]+)+$/

async function expectInvalid(response: Response, fields: readonly string[]): Promise<void> {
  expect(response.status).toBe(400)
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  expect(response.headers.get('cache-control')).toBe('no-store')
  const body = await readObject(response)
  expect(Object.keys(body)).toEqual(['error', 'error_description', 'invalid_fields'])
  expect(body.error).toBe('invalid_client_metadata')
  expect(body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
  const invalidFields: unknown = body.invalid_fields
  const reasons = Object.entries(invalidFields ?? {})
  expect(reasons.map(([field]) => field).sort()).toEqual([...fields].sort())
  for (const [, sentences] of reasons) {
    expect(sentences).toEqual(Array.from(new Set(sentences), () => expect.stringMatching(REASON)))
    expect(sentences).not.toEqual([])
  }
  expect(issuer.clients).toEqual([])
}

/** Rows of a table, with shortened titles for long values. */
function titled(rows: readonly (readonly [string, unknown])[]): [string, string, unknown][] {
  return rows.map(([name, value]) => [name, JSON.stringify(value).slice(0, 100), value])
}

describe('registration', () => {
  it('without members has the defaults', async () => {
    await expectRegistered(await register({}), DEFAULTS)
    expect(issuer.requests.registration.count).toBe(1)
    expect(issuer.clients).toEqual([
      {
        clientId: expect.stringMatching(UUID),
        clientSecret: expect.any(String),
        clientType: 'confidential',
        name: 'Unnamed client',
        grantTypes: ['authorization_code'],
        scopes: ['messaging.read', 'voice.read'],
        redirectUris: [],
        requirePkce: false,
        dpopBoundAccessTokens: false,
        verified: false,
        logoUri: undefined,
        policyUri: undefined,
        tosUri: undefined,
        createdAt: START,
        updatedAt: START,
      },
    ])
  })

  it('needs no body', async () => {
    await expectRegistered(await issuer.fetch(REGISTER, { method: 'POST' }), DEFAULTS)
    await expectRegistered(await sendBody('', 'application/json'), DEFAULTS)
    await expectRegistered(await sendBody('{}', 'Application/JSON; charset=utf-8'), DEFAULTS)
  })

  it('with all members returns them all, as the management operations do', async () => {
    const response = await register(EVERYTHING)
    await expectRegistered(response.clone(), EVERYTHING)
    const { client_id, client_secret } = await readObject(response)
    const shown = await manage(issuer, 'GET', `oauth_clients/${String(client_id)}`)
    expect(await readObject(shown)).toEqual({
      data: {
        record_type: 'oauth_client',
        client_id,
        name: EVERYTHING.client_name,
        org_id: expect.stringMatching(UUID),
        user_id: expect.stringMatching(UUID),
        client_type: 'confidential',
        require_pkce: false,
        created_at: new Date(START).toISOString(),
        updated_at: new Date(START).toISOString(),
        allowed_grant_types: EVERYTHING.grant_types,
        allowed_scopes: ['messaging.read', 'admin'],
        redirect_uris: EVERYTHING.redirect_uris,
        client_secret,
        logo_uri: EVERYTHING.logo_uri,
        policy_uri: EVERYTHING.policy_uri,
        tos_uri: EVERYTHING.tos_uri,
      },
    })
    expect(issuer.clients[0]?.verified).toBe(false)
  })

  it('of a public client returns no secret', async () => {
    const metadata = { token_endpoint_auth_method: 'none' }
    await expectRegistered(await register(metadata), { ...DEFAULTS, ...metadata }, false)
    expect(issuer.clients[0]).toMatchObject({ clientType: 'public', clientSecret: undefined })
  })

  it('creates a new client each time', async () => {
    const [one, two] = [await registerClient(issuer, {}), await registerClient(issuer, {})]
    expect(one.client_id).not.toBe(two.client_id)
    expect(one.client_secret).not.toBe(two.client_secret)
    expect(issuer.clients).toHaveLength(2)
  })

  it('returns its time in seconds', async () => {
    now = START + 999
    await expectRegistered(await register({}), DEFAULTS)
  })

  it('accepts POST only', async () => {
    for (const method of ['GET', 'PUT', 'DELETE'])
      expect((await issuer.fetch(REGISTER, { method })).status).toBe(404)
  })
})

describe('a member', () => {
  const OF_URLS = ['logo_uri', 'policy_uri', 'tos_uri']
  const URLS = [
    'https://app.example.com',
    'https://app.example.com:8443/a?b=c&d=%20#e',
    'http://app.example.com/',
    'http://127.0.0.1:8080/x',
    'http://[::1]/x',
    'HTTPS://APP.example.com/x',
  ]

  it.each(
    titled([
      ['client_name', 'A'],
      ['client_name', 'Ünïcödé 電話 👋🏽'],
      ['client_name', '</title><script>alert(1)</script>'],
      ['client_name', 'x'.repeat(200)],
      ['redirect_uris', []],
      ['redirect_uris', [CALLBACK, CALLBACK]],
      ['redirect_uris', ['https://app.example.com']],
      ['redirect_uris', ['https://app.example.com:8443/a/b?c=d&e=%20']],
      [
        'redirect_uris',
        ['http://app.example.com/callback', 'http://my_app:3000/', 'https://app.example.com./'],
      ],
      [
        'redirect_uris',
        [`https://${'a'.repeat(63)}.example.com/`, `https://${'a.'.repeat(120)}example.com/`],
      ],
      ['redirect_uris', ['http://127.0.0.1/', 'http://localhost:1/', 'http://[::1]:65535/']],
      [
        'redirect_uris',
        ['com.example.app:/callback', 'com.example.app://callback/x', 'cursor://anysphere/cb'],
      ],
      ['redirect_uris', Array.from({ length: 100 }, (_, index) => `https://app.example.com/${index}`)],
      ['grant_types', []],
      ['grant_types', ['client_credentials']],
      ['grant_types', ['authorization_code', 'refresh_token', 'client_credentials']],
      ['response_types', []],
      ['response_types', ['code']],
      ['token_endpoint_auth_method', 'client_secret_basic'],
      ['token_endpoint_auth_method', 'client_secret_post'],
      ['scope', 'messaging.read'],
      ['scope', 'messaging.read voice.read'],
      ['scope', 'unknown <b> urn:x:y !#[]~'],
      ...OF_URLS.flatMap((name) => URLS.map((url) => [name, url] as const)),
    ]),
  )('%s can be %s', async (name, _, value) => {
    await expectRegistered(await register({ [name]: value }), { ...DEFAULTS, [name]: value })
  })

  // Gemini CLI and others join an empty list of scopes. A scope cannot be empty (RFC 6749 §3.3).
  it('scope can be empty, and counts as missing', async () => {
    await expectRegistered(await register({ scope: '' }), DEFAULTS)
    expect(issuer.clients).toMatchObject([{ scopes: ['messaging.read', 'voice.read'] }])
  })

  const NO_TEXT = [null, 1, true, {}, ['x']]
  const NO_URLS = [
    ...NO_TEXT,
    '',
    ' ',
    'app.example.com',
    '/path',
    '//app.example.com/x',
    'https:',
    'https://',
    'https://app.example.com/ x',
    ' https://app.example.com/',
    'https://app.example.com/\n',
    'https://app.example.com/\0',
    'https://app.example.com/é',
    'https://é.example.com/',
    'https://user@app.example.com/',
    'https://user:password@app.example.com/',
    'https://*.example.com/',
    'https://a;b.example.com/',
    "https://a'b.example.com/",
    'https://app.example.com:65536/',
    'https://[::1/',
    'https://app.example.com, https://evil.example',
    'javascript:alert(1)',
    'JavaScript:alert(1)',
    'java\tscript:alert(1)',
    ' javascript:alert(1)',
    '\u0001javascript:alert(1)',
    'javascript://app.example.com/%0aalert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:msgbox(1)',
    'file:///etc/passwd',
    'blob:https://app.example.com/1',
    'about:blank',
    'view-source:https://app.example.com/',
    'filesystem:https://app.example.com/x',
    'ftp://app.example.com/',
    'ws://app.example.com/',
    'mailto:a@example.com',
    `https://app.example.com/${'x'.repeat(2000)}`,
    // URL parsers repair these in different ways; browsers treat some as relative.
    'https:app.example.com/callback',
    'https:/app.example.com/callback',
    'https:///app.example.com/callback',
    'https:\\\\app.example.com\\callback',
    'https://app.example.com\\@evil.example/callback',
    'https://@app.example.com/callback',
    'https://:@app.example.com/callback',
    // Other spellings of 127.0.0.1.
    'http://127.1/callback',
    'http://2130706433/callback',
    'http://0x7f.0.0.1/callback',
    // RFC 1035 §2.3.4, and RFC 1034 §3.1: only the root label is empty.
    'https://app..example.com/callback',
    'https://.example.com/callback',
    `https://${'a'.repeat(64)}.example.com/callback`,
    `https://${'a.'.repeat(130)}example.com/callback`,
  ]
  const REDIRECT_ONLY = [
    `${CALLBACK}#`,
    `${CALLBACK}#x`,
    'com.example.app:/callback#x',
    'com.example.app:\\callback',
    'com.example.app://user@host/callback',
    'com.example.app://:password@host/callback',
    'com.example.app://ho*st/callback',
  ]
  const LINK_ONLY = ['com.example.app:/x', 'tel:+15550100', 'httpsx://app.example.com/']
  const NO_SCOPES = [
    ...NO_TEXT,
    ' ',
    'a  b',
    ' a',
    'a ',
    'a\tb',
    'a\nb',
    'a"b',
    'a\\b',
    'é',
    'a\0',
    'x'.repeat(10_001),
  ]

  it.each(
    titled([
      ...[...NO_TEXT, '', 'x'.repeat(201), 'a\nb', 'a\rb', 'a\0b', 'a\u007fb', 'a\u0085b'].map(
        (value) => ['client_name', value] as const,
      ),
      ...[...NO_URLS, ...REDIRECT_ONLY].map((uri) => ['redirect_uris', [CALLBACK, uri]] as const),
      ...[null, CALLBACK, { 0: CALLBACK }, 1, Array(101).fill(CALLBACK)].map(
        (value) => ['redirect_uris', value] as const,
      ),
      ...[
        null,
        'authorization_code',
        ['implicit'],
        ['password'],
        ['authorization_code', 'x'],
        [null],
        [''],
      ].map((value) => ['grant_types', value] as const),
      ...[['constructor'], ['Authorization_Code'], ['authorization_code refresh_token']].map(
        (value) => ['grant_types', value] as const,
      ),
      ...[null, 'code', ['token'], ['code', 'token'], ['code id_token'], [1], ['CODE']].map(
        (value) => ['response_types', value] as const,
      ),
      ...[null, '', 'private_key_jwt', 'client_secret_jwt', 'NONE', ['none'], 1, 'constructor'].map(
        (value) => ['token_endpoint_auth_method', value] as const,
      ),
      ...NO_SCOPES.map((value) => ['scope', value] as const),
      ...OF_URLS.flatMap((name) => [...NO_URLS, ...LINK_ONLY].map((url) => [name, url] as const)),
    ]),
  )('%s cannot be %s', async (name, _, value) => {
    await expectInvalid(await register({ ...EVERYTHING, [name]: value }), [name])
  })

  // RFC 7591 §2: a server ignores unknown members.
  it.each(
    titled([
      // Members of RFC 7591 that Telnyx does not document.
      ['client_uri', 'https://app.example.com'],
      ['contacts', ['ops@example.com']],
      ['jwks', { keys: [] }],
      ['jwks_uri', 'https://app.example.com/jwks'],
      ['software_id', '4NRB1-0XZABZI9E6-5SM3R'],
      ['software_version', '1.2.3'],
      ['software_statement', 'a.b.c'],
      ['client_name#ja-Jpan-JP', '\u30af\u30e9\u30a4\u30a2\u30f3\u30c8'],
      // Members of other specifications: OpenID Connect, RFC 8705, RFC 9101, RFC 9126, RFC 9449.
      ['application_type', 'native'],
      ['id_token_signed_response_alg', 'RS256'],
      ['tls_client_auth_subject_dn', 'CN=app'],
      ['tls_client_certificate_bound_access_tokens', true],
      ['require_signed_request_object', false],
      ['require_pushed_authorization_requests', false],
      ['dpop_bound_access_tokens', true],
      ['dpop_bound_access_tokens', 'yes'],
      // Values of any kind.
      ['unknown', null],
      ['unknown', { client_name: 'x' }],
      ['', 'x'],
      // Members of the response and of the management operations: a client cannot set them.
      ['client_id', 'mine'],
      ['client_secret', 'mine'],
      ['client_secret_expires_at', 1],
      ['client_id_issued_at', 1],
      ['require_pkce', true],
      ['verified', true],
      // Other spellings of known members.
      ['name', 'x'],
      ['Scope', 'x'],
      ['scope ', 'x'],
      // Names that objects inherit.
      ['constructor', { client_name: 'x' }],
      ['toString', 'x'],
      ['hasOwnProperty', 'x'],
    ]),
  )('%s is not documented, and is ignored: %s', async (name, _, value) => {
    await expectRegistered(await register({ ...EVERYTHING, [name]: value }), EVERYTHING)
    expect(issuer.clients).toMatchObject([
      { name: EVERYTHING.client_name, requirePkce: false, dpopBoundAccessTokens: false, verified: false },
    ])
  })

  it('__proto__ is ignored, and sets no members', async () => {
    const response = await sendBody('{"__proto__":{"client_name":"x"}}', 'application/json')
    await expectRegistered(response, DEFAULTS)
    expect(issuer.clients).toMatchObject([{ name: 'Unnamed client' }])
  })

  it('is named if it is invalid, with all other invalid ones', async () => {
    const document = { client_name: 1, redirect_uris: ['x', 1, ''], scope: ' ', nope: 1, grant_types: ['x'] }
    await expectInvalid(await register(document), ['client_name', 'redirect_uris', 'scope', 'grant_types'])
  })

  it('has each reason once, in fixed sentences', async () => {
    const response = await register({ redirect_uris: ['<1>', '<2>'], client_name: '' })
    expect((await readObject(response)).invalid_fields).toEqual({
      client_name: ['must not be empty'],
      redirect_uris: ['must be an absolute URI without fragment, of a scheme that leads to the client'],
    })
  })
})

describe('a body', () => {
  it.each(['{', 'null', '[]', '[{}]', '"text"', '7', ' ', '{} {}'])('%s is refused', async (body) => {
    const response = await sendBody(body, 'application/json')
    expect(response.status).toBe(400)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await readObject(response)).toEqual({
      error: 'invalid_client_metadata',
      error_description: expect.any(String),
    })
    expect(issuer.clients).toEqual([])
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'text/json'])(
    'with the content type %s is refused',
    async (contentType) => {
      expect((await sendBody('{}', contentType)).status).toBe(400)
      expect(issuer.clients).toEqual([])
    },
  )

  it('that is too long is refused', async () => {
    expect((await register({ client_name: 'x'.repeat(65_536) })).status).toBe(413)
    expect(issuer.clients).toEqual([])
  })
})

describe('a registered client', () => {
  beforeEach(async () => {
    issuer = await createMockIssuer({ algorithm: 'ES256', clients: [] })
  })

  async function registered(metadata: Readonly<Record<string, unknown>>) {
    const client = await registerClient(issuer, metadata)
    const clientId = textOf(client, 'client_id')
    const secret = client.client_secret === undefined ? '' : textOf(client, 'client_secret')
    return { clientId, secret, basic: { authorization: basicCredentials(clientId, secret) } }
  }

  function requestOf(clientId: string): Record<string, string> {
    return { response_type: 'code', client_id: clientId, redirect_uri: CALLBACK }
  }

  async function errorOf(response: Response): Promise<unknown> {
    return [response.status, (await readObject(response)).error]
  }

  it('can use codes, and by default nothing else', async () => {
    const { clientId, basic } = await registered({ redirect_uris: [CALLBACK] })
    const code = await obtainCode(issuer, { ...requestOf(clientId), scope: 'ai.read' }, { subject: 'user-1' })
    const fields = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK }
    const tokens = await readObject(await requestToken(issuer, fields, basic))
    expect(tokens).not.toHaveProperty('refresh_token')
    const verifier = createVerifier({ audience: AUDIENCE, fetch: issuer.fetch, profile: 'rfc9068' })
    expect(await verifier.verify(textOf(tokens, 'access_token'))).toMatchObject({
      subject: 'user-1',
      clientId,
      scopes: ['ai.read'],
      audience: [AUDIENCE],
    })
    const others = [{ grant_type: 'client_credentials' }, { grant_type: 'refresh_token', refresh_token: 'x' }]
    for (const other of others)
      expect(await errorOf(await requestToken(issuer, other, basic))).toEqual([400, 'unauthorized_client'])
  })

  it.each(['client_secret_basic', 'client_secret_post'])(
    'with %s can use all its grant types',
    async (method) => {
      const { clientId, secret, basic } = await registered({
        ...EVERYTHING,
        token_endpoint_auth_method: method,
      })
      const inBody = { client_id: clientId, client_secret: secret }
      const [headers, body] = method === 'client_secret_basic' ? [basic, {}] : [{}, inBody]
      const code = await obtainCode(issuer, requestOf(clientId))
      const fields = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, ...body }
      const tokens = await readObject(await requestToken(issuer, fields, headers))
      expect(tokens.scope).toBe(EVERYTHING.scope)
      const again = { grant_type: 'refresh_token', refresh_token: textOf(tokens, 'refresh_token'), ...body }
      expect(await readObject(await requestToken(issuer, again, headers))).toMatchObject({
        scope: EVERYTHING.scope,
      })
      const own = { grant_type: 'client_credentials', ...body }
      const granted = await readObject(await requestToken(issuer, own, headers))
      const verifier = createVerifier({ audience: AUDIENCE, fetch: issuer.fetch, profile: 'rfc9068' })
      expect(await verifier.verify(textOf(granted, 'access_token'))).toMatchObject({
        subject: clientId,
        clientId,
        scopes: ['messaging.read', 'admin'],
      })
      // It may introspect tokens as well.
      const introspection = { token: textOf(granted, 'access_token'), ...body }
      const asked = await postForm(issuer.fetch, `${BASE}/v2/oauth/introspect`, introspection, headers)
      expect(await readObject(asked)).toMatchObject({ active: true, client_id: clientId })
    },
  )

  it('needs its secret', async () => {
    const { clientId, secret } = await registered({ ...EVERYTHING })
    for (const wrong of ['', 'x', secret.toLowerCase(), `${secret} `, 'undefined', 'null']) {
      const fields = { grant_type: 'client_credentials', client_id: clientId, client_secret: wrong }
      expect(await errorOf(await requestToken(issuer, fields))).toEqual([401, 'invalid_client'])
    }
    const fields = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret }
    expect((await requestToken(issuer, fields)).status).toBe(200)
  })

  it('that is public must use PKCE, cannot introspect tokens, and cannot use client credentials', async () => {
    const { clientId } = await registered({ ...EVERYTHING, token_endpoint_auth_method: 'none' })
    const refused = await requestAuthorization(issuer, requestOf(clientId))
    expect(refused.status).toBe(302)
    expect(refused.headers.get('location')).toContain('?error=invalid_request&')
    const { verifier: codeVerifier, challenge } = createPkcePair()
    const code = await obtainCode(issuer, { ...requestOf(clientId), ...challenge })
    const fields = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, client_id: clientId }
    const tokens = await readObject(await requestToken(issuer, { ...fields, code_verifier: codeVerifier }))
    const again = { grant_type: 'refresh_token', refresh_token: textOf(tokens, 'refresh_token') }
    expect((await requestToken(issuer, { ...again, client_id: clientId })).status).toBe(200)
    const own = { grant_type: 'client_credentials', client_id: clientId }
    expect(await errorOf(await requestToken(issuer, own))).toEqual([400, 'unauthorized_client'])
    const introspection = { token: textOf(tokens, 'access_token'), client_id: clientId }
    const asked = await postForm(issuer.fetch, `${BASE}/v2/oauth/introspect`, introspection)
    expect(await errorOf(asked)).toEqual([401, 'invalid_client'])
  })

  it('gets redirects only at its redirect URIs', async () => {
    const { clientId } = await registered({ redirect_uris: [CALLBACK] })
    expect((await requestAuthorization(issuer, requestOf(clientId))).status).toBe(200)
    const elsewhere = { ...requestOf(clientId), redirect_uri: 'http://127.0.0.1/callback' }
    expect((await requestAuthorization(issuer, elsewhere)).status).toBe(422)
    const nowhere = await registered({})
    expect((await requestAuthorization(issuer, requestOf(nowhere.clientId))).status).toBe(422)
  })

  it('gets the scopes that it registered, or all if it registered none', async () => {
    const some = await registered({ redirect_uris: [CALLBACK], scope: 'ai.read' })
    const refused = await requestAuthorization(issuer, { ...requestOf(some.clientId), scope: 'ai.write' })
    expect(refused.headers.get('location')).toContain('error=invalid_scope')
    const all = await registered({ redirect_uris: [CALLBACK] })
    const granted = await requestAuthorization(issuer, { ...requestOf(all.clientId), scope: 'ai.write' })
    expect(granted.status).toBe(200)
    expect(issuer.clients.map(({ scopes }) => scopes.length)).toEqual([1, 26])
  })

  it('without grant types can get no token', async () => {
    const { clientId, basic } = await registered({ redirect_uris: [CALLBACK], grant_types: [] })
    const refused = await requestAuthorization(issuer, requestOf(clientId))
    expect(refused.headers.get('location')).toContain('error=unauthorized_client')
    const own = { grant_type: 'client_credentials' }
    expect(await errorOf(await requestToken(issuer, own, basic))).toEqual([400, 'unauthorized_client'])
  })

  it('is unknown after it was deleted', async () => {
    const { clientId, basic } = await registered({ ...EVERYTHING })
    expect((await manage(issuer, 'DELETE', `oauth_clients/${clientId}`)).status).toBe(204)
    expect((await requestAuthorization(issuer, requestOf(clientId))).status).toBe(404)
    const own = { grant_type: 'client_credentials' }
    expect(await errorOf(await requestToken(issuer, own, basic))).toEqual([401, 'invalid_client'])
  })
})

describe('registered clients', () => {
  it('are ten thousand at most: one more evicts the oldest, but never one of the options', () => {
    const metadata: Registration = {
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    }
    const clients = new Clients([{ clientId: 'seeded' }], ['messaging.read'], () => START)
    const first = clients.register(metadata)
    const second = clients.register(metadata)
    for (let more = 2; more < 10_000; more++) clients.register(metadata)
    // An update does not make a client newer.
    const changed = clients.update(first, { name: 'Changed' })
    clients.update(clients.get('seeded') ?? first, { name: 'Seeded' })
    expect(clients.get(first.clientId)).toBe(changed)
    const last = clients.register(metadata)
    expect(clients.get(first.clientId)).toBeUndefined()
    expect(clients.get(second.clientId)).toBe(second)
    expect(clients.get(last.clientId)).toBe(last)
    expect(clients.get('seeded')?.name).toBe('Seeded')
    expect(clients.list()).toHaveLength(10_001)
    expect(clients.list()[0]?.clientId).toBe('seeded')
  })
})
