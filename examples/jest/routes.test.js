const { createMockIssuer } = require('@telnyx-auth/mock-issuer')
const { createApp } = require('./app.js')

// In process: the issuer needs no port and no network, and nothing is replaced by jest.mock().
/** @type {import('@telnyx-auth/mock-issuer').MockIssuer} */
let issuer
/** @type {import('node:http').Server} */
let server

beforeEach(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  const app = createApp({ issuer: issuer.issuer, fetch: issuer.fetch })
  await new Promise((resolve) => {
    server = app.listen(0, '127.0.0.1', resolve)
  })
})
afterEach(() => new Promise((resolve) => server.close(resolve)))

/** @param {string} token */
async function getMessages(token) {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const headers = { authorization: `Bearer ${token}`, connection: 'close' }
  const response = await fetch(`http://127.0.0.1:${port}/messages`, { headers })
  return { status: response.status, body: await response.json() }
}

const scopes = ['messaging.read']

test('a caller with the scope is let in', async () => {
  const token = await issuer.issueToken({ scopes, subject: 'user-1' })
  expect(await getMessages(token)).toEqual({ status: 200, body: { messages: [], caller: 'user-1' } })
})

test.each([
  { status: 403, code: 'ERR_SCOPE_INSUFFICIENT', options: { scopes: ['voice.read'] } },
  { status: 401, code: 'ERR_AUDIENCE_NOT_ALLOWED', options: { scopes, audience: 'urn:other' } },
  { status: 401, code: 'ERR_TOKEN_EXPIRED', options: { scopes, expiresInSeconds: -60 } },
])('a token is refused: $code', async ({ status, code, options }) => {
  expect(await getMessages(await issuer.issueToken(options))).toMatchObject({ status, body: { code } })
})

test('tokens work before and after the issuer rotates its keys', async () => {
  const old = await issuer.issueToken({ scopes })
  expect(await getMessages(old)).toMatchObject({ status: 200 })
  await issuer.rotateKeys()
  expect(await getMessages(await issuer.issueToken({ scopes }))).toMatchObject({ status: 200 })
  expect(await getMessages(old)).toMatchObject({ status: 200 })
})

test('an outage of the issuer is a 503, not a 401', async () => {
  issuer.fault('jwks', { status: 503 })
  const token = await issuer.issueToken({ scopes })
  expect(await getMessages(token)).toMatchObject({ status: 503, body: { code: 'ERR_KEYS_UNAVAILABLE' } })
})
