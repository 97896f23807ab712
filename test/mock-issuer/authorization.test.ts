import { createMockIssuer, type MockIssuer, type MockIssuerOptions } from '@telnyx-auth/mock-issuer'
import { beforeEach, describe, expect, it } from 'vitest'
import { Authorization } from '../../packages/mock-issuer/src/state/authorization.js'
import { Clients } from '../../packages/mock-issuer/src/state/clients.js'
import { Grants } from '../../packages/mock-issuer/src/state/grants.js'
import {
  authorizationUrl,
  createPkcePair,
  manage,
  openConsentPage,
  readRedirect,
  requestAuthorization,
} from '../support/authorization-flow.js'
import { postForm, postJson, readObject, rejectionOf, textOf } from '../support/oauth-requests.js'
import { thrownBy } from '../support/outcome.js'

const BASE = 'https://api.telnyx.com'
const CONSENT = `${BASE}/v2/oauth/consent`
const GRANTS = `${BASE}/v2/oauth/grants`
const CALLBACK = 'https://app.example.com/callback'
const SCOPES = ['messaging.read', 'messaging.write']
const START = 1_800_000_000_000
const MINUTE = 60_000

const WEB = {
  clientId: 'web',
  clientSecret: 's3cret',
  name: 'Web app',
  scopes: SCOPES,
  redirectUris: [CALLBACK, 'https://app.example.com/with?query=1', 'https://app.example.com/Case/'],
}
const NATIVE = {
  clientId: 'native',
  clientType: 'public',
  scopes: SCOPES,
  redirectUris: [
    'http://127.0.0.1/callback',
    'http://[::1]/callback',
    'http://localhost:8080/callback',
    'com.example.app:/callback',
    'https://127.0.0.1/callback',
  ],
} as const
const STRICT = { clientId: 'strict', requirePkce: true, redirectUris: [CALLBACK] }
const MACHINE = { clientId: 'machine', grantTypes: ['client_credentials'], redirectUris: [CALLBACK] } as const

const PKCE = createPkcePair().challenge
const REQUEST = { response_type: 'code', client_id: 'web', redirect_uri: CALLBACK }
const NATIVE_REQUEST = {
  response_type: 'code',
  client_id: 'native',
  redirect_uri: 'http://127.0.0.1/callback',
  ...PKCE,
}

let now = START
let issuer: MockIssuer
beforeEach(async () => {
  now = START
  issuer = await open()
})

function open(options: MockIssuerOptions = {}): Promise<MockIssuer> {
  return createMockIssuer({
    algorithm: 'ES256',
    clients: [WEB, NATIVE, STRICT, MACHINE],
    now: () => now,
    ...options,
  })
}

/** An error page for the user, without a redirect. */
async function expectErrorPage(response: Response, status: number): Promise<void> {
  expect(response.status).toBe(status)
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.has('location')).toBe(false)
  expect(await response.text()).toContain('<h1>This sign-in cannot go on</h1>')
}

async function expectRefusal(
  response: Response,
  status: number,
  error: string,
  invalidFields?: Record<string, string[]>,
): Promise<void> {
  expect(response.status).toBe(status)
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer realm="api"' : null)
  expect(await readObject(response)).toEqual({
    error,
    error_description: expect.stringMatching(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/),
    ...(invalidFields && { invalid_fields: invalidFields }),
  })
}

/** A redirect to the client with an error (RFC 6749 §4.1.2.1). */
function expectErrorRedirect(response: Response, error: string, state?: string): void {
  expect(response.status).toBe(302)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(readRedirect(response.headers.get('location')).parameters).toEqual({
    error,
    error_description: expect.stringMatching(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/),
    ...(state !== undefined && { state }),
  })
}

function decide(consentToken: string, allowed = true): Promise<Response> {
  return manage(issuer, 'POST', 'oauth/grants', { allowed, consent_token: consentToken })
}

function showConsent(consentToken: string): Promise<Response> {
  return manage(issuer, 'GET', `oauth/consent/${consentToken}`)
}

function sendForm(fields: Parameters<typeof postForm>[2]): Promise<Response> {
  return postForm((url, init) => issuer.fetch(url, { ...init, redirect: 'manual' }), CONSENT, fields)
}

async function decisionOf(response: Response): Promise<ReturnType<typeof readRedirect>> {
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  expect(response.headers.get('cache-control')).toBe('no-store')
  const body = await readObject(response)
  expect(Object.keys(body)).toEqual(['redirect_uri'])
  return readRedirect(textOf(body, 'redirect_uri'))
}

describe('authorization endpoint', () => {
  it('answers a valid request with the consent page, and counts it', async () => {
    const response = await requestAuthorization(issuer, { ...REQUEST, state: 'xyz', scope: 'messaging.read' })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.text()).toContain('<form method="post" action="/v2/oauth/consent">')
    expect(issuer.requests.authorize.count).toBe(1)
    expect(issuer.grants).toEqual([])
  })

  it('gives each request its own random consent token', async () => {
    const first = await openConsentPage(issuer, REQUEST)
    const second = await openConsentPage(issuer, REQUEST)
    expect(first.consentToken).toMatch(/^[\w-]{43}$/)
    expect(second.consentToken).not.toBe(first.consentToken)
    expect(await decisionOf(await decide(first.consentToken))).toMatchObject({ to: CALLBACK })
    expect(await decisionOf(await decide(second.consentToken))).toMatchObject({ to: CALLBACK })
  })

  // RFC 6749 §3.1: unknown parameters are ignored. Some of these are sent by common clients.
  it.each([
    'nonce=n-0S6_WzA2Mj',
    'prompt=',
    'prompt=consent',
    'audience=https://api.example.com',
    'access_type=offline',
    'response_mode=query',
    'login_hint=user@example.com',
    'authorization_details=[{"type":"x"}]',
    'dpop_jkt=NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
    '__proto__=x',
    'audience=urn:a&audience=urn:b',
    '__proto__=1&__proto__=',
  ])('ignores %s', async (unknown) => {
    const fields = [...Object.entries(REQUEST), ...new URLSearchParams(unknown)]
    expect((await requestAuthorization(issuer, fields)).status).toBe(200)
  })

  it('accepts GET only', async () => {
    const response = await postForm(issuer.fetch, `${BASE}/v2/oauth/authorize`, REQUEST)
    expect(response.status).toBe(404)
  })

  it.each([
    ['no client', 400, { response_type: 'code', redirect_uri: CALLBACK }],
    ['an empty client', 400, { ...REQUEST, client_id: '' }],
    ['no parameters', 400, {}],
    ['no redirect URI', 400, { response_type: 'code', client_id: 'web' }],
    ['an empty redirect URI', 400, { ...REQUEST, redirect_uri: '' }],
    ['an unknown client', 404, { ...REQUEST, client_id: 'unknown' }],
    ['an unknown client and no redirect URI', 404, { response_type: 'code', client_id: 'unknown' }],
    ['a client in another case', 404, { ...REQUEST, client_id: 'WEB' }],
    ['a client with a space', 404, { ...REQUEST, client_id: 'web ' }],
    ['__proto__ as its client', 404, { ...REQUEST, client_id: '__proto__' }],
    ['the name of an inherited member as its client', 404, { ...REQUEST, client_id: 'constructor' }],
  ])('shows the user an error page for %s', async (_, status, fields) => {
    await expectErrorPage(await requestAuthorization(issuer, fields), status)
  })

  it.each([
    ['response_type', 'code'],
    ['client_id', 'web'],
    ['redirect_uri', CALLBACK],
    ['scope', 'messaging.read'],
    ['state', 'xyz'],
    ['code_challenge', PKCE.code_challenge],
    ['code_challenge_method', 'S256'],
  ])('shows the user an error page for a repeated %s, even with an empty value', async (name, value) => {
    const others = Object.entries(REQUEST).filter(([other]) => other !== name)
    const once = await requestAuthorization(issuer, [...others, [name, value]])
    expect(once.status).not.toBe(400)
    for (const again of [value, ''])
      await expectErrorPage(
        await requestAuthorization(issuer, [...others, [name, value], [name, again]]),
        400,
      )
  })

  describe('redirect URI', () => {
    it.each(WEB.redirectUris)('%s is accepted as registered', async (redirectUri) => {
      const request = { ...REQUEST, redirect_uri: redirectUri }
      expect((await requestAuthorization(issuer, request)).status).toBe(200)
      const location = await issuer.authorize(authorizationUrl({ ...request, state: 's' }))
      expect(location.startsWith(redirectUri + (redirectUri.includes('?') ? '&' : '?'))).toBe(true)
    })

    it.each([
      ['another host', 'https://evil.example/callback'],
      ['a longer host', 'https://app.example.com.evil.example/callback'],
      ['a shorter path', 'https://app.example.com/'],
      ['a longer path', 'https://app.example.com/callback/more'],
      ['an additional slash', 'https://app.example.com/callback/'],
      ['a missing slash', 'https://app.example.com/Case'],
      ['a path in another case', 'https://app.example.com/Callback'],
      ['a host in another case', 'https://APP.example.com/callback'],
      ['a scheme in another case', 'HTTPS://app.example.com/callback'],
      ['an encoded letter', 'https://app.example.com/%63allback'],
      ['the default port', 'https://app.example.com:443/callback'],
      ['another port', 'https://app.example.com:8443/callback'],
      ['a dot segment', 'https://app.example.com/x/../callback'],
      ['a dot segment at the end', 'https://app.example.com/callback/../x'],
      ['an additional query', 'https://app.example.com/callback?x=1'],
      ['a missing query', 'https://app.example.com/with'],
      ['an empty query', 'https://app.example.com/callback?'],
      ['a fragment', 'https://app.example.com/callback#x'],
      ['credentials', 'https://app.example.com@evil.example/callback'],
      ['a backslash', 'https://app.example.com\\callback'],
      ['another scheme', 'http://app.example.com/callback'],
      ['a space before it', ' https://app.example.com/callback'],
      ['a line break after it', 'https://app.example.com/callback\n'],
      ['a NUL after it', 'https://app.example.com/callback\0'],
      ['two URIs', `${CALLBACK} ${CALLBACK}`],
      ['a relative one', '/callback'],
      ['that of another client', 'com.example.app:/callback'],
      ['a script', 'javascript:alert(1)'],
      ['the name of an inherited member', 'constructor'],
    ])('with %s is refused, and the user is not redirected', async (_, redirectUri) => {
      await expectErrorPage(
        await requestAuthorization(issuer, { ...REQUEST, redirect_uri: redirectUri }),
        422,
      )
    })

    // RFC 8252 §7.3 and §8.3
    it.each([
      'http://127.0.0.1/callback',
      'http://127.0.0.1:1/callback',
      'http://127.0.0.1:65535/callback',
      'http://[::1]:4321/callback',
      'http://localhost/callback',
      'http://localhost:8080/callback',
      'http://localhost:9090/callback',
    ])('%s is on this machine, so any port is accepted', async (redirectUri) => {
      const request = { ...NATIVE_REQUEST, redirect_uri: redirectUri }
      expect((await requestAuthorization(issuer, request)).status).toBe(200)
      const location = await issuer.authorize(authorizationUrl(request))
      expect(location.startsWith(`${redirectUri}?code=`)).toBe(true)
    })

    it.each([
      'http://127.0.0.1:80@evil.example/callback',
      'http://127.0.0.1@evil.example/callback',
      'http://127.0.0.1:1:2/callback',
      'http://127.0.0.1:/callback',
      'http://127.0.0.1:8o/callback',
      'http://127.0.0.1:-1/callback',
      'http://127.0.0.1: 1/callback',
      'http://127.0.0.1:1\\callback',
      'http://127.0.0.1.evil.example/callback',
      'http://127.0.0.2/callback',
      'http://127.1/callback',
      'http://0x7f.0.0.1/callback',
      'http://2130706433/callback',
      'http://localhost.evil.example/callback',
      'http://localhost./callback',
      'http://notlocalhost/callback',
      'http://LOCALHOST:8080/callback',
      'HTTP://localhost:8080/callback',
      'http://[::1]evil.example/callback',
      'http://[0:0:0:0:0:0:0:1]/callback',
      'http://[::ffff:127.0.0.1]/callback',
      'http://::1/callback',
      'http://127.0.0.1:1/callback/../x',
      'http://127.0.0.1:1/callback/',
      'http://127.0.0.1:1/Callback',
      'http://127.0.0.1:1/%63allback',
      'http://127.0.0.1:1/callback?x',
      'http://127.0.0.1:1/callback#x',
      'http://127.0.0.1:1',
      'http://127.0.0.1:1//callback',
      'http://127.0.0.1:1/callback\r\nx',
      '\nhttp://127.0.0.1:1/callback',
      'https://127.0.0.1:8443/callback',
      'https://localhost/callback',
      'com.example.app:1/callback',
      'com.example.app://callback',
      'COM.EXAMPLE.APP:/callback',
    ])('%j looks like this machine, but is not', async (redirectUri) => {
      const request = { ...NATIVE_REQUEST, redirect_uri: redirectUri }
      await expectErrorPage(await requestAuthorization(issuer, request), 422)
      expect(await rejectionOf(issuer.authorize(authorizationUrl(request)))).toBeInstanceOf(Error)
    })

    it.each(['http://127.0.0.1:65536/callback', 'http://127.0.0.1:99999999999999999999/callback'])(
      '%s has a port that does not exist, and is refused',
      async (redirectUri) => {
        const request = { ...NATIVE_REQUEST, redirect_uri: redirectUri }
        await expectErrorPage(await requestAuthorization(issuer, request), 422)
        await expectErrorPage(await requestAuthorization(issuer, { ...request, scope: 'nope' }), 422)
      },
    )

    it('is refused for a client without redirect URIs', async () => {
      const other = await open({ clients: [{ clientId: 'web', redirectUris: [] }] })
      await expectErrorPage(await requestAuthorization(other, REQUEST), 422)
    })

    it('is refused after it was replaced by the owner', async () => {
      const update = { redirect_uris: ['https://new.example.com/callback'] }
      expect((await manage(issuer, 'PUT', 'oauth_clients/web', update)).status).toBe(200)
      await expectErrorPage(await requestAuthorization(issuer, REQUEST), 422)
      const request = { ...REQUEST, redirect_uri: 'https://new.example.com/callback' }
      expect((await requestAuthorization(issuer, request)).status).toBe(200)
    })
  })

  describe('redirects to the client with an error for', () => {
    it.each([
      ['no response type', 'invalid_request', { response_type: '' }],
      ['the implicit grant', 'unsupported_response_type', { response_type: 'token' }],
      ['a hybrid response type', 'unsupported_response_type', { response_type: 'code id_token' }],
      ['a response type in another case', 'unsupported_response_type', { response_type: 'CODE' }],
      ['the name of an inherited member', 'unsupported_response_type', { response_type: 'constructor' }],
      ['a client that may not use codes', 'unauthorized_client', { client_id: 'machine' }],
      ['an unknown scope', 'invalid_scope', { scope: 'nope' }],
      ['a scope of the issuer, not of the client', 'invalid_scope', { scope: 'voice.read' }],
      ['one valid and one unknown scope', 'invalid_scope', { scope: 'messaging.read nope' }],
      ['two spaces between scopes', 'invalid_scope', { scope: 'messaging.read  messaging.write' }],
      ['a scope that is a space', 'invalid_scope', { scope: ' ' }],
      ['a scope in another case', 'invalid_scope', { scope: 'Messaging.Read' }],
      ['__proto__ as a scope', 'invalid_scope', { scope: '__proto__' }],
      ['a relative resource', 'invalid_target', { resource: '/mcp' }],
      ['a resource that is a word', 'invalid_target', { resource: 'api' }],
      ['a resource with a fragment', 'invalid_target', { resource: 'https://api.example.com/#x' }],
      ['a resource with an empty fragment', 'invalid_target', { resource: 'https://api.example.com/#' }],
      ['a resource with a space', 'invalid_target', { resource: 'https://api.example.com/ x' }],
    ])('%s', async (_, error, fields) => {
      const request = { ...REQUEST, ...fields }
      const response = await requestAuthorization(issuer, { ...request, state: 'xyz' })
      expectErrorRedirect(response, error, 'xyz')
      expect(readRedirect(response.headers.get('location')).to).toBe(CALLBACK)
      // RFC 6749 §4.1.2.1: state only if the request had one.
      expectErrorRedirect(await requestAuthorization(issuer, request), error)
      expect(readRedirect(await issuer.authorize(authorizationUrl(request))).parameters.error).toBe(error)
      expect(issuer.grants).toEqual([])
    })

    it('one invalid resource among valid ones', async () => {
      const good: [string, string][] = [...Object.entries(REQUEST), ['resource', 'https://one.example.com']]
      expect((await requestAuthorization(issuer, good)).status).toBe(200)
      expectErrorRedirect(
        await requestAuthorization(issuer, [...good, ['resource', 'two']]),
        'invalid_target',
      )
    })

    it('a redirect URI with a query, which it keeps', async () => {
      const redirectUri = 'https://app.example.com/with?query=1'
      const response = await requestAuthorization(issuer, {
        ...REQUEST,
        redirect_uri: redirectUri,
        scope: 'nope',
      })
      expect(response.headers.get('location')).toMatch(/^https:\/\/app\.example\.com\/with\?query=1&error=/)
    })

    it('the redirect URI of an app, and a loopback URI with its port', async () => {
      for (const redirectUri of ['com.example.app:/callback', 'http://127.0.0.1:4321/callback']) {
        const request = { ...NATIVE_REQUEST, redirect_uri: redirectUri, scope: 'nope' }
        const response = await requestAuthorization(issuer, request)
        expectErrorRedirect(response, 'invalid_scope')
        expect(readRedirect(response.headers.get('location')).to).toBe(redirectUri)
      }
    })
  })

  describe('state', () => {
    it.each([
      ['plain', 'xyz'],
      ['of a space', ' '],
      ['with a line break', 'a\r\nSet-Cookie: a=b\r\n\r\n<script>'],
      ['with an encoded line break', 'a%0d%0aLocation:%20https://evil.example'],
      ['with a query', 'a&code=stolen&error=x=y?#z'],
      ['with markup', '"><script>alert(1)</script>'],
      ['beyond ASCII', 'zürich 🗝'],
      ['with a NUL', 'a\0b'],
      ['with pluses', 'a+b%2B'],
      ['that is long', 'x'.repeat(10_000)],
    ])('%s is returned unchanged', async (_, state) => {
      const failed = await requestAuthorization(issuer, { ...REQUEST, state, scope: 'nope' })
      expectErrorRedirect(failed, 'invalid_scope', state)
      expect([...failed.headers.keys()].sort()).toEqual(['cache-control', 'location'])
      expect(failed.headers.get('location')).toMatch(/^[\x21-\x7e]+$/)

      const { consentToken, page } = await openConsentPage(issuer, { ...REQUEST, state })
      expect(page).not.toContain('<script>')
      const { to, parameters } = await decisionOf(await decide(consentToken))
      expect(to).toBe(CALLBACK)
      expect(parameters).toEqual({ code: expect.any(String), state })

      const url = authorizationUrl({ ...REQUEST, state })
      expect(readRedirect(await issuer.authorize(url)).parameters.state).toBe(state)
      expect(readRedirect(await issuer.authorize(url, { allow: false })).parameters).toEqual({
        error: 'access_denied',
        state,
      })
    })

    it('is left out if it was empty or missing', async () => {
      for (const fields of [REQUEST, { ...REQUEST, state: '' }]) {
        const location = await issuer.authorize(authorizationUrl(fields))
        expect(Object.keys(readRedirect(location).parameters)).toEqual(['code'])
      }
    })
  })
})

describe('PKCE', () => {
  it.each([
    ['a public client', NATIVE_REQUEST],
    ['a client that must use it', { ...REQUEST, client_id: 'strict', ...PKCE }],
    ['a client that need not use it', { ...REQUEST, ...PKCE }],
    ['a client that does not use it and need not', REQUEST],
  ])('is accepted from %s', async (_, fields) => {
    expect((await requestAuthorization(issuer, fields)).status).toBe(200)
  })

  it.each([
    ['no challenge of a public client', { client_id: 'native', redirect_uri: 'http://127.0.0.1/callback' }],
    ['no challenge of a client that must use PKCE', { client_id: 'strict' }],
    [
      'an empty challenge of a client that must use PKCE',
      { client_id: 'strict', ...PKCE, code_challenge: '' },
    ],
    ['a method without challenge', { code_challenge_method: 'S256' }],
    [
      'a method without challenge of a client that must',
      { client_id: 'strict', code_challenge_method: 'S256' },
    ],
    // RFC 7636 §4.3: without a method, it is `plain`.
    ['a challenge without method', { code_challenge: PKCE.code_challenge }],
    ['a challenge with an empty method', { ...PKCE, code_challenge_method: '' }],
    ['the method plain', { ...PKCE, code_challenge_method: 'plain' }],
    ['the method in another case', { ...PKCE, code_challenge_method: 's256' }],
    ['an unknown method', { ...PKCE, code_challenge_method: 'S512' }],
    ['the name of an inherited member as method', { ...PKCE, code_challenge_method: 'constructor' }],
    ['a challenge that is too short', { ...PKCE, code_challenge: PKCE.code_challenge.slice(1) }],
    ['a challenge that is too long', { ...PKCE, code_challenge: `${PKCE.code_challenge}A` }],
    ['a challenge with padding', { ...PKCE, code_challenge: `${PKCE.code_challenge}=` }],
    ['a challenge in Base64', { ...PKCE, code_challenge: `+/${PKCE.code_challenge.slice(2)}` }],
    ['a challenge with a line break', { ...PKCE, code_challenge: `${PKCE.code_challenge}\n` }],
  ])('is refused with %s', async (_, fields) => {
    expectErrorRedirect(await requestAuthorization(issuer, { ...REQUEST, ...fields }), 'invalid_request')
  })

  it('is required as soon as the owner requires it', async () => {
    expect((await requestAuthorization(issuer, REQUEST)).status).toBe(200)
    expect((await manage(issuer, 'PUT', 'oauth_clients/web', { require_pkce: true })).status).toBe(200)
    expectErrorRedirect(await requestAuthorization(issuer, REQUEST), 'invalid_request')
    expect((await requestAuthorization(issuer, { ...REQUEST, ...PKCE })).status).toBe(200)
  })
})

describe('consent details', () => {
  it('have only the members that Telnyx documents', async () => {
    const { consentToken } = await openConsentPage(issuer, { ...REQUEST, state: 'secret state', ...PKCE })
    const response = await showConsent(consentToken)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await readObject(response)).toEqual({
      data: {
        client_id: 'web',
        name: 'Web app',
        logo_uri: null,
        policy_uri: null,
        tos_uri: null,
        redirect_uri: CALLBACK,
        requested_scopes: [
          {
            id: 'messaging.read',
            name: 'See messages',
            description: 'See your messages, without changing anything',
          },
          {
            id: 'messaging.write',
            name: 'Change messages',
            description: 'Create, change and delete your messages',
          },
        ],
        verified: false,
      },
    })
    expect(issuer.requests.consent.count).toBe(1)
  })

  it('show the metadata of the client and the requested scopes', async () => {
    const links = {
      logoUri: 'https://app.example.com/logo.png',
      policyUri: 'https://app.example.com/policy',
      tosUri: 'http://app.example.com/tos',
    }
    issuer = await open({
      clients: [
        { ...WEB, ...links, name: '<b>"Bob"</b>', verified: true, scopes: ['admin', 'a.b.write', 'ai.read'] },
      ],
    })
    const { consentToken } = await openConsentPage(issuer, { ...REQUEST, scope: 'a.b.write admin admin' })
    expect(await readObject(await showConsent(consentToken))).toEqual({
      data: {
        client_id: 'web',
        name: '<b>"Bob"</b>',
        logo_uri: links.logoUri,
        policy_uri: links.policyUri,
        tos_uri: links.tosUri,
        redirect_uri: CALLBACK,
        requested_scopes: [
          { id: 'a.b.write', name: 'a.b.write', description: 'Use the scope a.b.write' },
          { id: 'admin', name: 'admin', description: 'Use the scope admin' },
        ],
        verified: true,
      },
    })
  })

  it('describe each scope of Telnyx', async () => {
    issuer = await createMockIssuer({ algorithm: 'ES256' })
    const client = issuer.clients[0]
    const { consentToken } = await openConsentPage(issuer, {
      ...REQUEST,
      client_id: client?.clientId ?? '',
      redirect_uri: 'http://127.0.0.1/callback',
    })
    const { data } = await readObject(await showConsent(consentToken))
    const words = client?.scopes.map((id) => ({
      id,
      name: expect.stringMatching(id.endsWith('.read') ? /^See / : /^Change /),
      description: expect.stringMatching(/^(See|Create, change and delete) your /),
    }))
    expect(words).toHaveLength(26)
    expect(data).toMatchObject({ requested_scopes: words })
  })

  it('show the port of the request', async () => {
    const redirectUri = 'http://127.0.0.1:4321/callback'
    const { consentToken } = await openConsentPage(issuer, { ...NATIVE_REQUEST, redirect_uri: redirectUri })
    expect(await readObject(await showConsent(consentToken))).toMatchObject({
      data: { redirect_uri: redirectUri },
    })
  })

  it('can be read again, and the decision stays open', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    const first = await readObject(await showConsent(consentToken))
    expect(await readObject(await showConsent(consentToken))).toEqual(first)
    expect(await decisionOf(await decide(consentToken))).toMatchObject({ to: CALLBACK })
  })

  it('show the current state of the client', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    await manage(issuer, 'PUT', 'oauth_clients/web', { name: 'Renamed' })
    expect(await readObject(await showConsent(consentToken))).toMatchObject({ data: { name: 'Renamed' } })
  })

  it.each([
    ['none', {}],
    ['a wrong one', { authorization: 'Bearer KEY_wrong' }],
    ['one in another scheme', { authorization: 'Basic x' }],
    ['an empty one', { authorization: 'Bearer ' }],
  ])('require the API key: %s is refused, with a valid consent token or not', async (_, headers) => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    for (const token of [consentToken, 'unknown'])
      await expectRefusal(await issuer.fetch(`${CONSENT}/${token}`, { headers }), 401, 'invalid_token')
    expect((await showConsent(consentToken)).status).toBe(200)
  })

  it.each(['unknown', '__proto__', 'constructor', '%zz', 'a%2Fb', '%00'])(
    'of the token %s do not exist',
    async (token) => {
      await expectRefusal(await showConsent(token), 422, 'invalid_request')
    },
  )

  it('are gone after the user has allowed or denied', async () => {
    for (const allowed of [true, false]) {
      const { consentToken } = await openConsentPage(issuer, REQUEST)
      expect((await showConsent(consentToken)).status).toBe(200)
      await decide(consentToken, allowed)
      await expectRefusal(await showConsent(consentToken), 422, 'invalid_request')
    }
  })

  it('are gone after ten minutes', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    now += 10 * MINUTE - 1
    expect((await showConsent(consentToken)).status).toBe(200)
    now += 1
    await expectRefusal(await showConsent(consentToken), 422, 'invalid_request')
    await expectRefusal(await decide(consentToken), 422, 'invalid_request')
    await expectErrorPage(await sendForm({ consent_token: consentToken, decision: 'allow' }), 422)
  })

  it('are gone after the client was deleted', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    expect((await manage(issuer, 'DELETE', 'oauth_clients/web')).status).toBe(204)
    await expectRefusal(await showConsent(consentToken), 422, 'invalid_request')
    await expectRefusal(await decide(consentToken), 422, 'invalid_request')
    await expectErrorPage(await sendForm({ consent_token: consentToken, decision: 'allow' }), 422)
    await expectErrorPage(await requestAuthorization(issuer, REQUEST), 404)
  })

  it('are gone after the redirect URI was removed from the client', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    const kept = { redirect_uris: [CALLBACK, 'https://new.example.com/callback'] }
    expect((await manage(issuer, 'PUT', 'oauth_clients/web', kept)).status).toBe(200)
    expect((await showConsent(consentToken)).status).toBe(200)
    const replaced = { redirect_uris: ['https://new.example.com/callback'] }
    expect((await manage(issuer, 'PUT', 'oauth_clients/web', replaced)).status).toBe(200)
    await expectRefusal(await showConsent(consentToken), 422, 'invalid_request')
    await expectRefusal(await decide(consentToken), 422, 'invalid_request')
    await expectErrorPage(await sendForm({ consent_token: consentToken, decision: 'allow' }), 422)
    expect(issuer.grants).toEqual([])
  })

  it.each([
    ['the grant type', { allowed_grant_types: ['client_credentials'] }],
    ['all requested scopes', { allowed_scopes: ['voice.read'] }],
  ])('are gone after the client has lost %s', async (_, lost) => {
    const { consentToken } = await openConsentPage(issuer, { ...REQUEST, scope: 'messaging.read' })
    expect((await manage(issuer, 'PUT', 'oauth_clients/web', lost)).status).toBe(200)
    await expectRefusal(await showConsent(consentToken), 422, 'invalid_request')
    await expectRefusal(await decide(consentToken), 422, 'invalid_request')
    expect(issuer.grants).toEqual([])
  })

  it('are gone if the client must use PKCE now and the request had none', async () => {
    const without = await openConsentPage(issuer, REQUEST)
    const withPkce = await openConsentPage(issuer, { ...REQUEST, ...createPkcePair().challenge })
    expect((await manage(issuer, 'PUT', 'oauth_clients/web', { require_pkce: true })).status).toBe(200)
    await expectRefusal(await showConsent(without.consentToken), 422, 'invalid_request')
    expect((await showConsent(withPkce.consentToken)).status).toBe(200)
  })

  it('list only the scopes that the client still has', async () => {
    const scope = 'messaging.read messaging.write'
    const { consentToken } = await openConsentPage(issuer, { ...REQUEST, scope })
    await manage(issuer, 'PUT', 'oauth_clients/web', { allowed_scopes: ['messaging.read', 'voice.read'] })
    expect(await readObject(await showConsent(consentToken))).toMatchObject({
      data: { requested_scopes: [{ id: 'messaging.read' }] },
    })
    expect((await decide(consentToken)).status).toBe(200)
    expect(issuer.grants).toMatchObject([{ scopes: ['messaging.read'] }])
  })
})

describe('decision by the API', () => {
  it('to allow creates a code and a grant', async () => {
    const { consentToken } = await openConsentPage(issuer, {
      ...REQUEST,
      state: 's',
      scope: 'messaging.read',
    })
    const { to, parameters } = await decisionOf(await decide(consentToken))
    expect(to).toBe(CALLBACK)
    expect(parameters).toEqual({ code: expect.stringMatching(/^[\w-]{43}$/), state: 's' })
    expect(issuer.grants).toEqual([
      {
        id: expect.any(String),
        clientId: 'web',
        subject: expect.any(String),
        scopes: ['messaging.read'],
        resources: [],
        createdAt: START,
        lastUsedAt: undefined,
      },
    ])
    expect(issuer.requests.createGrant.count).toBe(1)
  })

  it('to deny gives access_denied and no grant', async () => {
    const { consentToken } = await openConsentPage(issuer, { ...REQUEST, state: 's' })
    const { to, parameters } = await decisionOf(await decide(consentToken, false))
    expect(to).toBe(CALLBACK)
    expect(parameters).toEqual({ error: 'access_denied', state: 's' })
    expect(issuer.grants).toEqual([])
  })

  it.each([
    [true, true],
    [true, false],
    [false, true],
  ])('is accepted once: %s, then %s', async (first, second) => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    await decisionOf(await decide(consentToken, first))
    await expectRefusal(await decide(consentToken, second), 422, 'invalid_request')
    expect(issuer.grants).toHaveLength(first ? 1 : 0)
  })

  it('is accepted once if two arrive at the same time', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    const answers = await Promise.all([decide(consentToken), decide(consentToken)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 422])
    expect(issuer.grants).toHaveLength(1)
  })

  it('requires the API key, and decides nothing without it', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    const document = { allowed: true, consent_token: consentToken }
    for (const headers of [{}, { authorization: 'Bearer wrong' }])
      await expectRefusal(await postJson(issuer.fetch, GRANTS, document, headers), 401, 'invalid_token')
    expect(issuer.grants).toEqual([])
    await decisionOf(await decide(consentToken))
  })

  it.each([
    ['an unknown token', 'unknown'],
    ['an empty token', ''],
    ['__proto__', '__proto__'],
  ])('is refused with %s', async (_, token) => {
    await expectRefusal(await decide(token), 422, 'invalid_request')
  })

  it.each([
    ['no token', { allowed: true }, { consent_token: ['is missing'] }],
    ['no decision', { consent_token: 'TOKEN' }, { allowed: ['is missing'] }],
    ['neither', {}, { allowed: ['is missing'], consent_token: ['is missing'] }],
    ['a string as decision', { allowed: 'true', consent_token: 'TOKEN' }, { allowed: ['must be a boolean'] }],
    ['a number as decision', { allowed: 1, consent_token: 'TOKEN' }, { allowed: ['must be a boolean'] }],
    ['null as decision', { allowed: null, consent_token: 'TOKEN' }, { allowed: ['must be a boolean'] }],
    [
      'an array as token',
      { allowed: true, consent_token: ['TOKEN'] },
      { consent_token: ['must be a string'] },
    ],
    ['a scope', { allowed: true, consent_token: 'TOKEN', scope: 'a' }, { scope: ['is not known'] }],
    [
      'the name of an inherited member',
      { allowed: true, consent_token: 'TOKEN', constructor: 1 },
      { constructor: ['is not known'] },
    ],
  ])('is refused with %s, and the decision stays open', async (_, document, fields) => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    const text = JSON.stringify(document).replace('TOKEN', consentToken)
    const response = await manage(issuer, 'POST', 'oauth/grants', JSON.parse(text))
    await expectRefusal(response, 422, 'invalid_request', fields)
    expect(issuer.grants).toEqual([])
    await decisionOf(await decide(consentToken))
  })

  it('does not accept __proto__ as a member', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    const response = await issuer.fetch(GRANTS, {
      method: 'POST',
      headers: { authorization: `Bearer ${issuer.apiKey}`, 'content-type': 'application/json' },
      body: `{"allowed":true,"consent_token":"${consentToken}","__proto__":{}}`,
    })
    expect(response.status).toBe(422)
    expect(await response.text()).toContain('"invalid_fields":{"__proto__":["is not known"]}')
  })

  it.each(['{', 'null', '[]', '"text"', 'true', ' '])('is refused with the body %j', async (body) => {
    const headers = { authorization: `Bearer ${issuer.apiKey}`, 'content-type': 'application/json' }
    await expectRefusal(await issuer.fetch(GRANTS, { method: 'POST', headers, body }), 422, 'invalid_request')
  })

  it('is refused as a form', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    const fields = { allowed: 'true', consent_token: consentToken }
    const headers = { authorization: `Bearer ${issuer.apiKey}` }
    await expectRefusal(await postForm(issuer.fetch, GRANTS, fields, headers), 422, 'invalid_request')
  })
})

describe('decision by the form of the consent page', () => {
  it('to allow redirects the user with a code, without an API key', async () => {
    const { consentToken } = await openConsentPage(issuer, { ...REQUEST, state: 's' })
    const response = await sendForm({ consent_token: consentToken, decision: 'allow' })
    expect(response.status).toBe(302)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.text()).toBe('')
    expect(readRedirect(response.headers.get('location'))).toEqual({
      to: CALLBACK,
      parameters: { code: expect.stringMatching(/^[\w-]{43}$/), state: 's' },
    })
    expect(issuer.grants).toHaveLength(1)
    expect(issuer.requests.createGrant.count).toBe(1)
  })

  it.each(['deny', 'ALLOW', 'allow ', 'true', ''])('%j does not allow', async (decision) => {
    const { consentToken } = await openConsentPage(issuer, { ...REQUEST, state: 's' })
    const response = await sendForm({ consent_token: consentToken, decision })
    expect(response.status).toBe(302)
    expect(readRedirect(response.headers.get('location'))).toEqual({
      to: CALLBACK,
      parameters: { error: 'access_denied', state: 's' },
    })
    expect(issuer.grants).toEqual([])
  })

  it('is accepted once', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    const fields = { consent_token: consentToken, decision: 'allow' }
    expect((await sendForm(fields)).status).toBe(302)
    await expectErrorPage(await sendForm(fields), 422)
    await expectRefusal(await decide(consentToken), 422, 'invalid_request')
    expect(issuer.grants).toHaveLength(1)
  })

  it.each([
    ['no token', { decision: 'allow' }],
    ['an unknown token', { decision: 'allow', consent_token: 'unknown' }],
    ['__proto__', { decision: 'allow', consent_token: '__proto__' }],
    ['nothing', {}],
  ])('is refused with %s', async (_, fields) => {
    await expectErrorPage(await sendForm(fields), 422)
  })

  it('is refused with two decisions, and the decision stays open', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    const fields: [string, string][] = [
      ['consent_token', consentToken],
      ['decision', 'allow'],
      ['decision', 'deny'],
    ]
    await expectErrorPage(await sendForm(fields), 422)
    await decisionOf(await decide(consentToken))
  })

  it('is refused as plain text, and if it is too long', async () => {
    const headers = { 'content-type': 'text/plain' }
    await expectErrorPage(
      await issuer.fetch(CONSENT, { method: 'POST', headers, body: 'decision=allow' }),
      422,
    )
    await expectErrorPage(await sendForm({ decision: 'x'.repeat(70_000) }), 422)
  })

  it('is not read from the URL', async () => {
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    const query = new URLSearchParams({ consent_token: consentToken, decision: 'allow' })
    expect((await issuer.fetch(`${CONSENT}?${query}`)).status).toBe(404)
    await expectErrorPage(await issuer.fetch(`${CONSENT}?${query}`, { method: 'POST' }), 422)
    expect(issuer.grants).toEqual([])
  })
})

describe('authorize', () => {
  it('acts as a user, without a request to any endpoint', async () => {
    const url = authorizationUrl({ ...REQUEST, state: 's' })
    for (const input of [url, new URL(url)])
      expect(readRedirect(await issuer.authorize(input))).toEqual({
        to: CALLBACK,
        parameters: { code: expect.any(String), state: 's' },
      })
    for (const log of Object.values(issuer.requests)) expect(log.count).toBe(0)
    // The same user each time, also for decisions by the API and by the form.
    const { consentToken } = await openConsentPage(issuer, REQUEST)
    await decide(consentToken)
    expect(new Set(issuer.grants.map(({ subject }) => subject)).size).toBe(1)
    expect(issuer.grants).toHaveLength(3)
  })

  it('creates no grant if the user denies', async () => {
    const location = await issuer.authorize(authorizationUrl({ ...REQUEST, state: 's' }), { allow: false })
    expect(readRedirect(location)).toEqual({
      to: CALLBACK,
      parameters: { error: 'access_denied', state: 's' },
    })
    expect(issuer.grants).toEqual([])
  })

  it('uses the subject of the test', async () => {
    await issuer.authorize(authorizationUrl(REQUEST), { subject: 'user-1' })
    expect(issuer.grants[0]?.subject).toBe('user-1')
  })

  it.each([
    'https://example.com/v2/oauth/authorize',
    `${BASE}/v2/oauth/token`,
    `${BASE}/v2/oauth/authorize/`,
    `${BASE}:8443/v2/oauth/authorize`,
    'http://api.telnyx.com/v2/oauth/authorize',
    '/v2/oauth/authorize',
    '',
  ])('throws a TypeError for %j', async (url) => {
    expect(
      await rejectionOf(issuer.authorize(url + new URL(authorizationUrl(REQUEST)).search)),
    ).toBeInstanceOf(TypeError)
  })

  it.each([
    ['no client', { response_type: 'code', redirect_uri: CALLBACK }],
    ['an unknown client', { ...REQUEST, client_id: 'unknown' }],
    ['another redirect URI', { ...REQUEST, redirect_uri: 'https://evil.example/' }],
  ])('throws for %s, which must not be reported to a client', async (_, fields) => {
    const error = await rejectionOf(issuer.authorize(authorizationUrl(fields)))
    expect(error).toBeInstanceOf(Error)
    expect(error).not.toBeInstanceOf(TypeError)
  })

  // The endpoint of the metadata, in any spelling of its URL.
  it.each([
    'https://as.example.com',
    'https://as.example.com/',
    'https://as.example.com/tenants/7',
    'https://as.example.com/a%20b',
    'https://as.example.com/é',
    'https://AS.example.com',
    'https://as.example.com:443',
    'http://[::1]:4010',
  ])('accepts the authorization endpoint of %s', async (identifier) => {
    issuer = await open({ issuer: identifier })
    const { origin, pathname } = new URL(identifier)
    const wellKnown = `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`
    const metadata = await readObject(await issuer.fetch(wellKnown))
    const url = `${textOf(metadata, 'authorization_endpoint')}?${new URLSearchParams(REQUEST)}`
    expect((await issuer.fetch(url)).status).toBe(200)
    expect(readRedirect(await issuer.authorize(url)).parameters).toHaveProperty('code')
  })

  it('works with an issuer that listens', async () => {
    const url = await issuer.listen()
    try {
      const location = await issuer.authorize(authorizationUrl(REQUEST, url))
      expect(readRedirect(location).parameters).toHaveProperty('code')
    } finally {
      await issuer.close()
    }
  })
})

describe('pending requests', () => {
  it('are ten thousand at most: one more evicts the oldest', async () => {
    const clients = new Clients([WEB], SCOPES, () => START)
    const authorization = new Authorization(clients, new Grants(() => START), () => START)
    const query = new URLSearchParams(REQUEST)
    const tokens: string[] = []
    for (let index = 0; index < 10_000; index++) {
      const outcome = await authorization.begin(query)
      tokens.push(outcome.kind === 'consent' ? outcome.consentToken : '')
    }
    const [first = '', second = ''] = tokens
    expect(authorization.pending(first).redirectUri).toBe(CALLBACK)
    await authorization.begin(query)
    expect(thrownBy(() => authorization.pending(first))).toMatchObject({ status: 422 })
    expect(authorization.decide(second, true, 'user-1')).toContain('code=')
    expect(thrownBy(() => authorization.decide(first, true, 'user-1'))).toMatchObject({ status: 422 })
  })
})
