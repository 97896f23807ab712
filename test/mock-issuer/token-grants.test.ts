import { createVerifier, type Verifier } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer, type MockIssuerOptions } from '@telnyx-auth/mock-issuer'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { resolveOptions } from '../../packages/mock-issuer/src/options.js'
import { AccessTokens } from '../../packages/mock-issuer/src/state/access-tokens.js'
import { Clients } from '../../packages/mock-issuer/src/state/clients.js'
import { Grants } from '../../packages/mock-issuer/src/state/grants.js'
import { createSigningKey } from '../../packages/mock-issuer/src/state/signing-keys.js'
import {
  createPkcePair,
  introspect,
  manage,
  obtainCode,
  openConsentPage,
  readRedirect,
  registerClient,
  requestToken,
} from '../support/authorization-flow.js'
import {
  basicCredentials,
  type FormFields,
  postForm,
  postJson,
  readObject,
  textOf,
} from '../support/oauth-requests.js'
import { codeOf } from '../support/outcome.js'

const BASE = 'https://api.telnyx.com'
const TOKEN = `${BASE}/v2/oauth/token`
const CALLBACK = 'https://app.example.com/callback'
const LOOPBACK = 'http://127.0.0.1/callback'
const AUDIENCE = 'https://api.example.com'
const ONE = 'https://one.example.com/mcp'
const TWO = 'https://two.example.com'
const START = 1_800_000_000_000
const DAY = 24 * 3600_000
const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'

const SCOPES = ['messaging.read', 'messaging.write']
const WEB = { clientId: 'web', clientSecret: 's3cret', scopes: SCOPES, redirectUris: [CALLBACK] }
/** A client with the same rights and redirect URIs as the first. */
const OTHER = { clientId: 'other', clientSecret: 'an0ther', scopes: SCOPES, redirectUris: [CALLBACK] }
const NATIVE = { clientId: 'native', clientType: 'public', scopes: SCOPES, redirectUris: [LOOPBACK] } as const
const ONCE = {
  clientId: 'once',
  clientSecret: '0nce',
  grantTypes: ['authorization_code'],
  redirectUris: [CALLBACK],
} as const
const MACHINE = {
  clientId: 'machine',
  clientSecret: 'm4chine',
  grantTypes: ['client_credentials'],
  scopes: SCOPES,
} as const

const BASIC = basicOf(WEB)
const OTHER_BASIC = basicOf(OTHER)
const MACHINE_BASIC = basicOf(MACHINE)
const REQUEST = { response_type: 'code', client_id: 'web', redirect_uri: CALLBACK }
const EXCHANGE = { grant_type: 'authorization_code', redirect_uri: CALLBACK }

let now = START
let issuer: MockIssuer
beforeEach(async () => {
  now = START
  issuer = await open({ now: () => now })
})

function open(options: MockIssuerOptions = {}): Promise<MockIssuer> {
  return createMockIssuer({
    algorithm: 'ES256',
    clients: [WEB, OTHER, NATIVE, ONCE, MACHINE],
    ...options,
  })
}

function basicOf(client: { clientId: string; clientSecret: string }): { authorization: string } {
  return { authorization: basicCredentials(client.clientId, client.clientSecret) }
}

interface Tokens {
  readonly access: string
  readonly refresh: string | undefined
  readonly scope: string | undefined
}

/** A successful response (RFC 6749 §5.1). */
async function tokensOf(response: Response): Promise<Tokens> {
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('pragma')).toBe('no-cache')
  const body = await readObject(response)
  const { access_token, token_type, expires_in, refresh_token, scope, ...others } = body
  expect({ token_type, expires_in, others }).toEqual({ token_type: 'Bearer', expires_in: 3600, others: {} })
  expect(access_token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
  return {
    access: textOf(body, 'access_token'),
    refresh: refresh_token === undefined ? undefined : textOf(body, 'refresh_token'),
    scope: scope === undefined ? undefined : textOf(body, 'scope'),
  }
}

/** An error response (RFC 6749 §5.2). */
async function expectRefusal(response: Response, error: string, status = 400): Promise<void> {
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('www-authenticate')).toBe(status === 401 ? 'Basic realm="oauth"' : null)
  expect(await readObject(response)).toEqual({
    error,
    error_description: expect.stringMatching(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/),
  })
  expect(response.status).toBe(status)
}

function exchange(
  code: string,
  more: Readonly<Record<string, string>> = {},
  headers = BASIC,
): Promise<Response> {
  return requestToken(issuer, { ...EXCHANGE, code, ...more }, headers)
}

function refresh(
  token: string | undefined,
  more: Readonly<Record<string, string>> = {},
  headers = BASIC,
): Promise<Response> {
  const fields = { grant_type: 'refresh_token', refresh_token: token ?? '', ...more }
  return requestToken(issuer, fields, headers)
}

async function login(more: Readonly<Record<string, string>> = {}): Promise<Tokens> {
  return tokensOf(await exchange(await obtainCode(issuer, { ...REQUEST, ...more })))
}

async function isActive(token: string): Promise<unknown> {
  const { active } = await introspect(issuer, token)
  return active
}

function strictVerifier(of: MockIssuer, audience = AUDIENCE): Verifier {
  return createVerifier({ audience, fetch: of.fetch, profile: 'rfc9068' })
}

describe('authorization code', () => {
  it('gives a token of the user, a refresh token, and the scope', async () => {
    const code = await obtainCode(issuer, { ...REQUEST, scope: 'messaging.read' }, { subject: 'user-1' })
    const [grant] = issuer.grants
    now += 1500
    const { access, refresh: refreshToken, scope } = await tokensOf(await exchange(code))
    expect(scope).toBe('messaging.read')
    expect(refreshToken).toMatch(/^[\w-]{43}$/)
    expect(decodeProtectedHeader(access)).toEqual({ typ: 'at+jwt', alg: 'ES256', kid: expect.any(String) })
    expect(decodeJwt(access)).toEqual({
      iss: BASE,
      sub: 'user-1',
      aud: AUDIENCE,
      client_id: 'web',
      iat: START / 1000 + 1,
      exp: START / 1000 + 3601,
      jti: expect.stringMatching(new RegExp(`^grant:${grant?.id}:${UUID}:${UUID}$`)),
      scope: 'messaging.read',
    })
    expect(issuer.grants).toEqual([{ ...grant, lastUsedAt: now }])
    expect(await introspect(issuer, access)).toEqual({
      active: true,
      aud: AUDIENCE,
      client_id: 'web',
      exp: START / 1000 + 3601,
      iat: START / 1000 + 1,
      iss: BASE,
      scope: 'messaging.read',
    })
  })

  it.each([
    ['HTTP Basic', {}, BASIC],
    ['HTTP Basic, and the same id in the body', { client_id: 'web' }, BASIC],
    ['the secret in the body', { client_id: 'web', client_secret: 's3cret' }, {}],
  ])(
    'is accepted from a confidential client with %s, as a form and as JSON',
    async (_, credentials, headers) => {
      for (const post of [postForm, postJson]) {
        const code = await obtainCode(issuer, REQUEST)
        const response = await post(issuer.fetch, TOKEN, { ...EXCHANGE, code, ...credentials }, headers)
        expect((await tokensOf(response)).scope).toBe('messaging.read messaging.write')
      }
    },
  )

  it.each([
    ['its id alone', { client_id: 'native' }, {}],
    ['an empty secret', { client_id: 'native', client_secret: '' }, {}],
    ['HTTP Basic with an empty password', {}, { authorization: basicCredentials('native', '') }],
  ])('is accepted from a public client with %s', async (_, credentials, headers) => {
    const { verifier, challenge } = createPkcePair()
    const redirectUri = 'http://127.0.0.1:4321/callback'
    const request = { ...REQUEST, client_id: 'native', redirect_uri: redirectUri, ...challenge }
    const code = await obtainCode(issuer, request)
    const fields = { ...EXCHANGE, code, redirect_uri: redirectUri, code_verifier: verifier, ...credentials }
    const { access, refresh: refreshToken } = await tokensOf(await requestToken(issuer, fields, headers))
    expect(decodeJwt(access)).toMatchObject({ client_id: 'native', scope: 'messaging.read messaging.write' })
    const again = { grant_type: 'refresh_token', refresh_token: refreshToken ?? '', client_id: 'native' }
    expect(decodeJwt((await tokensOf(await requestToken(issuer, again))).access).client_id).toBe('native')
  })

  it('of the consent page and of the API gives tokens of the account owner', async () => {
    const subjects = new Set<unknown>()
    for (const by of ['page', 'API']) {
      const { consentToken } = await openConsentPage(issuer, REQUEST)
      const fields = { consent_token: consentToken, decision: 'allow' }
      const manual: typeof globalThis.fetch = (url, init) =>
        issuer.fetch(url, { ...init, redirect: 'manual' })
      const location =
        by === 'page'
          ? (await postForm(manual, `${BASE}/v2/oauth/consent`, fields)).headers.get('location')
          : textOf(
              await readObject(
                await manage(issuer, 'POST', 'oauth/grants', { allowed: true, consent_token: consentToken }),
              ),
              'redirect_uri',
            )
      const code = textOf(readRedirect(location).parameters, 'code')
      subjects.add(decodeJwt((await tokensOf(await exchange(code))).access).sub)
    }
    expect([...subjects]).toEqual([expect.stringMatching(new RegExp(`^${UUID}$`))])
  })

  it('gives no refresh token to a client without that grant type', async () => {
    const code = await obtainCode(issuer, { ...REQUEST, client_id: 'once' })
    const { refresh: refreshToken } = await tokensOf(await exchange(code, {}, basicOf(ONCE)))
    expect(refreshToken).toBeUndefined()
  })

  it('gives the scopes that the user allowed, and ignores a scope in the exchange', async () => {
    const code = await obtainCode(issuer, { ...REQUEST, scope: 'messaging.read' })
    expect((await tokensOf(await exchange(code, { scope: 'messaging.write' }))).scope).toBe('messaging.read')
  })

  it('is invalid_request if the code or the redirect URI is missing or empty', async () => {
    const code = await obtainCode(issuer, REQUEST)
    for (const fields of [
      EXCHANGE,
      { ...EXCHANGE, code: '' },
      { grant_type: 'authorization_code', code },
      { ...EXCHANGE, code, redirect_uri: '' },
    ])
      await expectRefusal(await requestToken(issuer, fields, BASIC), 'invalid_request')
    await tokensOf(await exchange(code))
  })

  it.each(['unknown', '__proto__', 'constructor', 'x'.repeat(43)])('%s is unknown', async (code) => {
    await expectRefusal(await exchange(code), 'invalid_grant')
  })

  it.each([
    ['another', 'https://app.example.com/other'],
    ['one with an additional slash', `${CALLBACK}/`],
    ['one in another case', CALLBACK.toUpperCase()],
    ['one with a query', `${CALLBACK}?x=1`],
    ['the redirect URI with the code', `${CALLBACK}?code=x`],
    ['a relative one', '/callback'],
  ])('is refused with a wrong redirect URI, %s, and stays valid', async (_, redirectUri) => {
    const code = await obtainCode(issuer, REQUEST)
    await expectRefusal(await exchange(code, { redirect_uri: redirectUri }), 'invalid_grant')
    await tokensOf(await exchange(code))
  })

  it('is bound to the port that it was sent to', async () => {
    const { verifier, challenge } = createPkcePair()
    const request = { ...REQUEST, client_id: 'native', ...challenge }
    const code = await obtainCode(issuer, { ...request, redirect_uri: 'http://127.0.0.1:4321/callback' })
    const fields = { ...EXCHANGE, client_id: 'native', code, code_verifier: verifier }
    for (const redirectUri of [LOOPBACK, 'http://127.0.0.1:4322/callback', 'http://localhost:4321/callback'])
      await expectRefusal(
        await requestToken(issuer, { ...fields, redirect_uri: redirectUri }),
        'invalid_grant',
      )
    await tokensOf(await requestToken(issuer, { ...fields, redirect_uri: 'http://127.0.0.1:4321/callback' }))
  })

  it('of another client is refused, used or not, and its grant stays', async () => {
    const code = await obtainCode(issuer, REQUEST)
    await expectRefusal(await exchange(code, {}, OTHER_BASIC), 'invalid_grant')
    await expectRefusal(
      await requestToken(issuer, { ...EXCHANGE, code, client_id: 'native' }),
      'invalid_grant',
    )
    const { access, refresh: refreshToken } = await tokensOf(await exchange(code))
    await expectRefusal(await exchange(code, {}, OTHER_BASIC), 'invalid_grant')
    expect(await isActive(access)).toBe(true)
    await tokensOf(await refresh(refreshToken))
  })

  it('is valid for a minute', async () => {
    const [used, late] = [await obtainCode(issuer, REQUEST), await obtainCode(issuer, REQUEST)]
    now += 59_999
    await tokensOf(await exchange(used))
    now += 1
    await expectRefusal(await exchange(late), 'invalid_grant')
    // A late first use is no replay, so the grant stays.
    expect(issuer.grants).toHaveLength(2)
  })

  it('that is used twice revokes the grant and all its tokens', async () => {
    const other = await login()
    const code = await obtainCode(issuer, REQUEST)
    const first = await tokensOf(await exchange(code))
    const second = await tokensOf(await refresh(first.refresh))
    expect(await isActive(second.access)).toBe(true)
    await expectRefusal(await exchange(code), 'invalid_grant')
    for (const { access } of [first, second])
      expect(await introspect(issuer, access)).toEqual({ active: false })
    await expectRefusal(await refresh(second.refresh), 'invalid_grant')
    // Another grant of the same user and client stays.
    expect(issuer.grants).toHaveLength(1)
    expect(await isActive(other.access)).toBe(true)
    await tokensOf(await refresh(other.refresh))
  })

  it('that is used again much later, or with wrong parameters, revokes the grant as well', async () => {
    for (const more of [{}, { redirect_uri: 'https://evil.example/' }, { code_verifier: 'x'.repeat(43) }]) {
      const code = await obtainCode(issuer, REQUEST)
      const { access } = await tokensOf(await exchange(code))
      now += 30 * 60_000
      expect(await isActive(access)).toBe(true)
      await expectRefusal(await exchange(code, more), 'invalid_grant')
      expect(await isActive(access)).toBe(false)
    }
  })

  it('that is used twice at the same time gives tokens once, and the grant is revoked', async () => {
    const code = await obtainCode(issuer, REQUEST)
    const answers = await Promise.all([exchange(code), exchange(code)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400])
    for (const answer of answers)
      if (answer.status === 200) expect(await isActive((await tokensOf(answer)).access)).toBe(false)
    expect(issuer.grants).toEqual([])
  })

  it('and a refresh token cannot be confused, and both stay valid after the attempt', async () => {
    const { refresh: refreshToken } = await login()
    const code = await obtainCode(issuer, REQUEST)
    await expectRefusal(await refresh(code), 'invalid_grant')
    await expectRefusal(await exchange(refreshToken ?? ''), 'invalid_grant')
    await tokensOf(await exchange(code))
    await tokensOf(await refresh(refreshToken))
  })

  describe('with PKCE', () => {
    const { verifier, challenge } = createPkcePair()

    it.each([
      ['none', {}],
      ['an empty one', { code_verifier: '' }],
      ['another', { code_verifier: createPkcePair().verifier }],
      ['the challenge', { code_verifier: challenge.code_challenge }],
      ['one with a space', { code_verifier: `${verifier} ` }],
      ['one in another case', { code_verifier: verifier.toUpperCase() }],
      ['the challenge under its own name', { ...challenge }],
    ])('requires the right verifier: %s is refused, and the code stays valid', async (_, more) => {
      const code = await obtainCode(issuer, { ...REQUEST, ...challenge })
      await expectRefusal(await exchange(code, more), 'invalid_grant')
      await tokensOf(await exchange(code, { code_verifier: verifier }))
    })

    // RFC 7636 §4.1
    it.each([
      ['43 characters', 'a'.repeat(43), 200],
      ['128 characters', 'a'.repeat(128), 200],
      ['all allowed characters', `${'Az09-._~'.repeat(6)}`, 200],
      ['42 characters', 'a'.repeat(42), 400],
      ['129 characters', 'a'.repeat(129), 400],
      ['a plus', `+${'a'.repeat(50)}`, 400],
      ['padding', `${'a'.repeat(50)}=`, 400],
      ['a line break', `${'a'.repeat(50)}\n`, 400],
      ['a letter beyond ASCII', `${'a'.repeat(50)}é`, 400],
    ])(
      'and a verifier of %s that matches its challenge: %s is answered with %i',
      async (_, value, status) => {
        const pair = createPkcePair(value)
        const code = await obtainCode(issuer, { ...REQUEST, ...pair.challenge })
        expect((await exchange(code, { code_verifier: value })).status).toBe(status)
      },
    )

    // RFC 9700 §4.8.2: an attacker could have removed the challenge from the request.
    it('refuses a verifier for a code without a challenge', async () => {
      const code = await obtainCode(issuer, REQUEST)
      await expectRefusal(await exchange(code, { code_verifier: verifier }), 'invalid_grant')
      await tokensOf(await exchange(code))
    })

    it('is bound to one code: the verifier of another code is refused', async () => {
      const other = createPkcePair()
      const code = await obtainCode(issuer, { ...REQUEST, ...challenge })
      const otherCode = await obtainCode(issuer, { ...REQUEST, ...other.challenge })
      await expectRefusal(await exchange(code, { code_verifier: other.verifier }), 'invalid_grant')
      await tokensOf(await exchange(otherCode, { code_verifier: other.verifier }))
      await tokensOf(await exchange(code, { code_verifier: verifier }))
    })
  })
})

describe('refresh token', () => {
  it('gives a new refresh token, and an access token with the same claims', async () => {
    const first = await login({ scope: 'messaging.read' })
    now += 10_000
    const second = await tokensOf(await refresh(first.refresh))
    expect(second.refresh).toMatch(/^[\w-]{43}$/)
    expect(second.refresh).not.toBe(first.refresh)
    expect(second.scope).toBe('messaging.read')
    const { iat, exp, jti, ...claims } = decodeJwt(first.access)
    expect(decodeJwt(second.access)).toEqual({
      ...claims,
      iat: START / 1000 + 10,
      exp: START / 1000 + 3610,
      jti: expect.stringMatching(new RegExp(`^grant:${issuer.grants[0]?.id}:`)),
    })
    expect(decodeJwt(second.access).jti).not.toBe(jti)
    expect([iat, exp]).toEqual([START / 1000, START / 1000 + 3600])
    expect(issuer.grants[0]?.lastUsedAt).toBe(now)
    // The older token stays active until it expires.
    expect(await isActive(first.access)).toBe(true)
    now = START + 3600_000
    expect(await isActive(first.access)).toBe(false)
    expect(await isActive(second.access)).toBe(true)
  })

  it('that is used twice revokes the grant and all its tokens', async () => {
    const first = await login()
    const second = await tokensOf(await refresh(first.refresh))
    await expectRefusal(await refresh(first.refresh), 'invalid_grant')
    expect(issuer.grants).toEqual([])
    for (const { access } of [first, second]) expect(await isActive(access)).toBe(false)
    await expectRefusal(await refresh(second.refresh), 'invalid_grant')
  })

  it('that is used twice at the same time gives tokens once, and the grant is revoked', async () => {
    const first = await login()
    const answers = await Promise.all([refresh(first.refresh), refresh(first.refresh)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400])
    expect(issuer.grants).toEqual([])
  })

  it('of another client is refused, used or not, and its grant stays', async () => {
    const first = await login()
    await expectRefusal(await refresh(first.refresh, {}, OTHER_BASIC), 'invalid_grant')
    const second = await tokensOf(await refresh(first.refresh))
    await expectRefusal(await refresh(first.refresh, {}, OTHER_BASIC), 'invalid_grant')
    expect(await isActive(second.access)).toBe(true)
    await tokensOf(await refresh(second.refresh))
  })

  it('is invalid_request if it is missing', async () => {
    for (const fields of [
      { grant_type: 'refresh_token' },
      { grant_type: 'refresh_token', refresh_token: '' },
    ])
      await expectRefusal(await requestToken(issuer, fields, BASIC), 'invalid_request')
  })

  it('cannot be an access token', async () => {
    const { access, refresh: refreshToken } = await login()
    await expectRefusal(await refresh(access), 'invalid_grant')
    expect(await introspect(issuer, refreshToken ?? '')).toEqual({ active: false })
    for (const token of ['unknown', '__proto__', 'constructor'])
      await expectRefusal(await refresh(token), 'invalid_grant')
    await tokensOf(await refresh(refreshToken))
  })

  it('is valid for thirty days, and so is each later one', async () => {
    const first = await login()
    const late = await login()
    now += 30 * DAY - 1
    const second = await tokensOf(await refresh(first.refresh))
    now += 1
    await expectRefusal(await refresh(late.refresh), 'invalid_grant')
    now += 30 * DAY - 2
    await tokensOf(await refresh(second.refresh))
  })

  it('can be exchanged for fewer scopes, and later ones still have all', async () => {
    const first = await login()
    const second = await tokensOf(await refresh(first.refresh, { scope: 'messaging.write messaging.write' }))
    expect(second.scope).toBe('messaging.write')
    expect(decodeJwt(second.access).scope).toBe('messaging.write')
    expect((await tokensOf(await refresh(second.refresh))).scope).toBe('messaging.read messaging.write')
  })

  it.each([
    ['a scope of the client that the user was not asked for', 'messaging.write'],
    ['that scope and the allowed one', 'messaging.read messaging.write'],
    ['an unknown scope', 'nope'],
    ['a scope of the issuer, but not of the client', 'voice.read'],
    ['the name of an inherited member', '__proto__'],
    ['two spaces', 'messaging.read  messaging.read'],
  ])('cannot be exchanged for %s, and stays valid', async (_, scope) => {
    const { refresh: refreshToken } = await login({ scope: 'messaging.read' })
    await expectRefusal(await refresh(refreshToken, { scope }), 'invalid_scope')
    expect((await tokensOf(await refresh(refreshToken, { scope: 'messaging.read' }))).scope).toBe(
      'messaging.read',
    )
  })
})

describe('client credentials', () => {
  const GRANT = { grant_type: 'client_credentials' }

  it('give a token of the client itself, without a refresh token and a grant', async () => {
    const { access, refresh: refreshToken, scope } = await tokensOf(await requestToken(issuer, GRANT, BASIC))
    expect(refreshToken).toBeUndefined()
    expect(scope).toBe('messaging.read messaging.write')
    expect(decodeJwt(access)).toEqual({
      iss: BASE,
      sub: 'web',
      aud: AUDIENCE,
      client_id: 'web',
      iat: START / 1000,
      exp: START / 1000 + 3600,
      jti: expect.stringMatching(new RegExp(`^client:.+:${UUID}:${UUID}$`)),
      scope: 'messaging.read messaging.write',
    })
    expect(issuer.grants).toEqual([])
    now += 3600_000 - 1
    expect(await isActive(access)).toBe(true)
    now += 1
    expect(await isActive(access)).toBe(false)
  })

  it('are refused for a public client, even one with that grant type', async () => {
    const fields = { ...GRANT, client_id: 'native' }
    await expectRefusal(await requestToken(issuer, fields), 'unauthorized_client')
    const update = { allowed_grant_types: ['client_credentials'] }
    expect((await manage(issuer, 'PUT', 'oauth_clients/native', update)).status).toBe(200)
    await expectRefusal(await requestToken(issuer, fields), 'unauthorized_client')
    const registered = await registerClient(issuer, {
      token_endpoint_auth_method: 'none',
      grant_types: ['client_credentials'],
    })
    const of = { ...GRANT, client_id: textOf(registered, 'client_id') }
    await expectRefusal(await requestToken(issuer, of), 'unauthorized_client')
  })

  it('are checked against the current scopes of the client', async () => {
    expect(
      (await tokensOf(await requestToken(issuer, { ...GRANT, scope: 'messaging.write' }, BASIC))).scope,
    ).toBe('messaging.write')
    await manage(issuer, 'PUT', 'oauth_clients/web', { allowed_scopes: ['messaging.read'] })
    await expectRefusal(
      await requestToken(issuer, { ...GRANT, scope: 'messaging.write' }, BASIC),
      'invalid_scope',
    )
    expect((await tokensOf(await requestToken(issuer, GRANT, BASIC))).scope).toBe('messaging.read')
  })
})

describe('grant type', () => {
  it.each([
    ['authorization_code', MACHINE, { code: 'x', redirect_uri: CALLBACK }],
    ['refresh_token', MACHINE, { refresh_token: 'x' }],
    ['refresh_token', ONCE, { refresh_token: 'x' }],
    ['client_credentials', ONCE, {}],
  ])('%s is unauthorized_client if the client may not use it', async (grantType, client, more) => {
    const fields = { grant_type: grantType, ...more }
    await expectRefusal(await requestToken(issuer, fields, basicOf(client)), 'unauthorized_client')
  })

  it.each(['implicit', 'authorization_code ', 'Refresh_Token', 'constructor'])(
    '%j is unsupported_grant_type',
    async (grantType) => {
      const fields = { ...EXCHANGE, code: await obtainCode(issuer, REQUEST), grant_type: grantType }
      await expectRefusal(await requestToken(issuer, fields, BASIC), 'unsupported_grant_type')
    },
  )

  it('that the owner has removed since is unauthorized_client, and works again when it is restored', async () => {
    const { refresh: refreshToken } = await login()
    const code = await obtainCode(issuer, REQUEST)
    await manage(issuer, 'PUT', 'oauth_clients/web', { allowed_grant_types: ['client_credentials'] })
    await expectRefusal(await exchange(code), 'unauthorized_client')
    await expectRefusal(await refresh(refreshToken), 'unauthorized_client')
    await tokensOf(await requestToken(issuer, { grant_type: 'client_credentials' }, BASIC))
    await manage(issuer, 'PUT', 'oauth_clients/web', { allowed_grant_types: ['authorization_code'] })
    expect((await tokensOf(await exchange(code))).refresh).toBeUndefined()
    await expectRefusal(await refresh(refreshToken), 'unauthorized_client')
  })
})

describe('the client at the token endpoint', () => {
  it.each([
    ['a confidential client without its secret', { client_id: 'web' }, {}],
    ['a confidential client with an empty secret', { client_id: 'web', client_secret: '' }, {}],
    ['the secret of another client', { client_id: 'web', client_secret: 'an0ther' }, {}],
    ['a public client with a secret', { client_id: 'native', client_secret: 'x' }, {}],
    ['a public client with the secret "undefined"', { client_id: 'native', client_secret: 'undefined' }, {}],
    ['a public client with a password', {}, { authorization: basicCredentials('native', 'x') }],
    ['an empty id and password', {}, { authorization: basicCredentials('', '') }],
    ['__proto__', { client_id: '__proto__' }, {}],
    ['no client', {}, {}],
  ])('cannot be %s', async (_, credentials, headers) => {
    const code = await obtainCode(issuer, REQUEST)
    const fields = { ...EXCHANGE, code, ...credentials }
    await expectRefusal(await requestToken(issuer, fields, headers), 'invalid_client', 401)
    await tokensOf(await exchange(code))
  })

  it.each([
    ['two ids', { client_id: 'other' }],
    ['the id of a public client as well', { client_id: 'native' }],
    ['two secrets', { client_id: 'web', client_secret: 's3cret' }],
  ])('has one id and one secret: %s are invalid_request', async (_, credentials) => {
    const code = await obtainCode(issuer, REQUEST)
    await expectRefusal(await exchange(code, credentials), 'invalid_request')
    await tokensOf(await exchange(code))
  })

  it('is invalid_client after it was deleted, with all its codes and tokens', async () => {
    const { refresh: refreshToken, access } = await login()
    const code = await obtainCode(issuer, REQUEST)
    const own = await tokensOf(await requestToken(issuer, { grant_type: 'client_credentials' }, BASIC))
    const others = await tokensOf(
      await requestToken(issuer, { grant_type: 'client_credentials' }, OTHER_BASIC),
    )
    expect((await manage(issuer, 'DELETE', 'oauth_clients/web')).status).toBe(204)
    await expectRefusal(await exchange(code), 'invalid_client', 401)
    await expectRefusal(await refresh(refreshToken), 'invalid_client', 401)
    await expectRefusal(
      await requestToken(issuer, { grant_type: 'client_credentials' }, BASIC),
      'invalid_client',
      401,
    )
    // No other client can use its codes and tokens either.
    await expectRefusal(await exchange(code, {}, OTHER_BASIC), 'invalid_grant')
    await expectRefusal(await refresh(refreshToken, {}, OTHER_BASIC), 'invalid_grant')
    expect(issuer.grants).toEqual([])
    expect(await isActive(access)).toBe(false)
    expect(await isActive(own.access)).toBe(false)
    expect(await isActive(others.access)).toBe(true)
  })
})

describe('scopes that the owner has removed since', () => {
  const update = { allowed_scopes: ['messaging.read'] }

  it('are left out for codes and refresh tokens, and the response shows it', async () => {
    const { refresh: refreshToken } = await login()
    const code = await obtainCode(issuer, REQUEST)
    await manage(issuer, 'PUT', 'oauth_clients/web', update)
    for (const response of [await exchange(code), await refresh(refreshToken)]) {
      const { access, scope } = await tokensOf(response)
      expect(scope).toBe('messaging.read')
      expect(decodeJwt(access).scope).toBe('messaging.read')
    }
  })

  // RFC 6749 §5.1: a response without scope would mean that all were granted.
  it('are invalid_scope if no other scope was requested', async () => {
    const { refresh: refreshToken } = await login()
    const code = await obtainCode(issuer, { ...REQUEST, scope: 'messaging.write' })
    await manage(issuer, 'PUT', 'oauth_clients/web', update)
    await expectRefusal(await refresh(refreshToken, { scope: 'messaging.write' }), 'invalid_scope')
    await expectRefusal(await exchange(code), 'invalid_scope')
  })

  it('are not replaced by newer ones, which the user has not allowed', async () => {
    const { refresh: refreshToken } = await login()
    const allowed = [...SCOPES, 'voice.read']
    await manage(issuer, 'PUT', 'oauth_clients/web', { allowed_scopes: allowed })
    await expectRefusal(await refresh(refreshToken, { scope: 'voice.read' }), 'invalid_scope')
    expect((await tokensOf(await refresh(refreshToken))).scope).toBe(SCOPES.join(' '))
  })
})

// RFC 8707
describe('resource', () => {
  const GRANT = { grant_type: 'client_credentials' }
  const resources = (...values: string[]): [string, string][] => values.map((value) => ['resource', value])

  async function audienceOf(response: Response): Promise<unknown> {
    const { access } = await tokensOf(response)
    const { aud } = decodeJwt(access)
    expect(await introspect(issuer, access)).toMatchObject({ active: true, aud })
    return aud
  }

  it.each([
    ['none', [], AUDIENCE],
    ['an empty one', [''], AUDIENCE],
    ['one', [ONE], ONE],
    ['one twice', [ONE, ONE], ONE],
    ['one and an empty one', ['', ONE], ONE],
    ['two', [ONE, TWO], [ONE, TWO]],
    ['one that is not a URL', ['urn:example:api'], 'urn:example:api'],
    ['one with a query', [`${ONE}?a=1`], `${ONE}?a=1`],
    ['one that is not normalized', ['HTTPS://API.example.com:443/../x'], 'HTTPS://API.example.com:443/../x'],
  ])('becomes the audience with client credentials: %s', async (_, asked, audience) => {
    const fields: FormFields = [...Object.entries(GRANT), ...resources(...asked)]
    expect(await audienceOf(await requestToken(issuer, fields, BASIC))).toEqual(audience)
    const document = { ...GRANT, resource: asked }
    expect(await audienceOf(await postJson(issuer.fetch, TOKEN, document, BASIC))).toEqual(audience)
  })

  it('can be a string in JSON', async () => {
    const response = await postJson(issuer.fetch, TOKEN, { ...GRANT, resource: ONE }, BASIC)
    expect(await audienceOf(response)).toBe(ONE)
    await expectRefusal(
      await postJson(issuer.fetch, TOKEN, { ...GRANT, resource: [ONE, 1] }, BASIC),
      'invalid_request',
    )
  })

  it.each([
    '/mcp',
    'api',
    'https:',
    `${ONE}#x`,
    `${ONE}#`,
    `${ONE} `,
    '//one.example.com',
    '1http://x',
    'é:x',
  ])('%j is invalid_target, alone and with a valid one', async (resource) => {
    for (const values of [[resource], [ONE, resource]]) {
      const fields: FormFields = [...Object.entries(GRANT), ...resources(...values)]
      await expectRefusal(await requestToken(issuer, fields, BASIC), 'invalid_target')
    }
  })

  it('of the authorization applies to the tokens, if no other is requested', async () => {
    const request: FormFields = [...Object.entries(REQUEST), ...resources(ONE, TWO)]
    const tokens = await tokensOf(await exchange(await obtainCode(issuer, request)))
    expect(decodeJwt(tokens.access).aud).toEqual([ONE, TWO])
    expect(issuer.grants[0]?.resources).toEqual([ONE, TWO])
    expect(await audienceOf(await refresh(tokens.refresh))).toEqual([ONE, TWO])
  })

  it('can be one of several, and later tokens still have all', async () => {
    const request: FormFields = [...Object.entries(REQUEST), ...resources(ONE, TWO)]
    const first = await tokensOf(await exchange(await obtainCode(issuer, request), { resource: TWO }))
    expect(decodeJwt(first.access).aud).toBe(TWO)
    const second = await tokensOf(await refresh(first.refresh, { resource: ONE }))
    expect(decodeJwt(second.access).aud).toBe(ONE)
    expect(await audienceOf(await refresh(second.refresh))).toEqual([ONE, TWO])
  })

  it('that was not granted is invalid_target, and the code stays valid', async () => {
    const code = await obtainCode(issuer, { ...REQUEST, resource: ONE })
    for (const resource of [TWO, AUDIENCE, `${ONE}/`, ONE.toUpperCase(), 'api'])
      await expectRefusal(await exchange(code, { resource }), 'invalid_target')
    const { refresh: refreshToken } = await tokensOf(await exchange(code))
    const both: FormFields = [
      ['grant_type', 'refresh_token'],
      ['refresh_token', refreshToken ?? ''],
      ...resources(ONE, TWO),
    ]
    await expectRefusal(await requestToken(issuer, both, BASIC), 'invalid_target')
    await expectRefusal(await refresh(refreshToken, { resource: TWO }), 'invalid_target')
    expect(await audienceOf(await refresh(refreshToken, { resource: ONE }))).toBe(ONE)
  })

  it('may be any if none was granted', async () => {
    const { access, refresh: refreshToken } = await login()
    expect(decodeJwt(access).aud).toBe(AUDIENCE)
    const second = await tokensOf(await refresh(refreshToken, { resource: TWO }))
    expect(decodeJwt(second.access).aud).toBe(TWO)
    expect(await audienceOf(await refresh(second.refresh))).toBe(AUDIENCE)
  })

  it('is the option "audience" by default', async () => {
    issuer = await open({ audience: TWO, now: () => now })
    expect(await audienceOf(await requestToken(issuer, GRANT, BASIC))).toBe(TWO)
    expect(decodeJwt((await login()).access).aud).toBe(TWO)
    expect(decodeJwt((await login({ resource: ONE })).access).aud).toBe(ONE)
  })
})

describe('revocation', () => {
  it.each(['oauth_grants', 'oauth/grants'])(
    'by DELETE %s revokes all tokens of the grant, and no others',
    async (path) => {
      const other = await login()
      const first = await login({ scope: 'messaging.read' })
      const second = await tokensOf(await refresh(first.refresh))
      const grant = issuer.grants[1]
      const response = await manage(issuer, 'DELETE', `${path}/${grant?.id}`)
      expect(response.status).toBe(200)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(await readObject(response)).toEqual({
        data: {
          record_type: 'oauth_grant',
          id: grant?.id,
          client_id: 'web',
          scopes: ['messaging.read'],
          created_at: new Date(START).toISOString(),
          last_used_at: new Date(START).toISOString(),
        },
      })
      for (const { access } of [first, second])
        expect(await introspect(issuer, access)).toEqual({ active: false })
      await expectRefusal(await refresh(second.refresh), 'invalid_grant')
      expect(await isActive(other.access)).toBe(true)
      await tokensOf(await refresh(other.refresh))
      expect((await manage(issuer, 'DELETE', `${path}/${grant?.id}`)).status).toBe(404)
    },
  )

  it('by DELETE requires the API key', async () => {
    const { access } = await login()
    const url = `${BASE}/v2/oauth_grants/${issuer.grants[0]?.id}`
    for (const headers of [{}, BASIC, { authorization: `Bearer ${access}` }])
      expect((await issuer.fetch(url, { method: 'DELETE', headers })).status).toBe(401)
    expect(await isActive(access)).toBe(true)
  })

  it('revokes an unused code', async () => {
    const code = await obtainCode(issuer, REQUEST)
    await manage(issuer, 'DELETE', `oauth_grants/${issuer.grants[0]?.id}`)
    await expectRefusal(await exchange(code), 'invalid_grant')
    expect(issuer.grants).toEqual([])
  })

  it('by revoke() ends a grant, or one of its tokens', async () => {
    const first = await login()
    const second = await tokensOf(await refresh(first.refresh))
    issuer.revoke(first.access)
    expect(await isActive(first.access)).toBe(false)
    expect(await isActive(second.access)).toBe(true)
    issuer.revoke(issuer.grants[0]?.id ?? '')
    expect(await isActive(second.access)).toBe(false)
    await expectRefusal(await refresh(second.refresh), 'invalid_grant')
    expect(issuer.grants).toEqual([])
  })

  it('by revoke() ends the grant of a refresh token, used or not', async () => {
    for (const wasUsed of [false, true]) {
      const { access, refresh: refreshToken } = await login()
      if (wasUsed) await tokensOf(await refresh(refreshToken))
      issuer.revoke(refreshToken ?? '')
      expect(await isActive(access)).toBe(false)
      await expectRefusal(await refresh(refreshToken), 'invalid_grant')
    }
    expect(issuer.grants).toEqual([])
  })

  it('is reported by introspection to each caller, and not seen by a check of the signature', async () => {
    issuer = await open()
    const { access } = await login()
    const introspection = { clientId: 'machine', clientSecret: 'm4chine' }
    const asking = createVerifier({ audience: AUDIENCE, fetch: issuer.fetch, introspection })
    const policy = { introspection: 'always' } as const
    expect((await asking.verify(access, policy)).clientId).toBe('web')
    issuer.revoke(issuer.grants[0]?.id ?? '')
    expect((await strictVerifier(issuer).verify(access)).clientId).toBe('web')
    const another = createVerifier({ audience: AUDIENCE, fetch: issuer.fetch, introspection })
    expect(await codeOf(another.verify(access, policy))).toBe('ERR_TOKEN_INACTIVE')
    const asked = await postForm(
      issuer.fetch,
      `${BASE}/v2/oauth/introspect`,
      { token: access },
      MACHINE_BASIC,
    )
    expect(await readObject(asked)).toEqual({ active: false })
  })

  it('does not change lists that were read before', async () => {
    await login()
    const grants = issuer.grants
    issuer.revoke(grants[0]?.id ?? '')
    expect(grants).toHaveLength(1)
    expect(issuer.grants).toHaveLength(0)
    expect(Object.isFrozen(grants) && Object.isFrozen(grants[0]) && Object.isFrozen(grants[0]?.scopes)).toBe(
      true,
    )
  })
})

describe('tokens of every grant type are accepted by the strict profile', () => {
  beforeEach(async () => {
    issuer = await open()
  })

  it('client credentials', async () => {
    const { access } = await tokensOf(
      await requestToken(
        issuer,
        { grant_type: 'client_credentials', scope: 'messaging.read' },
        MACHINE_BASIC,
      ),
    )
    const auth = await strictVerifier(issuer).verify(access)
    expect(auth).toMatchObject({
      subject: 'machine',
      clientId: 'machine',
      scopes: ['messaging.read'],
      audience: [AUDIENCE],
      issuer: BASE,
    })
    expect(await codeOf(strictVerifier(issuer, ONE).verify(access))).toBe('ERR_AUDIENCE_NOT_ALLOWED')
  })

  it('authorization code and refresh token of a public client, for two resources', async () => {
    const { verifier: codeVerifier, challenge } = createPkcePair()
    const request: FormFields = [
      ...Object.entries({ ...REQUEST, client_id: 'native', redirect_uri: LOOPBACK, ...challenge }),
      ['resource', ONE],
      ['resource', TWO],
    ]
    const code = await obtainCode(issuer, request, { subject: 'user-1' })
    const first = await tokensOf(
      await requestToken(issuer, {
        ...EXCHANGE,
        client_id: 'native',
        redirect_uri: LOOPBACK,
        code,
        code_verifier: codeVerifier,
      }),
    )
    const expected = {
      subject: 'user-1',
      clientId: 'native',
      scopes: SCOPES,
      audience: [ONE, TWO],
      issuer: BASE,
    }
    expect(await strictVerifier(issuer, ONE).verify(first.access)).toMatchObject(expected)
    expect(await codeOf(strictVerifier(issuer).verify(first.access))).toBe('ERR_AUDIENCE_NOT_ALLOWED')
    const second = await tokensOf(
      await requestToken(issuer, {
        grant_type: 'refresh_token',
        refresh_token: first.refresh ?? '',
        client_id: 'native',
        resource: TWO,
        scope: 'messaging.write',
      }),
    )
    expect(await strictVerifier(issuer, TWO).verify(second.access)).toMatchObject({
      ...expected,
      scopes: ['messaging.write'],
      audience: [TWO],
    })
    expect(await codeOf(strictVerifier(issuer, ONE).verify(second.access))).toBe('ERR_AUDIENCE_NOT_ALLOWED')
  })
})

describe('the state is bounded', () => {
  const grantOf = (grants: Grants) =>
    grants.create({ clientId: 'web', subject: 'user-1', scopes: [], resources: [] })

  it('ten thousand codes: one more makes the first be forgotten', () => {
    const grants = new Grants(() => START)
    const grant = grantOf(grants)
    const codes = Array.from({ length: 10_000 }, () => grants.issueCode(grant, CALLBACK, undefined))
    expect(grants.findCode(codes[0] ?? '', 'web')?.grant).toBe(grant)
    grants.issueCode(grant, CALLBACK, undefined)
    expect(grants.findCode(codes[0] ?? '', 'web')).toBeUndefined()
    expect(grants.findCode(codes[1] ?? '', 'web')?.grant).toBe(grant)
  })

  it('ten thousand refresh tokens: one more makes the first be forgotten', () => {
    const grants = new Grants(() => START)
    const grant = grantOf(grants)
    const tokens = Array.from({ length: 10_000 }, () => grants.issueRefreshToken(grant))
    expect(grants.findRefreshToken(tokens[0] ?? '', 'web')?.grant).toBe(grant)
    grants.issueRefreshToken(grant)
    expect(grants.findRefreshToken(tokens[0] ?? '', 'web')).toBeUndefined()
    expect(grants.findRefreshToken(tokens[1] ?? '', 'web')?.grant).toBe(grant)
  })

  it('ten thousand grants: one more makes the first end', () => {
    const grants = new Grants(() => START)
    const [first, second] = [grantOf(grants), grantOf(grants)]
    const token = grants.issueRefreshToken(first)
    for (let more = 2; more < 10_000; more++) grantOf(grants)
    expect(grants.findRefreshToken(token, 'web')?.grant).toBe(first)
    grantOf(grants)
    expect(grants.get(first.id)).toBeUndefined()
    expect(grants.findRefreshToken(token, 'web')).toBeUndefined()
    expect(grants.get(second.id)).toBe(second)
    expect(grants.list()).toHaveLength(10_000)
  })

  it('ten thousand clients: one more ends the tokens of the first', async () => {
    const clients = new Clients([], ['messaging.read'], () => START)
    const grants = new Grants(() => START)
    const options = resolveOptions({ algorithm: 'ES256', now: () => START })
    const tokens = new AccessTokens(options, await createSigningKey('ES256'), {
      issuer: () => BASE,
      clients,
      grants,
    })
    const create = () =>
      clients.create({ name: 'x', client_type: 'public', allowed_scopes: [], allowed_grant_types: [] })
    const { clientId } = create()
    const grant = grants.create({ clientId, subject: 'user-1', scopes: [], resources: [] })
    const token = tokens.sign({ grantId: grant.id })
    for (let more = 1; more < 10_000; more++) create()
    expect(await tokens.activeClaims(token)).toMatchObject({ client_id: clientId })
    create()
    expect(await tokens.activeClaims(token)).toBeUndefined()
  })
})
