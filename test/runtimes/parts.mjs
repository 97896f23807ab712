/**
 * What is tried on every runtime. Plain JavaScript that imports the packages by their names, as users do; all that it needs from
 * outside comes as JSON. A part that returns works. See `test/runtimes/world.ts` for the input.
 */
import assert from 'node:assert/strict'
import { createMemoryReplayStore, createVerifier, toResponse, watch } from '@telnyx-auth/core'
import { mcpAuth } from '@telnyx-auth/mcp/hono'
import { Hono } from 'hono'

const API = 'https://api.example.com'

/** The code of the error that a promise is rejected with; `undefined` when it is not. */
const codeOf = (promise) =>
  promise.then(
    () => undefined,
    (error) => error.code ?? String(error),
  )

const bearer = (token) => new Request(`${API}/messages`, { headers: { authorization: `Bearer ${token}` } })

/** A request with a proof of possession. */
const withProof = (token, proof) =>
  new Request(`${API}/messages`, { headers: { authorization: `DPoP ${token}`, dpop: proof } })

export const parts = {
  async algorithms({ audience, issuers }) {
    // Long enough for a busy machine: all issuers are asked at once.
    const verifier = createVerifier({ audience, issuer: issuers.map(({ url }) => url), timeoutMs: 30_000 })
    await verifier.preload()
    for (const { algorithm, token } of issuers) {
      const { subject, verifiedBy } = await verifier.verify(token)
      assert.deepEqual([algorithm, subject, verifiedBy], [algorithm, 'user-1', 'signature'])
    }
    assert.ok(verifier.health().ready)
  },

  async refusals({ audience, issuer, refused }) {
    const verifier = createVerifier({ audience, issuer })
    for (const [code, token] of refused)
      assert.equal(await codeOf(verifier.verify(token, { scopes: ['messaging.read'] })), code)
  },

  async answers({ audience, issuer, refused: [[, expired]], token }) {
    const verifier = createVerifier({ audience, issuer })
    const answerTo = (request, policy) =>
      verifier.authenticate(request, policy).then(({ clientId }) => clientId, toResponse)
    assert.equal(await answerTo(bearer(token)), 'client-1')
    const refusal = await answerTo(bearer(expired))
    assert.equal(refusal.status, 401)
    assert.match(refusal.headers['WWW-Authenticate'], /^Bearer .*error="invalid_token"/)
    assert.equal((await answerTo(new Request(API))).status, 401)
    assert.equal((await answerTo(bearer(token), { scopes: ['billing.write'] })).status, 403)
  },

  async outage({ audience, closed }) {
    const failure = await createVerifier({ audience, issuer: closed })
      .preload()
      .catch((error) => error)
    assert.equal(failure.code, 'ERR_DISCOVERY_FAILED')
    const { status, headers } = toResponse(failure)
    assert.equal(status, 503)
    assert.ok(Number(headers['Retry-After']) > 0)
  },

  async introspection({ audience, issuer, client, token, revoked }) {
    const values = new Map()
    const cache = {
      get: async (key) => values.get(key),
      set: async (key, value) => void values.set(key, value),
    }
    const create = () =>
      createVerifier({ audience, issuer, introspection: { when: 'always', ...client, cache } })
    assert.equal((await create().verify(token)).verifiedBy, 'both')
    assert.equal(values.size, 1)
    // Another verifier reads what the first one has sealed.
    const events = []
    const stop = watch('introspectionAsked', (event) => events.push(event))
    assert.equal((await create().verify(token)).verifiedBy, 'both')
    stop()
    assert.deepEqual(events, [])
    assert.equal(await codeOf(create().verify(revoked)), 'ERR_TOKEN_INACTIVE')
  },

  async dpop({ audience, issuer, bound: { token, proofs, otherProof } }) {
    const replayStore = createMemoryReplayStore()
    const verifier = createVerifier({ audience, issuer, dpop: { mode: 'required', replayStore } })
    const [proof, next] = proofs
    assert.ok((await verifier.authenticate(withProof(token, proof))).confirmation.jkt)
    assert.equal(await codeOf(verifier.authenticate(withProof(token, proof))), 'ERR_DPOP_PROOF_REPLAYED')
    assert.equal(await codeOf(verifier.authenticate(withProof(token, otherProof))), 'ERR_BINDING_MISMATCH')
    const nonce = { secrets: ['a secret of at least 32 characters'] }
    const strict = createVerifier({ audience, issuer, dpop: { mode: 'required', nonce } })
    assert.equal(await codeOf(strict.authenticate(withProof(token, next))), 'ERR_DPOP_NONCE_REQUIRED')
  },

  async mtlsFunction({ audience, issuer, certified: { token, der, otherDer } }) {
    const create = (base64) =>
      createVerifier({
        audience,
        issuer,
        mtls: () => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)),
      })
    assert.ok((await create(der).authenticate(bearer(token))).confirmation.x5t)
    assert.equal(await codeOf(create(otherDer).authenticate(bearer(token))), 'ERR_BINDING_MISMATCH')
  },

  async mtlsHeader({ audience, issuer, certified: { token, der } }) {
    const mtls = { header: 'client-cert', from: ['10.0.0.0/8'] }
    const verifier = createVerifier({ audience, issuer, mtls })
    const from = (remoteAddress) =>
      verifier.authenticate({
        headers: { authorization: `Bearer ${token}`, 'client-cert': `:${der}:` },
        socket: { remoteAddress },
      })
    assert.ok((await from('10.0.0.1')).confirmation.x5t)
    assert.equal(await codeOf(from('192.0.2.1')), 'ERR_CERTIFICATE_MISSING')
  },

  async events({ audience, issuer, token }) {
    const events = []
    const stops = ['tokenAccepted', 'tokenRejected', 'keysRefreshed'].map((name) =>
      watch(name, () => events.push(name)),
    )
    const verifier = createVerifier({ audience, issuer })
    await verifier.verify(token)
    await codeOf(verifier.verify('x'))
    for (const stop of stops) stop()
    assert.deepEqual(events.sort(), ['keysRefreshed', 'tokenAccepted', 'tokenRejected'])
  },

  async warnings({ audience, issuer }) {
    const warnings = []
    const onWarning = ({ name }) => warnings.push(name)
    process.on('warning', onWarning)
    // The metadata name the issuer without this path.
    const verifier = createVerifier({ audience, issuer: `${issuer}/`, retries: 0 })
    await codeOf(verifier.preload())
    await new Promise((resolve) => setTimeout(resolve, 1))
    process.off('warning', onWarning)
    assert.deepEqual(warnings, ['TelnyxAuthWarning'])
  },

  async mcp({ issuer, resource: { audience, token } }) {
    const app = new Hono()
    app.use(mcpAuth({ audience, issuer, toolScopes: { send_message: ['messaging.write'] } }))
    app.post('/mcp', (c) => c.json([c.var.authInfo.clientId, c.var.parsedBody.method]))
    const call = (name, headers) =>
      app.request(audience, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } }),
      })
    const authorization = `Bearer ${token}`
    assert.equal((await call('whoami')).status, 401)
    assert.deepEqual(await (await call('whoami', { authorization })).json(), ['client-1', 'tools/call'])
    assert.equal((await call('send_message', { authorization })).status, 403)
  },
}
