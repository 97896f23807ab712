import { gzipSync } from 'node:zlib'
import { createMockIssuer, type MockIssuer, type MockIssuerOptions } from '@telnyx-auth/mock-issuer'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  authorizationUrl,
  createPkcePair,
  introspect,
  manage,
  obtainCode,
  openConsentPage,
  readRedirect,
  requestAuthorization,
  requestToken,
} from '../support/authorization-flow.js'
import { serve } from '../support/http.js'
import { basicCredentials, readObject, rejectionOf, textOf } from '../support/oauth-requests.js'

/**
 * With `mcp`, a client that is not registered has the URL of its metadata document as its `client_id`
 * (draft-ietf-oauth-client-id-metadata-document-01, here CIMD).
 */

const URL_ID = 'https://agent.example/oauth/client.json'
const CALLBACK = 'http://127.0.0.1/callback'
const WEB_CALLBACK = 'https://agent.example/callback'
const { verifier, challenge } = createPkcePair()

const DOCUMENT = {
  client_id: URL_ID,
  client_name: 'Agent',
  client_uri: 'https://agent.example',
  redirect_uris: [CALLBACK, WEB_CALLBACK],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
}

type DocumentFetch = NonNullable<MockIssuerOptions['fetch']>

/** An issuer, and what it fetched. The answer to each URL can be changed. */
async function createWorld(options: MockIssuerOptions = {}) {
  let time = 1_800_000_000_000
  const fetched: { url: string; init: RequestInit }[] = []
  const world = {
    fetched,
    wait(seconds: number) {
      time += seconds * 1000
    },
    answer: async (url: string, _init: RequestInit): Promise<Response> =>
      Response.json({ ...DOCUMENT, client_id: url }),
  }
  const issuer = await createMockIssuer({
    algorithm: 'ES256',
    mcp: true,
    now: () => time,
    fetch: (url, init) => {
      fetched.push({ url, init })
      return world.answer(url, init)
    },
    ...options,
  })
  return { issuer, world }
}

const request = (client_id = URL_ID, redirect_uri = CALLBACK) => ({
  response_type: 'code',
  client_id,
  redirect_uri,
  scope: 'messaging.read',
  ...challenge,
})

const redemption = (code: string, client_id = URL_ID, redirect_uri = CALLBACK) => ({
  grant_type: 'authorization_code',
  client_id,
  redirect_uri,
  code,
  code_verifier: verifier,
})

/** The answer of the authorization endpoint: its status, and its page without markup. */
async function ask(issuer: MockIssuer, clientId = URL_ID, redirectUri = CALLBACK) {
  const response = await requestAuthorization(issuer, request(clientId, redirectUri))
  expect(response.headers.get('location')).toBeNull()
  return { status: response.status, text: await response.text() }
}

async function expectRefusal(issuer: MockIssuer, clientId = URL_ID): Promise<string> {
  const { status, text } = await ask(issuer, clientId)
  expect(status).toBe(400)
  expect(text).toContain('invalid_client')
  const atToken = await requestToken(issuer, redemption('code', clientId))
  expect(atToken.status).toBe(401)
  expect(await readObject(atToken)).toMatchObject({ error: 'invalid_client' })
  return text
}

const json = (body: unknown, headers: Record<string, string> = {}) => Response.json(body, { headers })
const raw = (body: ConstructorParameters<typeof Response>[0], type = 'application/json') =>
  new Response(body, { headers: { 'content-type': type } })

afterEach(() => void vi.useRealTimers())

describe('a client with a metadata document', () => {
  it('the metadata of the issuer announce it (CIMD §5), without mcp they do not', async () => {
    const metadata = async (issuer: MockIssuer) =>
      readObject(await issuer.fetch(`${issuer.issuer}/.well-known/oauth-authorization-server`))
    const { issuer } = await createWorld()
    expect(await metadata(issuer)).toHaveProperty('client_id_metadata_document_supported', true)
    const { issuer: plain } = await createWorld({ mcp: false })
    expect(await metadata(plain)).not.toHaveProperty('client_id_metadata_document_supported')
  })

  it('signs a user in: grant, token and introspection name its URL', async () => {
    const { issuer, world } = await createWorld()
    const code = await obtainCode(issuer, request(), { subject: 'user-1' })
    const response = await requestToken(issuer, redemption(code))
    expect(response.status).toBe(200)
    const { access_token, refresh_token } = await readObject(response)
    expect(refresh_token).toEqual(expect.any(String))
    expect(issuer.grants).toMatchObject([{ clientId: URL_ID, subject: 'user-1', scopes: ['messaging.read'] }])
    expect(await introspect(issuer, String(access_token))).toMatchObject({ active: true, client_id: URL_ID })
    // It is fetched without credentials, and no redirect is followed.
    expect(world.fetched[0]).toMatchObject({
      url: URL_ID,
      init: { method: 'GET', redirect: 'manual', headers: { accept: 'application/json' } },
    })
  })

  it('refreshes, and its tokens end with the grant', async () => {
    const { issuer } = await createWorld()
    const code = await obtainCode(issuer, request())
    const first = await readObject(await requestToken(issuer, redemption(code)))
    const refresh = {
      grant_type: 'refresh_token',
      client_id: URL_ID,
      refresh_token: textOf(first, 'refresh_token'),
    }
    const second = await readObject(await requestToken(issuer, refresh))
    const token = textOf(second, 'access_token')
    expect(await introspect(issuer, token)).toMatchObject({ active: true, client_id: URL_ID })
    issuer.revoke(issuer.grants[0]?.id ?? '')
    expect(await introspect(issuer, token)).toEqual({ active: false })
  })

  it('is not registered: lists and management do not have it', async () => {
    const { issuer } = await createWorld()
    await obtainCode(issuer, request())
    expect(issuer.clients.map(({ clientId }) => clientId)).not.toContain(URL_ID)
    const path = `oauth_clients/${encodeURIComponent(URL_ID)}`
    expect((await manage(issuer, 'GET', path)).status).toBe(404)
    expect((await manage(issuer, 'DELETE', path)).status).toBe(404)
  })

  it('the user denies: access_denied at the redirect URI', async () => {
    const { issuer } = await createWorld()
    const url = authorizationUrl(request())
    const { to, parameters } = readRedirect(await issuer.authorize(url, { allow: false }))
    expect([to, parameters]).toMatchObject([CALLBACK, { error: 'access_denied' }])
  })

  it('without mcp, the client is unknown and nothing is fetched', async () => {
    const { issuer, world } = await createWorld({ mcp: false })
    expect((await ask(issuer)).status).toBe(404)
    expect((await requestToken(issuer, redemption('code'))).status).toBe(401)
    expect(world.fetched).toEqual([])
  })

  it('an identifier that is no URL is that of an unknown client', async () => {
    const { issuer, world } = await createWorld()
    expect((await ask(issuer, 'unknown')).status).toBe(404)
    expect((await ask(issuer, 'ftp://agent.example/client.json')).status).toBe(404)
    expect(world.fetched).toEqual([])
  })

  it('a registered client comes first (CIMD §6.10), and is gone when it is deleted', async () => {
    const seed = { clientId: URL_ID, name: 'Registered', redirectUris: [CALLBACK] }
    const { issuer, world } = await createWorld({ clients: [seed] })
    expect((await ask(issuer)).text).toContain('Registered')
    const { consentToken } = await openConsentPage(issuer, request())
    expect(world.fetched).toEqual([])
    await manage(issuer, 'DELETE', `oauth_clients/${encodeURIComponent(URL_ID)}`)
    const body = { allowed: true, consent_token: consentToken }
    const decided = await issuer.fetch(`${issuer.issuer}/v2/oauth/grants`, {
      method: 'POST',
      headers: { authorization: `Bearer ${issuer.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    expect(decided.status).toBe(422)
  })

  it('the default fetch is the global one', async () => {
    const { issuer } = await createWorld({ fetch: undefined })
    const spy = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => json(DOCUMENT))
    try {
      expect((await ask(issuer)).status).toBe(200)
      expect(spy).toHaveBeenCalledOnce()
    } finally {
      spy.mockRestore()
    }
  })

  it.each([null, 'fetch', {}])('C: fetch: %o', async (value) => {
    const options: object = { mcp: true, fetch: value }
    await expect(createMockIssuer(options)).rejects.toBeInstanceOf(TypeError)
  })
})

describe('the URL (CIMD §3)', () => {
  it.each([
    URL_ID,
    'https://agent.example:8443/client.json',
    'https://agent.example/client',
    'https://agent.example/client.json?v=1',
    'https://agent.example/a//b/',
    'https://agent.example/.well-known/client',
    'https://agent.example/a..b/...',
    'https://xn--bcher-kva.example/client.json',
    'https://127.agent.example/client.json',
    'http://localhost:3000/client.json',
    'http://127.0.0.1:3000/client.json',
    'http://[::1]:3000/client.json',
    'https://localhost:3000/client.json',
  ])('%s', async (url) => {
    const { issuer, world } = await createWorld()
    expect((await ask(issuer, url)).status).toBe(200)
    expect(world.fetched.map((each) => each.url)).toEqual([url])
  })

  it.each([
    // Not https, and not this machine.
    'http://agent.example/client.json',
    'http://192.168.0.1/client.json',
    // No path.
    'https://agent.example',
    'https://agent.example/',
    'https://agent.example?/client.json',
    // Dot segments.
    'https://agent.example/a/../client.json',
    'https://agent.example/./client.json',
    'https://agent.example/a/..',
    'https://agent.example/a/%2e%2E/client.json',
    'https://agent.example/.%2e/client.json',
    // A fragment, or credentials.
    'https://agent.example/client.json#',
    'https://agent.example/client.json#a',
    'https://user@agent.example/client.json',
    'https://user:password@agent.example/client.json',
    'https://:@agent.example/client.json',
    'https://agent.example@127.0.0.1/client.json',
    'http://127.0.0.1:80@agent.example/client.json',
    // Other spellings of a URL.
    'HTTPS://agent.example/client.json',
    'https://AGENT.example/client.json',
    'https://agent.example:443/client.json',
    'https:agent.example/client.json',
    'https:/agent.example/client.json',
    'https:///agent.example/client.json',
    'https:\\\\agent.example\\client.json',
    'https://agent.example\\@127.0.0.1/client.json',
    'https://agent.example/cli ent.json',
    'https://agent.example/client.json ',
    'https://agent.example/\tclient.json',
    'https://agent.example/cl\u00efent.json',
    'https://\u0430gent.example/client.json',
    'https://agent.example./client.json',
    'https://agent%2eexample/client.json',
    'https://agent.example:99999/client.json',
    `https://agent.example/${'a'.repeat(2000)}`,
    // Addresses, however they are spelled.
    'https://10.0.0.1/client.json',
    'https://127.0.0.2/client.json',
    'https://169.254.169.254/latest/meta-data',
    'https://192.168.1.1/client.json',
    'https://0.0.0.0/client.json',
    'http://0.0.0.0/client.json',
    'https://203.0.113.7/client.json',
    'https://2130706433/client.json',
    'https://0x7f000001/client.json',
    'https://0177.0.0.1/client.json',
    'https://127.1/client.json',
    'https://[::]/client.json',
    'https://[fe80::1]/client.json',
    'https://[fd00::1]/client.json',
    'https://[::ffff:127.0.0.1]/client.json',
    'https://[::ffff:7f00:1]/client.json',
    'https://[0:0:0:0:0:0:0:1]/client.json',
    'https://[2001:db8::1]/client.json',
    // Names of this machine and its network.
    'https://intranet/client.json',
    'https://agent.localhost/client.json',
    'http://agent.localhost/client.json',
    'https://localhost./client.json',
    'https://printer.local/client.json',
    'https://metadata.google.internal/computeMetadata/v1',
    'https://router.home.arpa/client.json',
  ])('refuses %j, and fetches nothing', async (url) => {
    const { issuer, world } = await createWorld()
    await expectRefusal(issuer, url)
    expect(world.fetched).toEqual([])
  })

  it('an issuer that other machines reach fetches nothing from this one (CIMD §6.5)', async () => {
    const { issuer, world } = await createWorld({ issuer: 'https://api.telnyx.com' })
    const local = 'http://127.0.0.1:3000/client.json'
    await issuer.listen({ host: '0.0.0.0' })
    await expectRefusal(issuer, local)
    expect(world.fetched).toEqual([])
    expect((await ask(issuer)).status).toBe(200)
    await issuer.close()
    for (const host of ['127.0.0.1', 'localhost']) {
      await issuer.listen({ host })
      expect((await ask(issuer, local)).status).toBe(200)
      await issuer.close()
    }
  })
})

describe('the global fetch, at a server on this machine', () => {
  async function start() {
    const paths: string[] = []
    const { url: base } = await serve((incoming, response) => {
      const path = incoming.url ?? ''
      paths.push(path)
      expect(incoming.headers).toMatchObject({ accept: 'application/json' })
      for (const name of ['authorization', 'cookie']) expect(incoming.headers).not.toHaveProperty(name)
      const padding = path === '/packed-long' ? ' '.repeat(1_000_000) : ''
      const body = JSON.stringify({ ...DOCUMENT, client_id: `${base}${path}` }) + padding
      response.setHeader('content-type', 'application/json')
      if (path === '/redirect') response.writeHead(302, { location: '/client' }).end(body)
      else if (path === '/dropped') response.destroy()
      else if (path.startsWith('/packed')) response.setHeader('content-encoding', 'gzip').end(gzipSync(body))
      else if (path === '/half') response.write(body.slice(0, 10), () => response.destroy())
      else response.end(body)
    })
    const { issuer } = await createWorld({ fetch: undefined })
    return { paths, base, issuer }
  }

  it.each(['/client', '/packed'])('%s', async (path) => {
    const { paths, base, issuer } = await start()
    expect((await ask(issuer, base + path)).status).toBe(200)
    expect(paths).toEqual([path])
  })

  it.each(['/redirect', '/packed-long', '/dropped', '/half'])('refuses %s', async (path) => {
    const { paths, base, issuer } = await start()
    expect((await ask(issuer, base + path)).status).toBe(400)
    expect(new Set(paths)).toEqual(new Set([path]))
  })
})

describe('the document (CIMD §4.1)', () => {
  const ids = { client_id: URL_ID, client_name: 'Agent', redirect_uris: [CALLBACK] }

  it.each<[string, object]>([
    ['only what is required', ids],
    [
      'grant types and methods of other servers',
      { ...ids, grant_types: ['authorization_code', 'urn:x:device'] },
    ],
    ['response types of other servers', { ...ids, response_types: ['code', 'code id_token'] }],
    ['members that are not known', { ...ids, jwks_uri: 'https://agent.example/jwks', contacts: 1, scope: 7 }],
    ['a logo, which is not shown', { ...ids, logo_uri: 'javascript:alert(1)' }],
  ])('accepts %s', async (_, document) => {
    const { issuer, world } = await createWorld()
    world.answer = async () => json(document)
    expect((await ask(issuer)).status).toBe(200)
  })

  it.each<[string, unknown]>([
    ['an array', [ids]],
    ['null', null],
    ['text', 'text'],
    ['no client_id', { ...ids, client_id: undefined }],
    ['the client_id of another document', { ...ids, client_id: 'https://agent.example/other.json' }],
    [
      'another spelling of its client_id',
      { ...ids, client_id: 'https://agent.example:443/oauth/client.json' },
    ],
    ['another case in its client_id', { ...ids, client_id: URL_ID.toUpperCase() }],
    ['a client_id that is a list', { ...ids, client_id: [URL_ID] }],
    ['no client_name', { ...ids, client_name: undefined }],
    ['a client_name that is no text', { ...ids, client_name: 1 }],
    ['a client_name that disguises itself', { ...ids, client_name: 'Agent \u202e' }],
    ['no redirect_uris', { ...ids, redirect_uris: undefined }],
    ['empty redirect_uris', { ...ids, redirect_uris: [] }],
    ['redirect_uris that are text', { ...ids, redirect_uris: CALLBACK }],
    ['a redirect URI that a browser runs', { ...ids, redirect_uris: [CALLBACK, 'javascript:alert(1)'] }],
    ['a redirect URI with a fragment', { ...ids, redirect_uris: [`${CALLBACK}#x`] }],
    ['response_types without code', { ...ids, response_types: ['token'] }],
    ['grant_types that are text', { ...ids, grant_types: 'authorization_code' }],
    ['a client_secret', { ...ids, client_secret: 's3cret' }],
    ['a client_secret of null', { ...ids, client_secret: null }],
    ['client_secret_expires_at', { ...ids, client_secret_expires_at: 0 }],
    ['client_secret_basic', { ...ids, token_endpoint_auth_method: 'client_secret_basic' }],
    ['client_secret_post', { ...ids, token_endpoint_auth_method: 'client_secret_post' }],
    ['client_secret_jwt', { ...ids, token_endpoint_auth_method: 'client_secret_jwt' }],
    ['private_key_jwt, which is not supported', { ...ids, token_endpoint_auth_method: 'private_key_jwt' }],
    ['a method of null', { ...ids, token_endpoint_auth_method: null }],
    ['dpop_bound_access_tokens that is text', { ...ids, dpop_bound_access_tokens: 'true' }],
    ['a policy_uri that a browser runs', { ...ids, policy_uri: 'javascript:alert(1)' }],
  ])('refuses %s, without a redirect', async (_, document) => {
    const { issuer, world } = await createWorld()
    world.answer = async () => json(document)
    const text = await expectRefusal(issuer)
    for (const value of ['s3cret', 'alert(1)', 'other.json', 'private_key_jwt'])
      expect(text).not.toContain(value)
    expect(world.fetched).toHaveLength(2)
  })

  it('members of a prototype are no members', async () => {
    const { issuer, world } = await createWorld()
    world.answer = async () =>
      raw(`{"__proto__": ${JSON.stringify(ids)}, "constructor": {"prototype": {"x": 1}}}`)
    await expectRefusal(issuer)
    expect(Object.hasOwn(Object.prototype, 'client_id')).toBe(false)
    const inherited = JSON.stringify(ids).replace('{', '{"__proto__": {"client_secret": "x"}, ')
    world.answer = async () => raw(inherited)
    expect((await ask(issuer)).status).toBe(200)
  })

  it('a redirect URI that it does not name is refused without a redirect; the port of loopback hosts is free', async () => {
    const { issuer } = await createWorld()
    expect((await ask(issuer, URL_ID, 'http://127.0.0.1:53123/callback')).status).toBe(200)
    expect((await ask(issuer, URL_ID, WEB_CALLBACK)).status).toBe(200)
    for (const other of [
      'https://agent.example:8443/callback',
      'https://agent.example/callback/',
      'https://agent.example/callback?a=1',
      'https://evil.example/callback',
      'http://127.0.0.1/other',
      'http://localhost/callback',
    ])
      expect((await ask(issuer, URL_ID, other)).status, other).toBe(422)
  })

  it('PKCE is demanded: the error goes to the redirect URI, which was checked', async () => {
    const { issuer } = await createWorld()
    const { code_challenge, ...rest } = request()
    expect(code_challenge).toBe(challenge.code_challenge)
    const { to, parameters } = readRedirect(await issuer.authorize(authorizationUrl(rest)))
    expect([to, parameters]).toMatchObject([CALLBACK, { error: 'invalid_request' }])
  })

  it('codes without PKCE verifier, and other grants, are refused', async () => {
    const { issuer, world } = await createWorld()
    const grant_types = ['authorization_code', 'client_credentials']
    world.answer = async () => json({ ...DOCUMENT, grant_types })
    const code = await obtainCode(issuer, request())
    const { code_verifier, ...bare } = redemption(code)
    expect(code_verifier).toBe(verifier)
    expect(await readObject(await requestToken(issuer, bare))).toMatchObject({ error: 'invalid_grant' })
    const credentials = { grant_type: 'client_credentials', client_id: URL_ID }
    expect(await readObject(await requestToken(issuer, credentials))).toMatchObject({
      error: 'unauthorized_client',
    })
    expect((await requestToken(issuer, redemption(code))).status).toBe(200)
  })

  it('a client without refresh_token among its grant types gets no refresh token', async () => {
    const { issuer, world } = await createWorld()
    world.answer = async () => json(ids)
    const code = await obtainCode(issuer, request())
    expect(await readObject(await requestToken(issuer, redemption(code)))).not.toHaveProperty('refresh_token')
  })

  it('a client without authorization_code may not use codes', async () => {
    const { issuer, world } = await createWorld()
    world.answer = async () => json({ ...ids, grant_types: ['refresh_token', 'client_credentials'] })
    const { parameters } = readRedirect(await issuer.authorize(authorizationUrl(request())))
    expect(parameters).toMatchObject({ error: 'unauthorized_client' })
  })
})

describe('the request for the document', () => {
  const slow = () =>
    new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('{"client_id":')),
    })
  const padded = (bytes: number) => {
    const text = JSON.stringify({ ...DOCUMENT, padding: '' })
    return JSON.stringify({ ...DOCUMENT, padding: 'x'.repeat(bytes - text.length) })
  }

  it.each<[string, () => Response]>([
    ['application/json', () => raw(JSON.stringify(DOCUMENT))],
    ['with a charset', () => raw(JSON.stringify(DOCUMENT), 'Application/JSON; charset=utf-8')],
    ['application/client+json', () => raw(JSON.stringify(DOCUMENT), 'application/client+json')],
    ['5120 bytes', () => raw(padded(5120))],
  ])('%s', async (_, answer) => {
    const { issuer, world } = await createWorld()
    world.answer = async () => answer()
    expect((await ask(issuer)).status).toBe(200)
  })

  it.each<[string, () => Response | Promise<Response>]>([
    ['a failed connection', () => Promise.reject(new TypeError('fetch failed: 10.1.2.3'))],
    [
      'a fetch that throws',
      () => {
        throw new Error('10.1.2.3')
      },
    ],
    ['404', () => Response.json(DOCUMENT, { status: 404 })],
    ['201', () => Response.json(DOCUMENT, { status: 201 })],
    ['500', () => Response.json(DOCUMENT, { status: 500 })],
    [
      'a redirect',
      () => new Response(null, { status: 302, headers: { location: 'https://agent.example/b' } }),
    ],
    ['a redirect with a body', () => Response.json(DOCUMENT, { status: 307, headers: { location: '/b' } })],
    [
      'a redirect that was followed',
      () => Object.defineProperty(json(DOCUMENT), 'redirected', { value: true }),
    ],
    ['HTML', () => raw(JSON.stringify(DOCUMENT), 'text/html')],
    ['text', () => raw(JSON.stringify(DOCUMENT), 'text/plain')],
    ['a type that begins like JSON', () => raw(JSON.stringify(DOCUMENT), 'application/jsonp')],
    ['no content type', () => new Response(new TextEncoder().encode(JSON.stringify(DOCUMENT)))],
    ['no body', () => new Response(null, { headers: { 'content-type': 'application/json' } })],
    ['half a document', () => raw(JSON.stringify(DOCUMENT).slice(0, -1))],
    [
      'bytes that are not UTF-8',
      () => raw(Buffer.from(JSON.stringify(DOCUMENT).replace('Agent', 'Ag\u00e9nt'), 'latin1')),
    ],
    ['5121 bytes', () => raw(padded(5121))],
    ['a Content-Length of more', () => json(DOCUMENT, { 'content-length': '5121' })],
    ['no response', () => JSON.parse('{}')],
  ])('refuses %s', async (_, answer) => {
    const { issuer, world } = await createWorld()
    world.answer = async () => answer()
    const text = await expectRefusal(issuer)
    expect(text).not.toContain('10.1.2.3')
  })

  it('a body without an end is read to the limit and no further', async () => {
    const { issuer, world } = await createWorld()
    let pieces = 0
    let isCancelled = false
    world.answer = async () =>
      raw(
        new ReadableStream({
          pull: (controller) => {
            pieces++
            controller.enqueue(new Uint8Array(1024).fill(0x20))
          },
          cancel: () => {
            isCancelled = true
          },
        }),
      )
    expect((await ask(issuer)).status).toBe(400)
    expect(pieces).toBeLessThan(10)
    expect(isCancelled).toBe(true)
  })

  it.each<[string, DocumentFetch]>([
    ['never answers', () => new Promise(() => {})],
    ['sends its body slowly', async () => raw(slow())],
  ])('a server that %s is given up after five seconds', async (_, answer) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { issuer, world } = await createWorld()
    let signal: AbortSignal | null | undefined
    world.answer = (url, init) => {
      signal = init.signal
      return answer(url, init)
    }
    const asked = ask(issuer)
    await vi.advanceTimersByTimeAsync(4999)
    expect(signal?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect((await asked).status).toBe(400)
    expect(signal?.aborted).toBe(true)
    world.answer = async () => json(DOCUMENT)
    expect((await ask(issuer)).status).toBe(200)
  })

  it('authorize() of the issuer rejects', async () => {
    const { issuer, world } = await createWorld()
    world.answer = async () => json({})
    expect(await rejectionOf(issuer.authorize(authorizationUrl(request())))).toMatchObject({ status: 400 })
  })

  it('the introspection endpoint fetches nothing: such a client has no secret', async () => {
    const { issuer, world } = await createWorld()
    const headers = { authorization: basicCredentials(URL_ID, '') }
    for (const [fields, more] of [
      [{ token: 'x', client_id: URL_ID }, {}],
      [{ token: 'x' }, headers],
    ] as const) {
      const response = await issuer.fetch(`${issuer.issuer}/v2/oauth/introspect`, {
        method: 'POST',
        body: new URLSearchParams(fields),
        headers: more,
      })
      expect(response.status).toBe(401)
    }
    expect(world.fetched).toEqual([])
  })

  it('no secret authenticates it', async () => {
    const { issuer } = await createWorld()
    const code = await obtainCode(issuer, request())
    const withSecret = { ...redemption(code), client_secret: 'secret' }
    expect((await requestToken(issuer, withSecret)).status).toBe(401)
    const authorization = basicCredentials(URL_ID, 'secret')
    expect((await requestToken(issuer, redemption(code), { authorization })).status).toBe(401)
    const empty = basicCredentials(URL_ID, '')
    expect((await requestToken(issuer, redemption(code), { authorization: empty })).status).toBe(200)
  })
})

describe('documents are kept as their headers say (CIMD §4.4)', () => {
  const OTHER = 'https://other.example/client.json'

  it.each<[string, Record<string, string>, number]>([
    ['max-age', { 'cache-control': 'max-age=60' }, 60],
    ['quoted directives beside it', { 'cache-control': 'public, MAX-AGE=60, must-revalidate' }, 60],
    ['s-maxage comes first', { 'cache-control': 'max-age=600, s-maxage=60' }, 60],
    ['less the age', { 'cache-control': 'max-age=100', age: '40' }, 60],
    ['an age that is no number is ignored (RFC 9111 §5.1)', { 'cache-control': 'max-age=60', age: '-9' }, 60],
    ['an hour at most', { 'cache-control': 'max-age=99999999999999999999' }, 3600],
  ])('%s', async (_, headers, seconds) => {
    const { issuer, world } = await createWorld()
    world.answer = async () => json(DOCUMENT, headers)
    await ask(issuer)
    world.wait(seconds - 1)
    expect((await ask(issuer)).status).toBe(200)
    expect(world.fetched).toHaveLength(1)
    world.wait(1)
    await ask(issuer)
    expect(world.fetched).toHaveLength(2)
  })

  it.each<[string, Record<string, string>]>([
    ['no header', {}],
    ['no-store', { 'cache-control': 'max-age=60, no-store' }],
    ['no-cache', { 'cache-control': 'no-cache, max-age=60' }],
    ['private', { 'cache-control': 'private, max-age=60' }],
    ['max-age=0', { 'cache-control': 'max-age=0' }],
    ['a negative max-age', { 'cache-control': 'max-age=-60' }],
    ['a max-age that is no number', { 'cache-control': 'max-age=1e9' }],
    ['two of max-age', { 'cache-control': 'max-age=60, max-age=600' }],
    ['an age of more', { 'cache-control': 'max-age=60', age: '61' }],
  ])('not kept: %s', async (_, headers) => {
    const { issuer, world } = await createWorld()
    world.answer = async () => json(DOCUMENT, headers)
    await ask(issuer)
    await ask(issuer)
    expect(world.fetched).toHaveLength(2)
  })

  it('refusals are not kept, nor documents that are not valid', async () => {
    const { issuer, world } = await createWorld()
    const headers = { 'cache-control': 'max-age=60' }
    const good = world.answer
    for (const bad of [
      () => Response.json(DOCUMENT, { status: 503, headers }),
      () => json({ ...DOCUMENT, client_id: OTHER }, headers),
      () => raw('{', 'application/json'),
    ]) {
      world.answer = async () => bad()
      expect((await ask(issuer)).status).toBe(400)
      world.answer = good
      expect((await ask(issuer)).status).toBe(200)
    }
  })

  it('a clock that is set back makes none live longer', async () => {
    const { issuer, world } = await createWorld()
    world.answer = async () => json(DOCUMENT, { 'cache-control': 'max-age=60' })
    await ask(issuer)
    world.wait(-1)
    await ask(issuer)
    expect(world.fetched).toHaveLength(2)
  })

  it('no document is that of another client', async () => {
    const { issuer, world } = await createWorld()
    const headers = { 'cache-control': 'max-age=60' }
    world.answer = async (url) => json({ ...DOCUMENT, client_id: url, client_name: `At ${url}` }, headers)
    for (let turn = 0; turn < 2; turn++)
      for (const url of [URL_ID, OTHER, `${URL_ID}?`, `${URL_ID}/`])
        expect((await ask(issuer, url)).text).toContain(`At ${url}</bdi>`)
    expect(world.fetched).toHaveLength(4)
    // One that claims to be another is refused, and takes no place of the other.
    world.answer = async () => json({ ...DOCUMENT, client_name: 'Evil' }, headers)
    expect((await ask(issuer, 'https://evil.example/client.json')).status).toBe(400)
    expect((await ask(issuer)).text).toContain(`At ${URL_ID}</bdi>`)
  })

  it('a thousand are kept: one more takes the place of the oldest', async () => {
    const { issuer, world } = await createWorld()
    world.answer = async (url) => json({ ...DOCUMENT, client_id: url }, { 'cache-control': 'max-age=60' })
    for (let index = 0; index <= 1000; index++)
      await requestToken(issuer, redemption('code', `https://agent.example/${index}`))
    expect(world.fetched).toHaveLength(1001)
    await ask(issuer, 'https://agent.example/1')
    expect(world.fetched).toHaveLength(1001)
    await ask(issuer, 'https://agent.example/0')
    expect(world.fetched).toHaveLength(1002)
  })

  it('requests at the same time share one fetch, also one that fails', async () => {
    const { issuer, world } = await createWorld()
    const statuses = async () =>
      (await Promise.all([1, 2, 3].map(() => ask(issuer)))).map(({ status }) => status)
    expect(await statuses()).toEqual([200, 200, 200])
    expect(world.fetched).toHaveLength(1)
    world.answer = async () => json({})
    expect(await statuses()).toEqual([400, 400, 400])
    expect(world.fetched).toHaveLength(2)
  })
})

describe('documents that change (CIMD §6.3)', () => {
  it('between consent and decision: the user decides about what the page says', async () => {
    const { issuer, world } = await createWorld()
    const { consentToken } = await openConsentPage(issuer, request())
    world.answer = async () =>
      json({ ...DOCUMENT, client_name: 'Evil', redirect_uris: ['https://evil.example/'] })
    const consent = await manage(issuer, 'GET', `oauth/consent/${consentToken}`)
    expect(await readObject(consent)).toMatchObject({
      data: { client_id: URL_ID, name: 'Agent', redirect_uri: CALLBACK },
    })
    expect(world.fetched).toHaveLength(1)
  })

  it.each<[string, () => Response]>([
    ['it is gone', () => new Response(null, { status: 404 })],
    ['it is another client’s', () => json({ ...DOCUMENT, client_id: 'https://other.example/client.json' })],
    ['it demands a key', () => json({ ...DOCUMENT, token_endpoint_auth_method: 'private_key_jwt' })],
  ])('between authorization and token: %s, so nothing is issued until it is back', async (_, changed) => {
    const { issuer, world } = await createWorld()
    const good = world.answer
    const code = await obtainCode(issuer, request())
    world.answer = async () => changed()
    const refused = await requestToken(issuer, redemption(code))
    expect([refused.status, await readObject(refused)]).toMatchObject([401, { error: 'invalid_client' }])
    world.answer = good
    expect((await requestToken(issuer, redemption(code))).status).toBe(200)
  })

  it('a code is for the client and the redirect URI of its request', async () => {
    const { issuer, world } = await createWorld()
    const other = 'https://other.example/client.json'
    const code = await obtainCode(issuer, request())
    world.answer = async (url) =>
      json({ ...DOCUMENT, client_id: url, redirect_uris: [CALLBACK, 'https://evil.example/'] })
    for (const stolen of [redemption(code, other), redemption(code, URL_ID, 'https://evil.example/')])
      expect(await readObject(await requestToken(issuer, stolen))).toMatchObject({ error: 'invalid_grant' })
    expect((await requestToken(issuer, redemption(code))).status).toBe(200)
  })
})

describe('the consent page', () => {
  const DEVICE = 'Any program on this device can pretend to be this client.'

  it('shows the host of the client_id beside the name (CIMD §6.4), and where the user returns to', async () => {
    const { issuer } = await createWorld()
    const { text } = await ask(issuer, 'https://agent.example:8443/client.json', WEB_CALLBACK)
    expect(text).toContain('<bdi>agent.example:8443</bdi>')
    expect(text).toContain('<bdi>Agent</bdi>')
    expect(text).toContain('You return to <bdi>https://agent.example</bdi>')
    expect(text).not.toContain(DEVICE)
  })

  it.each([CALLBACK, 'http://localhost/callback', 'http://[::1]/callback', 'com.example.agent:/callback'])(
    'warns of a redirect to this device: %s',
    async (redirectUri) => {
      const { issuer, world } = await createWorld()
      world.answer = async () => json({ ...DOCUMENT, redirect_uris: [redirectUri] })
      expect((await ask(issuer, URL_ID, redirectUri)).text).toContain(DEVICE)
    },
  )

  it('of a registered client: no host, no warning', async () => {
    const { issuer } = await createWorld({ clients: [{ clientId: 'app', clientType: 'public' }] })
    const { text } = await ask(issuer, 'app')
    expect(text).not.toContain(DEVICE)
    expect(text).not.toContain('comes from')
  })

  it('escapes what the document says, and loads no picture from there', async () => {
    const { issuer, world } = await createWorld()
    const logo_uri = 'https://agent.example/logo.png'
    world.answer = async () => json({ ...DOCUMENT, client_name: '<b>Agent</b>', logo_uri })
    const { text } = await ask(issuer)
    expect(text).toContain('&lt;b&gt;Agent&lt;/b&gt;')
    expect(text).not.toContain('<img')
    expect(world.fetched.map(({ url }) => url)).toEqual([URL_ID])
  })
})
