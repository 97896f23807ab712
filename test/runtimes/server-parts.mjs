/** What needs servers of Node: tried where `node:http` and `node:https` listen. See `parts.mjs`. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import * as https from 'node:https'
import { createRequire } from 'node:module'

/** Serves for as long as `use` takes. */
async function serving(server, use) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    return await use(server.address().port)
  } finally {
    server.closeAllConnections?.()
    server.close()
  }
}

/** Without a token, with one, and with one that lacks a scope. */
async function checkAdapter({ token }, listener) {
  await serving(createServer(listener), (port) => checkServer(`http://127.0.0.1:${port}`, token))
}

async function checkServer(url, token) {
  const ask = (path, headers) => fetch(url + path, { headers: { connection: 'close', ...headers } })
  const missing = await ask('/messages')
  assert.equal(missing.status, 401)
  assert.match(missing.headers.get('www-authenticate'), /^Bearer realm="api"/)
  await missing.text()
  const authorization = `Bearer ${token}`
  const answer = await ask('/messages', { authorization })
  assert.deepEqual([answer.status, await answer.json()], [200, { caller: 'client-1' }])
  const forbidden = await ask('/admin', { authorization })
  assert.equal((await forbidden.json()).code, 'ERR_SCOPE_INSUFFICIENT')
}

/** Asks on a connection of its own, with the certificate of a client. */
async function askWithCertificate(port, token, certificate) {
  const headers = { authorization: `Bearer ${token}` }
  const options = {
    host: '127.0.0.1',
    port,
    agent: false,
    rejectUnauthorized: false,
    headers,
    ...certificate,
  }
  const sent = https.request(options)
  sent.end()
  const [response] = await once(sent, 'response')
  response.resume()
  return response.statusCode
}

export const serverParts = {
  async express(input) {
    const { getAuth, requireScopes, telnyxAuth } = await import('@telnyx-auth/express')
    const { default: express } = await import('express')
    const app = express()
    app.use(telnyxAuth({ audience: input.audience, issuer: input.issuer }))
    app.get('/messages', (req, res) => res.json({ caller: getAuth(req).clientId }))
    app.get('/admin', requireScopes('admin'), (_, res) => res.json({}))
    await checkAdapter(input, app)
  },

  async koa(input) {
    const { getAuth, requireScopes, telnyxAuth } = await import('@telnyx-auth/koa')
    const { default: Koa } = await import('koa')
    const app = new Koa()
    app.use(telnyxAuth({ audience: input.audience, issuer: input.issuer }))
    app.use((ctx, next) => (ctx.path === '/admin' ? requireScopes('admin')(ctx, next) : next()))
    app.use((ctx) => {
      ctx.body = { caller: getAuth(ctx).clientId }
    })
    await checkAdapter(input, app.callback())
  },

  async fastify({ audience, issuer, token }) {
    const { getAuth, requireScopes, telnyxAuth } = await import('@telnyx-auth/fastify')
    const { default: fastify } = await import('fastify')
    const app = fastify()
    await app.register(telnyxAuth, { audience, issuer })
    app.get('/messages', async (request) => ({ caller: getAuth(request).clientId }))
    app.get('/admin', { onRequest: requireScopes('admin') }, async () => ({}))
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    await checkServer(url, token)
    await app.close()
  },

  async mtlsTls({ audience, issuer, certified: { token, server, client, other } }) {
    const { createVerifier, toResponse } = await import('@telnyx-auth/core')
    const verifier = createVerifier({ audience, issuer, mtls: 'tls' })
    const options = { ...server, requestCert: true, rejectUnauthorized: false }
    const listener = (request, response) =>
      verifier
        .authenticate(request)
        .then(() => ({ status: 200, headers: {} }), toResponse)
        .then(({ status, headers }) => response.writeHead(status, headers).end())
    await serving(https.createServer(options, listener), async (port) => {
      assert.equal(await askWithCertificate(port, token, client), 200)
      assert.equal(await askWithCertificate(port, token, other), 401)
      assert.equal(await askWithCertificate(port, token), 401)
    })
  },

  async mockIssuer({ audience }) {
    const { createVerifier } = await import('@telnyx-auth/core')
    const { createMockIssuer } = await import('@telnyx-auth/mock-issuer')
    const issuer = await createMockIssuer({ algorithm: 'ES256' })
    const inProcess = createVerifier({ audience, issuer: issuer.issuer, fetch: issuer.fetch })
    assert.equal((await inProcess.verify(await issuer.issueToken({ audience }))).issuer, issuer.issuer)
    const url = await issuer.listen()
    const verifier = createVerifier({ audience, issuer: url })
    assert.equal((await verifier.verify(await issuer.issueToken({ audience }))).issuer, url)
    await issuer.close()
  },

  async require() {
    const { createVerifier } = createRequire(import.meta.url)('@telnyx-auth/core')
    const core = await import('@telnyx-auth/core')
    assert.equal(createVerifier, core.createVerifier)
  },
}
