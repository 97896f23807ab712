import {
  type Client,
  type ClientSeed,
  createMockIssuer,
  type MockIssuer,
  type MockIssuerOptions,
} from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'
import { postForm, postJson, readObject, textOf } from '../support/oauth-requests.js'

const BASE = 'https://api.telnyx.com'
const TOKEN = `${BASE}/v2/oauth/token`
const API_KEY = 'KEY_test'
const WITH_KEY = { authorization: `Bearer ${API_KEY}` }
const SPELLINGS = ['/v2/oauth_clients', '/v2/oauth/clients']
const PATH = '/v2/oauth_clients'
const START = Date.UTC(2026, 9, 1, 12, 0, 0, 250)
const STARTED = '2026-10-01T12:00:00.250Z'
const LATER = START + 90_000
const LATER_TEXT = '2026-10-01T12:01:30.250Z'
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const LOOPBACK = ['http://127.0.0.1/callback', 'http://localhost/callback']
const REDIRECT_URI = 'https://client.example.com/callback'

/** The required members of a new client. */
const LEAST = {
  name: 'My client',
  allowed_scopes: ['voice.read'],
  client_type: 'confidential',
  allowed_grant_types: ['client_credentials'],
}
const FULL = {
  name: 'Grüße & <b>more</b>',
  allowed_scopes: ['messaging.read', 'voice.write'],
  client_type: 'public',
  allowed_grant_types: ['authorization_code', 'refresh_token'],
  redirect_uris: [REDIRECT_URI, 'http://127.0.0.1/callback'],
  require_pkce: true,
  logo_uri: 'https://client.example.com/logo.png',
  policy_uri: 'https://client.example.com/policy?a=b#c',
  tos_uri: 'http://client.example.com/tos',
}
const SEED: ClientSeed = {
  clientId: 'app',
  clientSecret: 's3cret',
  name: 'App',
  scopes: ['messaging.read', 'voice.read'],
  redirectUris: [REDIRECT_URI],
}
const CREDENTIALS = { client_id: 'app', client_secret: 's3cret' }

interface Opened {
  readonly issuer: MockIssuer
  readonly clock: { now: number }
}

async function open(
  clients: readonly ClientSeed[] = [SEED],
  options: MockIssuerOptions = {},
): Promise<Opened> {
  const clock = { now: START }
  const issuer = await createMockIssuer({
    algorithm: 'ES256',
    apiKey: API_KEY,
    clients,
    now: () => clock.now,
    ...options,
  })
  return { issuer, clock }
}

function ask({ fetch }: MockIssuer, path: string, method = 'GET', body?: unknown): Promise<Response> {
  if (body === undefined) return fetch(BASE + path, { method, headers: WITH_KEY })
  const headers = { ...WITH_KEY, 'content-type': 'application/json' }
  return fetch(BASE + path, { method, headers, body: typeof body === 'string' ? body : JSON.stringify(body) })
}

/** The client in a response that has no other members. */
async function clientOf(response: Response, status = 200): Promise<Record<string, unknown>> {
  expect(response.status).toBe(status)
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  expect(response.headers.get('cache-control')).toBe('no-store')
  const { data, ...rest } = await readObject(response)
  expect(rest).toEqual({})
  if (typeof data !== 'object' || data === null) throw new TypeError('There is no client')
  return { ...data }
}

async function idsOf(response: Response): Promise<unknown[]> {
  expect(response.status).toBe(200)
  const { data } = await readObject(response)
  if (!Array.isArray(data)) throw new TypeError('This is not a list')
  const list: unknown[] = data
  return list.map(
    (each) => typeof each === 'object' && each !== null && 'client_id' in each && each.client_id,
  )
}

async function expectNotFound(response: Response): Promise<void> {
  expect(response.status).toBe(404)
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  expect(await readObject(response)).toEqual({ error: 'not_found', error_description: expect.any(String) })
}

/** A document that is refused, with the members that are not valid. */
async function expectInvalid(response: Response, fields: readonly string[]): Promise<void> {
  expect(response.status).toBe(422)
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  const body = await readObject(response)
  expect(body).toEqual({
    error: 'invalid_request',
    error_description: expect.any(String),
    invalid_fields: expect.any(Object),
  })
  const invalid = Object.entries(body.invalid_fields ?? {})
  expect(invalid.map(([name]) => name).sort()).toEqual([...fields].sort())
  for (const [, reasons] of invalid) {
    expect(reasons).toEqual(expect.arrayContaining([expect.any(String)]))
    expect(new Set(reasons).size).toBe(reasons.length)
  }
}

function signInUrl(clientId: string, more: Readonly<Record<string, string>> = {}): URL {
  const url = new URL(`${BASE}/v2/oauth/authorize`)
  const query = { response_type: 'code', client_id: clientId, redirect_uri: REDIRECT_URI, ...more }
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  return url
}

async function signIn(issuer: MockIssuer, clientId: string): Promise<string> {
  return new URL(await issuer.authorize(signInUrl(clientId))).searchParams.get('code') ?? ''
}

function exchange({ fetch }: MockIssuer, fields: Readonly<Record<string, string>>): Promise<Response> {
  return postForm(fetch, TOKEN, { ...CREDENTIALS, redirect_uri: REDIRECT_URI, ...fields })
}

async function isActive({ fetch }: MockIssuer, token: string): Promise<unknown> {
  const { active } = await readObject(
    await postForm(fetch, `${BASE}/v2/oauth/introspect`, { token }, WITH_KEY),
  )
  return active
}

describe.each(SPELLINGS)('%s', (path) => {
  describe('creates', () => {
    it('a client from the required members, with null for the others', async () => {
      const { issuer, clock } = await open()
      clock.now = LATER
      const created = await clientOf(await ask(issuer, path, 'POST', LEAST), 201)
      expect(created).toEqual({
        record_type: 'oauth_client',
        client_id: expect.stringMatching(UUID),
        name: 'My client',
        org_id: expect.stringMatching(UUID),
        user_id: expect.stringMatching(UUID),
        client_type: 'confidential',
        require_pkce: false,
        created_at: LATER_TEXT,
        updated_at: LATER_TEXT,
        allowed_grant_types: ['client_credentials'],
        allowed_scopes: ['voice.read'],
        redirect_uris: [],
        client_secret: expect.stringMatching(/^[\w-]{32}$/),
        logo_uri: null,
        policy_uri: null,
        tos_uri: null,
      })
    })

    it('a client from all members', async () => {
      const { issuer } = await open()
      const created = await clientOf(await ask(issuer, path, 'POST', FULL), 201)
      expect(created).toEqual({
        ...FULL,
        record_type: 'oauth_client',
        client_id: expect.stringMatching(UUID),
        org_id: expect.stringMatching(UUID),
        user_id: expect.stringMatching(UUID),
        client_secret: null,
        created_at: STARTED,
        updated_at: STARTED,
      })
    })

    it('a client that works, in the same account as all others', async () => {
      const { issuer } = await open()
      const one = await clientOf(await ask(issuer, path, 'POST', LEAST), 201)
      const two = await clientOf(await ask(issuer, path, 'POST', LEAST), 201)
      expect(one.client_id).not.toBe(two.client_id)
      expect(one.client_secret).not.toBe(two.client_secret)
      const seeded = await clientOf(await ask(issuer, `${path}/app`))
      expect([one.org_id, one.user_id]).toEqual([seeded.org_id, seeded.user_id])
      expect(one.org_id).not.toBe(one.user_id)

      const granted = await postForm(issuer.fetch, TOKEN, {
        grant_type: 'client_credentials',
        client_id: textOf(one, 'client_id'),
        client_secret: textOf(one, 'client_secret'),
      })
      expect(granted.status).toBe(200)
      expect(await readObject(granted)).toMatchObject({ scope: 'voice.read' })
    })
  })

  it('retrieves what it created, on both paths', async () => {
    const { issuer } = await open()
    const created = await clientOf(await ask(issuer, path, 'POST', FULL), 201)
    for (const spelling of SPELLINGS)
      expect(await clientOf(await ask(issuer, `${spelling}/${created.client_id}`))).toEqual(created)
  })

  it('retrieves a seeded client with its secret', async () => {
    const { issuer } = await open()
    expect(await clientOf(await ask(issuer, `${path}/app`))).toEqual({
      record_type: 'oauth_client',
      client_id: 'app',
      name: 'App',
      org_id: expect.stringMatching(UUID),
      user_id: expect.stringMatching(UUID),
      client_type: 'confidential',
      require_pkce: false,
      created_at: STARTED,
      updated_at: STARTED,
      allowed_grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
      allowed_scopes: SEED.scopes,
      redirect_uris: [REDIRECT_URI],
      client_secret: 's3cret',
      logo_uri: null,
      policy_uri: null,
      tos_uri: null,
    })
  })

  it('retrieves a public client with its defaults', async () => {
    const { issuer } = await open([{ clientId: 'spa', clientType: 'public', scopes: [] }])
    expect(await clientOf(await ask(issuer, `${path}/spa`))).toMatchObject({
      client_type: 'public',
      client_secret: null,
      allowed_grant_types: ['authorization_code', 'refresh_token'],
      allowed_scopes: [],
      redirect_uris: LOOPBACK,
    })
  })

  it('updates a client, also in the list', async () => {
    const { issuer, clock } = await open([SEED, { clientId: 'other' }])
    const shown = await clientOf(await ask(issuer, `${path}/app`))
    clock.now = LATER
    const { client_type: _, ...update } = FULL
    const updated = await clientOf(await ask(issuer, `${path}/app`, 'PUT', update))
    expect(updated).toEqual({ ...shown, ...update, updated_at: LATER_TEXT })
    const { data } = await readObject(await ask(issuer, path))
    expect(data).toMatchObject([updated, { client_id: 'other', updated_at: STARTED }])
  })

  it('deletes a client', async () => {
    const { issuer } = await open([SEED, { clientId: 'other' }])
    const response = await ask(issuer, `${path}/app`, 'DELETE')
    expect(response.status).toBe(204)
    expect(await response.text()).toBe('')
    expect(await idsOf(await ask(issuer, path))).toEqual(['other'])
    expect(issuer.clients.map(({ clientId }) => clientId)).toEqual(['other'])
    for (const spelling of SPELLINGS) await expectNotFound(await ask(issuer, `${spelling}/app`))
  })

  it.each([
    '00000000-0000-4000-8000-000000000000',
    'APP',
    'constructor',
    '__proto__',
    '%zz',
    '%ff',
    '%20',
    'a%2Fb',
  ])('finds no client %s', async (id) => {
    const { issuer } = await open()
    await expectNotFound(await ask(issuer, `${path}/${id}`))
    await expectNotFound(await ask(issuer, `${path}/${id}`, 'PUT', { name: 'Other' }))
    await expectNotFound(await ask(issuer, `${path}/${id}`, 'DELETE'))
    expect(issuer.clients.map(({ name }) => name)).toEqual(['App'])
  })

  it.each(['a/b', 'a b', '%41', 'ü', '?x#y', 'https://client.example.com/metadata.json'])(
    'finds the id "%s"',
    async (clientId) => {
      const { issuer } = await open([SEED, { clientId }])
      const url = `${path}/${encodeURIComponent(clientId)}`
      expect(await clientOf(await ask(issuer, url))).toMatchObject({ client_id: clientId })
      expect(await clientOf(await ask(issuer, url, 'PUT', { name: 'Other' }))).toMatchObject({
        name: 'Other',
      })
      expect((await ask(issuer, url, 'DELETE')).status).toBe(204)
      expect(issuer.clients.map((client) => client.clientId)).toEqual(['app'])
    },
  )

  it('refuses other methods', async () => {
    const { issuer } = await open()
    for (const method of ['PUT', 'DELETE', 'PATCH'])
      expect((await ask(issuer, path, method)).status).toBe(404)
    for (const method of ['POST', 'PATCH'])
      expect((await ask(issuer, `${path}/app`, method)).status).toBe(404)
    expect(issuer.clients).toHaveLength(1)
  })

  it('does the same over HTTP', async () => {
    const { issuer } = await open()
    const base = await issuer.listen()
    try {
      const headers = WITH_KEY
      const created = await clientOf(await postJson(fetch, base + path, LEAST, headers), 201)
      const url = `${base}${path}/${created.client_id}`
      expect(await clientOf(await fetch(url, { headers }))).toEqual(created)
      const init = { method: 'PUT', headers: { ...headers, 'content-type': 'application/json' } }
      expect(await clientOf(await fetch(url, { ...init, body: '{"name":"Ü"}' }))).toMatchObject({ name: 'Ü' })
      const query = new URLSearchParams({ 'filter[name]': 'Ü', 'page[size]': '1' })
      expect(await idsOf(await fetch(`${base}${path}?${query}`, { headers }))).toEqual([created.client_id])
      const deleted = await fetch(url, { method: 'DELETE', headers })
      expect([deleted.status, await deleted.text()]).toEqual([204, ''])
      await expectNotFound(await fetch(url, { headers }))
    } finally {
      await issuer.close()
    }
  })
})

describe('the list', () => {
  it('has all clients, from each source, in order of creation', async () => {
    const { issuer } = await open([SEED, { clientId: 'spa', clientType: 'public' }])
    const registered = await readObject(await postJson(issuer.fetch, `${BASE}/v2/oauth/register`, {}))
    const created = await clientOf(await ask(issuer, PATH, 'POST', LEAST), 201)
    const ids = ['app', 'spa', registered.client_id, created.client_id]
    expect(await idsOf(await ask(issuer, PATH))).toEqual(ids)
    // An update does not change the order, so pages stay stable.
    await ask(issuer, `${PATH}/app`, 'PUT', { name: 'Other' })
    await ask(issuer, `${PATH}/${registered.client_id}`, 'PUT', {
      name: 'Other',
      redirect_uris: [REDIRECT_URI],
    })
    expect(await idsOf(await ask(issuer, PATH))).toEqual(ids)
  })

  it('has clients as in retrieve, and only data and meta', async () => {
    const { issuer } = await open([SEED, { clientId: 'spa', clientType: 'public' }])
    const response = await ask(issuer, PATH)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await readObject(response)).toEqual({
      data: [
        await clientOf(await ask(issuer, `${PATH}/app`)),
        await clientOf(await ask(issuer, `${PATH}/spa`)),
      ],
      meta: { page_number: 1, page_size: 20, total_pages: 1, total_results: 2 },
    })
  })

  it('may be empty', async () => {
    const { issuer } = await open([])
    expect(await readObject(await ask(issuer, PATH))).toEqual({
      data: [],
      meta: { page_number: 1, page_size: 20, total_pages: 0, total_results: 0 },
    })
  })

  describe('by pages', () => {
    const seeds = Array.from({ length: 205 }, (_, index) => ({ clientId: `c${index}` }))
    const ids = seeds.map(({ clientId }) => clientId)

    it.each([
      ['', [1, 20, 11], [0, 20]],
      ['page[number]=1', [1, 20, 11], [0, 20]],
      ['page[number]=11', [11, 20, 11], [200, 205]],
      ['page[number]=12', [12, 20, 11], [205, 205]],
      ['page[number]=9007199254740991&page[size]=100', [9_007_199_254_740_991, 100, 3], [205, 205]],
      ['page[size]=1', [1, 1, 205], [0, 1]],
      ['page[size]=1&page[number]=205', [205, 1, 205], [204, 205]],
      ['page[size]=41&page[number]=5', [5, 41, 5], [164, 205]],
      ['page[size]=100&page[number]=3', [3, 100, 3], [200, 205]],
      ['page%5Bsize%5D=10&page%5Bnumber%5D=2', [2, 10, 21], [10, 20]],
    ] as const)('"%s"', async (query, [number, size, pages], [from, to]) => {
      const { issuer } = await open(seeds)
      const response = await ask(issuer, `${PATH}?${query}`)
      expect(await idsOf(response.clone())).toEqual(ids.slice(from, to))
      expect((await readObject(response)).meta).toEqual({
        page_number: number,
        page_size: size,
        total_pages: pages,
        total_results: 205,
      })
    })

    it('has each client once', async () => {
      const { issuer } = await open(seeds)
      const found: unknown[] = []
      for (let page = 1; page <= 7; page++)
        found.push(...(await idsOf(await ask(issuer, `${PATH}?page[size]=30&page[number]=${page}`))))
      expect(found).toEqual(ids)
    })

    it.each([
      'page[number]=0',
      'page[number]=-1',
      'page[number]=',
      'page[number]=x',
      'page[number]=1.0',
      'page[number]=1e1',
      'page[number]=0x1',
      'page[number]=%2B1',
      'page[number]=+1',
      'page[number]=9007199254740992',
      'page[number]=99999999999999999999999',
      'page[number]=1&page[number]=2',
      'page[size]=0',
      'page[size]=101',
      'page[size]=-20',
      'page[size]=',
      'page[size]=all',
      'page[size]=20&page[size]=20',
    ])('"%s" is refused', async (query) => {
      const { issuer } = await open()
      const response = await ask(issuer, `${PATH}?${query}`)
      expect(response.status).toBe(400)
      expect(await readObject(response)).toEqual({
        error: 'invalid_request',
        error_description: expect.any(String),
      })
    })
  })

  describe('by filters', () => {
    const seeds: ClientSeed[] = [
      { clientId: 'a', name: 'Shop', verified: true, grantTypes: ['client_credentials'] },
      { clientId: 'b', name: 'Shop app', clientType: 'public', verified: true },
      { clientId: 'c', name: 'shop', grantTypes: ['authorization_code'] },
      { clientId: 'd', name: 'My Shop (a.b*) & 50%+', grantTypes: [] },
      { clientId: 'e', name: 'Grüße', clientType: 'public', grantTypes: ['refresh_token'] },
      {
        clientId: 'f',
        name: 'Shop',
        clientType: 'public',
        verified: true,
        grantTypes: ['client_credentials'],
      },
    ]

    async function find(query: Record<string, string> | [string, string][]): Promise<unknown[]> {
      const { issuer } = await open(seeds)
      return idsOf(await ask(issuer, `${PATH}?${new URLSearchParams(query)}`))
    }

    it.each([
      ['filter[client_id]', 'c', ['c']],
      ['filter[client_id]', 'C', []],
      ['filter[client_id]', '', []],
      ['filter[client_type]', 'public', ['b', 'e', 'f']],
      ['filter[client_type]', 'confidential', ['a', 'c', 'd']],
      ['filter[name]', 'Shop', ['a', 'f']],
      ['filter[name]', 'shop', ['c']],
      ['filter[name]', 'Sho', []],
      ['filter[name]', 'Grüße', ['e']],
      ['filter[name]', 'My Shop (a.b*) & 50%+', ['d']],
      ['filter[name][contains]', 'Shop', ['a', 'b', 'd', 'f']],
      ['filter[name][contains]', 'hop a', ['b']],
      ['filter[name][contains]', 'a.b*', ['d']],
      ['filter[name][contains]', '.*', []],
      ['filter[name][contains]', '& 50%+', ['d']],
      ['filter[name][contains]', '', ['a', 'b', 'c', 'd', 'e', 'f']],
      ['filter[allowed_grant_types][contains]', 'client_credentials', ['a', 'f']],
      ['filter[allowed_grant_types][contains]', 'authorization_code', ['b', 'c']],
      ['filter[allowed_grant_types][contains]', 'refresh_token', ['b', 'e']],
      ['filter[verified]', 'true', ['a', 'b', 'f']],
      ['filter[verified]', 'false', ['c', 'd', 'e']],
    ])('%s=%s', async (name, value, ids) => {
      expect(await find({ [name]: value })).toEqual(ids)
    })

    it('that are combined: all must match', async () => {
      const filters: [string, string, (client: Client) => boolean][] = [
        ['filter[client_id]', 'a', ({ clientId }) => clientId === 'a'],
        ['filter[client_type]', 'public', ({ clientType }) => clientType === 'public'],
        ['filter[name]', 'Shop', ({ name }) => name === 'Shop'],
        ['filter[name][contains]', 'app', ({ name }) => /app/.test(name)],
        [
          'filter[allowed_grant_types][contains]',
          'client_credentials',
          ({ grantTypes }) => grantTypes.includes('client_credentials'),
        ],
        ['filter[verified]', 'true', ({ verified }) => verified],
      ]
      const { issuer } = await open(seeds)
      for (let combination = 0; combination < 2 ** filters.length; combination++) {
        const chosen = filters.filter((_, index) => combination & (1 << index))
        const query = new URLSearchParams()
        for (const [name, value] of chosen) query.set(name, value)
        const expected = issuer.clients.filter((client) => chosen.every(([, , holds]) => holds(client)))
        const response = await ask(issuer, `${PATH}?${query}`)
        expect(await idsOf(response), String(query)).toEqual(expected.map(({ clientId }) => clientId))
      }
    })

    it('that are repeated: both must match', async () => {
      expect(
        await find([
          ['filter[name][contains]', 'Shop'],
          ['filter[name][contains]', 'app'],
        ]),
      ).toEqual(['b'])
      expect(
        await find([
          ['filter[client_type]', 'public'],
          ['filter[client_type]', 'confidential'],
        ]),
      ).toEqual([])
    })

    it('together with pages of the matching clients', async () => {
      const { issuer } = await open(seeds)
      const query = { 'filter[client_type]': 'public', 'page[size]': '2', 'page[number]': '2' }
      const response = await ask(issuer, `${PATH}?${new URLSearchParams(query)}`)
      expect(await idsOf(response.clone())).toEqual(['f'])
      expect((await readObject(response)).meta).toEqual({
        page_number: 2,
        page_size: 2,
        total_pages: 2,
        total_results: 3,
      })
    })

    it('by the current state of the clients', async () => {
      const { issuer } = await open(seeds)
      await ask(issuer, `${PATH}/c`, 'PUT', { name: 'Shop' })
      await ask(issuer, `${PATH}/a`, 'DELETE')
      expect(await idsOf(await ask(issuer, `${PATH}?filter[name]=Shop`))).toEqual(['c', 'f'])
    })

    it('and a client cannot register itself as verified', async () => {
      const { issuer } = await open()
      await ask(issuer, PATH, 'POST', LEAST)
      expect(await idsOf(await ask(issuer, `${PATH}?filter[verified]=true`))).toEqual([])
    })

    it.each([
      'filter[client_type]=Public',
      'filter[client_type]=',
      'filter[verified]=1',
      'filter[verified]=TRUE',
      'filter[verified]=',
      'filter[allowed_grant_types][contains]=password',
      'filter[allowed_grant_types][contains]=',
      'filter[allowed_grant_types]=client_credentials',
      'filter[client_id][contains]=a',
      'filter[client_type][contains]=public',
      'filter[Name]=Shop',
      'filter[name][eq]=Shop',
      'filter[constructor]=x',
      'filter[]=x',
      'filter%5Bunknown%5D=x',
      'filter[name]=Shop&filter[unknown]=x',
    ])('"%s" is refused', async (query) => {
      const { issuer } = await open(seeds)
      const response = await ask(issuer, `${PATH}?${query}`)
      expect(response.status).toBe(400)
      expect(await readObject(response)).toEqual({
        error: 'invalid_request',
        error_description: expect.any(String),
      })
    })
  })
})

/** Members that are not valid, neither to create nor to update a client. */
const INVALID_MEMBERS: [string, unknown][] = [
  ['name', ''],
  ['name', null],
  ['name', 7],
  ['name', ['My client']],
  ['name', 'a\nb'],
  ['name', 'a\u0000b'],
  ['name', 'x'.repeat(201)],
  ['allowed_scopes', 'voice.read'],
  ['allowed_scopes', null],
  ['allowed_scopes', {}],
  ['allowed_scopes', ['']],
  ['allowed_scopes', ['voice.read messaging.read']],
  ['allowed_scopes', ['"']],
  ['allowed_scopes', ['ü']],
  ['allowed_scopes', [7]],
  ['allowed_scopes', Array.from({ length: 101 }, (_, index) => `s${index}`)],
  ['allowed_grant_types', 'client_credentials'],
  ['allowed_grant_types', null],
  ['allowed_grant_types', ['password']],
  ['allowed_grant_types', ['implicit', 'client_credentials']],
  ['allowed_grant_types', [null]],
  ['redirect_uris', REDIRECT_URI],
  ['redirect_uris', null],
  ['redirect_uris', ['']],
  ['redirect_uris', ['/callback']],
  ['redirect_uris', ['client.example.com/callback']],
  ['redirect_uris', [`${REDIRECT_URI}#fragment`]],
  ['redirect_uris', ['javascript:alert(1)']],
  ['redirect_uris', ['data:text/html,x']],
  ['redirect_uris', ['https://user:secret@client.example.com/callback']],
  ['redirect_uris', ['https://client.example.com/call back']],
  ['redirect_uris', [REDIRECT_URI, 7]],
  ['require_pkce', 'true'],
  ['require_pkce', null],
  ['require_pkce', 1],
  ['logo_uri', ''],
  ['logo_uri', null],
  ['logo_uri', 'logo.png'],
  ['logo_uri', 'javascript:alert(1)'],
  ['logo_uri', 'data:image/png;base64,AA=='],
  ['policy_uri', 'ftp://client.example.com/policy'],
  ['policy_uri', ['https://client.example.com/policy']],
  ['tos_uri', 7],
  ['tos_uri', 'https://'],
]
const UNKNOWN_MEMBERS = [
  'client_id',
  'client_secret',
  'record_type',
  'org_id',
  'user_id',
  'created_at',
  'updated_at',
  'verified',
  'scope',
  'client_name',
  'Name',
  'constructor',
  'toString',
  '__proto__',
]

/** JSON with one more member, of any name: in an object literal, `__proto__` would set the prototype. */
function withMember(document: object, name: string, value: unknown): string {
  const members = Object.entries(document).filter(([other]) => other !== name)
  return `{${[...members, [name, value]].map((each) => each.map((part) => JSON.stringify(part)).join(':'))}}`
}

describe('creating a client', () => {
  it.each(INVALID_MEMBERS)('with the %s %j is refused', async (name, value) => {
    const { issuer } = await open()
    await expectInvalid(await ask(issuer, PATH, 'POST', withMember(LEAST, name, value)), [name])
    expect(issuer.clients).toHaveLength(1)
  })

  it.each(['Public', '', null, 7, ['public'], 'native'])('of the type %j is refused', async (type) => {
    const { issuer } = await open()
    await expectInvalid(await ask(issuer, PATH, 'POST', { ...LEAST, client_type: type }), ['client_type'])
  })

  it.each(UNKNOWN_MEMBERS)('with the member %s is refused', async (name) => {
    const { issuer } = await open()
    await expectInvalid(await ask(issuer, PATH, 'POST', withMember(LEAST, name, 'x')), [name])
    expect(issuer.clients).toHaveLength(1)
  })

  it.each(Object.keys(LEAST))('without %s is refused', async (name) => {
    const { issuer } = await open()
    const rest = Object.fromEntries(Object.entries(LEAST).filter(([other]) => other !== name))
    const response = await ask(issuer, PATH, 'POST', rest)
    expect((await readObject(response.clone())).invalid_fields).toEqual({ [name]: ['is missing'] })
    await expectInvalid(response, [name])
    expect(issuer.clients).toHaveLength(1)
  })

  it('without members names all missing ones, with a body or without', async () => {
    const { issuer } = await open()
    await expectInvalid(await ask(issuer, PATH, 'POST', {}), Object.keys(LEAST))
    await expectInvalid(await ask(issuer, PATH, 'POST'), Object.keys(LEAST))
  })

  it('with several errors names all of them, each reason once', async () => {
    const { issuer } = await open()
    const document = {
      name: '',
      client_type: 'native',
      allowed_scopes: ['', 7, 8, ''],
      allowed_grant_types: ['password', 'implicit'],
      tos_uri: 'ftp://client.example.com/',
      extra: true,
    }
    await expectInvalid(await ask(issuer, PATH, 'POST', document), Object.keys(document))
  })

  it('does not repeat a value in the error', async () => {
    const { issuer } = await open()
    const value = 'javascript:alert(document.domain)'
    const document = {
      ...LEAST,
      client_type: value,
      allowed_grant_types: [value],
      redirect_uris: [value],
      logo_uri: value,
      tos_uri: [value],
      extra: value,
    }
    const text = await (await ask(issuer, PATH, 'POST', document)).text()
    expect(text).toContain('invalid_fields')
    expect(text).not.toContain('alert')
  })

  it.each(['{', 'null', '[]', '"text"', '7', '{"name":}', '\u00a0'])(
    'with the body %s is 400',
    async (body) => {
      const { issuer } = await open()
      const response = await ask(issuer, PATH, 'POST', body)
      expect(response.status).toBe(400)
      expect(await readObject(response)).toEqual({
        error: 'invalid_request',
        error_description: expect.any(String),
      })
      expect(issuer.clients).toHaveLength(1)
    },
  )

  it.each([
    ['no redirect URI', {}],
    ['an empty list', { redirect_uris: [] }],
  ])('for codes with %s is refused', async (_, more) => {
    const { issuer } = await open()
    const document = { ...LEAST, allowed_grant_types: ['refresh_token', 'authorization_code'], ...more }
    await expectInvalid(await ask(issuer, PATH, 'POST', document), ['redirect_uris'])
    expect(issuer.clients).toHaveLength(1)
  })

  it('keeps redirect URIs unchanged', async () => {
    const { issuer } = await open()
    const uris = [
      'https://CLIENT.example.com:443/a/../b?x=1&y=%7e',
      'http://127.0.0.1:3000/callback',
      'http://[::1]/callback',
      'com.example.app:/callback',
      'com.example.app://callback',
    ]
    const document = { ...LEAST, allowed_grant_types: ['authorization_code'], redirect_uris: uris }
    const created = await clientOf(await ask(issuer, PATH, 'POST', document), 201)
    expect(created.redirect_uris).toEqual(uris)
  })

  it('accepts values up to the limits', async () => {
    const { issuer } = await open()
    const scopes = Array.from({ length: 100 }, (_, index) => `s${index}`)
    const document = { ...LEAST, name: 'x'.repeat(200), allowed_scopes: scopes }
    expect(await clientOf(await ask(issuer, PATH, 'POST', document), 201)).toMatchObject({
      allowed_scopes: scopes,
    })
  })

  it('accepts empty lists, and removes repetitions', async () => {
    const { issuer } = await open()
    const nothing = { ...LEAST, allowed_scopes: [], allowed_grant_types: [] }
    expect(await clientOf(await ask(issuer, PATH, 'POST', nothing), 201)).toMatchObject({
      allowed_scopes: [],
      allowed_grant_types: [],
    })
    const twice = { ...LEAST, allowed_scopes: ['a', 'b', 'a'], redirect_uris: [REDIRECT_URI, REDIRECT_URI] }
    expect(await clientOf(await ask(issuer, PATH, 'POST', twice), 201)).toMatchObject({
      allowed_scopes: ['a', 'b'],
      redirect_uris: [REDIRECT_URI],
    })
  })
})

describe('updating a client', () => {
  it.each([
    ['name', 'Other'],
    ['allowed_scopes', ['voice.write']],
    ['allowed_scopes', []],
    ['allowed_grant_types', ['client_credentials']],
    ['allowed_grant_types', []],
    ['redirect_uris', ['https://other.example.com/']],
    ['require_pkce', true],
    ['logo_uri', 'https://client.example.com/logo'],
    ['policy_uri', 'https://client.example.com/policy'],
    ['tos_uri', 'https://client.example.com/tos'],
  ])('changes the %s to %j, and only updated_at besides', async (name, value) => {
    const { issuer, clock } = await open()
    const shown = await clientOf(await ask(issuer, `${PATH}/app`))
    clock.now = LATER
    const updated = await clientOf(await ask(issuer, `${PATH}/app`, 'PUT', { [name]: value }))
    expect(updated).toEqual({ ...shown, [name]: value, updated_at: LATER_TEXT })
    expect(await clientOf(await ask(issuer, `${PATH}/app`))).toEqual(updated)
  })

  it('can change a value back to false', async () => {
    const { issuer } = await open([{ ...SEED, requirePkce: true }])
    const updated = await clientOf(await ask(issuer, `${PATH}/app`, 'PUT', { require_pkce: false }))
    expect(updated).toMatchObject({ require_pkce: false })
  })

  it('without members changes only updated_at, with a body or without', async () => {
    const { issuer, clock } = await open()
    const shown = await clientOf(await ask(issuer, `${PATH}/app`))
    clock.now = LATER
    for (const body of ['{}', undefined])
      expect(await clientOf(await ask(issuer, `${PATH}/app`, 'PUT', body))).toEqual({
        ...shown,
        updated_at: LATER_TEXT,
      })
  })

  it.each(INVALID_MEMBERS)('with the %s %j is refused', async (name, value) => {
    const { issuer } = await open()
    const [client] = issuer.clients
    const response = await ask(issuer, `${PATH}/app`, 'PUT', withMember({ require_pkce: true }, name, value))
    await expectInvalid(response, [name])
    expect(issuer.clients).toEqual([client])
  })

  it.each(['client_type', ...UNKNOWN_MEMBERS])('with the member %s is refused', async (name) => {
    const { issuer } = await open()
    const [client] = issuer.clients
    // Even with the current value.
    const value = name === 'client_type' ? 'confidential' : name === 'client_id' ? 'app' : 'x'
    const response = await ask(issuer, `${PATH}/app`, 'PUT', withMember({ name: 'Other' }, name, value))
    expect((await readObject(response.clone())).invalid_fields).toEqual(
      Object.fromEntries([[name, ['is not known']]]),
    )
    await expectInvalid(response, [name])
    expect(issuer.clients).toEqual([client])
  })

  it.each(['{', 'null', '[]', '"text"', '7'])('with the body %s is 422', async (body) => {
    const { issuer } = await open()
    const response = await ask(issuer, `${PATH}/app`, 'PUT', body)
    expect(response.status).toBe(422)
    expect(await readObject(response)).toMatchObject({ error: 'invalid_request' })
  })

  it('cannot remove all redirect URIs of a client that uses codes', async () => {
    const { issuer } = await open()
    await expectInvalid(await ask(issuer, `${PATH}/app`, 'PUT', { redirect_uris: [] }), ['redirect_uris'])
    const grantTypes = { allowed_grant_types: ['client_credentials'] }
    expect((await ask(issuer, `${PATH}/app`, 'PUT', { ...grantTypes, redirect_uris: [] })).status).toBe(200)
    const codes = { allowed_grant_types: ['authorization_code'] }
    await expectInvalid(await ask(issuer, `${PATH}/app`, 'PUT', codes), ['redirect_uris'])
    const both = { ...codes, redirect_uris: [REDIRECT_URI] }
    expect((await ask(issuer, `${PATH}/app`, 'PUT', both)).status).toBe(200)
  })

  // RFC 7591 allows this registration with the default grant type. Its other members can still be changed.
  it('changes the name of a client that registered without a redirect URI', async () => {
    const { issuer } = await open()
    const { client_id: id } = await readObject(await postJson(issuer.fetch, `${BASE}/v2/oauth/register`, {}))
    expect(await clientOf(await ask(issuer, `${PATH}/${id}`, 'PUT', { name: 'Other' }))).toMatchObject({
      name: 'Other',
    })
  })

  it('does not change objects that were read before', async () => {
    const { issuer } = await open()
    const { clients } = issuer
    await ask(issuer, `${PATH}/app`, 'PUT', { name: 'Other', allowed_scopes: ['voice.write'] })
    expect(clients).toMatchObject([{ name: 'App', scopes: SEED.scopes }])
    expect(issuer.clients).toMatchObject([{ name: 'Other', scopes: ['voice.write'] }])
    expect(Object.isFrozen(issuer.clients[0])).toBe(true)
    expect(Object.isFrozen(issuer.clients[0]?.scopes)).toBe(true)
  })

  it('applies to the next token', async () => {
    const { issuer } = await open()
    const grant = { grant_type: 'client_credentials' }
    await ask(issuer, `${PATH}/app`, 'PUT', { allowed_scopes: ['voice.read'] })
    expect(await readObject(await exchange(issuer, grant))).toMatchObject({ scope: 'voice.read' })
    const refused = await exchange(issuer, { ...grant, scope: 'messaging.read' })
    expect(await readObject(refused)).toMatchObject({ error: 'invalid_scope' })
    await ask(issuer, `${PATH}/app`, 'PUT', { allowed_grant_types: ['refresh_token'] })
    expect(await readObject(await exchange(issuer, grant))).toMatchObject({ error: 'unauthorized_client' })
  })

  it('applies to the next sign-in', async () => {
    const { issuer } = await open()
    const other = 'https://other.example.com/'
    await ask(issuer, `${PATH}/app`, 'PUT', { redirect_uris: [other], require_pkce: true })
    expect((await issuer.fetch(signInUrl('app'))).status).toBe(422)
    const answer = await issuer.authorize(signInUrl('app', { redirect_uri: other }))
    expect(new URL(answer).searchParams.get('error')).toBe('invalid_request')
  })
})

describe('deleting a client', () => {
  const OTHER = { ...SEED, clientId: 'other' }

  it('revokes its tokens and grants, and no others', async () => {
    const { issuer } = await open([SEED, OTHER], { grants: [{ clientId: 'app' }, { clientId: 'other' }] })
    const codeFields = { grant_type: 'authorization_code', code: await signIn(issuer, 'app') }
    const granted = await readObject(await exchange(issuer, codeFields))
    const alone = await readObject(await exchange(issuer, { grant_type: 'client_credentials' }))
    const ended = [
      textOf(granted, 'access_token'),
      textOf(alone, 'access_token'),
      await issuer.issueToken({ clientId: 'app' }),
      await issuer.issueToken({ grantId: issuer.grants[0]?.id }),
    ]
    const untouched = [
      await issuer.issueToken({ clientId: 'other' }),
      await issuer.issueToken({ grantId: issuer.grants[1]?.id }),
      await issuer.issueToken({ clientId: 'never there' }),
    ]
    for (const token of [...ended, ...untouched]) expect(await isActive(issuer, token)).toBe(true)
    expect(issuer.grants.map(({ clientId }) => clientId)).toEqual(['app', 'other', 'app'])

    expect((await ask(issuer, `${PATH}/app`, 'DELETE')).status).toBe(204)
    for (const token of ended) expect(await isActive(issuer, token)).toBe(false)
    for (const token of untouched) expect(await isActive(issuer, token)).toBe(true)
    expect(issuer.grants.map(({ clientId }) => clientId)).toEqual(['other'])

    const later = [
      codeFields,
      { grant_type: 'refresh_token', refresh_token: textOf(granted, 'refresh_token') },
    ]
    for (const fields of [...later, { grant_type: 'client_credentials' }]) {
      const response = await exchange(issuer, fields)
      expect(response.status).toBe(401)
      expect(await readObject(response)).toMatchObject({ error: 'invalid_client' })
    }
    const asking = { ...CREDENTIALS, token: untouched[0] ?? '' }
    expect((await postForm(issuer.fetch, `${BASE}/v2/oauth/introspect`, asking)).status).toBe(401)
  })

  it('ends a sign-in that already has a code', async () => {
    const { issuer } = await open([SEED, OTHER])
    const code = await signIn(issuer, 'app')
    await ask(issuer, `${PATH}/app`, 'DELETE')
    const fields = { grant_type: 'authorization_code', code }
    expect((await exchange(issuer, fields)).status).toBe(401)
    expect((await exchange(issuer, { ...fields, client_id: 'other' })).status).toBe(400)
    expect(issuer.grants).toEqual([])
  })

  it('ends a sign-in that waits for the user', async () => {
    const { issuer } = await open([SEED, OTHER])
    const pages = [await issuer.fetch(signInUrl('app')), await issuer.fetch(signInUrl('other'))]
    const [token = '', otherToken = ''] = (await Promise.all(pages.map((page) => page.text()))).map(
      (text) => /name="consent_token" value="([^"]+)"/.exec(text)?.[1] ?? '',
    )
    expect((await ask(issuer, `/v2/oauth/consent/${token}`)).status).toBe(200)
    await ask(issuer, `${PATH}/app`, 'DELETE')
    expect((await ask(issuer, `/v2/oauth/consent/${token}`)).status).toBe(422)
    const decision = { allowed: true, consent_token: token }
    expect((await ask(issuer, '/v2/oauth/grants', 'POST', decision)).status).toBe(422)
    const form = { consent_token: token, decision: 'allow' }
    expect((await postForm(issuer.fetch, `${BASE}/v2/oauth/consent`, form)).status).toBe(422)
    expect((await ask(issuer, `/v2/oauth/consent/${otherToken}`)).status).toBe(200)
    expect(issuer.grants).toEqual([])
  })

  it('prevents later sign-ins', async () => {
    const { issuer } = await open()
    await ask(issuer, `${PATH}/app`, 'DELETE')
    expect((await issuer.fetch(signInUrl('app'))).status).toBe(404)
  })

  it('works for created and for registered clients', async () => {
    const { issuer } = await open([])
    const created = await clientOf(await ask(issuer, PATH, 'POST', LEAST), 201)
    const registered = await readObject(await postJson(issuer.fetch, `${BASE}/v2/oauth/register`, {}))
    for (const id of [textOf(created, 'client_id'), textOf(registered, 'client_id')]) {
      const token = await issuer.issueToken({ clientId: id })
      expect((await ask(issuer, `${PATH}/${id}`, 'DELETE')).status).toBe(204)
      expect(await isActive(issuer, token)).toBe(false)
      await expectNotFound(await ask(issuer, `${PATH}/${id}`, 'DELETE'))
    }
    expect(issuer.clients).toEqual([])
  })
})
