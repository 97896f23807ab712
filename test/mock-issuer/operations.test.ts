import {
  createMockIssuer,
  type Endpoint,
  type MockIssuer,
  type MockIssuerOptions,
} from '@telnyx-auth/mock-issuer'
import { afterEach, describe, expect, it } from 'vitest'
import {
  basicCredentials,
  causeCode,
  postForm,
  postJson,
  readKeys,
  readObject,
  rejectionOf,
  textOf,
} from '../support/oauth-requests.js'
import { TELNYX_METADATA } from '../support/telnyx-metadata.js'

const TELNYX = 'https://api.telnyx.com'
const API_KEY = 'KEY_test'
const WITH_KEY = { authorization: `Bearer ${API_KEY}` }
const JSON_TYPE = { 'content-type': 'application/json' }
const MAX_BODY_BYTES = 64 * 1024
const AS_METADATA = '/.well-known/oauth-authorization-server'
const RESOURCE_METADATA = '/.well-known/oauth-protected-resource'
const CLIENTS = [
  { clientId: 'app', clientSecret: 's3cret' },
  { clientId: 'spa', clientType: 'public' },
] as const
const SIGN_IN = new URLSearchParams({
  response_type: 'code',
  client_id: 'app',
  redirect_uri: 'http://127.0.0.1/callback',
})
const NEW_CLIENT = {
  name: 'My client',
  allowed_scopes: [],
  client_type: 'public',
  allowed_grant_types: ['refresh_token'],
}

const CAPTURED: object = JSON.parse(TELNYX_METADATA)

/** The document with another base URL than that of Telnyx. */
function capturedAt(base: string): unknown {
  return JSON.parse(JSON.stringify(CAPTURED).replaceAll(TELNYX, base))
}

interface Operation {
  readonly endpoint: Endpoint
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** All its paths; `CONSENT` stands for a consent token. */
  readonly paths: readonly string[]
  readonly json?: object
  readonly form?: Readonly<Record<string, string>>
  readonly needsKey?: boolean
  readonly success: number
}

const OPERATIONS: readonly Operation[] = [
  { endpoint: 'metadata', method: 'GET', paths: [AS_METADATA, `/v2${AS_METADATA}`], success: 200 },
  {
    endpoint: 'protectedResource',
    method: 'GET',
    paths: [RESOURCE_METADATA, `/v2${RESOURCE_METADATA}`],
    success: 200,
  },
  { endpoint: 'authorize', method: 'GET', paths: [`/v2/oauth/authorize?${SIGN_IN}`], success: 200 },
  { endpoint: 'consent', method: 'GET', paths: ['/v2/oauth/consent/CONSENT'], needsKey: true, success: 200 },
  {
    endpoint: 'createGrant',
    method: 'POST',
    paths: ['/v2/oauth/grants'],
    json: { allowed: true, consent_token: 'CONSENT' },
    needsKey: true,
    success: 200,
  },
  {
    endpoint: 'token',
    method: 'POST',
    paths: ['/v2/oauth/token'],
    form: { grant_type: 'client_credentials', client_id: 'app', client_secret: 's3cret' },
    success: 200,
  },
  {
    endpoint: 'introspection',
    method: 'POST',
    paths: ['/v2/oauth/introspect'],
    form: { token: 'x', client_id: 'app', client_secret: 's3cret' },
    success: 200,
  },
  { endpoint: 'jwks', method: 'GET', paths: ['/v2/oauth/jwks'], success: 200 },
  { endpoint: 'registration', method: 'POST', paths: ['/v2/oauth/register'], json: {}, success: 201 },
  {
    endpoint: 'listClients',
    method: 'GET',
    paths: ['/v2/oauth_clients', '/v2/oauth/clients'],
    needsKey: true,
    success: 200,
  },
  {
    endpoint: 'createClient',
    method: 'POST',
    paths: ['/v2/oauth_clients', '/v2/oauth/clients'],
    json: NEW_CLIENT,
    needsKey: true,
    success: 201,
  },
  {
    endpoint: 'retrieveClient',
    method: 'GET',
    paths: ['/v2/oauth_clients/app', '/v2/oauth/clients/app'],
    needsKey: true,
    success: 200,
  },
  {
    endpoint: 'updateClient',
    method: 'PUT',
    paths: ['/v2/oauth_clients/app', '/v2/oauth/clients/app'],
    json: { name: 'Other' },
    needsKey: true,
    success: 200,
  },
  {
    endpoint: 'deleteClient',
    method: 'DELETE',
    paths: ['/v2/oauth_clients/app', '/v2/oauth/clients/app'],
    needsKey: true,
    success: 204,
  },
  {
    endpoint: 'listGrants',
    method: 'GET',
    paths: ['/v2/oauth_grants', '/v2/oauth/grants'],
    needsKey: true,
    success: 200,
  },
  {
    endpoint: 'retrieveGrant',
    method: 'GET',
    paths: ['/v2/oauth_grants/one', '/v2/oauth/grants/one'],
    needsKey: true,
    success: 200,
  },
  {
    endpoint: 'deleteGrant',
    method: 'DELETE',
    paths: ['/v2/oauth_grants/one', '/v2/oauth/grants/one'],
    needsKey: true,
    success: 200,
  },
]
const SPELLED = OPERATIONS.flatMap((operation) =>
  operation.paths.map((path) => ({ ...operation, path, name: `${operation.method} ${path.split('?')[0]}` })),
)
type SpelledOperation = (typeof SPELLED)[number]
const ON_ACCOUNT = SPELLED.filter(({ needsKey }) => needsKey)
const OPEN_TO_ALL = SPELLED.filter(({ needsKey }) => !needsKey)

const opened: MockIssuer[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((issuer) => issuer.close()))
})

async function open(options: MockIssuerOptions = {}): Promise<MockIssuer> {
  const issuer = await createMockIssuer({
    algorithm: 'ES256',
    apiKey: API_KEY,
    clients: CLIENTS,
    grants: [{ id: 'one' }],
    ...options,
  })
  opened.push(issuer)
  return issuer
}

/** Where and how to call an issuer. */
interface Reach {
  readonly fetch: typeof globalThis.fetch
  readonly base: string
}

async function reach(issuer: MockIssuer, overHttp: boolean): Promise<Reach> {
  return overHttp
    ? { fetch: globalThis.fetch, base: await issuer.listen() }
    : { fetch: issuer.fetch, base: issuer.issuer }
}

/** A consent token of a sign-in that waits for the user. */
async function beginSignIn({ fetch, base }: Reach): Promise<string> {
  const page = await (await fetch(`${base}/v2/oauth/authorize?${SIGN_IN}`)).text()
  const token = /name="consent_token" value="([^"]+)"/.exec(page)?.[1]
  if (token === undefined) throw new Error('There is no consent page')
  return token
}

/** A request to an operation, with headers in place of the API key. */
async function prepare(
  { path, method, json, form, needsKey }: SpelledOperation,
  via: Reach,
  headers: Readonly<Record<string, string>> = needsKey ? WITH_KEY : {},
): Promise<() => Promise<Response>> {
  const needsConsent = path.includes('CONSENT') || JSON.stringify(json)?.includes('CONSENT')
  const consent = needsConsent ? await beginSignIn(via) : ''
  const url = via.base + path.replace('CONSENT', consent)
  if (form) return () => postForm(via.fetch, url, form, headers)
  if (!json) return () => via.fetch(url, { method, headers })
  const body = JSON.stringify(json).replace('CONSENT', consent)
  return () => via.fetch(url, { method, headers: { ...JSON_TYPE, ...headers }, body })
}

function countsOf({ requests }: MockIssuer): Record<string, number> {
  return Object.fromEntries(Object.entries(requests).map(([endpoint, { count }]) => [endpoint, count]))
}

/** All state that operations can change. */
function stateOf({ clients, grants }: MockIssuer): unknown {
  return { clients, grants }
}

it('the operations are the seventeen of Telnyx', async () => {
  const endpoints = OPERATIONS.map(({ endpoint }) => endpoint)
  expect(Object.keys((await open()).requests).sort()).toEqual([...endpoints].sort())
  expect(new Set(endpoints).size).toBe(17)
})

describe.each(SPELLED)('$name ($endpoint)', (operation) => {
  const { endpoint, success } = operation

  it.each([
    ['in process', false],
    ['over HTTP', true],
  ])('succeeds and is counted for that endpoint only, %s', async (_, overHttp) => {
    const issuer = await open()
    const send = await prepare(operation, await reach(issuer, overHttp))
    const counts = countsOf(issuer)
    expect((await send()).status).toBe(success)
    expect(countsOf(issuer)).toEqual({ ...counts, [endpoint]: (counts[endpoint] ?? Number.NaN) + 1 })
  })

  it.each([
    ['in process', false],
    ['over HTTP', true],
  ])('applies faults and changes nothing meanwhile, %s', async (_, overHttp) => {
    const issuer = await open()
    const via = await reach(issuer, overHttp)
    const send = await prepare(operation, via)
    const state = stateOf(issuer)

    issuer.fault(endpoint, {
      status: 503,
      headers: { 'retry-after': '7' },
      body: { error: 'outage' },
      times: 2,
    })
    for (const _ of [1, 2]) {
      const response = await send()
      expect(response.status).toBe(503)
      expect(response.headers.get('retry-after')).toBe('7')
      expect(await readObject(response)).toEqual({ error: 'outage' })
    }
    issuer.fault(endpoint, { drop: true, times: 1 })
    const error = await rejectionOf(send())
    expect(error).toBeInstanceOf(TypeError)
    expect(causeCode(error)).toMatch(/^(ECONNRESET|UND_ERR_SOCKET)$/)
    expect(stateOf(issuer)).toEqual(state)
    // Both applied to a number of requests only.
    expect((await send()).status).toBe(success)
  })

  it('adds the headers of a fault to its usual response', async () => {
    const issuer = await open()
    const send = await prepare(operation, await reach(issuer, false))
    issuer.fault(endpoint, { headers: { 'x-more': '1', 'cache-control': 'max-age=5' } })
    const response = await send()
    expect(response.status).toBe(success)
    expect(response.headers.get('x-more')).toBe('1')
    expect(response.headers.get('cache-control')).toBe('max-age=5')
  })

  it('works again after clearFaults', async () => {
    const issuer = await open()
    const send = await prepare(operation, await reach(issuer, false))
    issuer.fault(endpoint, { status: 500 })
    expect((await send()).status).toBe(500)
    issuer.clearFaults()
    expect((await send()).status).toBe(success)
  })

  it('is not affected by faults of other endpoints', async () => {
    const issuer = await open()
    const send = await prepare(operation, await reach(issuer, false))
    for (const other of OPERATIONS)
      if (other.endpoint !== endpoint) issuer.fault(other.endpoint, { status: 500 })
    expect((await send()).status).toBe(success)
  })

  it('is found at exactly this path', async () => {
    const issuer = await open()
    const [path = '', query] = operation.path.replace('CONSENT', 'x').split('?')
    const counts = countsOf(issuer)
    for (const other of [`${path}/`, `/x${path}`, `${path}/x/y`, path.toUpperCase()]) {
      const url = `${TELNYX}${other}${query === undefined ? '' : `?${query}`}`
      const init = { method: operation.method, headers: WITH_KEY }
      expect((await issuer.fetch(url, init)).status, other).toBe(404)
    }
    expect(countsOf(issuer)).toEqual(counts)
  })
})

describe('the API key', () => {
  async function expectKeyDemanded(response: Response): Promise<void> {
    expect(response.status).toBe(401)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    // RFC 6750 §3: the Bearer scheme with at least one parameter.
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="api"')
    expect(await readObject(response)).toEqual({
      error: 'invalid_token',
      error_description: expect.any(String),
    })
  }

  const WRONG: [string, Record<string, string>][] = [
    ['none', {}],
    ['a wrong one', { authorization: 'Bearer KEY_other' }],
    ['one that is longer', { authorization: `Bearer ${API_KEY}x` }],
    ['one that is shorter', { authorization: `Bearer ${API_KEY.slice(0, -1)}` }],
    ['one in another case', { authorization: `Bearer ${API_KEY.toLowerCase()}` }],
    ['one with another word after it', { authorization: `Bearer ${API_KEY} x` }],
    ['two', { authorization: `Bearer ${API_KEY}, Bearer ${API_KEY}` }],
    ['one without a scheme', { authorization: API_KEY }],
    ['a scheme without a key', { authorization: 'Bearer' }],
    ['one with another scheme', { authorization: `Token ${API_KEY}` }],
    ['one after the scheme without a space', { authorization: `Bearer${API_KEY}` }],
    ['one by HTTP Basic', { authorization: basicCredentials(API_KEY, '') }],
    ['one in another header', { 'x-api-key': API_KEY }],
    ['the credentials of a client', { authorization: basicCredentials('app', 's3cret') }],
  ]

  describe.each(ON_ACCOUNT)('of $name', (operation) => {
    it('is required', async () => {
      const issuer = await open()
      const via = await reach(issuer, false)
      for (const [name, headers] of WRONG) {
        const send = await prepare(operation, via, headers)
        const state = stateOf(issuer)
        const { count } = issuer.requests[operation.endpoint]
        const response = await send()
        expect(response.status, name).toBe(401)
        await expectKeyDemanded(response)
        expect(stateOf(issuer)).toEqual(state)
        expect(issuer.requests[operation.endpoint].count).toBe(count + 1)
      }
    })

    it('cannot be replaced by an access token', async () => {
      const issuer = await open()
      const tokens = [
        await issuer.issueToken(),
        await issuer.issueToken({ grantId: 'one', audience: TELNYX }),
      ]
      for (const token of tokens) {
        const send = await prepare(operation, await reach(issuer, false), {
          authorization: `Bearer ${token}`,
        })
        await expectKeyDemanded(await send())
      }
    })

    it('is not read from the query', async () => {
      const issuer = await open()
      const path = `${operation.path}?access_token=${API_KEY}&api_key=${API_KEY}`
      const send = await prepare({ ...operation, path }, await reach(issuer, false), {})
      await expectKeyDemanded(await send())
    })

    it('may follow two spaces and a scheme in any case', async () => {
      const issuer = await open()
      const headers = { authorization: `bEARER  ${API_KEY}` }
      const send = await prepare(operation, await reach(issuer, false), headers)
      expect((await send()).status).toBe(operation.success)
    })

    it('is checked before the rest of the request', async () => {
      const issuer = await open()
      const path = operation.path.replace(/CONSENT$|app$|one$/, 'unknown')
      const { method } = operation
      const body = method === 'GET' || method === 'DELETE' ? undefined : 'x'.repeat(MAX_BODY_BYTES + 1)
      const init: RequestInit = { method, ...(body === undefined ? {} : { body }) }
      await expectKeyDemanded(await issuer.fetch(`${TELNYX}${path}?page[size]=0`, init))
    })

    it('is required over HTTP', async () => {
      const issuer = await open()
      const via = await reach(issuer, true)
      for (const headers of [{}, { authorization: 'Bearer KEY_other' }]) {
        const send = await prepare(operation, via, headers)
        await expectKeyDemanded(await send())
      }
    })
  })

  describe.each(OPEN_TO_ALL)('of $name', (operation) => {
    it('is not required and not checked', async () => {
      const issuer = await open()
      const via = await reach(issuer, false)
      for (const headers of [{}, { authorization: 'Bearer KEY_other' }, WITH_KEY]) {
        const send = await prepare(operation, via, headers)
        expect((await send()).status).toBe(operation.success)
      }
    })
  })

  it('does not authenticate a client at the token endpoint', async () => {
    const issuer = await open()
    const fields = { grant_type: 'client_credentials' }
    const response = await postForm(issuer.fetch, `${TELNYX}/v2/oauth/token`, fields, WITH_KEY)
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Basic realm="oauth"')
    expect(await readObject(response)).toMatchObject({ error: 'invalid_client' })
  })

  it('is random by default', async () => {
    const issuers = [await open({ apiKey: undefined }), await open({ apiKey: undefined })]
    const [one, two] = issuers
    expect(one?.apiKey).toMatch(/^KEY_[\w-]{32}$/)
    expect(one?.apiKey).not.toBe(two?.apiKey)
    const statuses = await Promise.all(
      issuers.map(async ({ fetch }) => {
        const headers = { authorization: `Bearer ${one?.apiKey}` }
        return (await fetch(`${TELNYX}/v2/oauth_clients`, { headers })).status
      }),
    )
    expect(statuses).toEqual([200, 401])
  })

  it.each(['$&.*+?^(', 'KEY018F=='])('may have any visible ASCII characters: %s', async (apiKey) => {
    const issuer = await open({ apiKey })
    expect(issuer.apiKey).toBe(apiKey)
    const headers = { authorization: `Bearer ${apiKey}` }
    expect((await issuer.fetch(`${TELNYX}/v2/oauth_grants`, { headers })).status).toBe(200)
  })

  it.each(['', ' ', 'a b', 'KEY\n'])('%j is refused as an option', async (apiKey) => {
    expect(await rejectionOf(open({ apiKey }))).toBeInstanceOf(TypeError)
  })
})

describe('the well-known documents', () => {
  async function read({ fetch }: Pick<MockIssuer, 'fetch'>, url: string): Promise<Record<string, unknown>> {
    const response = await fetch(url)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
    return readObject(response)
  }

  it.each(['', '/v2'])('are those of Telnyx, below "%s"', async (below) => {
    const issuer = await open()
    expect(await read(issuer, `${TELNYX}${below}${AS_METADATA}`)).toEqual(CAPTURED)
    expect(await read(issuer, `${TELNYX}${below}${RESOURCE_METADATA}`)).toEqual({
      resource: TELNYX,
      authorization_servers: [TELNYX],
    })
  })

  it('have the members in the order of Telnyx', async () => {
    const issuer = await open()
    expect(Object.keys(await read(issuer, TELNYX + AS_METADATA))).toEqual(Object.keys(CAPTURED))
  })

  it('have the base URL of the server after listen', async () => {
    const issuer = await open()
    const base = await issuer.listen()
    for (const below of ['', '/v2']) {
      expect(await read({ fetch }, `${base}${below}${AS_METADATA}`)).toEqual(capturedAt(base))
      expect(await read({ fetch }, `${base}${below}${RESOURCE_METADATA}`)).toEqual({
        resource: base,
        authorization_servers: [base],
      })
    }
  })

  it.each(['/openid-configuration', '/oauth-authorization-server/t', '/oauth-protected-resource/v2/mcp', ''])(
    'do not include /.well-known%s',
    async (name) => {
      const issuer = await open()
      for (const below of ['', '/v2'])
        expect((await issuer.fetch(`${TELNYX}${below}/.well-known${name}`)).status).toBe(404)
    },
  )
})

describe.each([
  ['in process', false],
  ['over HTTP', true],
])('an issuer with a path, %s', (_, overHttp) => {
  const ISSUER = 'https://as.example.com/t'

  /** `base` is the URL of the operations, `root` the URL of the host. */
  async function openBelow(): Promise<{
    issuer: MockIssuer
    fetch: typeof globalThis.fetch
    root: string
    base: string
  }> {
    const issuer = await open({ issuer: ISSUER })
    const fetch = overHttp ? globalThis.fetch : issuer.fetch
    const root = overHttp ? await issuer.listen() : 'https://as.example.com'
    return { issuer, fetch, root, base: `${root}/t` }
  }

  it('has its documents where RFC 8414 and RFC 9728 put them, and below /v2', async () => {
    const { issuer, fetch, root, base } = await openBelow()
    expect(issuer.issuer).toBe(ISSUER)
    for (const url of [`${root}${AS_METADATA}/t`, `${base}/v2${AS_METADATA}`])
      expect(await readObject(await fetch(url))).toEqual(capturedAt(ISSUER))
    for (const url of [`${root}${RESOURCE_METADATA}/t`, `${base}/v2${RESOURCE_METADATA}`])
      expect(await readObject(await fetch(url))).toEqual({
        resource: ISSUER,
        authorization_servers: [ISSUER],
      })
    expect(issuer.requests.metadata.count).toBe(2)
    expect(issuer.requests.protectedResource.count).toBe(2)
  })

  // RFC 8414 §3.1: appending the well-known segment to the path is wrong.
  it.each([AS_METADATA, RESOURCE_METADATA])('has no document at the wrong path: %s', async (wellKnown) => {
    const { fetch, root, base } = await openBelow()
    for (const url of [
      root + wellKnown,
      `${root}/v2${wellKnown}`,
      `${root}${wellKnown}/t/v2`,
      base + wellKnown,
    ])
      expect((await fetch(url)).status, url).toBe(404)
  })

  it('has all operations below its path only', async () => {
    for (const operation of SPELLED.filter(({ path }) => !path.startsWith('/.well-known/'))) {
      const { fetch, root, base } = await openBelow()
      const send = await prepare(operation, { fetch, base })
      expect((await send()).status, operation.name).toBe(operation.success)
      const init = { method: operation.method, headers: WITH_KEY }
      for (const prefix of ['', '/T', '/t2', '/t/t', '/x/t'])
        expect((await fetch(root + prefix + operation.path, init)).status, operation.name).toBe(404)
    }
  })

  it('has a consent page that leads to the client', async () => {
    const { issuer, fetch, base } = await openBelow()
    const page = await (await fetch(`${base}/v2/oauth/authorize?${SIGN_IN}`)).text()
    const action = /<form method="post" action="([^"]+)"/.exec(page)?.[1] ?? ''
    expect(action).toBe('/t/v2/oauth/consent')
    const token = /name="consent_token" value="([^"]+)"/.exec(page)?.[1] ?? ''
    const fields = { consent_token: token, decision: 'allow' }
    const withManual: typeof fetch = (url, init) => fetch(url, { ...init, redirect: 'manual' })
    const answer = await postForm(withManual, new URL(action, base).href, fields)
    expect(answer.status).toBe(302)
    expect(answer.headers.get('location')).toMatch(/^http:\/\/127\.0\.0\.1\/callback\?code=[\w-]+$/)
    expect(issuer.requests.createGrant.count).toBe(1)
  })

  it('accepts its own authorization endpoint only', async () => {
    const { issuer } = await openBelow()
    expect(await issuer.authorize(`${ISSUER}/v2/oauth/authorize?${SIGN_IN}`)).toMatch(/\?code=/)
    for (const url of ['https://as.example.com/v2/oauth/authorize', `${TELNYX}/v2/oauth/authorize`])
      expect(await rejectionOf(issuer.authorize(`${url}?${SIGN_IN}`))).toBeInstanceOf(TypeError)
  })
})

it('each endpoint of the metadata exists after listen', async () => {
  const issuer = await open()
  const base = await issuer.listen()
  const metadata = await readObject(await fetch(base + AS_METADATA))
  expect((await fetch(`${textOf(metadata, 'authorization_endpoint')}?${SIGN_IN}`)).status).toBe(200)
  expect(await readKeys(fetch, textOf(metadata, 'jwks_uri'))).toHaveLength(1)
  expect((await postJson(fetch, textOf(metadata, 'registration_endpoint'), {})).status).toBe(201)
  const client = { client_id: 'app', client_secret: 's3cret' }
  const fields = { ...client, grant_type: 'client_credentials' }
  const granted = await readObject(await postForm(fetch, textOf(metadata, 'token_endpoint'), fields))
  const token = textOf(granted, 'access_token')
  const answer = await postForm(fetch, textOf(metadata, 'introspection_endpoint'), { ...client, token })
  expect(await readObject(answer)).toMatchObject({ active: true, iss: base })
})

describe.each(SPELLED.filter(({ json }) => json))('the body of $name', (operation) => {
  const { endpoint, path, method, json, success } = operation
  // The documented status codes: 422 if no other one fits an invalid document.
  const status = endpoint === 'updateClient' || endpoint === 'createGrant' ? 422 : 400

  async function send(
    body: RequestInit['body'],
    headers: Readonly<Record<string, string>> = JSON_TYPE,
  ): Promise<{ issuer: MockIssuer; response: Response }> {
    const issuer = await open()
    const state = stateOf(issuer)
    const init: RequestInit = {
      method,
      headers: { ...WITH_KEY, ...headers },
      body: body ?? null,
      duplex: 'half',
    }
    const response = await issuer.fetch(TELNYX + path, init)
    if (!response.ok) expect(stateOf(issuer)).toEqual(state)
    return { issuer, response }
  }

  async function expectRefused(response: Response, expected: number): Promise<void> {
    expect(response.status).toBe(expected)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.has('www-authenticate')).toBe(false)
    const isUnread = expected === 413 || endpoint !== 'registration'
    expect(await readObject(response)).toEqual({
      error: isUnread ? 'invalid_request' : 'invalid_client_metadata',
      error_description: expect.any(String),
    })
  }

  it.each(['{', '{}}', "{'a':1}", 'null', 'true', '[]', '[{}]', '"text"', '7', ' ', 'a=b'])(
    'is refused if it is not a JSON object: %s',
    async (body) => {
      await expectRefused((await send(body)).response, status)
    },
  )

  it('is refused if it is too long', async () => {
    await expectRefused((await send(`{"a":"${'x'.repeat(MAX_BODY_BYTES)}"}`)).response, 413)
  })

  it('is refused if it is too long without announcing its length, and reading stops at the limit', async () => {
    let pulled = 0
    const endless = new ReadableStream({
      pull(controller) {
        pulled += 1024
        controller.enqueue(Buffer.alloc(1024, ' '))
      },
    })
    await expectRefused((await send(endless)).response, 413)
    expect(pulled).toBeLessThan(2 * MAX_BODY_BYTES)
  })

  it('is refused over HTTP if it is too long', async () => {
    const issuer = await open()
    const base = await issuer.listen()
    const body = `{"a":"${'x'.repeat(MAX_BODY_BYTES)}"}`
    await expectRefused(
      await fetch(base + path, { method, headers: { ...WITH_KEY, ...JSON_TYPE }, body }),
      413,
    )
  })

  it.each([
    'application/x-www-form-urlencoded',
    'text/plain;charset=UTF-8',
    'text/json',
    'application/jsonp',
    'application/json-patch+json',
    'application/json, application/json',
    '',
  ])('is refused with the content type "%s"', async (type) => {
    const response = await send(JSON.stringify(json), { 'content-type': type })
    await expectRefused(response.response, status)
  })

  it.each(['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json ;charset=utf-8'])(
    'may have the content type "%s", and the length of the limit',
    async (type) => {
      const issuer = await open()
      const consent = await beginSignIn({ fetch: issuer.fetch, base: TELNYX })
      const headers = { ...WITH_KEY, 'content-type': type }
      const body = JSON.stringify(json).replace('CONSENT', consent).padEnd(MAX_BODY_BYTES, ' ')
      expect((await issuer.fetch(TELNYX + path, { method, headers, body })).status).toBe(success)
    },
  )

  it('counts as {} if it is missing, with any content type', async () => {
    for (const headers of [{}, { 'content-type': 'text/plain' }, JSON_TYPE]) {
      const { response } = await send(null, headers)
      const { response: empty } = await send('{}')
      expect(response.status).toBe(empty.status)
      expect([200, 201, 422]).toContain(response.status)
    }
  })
})

describe('introspection', () => {
  const INTROSPECT = `${TELNYX}/v2/oauth/introspect`

  async function expectActive(response: Response): Promise<void> {
    expect(response.status).toBe(200)
    expect(await readObject(response)).toMatchObject({ active: true })
  }

  async function expectNoClient(response: Response): Promise<void> {
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Basic realm="oauth"')
    expect(await readObject(response)).toEqual({
      error: 'invalid_client',
      error_description: expect.any(String),
    })
  }

  it('accepts the API key, with a form and with JSON', async () => {
    const issuer = await open()
    const token = await issuer.issueToken()
    await expectActive(await postForm(issuer.fetch, INTROSPECT, { token }, WITH_KEY))
    await expectActive(await postJson(issuer.fetch, INTROSPECT, { token }, WITH_KEY))
    const scheme = { authorization: `bearer  ${API_KEY}` }
    await expectActive(await postForm(issuer.fetch, INTROSPECT, { token }, scheme))
    const withClient = { token, client_id: 'spa' }
    await expectActive(await postForm(issuer.fetch, INTROSPECT, withClient, WITH_KEY))
  })

  it('accepts the credentials of a client', async () => {
    const issuer = await open()
    const token = await issuer.issueToken()
    const basic = { authorization: basicCredentials('app', 's3cret') }
    await expectActive(await postForm(issuer.fetch, INTROSPECT, { token }, basic))
    const fields = { token, client_id: 'app', client_secret: 's3cret' }
    await expectActive(await postForm(issuer.fetch, INTROSPECT, fields))
    await expectActive(await postJson(issuer.fetch, INTROSPECT, fields))
  })

  it('accepts created and registered clients, except public ones', async () => {
    const issuer = await open()
    const token = await issuer.issueToken()
    for (const [method, ok] of [
      ['client_secret_post', true],
      ['none', false],
    ] as const) {
      const registration = { token_endpoint_auth_method: method }
      const client = await readObject(
        await postJson(issuer.fetch, `${TELNYX}/v2/oauth/register`, registration),
      )
      const { client_id: clientId, client_secret: secret } = client
      const fields = {
        token,
        client_id: clientId,
        ...(secret === undefined ? {} : { client_secret: secret }),
      }
      const response = await postJson(issuer.fetch, INTROSPECT, fields)
      if (ok) await expectActive(response)
      else await expectNoClient(response)
    }
  })

  it('refuses a public client, whose id is not a secret', async () => {
    const issuer = await open()
    const token = await issuer.issueToken({ clientId: 'spa' })
    await expectNoClient(await postForm(issuer.fetch, INTROSPECT, { token, client_id: 'spa' }))
    await expectNoClient(await postJson(issuer.fetch, INTROSPECT, { token, client_id: 'spa' }))
    const basic = { authorization: basicCredentials('spa', '') }
    await expectNoClient(await postForm(issuer.fetch, INTROSPECT, { token }, basic))
  })

  it.each([
    ['a wrong API key', 'Bearer KEY_other'],
    ['the API key with another scheme', `Token ${API_KEY}`],
    ['the API key by HTTP Basic', basicCredentials(API_KEY, '')],
    ['the API key as the secret of a client', basicCredentials('app', API_KEY)],
    ['the API key twice', `Bearer ${API_KEY}, Bearer ${API_KEY}`],
  ])('refuses %s', async (_, authorization) => {
    const issuer = await open()
    const token = await issuer.issueToken()
    await expectNoClient(await postForm(issuer.fetch, INTROSPECT, { token }, { authorization }))
  })

  it('refuses an access token as a credential, even for itself', async () => {
    const issuer = await open()
    const token = await issuer.issueToken()
    const headers = { authorization: `Bearer ${token}` }
    await expectNoClient(await postForm(issuer.fetch, INTROSPECT, { token }, headers))
  })

  it('requires a token, with the API key as well', async () => {
    const issuer = await open()
    const response = await postForm(issuer.fetch, INTROSPECT, {}, WITH_KEY)
    expect(response.status).toBe(400)
    expect(await readObject(response)).toMatchObject({ error: 'invalid_request' })
  })
})
