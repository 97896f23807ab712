import { createVerifier } from '@telnyx-auth/core'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { decodeJwt } from 'jose'
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  customFetch,
  dynamicClientRegistration,
  fetchProtectedResource,
  getDPoPHandle,
  None,
  randomDPoPKeyPair,
  randomPKCECodeVerifier,
  refreshTokenGrant,
} from 'openid-client'
import { expect, it, onTestFinished } from 'vitest'

/** `openid-client` 6, unmodified, uses DPoP (RFC 9449) at the mock issuer and at an API. */

const CALLBACK = 'http://127.0.0.1/callback'
const API = 'https://api.example.com'

it.each([
  ['without nonces', false],
  ['with nonces', true],
])('a public client signs in, refreshes and calls an API with DPoP, %s', async (_, nonce) => {
  const issuer = await createMockIssuer({ algorithm: 'ES256', dpop: { nonce } })
  await issuer.listen()
  onTestFinished(() => issuer.close())
  const metadata = {
    redirect_uris: [CALLBACK],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  }
  const config = await dynamicClientRegistration(new URL(issuer.issuer), metadata, None(), {
    algorithm: 'oauth2',
    execute: [allowInsecureRequests],
  })
  const DPoP = getDPoPHandle(config, await randomDPoPKeyPair())
  const jkt = await DPoP.calculateThumbprint()

  const pkceCodeVerifier = randomPKCECodeVerifier()
  const url = buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: 'messaging.read',
    resource: API,
    code_challenge: await calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    dpop_jkt: jkt,
  })
  const callback = new URL(await issuer.authorize(url))
  const first = await authorizationCodeGrant(config, callback, { pkceCodeVerifier }, undefined, { DPoP })
  const tokens = await refreshTokenGrant(config, first.refresh_token ?? '', undefined, { DPoP })
  for (const { token_type, access_token } of [first, tokens]) {
    expect(token_type).toBe('dpop')
    expect(decodeJwt(access_token).cnf).toEqual({ jkt })
  }

  const verifier = createVerifier({ audience: API, issuer: issuer.issuer, dpop: 'required' })
  config[customFetch] = async (input, init) => {
    const { clientId } = await verifier.authenticate(
      new Request(input, { method: init.method, headers: init.headers }),
    )
    return Response.json({ clientId })
  }
  const target = new URL(`${API}/messages?page=1`)
  const call = () =>
    fetchProtectedResource(config, tokens.access_token, target, 'GET', null, undefined, { DPoP })
  for (const response of [await call(), await call()])
    expect(await response.json()).toEqual({ clientId: config.clientMetadata().client_id })
})
