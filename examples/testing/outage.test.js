import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import inject from 'light-my-request'
import { createApp } from './app.js'

/** An application that has not asked its issuer for anything yet. */
async function start() {
  const issuer = await createMockIssuer()
  const app = createApp({ issuer: issuer.issuer, fetch: issuer.fetch })
  const token = () => issuer.issueToken({ scopes: ['messaging.read'] })
  /** @param {string} token */
  const get = (token) => inject(app, { url: '/messages', headers: { authorization: `Bearer ${token}` } })
  return { issuer, token, get }
}

test('a rotation of the keys is not noticed', async () => {
  const { issuer, token, get } = await start()
  const old = await token()
  assert.equal((await get(old)).statusCode, 200)
  await issuer.rotateKeys()
  assert.equal((await get(await token())).statusCode, 200)
  assert.equal((await get(old)).statusCode, 200)
  assert.equal(issuer.requests.jwks.count, 2)
})

test('a key that was withdrawn opens nothing any more', async () => {
  const { issuer, token, get } = await start()
  const stolen = await token()
  assert.equal((await get(stolen)).statusCode, 200)
  await issuer.rotateKeys({ keepOld: false })
  // Noticed with the first new token, else after five minutes.
  assert.equal((await get(await token())).statusCode, 200)
  assert.equal((await get(stolen)).statusCode, 401)
})

test('an outage is not noticed, once the keys are there', async () => {
  const { issuer, token, get } = await start()
  assert.equal((await get(await token())).statusCode, 200)
  issuer.fault('metadata', { drop: true })
  issuer.fault('jwks', { status: 503 })
  assert.equal((await get(await token())).statusCode, 200)
})

test('an outage before the first request is a 503, and none of the caller’s making', async () => {
  const { issuer, token, get } = await start()
  issuer.fault('jwks', { status: 503 })
  const response = await get(await token())
  assert.equal(response.statusCode, 503)
  assert.equal(response.json().code, 'ERR_KEYS_UNAVAILABLE')
  assert.match(String(response.headers['retry-after']), /^\d+$/)
})
