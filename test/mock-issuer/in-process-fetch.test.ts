import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../support/event-loop.js'
import { causeCode, postForm, readObject, rejectionOf } from '../support/oauth-requests.js'

const API_KEY = 'KEY_test'
const WITH_KEY = { authorization: `Bearer ${API_KEY}` }
const CLIENTS = ['one', 'two'].map((clientId) => ({
  clientId,
  clientSecret: 's3cret',
  name: `Client ${clientId}`,
}))
const GRANT = { grant_type: 'client_credentials', client_id: 'one', client_secret: 's3cret' }
const CLIENT_PATH = '/v2/oauth_clients'

function namesOf({ clients }: MockIssuer): string[] {
  return clients.map(({ clientId }) => clientId)
}

// Both behave the same: Node's own `fetch` is the reference for the one in process.
describe.each([
  ['in process', false],
  ['over HTTP', true],
])('redirects %s', (_, overHttp) => {
  let issuer: MockIssuer
  let base: string
  let fetch: typeof globalThis.fetch

  beforeAll(async () => {
    issuer = await createMockIssuer({ algorithm: 'ES256', apiKey: API_KEY, clients: CLIENTS })
    base = overHttp ? await issuer.listen() : issuer.issuer
    fetch = overHttp ? globalThis.fetch : issuer.fetch
  })
  afterEach(() => issuer.clearFaults())
  afterAll(() => issuer.close())

  const redirect = (
    endpoint: Parameters<MockIssuer['fault']>[0],
    status: number,
    location: string,
    times = 1,
  ): void => issuer.fault(endpoint, { status, headers: { location }, times })

  describe('of a GET', () => {
    it.each([301, 302, 303, 307, 308])('%i is followed', async (status) => {
      redirect('metadata', status, `${base}/v2/oauth/jwks`)
      const { count } = issuer.requests.jwks
      const response = await fetch(`${base}/.well-known/oauth-authorization-server`)
      expect(response.status).toBe(200)
      expect(await readObject(response)).toHaveProperty('keys')
      expect(issuer.requests.jwks.count).toBe(count + 1)
    })

    it.each([200, 300, 304, 401, 503])('%i is returned, with any location', async (status) => {
      redirect('metadata', status, `${base}/v2/oauth/jwks`)
      const { count } = issuer.requests.jwks
      expect((await fetch(`${base}/.well-known/oauth-authorization-server`)).status).toBe(status)
      expect(issuer.requests.jwks.count).toBe(count)
    })

    it.each([
      ['a path', '/v2/oauth/jwks'],
      ['a relative path', '../v2/oauth/jwks'],
      ['a host without a scheme', '//HOST/v2/oauth/jwks'],
      ['a URL with a fragment', 'BASE/v2/oauth/jwks#keys'],
      ['a URL with a query', 'BASE/v2/oauth/jwks?a=b'],
    ])('goes to %s', async (_, location) => {
      redirect('metadata', 302, location.replace('BASE', base).replace('HOST', new URL(base).host))
      const response = await fetch(`${base}/.well-known/oauth-authorization-server`)
      expect(response.status).toBe(200)
      expect(await readObject(response)).toHaveProperty('keys')
    })

    it('goes to the same URL with an empty location', async () => {
      redirect('jwks', 302, '', 3)
      const { count } = issuer.requests.jwks
      expect((await fetch(`${base}/v2/oauth/jwks`)).status).toBe(200)
      expect(issuer.requests.jwks.count).toBe(count + 4)
    })

    it('keeps the headers', async () => {
      redirect('listClients', 302, `${CLIENT_PATH}/two`)
      const response = await fetch(base + CLIENT_PATH, { headers: WITH_KEY })
      expect(response.status).toBe(200)
      expect(await readObject(response)).toMatchObject({ data: { client_id: 'two' } })
    })

    it('does not add headers of the redirect to the next request', async () => {
      issuer.fault('listClients', {
        status: 302,
        headers: { location: `${CLIENT_PATH}/two`, authorization: WITH_KEY.authorization },
      })
      expect((await fetch(base + CLIENT_PATH)).status).toBe(401)
    })

    it('does not contain the body of the first response', async () => {
      issuer.fault('metadata', {
        status: 302,
        headers: { location: '/v2/oauth/jwks' },
        body: 'moved',
        times: 1,
      })
      expect(await (await fetch(`${base}/.well-known/oauth-authorization-server`)).text()).toMatch(
        /^\{"keys"/,
      )
    })
  })

  it('of a HEAD are followed as HEAD', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      redirect('metadata', status, '/v2/oauth/jwks')
      const response = await fetch(`${base}/.well-known/oauth-authorization-server`, { method: 'HEAD' })
      expect(response.status).toBe(200)
      expect(await response.text()).toBe('')
    }
  })

  describe('of a POST', () => {
    it.each([301, 302, 303])('%i becomes a GET without a body', async (status) => {
      redirect('token', status, '/v2/oauth/jwks')
      const response = await postForm(fetch, `${base}/v2/oauth/token`, GRANT)
      expect(response.status).toBe(200)
      expect(await readObject(response)).toHaveProperty('keys')
    })

    // Fetch standard, HTTP-redirect fetch: only the headers of the body are removed.
    it.each([301, 302, 303])('%i keeps all headers that do not describe the body', async (status) => {
      redirect('createClient', status, `${CLIENT_PATH}/two`)
      const response = await fetch(base + CLIENT_PATH, { method: 'POST', headers: WITH_KEY, body: '{}' })
      expect(response.status).toBe(200)
      expect(await readObject(response)).toMatchObject({ data: { client_id: 'two' } })
    })

    it.each([307, 308])('%i rejects when the body is a stream that was read', async (status) => {
      redirect('token', status, '/v2/oauth/token')
      const { count } = issuer.requests.token
      const body = new Blob([new URLSearchParams(GRANT).toString()]).stream()
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const init: RequestInit = { method: 'POST', headers, body, duplex: 'half' }
      expect(await rejectionOf(fetch(`${base}/v2/oauth/token`, init))).toBeInstanceOf(TypeError)
      expect(issuer.requests.token.count).toBe(count + 1)
    })
  })

  describe('of a PUT or DELETE', () => {
    // Fetch standard, HTTP-redirect fetch: 301 and 302 turn only a POST into a GET.
    it.each([301, 302, 307, 308])('%i of a DELETE stays a DELETE', async (status) => {
      const created = await issuer.fetch(`${base}/v2/oauth/register`, { method: 'POST' })
      const { client_id: id } = await readObject(created)
      redirect('deleteClient', status, `${CLIENT_PATH}/${id}`)
      const response = await fetch(`${base}${CLIENT_PATH}/one`, { method: 'DELETE', headers: WITH_KEY })
      expect(response.status).toBe(204)
      expect(namesOf(issuer)).toContain('one')
      expect(namesOf(issuer)).not.toContain(id)
    })

    it('303 of both becomes a GET with all headers that do not describe the body', async () => {
      redirect('deleteClient', 303, `${CLIENT_PATH}/two`)
      const init = { method: 'DELETE', headers: WITH_KEY }
      expect((await fetch(`${base}${CLIENT_PATH}/one`, init)).status).toBe(200)

      redirect('updateClient', 303, `${CLIENT_PATH}/two`)
      const headers = { ...WITH_KEY, 'content-type': 'application/json' }
      const update = { method: 'PUT', headers, body: '{"name":"Other"}' }
      const response = await fetch(`${base}${CLIENT_PATH}/one`, update)
      expect(response.status).toBe(200)
      expect(await readObject(response)).toMatchObject({ data: { client_id: 'two', name: 'Client two' } })
    })
  })

  describe('in a row', () => {
    it('without an end are given up', async () => {
      redirect('jwks', 302, '/v2/oauth/jwks', 1000)
      const { count } = issuer.requests.jwks
      const error = await rejectionOf(fetch(`${base}/v2/oauth/jwks`))
      expect(error).toBeInstanceOf(TypeError)
      // Fetch standard: twenty are followed.
      expect(issuer.requests.jwks.count).toBe(count + 21)
    })

    it('in a circle are given up', async () => {
      redirect('jwks', 302, '/.well-known/oauth-authorization-server', 1000)
      redirect('metadata', 307, '/v2/oauth/jwks', 1000)
      expect(await rejectionOf(fetch(`${base}/v2/oauth/jwks`))).toBeInstanceOf(TypeError)
    })

    it('up to twenty are followed', async () => {
      redirect('jwks', 302, '/v2/oauth/jwks', 20)
      expect((await fetch(`${base}/v2/oauth/jwks`)).status).toBe(200)
    })
  })

  it.each([
    ['another host', 'https://elsewhere.example.com/'],
    ['another port', 'http://127.0.0.1:1/'],
    ['a script', 'javascript:alert(1)'],
    ['a mailbox', 'mailto:user@example.com'],
    ['an invalid URL', 'http://'],
  ])('to %s reject', async (_, location) => {
    redirect('jwks', 302, location)
    expect(await rejectionOf(fetch(`${base}/v2/oauth/jwks`))).toBeInstanceOf(TypeError)
  })

  describe('with the mode', () => {
    const JWKS = '/v2/oauth/jwks'

    it.each([301, 302, 303, 307, 308])('"manual" are returned: %i', async (status) => {
      redirect('metadata', status, JWKS)
      const { count } = issuer.requests.jwks
      const url = `${base}/.well-known/oauth-authorization-server`
      const response = await fetch(url, { redirect: 'manual' })
      expect(response.status).toBe(status)
      expect(response.headers.get('location')).toBe(JWKS)
      expect(issuer.requests.jwks.count).toBe(count)
    })

    it.each([301, 302, 303, 307, 308])('"error" reject: %i', async (status) => {
      redirect('metadata', status, JWKS)
      const { count } = issuer.requests.jwks
      const url = `${base}/.well-known/oauth-authorization-server`
      expect(await rejectionOf(fetch(url, { redirect: 'error' }))).toBeInstanceOf(TypeError)
      expect(issuer.requests.jwks.count).toBe(count)
    })

    it('"follow" are followed, as without a mode', async () => {
      redirect('metadata', 302, JWKS)
      const url = `${base}/.well-known/oauth-authorization-server`
      expect(await readObject(await fetch(url, { redirect: 'follow' }))).toHaveProperty('keys')
    })

    it('of a Request apply, unless the call sets another', async () => {
      const url = `${base}/.well-known/oauth-authorization-server`
      redirect('metadata', 302, JWKS, 3)
      expect((await fetch(new Request(url, { redirect: 'manual' }))).status).toBe(302)
      expect(await rejectionOf(fetch(new Request(url, { redirect: 'error' })))).toBeInstanceOf(TypeError)
      const request = new Request(url, { redirect: 'error' })
      expect((await fetch(request, { redirect: 'follow' })).status).toBe(200)
    })

    it('of a POST: "manual" and "error" are the same', async () => {
      redirect('token', 307, '/v2/oauth/token', 2)
      const post = (mode: RequestInit['redirect']) =>
        postForm(
          (url, init) => fetch(url, { ...init, redirect: mode ?? 'follow' }),
          `${base}/v2/oauth/token`,
          GRANT,
        )
      expect((await post('manual')).status).toBe(307)
      expect(await rejectionOf(post('error'))).toBeInstanceOf(TypeError)
    })
  })

  describe('without a location', () => {
    it.each(['follow', 'manual'] as const)('are returned with the mode "%s"', async (mode) => {
      issuer.fault('jwks', { status: 302 })
      expect((await fetch(`${base}/v2/oauth/jwks`, { redirect: mode })).status).toBe(302)
    })

    // Fetch standard, HTTP fetch: the mode is checked before the location.
    it('reject with the mode "error"', async () => {
      issuer.fault('jwks', { status: 302 })
      const rejection = await rejectionOf(fetch(`${base}/v2/oauth/jwks`, { redirect: 'error' }))
      expect(rejection).toBeInstanceOf(TypeError)
    })
  })

  describe('and a signal', () => {
    it('that is aborted at the target rejects with its reason', async () => {
      redirect('metadata', 302, '/v2/oauth/jwks')
      issuer.fault('jwks', { silence: true })
      const abort = new AbortController()
      const { count } = issuer.requests.jwks
      const url = `${base}/.well-known/oauth-authorization-server`
      const rejection = rejectionOf(fetch(url, { signal: abort.signal }))
      await until(() => issuer.requests.jwks.count > count)
      const reason = new Error('enough')
      abort.abort(reason)
      expect(await rejection).toBe(reason)
    })

    it('that is aborted at the target of a POST rejects with its reason', async () => {
      redirect('token', 303, '/v2/oauth/jwks')
      issuer.fault('jwks', { silence: true })
      const abort = new AbortController()
      const { count } = issuer.requests.jwks
      const withSignal: typeof fetch = (url, init) => fetch(url, { ...init, signal: abort.signal })
      const rejection = rejectionOf(postForm(withSignal, `${base}/v2/oauth/token`, GRANT))
      await until(() => issuer.requests.jwks.count > count)
      const reason = new Error('enough')
      abort.abort(reason)
      expect(await rejection).toBe(reason)
    })

    it('of a Request applies to the target as well', async () => {
      redirect('metadata', 302, '/v2/oauth/jwks')
      issuer.fault('jwks', { delayMs: 600_000 })
      const abort = new AbortController()
      const { count } = issuer.requests.jwks
      const request = new Request(`${base}/.well-known/oauth-authorization-server`, { signal: abort.signal })
      const rejection = rejectionOf(fetch(request))
      await until(() => issuer.requests.jwks.count > count)
      abort.abort()
      expect(await rejection).toMatchObject({ name: 'AbortError' })
    })

    it('that is aborted between two redirects ends a loop', async () => {
      redirect('jwks', 302, '/v2/oauth/jwks', 1000)
      const abort = new AbortController()
      const { count } = issuer.requests.jwks
      const reason = new Error('enough')
      const rejection = rejectionOf(fetch(`${base}/v2/oauth/jwks`, { signal: abort.signal }))
      abort.abort(reason)
      expect(await rejection).toBe(reason)
      expect(issuer.requests.jwks.count).toBeLessThan(count + 21)
    })
  })

  describe('and an operation', () => {
    it('that redirects: authorization leads to the client, which is unknown to the issuer', async () => {
      const query = new URLSearchParams({
        client_id: 'one',
        redirect_uri: 'https://elsewhere.example.com/callback',
        response_type: 'token',
      })
      const other = await createMockIssuer({
        algorithm: 'ES256',
        clients: [{ clientId: 'one', redirectUris: ['https://elsewhere.example.com/callback'] }],
      })
      const otherBase = overHttp ? await other.listen() : other.issuer
      const otherFetch = overHttp ? globalThis.fetch : other.fetch
      try {
        const url = `${otherBase}/v2/oauth/authorize?${query}`
        expect(await rejectionOf(otherFetch(url))).toBeInstanceOf(TypeError)
        const response = await otherFetch(url, { redirect: 'manual' })
        expect(response.status).toBe(302)
        expect(response.headers.get('location')).toMatch(
          /^https:\/\/elsewhere\.example\.com\/callback\?error=/,
        )
      } finally {
        await other.close()
      }
    })
  })
})

describe('redirects in process', () => {
  it.each([307, 308])('%i of a POST rejects, as its body was read and is not kept', async (status) => {
    const issuer = await createMockIssuer({ algorithm: 'ES256', clients: CLIENTS })
    issuer.fault('token', { status, headers: { location: '/v2/oauth/token' }, times: 1 })
    const error = await rejectionOf(postForm(issuer.fetch, `${issuer.issuer}/v2/oauth/token`, GRANT))
    expect(error).toBeInstanceOf(TypeError)
    expect(issuer.requests.token.count).toBe(1)
  })

  it('to another host reject as for an unknown host', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    issuer.fault('jwks', { status: 302, headers: { location: 'https://elsewhere.example.com/' } })
    const error = await rejectionOf(issuer.fetch(`${issuer.issuer}/v2/oauth/jwks`))
    expect(causeCode(error)).toBe('ENOTFOUND')
  })

  describe('between the two addresses of an issuer that listens', () => {
    let issuer: MockIssuer
    let base: string
    beforeAll(async () => {
      const identifier = 'https://as.example.com'
      issuer = await createMockIssuer({ issuer: identifier, algorithm: 'ES256', apiKey: API_KEY })
      base = await issuer.listen()
    })
    afterEach(() => issuer.clearFaults())
    afterAll(() => issuer.close())

    it('are followed', async () => {
      issuer.fault('jwks', { status: 302, headers: { location: `${base}/v2/oauth/jwks` }, times: 1 })
      expect((await issuer.fetch('https://as.example.com/v2/oauth/jwks')).status).toBe(200)
      expect(issuer.requests.jwks.count).toBe(2)
    })

    // Fetch standard, HTTP-redirect fetch: credentials are not sent to another origin.
    it('do not send the credentials', async () => {
      issuer.fault('listClients', { status: 302, headers: { location: base + CLIENT_PATH }, times: 1 })
      const response = await issuer.fetch(`https://as.example.com${CLIENT_PATH}`, { headers: WITH_KEY })
      expect(response.status).toBe(401)
    })
  })
})

describe('signals in process', () => {
  it('that time out reject with their reason', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    issuer.fault('jwks', { silence: true })
    const signal = AbortSignal.timeout(1)
    const error = await rejectionOf(issuer.fetch(`${issuer.issuer}/v2/oauth/jwks`, { signal }))
    expect(error).toMatchObject({ name: 'TimeoutError' })
  })

  it('that are aborted after the response do not affect it', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    const abort = new AbortController()
    const response = await issuer.fetch(`${issuer.issuer}/v2/oauth/jwks`, { signal: abort.signal })
    expect(response.status).toBe(200)
    expect(await readObject(response)).toHaveProperty('keys')
    abort.abort()
    expect((await issuer.fetch(`${issuer.issuer}/v2/oauth/jwks`)).status).toBe(200)
  })

  it('that are aborted before the request prevent a change', async () => {
    const issuer = await createMockIssuer({ algorithm: 'ES256', apiKey: API_KEY, clients: CLIENTS })
    const reason = new Error('enough')
    const init = { method: 'DELETE', headers: WITH_KEY, signal: AbortSignal.abort(reason) }
    expect(await rejectionOf(issuer.fetch(`${issuer.issuer}${CLIENT_PATH}/one`, init))).toBe(reason)
    expect(namesOf(issuer)).toEqual(['one', 'two'])
    expect(issuer.requests.deleteClient.count).toBe(0)
  })
})
