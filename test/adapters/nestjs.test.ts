import { expect, it, onTestFinished } from 'vitest'
import { createApp } from '../../examples/nestjs/src/app.js'
import { parseChallenge } from '../support/forge.js'
import { serve } from '../support/http.js'
import { createIssuerInReach, METADATA, type TokenOptions } from '../support/issuer.js'

/** The example for NestJS: a guard against the adapter seam, with policies from metadata. */

const { bearer, reach } = await createIssuerInReach()

async function serveExample() {
  const app = await createApp(reach())
  onTestFinished(() => app.close())
  await app.init()
  const { url } = await serve(app.getHttpAdapter().getInstance())
  return async (path: string, token?: TokenOptions, method = 'GET') => {
    const headers = token ? await bearer(token) : {}
    const response = await fetch(url + path, { method, headers })
    return {
      status: response.status,
      challenge: response.headers.get('www-authenticate'),
      cached: response.headers.get('cache-control'),
      body: await response.json(),
    }
  }
}

it('a good token is let in, and the handler gets the caller', async () => {
  const ask = await serveExample()
  const token = { subject: 'user-1', clientId: 'client-1', scopes: ['messaging.read'] }
  expect(await ask('/me', token)).toMatchObject({ status: 200, body: token })
  expect(await ask('/messages', token)).toMatchObject({ status: 200, body: { messages: [] } })
  expect(await ask('/messages', { scopes: ['messaging.read', 'messaging.write'] }, 'POST')).toMatchObject({
    status: 201,
    body: { sent: true },
  })
})

it('B5, P4: no token is a 401, whose challenge names the scopes of the controller and the handler', async () => {
  const ask = await serveExample()
  expect(await ask('/me')).toEqual({
    status: 401,
    challenge: `Bearer realm="api", ${METADATA}`,
    cached: 'no-store',
    body: { code: 'ERR_TOKEN_MISSING' },
  })
  expect(await ask('/messages')).toMatchObject({
    challenge: `Bearer realm="api", scope="messaging.read", ${METADATA}`,
  })
  expect(await ask('/messages', undefined, 'POST')).toMatchObject({
    challenge: `Bearer realm="api", scope="messaging.read messaging.write", ${METADATA}`,
  })
})

it('B6: a missing scope is a 403, with the union of the scopes', async () => {
  const ask = await serveExample()
  for (const scopes of [[], ['messaging.read'], ['messaging.write']]) {
    const { challenge, ...answer } = await ask('/messages', { scopes }, 'POST')
    expect(answer).toMatchObject({ status: 403, body: { code: 'ERR_SCOPE_INSUFFICIENT' } })
    const { scope = '' } = parseChallenge(challenge ?? '')
    expect(scope.split(' ').sort()).toEqual(['messaging.read', 'messaging.write'])
  }
})

it('S1: a sign-in that is too old is a 401 that asks for a new one', async () => {
  const ask = await serveExample()
  const now = Math.floor(Date.now() / 1000)
  const token = (age: number) => ({ scopes: ['messaging.read'], claims: { auth_time: now - age } })
  expect(await ask('/messages', token(60), 'DELETE')).toMatchObject({ status: 200, body: { cleared: true } })
  expect(await ask('/messages', token(3600), 'DELETE')).toMatchObject({
    status: 401,
    challenge: expect.stringMatching(/scope="messaging.read".*max_age="300"/),
    body: { code: 'ERR_AUTHENTICATION_INSUFFICIENT' },
  })
})

it('a bad token is a 401', async () => {
  const ask = await serveExample()
  expect(await ask('/me', { expiresInSeconds: -60 })).toMatchObject({
    status: 401,
    body: { code: 'ERR_TOKEN_EXPIRED' },
  })
})

it('P1: the metadata are served without a token', async () => {
  const ask = await serveExample()
  expect(await ask('/.well-known/oauth-protected-resource')).toMatchObject({
    status: 200,
    cached: 'public, max-age=300',
    body: { resource: 'https://api.example.com' },
  })
  expect(await ask('/.well-known/oauth-protected-resource', {}, 'POST')).toMatchObject({ status: 404 })
})
