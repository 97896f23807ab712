import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { createDpopProof, createMockIssuer } from '@telnyx-auth/mock-issuer'
import inject from 'light-my-request'
import { createApp } from './app.js'

const issuer = await createMockIssuer({ algorithm: 'ES256' })
const app = createApp({ issuer: issuer.issuer, fetch: issuer.fetch, dpop: 'required' })
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const token = await issuer.issueToken({ scopes: ['messaging.read'], dpopKey: privateKey })

/** @param {Record<string, string>} headers */
const get = (headers) => inject(app, { url: '/messages', headers })

test('a bound token is accepted with a proof of its key', async () => {
  const request = { key: privateKey, method: 'GET', url: 'https://api.example.com/messages', token }
  const headers = { authorization: `DPoP ${token}`, dpop: await createDpopProof(request) }
  assert.equal((await get(headers)).statusCode, 200)
  // Each request needs a new proof.
  assert.equal((await get(headers)).json().code, 'ERR_DPOP_PROOF_REPLAYED')
})

test('a stolen token opens nothing', async () => {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const request = { key, method: 'GET', url: 'https://api.example.com/messages', token }
  const headers = { authorization: `DPoP ${token}`, dpop: await createDpopProof(request) }
  assert.equal((await get(headers)).json().code, 'ERR_BINDING_MISMATCH')
  assert.equal((await get({ authorization: `Bearer ${token}` })).json().code, 'ERR_TOKEN_BOUND')
})
