import { parseArgs } from 'node:util'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { AUDIENCE, startApi } from './api.js'
import { type Expected, printHeading, printRow } from './table.js'

/**
 * The demo: an embedded issuer and an Express API that accepts its tokens, both on loopback ports, and one request for
 * each possible outcome. It uses no network.
 */

const { values: options } = parseArgs({ options: { serve: { type: 'boolean', default: false } } })

const issuer = await createMockIssuer({ audience: AUDIENCE })
const issuerUrl = await issuer.listen()
const api = await startApi(issuerUrl)

console.log(`issuer  ${issuerUrl}`)
console.log(`API     ${api.url}  (audience ${AUDIENCE})\n`)

const outcomes: boolean[] = []
const row = async (request: string, expected: Expected, path: string, token?: string, url = api.url) =>
  outcomes.push(
    await printRow(request, expected, () =>
      fetch(url + path, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } }),
    ),
  )

const invalid: Expected = { status: 401, error: 'invalid_token' }
const good = await requestToken(issuer, issuerUrl, 'messaging.read')

printHeading()
await row('no token', { status: 401 }, '/me')
await row('protected resource metadata', { status: 200 }, '/.well-known/oauth-protected-resource')
await row('good token', { status: 200 }, '/me', good)
await row('good token, scope messaging.read needed', { status: 200 }, '/messages', good)
await row('too little scope', { status: 403, error: 'insufficient_scope' }, '/invoices', good)
await row('not a token', { status: 401, error: 'invalid_token' }, '/me', 'let-me-in')
await row('malformed credentials', { status: 400, error: 'invalid_request' }, '/me', 'let me in')
await row('expired', invalid, '/me', await issuer.issueToken({ expiresInSeconds: -60 }))
await row('tampered: more scopes written into it', invalid, '/me', tamper(good))
await row('unsigned: alg "none"', invalid, '/me', await issuer.issueToken({ header: { alg: 'none' } }))
await row(
  'for another audience',
  invalid,
  '/me',
  await issuer.issueToken({ audience: 'https://other.example.com' }),
)

await issuer.rotateKeys()
await row(
  'signed with a new key, after a rotation',
  { status: 200 },
  '/me',
  await requestToken(issuer, issuerUrl, 'voice.read'),
)

const unused = await issuer.issueToken({ scopes: ['numbers.read'] })
await issuer.close()
await row('issuer switched off, keys cached', { status: 200 }, '/me', unused)
const restarted = await startApi(issuerUrl)
await row('issuer switched off before the first request', { status: 503 }, '/me', unused, restarted.url)
await restarted.close()

const failed = outcomes.filter((ok) => !ok).length
console.log(`\n${outcomes.length - failed} as expected, ${failed} not`)
if (failed > 0) process.exitCode = 1

if (options.serve) {
  await issuer.listen({ port: Number(new URL(issuerUrl).port) })
  const [client] = issuer.clients
  console.log(`
The issuer and the API keep running; stop them with Ctrl-C. To try:

  TOKEN=$(curl -s -u '${client?.clientId}:${client?.clientSecret}' -d grant_type=client_credentials -d scope=messaging.read ${issuerUrl}/v2/oauth/token | node -p 'JSON.parse(fs.readFileSync(0)).access_token')

  curl -i ${api.url}/me
  curl -i -H "Authorization: Bearer $TOKEN" ${api.url}/me
  curl -i -H "Authorization: Bearer $TOKEN" ${api.url}/messages
  curl -i -H "Authorization: Bearer $TOKEN" ${api.url}/invoices
  curl -i -H "Authorization: Bearer let-me-in" ${api.url}/me
  curl ${api.url}/.well-known/oauth-protected-resource
  curl ${issuerUrl}/.well-known/oauth-authorization-server`)
} else await api.close()

/** Gets a token with a client's id and secret (RFC 6749 §4.4). */
async function requestToken({ clients }: MockIssuer, url: string, scope: string): Promise<string> {
  const [client] = clients
  const response = await fetch(`${url}/v2/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client?.clientId}:${client?.clientSecret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
  })
  const answer: unknown = await response.json()
  if (
    typeof answer === 'object' &&
    answer !== null &&
    'access_token' in answer &&
    typeof answer.access_token === 'string'
  )
    return answer.access_token
  throw new Error(`The token endpoint answered ${response.status}`)
}

/** Changes the claims of a token and keeps its signature. */
function tamper(token: string): string {
  const [header, payload = '', signature] = token.split('.')
  const claims: object = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const changed = JSON.stringify({ ...claims, scope: 'billing.read billing.write' })
  return [header, Buffer.from(changed).toString('base64url'), signature].join('.')
}
