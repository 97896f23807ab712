import { createVerifier } from '@telnyx-auth/core'
import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
import express from 'express'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import {
  allowInsecureRequests,
  ClientSecretBasic,
  clientCredentialsGrant,
  discovery,
  fetchProtectedResource,
  getDPoPHandle,
  randomDPoPKeyPair,
} from 'openid-client'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createCertificate } from '../support/certificates.js'
import { serve } from '../support/http.js'
import { basicCredentials, postForm, readObject, textOf } from '../support/oauth-requests.js'
import { codeOf } from '../support/outcome.js'
import {
  ALGORITHMS,
  apiOf,
  CLIENT,
  CLIENT_WITH_CERTIFICATE,
  CREDENTIALS,
  OPAQUE,
  startProvider,
  TTL_SECONDS,
  USER,
} from './oidc-provider.js'

/** What another implementation issues is accepted: the mock issuer could have the mistakes of the verifier. */

const API = apiOf('ES256')
const OTHER_API = apiOf('EdDSA')
const STRICT = { profile: 'rfc9068' } as const

/** Both clocks stand still but where a test moves the date: an answer that is cached for a moment is still there after it. */
function stopDate(): { advance: (seconds: number) => void } {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
  return { advance: (seconds) => void vi.setSystemTime(Date.now() + seconds * 1000) }
}

/** The same token with another subject. */
function tamper(token: string): string {
  const [header = '', , signature = ''] = token.split('.')
  const payload = JSON.stringify({ ...decodeJwt(token), sub: 'admin' })
  return [header, Buffer.from(payload).toString('base64url'), signature].join('.')
}

describe('JWT access tokens (RFC 9068)', () => {
  it.each(ALGORITHMS)('D1, J1, J6: %s, a token that a client got for itself', async (algorithm) => {
    const { issuer, clientToken, count } = await startProvider()
    const token = await clientToken(apiOf(algorithm))
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: algorithm, typ: 'at+jwt' })
    const verifier = createVerifier({ issuer, audience: apiOf(algorithm), ...STRICT })
    const auth = await verifier.verify(token, { scopes: ['read', 'write'] })
    expect({ ...auth }).toEqual({
      subject: CLIENT,
      clientId: CLIENT,
      scopes: ['read', 'write'],
      audience: [apiOf(algorithm)],
      issuer,
      issuedAt: expect.any(Number),
      expiresAt: Number(auth.issuedAt) + TTL_SECONDS,
      claims: decodeJwt(token),
      verifiedBy: 'signature',
    })
    // Found by discovery (RFC 8414), and by nothing else.
    expect([count('/.well-known/oauth-authorization-server'), count('/jwks')]).toEqual([1, 1])
    expect(count('/.well-known/openid-configuration')).toBe(0)
  })

  it.each(['RS256', 'ES256', 'EdDSA'] as const)(
    'J6: %s, a token that a client got for a user who signed in',
    async (algorithm) => {
      const { issuer, signIn } = await startProvider()
      const token = textOf(await signIn(apiOf(algorithm)), 'access_token')
      expect(decodeProtectedHeader(token)).toMatchObject({ alg: algorithm, typ: 'at+jwt' })
      const verifier = createVerifier({ issuer, audience: apiOf(algorithm), ...STRICT })
      expect(await verifier.verify(token)).toMatchObject({
        subject: USER,
        clientId: CLIENT,
        scopes: ['read', 'write'],
        audience: [apiOf(algorithm)],
        issuer,
        verifiedBy: 'signature',
      })
    },
  )

  it('one verifier accepts the tokens of all algorithms with one JWK Set, also in the default profile', async () => {
    const { issuer, clientToken, count } = await startProvider()
    const verifier = createVerifier({ issuer, audience: ALGORITHMS.map(apiOf) })
    for (const algorithm of ALGORITHMS) {
      const auth = await verifier.verify(await clientToken(apiOf(algorithm)))
      expect(auth.audience).toEqual([apiOf(algorithm)])
    }
    expect(count('/jwks')).toBe(1)
  })

  it('preload() makes it ready before there is a token', async () => {
    const { issuer, clientToken, count } = await startProvider()
    const verifier = createVerifier({ issuer, audience: API, ...STRICT })
    expect(verifier.health().ready).toBe(false)
    await verifier.preload()
    expect(verifier.health().ready).toBe(true)
    expect(await verifier.verify(await clientToken(API))).toMatchObject({ subject: CLIENT })
    expect(count('/jwks')).toBe(1)
  })
})

describe('JWTs that are refused', () => {
  it('J4: a token for another API of the same issuer', async () => {
    const { issuer, clientToken } = await startProvider()
    const [token, other] = [await clientToken(API), await clientToken(OTHER_API)]
    const verifier = createVerifier({ issuer, audience: API, ...STRICT })
    expect(await verifier.verify(token)).toMatchObject({ audience: [API] })
    expect(await codeOf(verifier.verify(other))).toBe('ERR_AUDIENCE_NOT_ALLOWED')
    const otherVerifier = createVerifier({ issuer, audience: OTHER_API, ...STRICT })
    expect(await otherVerifier.verify(other)).toMatchObject({ audience: [OTHER_API] })
  })

  it('J5: a token that has expired', async () => {
    const { advance } = stopDate()
    const { issuer, clientToken } = await startProvider()
    const token = await clientToken(API)
    const verifier = createVerifier({ issuer, audience: API, clockToleranceSeconds: 0, ...STRICT })
    advance(TTL_SECONDS - 1)
    expect(await verifier.verify(token)).toMatchObject({ subject: CLIENT })
    advance(1)
    expect(await codeOf(verifier.verify(token))).toBe('ERR_TOKEN_EXPIRED')
    expect(await verifier.verify(await clientToken(API))).toMatchObject({ subject: CLIENT })
  })

  it.each(['RS256', 'ES256', 'EdDSA'] as const)('J1: %s, a token that was changed', async (algorithm) => {
    const { issuer, clientToken } = await startProvider()
    const [token, other] = [await clientToken(apiOf(algorithm)), await clientToken(apiOf(algorithm))]
    const verifier = createVerifier({ issuer, audience: apiOf(algorithm), ...STRICT })
    expect(await codeOf(verifier.verify(tamper(token)))).toBe('ERR_SIGNATURE_INVALID')
    const swapped = [...token.split('.').slice(0, 2), ...other.split('.').slice(2)].join('.')
    expect(await codeOf(verifier.verify(swapped))).toBe('ERR_SIGNATURE_INVALID')
    for (const good of [token, other]) expect(await verifier.verify(good)).toMatchObject({ subject: CLIENT })
  })

  it('J1: an algorithm that is not on the list', async () => {
    const { issuer, clientToken } = await startProvider()
    const audience = [apiOf('ES256'), apiOf('RS256')]
    const [es256, rs256] = [await clientToken(apiOf('ES256')), await clientToken(apiOf('RS256'))]
    const only = createVerifier({ issuer, audience, algorithms: ['ES256'], ...STRICT })
    expect(await only.verify(es256)).toMatchObject({ subject: CLIENT })
    expect(await codeOf(only.verify(rs256))).toBe('ERR_ALGORITHM_NOT_ALLOWED')
    const both = createVerifier({ issuer, audience, algorithms: ['ES256', 'RS256'], ...STRICT })
    expect(await both.verify(rs256)).toMatchObject({ subject: CLIENT })
  })

  it('J2: an ID token, even where the API and the client have the same identifier', async () => {
    const { issuer, signIn } = await startProvider()
    const tokens = await signIn(API)
    const [token, idToken] = [textOf(tokens, 'access_token'), textOf(tokens, 'id_token')]
    expect(decodeJwt(idToken)).toMatchObject({ iss: issuer, aud: CLIENT, sub: USER })
    const strict = createVerifier({ issuer, audience: [API, CLIENT], ...STRICT })
    expect(await strict.verify(token)).toMatchObject({ subject: USER })
    expect(await codeOf(strict.verify(idToken))).toBe('ERR_TYP_INVALID')
    // Its header has no typ: without the strict profile the audience alone keeps it out.
    const lenient = createVerifier({ issuer, audience: API })
    expect(await lenient.verify(token)).toMatchObject({ subject: USER })
    expect(await codeOf(lenient.verify(idToken))).toBe('ERR_AUDIENCE_NOT_ALLOWED')
  })

  it('B6: a token with too little scope', async () => {
    const { issuer, clientToken } = await startProvider()
    const token = await clientToken(API, 'read')
    const verifier = createVerifier({ issuer, audience: API, ...STRICT })
    expect(await verifier.verify(token, { scopes: ['read'] })).toMatchObject({ scopes: ['read'] })
    expect(await codeOf(verifier.verify(token, { scopes: ['read', 'write'] }))).toBe('ERR_SCOPE_INSUFFICIENT')
  })

  it('J3, J11: a token of another issuer', async () => {
    const [one, two] = [await startProvider(), await startProvider()]
    const token = await two.clientToken(API)
    const verifier = createVerifier({ issuer: one.issuer, audience: API, ...STRICT })
    expect(await codeOf(verifier.verify(token))).toBe('ERR_ISSUER_NOT_ALLOWED')
    expect(two.count('/jwks')).toBe(0)
    const both = createVerifier({ issuer: [one.issuer, two.issuer], audience: API, ...STRICT })
    for (const { issuer, clientToken } of [one, two])
      expect(await both.verify(await clientToken(API))).toMatchObject({ issuer })
  })
})

describe('key rotation', () => {
  it.each(['RS256', 'ES256', 'EdDSA'] as const)(
    'J8: %s, a token of a new key is accepted after one refetch, and one of a withdrawn key no more',
    async (algorithm) => {
      const { issuer, clientToken, rotateKeys, count } = await startProvider()
      const verifier = createVerifier({ issuer, audience: apiOf(algorithm), ...STRICT })
      const before = await clientToken(apiOf(algorithm))
      expect(await verifier.verify(before)).toMatchObject({ subject: CLIENT })
      await rotateKeys()
      expect(await verifier.verify(before)).toMatchObject({ subject: CLIENT })
      expect(count('/jwks')).toBe(1)
      const since = await clientToken(apiOf(algorithm))
      expect(decodeProtectedHeader(since).kid).not.toBe(decodeProtectedHeader(before).kid)
      expect(await verifier.verify(since)).toMatchObject({ subject: CLIENT })
      expect(count('/jwks')).toBe(2)
      expect(await codeOf(verifier.verify(before))).toBe('ERR_KEY_NOT_FOUND')
      expect(await verifier.verify(since)).toMatchObject({ subject: CLIENT })
    },
  )
})

describe('introspection (RFC 7662)', () => {
  describe.each(['client_secret_basic', 'client_secret_post'] as const)('I1: %s', (authMethod) => {
    it.each(['fallback', 'opaque'] as const)('%s: opaque tokens are accepted', async (when) => {
      const { issuer, clientToken, signIn, count, authorizations } = await startProvider()
      const introspection = { when, authMethod, ...CREDENTIALS }
      const verifier = createVerifier({ issuer, audience: OPAQUE, introspection, ...STRICT })
      const own = await verifier.verify(await clientToken(OPAQUE), { scopes: ['read', 'write'] })
      expect({ ...own }).toEqual({
        // The answer names no subject where no user is involved.
        subject: undefined,
        clientId: CLIENT,
        scopes: ['read', 'write'],
        audience: [OPAQUE],
        issuer,
        issuedAt: expect.any(Number),
        expiresAt: Number(own.issuedAt) + TTL_SECONDS,
        claims: expect.objectContaining({ iss: issuer, aud: OPAQUE, token_type: 'Bearer' }),
        verifiedBy: 'introspection',
      })
      expect(await verifier.verify(textOf(await signIn(OPAQUE), 'access_token'))).toMatchObject({
        subject: USER,
        clientId: CLIENT,
        scopes: ['read', 'write'],
        audience: [OPAQUE],
        issuer,
        verifiedBy: 'introspection',
      })
      // The issuer takes either method: which one it was is only to be seen here.
      const { clientId, clientSecret } = CREDENTIALS
      const sent = authMethod === 'client_secret_basic' ? basicCredentials(clientId, clientSecret) : undefined
      expect(authorizations('/token/introspection')).toEqual([sent, sent])
      expect(count('/jwks')).toBe(0)
    })

    it('I5: with the wrong secret it is the API that is refused, not the caller', async () => {
      const { issuer, clientToken } = await startProvider()
      const token = await clientToken(OPAQUE)
      const introspection = { authMethod, ...CREDENTIALS }
      const right = createVerifier({ issuer, audience: OPAQUE, introspection })
      expect(await right.verify(token)).toMatchObject({ clientId: CLIENT })
      const clientSecret = `${CREDENTIALS.clientSecret}.`
      const wrong = createVerifier({
        issuer,
        audience: OPAQUE,
        introspection: { ...introspection, clientSecret },
      })
      expect(await codeOf(wrong.verify(token))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
    })
  })

  it('an opaque token is not accepted without introspection', async () => {
    const { issuer, clientToken, count } = await startProvider()
    const token = await clientToken(OPAQUE)
    const verifier = createVerifier({ issuer, audience: OPAQUE })
    expect(await codeOf(verifier.verify(token))).toBe('ERR_TOKEN_MALFORMED')
    expect(count('/token/introspection')).toBe(0)
    const asking = createVerifier({ issuer, audience: OPAQUE, introspection: CREDENTIALS })
    expect(await asking.verify(token)).toMatchObject({ clientId: CLIENT })
  })

  it('I2: a token that was revoked', async () => {
    const { issuer, clientToken, revoke } = await startProvider()
    const introspection = { ...CREDENTIALS, cacheSeconds: 0 }
    const verifier = createVerifier({ issuer, audience: OPAQUE, introspection, ...STRICT })
    const [token, other] = [await clientToken(OPAQUE), await clientToken(OPAQUE)]
    expect(await verifier.verify(token)).toMatchObject({ clientId: CLIENT })
    await revoke(token)
    expect(await codeOf(verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
    expect(await verifier.verify(other)).toMatchObject({ clientId: CLIENT })
  })

  it('I2: the revoked token of a user, and a token that was never issued', async () => {
    const { issuer, signIn, revoke } = await startProvider()
    const introspection = { ...CREDENTIALS, cacheSeconds: 0 }
    const verifier = createVerifier({ issuer, audience: OPAQUE, introspection, ...STRICT })
    const token = textOf(await signIn(OPAQUE), 'access_token')
    expect(await verifier.verify(token)).toMatchObject({ subject: USER })
    expect(await codeOf(verifier.verify(`${token}x`))).toBe('ERR_TOKEN_INACTIVE')
    await revoke(token)
    expect(await codeOf(verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
  })

  it('I3: an opaque token for another API', async () => {
    const { issuer, clientToken } = await startProvider()
    const token = await clientToken(OPAQUE)
    const elsewhere = createVerifier({ issuer, audience: API, introspection: CREDENTIALS, ...STRICT })
    expect(await codeOf(elsewhere.verify(token))).toBe('ERR_AUDIENCE_NOT_ALLOWED')
    const here = createVerifier({ issuer, audience: OPAQUE, introspection: CREDENTIALS, ...STRICT })
    expect(await here.verify(token)).toMatchObject({ audience: [OPAQUE] })
  })

  it('I3: a refresh token, which the issuer calls active as well, opens no API of the strict profile', async () => {
    const { issuer, signIn } = await startProvider()
    const tokens = await signIn(OPAQUE, 'openid offline_access read write')
    const verifier = createVerifier({ issuer, audience: OPAQUE, introspection: CREDENTIALS, ...STRICT })
    expect(await verifier.verify(textOf(tokens, 'access_token'))).toMatchObject({ audience: [OPAQUE] })
    expect(await codeOf(verifier.verify(textOf(tokens, 'refresh_token')))).toBe('ERR_CLAIM_MISSING')
  })

  it('I3, B6: an opaque token with too little scope', async () => {
    const { issuer, clientToken } = await startProvider()
    const token = await clientToken(OPAQUE, 'read')
    const verifier = createVerifier({ issuer, audience: OPAQUE, introspection: CREDENTIALS, ...STRICT })
    expect(await verifier.verify(token, { scopes: ['read'] })).toMatchObject({ scopes: ['read'] })
    expect(await codeOf(verifier.verify(token, { scopes: ['write'] }))).toBe('ERR_SCOPE_INSUFFICIENT')
  })

  it('I4: an opaque token that has expired, whether what was said of it is remembered or not', async () => {
    const { advance } = stopDate()
    const { issuer, clientToken } = await startProvider()
    const token = await clientToken(OPAQUE)
    const verifiers = [30, 0].map((cacheSeconds) =>
      createVerifier({
        issuer,
        audience: OPAQUE,
        clockToleranceSeconds: 0,
        introspection: { ...CREDENTIALS, cacheSeconds },
      }),
    )
    const codes = () => Promise.all(verifiers.map((verifier) => codeOf(verifier.verify(token))))
    advance(TTL_SECONDS - 1)
    for (const verifier of verifiers) expect(await verifier.verify(token)).toMatchObject({ clientId: CLIENT })
    advance(1)
    expect(await codes()).toEqual(['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_INACTIVE'])
  })

  it('fallback: one API accepts JWTs without introspection, and opaque tokens with it', async () => {
    const { issuer, clientToken, count } = await startProvider()
    const verifier = createVerifier({
      issuer,
      audience: [API, OPAQUE],
      introspection: { when: 'fallback', ...CREDENTIALS },
      ...STRICT,
    })
    expect(await verifier.verify(await clientToken(API))).toMatchObject({ verifiedBy: 'signature' })
    expect(count('/token/introspection')).toBe(0)
    expect(await verifier.verify(await clientToken(OPAQUE))).toMatchObject({ verifiedBy: 'introspection' })
    expect(count('/token/introspection')).toBe(1)
  })

  describe('always', () => {
    it('an opaque token is asked about, as ever', async () => {
      const { issuer, clientToken, revoke } = await startProvider()
      const introspection = { when: 'always', ...CREDENTIALS, cacheSeconds: 0 } as const
      const verifier = createVerifier({ issuer, audience: OPAQUE, introspection, ...STRICT })
      const token = await clientToken(OPAQUE)
      expect(await verifier.verify(token)).toMatchObject({ verifiedBy: 'introspection' })
      await revoke(token)
      expect(await codeOf(verifier.verify(token))).toBe('ERR_TOKEN_INACTIVE')
    })

    it('I7: this issuer does not introspect JWTs: 503 under "always", with "accept" too', async () => {
      const { issuer, clientToken, count } = await startProvider()
      const token = await clientToken(API)
      const { clientId, clientSecret } = CREDENTIALS
      const answer = await postForm(
        fetch,
        `${issuer}/token/introspection`,
        { token },
        { authorization: basicCredentials(clientId, clientSecret) },
      )
      expect(answer.status).toBe(400)
      expect(await readObject(answer)).toMatchObject({ error: 'unsupported_token_type' })

      const always = { when: 'always', ...CREDENTIALS } as const
      const verifier = createVerifier({ issuer, audience: API, introspection: always, ...STRICT })
      expect(await codeOf(verifier.verify(token))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
      const accepting = createVerifier({
        issuer,
        audience: API,
        introspection: { ...always, onUnavailable: 'accept' },
        ...STRICT,
      })
      // The issuer is not down: it does not say whether the token was revoked.
      expect(await codeOf(accepting.verify(token))).toBe('ERR_INTROSPECTION_UNAVAILABLE')
      const unasked = createVerifier({ issuer, audience: API, ...STRICT })
      expect(await unasked.verify(token)).toMatchObject({ subject: CLIENT, verifiedBy: 'signature' })
      // What is refused already is not sent.
      const asked = count('/token/introspection')
      expect(await codeOf(accepting.verify(tamper(token)))).toBe('ERR_SIGNATURE_INVALID')
      expect(count('/token/introspection')).toBe(asked)
    })

    it('JWTs that it does not introspect do not prevent introspection of opaque tokens', async () => {
      const { issuer, clientToken, count } = await startProvider()
      const verifier = createVerifier({
        issuer,
        audience: [API, OPAQUE],
        introspection: { when: 'always', ...CREDENTIALS },
        ...STRICT,
      })
      for (let asked = 1; asked <= 5; asked++) {
        const refused = verifier.verify(await clientToken(API))
        expect(await codeOf(refused)).toBe('ERR_INTROSPECTION_UNAVAILABLE')
        expect(count('/token/introspection')).toBe(asked)
      }
      expect(await verifier.verify(await clientToken(OPAQUE))).toMatchObject({ verifiedBy: 'introspection' })
    })
  })
})

describe('an API in Express', () => {
  it('B6: 200 for a token, 401 for one that was changed, 403 for one with too little scope', async () => {
    const { issuer, signIn, clientToken } = await startProvider()
    const app = express()
    app.use(telnyxAuth({ issuer, audience: [API, OPAQUE], introspection: CREDENTIALS, ...STRICT }))
    app.get('/', requireScopes('write'), (request, response) => {
      const { subject, clientId, verifiedBy } = getAuth(request)
      response.json([subject, clientId, verifiedBy])
    })
    const { url } = await serve(app)
    const ask = async (token: string) => {
      const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
      const body: unknown = await response.json()
      return { status: response.status, body, challenge: response.headers.get('www-authenticate') }
    }

    const token = textOf(await signIn(API), 'access_token')
    expect(await ask(token)).toEqual({ status: 200, body: [USER, CLIENT, 'signature'], challenge: null })
    expect(await ask(textOf(await signIn(OPAQUE), 'access_token'))).toMatchObject({
      status: 200,
      body: [USER, CLIENT, 'introspection'],
    })
    expect(await ask(tamper(token))).toMatchObject({
      status: 401,
      body: { error: 'invalid_token', code: 'ERR_SIGNATURE_INVALID' },
      challenge: expect.stringMatching(/^Bearer .*error="invalid_token"/),
    })
    expect(await ask(await clientToken(API, 'read'))).toMatchObject({
      status: 403,
      body: { error: 'insufficient_scope', code: 'ERR_SCOPE_INSUFFICIENT' },
      challenge: expect.stringMatching(/^Bearer .*error="insufficient_scope".*scope="write"/),
    })
  })
})

describe('tokens that are bound to a key (RFC 9449)', () => {
  /** A client with a key, and an API behind Express. */
  async function startBound() {
    const { issuer } = await startProvider()
    const config = await discovery(
      new URL(issuer),
      CLIENT,
      undefined,
      ClientSecretBasic(CREDENTIALS.clientSecret),
      {
        algorithm: 'oauth2',
        execute: [allowInsecureRequests],
      },
    )
    const keys = await randomDPoPKeyPair('ES256')
    const handle = getDPoPHandle(config, keys)
    const app = express()
    const { url } = await serve(app)
    app.use(
      telnyxAuth({
        issuer,
        audience: [API, OPAQUE],
        baseUrl: url,
        dpop: 'required',
        introspection: { when: 'opaque', ...CREDENTIALS },
        ...STRICT,
      }),
    )
    app.get('/', (request, response) => {
      const { clientId, verifiedBy, confirmation } = getAuth(request)
      response.json([clientId, verifiedBy, confirmation])
    })
    return {
      jkt: await handle.calculateThumbprint(),
      url,
      /** The client gets a token for itself. */
      token: (resource: string, isBound = true) =>
        clientCredentialsGrant(config, { resource, scope: 'read' }, isBound ? { DPoP: handle } : {}),
      ask: async (token: string) => {
        const options = { DPoP: handle }
        const response = await fetchProtectedResource(
          config,
          token,
          new URL(url),
          'GET',
          null,
          undefined,
          options,
        )
        return response.json()
      },
    }
  }

  it.each([
    ['a JWT', API, 'signature'],
    ['an opaque token', OPAQUE, 'introspection'],
  ])('%s is accepted with a proof of its key, and not without', async (_, resource, verifiedBy) => {
    const { jkt, url, token, ask } = await startBound()
    const { access_token: bound, token_type: type } = await token(resource)
    expect(type).toBe('dpop')
    expect(await ask(bound)).toEqual([CLIENT, verifiedBy, { jkt }])
    expect(await ask(bound)).toEqual([CLIENT, verifiedBy, { jkt }])

    const bearer = await fetch(url, { headers: { authorization: `Bearer ${bound}` } })
    expect([bearer.status, await readObject(bearer)]).toMatchObject([401, { code: 'ERR_TOKEN_BOUND' }])
    const { access_token: unbound } = await token(resource, false)
    const refused = await fetch(url, { headers: { authorization: `DPoP ${unbound}` } })
    expect([refused.status, await readObject(refused)]).toMatchObject([401, { code: 'ERR_TOKEN_NOT_BOUND' }])
  })
})

describe('tokens that are bound to a certificate (RFC 8705)', () => {
  it.each([
    ['a JWT', API],
    ['an opaque token', OPAQUE],
  ])('T1: %s is accepted with its certificate, and with no other', async (_, resource) => {
    const [client, other] = [createCertificate('client'), createCertificate('other')]
    const { issuer, certificateToken } = await startProvider()
    const token = await certificateToken(resource, client.der)
    let presented: Buffer | undefined
    const verifier = createVerifier({
      issuer,
      audience: [API, OPAQUE],
      mtls: () => presented,
      introspection: { when: 'opaque', ...CREDENTIALS },
      ...STRICT,
    })
    const request = { headers: { authorization: `Bearer ${token}` } }
    presented = client.der
    await expect(verifier.authenticate(request)).resolves.toMatchObject({
      clientId: CLIENT_WITH_CERTIFICATE,
      confirmation: { x5t: client.x5t },
    })
    presented = other.der
    expect(await codeOf(verifier.authenticate(request))).toBe('ERR_BINDING_MISMATCH')
    presented = undefined
    expect(await codeOf(verifier.authenticate(request))).toBe('ERR_CERTIFICATE_MISSING')
  })
})
