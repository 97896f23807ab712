import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import inject from 'light-my-request'
import { createApp } from './app.js'

/** An application that has not fetched the keys of its issuer yet. */
async function start() {
  // An RSA key, the default, takes a quarter of a second to generate, this one no time.
  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  const app = createApp({ issuer: issuer.issuer, fetch: issuer.fetch })
  const token = () => issuer.issueToken({ scopes: ['messaging.read'] })
  /** @param {string} token */
  const get = (token) => inject(app, { url: '/messages', headers: { authorization: `Bearer ${token}` } })
  return { issuer, token, get }
}

test('tokens keep working when the issuer rotates its keys', async () => {
  const { issuer, token, get } = await start()
  const old = await token()
  assert.equal((await get(old)).statusCode, 200)
  await issuer.rotateKeys()
  assert.equal((await get(await token())).statusCode, 200)
  assert.equal((await get(old)).statusCode, 200)
  assert.equal(issuer.requests.jwks.count, 2)
})

test('a token is refused after its key was withdrawn', async () => {
  const { issuer, token, get } = await start()
  const stolen = await token()
  assert.equal((await get(stolen)).statusCode, 200)
  await issuer.rotateKeys({ keepOld: false })
  // The first token with a new key makes the verifier fetch the keys. Without one, it does so after five minutes.
  assert.equal((await get(await token())).statusCode, 200)
  assert.equal((await get(stolen)).statusCode, 401)
})

test('requests succeed during an outage if the keys were fetched before', async () => {
  const { issuer, token, get } = await start()
  assert.equal((await get(await token())).statusCode, 200)
  issuer.fault('metadata', { drop: true })
  issuer.fault('jwks', { status: 503 })
  assert.equal((await get(await token())).statusCode, 200)
})

test('an outage before the first request is answered with 503, not with 401', async () => {
  const { issuer, token, get } = await start()
  issuer.fault('jwks', { status: 503 })
  const response = await get(await token())
  assert.equal(response.statusCode, 503)
  assert.equal(response.json().code, 'ERR_KEYS_UNAVAILABLE')
  assert.match(String(response.headers['retry-after']), /^\d+$/)
})
