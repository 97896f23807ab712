import {
  createMockIssuer,
  type GrantSeed,
  type MockIssuer,
  type MockIssuerOptions,
} from '@telnyx-auth/mock-issuer'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { postForm, postJson, readObject, rejectionOf, textOf } from '../support/oauth-requests.js'

const BASE = 'https://api.telnyx.com'
const API_KEY = 'KEY_test'
const WITH_KEY = { authorization: `Bearer ${API_KEY}` }
const SPELLINGS = ['/v2/oauth_grants', '/v2/oauth/grants']
const START = Date.UTC(2026, 9, 1, 12, 0, 0, 250)
const STARTED = '2026-10-01T12:00:00.250Z'
const REDIRECT_URI = 'http://127.0.0.1/callback'
const CLIENT = { clientId: 'app', clientSecret: 's3cret', scopes: ['messaging.read', 'voice.read'] }
const CREDENTIALS = { client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret }
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

interface Opened {
  readonly issuer: MockIssuer
  readonly clock: { now: number }
}

async function open(options: MockIssuerOptions = {}): Promise<Opened> {
  const clock = { now: START }
  const issuer = await createMockIssuer({
    algorithm: 'ES256',
    apiKey: API_KEY,
    clients: [CLIENT],
    now: () => clock.now,
    ...options,
  })
  return { issuer, clock }
}

function ask({ fetch }: MockIssuer, path: string, method = 'GET'): Promise<Response> {
  return fetch(BASE + path, { method, headers: WITH_KEY })
}

function signInUrl(clientId = CLIENT.clientId, scope?: string): URL {
  const url = new URL(`${BASE}/v2/oauth/authorize`)
  url.searchParams.set('response_type', 'code')
  url.searchParams.set('client_id', clientId)
  url.searchParams.set('redirect_uri', REDIRECT_URI)
  if (scope !== undefined) url.searchParams.set('scope', scope)
  return url
}

/** A code of a new grant. */
async function signIn(issuer: MockIssuer, clientId = CLIENT.clientId, scope?: string): Promise<string> {
  return new URL(await issuer.authorize(signInUrl(clientId, scope))).searchParams.get('code') ?? ''
}

function exchange({ fetch }: MockIssuer, code: string): Promise<Response> {
  const fields = { ...CREDENTIALS, grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI }
  return postForm(fetch, `${BASE}/v2/oauth/token`, fields)
}

function refresh({ fetch }: MockIssuer, token: string): Promise<Response> {
  const fields = { ...CREDENTIALS, grant_type: 'refresh_token', refresh_token: token }
  return postForm(fetch, `${BASE}/v2/oauth/token`, fields)
}

async function isActive({ fetch }: MockIssuer, token: string): Promise<unknown> {
  const { active } = await readObject(
    await postForm(fetch, `${BASE}/v2/oauth/introspect`, { token }, WITH_KEY),
  )
  return active
}

async function expectNotFound(response: Response): Promise<void> {
  expect(response.status).toBe(404)
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  expect(await readObject(response)).toEqual({ error: 'not_found', error_description: expect.any(String) })
}

/** The ids of a list, in order. */
async function idsOf(response: Response): Promise<unknown[]> {
  expect(response.status).toBe(200)
  const { data } = await readObject(response)
  if (!Array.isArray(data)) throw new TypeError('This is not a list')
  const list: unknown[] = data
  return list.map((each) => typeof each === 'object' && each !== null && 'id' in each && each.id)
}

describe.each(SPELLINGS)('%s', (path) => {
  it('lists grants with only the members that Telnyx documents', async () => {
    const { issuer } = await open({ grants: [{ id: 'one' }, { id: 'two', scopes: ['voice.read'] }] })
    const response = await ask(issuer, path)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const common = { record_type: 'oauth_grant', client_id: 'app', created_at: STARTED, last_used_at: null }
    expect(await readObject(response)).toEqual({
      data: [
        { ...common, id: 'one', scopes: ['messaging.read', 'voice.read'] },
        { ...common, id: 'two', scopes: ['voice.read'] },
      ],
      meta: { page_number: 1, page_size: 20, total_pages: 1, total_results: 2 },
    })
  })

  it('lists nothing without grants', async () => {
    const { issuer } = await open()
    expect(await readObject(await ask(issuer, path))).toEqual({
      data: [],
      meta: { page_number: 1, page_size: 20, total_pages: 0, total_results: 0 },
    })
  })

  it('retrieves a grant', async () => {
    const { issuer } = await open({ grants: [{ id: 'one' }, { id: 'two', scopes: [] }] })
    const response = await ask(issuer, `${path}/two`)
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await readObject(response)).toEqual({
      data: {
        record_type: 'oauth_grant',
        id: 'two',
        client_id: 'app',
        scopes: [],
        created_at: STARTED,
        last_used_at: null,
      },
    })
  })

  it('deletes a grant and returns it', async () => {
    const { issuer } = await open({ grants: [{ id: 'one' }, { id: 'two' }] })
    const shown = await readObject(await ask(issuer, `${path}/one`))
    const response = await ask(issuer, `${path}/one`, 'DELETE')
    expect(response.status).toBe(200)
    expect(await readObject(response)).toEqual(shown)
    expect(await idsOf(await ask(issuer, path))).toEqual(['two'])
    expect(issuer.grants.map(({ id }) => id)).toEqual(['two'])
    await expectNotFound(await ask(issuer, `${path}/one`))
    await expectNotFound(await ask(issuer, `${path}/one`, 'DELETE'))
  })

  it.each(['00000000-0000-4000-8000-000000000000', 'app', 'constructor', '__proto__', '%zz', '%ff', '%20'])(
    'has no grant %s',
    async (id) => {
      const { issuer } = await open({ grants: [{ id: 'one' }] })
      for (const method of ['GET', 'DELETE']) await expectNotFound(await ask(issuer, `${path}/${id}`, method))
      expect(issuer.grants).toHaveLength(1)
    },
  )

  it.each(['a/b', 'a b', '%41', 'ü', '?x#y', 'a:b'])('finds the id "%s"', async (id) => {
    const { issuer } = await open({ grants: [{ id }, { id: 'other' }] })
    const encoded = encodeURIComponent(id)
    expect(await readObject(await ask(issuer, `${path}/${encoded}`))).toMatchObject({ data: { id } })
    const token = await issuer.issueToken({ grantId: id })
    expect((await ask(issuer, `${path}/${encoded}`, 'DELETE')).status).toBe(200)
    expect(issuer.grants.map((grant) => grant.id)).toEqual(['other'])
    expect(await isActive(issuer, token)).toBe(false)
  })

  describe('pages', () => {
    const grants: GrantSeed[] = Array.from({ length: 45 }, (_, index) => ({ id: `g${index}` }))
    const ids = grants.map(({ id }) => id)

    it.each([
      ['', [1, 20, 3], [0, 20]],
      ['page[number]=2', [2, 20, 3], [20, 40]],
      ['page[number]=3', [3, 20, 3], [40, 45]],
      ['page[number]=4', [4, 20, 3], [45, 45]],
      ['page[number]=9007199254740991', [9_007_199_254_740_991, 20, 3], [45, 45]],
      ['page[size]=1', [1, 1, 45], [0, 1]],
      ['page[size]=45', [1, 45, 1], [0, 45]],
      ['page[size]=44', [1, 44, 2], [0, 44]],
      ['page[size]=100', [1, 100, 1], [0, 45]],
      ['page[size]=10&page[number]=5', [5, 10, 5], [40, 45]],
      ['page%5Bsize%5D=15&page%5Bnumber%5D=3', [3, 15, 3], [30, 45]],
    ] as const)('"%s"', async (query, [number, size, pages], [from, to]) => {
      const { issuer } = await open({ grants })
      const response = await ask(issuer, `${path}?${query}`)
      expect(await idsOf(response.clone())).toEqual(ids.slice(from, to))
      expect((await readObject(response)).meta).toEqual({
        page_number: number,
        page_size: size,
        total_pages: pages,
        total_results: 45,
      })
    })

    it.each([
      'page[number]=0',
      'page[number]=-1',
      'page[number]=',
      'page[number]=x',
      'page[number]=1.5',
      'page[number]=1e1',
      'page[number]=0x1',
      'page[number]=%2B1',
      'page[number]=%201',
      'page[number]=9007199254740992',
      'page[number]=Infinity',
      'page[number]=1&page[number]=1',
      'page[size]=0',
      'page[size]=101',
      'page[size]=-20',
      'page[size]=',
      'page[size]=NaN',
      'page[size]=20&page[size]=30',
    ])('"%s" is refused', async (query) => {
      const { issuer } = await open({ grants })
      const response = await ask(issuer, `${path}?${query}`)
      expect(response.status).toBe(400)
      expect(await readObject(response)).toEqual({
        error: 'invalid_request',
        error_description: expect.any(String),
      })
    })
  })

  // As for clients, an ignored filter would seem to match all grants.
  it.each(['filter[client_id]=other', 'filter[x]=1'])('has no filters: "%s" is refused', async (query) => {
    const { issuer } = await open({ grants: [{ id: 'one' }] })
    expect((await ask(issuer, `${path}?${query}`)).status).toBe(400)
  })
})

describe('a grant', () => {
  it('is created when a user allows a request', async () => {
    const { issuer, clock } = await open()
    clock.now = START + 1000
    await signIn(issuer, 'app', 'voice.read')
    const response = await ask(issuer, '/v2/oauth_grants')
    expect((await readObject(response)).data).toEqual([
      {
        record_type: 'oauth_grant',
        id: expect.stringMatching(UUID),
        client_id: 'app',
        scopes: ['voice.read'],
        created_at: '2026-10-01T12:00:01.250Z',
        last_used_at: null,
      },
    ])
  })

  it('is created when a user allows a request through the API', async () => {
    const { issuer } = await open()
    const page = await (await issuer.fetch(signInUrl())).text()
    const token = /name="consent_token" value="([^"]+)"/.exec(page)?.[1]
    expect(issuer.grants).toEqual([])
    const decision = { allowed: true, consent_token: token }
    expect((await postJson(issuer.fetch, `${BASE}/v2/oauth/grants`, decision, WITH_KEY)).status).toBe(200)
    expect(await idsOf(await ask(issuer, '/v2/oauth_grants'))).toEqual(issuer.grants.map(({ id }) => id))
    expect(issuer.grants).toHaveLength(1)
  })

  it('is not created when a user denies, or by client credentials', async () => {
    const { issuer } = await open()
    await issuer.authorize(signInUrl(), { allow: false })
    await postForm(issuer.fetch, `${BASE}/v2/oauth/token`, {
      ...CREDENTIALS,
      grant_type: 'client_credentials',
    })
    await issuer.issueToken()
    expect(await idsOf(await ask(issuer, '/v2/oauth_grants'))).toEqual([])
  })

  it('is created for each decision, in order', async () => {
    const { issuer } = await open()
    const codes = [await signIn(issuer), await signIn(issuer), await signIn(issuer)]
    const ids = await idsOf(await ask(issuer, '/v2/oauth_grants'))
    expect(new Set(ids).size).toBe(3)
    // Use does not change the order, so pages stay stable.
    await exchange(issuer, codes[1] ?? '')
    expect(await idsOf(await ask(issuer, '/v2/oauth_grants'))).toEqual(ids)
  })

  it('is used only when a client gets a token with it', async () => {
    const { issuer, clock } = await open()
    const lastUse = async () => {
      const [grant] = issuer.grants
      const { data } = await readObject(await ask(issuer, `/v2/oauth_grants/${grant?.id}`))
      expect(data).toMatchObject({ created_at: STARTED })
      return Object.entries(data ?? {}).find(([name]) => name === 'last_used_at')?.[1]
    }
    const code = await signIn(issuer)
    expect(await lastUse()).toBeNull()

    clock.now = START + 10_000
    const fields = { ...CREDENTIALS, grant_type: 'authorization_code', code }
    const wrong = { ...fields, redirect_uri: 'http://localhost/callback' }
    expect((await postForm(issuer.fetch, `${BASE}/v2/oauth/token`, wrong)).status).toBe(400)
    expect(await lastUse()).toBeNull()

    const granted = await readObject(await exchange(issuer, code))
    expect(await lastUse()).toBe('2026-10-01T12:00:10.250Z')

    clock.now = START + 20_000
    await isActive(issuer, textOf(granted, 'access_token'))
    expect(await lastUse()).toBe('2026-10-01T12:00:10.250Z')

    await refresh(issuer, textOf(granted, 'refresh_token'))
    expect(await lastUse()).toBe('2026-10-01T12:00:20.250Z')
    expect(issuer.grants[0]?.lastUsedAt).toBe(START + 20_000)
  })
})

describe('revocation', () => {
  const WAYS: [string, (issuer: MockIssuer, id: string) => Promise<unknown>][] = [
    ['DELETE /v2/oauth_grants/{id}', (issuer, id) => ask(issuer, `/v2/oauth_grants/${id}`, 'DELETE')],
    ['DELETE /v2/oauth/grants/{id}', (issuer, id) => ask(issuer, `/v2/oauth/grants/${id}`, 'DELETE')],
    ['revoke', async (issuer, id) => issuer.revoke(id)],
  ]

  it.each(WAYS)('by %s revokes the tokens of the grant, and no others', async (_, revoke) => {
    const other = { clientId: 'other', clientSecret: 's3cret' }
    const { issuer } = await open({ clients: [CLIENT, other] })
    const first = await readObject(await exchange(issuer, await signIn(issuer)))
    const id = issuer.grants[0]?.id ?? ''
    const second = await readObject(await refresh(issuer, textOf(first, 'refresh_token')))
    const ended = [textOf(first, 'access_token'), textOf(second, 'access_token')]
    ended.push(await issuer.issueToken({ grantId: id, audience: 'urn:mine' }))

    const beside = await readObject(await exchange(issuer, await signIn(issuer)))
    await signIn(issuer, 'other')
    const untouched = [
      textOf(beside, 'access_token'),
      await issuer.issueToken({ clientId: 'app' }),
      await issuer.issueToken({ clientId: 'app', subject: decodeJwt(ended[0] ?? '').sub }),
      await issuer.issueToken({ grantId: issuer.grants[2]?.id }),
    ]
    for (const token of [...ended, ...untouched]) expect(await isActive(issuer, token)).toBe(true)
    const rest = issuer.grants.slice(1)

    await revoke(issuer, id)
    for (const token of ended) expect(await isActive(issuer, token)).toBe(false)
    for (const token of untouched) expect(await isActive(issuer, token)).toBe(true)
    expect(issuer.grants).toEqual(rest)
    expect(issuer.clients.map(({ clientId }) => clientId)).toEqual(['app', 'other'])

    const refreshed = await refresh(issuer, textOf(second, 'refresh_token'))
    expect(refreshed.status).toBe(400)
    expect(await readObject(refreshed)).toMatchObject({ error: 'invalid_grant' })
    expect((await refresh(issuer, textOf(beside, 'refresh_token'))).status).toBe(200)
  })

  it.each(WAYS)('by %s revokes an unused code', async (_, revoke) => {
    const { issuer } = await open()
    const code = await signIn(issuer)
    const beside = await signIn(issuer)
    await revoke(issuer, issuer.grants[0]?.id ?? '')
    const response = await exchange(issuer, code)
    expect(response.status).toBe(400)
    expect(await readObject(response)).toMatchObject({ error: 'invalid_grant' })
    expect((await exchange(issuer, beside)).status).toBe(200)
  })

  it('is final: later requests do not restore the grant', async () => {
    const { issuer } = await open()
    const code = await signIn(issuer)
    const granted = await readObject(await exchange(issuer, code))
    const id = issuer.grants[0]?.id ?? ''
    await ask(issuer, `/v2/oauth_grants/${id}`, 'DELETE')
    await exchange(issuer, code)
    await refresh(issuer, textOf(granted, 'refresh_token'))
    expect(issuer.grants).toEqual([])
    expect(await isActive(issuer, textOf(granted, 'access_token'))).toBe(false)
    await expect(issuer.issueToken({ grantId: id })).rejects.toBeInstanceOf(TypeError)
  })

  it('finds no grant that was revoked because its code was used twice', async () => {
    const { issuer } = await open()
    const code = await signIn(issuer)
    await exchange(issuer, code)
    const id = issuer.grants[0]?.id
    await exchange(issuer, code)
    await expectNotFound(await ask(issuer, `/v2/oauth_grants/${id}`, 'DELETE'))
  })
})

describe('seeded grants', () => {
  it('have defaults for missing members', async () => {
    const { issuer } = await open({ clients: [CLIENT, { clientId: 'other' }], grants: [{}, {}] })
    const [one, two] = issuer.grants
    expect(one).toEqual({
      id: expect.stringMatching(UUID),
      clientId: 'app',
      subject: expect.stringMatching(UUID),
      scopes: CLIENT.scopes,
      resources: [],
      createdAt: START,
      lastUsedAt: undefined,
    })
    expect(two?.id).not.toBe(one?.id)
    // The user of the issuer, who also owns the clients.
    const client = await readObject(await ask(issuer, '/v2/oauth_clients/app'))
    expect(client).toMatchObject({ data: { user_id: one?.subject } })
    expect(two?.subject).toBe(one?.subject)
  })

  it('have the given members, and so do their tokens', async () => {
    const grant = {
      id: 'mine',
      clientId: 'other',
      subject: 'user-1',
      scopes: ['voice.write'],
      resources: ['https://api.example.com/mcp'],
    }
    const { issuer } = await open({ clients: [CLIENT, { clientId: 'other' }], grants: [grant] })
    expect(issuer.grants).toEqual([{ ...grant, createdAt: START, lastUsedAt: undefined }])
    expect(decodeJwt(await issuer.issueToken({ grantId: 'mine' }))).toMatchObject({
      client_id: 'other',
      sub: 'user-1',
      scope: 'voice.write',
      aud: 'https://api.example.com/mcp',
    })
  })

  it('do not change with the arrays of the caller, and are frozen', async () => {
    const scopes = ['voice.read']
    const resources = ['urn:mine']
    const grants = [{ id: 'one', scopes, resources }]
    const { issuer } = await open({ grants })
    scopes.push('voice.write')
    resources.push('urn:other')
    grants.push({ id: 'two', scopes, resources })
    expect(issuer.grants).toMatchObject([{ id: 'one', scopes: ['voice.read'], resources: ['urn:mine'] }])
    expect(Object.isFrozen(issuer.grants)).toBe(true)
    expect(Object.isFrozen(issuer.grants[0])).toBe(true)
    expect(Object.isFrozen(issuer.grants[0]?.scopes)).toBe(true)
    expect(Object.isFrozen(issuer.grants[0]?.resources)).toBe(true)
  })

  it.each<[string, MockIssuerOptions]>([
    ['an unknown client', { grants: [{ clientId: 'unknown' }] }],
    ['no client', { clients: [], grants: [{}] }],
    ['an id that is used twice', { grants: [{ id: 'one' }, { id: 'one' }] }],
  ])('of %s are refused', async (_, options) => {
    expect(await rejectionOf(open(options))).toBeInstanceOf(TypeError)
  })

  // Callers in JavaScript can do this. As with options and clients, a typing error must not create another grant.
  it.each([
    ['an unknown member', { clientID: 'app' }],
    ['an id that is not a string', { id: 7 }],
    ['an empty id', { id: '' }],
    ['a subject that is not a string', { subject: 7 }],
    ['scopes that are not an array', { scopes: 'voice.read' }],
    ['an invalid scope', { scopes: ['voice read'] }],
    ['resources that are not an array', { resources: 'urn:mine' }],
  ])('with %s are refused', async (_, grant) => {
    const options: object = { algorithm: 'ES256', clients: [CLIENT], grants: [grant] }
    expect(await rejectionOf(createMockIssuer(options))).toBeInstanceOf(TypeError)
  })
})

it('a grant is listed, retrieved and deleted over HTTP', async () => {
  const { issuer } = await open({ grants: [{ id: 'one' }, { id: 'two' }] })
  const base = await issuer.listen()
  try {
    const token = await issuer.issueToken({ grantId: 'one' })
    const init = { headers: WITH_KEY }
    expect(await idsOf(await fetch(`${base}/v2/oauth_grants?page[size]=1&page[number]=2`, init))).toEqual([
      'two',
    ])
    expect(await readObject(await fetch(`${base}/v2/oauth/grants/one`, init))).toMatchObject({
      data: { id: 'one' },
    })
    const ended = await fetch(`${base}/v2/oauth_grants/one`, { ...init, method: 'DELETE' })
    expect(ended.status).toBe(200)
    expect(await readObject(ended)).toMatchObject({ data: { id: 'one', client_id: 'app' } })
    const answer = await postForm(fetch, `${base}/v2/oauth/introspect`, { token, ...CREDENTIALS })
    expect(await readObject(answer)).toEqual({ active: false })
    expect((await fetch(`${base}/v2/oauth_grants/one`, init)).status).toBe(404)
  } finally {
    await issuer.close()
  }
})
