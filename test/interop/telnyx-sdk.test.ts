import { createVerifier, getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
import type { MockIssuer } from '@telnyx-auth/mock-issuer'
import express from 'express'
import Telnyx from 'telnyx'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { serve } from '../support/http.js'
import {
  consentTokenOf,
  createPkce,
  createRecorder,
  createSdk,
  dataOf,
  OPERATIONS,
  refusalOf,
  secretOf,
  startIssuer,
  tableOf,
} from './telnyx-sdk.js'

/** Telnyx's own SDK cannot tell the mock issuer from Telnyx. */

const UUID = expect.stringMatching(/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/)
const TIMESTAMP = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const SECRET = expect.stringMatching(/^[\w-]{20,}$/)
const JWT = expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/)

const CALLBACK = 'http://127.0.0.1/callback'
const SCOPES = ['messaging.read', 'messaging.write']

/** All members that the SDK has types for. */
const CLIENT = {
  record_type: 'oauth_client',
  client_id: UUID,
  name: 'Inbox',
  org_id: UUID,
  user_id: UUID,
  client_type: 'confidential',
  require_pkce: true,
  created_at: TIMESTAMP,
  updated_at: TIMESTAMP,
  allowed_grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  allowed_scopes: SCOPES,
  redirect_uris: [CALLBACK],
  client_secret: SECRET,
  logo_uri: 'https://inbox.example/logo.png',
  policy_uri: null,
  tos_uri: null,
} satisfies Record<keyof Telnyx.OAuthClient, unknown>

const GRANT = {
  record_type: 'oauth_grant',
  id: UUID,
  client_id: UUID,
  scopes: SCOPES,
  created_at: TIMESTAMP,
  last_used_at: TIMESTAMP,
} satisfies Record<keyof Telnyx.OAuthGrant, unknown>

const CREATION: Telnyx.OAuthClientCreateParams = {
  name: 'Inbox',
  client_type: 'confidential',
  allowed_grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  allowed_scopes: SCOPES,
  redirect_uris: [CALLBACK],
  require_pkce: true,
  logo_uri: 'https://inbox.example/logo.png',
}

const TOKENS = {
  access_token: JWT,
  token_type: 'Bearer',
  expires_in: 3600,
  refresh_token: SECRET,
  scope: SCOPES.join(' '),
} satisfies Record<keyof Telnyx.OAuthTokenResponse, unknown>

/** A user is asked and answers, and the client is told. */
async function decide(
  sdk: Telnyx,
  client: { client_id: string },
  allowed: boolean,
): Promise<{ verifier: string; consentToken: string; answer: Record<string, string> }> {
  const { verifier, challenge } = createPkce()
  const page = await sdk.oauth.retrieveAuthorize({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: CALLBACK,
    scope: SCOPES.join(' '),
    state: 'state-1',
    code_challenge: challenge,
    code_challenge_method: 'S256',
  })
  const consentToken = consentTokenOf(page)
  const { redirect_uri: target } = await sdk.oauth.grants({ allowed, consent_token: consentToken })
  const { origin, pathname, searchParams } = new URL(target)
  expect(origin + pathname).toBe(CALLBACK)
  return { verifier, consentToken, answer: Object.fromEntries(searchParams) }
}

/** A client of its own, a user who allows it, and the tokens. */
async function signIn(sdk: Telnyx, creation = CREATION) {
  const client = dataOf(await sdk.oauthClients.create(creation))
  const credentials =
    client.client_type === 'public'
      ? { client_id: client.client_id }
      : { client_id: client.client_id, client_secret: secretOf(client) }
  const { verifier, answer } = await decide(sdk, client, true)
  const exchange: Telnyx.OAuthTokenParams = {
    grant_type: 'authorization_code',
    ...credentials,
    code: answer.code ?? '',
    code_verifier: verifier,
    redirect_uri: CALLBACK,
  }
  return { client, credentials, exchange, tokens: await sdk.oauth.token(exchange) }
}

function names(clients: readonly { name: string }[]): string[] {
  return clients.map(({ name }) => name)
}

describe('all operations', () => {
  it('every method of the SDK succeeds: the 17 operations, asked and answered, none skipped', async () => {
    const recorder = createRecorder()
    const { issuer, url, sdk } = await startIssuer({ clients: [] }, { fetch: recorder.fetch })

    const metadata = await sdk.wellKnown.retrieveAuthorizationServerMetadata()
    expect(metadata).toMatchObject({
      issuer: url,
      authorization_endpoint: `${url}/v2/oauth/authorize`,
      token_endpoint: `${url}/v2/oauth/token`,
      introspection_endpoint: `${url}/v2/oauth/introspect`,
      jwks_uri: `${url}/v2/oauth/jwks`,
      registration_endpoint: `${url}/v2/oauth/register`,
      code_challenge_methods_supported: ['S256'],
      grant_types_supported: ['client_credentials', 'authorization_code', 'refresh_token'],
      response_types_supported: ['code'],
      scopes_supported: expect.arrayContaining(SCOPES),
      token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
    } satisfies Record<keyof typeof metadata, unknown>)
    expect(await sdk.wellKnown.retrieveProtectedResourceMetadata()).toEqual({
      resource: url,
      authorization_servers: [url],
    } satisfies Record<keyof Telnyx.WellKnownRetrieveProtectedResourceMetadataResponse, unknown>)
    expect(await sdk.oauth.retrieveJwks()).toEqual({
      keys: [
        expect.objectContaining({
          kty: 'EC',
          use: 'sig',
          alg: 'ES256',
          kid: expect.any(String),
        } satisfies Record<keyof Telnyx.OAuthRetrieveJwksResponse.Key, unknown>),
      ],
    })

    const client = dataOf(await sdk.oauthClients.create(CREATION))
    expect(client).toEqual(CLIENT)
    const id = client.client_id
    const secret = secretOf(client)
    expect(dataOf(await sdk.oauthClients.retrieve(id))).toEqual(client)
    const renamed = dataOf(await sdk.oauthClients.update(id, { name: 'Mailbox' }))
    expect(renamed).toEqual({ ...CLIENT, ...client, name: 'Mailbox', updated_at: TIMESTAMP })
    const clients = await sdk.oauthClients.list()
    expect({ data: clients.data, meta: clients.meta }).toEqual({
      data: [renamed],
      meta: { page_number: 1, page_size: 20, total_pages: 1, total_results: 1 },
    })

    // A user signs in.
    const { verifier, challenge } = createPkce()
    const page = await sdk.oauth.retrieveAuthorize({
      response_type: 'code',
      client_id: id,
      redirect_uri: CALLBACK,
      scope: SCOPES.join(' '),
      state: 'state-1',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    })
    expect(page).toMatch(/^<!doctype html>/)
    expect(page).toContain('Mailbox')
    const consentToken = consentTokenOf(page)
    expect(dataOf(await sdk.oauth.retrieve(consentToken))).toEqual({
      client_id: id,
      name: 'Mailbox',
      logo_uri: 'https://inbox.example/logo.png',
      policy_uri: null,
      tos_uri: null,
      redirect_uri: CALLBACK,
      requested_scopes: SCOPES.map((scope) => ({
        id: scope,
        name: expect.any(String),
        description: expect.any(String),
      })),
      verified: false,
    } satisfies Record<keyof Telnyx.OAuthRetrieveResponse.Data, unknown>)
    const consent = await sdk.oauth.grants({ allowed: true, consent_token: consentToken })
    expect(consent).toEqual({ redirect_uri: expect.stringMatching(/^http:\/\/127\.0\.0\.1\/callback\?/) })
    const { searchParams } = new URL(consent.redirect_uri)
    expect(Object.fromEntries(searchParams)).toEqual({ code: SECRET, state: 'state-1' })

    const credentials = { client_id: id, client_secret: secret }
    const tokens = await sdk.oauth.token({
      grant_type: 'authorization_code',
      ...credentials,
      code: searchParams.get('code') ?? '',
      code_verifier: verifier,
      redirect_uri: CALLBACK,
    })
    expect(tokens).toEqual(TOKENS)
    const active = {
      active: true,
      aud: 'https://api.example.com',
      client_id: id,
      exp: expect.any(Number),
      iat: expect.any(Number),
      iss: url,
      scope: SCOPES.join(' '),
    } satisfies Record<keyof Telnyx.OAuthIntrospectResponse, unknown>
    expect(await sdk.oauth.introspect({ token: tokens.access_token })).toEqual(active)
    const refreshed = await sdk.oauth.token({
      grant_type: 'refresh_token',
      ...credentials,
      refresh_token: tokens.refresh_token ?? '',
    })
    expect(refreshed).toEqual(TOKENS)
    expect([refreshed.access_token, refreshed.refresh_token]).not.toEqual([
      tokens.access_token,
      tokens.refresh_token,
    ])
    expect(await sdk.oauth.introspect({ token: refreshed.access_token })).toEqual(active)
    const own = await sdk.oauth.token({
      grant_type: 'client_credentials',
      ...credentials,
      scope: 'messaging.read',
    })
    expect(own).toEqual({
      access_token: JWT,
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'messaging.read',
    })

    // The user changes their mind.
    const grants = await sdk.oauthGrants.list()
    expect(grants.data).toEqual([GRANT])
    expect(grants.meta).toEqual({ page_number: 1, page_size: 20, total_pages: 1, total_results: 1 })
    const [grant] = grants.data
    const grantId = grant?.id ?? ''
    expect(grant?.client_id).toBe(id)
    expect(dataOf(await sdk.oauthGrants.retrieve(grantId))).toEqual(grant)
    expect(dataOf(await sdk.oauthGrants.delete(grantId))).toEqual(grant)
    for (const { access_token: token } of [tokens, refreshed])
      expect(await sdk.oauth.introspect({ token })).toEqual({ active: false })
    // Which was never the user's.
    expect(await sdk.oauth.introspect({ token: own.access_token })).toMatchObject({ active: true })

    const registered = await sdk.oauth.register({
      client_name: 'Agent',
      redirect_uris: ['https://agent.example/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
      scope: 'voice.read',
      logo_uri: 'https://agent.example/logo.png',
      policy_uri: 'https://agent.example/policy',
      tos_uri: 'https://agent.example/terms',
    })
    expect(registered).toEqual({
      client_id: UUID,
      client_id_issued_at: expect.any(Number),
      client_secret: SECRET,
      client_name: 'Agent',
      redirect_uris: ['https://agent.example/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
      scope: 'voice.read',
      logo_uri: 'https://agent.example/logo.png',
      policy_uri: 'https://agent.example/policy',
      tos_uri: 'https://agent.example/terms',
      // RFC 7591 §3.2.1 requires it beside a secret; the SDK has no type for it.
      client_secret_expires_at: 0,
    } satisfies Record<keyof Telnyx.OAuthRegisterResponse | 'client_secret_expires_at', unknown>)

    expect(await sdk.oauthClients.delete(id)).toBeNull()
    expect(names(issuer.clients)).toEqual(['Agent'])
    expect(await sdk.oauth.introspect({ token: own.access_token })).toEqual({ active: false })

    const { exchanges } = recorder
    console.log(
      `The Telnyx SDK against the mock issuer: what was asked, what was answered\n${tableOf(exchanges)}`,
    )
    expect(exchanges.filter(({ status }) => status < 200 || status > 299)).toEqual([])
    expect([...new Set(exchanges.map(({ number }) => number))].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 17 }, (_, index) => index + 1),
    )
    expect(OPERATIONS).toHaveLength(17)
    // What was sent is what the endpoints have seen.
    const counted = Object.values(issuer.requests).map(({ count }) => count)
    expect(counted).toHaveLength(17)
    expect(counted).toEqual(
      OPERATIONS.map(([operation]) => exchanges.filter(({ number }) => number === operation).length),
    )
  })

  it('the example of the SDK’s documentation creates a client, which has no credentials to use', async () => {
    const { sdk } = await startIssuer()
    const client = dataOf(
      await sdk.oauthClients.create({
        allowed_grant_types: ['client_credentials'],
        allowed_scopes: ['admin'],
        client_type: 'public',
        name: 'My OAuth client',
      }),
    )
    expect(client).toMatchObject({ allowed_scopes: ['admin'], redirect_uris: [], client_secret: null })
    const { client_id } = client
    const error = await refusalOf(sdk.oauth.token({ grant_type: 'client_credentials', client_id }))
    expect(error).toBeInstanceOf(Telnyx.BadRequestError)
    expect(error.error).toMatchObject({ error: 'unauthorized_client' })
  })

  it('is found by the environment variables too', async () => {
    const { issuer, url } = await startIssuer()
    vi.stubEnv('TELNYX_BASE_URL', `${url}/v2`)
    vi.stubEnv('TELNYX_API_KEY', issuer.apiKey)
    const sdk = new Telnyx({ maxRetries: 0 })
    expect((await sdk.oauthClients.list()).data).toHaveLength(1)
    expect((await sdk.wellKnown.retrieveAuthorizationServerMetadata()).issuer).toBe(url)
  })

  it('needs no address at all with the fetch of the issuer, which is at Telnyx’s then', async () => {
    const { issuer } = await startIssuer({ issuer: 'https://api.telnyx.com' })
    const sdk = new Telnyx({ apiKey: issuer.apiKey, fetch: issuer.fetch, maxRetries: 0 })
    expect((await sdk.wellKnown.retrieveAuthorizationServerMetadata()).issuer).toBe('https://api.telnyx.com')
    expect((await sdk.wellKnown.retrieveProtectedResourceMetadata()).resource).toBe('https://api.telnyx.com')
    const { client, tokens } = await signIn(sdk)
    expect(await sdk.oauth.introspect({ token: tokens.access_token })).toMatchObject({
      active: true,
      client_id: client.client_id,
      iss: 'https://api.telnyx.com',
    })
    await sdk.oauthClients.delete(client.client_id)
    expect(await sdk.oauth.introspect({ token: tokens.access_token })).toEqual({ active: false })
  })
})

describe('signing in', () => {
  it('a user who denies sends the client access_denied, and there is no grant', async () => {
    const { sdk } = await startIssuer()
    const client = dataOf(await sdk.oauthClients.create(CREATION))
    const { answer, consentToken } = await decide(sdk, client, false)
    expect(answer).toEqual({ error: 'access_denied', state: 'state-1' })
    expect((await sdk.oauthGrants.list()).data).toEqual([])
    // The decision is final.
    for (const call of [
      () => sdk.oauth.retrieve(consentToken),
      () => sdk.oauth.grants({ allowed: true, consent_token: consentToken }),
    ]) {
      const error = await refusalOf(call())
      expect(error).toBeInstanceOf(Telnyx.UnprocessableEntityError)
      expect(error.error).toEqual({ error: 'invalid_request', error_description: expect.any(String) })
    }
  })

  it('a public client has no secret, and signs in with PKCE alone', async () => {
    const { sdk } = await startIssuer()
    const { client, credentials, tokens } = await signIn(sdk, {
      ...CREATION,
      client_type: 'public',
      allowed_grant_types: ['authorization_code', 'refresh_token'],
      require_pkce: false,
    })
    expect(client).toMatchObject({ client_type: 'public', client_secret: null })
    expect(tokens).toEqual(TOKENS)
    const refreshed = await sdk.oauth.token({
      grant_type: 'refresh_token',
      ...credentials,
      refresh_token: tokens.refresh_token ?? '',
    })
    expect(refreshed).toEqual(TOKENS)
  })

  it('a registered client signs in as one that was created', async () => {
    const { sdk } = await startIssuer()
    const registered = await sdk.oauth.register({ redirect_uris: [CALLBACK], scope: SCOPES.join(' ') })
    expect(registered).toEqual({
      client_id: UUID,
      client_id_issued_at: expect.any(Number),
      client_secret: SECRET,
      client_secret_expires_at: 0,
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      scope: SCOPES.join(' '),
    })
    const { verifier, answer } = await decide(sdk, registered, true)
    const tokens = await sdk.oauth.token({
      grant_type: 'authorization_code',
      client_id: registered.client_id,
      client_secret: secretOf(registered),
      code: answer.code ?? '',
      code_verifier: verifier,
      redirect_uri: CALLBACK,
    })
    // It did not register for refresh tokens.
    expect(tokens).toEqual({
      access_token: JWT,
      token_type: 'Bearer',
      expires_in: 3600,
      scope: SCOPES.join(' '),
    })
    expect(dataOf(await sdk.oauthClients.retrieve(registered.client_id))).toMatchObject({
      client_type: 'confidential',
      client_secret: registered.client_secret,
      allowed_scopes: SCOPES,
    })
  })

  it('a client may register with nothing but defaults, with and without a body', async () => {
    const { sdk } = await startIssuer()
    const expected = {
      client_id: UUID,
      client_id_issued_at: expect.any(Number),
      client_secret: SECRET,
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
    }
    expect(await sdk.oauth.register({})).toMatchObject(expected)
    // What `register()` sends, which the SDK's documentation has and its types do not.
    expect(await sdk.post('/oauth/register', { body: undefined })).toMatchObject(expected)
  })

  it('errors that the client is told of are sent to it, and the API key is not', async () => {
    const asked: { query: URLSearchParams; authorization: string | undefined }[] = []
    const client = await serve(({ url = '/', headers }, response) => {
      asked.push({ query: new URL(url, CALLBACK).searchParams, authorization: headers.authorization })
      response.end('back')
    })
    const { sdk } = await startIssuer({ clients: [{ clientId: 'app', redirectUris: [`${client.url}/`] }] })
    const request = { response_type: 'code', client_id: 'app', redirect_uri: `${client.url}/` } as const
    for (const more of [
      { scope: 'unknown' },
      { code_challenge: 'x'.repeat(43), code_challenge_method: 'plain' },
      { code_challenge: 'short', code_challenge_method: 'S256' },
    ] as const)
      expect(await sdk.oauth.retrieveAuthorize({ ...request, ...more, state: 'state-1' })).toBe('back')
    expect(asked.map(({ query }) => [query.get('error'), query.get('state')])).toEqual([
      ['invalid_scope', 'state-1'],
      ['invalid_request', 'state-1'],
      ['invalid_request', 'state-1'],
    ])
    expect(asked.map(({ authorization }) => authorization)).toEqual([undefined, undefined, undefined])
  })

  it('a code is used once; the second use ends what the first one gave', async () => {
    const { sdk } = await startIssuer()
    const { exchange, tokens } = await signIn(sdk)
    const error = await refusalOf(sdk.oauth.token(exchange))
    expect(error).toBeInstanceOf(Telnyx.BadRequestError)
    expect(error.error).toEqual({ error: 'invalid_grant', error_description: expect.any(String) })
    expect(await sdk.oauth.introspect({ token: tokens.access_token })).toEqual({ active: false })
    expect((await sdk.oauthGrants.list()).data).toEqual([])
  })
})

describe('lists', () => {
  const MANY = Array.from({ length: 45 }, (_, index) => ({
    clientId: `client-${index}`,
    name: `Client ${index}`,
  }))

  it('clients page themselves', async () => {
    const { issuer, sdk } = await startIssuer({ clients: MANY })
    const found: string[] = []
    for await (const { name } of sdk.oauthClients.list()) found.push(name)
    expect(found).toEqual(names(MANY))
    expect(issuer.requests.listClients.count).toBe(3)
  })

  it('clients can be gone through page by page', async () => {
    const { issuer, sdk } = await startIssuer({ clients: MANY })
    const first = await sdk.oauthClients.list({ 'page[size]': 30, 'filter[name][contains]': 'Client' })
    expect(first.meta).toEqual({ page_number: 1, page_size: 30, total_pages: 2, total_results: 45 })
    expect([first.data.length, first.hasNextPage()]).toEqual([30, true])
    const second = await first.getNextPage()
    // What was asked for at first is asked for again.
    expect(second.meta).toEqual({ page_number: 2, page_size: 30, total_pages: 2, total_results: 45 })
    expect(names([...first.data, ...second.data])).toEqual(names(MANY))
    expect(second.hasNextPage()).toBe(false)
    await expect(second.getNextPage()).rejects.toBeInstanceOf(Telnyx.TelnyxError)
    expect(issuer.requests.listClients.count).toBe(2)
  })

  it.each([
    [{ 'page[number]': 3 }, 5, { page_number: 3, page_size: 20, total_pages: 3, total_results: 45 }],
    [{ 'page[number]': 4 }, 0, { page_number: 4, page_size: 20, total_pages: 3, total_results: 45 }],
    [{ 'page[size]': 45 }, 45, { page_number: 1, page_size: 45, total_pages: 1, total_results: 45 }],
    [{ 'page[size]': 100 }, 45, { page_number: 1, page_size: 100, total_pages: 1, total_results: 45 }],
    [{ 'filter[name]': 'none' }, 0, { page_number: 1, page_size: 20, total_pages: 0, total_results: 0 }],
  ] as const)('%j ends at its end', async (query, length, meta) => {
    const { issuer, sdk } = await startIssuer({ clients: MANY })
    const page = await sdk.oauthClients.list(query)
    expect([page.data.length, page.meta, page.hasNextPage()]).toEqual([length, meta, false])
    let count = 0
    for await (const _ of page) count++
    expect([count, issuer.requests.listClients.count]).toEqual([length, 1])
  })

  it('grants page themselves', async () => {
    const { issuer, sdk } = await startIssuer({ grants: MANY.map(({ name }) => ({ id: name })) })
    const found: string[] = []
    for await (const { id } of sdk.oauthGrants.list({ 'page[size]': 10 })) found.push(id)
    expect(found).toEqual(names(MANY))
    expect(issuer.requests.listGrants.count).toBe(5)
    const last = await sdk.oauthGrants.list({ 'page[size]': 20, 'page[number]': 3 })
    expect(last.meta).toEqual({ page_number: 3, page_size: 20, total_pages: 3, total_results: 45 })
    expect([last.data.length, last.hasNextPage()]).toEqual([5, false])
    expect(last.data[0]).toEqual({
      ...GRANT,
      id: 'Client 40',
      client_id: UUID,
      scopes: expect.any(Array),
      last_used_at: null,
    })
  })

  it.each([
    [{ 'filter[client_id]': 'mail' }, ['Mail & more']],
    [{ 'filter[client_id]': 'mai' }, []],
    [{ 'filter[client_type]': 'public' }, ['Phone']],
    [{ 'filter[client_type]': 'confidential' }, ['Mail & more', 'Fax']],
    [{ 'filter[name]': 'Mail & more' }, ['Mail & more']],
    [{ 'filter[name]': 'Mail' }, []],
    [{ 'filter[name][contains]': 'a' }, ['Mail & more', 'Fax']],
    [{ 'filter[name][contains]': ' & ' }, ['Mail & more']],
    [{ 'filter[allowed_grant_types][contains]': 'client_credentials' }, ['Mail & more', 'Fax']],
    [{ 'filter[allowed_grant_types][contains]': 'refresh_token' }, ['Mail & more', 'Phone']],
    [{ 'filter[allowed_grant_types][contains]': 'authorization_code' }, ['Mail & more', 'Phone']],
    [{ 'filter[verified]': true }, ['Phone']],
    [{ 'filter[verified]': false }, ['Mail & more', 'Fax']],
    [{ 'filter[client_type]': 'confidential', 'filter[name][contains]': 'F' }, ['Fax']],
    [{ 'filter[client_type]': 'public', 'filter[verified]': false }, []],
  ] as const satisfies readonly (readonly [Telnyx.OAuthClientListParams, readonly string[]])[])(
    '%j finds %j',
    async (filter, found) => {
      const { sdk } = await startIssuer({
        clients: [
          { clientId: 'mail', name: 'Mail & more' },
          { clientId: 'phone', name: 'Phone', clientType: 'public', verified: true },
          { clientId: 'fax', name: 'Fax', grantTypes: ['client_credentials'] },
        ],
      })
      const { data, meta } = await sdk.oauthClients.list(filter)
      expect(names(data)).toEqual(found)
      expect(meta).toMatchObject({ total_results: found.length })
    },
  )
})

describe('errors', () => {
  const UNKNOWN_ID = '182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e'
  const reason = expect.any(String)

  type Call = (sdk: Telnyx, issuer: MockIssuer) => Promise<unknown>
  type Refusal = readonly [string, Call, error: object]

  it.each<Refusal>([
    [
      'oauth.token without a code',
      (sdk, { clients: [client] }) =>
        sdk.oauth.token({
          grant_type: 'authorization_code',
          client_id: client?.clientId ?? '',
          client_secret: client?.clientSecret ?? '',
        }),
      { error: 'invalid_request', error_description: reason },
    ],
    [
      'oauth.token with a code that does not exist',
      (sdk, { clients: [client] }) =>
        sdk.oauth.token({
          grant_type: 'authorization_code',
          client_id: client?.clientId ?? '',
          client_secret: client?.clientSecret ?? '',
          code: 'no',
          redirect_uri: CALLBACK,
        }),
      { error: 'invalid_grant', error_description: reason },
    ],
    [
      'oauth.token with a refresh token that does not exist',
      (sdk, { clients: [client] }) =>
        sdk.oauth.token({
          grant_type: 'refresh_token',
          client_id: client?.clientId ?? '',
          client_secret: client?.clientSecret ?? '',
          refresh_token: 'no',
        }),
      { error: 'invalid_grant', error_description: reason },
    ],
    [
      'oauth.token with a scope that does not exist',
      (sdk, { clients: [client] }) =>
        sdk.oauth.token({
          grant_type: 'client_credentials',
          client_id: client?.clientId ?? '',
          client_secret: client?.clientSecret ?? '',
          scope: 'no',
        }),
      { error: 'invalid_scope', error_description: reason },
    ],
    [
      'oauth.introspect without a token',
      (sdk) => sdk.oauth.introspect({ token: '' }),
      { error: 'invalid_request', error_description: reason },
    ],
    [
      'oauth.register',
      (sdk) =>
        sdk.oauth.register({
          redirect_uris: ['javascript:alert(1)'],
          logo_uri: 'ftp://a.example',
          client_name: '',
        }),
      {
        error: 'invalid_client_metadata',
        error_description: reason,
        invalid_fields: { redirect_uris: [reason], logo_uri: [reason], client_name: [reason] },
      },
    ],
    [
      'oauthClients.list with a page that cannot be',
      (sdk) => sdk.oauthClients.list({ 'page[size]': 101 }),
      { error: 'invalid_request', error_description: reason },
    ],
    [
      'oauthGrants.list with a page that cannot be',
      (sdk) => sdk.oauthGrants.list({ 'page[number]': 0 }),
      { error: 'invalid_request', error_description: reason },
    ],
    [
      'a filter that does not exist',
      (sdk) => sdk.get('/oauth_clients', { query: { 'filter[nmae]': 'a' } }),
      { error: 'invalid_request', error_description: reason },
    ],
  ])('BadRequestError: %s', async (_, call, body) => {
    const { issuer, sdk } = await startIssuer()
    const error = await refusalOf(call(sdk, issuer))
    expect(error).toBeInstanceOf(Telnyx.BadRequestError)
    expect([error.status, error.error]).toEqual([400, body])
    expect(error.headers?.get('content-type')).toMatch(/^application\/json\b/)
  })

  it.each<readonly [string, (sdk: Telnyx) => Promise<unknown>]>([
    ['oauth.retrieve', (sdk) => sdk.oauth.retrieve('token')],
    ['oauth.grants', (sdk) => sdk.oauth.grants({ allowed: true, consent_token: 'token' })],
    ['oauthClients.list', (sdk) => sdk.oauthClients.list()],
    ['oauthClients.create', (sdk) => sdk.oauthClients.create(CREATION)],
    ['oauthClients.retrieve', (sdk) => sdk.oauthClients.retrieve(UNKNOWN_ID)],
    ['oauthClients.update', (sdk) => sdk.oauthClients.update(UNKNOWN_ID, {})],
    ['oauthClients.delete', (sdk) => sdk.oauthClients.delete(UNKNOWN_ID)],
    ['oauthGrants.list', (sdk) => sdk.oauthGrants.list()],
    ['oauthGrants.retrieve', (sdk) => sdk.oauthGrants.retrieve(UNKNOWN_ID)],
    ['oauthGrants.delete', (sdk) => sdk.oauthGrants.delete(UNKNOWN_ID)],
  ])('AuthenticationError: %s without the API key, and with a wrong one', async (_, call) => {
    const { url } = await startIssuer()
    for (const apiKey of [null, 'KEY_wrong']) {
      const error = await refusalOf(call(createSdk(url, { apiKey })))
      expect(error).toBeInstanceOf(Telnyx.AuthenticationError)
      expect(error.error).toEqual({ error: 'invalid_token', error_description: reason })
      expect(error.headers?.get('www-authenticate')).toBe('Bearer realm="api"')
    }
  })

  it('AuthenticationError: oauth.introspect without the API key, oauth.token with a wrong secret', async () => {
    const { issuer, url, sdk } = await startIssuer()
    const token = await issuer.issueToken()
    for (const call of [
      createSdk(url, { apiKey: null }).oauth.introspect({ token }),
      createSdk(url, { apiKey: 'KEY_wrong' }).oauth.introspect({ token }),
      sdk.oauth.token({ grant_type: 'client_credentials' }),
      sdk.oauth.token({
        grant_type: 'client_credentials',
        client_id: issuer.clients[0]?.clientId ?? '',
        client_secret: 'wrong',
      }),
      // The API key is no client.
      sdk.oauth.token({
        grant_type: 'client_credentials',
        client_id: issuer.clients[0]?.clientId ?? '',
        client_secret: issuer.apiKey,
      }),
    ]) {
      const error = await refusalOf(call)
      expect(error).toBeInstanceOf(Telnyx.AuthenticationError)
      expect(error.error).toEqual({ error: 'invalid_client', error_description: reason })
    }
  })

  it('what needs no API key is served without one', async () => {
    const { url, issuer } = await startIssuer()
    const sdk = createSdk(url, { apiKey: null })
    expect((await sdk.wellKnown.retrieveAuthorizationServerMetadata()).issuer).toBe(url)
    expect((await sdk.oauth.retrieveJwks()).keys).toHaveLength(1)
    const { client_id } = await sdk.oauth.register({ redirect_uris: [CALLBACK] })
    const page = await sdk.oauth.retrieveAuthorize({
      response_type: 'code',
      client_id,
      redirect_uri: CALLBACK,
    })
    expect(consentTokenOf(page)).toEqual(expect.any(String))
    const [client] = issuer.clients
    const tokens = await sdk.oauth.token({
      grant_type: 'client_credentials',
      client_id: client?.clientId ?? '',
      client_secret: client?.clientSecret ?? '',
    })
    expect(tokens.access_token).toEqual(JWT)
  })

  it.each<readonly [string, (sdk: Telnyx) => Promise<unknown>]>([
    ['oauthClients.retrieve', (sdk) => sdk.oauthClients.retrieve(UNKNOWN_ID)],
    ['oauthClients.update', (sdk) => sdk.oauthClients.update(UNKNOWN_ID, { name: 'Other' })],
    ['oauthClients.delete', (sdk) => sdk.oauthClients.delete(UNKNOWN_ID)],
    ['oauthGrants.retrieve', (sdk) => sdk.oauthGrants.retrieve(UNKNOWN_ID)],
    ['oauthGrants.delete', (sdk) => sdk.oauthGrants.delete(UNKNOWN_ID)],
    ['an id with characters of paths', (sdk) => sdk.oauthClients.retrieve('../oauth_clients?a=%2F#b')],
  ])('NotFoundError: %s', async (_, call) => {
    const { sdk } = await startIssuer()
    const error = await refusalOf(call(sdk))
    expect(error).toBeInstanceOf(Telnyx.NotFoundError)
    expect(error.error).toEqual({ error: 'not_found', error_description: reason })
  })

  it('an id with characters of paths is found where there is one', async () => {
    const id = 'a/b c?d=%2F#é'
    const { sdk } = await startIssuer({ clients: [{ clientId: id }], grants: [{ id }] })
    expect(dataOf(await sdk.oauthClients.update(id, { name: 'Odd' }))).toMatchObject({ name: 'Odd' })
    expect(dataOf(await sdk.oauthClients.retrieve(id)).client_id).toBe(id)
    expect(dataOf(await sdk.oauthGrants.retrieve(id)).id).toBe(id)
    expect(dataOf(await sdk.oauthGrants.delete(id)).client_id).toBe(id)
    expect(await sdk.oauthClients.delete(id)).toBeNull()
  })

  it('NotFoundError: a client and a grant that were deleted', async () => {
    const { sdk } = await startIssuer()
    const { client } = await signIn(sdk)
    const [grant] = (await sdk.oauthGrants.list()).data
    await sdk.oauthClients.delete(client.client_id)
    // Its grants end with it.
    for (const call of [
      sdk.oauthClients.retrieve(client.client_id),
      sdk.oauthClients.delete(client.client_id),
      sdk.oauthGrants.retrieve(grant?.id ?? ''),
    ])
      expect(await refusalOf(call)).toBeInstanceOf(Telnyx.NotFoundError)
  })

  it.each<readonly [string, Call, Record<string, unknown>]>([
    [
      'oauthClients.create with a link that is none',
      (sdk) => sdk.oauthClients.create({ ...CREATION, logo_uri: 'data:,', name: '' }),
      { logo_uri: [reason], name: [reason] },
    ],
    [
      'oauthClients.create without anywhere to send codes to',
      (sdk) => sdk.oauthClients.create({ ...CREATION, redirect_uris: [] }),
      { redirect_uris: [reason] },
    ],
    [
      'oauthClients.create without what is required',
      (sdk) => sdk.post('/oauth_clients', { body: {} }),
      { name: [reason], client_type: [reason], allowed_scopes: [reason], allowed_grant_types: [reason] },
    ],
    [
      'oauthClients.update',
      (sdk, { clients: [client] }) =>
        sdk.oauthClients.update(client?.clientId ?? '', { tos_uri: 'nowhere', allowed_scopes: ['a b'] }),
      { tos_uri: [reason], allowed_scopes: [reason] },
    ],
    [
      'oauthClients.update of what cannot be changed',
      (sdk, { clients: [client] }) =>
        sdk.put(`/oauth_clients/${client?.clientId}`, { body: { client_type: 'public' } }),
      { client_type: [reason] },
    ],
    [
      'oauth.grants with something else',
      (sdk) => sdk.post('/oauth/grants', { body: { allowed: 'yes', consent_token: 'a', more: 1 } }),
      { allowed: [reason], more: [reason] },
    ],
  ])('UnprocessableEntityError: %s', async (_, call, fields) => {
    const { issuer, sdk } = await startIssuer()
    const error = await refusalOf(call(sdk, issuer))
    expect(error).toBeInstanceOf(Telnyx.UnprocessableEntityError)
    expect(error.error).toEqual({
      error: 'invalid_request',
      error_description: reason,
      invalid_fields: fields,
    })
  })

  it('the pages that are for users are errors without a body in JSON', async () => {
    const { sdk } = await startIssuer({ clients: [{ clientId: 'app', redirectUris: [CALLBACK] }] })
    const request = { response_type: 'code', client_id: 'app', redirect_uri: CALLBACK } as const
    for (const [changed, error] of [
      [{ client_id: '' }, Telnyx.BadRequestError],
      [{ redirect_uri: '' }, Telnyx.BadRequestError],
      [{ client_id: 'other' }, Telnyx.NotFoundError],
      [{ redirect_uri: 'https://other.example' }, Telnyx.UnprocessableEntityError],
    ] as const) {
      const refusal = await refusalOf(sdk.oauth.retrieveAuthorize({ ...request, ...changed }))
      expect(refusal).toBeInstanceOf(error)
      expect(refusal.error).toBeUndefined()
      expect(refusal.message).toContain('<!doctype html>')
      expect(refusal.headers?.get('content-type')).toBe('text/html; charset=utf-8')
    }
  })
})

describe('faults', () => {
  it.each([
    [500, Telnyx.InternalServerError],
    [503, Telnyx.InternalServerError],
    [429, Telnyx.RateLimitError],
    [409, Telnyx.ConflictError],
    [403, Telnyx.PermissionDeniedError],
  ])('%i is the error of the SDK for it, with the body', async (status, type) => {
    const { issuer, sdk } = await startIssuer()
    const body = { error: 'temporarily_unavailable', error_description: 'Later' }
    issuer.fault('listClients', { status, body, headers: { 'Retry-After': '7' } })
    const error = await refusalOf(sdk.oauthClients.list())
    expect(error).toBeInstanceOf(type)
    expect([error.status, error.error, error.headers?.get('retry-after')]).toEqual([status, body, '7'])
    issuer.clearFaults()
    expect((await sdk.oauthClients.list()).data).toHaveLength(1)
  })

  it('a connection that breaks is an APIConnectionError', async () => {
    const { issuer, sdk } = await startIssuer()
    issuer.fault('token', { drop: true })
    const error = await refusalOf(sdk.oauth.token({ grant_type: 'client_credentials' }))
    expect(error).toBeInstanceOf(Telnyx.APIConnectionError)
    expect([error.status, issuer.requests.token.count]).toEqual([undefined, 1])
  })

  it('an answer that never comes is an APIConnectionTimeoutError', async () => {
    const { issuer, sdk } = await startIssuer()
    issuer.fault('jwks', { silence: true })
    expect(await refusalOf(sdk.oauth.retrieveJwks({ timeout: 1 }))).toBeInstanceOf(
      Telnyx.APIConnectionTimeoutError,
    )
  })

  it('an issuer that was closed is an APIConnectionError', async () => {
    const { issuer, sdk } = await startIssuer()
    await issuer.close()
    expect(await refusalOf(sdk.oauth.retrieveJwks())).toBeInstanceOf(Telnyx.APIConnectionError)
  })

  it.each([503, 500, 429, 408, 409])('%i is repeated by the SDK, which then succeeds', async (status) => {
    const { issuer, sdk } = await startIssuer({}, { maxRetries: 1 })
    issuer.fault('jwks', { status, times: 1, headers: { 'retry-after-ms': '0' } })
    expect((await sdk.oauth.retrieveJwks()).keys).toHaveLength(1)
    expect(issuer.requests.jwks.count).toBe(2)
  })

  it('it gives up when the fault lasts, and repeats nothing that is refused', async () => {
    const { issuer, sdk } = await startIssuer({}, { maxRetries: 2 })
    issuer.fault('jwks', { status: 503, headers: { 'retry-after-ms': '0' } })
    expect(await refusalOf(sdk.oauth.retrieveJwks())).toBeInstanceOf(Telnyx.InternalServerError)
    expect(await refusalOf(sdk.oauth.retrieve('no'))).toBeInstanceOf(Telnyx.UnprocessableEntityError)
    expect([issuer.requests.jwks.count, issuer.requests.consent.count]).toEqual([3, 1])
  })

  it('a creation that is repeated is done once', async () => {
    const { issuer, sdk } = await startIssuer({ clients: [] }, { maxRetries: 1 })
    issuer.fault('createClient', { status: 503, times: 1, headers: { 'retry-after-ms': '0' } })
    expect(dataOf(await sdk.oauthClients.create(CREATION))).toEqual(CLIENT)
    expect(issuer.clients).toHaveLength(1)
  })
})

describe('the SDK logs itself in, with the credentials of a client', () => {
  const APP = { clientId: 'app', clientSecret: 'S3cret-of_app', scopes: ['billing.read'] }
  const API = 'https://api.telnyx.com'

  /** The SDK always logs in at Telnyx: there, its `fetch` finds the issuer. Everything else is an API of ours. */
  async function startApi(clients = [APP]) {
    const { issuer } = await startIssuer({ issuer: API, audience: API, clients })
    const verifier = createVerifier({ audience: API, fetch: issuer.fetch, profile: 'rfc9068' })
    const app = express()
    app.use(telnyxAuth({ audience: API, fetch: issuer.fetch, profile: 'rfc9068' }))
    app.get('/v2/balance', requireScopes('billing.read'), (request, response) => {
      response.json({ data: { record_type: 'balance', currency: getAuth(request).clientId } })
    })
    const { url } = await serve(app)
    const logins: { body: unknown; authorization: string | null }[] = []
    const bearers: string[] = []
    const reach: typeof globalThis.fetch = (input, init) => {
      const request = new Request(input, init)
      const { origin, pathname } = new URL(request.url)
      expect(origin).toBe(API)
      const authorization = request.headers.get('authorization')
      if (pathname === '/v2/oauth/token') {
        logins.push({ body: init?.body, authorization })
        return issuer.fetch(request)
      }
      bearers.push(authorization ?? 'none')
      return fetch(url + pathname, { headers: { authorization: authorization ?? '' } })
    }
    const createClient = (clientID: string, clientSecret: string) =>
      new Telnyx({ clientID, clientSecret, apiKey: null, fetch: reach, maxRetries: 0 })
    return { issuer, verifier, logins, bearers, createClient }
  }

  it('gets an access token once, which our verifier accepts under the strict profile', async () => {
    const { issuer, verifier, logins, bearers, createClient } = await startApi()
    const sdk = createClient(APP.clientId, APP.clientSecret)
    for (let call = 0; call < 3; call++)
      expect(dataOf(await sdk.balance.retrieve())).toEqual({ record_type: 'balance', currency: 'app' })
    const basic = `Basic ${Buffer.from('app:S3cret-of_app').toString('base64')}`
    expect(logins).toEqual([{ body: 'grant_type=client_credentials', authorization: basic }])
    expect(issuer.requests.token.count).toBe(1)
    expect(bearers).toHaveLength(3)
    expect(new Set(bearers).size).toBe(1)
    const token = bearers[0]?.replace(/^Bearer /, '') ?? ''
    expect(await verifier.verify(token, { scopes: ['billing.read'] })).toMatchObject({
      issuer: API,
      audience: [API],
      clientId: 'app',
      subject: 'app',
      scopes: ['billing.read'],
    })
  })

  it('logs in again when the token has expired', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const { issuer, bearers, createClient } = await startApi()
    const sdk = createClient(APP.clientId, APP.clientSecret)
    await sdk.balance.retrieve()
    vi.setSystemTime(Date.now() + 3590_000)
    await sdk.balance.retrieve()
    expect(issuer.requests.token.count).toBe(1)
    vi.setSystemTime(Date.now() + 20_000)
    await sdk.balance.retrieve()
    expect(issuer.requests.token.count).toBe(2)
    expect(new Set(bearers).size).toBe(2)
  })

  it.each([
    ['a wrong secret', 'app', 'wrong'],
    ['a client that does not exist', 'other', 'S3cret-of_app'],
    ['a secret that is not one', 'app', '%%%'],
  ])('%s is an AuthenticationError, and nothing else is asked', async (_, clientId, secret) => {
    const { issuer, bearers, createClient } = await startApi()
    const error = await refusalOf(createClient(clientId, secret).balance.retrieve())
    expect(error).toBeInstanceOf(Telnyx.AuthenticationError)
    expect(error.error).toEqual({ error: 'invalid_client', error_description: expect.any(String) })
    expect(error.headers?.get('www-authenticate')).toBe('Basic realm="oauth"')
    expect([issuer.requests.token.count, bearers]).toEqual([1, []])
  })

  it('a client that may not have what the route needs gets a PermissionDeniedError from the API', async () => {
    const { createClient } = await startApi([{ ...APP, scopes: ['voice.read'] }])
    const error = await refusalOf(createClient(APP.clientId, APP.clientSecret).balance.retrieve())
    expect(error).toBeInstanceOf(Telnyx.PermissionDeniedError)
    expect(error.headers?.get('www-authenticate')).toMatch(/error="insufficient_scope"/)
  })

  it('a login that fails is the error of the SDK for it', async () => {
    const { issuer, createClient } = await startApi()
    issuer.fault('token', { status: 503, body: { error: 'temporarily_unavailable' } })
    const error = await refusalOf(createClient(APP.clientId, APP.clientSecret).balance.retrieve())
    expect(error).toBeInstanceOf(Telnyx.InternalServerError)
    expect(error.error).toEqual({ error: 'temporarily_unavailable' })
  })

  // The SDK does not form-encode what it sends by HTTP Basic, as RFC 6749 §2.3.1 has it.
  it.each(['a+b', '100%', 'a b', 'a:b', '%41', 'ä'])(
    'the secret %j is understood as it was set',
    async (clientSecret) => {
      const { createClient } = await startApi([{ ...APP, clientSecret }])
      const sdk = createClient(APP.clientId, clientSecret)
      expect(dataOf(await sdk.balance.retrieve()).currency).toBe('app')
    },
  )
})

describe('the spellings of earlier descriptions', () => {
  it('have the same bodies', async () => {
    const { issuer, sdk } = await startIssuer({ clients: [{}, {}], grants: [{}] })
    const pageOf = ({ data, meta }: { data: unknown; meta: unknown }) => ({ data, meta })
    expect(await sdk.get('/oauth/clients', { query: { 'page[size]': 1 } })).toEqual(
      pageOf(await sdk.oauthClients.list({ 'page[size]': 1 })),
    )
    expect(await sdk.get('/oauth/grants')).toEqual(pageOf(await sdk.oauthGrants.list()))

    const created = dataOf(
      await sdk.post<Telnyx.OAuthClientCreateResponse>('/oauth/clients', { body: CREATION }),
    )
    expect(created).toEqual(CLIENT)
    const id = created.client_id
    expect(await sdk.get(`/oauth/clients/${id}`)).toEqual(await sdk.oauthClients.retrieve(id))
    const updated = await sdk.put(`/oauth/clients/${id}`, { body: { name: 'Mailbox' } })
    expect(updated).toEqual(await sdk.oauthClients.retrieve(id))
    expect(updated).toMatchObject({ data: { name: 'Mailbox' } })
    expect(await sdk.delete(`/oauth/clients/${id}`)).toBeNull()
    expect(await refusalOf(sdk.oauthClients.retrieve(id))).toBeInstanceOf(Telnyx.NotFoundError)

    const grantId = issuer.grants[0]?.id ?? ''
    const grant = await sdk.oauthGrants.retrieve(grantId)
    expect(await sdk.get(`/oauth/grants/${grantId}`)).toEqual(grant)
    expect(await sdk.delete(`/oauth/grants/${grantId}`)).toEqual(grant)
    expect(await refusalOf(sdk.oauthGrants.retrieve(grantId))).toBeInstanceOf(Telnyx.NotFoundError)
  })
})
