import { createHmac, generateKeyPairSync } from 'node:crypto'
import { createVerifier } from '@telnyx-auth/core'
import {
  createDpopProof,
  createMockIssuer,
  type DpopProofOptions,
  type MockIssuer,
  type MockIssuerOptions,
} from '@telnyx-auth/mock-issuer'
import { calculateJwkThumbprint, decodeJwt, exportJWK } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { runCommand } from '../../packages/mock-issuer/src/cli/command-line.js'
import {
  authorizationUrl,
  createPkcePair,
  introspect,
  obtainCode,
  readRedirect,
  requestToken,
} from '../support/authorization-flow.js'
import { basicCredentials, readObject, textOf } from '../support/oauth-requests.js'
import { codeOf } from '../support/outcome.js'

/** The option `dpop`: RFC 9449 at the token endpoint, which Telnyx does not document. */

const TOKEN = 'https://api.telnyx.com/v2/oauth/token'
const API = 'https://api.example.com'
const CALLBACK = 'https://app.example.com/callback'
const NATIVE = { clientId: 'native', clientType: 'public', redirectUris: [CALLBACK] } as const
const WEB = { clientId: 'web', clientSecret: 's3cret', redirectUris: [CALLBACK] }
const BASIC = { authorization: basicCredentials('web', 's3cret') }
const MACHINE = { grant_type: 'client_credentials', scope: 'messaging.read' }

const mine = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const publicJwk = { ...(await exportJWK(mine)), d: undefined }
const jkt = await calculateJwkThumbprint(await exportJWK(mine))
const PKCE = createPkcePair()

let time = 0
let issuer: MockIssuer
beforeEach(async () => {
  issuer = await create({ dpop: true })
})

/** An issuer whose clock starts with that of the system, as proofs are made with. */
function create(options: MockIssuerOptions): Promise<MockIssuer> {
  time = Date.now()
  return createMockIssuer({ algorithm: 'ES256', clients: [WEB, NATIVE], now: () => time, ...options })
}

function prove(options: Partial<DpopProofOptions> = {}): Promise<string> {
  const iat = Math.floor(time / 1000)
  return createDpopProof({
    key: mine,
    method: 'POST',
    url: TOKEN,
    ...options,
    claims: { iat, ...options.claims },
  })
}

/** The answer of the token endpoint to a confidential client. */
async function ask(dpop: string | undefined, of = issuer): Promise<Record<string, unknown>> {
  return readObject(await requestToken(of, MACHINE, { ...BASIC, ...(dpop !== undefined && { dpop }) }))
}

/** The answer of the token endpoint to the public client, which has no other header than its proof. */
async function exchange(fields: Readonly<Record<string, string>>, dpop?: string) {
  const answer = await requestToken(
    issuer,
    { client_id: 'native', ...fields },
    dpop === undefined ? {} : { dpop },
  )
  return readObject(answer)
}

const AUTHORIZATION = {
  response_type: 'code',
  client_id: 'native',
  redirect_uri: CALLBACK,
  scope: 'messaging.read',
  ...PKCE.challenge,
}

async function codeFields(more: Readonly<Record<string, string>> = {}): Promise<Record<string, string>> {
  const code = await obtainCode(issuer, { ...AUTHORIZATION, ...more })
  return { grant_type: 'authorization_code', redirect_uri: CALLBACK, code, code_verifier: PKCE.verifier }
}

const bindingOf = (answer: Record<string, unknown>) => decodeJwt(textOf(answer, 'access_token')).cnf
const refusal = (error: string) => ({ error, error_description: expect.any(String) })
const INVALID = refusal('invalid_dpop_proof')

describe('without the option', () => {
  it.each([{}, { dpop: undefined }, { dpop: false }])('a proof is ignored: %j', async (options) => {
    const issuer = await create(options)
    for (const proof of [await prove(), 'nonsense']) {
      const answer = await ask(proof, issuer)
      expect(answer.token_type).toBe('Bearer')
      expect(bindingOf(answer)).toBeUndefined()
    }
    const metadata = await issuer.fetch(`${issuer.issuer}/.well-known/oauth-authorization-server`)
    expect(await metadata.json()).not.toHaveProperty('dpop_signing_alg_values_supported')
  })

  it('dpop_jkt is ignored', async () => {
    issuer = await create({})
    expect(await exchange(await codeFields({ dpop_jkt: 'nonsense' }))).toMatchObject({ token_type: 'Bearer' })
  })
})

describe('bound tokens (RFC 9449 §5)', () => {
  it('a proof binds the token to its key', async () => {
    const answer = await ask(await prove())
    expect(answer).toMatchObject({ token_type: 'DPoP', expires_in: 3600, scope: 'messaging.read' })
    expect(bindingOf(answer)).toEqual({ jkt })
    const token = textOf(answer, 'access_token')
    expect(await introspect(issuer, token)).toMatchObject({ active: true, token_type: 'DPoP', cnf: { jkt } })
  })

  it('without a proof, the token is a Bearer token', async () => {
    const answer = await ask(undefined)
    expect(answer.token_type).toBe('Bearer')
    expect(bindingOf(answer)).toBeUndefined()
    const response = await introspect(issuer, textOf(answer, 'access_token'))
    expect(response).toMatchObject({ active: true })
    expect(response).not.toHaveProperty('cnf')
    expect(response).not.toHaveProperty('token_type')
  })

  it('§5.1: the metadata list the algorithms', async () => {
    const response = await issuer.fetch(`${issuer.issuer}/.well-known/oauth-authorization-server`)
    const { dpop_signing_alg_values_supported: algorithms } = await readObject(response)
    expect(algorithms).toEqual(expect.arrayContaining(['RS256', 'PS256', 'ES256', 'EdDSA']))
    expect(algorithms).not.toContain('none')
  })

  it.each([
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, {}],
    ['RSA-PSS', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, { alg: 'PS256' }],
    ['Ed25519', generateKeyPairSync('ed25519').privateKey, { alg: 'Ed25519' }],
    ['EdDSA', generateKeyPairSync('ed25519').privateKey, {}],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey, {}],
  ])('accepts a key of type %s', async (_, key, header) => {
    const jkt = await calculateJwkThumbprint(await exportJWK(key))
    expect(bindingOf(await ask(await prove({ key, header })))).toEqual({ jkt })
  })

  it('the URL may be that of the metadata or that of the request, with a query', async () => {
    const url = await issuer.listen()
    const send = async (htu: string) => {
      const headers = { ...BASIC, dpop: await prove({ claims: { htu } }) }
      const body = new URLSearchParams(MACHINE)
      return (await fetch(`${url}/v2/oauth/token`, { method: 'POST', headers, body })).status
    }
    expect(await send(`${url}/v2/oauth/token?a#b`)).toBe(200)
    expect(await send(TOKEN)).toBe(400)
    await issuer.close()
  })

  it('behind the identifier of a proxy, the URL of the metadata is accepted', async () => {
    issuer = await create({ dpop: true, issuer: 'https://id.example.com/tenant' })
    const url = await issuer.listen()
    const headers = { ...BASIC, dpop: await prove({ url: 'https://id.example.com/tenant/v2/oauth/token' }) }
    const body = new URLSearchParams(MACHINE)
    expect((await fetch(`${url}/tenant/v2/oauth/token`, { method: 'POST', headers, body })).status).toBe(200)
    await issuer.close()
  })
})

describe('refused proofs (RFC 9449 §4.3)', () => {
  const now = () => Math.floor(time / 1000)
  const CASES: [string, () => Partial<DpopProofOptions>][] = [
    ['check 3: no jti', () => ({ claims: { jti: undefined } })],
    ['check 3: an empty jti', () => ({ claims: { jti: '' } })],
    ['check 3: no iat', () => ({ claims: { iat: undefined } })],
    ['check 3: no jwk', () => ({ header: { jwk: undefined } })],
    ['check 4: another typ', () => ({ header: { typ: 'JWT' } })],
    ['check 5: no signature', () => ({ header: { alg: 'none' } })],
    ['check 5: a symmetric algorithm', () => ({ header: { alg: 'HS256' } })],
    ['check 6: the signature of another key', () => ({ key: other, header: { jwk: publicJwk } })],
    ['check 7: a private key', () => ({ header: { jwk: mine.export({ format: 'jwk' }) } })],
    ['check 8: another method', () => ({ method: 'GET' })],
    ['check 8: the method in lower case', () => ({ method: 'post' })],
    ['check 9: another URL', () => ({ url: 'https://api.telnyx.com/v2/oauth/introspect' })],
    ['check 9: another origin', () => ({ url: 'https://api.example.com/v2/oauth/token' })],
    ['check 9: no URL', () => ({ claims: { htu: 'token' } })],
    ['check 11: too old', () => ({ claims: { iat: now() - 62 } })],
    ['check 11: from the future', () => ({ claims: { iat: now() + 62 } })],
    ['check 11: a time that is text', () => ({ claims: { iat: String(now()) } })],
  ]
  it.each(CASES)('%s', async (_, options) => {
    expect(await ask(await prove())).toMatchObject({ token_type: 'DPoP' })
    expect(await ask(await prove(options()))).toEqual(INVALID)
  })

  it.each([-58, 58])('check 11: within the window, %s s', async (seconds) => {
    expect(await ask(await prove({ claims: { iat: now() + seconds } }))).toMatchObject({ token_type: 'DPoP' })
  })

  it.each(['', 'nonsense', 'a.b.c'])('what is no JWS: "%s"', async (proof) => {
    expect(await ask(proof)).toEqual(INVALID)
  })

  it('check 1: two proofs', async () => {
    expect(await ask(`${await prove()}, ${await prove()}`)).toEqual(INVALID)
  })

  it('check 5: a secret, as the key of an HMAC', async () => {
    const header = { typ: 'dpop+jwt', alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } }
    const claims = { jti: '1', htm: 'POST', htu: TOKEN, iat: now() }
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
    const input = `${encode(header)}.${encode(claims)}`
    const proof = `${input}.${createHmac('sha256', Buffer.alloc(3)).update(input).digest('base64url')}`
    expect(await ask(proof)).toEqual(INVALID)
  })

  it('§11.1: a proof that was used before, also for a request that was refused', async () => {
    const proof = await prove()
    expect(await ask(proof)).toMatchObject({ token_type: 'DPoP' })
    expect(await ask(proof)).toEqual(INVALID)
    const again = await prove()
    expect(await exchange({ grant_type: 'authorization_code' }, again)).toMatchObject({
      error: 'invalid_request',
    })
    expect(await ask(again)).toEqual(INVALID)
  })

  it('two clients may use the same jti', async () => {
    const claims = { jti: 'one' }
    expect(await ask(await prove({ claims }))).toMatchObject({ token_type: 'DPoP' })
    expect(await ask(await prove({ claims, key: other }))).toMatchObject({ token_type: 'DPoP' })
    expect(await ask(await prove({ claims }))).toEqual(INVALID)
  })

  it('the client is authenticated first', async () => {
    const headers = { authorization: basicCredentials('web', 'wrong'), dpop: 'nonsense' }
    expect((await requestToken(issuer, MACHINE, headers)).status).toBe(401)
  })

  it('the answer is a 400 that no cache stores', async () => {
    const response = await requestToken(issuer, MACHINE, { ...BASIC, dpop: 'nonsense' })
    expect(response.status).toBe(400)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.has('dpop-nonce')).toBe(false)
  })
})

describe('nonces (RFC 9449 §8)', () => {
  const send = async (nonce?: string) => {
    const proof = await prove(nonce === undefined ? {} : { nonce })
    const response = await requestToken(issuer, MACHINE, { ...BASIC, dpop: proof })
    return {
      ...(await readObject(response)),
      status: response.status,
      nonce: response.headers.get('dpop-nonce') ?? '',
    }
  }
  const MINUTES = 60_000

  beforeEach(async () => {
    issuer = await create({ dpop: { nonce: true } })
  })

  it('a proof without the nonce is refused, with the nonce to use', async () => {
    const refused = await send()
    expect(refused).toMatchObject({
      status: 400,
      error: 'use_dpop_nonce',
      nonce: expect.stringMatching(/^[\w-]{20,}$/),
    })
    expect(await send(refused.nonce)).toMatchObject({ status: 200, token_type: 'DPoP', nonce: refused.nonce })
    expect(await send('another')).toMatchObject({ status: 400, error: 'use_dpop_nonce' })
  })

  it('§8.2: a new nonce comes with a token; the one before is accepted for five minutes more', async () => {
    const { nonce: first } = await send()
    time += 5 * MINUTES
    const { status, nonce: second } = await send(first)
    expect(status).toBe(200)
    expect(second).not.toBe(first)
    time += 5 * MINUTES
    expect(await send(first)).toMatchObject({ error: 'use_dpop_nonce' })
    expect(await send(second)).toMatchObject({ status: 200 })
  })

  it('another issuer has other nonces', async () => {
    const { nonce } = await send()
    issuer = await create({ dpop: { nonce: true } })
    expect(await send(nonce)).toMatchObject({ error: 'use_dpop_nonce' })
  })

  it('a request without a proof needs none', async () => {
    expect(await ask(undefined)).toMatchObject({ token_type: 'Bearer' })
  })

  it('none is demanded by default, and one that a client sends is ignored', async () => {
    issuer = await create({ dpop: { nonce: false } })
    expect(await send('any')).toMatchObject({ status: 200, nonce: '' })
  })

  it('pages of this machine may read it', async () => {
    const origin = 'http://localhost:6274'
    const response = await requestToken(issuer, MACHINE, { ...BASIC, origin, dpop: await prove() })
    expect(response.headers.get('access-control-expose-headers')).toBe('DPoP-Nonce')
    issuer = await create({ dpop: true })
    const without = await requestToken(issuer, MACHINE, { ...BASIC, origin, dpop: await prove() })
    expect(without.headers.has('access-control-expose-headers')).toBe(false)
  })
})

describe('refresh tokens (RFC 9449 §5)', () => {
  const refresh = (answer: Record<string, unknown>) => ({
    grant_type: 'refresh_token',
    refresh_token: textOf(answer, 'refresh_token'),
  })

  it('of a public client are bound to its key', async () => {
    const first = await exchange(await codeFields(), await prove())
    expect(first.token_type).toBe('DPoP')
    expect(await exchange(refresh(first))).toEqual(refusal('invalid_grant'))
    expect(await exchange(refresh(first), await prove({ key: other }))).toEqual(refusal('invalid_grant'))
    // A refused request does not use it up.
    const second = await exchange(refresh(first), await prove())
    expect(bindingOf(second)).toEqual({ jkt })
    expect(await exchange(refresh(second), await prove({ key: other }))).toEqual(refusal('invalid_grant'))
    expect(await exchange(refresh(second), await prove())).toMatchObject({ token_type: 'DPoP' })
  })

  it('of a public client without a proof are not bound, until one comes with a proof', async () => {
    const first = await exchange(await codeFields())
    expect(first.token_type).toBe('Bearer')
    const second = await exchange(refresh(first))
    expect(second.token_type).toBe('Bearer')
    const third = await exchange(refresh(second), await prove())
    expect(bindingOf(third)).toEqual({ jkt })
    expect(await exchange(refresh(third))).toEqual(refusal('invalid_grant'))
  })

  it('of a confidential client are not bound: its key may change', async () => {
    const code = await obtainCode(issuer, { ...AUTHORIZATION, client_id: 'web' })
    const fields = {
      grant_type: 'authorization_code',
      redirect_uri: CALLBACK,
      code,
      code_verifier: PKCE.verifier,
    }
    const first = await readObject(await requestToken(issuer, fields, { ...BASIC, dpop: await prove() }))
    expect(bindingOf(first)).toEqual({ jkt })
    const dpop = await prove({ key: other })
    const second = await readObject(await requestToken(issuer, refresh(first), { ...BASIC, dpop }))
    expect(bindingOf(second)).toEqual({ jkt: await calculateJwkThumbprint(await exportJWK(other)) })
    const third = await readObject(await requestToken(issuer, refresh(second), BASIC))
    expect(third.token_type).toBe('Bearer')
  })
})

describe('dpop_jkt (RFC 9449 §10)', () => {
  it('binds the code to the key', async () => {
    const fields = await codeFields({ dpop_jkt: jkt })
    expect(await exchange(fields)).toEqual(refusal('invalid_grant'))
    expect(await exchange(fields, await prove({ key: other }))).toEqual(refusal('invalid_grant'))
    // A refused request does not use it up.
    expect(bindingOf(await exchange(fields, await prove()))).toEqual({ jkt })
  })

  it('without it, any key may be used', async () => {
    expect(await exchange(await codeFields(), await prove({ key: other }))).toMatchObject({
      token_type: 'DPoP',
    })
  })

  it.each(['nonsense', `${jkt}=`, `${jkt.slice(1)}!`])('refuses what is no thumbprint: %s', async (value) => {
    const location = await issuer.authorize(authorizationUrl({ ...AUTHORIZATION, dpop_jkt: value }))
    expect(readRedirect(location).parameters).toMatchObject({ error: 'invalid_request' })
  })

  it('an empty one counts as missing (RFC 6749 §3.1)', async () => {
    expect(await exchange(await codeFields({ dpop_jkt: '' }))).toMatchObject({ token_type: 'Bearer' })
  })
})

it('a public client signs in with DPoP, and calls an API that accepts bound tokens only', async () => {
  issuer = await create({ dpop: { nonce: true } })
  const fields = await codeFields({ dpop_jkt: jkt, resource: API })
  const challenge = await requestToken(issuer, { client_id: 'native', ...fields }, { dpop: await prove() })
  const nonce = challenge.headers.get('dpop-nonce') ?? ''
  const token = textOf(await exchange(fields, await prove({ nonce })), 'access_token')

  const verifier = createVerifier({
    audience: API,
    fetch: issuer.fetch,
    issuer: issuer.issuer,
    dpop: 'required',
  })
  const url = `${API}/messages?page=1`
  const call = (headers: Readonly<Record<string, string>>) =>
    verifier.authenticate(new Request(url, { headers }))
  const proofOf = (key: typeof mine) => createDpopProof({ key, method: 'GET', url, token })
  const dpop = await proofOf(mine)
  const auth = await call({ authorization: `DPoP ${token}`, dpop })
  expect(auth).toMatchObject({ clientId: 'native', scopes: ['messaging.read'], claims: { cnf: { jkt } } })

  expect(await codeOf(call({ authorization: `Bearer ${token}` }))).toBe('ERR_TOKEN_BOUND')
  expect(await codeOf(call({ authorization: `Bearer ${token}`, dpop: await proofOf(mine) }))).toBe(
    'ERR_TOKEN_BOUND',
  )
  expect(await codeOf(call({ authorization: `DPoP ${token}` }))).toBe('ERR_DPOP_PROOF_MISSING')
  expect(await codeOf(call({ authorization: `DPoP ${token}`, dpop }))).toBe('ERR_DPOP_PROOF_REPLAYED')
  const stolen = { authorization: `DPoP ${token}`, dpop: await proofOf(other) }
  expect(await codeOf(call(stolen))).toBe('ERR_BINDING_MISMATCH')
})

it.each([1, 'true', null, [], { nonce: 1 }, { nonces: true }])('C: dpop: %j', async (dpop) => {
  await expect(createMockIssuer(JSON.parse(JSON.stringify({ dpop })))).rejects.toBeInstanceOf(TypeError)
})

it('mock-issuer --dpop', async () => {
  const { issuer } = await runCommand(['--port', '0', '--algorithm', 'ES256', '--dpop'])
  const response = await issuer?.fetch(`${issuer.issuer}/.well-known/oauth-authorization-server`)
  expect(await response?.json()).toHaveProperty('dpop_signing_alg_values_supported')
  await issuer?.close()
})
