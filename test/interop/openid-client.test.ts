import { createVerifier } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type ClientAuth,
  type ClientMetadata,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  calculatePKCECodeChallenge,
  clientCredentialsGrant,
  dynamicClientRegistration,
  None,
  randomPKCECodeVerifier,
  randomState,
  refreshTokenGrant,
  tokenIntrospection,
} from 'openid-client'
import { beforeEach, describe, expect, it } from 'vitest'

/** `openid-client` 6, unmodified, registers at the mock issuer and uses every grant that this has. */

const CALLBACK = 'http://127.0.0.1/callback'
const RESOURCE = 'https://api.example.com'
const SCOPE = 'messaging.read'

/** Members of RFC 7591 §2 that Telnyx does not document, beside those that it does. */
const METADATA: Partial<ClientMetadata> = {
  client_name: 'Web app',
  redirect_uris: [CALLBACK],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  response_types: ['code'],
  scope: SCOPE,
  application_type: 'native',
  client_uri: 'https://app.example.com',
  contacts: ['ops@example.com'],
  software_id: '4NRB1-0XZABZI9E6-5SM3R',
  software_version: '1.2.3',
  jwks: { keys: [] },
}

let issuer: MockIssuer
beforeEach(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256', clients: [] })
  await issuer.listen()
  return () => issuer.close()
})

/** The methods of Telnyx's metadata, each with the way in which the client then authenticates. */
const CONFIDENTIAL = [
  ['client_secret_basic', ClientSecretBasic()],
  ['client_secret_post', ClientSecretPost()],
] as const
const METHODS = [...CONFIDENTIAL, ['none', None()]] as const

function register(metadata: Partial<ClientMetadata>, authentication?: ClientAuth): Promise<Configuration> {
  return dynamicClientRegistration(new URL(issuer.issuer), { ...METADATA, ...metadata }, authentication, {
    algorithm: 'oauth2',
    execute: [allowInsecureRequests],
  })
}

/** The user allows what the client asks for; the client redeems the code. */
async function signIn(config: Configuration) {
  const pkceCodeVerifier = randomPKCECodeVerifier()
  const expectedState = randomState()
  const url = buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: SCOPE,
    resource: RESOURCE,
    state: expectedState,
    code_challenge: await calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  })
  const callback = new URL(await issuer.authorize(url, { subject: 'user-1' }))
  return authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState })
}

function verify(token: string) {
  return createVerifier({ issuer: issuer.issuer, audience: RESOURCE, profile: 'rfc9068' }).verify(token)
}

describe.each(METHODS)('a client with %s', (method, authentication) => {
  it('registers (RFC 7591 §2), signs a user in and refreshes', async () => {
    const config = await register({ token_endpoint_auth_method: method }, authentication)
    const { client_id: clientId } = config.clientMetadata()
    expect(issuer.clients).toMatchObject([{ clientId, name: 'Web app', scopes: [SCOPE] }])

    const tokens = await signIn(config)
    expect(tokens).toMatchObject({ token_type: 'bearer', expires_in: 3600, scope: SCOPE })
    const good = { subject: 'user-1', clientId, scopes: [SCOPE], audience: [RESOURCE] }
    expect(await verify(tokens.access_token)).toMatchObject(good)

    const refreshed = await refreshTokenGrant(config, tokens.refresh_token ?? '')
    expect(refreshed.access_token).not.toBe(tokens.access_token)
    expect(await verify(refreshed.access_token)).toMatchObject(good)
  })
})

describe.each(CONFIDENTIAL)('a confidential client with %s', (method, authentication) => {
  it('gets a token of its own and introspects it (RFC 7662 §2)', async () => {
    const config = await register({ token_endpoint_auth_method: method }, authentication)
    const { client_id: clientId } = config.clientMetadata()
    const tokens = await clientCredentialsGrant(config, { scope: SCOPE, resource: RESOURCE })
    expect(await verify(tokens.access_token)).toMatchObject({ subject: clientId, clientId, scopes: [SCOPE] })
    expect(
      await tokenIntrospection(config, tokens.access_token, { token_type_hint: 'access_token' }),
    ).toMatchObject({ active: true, client_id: clientId, aud: RESOURCE, iss: issuer.issuer, scope: SCOPE })

    issuer.revoke(tokens.access_token)
    expect(await tokenIntrospection(config, tokens.access_token)).toEqual({ active: false })
  })
})

it('a registration with malformed metadata is refused, and the client says why', async () => {
  await expect(register({ redirect_uris: ['https://app.example.com/#fragment'] })).rejects.toMatchObject({
    error: 'invalid_client_metadata',
    status: 400,
  })
  expect(issuer.clients).toEqual([])
})
