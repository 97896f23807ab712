import { createDpopProof, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { makeKey, segmentsOf } from '../support/forge.js'
import type { HttpResponse } from '../support/http-client.js'
import type { TokenOptions } from '../support/issuer.js'

/** A request to both applications, as the pages name it. */
export interface Case {
  readonly title: string
  readonly method?: 'OPTIONS'
  readonly path?: string | ((issuer: MockIssuer) => Promise<string>)
  /** The header lines of the request. */
  lines(issuer: MockIssuer): Promise<readonly string[]>
  /** The application has not fetched the keys yet, and cannot. */
  readonly isDown?: true
}

const good = (issuer: MockIssuer) => issuer.issueToken({ scopes: ['messaging.read'] })

/** The lines with a token that is bound to a key, and a proof of that key. */
async function dpop(issuer: MockIssuer): Promise<readonly string[]> {
  const { privateKey: key } = makeKey('ES256')
  const token = await issuer.issueToken({ scopes: ['messaging.read'], dpopKey: key })
  // The client sends this `Host`.
  const proof = await createDpopProof({ key, method: 'GET', url: 'http://127.0.0.1/messages', token })
  return [`Authorization: DPoP ${token}`, `DPoP: ${proof}`]
}

const inAnHour = Math.floor(Date.now() / 1000) + 3600

const bearer = (options: TokenOptions = {}) => {
  return async (issuer: MockIssuer) => {
    return [`Authorization: Bearer ${await issuer.issueToken({ scopes: ['messaging.read'], ...options })}`]
  }
}

/** A token with the signature of another one. */
async function withOtherSignature(issuer: MockIssuer): Promise<string> {
  const [header, payload] = segmentsOf(await issuer.issueToken({ subject: 'admin' }))
  const [, , signature] = segmentsOf(await issuer.issueToken())
  return `${header}.${payload}.${signature}`
}

export const CASES: readonly Case[] = [
  { title: 'a good token', lines: bearer() },
  { title: 'no token', lines: async () => [] },
  { title: 'another scheme (`Basic`)', lines: async () => ['Authorization: Basic dXNlcjpwYXNz'] },
  { title: 'a malformed header (`Bearer a b`)', lines: async () => ['Authorization: Bearer a b'] },
  { title: 'a token that is no JWT', lines: async () => ['Authorization: Bearer abc'] },
  { title: 'an expired token', lines: bearer({ expiresInSeconds: -3600 }) },
  { title: 'a token for another audience', lines: bearer({ audience: 'https://other.example.com' }) },
  {
    title: 'a wrong signature',
    lines: async (issuer) => [`Authorization: Bearer ${await withOtherSignature(issuer)}`],
  },
  { title: 'a missing scope', lines: bearer({ scopes: ['fax.read'] }) },
  { title: 'the issuer is down, and no key is cached', lines: bearer(), isDown: true },
  { title: 'a token without `exp`', lines: bearer({ claims: { exp: undefined } }) },
  { title: 'a logout token (`typ: logout+jwt`)', lines: bearer({ header: { typ: 'logout+jwt' } }) },
  {
    title: 'a stolen token that is bound to a key (`cnf`)',
    lines: bearer({ jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' }),
  },
  {
    title: 'a token that is bound to a certificate (`cnf`), without the certificate',
    lines: bearer({ x5t: 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' }),
  },
  { title: '`Authorization: DPoP`, with a good proof', lines: dpop },
  {
    title: 'a token whose `iat` is an hour ahead',
    lines: bearer({ claims: { iat: inAnHour }, expiresInSeconds: 7200 }),
  },
  {
    title: 'a good token in the query (`?access_token=`)',
    path: async (issuer) => `/messages?access_token=${await good(issuer)}`,
    lines: async () => [],
  },
  {
    title: '`/.well-known/oauth-protected-resource`, without a token',
    path: '/.well-known/oauth-protected-resource',
    lines: async () => [],
  },
  {
    title: 'a preflight (`OPTIONS`), without CORS middleware',
    method: 'OPTIONS',
    lines: async () => [
      'Origin: https://app.example.com',
      'Access-Control-Request-Method: GET',
      'Access-Control-Request-Headers: authorization',
    ],
  },
]

/** What differs between answers, in one cell: status, challenge and body. */
export function cellOf({ status, headers, body }: HttpResponse): string {
  const challenge = (headers.get('www-authenticate') ?? []).map(shortChallenge).join(', ')
  const parts = [`**${status}**`]
  if (challenge !== '') parts.push(`\`${challenge}\``)
  for (const name of ['retry-after', 'allow']) if (headers.has(name)) parts.push(`\`${properName(name)}\``)
  const text = bodyText(headers.get('content-type')?.join() ?? '', body)
  if (text !== '') parts.push(text)
  return parts.join(' · ').replaceAll('|', '\\|')
}

const properName = (name: string) => (name === 'allow' ? 'Allow' : 'Retry-After')

/** A challenge without the parameters that are for people, or long. */
function shortChallenge(challenge: string): string {
  return challenge
    .replace(/(?:, *)?\b(?:realm|error_description|algs|resource_metadata)="[^"]*"/g, '')
    .replace(/(Bearer|DPoP) *, (?=[a-z_]+=)/g, '$1 ')
    .replace(/ +(?=,|$)/g, '')
}

function bodyText(type: string, body: string): string {
  if (body === '') return ''
  if (type.startsWith('text/html')) return `HTML \`${/<pre>(.*?)<\/pre>/s.exec(body)?.[1] ?? body}\``
  if (!type.startsWith('application/json')) return `text \`${body}\``
  const json: unknown = JSON.parse(body)
  const { code, authorization_servers: servers } = Object(json)
  // It names the port, which is another one each time.
  if (Array.isArray(servers)) return 'the metadata'
  return typeof code === 'string' && code.startsWith('ERR_') ? `\`${code}\`` : `JSON \`${body}\``
}
