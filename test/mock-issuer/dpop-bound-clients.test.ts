import { generateKeyPairSync } from 'node:crypto'
import { createDpopProof, createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createPkcePair,
  manage,
  obtainCode,
  registerClient,
  requestToken,
} from '../support/authorization-flow.js'
import { basicCredentials, postJson, readObject, textOf } from '../support/oauth-requests.js'

/** With the option `dpop`: clients that always use DPoP, by their metadata (`dpop_bound_access_tokens`, RFC 9449 §5.2). */

const TOKEN = 'https://api.telnyx.com/v2/oauth/token'
const CALLBACK = 'https://app.example.com/callback'
const MACHINE = { grant_type: 'client_credentials' }
const BOUND = { grant_types: ['client_credentials'], dpop_bound_access_tokens: true }
const PKCE = createPkcePair()
const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

let issuer: MockIssuer
beforeEach(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256', dpop: true })
})

const prove = (nonce?: string) => createDpopProof({ key, method: 'POST', url: TOKEN, nonce })

const credentialsOf = (client: Record<string, unknown>) => ({
  authorization: basicCredentials(textOf(client, 'client_id'), textOf(client, 'client_secret')),
})

/** The answer to a request without a proof. */
const REFUSED = { error: 'invalid_request', error_description: expect.stringContaining('DPoP proof') }

describe('registration', () => {
  it('RFC 9449 §5.2: with true, a token request without a proof is refused, one with a proof is not', async () => {
    const client = await registerClient(issuer, BOUND)
    expect(client.dpop_bound_access_tokens).toBe(true)
    const headers = credentialsOf(client)
    const refused = await requestToken(issuer, MACHINE, headers)
    expect(refused.status).toBe(400)
    expect(refused.headers.get('cache-control')).toBe('no-store')
    expect(await readObject(refused)).toEqual(REFUSED)
    const accepted = await requestToken(issuer, MACHINE, { ...headers, dpop: await prove() })
    expect(await readObject(accepted)).toMatchObject({ token_type: 'DPoP' })
  })

  it.each([{}, { dpop_bound_access_tokens: false }])('RFC 9449 §5.2: %j is false', async (metadata) => {
    const client = await registerClient(issuer, { grant_types: ['client_credentials'], ...metadata })
    expect(client.dpop_bound_access_tokens).toBe(false)
    const answer = await requestToken(issuer, MACHINE, credentialsOf(client))
    expect(await readObject(answer)).toMatchObject({ token_type: 'Bearer' })
  })

  it.each(['true', 1, null, []])('refuses what is no boolean: %j', async (value) => {
    const url = `${issuer.issuer}/v2/oauth/register`
    const response = await postJson(issuer.fetch, url, { dpop_bound_access_tokens: value })
    expect(response.status).toBe(400)
    expect(await readObject(response)).toMatchObject({
      error: 'invalid_client_metadata',
      invalid_fields: { dpop_bound_access_tokens: ['must be a boolean'] },
    })
  })

  it('without the option dpop, it is ignored', async () => {
    issuer = await createMockIssuer({ algorithm: 'ES256' })
    const client = await registerClient(issuer, BOUND)
    expect(client).not.toHaveProperty('dpop_bound_access_tokens')
    const answer = await requestToken(issuer, MACHINE, credentialsOf(client))
    expect(await readObject(answer)).toMatchObject({ token_type: 'Bearer' })
  })

  it('the records of Telnyx do not have it, and an update keeps it', async () => {
    const client = await registerClient(issuer, BOUND)
    const path = `oauth_clients/${textOf(client, 'client_id')}`
    const updated = await manage(issuer, 'PUT', path, { name: 'Renamed' })
    expect(updated.status).toBe(200)
    expect(await updated.text()).not.toContain('dpop')
    expect(issuer.clients.at(-1)).toMatchObject({ name: 'Renamed', dpopBoundAccessTokens: true })
    const refused = await manage(issuer, 'PUT', path, { dpop_bound_access_tokens: false })
    expect(refused.status).toBe(422)
    expect(await readObject(await requestToken(issuer, MACHINE, credentialsOf(client)))).toEqual(REFUSED)
  })
})

describe('each grant of a public client', () => {
  beforeEach(async () => {
    issuer = await createMockIssuer({
      algorithm: 'ES256',
      dpop: true,
      clients: [
        { clientId: 'app', clientType: 'public', redirectUris: [CALLBACK], dpopBoundAccessTokens: true },
      ],
    })
  })

  it('needs a proof: the code, which is not used up by a refusal, and the refresh token', async () => {
    const send = async (fields: Record<string, string>, dpop?: string) =>
      readObject(
        await requestToken(issuer, { client_id: 'app', ...fields }, dpop === undefined ? {} : { dpop }),
      )
    const request = { response_type: 'code', client_id: 'app', redirect_uri: CALLBACK, ...PKCE.challenge }
    const code = await obtainCode(issuer, request)
    const exchange = {
      grant_type: 'authorization_code',
      redirect_uri: CALLBACK,
      code,
      code_verifier: PKCE.verifier,
    }
    expect(await send(exchange)).toEqual(REFUSED)
    const tokens = await send(exchange, await prove())
    expect(tokens).toMatchObject({ token_type: 'DPoP' })
    const refresh = { grant_type: 'refresh_token', refresh_token: textOf(tokens, 'refresh_token') }
    expect(await send(refresh)).toEqual(REFUSED)
    expect(await send(refresh, await prove())).toMatchObject({ token_type: 'DPoP' })
  })

  it('the client is authenticated first', async () => {
    const response = await requestToken(issuer, { ...MACHINE, client_id: 'unknown' })
    expect([response.status, await readObject(response)]).toMatchObject([401, { error: 'invalid_client' }])
  })
})

it('with nonces, a request without a proof is refused for the proof, and one without a nonce for the nonce', async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256', dpop: { nonce: true } })
  const headers = credentialsOf(await registerClient(issuer, BOUND))
  expect(await readObject(await requestToken(issuer, MACHINE, headers))).toEqual(REFUSED)
  const challenge = await requestToken(issuer, MACHINE, { ...headers, dpop: await prove() })
  expect(await readObject(challenge)).toMatchObject({ error: 'use_dpop_nonce' })
  const dpop = await prove(challenge.headers.get('dpop-nonce') ?? '')
  expect(await readObject(await requestToken(issuer, MACHINE, { ...headers, dpop }))).toMatchObject({
    token_type: 'DPoP',
  })
})

it('a client with a metadata document has it from there', async () => {
  const url = 'https://agent.example/client.json'
  const document = { client_id: url, client_name: 'Agent', redirect_uris: [CALLBACK] }
  const exchange = async (more: object) => {
    const fetch = async () => Response.json({ ...document, ...more })
    issuer = await createMockIssuer({ algorithm: 'ES256', mcp: true, dpop: true, fetch })
    const request = { response_type: 'code', client_id: url, redirect_uri: CALLBACK, ...PKCE.challenge }
    const code = await obtainCode(issuer, request)
    const fields = { grant_type: 'authorization_code', client_id: url, redirect_uri: CALLBACK, code }
    return readObject(await requestToken(issuer, { ...fields, code_verifier: PKCE.verifier }))
  }
  expect(await exchange({ dpop_bound_access_tokens: true })).toEqual(REFUSED)
  expect(await exchange({ dpop_bound_access_tokens: false })).toMatchObject({ token_type: 'Bearer' })
  expect(await exchange({})).toMatchObject({ token_type: 'Bearer' })
})

it('C: a client of the options that needs proofs, where dpop is off', async () => {
  const clients = [{ dpopBoundAccessTokens: true }]
  await expect(createMockIssuer({ clients })).rejects.toThrow(/"dpop" must be on/)
  await expect(createMockIssuer({ clients, dpop: false })).rejects.toThrow(TypeError)
  const unbound = await createMockIssuer({ algorithm: 'ES256', clients: [{ dpopBoundAccessTokens: false }] })
  expect(unbound.clients).toMatchObject([{ dpopBoundAccessTokens: false }])
})
